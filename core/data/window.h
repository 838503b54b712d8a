/* SPDX-License-Identifier: Apache-2.0 */
/* window.h - a piece of a file of any size in memory, which moves as it is asked to. For core/data. One thread. */
#ifndef DATA_WINDOW_H
#define DATA_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window {
	int fd;
	uint64_t size; /* of the file when it was opened */
	uint64_t base; /* where in it the bytes are from */
	char *data;
	size_t len, cap;
	size_t chunk; /* read at least at once */
	int error;    /* errno of a read; ENODATA where the file became shorter */
};

/* 0, or -1 with errno. */
int window_open(struct window *w, const char *path);
void window_close(struct window *w);
/* From here on it is asked for places all over the file: a read is small. */
void window_scattered(struct window *w);

/* The bytes from `at` on: at least `want` of them, or all to the end of the file. NULL and 0 at its end, or where it
 * can't be read, which `error` then says. Good until the next call. */
const char *window_at(struct window *w, uint64_t at, size_t want, size_t *got);

#endif
