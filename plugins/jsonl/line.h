/* SPDX-License-Identifier: Apache-2.0 */
/* line.h - a record as one line of JSON, in a growing buffer. Written by hand, since a line must cost about a
 * microsecond and no allocation. One thread. */
#ifndef JSONL_LINE_H
#define JSONL_LINE_H

#include <probed/sink.h>

#include <stddef.h>
#include <stdint.h>

struct lines {
	char *data;
	size_t len, cap;
	int failed; /* out of memory: what was being added is not whole */
	int64_t second;       /* whose text is kept, since most lines share it */
	char second_text[32];
};

/* Adds the record's line with its newline. 0, or -1 when out of memory: nothing was added. */
int lines_add(struct lines *l, const struct probed_record *record);
/* Drops the first n bytes. */
void lines_consume(struct lines *l, size_t n);
void lines_free(struct lines *l);

#endif
