/* SPDX-License-Identifier: Apache-2.0 */
/* test_pace.c - due times of monitoring: spread, without drift, within their jitter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "plan/pace.h"

static struct pace_every pace(const char *name, int64_t interval_ns, double jitter)
{
	return (struct pace_every){ .interval_ns = interval_ns, .jitter = jitter, .seed = str_hash(name, strlen(name)) };
}

static void never_drifts(void **state)
{
	(void)state;
	static const int64_t intervals[] = { NS_PER_MS, 333 * NS_PER_MS, NS_PER_S, 30 * NS_PER_S, 3600 * NS_PER_S };
	for (size_t i = 0; i < sizeof intervals / sizeof intervals[0]; i++) {
		struct pace_every p = pace("home", intervals[i], 0);
		int64_t first = pace_every_due(&p, 0);
		for (int64_t k = 1; k < 1000000; k = k * 3 + 1) {
			int64_t off = pace_every_due(&p, k) - first - k * intervals[i];
			assert_true(llabs(off) < PACE_GRID_NS);
			if (intervals[i] < 25 * PACE_GRID_NS)
				assert_int_equal(off, 0);
		}
	}
}

static void long_intervals_lie_on_the_grid(void **state)
{
	(void)state;
	struct pace_every p = pace("home", 10 * NS_PER_S, 0.3);
	for (int64_t k = 0; k < 1000; k++)
		assert_int_equal(pace_every_due(&p, k) % PACE_GRID_NS, 0);
}

static void names_are_spread_evenly(void **state)
{
	(void)state;
	enum { NAMES = 100000, BINS = 100 };
	int bins[BINS] = { 0 };
	double chi2 = 0, expected = (double)NAMES / BINS;
	for (int i = 0; i < NAMES; i++) {
		char name[32];
		snprintf(name, sizeof name, "target-%d", i);
		struct pace_every p = pace(name, 10 * NS_PER_S, 0);
		bins[pace_every_due(&p, 0) * BINS / (10 * NS_PER_S)]++;
	}
	for (int i = 0; i < BINS; i++)
		chi2 += (bins[i] - expected) * (bins[i] - expected) / expected;
	/* 99 degrees of freedom: above 149 once in a thousand */
	assert_true(chi2 < 149);
}

static void jitter_stays_within_its_share_and_is_even(void **state)
{
	(void)state;
	struct pace_every still = pace("home", 100 * NS_PER_MS, 0), p = pace("home", 100 * NS_PER_MS, 0.2);
	double sum = 0, least = 0, most = 0;
	enum { N = 100000 };
	for (int64_t k = 1; k <= N; k++) {
		double off = (double)(pace_every_due(&p, k) - pace_every_due(&still, k)) / (double)(20 * NS_PER_MS);
		assert_true(off >= -1 && off < 1);
		sum += off;
		least = off < least ? off : least;
		most = off > most ? off : most;
	}
	assert_true(sum / N > -0.02 && sum / N < 0.02);
	assert_true(least < -0.99 && most > 0.99);
}

static void due_times_increase(void **state)
{
	(void)state;
	struct pace_every p = pace("home", NS_PER_S, 0.49);
	for (int64_t k = 0; k < 100000; k++)
		assert_true(pace_every_due(&p, k + 1) >= pace_every_due(&p, k));
}

static void the_index_is_the_first_one_due(void **state)
{
	(void)state;
	static const double jitters[] = { 0, 0.1, 0.4 };
	srandom(3);
	for (int round = 0; round < 3000; round++) {
		struct pace_every p = pace("x", NS_PER_MS + random() % (100 * NS_PER_S), jitters[round % 3]);
		int64_t at = random() * INT64_C(1000), k = pace_every_index(&p, at);
		assert_true(pace_every_due(&p, k) >= at);
		if (k > 0)
			assert_true(pace_every_due(&p, k - 1) < at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_drifts),
		cmocka_unit_test(long_intervals_lie_on_the_grid),
		cmocka_unit_test(names_are_spread_evenly),
		cmocka_unit_test(jitter_stays_within_its_share_and_is_even),
		cmocka_unit_test(due_times_increase),
		cmocka_unit_test(the_index_is_the_first_one_due),
	};
	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
