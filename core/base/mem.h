/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h - allocation that does not fail, scope cleanup, and magic numbers. For every part of the core.
 *
 * Running out of memory ends the process: a child is restarted by the core, and the core by its supervisor.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull, warn_unused_result));
/* p grown to hold n elements of `size` bytes; checks the product. */
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull, warn_unused_result));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull, warn_unused_result));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull, warn_unused_result));
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull, warn_unused_result));

#define xnew(type) ((type *)xcalloc(1, sizeof(type)))

/* Room for one more in a growing array of `n` elements with capacity `cap`. */
#define xgrow(array, n, cap)                                                     \
	do {                                                                     \
		if ((n) >= (cap)) {                                              \
			(cap) = (cap) ? (cap) * 2 : 8;                           \
			(array) = xreallocarray((array), (cap), sizeof(*(array))); \
		}                                                                \
	} while (0)

void cleanup_free(void *pp);
void cleanup_close(const int *fd);
void cleanup_fclose(FILE **f);
#define CLEANUP_FREE __attribute__((cleanup(cleanup_free)))
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_close)))
#define CLEANUP_FCLOSE __attribute__((cleanup(cleanup_fclose)))

/* Ends the process with a line that says where: for faults of our own, never for the world's. */
_Noreturn void panic_at(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)

/* Long-lived structs begin with `unsigned magic`, checked wherever a void pointer comes back. */
#define CHECK_MAGIC(p, m)                                                                \
	do {                                                                             \
		if (!(p) || (p)->magic != (m))                                           \
			panic("%s: not a valid %s", __func__, #m);                       \
	} while (0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
