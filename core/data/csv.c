/* SPDX-License-Identifier: Apache-2.0 */
/* csv.c - see csv.h */
#include "data/csv.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define COLUMNS_MAX 1000

void csv_begin(struct csv *c, char *text, size_t len)
{
	*c = (struct csv){ .p = text, .end = text + len, .next_line = 1, .line = 1 };
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		c->p += 3;
}

void csv_end(struct csv *c)
{
	free(c->fields);
	*c = (struct csv){ 0 };
}

/* Is p at the end of a field? */
static bool field_ends(const struct csv *c, const char *p)
{
	return p >= c->end || *p == ',' || *p == '\n' || (*p == '\r' && (p + 1 == c->end || p[1] == '\n'));
}

/* From behind the opening quote; the field's end, or NULL. */
static char *quoted(struct csv *c, char *p, char *error, size_t size)
{
	char *to = p;
	for (; p < c->end; p++) {
		if (*p == '"' && p + 1 < c->end && p[1] == '"') {
			p++;
		} else if (*p == '"') {
			if (field_ends(c, p + 1)) {
				*to = '\0';
				return p + 1;
			}
			snprintf(
			    error, size,
			    "text after a closing quote: expected a comma (a quote inside quotes is written \"\")");
			return NULL;
		}
		c->next_line += *p == '\n';
		*to++ = *p;
	}
	snprintf(error, size, "a quote is never closed");
	return NULL;
}

static bool skip_empty_lines(struct csv *c)
{
	while (c->p < c->end && (*c->p == '\n' || *c->p == '\r')) {
		c->next_line += *c->p == '\n';
		c->p++;
	}
	return c->p < c->end;
}

int csv_next(struct csv *c, char *error, size_t size)
{
	c->n = 0;
	if (!skip_empty_lines(c))
		return 0;
	c->line = c->next_line;
	for (;;) {
		char *p = c->p, *field = p;
		if (c->n >= COLUMNS_MAX) {
			snprintf(error, size, "more than %d columns", COLUMNS_MAX);
			return -1;
		}
		if (p < c->end && *p == '"') {
			field = p + 1;
			p = quoted(c, field, error, size);
			if (!p)
				return -1;
		} else {
			while (!field_ends(c, p))
				p++;
		}
		xgrow(c->fields, c->n, c->cap);
		c->fields[c->n++] = field;
		char end = *p;
		*p = '\0';
		if (end == ',') {
			c->p = p + 1;
			continue;
		}
		c->p = p + (p < c->end) + (end == '\r' && p + 1 < c->end);
		c->next_line++;
		return 1;
	}
}
