/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - limits of rate by the generic cell rate algorithm: one stamp of 8 bytes for each key. Pure: the clock is
 * passed in.
 *
 * A stamp counts in a unit of its limit's own, a little over 1/8 ns and chosen so that the step between two slots is a
 * whole number of it: 3/s is exact for ever. A stamp means nothing beside another limit: see gcra_restamp().
 */
#ifndef PLAN_GATE_H
#define PLAN_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATE_RATE_MAX 1e7 /* a second */

/* Why a probe was not sent. The numbers cross to workers. */
enum gate_why {
	GATE_WHY_NONE = 0,      /* of a refusal: its plan is not there any more */
	GATE_WHY_LIMIT = 1,     /* the wait for its slot would be longer than the target's timeout, or the queue is full */
	GATE_WHY_INFLIGHT = 2,  /* as many as may be are under way: of the plan, or no place came free within the timeout */
	GATE_WHY_BACKOFF = 3,   /* its host is left alone for a while */
	GATE_WHY_BREAKER = 4,   /* its host's breaker is open */
	GATE_WHY_RESOURCES = 5, /* the machine has no room: dispatch is paused */
	GATE_WHYS = 6
};

/* step 0 (zeroed): no limit. */
struct gcra_limit {
	uint64_t num, den; /* units of the stamp in a nanosecond: num / den */
	int64_t step;      /* units between two slots */
	int64_t ahead;     /* units that the stamp may be ahead of the clock: (burst - 1) * step */
	double rate;       /* a second */
	uint32_t burst;
};

static inline bool gate_limit_set(const struct gcra_limit *l)
{
	return l->step > 0;
}
static inline bool gate_limit_same(const struct gcra_limit *a, const struct gcra_limit *b)
{
	return a->step == b->step && a->num == b->num && a->den == b->den && a->ahead == b->ahead;
}

/* "40/s", "40/s burst 10", "2.5/min", "100/h". 0, or -1 with one line that says what was expected. */
int gate_limit_parse(const char *text, struct gcra_limit *limit, char *error, size_t size);
/* "40/s burst 10". Returns out. */
char *gate_limit_format(const struct gcra_limit *l, char *out, size_t size);

/* A stamp of 0 is a key that was never used. */
/* How long until a slot is free: 0: now. Takes nothing. */
int64_t gcra_wait(int64_t stamp, const struct gcra_limit *l, int64_t now_ns);
/* 0: a slot was taken; else ns to wait, and nothing was taken. */
int64_t gcra_take(int64_t *stamp, const struct gcra_limit *l, int64_t now_ns);
/* The same for one that has waited since then: its slot counts from when it came free, however late we look. */
int64_t gcra_take_waited(int64_t *stamp, const struct gcra_limit *l, int64_t since_ns, int64_t now_ns);
/* Takes a slot whether it is free or not; what follows waits for it. */
void gcra_spend(int64_t *stamp, const struct gcra_limit *l, int64_t now_ns);
/* Takes up to n slots that come free within max_wait_ns, and gives their times in order. Returns how many. */
uint32_t gcra_reserve(int64_t *stamp, const struct gcra_limit *l, int64_t now_ns, uint32_t n, int64_t max_wait_ns,
                      int64_t *out_ns);
/* Gives n slots back, reserved or taken and not used. */
void gcra_return(int64_t *stamp, const struct gcra_limit *l, uint32_t n);
/* The same key under another limit: what it owes stays owed, at most `to`'s burst. */
int64_t gcra_restamp(int64_t stamp, const struct gcra_limit *from, const struct gcra_limit *to, int64_t now_ns);

#endif
