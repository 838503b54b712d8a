/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - see text.h */
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_US 1000

/* --- bytes ------------------------------------------------------------------------------------- */

static char *reserve(struct text *t, size_t n)
{
	if (t->failed)
		return NULL;
	if (t->cap - t->len < n) {
		size_t cap = t->cap ? t->cap : 4096;
		while (cap - t->len < n)
			cap *= 2;
		char *data = realloc(t->data, cap);
		if (!data) {
			t->failed = 1;
			return NULL;
		}
		t->data = data;
		t->cap = cap;
	}
	return t->data + t->len;
}

void text_put(struct text *t, const char *s, size_t n)
{
	char *to = reserve(t, n);
	if (to && n) {
		memcpy(to, s, n);
		t->len += n;
	}
}

void text_puts(struct text *t, const char *s)
{
	text_put(t, s, strlen(s));
}

void text_putc(struct text *t, char c)
{
	text_put(t, &c, 1);
}

size_t text_utf8(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len = s[0] < 0x80                    ? 1
		     : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
		     : (s[0] & 0xf0) == 0xe0        ? 3
		     : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
						    : 0;
	if (!len || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

int text_is_clean(const char *s, size_t n)
{
	size_t len;
	for (size_t i = 0; i < n; i += len) {
		len = s[i] ? text_utf8(s + i, n - i) : 0;
		if (!len)
			return 0;
	}
	return 1;
}

void text_clean(struct text *t, const char *s, size_t n)
{
	size_t done = 0, len;
	for (size_t i = 0; i < n; i += len ? len : 1) {
		len = s[i] ? text_utf8(s + i, n - i) : 0;
		if (len)
			continue;
		text_put(t, s + done, i - done);
		text_put(t, "\xef\xbf\xbd", 3);
		done = i + 1;
	}
	text_put(t, s + done, n - done);
}

static size_t plain_run(const unsigned char *s, size_t n)
{
	size_t i = 0;
	while (i < n && s[i] >= 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\')
		i++;
	return i;
}

/* One character that a JSON string can't hold as it is; returns the bytes of it that were used. */
static size_t put_special(struct text *t, const unsigned char *s, size_t n)
{
	static const char letters[] = "btn\0fr"; /* 0x08 ... 0x0d */
	if (s[0] == '"' || s[0] == '\\') {
		text_putc(t, '\\');
		text_putc(t, (char)s[0]);
	} else if (s[0] >= 0x08 && s[0] <= 0x0d && s[0] != 0x0b) {
		text_putc(t, '\\');
		text_putc(t, letters[s[0] - 0x08]);
	} else if (s[0] < 0x20 || s[0] == 0x7f) {
		char code[8];
		snprintf(code, sizeof code, "\\u%04x", s[0]);
		text_puts(t, code);
	} else {
		size_t len = text_utf8((const char *)s, n);
		text_put(t, len ? (const char *)s : "\xef\xbf\xbd", len ? len : 3);
		return len ? len : 1;
	}
	return 1;
}

void text_json(struct text *t, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	text_putc(t, '"');
	for (size_t i = 0; i < n;) {
		size_t run = plain_run(s + i, n - i);
		text_put(t, text + i, run);
		i += run;
		if (i < n)
			i += put_special(t, s + i, n - i);
	}
	text_putc(t, '"');
}

void text_json_or_null(struct text *t, const char *s)
{
	if (s)
		text_json(t, s, strlen(s));
	else
		text_puts(t, "null");
}

/* --- numbers ----------------------------------------------------------------------------------- */

/* Decimal digits of v before `end`, at least `width` of them; returns the first. */
static char *digits(char *end, uint64_t v, int width)
{
	do {
		*--end = (char)('0' + v % 10);
		v /= 10;
		width--;
	} while (v || width > 0);
	return end;
}

void text_int(struct text *t, int64_t v)
{
	char text[24], *end = text + sizeof text, *at = digits(end, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 1);
	if (v < 0)
		*--at = '-';
	text_put(t, at, (size_t)(end - at));
}

void text_uint(struct text *t, uint64_t v)
{
	char text[24], *end = text + sizeof text, *at = digits(end, v, 1);
	text_put(t, at, (size_t)(end - at));
}

/* whole.fraction, the fraction being `width` wide, without trailing zeros. */
static void put_decimal(struct text *t, int negative, uint64_t whole, uint64_t fraction, int width)
{
	char text[48], *end = text + sizeof text, *at = end;
	if (fraction) {
		for (; fraction % 10 == 0; width--)
			fraction /= 10;
		at = digits(at, fraction, width);
		*--at = '.';
	}
	at = digits(at, whole, 1);
	if (negative)
		*--at = '-';
	text_put(t, at, (size_t)(end - at));
}

void text_seconds(struct text *t, int64_t ns)
{
	uint64_t abs = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	put_decimal(t, ns < 0, abs / NS_PER_S, abs % NS_PER_S, 9);
}

void text_ms(struct text *t, int64_t ns)
{
	uint64_t us = ((ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns) + NS_PER_US / 2) / NS_PER_US;
	put_decimal(t, ns < 0 && us, us / 1000, us % 1000, 3);
}

void text_float(struct text *t, double v)
{
	char number[40];
	if (v > -1e15 && v < 1e15 && v == (double)(int64_t)v && !(v == 0 && signbit(v))) {
		text_int(t, (int64_t)v);
		return;
	}
	for (int precision = 15; precision <= 17; precision++) {
		snprintf(number, sizeof number, "%.*g", precision, v);
		if (strtod(number, NULL) == v)
			break;
	}
	text_puts(t, number);
}

/* The second's text, kept for the next one of the same second. NULL where there is no such time. */
static const char *second_text(struct text *t, int64_t second)
{
	time_t when = (time_t)second;
	struct tm tm;
	if (second == t->second && *t->second_text)
		return t->second_text;
	if (!gmtime_r(&when, &tm) || !strftime(t->second_text, sizeof t->second_text, "%Y-%m-%dT%H:%M:%S", &tm)) {
		*t->second_text = '\0';
		return NULL;
	}
	t->second = second;
	return t->second_text;
}

int text_time(struct text *t, int64_t wall_ns, int always_ms)
{
	int64_t second = wall_ns / NS_PER_S, rest = wall_ns % NS_PER_S;
	if (rest < 0) {
		rest += NS_PER_S;
		second--;
	}
	const char *text = second_text(t, second);
	if (!text)
		return -1;
	text_puts(t, text);
	if (always_ms || rest) {
		char fraction[8], *end = fraction + sizeof fraction, *at = digits(end, (uint64_t)rest / 1000000, 3);
		*--at = '.';
		text_put(t, at, (size_t)(end - at));
	}
	text_putc(t, 'Z');
	return 0;
}

/* --- the buffer -------------------------------------------------------------------------------- */

void text_consume(struct text *t, size_t n)
{
	t->len -= n;
	if (t->len && n)
		memmove(t->data, t->data + n, t->len);
}

void text_free(struct text *t)
{
	free(t->data);
	*t = (struct text){ 0 };
}
