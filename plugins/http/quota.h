/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota.h - what a server says of its quota, in the ways that are in use: RateLimit (with r= and t=, or remaining= and
 * reset=), RateLimit-Remaining and -Reset, X-RateLimit-*, X-Rate-Limit-*. Pure.
 */
#ifndef HTTP_QUOTA_H
#define HTTP_QUOTA_H

#include <stdint.h>

struct quota {
	int64_t left;     /* requests; -1: not said */
	int64_t reset_ns; /* from now; -1: not said */
};

#define QUOTA_NONE ((struct quota){ -1, -1 })

/* Takes in one header, whatever it is; its name in lower case. What is not understood changes nothing. A moment is told
 * from a number of seconds by its size: `wall_ns` is now since 1970. */
void quota_header(struct quota *q, const char *name, const char *value, int64_t wall_ns);

#endif
