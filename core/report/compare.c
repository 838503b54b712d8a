/* SPDX-License-Identifier: Apache-2.0 */
/* compare.c - see compare.h */
#include "report/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/series.h"

#define CELLS 48       /* a run's intervals are joined to at most so many */
#define CELLS_LEAST 8  /* fewer say nothing about how much they differ */
#define RESAMPLES 400
#define BEYOND_LEAST 20 /* samples beyond a percentile, so that it is one */
#define RESOLUTION 0.01
#define SEED UINT64_C(0x70726f626564)

/* --- a run in cells ----------------------------------------------------------------------------- */

struct cell {
	struct hist hists[2]; /* latency, service */
	struct tally_counts n;
	double seconds;
};

struct cells {
	struct cell *list;
	uint32_t n;
};

static void cells_of(const struct tally *t, struct cells *c)
{
	uint32_t each = (t->n_intervals + CELLS - 1) / CELLS;
	c->n = each ? (t->n_intervals + each - 1) / each : 0;
	c->list = xcalloc(c->n + 1, sizeof *c->list);
	for (uint32_t i = 0; i < t->n_intervals; i++) {
		struct cell *one = &c->list[i / each];
		series_hist(t, i, TALLY_LATENCY, &one->hists[0]);
		series_hist(t, i, TALLY_SERVICE, &one->hists[1]);
		struct tally_counts n = t->intervals[i].n;
		n.sent = tally_starts(t, &n);
		counts_add(&one->n, &n);
		/* what comes in after the schedule's end is no time in which anything was to be sent */
		int64_t left = (t->schedule_ns ? t->schedule_ns : t->length_ns) - i * t->width_ns;
		one->seconds += left <= 0 ? 0 : (double)(left < t->width_ns ? left : t->width_ns) / 1e9;
	}
}

/* --- statistics --------------------------------------------------------------------------------- */

/* What is compared, of a set of cells joined into one. */
struct statistic {
	const char *name;
	int hist;  /* 0 latency, 1 service, -1 throughput */
	double q;  /* 0: the average */
};

static const struct statistic statistics[] = {
	{ "latency avg", 0, 0 },    { "latency p50", 0, 0.5 },   { "latency p90", 0, 0.9 },      { "latency p95", 0, 0.95 },
	{ "latency p99", 0, 0.99 }, { "latency p99.9", 0, 0.999 }, { "service avg", 1, 0 },      { "service p50", 1, 0.5 },
	{ "service p99", 1, 0.99 }, { "throughput", -1, 0 },
};
#define STATISTICS ARRAY_LEN(statistics)
#define LINES (STATISTICS + 2) /* and errors, dropped */
_Static_assert(LINES <= COMPARE_LINES, "room for every line");

static double of_joined(const struct statistic *s, const struct cell *joined)
{
	if (s->hist < 0)
		return joined->seconds > 0 ? (double)joined->n.sent / joined->seconds : 0;
	const struct hist *h = &joined->hists[s->hist];
	if (!h->count)
		return 0;
	return s->q > 0 ? (double)hist_quantile(h, s->q) : (double)h->sum_ns / (double)h->count;
}

static void join(struct cell *into, const struct cell *from)
{
	hist_merge(&into->hists[0], &from->hists[0]);
	hist_merge(&into->hists[1], &from->hists[1]);
	into->n.sent += from->n.sent;
	into->seconds += from->seconds;
}

static uint64_t draw(uint64_t *seed)
{
	*seed += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t z = *seed;
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Of one run: each statistic, and the variance of its logarithm with its degrees of freedom. */
struct estimate {
	double value[STATISTICS], variance[STATISTICS];
	double freedom;
	uint64_t samples;
};

static void estimate(const struct cells *c, struct estimate *e)
{
	memset(e, 0, sizeof *e);
	struct cell *all = xnew(struct cell);
	for (uint32_t i = 0; i < c->n; i++)
		join(all, &c->list[i]);
	for (size_t s = 0; s < STATISTICS; s++)
		e->value[s] = of_joined(&statistics[s], all);
	e->samples = all->hists[0].count;
	uint32_t block = c->n < CELLS_LEAST ? 1 : (uint32_t)(cbrt((double)c->n) + 0.5);
	e->freedom = (double)c->n / block - 1;
	double sum[STATISTICS] = { 0 }, squares[STATISTICS] = { 0 };
	uint64_t seed = SEED;
	for (int k = 0; k < RESAMPLES && c->n >= CELLS_LEAST; k++) {
		memset(all, 0, sizeof *all);
		uint32_t at = 0;
		for (uint32_t i = 0; i < c->n; i++) {
			at = i % block ? (at + 1) % c->n : (uint32_t)(draw(&seed) % c->n);
			join(all, &c->list[at]);
		}
		for (size_t s = 0; s < STATISTICS; s++) {
			double v = log(fmax(of_joined(&statistics[s], all), 1e-9)) - log(fmax(e->value[s], 1e-9));
			sum[s] += v;
			squares[s] += v * v;
		}
	}
	for (size_t s = 0; s < STATISTICS; s++) {
		double mean = sum[s] / RESAMPLES;
		/* a bootstrap of n blocks knows n - 1 of them */
		e->variance[s] = fmax(squares[s] / RESAMPLES - mean * mean, 0) * (e->freedom + 1) / fmax(e->freedom, 1);
	}
	free(all);
}

/* The normal quantile (Acklam's rational approximation, relative error 1e-9 in the tails used here). */
static double normal_quantile(double p)
{
	static const double a[] = { -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
		                    1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00 };
	static const double b[] = { -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
		                    6.680131188771972e+01, -1.328068155288572e+01 };
	static const double c[] = { -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
		                    -2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00 };
	static const double d[] = { 7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00 };
	if (p > 0.97575) {
		double u = sqrt(-2 * log(1 - p));
		return -(((((c[0] * u + c[1]) * u + c[2]) * u + c[3]) * u + c[4]) * u + c[5]) /
		       ((((d[0] * u + d[1]) * u + d[2]) * u + d[3]) * u + 1);
	}
	double u = p - 0.5, r = u * u;
	return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * u /
	       (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

/* Student's t from the normal quantile (Hill's expansion, 1970, as in Abramowitz and Stegun 26.7.5). */
static double student_quantile(double p, double freedom)
{
	double x = normal_quantile(p), n = fmax(freedom, 1), x3 = x * x * x, x5 = x3 * x * x, x7 = x5 * x * x, x9 = x7 * x * x;
	return x + (x3 + x) / (4 * n) + (5 * x5 + 16 * x3 + 3 * x) / (96 * n * n) +
	       (3 * x7 + 19 * x5 + 17 * x3 - 15 * x) / (384 * n * n * n) +
	       (79 * x9 + 776 * x7 + 1482 * x5 - 1920 * x3 - 945 * x) / (92160 * n * n * n * n);
}

#define TAIL (1 - (1 - COMPARE_CONFIDENCE) / LINES / 2)

/* --- lines -------------------------------------------------------------------------------------- */

static void decide(struct compare_line *l, bool more_is_better, double least)
{
	if ((l->low <= 0 && l->high >= 0) || fabs(l->change) < least)
		l->verdict = COMPARE_SAME;
	else
		l->verdict = (l->change > 0) == more_is_better ? COMPARE_BETTER : COMPARE_WORSE;
}

static bool enough(const struct statistic *s, const struct cells *c, const struct estimate *e)
{
	double beyond = s->hist < 0 ? BEYOND_LEAST : (double)e->samples * (s->q > 0 ? 1 - s->q : 1);
	return c->n >= CELLS_LEAST && beyond >= BEYOND_LEAST;
}

static void ratio_line(struct compare_line *l, const struct statistic *s, const struct cells *cells, const struct estimate *e)
{
	size_t i = (size_t)(s - statistics);
	snprintf(l->name, sizeof l->name, "%s", s->name);
	l->kind = s->hist < 0 ? COMPARE_RATE : COMPARE_TIME;
	l->base = e[0].value[i];
	l->now = e[1].value[i];
	l->verdict = COMPARE_UNKNOWN;
	l->low = l->high = l->change = 0;
	if (l->base <= 0 || l->now <= 0)
		return;
	double ratio = log(l->now / l->base), a = e[0].variance[i], b = e[1].variance[i];
	l->low = l->high = l->change = exp(ratio) - 1;
	if (!enough(s, &cells[0], &e[0]) || !enough(s, &cells[1], &e[1]))
		return;
	double freedom = a + b > 0 ? (a + b) * (a + b) / (a * a / e[0].freedom + b * b / e[1].freedom) : e[0].freedom;
	double half = student_quantile(TAIL, freedom) * sqrt(a + b);
	l->low = exp(ratio - half) - 1;
	l->high = exp(ratio + half) - 1;
	decide(l, s->hist < 0, RESOLUTION);
}

struct portion {
	double part, all;
};

static struct portion errors_of(const struct tally_counts *n)
{
	return (struct portion){ (double)(n->outcome[PROBED_FAIL] + n->outcome[PROBED_ERROR]), (double)tally_measured(n) };
}

static struct portion dropped_of(const struct tally_counts *n)
{
	double dropped = (double)tally_dropped(n);
	return (struct portion){ dropped, dropped + (double)n->sent };
}

/* How much more the cells differ than independent draws would: 1 where they do not. */
static double overdispersion(const struct cells *c, struct portion (*of)(const struct tally_counts *), double share)
{
	double chi2 = 0, cells = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		struct portion p = of(&c->list[i].n);
		double expected = p.all * share;
		if (p.all <= 0 || share <= 0 || share >= 1)
			continue;
		chi2 += (p.part - expected) * (p.part - expected) / (expected * (1 - share));
		cells++;
	}
	return cells > 1 ? fmax(1, chi2 / (cells - 1)) : 1;
}

static struct portion of_all(const struct tally *t, struct portion (*of)(const struct tally_counts *))
{
	struct tally_counts n = t->n;
	n.sent = tally_starts(t, &n);
	return of(&n); /* cppcheck-suppress returnDanglingLifetime ; a portion holds numbers */
}

/* The variance of a share, with a success and a failure more than were seen. */
static double share_variance(const struct tally *t, const struct cells *c, struct portion (*of)(const struct tally_counts *),
                             double *share)
{
	struct portion p = of_all(t, of);
	*share = (p.part + 1) / (p.all + 2);
	return *share * (1 - *share) / (p.all + 2) * overdispersion(c, of, p.all > 0 ? p.part / p.all : 0);
}

static void share_line(struct compare_line *l, const char *name, const struct tally *base, const struct tally *now,
                       const struct cells *cells, struct portion (*of)(const struct tally_counts *))
{
	struct portion a = of_all(base, of), b = of_all(now, of);
	double adjusted_a, adjusted_b;
	double variance = share_variance(base, &cells[0], of, &adjusted_a) + share_variance(now, &cells[1], of, &adjusted_b);
	double half = normal_quantile(TAIL) * sqrt(variance), middle = adjusted_b - adjusted_a;
	snprintf(l->name, sizeof l->name, "%s", name);
	l->kind = COMPARE_SHARE;
	l->base = a.all > 0 ? a.part / a.all : 0;
	l->now = b.all > 0 ? b.part / b.all : 0;
	l->change = l->now - l->base;
	l->low = middle - half;
	l->high = middle + half;
	l->verdict = COMPARE_UNKNOWN;
	if (a.all >= BEYOND_LEAST && b.all >= BEYOND_LEAST)
		decide(l, false, 0);
}

void compare(const struct tally *base, const struct tally *now, struct comparison *out)
{
	struct cells cells[2];
	struct estimate e[2];
	memset(out, 0, sizeof *out);
	cells_of(base, &cells[0]);
	cells_of(now, &cells[1]);
	estimate(&cells[0], &e[0]);
	estimate(&cells[1], &e[1]);
	for (size_t i = 0; i < STATISTICS; i++)
		ratio_line(&out->lines[out->n++], &statistics[i], cells, e);
	share_line(&out->lines[out->n++], "errors", base, now, cells, errors_of);
	share_line(&out->lines[out->n++], "dropped", base, now, cells, dropped_of);
	free(cells[0].list);
	free(cells[1].list);
}

const char *compare_verdict_name(enum compare_verdict verdict)
{
	static const char *const names[] = {
		[COMPARE_SAME] = "no clear difference",
		[COMPARE_BETTER] = "better",
		[COMPARE_WORSE] = "worse",
		[COMPARE_UNKNOWN] = "too little measured",
	};
	return names[verdict];
}

/* A share's change in points, a ratio's in percent; where it is many times as much, as that. */
static const char *change_text(const struct compare_line *l, double change, char *out, size_t size)
{
	if (l->kind != COMPARE_SHARE && change >= 9)
		snprintf(out, size, change < 999 ? "x%.3g" : "x%.0f", change + 1);
	else
		snprintf(out, size, "%+.2f%s", change * 100, l->kind == COMPARE_SHARE ? " points" : " %");
	return out;
}

char *compare_change_text(const struct compare_line *l, char *out, size_t size)
{
	char change[32], low[32], high[32];
	change_text(l, l->change, change, sizeof change);
	if (l->verdict == COMPARE_UNKNOWN)
		snprintf(out, size, "%s", change);
	else
		snprintf(out, size, "%s (%s to %s)", change, change_text(l, l->low, low, sizeof low),
		         change_text(l, l->high, high, sizeof high));
	return out;
}
