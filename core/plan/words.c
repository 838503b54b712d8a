/* SPDX-License-Identifier: Apache-2.0 */
/* words.c - see words.h */
#include "plan/words.h"

#include <string.h>

#include "base/str.h"
#include "base/unit.h"

void words_begin(struct words *w, const char *text, const char *const *known, size_t n_known, char *error, size_t size)
{
	*w = (struct words){ .l = { .text = text, .p = text, .error = error, .size = size }, .known = known, .n_known = n_known };
	words_next(w);
}

void words_next(struct words *w)
{
	lex_blank(&w->l);
	w->at = w->l.p;
	while (*w->l.p && !strchr(" \t\r\n", *w->l.p))
		w->l.p++;
	word_text((struct word){ w->at, (size_t)(w->l.p - w->at) }, w->word);
}

bool words_are(const struct words *w, const char *word)
{
	return !strcmp(w->word, word);
}

bool words_take(struct words *w, const char *word)
{
	if (!words_are(w, word))
		return false;
	words_next(w);
	return true;
}

int words_expected(struct words *w, const char *what)
{
	const char *near = str_nearest(w->word, w->known, w->n_known);
	if (!*w->word)
		return lex_fail(&w->l, w->at, "expected %s", what);
	if (near && strcmp(near, w->word) != 0 && strstr(what, near))
		return lex_fail(&w->l, w->at, "expected %s, found \"%s\" (did you mean \"%s\"?)", what, w->word, near);
	return lex_fail(&w->l, w->at, "expected %s, found \"%s\"", what, w->word);
}

char *words_split(struct words *w, const char *by)
{
	char *at = strstr(w->word, by);
	if (!at)
		return NULL;
	*at = '\0';
	return at + strlen(by);
}

int words_time(struct words *w, const char *at, const char *text, int64_t least_ns, int64_t *out)
{
	if (unit_parse_duration(text, out))
		return lex_fail(&w->l, at, "expected a duration such as 30s, found \"%s\"%s", text,
				*text && strspn(text, "0123456789.") == strlen(text) ? " (which unit? us ms s m h d)" : "");
	if (*out < least_ns) {
		char least[32];
		return lex_fail(&w->l, at, "expected at least %s, found \"%s\"",
				least_ns ? unit_format_duration(least_ns, least, sizeof least) : "0s", text);
	}
	if (*out > WORDS_TIME_MAX)
		return lex_fail(&w->l, at, "expected at most 3650d, found \"%s\"", text);
	return 0;
}

int words_duration(struct words *w, int64_t least_ns, int64_t *out)
{
	if (!*w->word)
		return words_expected(w, "a duration such as 30s");
	if (words_time(w, w->at, w->word, least_ns, out))
		return -1;
	words_next(w);
	return 0;
}
