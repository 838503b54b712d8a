/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.h - is a plan better or worse than it was? Differences that chance explains are not called differences.
 *
 * Times (percentiles, averages) and throughput: the logarithm of the ratio now/base, its standard error by a circular
 * block bootstrap over the intervals (Politis and Romano 1992; blocks, since neighbouring intervals are alike), merging
 * histograms, never averaging percentiles, and Student's t with the blocks' degrees of freedom (Welch 1947). The seed is
 * fixed: the same runs give the same answer. Shares (errors, dropped): the interval of Agresti and Caffo (2000), widened by
 * the overdispersion between intervals (McCullagh and Nelder 1989, 4.5). All lines together raise a false alarm in at most
 * 5 % of comparisons of like with like (Bonferroni). Differences below 1 % are below a histogram's resolution: none.
 *
 * What one run cannot tell is how much whole runs differ from day to day: merge several for that.
 */
#ifndef REPORT_COMPARE_H
#define REPORT_COMPARE_H

#include <stdint.h>

#include "measure/tally.h"

enum compare_verdict {
	COMPARE_SAME,   /* no difference shown */
	COMPARE_BETTER,
	COMPARE_WORSE,
	COMPARE_UNKNOWN /* too little was measured */
};

enum compare_kind { COMPARE_TIME, COMPARE_SHARE, COMPARE_RATE };

struct compare_line {
	char name[32]; /* "latency p99" */
	enum compare_kind kind;
	enum compare_verdict verdict;
	double base, now;              /* nanoseconds; a share; a second */
	double change, low, high;      /* TIME, RATE: now/base - 1; SHARE: now - base; with its confidence interval */
};

#define COMPARE_LINES 16
#define COMPARE_CONFIDENCE 0.95 /* of all lines together */

struct comparison {
	uint32_t n;
	struct compare_line lines[COMPARE_LINES];
};

/* Both tallies must have ended. */
void compare(const struct tally *base, const struct tally *now, struct comparison *out);

const char *compare_verdict_name(enum compare_verdict verdict); /* "better", "no clear difference", ... */
/* "+4.10 % (+1.20 % to +7.00 %)" */
char *compare_change_text(const struct compare_line *l, char *out, size_t size);

#endif
