/* SPDX-License-Identifier: Apache-2.0 */
/* report_parts.h - what the formats share: figures of a histogram, texts for people. */
#ifndef REPORT_REPORT_PARTS_H
#define REPORT_REPORT_PARTS_H

#include "base/buf.h"
#include "report/compare.h"
#include "report/report.h"

#define QUANTILES 6
extern const double report_quantiles[QUANTILES];
extern const char *const report_quantile_names[QUANTILES]; /* "p50" ... "p99.99" */
enum { P50, P90, P95, P99, P999, P9999 };

struct spread {
	uint64_t count;
	double avg, min, max, p[QUANTILES]; /* divided by the scale */
};

void spread_of(const struct hist *h, double scale, struct spread *out);
/* Of a tally's measure (or TALLY_ALL) and histogram. */
void spread_measure(const struct tally *t, uint32_t measure, uint32_t which, struct spread *out);

/* "12.3 ms", "-" where nothing was measured. */
const char *text_ns(const struct spread *s, double ns, char *out, size_t size);
const char *text_offset(int64_t offset_ns, char *out, size_t size);   /* "02:05", "1:00:05" */
const char *text_count(uint64_t n, char *out, size_t size);           /* "1,234,567" */
const char *text_times(const struct tally_message *m, char *out, size_t size); /* "351", or ">= 12": see tally.h */
const char *text_rate(double a_second, char *out, size_t size);       /* "998.2/s" */
const char *text_share(uint64_t part, uint64_t all, char *out, size_t size); /* "0.33 %" */
/* A value of a line: "12.3 ms", "998.2/s", "0.33 %". */
const char *text_compared(const struct compare_line *l, double v, char *out, size_t size);
/* "asked 1000/s, achieved 998.2/s: ..."; closed loops: "achieved 998.2/s". */
void text_rates(const struct tally *t, char *out, size_t size);
/* "finished after 10 min", "interrupted after 12 s: ...". */
void text_end(const struct run *r, char *out, size_t size);
/* "night.ini of 2026-11-21T18:34Z": which earlier run. */
void text_base(const struct run *base, char *out, size_t size);
int64_t run_length(const struct run *r);
uint32_t run_not_met(const struct run *r, uint32_t *all);

/* Messages and reasons, the most frequent first. `order` holds TALLY_MESSAGES, or PROBED_REASONS. */
uint32_t report_messages(const struct tally *t, uint32_t *order);
uint32_t report_reasons(const struct tally_counts *n, uint32_t *order);
const char *report_reason(uint32_t reason); /* "none" where there is none */

/* The plan of the earlier run to compare with, NULL: none. */
const struct tally *report_base(const struct run *base, const struct tally *t);

void report_put_json(struct buf *b, const struct run *r, const struct run *base);
void report_put_csv(struct buf *b, const struct run *r);
void report_put_junit(struct buf *b, const struct run *r);
void report_put_markdown(struct buf *b, const struct run *r, const struct run *base);
void report_put_html(struct buf *b, const struct run *r, const struct run *base);
/* The plots of a plan (base: NULL or the earlier run's). */
void report_put_plots(struct buf *b, const struct tally *t, const struct tally *base);
void report_put_terminal(struct buf *b, const struct run *r, const struct run *base, bool colour);

/* Text of XML and HTML: escaped, without what may not stand there. */
void put_xml(struct buf *b, const char *s);

#endif
