/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.h - the generators, each from one kind of source, and their settings. Each fills a draft and answers 0, or -1
 * with the reason in the draft's `error`. What they read is somebody else's: it is bounded, and trusted in nothing.
 */
#ifndef GENERATE_SOURCE_H
#define GENERATE_SOURCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generate/draft.h"

#define SOURCE_MAX_BYTES (64u << 20)

struct source_settings {
	/* crawl */
	int64_t depth, pages;
	double rate; /* requests a second */
	int64_t time_ns, bytes;
	bool any_host;
	/* history */
	int64_t since_ns; /* 0: all */
	/* openapi */
	const char *server;
	/* har */
	bool same_host, no_static;
};

/* sources by name: FILE, - or a URL */
int source_urls(struct draft *d, const struct source_settings *set, const char *from);
int source_sitemap(struct draft *d, const struct source_settings *set, const char *from);
int source_crawl(struct draft *d, const struct source_settings *set, const char *from);
int source_history(struct draft *d, const struct source_settings *set, const char *from);
int source_bookmarks(struct draft *d, const struct source_settings *set, const char *from);
int source_openapi(struct draft *d, const struct source_settings *set, const char *from);
int source_har(struct draft *d, const struct source_settings *set, const char *from);
int source_curl(struct draft *d, const struct source_settings *set, const char *from);

/* the same from text */
int urls_read(struct draft *d, const char *text, size_t n);
int har_read(struct draft *d, const struct source_settings *set, const char *text, size_t n);
int curl_read(struct draft *d, const char *text, size_t n);
int curl_words(struct draft *d, char *const *words, size_t n);
/* `from` NULL, or the URL that relative servers are relative to. */
int openapi_read(struct draft *d, const struct source_settings *set, const char *text, size_t n, const char *from);

/* yaml.c: a YAML (or JSON) document as JSON; NULL with a line in `error`. */
json_t *yaml_load(const char *text, size_t n, char *error, size_t size);

/* input.c: a FILE or - (standard input); NULL with d->error. NUL-terminated. */
char *input_read(struct draft *d, const char *from, size_t max, size_t *n);
bool input_is_url(const char *from);

#endif
