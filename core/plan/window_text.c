/* SPDX-License-Identifier: Apache-2.0 */
/* window_text.c - windows, cron entries and dates as text, with errors that say where and what was expected. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "plan/window_parts.h"

#define FOR_MAX_NS (31 * WINDOW_DAY * NS_PER_S)

static const char *const days[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", "daily", "weekdays", "weekend" };
static const char *const known[] = { "for" };

struct parser {
	struct words w;
	struct windows *out;
	const struct windows_text *text;
};

static struct window_entry *add_entry(struct windows *w)
{
	w->entries = xreallocarray(w->entries, w->n_entries + 1, sizeof *w->entries);
	struct window_entry *e = &w->entries[w->n_entries++];
	*e = (struct window_entry){ .all = w };
	return e;
}

/* Each zone is loaded once. */
static const struct zone *zone_of(struct windows *w, const char *name, char *error, size_t size)
{
	for (size_t i = 0; i < w->n_zones; i++)
		if (!strcmp(w->zones[i]->name, name))
			return w->zones[i];
	struct zone *z = zone_load(name, error, size);
	if (!z)
		return NULL;
	w->zones = xreallocarray(w->zones, w->n_zones + 1, sizeof *w->zones);
	return w->zones[w->n_zones++] = z;
}

/* NULL: that of entries that name none. */
static int zone(struct parser *s, const char *at, const char *name, const struct zone **out)
{
	char error[160];
	if (!name)
		name = s->text->zone ? s->text->zone : "UTC";
	if (!strcmp(name, "local")) {
		name = s->text->local;
		if (!name)
			return lex_fail(&s->w.l, at, "the machine's own time zone is not known here: expected a name such as Europe/Berlin");
	}
	*out = zone_of(s->out, name, error, sizeof error);
	return *out ? 0 : lex_fail(&s->w.l, at, "%s", error);
}

/* --- mon-fri 08:00-18:00 Europe/Berlin ----------------------------------------------------------- */

static int day(struct parser *s, const char *text, size_t len, uint32_t *bits, int *number)
{
	static const uint32_t sets[] = { [7] = 0x7f, [8] = 0x3e, [9] = 0x41 };
	char word[64];
	snprintf(word, sizeof word, "%.*s", (int)len, text);
	for (int i = 0; i < (int)ARRAY_LEN(days); i++)
		if (!strcasecmp(days[i], word)) {
			*number = i;
			*bits = i < 7 ? UINT32_C(1) << i : sets[i];
			return 0;
		}
	const char *at = s->w.at + (text - s->w.word), *near = str_nearest(word, days, ARRAY_LEN(days));
	if (near)
		return lex_fail(&s->w.l, at, "unknown day \"%s\" (did you mean \"%s\"?)", word, near);
	return lex_fail(&s->w.l, at, "unknown day \"%s\": expected mon to sun, a range such as mon-fri, daily, weekdays or weekend",
			word);
}

/* One of a list: a day, or a range, which may go on into the next week. */
static int day_range(struct parser *s, const char *text, size_t len, uint32_t *bits)
{
	const char *dash = memchr(text, '-', len);
	size_t first_len = dash ? (size_t)(dash - text) : len;
	int first, last;
	if (day(s, text, first_len, bits, &first) || (dash && day(s, dash + 1, len - first_len - 1, bits, &last)))
		return -1;
	if (!dash)
		return 0;
	if (first > 6 || last > 6)
		return lex_fail(&s->w.l, s->w.at + (text - s->w.word), "expected single days at both ends of a range");
	*bits = UINT32_C(1) << last;
	for (int i = first; i != last; i = (i + 1) % 7)
		*bits |= UINT32_C(1) << i;
	return 0;
}

static int day_list(struct parser *s, uint32_t *weekdays)
{
	*weekdays = 0;
	for (const char *p = s->w.word;; p++) {
		size_t len = strcspn(p, ",");
		uint32_t bits;
		if (day_range(s, p, len, &bits))
			return -1;
		*weekdays |= bits;
		p += len;
		if (!*p)
			return 0;
	}
}

/* "8:00" or "08:00", at most 24:00. */
static const char *minute(const char *p, int *out)
{
	int part[2] = { 0 }, digits[2] = { 0 };
	for (int i = 0; i < 2; i++) {
		for (; isdigit((unsigned char)*p) && digits[i] < 2; digits[i]++)
			part[i] = part[i] * 10 + *p++ - '0';
		if (!i && *p++ != ':')
			return NULL;
	}
	*out = part[0] * 60 + part[1];
	return digits[0] && digits[1] == 2 && part[1] < 60 && *out <= 1440 ? p : NULL;
}

static int time_list(struct parser *s, uint32_t weekdays, size_t first)
{
	for (const char *p = s->w.word;; p++) {
		const char *at = s->w.at + (p - s->w.word), *start = p;
		int from, to;
		p = minute(p, &from);
		p = p && *p == '-' ? minute(p + 1, &to) : NULL;
		if (!p || (*p && *p != ','))
			return lex_fail(&s->w.l, at, "expected times such as 08:00-18:00, found \"%.*s\"", (int)strcspn(start, ","), start);
		if (from == 1440 || from == to)
			return lex_fail(&s->w.l, at, "expected it to end at another time than it begins (all day is 00:00-24:00)");
		struct window_entry *e = add_entry(s->out);
		e->weekdays = weekdays;
		e->from_min = from;
		e->to_min = to > from ? to : to + 1440;
		e->zone = first < s->out->n_entries - 1 ? s->out->entries[first].zone : NULL;
		if (!*p)
			return 0;
	}
}

static int parse_window(struct parser *s)
{
	size_t first = s->out->n_entries;
	uint32_t weekdays = 0x7f;
	bool has_days = isalpha((unsigned char)*s->w.word);
	if (!*s->w.word)
		return words_expected(&s->w, "days and times such as mon-fri 08:00-18:00");
	if (has_days) {
		if (day_list(s, &weekdays))
			return -1;
		words_next(&s->w);
	}
	if (isdigit((unsigned char)*s->w.word) || !has_days) {
		if (time_list(s, weekdays, first))
			return -1;
		words_next(&s->w);
	} else {
		struct window_entry *e = add_entry(s->out);
		e->weekdays = weekdays;
		e->to_min = 1440;
	}
	const struct zone *z;
	if (zone(s, s->w.at, *s->w.word ? s->w.word : NULL, &z))
		return -1;
	for (; first < s->out->n_entries; first++)
		s->out->entries[first].zone = z;
	words_next(&s->w);
	return *s->w.word ? words_expected(&s->w, "the end") : 0;
}

/* --- "0 9 * * 1-5" for 30m rate 40/min Europe/Berlin --------------------------------------------- */

/* Blanks in place of both quotes, so that columns stay as they are. */
static int unquote(struct parser *s, char *text, const char **close)
{
	char *p = text + strspn(text, " \t\r\n"), quote = *p;
	*close = NULL;
	if (quote != '"' && quote != '\'')
		return 0;
	char *end = strchr(p + 1, quote);
	if (!end)
		return lex_fail(&s->w.l, p, "the string that begins here has no closing %c", quote);
	*p = *end = ' ';
	*close = end;
	return 0;
}

/* The last word where it names a zone, as all do that begin with a capital letter, but for the file of a recorded pace. */
static char *zone_word(char *rest)
{
	static const char blanks[] = " \t\r\n", file[] = "recorded";
	size_t end = strlen(rest);
	while (end && strchr(blanks, rest[end - 1]))
		rest[--end] = '\0';
	size_t start = end;
	while (start && !strchr(blanks, rest[start - 1]))
		start--;
	size_t before = start;
	while (before && strchr(blanks, rest[before - 1]))
		before--;
	if (before >= strlen(file) && !strncmp(rest + before - strlen(file), file, strlen(file)))
		return NULL;
	return isupper((unsigned char)rest[start]) || !strcmp(rest + start, "local") ? rest + start : NULL;
}

static int cron_pace(struct parser *s, char *text, char *rest, struct window_entry *e)
{
	if (!rest[strspn(rest, " \t\r\n")])
		return 0;
	memset(text, ' ', (size_t)(rest - text));
	e->pace = pace_compile(text, s->w.l.error, s->w.l.size);
	return e->pace ? 0 : -1;
}

static int parse_cron_text(struct parser *s, char *text, struct window_entry *e)
{
	const char *close;
	int64_t length;
	if (unquote(s, text, &close))
		return -1;
	words_next(&s->w);
	if (cron_parse(&s->w, &e->cron))
		return -1;
	if (close && (s->w.at < close || close + strspn(close, " \t\r\n") != s->w.at))
		return lex_fail(&s->w.l, close, "expected five fields between the quotes: minute hour day month weekday");
	if (!words_take(&s->w, "for"))
		return words_expected(&s->w, "\"for\" and how long it stays open");
	const char *at = s->w.at;
	if (words_duration(&s->w, NS_PER_S, &length))
		return -1;
	if (length > FOR_MAX_NS || length % NS_PER_S)
		return lex_fail(&s->w.l, at, "expected whole seconds, at most 31d");
	e->for_s = length / NS_PER_S;
	char *rest = text + (s->w.at - text), *name = zone_word(rest);
	if (zone(s, name ? name : rest, name, &e->zone))
		return -1;
	if (name)
		*name = '\0';
	return cron_pace(s, text, rest, e);
}

static int parse_cron(struct parser *s, const char *text)
{
	CLEANUP_FREE char *copy = xstrdup(text);
	struct window_entry *e = add_entry(s->out);
	e->is_cron = true;
	s->w.l.text = s->w.l.p = copy;
	return parse_cron_text(s, copy, e);
}

/* --- 2026-12-25, 2026-12-31..2027-01-01 ---------------------------------------------------------- */

static const char *date(const char *p, int64_t *out)
{
	int part[3] = { 0 };
	static const int digits[] = { 4, 2, 2 };
	for (int i = 0; i < 3; i++) {
		for (int k = 0; k < digits[i]; k++, p++) {
			if (!isdigit((unsigned char)*p))
				return NULL;
			part[i] = part[i] * 10 + *p - '0';
		}
		if (i < 2 && *p++ != '-')
			return NULL;
	}
	if (part[1] < 1 || part[1] > 12 || part[2] < 1)
		return NULL;
	*out = zone_days(part[0], part[1], part[2]);
	return *out < zone_days(part[0] + part[1] / 12, part[1] % 12 + 1, 1) ? p : NULL;
}

static int parse_except(struct parser *s, const char *text)
{
	struct windows *w = s->out;
	size_t cap = 0;
	struct lexer *l = &s->w.l;
	l->text = l->p = text;
	do {
		struct window_days d;
		lex_blank(l);
		const char *at = l->p, *end = date(l->p, &d.first);
		d.last = d.first;
		if (end && !strncmp(end, "..", 2)) {
			at = end + 2;
			end = date(at, &d.last);
		}
		if (!end)
			return lex_fail(l, at, "expected a date such as 2026-12-25%s%.*s%s", *at ? ", found \"" : "",
					(int)strcspn(at, ", "), at, *at ? "\"" : "");
		if (d.last < d.first)
			return lex_fail(l, at, "expected no earlier date than that where the range begins");
		l->p = end;
		xgrow(w->except, w->n_except, cap);
		w->except[w->n_except++] = d;
	} while (lex_take(l, ","));
	return lex_end(l) ? 0 : lex_fail(l, l->p, "expected \",\", \"..\" or the end");
}

/* --- all of it ----------------------------------------------------------------------------------- */

static int parse_all(struct parser *s, size_t *which)
{
	const struct windows_text *t = s->text;
	for (*which = 0; *which < t->n_windows; ++*which) {
		words_begin(&s->w, t->windows[*which], known, ARRAY_LEN(known), s->w.l.error, s->w.l.size);
		if (parse_window(s))
			return -1;
	}
	for (; *which < t->n_windows + t->n_crons; ++*which)
		if (parse_cron(s, t->crons[*which - t->n_windows]))
			return -1;
	return t->except && t->except[strspn(t->except, " \t\r\n")] ? parse_except(s, t->except) : 0;
}

struct windows *windows_compile(const struct windows_text *text, char *error, size_t size, size_t *which)
{
	struct windows *w = xnew(struct windows);
	struct parser s = { .out = w, .text = text };
	words_begin(&s.w, "", known, ARRAY_LEN(known), error, size);
	size_t entry;
	int rc = parse_all(&s, which ? which : &entry);
	if (!rc && !w->n_entries && w->n_except) {
		struct window_entry *e = add_entry(w);
		e->weekdays = 0x7f;
		e->to_min = 1440;
		rc = zone(&s, s.w.l.text, NULL, &e->zone);
	}
	if (!rc)
		return w;
	windows_free(w);
	return NULL;
}

void windows_free(struct windows *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n_entries; i++)
		pace_free(w->entries[i].pace);
	for (size_t i = 0; i < w->n_zones; i++)
		zone_free(w->zones[i]);
	free(w->entries);
	free(w->zones);
	free(w->except);
	free(w);
}
