/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hist.h - a log-linear histogram of nanoseconds in fixed memory, relative error at most 1 %. Mergeable.
 * Owned by one thread. (The bucket layout of HdrHistogram, Tene 2012.)
 */
#ifndef MEASURE_HIST_H
#define MEASURE_HIST_H

#include <stdbool.h>
#include <stdint.h>

/* 64 linear steps in each power of two, from 2^10 ns (1 us) to 2^40 ns (18 min); outside: the end buckets. */
#define HIST_STEP_BITS 6
#define HIST_MIN_BITS 10
#define HIST_MAX_BITS 40
#define HIST_BUCKETS (((HIST_MAX_BITS - HIST_MIN_BITS) << HIST_STEP_BITS) + 2)

struct hist {
	uint64_t count;
	int64_t sum_ns, min_ns, max_ns;
	uint32_t buckets[HIST_BUCKETS];
};

void hist_add(struct hist *h, int64_t ns);
void hist_merge(struct hist *into, const struct hist *from);
/* The value at or below which the share q (0..1) of samples lies; 0 where there are none. */
int64_t hist_quantile(const struct hist *h, double q);
/* Samples of at most `ns`: interpolated within a bucket. */
uint64_t hist_count_le(const struct hist *h, int64_t ns);
/* Of one that came from elsewhere: is it one that hist_add() could have made? */
bool hist_sound(const struct hist *h);

#endif
