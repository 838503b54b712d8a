/* SPDX-License-Identifier: Apache-2.0 */
/* hist_pack.h - a histogram as few bytes: only its buckets that are not empty, as varints. Pure; any thread. */
#ifndef MEASURE_HIST_PACK_H
#define MEASURE_HIST_PACK_H

#include "base/buf.h"
#include "measure/hist.h"

/* Appends. An empty histogram is no bytes at all. */
void hist_pack(struct buf *b, const struct hist *h);
/* Adds what was packed to *into. The data must end with the histogram. 0, or -1 where it is bad: then *into is as it was. */
int hist_unpack(const void *data, size_t n, struct hist *into);

#endif
