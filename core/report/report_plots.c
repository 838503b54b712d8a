/* SPDX-License-Identifier: Apache-2.0 */
/* report_plots.c - the plots of a plan: over time, and of the distribution. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/series.h"
#include "report/chart.h"
#include "report/report_parts.h"

#define LINES 4      /* percentiles over time */
#define BINS 60      /* of the distribution */
#define POINTS 161   /* of the percentile plot */
#define DECADES 6    /* as far as 99.9999 % */
#define COLOURS 8

static const uint32_t shown[LINES] = { P50, P90, P99, P999 };

/* --- over time ---------------------------------------------------------------------------------- */

/* A tally's series as columns to be drawn. */
struct columns {
	uint32_t n, n_sending; /* n_sending: those within the schedule */
	double *x, *y[LINES], *asked, *sent, *dropped, *inflight;
};

static double *column(uint32_t n)
{
	return xcalloc(n + 1, sizeof(double));
}

static int64_t schedule_of(const struct tally *t)
{
	return t->schedule_ns ? t->schedule_ns : t->length_ns;
}

static void fill_sending(const struct tally *t, struct columns *c, uint32_t i)
{
	const struct tally_interval *v = &t->intervals[i];
	int64_t left = schedule_of(t) - i * t->width_ns;
	double seconds = (double)(left < t->width_ns ? left : t->width_ns) / 1e9;
	if (left <= 0)
		return;
	c->n_sending = i + 1;
	c->asked[i] = (double)v->n.asked / seconds;
	c->sent[i] = (double)tally_starts(t, &v->n) / seconds;
	c->dropped[i] = (double)tally_dropped(&v->n) / seconds;
	c->inflight[i] = v->inflight;
}

/* The last few answers after the schedule's end: of them alone, percentiles say only that they were late. */
static bool stragglers(const struct tally *t, uint32_t i, uint64_t count)
{
	return i * t->width_ns >= schedule_of(t) && count * 20 < tally_measured(&t->n) / t->n_intervals;
}

static void columns_of(const struct tally *t, struct columns *c)
{
	struct hist *h = xnew(struct hist);
	struct spread s;
	*c = (struct columns){ .n = t->n_intervals };
	c->x = column(c->n);
	c->asked = column(c->n);
	c->sent = column(c->n);
	c->dropped = column(c->n);
	c->inflight = column(c->n);
	for (int k = 0; k < LINES; k++)
		c->y[k] = column(c->n);
	for (uint32_t i = 0; i < c->n; i++) {
		c->x[i] = (i + 0.5) * (double)t->width_ns;
		memset(h, 0, sizeof *h);
		series_hist(t, i, TALLY_LATENCY, h);
		spread_of(h, 1, &s);
		for (int k = 0; k < LINES; k++)
			c->y[k][i] = s.count && !stragglers(t, i, s.count) ? s.p[shown[k]] : NAN;
		fill_sending(t, c, i);
	}
	free(h);
}

static void columns_free(struct columns *c)
{
	free(c->x);
	free(c->asked);
	free(c->sent);
	free(c->dropped);
	free(c->inflight);
	for (int k = 0; k < LINES; k++)
		free(c->y[k]);
}

static double end_of(const struct tally *t)
{
	double end = (double)t->n_intervals * (double)t->width_ns;
	return t->length_ns > 0 ? fmin(end, (double)t->length_ns) : end;
}

static void put_latency(struct buf *b, const struct tally *t, const struct columns *c, const struct columns *before)
{
	struct chart ch = { .title = "Latency over time", .x_name = "time", .x_unit = CHART_OFFSET, .y_unit = CHART_NS, .y_log = true,
		            .x_max = end_of(t), .n = c->n, .x = c->x,
		            .about = "Percentiles of latency in each interval; the figures are in the table below." };
	for (int k = 0; k < LINES; k++)
		ch.series[ch.n_series++] = (struct chart_series){ .name = report_quantile_names[shown[k]], .colour = (uint32_t)k,
			                                          .y = c->y[k] };
	for (int k = 0; before && k < LINES; k += 2)
		ch.series[ch.n_series++] = (struct chart_series){ .name = k ? "p99 before" : "p50 before", .colour = (uint32_t)k,
			                                          .dashed = true, .y = before->y[k], .x = before->x, .n = before->n };
	chart_put(b, &ch);
}

static void put_throughput(struct buf *b, const struct tally *t, const struct columns *c, const struct columns *before)
{
	struct chart ch = { .title = "Throughput, asked and achieved", .x_name = "time", .x_unit = CHART_OFFSET,
		            .y_unit = CHART_RATE, .x_max = end_of(t), .n = c->n_sending, .x = c->x,
		            .about = "Probes or flows a second that were asked for, started, and dropped; the figures are in the table below." };
	if (t->open_loop)
		ch.series[ch.n_series++] = (struct chart_series){ .name = "asked", .colour = 7, .wide = true, .y = c->asked };
	ch.series[ch.n_series++] = (struct chart_series){ .name = "achieved", .colour = 0, .y = c->sent };
	if (tally_dropped(&t->n))
		ch.series[ch.n_series++] = (struct chart_series){ .name = "dropped", .colour = 3, .y = c->dropped };
	if (before)
		ch.series[ch.n_series++] = (struct chart_series){ .name = "achieved before", .colour = 0, .dashed = true,
			                                          .y = before->sent, .x = before->x, .n = before->n_sending };
	chart_put(b, &ch);
}

static void put_inflight(struct buf *b, const struct tally *t, const struct columns *c)
{
	struct chart ch = { .title = "In flight", .x_name = "time", .x_unit = CHART_OFFSET, .y_unit = CHART_COUNT,
		            .x_max = end_of(t), .n = c->n_sending, .x = c->x, .n_series = 1,
		            .about = "The most probes under way in each interval; the figures are in the table below.",
		            .series = { { .name = "in flight", .colour = 4, .y = c->inflight } } };
	chart_put(b, &ch);
}

/* Reasons of errors, the most frequent ones by name and the others together, standing on one another. */
static void put_errors(struct buf *b, const struct tally *t, const struct columns *c)
{
	uint32_t order[PROBED_REASONS], n = report_reasons(&t->n, order);
	uint32_t named = n > COLOURS ? COLOURS - 1 : n, all = named + (n > named);
	double *y[COLOURS];
	struct chart ch = { .title = "Not ok, by reason", .x_name = "time", .x_unit = CHART_OFFSET, .y_unit = CHART_RATE,
		            .x_max = end_of(t), .n = c->n, .x = c->x, .stacked = true,
		            .about = "Results a second that were not ok, by reason; the figures are in the table below." };
	for (uint32_t k = 0; k < all; k++) {
		y[k] = column(c->n);
		for (uint32_t i = 0; i < c->n; i++)
			for (uint32_t which = k; which < (k == named ? n : k + 1); which++)
				y[k][i] += (double)t->intervals[i].n.reason[order[which]] / series_seconds(t, i);
		ch.series[ch.n_series++] = (struct chart_series){ .name = k == named ? "others" : report_reason(order[k]), .kind = CHART_BARS,
			                                          .colour = (k + 3) % COLOURS, .y = y[k] };
	}
	chart_put(b, &ch);
	for (uint32_t k = 0; k < all; k++)
		free(y[k]);
}

/* --- the distribution --------------------------------------------------------------------------- */

static void fill_bins(const struct hist *h, const double *edges, double *share)
{
	for (int i = 0; i < BINS; i++) {
		uint64_t below = i ? hist_count_le(h, (int64_t)edges[i]) : 0, up_to = i + 1 < BINS ? hist_count_le(h, (int64_t)edges[i + 1]) : h->count;
		share[i] = h->count ? (double)(up_to - below) / (double)h->count : NAN;
	}
}

static void put_distribution(struct buf *b, const struct hist *now, const struct hist *before)
{
	double edges[BINS + 1], middle[BINS], share[BINS], earlier[BINS];
	double low = fmax((double)now->min_ns, 1000), high = fmax((double)now->max_ns, low * 1.1);
	if (before->count) {
		low = fmin(low, fmax((double)before->min_ns, 1000));
		high = fmax(high, (double)before->max_ns);
	}
	for (int i = 0; i <= BINS; i++)
		edges[i] = low * pow(high / low, (double)i / BINS);
	for (int i = 0; i < BINS; i++)
		middle[i] = sqrt(edges[i] * edges[i + 1]);
	fill_bins(now, edges, share);
	fill_bins(before, edges, earlier);
	struct chart ch = { .title = "How latency is distributed", .x_name = "latency", .x_unit = CHART_NS, .y_unit = CHART_SHARE,
		            .x_log = true, .x_min = low, .x_max = high, .n = now->count ? BINS : 0, .x = middle, .n_series = 1,
		            .about = "Share of results by latency, on a logarithmic scale; the figures are in the table below.",
		            .series = { { .name = "share of results", .colour = 0, .kind = CHART_BARS, .y = share } } };
	if (before->count)
		ch.series[ch.n_series++] = (struct chart_series){ .name = "before", .colour = 2, .dashed = true, .y = earlier, .x = middle,
			                                          .n = BINS };
	chart_put(b, &ch);
}

static void fill_percentiles(const struct hist *h, double *y)
{
	for (int i = 0; i < POINTS; i++) {
		double beyond = pow(10, -(double)i * DECADES / (POINTS - 1));
		/* further out than one sample there is nothing to know */
		y[i] = h->count && beyond * (double)h->count >= 1 ? (double)hist_quantile(h, 1 - beyond) : NAN;
	}
}

static void put_percentiles(struct buf *b, const struct hist *latency, const struct hist *service, const struct hist *before)
{
	double x[POINTS], y[3][POINTS];
	for (int i = 0; i < POINTS; i++)
		x[i] = (double)i * DECADES / (POINTS - 1);
	fill_percentiles(latency, y[0]);
	fill_percentiles(service, y[1]);
	fill_percentiles(before, y[2]);
	struct chart ch = { .title = "Latency by percentile", .x_name = "percentile", .x_unit = CHART_PERCENTILE, .y_unit = CHART_NS,
		            .y_log = true, .x_max = fmin(DECADES, log10(fmax((double)latency->count, 10))), .n = POINTS, .x = x,
		            .n_series = 2, .about = "Latency and service time at each percentile; the figures are in the table below.",
		            .series = { { .name = "service (from the send)", .colour = 1, .wide = true, .y = y[1] },
		                        { .name = "latency (from the due time)", .colour = 0, .y = y[0] } } };
	if (before->count)
		ch.series[ch.n_series++] = (struct chart_series){ .name = "latency before", .colour = 0, .dashed = true, .y = y[2], .x = x,
			                                          .n = POINTS };
	while (ch.n && x[ch.n - 1] > ch.x_max)
		ch.n--;
	chart_put(b, &ch);
}

void report_put_plots(struct buf *b, const struct tally *t, const struct tally *base)
{
	struct columns now, before = { 0 };
	struct hist *latency = xnew(struct hist), *service = xnew(struct hist), *earlier = xnew(struct hist);
	columns_of(t, &now);
	if (base)
		columns_of(base, &before);
	tally_hist(t, TALLY_ALL, TALLY_LATENCY, latency);
	tally_hist(t, TALLY_ALL, TALLY_SERVICE, service);
	if (base)
		tally_hist(base, TALLY_ALL, TALLY_LATENCY, earlier);
	buf_puts(b, "<div class=\"charts\">\n");
	put_latency(b, t, &now, base ? &before : NULL);
	put_throughput(b, t, &now, base ? &before : NULL);
	put_percentiles(b, latency, service, earlier);
	put_distribution(b, latency, earlier);
	put_errors(b, t, &now);
	put_inflight(b, t, &now);
	buf_puts(b, "</div>\n");
	columns_free(&now);
	columns_free(&before);
	free(latency);
	free(service);
	free(earlier);
}
