/* SPDX-License-Identifier: Apache-2.0 */
/* jsonpath_scan.c - see jsonpath_scan.h */
#include "judge/jsonpath_scan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define INT_MAX_EXACT INT64_C(9007199254740991)

int path_fail(struct parser *s, const char *at, const char *format, ...)
{
	if (s->failed)
		return -1;
	s->failed = true;
	*s->at = (size_t)(at - s->text);
	va_list ap;
	va_start(ap, format);
	vsnprintf(s->error, s->size, format, ap);
	va_end(ap);
	return -1;
}

void *path_allocate(struct parser *s, size_t size)
{
	struct path_block *b = xcalloc(1, sizeof *b + size);
	b->next = s->path->blocks;
	s->path->blocks = b;
	return b + 1;
}

char path_peek(const struct parser *s)
{
	return s->p < s->end ? *s->p : '\0';
}

static bool looking_at(const struct parser *s, const char *what)
{
	size_t n = strlen(what);
	return (size_t)(s->end - s->p) >= n && !memcmp(s->p, what, n);
}

bool path_take(struct parser *s, const char *what)
{
	if (!looking_at(s, what))
		return false;
	s->p += strlen(what);
	return true;
}

void path_blank(struct parser *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

bool path_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool path_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static int hex4(struct parser *s, unsigned *out)
{
	*out = 0;
	for (int i = 0; i < 4; i++) {
		char c = path_peek(s);
		int v = path_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (v < 0)
			return path_fail(s, s->p, "expected four hexadecimal digits after \\u");
		*out = *out << 4 | (unsigned)v;
		s->p++;
	}
	return 0;
}

static void put_utf8(struct buf *b, unsigned c)
{
	if (c < 0x80) {
		buf_putc(b, (char)c);
	} else if (c < 0x800) {
		buf_putc(b, (char)(0xc0 | c >> 6));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_putc(b, (char)(0xe0 | c >> 12));
		buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_putc(b, (char)(0xf0 | c >> 18));
		buf_putc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	}
}

static int unicode_escape(struct parser *s, struct buf *out)
{
	const char *start = s->p - 2;
	unsigned c, low;
	if (hex4(s, &c))
		return -1;
	if (c >= 0xd800 && c < 0xdc00) {
		if (!path_take(s, "\\u"))
			return path_fail(s, start, "a high surrogate stands alone");
		if (hex4(s, &low))
			return -1;
		if (low < 0xdc00 || low > 0xdfff)
			return path_fail(s, start, "a high surrogate without its low one");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c >= 0xdc00 && c <= 0xdfff) {
		return path_fail(s, start, "a low surrogate stands alone");
	}
	put_utf8(out, c);
	return 0;
}

static int escape(struct parser *s, char quote, struct buf *out)
{
	static const char from[] = "bfnrt/\\", to[] = "\b\f\n\r\t/\\";
	const char *start = s->p++;
	char c = path_peek(s);
	s->p += s->p < s->end;
	if (c == 'u')
		return unicode_escape(s, out);
	const char *known = c ? strchr(from, c) : NULL;
	if (!known && (c != quote || !c))
		return path_fail(s, start, "unknown escape in a string");
	buf_putc(out, known ? to[known - from] : c);
	return 0;
}

int path_string(struct parser *s, struct buf *out)
{
	const char *start = s->p;
	char quote = *s->p++;
	for (;;) {
		if (s->p >= s->end)
			return path_fail(s, start, "the string that begins here has no closing %c", quote);
		if (*s->p == quote)
			break;
		if (*s->p == '\\') {
			if (escape(s, quote, out))
				return -1;
			continue;
		}
		size_t n = str_utf8(s->p, (size_t)(s->end - s->p));
		if (!n || (unsigned char)*s->p < 0x20)
			return path_fail(s, s->p, n ? "a control character in a string is written as an escape" : "not UTF-8");
		buf_put(out, s->p, n);
		s->p += n;
	}
	s->p++;
	buf_cstr(out);
	return 0;
}

int path_integer(struct parser *s, int64_t *out)
{
	const char *start = s->p;
	bool negative = path_take(s, "-");
	int64_t v = 0;
	if (!path_digit(path_peek(s)))
		return path_fail(s, start, "expected an integer");
	if (path_peek(s) == '0' && (negative || (s->p + 1 < s->end && path_digit(s->p[1]))))
		return path_fail(s, start, "an integer has no leading zero, and is not -0");
	for (; path_digit(path_peek(s)); s->p++) {
		v = v * 10 + (*s->p - '0');
		if (v > INT_MAX_EXACT)
			return path_fail(s, start, "an integer beyond 2^53 - 1");
	}
	*out = negative ? -v : v;
	return 0;
}

bool path_name_char(const struct parser *s, bool first, size_t *n)
{
	if (s->p >= s->end)
		return false;
	unsigned char c = (unsigned char)*s->p;
	*n = 1;
	if (c >= 0x80)
		*n = str_utf8(s->p, (size_t)(s->end - s->p));
	return c >= 0x80 ? *n > 0 : path_lower((char)c) || (c >= 'A' && c <= 'Z') || c == '_' || (!first && path_digit((char)c));
}
