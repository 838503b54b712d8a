/* SPDX-License-Identifier: Apache-2.0 */
/* test_worker_gate.c - a worker by its frames: tokens asked for, granted and refused; steps in line, and hops. */
#include "plan/gate.h"
#include "worker_peer.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mem.h"

static struct peer *peer;

static int start(void **state)
{
	(void)state;
	peer = peer_start((struct peer_setup){ .threads = 4 });
	peer_target(peer, 1, "fx", "do=inside", "gated=yes", NULL);
	peer_flow(peer, 1, 0, 1, 1);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	peer_finish(peer);
	return 0;
}

struct asked {
	uint32_t plan, target, n;
	char *key;
};

static struct asked expect_ask(const char *key)
{
	struct peer_frame f;
	struct cursor c = peer_expect(peer, WIRE_GATE_ASK, &f);
	struct asked a = { .plan = cursor_u32(&c), .target = cursor_u32(&c) };
	const char *k = cursor_str(&c);
	a.n = cursor_u32(&c);
	assert_false(c.bad);
	assert_int_equal(a.plan, 1);
	assert_in_range(a.n, 1, 64);
	if (key)
		assert_string_equal(k, key);
	else
		assert_null(k);
	peer_forget(&f);
	return a;
}

/* n tokens: at, at + step, ... */
static void grant(const char *key, uint32_t n, int64_t at, int64_t step)
{
	struct buf b = { 0 };
	buf_u32(&b, 1);
	buf_u32(&b, 1);
	buf_str(&b, key);
	buf_u32(&b, n);
	for (uint32_t i = 0; i < n; i++)
		buf_i64(&b, at + i * step);
	peer_send(peer, WIRE_GATE_GRANT, &b);
	buf_free(&b);
}

static void refuse(const char *key, uint32_t why, int64_t until)
{
	struct buf b = { 0 };
	buf_u32(&b, 1);
	buf_u32(&b, 1);
	buf_str(&b, key);
	buf_u32(&b, 0);
	buf_u32(&b, why);
	buf_i64(&b, until);
	peer_send(peer, WIRE_GATE_GRANT, &b);
	buf_free(&b);
}

static void expect_end(uint32_t slot, uint8_t outcome, uint32_t steps)
{
	struct peer_end end = peer_flow_end(peer);
	assert_int_equal(end.m.slot, slot);
	assert_int_equal(end.m.outcome, outcome);
	assert_int_equal(end.m.steps, steps);
	peer_end_free(&end);
}

static bool nothing_more(void)
{
	peer_sync(peer);
	return !peer_count(peer, WIRE_RESULT) && !peer_count(peer, WIRE_FLOW_END);
}

static uint32_t dispatch(uint32_t target, uint32_t flags, int64_t timeout_ns)
{
	uint32_t slot = peer->next_slot++;
	struct wire_dispatch d = { .slot = slot, .target = target, .seq = 1000 + slot, .due_ns = clock_now_ns(), .timeout_ns = timeout_ns, .flags = flags, .plan = 1 };
	struct buf b = { 0 };
	buf_u32(&b, 1);
	wire_put_dispatch(&b, &d);
	peer_send(peer, WIRE_DISPATCH, &b);
	buf_free(&b);
	return slot;
}

/* --- steps ------------------------------------------------------------------------------------------------ */

static void a_step_waits_for_its_token(void **state)
{
	(void)state;
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	struct asked asked = expect_ask(NULL);
	assert_int_equal(asked.target, 1);
	assert_int_equal(asked.n, 1);
	assert_true(nothing_more());
	int64_t at = clock_now_ns() + 40 * NS_PER_MS;
	grant(NULL, 1, at, 0);
	struct answer a = peer_step(peer, slot, 0);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	assert_true(a.result.start_ns >= at);
	assert_true(a.result.due_ns < at); /* an open plan's schedule stays */
	answer_free(&a);
	expect_end(slot, PROBED_OK, 1);
}

static void later_steps_are_due_when_let_go(void **state)
{
	(void)state;
	peer_target(peer, 2, "fx", "do=inside", NULL);
	peer_flow(peer, 2, 0, 2, 2, 1);
	uint32_t slot = peer_run(peer, 2, 0, 0, NULL, 0);
	struct answer a = peer_step(peer, slot, 0);
	answer_free(&a);
	expect_ask(NULL);
	int64_t at = clock_now_ns() + 30 * NS_PER_MS;
	grant(NULL, 1, at, 0);
	a = peer_step(peer, slot, 1);
	assert_int_equal(a.result.due_ns, at);
	assert_true(a.result.start_ns >= at);
	answer_free(&a);
	expect_end(slot, PROBED_OK, 2);
}

static void steps_stand_in_line(void **state)
{
	(void)state;
	enum { N = 6 };
	uint32_t slots[N];
	for (uint32_t i = 0; i < N; i++)
		slots[i] = peer_run(peer, 1, 0, 0, NULL, 0);
	uint32_t given = 0;
	int64_t at = clock_now_ns() + 10 * NS_PER_MS;
	while (given < N) {
		uint32_t n = expect_ask(NULL).n;
		n = n < N - given ? n : N - given;
		n = n < 3 ? n : 3; /* fewer than asked for */
		grant(NULL, n, at + given * 5 * NS_PER_MS, 5 * NS_PER_MS);
		given += n;
	}
	for (uint32_t i = 0; i < N; i++) {
		struct answer a = peer_step(peer, slots[i], 0);
		assert_true(a.result.start_ns >= at + i * 5 * NS_PER_MS);
		answer_free(&a);
		expect_end(slots[i], PROBED_OK, 1);
	}
	assert_true(nothing_more());
}

static void a_refusal_is_no_fault_of_the_target(void **state)
{
	(void)state;
	static const struct {
		uint32_t why;
		const char *said;
	} cases[] = {
		{ GATE_WHY_LIMIT, "held back by the limit of target target" },
		{ GATE_WHY_BREAKER, "held back by the open circuit breaker of target target" },
		{ 4711, "held back by the limit of target target" },
	};
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
		expect_ask(NULL);
		refuse(NULL, cases[i].why, clock_now_ns() + 3600 * NS_PER_S);
		for (int again = 0; again < 2; again++) { /* until then nothing is asked */
			struct answer a = peer_step(peer, slot, 0);
			assert_outcome(a, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED);
			assert_string_equal(answer_message(&a), cases[i].said);
			answer_free(&a);
			expect_end(slot, PROBED_UNKNOWN, 1);
			if (!again)
				slot = peer_run(peer, 1, 0, 0, NULL, 0);
		}
		assert_int_equal(peer_count(peer, WIRE_GATE_ASK), 0);
		grant(NULL, 1, clock_now_ns(), 0);
		slot = peer_run(peer, 1, 0, 0, NULL, 0);
		struct answer a = peer_step(peer, slot, 0);
		assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
		answer_free(&a);
		expect_end(slot, PROBED_OK, 1);
	}
}

static void a_token_of_long_ago_is_lost(void **state)
{
	(void)state;
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	expect_ask(NULL);
	grant(NULL, 1, clock_now_ns() - 60 * NS_PER_S, 0);
	expect_ask(NULL);
	assert_true(nothing_more());
	grant(NULL, 1, clock_now_ns(), 0);
	struct answer a = peer_step(peer, slot, 0);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
	expect_end(slot, PROBED_OK, 1);
}

static void a_refusal_leaves_those_who_have_a_token(void **state)
{
	(void)state;
	uint32_t first = peer_run(peer, 1, 0, 0, NULL, 0);
	peer_sync(peer);
	uint32_t second = peer_run(peer, 1, 0, 0, NULL, 0);
	peer_sync(peer);
	expect_ask(NULL);
	int64_t at = clock_now_ns() + 50 * NS_PER_MS;
	grant(NULL, 1, at, 0);
	expect_ask(NULL);
	refuse(NULL, GATE_WHY_BACKOFF, at);
	struct answer a = peer_step(peer, second, 0);
	assert_outcome(a, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED);
	answer_free(&a);
	expect_end(second, PROBED_UNKNOWN, 1);
	a = peer_step(peer, first, 0);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
	expect_end(first, PROBED_OK, 1);
}

static void who_waits_can_be_cancelled(void **state)
{
	(void)state;
	for (int granted = 0; granted < 2; granted++) {
		uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
		peer_sync(peer);
		if (!granted)
			expect_ask(NULL);
		if (granted)
			grant(NULL, 1, clock_now_ns() + 3600 * NS_PER_S, 0);
		peer_sync(peer);
		struct buf b = { 0 };
		buf_u32(&b, slot);
		buf_u64(&b, 1000 + slot);
		peer_send(peer, WIRE_CANCEL, &b);
		buf_free(&b);
		struct answer a = peer_step(peer, slot, 0);
		assert_outcome(a, PROBED_UNKNOWN, PROBED_REASON_CANCELLED);
		answer_free(&a);
		expect_end(slot, PROBED_UNKNOWN, 1);
	}
	peer_run(peer, 1, 0, 0, NULL, 0); /* and one that waits while the worker ends */
	peer_sync(peer);
	assert_int_equal(peer_hang_up(peer), 0);
	start(NULL);
}

static void users_are_asked_for_ahead(void **state)
{
	(void)state;
	enum { STEPS = 2000, USERS = 4 };
	const struct wire_choice one[] = { { 1, 1 } };
	const uint32_t slots[USERS] = { 0, 1, 2, 3 };
	struct wire_users m = { .lease = 5, .plan = 1, .total = USERS, .begin_ns = clock_now_ns(), .stop_ns = INT64_MAX, .runs = STEPS / USERS, .n_users = USERS, .n_choices = 1, .slots = slots, .choices = one };
	struct buf b = { 0 };
	wire_put_users(&b, &m);
	peer_send(peer, WIRE_USERS, &b);
	buf_free(&b);
	int64_t at = m.begin_ns;
	uint32_t asks = 0, given = 0, over = 0, most = 0;
	while (given < STEPS) {
		struct asked a = expect_ask(NULL);
		most = a.n > most ? a.n : most;
		grant(NULL, a.n, at, NS_PER_S / 4000);
		at += a.n * (NS_PER_S / 4000);
		given += a.n;
		asks++;
	}
	while (over < USERS) {
		struct peer_end end = peer_flow_end(peer);
		over += end.m.over;
		peer_end_free(&end);
	}
	assert_int_equal(peer_count(peer, WIRE_RESULT), STEPS);
	assert_true(most > 16);
	assert_true(asks < STEPS / 4);
	assert_true(given <= STEPS + 128); /* and no more is lost than was asked ahead */
	assert_true(clock_now_ns() - m.begin_ns >= (STEPS - 1) * (NS_PER_S / 4000));
	while (peer_count(peer, WIRE_RESULT)) {
		struct peer_frame f;
		peer_expect(peer, WIRE_RESULT, &f);
		peer_forget(&f);
	}
}

static void refused_users_rest(void **state)
{
	(void)state;
	const struct wire_choice one[] = { { 1, 1 } };
	const uint32_t slots[] = { 0 };
	struct wire_users m = { .lease = 5, .plan = 1, .total = 1, .begin_ns = clock_now_ns(), .stop_ns = INT64_MAX, .runs = 3, .n_users = 1, .n_choices = 1, .slots = slots, .choices = one };
	struct buf b = { 0 };
	wire_put_users(&b, &m);
	peer_send(peer, WIRE_USERS, &b);
	buf_free(&b);
	int64_t before = 0;
	for (int i = 0; i < 3; i++) {
		expect_ask(NULL);
		refuse(NULL, GATE_WHY_LIMIT, 0);
		struct peer_end end = peer_flow_end(peer);
		assert_int_equal(end.m.outcome, PROBED_UNKNOWN);
		assert_true(!i || end.m.due_ns - before >= 99 * NS_PER_MS);
		before = end.m.end_ns;
		peer_end_free(&end);
	}
	struct peer_end end = peer_flow_end(peer);
	assert_true(end.m.over);
	peer_end_free(&end);
	while (peer_count(peer, WIRE_RESULT)) {
		struct peer_frame f;
		peer_expect(peer, WIRE_RESULT, &f);
		peer_forget(&f);
	}
}

/* --- tries and hops --------------------------------------------------------------------------------------- */

static void a_further_try_takes_a_token(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=flaky", "count=1", "retry=1", "gated=yes", NULL);
	uint32_t slot = dispatch(1, DISPATCH_PLAN, NS_PER_S); /* the first try was let go by the core */
	struct answer a = peer_answer(peer);
	assert_int_equal(a.kind, RESULT_SUB);
	answer_free(&a);
	assert_int_equal(expect_ask(NULL).n, 1);
	assert_true(nothing_more());
	int64_t at = clock_now_ns() + 20 * NS_PER_MS;
	grant(NULL, 1, at, 0);
	a = peer_answer(peer);
	assert_int_equal(a.slot, slot);
	assert_int_equal(a.kind, RESULT_LAST);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	assert_true(a.result.start_ns >= at && a.result.due_ns < at);
	answer_free(&a);
}

static void a_hop_is_held_back(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=gate", "host=b.example", NULL);
	dispatch(1, DISPATCH_PLAN, 5 * NS_PER_S);
	assert_int_equal(expect_ask("b.example").n, 1);
	int64_t at = clock_now_ns() + 30 * NS_PER_MS;
	grant("b.example", 1, at, 0);
	struct answer a = peer_answer(peer);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	assert_true(a.result.end_ns >= at);
	answer_free(&a);
	dispatch(1, DISPATCH_PLAN, 100 * NS_PER_MS);
	expect_ask("b.example");
	refuse("b.example", GATE_WHY_LIMIT, clock_now_ns() + 3600 * NS_PER_S);
	a = peer_answer(peer);
	assert_outcome(a, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED);
	assert_string_equal(answer_message(&a), "held back by the limit of host b.example until its timeout");
	answer_free(&a);
	a = peer_probe(peer, 1); /* monitoring's go as they are */
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
	peer_sync(peer);
	assert_int_equal(peer_count(peer, WIRE_GATE_ASK), 0);
}

static void what_was_not_asked_for_is_left(void **state)
{
	(void)state;
	grant("nowhere", 3, 0, 0);
	refuse(NULL, GATE_WHY_LIMIT, 0);
	grant(NULL, 60, clock_now_ns(), 0);
	assert_true(nothing_more());
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	expect_ask(NULL);
	grant(NULL, 1000, clock_now_ns(), 0);
	struct answer a = peer_step(peer, slot, 0);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
	expect_end(slot, PROBED_OK, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_step_waits_for_its_token),
		TEST(later_steps_are_due_when_let_go),
		TEST(steps_stand_in_line),
		TEST(a_refusal_is_no_fault_of_the_target),
		TEST(a_token_of_long_ago_is_lost),
		TEST(a_refusal_leaves_those_who_have_a_token),
		TEST(who_waits_can_be_cancelled),
		TEST(users_are_asked_for_ahead),
		TEST(refused_users_rest),
		TEST(a_further_try_takes_a_token),
		TEST(a_hop_is_held_back),
		TEST(what_was_not_asked_for_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
