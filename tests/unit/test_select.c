/* SPDX-License-Identifier: Apache-2.0 */
/* test_select.c - which comes next: by weight, in order, shuffled; always the same for the same seed and index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/str.h"
#include "plan/select.h"

/* So far from its mean comes chi2 of `freedom` degrees about once in a hundred thousand. */
static double chi2_limit(double freedom)
{
	double z = 4.3, t = 1 - 2 / (9 * freedom) + z * sqrt(2 / (9 * freedom));
	return freedom * t * t * t;
}

static void assert_fits(const double *weights, uint32_t n, uint64_t seed, uint64_t draws)
{
	struct selector *s = selector_new(SELECT_PICK, weights, n, seed);
	uint64_t *hits = calloc(n, sizeof *hits);
	double sum = 0, chi2 = 0, freedom = -1;
	for (uint32_t i = 0; i < n; i++)
		sum += weights ? weights[i] : 1;
	for (uint64_t k = 0; k < draws; k++) {
		uint32_t i = selector_pick(s, k);
		assert_in_range(i, 0, n - 1);
		hits[i]++;
	}
	for (uint32_t i = 0; i < n; i++) {
		double expected = (double)draws * (weights ? weights[i] : 1) / sum;
		if (expected > 0) {
			chi2 += ((double)hits[i] - expected) * ((double)hits[i] - expected) / expected;
			freedom++;
		} else
			assert_int_equal(hits[i], 0);
	}
	if (freedom > 0 && chi2 > chi2_limit(freedom))
		fail_msg("n %u seed %llu: chi2 %.1f, expected at most %.1f", n, (unsigned long long)seed, chi2, chi2_limit(freedom));
	free(hits);
	selector_free(s);
}

static void picks_follow_the_weights(void **state)
{
	(void)state;
	static const double seventy_thirty[] = { 70, 30 }, odd[] = { 1, 0, 1000, 0.5, 3, 17, 0, 250 }, tiny[] = { 1e-300, 3e-300 },
			    one[] = { 5 };
	for (uint64_t seed = 0; seed < 4; seed++) {
		assert_fits(seventy_thirty, 2, seed, 1000000);
		assert_fits(odd, 8, seed, 1000000);
		assert_fits(tiny, 2, seed, 100000);
		assert_fits(one, 1, seed, 100);
		assert_fits(NULL, 7, seed, 1000000);
	}
	enum { MANY = 10000 };
	double *w = malloc(MANY * sizeof *w);
	for (uint32_t i = 0; i < MANY; i++)
		w[i] = 1 + (double)(i % 37);
	assert_fits(w, MANY, 9, 5000000);
	free(w);
}

static void weights_that_are_none_are_never_picked(void **state)
{
	(void)state;
	const double bad[] = { NAN, 1, -3, INFINITY, 2 }, none[] = { 0, -1, NAN };
	struct selector *s = selector_new(SELECT_PICK, bad, 5, 1), *t = selector_new(SELECT_PICK, none, 3, 1);
	uint32_t seen[5] = { 0 }, even[3] = { 0 };
	for (uint64_t k = 0; k < 10000; k++) {
		seen[selector_pick(s, k)]++;
		even[selector_pick(t, k)]++;
	}
	assert_true(!seen[0] && seen[1] > 3000 && !seen[2] && !seen[3] && seen[4] > 6000);
	assert_true(even[0] > 3000 && even[1] > 3000 && even[2] > 3000);
	selector_free(s);
	selector_free(t);
}

/* Neighbouring picks know nothing of one another: pairs fill their 36 cells evenly. */
static void picks_are_independent(void **state)
{
	(void)state;
	enum { DRAWS = 1000000 };
	struct selector *s = selector_new(SELECT_PICK, NULL, 6, 77);
	uint32_t pairs[36] = { 0 };
	double chi2 = 0, expected = DRAWS / 36.0;
	for (uint64_t k = 0; k < DRAWS; k++)
		pairs[selector_pick(s, k) * 6 + selector_pick(s, k + 1)]++;
	for (int i = 0; i < 36; i++)
		chi2 += (pairs[i] - expected) * (pairs[i] - expected) / expected;
	assert_true(chi2 < chi2_limit(35));
	selector_free(s);
}

static void the_same_index_gives_the_same_pick(void **state)
{
	(void)state;
	for (int kind = SELECT_ONE; kind <= SELECT_SHUFFLE; kind++) {
		struct selector *a = selector_new((enum select_kind)kind, NULL, 100, 5), *b = selector_new((enum select_kind)kind, NULL, 100, 5);
		for (uint64_t k = 0; k < 1000; k++) /* b is asked backwards */
			assert_int_equal(selector_pick(a, k), selector_pick(a, k));
		for (uint64_t k = 1000; k-- > 0;)
			assert_int_equal(selector_pick(b, k), selector_pick(a, k));
		selector_free(a);
		selector_free(b);
	}
}

static void one_round_and_sequence_keep_their_order(void **state)
{
	(void)state;
	struct selector *one = selector_new(SELECT_ONE, NULL, 1, 1), *round = selector_new(SELECT_ROUND, NULL, 3, 1),
			*sequence = selector_new(SELECT_SEQUENCE, NULL, 3, 1);
	for (uint64_t k = 0; k < 10; k++) {
		assert_int_equal(selector_pick(one, k), 0);
		assert_int_equal(selector_pick(round, k), k % 3);
		assert_int_equal(selector_pick(sequence, k), k < 3 ? k : UINT32_MAX);
	}
	assert_int_equal(selector_pick(round, UINT64_MAX), UINT64_MAX % 3);
	selector_free(one);
	selector_free(round);
	selector_free(sequence);
}

static void each_round_of_a_shuffle_has_each_once(void **state)
{
	(void)state;
	static const uint32_t sizes[] = { 1, 2, 3, 4, 5, 7, 8, 31, 32, 33, 100, 1000, 65537 };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		uint32_t n = sizes[i], same = 0;
		struct selector *s = selector_new(SELECT_SHUFFLE, NULL, n, 3);
		uint32_t *last = calloc(n, sizeof *last);
		for (uint64_t round = 0; round < 5; round++) {
			char *seen = calloc(n, 1);
			bool differs = false;
			for (uint32_t k = 0; k < n; k++) {
				uint32_t x = selector_pick(s, round * n + k);
				assert_in_range(x, 0, n - 1);
				assert_false(seen[x]);
				seen[x] = 1;
				differs |= last[k] != x;
				last[k] = x;
			}
			same += !differs;
			free(seen);
		}
		if (n >= 7)
			assert_int_equal(same, 0);
		free(last);
		selector_free(s);
	}
}

/* Over rounds and seeds each stands in each place equally often, and all orders of four are as frequent. */
static void shuffles_are_even(void **state)
{
	(void)state;
	enum { ROUNDS = 120000, N = 12 };
	static uint32_t place[N][N], orders[256];
	struct selector *s = selector_new(SELECT_SHUFFLE, NULL, N, 42), *four = selector_new(SELECT_SHUFFLE, NULL, 4, 42);
	memset(place, 0, sizeof place);
	memset(orders, 0, sizeof orders);
	for (uint64_t r = 0; r < ROUNDS; r++) {
		unsigned order = 0;
		for (uint32_t k = 0; k < N; k++)
			place[k][selector_pick(s, r * N + k)]++;
		for (uint32_t k = 0; k < 4; k++)
			order = order * 4 + selector_pick(four, r * 4 + k);
		orders[order]++;
	}
	for (uint32_t k = 0; k < N; k++) {
		double chi2 = 0, expected = (double)ROUNDS / N;
		for (uint32_t x = 0; x < N; x++)
			chi2 += (place[k][x] - expected) * (place[k][x] - expected) / expected;
		if (chi2 > chi2_limit(N - 1))
			fail_msg("place %u: chi2 %.1f, expected at most %.1f", k, chi2, chi2_limit(N - 1));
	}
	double chi2 = 0, expected = ROUNDS / 24.0;
	uint32_t seen = 0;
	for (uint32_t i = 0; i < 256; i++)
		if (orders[i]) {
			chi2 += (orders[i] - expected) * (orders[i] - expected) / expected;
			seen++;
		}
	assert_int_equal(seen, 24);
	assert_true(chi2 < chi2_limit(23));
	selector_free(s);
	selector_free(four);
}

static void the_seed_matters(void **state)
{
	(void)state;
	struct selector *a = selector_new(SELECT_SHUFFLE, NULL, 1000, 1), *b = selector_new(SELECT_SHUFFLE, NULL, 1000, 2);
	uint32_t same = 0;
	for (uint64_t k = 0; k < 1000; k++)
		same += selector_pick(a, k) == selector_pick(b, k);
	assert_true(same < 20);
	selector_free(a);
	selector_free(b);
}

static double cost_ns(enum select_kind kind, uint32_t n, uint64_t draws)
{
	double *w = malloc(n * sizeof *w), best = INFINITY;
	for (uint32_t i = 0; i < n; i++)
		w[i] = (double)(1 + str_mix(i, 1) % 1000);
	struct selector *s = selector_new(kind, w, n, 1);
	volatile uint32_t sink = 0;
	for (int round = 0; round < 5; round++) {
		uint32_t sum = 0;
		int64_t t0 = clock_now_ns();
		for (uint64_t k = 0; k < draws; k++)
			sum += selector_pick(s, k);
		double ns = (double)(clock_now_ns() - t0) / (double)draws;
		best = ns < best ? ns : best;
		sink += sum;
	}
	selector_free(s);
	free(w);
	return best;
}

/* The time is printed, not held: the machine may be busy. What must not happen is that it grows with n. */
static void a_pick_costs_the_same_however_many_there_are(void **state)
{
	(void)state;
	double few = cost_ns(SELECT_PICK, 10, 1000000), many = cost_ns(SELECT_PICK, 100000, 1000000);
	print_message("# pick: %.1f ns of 10, %.1f ns of 100,000; shuffle: %.1f ns of 100,000\n", few, many,
	              cost_ns(SELECT_SHUFFLE, 100000, 100000));
	assert_true(many < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(picks_follow_the_weights),
		cmocka_unit_test(weights_that_are_none_are_never_picked),
		cmocka_unit_test(picks_are_independent),
		cmocka_unit_test(the_same_index_gives_the_same_pick),
		cmocka_unit_test(one_round_and_sequence_keep_their_order),
		cmocka_unit_test(each_round_of_a_shuffle_has_each_once),
		cmocka_unit_test(shuffles_are_even),
		cmocka_unit_test(the_seed_matters),
		cmocka_unit_test(a_pick_costs_the_same_however_many_there_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
