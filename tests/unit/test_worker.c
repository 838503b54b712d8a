/* SPDX-License-Identifier: Apache-2.0 */
/* test_worker.c - a worker by its frames: targets, dispatch, results, expectations, drain. */
#include "worker_peer.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static struct peer *peer;

static int start(void **state)
{
	(void)state;
	peer = peer_start((struct peer_setup){ 0 });
	return 0;
}

static int finish(void **state)
{
	(void)state;
	peer_finish(peer);
	return 0;
}

static void a_probe_that_is_well_is_ok(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	assert_true(a.last);
	assert_int_equal(answer_fact(&a, FX_STATUS, NULL)->i, 200);
	assert_int_equal(answer_fact(&a, FX_CLEAN, NULL)->i, 1);
	answer_free(&a);
}

static void completing_inside_start_is_legal(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=inside", NULL);
	for (int i = 0; i < 2000; i++) {
		struct answer a = peer_probe(peer, 1);
		assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
		assert_int_equal(answer_fact(&a, FX_CLEAN, NULL)->i, 1);
		answer_free(&a);
	}
}

static void an_error_carries_its_reason_and_message(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=error", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_REFUSED);
	assert_string_equal(answer_message(&a), "connection refused by the fixture");
	answer_free(&a);
}

static void an_unknown_reason_reads_as_other(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=reason", "count=4711", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_OTHER);
	answer_free(&a);
}

static void it_starts_when_due_and_counts_from_there(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", NULL);
	int64_t due = clock_now_ns() + 100 * NS_PER_MS;
	peer_dispatch(peer, 1, due, NS_PER_S);
	struct answer a = peer_answer(peer);
	assert_int_equal(a.result.due_ns, due);
	assert_true(a.result.start_ns >= due);
	assert_true(a.result.end_ns >= a.result.start_ns);
	answer_free(&a);
	peer_dispatch(peer, 1, clock_now_ns() - 50 * NS_PER_MS, NS_PER_S);
	a = peer_answer(peer);
	assert_true(result_lag_ns(&a.result) >= 50 * NS_PER_MS);
	assert_true(result_latency_ns(&a.result) >= 50 * NS_PER_MS);
	answer_free(&a);
}

static void the_deadline_names_the_phase(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=stall", NULL);
	peer_dispatch(peer, 1, 0, 50 * NS_PER_MS);
	struct answer a = peer_answer(peer);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_TIMEOUT);
	assert_string_equal(answer_message(&a), "timed out after 50 ms in connect");
	assert_true(a.result.phase_ns[PROBED_PHASE_RESOLVE] >= 0);
	assert_true(a.result.phase_ns[PROBED_PHASE_CONNECT] >= 49 * NS_PER_MS);
	assert_int_equal(a.result.phase_ns[PROBED_PHASE_TLS], -1);
	int64_t service = result_service_ns(&a.result);
	assert_true(service >= 50 * NS_PER_MS);
	answer_free(&a);
	peer_target(peer, 1, "fx", "do=never", NULL);
	peer_dispatch(peer, 1, 0, 20 * NS_PER_MS);
	a = peer_answer(peer);
	assert_string_equal(answer_message(&a), "timed out after 20 ms");
	answer_free(&a);
}

static void phases_add_up(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=phases", "delay=5ms", NULL);
	struct answer a = peer_probe(peer, 1);
	for (int i = 0; i < PROBED_PHASES; i++)
		assert_true(a.result.phase_ns[i] >= 5 * NS_PER_MS);
	answer_free(&a);
}

static void every_kind_of_fact_arrives(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=facts", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	assert_string_equal(answer_text(&a, FX_TEXT, NULL), "caf\xc3\xa9 \"quoted\"\n\xff");
	assert_true(answer_fact(&a, FX_RATIO, NULL)->f == 0.25);
	assert_int_equal(answer_fact(&a, FX_FLAG, NULL)->i, 1);
	assert_int_equal(answer_fact(&a, FX_TOOK, NULL)->i, 1500 * NS_PER_MS);
	assert_int_equal(answer_fact(&a, FX_BYTES, NULL)->type, PROBED_TYPE_SIZE);
	assert_string_equal(answer_text(&a, FX_HEADER, "server"), "fixture");
	assert_string_equal(answer_text(&a, FX_HEADER, "x-odd"), "1");
	uint32_t from = 0;
	const struct result_fact *f = result_fact_find(&a.result, FX_ITEM, NULL, &from);
	assert_string_equal(result_string(&a.result, f->s), "one");
	f = result_fact_find(&a.result, FX_ITEM, NULL, &from);
	assert_string_equal(result_string(&a.result, f->s), "two");
	from = 0;
	f = result_fact_find(&a.result, FX_HOPS, NULL, &from);
	assert_string_equal(result_string(&a.result, f->s), "{\"ttl\":1,\"ip\":\"192.0.2.1\",\"rtt\":0.0015}");
	f = result_fact_find(&a.result, FX_HOPS, NULL, &from);
	assert_string_equal(result_string(&a.result, f->s), "{\"ttl\":1,\"ip\":null,\"rtt\":null}");
	answer_free(&a);
}

static void of_a_lean_probe_only_what_is_looked_at_arrives(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=facts", "expect.half=ratio < 0.5", "expect.who=header server == \"fixture\"", "expect.asked=count == 7",
	            NULL);
	peer_flow(peer, 1, 0, 1, 1);
	for (uint32_t lean = 0; lean < 2; lean++) {
		uint32_t slot = peer_run(peer, 1, lean ? START_LEAN : 0, 0, NULL, 0);
		struct answer a = peer_step(peer, slot, 0);
		assert_int_equal(a.result.outcome, lean ? PROBED_OK : PROBED_FAIL); /* `count` says how many are wanted */
		assert_int_equal(answer_fact(&a, FX_COUNT, NULL)->i, lean ? 7 : FX_CLEAN + 1);
		static const uint32_t kept[] = { FX_STATUS, FX_BYTES, FX_RETRY, FX_BUSY, FX_RATIO };
		for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
			assert_non_null(answer_fact(&a, kept[i], NULL));
		assert_string_equal(answer_text(&a, FX_HEADER, "server"), "fixture");
		assert_int_equal(answer_fact(&a, FX_HEADER, "x-odd") == NULL, lean);
		assert_int_equal(answer_fact(&a, FX_TEXT, NULL) == NULL, lean);
		assert_int_equal(answer_fact(&a, FX_HOPS, NULL) == NULL, lean);
		assert_int_equal(a.result.n_facts == 7, lean);
		assert_int_equal(a.result.dropped, 0);
		answer_free(&a);
		struct peer_end end = peer_flow_end(peer);
		peer_end_free(&end);
	}
}

static void wrong_facts_are_left_out_and_told_once(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=wrongfact", NULL);
	for (int i = 0; i < 2; i++) {
		struct answer a = peer_probe(peer, 1);
		assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
		assert_int_equal(a.result.n_facts, 2); /* status and clean */
		answer_free(&a);
	}
	free(peer_misbehaved(peer, "fx"));
	peer_sync(peer);
	assert_int_equal(peer_count(peer, WIRE_MISBEHAVED), 0);
}

static void expectations_are_judged(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=facts", "expect.half=ratio > 0.5", "expect.who=header server == \"fixture\"", "expect.fast=latency < 5s", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_FAIL, PROBED_REASON_EXPECTATION);
	assert_int_equal(a.result.n_failed, 1);
	assert_string_equal(answer_failed(&a, 0), "half");
	assert_ptr_equal(strstr(answer_message(&a), "half: ratio 0.25"), answer_message(&a));
	answer_free(&a);
}

static void the_default_yields_to_an_own_expectation(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=fail", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_FAIL, PROBED_REASON_EXPECTATION);
	assert_string_equal(answer_failed(&a, 0), "default");
	answer_free(&a);
	peer_target(peer, 1, "fx", "do=fail", "expect.broken=status == 500", NULL);
	a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
}

static void a_body_is_written_until_enough(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=body", "size=3MiB", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_int_equal(answer_fact(&a, FX_BYTES, NULL)->i, 1000);
	assert_int_equal(answer_fact(&a, FX_COUNT, NULL)->i, PROBED_BODY_NONE);
	answer_free(&a);
	peer_target(peer, 1, "fx", "do=body", "size=3MiB", "expect.b=body contains \"xyzab\"", NULL);
	a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	assert_true(answer_fact(&a, FX_COUNT, NULL)->i > 0);
	assert_true(answer_fact(&a, FX_BYTES, NULL)->i <= (1 << 20) + 1000);
	answer_free(&a);
}

static void a_body_is_hashed_whole(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=body", "size=26B",
	            "expect.h=body sha256 == \"71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73\"", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_string_equal(answer_message(&a), "");
	assert_int_equal(answer_fact(&a, FX_COUNT, NULL)->i, PROBED_BODY_HASH);
	answer_free(&a);
	peer_target(peer, 1, "fx", "do=body", "size=3MiB", "expect.h=body sha256 == \"71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73\"", NULL);
	a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_FAIL, PROBED_REASON_EXPECTATION);
	assert_int_equal(answer_fact(&a, FX_BYTES, NULL)->i, 3 << 20);
	answer_free(&a);
}

static void sub_results_come_first_and_are_judged_on_their_facts(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=sub", "expect.text=text == \"both\"", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_false(a.last);
	assert_string_equal(result_string(&a.result, a.result.sub), "ipv4");
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	assert_true(a.result.phase_ns[PROBED_PHASE_CONNECT] >= 0);
	answer_free(&a);
	a = peer_answer(peer);
	assert_false(a.last);
	assert_string_equal(result_string(&a.result, a.result.sub), "ipv6");
	assert_outcome(a, PROBED_FAIL, PROBED_REASON_EXPECTATION);
	assert_string_equal(answer_failed(&a, 0), "default");
	answer_free(&a);
	a = peer_answer(peer);
	assert_true(a.last);
	assert_int_equal(a.result.sub, 0);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	assert_null(answer_fact(&a, FX_STATUS, NULL));
	answer_free(&a);
}

static void options_are_bound_and_rendered(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=echo", "text=seq {{seq}}", "line.2=two", "line.1=one {{seq}}", "header.X-Case={{seq}}", "ratio=0.125", "flag=yes", "count=7", NULL);
	for (int i = 0; i < 3; i++) {
		struct answer a = peer_probe(peer, 1);
		char want[40];
		assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
		snprintf(want, sizeof want, "seq %llu", (unsigned long long)a.seq);
		assert_string_equal(answer_text(&a, FX_TEXT, NULL), want);
		snprintf(want, sizeof want, "one %llu", (unsigned long long)a.seq);
		assert_string_equal(answer_text(&a, FX_ITEM, NULL), want);
		assert_string_equal(answer_text(&a, FX_HEADER, "X-Case"), want + 4);
		assert_true(answer_fact(&a, FX_RATIO, NULL)->f == 0.125);
		assert_int_equal(answer_fact(&a, FX_FLAG, NULL)->i, 1);
		assert_int_equal(answer_fact(&a, FX_COUNT, NULL)->i, 7);
		answer_free(&a);
	}
	peer_target(peer, 2, "fx", "do=echo", "count={{seq}}", NULL);
	struct answer a = peer_probe(peer, 2);
	assert_int_equal(answer_fact(&a, FX_COUNT, NULL)->i, a.seq);
	answer_free(&a);
	peer_target(peer, 2, "fx", "do=echo", "count={{uuid}}", NULL);
	a = peer_probe(peer, 2);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_INTERNAL);
	answer_free(&a);
}

static void what_can_not_be_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *driver, *text, *why;
	} bad[] = {
		{ "nosuch", "do=ok", "nosuch" },
		{ "fx", "do=dance", "do" },
		{ "fx", "colour=red", "colour" },
		{ "fx", "expect.a=status <", "expect.a" },
		{ "fx", "text={{random 9 1}}", "text" },
		{ "fx", "refuse=yes", "refuse: asked to refuse the target" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		peer_target(peer, 9, bad[i].driver, bad[i].text, NULL);
		char *why = peer_refused(peer, 9);
		assert_non_null(strstr(why, bad[i].why));
		free(why);
	}
	struct answer a = peer_probe(peer, 9);
	assert_outcome(a, PROBED_UNKNOWN, PROBED_REASON_INTERNAL);
	answer_free(&a);
}

static void a_replaced_target_lives_until_its_probes_end(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=slow", "delay=100ms", NULL);
	uint32_t slow = peer_dispatch(peer, 1, 0, NS_PER_S);
	peer_target(peer, 1, "fx", "do=error", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_REFUSED);
	answer_free(&a);
	struct buf b = { 0 };
	buf_u32(&b, 1);
	peer_send(peer, WIRE_TARGET_REMOVE, &b);
	buf_free(&b);
	a = peer_answer(peer);
	assert_int_equal(a.slot, slow);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
}

static void a_cancelled_probe_ends_at_once(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=never", NULL);
	for (int future = 0; future < 2; future++) {
		uint32_t slot = peer_dispatch(peer, 1, future ? clock_now_ns() + 60 * NS_PER_S : 0, 60 * NS_PER_S);
		struct buf b = { 0 };
		buf_u32(&b, slot);
		buf_u64(&b, 1000 + slot);
		peer_send(peer, WIRE_CANCEL, &b);
		buf_free(&b);
		struct answer a = peer_answer(peer);
		assert_int_equal(a.slot, slot);
		assert_outcome(a, PROBED_UNKNOWN, PROBED_REASON_CANCELLED);
		answer_free(&a);
	}
}

static void more_than_a_driver_takes_wait_their_turn(void **state)
{
	(void)state;
	peer_target(peer, 1, "fxpool", "do=slow", "delay=50ms", NULL);
	for (int i = 0; i < 6; i++)
		peer_dispatch(peer, 1, 0, 10 * NS_PER_S);
	int64_t last = 0;
	for (int i = 0; i < 6; i++) {
		struct answer a = peer_answer(peer);
		assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
		last = result_latency_ns(&a.result);
		answer_free(&a);
	}
	assert_true(last >= 150 * NS_PER_MS);
}

static void who_waits_too_long_is_told_so(void **state)
{
	(void)state;
	peer_target(peer, 1, "fxpool", "do=never", NULL);
	for (int i = 0; i < 2; i++)
		peer_dispatch(peer, 1, 0, NS_PER_S);
	uint32_t third = peer_dispatch(peer, 1, 0, 100 * NS_PER_MS);
	struct answer a = peer_answer(peer);
	assert_int_equal(a.slot, third);
	assert_outcome(a, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED);
	answer_free(&a);
	for (int i = 0; i < 2; i++) {
		a = peer_answer(peer);
		assert_outcome(a, PROBED_ERROR, PROBED_REASON_TIMEOUT);
		answer_free(&a);
	}
}

static void a_watch_and_a_lookup_answer(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=watch", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
	peer_target(peer, 1, "fx", "do=resolve", "host=192.0.2.9", NULL);
	a = peer_probe(peer, 1);
	assert_string_equal(answer_text(&a, FX_ITEM, NULL), "192.0.2.9");
	answer_free(&a);
	peer_target(peer, 1, "fx", "do=resolve", "host=192.0.2.9", "family=6", NULL);
	a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_RESOLVE);
	assert_string_equal(answer_message(&a), "192.0.2.9 is not an IPv6 address");
	answer_free(&a);
}

static void drain_lets_what_is_under_way_end(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ 0 });
	peer_target(p, 1, "fx", "do=slow", "delay=50ms", NULL);
	peer_dispatch(p, 1, 0, NS_PER_S);
	peer_dispatch(p, 1, clock_now_ns() + 100 * NS_PER_MS, NS_PER_S);
	peer_sync(p);
	struct peer_frame f;
	peer_send(p, WIRE_DRAIN, NULL);
	peer_expect(p, WIRE_DRAINED, &f);
	peer_forget(&f);
	assert_int_equal(peer_count(p, WIRE_RESULT), 2);
	assert_int_equal(peer_hang_up(p), 0);
}

static void the_end_of_the_channel_ends_the_worker(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ 0 });
	peer_target(p, 1, "fx", "do=never", NULL);
	peer_dispatch(p, 1, 0, 60 * NS_PER_S);
	peer_dispatch(p, 1, clock_now_ns() + 60 * NS_PER_S, NS_PER_S);
	peer_sync(p);
	assert_int_equal(peer_hang_up(p), 0);
}

static void a_check_only_worker_only_checks(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ .check_only = true });
	peer_target(p, 1, "fx", "do=segv", NULL);
	peer_target(p, 2, "fx", "refuse=yes", NULL);
	peer_target(p, 3, "fx", "expect.x=nosuch == 1", NULL);
	peer_sync(p);
	assert_int_equal(peer_count(p, WIRE_TARGET_REFUSED), 2);
	free(peer_refused(p, 2));
	free(peer_refused(p, 3));
	peer_finish(p);
}

static void a_plugin_may_come_later(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ .bare = true });
	peer_target(p, 1, "fx", NULL);
	char *why = peer_refused(p, 1);
	assert_string_equal(why, "no driver fx in this worker");
	free(why);
	for (int i = 0; i < 2; i++) {
		struct buf b = { 0 };
		buf_str(&b, peer_fixture());
		peer_send(p, WIRE_PLUGIN, &b);
		buf_free(&b);
	}
	peer_target(p, 1, "fx", NULL);
	struct answer a = peer_probe(p, 1);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
	peer_finish(p);
}

static void a_slot_in_use_closes_the_channel(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ 0 });
	int status;
	peer_target(p, 1, "fx", "do=never", NULL);
	peer_dispatch(p, 1, 0, 60 * NS_PER_S);
	p->next_slot--;
	peer_dispatch(p, 1, 0, 60 * NS_PER_S);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	peer_forget_dead(p);
}

static void nonsense_closes_the_channel(void **state)
{
	static const uint16_t types[] = { 999, WIRE_READY, WIRE_HELLO, WIRE_TARGET_ADD, WIRE_SYNC };
	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct peer *p = peer_start((struct peer_setup){ 0 });
		peer_send(p, types[i], NULL);
		int status;
		assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		peer_forget_dead(p);
	}
}

static void the_page_shows_life(void **state)
{
	(void)state;
	assert_true(peer->page->n_drivers >= 4);
	assert_string_equal(peer->page->drivers[0], "fx");
	assert_int_equal(peer->page->in_call, 0);
	uint64_t beat = peer->page->beat;
	struct peer_frame f;
	struct cursor c = peer_expect(peer, WIRE_WORKER_STATS, &f);
	struct wire_stats s = wire_get_stats(&c);
	peer_forget(&f);
	assert_true(peer->page->beat - beat >= 5);
	assert_true(s.fds > 3 && s.fds < 40);
	assert_true(s.fds_max > s.fds);
	assert_int_equal(s.inflight, 0);
	for (size_t i = 0; i < WORKER_SLOTS / 64; i++)
		assert_int_equal(peer->page->started[i], 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_probe_that_is_well_is_ok),
		test(completing_inside_start_is_legal),
		test(an_error_carries_its_reason_and_message),
		test(an_unknown_reason_reads_as_other),
		test(it_starts_when_due_and_counts_from_there),
		test(the_deadline_names_the_phase),
		test(phases_add_up),
		test(every_kind_of_fact_arrives),
		test(of_a_lean_probe_only_what_is_looked_at_arrives),
		test(wrong_facts_are_left_out_and_told_once),
		test(expectations_are_judged),
		test(the_default_yields_to_an_own_expectation),
		test(a_body_is_written_until_enough),
		test(a_body_is_hashed_whole),
		test(sub_results_come_first_and_are_judged_on_their_facts),
		test(options_are_bound_and_rendered),
		test(what_can_not_be_is_refused_with_its_reason),
		test(a_replaced_target_lives_until_its_probes_end),
		test(a_cancelled_probe_ends_at_once),
		test(more_than_a_driver_takes_wait_their_turn),
		test(who_waits_too_long_is_told_so),
		test(a_watch_and_a_lookup_answer),
		cmocka_unit_test(drain_lets_what_is_under_way_end),
		cmocka_unit_test(the_end_of_the_channel_ends_the_worker),
		cmocka_unit_test(a_check_only_worker_only_checks),
		cmocka_unit_test(a_plugin_may_come_later),
		cmocka_unit_test(a_slot_in_use_closes_the_channel),
		cmocka_unit_test(nonsense_closes_the_channel),
		test(the_page_shows_life),
	};
	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
