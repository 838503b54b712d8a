/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat.h - what is remembered for /metrics of one target, or of one of its sub-results: counts, the last verdict
 * and a coarse histogram, small enough for 50,000 of them. Pure; owned by one thread.
 *
 * Results with outcome `unknown` (our own fault) are counted, and change nothing else: the last verdict stays.
 */
#ifndef MEASURE_STAT_H
#define MEASURE_STAT_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/result.h"
#include "plugin/table.h"

#define STAT_BUCKETS 14     /* the last one is +Inf */
#define STAT_FAMILY_NAMES 16 /* late names kept of all families together; further ones are left out */

/* Upper bounds in nanoseconds of all but the last bucket: 1 ms ... 10 s. */
extern const int64_t stat_bounds_ns[STAT_BUCKETS - 1];

/* A number of a fact family, by its late name. */
struct stat_late {
	char *name;
	double value;
	uint32_t fact; /* index in the driver's table */
	bool present;  /* in the last verdict */
};

/* Zeroed is empty. Only for tables with stat_same_facts(): free it when the target's driver becomes another. */
struct probe_stat {
	uint64_t n[PROBED_OUTCOMES];
	int64_t latency_sum_ns; /* of all that are in the buckets */
	uint32_t buckets[STAT_BUCKETS]; /* not cumulative; of latency */
	uint8_t outcome, reason;        /* of the last verdict */
	uint8_t verdict;                /* 1: there was one */
	uint8_t n_late;
	int64_t wall_ns, latency_ns, service_ns, lag_ns; /* of the last verdict */
	int64_t phase_ns[PROBED_PHASES];                 /* -1: did not happen */
	double *facts; /* one for each METRIC fact that is no family, in the table's order; NaN: absent */
	struct stat_late *late;
};

/* Do two tables of a driver (of two configurations) fit the same probe_stat? */
bool stat_same_facts(const struct driver_table *a, const struct driver_table *b);
void probe_stat_add(struct probe_stat *s, const struct result *r, const struct driver_table *driver);
/* Back to zeroed. */
void probe_stat_free(struct probe_stat *s);

/* Is this fact one of `facts`? Is it one of `late`? */
static inline bool stat_fact_plain(const struct fact_decl *f)
{
	return (f->flags & PROBED_FACT_METRIC) && !(f->flags & PROBED_FACT_FAMILY);
}
static inline bool stat_fact_family(const struct fact_decl *f)
{
	return (f->flags & PROBED_FACT_METRIC) && (f->flags & PROBED_FACT_FAMILY);
}

#endif
