/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - a growing buffer of text, and numbers, times and strings put into it. Written by hand, since a record must
 * cost about a microsecond and no allocation. One thread.
 */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
	char *data;
	size_t len, cap;
	int failed;     /* out of memory: what was being added is not whole. The caller cuts back and resets it */
	int64_t second; /* whose text is kept, since most records share it */
	char second_text[32];
};

void text_put(struct text *t, const char *s, size_t n);
void text_puts(struct text *t, const char *s);
void text_putc(struct text *t, char c);

/* Is it UTF-8 throughout, without a NUL? */
int text_is_clean(const char *s, size_t n);
/* What is no UTF-8, and NUL, becomes U+FFFD. */
void text_clean(struct text *t, const char *s, size_t n);
/* A JSON string with its quotes; what is no UTF-8 becomes U+FFFD. */
void text_json(struct text *t, const char *s, size_t n);
/* The same of a C string, `null` for NULL. */
void text_json_or_null(struct text *t, const char *s);

void text_int(struct text *t, int64_t v);
void text_uint(struct text *t, uint64_t v);
/* Nanoseconds as seconds, exact; as milliseconds, to the microsecond. No trailing zeros. */
void text_seconds(struct text *t, int64_t ns);
void text_ms(struct text *t, int64_t ns);
/* The shortest text that reads back as the same number. Only finite ones. */
void text_float(struct text *t, double v);
/* RFC 3339 in UTC, without quotes; with milliseconds always, or only where there are some. 0, or -1 where there is no
 * such time: nothing was added. */
int text_time(struct text *t, int64_t wall_ns, int always_ms);

/* Length of the valid UTF-8 sequence at s (RFC 3629), 0 if there is none. n is at least 1. */
size_t text_utf8(const char *s, size_t n);

/* Drops the first n bytes. */
void text_consume(struct text *t, size_t n);
void text_free(struct text *t);

#endif
