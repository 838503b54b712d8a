/* SPDX-License-Identifier: Apache-2.0 */
/* name.c - names of sections: made of what there is, unique, and the same ones each time. */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "generate/draft.h"

#define NAME_LIMIT 80

char *name_clean(const char *text)
{
	struct buf out = { 0 };
	for (const char *p = text; *p && out.len < NAME_LIMIT; p++) {
		unsigned char c = (unsigned char)*p;
		if (c < 0x80 && (isalnum(c) || c == '_' || c == '.'))
			buf_putc(&out, (char)c);
		else if (out.len && out.data[out.len - 1] != '-')
			buf_putc(&out, '-');
	}
	while (out.len && out.data[out.len - 1] == '-')
		out.len--;
	if (!out.len)
		buf_puts(&out, "root");
	return buf_cstr(&out);
}

static bool take(struct word **set, const char *text)
{
	struct word *w;
	HASH_FIND_STR(*set, text, w);
	if (w)
		return false;
	w = xnew(struct word);
	w->text = xstrdup(text);
	HASH_ADD_KEYPTR(hh, *set, w->text, strlen(w->text), w);
	return true;
}

char *name_unique(struct draft *d, const char *text)
{
	char *name = name_clean(text);
	CLEANUP_FREE char *base = xstrdup(name);
	for (unsigned i = 2; !take(&d->names, name); i++) {
		free(name);
		name = xasprintf("%s-%u", base, i);
	}
	return name;
}

bool draft_seen(struct draft *d, const char *url)
{
	return !take(&d->urls, url);
}
