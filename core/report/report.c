/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - see report.h, report_parts.h */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/unit.h"
#include "report/report_parts.h"

const char *const report_formats[] = { "terminal", "json", "csv", "junit", "markdown", "html", NULL };
#define FORMATS (sizeof report_formats / sizeof report_formats[0] - 1)

const double report_quantiles[QUANTILES] = { 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999 };
const char *const report_quantile_names[QUANTILES] = { "p50", "p90", "p95", "p99", "p99.9", "p99.99" };

bool report_format_known(const char *format)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (!strcmp(report_formats[i], format))
			return true;
	return false;
}

const char *report_format_nearest(const char *format)
{
	return str_nearest(format, report_formats, FORMATS);
}

static int put_out(struct buf *b, FILE *to)
{
	size_t n = fwrite(b->data, 1, b->len, to);
	int rc = n == b->len && !fflush(to) ? 0 : -1;
	buf_free(b);
	return rc;
}

int report_write(const struct run *r, const struct run *base, const char *format, FILE *to)
{
	struct buf b = { 0 };
	if (!strcmp(format, "terminal"))
		report_put_terminal(&b, r, base, false);
	else if (!strcmp(format, "json"))
		report_put_json(&b, r, base);
	else if (!strcmp(format, "csv"))
		report_put_csv(&b, r);
	else if (!strcmp(format, "junit"))
		report_put_junit(&b, r);
	else if (!strcmp(format, "markdown"))
		report_put_markdown(&b, r, base);
	else if (!strcmp(format, "html"))
		report_put_html(&b, r, base);
	else
		return -1;
	return put_out(&b, to);
}

int report_terminal(const struct run *r, const struct run *base, bool colour, FILE *to)
{
	struct buf b = { 0 };
	report_put_terminal(&b, r, base, colour);
	return put_out(&b, to);
}

/* --- figures ------------------------------------------------------------------------------------ */

void spread_of(const struct hist *h, double scale, struct spread *out)
{
	memset(out, 0, sizeof *out);
	out->count = h->count;
	if (!h->count)
		return;
	out->avg = (double)h->sum_ns / (double)h->count / scale;
	out->min = (double)h->min_ns / scale;
	out->max = (double)h->max_ns / scale;
	for (int i = 0; i < QUANTILES; i++)
		out->p[i] = (double)hist_quantile(h, report_quantiles[i]) / scale;
}

void spread_measure(const struct tally *t, uint32_t measure, uint32_t which, struct spread *out)
{
	struct hist *h = calloc(1, sizeof *h);
	memset(out, 0, sizeof *out);
	if (!h)
		return;
	tally_hist(t, measure, which, h);
	spread_of(h, which >= TALLY_FACT ? t->facts[which - TALLY_FACT].scale : 1, out);
	free(h);
}

int64_t run_length(const struct run *r)
{
	int64_t most = 0;
	for (uint32_t i = 0; i < r->n_plans; i++)
		if (r->plans[i].tally->length_ns > most)
			most = r->plans[i].tally->length_ns;
	return most;
}

uint32_t run_not_met(const struct run *r, uint32_t *all)
{
	uint32_t not_met = 0;
	*all = 0;
	for (uint32_t i = 0; i < r->n_plans; i++)
		for (uint32_t k = 0; k < r->plans[i].n_requires; k++, (*all)++)
			not_met += r->plans[i].requires[k].state != REQUIREMENT_MET;
	return not_met;
}

const struct tally *report_base(const struct run *base, const struct tally *t)
{
	const struct run_plan *p = base ? run_plan(base, t->plan) : NULL;
	return p ? p->tally : NULL;
}

/* --- order -------------------------------------------------------------------------------------- */

static void most_first(uint32_t *order, uint64_t *counts, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		for (uint32_t k = i; k && counts[k] > counts[k - 1]; k--) {
			uint64_t count = counts[k];
			uint32_t which = order[k];
			counts[k] = counts[k - 1];
			order[k] = order[k - 1];
			counts[k - 1] = count;
			order[k - 1] = which;
		}
}

uint32_t report_messages(const struct tally *t, uint32_t *order)
{
	uint64_t counts[TALLY_MESSAGES];
	for (uint32_t i = 0; i < t->n_messages; i++) {
		order[i] = i;
		counts[i] = t->messages[i].count - t->messages[i].over;
	}
	most_first(order, counts, t->n_messages);
	return t->n_messages;
}

/* Reasons of what is not ok: "none" is left out. */
uint32_t report_reasons(const struct tally_counts *n, uint32_t *order)
{
	uint64_t counts[PROBED_REASONS];
	uint32_t found = 0;
	for (uint32_t i = PROBED_REASON_NONE + 1; i < PROBED_REASONS; i++)
		if (n->reason[i]) {
			order[found] = i;
			counts[found++] = n->reason[i];
		}
	most_first(order, counts, found);
	return found;
}

const char *report_reason(uint32_t reason)
{
	return reason ? reason_name(reason) : "none";
}

/* --- texts -------------------------------------------------------------------------------------- */

const char *text_ns(const struct spread *s, double ns, char *out, size_t size)
{
	if (!s->count)
		snprintf(out, size, "-");
	else
		unit_format_duration(ns >= 9.2e18 ? INT64_MAX : (int64_t)ns, out, size);
	return out;
}

const char *text_offset(int64_t offset_ns, char *out, size_t size)
{
	long long s = offset_ns / 1000000000;
	if (s >= 3600)
		snprintf(out, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, size, "%02lld:%02lld", s / 60, s % 60);
	return out;
}

const char *text_count(uint64_t n, char *out, size_t size)
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
	for (size_t i = 0; i < len && at + 2 < size; i++) {
		if (i && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

const char *text_times(const struct tally_message *m, char *out, size_t size)
{
	char n[32];
	snprintf(out, size, "%s%s", m->over ? ">= " : "", text_count(m->count - m->over, n, sizeof n));
	return out;
}

const char *text_rate(double a_second, char *out, size_t size)
{
	snprintf(out, size, a_second >= 100000 ? "%.0f/s" : a_second >= 1 ? "%.5g/s" : "%.3g/s", a_second);
	return out;
}

const char *text_share(uint64_t part, uint64_t all, char *out, size_t size)
{
	double percent = all ? 100.0 * (double)part / (double)all : 0;
	if (!all)
		snprintf(out, size, "-");
	else if (!part || part >= all)
		snprintf(out, size, "%.0f %%", percent);
	else if (percent < 10)
		snprintf(out, size, "%.2g %%", percent);
	else /* what is not all is never said to be 100 % */
		snprintf(out, size, "%.1f %%", floor(percent * 10) / 10);
	return out;
}

const char *text_compared(const struct compare_line *l, double v, char *out, size_t size)
{
	if (l->kind == COMPARE_TIME)
		return unit_format_duration((int64_t)v, out, size);
	if (l->kind == COMPARE_RATE)
		return text_rate(v, out, size);
	snprintf(out, size, "%.3g %%", v * 100);
	return out;
}

void text_rates(const struct tally *t, char *out, size_t size)
{
	char asked[24], achieved[24], held[400];
	text_rate(tally_achieved_rate(t), achieved, sizeof achieved);
	if (!t->open_loop) {
		snprintf(out, size, "achieved %s", achieved);
		return;
	}
	tally_held_back(t, held, sizeof held);
	snprintf(out, size, "asked %s, achieved %s%s%s%s", text_rate(tally_asked_rate(t), asked, sizeof asked), achieved,
	         *held ? " (" : "", held, *held ? ")" : "");
}

void text_end(const struct run *r, char *out, size_t size)
{
	char length[32];
	snprintf(out, size, "%s after %s%s%s", run_end_name(r->end), unit_format_duration(run_length(r), length, sizeof length),
	         *r->why ? ": " : "", r->why);
}

void text_base(const struct run *base, char *out, size_t size)
{
	char started[32];
	clock_format_wall(base->wall_ns, started);
	snprintf(out, size, "%.200s of %.16sZ", base->name, started);
}

void put_xml(struct buf *b, const char *s)
{
	for (size_t left = strlen(s), n; left; left -= n, s += n) {
		n = str_utf8(s, left);
		if (!n || (unsigned char)*s < 0x20) {
			buf_puts(b, n && strchr("\t\n\r", *s) ? " " : "\xef\xbf\xbd");
			n = 1;
		} else if (n == 3 && !memcmp(s, "\xef\xbf", 2) && (unsigned char)s[2] >= 0xbe) {
			buf_puts(b, "\xef\xbf\xbd"); /* U+FFFE and U+FFFF are no characters of XML */
		} else if (*s == '<') {
			buf_puts(b, "&lt;");
		} else if (*s == '>') {
			buf_puts(b, "&gt;");
		} else if (*s == '&') {
			buf_puts(b, "&amp;");
		} else if (*s == '"') {
			buf_puts(b, "&quot;");
		} else {
			buf_put(b, s, n);
		}
	}
}
