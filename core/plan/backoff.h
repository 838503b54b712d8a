/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff.h - leaving a host alone after it failed: decorrelated jitter, sleep = min(cap, uniform(base, 3 * previous)).
 * Pure: clock and randomness are passed in.
 */
#ifndef PLAN_BACKOFF_H
#define PLAN_BACKOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/fault.h"

/* base_ns 0 (zeroed): none. */
struct backoff_spec {
	int64_t base_ns, cap_ns;
	struct fault_set on;
};

static inline bool backoff_spec_set(const struct backoff_spec *s)
{
	return s->base_ns > 0;
}

/* "1s..5m", "1s..5m on 429 502 503 504 error timeout". 0, or -1 with one line. */
int backoff_parse(const char *text, struct backoff_spec *spec, char *error, size_t size);

/* Of one key; zeroed: nothing happened yet. */
struct backoff {
	int64_t sleep_ns; /* the last one; 0: all is well */
	int64_t set_ns;   /* when it began */
	int64_t until_ns;
	uint64_t times;
};

static inline bool backoff_holds(const struct backoff *b, int64_t now_ns)
{
	return now_ns < b->until_ns;
}
/* A probe that was started at start_ns failed. One that started before the last step began tells nothing new: several
 * that were under way together count once. `random` is any 64 bits. wait_ns is what the peer asked for (fault_wait_ns). */
void backoff_fail(struct backoff *b, const struct backoff_spec *spec, int64_t start_ns, int64_t now_ns, int64_t wait_ns,
                  uint64_t random);
/* It went well: the next failure begins at the base again; wait_ns as above still holds. */
void backoff_ok(struct backoff *b, int64_t start_ns, int64_t now_ns, int64_t wait_ns);

#endif
