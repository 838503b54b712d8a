/* SPDX-License-Identifier: Apache-2.0 */
/* pace_parts.h - what a compiled schedule is made of. For the files pace*.c alone. */
#ifndef PLAN_PACE_PARTS_H
#define PLAN_PACE_PARTS_H

#include "plan/pace.h"
#include "plan/words.h"

/*
 * All that decides when a probe is due is an integer. A rate is in millionths of a probe an hour, so that what people
 * write by the second, minute or hour with six decimals is exact. An area (a rate over a time) is twice the product of
 * such a rate with nanoseconds, so that half of a ramp's is whole; one probe is PACE_PROBE of it.
 */
typedef unsigned __int128 pace_area;
#define PACE_PROBE ((pace_area)UINT64_C(7200000000000000000))
#define PACE_PER_S UINT64_C(3600000000)
#define PACE_PER_MIN UINT64_C(60000000)
#define PACE_PER_H UINT64_C(1000000)
/* Products of these fit into 128 bits. */
#define PACE_RATE_LIMIT (UINT64_C(1000000) * PACE_PER_S)
#define PACE_TIME_LIMIT WORDS_TIME_MAX
#define PACE_SEGMENTS_LIMIT 100

/* The rate goes from one value to another in a straight line. */
struct pace_segment {
	int64_t length_ns; /* INT64_MAX: endless; 0 for a jump, which only the text has */
	uint64_t from, to;
	int64_t start_ns; /* computed, as is: */
	uint64_t slope;   /* by how much the rate changes in a nanosecond, at most */
	pace_area before; /* of all segments before it */
	pace_area full;   /* of its own; all ones: endless */
};

struct pace {
	enum pace_kind kind;
	bool poisson;
	int64_t for_ns; /* 0: none */
	int64_t interval_ns; /* every, burst */
	uint32_t jitter_ppm;
	uint64_t burst;
	struct pace_gap gap; /* human */
	struct pace_users users;
	struct pace_segment *segments;
	size_t n_segments;
	pace_area end; /* rate: due is what has less area than this before it */
	char *file;
	uint64_t speed_ppm; /* recorded: of a million */
	int64_t *offsets;
	size_t n_offsets;
};

/* Area of the segment up to t, rounded up; 0 <= t <= length_ns. */
pace_area pace_segment_area(const struct pace_segment *s, int64_t t);
/* The last nanosecond of the segment by which its area is not yet above `area` < full. */
int64_t pace_segment_solve(const struct pace_segment *s, pace_area area);
/* Fills in what is computed. */
void pace_finish(struct pace *p);
/* A recorded offset, as fast as it is asked for. */
int64_t pace_recorded_at(const struct pace *p, size_t i);

#endif
