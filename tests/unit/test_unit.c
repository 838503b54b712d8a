/* SPDX-License-Identifier: Apache-2.0 */
/* test_unit.c - units as people write and read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/unit.h"

#define DAY (86400 * NS_PER_S)

static void durations_need_a_unit_and_may_be_sums(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{ "250ms", 250 * NS_PER_MS }, { "1.5s", 1500 * NS_PER_MS }, { "5 s", 5 * NS_PER_S }, { "2m", 120 * NS_PER_S },
		{ "2min", 120 * NS_PER_S }, { "1h30m", 5400 * NS_PER_S }, { "1w", 7 * DAY }, { "14d", 14 * DAY }, { "-3d", -3 * DAY },
		{ "-1h30m", -5400 * NS_PER_S }, { "0", 0 }, { "-0", 0 }, { "0s", 0 }, { "17ns", 17 }, { "3us", 3000 },
		{ "106000d", 106000 * DAY }, { "0.1s", 100 * NS_PER_MS },
	};
	static const char *const bad[] = {
		"", " ", "5", "-", "s", "ms5", "5x", "5s ", " 5s", "30m1h", "5s5s", "1e3s", "0x5d", ".5s", "5.s", "5..5s", "inf", "nan",
		"5S", "+5s", "--5s", "1h-30m", "200000d", "99999999999999999999w", "5sec", "1,5s",
		"1111111111111111111111111111111111111s",
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t ns = -77;
		if (unit_parse_duration(good[i].text, &ns) || ns != good[i].ns)
			fail_msg("%s: %lld", good[i].text, (long long)ns);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t ns = -77;
		if (!unit_parse_duration(bad[i], &ns))
			fail_msg("\"%s\" is taken as %lld", bad[i], (long long)ns);
		assert_int_equal(ns, -77);
	}
}

static void sizes_count_in_1000_and_1024(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t bytes;
	} good[] = {
		{ "64KiB", 65536 }, { "1MB", 1000000 }, { "1kB", 1000 }, { "1KB", 1000 }, { "512B", 512 }, { "0", 0 },
		{ "1.5GiB", 1610612736 }, { "2TB", 2000000000000 }, { "16 MiB", 16 << 20 },
	};
	static const char *const bad[] = { "", "5", "-1B", "-0", "5b", "5K", "5mb", "1MB1KB", "MiB", "9999999999TiB" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t bytes = -77;
		if (unit_parse_size(good[i].text, &bytes) || bytes != good[i].bytes)
			fail_msg("%s: %lld", good[i].text, (long long)bytes);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t bytes;
		if (!unit_parse_size(bad[i], &bytes))
			fail_msg("\"%s\" is taken", bad[i]);
	}
}

static void numbers_are_plain(void **state)
{
	(void)state;
	int64_t i;
	double f;
	assert_int_equal(unit_parse_integer("-42", &i), 0);
	assert_int_equal(i, -42);
	assert_int_equal(unit_parse_integer("9223372036854775807", &i), 0);
	assert_true(i == INT64_MAX);
	assert_int_equal(unit_parse_float("-2.5", &f), 0);
	assert_true(f == -2.5);
	assert_int_equal(unit_parse_ratio("10%", &f), 0);
	assert_true(f == 0.1);
	assert_int_equal(unit_parse_ratio("0.25", &f), 0);
	assert_true(f == 0.25);
	static const char *const bad[] = { "", " 5", "5 ", "+5", "0x5", "5x", "-", "9223372036854775808", "1.5" };
	for (size_t k = 0; k < ARRAY_LEN(bad); k++)
		if (!unit_parse_integer(bad[k], &i))
			fail_msg("\"%s\" is an integer", bad[k]);
	static const char *const bad_float[] = { "", "1e3", "inf", "nan", "0x1", "1.", ".5", "1.5.", "--1", "1%" };
	for (size_t k = 0; k < ARRAY_LEN(bad_float); k++)
		if (!unit_parse_float(bad_float[k], &f))
			fail_msg("\"%s\" is a number", bad_float[k]);
	assert_int_equal(unit_parse_ratio("10%%", &f), -1);
	assert_int_equal(unit_parse_ratio("-1%", &f), -1);
}

static void booleans_are_words(void **state)
{
	(void)state;
	int64_t v;
	static const char *const yes[] = { "yes", "TRUE", "On", "1" }, *const no[] = { "no", "False", "OFF", "0" };
	for (int i = 0; i < 4; i++) {
		assert_true(!unit_parse_boolean(yes[i], &v) && v == 1);
		assert_true(!unit_parse_boolean(no[i], &v) && v == 0);
	}
	assert_int_equal(unit_parse_boolean("ja", &v), -1);
	assert_int_equal(unit_parse_boolean("", &v), -1);
}

static void durations_read_well(void **state)
{
	(void)state;
	static const struct {
		int64_t ns;
		const char *text;
	} table[] = {
		{ 0, "0 ns" }, { 999, "999 ns" }, { 1500, "1.50 us" }, { 412 * NS_PER_MS, "412 ms" }, { 12345 * NS_PER_US, "12.3 ms" },
		{ 1500 * NS_PER_MS, "1.50 s" }, { 90 * NS_PER_S, "90 s" }, { 150 * NS_PER_S, "2.50 min" }, { 7200 * NS_PER_S, "2 h" },
		{ DAY, "24 h" }, { 14 * DAY, "14 d" }, { -3 * DAY, "-3 d" }, { 300 * NS_PER_MS, "300 ms" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char out[40];
		assert_string_equal(unit_format_duration(table[i].ns, out, sizeof out), table[i].text);
	}
	char least[40];
	assert_string_equal(unit_format_duration(INT64_MIN, least, sizeof least), "-106752 d");
}

static void sizes_read_well(void **state)
{
	(void)state;
	char out[40];
	assert_string_equal(unit_format_size(0, out, sizeof out), "0 B");
	assert_string_equal(unit_format_size(1023, out, sizeof out), "1023 B");
	assert_string_equal(unit_format_size(65536, out, sizeof out), "64 KiB");
	assert_string_equal(unit_format_size(1536, out, sizeof out), "1.5 KiB");
	assert_string_equal(unit_format_size(INT64_C(5) << 40, out, sizeof out), "5 TiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_need_a_unit_and_may_be_sums),
		cmocka_unit_test(sizes_count_in_1000_and_1024),
		cmocka_unit_test(numbers_are_plain),
		cmocka_unit_test(booleans_are_words),
		cmocka_unit_test(durations_read_well),
		cmocka_unit_test(sizes_read_well),
	};
	return cmocka_run_group_tests_name("unit", tests, NULL, NULL);
}
