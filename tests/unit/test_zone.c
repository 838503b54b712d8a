/* SPDX-License-Identifier: Apache-2.0 */
/* test_zone.c - time zones: the same changes as Python's zoneinfo finds, local times that are skipped and shown twice, the
 * calendar, names that are not there, files that are none. */
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

#include "base/mem.h"
#include "base/zone.h"

static struct zone *load(const char *name)
{
	char error[200];
	struct zone *z = zone_load(name, error, sizeof error);
	if (!z)
		fail_msg("%s", error);
	return z;
}

static int64_t at(const char *text)
{
	struct tm tm = { 0 };
	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
	return timegm(&tm);
}

/* Prints "ZONE TIME OFFSET" for the start and each change of it, of all zones; looks every three days. */
static const char script[] =
	"import zoneinfo as zi, datetime as d\n"
	"def off(z, t): return int(d.datetime.fromtimestamp(t, z).utcoffset().total_seconds())\n"
	"for n in sorted(zi.available_timezones()):\n"
	"    z, t, end = zi.ZoneInfo(n), %lld, %lld\n"
	"    o = off(z, t)\n"
	"    print(n, t, o)\n"
	"    while t < end:\n"
	"        u = min(t + 259200, end)\n"
	"        p = off(z, u)\n"
	"        a, b = t, u\n"
	"        while p != o and b - a > 1:\n"
	"            m = (a + b) // 2\n"
	"            a, b = (m, b) if off(z, m) == o else (a, m)\n"
	"        if p != o: print(n, b, p)\n"
	"        t, o = u, p\n";

static void changes_are_those_that_python_finds(void **state)
{
	(void)state;
	/* over the year up to which files list changes, behind which there is only a rule */
	int64_t from = at("2024-01-01 00:00"), to = at("2042-01-01 00:00"), when;
	CLEANUP_FREE char *program = NULL, *command = NULL;
	program = xasprintf(script, (long long)from, (long long)to);
	command = xasprintf("/usr/bin/python3 -c '%s'", program);
	FILE *python = popen(command, "r");
	assert_non_null(python);
	char name[128];
	int offset, zones = 0, changes = 0, ours = 0;
	struct zone *z = NULL;
	while (fscanf(python, "%127s %" SCNd64 " %d", name, &when, &offset) == 3) {
		if (!z || strcmp(z->name, name) != 0) {
			zone_free(z);
			z = load(name);
			zones++;
			for (size_t i = 0; i < z->n; i++)
				ours += z->at[i] > from && z->at[i] <= to;
		} else {
			/* at that second, and not one before */
			assert_int_not_equal(zone_offset(z, when - 1), offset);
			changes++;
		}
		if (zone_offset(z, when) != offset)
			fail_msg("%s at %lld: %d, expected %d", name, (long long)when, zone_offset(z, when), offset);
	}
	zone_free(z);
	assert_int_equal(pclose(python), 0);
	assert_int_equal(ours, changes);
	assert_true(zones > 300 && changes > 3000);
}

static void local_times_are_skipped_and_shown_twice(void **state)
{
	(void)state;
	static const struct {
		const char *zone, *local, *first, *last; /* UTC */
	} cases[] = {
		{ "UTC", "2026-03-29 02:30", "2026-03-29 02:30", "2026-03-29 02:30" },
		{ "Europe/Berlin", "2026-01-15 12:00", "2026-01-15 11:00", "2026-01-15 11:00" },
		{ "Europe/Berlin", "2026-03-29 01:59", "2026-03-29 00:59", "2026-03-29 00:59" },
		{ "Europe/Berlin", "2026-03-29 02:00", "2026-03-29 01:00", "2026-03-29 01:00" },
		{ "Europe/Berlin", "2026-03-29 02:30", "2026-03-29 01:00", "2026-03-29 01:00" },
		{ "Europe/Berlin", "2026-03-29 03:00", "2026-03-29 01:00", "2026-03-29 01:00" },
		{ "Europe/Berlin", "2026-03-29 03:01", "2026-03-29 01:01", "2026-03-29 01:01" },
		{ "Europe/Berlin", "2026-10-25 01:59", "2026-10-24 23:59", "2026-10-24 23:59" },
		{ "Europe/Berlin", "2026-10-25 02:00", "2026-10-25 00:00", "2026-10-25 01:00" },
		{ "Europe/Berlin", "2026-10-25 02:59", "2026-10-25 00:59", "2026-10-25 01:59" },
		{ "Europe/Berlin", "2026-10-25 03:00", "2026-10-25 02:00", "2026-10-25 02:00" },
		{ "Europe/Berlin", "2090-03-26 02:30", "2090-03-26 01:00", "2090-03-26 01:00" },
		{ "America/New_York", "2027-11-07 01:30", "2027-11-07 05:30", "2027-11-07 06:30" },
		{ "Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04 14:45", "2026-04-04 15:15" },
		{ "Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:30", "2026-10-03 15:30" },
		{ "America/Nuuk", "2026-03-28 23:30", "2026-03-29 01:00", "2026-03-29 01:00" },
		{ "Africa/Cairo", "2026-04-24 00:30", "2026-04-23 22:00", "2026-04-23 22:00" },
		{ "Pacific/Apia", "2011-12-30 12:00", "2011-12-30 10:00", "2011-12-30 10:00" }, /* a day that never was */
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct zone *z = load(cases[i].zone);
		assert_int_equal(zone_first(z, at(cases[i].local)), at(cases[i].first));
		assert_int_equal(zone_last(z, at(cases[i].local)), at(cases[i].last));
		zone_free(z);
	}
}

static void there_and_back_is_the_same(void **state)
{
	(void)state;
	static const char *const names[] = { "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia" };
	srandom(7);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct zone *z = load(names[i]);
		for (int round = 0; round < 100000; round++) {
			int64_t t = random() * 2, there = t + zone_offset(z, t), first = zone_first(z, there), last = zone_last(z, there);
			assert_true(t == first || t == last);
			assert_true(first <= last && first + zone_offset(z, first) == there && last + zone_offset(z, last) == there);
		}
		zone_free(z);
	}
}

static void days_are_those_of_libc(void **state)
{
	(void)state;
	for (int64_t day = -800000; day < 800000; day += 7) {
		time_t t = day * 86400;
		struct tm tm;
		int64_t year;
		int month, of_month;
		gmtime_r(&t, &tm);
		zone_date(day, &year, &month, &of_month);
		assert_int_equal(year, tm.tm_year + 1900);
		assert_int_equal(month, tm.tm_mon + 1);
		assert_int_equal(of_month, tm.tm_mday);
		assert_int_equal(zone_days(year, month, of_month), day);
	}
}

static void unknown_names_are_told_with_the_nearest(void **state)
{
	(void)state;
	static const struct {
		const char *name, *error;
	} cases[] = {
		{ "Europe/Berln", "no time zone \"Europe/Berln\" (did you mean \"Europe/Berlin\"?)" },
		{ "berlin", "no time zone \"berlin\" (did you mean \"Europe/Berlin\"?)" },
		{ "utc", "no time zone \"utc\" (did you mean \"UTC\"?)" },
		{ "Europe", "no time zone \"Europe\": expected a name such as Europe/Berlin or UTC" },
		{ "../zoneinfo/UTC", "no time zone \"../zoneinfo/UTC\": expected a name such as Europe/Berlin or UTC" },
		{ "tzdata.zi", "no time zone \"tzdata.zi\": expected a name such as Europe/Berlin or UTC" },
		{ "", "no time zone \"\": expected a name such as Europe/Berlin or UTC" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char error[200] = "";
		assert_null(zone_load(cases[i].name, error, sizeof error));
		assert_string_equal(error, cases[i].error);
	}
}

static void the_machine_has_one(void **state)
{
	(void)state;
	char name[64], *before = getenv("TZ") ? xstrdup(getenv("TZ")) : NULL;
	unsetenv("TZ");
	zone_free(load(zone_machine(name, sizeof name)));
	static const char *const cases[][2] = {
		{ "Asia/Tokyo", "Asia/Tokyo" }, { ":Asia/Tokyo", "Asia/Tokyo" }, { "/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo" }, { "", "UTC" },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "UTC" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		setenv("TZ", cases[i][0], 1);
		assert_string_equal(zone_machine(name, sizeof name), cases[i][1]);
	}
	if (before)
		setenv("TZ", before, 1);
	else
		unsetenv("TZ");
	free(before);
}

static void files_cut_short_or_wrong_are_none(void **state)
{
	(void)state;
	char file[1 << 14];
	FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "r");
	assert_non_null(f);
	size_t n = fread(file, 1, sizeof file, f);
	fclose(f);
	struct zone *z = zone_read("x", file, n);
	assert_non_null(z);
	zone_free(z);
	/* cut off after all changes it merely lacks its rule */
	int cut_off = 0;
	for (size_t i = 0; i < n; i++) {
		char *part = xmalloc(i + 1);
		memcpy(part, file, i);
		z = zone_read("x", part, i);
		cut_off += !z;
		zone_free(z);
		free(part);
	}
	assert_true(cut_off > (int)n - 64);
	for (size_t i = 0; i < n; i++) {
		file[i] ^= 0x40;
		zone_free(zone_read("x", file, n));
		file[i] ^= 0x40;
	}
	file[4] = '\0';
	assert_null(zone_read("x", file, n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_those_that_python_finds),
		cmocka_unit_test(local_times_are_skipped_and_shown_twice),
		cmocka_unit_test(there_and_back_is_the_same),
		cmocka_unit_test(days_are_those_of_libc),
		cmocka_unit_test(unknown_names_are_told_with_the_nearest),
		cmocka_unit_test(the_machine_has_one),
		cmocka_unit_test(files_cut_short_or_wrong_are_none),
	};
	return cmocka_run_group_tests_name("zone", tests, NULL, NULL);
}
