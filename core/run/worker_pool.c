/* SPDX-License-Identifier: Apache-2.0 */
/* worker_pool.c - the memory of probes, theirs and their drivers': used again, never given back while the worker runs. */
#include "run/worker_state.h"

#include <string.h>

#include "base/mem.h"

#define SLAB_FIRST 64

struct probed_probe *probe_get(struct worker *w)
{
	struct probed_probe *p = TAILQ_FIRST(&w->spare);
	if (!p) {
		uint32_t k = atomic_load(&w->n_slabs);
		if (k == SLABS)
			panic("more probes than slots");
		struct slab *s = &w->slabs[k];
		s->n = (size_t)SLAB_FIRST << k;
		s->first = xcalloc(s->n, sizeof *s->first);
		for (size_t i = 0; i < s->n; i++) {
			pthread_mutex_init(&s->first[i].lock, NULL);
			TAILQ_INSERT_TAIL(&w->spare, &s->first[i], entry);
		}
		atomic_store(&w->n_slabs, k + 1);
		p = TAILQ_FIRST(&w->spare);
	}
	TAILQ_REMOVE(&w->spare, p, entry);
	return p;
}

bool probe_known(const struct worker *w, const struct probed_probe *p)
{
	uint32_t n = atomic_load(&w->n_slabs);
	for (uint32_t k = 0; k < n; k++) {
		uintptr_t at = (uintptr_t)p - (uintptr_t)w->slabs[k].first;
		if (at < w->slabs[k].n * sizeof *p)
			return at % sizeof *p == 0;
	}
	return false;
}

void *probe_mem_get(struct drv *d)
{
	size_t size = d->impl->probe_size;
	if (!size)
		return NULL;
	void *mem = d->spare_mem;
	if (!mem)
		return xcalloc(1, size > sizeof(void *) ? size : sizeof(void *));
	memcpy(&d->spare_mem, mem, sizeof(void *));
	return memset(mem, 0, size);
}

void probe_mem_put(struct drv *d, void *mem)
{
	if (!mem)
		return;
	memcpy(mem, &d->spare_mem, sizeof(void *));
	d->spare_mem = mem;
}

void pool_free(struct worker *w)
{
	for (uint32_t i = 0; i < w->n_drivers; i++)
		for (void *mem; (mem = w->drivers[i].spare_mem);) {
			memcpy(&w->drivers[i].spare_mem, mem, sizeof(void *));
			free(mem);
		}
	for (uint32_t k = 0; k < w->n_slabs; k++) {
		for (size_t i = 0; i < w->slabs[k].n; i++)
			pthread_mutex_destroy(&w->slabs[k].first[i].lock);
		free(w->slabs[k].first);
	}
}
