/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result.h - the result of one probe, as it grows in a worker, crosses to the core, and reaches the recorder.
 *
 * Strings are offsets into the result's own arena, so that one result is reused for probe after probe without
 * allocating. Offset 0 is "no string". Facts stand in the order given.
 */
#ifndef JUDGE_RESULT_H
#define JUDGE_RESULT_H

#include <probed/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct result_fact {
	uint16_t fact; /* index in the driver's table */
	uint8_t type;  /* PROBED_TYPE_* of the value; TABLE: s is one row as a JSON object */
	uint32_t name; /* late part of a family's name */
	uint32_t s, len;
	int64_t i; /* INTEGER BOOLEAN DURATION SIZE TIME */
	double f;
};

struct result_failed {
	uint32_t label, message;
};

#define RESULT_FACTS_MAX 512 /* what is given beyond is dropped and counted in `dropped` */

struct result {
	uint32_t sub; /* name of a sub-result, 0: the probe itself */
	uint8_t outcome, reason;
	uint32_t message;
	int64_t wall_ns;  /* of the start */
	int64_t due_ns;   /* monotonic, as are the next two */
	int64_t start_ns;
	int64_t end_ns;
	int64_t phase_ns[PROBED_PHASES]; /* -1: did not happen */
	struct result_fact *facts;
	struct result_failed *failed;
	uint32_t n_facts, cap_facts, n_failed, cap_failed, dropped;
	struct buf arena;
};

/* Empties it and keeps its memory. A zeroed result must be reset before use. */
void result_reset(struct result *r);
void result_free(struct result *r);

uint32_t result_put_string(struct result *r, const char *s, size_t len); /* NULL: 0 */
static inline const char *result_string(const struct result *r, uint32_t offset)
{
	return offset ? r->arena.data + offset : NULL;
}

/* Adds a fact, or replaces the one of the same index and name unless `list`. NULL: full. */
struct result_fact *result_fact_add(struct result *r, uint32_t fact, const char *name, bool list);
/* The first one with this index and late name (NULL: none), at or after *from; *from moves behind it. */
const struct result_fact *result_fact_find(const struct result *r, uint32_t fact, const char *name, uint32_t *from);
void result_fail(struct result *r, const char *label, const char *message);

static inline int64_t result_latency_ns(const struct result *r)
{
	return r->end_ns - r->due_ns;
}
static inline int64_t result_service_ns(const struct result *r)
{
	return r->end_ns - r->start_ns;
}
static inline int64_t result_lag_ns(const struct result *r)
{
	return r->start_ns - r->due_ns;
}

void result_encode(struct buf *b, const struct result *r);
/* Into a result that was reset. 0, or -1 where the data is bad. */
int result_decode(struct cursor *c, struct result *r);

const char *outcome_name(uint32_t outcome); /* "ok" */
const char *reason_name(uint32_t reason);   /* "refused"; "" for none */
const char *phase_name(uint32_t phase);     /* "resolve" */

#endif
