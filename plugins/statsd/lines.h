/* SPDX-License-Identifier: Apache-2.0 */
/* lines.h - a record as statsd metrics. One thread. */
#ifndef STATSD_LINES_H
#define STATSD_LINES_H

#include <probed/sink.h>

#include "../common/text.h"

struct lines_format {
	const char *prefix; /* "probed." */
	int tags;           /* DogStatsD's; else the target is a part of the name */
	int facts;          /* also those marked as metrics, as gauges */
};

/* Calls `line` for each metric, with a line that lives until it returns. `t` is used for them. */
void lines_of(const struct lines_format *f, const struct probed_record *r, struct text *t,
	      void (*line)(void *ctx, const char *text, size_t len), void *ctx);

#endif
