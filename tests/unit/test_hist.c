/* SPDX-License-Identifier: Apache-2.0 */
/* test_hist.c - the histogram: quantiles within 1 %, merging is adding, nothing outside of the bounds is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "measure/hist.h"

#define N 20000

static uint64_t seed;

static uint64_t draw(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return seed >> 11;
}

/* Any power of two between 1 us and 18 min as likely as any other. */
static int64_t draw_ns(void)
{
	unsigned power = HIST_MIN_BITS + (unsigned)(draw() % (HIST_MAX_BITS - HIST_MIN_BITS));
	return (INT64_C(1) << power) + (int64_t)(draw() % (UINT64_C(1) << power));
}

static int by_value(const void *a, const void *b)
{
	int64_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

static void assert_within_1_percent(int64_t value, int64_t exact)
{
	int64_t off = value > exact ? value - exact : exact - value;
	if (off * 100 > exact)
		fail_msg("%lld for %lld", (long long)value, (long long)exact);
}

static void any_value_is_kept_within_1_percent(void **state)
{
	(void)state;
	seed = 1;
	for (int i = 0; i < N; i++) {
		int64_t ns = draw_ns();
		struct hist h = { 0 };
		hist_add(&h, ns / 2 + 1);
		hist_add(&h, ns);
		hist_add(&h, INT64_C(1) << 39);
		int64_t middle = hist_quantile(&h, 0.5);
		assert_within_1_percent(middle, ns > INT64_C(1) << 39 ? INT64_C(1) << 39 : ns);
	}
}

static void quantiles_are_those_of_the_sorted_samples(void **state)
{
	(void)state;
	static const double qs[] = { 0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1 };
	struct hist *h = xnew(struct hist);
	int64_t *all = xcalloc(N, sizeof *all), sum = 0;
	seed = 2;
	for (int i = 0; i < N; i++) {
		all[i] = draw_ns();
		sum += all[i];
		hist_add(h, all[i]);
	}
	qsort(all, N, sizeof *all, by_value);
	for (size_t i = 0; i < ARRAY_LEN(qs); i++) {
		int rank = (int)(qs[i] * N + 0.999999);
		assert_within_1_percent(hist_quantile(h, qs[i]), all[rank > 1 ? rank - 1 : 0]);
	}
	assert_int_equal(hist_quantile(h, 1), all[N - 1]);
	assert_int_equal(hist_quantile(h, 0), all[0]);
	assert_true(h->sum_ns == sum);
	free(all);
	free(h);
}

static void counts_below_a_bound_are_monotonic_and_end_with_all(void **state)
{
	(void)state;
	struct hist *h = xnew(struct hist);
	seed = 3;
	uint64_t exact = 0;
	for (int i = 0; i < N; i++) {
		int64_t ns = draw_ns();
		exact += ns < INT64_C(1) << 20;
		hist_add(h, ns);
	}
	assert_int_equal(hist_count_le(h, (INT64_C(1) << 20) - 1), exact);
	uint64_t last = 0;
	for (int64_t ns = 1; ns < INT64_C(1) << 41; ns += 1 + ns / 7) {
		uint64_t n = hist_count_le(h, ns);
		assert_true(n >= last);
		last = n;
	}
	assert_int_equal(last, N);
	assert_int_equal(hist_count_le(h, h->min_ns - 1), 0);
	free(h);
}

static void merging_is_adding_everything_to_one(void **state)
{
	(void)state;
	struct hist *a = xnew(struct hist), *b = xnew(struct hist), *both = xnew(struct hist);
	seed = 4;
	for (int i = 0; i < N; i++) {
		int64_t ns = draw_ns();
		hist_add(i % 3 ? a : b, ns);
		hist_add(both, ns);
	}
	hist_merge(a, b);
	assert_memory_equal(a, both, sizeof *a);
	struct hist *none = xnew(struct hist);
	hist_merge(a, none);
	assert_memory_equal(a, both, sizeof *a);
	hist_merge(none, both);
	assert_memory_equal(none, both, sizeof *a);
	free(a);
	free(b);
	free(both);
	free(none);
}

static void what_is_outside_of_the_bounds_is_counted_and_keeps_its_extremes(void **state)
{
	(void)state;
	struct hist h = { 0 };
	assert_int_equal(hist_quantile(&h, 0.5), 0);
	assert_int_equal(hist_count_le(&h, 5), 0);
	hist_add(&h, 0);
	hist_add(&h, 3);
	hist_add(&h, INT64_MAX);
	assert_int_equal(h.count, 3);
	assert_int_equal(hist_quantile(&h, 0), 0);
	assert_true(hist_quantile(&h, 1) == INT64_MAX);
	assert_true(hist_quantile(&h, 0.5) <= 3);
	assert_int_equal(hist_count_le(&h, 1 << HIST_MIN_BITS), 2);
	hist_add(&h, INT64_MAX);
	assert_true(h.sum_ns == INT64_MAX); /* saturated */
	struct hist one = { 0 };
	hist_add(&one, -5);
	assert_int_equal(hist_quantile(&one, 0.5), -5);
}

static void a_single_sample_is_every_quantile(void **state)
{
	(void)state;
	struct hist h = { 0 };
	hist_add(&h, 412345678);
	for (double q = 0; q <= 1; q += 0.125)
		assert_int_equal(hist_quantile(&h, q), 412345678);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_value_is_kept_within_1_percent),
		cmocka_unit_test(quantiles_are_those_of_the_sorted_samples),
		cmocka_unit_test(counts_below_a_bound_are_monotonic_and_end_with_all),
		cmocka_unit_test(merging_is_adding_everything_to_one),
		cmocka_unit_test(what_is_outside_of_the_bounds_is_counted_and_keeps_its_extremes),
		cmocka_unit_test(a_single_sample_is_every_quantile),
	};
	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
