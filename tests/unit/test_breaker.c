/* SPDX-License-Identifier: Apache-2.0 */
/* test_breaker.c - closed, open, half-open: the table of its moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "plan/breaker.h"

#define S NS_PER_S

static struct breaker_spec spec(const char *text)
{
	struct breaker_spec s;
	char error[512];
	if (breaker_parse(text, &s, error, sizeof error))
		fail_msg("%s: %s", text, error);
	return s;
}

static void breakers_are_read(void **state)
{
	(void)state;
	struct breaker_spec s = spec("5 failures in 30s open 10s");
	assert_true(s.failures == 5 && s.within_ns == 30 * S && s.open_ns == 10 * S && s.trials == 1 && s.on.overload);
	s = spec("1 failure in 500ms  open 1m probes 3 on 503 timeout");
	assert_true(s.failures == 1 && s.trials == 3 && s.on.n_statuses == 1 && !s.on.overload);
	static const char *const bad[] = { "", "5", "5 failures", "5 failures in 30s", "0 failures in 30s open 10s", "5 failures in 0 open 10s",
		                           "5 failures in 30s open", "5 failures in 30s open 10s probes", "5 failures in 30s open 10s probes 0",
		                           "5 failures in 30s open 10s 503", "5 failures in 30s open 10s on", "10001 failures in 1s open 1s",
		                           "5 failures in 30s open 10s on 503 probes 1", "5 fails in 30s open 10s", "-5 failures in 30s open 10s" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct breaker_spec kept = { .trials = 77 };
		char error[512] = "";
		if (!breaker_parse(bad[i], &kept, error, sizeof error))
			fail_msg("\"%s\" was taken", bad[i]);
		assert_true(strlen(error) > 10 && !strchr(error, '\n'));
		assert_int_equal(kept.trials, 77);
	}
}

/* One line a step: at a time, something happens; then it is in a state and may or may not be passed. */
enum what { ENTER, GOOD, BAD, UNSAID, LOOK };
struct step {
	enum what what;
	int64_t at;
	int64_t entered; /* of what ends */
	bool trial;
	enum breaker_state state;
	bool may;
};

static void walk(const char *text, const struct step *steps, size_t n)
{
	struct breaker_spec s = spec(text);
	struct breaker b;
	breaker_init(&b, &s);
	for (size_t i = 0; i < n; i++) {
		const struct step *x = &steps[i];
		if (x->what == ENTER) {
			assert_true(breaker_may(&b, &s, x->at));
			if (breaker_enter(&b, &s, x->at) != x->trial)
				fail_msg("step %zu: trial expected: %d", i, x->trial);
		} else if (x->what != LOOK)
			breaker_leave(&b, &s, x->trial, x->what == GOOD ? FAULT_NONE : x->what == BAD ? FAULT_BAD : FAULT_UNSAID,
				      x->entered, x->at);
		if (b.state != x->state || breaker_may(&b, &s, x->at) != x->may)
			fail_msg("step %zu: %s, %s pass", i, breaker_state_name(b.state), x->may ? "may not" : "may");
	}
	breaker_clear(&b);
}

static void moves(void **state)
{
	(void)state;
	static const struct step opens_and_closes[] = {
		{ BAD, 1 * S, 1, false, BREAKER_CLOSED, true },
		{ BAD, 2 * S, 1, false, BREAKER_CLOSED, true },
		{ GOOD, 3 * S, 1, false, BREAKER_CLOSED, true },
		{ UNSAID, 3 * S, 1, false, BREAKER_CLOSED, true },
		{ BAD, 4 * S, 1, false, BREAKER_OPEN, false },
		{ BAD, 5 * S, 1, false, BREAKER_OPEN, false }, /* it was under way before */
		{ LOOK, 14 * S - 1, 0, false, BREAKER_OPEN, false },
		{ LOOK, 14 * S, 0, false, BREAKER_OPEN, true },
		{ ENTER, 14 * S, 0, true, BREAKER_HALF_OPEN, false },
		{ GOOD, 15 * S, 3 * S, false, BREAKER_HALF_OPEN, false }, /* nor does an old one say anything now */
		{ GOOD, 16 * S, 14 * S, true, BREAKER_CLOSED, true },
		{ BAD, 17 * S, 17 * S, false, BREAKER_CLOSED, true }, /* it counts from the beginning */
	};
	walk("3 failures in 10s open 10s", opens_and_closes, ARRAY_LEN(opens_and_closes));
	static const struct step slow_failures_do_not_open[] = {
		{ BAD, 1 * S, 1, false, BREAKER_CLOSED, true },
		{ BAD, 7 * S, 1, false, BREAKER_CLOSED, true },
		{ BAD, 12 * S, 1, false, BREAKER_CLOSED, true }, /* the first is 11 s old */
		{ BAD, 17 * S, 1, false, BREAKER_OPEN, false }, /* three in 10 s to the dot */
	};
	walk("3 failures in 10s open 10s", slow_failures_do_not_open, ARRAY_LEN(slow_failures_do_not_open));
	static const struct step a_bad_trial_opens_again[] = {
		{ BAD, 1 * S, 1, false, BREAKER_OPEN, false },
		{ ENTER, 3 * S, 0, true, BREAKER_HALF_OPEN, true },
		{ ENTER, 3 * S, 0, true, BREAKER_HALF_OPEN, false },
		{ GOOD, 4 * S, 3 * S, true, BREAKER_HALF_OPEN, false }, /* one of two */
		{ BAD, 4 * S, 3 * S, true, BREAKER_OPEN, false },
		{ ENTER, 6 * S, 0, true, BREAKER_HALF_OPEN, true },
		{ UNSAID, 7 * S, 6 * S, true, BREAKER_HALF_OPEN, true }, /* it says nothing: another may try */
		{ ENTER, 7 * S, 0, true, BREAKER_HALF_OPEN, true },
		{ ENTER, 7 * S, 0, true, BREAKER_HALF_OPEN, false },
		{ GOOD, 8 * S, 7 * S, true, BREAKER_HALF_OPEN, false },
		{ GOOD, 8 * S, 7 * S, true, BREAKER_CLOSED, true },
		{ GOOD, 9 * S, 7 * S, true, BREAKER_CLOSED, true }, /* a trial from before */
	};
	walk("1 failure in 10s open 2s probes 2", a_bad_trial_opens_again, ARRAY_LEN(a_bad_trial_opens_again));
	static const struct step a_trial_that_is_lost_is_given_up[] = {
		{ BAD, 1 * S, 1, false, BREAKER_OPEN, false },
		{ ENTER, 3 * S, 0, true, BREAKER_HALF_OPEN, false },
		{ LOOK, 65 * S - 1, 0, false, BREAKER_HALF_OPEN, false },
		{ LOOK, 65 * S, 0, false, BREAKER_HALF_OPEN, true },
		{ ENTER, 65 * S, 0, true, BREAKER_HALF_OPEN, false },
		{ GOOD, 66 * S, 65 * S, true, BREAKER_CLOSED, true },
	};
	walk("1 failure in 10s open 2s", a_trial_that_is_lost_is_given_up, ARRAY_LEN(a_trial_that_is_lost_is_given_up));
}

static void another_spec_keeps_the_state(void **state)
{
	(void)state;
	struct breaker_spec one = spec("1 failure in 10s open 2s"), two = spec("2 failures in 10s open 20s"), none = { 0 };
	struct breaker b;
	breaker_init(&b, &one);
	breaker_leave(&b, &one, false, FAULT_BAD, 1, 5);
	breaker_respec(&b, &two);
	assert_true(b.state == BREAKER_OPEN && b.opened == 1 && !breaker_may(&b, &two, 10 * S) && breaker_may(&b, &two, 20 * S + 5));
	breaker_respec(&b, &none);
	assert_true(b.state == BREAKER_CLOSED && breaker_may(&b, &none, 6));
	breaker_leave(&b, &none, false, FAULT_BAD, 7, 8);
	assert_int_equal(b.state, BREAKER_CLOSED);
	breaker_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(breakers_are_read),
		cmocka_unit_test(moves),
		cmocka_unit_test(another_spec_keeps_the_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
