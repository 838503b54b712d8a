/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template.h - texts rendered for each probe: {{seq}}, {{token}}, {{row.user}}, {{now}} ... Pure. Compiled once; a
 * template is rendered by one thread at a time.
 */
#ifndef JUDGE_TEMPLATE_H
#define JUDGE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "judge/vars.h"

struct template;

/* What the names in a template stand for, in one probe. */
struct template_scope {
	const char *target;
	uint64_t seq;
	int64_t wall_ns;
	uint64_t (*random)(void);
	uint64_t epoch;                   /* of the result's id: {{traceparent}} */
	uint64_t user, iteration;         /* numbers of the virtual user and of its iteration */
	const struct template_vars *vars; /* NULL: none; rows are "row.COLUMN" */
};

/* The names beside the built-in ones that a template may use. */
struct template_names {
	const char *const *vars; /* captures */
	size_t n_vars;
	const char *const *columns; /* of the data: {{row.COLUMN}} */
	size_t n_columns;
	bool any_column, any_var;                        /* not known here: whatever is written is right */
	const char *(*env)(void *ctx, const char *name); /* NULL where it is not set */
	void *ctx;
};

/* Does the text hold {{...}}? */
bool template_present(const char *text);
/* Is it a built-in name, so that a capture can't be called so? */
bool template_reserved(const char *name);

/* NULL with a line in `error` where it is malformed or has an unknown name. names NULL, or template_compile(): only the
 * built-in ones. */
struct template *template_compile_names(const char *text, const struct template_names *names, char *error, size_t size);
struct template *template_compile(const char *text, char *error, size_t size);
void template_free(struct template *t);

/* Appends to `out`. NULL, or where a name has no value, or a filter makes nothing of it: what is wrong first, for
 * people
 * ("{{token}} has no value (no step captured it)"), good until the next rendering; such a name renders as empty. */
const char *template_render(const struct template *t, const struct template_scope *scope, struct buf *out);

#endif
