/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_worker_storm.c - a worker by its frames: flows, leases, tokens, cancels, removals and replacements in any order.
 * Whatever happens, each user ends exactly once, and nothing is left. STORM_SEED repeats a run.
 */
#include "worker_peer.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "plan/gate.h"
#include "base/mem.h"
#include "plan/gate.h"
#include "plan/select.h"

#define SLOTS 3000
#define TARGETS 12
#define FLOWS 8
#define ROUNDS 1500

struct storm {
	struct peer *peer;
	uint64_t random;
	bool used[SLOTS], over[SLOTS];
	uint64_t seq[SLOTS];
	uint32_t next, lease, asks;
};

static uint32_t below(struct storm *s, uint32_t n)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return (uint32_t)(s->random >> 33) % n;
}

static void send_frame(struct storm *s, uint16_t type, struct buf *b)
{
	peer_send(s->peer, type, b);
	buf_free(b);
}

/* --- what may happen -------------------------------------------------------------------------------------- */

static void add_target(struct storm *s, uint32_t id)
{
	static const char *const drivers[] = { "fx", "fx", "fx", "fxpool", "fxblock", "fxshy", "fxbad" };
	static const char *const modes[] = { "do=inside", "do=inside", "do=ok", "do=slow", "do=slow", "do=never", "do=error", "do=sub", "do=session", "do=gate", "do=busy", "do=late" };
	static const char *const more[] = { "retry=0", "retry=2", "gated=yes", "on_fail=continue", "think=1", "capture.status=status", "capture.no=text", "text={{status}}" };
	char timeout[20];
	snprintf(timeout, sizeof timeout, "timeout=%u", 3 + below(s, 30));
	peer_target(s->peer, id, drivers[below(s, 7)], modes[below(s, 12)], "delay=2ms", timeout, more[below(s, 8)], more[below(s, 8)], NULL);
}

static void add_flow(struct storm *s, uint32_t id)
{
	peer_flow(s->peer, id, below(s, 3), 1 + below(s, 4), below(s, TARGETS), below(s, TARGETS), below(s, TARGETS), below(s, TARGETS));
}

static void remove_one(struct storm *s)
{
	struct buf b = { 0 };
	bool flow = below(s, 2);
	buf_u32(&b, below(s, flow ? FLOWS : TARGETS));
	send_frame(s, flow ? WIRE_FLOW_REMOVE : WIRE_TARGET_REMOVE, &b);
}

static void start_flow(struct storm *s)
{
	if (s->next == SLOTS)
		return;
	const struct kv row[] = { { .key = "row.a", .value = "b" } };
	s->peer->next_slot = s->next;
	s->seq[s->next] = 1000 + s->next;
	s->used[s->next++] = true;
	peer_run(s->peer, below(s, FLOWS + 1), below(s, 2), clock_now_ns() + (below(s, 3) - 1) * NS_PER_MS, row, 1);
}

static void start_users(struct storm *s)
{
	uint32_t slots[8], n = 1 + below(s, 8);
	if (s->next + n > SLOTS)
		return;
	const struct wire_choice choices[] = { { below(s, FLOWS), 1 }, { below(s, FLOWS), 2 } };
	struct wire_users m = {
		.lease = s->lease++, .plan = 1, .seed = s->random, .select = (uint8_t)below(s, 5), .total = n, .begin_ns = clock_now_ns(), .ramp_ns = 3 * NS_PER_MS,
		.stop_ns = below(s, 2) ? INT64_MAX : clock_now_ns() + 20 * NS_PER_MS, .runs = below(s, 3) * 5, .think.max_ns = below(s, 2) * NS_PER_MS,
		.seq = (uint64_t)(s->lease + 1) << USERS_SEQ_BITS, .rows = below(s, 2) != 0, .n_users = n, .n_choices = 2, .slots = slots, .choices = choices,
	};
	for (uint32_t i = 0; i < n; i++) {
		s->seq[s->next] = m.seq;
		s->used[s->next] = true;
		slots[i] = s->next++;
	}
	struct buf b = { 0 };
	wire_put_users(&b, &m);
	send_frame(s, WIRE_USERS, &b);
}

static void stop_users(struct storm *s, uint32_t lease, bool now)
{
	struct buf b = { 0 };
	buf_u32(&b, lease);
	buf_u8(&b, now);
	send_frame(s, WIRE_USERS_STOP, &b);
}

static void cancel(struct storm *s, uint32_t slot)
{
	struct buf b = { 0 };
	buf_u32(&b, slot);
	buf_u64(&b, s->seq[slot]);
	send_frame(s, WIRE_CANCEL, &b);
}

/* --- what is said ----------------------------------------------------------------------------------------- */

static void on_rows_ask(struct storm *s, struct cursor *c)
{
	struct buf b = { 0 };
	uint32_t lease = cursor_u32(c), n = cursor_u32(c);
	const struct kv row[] = { { .key = "row.a", .value = "x" } };
	n = below(s, n + 1);
	buf_u32(&b, lease);
	buf_u8(&b, !n || !below(s, 4));
	buf_u32(&b, n);
	while (n--)
		wire_put_kvs(&b, row, 1);
	send_frame(s, WIRE_ROWS, &b);
}

static void on_gate_ask(struct storm *s, struct cursor *c)
{
	struct buf b = { 0 };
	s->asks++;
	buf_u32(&b, cursor_u32(c));
	buf_u32(&b, cursor_u32(c));
	buf_str(&b, cursor_str(c));
	uint32_t n = below(s, cursor_u32(c) + 1);
	buf_u32(&b, n);
	for (uint32_t i = 0; i < n; i++)
		buf_i64(&b, clock_now_ns() + (int64_t)below(s, 3000) * 1000);
	if (!n) {
		buf_u32(&b, below(s, GATE_WHYS + 1));
		buf_i64(&b, clock_now_ns() + (int64_t)below(s, 3) * NS_PER_MS);
	}
	send_frame(s, WIRE_GATE_GRANT, &b);
}

static void on_end(struct storm *s, struct cursor *c)
{
	struct wire_flow_end m;
	assert_int_equal(wire_get_flow_end(c, &m), 0);
	assert_true(m.slot < SLOTS && s->used[m.slot]);
	assert_false(s->over[m.slot]);
	assert_true(m.seq >= s->seq[m.slot]);
	s->over[m.slot] = m.over;
	wire_flow_end_free(&m);
}

static void on_result(struct storm *s, struct cursor *c)
{
	uint32_t slot = cursor_u32(c);
	cursor_u32(c);
	uint64_t seq = cursor_u64(c);
	uint8_t kind = cursor_u8(c);
	assert_true(slot < SLOTS && s->used[slot] && !s->over[slot]);
	assert_true(kind == RESULT_STEP || kind == RESULT_SUB);
	assert_true(seq >= s->seq[slot]);
}

static void listen_for(struct storm *s, int ms)
{
	struct pollfd fd = { .fd = s->peer->fd, .events = POLLIN };
	if (poll(&fd, 1, ms) > 0)
		peer_sync(s->peer);
	for (size_t i = 0; i < s->peer->n; i++) {
		struct peer_frame *f = &s->peer->frames[i];
		struct cursor c = cursor_over(f->data, f->len);
		if (f->type == WIRE_ROWS_ASK)
			on_rows_ask(s, &c);
		else if (f->type == WIRE_GATE_ASK)
			on_gate_ask(s, &c);
		else if (f->type == WIRE_FLOW_END)
			on_end(s, &c);
		else if (f->type == WIRE_RESULT)
			on_result(s, &c);
		free(f->data);
	}
	s->peer->n = 0;
}

static void blow(struct storm *s)
{
	uint32_t what = below(s, 20);
	if (what < 2)
		add_target(s, below(s, TARGETS));
	else if (what == 2)
		add_flow(s, below(s, FLOWS));
	else if (what == 3)
		remove_one(s);
	else if (what < 12)
		start_flow(s);
	else if (what < 14)
		start_users(s);
	else if (what < 16 && s->lease)
		stop_users(s, below(s, s->lease), below(s, 2));
	else if (s->next)
		cancel(s, below(s, s->next));
}

static void each_user_ends_once(void **state)
{
	(void)state;
	struct storm *s = xnew(struct storm);
	const char *seed = getenv("STORM_SEED");
	s->random = seed ? strtoull(seed, NULL, 0) : (uint64_t)clock_wall_ns();
	printf("# STORM_SEED=%llu\n", (unsigned long long)s->random);
	s->peer = peer_start((struct peer_setup){ .threads = 8 });
	for (uint32_t i = 0; i < TARGETS; i++)
		add_target(s, i);
	for (uint32_t i = 0; i < FLOWS; i++)
		add_flow(s, i);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		blow(s);
		if (i % 8 == 0)
			listen_for(s, 1);
	}
	for (uint32_t i = 0; i < s->lease; i++)
		stop_users(s, i, true);
	for (uint32_t i = 0; i < s->next; i++)
		cancel(s, i);
	int64_t until = clock_now_ns() + PATIENCE_MS * NS_PER_MS;
	uint32_t left = s->next;
	while (left && clock_now_ns() < until) {
		listen_for(s, 20);
		left = 0;
		for (uint32_t i = 0; i < s->next; i++)
			left += !s->over[i];
	}
	assert_int_equal(left, 0);
	assert_true(s->asks > 0);
	peer_finish(s->peer);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_user_ends_once) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
