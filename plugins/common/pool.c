/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - see pool.h */
#include "pool.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

#define BLOCK_SIZE ((size_t)256 << 10)

struct pool_block {
	struct pool_block *next;
	size_t size;
	alignas(max_align_t) char data[];
};

static void no_memory(void)
{
	static const char text[] = "probed: out of memory\n";
	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		abort();
	abort();
}

static void add_block(struct pool *p, size_t size)
{
	if (size < BLOCK_SIZE)
		size = BLOCK_SIZE;
	struct pool_block *b = malloc(sizeof *b + size);
	if (!b)
		no_memory();
	b->next = p->blocks;
	b->size = size;
	p->blocks = b;
	p->at = 0;
}

void *pool_get(struct pool *p, size_t size)
{
	size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	if (!p->blocks || p->blocks->size - p->at < size)
		add_block(p, size);
	void *data = p->blocks->data + p->at;
	p->at += size;
	return memset(data, 0, size);
}

char *pool_string(struct pool *p, const char *s, size_t n)
{
	struct text t = { 0 };
	if (text_is_clean(s, n)) {
		char *same = pool_get(p, n + 1);
		return n ? memcpy(same, s, n) : same;
	}
	text_clean(&t, s, n);
	if (t.failed)
		no_memory();
	char *copy = pool_get(p, t.len + 1);
	if (t.len)
		memcpy(copy, t.data, t.len);
	text_free(&t);
	return copy;
}

void pool_reset(struct pool *p)
{
	struct pool_block *keep = p->blocks;
	for (struct pool_block *b = keep ? keep->next : NULL, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	if (keep)
		keep->next = NULL;
	p->at = 0;
}

void pool_free(struct pool *p)
{
	pool_reset(p);
	free(p->blocks);
	*p = (struct pool){ 0 };
}
