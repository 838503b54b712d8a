/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sitemap.c - the pages of a sitemap: XML, an index of others, or plain text, gzipped or not.
 */
#include <libxml/xmlreader.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "generate/fetch.h"
#include "generate/source.h"

#define SITEMAP_MAX (50u << 20) /* as sitemaps.org has it */
#define CHILDREN_MAX 500
#define DEPTH_MAX 3

struct reading {
	struct draft *d;
	const struct source_settings *set;
	struct fetcher *fetcher;
	char *first; /* the URL whose host is stayed on, NULL: none yet */
	char **children;
	size_t n, cap, done;
	size_t elsewhere, pages;
	int64_t next_ns;
};

static char *gunzip(struct draft *d, const char *from, const char *data, size_t n, size_t *len)
{
	struct buf out = { 0 };
	z_stream z = { .next_in = (unsigned char *)data, .avail_in = (unsigned)n };
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		panic("zlib can't be used");
	int rc = Z_OK;
	while (rc == Z_OK && out.len <= SITEMAP_MAX) {
		z.next_out = buf_reserve(&out, 65536);
		z.avail_out = 65536;
		rc = inflate(&z, Z_NO_FLUSH);
		out.len += 65536 - z.avail_out;
	}
	inflateEnd(&z);
	if (rc != Z_STREAM_END) {
		draft_fail(d,
			   rc == Z_OK ? "%.200s: longer than 50 MiB once unpacked"
				      : "%.200s: its gzip data is damaged or cut off",
			   from);
		buf_free(&out);
		return NULL;
	}
	*len = out.len;
	return buf_cstr(&out);
}

static void add_page(struct reading *r, const char *text, const char *from)
{
	CLEANUP_LINK struct link link = { 0 };
	r->pages++;
	if (link_parse(&link, text, NULL)) {
		draft_warn(r->d, "%.100s: no http URL: \"%.100s\"", from, text);
		return;
	}
	CLEANUP_FREE char *whole = link_text(&link);
	if (!draft_seen(r->d, whole))
		draft_add(r->d, &link, NULL);
}

static void add_child(struct reading *r, const char *text)
{
	CLEANUP_LINK struct link link = { 0 }, first = { 0 };
	if (link_parse(&link, text, r->first)) {
		draft_warn(r->d, "the index names no http URL: \"%.100s\"", text);
		return;
	}
	CLEANUP_FREE char *whole = link_text(&link);
	if (!r->first)
		r->first = xstrdup(whole);
	bool same = !link_parse(&first, r->first, NULL) && link_same_host(&first, &link);
	if (!same && !r->set->any_host)
		r->elsewhere++;
	else if (r->n < CHILDREN_MAX && !draft_seen(r->d, whole)) {
		xgrow(r->children, r->n, r->cap);
		r->children[r->n++] = xstrdup(whole);
	}
}

static char *trimmed(const char *s)
{
	s += strspn(s, " \t\r\n");
	size_t n = strlen(s);
	while (n && strchr(" \t\r\n", s[n - 1]))
		n--;
	return xstrndup(s, n);
}

/* <urlset><url><loc> and <sitemapindex><sitemap><loc>; <loc> of other namespaces (images) lies deeper. */
static int read_xml(struct reading *r, const char *text, size_t n, const char *from)
{
	xmlTextReaderPtr x =
	    n > INT_MAX
		? NULL
		: xmlReaderForMemory(text, (int)n, NULL, NULL,
				     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
	char parent[32] = "", root[32] = "";
	int rc = x ? xmlTextReaderRead(x) : -1;
	for (; rc == 1; rc = xmlTextReaderRead(x)) {
		if (xmlTextReaderNodeType(x) != XML_READER_TYPE_ELEMENT)
			continue;
		const char *name = (const char *)xmlTextReaderConstLocalName(x);
		int depth = xmlTextReaderDepth(x);
		if (depth < 2)
			snprintf(depth ? parent : root, sizeof root, "%.30s", name);
		if (depth != 2 || strcmp(name, "loc") != 0)
			continue;
		xmlChar *content = xmlTextReaderReadString(x);
		CLEANUP_FREE char *loc = trimmed(content ? (const char *)content : "");
		xmlFree(content);
		if (!strcmp(root, "urlset") && !strcmp(parent, "url"))
			add_page(r, loc, from);
		else if (!strcmp(root, "sitemapindex") && !strcmp(parent, "sitemap"))
			add_child(r, loc);
	}
	xmlFreeTextReader(x);
	if (rc)
		return draft_fail(r->d, "%.200s: not well-formed XML", from);
	if (strcmp(root, "urlset") != 0 && strcmp(root, "sitemapindex") != 0)
		return draft_fail(r->d, "%.200s: <%s>: expected <urlset> or <sitemapindex>", from, root);
	return 0;
}

static int read_text(struct reading *r, char *text, const char *from)
{
	char *save = NULL;
	for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		CLEANUP_FREE char *url = trimmed(line);
		if (*url && !input_is_url(url))
			return draft_fail(r->d, "%.200s: no sitemap: expected XML, or a URL a line", from);
		if (*url)
			add_page(r, url, from);
	}
	return 0;
}

static int read_document(struct reading *r, const char *data, size_t n, const char *from)
{
	CLEANUP_FREE char *unpacked = NULL;
	if (n > 2 && !memcmp(data, "\x1f\x8b", 2)) {
		unpacked = gunzip(r->d, from, data, n, &n);
		if (!unpacked)
			return -1;
		data = unpacked;
	}
	size_t skip = n >= 3 && !memcmp(data, "\xef\xbb\xbf", 3) ? 3 : 0;
	skip += strspn(data + skip, " \t\r\n");
	if (data[skip] == '<')
		return read_xml(r, data + skip, n - skip, from);
	CLEANUP_FREE char *copy = xstrndup(data + skip, n - skip);
	return read_text(r, copy, from);
}

static void wait_turn(struct reading *r)
{
	int64_t now = clock_now_ns();
	if (r->next_ns > now) {
		struct timespec at = { .tv_sec = r->next_ns / NS_PER_S, .tv_nsec = r->next_ns % NS_PER_S };
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
			;
	}
	r->next_ns = (r->next_ns > now ? r->next_ns : now) + (int64_t)(NS_PER_S / r->set->rate);
}

static int read_url(struct reading *r, const char *from)
{
	CLEANUP_ANSWER struct answer a = { 0 };
	CLEANUP_FREE char *url = xstrdup(from);
	wait_turn(r);
	if (fetch_follow(r->fetcher, &url, SITEMAP_MAX, r->set->any_host, &a))
		return draft_fail(r->d, "%.200s: %s", from, a.error);
	if (a.status != 200)
		return draft_fail(r->d, "%.200s: status %ld, expected 200", from, a.status);
	if (a.cut)
		return draft_fail(r->d, "%.200s: longer than 50 MiB", from);
	return read_document(r, a.body.data, a.body.len, from);
}

/* Sitemaps that an index named. One that can't be read is told, and the others are. */
static void read_children(struct reading *r)
{
	for (int depth = 0; depth < DEPTH_MAX && r->done < r->n; depth++) {
		size_t end = r->n;
		while (r->done < end && !r->d->beyond) {
			if (read_url(r, r->children[r->done++])) {
				draft_warn(r->d, "%.400s", r->d->error);
				*r->d->error = '\0';
			}
		}
	}
	if (r->elsewhere)
		draft_warn(r->d, "%zu sitemaps of other hosts were not asked for (--any-host)", r->elsewhere);
}

static int read_first(struct reading *r, const char *from)
{
	size_t n;
	CLEANUP_LINK struct link link = { 0 };
	if (input_is_url(from) && !link_parse(&link, from, NULL)) {
		r->first = link_text(&link);
		draft_seen(r->d, r->first);
		return read_url(r, from);
	}
	CLEANUP_FREE char *text = input_read(r->d, from, SITEMAP_MAX, &n);
	return text ? read_document(r, text, n, from) : -1;
}

int source_sitemap(struct draft *d, const struct source_settings *set, const char *from)
{
	struct reading r = { .d = d, .set = set, .fetcher = fetcher_new() };
	int rc = read_first(&r, from);
	if (!rc)
		read_children(&r);
	if (!rc && !r.pages)
		rc = draft_fail(d, "no page in it");
	for (size_t i = 0; i < r.n; i++)
		free(r.children[i]);
	free(r.children);
	free(r.first);
	fetcher_free(r.fetcher);
	return rc;
}
