/* SPDX-License-Identifier: Apache-2.0 */
/* test_pace_walk.c - due times against the mathematics: exact rates, ramps by their area, distributions over 10^6 draws, no
 * drift, the same schedule for the same seed however it is shared. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "plan/pace.h"

#define DRAWS 1000000

static struct pace *compile(const char *text)
{
	char error[200] = "";
	struct pace *p = pace_compile(text, error, sizeof error);
	if (!p)
		fail_msg("%s: %s", text, error);
	return p;
}

/* The first n due times, or all; how many. */
static size_t walk(const struct pace *p, uint64_t seed, int64_t *due, size_t n)
{
	struct pace_cursor c;
	size_t i = 0;
	pace_begin(&c, p, seed);
	while (i < n && pace_next(&c, &due[i]))
		i++;
	return i;
}

static void rates_are_exact_after_any_time(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t probes, per_ns; /* so many in so many nanoseconds */
	} cases[] = {
		{ "rate 1000000/s", 1, 1000 },
		{ "rate 100000/s", 1, 10000 },
		{ "rate 30000/s", 3, 100000 },
		{ "rate 7/s", 7, 1000000000 },
		{ "rate 1.234567/s", 1234567, UINT64_C(1000000000000000) },
		{ "rate 7/min", 7, 60 * UINT64_C(1000000000) },
		{ "rate 1/h", 1, 3600 * UINT64_C(1000000000) },
		{ "rate 0.7/h", 7, 36000 * UINT64_C(1000000000) },
		{ "rate 0.000001/h", 1, UINT64_C(3600000000000000000) },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct pace *p = compile(cases[i].text);
		struct pace_cursor c;
		pace_begin(&c, p, 1);
		int64_t offset, ten_years = 315360000 * NS_PER_S;
		/* a rate without chance may be looked at anywhere: 24 hours of 100,000/s are 8.64 * 10^9 */
		for (uint64_t index = 0; index < UINT64_C(1) << 40; index = index < 1000 ? index + 1 : index * 3 + 1) {
			unsigned __int128 due = (unsigned __int128)index * cases[i].per_ns / cases[i].probes;
			if (due > (uint64_t)ten_years)
				break;
			c.index = index;
			assert_true(pace_next(&c, &offset));
			assert_int_equal(offset, (int64_t)due);
		}
		pace_free(p);
	}
}

static void it_ends_before_time_does(void **state)
{
	(void)state;
	static const char *const texts[] = { "rate 0.000001/h", "every 3650d", "human 3650d", "burst 1 every 3650d" };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct pace *p = compile(texts[i]);
		int64_t due[100];
		size_t n = walk(p, 1, due, 100);
		assert_in_range(n, 2, 30);
		assert_true(due[n - 1] > 0 && due[n - 1] < INT64_MAX);
		pace_free(p);
	}
}

/* A line from rate `from` to `to` a second. */
struct line {
	double length_s, from, to;
};

static long double area_of(const struct line *lines, size_t n, int64_t at_ns)
{
	long double t = (long double)at_ns / NS_PER_S, sum = 0;
	for (size_t i = 0; i < n && t > 0 && lines[i].length_s > 0; i++) {
		long double d = lines[i].length_s, x = t < d ? t : d;
		sum += x * lines[i].from + x * x * (lines[i].to - lines[i].from) / (2 * d);
		t -= d;
	}
	return sum;
}

static const struct {
	const char *text;
	struct line lines[5];
} ramps[] = {
	{ "rate 10/s ramp 1m:200/s hold 2m ramp 30s:0/s", { { 60, 10, 200 }, { 120, 200, 200 }, { 30, 200, 0 } } },
	{ "ramp 10s:100/s ramp 10s:0/s hold 10s ramp 7s:33.5/s", { { 10, 0, 100 }, { 10, 100, 0 }, { 10, 0, 0 }, { 7, 0, 33.5 } } },
	{ "rate 100000/s hold 500ms rate 3/s hold 10s ramp 1500ms:100000/s", { { 0.5, 1e5, 1e5 }, { 10, 3, 3 }, { 1.5, 3, 1e5 } } },
	{ "rate 1/s ramp 100s:0.01/s ramp 100s:7/s", { { 100, 1, 0.01 }, { 100, 0.01, 7 } } },
	{ "ramp 1h:30/min ramp 1h:1/h", { { 3600, 0, 0.5 }, { 3600, 0.5, 1 / 3600.0 } } },
	{ "rate 0/s hold 5s ramp 10s:9/s for 12s", { { 5, 0, 0 }, { 10, 0, 9 } } },
};

static void ramps_follow_their_area(void **state)
{
	(void)state;
	int64_t *due = xreallocarray(NULL, DRAWS, sizeof *due);
	for (size_t i = 0; i < sizeof ramps / sizeof ramps[0]; i++) {
		struct pace *p = compile(ramps[i].text);
		size_t n = walk(p, 1, due, DRAWS), k = 0;
		int64_t length = pace_length_ns(p);
		assert_int_equal(n, pace_count(p));
		assert_int_equal(n, (size_t)ceill(area_of(ramps[i].lines, 5, length) - 1e-9L));
		for (size_t j = 0; j < n; j++) {
			/* the area reaches j in the nanosecond that begins then; where the rate is 0 before j, it is over then */
			assert_true(area_of(ramps[i].lines, 5, due[j]) <= (double)j + 1e-9);
			assert_true(area_of(ramps[i].lines, 5, due[j] + 1) >= (double)j - 1e-9);
			assert_true(pace_rate_at(p, due[j]) > 0 || pace_rate_at(p, due[j] + 1) > 0);
		}
		for (int64_t second = NS_PER_S; second <= length; second += NS_PER_S) {
			while (k < n && due[k] < second)
				k++;
			long double area = area_of(ramps[i].lines, 5, second);
			assert_true(k >= floorl(area - 1e-9L) && k <= ceill(area + 1e-9L));
		}
		pace_free(p);
	}
	free(due);
}

static void the_rate_at_a_time_is_that_of_the_line(void **state)
{
	(void)state;
	struct pace *p = compile("rate 10/s ramp 1m:70/s hold 10s ramp 10s:0/s");
	static const struct {
		double s, rate;
	} at[] = { { 0, 10 }, { 30, 40 }, { 60, 70 }, { 65, 70 }, { 75, 35 }, { 80, 0 }, { 1000, 0 }, { -1, 0 } };
	for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
		assert_float_equal(pace_rate_at(p, (int64_t)(at[i].s * NS_PER_S)), at[i].rate, 1e-9);
	pace_free(p);
}

/* --- distributions ------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Kolmogorov and Smirnov: above 1.95 once in a thousand. Sorts the draws. */
static double distance(double *draws, size_t n, double (*cdf)(double))
{
	double most = 0;
	qsort(draws, n, sizeof *draws, by_value);
	for (size_t i = 0; i < n; i++) {
		double f = cdf(draws[i]);
		most = fmax(most, fmax(f - (double)i / (double)n, (double)(i + 1) / (double)n - f));
	}
	return most * sqrt((double)n);
}

static double mean(const double *draws, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += draws[i];
	return sum / (double)n;
}

/* Of each with the one after it; its standard deviation is 1 / sqrt(n). */
static double correlation(const double *draws, size_t n)
{
	double m = mean(draws, n), sum = 0, squares = 0;
	for (size_t i = 0; i + 1 < n; i++) {
		sum += (draws[i] - m) * (draws[i + 1] - m);
		squares += (draws[i] - m) * (draws[i] - m);
	}
	return sum / squares;
}

static double exponential(double x)
{
	return 1 - exp(-x);
}

static double uniform(double x)
{
	return x < 0 ? 0 : x > 1 ? 1 : x;
}

static double normal(double x)
{
	return erfc(-x / sqrt(2)) / 2;
}

static void gaps_of(const struct pace *p, uint64_t seed, double *gaps)
{
	int64_t *due = xreallocarray(NULL, DRAWS + 1, sizeof *due);
	assert_int_equal(walk(p, seed, due, DRAWS + 1), DRAWS + 1);
	for (size_t i = 0; i < DRAWS; i++)
		gaps[i] = (double)(due[i + 1] - due[i]);
	free(due);
}

static void gaps_of_poisson_are_exponential(void **state)
{
	(void)state;
	static const char *const texts[] = { "rate 1000/s poisson", "rate 1/h poisson", "rate 100000/s poisson" };
	static const double means[] = { 1e6, 3600e9, 1e4 };
	double *gaps = xreallocarray(NULL, DRAWS, sizeof *gaps);
	for (size_t i = 0; i < 3; i++) {
		struct pace *p = compile(texts[i]);
		gaps_of(p, 42 + i, gaps);
		assert_true(fabs(mean(gaps, DRAWS) / means[i] - 1) < 0.0035);
		assert_true(fabs(correlation(gaps, DRAWS)) < 0.0035);
		for (size_t k = 0; k < DRAWS; k++)
			gaps[k] = (gaps[k] + (double)k / DRAWS - 0.5) / means[i]; /* as if not rounded down to nanoseconds */
		assert_true(distance(gaps, DRAWS, exponential) < 1.95);
		pace_free(p);
	}
	free(gaps);
}

static void poisson_over_a_ramp_has_its_area(void **state)
{
	(void)state;
	static const struct line lines[] = { { 100, 0, 10000 }, { 100, 10000, 10000 } };
	struct pace *p = compile("ramp 100s:10000/s hold 100s poisson");
	int64_t *due = xreallocarray(NULL, 2 * DRAWS, sizeof *due);
	double *gaps = xreallocarray(NULL, 2 * DRAWS, sizeof *gaps);
	size_t n = walk(p, 5, due, 2 * DRAWS);
	/* the number is a Poisson variable itself */
	assert_true(fabs((double)n - 1500000) < 4 * sqrt(1500000));
	assert_int_equal(pace_count(p), 1500000);
	for (size_t i = 0; i < n; i++)
		gaps[i] = (double)(area_of(lines, 2, due[i]) - (i ? area_of(lines, 2, due[i - 1]) : 0));
	assert_true(distance(gaps, n, exponential) < 1.95);
	free(due);
	free(gaps);
	pace_free(p);
}

static void human_gaps_are_uniform(void **state)
{
	(void)state;
	struct pace *p = compile("human 800ms..8s");
	double *gaps = xreallocarray(NULL, DRAWS, sizeof *gaps);
	gaps_of(p, 3, gaps);
	assert_true(fabs(correlation(gaps, DRAWS)) < 0.0035);
	for (size_t i = 0; i < DRAWS; i++)
		gaps[i] = (gaps[i] - 800e6) / 7.2e9;
	assert_true(distance(gaps, DRAWS, uniform) < 1.95);
	assert_true(gaps[0] >= 0 && gaps[0] < 1e-4 && gaps[DRAWS - 1] > 1 - 1e-4 && gaps[DRAWS - 1] <= 1);
	free(gaps);
	pace_free(p);
}

static void both_ends_of_a_gap_are_drawn(void **state)
{
	(void)state;
	const struct pace_gap g = { .min_ns = 3, .max_ns = 7 };
	int seen[5] = { 0 };
	for (uint64_t k = 0; k < 50000; k++) {
		int64_t gap = pace_gap_draw(&g, 1, k);
		assert_in_range(gap, 3, 7);
		seen[gap - 3]++;
	}
	for (int i = 0; i < 5; i++)
		assert_in_range(seen[i], 9600, 10400);
}

static void lognormal_gaps_have_their_median_and_p99(void **state)
{
	(void)state;
	struct pace *p = compile("human lognormal median 2s p99 20s");
	double *gaps = xreallocarray(NULL, DRAWS, sizeof *gaps), sigma = log(10) / 2.3263478740408408;
	gaps_of(p, 8, gaps);
	assert_true(fabs(mean(gaps, DRAWS) / (2e9 * exp(sigma * sigma / 2)) - 1) < 0.005);
	assert_true(fabs(correlation(gaps, DRAWS)) < 0.0035);
	for (size_t i = 0; i < DRAWS; i++)
		gaps[i] = log(gaps[i] / 2e9) / sigma;
	assert_true(distance(gaps, DRAWS, normal) < 1.95);
	assert_true(fabs(2 * exp(gaps[DRAWS / 2] * sigma) - 2) < 0.01);
	assert_true(fabs(2 * exp(gaps[DRAWS / 100 * 99] * sigma) - 20) < 0.3);
	free(gaps);
	pace_free(p);
}

static void jitter_is_uniform_and_never_adds_up(void **state)
{
	(void)state;
	struct pace *p = compile("every 30s jitter 10%");
	int64_t *due = xreallocarray(NULL, DRAWS, sizeof *due);
	double *off = xreallocarray(NULL, DRAWS, sizeof *off);
	assert_int_equal(walk(p, 9, due, DRAWS), DRAWS);
	for (int64_t k = 0; k < DRAWS; k++)
		off[k] = ((double)(due[k] - k * 30 * NS_PER_S) / 3e9 + 1) / 2;
	/* the first one can't be before t0 */
	assert_true(due[0] >= 0 && distance(off + 1, DRAWS - 1, uniform) < 1.95);
	free(due);
	free(off);
	pace_free(p);
}

/* --- all kinds ----------------------------------------------------------------------------------- */

static const char *const kinds[] = {
	"every 1s", "every 100ms jitter 50% for 1m", "human 800ms..8s", "human lognormal median 2s p99 20s for 1h", "rate 20/s",
	"rate 12.3/s poisson", "rate 10/s ramp 1m:200/s hold 1m ramp 30s:0/s", "ramp 1m:200/s rate 3/s hold 1m ramp 30s:0/s poisson",
	"burst 7 every 10s for 15m", "users 40 ramp 1m think 1s..3s",
};

static void the_same_seed_is_the_same_schedule(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct pace *p = compile(kinds[i]);
		int64_t a[1000], b[1000], c[1000];
		size_t n = walk(p, 1, a, 1000), other = walk(p, 2, c, 1000);
		assert_int_equal(walk(p, 1, b, 1000), n);
		assert_memory_equal(a, b, n * sizeof *a);
		bool chance = strstr(kinds[i], "poisson") || strstr(kinds[i], "human") || strstr(kinds[i], "jitter");
		assert_int_equal(chance, n != other || memcmp(a, c, n * sizeof *a) != 0);
		pace_free(p);
	}
}

static void shared_by_index_it_is_the_same_schedule(void **state)
{
	(void)state;
	enum { N = 3000, MACHINES = 7 };
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		int64_t whole[N], shared[N], offset;
		struct pace *p = compile(kinds[i]);
		size_t n = walk(p, 77, whole, N), taken = 0;
		for (uint64_t m = 0; m < MACHINES; m++) {
			/* each machine compiles for itself */
			struct pace *own = compile(kinds[i]);
			struct pace_cursor c;
			pace_begin(&c, own, 77);
			for (uint64_t index = 0; index < n && pace_next(&c, &offset); index++)
				if (index % MACHINES == m) {
					shared[index] = offset;
					taken++;
				}
			pace_free(own);
		}
		assert_int_equal(taken, n);
		assert_memory_equal(whole, shared, n * sizeof *whole);
		pace_free(p);
	}
}

static void it_never_goes_back_and_ends_for_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct pace *p = compile(kinds[i]);
		struct pace_cursor c, copy;
		int64_t last = 0, offset, same;
		uint64_t n = 0;
		pace_begin(&c, p, 4);
		for (; n < 100000; n++) {
			copy = c;
			if (!pace_next(&c, &offset))
				break;
			assert_true(pace_next(&copy, &same));
			assert_int_equal(offset, same);
			assert_true(offset >= last && offset < pace_length_ns(p));
			assert_int_equal(c.offset_ns, offset);
			assert_int_equal(c.index, n + 1);
			last = offset;
		}
		if (n < 100000) {
			struct pace_cursor ended = c;
			assert_false(pace_next(&c, &offset));
			assert_memory_equal(&c, &ended, sizeof c);
			if (!strstr(kinds[i], "poisson") && !strstr(kinds[i], "human") && !pace_users(p))
				assert_int_equal(n, pace_count(p));
		} else {
			assert_int_equal(pace_length_ns(p), INT64_MAX);
		}
		pace_free(p);
	}
}

static void human_gaps_are_those_of_their_numbers(void **state)
{
	(void)state;
	struct pace *p = compile("human 800ms..8s");
	const struct pace_gap g = { .min_ns = 800 * NS_PER_MS, .max_ns = 8 * NS_PER_S };
	int64_t due[1000];
	assert_int_equal(walk(p, 6, due, 1000), 1000);
	assert_int_equal(due[0], 0);
	for (size_t k = 1; k < 1000; k++)
		assert_int_equal(due[k] - due[k - 1], pace_gap_draw(&g, 6, k));
	pace_free(p);
}

static void bursts_come_at_once(void **state)
{
	(void)state;
	struct pace *p = compile("burst 3 every 2s for 5s");
	static const int64_t expected[] = { 0, 0, 0, 2, 2, 2, 4, 4, 4 };
	int64_t due[20];
	assert_int_equal(walk(p, 1, due, 20), 9);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(due[i], expected[i] * NS_PER_S);
	pace_free(p);
}

static void users_start_over_their_ramp(void **state)
{
	(void)state;
	struct pace *p = compile("users 4 ramp 2s think 1s..3s"), *still = compile("users 3"), *none = compile("rate 3/s");
	int64_t due[20];
	assert_int_equal(walk(p, 1, due, 20), 4);
	for (int64_t i = 0; i < 4; i++)
		assert_int_equal(due[i], i * 500 * NS_PER_MS);
	const struct pace_users *u = pace_users(p);
	assert_true(u && u->n == 4 && u->ramp_ns == 2 * NS_PER_S && u->think.min_ns == NS_PER_S && u->think.max_ns == 3 * NS_PER_S);
	assert_int_equal(walk(still, 1, due, 20), 3);
	assert_true(due[0] == 0 && due[2] == 0);
	assert_int_equal(pace_gap_draw(&pace_users(still)->think, 1, 1), 0);
	assert_null(pace_users(none));
	pace_free(p);
	pace_free(still);
	pace_free(none);
}

static void what_was_recorded_is_played_back(void **state)
{
	(void)state;
	static const int64_t offsets[] = { 0, 100, 100, 3000, 7777777 }, back[] = { 0, 5, 4 }, before[] = { -1 };
	struct pace *p = compile("recorded a x2 for 2us");
	int64_t due[9];
	assert_int_equal(pace_length_ns(p), 0);
	assert_int_equal(walk(p, 1, due, 9), 0);
	assert_int_equal(pace_recorded_set(p, back, 3), -1);
	assert_int_equal(pace_recorded_set(p, before, 1), -1);
	assert_int_equal(pace_recorded_set(p, offsets, 5), 0);
	assert_int_equal(pace_count(p), 4);
	assert_int_equal(pace_length_ns(p), 2000);
	assert_int_equal(walk(p, 1, due, 9), 4);
	assert_true(due[0] == 0 && due[1] == 50 && due[2] == 50 && due[3] == 1500);
	struct pace *slow = compile("recorded a x0.5"), *scaled;
	assert_int_equal(pace_recorded_set(slow, offsets, 5), 0);
	assert_int_equal(pace_length_ns(slow), 15555555);
	assert_int_equal(walk(slow, 1, due, 9), 5);
	assert_int_equal(due[4], 15555554);
	scaled = pace_rescale(slow, 4);
	assert_int_equal(walk(scaled, 1, due, 9), 5);
	assert_int_equal(due[4], 3888888);
	pace_free(p);
	pace_free(slow);
	pace_free(scaled);
}

static void monitoring_takes_every(void **state)
{
	(void)state;
	struct pace *p = compile("every 30s jitter 12.5%"), *other = compile("rate 3/s");
	struct pace_every e;
	assert_true(pace_as_every(p, 5, &e));
	assert_true(e.interval_ns == 30 * NS_PER_S && e.jitter == 0.125 && e.seed == 5);
	assert_false(pace_as_every(other, 5, &e));
	pace_free(p);
	pace_free(other);
}

static void the_next_costs_little(void **state)
{
	(void)state;
	static const char *const texts[] = { "rate 100000/s", "rate 100000/s poisson", "ramp 1m:100000/s ramp 1m:0/s", "ramp 1m:100000/s poisson",
					     "human 1s..3s", "human lognormal median 2s p99 20s" };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct pace *p = compile(texts[i]);
		struct pace_cursor c;
		struct timespec from, to;
		int64_t offset;
		pace_begin(&c, p, 1);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		for (int k = 0; k < DRAWS; k++)
			assert_true(pace_next(&c, &offset));
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
		double ns = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / DRAWS;
		print_message("# %.0f ns of CPU for each of %s\n", ns, texts[i]);
		/* some 20 to 110; a busy machine and sanitizers take their share */
		assert_true(ns < 2000);
		pace_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_exact_after_any_time),
		cmocka_unit_test(it_ends_before_time_does),
		cmocka_unit_test(ramps_follow_their_area),
		cmocka_unit_test(the_rate_at_a_time_is_that_of_the_line),
		cmocka_unit_test(gaps_of_poisson_are_exponential),
		cmocka_unit_test(poisson_over_a_ramp_has_its_area),
		cmocka_unit_test(human_gaps_are_uniform),
		cmocka_unit_test(both_ends_of_a_gap_are_drawn),
		cmocka_unit_test(lognormal_gaps_have_their_median_and_p99),
		cmocka_unit_test(jitter_is_uniform_and_never_adds_up),
		cmocka_unit_test(the_same_seed_is_the_same_schedule),
		cmocka_unit_test(shared_by_index_it_is_the_same_schedule),
		cmocka_unit_test(it_never_goes_back_and_ends_for_good),
		cmocka_unit_test(human_gaps_are_those_of_their_numbers),
		cmocka_unit_test(bursts_come_at_once),
		cmocka_unit_test(users_start_over_their_ramp),
		cmocka_unit_test(what_was_recorded_is_played_back),
		cmocka_unit_test(monitoring_takes_every),
		cmocka_unit_test(the_next_costs_little),
	};
	return cmocka_run_group_tests_name("pace_walk", tests, NULL, NULL);
}
