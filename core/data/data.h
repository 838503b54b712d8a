/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data.h - the rows of a data file for the virtual users of a plan: `data = users.csv`, sequential, random or unique.
 * Of a file of any size some pieces and a sparse index are in memory. One thread; reads block as those of files do.
 *
 * A malformed row is skipped, counted, and told: the first few by data_problem().
 */
#ifndef DATA_DATA_H
#define DATA_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum data_order {
	DATA_SEQUENTIAL,
	DATA_RANDOM, /* each row as likely, with replacement: it never ends */
	DATA_UNIQUE  /* as sequential, each row at most once ever */
};

struct data;

struct data_row {
	uint64_t number;           /* of the row in the file, from 0 */
	uint64_t line;             /* where it begins */
	size_t n;                  /* as many as there are columns */
	const char *const *values; /* NUL-terminated; NULL: this row has none */
	const size_t *lens;
};

/* The format is the file's suffix: .csv, .json (an array of objects), .jsonl or .ndjson. NULL with "users.csv:1: ..."
 * in `error`, also where there is no row at all. DATA_RANDOM reads the file once to its end (a second for each GiB or
 * so): open on a thread that may take its time. */
struct data *data_open(const char *path, enum data_order order, bool repeat, uint64_t seed, char *error, size_t size);
void data_close(struct data *d);

/* "user", and "row.user" as a template's variable is named. */
const char *const *data_columns(const struct data *d, size_t *n);
const char *const *data_variables(const struct data *d, size_t *n);

/* 1 and the next row, good until the next call; 0: there are no more; -1: it can't go on, and data_error() says why. */
int data_next(struct data *d, struct data_row *row);
/* The row for index i of a plan, the same on every machine: row i mod n of the file (unique: row i, if there is one),
 * or the one that the seed picks for i. A malformed row stands for the one behind it. The first call reads the file to
 * its end. */
int data_at(struct data *d, uint64_t i, struct data_row *row);
/* How many rows the file has, malformed ones too; -1 as above. */
int data_count(struct data *d, uint64_t *n);

const char *data_error(const struct data *d);
/* "users.csv:17: 2 values: expected 3, as in the first row": the next of the first few that were not told yet, or NULL.
 */
const char *data_problem(struct data *d);
uint64_t data_skipped(const struct data *d);

#endif
