/* SPDX-License-Identifier: Apache-2.0 */
/* errs.h - a list of configuration errors with their places, all reported at once. One thread. */
#ifndef BASE_ERRS_H
#define BASE_ERRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Where something was written. `file` is not owned. line 0: the file as a whole. */
struct place {
	const char *file;
	int line;
};

struct errs_entry {
	char *text; /* "probed.ini:14: [target home] intervall: unknown option (did you mean "interval"?)" */
	bool warning;
	uint64_t file; /* a hash of its name */
	size_t group;  /* files in the order of their first error */
	int line;
};

struct errs {
	struct errs_entry *list;
	size_t n, cap;
	size_t errors, warnings;
};

/* "FILE:LINE: [SECTION] KEY: message"; section and key may be NULL. At most 200 are kept; all are counted. */
void errs_add(struct errs *e, struct place at, const char *section, const char *key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void errs_warn(struct errs *e, struct place at, const char *section, const char *key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* In the order of their lines, file by file. */
void errs_sort(struct errs *e);
/* One line each, warnings marked, and a closing count where some were not kept. */
void errs_print(const struct errs *e, FILE *to);
void errs_free(struct errs *e);

#endif
