/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - a growing byte buffer, and a bounded sticky-error cursor to read from one. For every part of the core.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	char *data;
	size_t len, cap;
};

void buf_free(struct buf *b);
/* Room for n more bytes after len; returns where they go. */
void *buf_reserve(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *data, size_t n);
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
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
void buf_f64(struct buf *b, double v);
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

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
int64_t cursor_i64(struct cursor *c);
double cursor_f64(struct cursor *c);
/* A string as buf_str() wrote it, pointing into the data; NULL if it was NULL or the data is bad. */
const char *cursor_str(struct cursor *c);
/* As cursor_str(), with its length; may hold NULs inside. */
const char *cursor_bytes(struct cursor *c, uint32_t *len);
/* A count of elements of at least min_size bytes each: bad where they cannot fit in what is left. */
uint32_t cursor_count(struct cursor *c, size_t min_size);

#endif
