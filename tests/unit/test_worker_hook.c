/* SPDX-License-Identifier: Apache-2.0 */
/* test_worker_hook.c - a worker by its frames: scripts of steps, in the fixture's language. */
#include "worker_peer.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static struct peer *peer;

static int start(void **state)
{
	(void)state;
	peer = peer_start((struct peer_setup){ .threads = 4 });
	peer_load_hook(peer);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	peer_finish(peer);
	return 0;
}

static struct peer_end run_flow(uint32_t flow)
{
	peer_run(peer, flow, START_VARS, 0, NULL, 0);
	return peer_flow_end(peer);
}

/* Runs target 1 as a flow by itself and returns its result; the end's variables are in *end where it is not NULL. */
static struct answer run_one(struct peer_end *end)
{
	peer_flow(peer, 1, 0, 1, 1);
	uint32_t slot = peer_run(peer, 1, START_VARS, 0, NULL, 0);
	struct answer a = peer_step(peer, slot, 0);
	struct peer_end e = peer_flow_end(peer);
	if (end)
		*end = e;
	else
		peer_end_free(&e);
	return a;
}

#define assert_end_var(end, name, expected)                                \
	do {                                                               \
		assert_non_null(peer_end_var(&(end), (name)));             \
		assert_string_equal(peer_end_var(&(end), (name)), (expected)); \
	} while (0)

static void before_sets_the_request(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=echo", "text=plain {{seq}}", "header.A=1", "header.B={{target}}", "line.1=first",
		    "before=get text was\nset text changed {{x}}\nget text is\nset header.b two\nset header.C 3\nunset header.a\n"
		    "set line.1 uno\nset line.2 due\nset count 41\nkeys keys\nget header.C c\nget header.none none\nget nothing nothing", NULL);
	struct peer_end end;
	struct answer a = run_one(&end);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	assert_string_equal(answer_text(&a, FX_TEXT, NULL), "changed {{x}}");
	assert_string_equal(answer_text(&a, FX_HEADER, "B"), "two");
	assert_string_equal(answer_text(&a, FX_HEADER, "C"), "3");
	assert_null(answer_fact(&a, FX_HEADER, "A"));
	assert_string_equal(answer_text(&a, FX_ITEM, NULL), "uno");
	assert_int_equal(answer_fact(&a, FX_COUNT, NULL)->i, 41);
	assert_int_equal(strncmp(peer_end_var(&end, "was"), "plain ", 6), 0);
	assert_end_var(end, "is", "changed {{x}}");
	assert_end_var(end, "c", "3");
	assert_end_var(end, "none", "(unset)");
	assert_end_var(end, "nothing", "(error)");
	assert_non_null(strstr(peer_end_var(&end, "keys"), "header.B,header.C"));
	answer_free(&a);
	peer_end_free(&end);
}

static void what_is_set_holds_for_one_probe(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=echo", "text=mine", "before=get text was", NULL);
	peer_target(peer, 2, "fx", "do=echo", "text=mine", "before=get text was\nset text other", NULL);
	peer_flow(peer, 1, 0, 3, 2, 1, 2);
	for (int round = 0; round < 3; round++) {
		uint32_t slot = peer_run(peer, 1, START_VARS, 0, NULL, 0);
		for (uint32_t i = 0; i < 3; i++) {
			struct answer a = peer_step(peer, slot, i);
			assert_string_equal(answer_text(&a, FX_TEXT, NULL), i == 1 ? "mine" : "other");
			answer_free(&a);
		}
		struct peer_end end = peer_flow_end(peer);
		assert_end_var(end, "was", "mine");
		peer_end_free(&end);
	}
}

static void what_may_not_be_set_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *script, *says;
	} cases[] = {
		{ "before=set size 1KiB", "size is the same for all probes of a target: a script can't set it" },
		{ "before=set txt x", "txt: driver fx has no such option (did you mean \"text\"?)" },
		{ "before=set header x", "header holds named values: name one" },
		{ "before=set count many", "count: expected a whole number, not \"many\"" },
		{ "before=set count 9999999", "count: expected 0 to 1000000, not \"9999999\"" },
		{ "before=set line.4 x", "line.4: the list has 0 entries: one of them, or the next, can be set, and none taken out" },
		{ "before=error why", "why" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		peer_target(peer, 1, "fx", "do=inside", cases[i].script, NULL);
		struct answer a = run_one(NULL);
		assert_outcome(a, PROBED_ERROR, PROBED_REASON_INTERNAL);
		assert_string_equal(answer_message(&a), cases[i].says);
		answer_free(&a);
	}
	peer_target(peer, 1, "fx", "do=inside", "after=set text x", NULL);
	struct answer a = run_one(NULL);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_INTERNAL);
	assert_string_equal(answer_message(&a), "text: the request was sent already");
	answer_free(&a);
}

static void after_sees_the_result(void **state)
{
	(void)state;
	static const char *const drivers[] = { "fx", "fxblock" };
	for (int i = 0; i < 2; i++) {
		peer_target(peer, 1, drivers[i], i ? "do=ok" : "do=facts", "text=said", "capture.text=text", "expect.x=status == 200",
			    "after=fact status status\nfact text text\nbody body\nfact item items\nget text sent", NULL);
		struct peer_end end;
		struct answer a = run_one(&end);
		assert_end_var(end, "status", "200");
		assert_non_null(peer_end_var(&end, "text"));
		assert_end_var(end, "sent", "said");
		if (i)
			assert_end_var(end, "body", "hello");
		answer_free(&a);
		peer_end_free(&end);
	}
}

static void after_fails_what_was_ok(void **state)
{
	(void)state;
	static const char *const modes[] = { "do=ok", "do=inside", "do=slow" };
	for (int i = 0; i < 3; i++) {
		peer_target(peer, 1, "fx", modes[i], "delay=1ms", "after=fail look odd indeed\nvar seen yes", NULL);
		struct peer_end end;
		struct answer a = run_one(&end);
		assert_outcome(a, PROBED_FAIL, PROBED_REASON_EXPECTATION);
		assert_string_equal(answer_message(&a), "look: odd indeed");
		assert_string_equal(answer_failed(&a, 0), "look");
		assert_int_equal(end.m.outcome, PROBED_FAIL);
		assert_end_var(end, "seen", "yes");
		answer_free(&a);
		peer_end_free(&end);
	}
}

static void after_sees_what_failed_and_changes_it_little(void **state)
{
	(void)state;
	struct peer_end end;
	peer_target(peer, 1, "fx", "do=fail", "after=message why\nfail more x", NULL);
	struct answer a = run_one(&end);
	assert_outcome(a, PROBED_FAIL, PROBED_REASON_EXPECTATION);
	assert_int_equal(a.result.n_failed, 2);
	assert_non_null(strstr(peer_end_var(&end, "why"), "status 500"));
	answer_free(&a);
	peer_end_free(&end);
	peer_target(peer, 1, "fx", "do=error", "after=fail more x\nerror broken", NULL);
	a = run_one(NULL);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_REFUSED);
	assert_int_equal(a.result.n_failed, 0);
	answer_free(&a);
	peer_target(peer, 1, "fx", "do=never", "timeout=20", "after=message why", NULL);
	a = run_one(&end);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_TIMEOUT);
	assert_end_var(end, "why", "timed out after 20 ms");
	answer_free(&a);
	peer_end_free(&end);
	peer_target(peer, 1, "fx", "do=ok", "after=error broken", NULL);
	a = run_one(NULL);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_INTERNAL);
	assert_string_equal(answer_message(&a), "broken");
	answer_free(&a);
}

static void variables_feed_later_steps(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=inside", "after=var token abc", NULL);
	peer_target(peer, 2, "fx", "do=echo", "text={{token}}{{more}}", "before=var more def", NULL);
	peer_target(peer, 3, "fx", "do=echo", "text={{token}}", "before=forget token", NULL);
	peer_flow(peer, 2, 0, 3, 1, 2, 3);
	uint32_t slot = peer_run(peer, 2, 0, 0, NULL, 0);
	struct answer a = peer_step(peer, slot, 0);
	answer_free(&a);
	a = peer_step(peer, slot, 1);
	assert_string_equal(answer_text(&a, FX_TEXT, NULL), "abcdef");
	answer_free(&a);
	a = peer_step(peer, slot, 2);
	assert_true(a.result.outcome != PROBED_OK || !answer_text(&a, FX_TEXT, NULL));
	answer_free(&a);
	struct peer_end end = peer_flow_end(peer);
	peer_end_free(&end);
}

static void each_try_runs_both(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=flaky", "count=2", "retry=2", "before=var x 1", "after=fail always yes", NULL);
	peer_flow(peer, 1, 0, 1, 1);
	peer_run(peer, 1, 0, 0, NULL, 0);
	for (int i = 0; i < 3; i++) {
		struct answer a = peer_answer(peer);
		assert_int_equal(a.kind, i < 2 ? RESULT_SUB : RESULT_STEP);
		assert_int_equal(a.result.outcome, i < 2 ? PROBED_ERROR : PROBED_FAIL);
		answer_free(&a);
	}
	struct peer_end end = peer_flow_end(peer);
	peer_end_free(&end);
}

static void a_probe_without_a_user_runs_scripts_too(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=echo", "before=set text other\nvar x 1", "after=fail a b", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_string_equal(answer_text(&a, FX_TEXT, NULL), "other");
	assert_outcome(a, PROBED_FAIL, PROBED_REASON_EXPECTATION);
	answer_free(&a);
}

static void a_target_goes_while_its_script_waits(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		peer_target(peer, 1, "fx", "do=inside", "after=var x 1", NULL);
		peer_flow(peer, 1, 0, 2, 1, 1);
		peer_run(peer, 1, 0, 0, NULL, 0);
		peer_target(peer, 1, "fx", "do=slow", "delay=1ms", "after=var x 2", NULL);
		struct peer_end end = peer_flow_end(peer);
		peer_end_free(&end);
	}
	struct peer_end end = run_flow(1);
	peer_end_free(&end);
}

static void bad_scripts_are_refused(void **state)
{
	(void)state;
	peer_target(peer, 7, "fx", "before=bad", NULL);
	char *why = peer_refused(peer, 7);
	assert_string_equal(why, "before: before:1: bad of step target");
	free(why);
	peer_target(peer, 7, "fx", "before=fine", "after=@some/where/odd.fx\nbad\n", NULL);
	why = peer_refused(peer, 7);
	assert_string_equal(why, "after: odd.fx:1: bad of step target");
	free(why);
	peer_target(peer, 7, "fxhook", NULL);
	why = peer_refused(peer, 7);
	assert_string_equal(why, "no driver fxhook in this worker");
	free(why);
}

static void a_worker_that_checks_compiles_only(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ .check_only = true });
	peer_target(p, 1, "fx", "before=anything", NULL);
	char *why = peer_refused(p, 1);
	assert_string_equal(why, "before: nothing in this worker runs scripts in \"fxhook\"");
	free(why);
	peer_load_hook(p);
	peer_target(p, 2, "fx", "before=bad", NULL);
	why = peer_refused(p, 2);
	assert_non_null(strstr(why, "bad of step"));
	free(why);
	peer_target(p, 3, "fx", "before=segv", NULL);
	peer_sync(p);
	assert_int_equal(peer_count(p, WIRE_TARGET_REFUSED), 0);
	peer_finish(p);
}

/* The page says who did it. */
static void a_crash_is_the_scripts_language(void **state)
{
	(void)state;
	static const char *const scripts[] = { "before=segv", "after=segv" };
	for (int i = 0; i < 2; i++) {
		struct peer *p = peer_start((struct peer_setup){ .threads = 1 });
		peer_load_hook(p);
		peer_target(p, 1, "fx", "do=inside", scripts[i], NULL);
		peer_flow(p, 1, 0, 1, 1);
		uint32_t slot = peer_run(p, 1, 0, 0, NULL, 0);
		int status;
		assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status));
		uint32_t call = atomic_load(&p->page->in_call);
		assert_in_range(call, 1, atomic_load(&p->page->n_drivers));
		assert_string_equal(p->page->drivers[call - 1], "fxhook");
		assert_int_equal(atomic_load(&p->page->slot), slot);
		peer_forget_dead(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(before_sets_the_request, start, finish),
		cmocka_unit_test_setup_teardown(what_is_set_holds_for_one_probe, start, finish),
		cmocka_unit_test_setup_teardown(what_may_not_be_set_is_told, start, finish),
		cmocka_unit_test_setup_teardown(after_sees_the_result, start, finish),
		cmocka_unit_test_setup_teardown(after_fails_what_was_ok, start, finish),
		cmocka_unit_test_setup_teardown(after_sees_what_failed_and_changes_it_little, start, finish),
		cmocka_unit_test_setup_teardown(variables_feed_later_steps, start, finish),
		cmocka_unit_test_setup_teardown(each_try_runs_both, start, finish),
		cmocka_unit_test_setup_teardown(a_probe_without_a_user_runs_scripts_too, start, finish),
		cmocka_unit_test_setup_teardown(a_target_goes_while_its_script_waits, start, finish),
		cmocka_unit_test_setup_teardown(bad_scripts_are_refused, start, finish),
		cmocka_unit_test(a_worker_that_checks_compiles_only),
		cmocka_unit_test(a_crash_is_the_scripts_language),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
