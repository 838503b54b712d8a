/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url.h - targets named by a URL: which options its parts fill, as the driver's scheme says. Pure.
 */
#ifndef CONFIG_URL_H
#define CONFIG_URL_H

#include <stddef.h>

#include "base/buf.h"
#include "config/model.h"
#include "config/option.h"
#include "plugin/table.h"

/* The options that `url` fills: *out is one piece of memory for free(), places are empty. 0, or -1 with a line in
 * `error`; never with what may be a password. */
int url_to_options(const struct scheme_decl *scheme, const char *url, struct kv **out, size_t *n, char *error,
		   size_t size);

/* The scheme of "tcp://db:5432", into out. 0, or -1 where there is none. */
int url_scheme(const char *url, char *out, size_t size);

/* `path` as seen from the URL `base`: "/a" from its root, "a" beside its last segment, "?a" its query. Never leaves its host.
 * Templates stay as they are. Malloc'ed; NULL where base is no URL. */
char *url_join(const char *base, const char *path);

/* The host of a URL or of host[:port], lower case, without brackets. 0, or -1 where there is none, or a template is in it. */
int url_host(const char *text, char *out, size_t size);

/* A name for a target from its URL, as config files take it: without user, password and odd characters. */
void url_to_name(const char *url, char *out, size_t size);

/* Appends `[target NAME]` sections for URLs to a configuration text; equal names get -2, -3 ... `interval` as text,
 * NULL: none written. `more`: further lines of each section; NULL: none. */
void urls_to_text(struct buf *out, const char *const *urls, size_t n, const char *interval, const char *more);

/* A model of nothing but these targets. NULL, with errors. */
struct model *model_from_urls(struct registry *registry, const char *const *urls, size_t n, const char *interval,
			      struct errs *errs);

#endif
