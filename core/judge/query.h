/* SPDX-License-Identifier: Apache-2.0 */
/* query.h - the query of an expectation: what it looks at. For expect.c. */
#ifndef JUDGE_QUERY_H
#define JUDGE_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/expect.h"
#include "judge/filter.h"
#include "judge/lex.h"

enum query_kind { QUERY_FACT, QUERY_BODY, QUERY_JSONPATH, QUERY_LATENCY, QUERY_SERVICE, QUERY_LAG, QUERY_PHASE };

struct query {
	enum query_kind kind;
	uint32_t index; /* of the fact, or the phase */
	uint32_t fact_type;
	bool list;   /* a LIST fact or a TABLE: none of them is an empty list, and not an absent fact */
	bool ratio;  /* a FLOAT in the unit "ratio" */
	char *late;  /* of a family */
	char *canonical;
	struct jsonpath *path;
};

/* 0 or -1; *shape is what it yields. */
int query_parse(struct lexer *l, struct query *q, const struct driver_table *driver, struct shape *shape);
void query_free(struct query *q);

/* Puts what there is into the current values of `s`; where there is none, `why` says so. */
void query_run(const struct query *q, const struct evidence *evidence, struct scratch *s, struct line *why);

#endif
