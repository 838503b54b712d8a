/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - JSON Schema (draft 2020-12) over jansson values. Pure; a compiled schema is used by one thread at a time.
 *
 * All keywords of the core, the applicators, the unevaluated and the validation vocabulary; `format` and `content*` are
 * annotations. Depth and work are bounded, so that no pair of schema and document runs away.
 */
#ifndef JUDGE_SCHEMA_H
#define JUDGE_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct schema;

/* Another document that a $ref may lead to. */
struct schema_document {
	const char *uri;
	const char *json;
	size_t len;
};

/* NULL with a line in `error`: "/properties/price/minimum: expected a number". */
struct schema *schema_compile(const char *json, size_t len, char *error, size_t size);
struct schema *schema_compile_with(const char *json, size_t len, const struct schema_document *others, size_t n_others,
				   char *error, size_t size);
void schema_free(struct schema *s);

/* True where the document is valid. Else a line in `why`: "/items/3/price: expected a number, got the string \"x\"". */
bool schema_valid(const struct schema *s, const json_t *document, char *why, size_t size);

#endif
