/* SPDX-License-Identifier: Apache-2.0 */
/* report_json.c - a run as JSON, for programs: docs/reports.md says what each member is. */
#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "measure/series.h"
#include "report/js.h"
#include "report/report_parts.h"

#define REPORT_VERSION 1

static void put_spread(struct buf *b, const char *key, const struct spread *s, double unit)
{
	if (!s->count)
		return;
	js_key(b, key);
	js_open(b, '{');
	js_key_u64(b, "count", s->count);
	js_key_num(b, "avg", s->avg / unit);
	js_key_num(b, "min", s->min / unit);
	js_key_num(b, "max", s->max / unit);
	for (int i = 0; i < QUANTILES; i++)
		js_key_num(b, report_quantile_names[i], s->p[i] / unit);
	js_close(b, '}');
}

static void put_times(struct buf *b, const struct tally *t, uint32_t measure)
{
	static const char *const names[] = { "latency_ms", "service_ms", "lag_ms" };
	struct spread s;
	for (uint32_t i = TALLY_LATENCY; i <= TALLY_LAG; i++) {
		spread_measure(t, measure, i, &s);
		put_spread(b, names[i], &s, 1e6);
	}
	js_key(b, "phases_ms");
	js_open(b, '{');
	for (uint32_t i = 0; i < PROBED_PHASES; i++) {
		spread_measure(t, measure, TALLY_PHASE + i, &s);
		put_spread(b, phase_name(i), &s, 1e6);
	}
	js_close(b, '}');
	js_key(b, "facts");
	js_open(b, '{');
	for (uint32_t i = 0; i < t->n_facts; i++) {
		spread_measure(t, measure, TALLY_FACT + i, &s);
		put_spread(b, t->facts[i].name, &s, t->facts[i].type == PROBED_TYPE_DURATION ? 1e9 : 1);
	}
	js_close(b, '}');
}

static void put_nonzero(struct buf *b, const char *key, const uint64_t *n, uint32_t from, uint32_t to, const char *(*name)(uint32_t))
{
	js_key(b, key);
	js_open(b, '{');
	for (uint32_t i = from; i < to; i++)
		if (n[i])
			js_key_u64(b, name(i), n[i]);
	js_close(b, '}');
}

static void put_counts(struct buf *b, const struct tally_counts *n)
{
	js_key_u64(b, "sent", n->sent);
	for (uint32_t i = 0; i < PROBED_OUTCOMES; i++)
		js_key_u64(b, outcome_name(i), n->outcome[i]);
	js_key_u64(b, "dropped", tally_dropped(n));
	put_nonzero(b, "dropped_by", n->why, 0, TALLY_DROPS, tally_why_name);
	js_key_u64(b, "lost", n->why[TALLY_LOST]);
	js_key_u64(b, "retried", n->why[TALLY_RETRIED]);
	put_nonzero(b, "reasons", n->reason, 1, PROBED_REASONS, report_reason);
	js_key_u64(b, "bytes_in", n->bytes_in);
	js_key_u64(b, "bytes_out", n->bytes_out);
}

static void put_checks(struct buf *b, const struct tally_measure *m)
{
	js_key(b, "checks");
	js_open(b, '[');
	for (uint32_t i = 0; i < m->n_checks; i++) {
		js_open(b, '{');
		js_key_str(b, "label", m->checks[i].label);
		js_key_u64(b, "passed", m->judged > m->checks[i].failed ? m->judged - m->checks[i].failed : 0);
		js_key_u64(b, "failed", m->checks[i].failed);
		js_close(b, '}');
	}
	js_close(b, ']');
}

static void put_steps(struct buf *b, const struct tally *t)
{
	js_key(b, "steps");
	js_open(b, '[');
	for (uint32_t i = 0; i < t->n_measures; i++) {
		js_open(b, '{');
		js_key_str(b, "name", t->measures[i].name);
		put_counts(b, &t->measures[i].n);
		put_times(b, t, i);
		put_checks(b, &t->measures[i]);
		js_close(b, '}');
	}
	js_close(b, ']');
}

static void put_messages(struct buf *b, const struct tally *t)
{
	uint32_t order[TALLY_MESSAGES], n = report_messages(t, order);
	js_key(b, "messages");
	js_open(b, '[');
	for (uint32_t i = 0; i < n; i++) {
		const struct tally_message *m = &t->messages[order[i]];
		js_open(b, '{');
		js_key_str(b, "step", t->measures[m->step].name);
		js_key_str(b, "reason", report_reason(m->reason));
		js_key_str(b, "text", m->text);
		js_key_u64(b, "count", m->count);
		js_key_u64(b, "at_least", m->count - m->over);
		js_close(b, '}');
	}
	js_close(b, ']');
}

static void put_events(struct buf *b, const struct tally *t)
{
	js_key(b, "events");
	js_open(b, '[');
	for (uint32_t i = 0; i < t->n_events; i++) {
		js_open(b, '{');
		js_key_num(b, "at_s", (double)t->events[i].offset_ns / 1e9);
		js_key_str(b, "text", t->events[i].text);
		js_key_u64(b, "lost", t->events[i].n);
		js_close(b, '}');
	}
	js_close(b, ']');
	js_key_u64(b, "more_events", t->more_events);
}

static void put_interval(struct buf *b, const struct tally *t, uint32_t i)
{
	const struct tally_interval *v = &t->intervals[i];
	struct hist *h = xnew(struct hist);
	struct spread s;
	js_open(b, '{');
	js_key_num(b, "at_s", (double)(i * t->width_ns) / 1e9);
	js_key_u64(b, "asked", v->n.asked);
	js_key_u64(b, "started", tally_starts(t, &v->n));
	put_counts(b, &v->n);
	js_key_u64(b, "inflight", v->inflight);
	js_key_num(b, "paused_s", (double)v->paused_ns / 1e9);
	series_hist(t, i, TALLY_LATENCY, h);
	spread_of(h, 1, &s);
	put_spread(b, "latency_ms", &s, 1e6);
	*h = (struct hist){ 0 };
	series_hist(t, i, TALLY_SERVICE, h);
	spread_of(h, 1, &s);
	put_spread(b, "service_ms", &s, 1e6);
	js_close(b, '}');
	free(h);
}

static void put_series(struct buf *b, const struct tally *t)
{
	js_key(b, "series");
	js_open(b, '{');
	js_key_num(b, "width_s", (double)t->width_ns / 1e9);
	js_key(b, "intervals");
	js_open(b, '[');
	for (uint32_t i = 0; i < t->n_intervals; i++)
		put_interval(b, t, i);
	js_close(b, ']');
	js_close(b, '}');
}

static void put_comparison(struct buf *b, const struct tally *t, const struct tally *base)
{
	struct comparison c;
	if (!base)
		return;
	compare(base, t, &c);
	js_key(b, "comparison");
	js_open(b, '[');
	for (uint32_t i = 0; i < c.n; i++) {
		const struct compare_line *l = &c.lines[i];
		double unit = l->kind == COMPARE_TIME ? 1e6 : 1;
		js_open(b, '{');
		js_key_str(b, "name", l->name);
		js_key_str(b, "unit", l->kind == COMPARE_TIME ? "ms" : l->kind == COMPARE_RATE ? "/s" : "share");
		js_key_str(b, "verdict", compare_verdict_name(l->verdict));
		js_key_num(b, "base", l->base / unit);
		js_key_num(b, "now", l->now / unit);
		js_key_num(b, "change", l->change);
		js_key_num(b, "low", l->verdict == COMPARE_UNKNOWN ? NAN : l->low);
		js_key_num(b, "high", l->verdict == COMPARE_UNKNOWN ? NAN : l->high);
		js_close(b, '}');
	}
	js_close(b, ']');
}

static void put_rates(struct buf *b, double asked, double achieved)
{
	js_key_num(b, "asked_rate", asked > 0 ? asked : NAN);
	js_key_num(b, "achieved_rate", achieved);
}

static void put_requirements(struct buf *b, const struct run_plan *p)
{
	js_key(b, "requirements");
	js_open(b, '[');
	for (uint32_t i = 0; i < p->n_requires; i++) {
		js_open(b, '{');
		js_key_str(b, "text", p->requires[i].text);
		js_key_str(b, "state", requirement_state_name(p->requires[i].state));
		js_key_str(b, "why", p->requires[i].why);
		js_close(b, '}');
	}
	js_close(b, ']');
}

static void put_plan(struct buf *b, const struct run_plan *p, const struct run *base)
{
	const struct tally *t = p->tally;
	char held[400];
	tally_held_back(t, held, sizeof held);
	js_open(b, '{');
	js_key_str(b, "name", t->plan);
	js_key_num(b, "length_s", (double)t->length_ns / 1e9);
	js_key_num(b, "schedule_s", (double)t->schedule_ns / 1e9);
	put_rates(b, tally_asked_rate(t), tally_achieved_rate(t));
	js_key_str(b, "held_back", held);
	js_key_u64(b, "asked", t->n.asked);
	js_key_u64(b, "started", tally_starts(t, &t->n));
	put_counts(b, &t->n);
	js_key_u64(b, "inflight_max", t->inflight_max);
	js_key_num(b, "paused_s", (double)t->paused_ns / 1e9);
	put_times(b, t, TALLY_ALL);
	put_requirements(b, p);
	put_steps(b, t);
	put_messages(b, t);
	put_events(b, t);
	put_series(b, t);
	put_comparison(b, t, report_base(base, t));
	js_close(b, '}');
}

void report_put_json(struct buf *b, const struct run *r, const struct run *base)
{
	char started[32];
	double asked = 0, achieved = 0;
	clock_format_wall(r->wall_ns, started);
	for (uint32_t i = 0; i < r->n_plans; i++) {
		asked += tally_asked_rate(r->plans[i].tally);
		achieved += tally_achieved_rate(r->plans[i].tally);
	}
	js_open(b, '{');
	js_key_u64(b, "report", REPORT_VERSION);
	js_key_str(b, "name", r->name);
	js_key_str(b, "machine", r->machine);
	js_key_str(b, "version", r->version);
	js_key_str(b, "started", started);
	js_key_num(b, "length_s", (double)run_length(r) / 1e9);
	js_key_str(b, "end", run_end_name(r->end));
	js_key_str(b, "why", r->why);
	js_key_u64(b, "merged", r->merged);
	js_key(b, "met");
	js_bool(b, run_met(r));
	put_rates(b, asked, achieved);
	js_key(b, "plans");
	js_open(b, '[');
	for (uint32_t i = 0; i < r->n_plans; i++)
		put_plan(b, &r->plans[i], base);
	js_close(b, ']');
	js_close(b, '}');
	buf_putc(b, '\n');
}
