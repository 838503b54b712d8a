/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wheel.h - a hierarchical timing wheel (Varghese and Lauck 1987): O(1) add, remove and expire, for any number
 * of timers. Owned by one thread; reads no clock of its own.
 *
 * A tick is 32,768 ns. A timer never fires early, and at most one tick late against the `now` it is given.
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_LEVELS 6
#define WHEEL_SLOTS 256
#define WHEEL_TICK_BITS 15

struct wheel_timer;
typedef void (*wheel_fn)(struct wheel_timer *timer);

/* Embed it; zeroed is a stopped timer. `fn` may set, stop and free any timer, its own too. */
struct wheel_timer {
	struct wheel_timer *next, **prev; /* prev NULL: stopped */
	int64_t at_ns;
	wheel_fn fn;
	uint16_t place; /* level * 256 + slot; for the wheel */
};

struct wheel {
	int64_t tick; /* all ticks up to this one have fired */
	uint64_t n;
	uint64_t used[WHEEL_LEVELS][WHEEL_SLOTS / 64];
	struct wheel_timer *slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, int64_t now_ns);
/* Starts, or moves, a timer. A time that has passed fires at the next wheel_advance() to a later tick. */
void wheel_set(struct wheel *w, struct wheel_timer *t, int64_t at_ns);
void wheel_stop(struct wheel *w, struct wheel_timer *t);
static inline bool wheel_running(const struct wheel_timer *t)
{
	return t->prev != NULL;
}
/* Fires what is due at now_ns, in order of ticks. Returns how many. */
uint64_t wheel_advance(struct wheel *w, int64_t now_ns);
/* No timer fires before this time; INT64_MAX where there is none. May be too early by a cascade, never late. */
int64_t wheel_next(const struct wheel *w);

#endif
