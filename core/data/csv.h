/* SPDX-License-Identifier: Apache-2.0 */
/* csv.h - comma-separated values as in RFC 4180: quotes, doubled quotes, line ends inside quotes, CRLF. Pure. */
#ifndef DATA_CSV_H
#define DATA_CSV_H

#include <stddef.h>

struct csv {
	char *p, *end; /* NUL-terminated text, changed in place */
	int next_line; /* from 1 */
	int line;      /* where the last record began */
	char **fields; /* of the last record; they point into the text */
	size_t n, cap;
};

void csv_begin(struct csv *c, char *text, size_t len);
/* 1: a record; 0: the end; -1: an error, said in `error`, at c->line. Empty lines are skipped. */
int csv_next(struct csv *c, char *error, size_t size);
void csv_end(struct csv *c);

#endif
