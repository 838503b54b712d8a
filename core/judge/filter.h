/* SPDX-License-Identifier: Apache-2.0 */
/* filter.h - the filters of expectations, captures and templates: each turns a list of values into another. */
#ifndef JUDGE_FILTER_H
#define JUDGE_FILTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "judge/lex.h"
#include "judge/value.h"

struct filter {
	int kind;
	int64_t nth;
	struct regex *re;
	struct literal with; /* of replace; a key that was written in quotes */
	char *key_name;      /* else the variable that holds it */
	const char *key_at;  /* where it stood in the text being parsed */
};

/* What is known of the values that come out of a query, and then out of each filter. */
struct shape {
	uint32_t type; /* PROBED_TYPE_*, VALUE_ANY */
	bool many;     /* there may be several */
};

extern const struct filter filter_sha256;

/* Memory of one evaluation, kept for the next. Two generations: a filter reads one and writes the other. */
struct scratch {
	struct values values[2];
	struct buf text[2];
	int now; /* which of them holds the current values */
	json_t *document; /* that the values of a JSONPath point into */
	const char *key;  /* the value of a filter's key_name, of key_len bytes */
	size_t key_len;
	bool failed;      /* the query could not be asked at all: then nothing holds, `count` neither */
};

/* Parses the filter that stands next, if one does: 1, 0 where none does, or -1. `subject` names what it is applied
 * to; *shape becomes what comes out. */
int filter_parse(struct lexer *l, struct filter *f, const char *subject, struct shape *shape);
void filter_free(struct filter *f);
/* Says that what stands next is no filter, and which it may have been; always -1. `where`: " inside {{ }}" */
int filter_unknown(struct lexer *l, const char *where);
/* The filters' names, for suggestions. */
const char *const *filter_names(size_t *n);

/* Turns the current values of `s` into new ones. A value that it can't take is dropped, and `why` says why. */
void filter_apply(const struct filter *f, struct scratch *s, int64_t wall_ns, struct line *why);

void scratch_reset(struct scratch *s);
void scratch_free(struct scratch *s);

#endif
