/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - a growing byte buffer, and a bounded sticky-error cursor to read from one. For every part of the core.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	char *data;
	size_t len, cap;
};

void buf_free(struct buf *b);
void buf_grow(struct buf *b, size_t n);
/* Room for n more bytes after len; returns where they go. */
static inline void *buf_reserve(struct buf *b, size_t n)
{
	if (n > b->cap - b->len || !b->data)
		buf_grow(b, n);
	return b->data + b->len;
}
static inline void buf_put(struct buf *b, const void *data, size_t n)
{
	if (!n)
		return;
	memcpy(buf_reserve(b, n), data, n);
	b->len += n;
}
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* NUL after the last byte (not counted in len); returns data. */
char *buf_cstr(struct buf *b);

static inline void buf_clear(struct buf *b)
{
	b->len = 0;
}

#define CLEANUP_BUF __attribute__((cleanup(buf_free)))

/* Little-endian integers and length-prefixed strings. A string is u32 length, bytes, NUL; UINT32_MAX length
 * and nothing more is NULL. */
static inline void buf_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, sizeof v);
}
static inline void buf_u16(struct buf *b, uint16_t v)
{
	v = htole16(v);
	buf_put(b, &v, sizeof v);
}
static inline void buf_u32(struct buf *b, uint32_t v)
{
	v = htole32(v);
	buf_put(b, &v, sizeof v);
}
static inline void buf_u64(struct buf *b, uint64_t v)
{
	v = htole64(v);
	buf_put(b, &v, sizeof v);
}
static inline void buf_i64(struct buf *b, int64_t v)
{
	buf_u64(b, (uint64_t)v);
}
static inline void buf_f64(struct buf *b, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	buf_u64(b, bits);
}
void buf_str(struct buf *b, const char *s);
void buf_bytes(struct buf *b, const void *data, size_t n);

/* A reader that trusts nobody: once something does not fit, `bad` stays set and every read yields zero. */
struct cursor {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct cursor cursor_over(const void *data, size_t n)
{
	return (struct cursor){ .p = data, .end = n ? (const uint8_t *)data + n : data };
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

static inline bool cursor_take(struct cursor *c, void *out, size_t n)
{
	if (c->bad || cursor_left(c) < n) {
		c->bad = true;
		return false;
	}
	memcpy(out, c->p, n);
	c->p += n;
	return true;
}
static inline uint8_t cursor_u8(struct cursor *c)
{
	uint8_t v;
	return cursor_take(c, &v, sizeof v) ? v : 0;
}
static inline uint16_t cursor_u16(struct cursor *c)
{
	uint16_t v;
	return cursor_take(c, &v, sizeof v) ? le16toh(v) : 0;
}
static inline uint32_t cursor_u32(struct cursor *c)
{
	uint32_t v;
	return cursor_take(c, &v, sizeof v) ? le32toh(v) : 0;
}
static inline uint64_t cursor_u64(struct cursor *c)
{
	uint64_t v;
	return cursor_take(c, &v, sizeof v) ? le64toh(v) : 0;
}
static inline int64_t cursor_i64(struct cursor *c)
{
	return (int64_t)cursor_u64(c);
}
static inline double cursor_f64(struct cursor *c)
{
	uint64_t bits = cursor_u64(c);
	double v;
	memcpy(&v, &bits, sizeof v);
	return v;
}
/* A string as buf_str() wrote it, pointing into the data; NULL if it was NULL or the data is bad. */
const char *cursor_str(struct cursor *c);
/* As cursor_str(), with its length; may hold NULs inside. */
const char *cursor_bytes(struct cursor *c, uint32_t *len);
/* A count of elements of at least min_size bytes each: bad where they cannot fit in what is left. */
uint32_t cursor_count(struct cursor *c, size_t min_size);

#endif
