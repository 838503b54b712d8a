/* SPDX-License-Identifier: Apache-2.0 */
/* channel.c - see channel.h */
#include "run/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define CHANNEL_MAGIC 0x6368616eu
#define READ_MIN 65536u
#define HELD_MAX 65536u /* bytes; more do not wait for company */
#define READ_ROUNDS 4 /* reads in one turn; then the other descriptors have theirs */

struct channel {
	unsigned magic;
	struct loop *loop;
	int fd;
	size_t out_max, frame_at;
	struct buf in, out;
	size_t out_sent; /* bytes at the start of out that are gone */
	bool closed, paused, was_full, in_callback, freed;
	const char *why;
	const struct channel_events *events;
	void *ctx;
	void (*drained)(void *ctx);
	ev_io reading, writing;
	struct loop_later flush, report;
	struct wheel_timer held;
};

static void report_close(struct loop_later *later)
{
	struct channel *ch = (struct channel *)((char *)later - offsetof(struct channel, report));
	CHECK_MAGIC(ch, CHANNEL_MAGIC);
	ch->events->closed(ch->ctx, ch->why);
}

static void close_later(struct channel *ch, const char *why)
{
	if (ch->closed)
		return;
	ch->closed = true;
	ch->why = why;
	ev_io_stop(ch->loop->ev, &ch->reading);
	ev_io_stop(ch->loop->ev, &ch->writing);
	loop_later(ch->loop, &ch->report);
}

int frame_parse(struct buf *b, int (*fn)(void *ctx, uint16_t type, struct cursor *c), void *ctx, const char **why)
{
	size_t at = 0;
	int rc = 0;
	while (b->len - at >= FRAME_HEADER) {
		struct cursor head = cursor_over(b->data + at, FRAME_HEADER);
		uint32_t len = cursor_u32(&head);
		uint16_t type = cursor_u16(&head);
		uint8_t version = cursor_u8(&head), zero = cursor_u8(&head);
		if (version != FRAME_VERSION || zero) {
			*why = "frame of another version";
			rc = -1;
			break;
		}
		if (len > FRAME_MAX) {
			*why = "frame too long";
			rc = -1;
			break;
		}
		if (b->len - at - FRAME_HEADER < len)
			break;
		struct cursor c = cursor_over(b->data + at + FRAME_HEADER, len);
		at += FRAME_HEADER + len;
		rc = fn(ctx, type, &c);
		if (rc) {
			*why = "malformed frame";
			break;
		}
	}
	buf_consume(b, at);
	return rc < 0 ? -1 : 0;
}

static int deliver(void *ctx, uint16_t type, struct cursor *c)
{
	struct channel *ch = ctx;
	int rc = ch->events->frame(ch->ctx, type, c);
	return ch->freed ? 1 : rc || c->bad ? -1 : 0; /* 1 ends the parse without a complaint */
}

static void destroy(struct channel *ch)
{
	ch->magic = 0;
	buf_free(&ch->in);
	buf_free(&ch->out);
	free(ch);
}

static void on_readable(struct ev_loop *ev, ev_io *w, int revents)
{
	(void)ev, (void)revents;
	struct channel *ch = w->data;
	CHECK_MAGIC(ch, CHANNEL_MAGIC);
	for (int round = 0; round < READ_ROUNDS && !ch->closed && !ch->paused; round++) {
		void *to = buf_reserve(&ch->in, READ_MIN);
		size_t room = ch->in.cap - ch->in.len;
		ssize_t n = recv(ch->fd, to, room, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			close_later(ch, NULL);
			return;
		}
		ch->in.len += (size_t)n;
		const char *why = NULL;
		ch->in_callback = true;
		int rc = frame_parse(&ch->in, deliver, ch, &why);
		ch->in_callback = false;
		if (ch->freed) {
			destroy(ch);
			return;
		}
		if (rc)
			close_later(ch, why);
		if ((size_t)n < room)
			return;
	}
}

void channel_flush(struct channel *ch)
{
	CHECK_MAGIC(ch, CHANNEL_MAGIC);
	loop_timer_stop(ch->loop, &ch->held);
	while (!ch->closed && ch->out_sent < ch->out.len) {
		ssize_t n = send(ch->fd, ch->out.data + ch->out_sent, ch->out.len - ch->out_sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			ev_io_start(ch->loop->ev, &ch->writing);
			break;
		}
		if (n < 0) {
			/* what the peer had written before it died is still to be read: reading finds the end */
			buf_clear(&ch->out);
			ch->out_sent = 0;
			ev_io_stop(ch->loop->ev, &ch->writing);
			return;
		}
		ch->out_sent += (size_t)n;
	}
	if (ch->out_sent == ch->out.len) {
		buf_clear(&ch->out);
		ch->out_sent = 0;
		ev_io_stop(ch->loop->ev, &ch->writing);
	} else if (ch->out_sent > ch->out.len / 2) {
		buf_consume(&ch->out, ch->out_sent);
		ch->out_sent = 0;
	}
	if (ch->was_full && channel_backlog(ch) < ch->out_max / 2) {
		ch->was_full = false;
		if (ch->drained)
			ch->drained(ch->ctx);
	}
}

static void on_writable(struct ev_loop *ev, ev_io *w, int revents)
{
	(void)ev, (void)revents;
	channel_flush(w->data);
}

static void flush_later(struct loop_later *later)
{
	channel_flush((struct channel *)((char *)later - offsetof(struct channel, flush)));
}

static void on_held(struct wheel_timer *t)
{
	struct channel *ch = (struct channel *)((char *)t - offsetof(struct channel, held));
	loop_later(ch->loop, &ch->flush); /* what else is due in this turn goes first, or with it */
}

struct channel *channel_new(struct loop *loop, int fd, size_t out_max, const struct channel_events *events, void *ctx)
{
	struct channel *ch = xnew(struct channel);
	*ch = (struct channel){ .magic = CHANNEL_MAGIC, .loop = loop, .fd = fd, .out_max = out_max, .events = events, .ctx = ctx };
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	ev_io_init(&ch->reading, on_readable, fd, EV_READ);
	ev_io_init(&ch->writing, on_writable, fd, EV_WRITE);
	ch->reading.data = ch->writing.data = ch;
	ch->flush.fn = flush_later;
	ch->report.fn = report_close;
	ch->held.fn = on_held;
	ev_io_start(loop->ev, &ch->reading);
	return ch;
}

void channel_free(struct channel *ch)
{
	CHECK_MAGIC(ch, CHANNEL_MAGIC);
	ev_io_stop(ch->loop->ev, &ch->reading);
	ev_io_stop(ch->loop->ev, &ch->writing);
	loop_later_cancel(ch->loop, &ch->flush);
	loop_later_cancel(ch->loop, &ch->report);
	loop_timer_stop(ch->loop, &ch->held);
	close(ch->fd);
	ch->closed = true;
	if (ch->in_callback)
		ch->freed = true;
	else
		destroy(ch);
}

struct buf *channel_begin(struct channel *ch, uint16_t type)
{
	CHECK_MAGIC(ch, CHANNEL_MAGIC);
	ch->frame_at = ch->out.len;
	buf_u32(&ch->out, 0);
	buf_u16(&ch->out, type);
	buf_u8(&ch->out, FRAME_VERSION);
	buf_u8(&ch->out, 0);
	return &ch->out;
}

void channel_end(struct channel *ch)
{
	channel_end_within(ch, 0);
}

void channel_end_within(struct channel *ch, int64_t hold_ns)
{
	size_t len = ch->out.len - ch->frame_at - FRAME_HEADER;
	if (len > FRAME_MAX)
		panic("frame of %zu bytes", len);
	for (unsigned k = 0; k < 4; k++)
		ch->out.data[ch->frame_at + k] = (char)(len >> (8 * k));
	if (ch->closed) {
		buf_clear(&ch->out);
		ch->out_sent = 0;
		return;
	}
	if (channel_backlog(ch) > ch->out_max)
		ch->was_full = true;
	if (channel_backlog(ch) > 2 * ch->out_max + FRAME_MAX) {
		close_later(ch, "peer does not read");
		return;
	}
	if (!hold_ns || channel_backlog(ch) > HELD_MAX)
		loop_later(ch->loop, &ch->flush);
	else if (!wheel_running(&ch->held))
		loop_timer_set(ch->loop, &ch->held, ch->loop->now_ns + hold_ns);
}

size_t channel_backlog(const struct channel *ch)
{
	return ch->out.len - ch->out_sent;
}

bool channel_full(const struct channel *ch)
{
	return channel_backlog(ch) > ch->out_max;
}

void channel_pause(struct channel *ch, bool paused)
{
	if (ch->closed || paused == ch->paused)
		return;
	ch->paused = paused;
	if (paused)
		ev_io_stop(ch->loop->ev, &ch->reading);
	else
		ev_io_start(ch->loop->ev, &ch->reading);
}

void channel_on_drain(struct channel *ch, void (*fn)(void *ctx))
{
	ch->drained = fn;
}
