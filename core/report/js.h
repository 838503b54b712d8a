/* SPDX-License-Identifier: Apache-2.0 */
/* js.h - writes JSON, comma by comma, to a buffer. Any thread. */
#ifndef REPORT_JS_H
#define REPORT_JS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

void js_open(struct buf *b, char bracket); /* '{' or '[' */
void js_close(struct buf *b, char bracket);
void js_key(struct buf *b, const char *key);
void js_str(struct buf *b, const char *s); /* NULL: null */
void js_u64(struct buf *b, uint64_t v);
void js_i64(struct buf *b, int64_t v);
void js_num(struct buf *b, double v); /* what is not finite: null */
void js_bool(struct buf *b, bool v);

/* A member at once. */
void js_key_str(struct buf *b, const char *key, const char *s);
void js_key_u64(struct buf *b, const char *key, uint64_t v);
void js_key_i64(struct buf *b, const char *key, int64_t v);
void js_key_num(struct buf *b, const char *key, double v);

#endif
