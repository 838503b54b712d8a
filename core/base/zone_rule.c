/* SPDX-License-Identifier: Apache-2.0 */
/* zone_rule.c - see zone_parts.h */
#include "base/zone_parts.h"

#include <ctype.h>
#include <string.h>

#include "base/zone.h"

#define DAY INT64_C(86400)

/* 0 and the number, of at most three digits and no more than `most`. */
static int number(const char **p, int most, int *out)
{
	int v = 0, digits = 0;
	for (; isdigit((unsigned char)**p) && digits < 3; digits++)
		v = v * 10 + *(*p)++ - '0';
	*out = v;
	return digits && v <= most ? 0 : -1;
}

static int name(const char **p)
{
	const char *start = *p;
	if (*start == '<') {
		const char *end = strchr(start, '>');
		if (!end)
			return -1;
		*p = end + 1;
		return 0;
	}
	while (isalpha((unsigned char)**p))
		(*p)++;
	return *p - start >= 3 ? 0 : -1;
}

/* [+-]hh[:mm[:ss]] */
static int clock_time(const char **p, int hours_most, int32_t *out)
{
	int sign = **p == '-' ? -1 : 1, h, m = 0, s = 0;
	if (**p == '-' || **p == '+')
		(*p)++;
	if (number(p, hours_most, &h))
		return -1;
	if (**p == ':' && ((*p)++, number(p, 59, &m)))
		return -1;
	if (**p == ':' && ((*p)++, number(p, 59, &s)))
		return -1;
	*out = sign * (h * 3600 + m * 60 + s);
	return 0;
}

static int change(const char **p, struct zone_change *c)
{
	*c = (struct zone_change){ .kind = 'n', .time_s = 7200 };
	if (*(*p)++ != ',')
		return -1;
	if (**p == 'M') {
		c->kind = *(*p)++;
		if (number(p, 12, &c->month) || *(*p)++ != '.' || number(p, 5, &c->week) || *(*p)++ != '.' || number(p, 6, &c->day) ||
		    !c->month || !c->week)
			return -1;
	} else {
		if (**p == 'J')
			c->kind = *(*p)++;
		if (number(p, 365, &c->day) || (c->kind == 'J' && !c->day))
			return -1;
	}
	return **p == '/' ? ((*p)++, clock_time(p, 167, &c->time_s)) : 0;
}

int zone_rule_parse(const char *p, struct zone_rule *r)
{
	*r = (struct zone_rule){ 0 };
	/* POSIX counts west of UTC as positive */
	if (name(&p) || clock_time(&p, 24, &r->standard))
		return -1;
	r->standard = -r->standard;
	if (!*p)
		return 0;
	r->changes = true;
	r->summer = r->standard + 3600;
	if (name(&p))
		return -1;
	if (*p != ',') {
		if (clock_time(&p, 24, &r->summer))
			return -1;
		r->summer = -r->summer;
	}
	return change(&p, &r->to_summer) || change(&p, &r->to_standard) || *p ? -1 : 0;
}

static int64_t on(const struct zone_change *c, int64_t year)
{
	int64_t first = zone_days(year, 1, 1);
	if (c->kind == 'n')
		return first + c->day;
	if (c->kind == 'J')
		return first + c->day - 1 + (c->day >= 60 && zone_days(year, 3, 1) - first == 60);
	int64_t month = zone_days(year, c->month, 1), next = zone_days(year + c->month / 12, c->month % 12 + 1, 1);
	/* 1970-01-01 was a Thursday */
	int64_t day = month + (c->day - (month + 4) % 7 + 7) % 7 + 7 * (c->week - 1);
	return day < next ? day : day - 7;
}

int64_t zone_rule_summer(const struct zone_rule *r, int64_t year)
{
	return on(&r->to_summer, year) * DAY + r->to_summer.time_s - r->standard;
}

int64_t zone_rule_standard(const struct zone_rule *r, int64_t year)
{
	return on(&r->to_standard, year) * DAY + r->to_standard.time_s - r->summer;
}
