/* SPDX-License-Identifier: Apache-2.0 */
/* test_compare.c - like compared with like is called different in at most 5 % of cases; what differs is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "measured.h"
#include "report/compare.h"

#if defined(__SANITIZE_ADDRESS__)
#define PAIRS 24
#else
#define PAIRS 120
#endif

static const struct compare_line *line(const struct comparison *c, const char *name)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (!strcmp(c->lines[i].name, name))
			return &c->lines[i];
	fail_msg("no line %s", name);
	return NULL;
}

static bool any_difference(const struct comparison *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->lines[i].verdict == COMPARE_BETTER || c->lines[i].verdict == COMPARE_WORSE)
			return true;
	return false;
}

static void compared(const struct measured_kind *a, const struct measured_kind *b, struct comparison *c)
{
	struct tally *base = measured_tally(a), *now = measured_tally(b);
	compare(base, now, c);
	tally_free(base);
	tally_free(now);
}

/* Comparisons with at least one line called different, of PAIRS pairs that differ by their seed alone. */
static uint32_t false_alarms(struct measured_kind kind)
{
	struct comparison c;
	uint32_t alarms = 0;
	for (uint32_t i = 0; i < PAIRS; i++) {
		struct measured_kind a = kind, b = kind;
		a.seed = kind.seed + 2 * i;
		b.seed = kind.seed + 2 * i + 1;
		compared(&a, &b, &c);
		alarms += any_difference(&c);
	}
	print_message("# %u s at %u/s, neighbours alike by %.1f: %u of %u\n", kind.seconds, kind.rate, kind.drift, alarms, PAIRS);
	return alarms;
}

/* 5 %, and what PAIRS draws may be off by: 3 standard deviations. */
static uint32_t tolerated(void)
{
	return (uint32_t)(0.05 * PAIRS + 3 * sqrt(0.05 * 0.95 * PAIRS));
}

static void like_with_like_is_seldom_called_different(void **state)
{
	(void)state;
	static const struct measured_kind kinds[] = {
		{ .seed = 1000, .seconds = 60, .rate = 40, .slower = 1, .errors = 0.01 },
		{ .seed = 2000, .seconds = 60, .rate = 40, .slower = 1, .errors = 0.002, .drift = 0.5 },
		{ .seed = 3000, .seconds = 12, .rate = 40, .slower = 1, .errors = 0.01 },
	};
	uint32_t all = 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		uint32_t alarms = false_alarms(kinds[i]);
		assert_true(alarms <= tolerated());
		all += alarms;
	}
	assert_true(all <= ARRAY_LEN(kinds) * PAIRS * 0.05); /* over all kinds the rate itself */
}

static void a_tenth_slower_is_found(void **state)
{
	(void)state;
	struct measured_kind base = { .seed = 40, .seconds = 60, .rate = 100, .slower = 1, .errors = 0.01 };
	uint32_t found = 0, wrong = 0, tries = PAIRS / 6;
	for (uint32_t i = 0; i < tries; i++) {
		struct measured_kind slow = base;
		struct comparison c;
		slow.slower = 1.1;
		slow.seed = 5000 + i;
		base.seed = 7000 + i;
		compared(&base, &slow, &c);
		found += line(&c, "latency p50")->verdict == COMPARE_WORSE;
		wrong += line(&c, "latency p50")->low > 0.1 || line(&c, "latency p50")->high < 0.1;
		compared(&slow, &base, &c);
		wrong += line(&c, "latency p50")->verdict != COMPARE_BETTER && line(&c, "latency p50")->verdict != COMPARE_SAME;
		wrong += line(&c, "errors")->verdict == COMPARE_WORSE && line(&c, "dropped")->verdict == COMPARE_WORSE;
	}
	print_message("# found %u of %u, off %u\n", found, tries, wrong);
	assert_true(found * 20 >= tries * 19);
	assert_true(wrong * 20 <= tries);
}

static void more_errors_are_found_and_a_handful_is_not_a_trend(void **state)
{
	(void)state;
	struct measured_kind few = { .seed = 1, .seconds = 60, .rate = 100, .slower = 1, .errors = 0.005 };
	struct measured_kind more = few, none = few;
	struct comparison c;
	more.errors = 0.02;
	more.seed = 2;
	compared(&few, &more, &c);
	assert_int_equal(line(&c, "errors")->verdict, COMPARE_WORSE);
	assert_true(line(&c, "errors")->low < 0.03 && line(&c, "errors")->high > 0.03);
	compared(&more, &few, &c);
	assert_int_equal(line(&c, "errors")->verdict, COMPARE_BETTER);
	none.errors = 0;
	few.errors = 0.0002; /* two or three of 6,000 */
	compared(&none, &few, &c);
	assert_int_equal(line(&c, "errors")->verdict, COMPARE_SAME);
}

static void one_stall_of_two_seconds_is_no_proof(void **state)
{
	(void)state;
	struct measured_kind calm = { .seed = 1, .seconds = 60, .rate = 100, .slower = 1 }, stalled = calm;
	struct comparison c;
	stalled.eventful = true;
	stalled.seed = 2;
	compared(&calm, &stalled, &c);
	const struct compare_line *p99 = line(&c, "latency p99");
	assert_true(p99->now > 5 * p99->base);
	assert_int_equal(p99->verdict, COMPARE_SAME);
	assert_true(p99->low < 0 && p99->high > 5);
}

static void what_was_measured_too_little_is_not_judged(void **state)
{
	(void)state;
	struct measured_kind brief = { .seed = 1, .seconds = 3, .rate = 50, .slower = 1 }, slower = brief;
	struct comparison c;
	slower.slower = 3;
	compared(&brief, &slower, &c);
	assert_int_equal(line(&c, "latency p50")->verdict, COMPARE_UNKNOWN);
	assert_true(line(&c, "latency p50")->change > 1.5);
	struct measured_kind thin = { .seed = 1, .seconds = 60, .rate = 20, .slower = 1 }; /* 1,200 samples */
	compared(&thin, &thin, &c);
	assert_int_equal(line(&c, "latency p99.9")->verdict, COMPARE_UNKNOWN);
	assert_int_equal(line(&c, "latency p50")->verdict, COMPARE_SAME);
	assert_int_equal(line(&c, "latency p50")->change, 0);
}

static void the_same_runs_give_the_same_answer(void **state)
{
	(void)state;
	struct measured_kind a = { .seed = 8, .seconds = 60, .rate = 30, .slower = 1, .errors = 0.01 }, b = a;
	struct comparison first, second;
	b.seed = 9;
	compared(&a, &b, &first);
	compared(&a, &b, &second);
	assert_memory_equal(&first, &second, sizeof first);
}

static void changes_are_told_in_words(void **state)
{
	(void)state;
	static const struct {
		struct compare_line line;
		const char *text;
	} table[] = {
		{ { .kind = COMPARE_TIME, .change = 0.041, .low = 0.012, .high = 0.07 }, "+4.10 % (+1.20 % to +7.00 %)" },
		{ { .kind = COMPARE_SHARE, .change = -0.5, .low = -0.6, .high = -0.4 }, "-50.00 points (-60.00 points to -40.00 points)" },
		{ { .kind = COMPARE_TIME, .change = 12.8, .low = -0.1, .high = 1559 }, "x13.8 (-10.00 % to x1560)" },
		{ { .kind = COMPARE_TIME, .change = 0.5, .verdict = COMPARE_UNKNOWN }, "+50.00 %" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char text[120];
		assert_string_equal(compare_change_text(&table[i].line, text, sizeof text), table[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_with_like_is_seldom_called_different),
		cmocka_unit_test(a_tenth_slower_is_found),
		cmocka_unit_test(more_errors_are_found_and_a_handful_is_not_a_trend),
		cmocka_unit_test(one_stall_of_two_seconds_is_no_proof),
		cmocka_unit_test(what_was_measured_too_little_is_not_judged),
		cmocka_unit_test(the_same_runs_give_the_same_answer),
		cmocka_unit_test(changes_are_told_in_words),
	};
	return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
