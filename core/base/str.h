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
/* Mixes b into a: for rendezvous hashing, and for random numbers by seed and index. */
static inline uint64_t str_mix(uint64_t a, uint64_t b)
{
	/* the finaliser of splitmix64 (Steele, Lea, Flood 2014) */
	uint64_t x = a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2));
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Length of the valid UTF-8 sequence (RFC 3629) that begins at s, of n > 0 bytes; 0: there is none. */
size_t str_utf8(const char *s, size_t n);

/* Appends as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void str_put_json(struct buf *b, const char *s, size_t n);

/* The candidate nearest to `word` by edit distance, NULL where none is near enough to be a slip of the hand. */
const char *str_nearest(const char *word, const char *const *candidates, size_t n);

#endif
