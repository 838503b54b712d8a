/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series.h - what sinks of metrics remember of each target and sub-result: counters, a histogram of latency, and the
 * last verdict, as /metrics has them. Bounded; what was long not heard of is forgotten. One thread.
 */
#ifndef COMMON_SERIES_H
#define COMMON_SERIES_H

#include <probed/sink.h>
#include <uthash.h>

#include "record.h"

#define SERIES_BUCKETS 14 /* the last one is +Inf */

/* Exponential buckets: 8 to each doubling, from 2^-20 s (1 us) to 2^8 s. Values outside are in the outermost. */
#define SERIES_SCALE 3
#define SERIES_EXP_FIRST (-20 * (1 << SERIES_SCALE))
#define SERIES_EXP_BUCKETS (28 * (1 << SERIES_SCALE))

/* Upper bounds in seconds of all but the last bucket, and as labels of all. */
extern const double series_bounds[SERIES_BUCKETS - 1];
extern const char *const series_labels[SERIES_BUCKETS];

struct series_fact {
	char *name, *unit;
	double value;
};

struct series {
	UT_hash_handle hh;
	char *target, *driver, *sub; /* sub NULL: the target itself */
	int64_t began_ns;            /* wall time of the first record: its counters count from there */
	int64_t seen_ns;             /* monotonic time of the last one */
	uint64_t n[RECORD_OUTCOMES];
	uint64_t buckets[SERIES_BUCKETS]; /* not cumulative */
	uint32_t *exponential;            /* SERIES_EXP_BUCKETS of them, NULL where not asked for */
	uint64_t count, zero;             /* of verdicts; of those whose latency is 0 */
	int64_t sum_ns;
	/* Of the last verdict; there is one where count is not 0. */
	uint32_t outcome;
	int64_t wall_ns, service_ns;
	int64_t phase_ns[PROBED_PHASES];
	struct series_fact *facts;
	uint32_t n_facts, cap_facts;
	size_t key_len;
	char key[];
};

struct series_set {
	struct series *all;
	uint32_t limit;
	int exponential;
	uint64_t refused; /* records beyond the limit */
	struct text key;  /* of the record at hand */
};

/* 0, or -1: out of memory. A record that is no result is ignored. */
int series_add(struct series_set *set, const struct probed_record *r, int64_t now_ns);
/* Forgets those not heard of since then. */
void series_expire(struct series_set *set, int64_t before_ns);
void series_free(struct series_set *set);

static inline struct series *series_next(const struct series *s)
{
	return s->hh.next;
}

#endif
