/* SPDX-License-Identifier: Apache-2.0 */
/* window_walk.c - the openings of one entry, forward and backward, through all that clocks on the wall do. */
#include "plan/window_parts.h"

/* after these the calendar repeats itself, but for the years that 100 divides */
#define SEARCH_DAYS (41 * 366)

static int64_t day_of(int64_t local_s)
{
	return local_s / WINDOW_DAY - (local_s % WINDOW_DAY < 0);
}

static int64_t local(const struct window_entry *e, int64_t t)
{
	return t + zone_offset(e->zone, t);
}

int64_t window_reach(const struct window_entry *e)
{
	return e->is_cron ? e->for_s : 3 * WINDOW_DAY;
}

static bool excepted(const struct windows *all, int64_t day)
{
	for (size_t i = 0; i < all->n_except; i++)
		if (day >= all->except[i].first && day <= all->except[i].last)
			return true;
	return false;
}

/* Does it begin on that day? */
static bool on_day(const struct window_entry *e, int64_t day)
{
	/* 1970-01-01 was a Thursday */
	int weekday = (int)(((day + 4) % 7 + 7) % 7), month, of_month;
	int64_t year;
	if (!e->is_cron)
		return (e->weekdays >> weekday & 1) && !excepted(e->all, day);
	zone_date(day, &year, &month, &of_month);
	return cron_day(&e->cron, month, of_month, weekday) && !excepted(e->all, day);
}

static int minute_from(const struct window_entry *e, int minute)
{
	if (e->is_cron)
		return cron_minute_from(&e->cron, minute);
	return minute <= e->from_min ? e->from_min : -1;
}

static int minute_until(const struct window_entry *e, int minute)
{
	if (e->is_cron)
		return cron_minute_until(&e->cron, minute);
	return minute >= e->from_min ? e->from_min : -1;
}

/* False: all of it is in a time that clocks skip. */
static bool opening_at(const struct window_entry *e, int64_t day, int minute, struct window_opening *o)
{
	o->from = zone_first(e->zone, day * WINDOW_DAY + minute * INT64_C(60));
	o->to = e->is_cron ? o->from + e->for_s : zone_last(e->zone, day * WINDOW_DAY + e->to_min * INT64_C(60));
	return o->to > o->from;
}

/* The least, or the most, that clocks may show at t, whatever they change to or from within two days. A time of the day
 * comes after t only if it is more than the least, and before it only if it is no more than the most. */
static int64_t around(const struct window_entry *e, int64_t t, bool most)
{
	int64_t found = local(e, t);
	for (int i = -1; i <= 1; i += 2) {
		int64_t other = t + zone_offset(e->zone, t + i * 2 * WINDOW_DAY);
		if (most ? other > found : other < found)
			found = other;
	}
	return found;
}

/* --- hours that are written as * follow the clock: what it skips is skipped, what it shows twice comes twice -------- */

static bool clock_after(const struct window_entry *e, int64_t t, struct window_opening *o)
{
	int64_t end = t + SEARCH_DAYS * WINDOW_DAY;
	for (int64_t at = (t / 60 - (t % 60 < 0) + 1) * 60; at < end;) {
		int64_t there = local(e, at), day = day_of(there), second = there - day * WINDOW_DAY;
		if (!on_day(e, day)) {
			int64_t midnight = zone_first(e->zone, (day + 1) * WINDOW_DAY);
			at = midnight > at ? midnight : at + 60;
		} else if (!(e->cron.hours >> second / 3600 & 1)) {
			at += 3600 - second % 3600;
		} else if (!(e->cron.minutes >> second / 60 % 60 & 1)) {
			at += 60;
		} else {
			*o = (struct window_opening){ at, at + e->for_s };
			return true;
		}
	}
	return false;
}

static bool clock_until(const struct window_entry *e, int64_t t, int64_t least, struct window_opening *o)
{
	for (int64_t at = (t / 60 - (t % 60 < 0)) * 60; at >= least;) {
		int64_t there = local(e, at), day = day_of(there), second = there - day * WINDOW_DAY;
		if (!on_day(e, day)) {
			int64_t midnight = zone_first(e->zone, day * WINDOW_DAY) - 60;
			at = midnight < at ? midnight : at - 60;
		} else if (!(e->cron.hours >> second / 3600 & 1)) {
			at -= second % 3600 + 60;
		} else if (!(e->cron.minutes >> second / 60 % 60 & 1)) {
			at -= 60;
		} else {
			*o = (struct window_opening){ at, at + e->for_s };
			return true;
		}
	}
	return false;
}

/* --- all others begin at a time of the day: once, whatever the clock does --------------------------- */

static bool fixed_after(const struct window_entry *e, int64_t t, struct window_opening *o)
{
	int64_t there = around(e, t, false), today = day_of(there);
	int minute = (int)((there - today * WINDOW_DAY) / 60);
	for (int64_t day = today; day <= today + SEARCH_DAYS; day++, minute = 0) {
		for (; on_day(e, day) && (minute = minute_from(e, minute)) >= 0; minute++)
			if (opening_at(e, day, minute, o) && o->from > t)
				return true;
	}
	return false;
}

static bool fixed_until(const struct window_entry *e, int64_t t, int64_t least, struct window_opening *o)
{
	int64_t there = around(e, t, true), today = day_of(there), first = day_of(around(e, least, false));
	int minute = (int)((there - today * WINDOW_DAY) / 60);
	for (int64_t day = today; day >= first; day--, minute = 1439) {
		for (; on_day(e, day) && minute >= 0 && (minute = minute_until(e, minute)) >= 0; minute--)
			if (opening_at(e, day, minute, o) && o->from <= t)
				return o->from >= least;
	}
	return false;
}

bool window_after(const struct window_entry *e, int64_t t, struct window_opening *o)
{
	return e->is_cron && e->cron.every_hour ? clock_after(e, t, o) : fixed_after(e, t, o);
}

bool window_until(const struct window_entry *e, int64_t t, int64_t least, struct window_opening *o)
{
	return e->is_cron && e->cron.every_hour ? clock_until(e, t, least, o) : fixed_until(e, t, least, o);
}
