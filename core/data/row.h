/* SPDX-License-Identifier: Apache-2.0 */
/* row.h - the columns of a data file, and the values of one record of it. For core/data. One thread. */
#ifndef DATA_ROW_H
#define DATA_ROW_H

#include <stddef.h>

#include "base/buf.h"
#include "data/csv.h"
#include "data/split.h"

#define COLUMNS_MAX 200

/* "user" and "row.user", by the index of the column */
struct columns {
	char **names, **variables;
	size_t n;
};

/* Values by the index of the column; NULL: this row has none. */
struct cells {
	const char **values;
	size_t *lens;
	struct buf text; /* that they stand in */
	size_t *starts;
	struct csv csv;
};

/* Out of the first record: the header of CSV, the keys of the first object. 0, or -1 with a line in `error`. */
int columns_read(enum data_format format, const struct record *r, struct columns *c, char *error, size_t size);
void columns_free(struct columns *c);

/* 0, or -1 with a line in `error`. */
int cells_read(enum data_format format, const struct record *r, const struct columns *c, struct cells *cells,
	       char *error, size_t size);
void cells_free(struct cells *cells);

#endif
