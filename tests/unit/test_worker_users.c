/* SPDX-License-Identifier: Apache-2.0 */
/* test_worker_users.c - a worker by its frames: leases of users that run flow after flow, and the rows they are fed. */
#include "worker_peer.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "plan/select.h"
#include "run/channel.h"

#define USERS 16 /* most that a small lease of these tests has */

static struct peer *peer;

static int start(void **state)
{
	(void)state;
	peer = peer_start((struct peer_setup){ .threads = 4 });
	peer_target(peer, 1, "fx", "do=inside", NULL);
	peer_flow(peer, 1, 0, 1, 1);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	peer_finish(peer);
	return 0;
}

static const struct wire_choice one[] = { { .flow = 1, .weight = 1000000 } };

/* A lease of n users in the slots 0 .. n - 1, all at once, each once. Change it, then send it. */
static struct wire_users lease(uint32_t n)
{
	return (struct wire_users){
		.lease = 5, .plan = 1, .seed = 7, .select = SELECT_ONE, .total = n, .begin_ns = clock_now_ns(), .stop_ns = INT64_MAX, .runs = 1,
		.seq = UINT64_C(1) << USERS_SEQ_BITS, .n_users = n, .n_choices = 1, .choices = one,
	};
}

static void send_lease(struct wire_users m)
{
	uint32_t *slots = xcalloc(m.n_users, sizeof *slots);
	struct buf b = { 0 };
	for (uint32_t i = 0; i < m.n_users; i++)
		slots[i] = i;
	m.slots = slots;
	wire_put_users(&b, &m);
	peer_send(peer, WIRE_USERS, &b);
	buf_free(&b);
	free(slots);
}

static void stop(bool now)
{
	struct buf b = { 0 };
	buf_u32(&b, 5);
	buf_u8(&b, now);
	peer_send(peer, WIRE_USERS_STOP, &b);
	buf_free(&b);
}

static struct answer take_step(void)
{
	struct peer_frame f;
	struct cursor c = peer_expect(peer, WIRE_RESULT, &f);
	struct answer a = { 0 };
	result_reset(&a.result);
	a.slot = cursor_u32(&c);
	a.target = cursor_u32(&c);
	a.seq = cursor_u64(&c);
	a.kind = cursor_u8(&c);
	assert_int_equal(result_decode(&c, &a.result), 0);
	assert_int_equal(a.kind, RESULT_STEP);
	peer_forget(&f);
	return a;
}

static void drop_results(void)
{
	while (peer_count(peer, WIRE_RESULT)) {
		struct answer a = take_step();
		answer_free(&a);
	}
}

/* Runs that ended, up to the end of all n users. */
static uint32_t runs_until_over(uint32_t n)
{
	uint32_t runs = 0;
	while (n) {
		struct peer_end end = peer_flow_end(peer);
		assert_int_equal(end.m.seq >> USERS_SEQ_BITS, 1); /* by which it is known, even if it never ran */
		if (end.m.over) {
			assert_int_equal(end.m.steps, 0);
			n--;
		} else {
			runs++;
		}
		peer_end_free(&end);
	}
	return runs;
}

static bool nothing_more(void)
{
	peer_sync(peer);
	return !peer_count(peer, WIRE_RESULT) && !peer_count(peer, WIRE_FLOW_END) && !peer_count(peer, WIRE_ROWS_ASK);
}

/* --- run after run ---------------------------------------------------------------------------------------- */

static void each_user_runs_as_often_as_told(void **state)
{
	(void)state;
	peer_target(peer, 2, "fx", "do=ok", NULL);
	peer_flow(peer, 1, 0, 3, 1, 2, 1);
	struct wire_users m = lease(4);
	m.runs = 5;
	send_lease(m);
	uint32_t runs[USERS] = { 0 }, over = 0;
	uint64_t seen = 0; /* blocks of numbers */
	while (over < 4) {
		struct peer_end end = peer_flow_end(peer);
		assert_in_range(end.m.slot, 0, 3);
		if (end.m.over) {
			assert_int_equal(runs[end.m.slot], 5);
			over++;
		} else {
			uint64_t block = (end.m.seq - m.seq) / 3;
			assert_int_equal((end.m.seq - m.seq) % 3, 0);
			assert_true(block < 20 && !(seen >> block & 1));
			seen |= UINT64_C(1) << block;
			assert_int_equal(end.m.steps, 3);
			assert_int_equal(end.m.outcome, PROBED_OK);
			runs[end.m.slot]++;
		}
		peer_end_free(&end);
	}
	assert_int_equal(peer_count(peer, WIRE_RESULT), 4 * 5 * 3);
	drop_results();
	assert_true(nothing_more());
	send_lease(lease(4)); /* number and slots are free again */
	assert_int_equal(runs_until_over(4), 4);
	drop_results();
}

static void the_flow_is_that_of_the_index(void **state)
{
	(void)state;
	enum { TOTAL = 5, FIRST = 2, N = 2, RUNS = 50 };
	static const struct wire_choice choices[] = { { 11, 1000000 }, { 12, 3000000 }, { 13, 500000 } };
	const double weights[] = { 1, 3, 0.5 };
	static const uint8_t kinds[] = { SELECT_PICK, SELECT_ROUND, SELECT_SHUFFLE };
	for (uint32_t i = 0; i < 3; i++)
		peer_flow(peer, 11 + i, 0, 1, 1);
	for (uint32_t i = 0; i < 3; i++) {
		struct wire_users m = lease(N);
		struct selector *s = selector_new((enum select_kind)kinds[i], weights, 3, m.seed);
		m.select = kinds[i];
		m.total = TOTAL;
		m.first = FIRST;
		m.runs = RUNS;
		m.n_choices = 3;
		m.choices = choices;
		send_lease(m);
		uint64_t runs[N] = { 0 };
		for (uint32_t over = 0; over < N;) {
			struct peer_end end = peer_flow_end(peer);
			uint32_t k = end.m.slot;
			over += end.m.over;
			if (!end.m.over)
				assert_int_equal(end.m.flow, 11 + selector_pick(s, FIRST + k + runs[k]++ * TOTAL));
			peer_end_free(&end);
		}
		assert_int_equal(runs[0] + runs[1], N * RUNS);
		selector_free(s);
	}
	drop_results();
	struct wire_users m = lease(2); /* a sequence of three: user 0 takes the first and the third */
	m.select = SELECT_SEQUENCE;
	m.runs = 0;
	m.n_choices = 3;
	m.choices = choices;
	send_lease(m);
	assert_int_equal(runs_until_over(2), 3);
}

static void users_start_along_the_ramp(void **state)
{
	(void)state;
	struct wire_users m = lease(4);
	m.total = 8;
	m.first = 4;
	m.begin_ns = clock_now_ns() + 10 * NS_PER_MS;
	m.ramp_ns = 160 * NS_PER_MS;
	send_lease(m);
	for (uint32_t i = 0; i < 4; i++) {
		struct answer a = take_step();
		assert_int_equal(a.slot, i);
		assert_int_equal(a.result.due_ns, m.begin_ns + (4 + i) * 20 * NS_PER_MS);
		assert_true(a.result.start_ns >= a.result.due_ns);
		answer_free(&a);
	}
	assert_int_equal(runs_until_over(4), 4);
	m = lease(1);
	m.begin_ns -= 60 * NS_PER_S; /* lent late: it is due from then on */
	int64_t before = clock_now_ns();
	send_lease(m);
	struct answer a = take_step();
	assert_true(a.result.due_ns >= before && a.result.due_ns <= a.result.start_ns);
	answer_free(&a);
	assert_int_equal(runs_until_over(1), 1);
}

static void users_think_between_runs(void **state)
{
	(void)state;
	struct wire_users m = lease(3);
	m.runs = 4;
	m.think.min_ns = 5 * NS_PER_MS;
	m.think.max_ns = 25 * NS_PER_MS;
	send_lease(m);
	int64_t last[USERS] = { 0 }, shortest = INT64_MAX, longest = 0;
	for (uint32_t over = 0; over < 3;) {
		struct peer_end end = peer_flow_end(peer);
		over += end.m.over;
		if (!end.m.over && last[end.m.slot]) {
			int64_t thought = end.m.due_ns - last[end.m.slot];
			assert_in_range(thought, 5 * NS_PER_MS, 25 * NS_PER_MS);
			shortest = thought < shortest ? thought : shortest;
			longest = thought > longest ? thought : longest;
		}
		last[end.m.slot] = end.m.end_ns;
		peer_end_free(&end);
	}
	assert_true(longest - shortest > NS_PER_MS);
	drop_results();
}

static void what_was_captured_goes_what_was_given_stays(void **state)
{
	(void)state;
	peer_target(peer, 2, "fx", "do=echo", "text={{base}} {{token}}", NULL);
	peer_target(peer, 3, "fx", "do=echo", "text=t", "capture.token=text", NULL);
	peer_target(peer, 4, "fx", "do=session", NULL);
	peer_flow(peer, 1, 0, 4, 4, 3, 2, 4);
	peer_flow(peer, 2, 0, 1, 2);
	const struct kv given[] = { { .key = "base", .value = "given" } };
	const struct wire_choice two[] = { { 1, 1 }, { 2, 1 } };
	struct wire_users m = lease(1);
	m.select = SELECT_ROUND;
	m.runs = 3;
	m.n_vars = 1;
	m.vars = given;
	m.n_choices = 2;
	m.choices = two;
	send_lease(m);
	int64_t probes = 0;
	for (uint32_t run = 0; run < 3; run++) {
		for (uint32_t i = 0; i < (run == 1 ? 1 : 4); i++) {
			struct answer a = take_step();
			if (a.target == 4)
				assert_int_equal(answer_fact(&a, FX_COUNT, NULL)->i, ++probes); /* the session goes on */
			if (a.target == 2 && run == 1)
				assert_non_null(strstr(answer_message(&a), "{{token}}"));
			else if (a.target == 2)
				assert_string_equal(answer_text(&a, FX_TEXT, NULL), "given t");
			answer_free(&a);
		}
	}
	assert_int_equal(runs_until_over(1), 3);
	struct answer a = (peer_target(peer, 5, "fx", "do=sessions", NULL), peer->next_slot = 20, peer_probe(peer, 5));
	assert_int_equal(answer_fact(&a, FX_COUNT, NULL)->i, 0);
	answer_free(&a);
}

/* --- the end ---------------------------------------------------------------------------------------------- */

static void users_end_at_the_stop(void **state)
{
	(void)state;
	struct wire_users m = lease(3);
	peer_target(peer, 2, "fx", "do=slow", "delay=30ms", NULL);
	peer_flow(peer, 1, 0, 2, 1, 2);
	m.runs = 0;
	m.stop_ns = clock_now_ns() + 100 * NS_PER_MS;
	m.think.min_ns = m.think.max_ns = 5 * NS_PER_MS;
	send_lease(m);
	for (uint32_t over = 0; over < 3;) {
		struct peer_end end = peer_flow_end(peer);
		over += end.m.over;
		if (!end.m.over) {
			assert_true(end.m.due_ns < m.stop_ns);
			assert_int_equal(end.m.steps, 2); /* the one that it is in is finished */
			assert_int_equal(end.m.outcome, PROBED_OK);
		}
		peer_end_free(&end);
	}
	assert_true(clock_now_ns() >= m.stop_ns);
	drop_results();
	m = lease(3);
	m.begin_ns += 3600 * NS_PER_S; /* who never got to start */
	m.stop_ns = clock_now_ns() + 20 * NS_PER_MS;
	send_lease(m);
	assert_int_equal(runs_until_over(3), 0);
}

static void a_stop_lets_flows_end_or_not(void **state)
{
	(void)state;
	peer_target(peer, 2, "fx", "do=slow", "delay=40ms", NULL);
	peer_target(peer, 3, "fx", "do=never", NULL);
	for (int now = 0; now < 2; now++) {
		peer_flow(peer, 1, 0, 2, now ? 3 : 2, 1);
		struct wire_users m = lease(4);
		m.runs = 0;
		m.total = 2; /* the first two begin at once, the others in an hour */
		m.ramp_ns = 2 * 3600 * NS_PER_S;
		m.begin_ns -= 3600 * NS_PER_S;
		send_lease(m);
		peer_sync(peer);
		stop(now);
		stop(now);
		for (uint32_t over = 0, runs = 0; over < 4;) {
			struct peer_end end = peer_flow_end(peer);
			over += end.m.over;
			runs += !end.m.over;
			assert_true(runs <= 2);
			if (!end.m.over) {
				assert_int_equal(end.m.steps, now ? 1 : 2);
				assert_int_equal(end.m.outcome, now ? PROBED_UNKNOWN : PROBED_OK);
			}
			peer_end_free(&end);
		}
		assert_int_equal(peer_count(peer, WIRE_RESULT), now ? 2 : 4);
		drop_results();
		stop(now); /* nobody is left */
		assert_true(nothing_more());
	}
}

static void a_lease_drains(void **state)
{
	(void)state;
	struct wire_users m = lease(USERS);
	m.runs = 0;
	m.think.min_ns = 0;
	m.think.max_ns = 3600 * NS_PER_S;
	send_lease(m);
	peer_sync(peer);
	peer_send(peer, WIRE_DRAIN, NULL);
	assert_true(runs_until_over(USERS) >= USERS);
	struct peer_frame f;
	int status;
	peer_expect(peer, WIRE_DRAINED, &f);
	peer_forget(&f);
	assert_int_equal(waitpid(peer->pid, &status, 0), peer->pid);
	assert_int_equal(status, 0);
	peer_forget_dead(peer);
	start(NULL);
}

static void hanging_up_ends_a_lease(void **state)
{
	(void)state;
	peer_target(peer, 2, "fx", "do=never", NULL);
	peer_flow(peer, 2, 0, 2, 1, 2);
	const struct wire_choice two[] = { { 1, 1 }, { 2, 1 } };
	struct wire_users m = lease(USERS);
	m.select = SELECT_ROUND;
	m.runs = 0;
	m.rows = 1;
	m.choices = two;
	m.n_choices = 2;
	send_lease(m);
	peer_sync(peer);
	assert_int_equal(peer_hang_up(peer), 0);
	start(NULL);
}

static void a_flow_that_is_gone_ends_its_users(void **state)
{
	(void)state;
	const struct wire_choice gone[] = { { 77, 1 } };
	struct wire_users m = lease(2);
	m.runs = 0;
	m.choices = gone;
	send_lease(m);
	assert_int_equal(runs_until_over(2), 0);
	peer_flow(peer, 1, 0, 1, 78); /* a step that is gone does not make it spin */
	m = lease(1);
	m.runs = 0;
	m.stop_ns = clock_now_ns() + 150 * NS_PER_MS;
	send_lease(m);
	assert_in_range(runs_until_over(1), 1, 3);
}

static void a_thousand_users_come_and_go(void **state)
{
	(void)state;
	peer_target(peer, 2, "fx", "do=slow", "delay=1ms", "capture.s=status", NULL);
	peer_flow(peer, 1, 0, 3, 1, 2, 1);
	struct wire_users m = lease(1000);
	m.runs = 3;
	m.think.max_ns = 5 * NS_PER_MS;
	m.ramp_ns = 20 * NS_PER_MS;
	send_lease(m);
	assert_int_equal(runs_until_over(1000), 3000);
	assert_int_equal(peer_count(peer, WIRE_RESULT), 9000);
	drop_results();
	assert_true(nothing_more());
}

struct counts {
	uint32_t results, runs, over;
};

static int count_frame(void *ctx, uint16_t type, struct cursor *c)
{
	struct counts *n = ctx;
	n->results += type == WIRE_RESULT;
	if (type == WIRE_FLOW_END) {
		cursor_u32(c), cursor_u64(c);
		if (cursor_u8(c))
			n->over++;
		else
			n->runs++;
	}
	return 0;
}

/* 100 MB of results are to be had while nobody reads; a worker may hold 32 back before it gives up. */
static void users_stand_still_while_nobody_reads(void **state)
{
	(void)state;
	enum { N = 20, RUNS = 100 };
	char text[50006] = "text=";
	memset(text + 5, 'x', sizeof text - 6);
	peer_target(peer, 1, "fx", "do=echo", text, NULL);
	struct wire_users m = lease(N);
	struct counts n = { 0 };
	m.runs = RUNS;
	send_lease(m);
	for (int64_t until = clock_now_ns() + 400 * NS_PER_MS; clock_now_ns() < until;)
		poll(NULL, 0, 20);
	while (n.over < N) {
		const char *why;
		ssize_t got = recv(peer->fd, buf_reserve(&peer->in, 1 << 20), 1 << 20, 0);
		assert_true(got > 0);
		peer->in.len += (size_t)got;
		assert_int_equal(frame_parse(&peer->in, count_frame, &n, &why), 0);
	}
	assert_int_equal(n.runs, N * RUNS);
	assert_int_equal(n.results, N * RUNS);
}

/* --- rows ------------------------------------------------------------------------------------------------- */

static uint32_t expect_ask(void)
{
	struct peer_frame f;
	struct cursor c = peer_expect(peer, WIRE_ROWS_ASK, &f);
	assert_int_equal(cursor_u32(&c), 5);
	uint32_t n = cursor_u32(&c);
	assert_false(c.bad);
	assert_in_range(n, 1, 4096);
	peer_forget(&f);
	return n;
}

static void give_rows(uint32_t from, uint32_t n, bool end)
{
	struct buf b = { 0 };
	char number[20];
	buf_u32(&b, 5);
	buf_u8(&b, end);
	buf_u32(&b, n);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(number, sizeof number, "%u", from + i);
		const struct kv row[] = { { .key = "row.n", .value = number }, { .key = "row.fixed", .value = "x" } };
		wire_put_kvs(&b, row, 2);
	}
	peer_send(peer, WIRE_ROWS, &b);
	buf_free(&b);
}

static void each_row_is_used_once_and_in_order(void **state)
{
	(void)state;
	enum { ROWS = 300 };
	peer_target(peer, 1, "fx", "do=echo", "text={{row.n}} {{row.fixed}}", NULL);
	struct wire_users m = lease(3);
	m.runs = 0;
	m.rows = 1;
	send_lease(m);
	uint32_t given = 0, seen = 0;
	while (given < ROWS) {
		uint32_t n = expect_ask();
		n = n < ROWS - given ? n : ROWS - given;
		give_rows(given, n, given + n == ROWS);
		given += n;
	}
	assert_int_equal(runs_until_over(3), ROWS);
	while (peer_count(peer, WIRE_RESULT)) {
		char want[40];
		struct answer a = take_step();
		snprintf(want, sizeof want, "%u x", seen++);
		assert_string_equal(answer_text(&a, FX_TEXT, NULL), want);
		answer_free(&a);
	}
	assert_int_equal(seen, ROWS);
	while (peer_count(peer, WIRE_ROWS_ASK)) /* asked for before the end was known */
		expect_ask();
	assert_true(nothing_more());
}

static void without_a_row_a_user_waits(void **state)
{
	(void)state;
	struct wire_users m = lease(2);
	m.runs = 0;
	m.rows = 1;
	m.begin_ns -= 50 * NS_PER_MS;
	send_lease(m);
	assert_int_equal(expect_ask(), 2);
	assert_true(nothing_more());
	give_rows(0, 0, false); /* none just now: asked again, a little later */
	assert_int_equal(expect_ask(), 2);
	int64_t before = clock_now_ns();
	give_rows(0, 1, false);
	struct answer a = take_step();
	assert_true(a.result.due_ns >= before); /* that it waited is not the target's latency */
	answer_free(&a);
	struct peer_end end = peer_flow_end(peer);
	assert_false(end.m.over);
	peer_end_free(&end);
	give_rows(1, 0, true);
	assert_int_equal(runs_until_over(2), 0);
	give_rows(2, 3, true); /* nobody is there any more */
	m = lease(2);
	m.rows = 1;
	m.stop_ns = clock_now_ns() + 20 * NS_PER_MS;
	send_lease(m); /* the stop comes before the rows */
	assert_int_equal(runs_until_over(2), 0);
	while (peer_count(peer, WIRE_ROWS_ASK))
		expect_ask();
	m.stop_ns = INT64_MAX;
	send_lease(m);
	expect_ask();
	stop(false);
	assert_int_equal(runs_until_over(2), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_user_runs_as_often_as_told),
		TEST(the_flow_is_that_of_the_index),
		TEST(users_start_along_the_ramp),
		TEST(users_think_between_runs),
		TEST(what_was_captured_goes_what_was_given_stays),
		TEST(users_end_at_the_stop),
		TEST(a_stop_lets_flows_end_or_not),
		TEST(a_lease_drains),
		TEST(hanging_up_ends_a_lease),
		TEST(a_flow_that_is_gone_ends_its_users),
		TEST(a_thousand_users_come_and_go),
		TEST(users_stand_still_while_nobody_reads),
		TEST(each_row_is_used_once_and_in_order),
		TEST(without_a_row_a_user_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
