/* SPDX-License-Identifier: Apache-2.0 */
/*
 * samples.h - what is remembered of the targets as samples of Prometheus, named as on /metrics, in requests of bounded
 * size. One thread.
 */
#ifndef REMOTE_WRITE_SAMPLES_H
#define REMOTE_WRITE_SAMPLES_H

#include <probed/types.h>

#include "../common/pool.h"
#include "../common/series.h"

struct samples_label {
	const char *name, *value;
};

struct samples {
	const struct samples_label *external; /* sorted by name, none of ours */
	uint32_t n_external;
	uint32_t batch; /* samples in a request */
	/* One request, encoded. */
	void (*request)(void *ctx, const uint8_t *data, size_t len);
	void *ctx;

	struct pool pool;
	void **series; /* of the request under way */
	uint32_t n;
};

/* All of the set, stamped with this time. 0, or -1: out of memory, something is missing. */
int samples_put(struct samples *s, const struct series_set *set, int64_t wall_ms);
void samples_free(struct samples *s);

/* Is this a name that a label of the user's may have? */
int samples_name_ok(const char *name);

#endif
