/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite.h - a browser's database, read as it lies there: nothing is written, locked or waited for. */
#ifndef GENERATE_SQLITE_H
#define GENERATE_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "generate/draft.h"

/* NULL with d->error. */
sqlite3 *sqlite_open(struct draft *d, const char *path);
bool sqlite_has_table(sqlite3 *db, const char *name);
/* NULL with d->error. */
sqlite3_stmt *sqlite_prepare(struct draft *d, sqlite3 *db, const char *path, const char *sql);
/* Is it such a file at all? */
bool sqlite_is(const char *path);

#endif
