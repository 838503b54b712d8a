/* SPDX-License-Identifier: Apache-2.0 */
/* js.c - see js.h */
#include "report/js.h"

#include <math.h>
#include <string.h>

#include "base/str.h"

/* A comma is due unless something has just been opened, or a key stands before. */
static void comma(struct buf *b)
{
	if (b->len && !strchr("{[:", b->data[b->len - 1]))
		buf_putc(b, ',');
}

void js_open(struct buf *b, char bracket)
{
	comma(b);
	buf_putc(b, bracket);
}

void js_close(struct buf *b, char bracket)
{
	buf_putc(b, bracket);
}

void js_key(struct buf *b, const char *key)
{
	comma(b);
	str_put_json(b, key, strlen(key));
	buf_putc(b, ':');
}

void js_str(struct buf *b, const char *s)
{
	comma(b);
	if (s)
		str_put_json(b, s, strlen(s));
	else
		buf_puts(b, "null");
}

void js_u64(struct buf *b, uint64_t v)
{
	comma(b);
	buf_printf(b, "%llu", (unsigned long long)v);
}

void js_i64(struct buf *b, int64_t v)
{
	comma(b);
	buf_printf(b, "%lld", (long long)v);
}

void js_num(struct buf *b, double v)
{
	comma(b);
	if (isfinite(v))
		buf_printf(b, "%.9g", v);
	else
		buf_puts(b, "null");
}

void js_bool(struct buf *b, bool v)
{
	comma(b);
	buf_puts(b, v ? "true" : "false");
}

void js_key_str(struct buf *b, const char *key, const char *s)
{
	js_key(b, key);
	js_str(b, s);
}

void js_key_u64(struct buf *b, const char *key, uint64_t v)
{
	js_key(b, key);
	js_u64(b, v);
}

void js_key_i64(struct buf *b, const char *key, int64_t v)
{
	js_key(b, key);
	js_i64(b, v);
}

void js_key_num(struct buf *b, const char *key, double v)
{
	js_key(b, key);
	js_num(b, v);
}
