/* SPDX-License-Identifier: Apache-2.0 */
/* history.c - what a browser visited most: its visits become weights. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "generate/source.h"
#include "generate/sqlite.h"

/* Microseconds from 1601, where Chrome's time begins, to 1970. */
#define CHROME_EPOCH_US 11644473600000000LL
#define WEIGHT_MAX 1000000
#define ROWS_MAX 1000000

static const char chrome[] =
    "SELECT url, visit_count FROM urls WHERE hidden = 0 AND visit_count > 0 AND last_visit_time >= ?1"
    " ORDER BY visit_count DESC, url LIMIT 1000000";
static const char firefox[] = "SELECT url, visit_count FROM moz_places WHERE hidden = 0 AND visit_count > 0"
			      " AND coalesce(last_visit_date, 0) >= ?1 ORDER BY visit_count DESC, url LIMIT 1000000";

struct tally {
	char *url;
	int64_t visits;
	struct link link;
	UT_hash_handle hh;
};

/* Pages that differ in what is behind # only are one. */
static void count(struct tally **all, const char *url, int64_t visits)
{
	struct link link;
	struct tally *t;
	if (!input_is_url(url) || link_parse(&link, url, NULL))
		return;
	char *whole = link_text(&link);
	HASH_FIND_STR(*all, whole, t);
	if (t) {
		free(whole);
		link_free(&link);
	} else {
		t = xnew(struct tally);
		t->url = whole;
		t->link = link;
		HASH_ADD_KEYPTR(hh, *all, t->url, strlen(t->url), t);
	}
	t->visits += visits < WEIGHT_MAX ? visits : WEIGHT_MAX;
}

static int by_visits(const struct tally *a, const struct tally *b)
{
	if (a->visits != b->visits)
		return a->visits < b->visits ? 1 : -1;
	return strcmp(a->url, b->url);
}

static void take(struct draft *d, struct tally *all)
{
	struct tally *t, *next;
	HASH_SORT(all, by_visits);
	HASH_ITER(hh, all, t, next) {
		struct request *r = draft_add(d, &t->link, NULL);
		if (r)
			r->weight = t->visits < WEIGHT_MAX ? t->visits : WEIGHT_MAX;
		HASH_DEL(all, t);
		link_free(&t->link);
		free(t->url);
		free(t);
	}
}

static int read_rows(struct draft *d, sqlite3 *db, const char *path, const char *sql, int64_t since_us)
{
	struct tally *all = NULL;
	sqlite3_stmt *s = sqlite_prepare(d, db, path, sql);
	int rc;
	if (!s)
		return -1;
	sqlite3_bind_int64(s, 1, since_us);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		const char *url = (const char *)sqlite3_column_text(s, 0);
		if (url)
			count(&all, url, sqlite3_column_int64(s, 1));
	}
	sqlite3_finalize(s);
	if (rc != SQLITE_DONE)
		draft_warn(d, "%s can't be read to its end: %s", path, sqlite3_errmsg(db));
	take(d, all);
	return d->n || d->elsewhere
		   ? 0
		   : draft_fail(d, "%s: no visits to web pages%s", path, since_us ? " within that time" : "");
}

int source_history(struct draft *d, const struct source_settings *set, const char *from)
{
	int64_t since_us = set->since_ns ? (clock_wall_ns() - set->since_ns) / 1000 : 0;
	sqlite3 *db = sqlite_open(d, from);
	int rc;
	if (!db)
		return -1;
	if (sqlite_has_table(db, "moz_places"))
		rc = read_rows(d, db, from, firefox, since_us);
	else if (sqlite_has_table(db, "urls"))
		rc = read_rows(d, db, from, chrome, since_us ? since_us + CHROME_EPOCH_US : 0);
	else
		rc = draft_fail(d, "%s holds no history: expected Chrome's History or Firefox's places.sqlite", from);
	sqlite3_close(db);
	d->beyond = 0; /* the most visited are all that was asked for */
	return rc;
}
