/* SPDX-License-Identifier: Apache-2.0 */
/* test_worker_flow.c - a worker by its frames: flows, their steps, variables, sessions, further tries, cancels, ends. */
#include "worker_peer.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "judge/vars.h"

static struct peer *peer;

static int start(void **state)
{
	(void)state;
	peer = peer_start((struct peer_setup){ .threads = 4 });
	return 0;
}

static int finish(void **state)
{
	(void)state;
	peer_finish(peer);
	return 0;
}

/* The next end of a flow is of that slot, with that outcome after so many steps. */
static void expect_end(uint32_t slot, uint8_t outcome, uint32_t steps)
{
	struct peer_end end = peer_flow_end(peer);
	assert_int_equal(end.m.slot, slot);
	assert_int_equal(end.m.seq, 1000 + slot);
	assert_true(end.m.over);
	assert_int_equal(end.m.outcome, outcome);
	assert_int_equal(end.m.steps, steps);
	peer_end_free(&end);
}

static void expect_step(uint32_t slot, uint32_t n, uint32_t target, uint32_t outcome)
{
	struct answer a = peer_step(peer, slot, n);
	assert_int_equal(a.target, target);
	assert_int_equal(a.result.outcome, outcome);
	answer_free(&a);
}

static bool nothing_more(void)
{
	peer_sync(peer);
	return !peer_count(peer, WIRE_RESULT) && !peer_count(peer, WIRE_FLOW_END);
}

static void cancel(uint32_t slot, uint64_t seq)
{
	struct buf b = { 0 };
	buf_u32(&b, slot);
	buf_u64(&b, seq);
	peer_send(peer, WIRE_CANCEL, &b);
	buf_free(&b);
}

static void remove_id(uint16_t type, uint32_t id)
{
	struct buf b = { 0 };
	buf_u32(&b, id);
	peer_send(peer, type, &b);
	buf_free(&b);
}

/* --- order and times -------------------------------------------------------------------------------------- */

static void steps_run_in_order(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=inside", NULL);
	peer_target(peer, 2, "fx", "do=ok", NULL);
	peer_target(peer, 3, "fx", "do=slow", "delay=2ms", NULL);
	peer_target(peer, 4, "fxblock", NULL);
	peer_flow(peer, 7, 0, 5, 1, 2, 3, 4, 1);
	uint32_t slot = peer_run(peer, 7, 0, 0, NULL, 0);
	int64_t before = 0;
	const uint32_t targets[] = { 1, 2, 3, 4, 1 };
	for (uint32_t i = 0; i < 5; i++) {
		struct answer a = peer_step(peer, slot, i);
		assert_int_equal(a.target, targets[i]);
		assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
		assert_true(!i || a.result.due_ns == before);
		assert_true(a.result.start_ns >= a.result.due_ns);
		before = a.result.end_ns;
		answer_free(&a);
	}
	struct peer_end end = peer_flow_end(peer);
	assert_int_equal(end.m.steps, 5);
	assert_int_equal(end.m.outcome, PROBED_OK);
	assert_int_equal(end.m.flow, 7);
	assert_int_equal(end.m.end_ns, before);
	assert_int_equal(end.m.n_vars, 0);
	peer_end_free(&end);
	assert_true(nothing_more());
}

static void it_starts_when_due(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=inside", NULL);
	peer_flow(peer, 1, 0, 1, 1);
	int64_t due = clock_now_ns() + 50 * NS_PER_MS;
	uint32_t slot = peer_run(peer, 1, 0, due, NULL, 0);
	struct answer a = peer_step(peer, slot, 0);
	assert_int_equal(a.result.due_ns, due);
	assert_true(a.result.start_ns >= due);
	answer_free(&a);
	struct peer_end end = peer_flow_end(peer);
	assert_int_equal(end.m.due_ns, due);
	assert_true(end.m.start_ns >= due && end.m.end_ns >= end.m.start_ns);
	peer_end_free(&end);
	due = clock_now_ns() - 30 * NS_PER_MS;
	slot = peer_run(peer, 1, 0, due, NULL, 0);
	a = peer_step(peer, slot, 0);
	assert_true(result_latency_ns(&a.result) >= 30 * NS_PER_MS);
	answer_free(&a);
	expect_end(slot, PROBED_OK, 1);
}

static void users_think_between_steps(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=inside", NULL);
	peer_target(peer, 2, "fx", "do=inside", "think=60", NULL);
	peer_flow(peer, 1, 20, 4, 1, 2, 1, 1);
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	const int64_t thought[] = { 0, 20, 60, 20 }; /* a step's own time comes before the flow's */
	int64_t before = 0;
	for (uint32_t i = 0; i < 4; i++) {
		struct answer a = peer_step(peer, slot, i);
		if (i)
			assert_int_equal(a.result.due_ns, before + thought[i] * NS_PER_MS);
		assert_true(a.result.start_ns >= a.result.due_ns);
		before = a.result.end_ns;
		answer_free(&a);
	}
	struct peer_end end = peer_flow_end(peer);
	assert_int_equal(end.m.end_ns, before); /* none after the last */
	peer_end_free(&end);
}

/* --- variables ------------------------------------------------------------------------------------------- */

static void captures_feed_later_steps(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=echo", "text={\"token\": \"s3cret {{row.user}}\"}", "count=41", "capture.token=text regex /\"token\": \"([^\"]*)/", "capture.n=count", NULL);
	peer_target(peer, 2, "fx", "do=echo", "text={{token}}", "header.X-N={{n}}", "expect.n=header X-N == \"41\"", NULL);
	peer_flow(peer, 1, 0, 2, 1, 2);
	const struct kv row[] = { { .key = "row.user", .value = "ann" } };
	uint32_t slot = peer_run(peer, 1, START_VARS, 0, row, 1);
	struct answer a = peer_step(peer, slot, 0);
	assert_string_equal(answer_message(&a), "");
	answer_free(&a);
	a = peer_step(peer, slot, 1);
	assert_string_equal(answer_message(&a), "");
	assert_string_equal(answer_text(&a, FX_TEXT, NULL), "s3cret ann");
	answer_free(&a);
	struct peer_end end = peer_flow_end(peer);
	assert_string_equal(peer_end_var(&end, "token"), "s3cret ann");
	assert_string_equal(peer_end_var(&end, "n"), "41");
	assert_string_equal(peer_end_var(&end, "row.user"), "ann");
	assert_int_equal(end.m.n_vars, 3);
	peer_end_free(&end);
	/* the next user in the memory of the last one knows nothing of it */
	peer_flow(peer, 2, 0, 1, 2);
	slot = peer_run(peer, 2, START_VARS, 0, NULL, 0);
	a = peer_step(peer, slot, 0);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_INTERNAL);
	assert_non_null(strstr(answer_message(&a), "{{token}}"));
	answer_free(&a);
	end = peer_flow_end(peer);
	assert_int_equal(end.m.n_vars, 0);
	peer_end_free(&end);
}

static void a_capture_of_the_body_has_it_kept(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=body", "size=26B", "capture.mid=body regex /c(.*?)h/", "capture.sum=body sha256", NULL);
	peer_flow(peer, 1, 0, 1, 1);
	uint32_t slot = peer_run(peer, 1, START_VARS, 0, NULL, 0);
	struct answer a = peer_step(peer, slot, 0);
	assert_string_equal(answer_message(&a), "");
	answer_free(&a);
	struct peer_end end = peer_flow_end(peer);
	assert_string_equal(peer_end_var(&end, "mid"), "defg");
	assert_string_equal(peer_end_var(&end, "sum"), "71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73");
	peer_end_free(&end);
}

static void a_capture_that_finds_nothing_fails_the_step(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=body", "size=26B", "capture.token=jsonpath $.token", "capture.no=item", NULL);
	peer_flow(peer, 1, 0, 2, 1, 1);
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	struct answer a = peer_step(peer, slot, 0);
	assert_outcome(a, PROBED_FAIL, PROBED_REASON_EXPECTATION);
	assert_ptr_equal(strstr(answer_message(&a), "capture token: "), answer_message(&a));
	assert_int_equal(a.result.n_failed, 2);
	assert_string_equal(answer_failed(&a, 0), "capture token");
	answer_free(&a);
	expect_end(slot, PROBED_FAIL, 1);
}

static void a_capture_beyond_bounds_fails_the_step(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=body", "size=100KiB", "capture.all=body", NULL);
	peer_flow(peer, 1, 0, 1, 1);
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	struct answer a = peer_step(peer, slot, 0);
	assert_outcome(a, PROBED_FAIL, PROBED_REASON_EXPECTATION);
	assert_non_null(strstr(answer_message(&a), "capture all: its value is longer than 65536 bytes"));
	answer_free(&a);
	expect_end(slot, PROBED_FAIL, 1);
	/* as many variables as there may be, and one more */
	char names[VARS_MAX][16];
	struct kv vars[VARS_MAX];
	for (uint32_t i = 0; i < VARS_MAX; i++) {
		snprintf(names[i], sizeof names[i], "v%u", i);
		vars[i] = (struct kv){ .key = names[i], .value = "x" };
	}
	peer_target(peer, 2, "fx", "capture.more=status", NULL);
	peer_flow(peer, 2, 0, 1, 2);
	slot = peer_run(peer, 2, START_VARS, 0, vars, VARS_MAX);
	a = peer_step(peer, slot, 0);
	assert_outcome(a, PROBED_FAIL, PROBED_REASON_EXPECTATION);
	answer_free(&a);
	struct peer_end end = peer_flow_end(peer);
	assert_int_equal(end.m.n_vars, VARS_MAX);
	peer_end_free(&end);
}

/* --- failures -------------------------------------------------------------------------------------------- */

static void a_failed_step_ends_the_flow(void **state)
{
	(void)state;
	static const struct {
		const char *mode;
		uint8_t outcome;
	} cases[] = { { "do=fail", PROBED_FAIL }, { "do=error", PROBED_ERROR }, { "do=inside", PROBED_OK } };
	for (uint32_t i = 0; i < 3; i++) {
		peer_target(peer, 1, "fx", "do=inside", NULL);
		peer_target(peer, 2, "fx", cases[i].mode, NULL);
		peer_flow(peer, 1, 0, 3, 1, 2, 1);
		uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
		expect_step(slot, 0, 1, PROBED_OK);
		expect_step(slot, 1, 2, cases[i].outcome);
		if (cases[i].outcome == PROBED_OK)
			expect_step(slot, 2, 1, PROBED_OK);
		expect_end(slot, cases[i].outcome, cases[i].outcome == PROBED_OK ? 3 : 2);
	}
	assert_true(nothing_more());
}

static void a_step_may_fail_and_the_flow_goes_on(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=inside", NULL);
	peer_target(peer, 2, "fx", "do=error", "on_fail=continue", NULL);
	peer_target(peer, 3, "fx", "do=fail", "on_fail=continue", NULL);
	peer_flow(peer, 1, 0, 4, 1, 2, 3, 1);
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	expect_step(slot, 0, 1, PROBED_OK);
	expect_step(slot, 1, 2, PROBED_ERROR);
	expect_step(slot, 2, 3, PROBED_FAIL);
	expect_step(slot, 3, 1, PROBED_OK);
	expect_end(slot, PROBED_ERROR, 4); /* the first that was not ok */
}

static void a_step_has_its_own_deadline(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=never", "timeout=30", NULL);
	peer_flow(peer, 1, 0, 1, 1);
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	struct answer a = peer_step(peer, slot, 0);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_TIMEOUT);
	answer_free(&a);
	expect_end(slot, PROBED_ERROR, 1);
}

static void what_is_not_there_ends_the_flow(void **state)
{
	(void)state;
	uint32_t slot = peer_run(peer, 99, 0, 0, NULL, 0);
	expect_end(slot, PROBED_UNKNOWN, 0);
	peer_target(peer, 1, "fx", "do=inside", NULL);
	peer_flow(peer, 1, 0, 2, 1, 98);
	slot = peer_run(peer, 1, 0, 0, NULL, 0);
	expect_step(slot, 0, 1, PROBED_OK);
	expect_end(slot, PROBED_UNKNOWN, 1);
	peer_flow(peer, 1, 0, 1, 98);
	slot = peer_run(peer, 1, 0, 0, NULL, 0);
	expect_end(slot, PROBED_UNKNOWN, 0);
	assert_true(nothing_more());
}

/* --- tries ----------------------------------------------------------------------------------------------- */

static void expect_try(uint32_t n, uint32_t outcome)
{
	char name[20];
	struct answer a = peer_answer(peer);
	snprintf(name, sizeof name, "try %u", n);
	assert_int_equal(a.kind, RESULT_SUB);
	assert_string_equal(result_string(&a.result, a.result.sub), name);
	assert_int_equal(a.result.outcome, outcome);
	answer_free(&a);
}


static void tries_end(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=flaky", "count=3", "retry=2", NULL);
	peer_flow(peer, 1, 0, 1, 1);
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	expect_try(1, PROBED_ERROR);
	expect_try(2, PROBED_ERROR);
	expect_step(slot, 0, 1, PROBED_ERROR);
	expect_end(slot, PROBED_ERROR, 1);
}

static void a_step_is_tried_again(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=flaky", "count=2", "retry=2", NULL);
	peer_flow(peer, 1, 0, 1, 1);
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	expect_try(1, PROBED_ERROR);
	expect_try(2, PROBED_ERROR);
	struct answer a = peer_step(peer, slot, 0);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	struct peer_end end = peer_flow_end(peer);
	assert_int_equal(end.m.due_ns, a.result.due_ns); /* one step, due once */
	assert_int_equal(end.m.steps, 1);
	peer_end_free(&end);
	answer_free(&a);
}

static void overload_is_tried_again_a_failed_expectation_is_not(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=busy", "count=1", "retry=1", NULL);
	peer_target(peer, 2, "fx", "do=fail", "retry=1", NULL);
	peer_flow(peer, 1, 0, 2, 1, 2);
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	expect_try(1, PROBED_FAIL);
	expect_step(slot, 0, 1, PROBED_OK);
	expect_step(slot, 1, 2, PROBED_FAIL);
	expect_end(slot, PROBED_FAIL, 2);
}

static void each_try_has_its_own_deadline(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=never", "timeout=20", "retry=2", NULL);
	peer_target(peer, 2, "fxblock", "do=slow", "delay=80ms", "timeout=20", "retry=1", NULL);
	for (uint32_t id = 1; id <= 2; id++) {
		peer_flow(peer, 1, 0, 1, id);
		uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
		expect_try(1, PROBED_ERROR);
		if (id == 1)
			expect_try(2, PROBED_ERROR);
		struct answer a = peer_step(peer, slot, 0);
		assert_outcome(a, PROBED_ERROR, PROBED_REASON_TIMEOUT);
		assert_true(result_latency_ns(&a.result) >= (id == 1 ? 60 : 40) * NS_PER_MS);
		assert_true(result_service_ns(&a.result) >= 20 * NS_PER_MS);
		answer_free(&a);
		expect_end(slot, PROBED_ERROR, 1);
	}
}

static uint32_t dispatch(uint32_t target, uint32_t flags)
{
	uint32_t slot = peer->next_slot++;
	struct wire_dispatch d = { .slot = slot, .target = target, .seq = 1000 + slot, .due_ns = clock_now_ns(), .timeout_ns = NS_PER_S, .flags = flags, .plan = 1 };
	struct buf b = { 0 };
	buf_u32(&b, 1);
	wire_put_dispatch(&b, &d);
	peer_send(peer, WIRE_DISPATCH, &b);
	buf_free(&b);
	return slot;
}

static void only_a_plans_dispatch_is_tried_again(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=error", "retry=1", NULL);
	uint32_t slot = dispatch(1, 0);
	struct answer a = peer_answer(peer);
	assert_int_equal(a.slot, slot);
	assert_int_equal(a.kind, RESULT_LAST);
	answer_free(&a);
	dispatch(1, DISPATCH_PLAN);
	expect_try(1, PROBED_ERROR);
	a = peer_answer(peer);
	assert_int_equal(a.kind, RESULT_LAST);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_REFUSED);
	answer_free(&a);
	assert_true(nothing_more());
}

/* --- sessions -------------------------------------------------------------------------------------------- */

static int64_t count_of(uint32_t slot, uint32_t n)
{
	struct answer a = peer_step(peer, slot, n);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	int64_t count = answer_fact(&a, FX_COUNT, NULL)->i;
	answer_free(&a);
	return count;
}

static void a_user_has_one_session_with_each_driver(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=session", NULL);
	peer_target(peer, 2, "fxpool", "do=session", NULL);
	peer_target(peer, 3, "fx", "do=sessions", NULL);
	peer_flow(peer, 1, 0, 6, 1, 2, 1, 3, 1, 2);
	const int64_t counts[] = { 1, 1, 2, 1, 3, 2 };
	for (int round = 0; round < 2; round++) { /* and it goes with the user */
		uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
		for (uint32_t i = 0; i < 6; i++)
			assert_int_equal(count_of(slot, i), counts[i]);
		expect_end(slot, PROBED_OK, 6);
	}
	struct answer a = peer_probe(peer, 3); /* nor has a plain probe any */
	assert_int_equal(answer_fact(&a, FX_COUNT, NULL)->i, 0);
	answer_free(&a);
}

static void a_session_that_can_not_be_made_is_no_fault_of_the_target(void **state)
{
	(void)state;
	peer_target(peer, 1, "fxshy", "do=inside", "retry=3", NULL);
	peer_flow(peer, 1, 0, 1, 1);
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	struct answer a = peer_step(peer, slot, 0);
	assert_outcome(a, PROBED_UNKNOWN, PROBED_REASON_INTERNAL);
	assert_string_equal(answer_message(&a), "driver fxshy can't make a session for a virtual user");
	answer_free(&a);
	expect_end(slot, PROBED_UNKNOWN, 1);
}

/* --- ends ------------------------------------------------------------------------------------------------ */

static void a_flow_is_cancelled_wherever_it_is(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=inside", NULL);
	peer_target(peer, 2, "fx", "do=never", NULL);
	peer_target(peer, 3, "fxpool", "do=never", NULL);
	peer_target(peer, 4, "fxblock", "do=slow", "delay=100ms", NULL);
	peer_target(peer, 5, "fx", "do=inside", "think=60000", NULL);
	for (uint32_t k = 0; k < 4; k++) { /* in each of four steps */
		uint32_t ids[4] = { 1, 1, 1, 1 };
		ids[k] = k == 3 ? 4 : 2;
		peer_flow(peer, 1, 0, 4, ids[0], ids[1], ids[2], ids[3]);
		uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
		for (uint32_t i = 0; i < k; i++)
			expect_step(slot, i, 1, PROBED_OK);
		peer_sync(peer);
		cancel(slot, 999); /* somebody else's */
		cancel(slot, 1000 + slot);
		cancel(slot, 1000 + slot);
		struct answer a = peer_step(peer, slot, k);
		assert_outcome(a, PROBED_UNKNOWN, PROBED_REASON_CANCELLED);
		answer_free(&a);
		expect_end(slot, PROBED_UNKNOWN, k + 1);
	}
	peer_flow(peer, 2, 0, 2, 5, 1); /* thinking */
	uint32_t slot = peer_run(peer, 2, 0, 0, NULL, 0);
	expect_step(slot, 0, 5, PROBED_OK);
	cancel(slot, 1000 + slot);
	expect_end(slot, PROBED_UNKNOWN, 1);
	slot = peer_run(peer, 2, 0, clock_now_ns() + 60 * NS_PER_S, NULL, 0); /* not yet due */
	cancel(slot, 1000 + slot);
	expect_end(slot, PROBED_UNKNOWN, 0);
	peer_dispatch(peer, 3, 0, 60 * NS_PER_S);
	peer_dispatch(peer, 3, 0, 60 * NS_PER_S);
	peer_flow(peer, 3, 0, 1, 3); /* waiting for room in its driver */
	slot = peer_run(peer, 3, 0, 0, NULL, 0);
	peer_sync(peer);
	cancel(slot, 1000 + slot);
	expect_step(slot, 0, 3, PROBED_UNKNOWN);
	expect_end(slot, PROBED_UNKNOWN, 1);
	cancel(slot - 1, 1000 + slot - 1);
	cancel(slot - 2, 1000 + slot - 2);
	for (int i = 0; i < 2; i++) {
		struct answer a = peer_answer(peer);
		assert_outcome(a, PROBED_UNKNOWN, PROBED_REASON_CANCELLED);
		answer_free(&a);
	}
	assert_true(nothing_more());
}

static void flows_and_targets_go_while_they_are_in_use(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=slow", "delay=20ms", NULL);
	peer_target(peer, 2, "fx", "do=echo", "text=old", NULL);
	peer_flow(peer, 1, 0, 2, 1, 2);
	uint32_t slot = peer_run(peer, 1, 0, 0, NULL, 0);
	peer_sync(peer);
	remove_id(WIRE_FLOW_REMOVE, 1);
	peer_target(peer, 1, "fx", "do=error", NULL); /* replaced while the step is under way: it ends on the old one */
	peer_target(peer, 2, "fx", "do=echo", "text=new", NULL);
	expect_step(slot, 0, 1, PROBED_OK);
	struct answer a = peer_step(peer, slot, 1);
	assert_string_equal(answer_text(&a, FX_TEXT, NULL), "new");
	answer_free(&a);
	expect_end(slot, PROBED_OK, 2);
	slot = peer_run(peer, 1, 0, 0, NULL, 0);
	expect_end(slot, PROBED_UNKNOWN, 0);
	peer_target(peer, 1, "fx", "do=slow", "delay=20ms", NULL);
	peer_flow(peer, 1, 0, 2, 1, 2);
	slot = peer_run(peer, 1, 0, 0, NULL, 0);
	peer_sync(peer);
	peer_flow(peer, 1, 0, 1, 2); /* a run keeps the flow that it began with */
	remove_id(WIRE_TARGET_REMOVE, 1);
	expect_step(slot, 0, 1, PROBED_OK);
	expect_step(slot, 1, 2, PROBED_OK);
	expect_end(slot, PROBED_OK, 2);
}

static void draining_lets_flows_end(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ 0 });
	struct peer *ours = peer;
	peer = p;
	peer_target(p, 1, "fx", "do=slow", "delay=10ms", NULL);
	peer_flow(p, 1, 10, 3, 1, 1, 1);
	uint32_t slot = peer_run(p, 1, 0, 0, NULL, 0);
	peer_sync(p);
	peer_send(p, WIRE_DRAIN, NULL);
	for (uint32_t i = 0; i < 3; i++)
		expect_step(slot, i, 1, PROBED_OK);
	expect_end(slot, PROBED_OK, 3);
	struct peer_frame f;
	peer_expect(p, WIRE_DRAINED, &f);
	peer_forget(&f);
	int status;
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_int_equal(status, 0);
	peer_forget_dead(p);
	peer = ours;
}

static void hanging_up_ends_everything(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ 0 });
	peer_target(p, 1, "fx", "do=never", NULL);
	peer_target(p, 2, "fx", "do=inside", "think=60000", "capture.s=status", NULL);
	peer_target(p, 3, "fxblock", NULL);
	peer_flow(p, 1, 0, 2, 2, 1);
	peer_flow(p, 2, 0, 2, 1, 2);
	peer_flow(p, 3, 0, 2, 3, 1);
	for (uint32_t i = 0; i < 30; i++)
		peer_run(p, 1 + i % 3, 0, i % 5 ? 0 : clock_now_ns() + 60 * NS_PER_S, NULL, 0);
	peer_sync(p);
	assert_int_equal(peer_hang_up(p), 0);
}

static void a_crash_in_a_step_names_the_users_slot(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ 0 });
	peer_target(p, 1, "fx", "do=inside", NULL);
	peer_target(p, 2, "fxbad", "do=crashlater", "delay=10ms", NULL);
	peer_target(p, 3, "fx", "do=never", NULL);
	peer_flow(p, 1, 0, 1, 3);
	peer_flow(p, 2, 0, 2, 1, 2);
	uint32_t bystander = peer_run(p, 1, 0, 0, NULL, 0);
	uint32_t later = peer_run(p, 1, 0, clock_now_ns() + 60 * NS_PER_S, NULL, 0);
	uint32_t guilty = peer_run(p, 2, 0, 0, NULL, 0);
	int status;
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status));
	uint32_t driver = atomic_load(&p->page->in_call);
	assert_true(driver);
	assert_string_equal(p->page->drivers[driver - 1], "fxbad");
	assert_int_equal(atomic_load(&p->page->slot), guilty);
	uint64_t started = atomic_load(&p->page->started[0]);
	assert_true(started >> bystander & 1);
	assert_true(started >> guilty & 1);
	assert_false(started >> later & 1);
	peer_forget_dead(p);
}

static void a_slot_in_use_is_refused(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ 0 });
	peer_target(p, 1, "fx", "do=inside", "think=60000", NULL);
	peer_flow(p, 1, 0, 2, 1, 1);
	peer_run(p, 1, 0, 0, NULL, 0);
	p->next_slot = 0;
	peer_dispatch(p, 1, 0, 0);
	int status;
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	peer_forget_dead(p);
}

static void in_the_check_nothing_runs(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ .check_only = true });
	peer_target(p, 1, "fx", "capture.x=nonsense", NULL);
	char *why = peer_refused(p, 1);
	assert_non_null(strstr(why, "capture.x: "));
	free(why);
	peer_run(p, 1, 0, 0, NULL, 0);
	int status;
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	peer_forget_dead(p);
}

static void a_flow_that_never_waits_does_not_starve_others(void **state)
{
	(void)state;
	enum { FLOWS = 200, STEPS = 10 };
	peer_target(peer, 1, "fx", "do=inside", NULL);
	peer_target(peer, 2, "fx", "do=ok", NULL);
	peer_flow(peer, 1, 0, STEPS, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
	uint32_t first = peer->next_slot;
	for (uint32_t i = 0; i < FLOWS; i++)
		peer_run(peer, 1, 0, 0, NULL, 0);
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct peer_end end = peer_flow_end(peer);
		assert_int_equal(end.m.steps, STEPS);
		assert_true(end.m.slot - first < FLOWS);
		peer_end_free(&end);
	}
	assert_int_equal(peer_count(peer, WIRE_RESULT), FLOWS * STEPS);
	struct peer_frame f;
	while (peer_count(peer, WIRE_RESULT)) {
		peer_expect(peer, WIRE_RESULT, &f);
		peer_forget(&f);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(steps_run_in_order),
		TEST(it_starts_when_due),
		TEST(users_think_between_steps),
		TEST(captures_feed_later_steps),
		TEST(a_capture_of_the_body_has_it_kept),
		TEST(a_capture_that_finds_nothing_fails_the_step),
		TEST(a_capture_beyond_bounds_fails_the_step),
		TEST(a_failed_step_ends_the_flow),
		TEST(a_step_may_fail_and_the_flow_goes_on),
		TEST(a_step_has_its_own_deadline),
		TEST(what_is_not_there_ends_the_flow),
		TEST(tries_end),
		TEST(a_step_is_tried_again),
		TEST(overload_is_tried_again_a_failed_expectation_is_not),
		TEST(each_try_has_its_own_deadline),
		TEST(only_a_plans_dispatch_is_tried_again),
		TEST(a_user_has_one_session_with_each_driver),
		TEST(a_session_that_can_not_be_made_is_no_fault_of_the_target),
		TEST(a_flow_is_cancelled_wherever_it_is),
		TEST(flows_and_targets_go_while_they_are_in_use),
		TEST(draining_lets_flows_end),
		TEST(hanging_up_ends_everything),
		TEST(a_crash_in_a_step_names_the_users_slot),
		TEST(a_slot_in_use_is_refused),
		TEST(in_the_check_nothing_runs),
		TEST(a_flow_that_never_waits_does_not_starve_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
