/* SPDX-License-Identifier: Apache-2.0 */
/* iregexp.c - see iregexp.h */
#include "judge/iregexp.h"

#include <string.h>

#include "base/buf.h"
#include "judge/regex.h"

struct reader {
	const char *p, *end;
	struct buf *out;
	bool repeated; /* a quantifier was just read: another one would be PCRE's lazy or possessive one */
};

static bool put_escape(struct reader *r)
{
	const char *start = r->p++;
	if (r->p >= r->end || !*r->p || !strchr("()*+-.?[\\]^$nrt{|}dDwWsSpP", *r->p))
		return false;
	if (*r->p++ == 'p' || r->p[-1] == 'P') {
		const char *close = r->p < r->end && *r->p == '{' ? memchr(r->p, '}', (size_t)(r->end - r->p)) : NULL;
		if (!close)
			return false;
		r->p = close + 1;
	}
	buf_put(r->out, start, (size_t)(r->p - start));
	return true;
}

static bool put_class(struct reader *r)
{
	buf_putc(r->out, *r->p++);
	if (r->p < r->end && *r->p == '^')
		buf_putc(r->out, *r->p++);
	for (bool first = true; r->p < r->end; first = false) {
		if (*r->p == ']') {
			buf_putc(r->out, *r->p++);
			return !first;
		}
		if (*r->p == '[')
			return false;
		if (*r->p == '\\') {
			if (!put_escape(r))
				return false;
		} else {
			buf_putc(r->out, *r->p++);
		}
	}
	return false;
}

/* {n}, {n,} or {n,m} */
static bool put_quantity(struct reader *r)
{
	const char *start = r->p++, *digits = r->p;
	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	if (r->p == digits)
		return false;
	if (r->p < r->end && *r->p == ',')
		r->p++;
	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	if (r->p >= r->end || *r->p++ != '}')
		return false;
	buf_put(r->out, start, (size_t)(r->p - start));
	return true;
}

static bool translate(struct reader *r)
{
	while (r->p < r->end) {
		bool was = r->repeated;
		char c = *r->p;
		r->repeated = c == '*' || c == '+' || c == '?' || c == '{';
		if (r->repeated && was)
			return false;
		if (c == '.') {
			buf_puts(r->out, "[^\\n\\r]");
			r->p++;
		} else if (c == '\\' || c == '[' || c == '{') {
			if (!(c == '\\' ? put_escape(r) : c == '[' ? put_class(r) : put_quantity(r)))
				return false;
		} else if (c == ']' || c == '}' || (c == '(' && r->p + 1 < r->end && strchr("?*", r->p[1]) && r->p[1])) {
			return false;
		} else {
			if (c == '(')
				buf_puts(r->out, "(?:");
			else
				buf_putc(r->out, c);
			r->p++;
		}
	}
	return true;
}

struct regex *iregexp_compile(const char *pattern, size_t len, bool whole)
{
	CLEANUP_BUF struct buf out = { 0 };
	char error[160];
	struct reader r = { .p = pattern, .end = pattern + len, .out = &out };
	if (!translate(&r))
		return NULL;
	buf_cstr(&out);
	return regex_compile(out.data, out.len, REGEX_END_ONLY | (whole ? REGEX_ANCHORED : 0), error, sizeof error, NULL);
}
