/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - files that a command writes when it has done its work, made sure of before it begins: nobody should learn
 * after an hour that the folder was not there. What they held stays until the first byte of the new content.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

struct output {
	const char *path; /* "-": standard output */
	FILE *to;         /* NULL: not open */
	bool made;        /* it was not there before */
};

/* 0, or -1 with errno. */
int output_open(struct output *o, const char *path);
/* Away with what it held; to be written from here on. */
FILE *output_begin(struct output *o);
/* 0: all has been written. -1 with errno. Closed in any case. */
int output_end(struct output *o);
/* Nothing is written: as it was before. Nothing where it is not open. */
void output_drop(struct output *o);
/* Can a file be put in place here? 0, or -1 with errno. */
int output_may_replace(const char *path);

#endif
