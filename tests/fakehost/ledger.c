/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.c - what a plugin holds: memory, descriptors, and the host's handles. */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
/* of <sanitizer/allocator_interface.h>, which gcc does not bring */
extern size_t __sanitizer_get_current_allocated_bytes(void);

int64_t memory_live_bytes(void)
{
	return (int64_t)__sanitizer_get_current_allocated_bytes();
}
#else
/* The test program's malloc stands before libc's, for plugins too: the live bytes are counted exactly, which
 * mallinfo2() can't, since chunks in the threads' caches count as used there. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static _Atomic int64_t live;

static void *count(void *p)
{
	if (p)
		live += (int64_t)malloc_usable_size(p);
	return p;
}

void *malloc(size_t n)
{
	return count(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
	return count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
	int64_t before = p ? (int64_t)malloc_usable_size(p) : 0;
	void *q = __libc_realloc(p, n);
	if (q || !n)
		live -= before;
	return count(q);
}

void *memalign(size_t align, size_t n)
{
	return count(__libc_memalign(align, n));
}

void *aligned_alloc(size_t align, size_t n)
{
	return count(__libc_memalign(align, n));
}

int posix_memalign(void **out, size_t align, size_t n)
{
	void *p = count(__libc_memalign(align, n));
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

void free(void *p)
{
	if (p)
		live -= (int64_t)malloc_usable_size(p);
	__libc_free(p);
}

int64_t memory_live_bytes(void)
{
	return live;
}
#endif

/* One byte a descriptor number: open or not. The folder's own descriptor is not counted. */
unsigned char *open_descriptors(size_t *n)
{
	unsigned char *open = NULL;
	*n = 0;
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return NULL;
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] == '.')
			continue;
		size_t fd = (size_t)atoi(e->d_name);
		if ((int)fd == dirfd(dir))
			continue;
		if (fd >= *n) {
			open = xrealloc(open, fd + 1);
			memset(open + *n, 0, fd + 1 - *n);
			*n = fd + 1;
		}
		open[fd] = 1;
	}
	closedir(dir);
	return open;
}

static size_t descriptors_held(const struct fakehost *fh, struct buf *names)
{
	size_t n, held = 0;
	unsigned char *open = open_descriptors(&n);
	for (size_t fd = 0; fd < n; fd++) {
		if (!open[fd] || (fd < fh->n_fds_before && fh->fds_before[fd]))
			continue;
		held++;
		char path[64], what[256];
		snprintf(path, sizeof path, "/proc/self/fd/%zu", fd);
		ssize_t len = readlink(path, what, sizeof what - 1);
		what[len > 0 ? len : 0] = '\0';
		if (names)
			buf_printf(names, "left open: descriptor %zu (%s)\n", fd, what);
	}
	free(open);
	return held;
}

struct fakehost_ledger fakehost_ledger(const struct fakehost *fh)
{
	struct fakehost_ledger l = { .descriptors = descriptors_held(fh, NULL), .bytes = fh->bytes };
	for (const struct handle *h = fh->handles; h; h = h->hh.next) {
		l.watches += h->live && h->kind == HANDLE_WATCH;
		l.timers += h->live && h->kind == HANDLE_TIMER;
		l.lookups += h->live && h->kind == HANDLE_LOOKUP;
	}
	return l;
}

void fakehost_check_same(struct fakehost *fh, const struct fakehost_ledger *before, int64_t slack)
{
	struct fakehost_ledger now = fakehost_ledger(fh);
	if (now.watches > before->watches || now.timers > before->timers || now.lookups > before->lookups ||
	    now.descriptors > before->descriptors || now.bytes > before->bytes + slack)
		fail_msg("the plugin holds more than before: watches %zu (%zu before), timers %zu (%zu), lookups %zu (%zu), "
		         "descriptors %zu (%zu), bytes %lld (%lld)",
		         now.watches, before->watches, now.timers, before->timers, now.lookups, before->lookups,
		         now.descriptors, before->descriptors, (long long)now.bytes, (long long)before->bytes);
}

static void free_states(struct fakehost *fh)
{
	while (fh->sessions)
		fakehost_session_free(fh->sessions);
	while (fh->targets)
		fakehost_target_free(fh->targets);
	while (fh->workers) {
		struct worker *w = fh->workers;
		fh->workers = w->next;
		if (w->made && w->driver->worker_free)
			SLOT(fh, w->driver->worker_free(w->state));
		free(w);
	}
}

const char *fakehost_settle(struct fakehost *fh)
{
	if (fh->settled)
		return fakehost_take_breaches(fh);
	fh->settled = true;
	for (struct fakehost_probe *p = fh->probes; p; p = p->next)
		if (!fakehost_done(p)) {
			fakehost_breach(fh, "a probe had not ended at the end of the test");
			fakehost_cancel(p);
		}
	free_states(fh);
	for (struct handle *h = fh->handles; h; h = h->hh.next) {
		if (h->kind == HANDLE_PROBE)
			continue;
		if (h->kind == HANDLE_WATCH)
			fakehost_breach(fh, "left over: a watch of descriptor %d", ((struct watch *)h)->fd);
		else
			fakehost_breach(fh, "left over: a %s", h->kind == HANDLE_TIMER ? "timer" : "lookup");
	}
	descriptors_held(fh, &fh->breaches);
	return fakehost_take_breaches(fh);
}

void fakehost_check_clean(struct fakehost *fh)
{
	const char *broken = fakehost_settle(fh);
	if (broken)
		fail_msg("the driver broke the rules:\n%s", broken);
}

void free_graveyard(struct fakehost *fh)
{
	struct handle *h, *next;
	HASH_ITER(hh, fh->handles, h, next) {
		if (h->kind == HANDLE_WATCH)
			ev_io_stop(fh->ev, &((struct watch *)h)->io);
		handle_end(fh, h);
	}
	HASH_ITER(hh, fh->dead, h, next) {
		HASH_DEL(fh->dead, h);
		if (h->kind == HANDLE_LOOKUP)
			free(((struct lookup *)h)->name);
		if (h->kind != HANDLE_PROBE)
			free(h);
	}
}
