/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - what sinks share about a record: the names of its numbers, and its facts as text or as numbers. */
#ifndef COMMON_RECORD_H
#define COMMON_RECORD_H

#include <probed/sink.h>

#include "text.h"

#define RECORD_OUTCOMES 4

/* Names as users know them; an unknown number is "unknown", or "other". */
const char *record_outcome(uint32_t outcome);
const char *record_reason(uint32_t reason); /* NULL for none */
const char *record_phase(uint32_t phase);
/* The number of the phase, -1: no such name. */
int record_phase_by_name(const char *name);

/* "18ea195b0f10f6d6-4" */
void record_id(struct text *t, const struct probed_record *r);

static inline const struct probed_record_fact *record_fact(const struct probed_record *r, uint32_t i)
{
	return PROBED_AT(struct probed_record_fact, r->facts, r->fact_stride, i);
}

static inline const struct probed_record_failed *record_failed(const struct probed_record *r, uint32_t i)
{
	return PROBED_AT(struct probed_record_failed, r->failed, r->failed_stride, i);
}

/* The first entry of the fact of this name, NULL: none. */
const struct probed_record_fact *record_fact_named(const struct probed_record *r, const char *name);
/* A list or table: further entries of its name follow in a row. */
int record_fact_many(const struct probed_record_fact *f);
/* How many entries, beginning with i, are of one fact. */
uint32_t record_fact_run(const struct probed_record *r, uint32_t i);

/* As a number in base units: durations and times in seconds, booleans 0 and 1. 0, or -1 where it is none (or not
 * finite). */
int record_fact_number(const struct probed_record_fact *f, double *out);
/* As JSON. */
void record_fact_json(struct text *t, const struct probed_record_fact *f);
/* As text without quotes or escapes, but in UTF-8. */
void record_fact_plain(struct text *t, const struct probed_record_fact *f);

#endif
