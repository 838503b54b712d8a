/* SPDX-License-Identifier: Apache-2.0 */
/*
 * columns.h - which fields of a record make a row: `heading=field|field`, separated by commas; the first field that has
 * a value is taken. One thread.
 */
#ifndef CSV_COLUMNS_H
#define CSV_COLUMNS_H

#include <probed/sink.h>

#include "../common/text.h"

enum columns_time { COLUMNS_RFC3339, COLUMNS_UNIX, COLUMNS_UNIX_MS };

struct columns;

/* NULL with a line in `error`, which begins with what is wrong. */
struct columns *columns_new(const char *spec, enum columns_time time, char *error, uint64_t error_size);
void columns_free(struct columns *c);

/* The heading, with its line end; lives as long as the columns. NULL: out of memory. */
const char *columns_header(struct columns *c);
/* The record's row with its line end; nothing for an event or a sub-result that no column is about. */
void columns_row(const struct columns *c, struct text *t, const struct probed_record *r);

#endif
