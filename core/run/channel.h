/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.h - frames over a socketpair between the core and a child: length-prefixed, versioned, bounded, batched.
 *
 * A frame is u32 payload length, u16 type, u8 version, u8 zero, payload; little-endian. Frames that are begun in
 * one turn of the loop leave in one write at its end. The reader trusts nobody: a frame that is too long, of
 * another version, or not wholly understood closes the channel with a reason.
 */
#ifndef RUN_CHANNEL_H
#define RUN_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"

#define FRAME_VERSION 1
#define FRAME_HEADER 8
#define FRAME_MAX (8u << 20) /* payload bytes */

struct channel;

struct channel_events {
	/* One frame. 0, or -1 where it is bad: the channel then closes. May free the channel. */
	int (*frame)(void *ctx, uint16_t type, struct cursor *c);
	/* The peer is gone, or spoke badly (`why`; NULL for a clean end). All that was readable was delivered
	 * before, a torn last frame dropped. The owner frees the channel, at once or later. */
	void (*closed)(void *ctx, const char *why);
};

/* Takes over fd (a stream socket). out_max: bytes that may wait to be sent before channel_full(). */
struct channel *channel_new(struct loop *loop, int fd, size_t out_max, const struct channel_events *events, void *ctx);
void channel_free(struct channel *ch);

/* Begins a frame, put its payload, ends it. Always accepted, whatever the backlog: the bound is the caller's duty
 * by channel_full(); beyond twice out_max the channel closes instead of growing on. */
struct buf *channel_begin(struct channel *ch, uint16_t type);
void channel_end(struct channel *ch);
/* The same, for a frame that may wait so long for others to leave with it; 0 is the end of this turn. Order is kept. */
void channel_end_within(struct channel *ch, int64_t hold_ns);

/* Writes now what can be written, instead of at the end of the turn. */
void channel_flush(struct channel *ch);
size_t channel_backlog(const struct channel *ch); /* bytes not yet sent */
bool channel_full(const struct channel *ch);
/* Stops or goes on reading (backpressure on the peer). */
void channel_pause(struct channel *ch, bool paused);
/* Called once the backlog has fallen below half of out_max after channel_full() was true. */
void channel_on_drain(struct channel *ch, void (*fn)(void *ctx));

/* The parser alone, for tests and fuzzing: consumes whole frames at the start of b. 0, or -1 with *why. */
int frame_parse(struct buf *b, int (*fn)(void *ctx, uint16_t type, struct cursor *c), void *ctx, const char **why);

#endif
