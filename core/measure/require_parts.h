/* SPDX-License-Identifier: Apache-2.0 */
/* require_parts.h - what a requirement is, once compiled. For require.c and require_verdict.c. */
#ifndef MEASURE_REQUIRE_PARTS_H
#define MEASURE_REQUIRE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "measure/require.h"

#define REQUIREMENT_MAGIC 0x72657175u
#define BIT(n) (1u << (n))

enum { METRIC_LATENCY, METRIC_SERVICE, METRIC_LAG, METRIC_PHASE, METRIC_ERRORS, METRIC_UNKNOWN, METRIC_DROPPED, METRIC_CHECKS,
       METRIC_RATE, METRIC_BYTES, METRIC_FACT, METRICS };
enum { AGG_NONE, AGG_PERCENTILE, AGG_AVG, AGG_MIN, AGG_MAX, AGG_RATE, AGG_COUNT, AGGREGATIONS };
enum { OP_LT, OP_LE, OP_GT, OP_GE, OP_EQ, OP_NE, OPS };
enum value_kind { VALUE_DURATION, VALUE_RATIO, VALUE_COUNT, VALUE_PER_SECOND, VALUE_SIZE, VALUE_SIZE_PER_SECOND, VALUE_NUMBER };

#define SPREAD (BIT(AGG_PERCENTILE) | BIT(AGG_AVG) | BIT(AGG_MIN) | BIT(AGG_MAX) | BIT(AGG_COUNT))
#define SHARE (BIT(AGG_RATE) | BIT(AGG_COUNT))

struct metric {
	const char *name;
	uint32_t allowed; /* BIT(AGG_*) */
	uint32_t implied; /* where none is written; AGG_NONE: one must be */
};

struct requirement {
	unsigned magic;
	char *text, *fact, *step; /* fact and step may be NULL */
	const char *metric_at;    /* in text */
	uint32_t metric, phase, fact_type, agg, op;
	bool each; /* by step */
	char agg_name[16];
	double q, value;
	int64_t after_ns;
};

extern const struct metric require_metrics[METRICS];
extern const char *const require_aggregations[AGGREGATIONS];
extern const char *const require_ops[OPS];

enum value_kind require_value_kind(const struct requirement *r);

#endif
