/* SPDX-License-Identifier: Apache-2.0 */
/* test_channel.c - frames over a socketpair: batched, bounded, and refused where they are bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "run/channel.h"

struct end {
	struct channel *channel;
	struct loop *loop;
	int frames, bad_after;
	uint64_t sum;
	bool closed, free_on_frame, drained;
	char why[64];
	int stop_after;
};

static struct loop *loop;
static struct end near, far;
static int raw = -1; /* the far end without a channel */
static struct wheel_timer limit;

static int on_frame(void *ctx, uint16_t type, struct cursor *c)
{
	struct end *e = ctx;
	(void)type;
	e->frames++;
	e->sum += cursor_u64(c);
	if (e->frames == e->stop_after)
		loop_stop(e->loop);
	if (e->free_on_frame) {
		channel_free(e->channel);
		e->channel = NULL;
		loop_stop(e->loop);
	}
	return e->bad_after && e->frames == e->bad_after ? -1 : 0;
}

static void on_closed(void *ctx, const char *why)
{
	struct end *e = ctx;
	e->closed = true;
	snprintf(e->why, sizeof e->why, "%s", why ? why : "");
	loop_stop(e->loop);
}

static void on_drained(void *ctx)
{
	struct end *e = ctx;
	e->drained = true;
	loop_stop(e->loop);
}

static const struct channel_events events = { .frame = on_frame, .closed = on_closed };

static void on_limit(struct wheel_timer *t)
{
	(void)t;
	fail_msg("nothing happened for 20 s");
}

static void run(void)
{
	loop_timer_set(loop, &limit, clock_now_ns() + 20 * NS_PER_S);
	loop_run(loop);
	loop_timer_stop(loop, &limit);
}

static int begin_with(void **state, bool both, size_t out_max)
{
	(void)state;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	loop = loop_new();
	limit = (struct wheel_timer){ .fn = on_limit };
	near = far = (struct end){ .loop = loop };
	near.channel = channel_new(loop, pair[0], out_max, &events, &near);
	if (both)
		far.channel = channel_new(loop, pair[1], out_max, &events, &far);
	raw = both ? -1 : pair[1];
	return 0;
}

static int begin_pair(void **state)
{
	return begin_with(state, true, 1 << 20);
}

static int begin_raw(void **state)
{
	return begin_with(state, false, 1 << 20);
}

static int begin_small(void **state)
{
	return begin_with(state, false, 4096);
}

static int end(void **state)
{
	(void)state;
	if (near.channel)
		channel_free(near.channel);
	if (far.channel)
		channel_free(far.channel);
	if (raw >= 0)
		close(raw);
	loop_free(loop);
	return 0;
}

static void send_number(struct channel *ch, uint64_t v)
{
	buf_u64(channel_begin(ch, 7), v);
	channel_end(ch);
}

static void write_frame(uint32_t len, uint8_t version, const void *payload, size_t n)
{
	struct buf b = { 0 };
	buf_u32(&b, len);
	buf_u16(&b, 7);
	buf_u8(&b, version);
	buf_u8(&b, 0);
	buf_put(&b, payload, n);
	assert_int_equal(write(raw, b.data, b.len), b.len);
	buf_free(&b);
}

static void frames_arrive_in_order_and_whole(void **state)
{
	(void)state;
	far.stop_after = 10000;
	for (uint64_t i = 1; i <= 10000; i++)
		send_number(near.channel, i);
	run();
	assert_int_equal(far.frames, 10000);
	assert_int_equal(far.sum, UINT64_C(10000) * 10001 / 2);
	assert_int_equal(channel_backlog(near.channel), 0);
}

static void a_turn_is_one_write(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		send_number(near.channel, i);
	assert_int_equal(channel_backlog(near.channel), 10 * (FRAME_HEADER + 8));
	channel_flush(near.channel);
	char data[4096];
	assert_int_equal(recv(raw, data, sizeof data, 0), 10 * (FRAME_HEADER + 8));
}

static void what_was_written_before_the_end_is_delivered(void **state)
{
	(void)state;
	uint64_t v = 5;
	write_frame(8, FRAME_VERSION, &v, 8);
	write_frame(8, FRAME_VERSION, &v, 3); /* torn */
	close(raw);
	raw = -1;
	run();
	assert_int_equal(near.frames, 1);
	assert_true(near.closed);
	assert_string_equal(near.why, "");
}

static void bad_frames_close_with_a_reason(void **state)
{
	static const struct {
		uint32_t len;
		uint8_t version;
		const char *why;
	} bad[] = { { FRAME_MAX + 1, FRAME_VERSION, "frame too long" },
		    { 8, FRAME_VERSION + 1, "frame of another version" },
		    { 3, FRAME_VERSION, "malformed frame" } };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint64_t v = 5;
		if (i) {
			end(state);
			begin_raw(state);
		}
		write_frame(bad[i].len, bad[i].version, &v, bad[i].len < 8 ? bad[i].len : 8);
		run();
		assert_true(near.closed);
		assert_string_equal(near.why, bad[i].why);
	}
}

static void a_receiver_may_refuse(void **state)
{
	(void)state;
	near.bad_after = 2;
	uint64_t v = 1;
	for (int i = 0; i < 4; i++)
		write_frame(8, FRAME_VERSION, &v, 8);
	run();
	assert_int_equal(near.frames, 2);
	assert_string_equal(near.why, "malformed frame");
}

static void a_channel_may_be_freed_by_its_own_frame(void **state)
{
	(void)state;
	near.free_on_frame = true;
	uint64_t v = 1;
	for (int i = 0; i < 4; i++)
		write_frame(8, FRAME_VERSION, &v, 8);
	run();
	assert_int_equal(near.frames, 1);
}

static void a_full_channel_says_so_and_when_it_has_drained(void **state)
{
	(void)state;
	static char data[1 << 20];
	channel_on_drain(near.channel, on_drained);
	while (!channel_full(near.channel)) {
		for (int i = 0; i < 100; i++)
			send_number(near.channel, 1);
		channel_flush(near.channel);
	}
	assert_false(near.drained);
	while (!near.drained) {
		while (recv(raw, data, sizeof data, 0) > 0)
			;
		channel_flush(near.channel);
	}
	assert_false(channel_full(near.channel));
}

static void a_peer_that_never_reads_is_given_up(void **state)
{
	(void)state;
	char big[65536] = { 0 };
	for (int i = 0; i < 1000 && !near.closed; i++) {
		buf_put(channel_begin(near.channel, 7), big, sizeof big);
		channel_end(near.channel);
	}
	run();
	assert_string_equal(near.why, "peer does not read");
}

static void a_paused_channel_reads_nothing(void **state)
{
	(void)state;
	channel_pause(far.channel, true);
	near.stop_after = 1;
	far.stop_after = 1;
	send_number(near.channel, 1);
	send_number(far.channel, 1);
	run(); /* ends by near's frame */
	assert_int_equal(far.frames, 0);
	channel_pause(far.channel, false);
	run();
	assert_int_equal(far.frames, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_arrive_in_order_and_whole, begin_pair, end),
		cmocka_unit_test_setup_teardown(a_turn_is_one_write, begin_raw, end),
		cmocka_unit_test_setup_teardown(what_was_written_before_the_end_is_delivered, begin_raw, end),
		cmocka_unit_test_setup_teardown(bad_frames_close_with_a_reason, begin_raw, end),
		cmocka_unit_test_setup_teardown(a_receiver_may_refuse, begin_raw, end),
		cmocka_unit_test_setup_teardown(a_channel_may_be_freed_by_its_own_frame, begin_raw, end),
		cmocka_unit_test_setup_teardown(a_full_channel_says_so_and_when_it_has_drained, begin_small, end),
		cmocka_unit_test_setup_teardown(a_peer_that_never_reads_is_given_up, begin_small, end),
		cmocka_unit_test_setup_teardown(a_paused_channel_reads_nothing, begin_pair, end),
	};
	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
