/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - memory of a model: given piece by piece, freed as a whole. */
#include "config/build.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK 65536

struct chunk {
	struct chunk *next;
	_Alignas(16) char data[];
};

struct model_arena {
	struct chunk *chunks;
	char *at;
	size_t left, bytes;
};

struct model_arena *arena_new(void)
{
	return xnew(struct model_arena);
}

void arena_free(struct model_arena *a)
{
	while (a && a->chunks) {
		struct chunk *c = a->chunks;
		a->chunks = c->next;
		free(c);
	}
	free(a);
}

static void *take(struct model_arena *a, size_t size, size_t align)
{
	size_t pad = (size_t)(-(uintptr_t)a->at & (align - 1));
	if (a->left < size + pad || !a->at) {
		size_t n = size > CHUNK / 4 ? size : CHUNK;
		struct chunk *c = xmalloc(sizeof *c + n);
		c->next = a->chunks;
		a->chunks = c;
		a->bytes += sizeof *c + n;
		if (n == size)
			return c->data;
		a->at = c->data;
		a->left = n;
		pad = 0;
	}
	void *p = a->at + pad;
	a->at += size + pad;
	a->left -= size + pad;
	return p;
}

void *arena_alloc(struct model_arena *a, size_t size)
{
	return memset(take(a, size ? size : 1, 8), 0, size);
}

char *arena_str(struct model_arena *a, const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(take(a, n, 1), s, n);
}

size_t arena_bytes(const struct model_arena *a)
{
	return a->bytes;
}
