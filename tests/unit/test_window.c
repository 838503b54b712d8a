/* SPDX-License-Identifier: Apache-2.0 */
/* test_window.c - when a plan is open: weekly windows, cron entries, dates that are left out, in their time zones. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/zone.h"
#include "plan/pace.h"
#include "plan/window.h"

/* Entries that begin with a quote or @ are of cron; "except ..." is that. */
static struct windows *try_compile(const char *const *entries, size_t n, char *error, size_t size, size_t *which)
{
	const char *windows[8], *crons[8];
	struct windows_text text = { .windows = windows, .crons = crons, .local = "America/New_York" };
	for (size_t i = 0; i < n && entries[i]; i++)
		if (!strncmp(entries[i], "except ", 7))
			text.except = entries[i] + 7;
		else if (strchr("\"'@", *entries[i]) && *entries[i])
			crons[text.n_crons++] = entries[i];
		else
			windows[text.n_windows++] = entries[i];
	return windows_compile(&text, error, size, which);
}

static struct windows *compile(const char *const *entries, size_t n)
{
	char error[200] = "";
	size_t which;
	struct windows *w = try_compile(entries, n, error, sizeof error, &which);
	if (!w)
		fail_msg("entry %zu: %s", which, error);
	return w;
}

static int64_t at(const char *text)
{
	struct tm tm = { 0 };
	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
	return timegm(&tm) * NS_PER_S;
}

/* As "2026-03-29 01:00"; all are whole minutes. */
static const char *show(int64_t t, char *out)
{
	if (t == INT64_MAX || t == INT64_MIN) {
		strcpy(out, "never");
		return out;
	}
	time_t s = t / NS_PER_S;
	struct tm tm;
	strftime(out, 32, s % 60 ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M", gmtime_r(&s, &tm));
	return out;
}

static void openings_are_where_they_should_be(void **state)
{
	(void)state;
	/* what opens after a time, since when it is open then, and until when */
	static const struct {
		const char *entries[4], *after, *from, *to; /* UTC */
	} cases[] = {
		/* 2026-11-21 is a Saturday */
		{ { "mon-fri 08:00-18:00 Europe/Berlin" }, "2026-11-21 12:00", "2026-11-23 07:00", "2026-11-23 17:00" },
		{ { "mon-fri 8:00-18:00 Europe/Berlin" }, "2026-11-23 07:00", "2026-11-24 07:00", "2026-11-24 17:00" },
		{ { "mon,wed,fri 08:00-18:00" }, "2026-11-23 09:00", "2026-11-25 08:00", "2026-11-25 18:00" },
		{ { "fri-mon 10:00-11:00" }, "2026-11-23 12:00", "2026-11-27 10:00", "2026-11-27 11:00" },
		{ { "sat" }, "2026-11-22 00:00", "2026-11-28 00:00", "2026-11-29 00:00" },
		{ { "weekend" }, "2026-11-22 12:00", "2026-11-28 00:00", "2026-11-30 00:00" },
		{ { "weekdays 23:00-24:00" }, "2026-11-22 12:00", "2026-11-23 23:00", "2026-11-24 00:00" },
		{ { "daily 08:00-12:00,13:00-17:00" }, "2026-11-21 08:00", "2026-11-21 13:00", "2026-11-21 17:00" },
		{ { "08:00-12:00,12:00-17:00" }, "2026-11-21 17:00", "2026-11-22 08:00", "2026-11-22 17:00" },
		{ { "MON 10:00-11:00 local" }, "2026-11-21 12:00", "2026-11-23 15:00", "2026-11-23 16:00" },
		/* over midnight belongs to the day on which it begins */
		{ { "fri 22:00-06:00 Europe/Berlin" }, "2026-11-21 12:00", "2026-11-27 21:00", "2026-11-28 05:00" },
		{ { "daily 22:00-06:00", "except 2026-11-22" }, "2026-11-21 12:00", "2026-11-21 22:00", "2026-11-22 06:00" },
		{ { "daily 22:00-06:00", "except 2026-11-21..2026-11-23" }, "2026-11-21 12:00", "2026-11-24 22:00", "2026-11-25 06:00" },
		/* what overlaps or touches is one */
		{ { "mon 08:00-12:00", "mon 11:00-14:00", "mon 14:00-15:00 UTC" }, "2026-11-21 12:00", "2026-11-23 08:00", "2026-11-23 15:00" },
		{ { "mon 08:00-12:00 Europe/Berlin", "mon 08:00-12:00 Europe/London" }, "2026-11-21 12:00", "2026-11-23 07:00", "2026-11-23 12:00" },
		{ { "mon 08:00-12:00", "\"55 11 * * *\" for 30m" }, "2026-11-22 12:00", "2026-11-23 08:00", "2026-11-23 12:25" },
		{ { "daily" }, "2026-11-21 12:00", "never", "never" },
		{ { "except 2026-12-25, 2026-12-31..2027-01-01" }, "2026-12-31 12:00", "2027-01-02 00:00", "never" },
		{ { "daily", "except 2026-12-25,2026-12-31" }, "2026-12-25 12:00", "2026-12-26 00:00", "2026-12-31 00:00" },
		/* clocks go forward at 01:00 UTC on 2026-03-29 in Berlin */
		{ { "daily 02:30-04:00 Europe/Berlin" }, "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-29 02:00" },
		{ { "daily 01:00-02:30 Europe/Berlin" }, "2026-03-28 12:00", "2026-03-29 00:00", "2026-03-29 01:00" },
		{ { "daily 02:10-02:50 Europe/Berlin" }, "2026-03-28 12:00", "2026-03-30 00:10", "2026-03-30 00:50" },
		{ { "sat 22:00-06:00 Europe/Berlin" }, "2026-03-28 12:00", "2026-03-28 21:00", "2026-03-29 04:00" },
		{ { "sun Europe/Berlin" }, "2026-03-28 12:00", "2026-03-28 23:00", "2026-03-29 22:00" },
		/* and back at 01:00 UTC on 2026-10-25 */
		{ { "daily 02:30-04:00 Europe/Berlin" }, "2026-10-24 12:00", "2026-10-25 00:30", "2026-10-25 03:00" },
		{ { "daily 01:00-02:30 Europe/Berlin" }, "2026-10-24 12:00", "2026-10-24 23:00", "2026-10-25 01:30" },
		{ { "daily 02:10-02:50 Europe/Berlin" }, "2026-10-24 12:00", "2026-10-25 00:10", "2026-10-25 01:50" },
		{ { "sun Europe/Berlin" }, "2026-10-24 12:00", "2026-10-24 22:00", "2026-10-25 23:00" },
		{ { "daily 02:00-02:30 Australia/Lord_Howe" }, "2026-10-03 12:00", "2026-10-04 15:00", "2026-10-04 15:30" },
		/* cron */
		{ { "\"0 9 * * 1-5\" for 30m Europe/Berlin" }, "2026-11-21 12:00", "2026-11-23 08:00", "2026-11-23 08:30" },
		{ { "\"0 9 * * mon-FRI\" for 30m" }, "2026-11-23 09:00", "2026-11-24 09:00", "2026-11-24 09:30" },
		{ { "'*/20 8-10/2 * * *' for 5m" }, "2026-11-21 08:40", "2026-11-21 10:00", "2026-11-21 10:05" },
		{ { "@hourly for 1m" }, "2026-11-21 12:00", "2026-11-21 13:00", "2026-11-21 13:01" },
		{ { "@monthly for 1h" }, "2026-11-21 12:00", "2026-12-01 00:00", "2026-12-01 01:00" },
		{ { "\"@yearly\" for 1h" }, "2026-11-21 12:00", "2027-01-01 00:00", "2027-01-01 01:00" },
		{ { "\"0 0 13 * 5\" for 1h" }, "2026-11-21 12:00", "2026-11-27 00:00", "2026-11-27 01:00" }, /* a Friday, or a 13th */
		{ { "\"0 0 13 * 5\" for 1h" }, "2026-12-12 12:00", "2026-12-13 00:00", "2026-12-13 01:00" },
		{ { "\"0 0 */2 * 5\" for 1h" }, "2026-11-21 12:00", "2026-11-27 00:00", "2026-11-27 01:00" }, /* odd days that are Fridays */
		{ { "\"0 0 */2 * 5\" for 1h" }, "2026-11-27 12:00", "2026-12-11 00:00", "2026-12-11 01:00" },
		{ { "\"0 0 * * 7\" for 1h" }, "2026-11-21 12:00", "2026-11-22 00:00", "2026-11-22 01:00" },
		{ { "\"0 0 29 2 *\" for 1d" }, "2026-11-21 12:00", "2028-02-29 00:00", "2028-03-01 00:00" },
		{ { "\"0 0 29 2 mon\" for 1d" }, "2028-02-21 12:00", "2028-02-28 00:00", "2028-03-01 00:00" },
		{ { "\"0 0 29 feb *\" for 1d" }, "2096-03-21 12:00", "2104-02-29 00:00", "2104-03-01 00:00" },
		{ { "\"0 0 1 1 *\" for 1h", "except 2027-01-01" }, "2026-11-21 12:00", "2028-01-01 00:00", "2028-01-01 01:00" },
		{ { "\"* * * * *\" for 30s" }, "2026-11-21 12:00", "2026-11-21 12:01", "2026-11-21 12:01:30" },
		{ { "\"0 12 * * *\" for 25h", "except 2026-11-20..2026-11-24" }, "2026-11-21 12:00", "2026-11-25 12:00", "never" },
		/* a minute that clocks skip is when they have; one that comes twice is the first */
		{ { "\"30 2 * * *\" for 10m Europe/Berlin" }, "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-29 01:10" },
		{ { "\"*/10 2 * * *\" for 5m Europe/Berlin" }, "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-29 01:05" },
		{ { "\"*/10 2 * * *\" for 5m Europe/Berlin" }, "2026-03-29 01:00", "2026-03-30 00:00", "2026-03-30 00:05" },
		{ { "\"30 2 * * *\" for 10m Europe/Berlin" }, "2026-10-24 12:00", "2026-10-25 00:30", "2026-10-25 00:40" },
		{ { "\"30 2 * * *\" for 10m Europe/Berlin" }, "2026-10-25 00:30", "2026-10-26 01:30", "2026-10-26 01:40" },
		/* but where the hour is *, it follows the clock */
		{ { "\"30 * * * *\" for 10m Europe/Berlin" }, "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 01:40" },
		{ { "\"30 * * * *\" for 10m Europe/Berlin" }, "2026-03-29 00:30", "2026-03-29 01:30", "2026-03-29 01:40" },
		{ { "\"30 */2 * * *\" for 10m Europe/Berlin" }, "2026-03-28 23:30", "2026-03-29 02:30", "2026-03-29 02:40" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char from[32], to[32];
		struct windows *w = compile(cases[i].entries, 4);
		struct window_state s = windows_at(w, at(cases[i].after));
		/* go on to the next that opens after this time */
		int64_t opens = s.open ? s.until_ns : s.opens_ns;
		if (s.open && opens != INT64_MAX)
			opens = windows_at(w, opens).open ? opens : windows_at(w, opens).opens_ns;
		struct window_state then = opens == INT64_MAX ? s : windows_at(w, opens);
		assert_true(then.open);
		if (strcmp(show(then.since_ns, from), cases[i].from) != 0 || strcmp(show(then.until_ns, to), cases[i].to) != 0)
			fail_msg("case %zu, %s after %s: %s to %s, expected %s to %s", i, cases[i].entries[0], cases[i].after, from,
				 show(then.until_ns, to), cases[i].from, cases[i].to);
		windows_free(w);
	}
}

static void started_inside_it_is_open_at_once(void **state)
{
	(void)state;
	static const char *const entries[] = { "mon-fri 08:00-18:00 Europe/Berlin" };
	struct windows *w = compile(entries, 1);
	struct window_state s = windows_at(w, at("2026-11-23 12:34"));
	assert_true(s.open);
	assert_int_equal(s.since_ns, at("2026-11-23 07:00"));
	assert_int_equal(s.until_ns, at("2026-11-23 17:00"));
	assert_null(s.pace);
	assert_true(windows_at(w, at("2026-11-23 07:00")).open);
	assert_false(windows_at(w, at("2026-11-23 07:00") - 1).open);
	assert_true(windows_at(w, at("2026-11-23 17:00") - 1).open);
	assert_false(windows_at(w, at("2026-11-23 17:00")).open);
	windows_free(w);
}

static void nothing_at_all_is_open_always(void **state)
{
	(void)state;
	struct windows *w = compile(NULL, 0);
	struct window_state s = windows_at(w, at("2026-11-23 12:34"));
	assert_true(s.open && s.since_ns == INT64_MIN && s.until_ns == INT64_MAX && !s.pace);
	windows_free(w);
}

static void what_is_left_out_for_good_never_opens(void **state)
{
	(void)state;
	static const char *const entries[] = { "daily", "except 2026-01-01..2090-01-01" };
	struct windows *w = compile(entries, 2);
	struct window_state s = windows_at(w, at("2026-11-23 12:34"));
	assert_true(!s.open && s.opens_ns == INT64_MAX);
	windows_free(w);
}

static const char *pace_text(const struct pace *p, struct buf *b)
{
	buf_clear(b);
	if (p)
		pace_print(p, b);
	return buf_cstr(b);
}

static void a_cron_entry_brings_its_pace(void **state)
{
	(void)state;
	static const char *const entries[] = { "mon-fri 08:00-18:00", "\"0 9 * * 1-5\" for 30m rate 40/min",
					       "\"15 9 * * 1-5\" for 5m burst 10 every 1s UTC", "\"0 20 * * *\" for 1h recorded Capture" };
	static const struct {
		const char *from, *to, *pace;
	} steps[] = {
		{ "2026-11-23 08:00", "2026-11-23 09:00", "" },
		{ "2026-11-23 09:00", "2026-11-23 09:15", "rate 40/min" },
		{ "2026-11-23 09:15", "2026-11-23 09:20", "burst 10 every 1s" },
		{ "2026-11-23 09:20", "2026-11-23 09:30", "rate 40/min" },
		{ "2026-11-23 09:30", "2026-11-23 18:00", "" },
		{ "2026-11-23 20:00", "2026-11-23 21:00", "recorded Capture" },
	};
	CLEANUP_BUF struct buf b = { 0 };
	struct windows *w = compile(entries, 4);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct window_state s = windows_at(w, at(steps[i].to) - 1);
		assert_true(s.open);
		assert_int_equal(s.since_ns, at(steps[i].from));
		assert_int_equal(s.until_ns, at(steps[i].to));
		assert_string_equal(pace_text(s.pace, &b), steps[i].pace);
	}
	assert_string_equal(pace_text(windows_pace(w, 0), &b), "rate 40/min");
	assert_string_equal(pace_text(windows_pace(w, 2), &b), "recorded Capture");
	assert_null(windows_pace(w, 3));
	windows_free(w);
}

/* What windows_at() says of one time agrees with what it says of all others. */
static void it_never_contradicts_itself(void **state)
{
	(void)state;
	static const char *const sets[][4] = {
		{ "mon-fri 08:00-18:00 Europe/Berlin", "sat,sun 22:00-04:00 America/St_Johns", "\"*/7 3 * * *\" for 5m rate 1/s Europe/Berlin" },
		{ "daily 02:30-02:15 Europe/Berlin", "except 2026-03-28, 2026-10-26" },
		{ "daily 23:59-00:01 Australia/Lord_Howe", "\"* 1-2 * * *\" for 90s Australia/Lord_Howe", "\"5 * * * *\" for 20m rate 3/s" },
		{ "\"0 */3 1-7 * mon\" for 7h Africa/Casablanca", "except 2026-04-01..2026-05-01" },
		{ "\"0 0 * * *\" for 30h rate 1/s", "\"0 12 * * *\" for 30h rate 2/s", "tue Africa/Cairo" },
	};
	srandom(11);
	int64_t begin = at("2026-01-01 00:00"), span = at("2027-01-01 00:00") - begin;
	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
		struct windows *w = compile(sets[i], 4);
		for (int round = 0; round < 2000; round++) {
			int64_t t = begin + (int64_t)((double)span * (double)random() / RAND_MAX);
			struct window_state s = windows_at(w, t);
			int64_t from = s.open ? s.since_ns : t, to = s.open ? s.until_ns : s.opens_ns;
			assert_true(from <= t && t < to && to < INT64_MAX);
			struct window_state after = windows_at(w, to);
			assert_true(s.open ? !after.open || after.pace != s.pace : after.open && after.since_ns == to);
			if (s.open) {
				struct window_state before = windows_at(w, from - 1);
				assert_true(!before.open || before.pace != s.pace);
			}
			int64_t inside = from + (int64_t)((double)(to - from) * (double)random() / RAND_MAX);
			struct window_state same = windows_at(w, inside < to ? inside : to - 1);
			assert_true(same.open == s.open && same.pace == s.pace);
			assert_true(s.open ? same.since_ns == from && same.until_ns == to : same.opens_ns == to);
		}
		windows_free(w);
	}
}

/* Away from changes of the clock, a window is open where local weekday and time say so. */
static void windows_are_what_the_clock_on_the_wall_shows(void **state)
{
	(void)state;
	static const char *const zones[] = { "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Chatham", "UTC" };
	srandom(13);
	for (int round = 0; round < 300; round++) {
		const char *name = zones[random() % 5];
		int first = (int)(random() % 7), from = (int)(random() % 1440), to = (int)(random() % 1440);
		static const char *const days[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };
		if (from == to)
			continue;
		char text[100];
		snprintf(text, sizeof text, "%s-%s %02d:%02d-%02d:%02d %s", days[first], days[(first + 2) % 7], from / 60, from % 60, to / 60,
			 to % 60, name);
		const char *entry = text;
		struct windows *w = compile(&entry, 1);
		struct zone *z = zone_load(name, NULL, 0);
		for (int i = 0; i < 200; i++) {
			int64_t t = at("2026-01-01 00:00") / NS_PER_S + random() % (365 * 86400);
			if (zone_offset(z, t - 2 * 86400) != zone_offset(z, t + 2 * 86400))
				continue;
			int64_t there = t + zone_offset(z, t);
			int day = (int)((there / 86400 + 4) % 7), minute = (int)(there % 86400 / 60);
			bool today = (day - first + 7) % 7 <= 2, yesterday = (day - 1 - first + 14) % 7 <= 2;
			bool open = from < to ? today && minute >= from && minute < to : (today && minute >= from) || (yesterday && minute < to);
			if (windows_at(w, t * NS_PER_S).open != open)
				fail_msg("%s at %" PRId64 ": expected %s", text, t, open ? "open" : "shut");
		}
		zone_free(z);
		windows_free(w);
	}
}

static void what_is_refused_is_told_with_its_column(void **state)
{
	(void)state;
	static const struct {
		const char *entries[3], *error;
		size_t which;
	} cases[] = {
		{ { "" }, "column 1: expected days and times such as mon-fri 08:00-18:00", 0 },
		{ { "daily", "mo-fri 08:00-18:00" }, "column 1: unknown day \"mo\" (did you mean \"mon\"?)", 1 },
		{ { "mon-fry 08:00-18:00" }, "column 5: unknown day \"fry\" (did you mean \"fri\"?)", 0 },
		{ { "mon,holiday 08:00-18:00" }, "column 5: unknown day \"holiday\": expected mon to sun, a range such as mon-fri, daily, weekdays or weekend", 0 },
		{ { "mon, 08:00-18:00" }, "column 5: unknown day \"\": expected mon to sun, a range such as mon-fri, daily, weekdays or weekend", 0 },
		{ { "mon-daily" }, "column 1: expected single days at both ends of a range", 0 },
		{ { "mon 8-18" }, "column 5: expected times such as 08:00-18:00, found \"8-18\"", 0 },
		{ { "mon 08:00-12:00,13:00" }, "column 17: expected times such as 08:00-18:00, found \"13:00\"", 0 },
		{ { "mon 08:00-24:01" }, "column 5: expected times such as 08:00-18:00, found \"08:00-24:01\"", 0 },
		{ { "mon 08:60-09:00" }, "column 5: expected times such as 08:00-18:00, found \"08:60-09:00\"", 0 },
		{ { "mon 08:00-08:00" }, "column 5: expected it to end at another time than it begins (all day is 00:00-24:00)", 0 },
		{ { "mon 24:00-08:00" }, "column 5: expected it to end at another time than it begins (all day is 00:00-24:00)", 0 },
		{ { "mon 08:00-18:00 Europe/Berln" }, "column 17: no time zone \"Europe/Berln\" (did you mean \"Europe/Berlin\"?)", 0 },
		{ { "mon 08:00-18:00 UTC UTC" }, "column 21: expected the end, found \"UTC\"", 0 },
		{ { "\"0 9 * * 1-5\"" }, "column 14: expected \"for\" and how long it stays open", 0 },
		{ { "\"0 9 * * 1-5\" for" }, "column 18: expected a duration such as 30s", 0 },
		{ { "\"0 9 * * 1-5\" for 32d" }, "column 19: expected whole seconds, at most 31d", 0 },
		{ { "\"0 9 * * 1-5\" for 1500ms" }, "column 19: expected whole seconds, at most 31d", 0 },
		{ { "\"0 9 * * 1-5\" for 30m rat 40/min" }, "column 23: expected every, human, rate, ramp, burst, users or recorded, found \"rat\" (did you mean \"rate\"?)", 0 },
		{ { "\"0 9 * * 1-5\" for 30m rate 40/min Europe/Berln" }, "column 35: no time zone \"Europe/Berln\" (did you mean \"Europe/Berlin\"?)", 0 },
		{ { "\"0 9 * * 1-5 for 30m" }, "column 1: the string that begins here has no closing \"", 0 },
		{ { "\"0 9 * *\" 1-5 for 30m" }, "column 9: expected five fields between the quotes: minute hour day month weekday", 0 },
		{ { "\"0 9 * *\" for 30m" }, "column 11: expected a day of the week from 0 to 7 or sun to sat, found \"for\"", 0 },
		{ { "\"60 9 * * *\" for 30m" }, "column 2: expected a minute from 0 to 59, found \"60\"", 0 },
		{ { "\"0 9-8 * * *\" for 30m" }, "column 6: expected no less than where the range begins, found \"8\"", 0 },
		{ { "\"0 24 * * *\" for 30m" }, "column 4: expected an hour from 0 to 23, found \"24\"", 0 },
		{ { "\"0 9 0 * *\" for 30m" }, "column 6: expected a day of the month from 1 to 31, found \"0\"", 0 },
		{ { "\"0 9 * foo *\" for 30m" }, "column 8: expected a month from 1 to 12 or jan to dec, found \"foo\"", 0 },
		{ { "\"0 9 * * 8\" for 30m" }, "column 10: expected a day of the week from 0 to 7 or sun to sat, found \"8\"", 0 },
		{ { "\"5/10 9 * * *\" for 30m" }, "column 3: expected \"*\" or a range before \"/\"", 0 },
		{ { "\"*/0 9 * * *\" for 30m" }, "column 4: expected a step from 1 to 59, found \"0\"", 0 },
		{ { "\"1,,2 9 * * *\" for 30m" }, "column 4: expected a minute from 0 to 59", 0 },
		{ { "\"1, 9 * * *\" for 30m" }, "column 4: expected a minute from 0 to 59", 0 },
		{ { "\"1x 9 * * *\" for 30m" }, "column 2: expected a minute from 0 to 59, found \"1x\"", 0 },
		{ { "\"0 0 30 2 *\" for 30m" }, "column 6: there is no such day in these months", 0 },
		{ { "\"0 0 31 apr,jun *\" for 30m" }, "column 6: there is no such day in these months", 0 },
		{ { "daily", "@hourly for 1m", "@reboot for 30m" }, "column 1: expected five fields, or @hourly, @daily, @weekly, @monthly or @yearly, found \"@reboot\"", 2 },
		{ { "daily", "except 2026-13-01" }, "column 1: expected a date such as 2026-12-25, found \"2026-13-01\"", 1 },
		{ { "daily", "except 2026-02-29" }, "column 1: expected a date such as 2026-12-25, found \"2026-02-29\"", 1 },
		{ { "daily", "except 2026-12-25,26" }, "column 12: expected a date such as 2026-12-25, found \"26\"", 1 },
		{ { "daily", "except 2026-12-25," }, "column 12: expected a date such as 2026-12-25", 1 },
		{ { "daily", "except 2026-12-25 2026-12-26" }, "column 12: expected \",\", \"..\" or the end", 1 },
		{ { "daily", "except 2026-12-25..2026-12-24" }, "column 13: expected no earlier date than that where the range begins", 1 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char error[200] = "";
		size_t which = 99;
		struct windows *w = try_compile(cases[i].entries, 3, error, sizeof error, &which);
		if (w)
			fail_msg("\"%s\" is accepted", cases[i].entries[cases[i].which]);
		assert_string_equal(error, cases[i].error);
		assert_int_equal(which, cases[i].which);
	}
}

static void the_zone_of_those_that_name_none(void **state)
{
	(void)state;
	static const char *const entries[] = { "mon 08:00-09:00", "tue 08:00-09:00 UTC" };
	char error[200];
	size_t which;
	struct windows_text text = { .windows = entries, .n_windows = 2, .zone = "local", .local = "Asia/Tokyo" };
	struct windows *w = windows_compile(&text, error, sizeof error, &which);
	assert_non_null(w);
	assert_true(windows_at(w, at("2026-11-22 23:30")).open);
	assert_true(windows_at(w, at("2026-11-24 08:30")).open);
	windows_free(w);
	text.local = NULL;
	assert_null(windows_compile(&text, error, sizeof error, &which));
	assert_string_equal(error, "column 16: the machine's own time zone is not known here: expected a name such as Europe/Berlin");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openings_are_where_they_should_be),
		cmocka_unit_test(started_inside_it_is_open_at_once),
		cmocka_unit_test(nothing_at_all_is_open_always),
		cmocka_unit_test(what_is_left_out_for_good_never_opens),
		cmocka_unit_test(a_cron_entry_brings_its_pace),
		cmocka_unit_test(it_never_contradicts_itself),
		cmocka_unit_test(windows_are_what_the_clock_on_the_wall_shows),
		cmocka_unit_test(what_is_refused_is_told_with_its_column),
		cmocka_unit_test(the_zone_of_those_that_name_none),
	};
	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
