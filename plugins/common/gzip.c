/* SPDX-License-Identifier: Apache-2.0 */
/* gzip.c - see gzip.h */
#include "gzip.h"

#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* 32 KiB, and a gzip header */

static int reserve(struct text *to, size_t n)
{
	if (to->cap >= n)
		return 0;
	char *data = realloc(to->data, n);
	if (!data)
		return -1;
	to->data = data;
	to->cap = n;
	return 0;
}

int gzip(struct text *to, const void *data, size_t len)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len };
	to->len = 0;
	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	int rc = reserve(to, deflateBound(&z, len));
	if (!rc) {
		z.next_out = (Bytef *)to->data;
		z.avail_out = (uInt)to->cap;
		rc = deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : -1;
		to->len = z.total_out;
	}
	deflateEnd(&z);
	return rc;
}
