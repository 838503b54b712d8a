/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expect.h - expectations: `query [filters] predicate` over the facts, body and times of a result.
 * Pure; an expectation is immutable once compiled, and is evaluated by one thread at a time.
 */
#ifndef JUDGE_EXPECT_H
#define JUDGE_EXPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/result.h"
#include "plugin/table.h"

struct expectation;

/* What an expectation looks at. */
struct evidence {
	const struct driver_table *driver;
	const struct result *result;
	const char *body; /* what was kept of it */
	size_t body_len;
	uint64_t body_bytes;  /* how long it was */
	const char *body_sha256; /* hex, NULL where it was not asked for */
};

/* NULL with a line in `error` ("column 8: status is an integer: it can't be compared with a string"). */
struct expectation *expectation_compile(const char *text, const struct driver_table *driver, char *error, size_t size);
void expectation_free(struct expectation *e);
/* The file that `schema FILE` names where its content does not follow, as it must for expectation_compile(): whoever reads the
 * configuration appends it to the text, behind a blank. Allocated; NULL where there is none. */
char *expectation_file(const char *text, const struct driver_table *driver);

/* What it wants of the body: PROBED_BODY_NONE, PROBED_BODY_HASH, or how many bytes at most. */
int64_t expectation_body_want(const struct expectation *e);
/* Its query as written canonically ("status", "header server"): a driver's default_expect yields to a target's own
 * expectation on the same query. */
const char *expectation_query(const struct expectation *e);
/* The fact that it reads; *late is the late part of a family's name, NULL: any. False: it reads something else. */
bool expectation_fact(const struct expectation *e, uint32_t *index, const char **late);

/* True where it holds. Else a line for people in `why`: "latency 412 ms, expected < 300 ms". */
bool expectation_holds(const struct expectation *e, const struct evidence *evidence, char *why, size_t size);

#endif
