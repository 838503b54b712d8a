/* SPDX-License-Identifier: Apache-2.0 */
/* split.c - see split.h */
#include "data/split.h"

#include <stdbool.h>
#include <string.h>

static uint64_t count_lines(const char *p, size_t n)
{
	uint64_t lines = 0;
	for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		lines++;
	return lines;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Moves over blanks. The byte it then stands on; 0 at the end. */
static char skip_blanks(struct window *w, struct spot *spot)
{
	size_t got;
	const char *p;
	while ((p = window_at(w, spot->at, 1, &got))) {
		size_t n = 0;
		while (n < got && blank(p[n]))
			n++;
		spot->line += count_lines(p, n);
		spot->at += n;
		if (n < got)
			return p[n] ? p[n] : 1;
	}
	return 0;
}

int split_begin(enum data_format format, struct window *w, struct spot *spot, const char **fault)
{
	size_t got;
	const char *p = window_at(w, 0, 3, &got);
	*spot = (struct spot){ .at = got >= 3 && !memcmp(p, "\xef\xbb\xbf", 3) ? 3 : 0, .line = 1 };
	if (format != DATA_JSON)
		return 0;
	if (skip_blanks(w, spot) != '[') {
		*fault = "expected an array of objects: [ { ... }, ... ]";
		return -1;
	}
	spot->at++;
	return 0;
}

/* --- lines ------------------------------------------------------------------------------------------- */

/* The end of a CSV record within n bytes, behind its newline; 0: it is not among them. */
static size_t csv_extent(const char *p, size_t n)
{
	const char *newline = memchr(p, '\n', n);
	if (newline && !memchr(p, '"', (size_t)(newline - p)))
		return (size_t)(newline - p) + 1;
	bool start = true, inside = false;
	for (size_t i = 0; i < n; i++) {
		if (inside) {
			const char *quote = memchr(p + i, '"', n - i);
			if (!quote)
				return 0;
			i = (size_t)(quote - p);
			if (i + 1 < n && p[i + 1] == '"')
				i++;
			else
				inside = false;
		} else if (start && p[i] == '"') {
			inside = true;
			start = false;
		} else if (p[i] == '\n') {
			return i + 1;
		} else {
			start = p[i] == ',';
		}
	}
	return 0;
}

static size_t line_extent(enum data_format format, const char *p, size_t n)
{
	if (format == DATA_CSV)
		return csv_extent(p, n);
	const char *newline = memchr(p, '\n', n);
	return newline ? (size_t)(newline - p) + 1 : 0;
}

/* Behind the next newline, however far it is. */
static void skip_line(struct window *w, struct spot *spot)
{
	size_t got;
	const char *p;
	while ((p = window_at(w, spot->at, 1, &got))) {
		const char *newline = memchr(p, '\n', got);
		spot->at += newline ? (size_t)(newline - p) + 1 : got;
		if (newline)
			break;
	}
	spot->line++;
}

static int next_line(enum data_format format, struct window *w, struct spot *spot, struct record *r)
{
	size_t got, extent, want = 1;
	const char *p;
	r->line = spot->line;
	for (;;) {
		p = window_at(w, spot->at, want, &got);
		if (!p)
			return w->error ? -1 : 0;
		extent = line_extent(format, p, got < RECORD_MAX ? got : RECORD_MAX);
		if (extent)
			break;
		if (got >= RECORD_MAX) {
			r->fault = format == DATA_CSV ? "a row longer than 1 MiB, or a quote that is never closed"
						      : "a line longer than 1 MiB";
			skip_line(w, spot);
			return 1;
		}
		if (spot->at + got == w->size) {
			extent = got;
			break;
		}
		want = got * 2 < RECORD_MAX ? got * 2 : RECORD_MAX;
	}
	r->text = p;
	r->len = extent;
	while (r->len &&
	       (p[r->len - 1] == '\n' || p[r->len - 1] == '\r' || (format == DATA_JSONL && blank(p[r->len - 1]))))
		r->len--;
	spot->at += extent;
	spot->line += count_lines(p, extent);
	return 1;
}

/* --- an array of JSON ---------------------------------------------------------------------------------- */

/* The end of the value that begins at p, by its brackets and strings alone; 0: not within n bytes. */
static size_t value_extent(const char *p, size_t n)
{
	size_t depth = 0;
	for (size_t i = 0; i < n; i++) {
		switch (p[i]) {
		case '"':
			for (i++; i < n && p[i] != '"'; i++)
				i += p[i] == '\\';
			if (i >= n)
				return 0;
			break;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (!depth)
				return i;
			depth--;
			break;
		default:
			if (!depth && (p[i] == ',' || blank(p[i])))
				return i;
			continue;
		}
		if (!depth)
			return i + 1;
	}
	return 0;
}

static int next_value(struct window *w, struct spot *spot, struct record *r)
{
	size_t got, extent, want = 1;
	const char *p;
	char c = skip_blanks(w, spot);
	r->line = spot->line;
	if (c == ']')
		return 0;
	r->fault = c ? "expected a value, and not a comma" : "the array is never closed: expected ]";
	if (!c || c == ',')
		return -1;
	r->fault = NULL;
	for (;;) {
		p = window_at(w, spot->at, want, &got);
		if (!p)
			return -1;
		extent = value_extent(p, got < RECORD_MAX ? got : RECORD_MAX);
		if (extent)
			break;
		bool ends = spot->at + got == w->size;
		if (got >= RECORD_MAX || ends) {
			r->fault = ends ? "the value that begins here never ends"
					: "a value longer than 1 MiB, or one that never ends";
			return -1;
		}
		want = got * 2 < RECORD_MAX ? got * 2 : RECORD_MAX;
	}
	struct spot behind = { spot->at + extent, spot->line + count_lines(p, extent) };
	c = skip_blanks(w, &behind);
	if (c != ',' && c != ']') {
		r->line = behind.line;
		r->fault = "expected , or ] behind a value";
		return -1;
	}
	p = window_at(w, spot->at, extent, &got); /* looking behind it may have moved the window */
	if (!p)
		return -1;
	r->text = p;
	r->len = extent;
	*spot = behind;
	spot->at += c == ',';
	return 1;
}

int split_next(enum data_format format, struct window *w, struct spot *spot, struct record *r)
{
	*r = (struct record){ 0 };
	if (format == DATA_JSON)
		return next_value(w, spot, r);
	int rc;
	do
		rc = next_line(format, w, spot, r);
	while (rc == 1 && !r->fault && !r->len);
	return rc;
}
