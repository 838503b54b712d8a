/* SPDX-License-Identifier: Apache-2.0 */
/* window.c - see window.h */
#include "data/window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define CHUNK ((size_t)256 << 10)
#define SMALL ((size_t)4 << 20) /* a file that is kept whole */

int window_open(struct window *w, const char *path)
{
	struct stat st;
	*w = (struct window){ .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
	if (w->fd < 0)
		return -1;
	int why = fstat(w->fd, &st) ? errno : S_ISDIR(st.st_mode) ? EISDIR : S_ISREG(st.st_mode) ? 0 : ESPIPE;
	if (why) {
		close(w->fd);
		w->fd = -1;
		errno = why;
		return -1;
	}
	w->size = (uint64_t)st.st_size;
	w->chunk = w->size <= SMALL ? SMALL : CHUNK;
	return 0;
}

void window_scattered(struct window *w)
{
	if (w->size > SMALL)
		w->chunk = CHUNK / 16;
}

void window_close(struct window *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->data);
	*w = (struct window){ .fd = -1 };
}

/* Reads n bytes from `at`; fewer only with an error. */
static size_t fill(struct window *w, uint64_t at, size_t n)
{
	size_t have = 0;
	while (have < n) {
		ssize_t k = pread(w->fd, w->data + have, n - have, (off_t)(at + have));
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			w->error = k ? errno : ENODATA;
			break;
		}
		have += (size_t)k;
	}
	return have;
}

const char *window_at(struct window *w, uint64_t at, size_t want, size_t *got)
{
	*got = 0;
	if (at >= w->size)
		return NULL;
	uint64_t left = w->size - at;
	if (want > left)
		want = (size_t)left;
	if (at < w->base || at + want > w->base + w->len) {
		size_t n = want > w->chunk ? want : w->chunk;
		if (n > left)
			n = (size_t)left;
		if (n > w->cap) {
			w->data = xrealloc(w->data, n);
			w->cap = n;
		}
		w->base = at;
		w->len = fill(w, at, n);
		if (w->len < want)
			return NULL;
	}
	*got = (size_t)(w->base + w->len - at);
	return w->data + (at - w->base);
}
