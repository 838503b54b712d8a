/* SPDX-License-Identifier: Apache-2.0 */
/* split.h - where the records of a file begin and end, for each format. For core/data. One thread. */
#ifndef DATA_SPLIT_H
#define DATA_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "data/window.h"

#define RECORD_MAX ((size_t)1 << 20)

enum data_format { DATA_CSV, DATA_JSON, DATA_JSONL };

/* A place between two records. */
struct spot {
	uint64_t at;
	uint64_t line; /* from 1 */
};

struct record {
	const char *text; /* in the window */
	size_t len;
	uint64_t line;     /* where it begins */
	const char *fault; /* why it is none, NULL: it is well formed as far as is known here */
};

/* The first spot, behind a byte order mark and the opening of an array. 0, or -1 with *fault. */
int split_begin(enum data_format format, struct window *w, struct spot *spot, const char **fault);

/* The record at the spot, which moves behind it. 1; 0: there are no more; -1: a fault that nothing can be read behind,
 * in r->fault at r->line, NULL where the file can't be read (w->error). */
int split_next(enum data_format format, struct window *w, struct spot *spot, struct record *r);

#endif
