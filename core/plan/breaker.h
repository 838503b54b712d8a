/* SPDX-License-Identifier: Apache-2.0 */
/*
 * breaker.h - a circuit breaker: closed until so many failures came within a time, then open, then half-open while a few
 * trials tell whether to close it again. Pure: the clock is passed in.
 */
#ifndef PLAN_BREAKER_H
#define PLAN_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/fault.h"

#define BREAKER_FAILURES_MAX 10000

/* failures 0 (zeroed): none. */
struct breaker_spec {
	uint32_t failures; /* within within_ns open it */
	uint32_t trials;   /* that must all go well while half-open */
	int64_t within_ns, open_ns;
	struct fault_set on;
};

static inline bool breaker_spec_set(const struct breaker_spec *s)
{
	return s->failures > 0;
}

/* "5 failures in 30s open 10s", "5 failures in 30s open 10s probes 1 on 503 error". 0, or -1 with one line. */
int breaker_parse(const char *text, struct breaker_spec *spec, char *error, size_t size);

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };

/* Of one key. */
struct breaker {
	enum breaker_state state;
	uint32_t n_failed, next; /* of the ring */
	uint32_t trials_out, trials_ok;
	int64_t since_ns;   /* in this state */
	int64_t trial_ns;   /* when the last trial began */
	int64_t *failed_ns; /* the last spec.failures ones, owned */
	uint32_t cap;
	uint64_t opened; /* how often */
};

void breaker_init(struct breaker *b, const struct breaker_spec *spec);
void breaker_clear(struct breaker *b);
/* Another spec on a reload: keeps the state. */
void breaker_respec(struct breaker *b, const struct breaker_spec *spec);

/* A trial that did not end so long after the breaker might have tried again is given up. */
#define BREAKER_LOST_NS INT64_C(60000000000)
/* May one pass? Changes nothing. */
bool breaker_may(const struct breaker *b, const struct breaker_spec *spec, int64_t now_ns);
/* It passes (after breaker_may()). Returns whether it is a trial, to be handed to breaker_leave(). */
bool breaker_enter(struct breaker *b, const struct breaker_spec *spec, int64_t now_ns);
/* It ended. `enter_ns`: when it passed; what did so before the present state says nothing about it. */
void breaker_leave(struct breaker *b, const struct breaker_spec *spec, bool trial, enum fault how, int64_t enter_ns,
                   int64_t now_ns);

/* When it may be tried next, at the latest; 0: now. */
int64_t breaker_again_ns(const struct breaker *b, const struct breaker_spec *spec, int64_t now_ns);
const char *breaker_state_name(enum breaker_state s); /* "half-open" */

#endif
