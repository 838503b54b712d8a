/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite.c - see sqlite.h */
#include "sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define STEPS_MAX 20000 /* of 10,000 instructions: a file can hold a view without end */

static int on_progress(void *ctx)
{
	(void)ctx;
	static int steps;
	return ++steps > STEPS_MAX;
}

bool sqlite_is(const char *path)
{
	char head[16] = "";
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	return f && fread(head, 1, sizeof head, f) == sizeof head && !memcmp(head, "SQLite format 3", 16);
}

sqlite3 *sqlite_open(struct draft *d, const char *path)
{
	CLEANUP_FREE char *encoded = NULL;
	CLEANUP_FREE char *uri = NULL;
	sqlite3 *db = NULL;
	if (access(path, R_OK)) {
		draft_fail(d, "can't read %s: %s", path, strerror(errno));
		return NULL;
	}
	if (!sqlite_is(path)) {
		draft_fail(d, "%s is no SQLite database: expected Chrome's History or Firefox's places.sqlite", path);
		return NULL;
	}
	encoded = link_encode(path, strlen(path));
	/* immutable: no lock is taken, so the browser may run meanwhile */
	uri = xasprintf("file:%s?mode=ro&immutable=1", encoded);
	if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_PRIVATECACHE, NULL)) {
		draft_fail(d, "can't open %s: %s", path, db ? sqlite3_errmsg(db) : "no memory");
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_progress_handler(db, 10000, on_progress, NULL);
	return db;
}

bool sqlite_has_table(sqlite3 *db, const char *name)
{
	sqlite3_stmt *s = NULL;
	bool found = false;
	if (!sqlite3_prepare_v2(db, "SELECT 1 FROM sqlite_master WHERE type='table' AND name=?1", -1, &s, NULL)) {
		sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
		found = sqlite3_step(s) == SQLITE_ROW;
	}
	sqlite3_finalize(s);
	return found;
}

sqlite3_stmt *sqlite_prepare(struct draft *d, sqlite3 *db, const char *path, const char *sql)
{
	sqlite3_stmt *s = NULL;
	if (!sqlite3_prepare_v2(db, sql, -1, &s, NULL))
		return s;
	draft_fail(d, "%s can't be read: %s", path, sqlite3_errmsg(db));
	return NULL;
}
