/* SPDX-License-Identifier: Apache-2.0 */
/* jsonpath_tree.h - a JSONPath as parsed. For jsonpath_parse.c, which makes it, and jsonpath.c, which walks it. */
#ifndef JUDGE_JSONPATH_TREE_H
#define JUDGE_JSONPATH_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/regex.h"

struct path_expr;

enum selector_kind { SELECT_NAME, SELECT_ALL, SELECT_INDEX, SELECT_SLICE, SELECT_FILTER };

struct path_selector {
	struct path_selector *next;
	enum selector_kind kind;
	char *name; /* SELECT_NAME; may hold NULs */
	size_t name_len;
	int64_t start, end, step; /* SELECT_INDEX: start */
	bool has_start, has_end;
	struct path_expr *filter;
};

struct path_segment {
	struct path_segment *next;
	struct path_selector *selectors;
	bool descendant;
};

struct path_query {
	struct path_segment *segments;
	bool relative; /* begins with @ */
	bool singular; /* yields at most one node, by its form */
};

enum expr_kind { EXPR_OR, EXPR_AND, EXPR_NOT, EXPR_COMPARE, EXPR_QUERY, EXPR_LITERAL, EXPR_CALL };
enum compare_op { OP_EQ, OP_NE, OP_LE, OP_GE, OP_LT, OP_GT };
enum path_function { FN_LENGTH, FN_COUNT, FN_MATCH, FN_SEARCH, FN_VALUE };

struct path_expr {
	enum expr_kind kind;
	enum compare_op op;
	enum path_function function;
	struct path_expr *left, *right; /* operands; arguments */
	struct path_query query;
	json_t *literal;
	/* MATCH, SEARCH: the pattern compiled last, and its text */
	char *pattern;
	size_t pattern_len;
	struct regex *re;
};

/* Everything of a path, freed at once. */
struct path_block {
	struct path_block *next;
	struct path_expr *expr; /* has more to free */
};

struct jsonpath {
	unsigned magic;
	struct path_query query;
	struct path_block *blocks;
};
#define JSONPATH_MAGIC 0x6a706174u

#endif
