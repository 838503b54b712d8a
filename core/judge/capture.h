/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture.h - `query [filters]` of which the first value is kept as text, for the templates of later steps. Pure; a
 * capture is immutable once compiled, and runs on one thread at a time.
 */
#ifndef JUDGE_CAPTURE_H
#define JUDGE_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "judge/expect.h"

struct capture;

/* NULL with a line in `error` ("column 1: unknown query ..."). */
struct capture *capture_compile(const char *text, const struct driver_table *driver, char *error, size_t size);
void capture_free(struct capture *c);
/* What it wants of the body: PROBED_BODY_NONE, PROBED_BODY_HASH, or how many bytes at most. */
int64_t capture_body_want(const struct capture *c);
/* As expectation_fact(). */
bool capture_fact(const struct capture *c, uint32_t *index, const char **late);
/* 0 and the value in `out`, which it replaces, written as value_put() does; -1 and in `why` why there is none. */
int capture_run(const struct capture *c, const struct evidence *evidence, struct buf *out, char *why, size_t size);

#endif
