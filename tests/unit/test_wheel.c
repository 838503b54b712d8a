/* SPDX-License-Identifier: Apache-2.0 */
/* test_wheel.c - the timing wheel: never early, at most a tick late, nothing lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/wheel.h"

#define TICK (INT64_C(1) << WHEEL_TICK_BITS)
#define START INT64_C(123456789012345)

static struct wheel wheel;
static int64_t now;
static uint64_t fired, early, late;

static void count(struct wheel_timer *t)
{
	fired++;
	early += now < t->at_ns;
	late += now > t->at_ns + 2 * TICK;
}

static void begin(void)
{
	now = START;
	fired = early = late = 0;
	wheel_init(&wheel, now);
}

static void run_dry(void)
{
	while (wheel.n) {
		int64_t next = wheel_next(&wheel);
		assert_true(next > now);
		now = next;
		wheel_advance(&wheel, now);
	}
}

static void fires_at_any_distance_on_time(void **state)
{
	(void)state;
	begin();
	enum { N = 20000 };
	struct wheel_timer *t = calloc(N, sizeof *t);
	srandom(1);
	for (int i = 0; i < N; i++) {
		t[i].fn = count;
		wheel_set(&wheel, &t[i], now + ((int64_t)random() << (random() % 24)));
	}
	run_dry();
	assert_int_equal(fired, N);
	assert_int_equal(early, 0);
	assert_int_equal(late, 0);
	free(t);
}

static void a_past_time_fires_in_the_next_tick(void **state)
{
	(void)state;
	begin();
	struct wheel_timer t = { .fn = count };
	wheel_set(&wheel, &t, now - 1000000000);
	assert_int_equal(wheel_advance(&wheel, now), 0);
	now += TICK;
	assert_int_equal(wheel_advance(&wheel, now), 1);
}

static void a_stopped_timer_never_fires(void **state)
{
	(void)state;
	begin();
	struct wheel_timer t = { .fn = count };
	wheel_set(&wheel, &t, now + 5 * TICK);
	wheel_set(&wheel, &t, now + 500000 * TICK);
	wheel_stop(&wheel, &t);
	wheel_stop(&wheel, &t);
	assert_false(wheel_running(&t));
	assert_int_equal(wheel.n, 0);
	assert_true(wheel_next(&wheel) == INT64_MAX);
	wheel_advance(&wheel, now + 1000000 * TICK);
	assert_int_equal(fired, 0);
}

static struct wheel_timer other;

static void move_other(struct wheel_timer *t)
{
	count(t);
	wheel_set(&wheel, &other, now + 3 * TICK);
	wheel_set(&wheel, t, now + 7 * TICK);
	t->fn = count;
}

static void a_callback_may_move_any_timer(void **state)
{
	(void)state;
	begin();
	struct wheel_timer t = { .fn = move_other };
	other = (struct wheel_timer){ .fn = count };
	wheel_set(&wheel, &t, now + 300 * TICK);
	wheel_set(&wheel, &other, now + 300 * TICK);
	run_dry();
	assert_int_equal(early, 0);
	assert_true(fired == 3 || fired == 2 + 1 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_at_any_distance_on_time),
		cmocka_unit_test(a_past_time_fires_in_the_next_tick),
		cmocka_unit_test(a_stopped_timer_never_fires),
		cmocka_unit_test(a_callback_may_move_any_timer),
	};
	return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
