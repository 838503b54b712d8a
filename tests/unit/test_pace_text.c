/* SPDX-License-Identifier: Apache-2.0 */
/* test_pace_text.c - schedules as text: what is accepted and how it is written back, what is refused and how that is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "plan/pace.h"

static struct pace *compile(const char *text)
{
	char error[200] = "";
	struct pace *p = pace_compile(text, error, sizeof error);
	if (!p)
		fail_msg("%s: %s", text, error);
	return p;
}

static char *print(const struct pace *p)
{
	struct buf b = { 0 };
	pace_print(p, &b);
	return buf_cstr(&b);
}

static void what_is_accepted_is_written_back(void **state)
{
	(void)state;
	static const struct {
		const char *text, *canonical; /* NULL: the same */
		enum pace_kind kind;
		int64_t length_ns; /* 0: endless */
		uint64_t count; /* 0: endless */
		double most;
	} cases[] = {
		{ "every 30s", NULL, PACE_EVERY, 0, 0, 1 / 30.0 },
		{ "every 30s jitter 10%", NULL, PACE_EVERY, 0, 0, 1 / 30.0 },
		{ "every 90000ms jitter 0.125 for 1h", "every 90s jitter 12.5% for 1h", PACE_EVERY, 3600 * NS_PER_S, 40, 1 / 90.0 },
		{ "every 1us", NULL, PACE_EVERY, 0, 0, 1e6 },
		{ "human 800ms..8s", NULL, PACE_HUMAN, 0, 0, 1 / 4.4 },
		{ " human\t0s..3s  for 30s ", "human 0s..3s for 30s", PACE_HUMAN, 30 * NS_PER_S, 21, 1 / 1.5 },
		{ "human 2s", NULL, PACE_HUMAN, 0, 0, 0.5 },
		{ "human lognormal median 2s p99 2s", NULL, PACE_HUMAN, 0, 0, 0.5 },
		{ "human lognormal median 2s p99 20s", NULL, PACE_HUMAN, 0, 0, 0.306363 },
		{ "rate 20/s", NULL, PACE_RATE, 0, 0, 20 },
		{ "rate 20.0/s uniform", "rate 20/s", PACE_RATE, 0, 0, 20 },
		{ "rate 30/min poisson", NULL, PACE_RATE, 0, 0, 0.5 },
		{ "rate 0.5/s", "rate 30/min", PACE_RATE, 0, 0, 0.5 },
		{ "rate 0.000001/h", NULL, PACE_RATE, 0, 0, 1e-6 / 3600 },
		{ "rate 1.234567/s", NULL, PACE_RATE, 0, 0, 1.234567 },
		{ "rate 1/h for 30m", NULL, PACE_RATE, 1800 * NS_PER_S, 1, 1 / 3600.0 },
		{ "rate 1000000/s for 1s", NULL, PACE_RATE, NS_PER_S, 1000000, 1e6 },
		{ "rate 10/s ramp 1m:200/s hold 10m ramp 30s:0/s", NULL, PACE_RATE, 690 * NS_PER_S, 6300 + 120000 + 3000, 200 },
		{ "rate 10/s ramp 1m:200/s hold 10m ramp 30s:0/s for 1m", NULL, PACE_RATE, 60 * NS_PER_S, 6300, 200 },
		{ "rate 10/s ramp 1m:200/s for 30s", NULL, PACE_RATE, 30 * NS_PER_S, 1725, 105 },
		{ "ramp 10s:10/s", NULL, PACE_RATE, 10 * NS_PER_S, 50, 10 },
		{ "ramp 10s:10/s rate 5/min", NULL, PACE_RATE, 0, 0, 10 },
		{ "rate 5/s hold 1s rate 0/s hold 1s rate 7/s hold 1s poisson", NULL, PACE_RATE, 3 * NS_PER_S, 12, 7 },
		{ "rate 5/s poisson hold 2s", "rate 5/s hold 2s poisson", PACE_RATE, 2 * NS_PER_S, 10, 5 },
		{ "rate 5/s ramp 2s:5/s", "rate 5/s hold 2s", PACE_RATE, 2 * NS_PER_S, 10, 5 },
		{ "burst 100 every 10s", NULL, PACE_BURST, 0, 0, 10 },
		{ "burst 3 every 2s for 5s", NULL, PACE_BURST, 5 * NS_PER_S, 9, 1.5 },
		{ "users 50", NULL, PACE_USERS, 0, 0, 0 },
		{ "users 50 ramp 1m think 1s..3s for 1h30m", "users 50 ramp 1m think 1s..3s for 90m", PACE_USERS, 5400 * NS_PER_S, 0, 0 },
		{ "users 5 think 2s ramp 1d", "users 5 ramp 1d think 2s", PACE_USERS, 0, 0, 0 },
		{ "users 5 think lognormal median 2s p99 20s", NULL, PACE_USERS, 0, 0, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct pace *p = compile(cases[i].text);
		char *text = print(p);
		assert_string_equal(text, cases[i].canonical ? cases[i].canonical : cases[i].text);
		assert_int_equal(pace_kind(p), cases[i].kind);
		assert_int_equal(pace_length_ns(p), cases[i].length_ns ? cases[i].length_ns : INT64_MAX);
		assert_int_equal(pace_count(p), cases[i].count ? cases[i].count : UINT64_MAX);
		assert_float_equal(pace_rate_max(p), cases[i].most, cases[i].most * 1e-6);
		struct pace *again = compile(text);
		char *same = print(again);
		assert_string_equal(same, text);
		free(text);
		free(same);
		pace_free(p);
		pace_free(again);
	}
}

static void what_is_refused_is_told_with_its_column(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "column 1: expected every, human, rate, ramp, burst, users or recorded" },
		{ "evry 30s", "column 1: expected every, human, rate, ramp, burst, users or recorded, found \"evry\" (did you mean \"every\"?)" },
		{ "42", "column 1: expected every, human, rate, ramp, burst, users or recorded, found \"42\"" },
		{ "every", "column 6: expected a duration such as 30s" },
		{ "every 30", "column 7: expected a duration such as 30s, found \"30\" (which unit? us ms s m h d)" },
		{ "every 30x", "column 7: expected a duration such as 30s, found \"30x\"" },
		{ "every 0", "column 7: expected at least 1 us, found \"0\"" },
		{ "every -3s", "column 7: expected at least 1 us, found \"-3s\"" },
		{ "every 3651d", "column 7: expected at most 3650d, found \"3651d\"" },
		{ "every 30s jiter 10%", "column 11: expected \"jitter\", \"for\" or the end, found \"jiter\" (did you mean \"jitter\"?)" },
		{ "every 30s jitter", "column 17: expected a share such as 10%" },
		{ "every 30s jitter 10", "column 18: expected a share such as 10%, found \"10\"" },
		{ "every 30s jitter 51%", "column 18: expected a share of at most 50%, found \"51%\"" },
		{ "every 30s jitter 9999999999%", "column 18: expected a share of at most 50%, found \"9999999999%\"" },
		{ "every 30s jitter 10% jitter 10%", "column 22: expected \"jitter\", \"for\" or the end, found \"jitter\"" },
		{ "every 30s for 1m for 1m", "column 18: expected the end, found \"for\"" },
		{ "every 30s for", "column 14: expected a duration such as 30s" },
		{ "human", "column 6: expected a time from..to such as 1s..3s, or \"lognormal\"" },
		{ "human fast", "column 7: expected a time from..to such as 1s..3s, or \"lognormal\", found \"fast\"" },
		{ "human lognormale median 2s p99 20s", "column 7: expected a time from..to such as 1s..3s, or \"lognormal\", found \"lognormale\" (did you mean \"lognormal\"?)" },
		{ "human 1s..", "column 11: expected a duration such as 30s, found \"\"" },
		{ "human 1..3s", "column 7: expected a duration such as 30s, found \"1\" (which unit? us ms s m h d)" },
		{ "human 3s..1s", "column 11: expected no less than where the range begins, found \"1s\"" },
		{ "human 0s..1us", "column 7: expected gaps of at least 1us" },
		{ "human lognormal 2s", "column 17: expected \"median\", found \"2s\"" },
		{ "human lognormal median 2s p99 1s", "column 31: p99 is less than the median" },
		{ "rate", "column 5: expected a rate such as 20/s, 90/min or 0.5/h (at most six decimals)" },
		{ "rate 20", "column 6: expected a rate such as 20/s, 90/min or 0.5/h (at most six decimals), found \"20\"" },
		{ "rate 20/d", "column 6: expected a rate such as 20/s, 90/min or 0.5/h (at most six decimals), found \"20/d\"" },
		{ "rate -1/s", "column 6: expected a rate such as 20/s, 90/min or 0.5/h (at most six decimals), found \"-1/s\"" },
		{ "rate 1.1234567/s", "column 6: expected a rate such as 20/s, 90/min or 0.5/h (at most six decimals), found \"1.1234567/s\"" },
		{ "rate 1000001/s", "column 6: expected at most 1000000/s, found \"1000001/s\"" },
		{ "rate 0/s", "column 1: a rate of 0 sends nothing: expected more, or \"hold\" and a duration" },
		{ "rate 5/s hold 3s rate 0/s", "column 18: a rate of 0 sends nothing: expected more, or \"hold\" and a duration" },
		{ "rate 0/s hold 3s", "column 10: a rate of 0 sends nothing" },
		{ "rate 5/s ramp 200/s", "column 15: expected how long, and to which rate, such as 1m:200/s, found \"200/s\"" },
		{ "rate 5/s ramp 1m:200", "column 18: expected a rate such as 20/s, 90/min or 0.5/h (at most six decimals), found \"200\"" },
		{ "rate 5/s ramp 1:200/s", "column 15: expected a duration such as 30s, found \"1\" (which unit? us ms s m h d)" },
		{ "rate 5/s hold 3000d ramp 3000d:3/s", "column 21: expected at most 3650d in all" },
		{ "rate 5/s hold 3s for 4s", "column 22: the schedule ends before that: expected \"rate\" or \"hold\" to go on for longer" },
		{ "rate 5/s poisson uniform", "column 18: expected \"uniform\" or \"poisson\" once" },
		{ "rate 5/s poison", "column 10: expected rate, ramp, hold, poisson, for or the end, found \"poison\" (did you mean \"poisson\"?)" },
		{ "hold 3s", "column 1: expected every, human, rate, ramp, burst, users or recorded, found \"hold\"" },
		{ "burst", "column 6: expected how many, such as 100" },
		{ "burst 0 every 10s", "column 7: expected 1 to 1000000, found \"0\"" },
		{ "burst 10 10s", "column 10: expected \"every\", found \"10s\"" },
		{ "burst 1001 every 1ms", "column 7: expected at most 1000000/s, found 1001 in that time" },
		{ "users many", "column 7: expected how many users, such as 50, found \"many\"" },
		{ "users 1.5", "column 7: expected how many users, such as 50, found \"1.5\"" },
		{ "users 5 ramp 1m ramp 1m", "column 17: \"ramp\" is there twice" },
		{ "users 5 think 1s think 2s", "column 18: \"think\" is there twice" },
		{ "users 5 thnk 1s", "column 9: expected ramp, think, for or the end, found \"thnk\" (did you mean \"think\"?)" },
		{ "recorded", "column 9: expected a file" },
		{ "recorded \"a", "column 10: the string that begins here has no closing \"" },
		{ "recorded a b", "column 12: expected x and a number, \"for\" or the end, found \"b\"" },
		{ "recorded a x", "column 12: expected how much faster, such as x2, found \"x\"" },
		{ "recorded a x0", "column 12: expected x0.001 to x1000, found \"x0\"" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char error[200] = "";
		struct pace *p = pace_compile(cases[i].text, error, sizeof error);
		if (p)
			fail_msg("\"%s\" is accepted", cases[i].text);
		assert_string_equal(error, cases[i].error);
	}
}

static void recorded_takes_files_of_any_name(void **state)
{
	(void)state;
	static const struct {
		const char *text, *file, *canonical;
	} cases[] = {
		{ "recorded a.jsonl", "a.jsonl", "recorded a.jsonl" },
		{ "recorded a.jsonl x2", "a.jsonl", "recorded a.jsonl x2" },
		{ "recorded a.jsonl \u00d70.5 for 3s", "a.jsonl", "recorded a.jsonl x0.5 for 3s" },
		{ "recorded for for 3s", "for", "recorded for for 3s" },
		{ "recorded x2", "x2", "recorded x2" },
		{ "recorded \"my \\\"file\\\"\" x1", "my \"file\"", "recorded \"my \\\"file\\\"\"" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct pace *p = compile(cases[i].text);
		char *text = print(p);
		assert_string_equal(pace_recorded_file(p), cases[i].file);
		assert_string_equal(text, cases[i].canonical);
		free(text);
		pace_free(p);
	}
}

static void a_rate_is_read_alone(void **state)
{
	(void)state;
	double r;
	assert_int_equal(pace_parse_rate("20/s", &r), 0);
	assert_float_equal(r, 20, 0);
	assert_int_equal(pace_parse_rate("90/min", &r), 0);
	assert_float_equal(r, 1.5, 0);
	assert_int_equal(pace_parse_rate("20", &r), -1);
	assert_int_equal(pace_parse_rate("", &r), -1);
	assert_int_equal(pace_parse_rate("20/s ", &r), -1);
}

static void rescaled_it_is_as_if_written_so(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		double factor;
		const char *result; /* NULL: it can't be */
	} cases[] = {
		{ "rate 3/s", 10 / 3.0, "rate 10/s" },
		{ "rate 10/s ramp 1m:200/s hold 10m ramp 30s:0/s poisson", 0.1, "rate 1/s ramp 1m:20/s hold 10m ramp 30s:0/s poisson" },
		{ "every 30s jitter 10%", 3, "every 10s jitter 10%" },
		{ "human 1s..3s for 1h", 2, "human 500ms..1500ms for 1h" },
		{ "human lognormal median 2s p99 20s", 2, "human lognormal median 1s p99 10s" },
		{ "burst 10 every 10s", 0.5, "burst 10 every 20s" },
		{ "users 50 think 1s..3s", 2, "users 100 think 1s..3s" },
		{ "recorded a x2", 2, "recorded a x4" },
		{ "rate 10/s", 1e6, NULL },
		{ "rate 10/s", 0, NULL },
		{ "rate 10/s", -1, NULL },
		{ "rate 1/h", 1e-9, NULL },
		{ "burst 10 every 10s", 1e7, NULL },
		{ "users 5", 1e-3, NULL },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct pace *p = compile(cases[i].text), *scaled = pace_rescale(p, cases[i].factor);
		assert_int_equal(!scaled, !cases[i].result);
		if (scaled) {
			char *text = print(scaled);
			assert_string_equal(text, cases[i].result);
			free(text);
		}
		pace_free(p);
		pace_free(scaled);
	}
}

static void limited_it_ends_no_later(void **state)
{
	(void)state;
	static const struct {
		const char *text, *result;
		uint64_t count;
	} cases[] = {
		{ "rate 10/s", "rate 10/s for 5s", 50 },
		{ "rate 10/s for 3s", "rate 10/s for 3s", 30 },
		{ "rate 10/s for 30s", "rate 10/s for 5s", 50 },
		{ "rate 10/s hold 3s", "rate 10/s hold 3s", 30 },
		{ "every 2s", "every 2s for 5s", 3 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct pace *p = compile(cases[i].text), *limited = pace_limit(p, 5 * NS_PER_S);
		char *text = print(limited);
		assert_string_equal(text, cases[i].result);
		assert_int_equal(pace_count(limited), cases[i].count);
		free(text);
		pace_free(p);
		pace_free(limited);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_accepted_is_written_back),
		cmocka_unit_test(what_is_refused_is_told_with_its_column),
		cmocka_unit_test(recorded_takes_files_of_any_name),
		cmocka_unit_test(a_rate_is_read_alone),
		cmocka_unit_test(rescaled_it_is_as_if_written_so),
		cmocka_unit_test(limited_it_ends_no_later),
	};
	return cmocka_run_group_tests_name("pace_text", tests, NULL, NULL);
}
