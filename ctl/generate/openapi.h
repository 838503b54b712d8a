/* SPDX-License-Identifier: Apache-2.0 */
/* openapi.h - an OpenAPI document while it is being read. For openapi*.c only. */
#ifndef GENERATE_OPENAPI_H
#define GENERATE_OPENAPI_H

#include <jansson.h>
#include <stdbool.h>

#include "generate/draft.h"

struct openapi {
	struct draft *d;
	json_t *doc;
	bool swagger;     /* 2.0 */
	char *server;     /* the whole document's, absolute, without a / at its end */
	const char *from; /* URL of the document, NULL: a file */
};

struct operation {
	struct request *r;
	json_t *op, *path_item;
	const char *path, *method;
};

/* What a local $ref leads to; the same where it is none, NULL where it leads nowhere. */
json_t *openapi_resolve(const struct openapi *o, json_t *node);

/* openapi_sample.c: a new value that the schema would accept, by its examples where it has some. */
json_t *openapi_sample(const struct openapi *o, json_t *schema);
/* The example of a parameter, header or media type: its own, or its schema's. New, NULL: it has none. `made`: one may
 * be made up of the schema. */
json_t *openapi_example(const struct openapi *o, json_t *holder, bool made);
/* A value as text of a URL or header, malloc'ed. */
char *openapi_text(const json_t *value);
/* As JSON; false where it would be longer than `max`: values are shared, so a small document can hold a large one. */
bool openapi_dump(const json_t *value, size_t flags, size_t max, struct buf *out);

/* openapi_request.c */
/* "/pets/{id}" with its parameters put in; NULL where one can't be. `query` gets the query's. */
char *openapi_fill_path(const struct openapi *o, json_t *path_item, json_t *op, const char *path, struct buf *query);
void openapi_put_headers(const struct openapi *o, struct request *r, json_t *path_item, json_t *op);
void openapi_put_body(const struct openapi *o, struct request *r, json_t *path_item, json_t *op);
void openapi_put_security(const struct openapi *o, struct request *r, json_t *op);
void openapi_put_expectation(const struct openapi *o, struct request *r, json_t *op);

#endif
