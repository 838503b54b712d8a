/* SPDX-License-Identifier: Apache-2.0 */
/* bookmarks.c - Chrome's Bookmarks (JSON), Firefox's places.sqlite, and the HTML that all browsers export. */
#include <string.h>

#include "base/mem.h"
#include "generate/html.h"
#include "generate/source.h"
#include "generate/sqlite.h"

#define FOLDERS_MAX 64

static const char firefox[] =
    "SELECT p.url, b.title FROM moz_bookmarks b JOIN moz_places p ON p.id = b.fk WHERE b.type = 1"
    " ORDER BY b.id LIMIT 1000000";

/* javascript: and place: are bookmarks too. */
static void add(struct draft *d, const char *url, const char *title)
{
	CLEANUP_LINK struct link link = { 0 };
	if (!url || !input_is_url(url) || link_parse(&link, url, NULL))
		return;
	CLEANUP_FREE char *whole = link_text(&link);
	if (draft_seen(d, whole))
		return;
	struct request *r = draft_add(d, &link, NULL);
	if (r && title && *title)
		request_note(r, "%.200s", title);
}

static void on_link(void *ctx, const char *href, const char *text)
{
	add(ctx, href, text);
}

static void walk(struct draft *d, json_t *node, int depth)
{
	size_t i;
	json_t *child;
	if (depth > FOLDERS_MAX)
		return;
	const char *type = json_string_value(json_object_get(node, "type"));
	if (type && !strcmp(type, "url"))
		add(d, json_string_value(json_object_get(node, "url")),
		    json_string_value(json_object_get(node, "name")));
	json_array_foreach(json_object_get(node, "children"), i, child)
		walk(d, child, depth + 1);
}

static int read_json(struct draft *d, const char *text, size_t n, const char *from)
{
	json_error_t error;
	json_t *doc = json_loadb(text, n, 0, &error);
	json_t *roots = json_object_get(doc, "roots"), *root;
	const char *name;
	if (!doc)
		draft_fail(d, "%s:%d: no JSON: %s", from, error.line, error.text);
	else if (!json_is_object(roots))
		draft_fail(d, "%s has no \"roots\": expected Chrome's Bookmarks", from);
	json_object_foreach(roots, name, root)
		walk(d, root, 0);
	json_decref(doc);
	return *d->error ? -1 : 0;
}

static int read_sqlite(struct draft *d, const char *from)
{
	sqlite3 *db = sqlite_open(d, from);
	if (!db)
		return -1;
	sqlite3_stmt *s = NULL;
	if (!sqlite_has_table(db, "moz_bookmarks"))
		draft_fail(d, "%s holds no bookmarks: expected Firefox's places.sqlite", from);
	else
		s = sqlite_prepare(d, db, from, firefox);
	int rc = SQLITE_DONE;
	while (s && (rc = sqlite3_step(s)) == SQLITE_ROW)
		add(d, (const char *)sqlite3_column_text(s, 0), (const char *)sqlite3_column_text(s, 1));
	if (rc != SQLITE_DONE)
		draft_warn(d, "%s can't be read to its end: %s", from, sqlite3_errmsg(db));
	sqlite3_finalize(s);
	sqlite3_close(db);
	return *d->error ? -1 : 0;
}

static int read_text(struct draft *d, const char *from)
{
	size_t n;
	struct html_page page = { .texts = true };
	CLEANUP_FREE char *text = input_read(d, from, SOURCE_MAX_BYTES, &n);
	if (!text)
		return -1;
	const char *first = text + strspn(text, "\xef\xbb\xbf \t\r\n");
	if (*first == '{')
		return read_json(d, text, n, from);
	if (*first != '<')
		return draft_fail(
		    d, "%s: expected Chrome's Bookmarks, Firefox's places.sqlite, or an exported bookmarks.html", from);
	int rc = html_links(&page, text, n, on_link, d) ? draft_fail(d, "%s can't be read as HTML", from) : 0;
	free(page.base);
	return rc;
}

int source_bookmarks(struct draft *d, const struct source_settings *set, const char *from)
{
	(void)set;
	int rc = strcmp(from, "-") != 0 && sqlite_is(from) ? read_sqlite(d, from) : read_text(d, from);
	if (!rc && !d->n && !d->elsewhere)
		rc = draft_fail(d, "%s: no bookmark of a web page in it", from);
	return rc;
}
