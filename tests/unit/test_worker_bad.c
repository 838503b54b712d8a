/* SPDX-License-Identifier: Apache-2.0 */
/* test_worker_bad.c - a worker and drivers that misbehave: crash, hang, leak, complete twice or late; blocking ones. */
#include "worker_peer.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

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

static void expect_misbehaved(const char *driver, const char *what)
{
	char *said = peer_misbehaved(peer, driver);
	assert_non_null(strstr(said, what));
	free(said);
}

/* --- at the wrong time ---------------------------------------------------------------------------------- */

static void completing_twice_is_caught(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=twice", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
	expect_misbehaved("fx", "twice");
	peer_sync(peer);
	assert_int_equal(peer_count(peer, WIRE_RESULT), 0);
}

static void completing_after_a_cancel_is_caught(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=late", "delay=20ms", NULL);
	peer_dispatch(peer, 1, 0, 20 * NS_PER_MS);
	struct answer a = peer_answer(peer);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_TIMEOUT);
	answer_free(&a);
	expect_misbehaved("fx", "after its cancel");
	peer_sync(peer);
	assert_int_equal(peer_count(peer, WIRE_RESULT), 0);
}

static void completing_inside_cancel_is_caught(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=incancel", NULL);
	peer_dispatch(peer, 1, 0, 20 * NS_PER_MS);
	struct answer a = peer_answer(peer);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_TIMEOUT);
	answer_free(&a);
	expect_misbehaved("fx", "after its cancel");
}

static void a_pointer_that_is_no_probe_is_caught(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=foreign", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
	expect_misbehaved("fx", "never was");
	expect_misbehaved("fx", "never was");
}

static void a_callback_that_overruns_the_deadline_ends_once(void **state)
{
	(void)state;
	peer_target(peer, 1, "fx", "do=overrun", "delay=60ms", NULL);
	peer_dispatch(peer, 1, 0, 90 * NS_PER_MS);
	struct answer a = peer_answer(peer);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	assert_true(result_service_ns(&a.result) >= 120 * NS_PER_MS);
	answer_free(&a);
	peer_sync(peer);
	assert_int_equal(peer_count(peer, WIRE_RESULT) + peer_count(peer, WIRE_MISBEHAVED), 0);
}

/* --- crashes -------------------------------------------------------------------------------------------- */

/* The worker dies of a probe of `driver` with `mode`; the page must say of which. */
static void dies_of(const char *driver, const char *mode, bool by_exit)
{
	struct peer *p = peer_start((struct peer_setup){ .threads = 4 });
	peer_target(p, 1, driver, mode, "delay=10ms", NULL);
	peer_target(p, 2, "fx", "do=never", NULL);
	peer_dispatch(p, 2, 0, 60 * NS_PER_S);
	peer_dispatch(p, 2, clock_now_ns() + 60 * NS_PER_S, 60 * NS_PER_S);
	peer_sync(p);
	uint32_t guilty = peer_dispatch(p, 1, 0, 60 * NS_PER_S);
	int status;
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	if (!SANITIZED)
		assert_true(by_exit ? WIFEXITED(status) && WEXITSTATUS(status) == 3 : WIFSIGNALED(status));
	assert_true(p->page->in_call > 0 && p->page->in_call <= p->page->n_drivers);
	assert_string_equal(p->page->drivers[p->page->in_call - 1], driver);
	assert_int_equal(p->page->slot, guilty);
	assert_int_equal(p->page->started[0], 1u << 0 | 1u << guilty);
	peer_forget_dead(p);
}

static void a_crash_names_its_probe(void **state)
{
	(void)state;
	dies_of("fx", "do=segv", false);
	dies_of("fx", "do=abort", false);
	dies_of("fx", "do=exit", true);
	dies_of("fx", "do=crashlater", false);
}

static void a_crash_on_a_thread_names_its_probe(void **state)
{
	(void)state;
	dies_of("fxblock", "do=segv", false);
	dies_of("fxblock", "do=abort", false);
	dies_of("fxblock", "do=exit", true);
}

static void a_driver_that_spins_stops_the_heart(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ 0 });
	peer_target(p, 1, "fx", "do=spin", NULL);
	uint32_t slot = peer_dispatch(p, 1, 0, NS_PER_S);
	while (!p->page->in_call)
		usleep(1000);
	assert_int_equal(p->page->slot, slot);
	kill(p->pid, SIGKILL);
	int status;
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_string_equal(p->page->drivers[p->page->in_call - 1], "fx");
	peer_forget_dead(p);
}

/* --- descriptors ---------------------------------------------------------------------------------------- */

static void who_leaks_descriptors_is_named(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ .nofile = 256 });
	peer_target(p, 1, "fxpool", "do=leakfd", "count=3", NULL);
	peer_target(p, 2, "fx", "do=watch", NULL);
	char *what = NULL;
	for (int i = 0; i < 400 && !what; i++) {
		struct answer a = peer_probe(p, 2);
		answer_free(&a);
		int64_t due = clock_now_ns() + 10 * NS_PER_MS;
		peer_dispatch(p, 1, due, NS_PER_S);
		a = peer_answer(p);
		answer_free(&a);
		if (peer_count(p, WIRE_MISBEHAVED))
			what = peer_misbehaved(p, "fxpool");
	}
	assert_non_null(what);
	assert_ptr_equal(strstr(what, "leaks descriptors: "), what);
	free(what);
	peer_finish(p);
}

/* --- blocking ------------------------------------------------------------------------------------------- */

static void a_blocking_driver_returns_its_result(void **state)
{
	(void)state;
	peer_target(peer, 1, "fxblock", "text=seq {{seq}}", "expect.b=body == \"hello\"", NULL);
	for (int i = 0; i < 50; i++) {
		struct answer a = peer_probe(peer, 1);
		assert_string_equal(answer_message(&a), "");
		assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
		assert_true(a.result.phase_ns[PROBED_PHASE_CONNECT] >= 0 && a.result.phase_ns[PROBED_PHASE_RECEIVE] >= 0);
		answer_free(&a);
	}
	peer_target(peer, 1, "fxblock", "do=fail", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_FAIL, PROBED_REASON_EXPECTATION);
	answer_free(&a);
	peer_target(peer, 1, "fxblock", "do=error", NULL);
	a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_REFUSED);
	assert_string_equal(answer_message(&a), "connection refused by the fixture");
	answer_free(&a);
}

static void a_blocking_driver_emits(void **state)
{
	(void)state;
	peer_target(peer, 1, "fxblock", "do=sub", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_false(a.last);
	assert_string_equal(result_string(&a.result, a.result.sub), "part");
	answer_free(&a);
	a = peer_answer(peer);
	assert_true(a.last);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
}

static void more_than_the_threads_wait_their_turn(void **state)
{
	(void)state;
	peer_target(peer, 1, "fxblock", "do=slow", "delay=50ms", NULL);
	int64_t begun = clock_now_ns();
	for (int i = 0; i < 12; i++)
		peer_dispatch(peer, 1, 0, 10 * NS_PER_S);
	for (int i = 0; i < 12; i++) {
		struct answer a = peer_answer(peer);
		assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
		answer_free(&a);
	}
	assert_true(clock_now_ns() - begun >= 150 * NS_PER_MS);
}

static void a_late_thread_is_reported_at_the_deadline_and_used_again(void **state)
{
	(void)state;
	peer_target(peer, 1, "fxblock", "do=late", "delay=300ms", NULL);
	peer_target(peer, 2, "fxblock", NULL);
	peer_dispatch(peer, 1, 0, 50 * NS_PER_MS);
	struct answer a = peer_answer(peer);
	assert_outcome(a, PROBED_ERROR, PROBED_REASON_TIMEOUT);
	assert_string_equal(answer_message(&a), "timed out after 50 ms in connect");
	assert_true(result_service_ns(&a.result) < 300 * NS_PER_MS);
	answer_free(&a);
	a = peer_probe(peer, 2);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
	/* the thread returns before the end, and what it says is dropped */
	peer_dispatch(peer, 2, clock_now_ns() + 400 * NS_PER_MS, NS_PER_S);
	a = peer_answer(peer);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	assert_int_equal(a.target, 2);
	answer_free(&a);
	assert_int_equal(peer_count(peer, WIRE_RESULT) + peer_count(peer, WIRE_MISBEHAVED), 0);
}

static void completing_is_not_for_blocking_drivers(void **state)
{
	(void)state;
	peer_target(peer, 1, "fxblock", "do=twice", NULL);
	struct answer a = peer_probe(peer, 1);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
	peer_sync(peer);
	expect_misbehaved("fxblock", "blocking");
}

static void half_a_pool_stuck_asks_for_a_new_worker(void **state)
{
	(void)state;
	struct peer *p = peer_start((struct peer_setup){ .threads = 4 });
	peer_target(p, 1, "fxblock", "do=late", "delay=1h", NULL);
	peer_target(p, 2, "fxblock", NULL);
	for (int i = 0; i < 2; i++)
		peer_dispatch(p, 1, 0, 20 * NS_PER_MS);
	char *what = peer_misbehaved(p, "fxblock");
	assert_string_equal(what, "blocking pool stuck");
	free(what);
	for (int i = 0; i < 2; i++) {
		struct answer a = peer_answer(p);
		assert_outcome(a, PROBED_ERROR, PROBED_REASON_TIMEOUT);
		answer_free(&a);
	}
	struct answer a = peer_probe(p, 2);
	assert_outcome(a, PROBED_OK, PROBED_REASON_NONE);
	answer_free(&a);
	peer_finish(p); /* although two threads never return */
}

#define test(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(completing_twice_is_caught),
		test(completing_after_a_cancel_is_caught),
		test(completing_inside_cancel_is_caught),
		test(a_pointer_that_is_no_probe_is_caught),
		test(a_callback_that_overruns_the_deadline_ends_once),
		cmocka_unit_test(a_crash_names_its_probe),
		cmocka_unit_test(a_crash_on_a_thread_names_its_probe),
		cmocka_unit_test(a_driver_that_spins_stops_the_heart),
		cmocka_unit_test(who_leaks_descriptors_is_named),
		test(a_blocking_driver_returns_its_result),
		test(a_blocking_driver_emits),
		test(more_than_the_threads_wait_their_turn),
		test(a_late_thread_is_reported_at_the_deadline_and_used_again),
		test(completing_is_not_for_blocking_drivers),
		cmocka_unit_test(half_a_pool_stuck_asks_for_a_new_worker),
	};
	return cmocka_run_group_tests_name("worker_bad", tests, NULL, NULL);
}
