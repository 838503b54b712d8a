/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_tree.h - what a compiled JSON Schema is made of. schema_compile.c makes it, schema_refs.c ties its references,
 * schema.c holds documents against it, schema_value.c compares values.
 */
#ifndef JUDGE_SCHEMA_TREE_H
#define JUDGE_SCHEMA_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "judge/schema.h"

struct node;
struct regex;

/* $anchor and $dynamicAnchor of one resource. */
struct anchor {
	const char *name;
	struct node *node;
	bool dynamic;
};

/* A schema with an URI of its own: a document, or what has an $id inside of one. */
struct resource {
	char *uri; /* absolute, without a fragment */
	const json_t *root;
	struct anchor *anchors;
	size_t n_anchors, cap_anchors;
};

/* A subschema under a name or a pattern. */
struct member {
	const char *name;
	struct regex *re;
	struct node *node;
};

struct members {
	struct member *list;
	size_t n, cap;
};

struct nodes {
	struct node **list;
	size_t n, cap;
};

enum {
	TYPE_NULL = 1,
	TYPE_BOOLEAN = 2,
	TYPE_OBJECT = 4,
	TYPE_ARRAY = 8,
	TYPE_NUMBER = 16,
	TYPE_STRING = 32,
	TYPE_INTEGER = 64
};

enum limit {
	MAX_LENGTH,
	MIN_LENGTH,
	MAX_ITEMS,
	MIN_ITEMS,
	MAX_CONTAINS,
	MIN_CONTAINS,
	MAX_PROPERTIES,
	MIN_PROPERTIES,
	LIMITS
};

/* One schema. What it does not say is NULL, 0, or -1 of its limits. */
struct node {
	const json_t *json;
	struct resource *in;
	bool nothing; /* the schema `false` */

	unsigned types; /* TYPE_*; 0: any */
	const json_t *one_of_values, *constant;
	const json_t *multiple_of, *maximum, *exclusive_maximum, *minimum, *exclusive_minimum;
	double limits[LIMITS];
	bool unique;
	struct regex *pattern;
	const char *pattern_text;
	const json_t *required, *dependent_required;

	struct nodes prefix, all, any, one;
	struct node *items, *contains, *additional, *names, *no, *condition, *then, *otherwise;
	struct node *unevaluated_items, *unevaluated_properties;
	struct members properties, patterns, dependent; /* the first sorted by name */

	const char *ref_text, *dynamic_text; /* $ref and $dynamicRef as written */
	struct node *ref, *dynamic;
	const char *dynamic_name; /* of the anchor that is looked for in the dynamic scope; NULL: as a $ref */

	UT_hash_handle hh; /* by json */
};

struct schema {
	unsigned magic;
	json_t **documents;
	size_t n_documents, cap_documents;
	struct resource **resources;
	size_t n_resources, cap_resources;
	struct node *by_json; /* all but the two below */
	struct node anything, nothing;
	struct node *root;
};

/* Where the compiler is, for its messages. */
struct path {
	const struct path *up;
	const char *key; /* NULL: index */
	size_t index;
};

struct compiler {
	struct schema *schema;
	struct nodes refs; /* whose references are still to be tied */
	const struct schema_document *others;
	size_t n_others;
	unsigned depth;
	bool failed;
	char *error;
	size_t size;
};

/* schema_compile.c; NULL where it is malformed, with the error set */
struct node *compile_node(struct compiler *c, const json_t *json, struct resource *in, const struct path *at);
struct resource *compile_document(struct compiler *c, const char *json, size_t len, const char *uri,
				  struct node **root);
/* Keeps the first error; always -1. */
int compile_fail(struct compiler *c, const struct path *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "/a/b~1c/3", in `out` */
const char *path_text(const struct path *at, char *out, size_t size);

/* schema_refs.c */
struct resource *resource_add(struct schema *s, char *uri, const json_t *root);
const struct anchor *anchor_find(const struct resource *in, const char *name, size_t len);
/* 0, or -1 with the error set. */
int tie_references(struct compiler *c);
/* Of RFC 3986, 5.2; allocated. */
char *uri_resolve(const char *base, const char *reference);

/* schema_value.c: equality and order of JSON values, where 1 and 1.0 are the same */
bool value_json_equal(const json_t *a, const json_t *b);
int number_compare(const json_t *a, const json_t *b);
bool number_is_integer(const json_t *n);
bool number_is_multiple(const json_t *n, const json_t *of);
bool array_is_unique(const json_t *array);

#endif
