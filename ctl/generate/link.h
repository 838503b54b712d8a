/* SPDX-License-Identifier: Apache-2.0 */
/* link.h - URLs of others: split, cleaned, joined, compared. One thread. */
#ifndef GENERATE_LINK_H
#define GENERATE_LINK_H

#include <stdbool.h>
#include <stddef.h>

#define LINK_MAX_BYTES 8192

struct link {
	char *scheme, *user, *password, *host, *port; /* NULL: not there; port: only where it isn't the scheme's own */
	char *path;                                   /* begins with / */
	char *query;                                  /* without its ?, NULL: none */
};

/* Splits an http or https URL; what no URL may hold is percent-encoded, the fragment is dropped. `base` NULL, or what
 * `text` is relative to. 0, or -1 where it is no such URL. */
int link_parse(struct link *l, const char *text, const char *base);
void link_free(struct link *l);
#define CLEANUP_LINK __attribute__((cleanup(link_free)))

/* "https://host:port", malloc'ed. */
char *link_origin(const struct link *l);
/* The whole without user, password and fragment, malloc'ed. */
char *link_text(const struct link *l);
/* The same server: one name, and one port or both the usual ones (so http may become https). */
bool link_same_host(const struct link *a, const struct link *b);
/* s with all but unreserved characters percent-encoded, malloc'ed. */
char *link_encode(const char *s, size_t n);

#endif
