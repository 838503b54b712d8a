/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - what is remembered of the targets as OTLP's metrics, in requests of bounded size. One thread. */
#ifndef OTLP_METRICS_H
#define OTLP_METRICS_H

#include "../common/series.h"
#include "attrs.h"

struct metrics {
	Otlp__Resource *resource;
	Otlp__Scope *scope;
	/* One request, encoded. */
	void (*request)(void *ctx, const uint8_t *data, size_t len);
	void *ctx;
	struct pool pool;
};

/* All of the set, at this time. 0, or -1: out of memory, something is missing. */
int metrics_put(struct metrics *m, const struct series_set *set, int64_t wall_ns);
void metrics_free(struct metrics *m);

#endif
