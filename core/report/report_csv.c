/* SPDX-License-Identifier: Apache-2.0 */
/* report_csv.c - a run's intervals as CSV (RFC 4180), a line each, for a spreadsheet. */
#include <string.h>

#include "base/mem.h"
#include "measure/series.h"
#include "report/report_parts.h"

#define COLUMNS                                                                                                           \
	"plan,at_s,seconds,asked,started,sent,ok,fail,error,unknown,dropped,inflight,bytes_in,bytes_out,paused_s,latency_avg_ms,"  \
	"latency_p50_ms,latency_p90_ms,latency_p95_ms,latency_p99_ms,latency_p99.9_ms,latency_p99.99_ms,latency_max_ms,"  \
	"service_p50_ms,service_p99_ms\r\n"

static void put_field(struct buf *b, const char *s)
{
	if (!strpbrk(s, ",\"\r\n")) {
		buf_puts(b, s);
		return;
	}
	buf_putc(b, '"');
	for (; *s; s++) {
		if (*s == '"')
			buf_putc(b, '"');
		buf_putc(b, *s);
	}
	buf_putc(b, '"');
}

/* Where nothing was measured a field is empty, and not 0. */
static void put_ms(struct buf *b, const struct spread *s, double ns)
{
	buf_putc(b, ',');
	if (s->count)
		buf_printf(b, "%.6g", ns / 1e6);
}

static void put_interval(struct buf *b, const struct tally *t, uint32_t i, struct hist *h)
{
	const struct tally_interval *v = &t->intervals[i];
	const uint64_t counts[] = { v->n.asked, tally_starts(t, &v->n), v->n.sent, v->n.outcome[PROBED_OK], v->n.outcome[PROBED_FAIL],
		                    v->n.outcome[PROBED_ERROR], v->n.outcome[PROBED_UNKNOWN], tally_dropped(&v->n),
		                    v->inflight, v->n.bytes_in, v->n.bytes_out };
	struct spread s;
	put_field(b, t->plan);
	buf_printf(b, ",%.10g,%.10g", (double)(i * t->width_ns) / 1e9, series_seconds(t, i));
	for (size_t k = 0; k < ARRAY_LEN(counts); k++)
		buf_printf(b, ",%llu", (unsigned long long)counts[k]);
	buf_printf(b, ",%.10g", (double)v->paused_ns / 1e9);
	memset(h, 0, sizeof *h);
	series_hist(t, i, TALLY_LATENCY, h);
	spread_of(h, 1, &s);
	put_ms(b, &s, s.avg);
	for (int k = 0; k < QUANTILES; k++)
		put_ms(b, &s, s.p[k]);
	put_ms(b, &s, s.max);
	memset(h, 0, sizeof *h);
	series_hist(t, i, TALLY_SERVICE, h);
	spread_of(h, 1, &s);
	put_ms(b, &s, s.p[P50]);
	put_ms(b, &s, s.p[P99]);
	buf_puts(b, "\r\n");
}

void report_put_csv(struct buf *b, const struct run *r)
{
	struct hist *h = xnew(struct hist);
	buf_puts(b, COLUMNS);
	for (uint32_t i = 0; i < r->n_plans; i++)
		for (uint32_t k = 0; k < r->plans[i].tally->n_intervals; k++)
			put_interval(b, r->plans[i].tally, k, h);
	free(h);
}
