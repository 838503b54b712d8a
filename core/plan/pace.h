/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace.h - when a probe is due: pure functions from an index to a time. Clock and randomness are passed in.
 */
#ifndef PLAN_PACE_H
#define PLAN_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Due times of monitoring lie on this grid, so that many share one wake-up. Shorter intervals are exact. */
#define PACE_GRID_NS INT64_C(20000000)

/* Every `interval`, at an offset that the seed (a hash of the target's name) spreads over it. */
struct pace_every {
	int64_t interval_ns;
	double jitter; /* each due time moves by up to this share of the interval, either way */
	uint64_t seed;
};

/* Is the interval long enough for due times to stand on the grid? */
static inline bool pace_on_grid(const struct pace_every *p)
{
	return p->interval_ns >= 25 * PACE_GRID_NS;
}

/* Monotonic time of index k; index 0 is the first one after the clock's zero. Index k never depends on what
 * happened before it, so that nothing drifts. Increases with k as long as jitter is below 0.5. */
int64_t pace_every_due(const struct pace_every *p, int64_t k);
/* The least index that is due at or after `at_ns`. */
int64_t pace_every_index(const struct pace_every *p, int64_t at_ns);

#endif
