/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.h - one document over HTTP: bounded in bytes and time, no redirect followed unasked. One thread. */
#ifndef GENERATE_FETCH_H
#define GENERATE_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "generate/link.h"

#define USER_AGENT "probed"

struct answer {
	long status;
	char *type;     /* Content-Type, NULL: none */
	char *location; /* where a redirect goes, absolute; NULL: it is none */
	struct buf body;
	bool cut;        /* longer than allowed: body is its beginning */
	char error[256]; /* status 0: why */
};

struct fetcher;
struct fetcher *fetcher_new(void);
void fetcher_free(struct fetcher *f);

/* Asks for `url`; at most `max` bytes of body. 0, or -1 with answer.error. */
int fetch(struct fetcher *f, const char *url, size_t max, struct answer *out);
/* The same, following redirects, on the same host unless `any_host`. *url is where it ended. */
int fetch_follow(struct fetcher *f, char **url, size_t max, bool any_host, struct answer *out);
void answer_free(struct answer *a);
#define CLEANUP_ANSWER __attribute__((cleanup(answer_free)))

#endif
