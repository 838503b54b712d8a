/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.h - the exposition page for Prometheus (text 0.0.4) and OpenMetrics (1.0.0), made piece by piece so that
 * nothing else waits for it. Pure; one thread.
 */
#ifndef MEASURE_PAGE_H
#define MEASURE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "config/option.h"
#include "measure/hist.h"
#include "measure/stat.h"
#include "plugin/table.h"

struct metrics_page;

/* A target, or one of its sub-results. */
struct metrics_row {
	const char *target;
	const char *sub; /* NULL: the target itself */
	const struct driver_table *driver;
	const struct kv *labels; /* key without "labels." */
	uint32_t n_labels;
	const struct probe_stat *stat; /* NULL: the row is left out */
};

struct metrics_driver {
	const char *name;
	const struct hist *latency, *lag; /* NULL: left out */
};

/* Where the page takes its values from. The numbers may change between two steps; rows and drivers must keep
 * their places while a page lives, so before a reload finish the page (max_bytes SIZE_MAX) or free it. */
struct metrics_source {
	void *ctx;
	/* The i-th; false where there is none. All strings must live until the step returns. */
	bool (*row)(void *ctx, size_t i, struct metrics_row *out);
	bool (*driver)(void *ctx, size_t i, struct metrics_driver *out);
	/* Calls metrics_self() for each of probed's own numbers. NULL: none. */
	void (*self)(void *ctx, struct metrics_page *page);
};

enum metrics_type { METRICS_GAUGE, METRICS_COUNTER, METRICS_INFO };

/* Takes a copy of *source. */
struct metrics_page *metrics_page_new(const struct metrics_source *source, bool openmetrics);
void metrics_page_free(struct metrics_page *page);
/* Appends the next piece, of max_bytes and at most one row more. 1: there is more, 0: that was all. */
int metrics_page_step(struct metrics_page *page, struct buf *out, size_t max_bytes);

/* One sample of probed's own, only from within source->self(). `name` is whole, as Prometheus has it
 * ("probed_worker_restarts_total", "probed_build_info"); `unit` NULL or the base unit that the name ends with
 * ("seconds", "bytes"). Then pairs (const char *label, const char *value), ended by a NULL label; a NULL value
 * leaves the label out. Samples of one name may come in any order; type, unit and help are the first one's. */
void metrics_self(struct metrics_page *page, const char *name, enum metrics_type type, const char *unit,
                  const char *help, double value, ...) __attribute__((sentinel));

#endif
