/* SPDX-License-Identifier: Apache-2.0 */
/* cron.c - see cron.h */
#include "plan/cron.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekdays[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };

static const struct field {
	const char *what;
	int least, most;
	const char *const *names; /* the first is `least` */
} fields[] = {
	{ "a minute from 0 to 59", 0, 59, NULL },
	{ "an hour from 0 to 23", 0, 23, NULL },
	{ "a day of the month from 1 to 31", 1, 31, NULL },
	{ "a month from 1 to 12 or jan to dec", 1, 12, months },
	{ "a day of the week from 0 to 7 or sun to sat", 0, 7, weekdays },
};

static const struct {
	const char *name, *fields;
} shorthands[] = {
	{ "@hourly", "0 * * * *" },  { "@daily", "0 0 * * *" },  { "@midnight", "0 0 * * *" }, { "@weekly", "0 0 * * 0" },
	{ "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" },
};

static int fail_at(struct words *w, const char *p, const char *what)
{
	const char *at = w->at + (p - w->word);
	size_t len = strcspn(p, ",-/");
	return len ? lex_fail(&w->l, at, "expected %s, found \"%.*s\"", what, (int)len, p) : lex_fail(&w->l, at, "expected %s", what);
}

static int value(struct words *w, const char **p, const struct field *f, int *out)
{
	const char *start = *p;
	size_t len = strcspn(start, ",-/");
	for (int i = 0; f->names && f->names[i]; i++)
		if (strlen(f->names[i]) == len && !strncasecmp(f->names[i], start, len)) {
			*p += len;
			*out = f->least + i;
			return 0;
		}
	*out = 0;
	while (isdigit((unsigned char)**p) && *p - start < 4)
		*out = *out * 10 + *(*p)++ - '0';
	return *p == start || (size_t)(*p - start) != len || *out < f->least || *out > f->most ? fail_at(w, start, f->what) : 0;
}

static int item(struct words *w, const char **p, const struct field *f, uint64_t *bits)
{
	int from = f->least, to = f->most, step = 1;
	const char *start = *p;
	bool range = **p == '*';
	if (range) {
		(*p)++;
	} else {
		if (value(w, p, f, &from))
			return -1;
		to = from;
		range = **p == '-';
		if (range && ((*p)++, start = *p, value(w, p, f, &to)))
			return -1;
		if (to < from)
			return fail_at(w, start, "no less than where the range begins");
	}
	if (**p == '/') {
		static const struct field steps = { "a step from 1 to 59", 1, 59, NULL };
		if (!range)
			return fail_at(w, *p, "\"*\" or a range before \"/\"");
		(*p)++;
		if (value(w, p, &steps, &step))
			return -1;
	}
	for (int i = from; i <= to; i += step)
		*bits |= UINT64_C(1) << i;
	return 0;
}

static int parse_field(struct words *w, const struct field *f, uint64_t *bits)
{
	const char *p = w->word;
	*bits = 0;
	if (!*p)
		return words_expected(w, f->what);
	do {
		if (item(w, &p, f, bits))
			return -1;
	} while (*p == ',' && *++p);
	return *p || p[-1] == ',' ? fail_at(w, p, f->what) : 0;
}

/* The day of a month that no month of those has. */
static bool never(const struct cron *c)
{
	static const uint32_t of_30 = 1 << 4 | 1 << 6 | 1 << 9 | 1 << 11, february = 1 << 2;
	uint32_t first = c->days & -c->days;
	return c->both_days && ((first == UINT32_C(1) << 31 && !(c->months & ~(of_30 | february))) ||
				(first == UINT32_C(1) << 30 && !(c->months & ~february)));
}

static int five(struct words *w, struct cron *c)
{
	uint64_t bits[ARRAY_LEN(fields)];
	bool star[ARRAY_LEN(fields)];
	const char *days = w->at;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (i == 2)
			days = w->at;
		star[i] = *w->word == '*';
		if (parse_field(w, &fields[i], &bits[i]))
			return -1;
		words_next(w);
	}
	*c = (struct cron){ .minutes = bits[0], .hours = (uint32_t)bits[1], .days = (uint32_t)bits[2], .months = (uint32_t)bits[3],
			    .weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f), .every_hour = star[1], .both_days = star[2] || star[4] };
	return never(c) ? lex_fail(&w->l, days, "there is no such day in these months") : 0;
}

int cron_parse(struct words *w, struct cron *c)
{
	if (*w->word != '@')
		return five(w, c);
	for (size_t i = 0; i < ARRAY_LEN(shorthands); i++)
		if (!strcasecmp(w->word, shorthands[i].name)) {
			struct words short_hand;
			char error[64];
			words_begin(&short_hand, shorthands[i].fields, NULL, 0, error, sizeof error);
			words_next(w);
			return five(&short_hand, c);
		}
	return words_expected(w, "five fields, or @hourly, @daily, @weekly, @monthly or @yearly");
}

bool cron_day(const struct cron *c, int month, int day, int weekday)
{
	bool of_month = c->days >> day & 1, of_week = c->weekdays >> weekday & 1;
	return (c->months >> month & 1) && (c->both_days ? of_month && of_week : of_month || of_week);
}

int cron_minute_from(const struct cron *c, int minute)
{
	for (int hour = minute / 60, m = minute % 60; hour < 24; hour++, m = 0) {
		uint64_t left = c->minutes >> m;
		if ((c->hours >> hour & 1) && left)
			return hour * 60 + m + __builtin_ctzll(left);
	}
	return -1;
}

int cron_minute_until(const struct cron *c, int minute)
{
	for (int hour = minute / 60, m = minute % 60; hour >= 0; hour--, m = 59) {
		uint64_t left = c->minutes << (63 - m);
		if ((c->hours >> hour & 1) && left)
			return hour * 60 + m - __builtin_clzll(left);
	}
	return -1;
}
