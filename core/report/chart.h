/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chart.h - a plot as HTML: inline SVG that stretches while its text does not, a legend, and the same figures as a table.
 * It needs no script and no network. Any thread.
 */
#ifndef REPORT_CHART_H
#define REPORT_CHART_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum chart_unit {
	CHART_NS,         /* durations */
	CHART_OFFSET,     /* nanoseconds since the start, as a clock */
	CHART_RATE,       /* a second */
	CHART_SHARE,      /* 1 is 100 % */
	CHART_COUNT,
	CHART_PERCENTILE, /* log10(1 / (1 - q)) */
};

enum chart_kind { CHART_LINE, CHART_BARS };

struct chart_series {
	const char *name;
	uint32_t colour;  /* 0 .. 7 */
	bool dashed;      /* of the earlier run: not in the table */
	bool wide;        /* lies under another line */
	enum chart_kind kind;
	const double *y;  /* NaN: nothing there */
	const double *x;  /* NULL: the chart's */
	uint32_t n;       /* of its own x */
};

#define CHART_SERIES 12

struct chart {
	const char *title, *about; /* about: what a reader who does not see it should know */
	const char *x_name;
	enum chart_unit x_unit, y_unit;
	double x_min, x_max;
	bool x_log, y_log; /* otherwise y begins at 0 */
	bool stacked;      /* bars stand on one another */
	uint32_t n;
	const double *x;
	struct chart_series series[CHART_SERIES];
	uint32_t n_series;
};

void chart_put(struct buf *b, const struct chart *c);

#endif
