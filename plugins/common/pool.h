/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - memory for what is built for one message, and forgotten as a whole. Zeroed is empty. One thread. */
#ifndef COMMON_POOL_H
#define COMMON_POOL_H

#include <stddef.h>

struct pool_block;

struct pool {
	struct pool_block *blocks;
	size_t at; /* in the first of them */
};

/* Zeroed, and good for any type. Without memory for it the process ends, as the daemon itself does. */
void *pool_get(struct pool *p, size_t size);
/* A copy. What is no UTF-8 becomes U+FFFD, as protobuf's strings ask for. */
char *pool_string(struct pool *p, const char *s, size_t n);
/* Keeps the memory for the next message. */
void pool_reset(struct pool *p);
void pool_free(struct pool *p);

#endif
