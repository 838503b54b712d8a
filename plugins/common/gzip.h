/* SPDX-License-Identifier: Apache-2.0 */
/* gzip.h - a body compressed at once. */
#ifndef COMMON_GZIP_H
#define COMMON_GZIP_H

#include "text.h"

/* Replaces what `to` holds. 0, or -1: out of memory. */
int gzip(struct text *to, const void *data, size_t len);

#endif
