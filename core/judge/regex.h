/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex.h - a compiled regular expression (PCRE2 with JIT) whose work is bounded. Subjects are UTF-8 where they can
 * be, and any bytes where they can't. Immutable but for the groups of its last match: one thread at a time.
 */
#ifndef JUDGE_REGEX_H
#define JUDGE_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct regex;

enum {
	REGEX_ICASE = 1u << 0,
	REGEX_MULTILINE = 1u << 1, /* ^ and $ at each line */
	REGEX_DOTALL = 1u << 2,    /* . is a newline too */
	REGEX_ANCHORED = 1u << 3,  /* the whole subject */
	REGEX_END_ONLY = 1u << 4   /* $ is the very end, not before a last newline */
};

/* NULL with a line in `error` and the offset of the fault in *at (may be NULL). */
struct regex *regex_compile(const char *pattern, size_t len, uint32_t flags, char *error, size_t size, size_t *at);
void regex_free(struct regex *re);

/* 1: it matches; 0: it does not; -1: it took more work than is allowed. */
int regex_match(const struct regex *re, const char *s, size_t len);
/* Group n of the last match: false where it took no part. */
bool regex_group(const struct regex *re, unsigned n, size_t *from, size_t *to);

/* Every match replaced ("$1" is a group), appended to `out`. 0, or -1: too much work, or more than `max` bytes. */
int regex_replace(const struct regex *re, const char *s, size_t len, const char *with, size_t with_len, size_t max,
                  struct buf *out);
/* May `with` be used as a replacement? 0, or -1 with a line in `error`. */
int regex_check_replacement(const char *with, size_t len, char *error, size_t size);

#endif
