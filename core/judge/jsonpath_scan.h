/* SPDX-License-Identifier: Apache-2.0 */
/* jsonpath_scan.h - what the parts of the JSONPath parser share: its state, strings and integers. For jsonpath_*.c. */
#ifndef JUDGE_JSONPATH_SCAN_H
#define JUDGE_JSONPATH_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "judge/jsonpath_tree.h"

#define PATH_DEPTH_MAX 64

struct parser {
	const char *text, *p, *end;
	struct jsonpath *path;
	char *error;
	size_t size, *at;
	bool failed;
	int depth;
};

/* The first fault counts. Always -1. */
int path_fail(struct parser *s, const char *at, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Zeroed memory that lives as long as the path. */
void *path_allocate(struct parser *s, size_t size);
char path_peek(const struct parser *s); /* NUL at the end */
bool path_take(struct parser *s, const char *what);
void path_blank(struct parser *s);
bool path_digit(char c);
bool path_lower(char c);
/* Does a character of a bare name stand next, of *n bytes? */
bool path_name_char(const struct parser *s, bool first, size_t *n);
/* A quoted string, unescaped. */
int path_string(struct parser *s, struct buf *out);
/* An integer of the grammar: no leading zero, no -0, exact in a double. */
int path_integer(struct parser *s, int64_t *out);

/* The segments behind $ or @; blanks before a segment belong to it, those at the end to nobody. */
int path_segments(struct parser *s, struct path_query *q);
/* The expression of a filter, NULL after a fault. */
struct path_expr *path_filter(struct parser *s);

#endif
