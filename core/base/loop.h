/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - the event loop of each of our processes: libev for descriptors and signals, a timing wheel behind one
 * absolute timerfd for time (libev's own timers are rounded up to a millisecond). One thread.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/wheel.h"

/* Work put off to the end of the present turn. Embed it; zeroed is not queued. */
struct loop_later {
	struct loop_later *next, **prev;
	void (*fn)(struct loop_later *later);
};

struct loop {
	unsigned magic;
	struct ev_loop *ev;
	struct wheel wheel;
	int64_t slack_ns; /* wake-ups for timers are put off to multiples of this; 0: exact */
	int64_t now_ns;   /* when this turn began */
	int64_t armed_ns;
	uint64_t turns;
	int64_t longest_turn_ns; /* since last taken by the owner */
	struct loop_later *later, **later_tail;
	struct loop_later *next_turn; /* newest first */
	int timer_fd;
	ev_io timer_io;
	ev_prepare prepare;
	ev_check check;
	ev_idle idle;
};

struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Runs until loop_stop(). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

static inline void loop_timer_set(struct loop *l, struct wheel_timer *t, int64_t at_ns)
{
	wheel_set(&l->wheel, t, at_ns);
}
static inline void loop_timer_stop(struct loop *l, struct wheel_timer *t)
{
	wheel_stop(&l->wheel, t);
}

/* Queues once; runs before the loop next blocks. */
void loop_later(struct loop *l, struct loop_later *later);
/* The same, but in the next turn, which comes at once: for long work in pieces. */
void loop_next_turn(struct loop *l, struct loop_later *later);
void loop_later_cancel(struct loop *l, struct loop_later *later);

#endif
