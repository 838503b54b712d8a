/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsonpath.h - JSONPath (RFC 9535) over jansson values. Pure; a compiled path is used by one thread at a time.
 *
 * All of the RFC: segments, slices, filters, the functions length, count, match, search and value, and the checks of
 * well-typedness. Depth and work are bounded, so that no pair of path and document runs away.
 */
#ifndef JUDGE_JSONPATH_H
#define JUDGE_JSONPATH_H

#include <jansson.h>
#include <stddef.h>

struct jsonpath;

/* Reused from one selection to the next; the nodes are the document's. */
struct jsonpath_nodes {
	const json_t **list;
	size_t n, cap;
};

#define JSONPATH_WORK_MAX 1000000 /* nodes visited */

/* NULL with a line in `error` and the offset of the fault in *at. */
struct jsonpath *jsonpath_compile(const char *text, size_t len, char *error, size_t size, size_t *at);
void jsonpath_free(struct jsonpath *path);

/* 0 and the nodes in `out`, in the order of the RFC; -1 where it took more work than is allowed. */
int jsonpath_select(const struct jsonpath *path, const json_t *root, struct jsonpath_nodes *out);
void jsonpath_nodes_free(struct jsonpath_nodes *nodes);

/* A JSON text as a value. Integers beyond 64 bits become reals. NULL with a line in `error`. */
json_t *jsonpath_parse_document(const char *text, size_t len, char *error, size_t size);

#endif
