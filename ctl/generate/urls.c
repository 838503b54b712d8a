/* SPDX-License-Identifier: Apache-2.0 */
/* urls.c - a list of URLs, one a line; a number behind one is its weight. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/unit.h"
#include "generate/source.h"

#define TOLD_MAX 10

static bool has_scheme(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
	return n && !strncmp(s + n, "://", 3) && s[n + 3];
}

/* NULL where it is there already, or left out; -1 where it is no URL. */
static int add(struct draft *d, const char *text, struct request **out)
{
	CLEANUP_LINK struct link link = { 0 };
	CLEANUP_FREE char *whole = NULL;
	*out = NULL;
	if (!input_is_url(text)) {
		if (!draft_seen(d, text))
			*out = draft_add_other(d, text);
		return 0;
	}
	if (link_parse(&link, text, NULL))
		return -1;
	whole = link_text(&link);
	if (!draft_seen(d, whole))
		*out = draft_add(d, &link, NULL);
	return 0;
}

/* One line: 0, or -1 where it is no URL. */
static int read_line(struct draft *d, char *line, int64_t *guessed)
{
	char *url = line + strspn(line, " \t\r");
	if (!*url || *url == '#' || *url == ';')
		return 0;
	char *rest = url + strcspn(url, " \t\r");
	if (*rest)
		*rest++ = '\0';
	rest += strspn(rest, " \t\r");
	rest[strcspn(rest, " \t\r")] = '\0';
	int64_t weight = 0;
	if (*rest && (unit_parse_integer(rest, &weight) || weight < 1 || weight > 1000000))
		return -1;
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return -1;
	CLEANUP_FREE char *full = has_scheme(url) ? xstrdup(url) : xasprintf("https://%s", url);
	struct request *r;
	if (add(d, full, &r))
		return -1;
	if (r)
		r->weight = weight;
	*guessed += !has_scheme(url);
	return 0;
}

int urls_read(struct draft *d, const char *text, size_t n)
{
	int64_t guessed = 0;
	size_t bad = 0, number = 0;
	for (const char *p = text, *end = text + n; p < end;) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		CLEANUP_FREE char *line = xstrndup(p, (size_t)((eol ? eol : end) - p));
		number++;
		if (read_line(d, line, &guessed) && bad++ < TOLD_MAX)
			draft_warn(
			    d, "line %zu is left out: \"%.60s\": expected a URL, and no more than a weight behind it",
			    number, line);
		p = eol ? eol + 1 : end;
	}
	if (bad > TOLD_MAX)
		draft_warn(d, "%zu more lines are left out", bad - TOLD_MAX);
	if (guessed)
		draft_warn(d, "https:// was taken where a line has no scheme (%lld of them)", (long long)guessed);
	return d->n || d->beyond || d->elsewhere || d->urls ? 0 : draft_fail(d, "no URL in it: expected one a line");
}

int source_urls(struct draft *d, const struct source_settings *set, const char *from)
{
	size_t n;
	(void)set;
	CLEANUP_FREE char *text = input_read(d, from, SOURCE_MAX_BYTES, &n);
	return text ? urls_read(d, text, n) : -1;
}
