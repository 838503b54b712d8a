/* SPDX-License-Identifier: Apache-2.0 */
/* predicate.h - the predicate of an expectation: == 200, in 1s..2s, contains "x". For expect.c. */
#ifndef JUDGE_PREDICATE_H
#define JUDGE_PREDICATE_H

#include <stdbool.h>
#include <stddef.h>

#include "judge/filter.h"
#include "judge/lex.h"
#include "judge/value.h"

enum predicate_kind {
	PRED_EQ, PRED_NE, PRED_LE, PRED_GE, PRED_LT, PRED_GT, PRED_IN, PRED_SET,
	PRED_CONTAINS, PRED_STARTS, PRED_ENDS, PRED_MATCHES, PRED_EXISTS, PRED_EMPTY, PRED_SCHEMA
};

struct predicate {
	enum predicate_kind kind;
	bool negate;
	struct literal *literals; /* one; two of a range; those of a set */
	struct value *values;
	size_t n, cap, cap_values;
	struct regex *re;
	char *written; /* "/Welcome/i"; the name of the schema's file */
	struct schema *schema;
};

/* 0 or -1. `subject` names what is compared. */
int predicate_parse(struct lexer *l, struct predicate *p, const char *subject, const struct shape *shape);
void predicate_free(struct predicate *p);

/* Does it hold of one value, `not` aside? 1 or 0; -1: it could not be told, so that `not` doesn't hold either. `why` says
 * what was wrong with the value, if anything. */
int predicate_holds(const struct predicate *p, const struct value *v, struct line *why);
/* "< 300 ms", "not in 200..299"; `percent`: ratios are shown so */
void predicate_describe(const struct predicate *p, struct line *out);
/* Does it look into text (contains, startswith, endswith, matches)? */
bool predicate_textual(const struct predicate *p);

#endif
