/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.h - `query [filters]`: where the values come from that an expectation judges and a capture keeps. Pure;
 * immutable once parsed but for its scratch: one thread at a time.
 */
#ifndef JUDGE_SOURCE_H
#define JUDGE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/filter.h"
#include "judge/query.h"

/* What stands for the whole body, without keeping it. */
enum body_use { BODY_TEXT, BODY_SHA256, BODY_BYTES };

struct source {
	struct query query;
	struct filter *filters;
	size_t n_filters, cap_filters;
	enum body_use body_use;
	char *subject; /* as written, for people */
	struct scratch *scratch;
};

/* 0 or -1; *shape is what it yields. After either, source_free(). */
int source_parse(struct lexer *l, struct source *s, const struct driver_table *driver, struct shape *shape);
void source_free(struct source *s);

/* PROBED_BODY_NONE, PROBED_BODY_HASH, or how many bytes of the body at most. */
int64_t source_body_want(const struct source *s);
/* The fact that it reads; *late is the late part of a family's name, NULL: any. False: it reads something else. */
bool source_fact(const struct source *s, uint32_t *index, const char **late);
/* Its values become the current ones of the scratch, which the caller resets; where there are none, `why` says so. */
void source_run(const struct source *s, const struct evidence *evidence, struct line *why);

#endif
