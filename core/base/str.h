/* SPDX-License-Identifier: Apache-2.0 */
/* str.h - small things about text: hashing, JSON escaping, the nearest known word. Any thread. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* 64-bit hash, the same on every machine and in every process; not for adversaries. */
uint64_t str_hash(const void *data, size_t n);
/* Mixes b into a (for rendezvous hashing). */
uint64_t str_mix(uint64_t a, uint64_t b);

/* Length of the valid UTF-8 sequence (RFC 3629) that begins at s, of n > 0 bytes; 0: there is none. */
size_t str_utf8(const char *s, size_t n);

/* Appends as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void str_put_json(struct buf *b, const char *s, size_t n);

/* The candidate nearest to `word` by edit distance, NULL where none is near enough to be a slip of the hand. */
const char *str_nearest(const char *word, const char *const *candidates, size_t n);

#endif
