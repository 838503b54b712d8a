/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c - see buf.h */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

void buf_grow(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 64;
	while (cap - b->len < n)
		cap *= 2;
	b->data = xrealloc(b->data, cap);
	b->cap = cap;
}

void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap, again;
	va_start(ap, format);
	va_copy(again, ap);
	size_t room = b->cap - b->len;
	int n = vsnprintf(b->data ? b->data + b->len : NULL, b->data ? room : 0, format, ap);
	va_end(ap);
	if (n > 0 && (size_t)n >= room) {
		buf_reserve(b, (size_t)n + 1);
		vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
	}
	va_end(again);
	if (n > 0)
		b->len += (size_t)n;
}

void buf_consume(struct buf *b, size_t n)
{
	b->len -= n;
	if (b->len)
		memmove(b->data, b->data + n, b->len);
}

char *buf_cstr(struct buf *b)
{
	*(char *)buf_reserve(b, 1) = '\0';
	return b->data;
}

void buf_bytes(struct buf *b, const void *data, size_t n)
{
	if (!data) {
		buf_u32(b, UINT32_MAX);
		return;
	}
	buf_u32(b, (uint32_t)n);
	buf_put(b, data, n);
	buf_u8(b, 0);
}

void buf_str(struct buf *b, const char *s)
{
	buf_bytes(b, s, s ? strlen(s) : 0);
}

static const uint8_t *take(struct cursor *c, size_t n)
{
	if (c->bad || cursor_left(c) < n) {
		c->bad = true;
		return NULL;
	}
	const uint8_t *p = c->p;
	c->p += n;
	return p;
}

const char *cursor_bytes(struct cursor *c, uint32_t *len)
{
	*len = 0;
	uint32_t n = cursor_u32(c);
	if (c->bad || n == UINT32_MAX)
		return NULL;
	const uint8_t *p = take(c, (size_t)n + 1);
	if (!p)
		return NULL;
	if (p[n] != 0) {
		c->bad = true;
		return NULL;
	}
	*len = n;
	return (const char *)p;
}

const char *cursor_str(struct cursor *c)
{
	uint32_t n;
	return cursor_bytes(c, &n);
}

uint32_t cursor_count(struct cursor *c, size_t min_size)
{
	uint32_t n = cursor_u32(c);
	if (!c->bad && (uint64_t)n * (min_size ? min_size : 1) > cursor_left(c)) {
		c->bad = true;
		n = 0;
	}
	return c->bad ? 0 : n;
}
