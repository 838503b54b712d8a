/* SPDX-License-Identifier: Apache-2.0 */
/* row.c - see row.h */
#include "data/row.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "judge/jsonpath.h"
#include "judge/value.h"

static int columns_add(struct columns *c, const char *name, char *error, size_t size)
{
	if (!*name) {
		snprintf(error, size, "column %zu has no name", c->n + 1);
		return -1;
	}
	if (c->n == COLUMNS_MAX) {
		snprintf(error, size, "more than %d columns", COLUMNS_MAX);
		return -1;
	}
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->names[i], name)) {
			snprintf(error, size, "two columns are named \"%.80s\"", name);
			return -1;
		}
	c->names[c->n] = xstrdup(name);
	c->variables[c->n++] = xasprintf("row.%s", name);
	return 0;
}

void columns_free(struct columns *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->names[i]);
		free(c->variables[i]);
	}
	free(c->names);
	free(c->variables);
	*c = (struct columns){ 0 };
}

/* --- CSV ----------------------------------------------------------------------------------------------- */

/* The fields of the one record that the text is. */
static int split_csv(const struct record *r, struct buf *text, struct csv *csv, char *error, size_t size)
{
	if (memchr(r->text, '\0', r->len)) {
		snprintf(error, size, "a NUL byte: expected text");
		return -1;
	}
	char **fields = csv->fields;
	size_t cap = csv->cap;
	buf_clear(text);
	buf_put(text, r->text, r->len);
	buf_cstr(text);
	csv_begin(csv, text->data, text->len);
	csv->fields = fields;
	csv->cap = cap;
	return csv_next(csv, error, size) < 0 ? -1 : 0;
}

static int read_header(const struct record *r, struct columns *c, char *error, size_t size)
{
	CLEANUP_BUF struct buf text = { 0 };
	struct csv csv = { 0 };
	int rc = split_csv(r, &text, &csv, error, size);
	for (size_t i = 0; i < csv.n && !rc; i++)
		rc = columns_add(c, csv.fields[i], error, size);
	csv_end(&csv);
	return rc;
}

static int read_fields(const struct record *r, const struct columns *c, struct cells *cells, char *error, size_t size)
{
	if (split_csv(r, &cells->text, &cells->csv, error, size))
		return -1;
	if (cells->csv.n != c->n) {
		snprintf(error, size, "%zu values: expected %zu, as in the first row", cells->csv.n, c->n);
		return -1;
	}
	for (size_t i = 0; i < c->n; i++) {
		cells->values[i] = cells->csv.fields[i];
		cells->lens[i] = strlen(cells->values[i]);
	}
	return 0;
}

/* --- JSON ---------------------------------------------------------------------------------------------- */

static json_t *read_object(const struct record *r, char *error, size_t size)
{
	json_t *doc = jsonpath_parse_document(r->text, r->len, error, size);
	if (doc && !json_is_object(doc)) {
		snprintf(error, size, "expected an object: { \"column\": \"value\", ... }");
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}

static int read_keys(const struct record *r, struct columns *c, char *error, size_t size)
{
	json_t *value, *doc = read_object(r, error, size);
	const char *key;
	int rc = doc ? 0 : -1;
	json_object_foreach(doc, key, value)
	{
		(void)value;
		rc = rc ? rc : columns_add(c, key, error, size);
	}
	if (doc && !c->n && !rc) {
		snprintf(error, size, "the first object has no keys");
		rc = -1;
	}
	json_decref(doc);
	return rc;
}

static int put_piece(const char *piece, size_t len, void *to)
{
	buf_put(to, piece, len);
	return 0;
}

/* A text as it is, all else as compact JSON. */
static void put_value(struct buf *to, const json_t *v)
{
	struct value real = { .type = PROBED_TYPE_FLOAT, .f = json_real_value(v) };
	if (json_is_string(v))
		buf_put(to, json_string_value(v), json_string_length(v));
	else if (json_is_real(v))
		value_put(to, &real);
	else
		json_dump_callback(v, put_piece, to, JSON_COMPACT | JSON_ENCODE_ANY);
}

static int read_members(const struct record *r, const struct columns *c, struct cells *cells, char *error, size_t size)
{
	json_t *doc = read_object(r, error, size);
	if (!doc)
		return -1;
	buf_clear(&cells->text);
	for (size_t i = 0; i < c->n; i++) {
		const json_t *v = json_object_get(doc, c->names[i]);
		cells->values[i] = v ? "" : NULL;
		cells->starts[i] = cells->text.len;
		if (v)
			put_value(&cells->text, v);
		cells->lens[i] = cells->text.len - cells->starts[i];
		buf_putc(&cells->text, '\0');
	}
	for (size_t i = 0; i < c->n; i++)
		if (cells->values[i])
			cells->values[i] = cells->text.data + cells->starts[i];
	json_decref(doc);
	return 0;
}

/* --- both ---------------------------------------------------------------------------------------------- */

int columns_read(enum data_format format, const struct record *r, struct columns *c, char *error, size_t size)
{
	c->n = 0;
	c->names = xcalloc(COLUMNS_MAX, sizeof *c->names);
	c->variables = xcalloc(COLUMNS_MAX, sizeof *c->variables);
	return format == DATA_CSV ? read_header(r, c, error, size) : read_keys(r, c, error, size);
}

int cells_read(enum data_format format, const struct record *r, const struct columns *c, struct cells *cells,
	       char *error, size_t size)
{
	if (!cells->values) {
		cells->values = xcalloc(c->n, sizeof *cells->values);
		cells->lens = xcalloc(c->n, sizeof *cells->lens);
		cells->starts = xcalloc(c->n, sizeof *cells->starts);
	}
	return format == DATA_CSV ? read_fields(r, c, cells, error, size) : read_members(r, c, cells, error, size);
}

void cells_free(struct cells *cells)
{
	free(cells->values);
	free(cells->lens);
	free(cells->starts);
	buf_free(&cells->text);
	csv_end(&cells->csv);
}
