/* SPDX-License-Identifier: Apache-2.0 */
/* test_gate.c - limits of rate: what they are written as, exact over a million slots, bursts, fairness, reserving. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <math.h>

#include "base/clock.h"
#include "base/str.h"
#include "plan/gate.h"

#define START INT64_C(123456789012345) /* an uptime like any other */

static struct gcra_limit limit(const char *text)
{
	struct gcra_limit l;
	char error[256];
	if (gate_limit_parse(text, &l, error, sizeof error))
		fail_msg("%s: %s", text, error);
	return l;
}

static void limits_are_read_and_printed(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		double rate;
		uint32_t burst;
		const char *printed;
	} good[] = {
		{ "40/s", 40, 1, "40/s" },
		{ "40/s burst 10", 40, 10, "40/s burst 10" },
		{ "40/s  burst\t1", 40, 1, "40/s" },
		{ "2.5/min", 2.5 / 60, 1, "2.5/min" },
		{ "100/h burst 5", 100 / 3600.0, 5, "100/h burst 5" },
		{ "0.001/h", 0.001 / 3600, 1, "0.001/h" },
		{ "0.5/s", 0.5, 1, "0.5/s" },
		{ "30/min", 0.5, 1, "0.5/s" },
		{ "100000/s", 1e5, 1, "100000/s" },
		{ "10000000/s", 1e7, 1, "10000000/s" },
		{ "3600000000/h burst 1000000", 1e6, 1000000, "1000000/s burst 1000000" },
	};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		char printed[64];
		struct gcra_limit l = limit(good[i].text), again;
		assert_true(fabs(l.rate - good[i].rate) < 1e-9 * good[i].rate);
		assert_int_equal(l.burst, good[i].burst);
		assert_string_equal(gate_limit_format(&l, printed, sizeof printed), good[i].printed);
		again = limit(printed);
		assert_true(fabs((double)again.step / (double)l.step * (double)l.num / (double)again.num * (double)again.den / (double)l.den - 1) < 1e-12);
	}
	static const char *const bad[] = { "", "40", "/s", "40/", "40/d", "40/seconds", "0/s", "-1/s", "1e3/s", "inf/s", "nan/s", "40/s 10",
		                           "40/s burst", "40/s burst 0", "40/s burst 1.5", "40/s burst 1000001", "40/s burst 5 x",
		                           "10000001/s", "0.0001/s", "1.2345/s", "40 /s", "0.001/h burst 100", " 40/s",
		                           "99999999999999999999999999/s" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct gcra_limit l = { .step = -7 };
		char error[256] = "";
		if (!gate_limit_parse(bad[i], &l, error, sizeof error))
			fail_msg("\"%s\" was taken", bad[i]);
		assert_true(strlen(error) > 10 && !strchr(error, '\n'));
		assert_int_equal(l.step, -7);
	}
}

/* Taking whenever one is free, slot k comes at start + k / rate, rounded up, and never drifts. */
static void rates_are_exact_over_a_million(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t count, period_ns;
	} cases[] = { { "40/s", 40, NS_PER_S },           { "3/s", 3, NS_PER_S },         { "7/min", 7, 60 * NS_PER_S },
		      { "100000/s", 100000, NS_PER_S },   { "99999/s", 99999, NS_PER_S }, { "11/h", 11, 3600 * NS_PER_S },
		      { "10000000/s", 10000000, NS_PER_S } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct gcra_limit l = limit(cases[i].text);
		int64_t stamp = 0, now = START;
		assert_int_equal(gcra_take(&stamp, &l, now), 0);
		for (int64_t k = 1; k <= 1000000; k++) {
			int64_t wait = gcra_wait(stamp, &l, now);
			assert_true(wait > 0 && gcra_take(&stamp, &l, now + wait - 1) == 1);
			now += wait;
			assert_int_equal(gcra_take(&stamp, &l, now), 0);
			int64_t ideal = START + (int64_t)((unsigned __int128)(uint64_t)k * (uint64_t)cases[i].period_ns / (uint64_t)cases[i].count);
			if (now < ideal - 1 || now > ideal + 2)
				fail_msg("%s: slot %lld is %lld ns off", cases[i].text, (long long)k, (long long)(now - ideal));
		}
	}
}

/* One that waits is looked at late, each time; the rate holds all the same, and no more than it. */
static void looking_late_costs_nothing(void **state)
{
	(void)state;
	struct gcra_limit l = limit("10000/s");
	int64_t stamp = 0, since = START, now = START, taken = 0;
	while (now < START + 10 * NS_PER_S) {
		while (!gcra_take_waited(&stamp, &l, since, now))
			taken++;
		now += 65536 + (int64_t)(str_mix((uint64_t)now, 1) % 3000000);
	}
	assert_in_range(taken, 99950, 100001);
	/* but waiting saves nothing for times at which the key was free */
	stamp = 0;
	assert_int_equal(gcra_take_waited(&stamp, &l, now, now), 0);
	assert_int_equal(gcra_take_waited(&stamp, &l, now + NS_PER_S, now + NS_PER_S), 0);
	assert_true(gcra_take_waited(&stamp, &l, now + NS_PER_S, now + NS_PER_S) > 0);
}

static void a_burst_goes_at_once_and_fills_up_again(void **state)
{
	(void)state;
	struct gcra_limit l = limit("10/s burst 5");
	int64_t stamp = 0, now = START;
	for (int round = 0; round < 3; round++, now += 500 * NS_PER_MS + 400 * NS_PER_MS) {
		for (int i = 0; i < 5; i++)
			assert_int_equal(gcra_take(&stamp, &l, now), 0);
		assert_int_equal(gcra_take(&stamp, &l, now), 100 * NS_PER_MS);
		assert_int_equal(gcra_take(&stamp, &l, now + 400 * NS_PER_MS), 0); /* four have come back */
		for (int i = 0; i < 3; i++)
			assert_int_equal(gcra_take(&stamp, &l, now + 400 * NS_PER_MS), 0);
		assert_true(gcra_take(&stamp, &l, now + 400 * NS_PER_MS) > 0);
	}
}

/* In no time span there are more than its rate and burst allow, however it is asked. */
static void no_span_holds_more_than_allowed(void **state)
{
	(void)state;
	struct gcra_limit l = limit("70/s burst 7");
	enum { TAKEN = 20000 };
	int64_t *at = malloc(TAKEN * sizeof *at), stamp = 0, now = START;
	for (int n = 0; n < TAKEN;) {
		now += (int64_t)(str_mix((uint64_t)now, 5) % 30000000);
		while (n < TAKEN && gcra_take(&stamp, &l, now) == 0)
			at[n++] = now;
	}
	for (int i = 0; i < TAKEN; i++)
		for (int j = i; j < TAKEN && j < i + 50; j++)
			assert_true(j - i + 1 <= 7 + (double)(at[j] - at[i]) * 70e-9 + 1e-6);
	free(at);
}

static void an_idle_key_saves_nothing_beyond_its_burst(void **state)
{
	(void)state;
	struct gcra_limit l = limit("1000/s burst 2");
	int64_t stamp = 0, year = INT64_C(365) * 86400 * NS_PER_S;
	assert_int_equal(gcra_take(&stamp, &l, START), 0);
	for (int64_t now = START + year; now < START + 31 * year; now += 10 * year) { /* nor does it overflow */
		assert_int_equal(gcra_take(&stamp, &l, now), 0);
		assert_int_equal(gcra_take(&stamp, &l, now), 0);
		assert_int_equal(gcra_take(&stamp, &l, now), NS_PER_MS);
	}
}

static void reserved_slots_are_those_that_would_be_taken(void **state)
{
	(void)state;
	struct gcra_limit l = limit("3/s burst 2");
	int64_t a = 0, b = 0, out[16], now = START;
	assert_int_equal(gcra_reserve(&a, &l, now, 6, NS_PER_S, out), 5); /* two at once, and one each third of a second */
	for (int i = 0; i < 5; i++) {
		int64_t wait = gcra_take(&b, &l, now);
		if (wait) {
			now += wait;
			assert_int_equal(gcra_take(&b, &l, now), 0);
		}
		assert_int_equal(out[i], now);
	}
	assert_true(a == b);
	assert_int_equal(gcra_reserve(&a, &l, START, 1, 0, out), 0);
	gcra_return(&a, &l, 3);
	assert_int_equal(gcra_reserve(&a, &l, START, 9, NS_PER_S, out), 3);
	gcra_spend(&a, &l, START);
	assert_true(gcra_wait(a, &l, START) > 1300 * NS_PER_MS);
}

static void what_is_owed_stays_owed_under_another_limit(void **state)
{
	(void)state;
	struct gcra_limit slow = limit("3/s"), fast = limit("300/s"), none = { 0 };
	int64_t stamp = 0;
	gcra_take(&stamp, &slow, START);
	int64_t moved = gcra_restamp(stamp, &slow, &fast, START);
	assert_true(llabs(gcra_wait(moved, &fast, START) - NS_PER_S / 300) < 1000);
	moved = gcra_restamp(moved, &fast, &slow, START);
	assert_true(llabs(gcra_wait(moved, &slow, START) - NS_PER_S / 3) < 1000000);
	assert_int_equal(gcra_restamp(stamp, &slow, &none, START), 0);
	assert_int_equal(gcra_restamp(0, &none, &slow, START), 0);
	assert_int_equal(gcra_restamp(stamp, &slow, &fast, START + NS_PER_S), 0);
	for (int i = 0; i < 100; i++)
		gcra_spend(&stamp, &slow, START);
	moved = gcra_restamp(stamp, &slow, &fast, START);
	assert_true(gcra_wait(moved, &fast, START) <= NS_PER_S / 300 + 1);
}

static void a_take_is_cheap(void **state)
{
	(void)state;
	struct gcra_limit l = limit("99999/s burst 3");
	int64_t stamp = 0, now = START, t0 = clock_now_ns();
	volatile int64_t sum = 0;
	for (int i = 0; i < 1000000; i++)
		sum += gcra_take(&stamp, &l, now += 9000);
	print_message("# take: %.1f ns\n", (double)(clock_now_ns() - t0) / 1e6);
	assert_true(sum > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_read_and_printed),
		cmocka_unit_test(rates_are_exact_over_a_million),
		cmocka_unit_test(looking_late_costs_nothing),
		cmocka_unit_test(a_burst_goes_at_once_and_fills_up_again),
		cmocka_unit_test(no_span_holds_more_than_allowed),
		cmocka_unit_test(an_idle_key_saves_nothing_beyond_its_burst),
		cmocka_unit_test(reserved_slots_are_those_that_would_be_taken),
		cmocka_unit_test(what_is_owed_stays_owed_under_another_limit),
		cmocka_unit_test(a_take_is_cheap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
