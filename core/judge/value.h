/* SPDX-License-Identifier: Apache-2.0 */
/* value.h - the typed values that expectations compare: literals, facts, parts of a JSON body. Pure. */
#ifndef JUDGE_VALUE_H
#define JUDGE_VALUE_H

#include <probed/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/lex.h"

/* Types beside PROBED_TYPE_*, for values out of JSON. */
enum {
	VALUE_ANY = 0x100, /* of a query: known only at run time */
	VALUE_NULL,
	VALUE_JSON /* an object or an array: s says which, i is how many it holds */
};

struct json_t;

struct value {
	uint32_t type;
	bool percent; /* FLOAT: written as 10% */
	int64_t i;
	double f;
	const char *s;
	size_t len;
	const struct json_t *json; /* what it was in a document; NULL: it is out of none */
};

struct values {
	struct value *list;
	size_t n, cap;
};

struct value *values_add(struct values *v);

/* "an integer" */
const char *value_type_name(uint32_t type);
/* Does it have an order and so ranges? */
bool value_type_ordered(uint32_t type);

/* The literal as the type of what it is compared with, which is called `subject`. 0, or -1 with the lexer's error. The
 * value's text is the literal's. */
int value_parse(struct lexer *l, const struct literal *lit, uint32_t type, const char *subject, struct value *out);
/* Of two values: < 0, 0, > 0 in *order. False where they are of unlike types (or one is NaN). */
bool value_compare(const struct value *a, const struct value *b, int *order);
/* As text for programs: numbers as JSON writes them, booleans true or false, durations in seconds, sizes in bytes, times in
 * RFC 3339, objects and arrays as compact JSON. */
void value_put(struct buf *b, const struct value *v);
/* RFC 3339, a date alone, or the dates of HTTP and of certificates. 0 or -1. */
int value_parse_time(const char *s, size_t len, int64_t *ns);

/* A line for people, bounded. */
struct line {
	char *at;
	size_t size, len;
};

void line_printf(struct line *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Quoted, control characters escaped, at most 80 bytes of it. */
void line_excerpt(struct line *o, const char *s, size_t len);
/* "412 ms", "503", "\"text\""; a ratio as percent where asked. */
void line_value(struct line *o, const struct value *v, bool percent);

#endif
