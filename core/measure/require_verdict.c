/* SPDX-License-Identifier: Apache-2.0 */
/* require_verdict.c - see require.h: what was measured, held against what must hold. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/unit.h"
#include "measure/require_parts.h"
#include "measure/series.h"
#include "measure/tally.h"

/* --- one number: false where nothing was measured ----------------------------------------------- */

static bool of_hist(const struct requirement *r, const struct hist *h, double scale, double *out)
{
	if (!h->count)
		return false;
	switch (r->agg) {
	case AGG_PERCENTILE:
		*out = (double)hist_quantile(h, r->q) / scale;
		return true;
	case AGG_MIN:
		*out = (double)h->min_ns / scale;
		return true;
	case AGG_MAX:
		*out = (double)h->max_ns / scale;
		return true;
	case AGG_COUNT:
		*out = (double)h->count;
		return true;
	default: /* the rate of a boolean is its average */
		*out = (double)h->sum_ns / (double)h->count / scale;
		return true;
	}
}

static bool spread(const struct requirement *r, const struct tally *t, uint32_t measure, double *out)
{
	uint32_t which = r->metric == METRIC_PHASE ? TALLY_PHASE + r->phase : TALLY_LATENCY + r->metric - METRIC_LATENCY;
	double scale = 1;
	if (r->metric == METRIC_FACT) {
		uint32_t i = 0;
		while (i < t->n_facts && strcmp(t->facts[i].name, r->fact) != 0)
			i++;
		if (i == t->n_facts)
			return false;
		which = TALLY_FACT + i;
		scale = t->facts[i].scale;
	}
	CLEANUP_FREE struct hist *h = xnew(struct hist);
	tally_hist(t, measure, which, h);
	return of_hist(r, h, scale, out);
}

static bool share(const struct requirement *r, uint64_t part, uint64_t all, double *out)
{
	*out = r->agg == AGG_COUNT ? (double)part : all ? (double)part / (double)all : 0;
	return all > 0;
}

static double seconds_of(const struct tally *t)
{
	return (double)(t->schedule_ns ? t->schedule_ns : t->length_ns) / 1e9;
}

/* Whole intervals of the time in which probes were asked for: the one at hand would always be too low. */
static bool extreme_rate(const struct requirement *r, const struct tally *t, double *out)
{
	bool any = false;
	int64_t end = t->schedule_ns ? t->schedule_ns : t->length_ns;
	for (uint32_t i = 0; i < t->n_intervals && (i + 1) * t->width_ns <= end; i++) {
		double rate = (double)tally_starts(t, &t->intervals[i].n) / ((double)t->width_ns / 1e9);
		if (!any || (r->agg == AGG_MIN ? rate < *out : rate > *out))
			*out = rate;
		any = true;
	}
	return any;
}

static bool rate(const struct requirement *r, const struct tally *t, const struct tally_counts *n, uint64_t started, double *out)
{
	double seconds = seconds_of(t);
	if (!started && !n->asked && !tally_dropped(n))
		return false;
	if (r->agg == AGG_MIN || r->agg == AGG_MAX)
		return extreme_rate(r, t, out);
	*out = r->agg == AGG_COUNT ? (double)started : seconds > 0 ? (double)started / seconds : 0;
	return r->agg == AGG_COUNT || seconds > 0;
}

static bool bytes(const struct requirement *r, const struct tally *t, const struct tally_counts *n, double *out)
{
	double all = (double)n->bytes_in + (double)n->bytes_out, seconds = seconds_of(t);
	uint64_t measured = tally_measured(n);
	if (!measured || (r->agg == AGG_RATE && seconds <= 0))
		return false;
	*out = r->agg == AGG_COUNT ? all : r->agg == AGG_RATE ? all / seconds : all / (double)measured;
	return true;
}

static bool number_of(const struct requirement *r, const struct tally *t, uint32_t measure, double *out)
{
	const struct tally_counts *n = tally_counts(t, measure);
	uint64_t passed, failed, measured = tally_measured(n), dropped = tally_dropped(n);
	uint64_t started = measure == TALLY_ALL ? tally_starts(t, n) : n->sent;
	switch (r->metric) {
	case METRIC_ERRORS:
		return share(r, n->outcome[PROBED_FAIL] + n->outcome[PROBED_ERROR], measured, out);
	case METRIC_UNKNOWN:
		return share(r, n->outcome[PROBED_UNKNOWN], measured + n->outcome[PROBED_UNKNOWN], out);
	case METRIC_DROPPED:
		return share(r, dropped, started + dropped, out);
	case METRIC_CHECKS:
		tally_checks(t, measure, &passed, &failed);
		return share(r, passed, passed + failed, out);
	case METRIC_RATE:
		return rate(r, t, n, started, out);
	case METRIC_BYTES:
		return bytes(r, t, n, out);
	default:
		return spread(r, t, measure, out);
	}
}

/* --- the verdict -------------------------------------------------------------------------------- */

static bool holds(const struct requirement *r, double v)
{
	switch (r->op) {
	case OP_LT:
		return v < r->value;
	case OP_LE:
		return v <= r->value;
	case OP_GT:
		return v > r->value;
	case OP_GE:
		return v >= r->value;
	case OP_EQ:
		return fabs(v - r->value) <= fabs(r->value) * 1e-9;
	default:
		return fabs(v - r->value) > fabs(r->value) * 1e-9;
	}
}

static void format_value(enum value_kind kind, double v, char *out, size_t size)
{
	char text[40];
	int64_t whole = v >= 9.2e18 ? INT64_MAX : v <= -9.2e18 ? INT64_MIN : (int64_t)v;
	switch (kind) {
	case VALUE_DURATION:
		unit_format_duration(whole, out, size);
		break;
	case VALUE_RATIO:
		snprintf(out, size, "%.4g %%", v * 100);
		break;
	case VALUE_COUNT:
		snprintf(out, size, "%.0f", v);
		break;
	case VALUE_PER_SECOND:
		snprintf(out, size, "%.6g/s", v);
		break;
	case VALUE_SIZE:
		unit_format_size(whole, out, size);
		break;
	case VALUE_SIZE_PER_SECOND:
		snprintf(out, size, "%s/s", unit_format_size(whole, text, sizeof text));
		break;
	case VALUE_NUMBER:
		snprintf(out, size, "%.6g", v);
		break;
	}
}

static void what_of(const struct requirement *r, char *out, size_t size)
{
	const char *name = r->fact ? r->fact : require_metrics[r->metric].name;
	if (r->metric == METRIC_PHASE)
		snprintf(out, size, "%s of the phase %s", r->agg_name, phase_name(r->phase));
	else if (r->metric == METRIC_RATE && r->agg == AGG_AVG)
		snprintf(out, size, "the rate");
	else
		snprintf(out, size, "%s of %s", r->agg_name, name);
}

static enum requirement_state judge(const struct requirement *r, const struct tally *t, uint32_t measure, char *why, size_t size)
{
	char what[100], is[48], asked[48];
	double v = 0;
	const char *step = measure == TALLY_ALL ? NULL : t->measures[measure].name;
	const char *at = step ? step : "", *colon = step ? ": " : "";
	if (!number_of(r, t, measure, &v)) {
		snprintf(why, size, "%s%snothing measured", at, colon);
		return REQUIREMENT_NOT_MEASURED;
	}
	bool met = holds(r, v);
	what_of(r, what, sizeof what);
	format_value(require_value_kind(r), v, is, sizeof is);
	format_value(require_value_kind(r), r->value, asked, sizeof asked);
	snprintf(why, size, "%s%s%s is %s%s%s%s%s", at, colon, what, is, met ? "" : ", not ", met ? "" : require_ops[r->op],
	         met ? "" : " ", met ? "" : asked);
	return met ? REQUIREMENT_MET : REQUIREMENT_NOT_MET;
}

/* Each step must hold it, and have been measured; of a phase or a fact only those steps that have it. */
static enum requirement_state judge_each(const struct requirement *r, const struct tally *t, char *why, size_t size)
{
	bool may_lack = r->metric == METRIC_PHASE || r->metric == METRIC_FACT;
	uint32_t n_met = 0;
	char text[300], lacking[300] = "";
	for (uint32_t i = 0; i < t->n_measures; i++) {
		enum requirement_state state = judge(r, t, i, text, sizeof text);
		if (state == REQUIREMENT_NOT_MET) {
			snprintf(why, size, "%s", text);
			return state;
		}
		if (state == REQUIREMENT_NOT_MEASURED && !*lacking)
			memcpy(lacking, text, sizeof lacking);
		n_met += state == REQUIREMENT_MET;
	}
	if (!n_met || (*lacking && !may_lack)) {
		snprintf(why, size, "%s", *lacking ? lacking : "nothing measured");
		return REQUIREMENT_NOT_MEASURED;
	}
	snprintf(why, size, "holds for each step (%u)", n_met);
	return REQUIREMENT_MET;
}

enum requirement_state requirement_verdict(const struct requirement *r, const struct tally *t, char *why, size_t size)
{
	CHECK_MAGIC(r, REQUIREMENT_MAGIC);
	if (r->each)
		return judge_each(r, t, why, size);
	uint32_t measure = TALLY_ALL;
	for (uint32_t i = 0; r->step && i < t->n_measures; i++)
		if (!strcmp(t->measures[i].name, r->step))
			measure = i;
	if (r->step && measure == TALLY_ALL) {
		snprintf(why, size, "%s: nothing measured", r->step);
		return REQUIREMENT_NOT_MEASURED;
	}
	return judge(r, t, measure, why, size);
}

const char *requirement_state_name(enum requirement_state state)
{
	static const char *const names[] = {
		[REQUIREMENT_MET] = "met",
		[REQUIREMENT_NOT_MET] = "not met",
		[REQUIREMENT_NOT_MEASURED] = "not measured",
	};
	return names[state];
}
