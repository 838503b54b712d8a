/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace.h - when a probe is due: pure functions from an index to a time. Clock and randomness are passed in.
 *
 * A schedule is compiled from text once (docs/pacing.md has the language), is never changed afterwards, and may be
 * used by any number of threads. A cursor walks through it and belongs to one.
 */
#ifndef PLAN_PACE_H
#define PLAN_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

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

/* --- schedules ----------------------------------------------------------------------------------- */

enum pace_kind {
	PACE_EVERY,    /* every 30s jitter 10% */
	PACE_HUMAN,    /* human 800ms..8s */
	PACE_RATE,     /* rate 10/s ramp 1m:200/s hold 10m */
	PACE_BURST,    /* burst 100 every 10s */
	PACE_USERS,    /* users 50 ramp 1m think 1s..3s: a closed loop */
	PACE_RECORDED, /* recorded FILE x2 */
};

struct pace;

/* NULL, and "column N: what, and what was expected" in `error`. pace_free(NULL) is nothing. */
struct pace *pace_compile(const char *text, char *error, size_t size);
void pace_free(struct pace *p);

enum pace_kind pace_kind(const struct pace *p);
/* From t0 to its end, of which nothing is due any more; INT64_MAX: endless. */
int64_t pace_length_ns(const struct pace *p);
/* How many are due in all: exact, or the expected number where gaps are random. UINT64_MAX: endless, or a closed
 * loop, which can't know. */
uint64_t pace_count(const struct pace *p);
/* The rate a second that is asked for: its highest, and that at an offset from t0 (0 after the end). Where gaps are
 * random, and of bursts, the mean. 0: a closed loop asks for none. */
double pace_rate_max(const struct pace *p);
double pace_rate_at(const struct pace *p, int64_t offset_ns);

/* Each a new schedule, for --rate and --for. Rates (or users) multiplied by factor > 0; NULL: that is beyond what can be
 * written. Ended after `for_ns` > 0, if it is not shorter anyway. */
struct pace *pace_rescale(const struct pace *p, double factor);
struct pace *pace_limit(const struct pace *p, int64_t for_ns);
/* "20/s", "0.5/min", "3/h": a rate a second. 0 or -1. */
int pace_parse_rate(const char *text, double *per_s);
/* Appends the canonical text, which compiles to the same schedule. */
void pace_print(const struct pace *p, struct buf *out);

/* Of `every`: false where it is none. For monitoring, which spreads its targets. */
bool pace_as_every(const struct pace *p, uint64_t seed, struct pace_every *out);

/* A random time between two things: uniform from min to max, both included, or lognormal where median_ns > 0. */
struct pace_gap {
	int64_t min_ns, max_ns;
	int64_t median_ns, p99_ns;
	double sigma;
};
/* Gap k: depends on seed and k alone. */
int64_t pace_gap_draw(const struct pace_gap *g, uint64_t seed, uint64_t k);
double pace_gap_mean_ns(const struct pace_gap *g);

/* A closed loop: n users, each of which starts anew when it has ended and thought. */
struct pace_users {
	uint32_t n;
	int64_t ramp_ns; /* user j starts at j/n of this */
	struct pace_gap think;
};
/* NULL: the schedule is open. */
const struct pace_users *pace_users(const struct pace *p);

/* Of `recorded`: the file as written (NULL: it is none), and what was read from it, offsets from the first one, in
 * order; the array is copied. -1: out of order or negative. Before the schedule is shared. */
const char *pace_recorded_file(const struct pace *p);
int pace_recorded_set(struct pace *p, const int64_t *offsets_ns, size_t n);

/* --- a walk through a schedule ------------------------------------------------------------------- */

/* Plain data, to be copied as one likes. `index` is that of the next one. */
struct pace_cursor {
	const struct pace *pace;
	uint64_t seed;
	uint64_t index;
	int64_t offset_ns; /* of the last one */
	uint64_t area;     /* how much of the rate has been used up, in probes, and in 2^-32 of one */
	uint32_t area_fraction;
	uint32_t segment;
};

void pace_begin(struct pace_cursor *c, const struct pace *p, uint64_t seed);
/* Offset from t0 of the next one, never before the last one's; false: the schedule has ended. The same seed always gives
 * the same schedule, so that N machines share one by each taking the indices with index % N == m. Of a closed loop: when
 * user `index` starts. */
bool pace_next(struct pace_cursor *c, int64_t *offset_ns);

#endif
