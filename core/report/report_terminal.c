/* SPDX-License-Identifier: Apache-2.0 */
/* report_terminal.c - a run for a terminal: what did not hold comes first. */
#include <string.h>

#include "base/clock.h"
#include "base/unit.h"
#include "report/report_parts.h"

#define SHOWN_STEPS 40
#define SHOWN_MESSAGES 8
#define SHOWN_EVENTS 12

struct out {
	struct buf *b;
	bool colour;
};

enum ink { PLAIN, BOLD, GOOD, BAD, FAINT };

static void ink(const struct out *o, enum ink ink)
{
	static const char *const codes[] = { "\033[0m", "\033[1m", "\033[32m", "\033[31;1m", "\033[2m" };
	if (o->colour)
		buf_puts(o->b, codes[ink]);
}

static void put_inked(const struct out *o, enum ink how, const char *text)
{
	ink(o, how);
	buf_puts(o->b, text);
	ink(o, PLAIN);
}

/* Text that came from elsewhere, without what a terminal would obey. */
static void put_safe(const struct out *o, const char *s)
{
	for (; *s; s++)
		buf_putc(o->b, (unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s);
}

static void heading(const struct out *o, const char *text)
{
	buf_putc(o->b, '\n');
	put_inked(o, BOLD, text);
	buf_putc(o->b, '\n');
}

static void put_requirements(const struct out *o, const struct run_plan *p)
{
	if (!p->n_requires)
		return;
	heading(o, "Requirements");
	for (int met = 0; met < 2; met++)
		for (uint32_t i = 0; i < p->n_requires; i++) {
			const struct run_requirement *q = &p->requires[i];
			if ((q->state == REQUIREMENT_MET) != met)
				continue;
			buf_puts(o->b, "  ");
			put_inked(o, met ? GOOD : BAD, met ? "met     " : "NOT MET ");
			buf_printf(o->b, "%-36s ", q->text);
			put_safe(o, q->why);
			buf_putc(o->b, '\n');
		}
}

static void put_times_row(const struct out *o, const char *name, const struct spread *s)
{
	char t[32];
	if (!s->count)
		return;
	buf_printf(o->b, "  %-9s", name);
	const double columns[] = { s->avg, s->p[P50], s->p[P90], s->p[P95], s->p[P99], s->p[P999], s->max };
	for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
		buf_printf(o->b, "%10s", text_ns(s, columns[i], t, sizeof t));
	buf_putc(o->b, '\n');
}

static void put_times(const struct out *o, const struct tally *t)
{
	static const char *const names[] = { "latency", "service", "lag" };
	struct spread s;
	buf_putc(o->b, '\n');
	ink(o, BOLD);
	buf_printf(o->b, "%-11s%10s%10s%10s%10s%10s%10s%10s", "Times", "avg", "p50", "p90", "p95", "p99", "p99.9", "max");
	ink(o, PLAIN);
	buf_putc(o->b, '\n');
	for (uint32_t i = TALLY_LATENCY; i < TALLY_FACT; i++) {
		spread_measure(t, TALLY_ALL, i, &s);
		put_times_row(o, i < TALLY_PHASE ? names[i] : phase_name(i - TALLY_PHASE), &s);
	}
}

static int widest_step(const struct tally *t)
{
	size_t most = 12;
	for (uint32_t i = 0; i < t->n_measures && i < SHOWN_STEPS; i++)
		if (strlen(t->measures[i].name) > most)
			most = strlen(t->measures[i].name);
	return (int)(most < 40 ? most : 40);
}

static void put_step(const struct out *o, const struct tally *t, uint32_t i, int width)
{
	const struct tally_measure *m = &t->measures[i];
	char a[32], c[32], d[32], e[32];
	uint64_t passed, failed;
	struct spread s;
	spread_measure(t, i, TALLY_LATENCY, &s);
	tally_checks(t, i, &passed, &failed);
	buf_printf(o->b, "  %-*.*s%12s%10s%10s", width, width, m->name, text_count(m->n.sent, a, sizeof a),
	           text_count(m->n.outcome[PROBED_FAIL] + m->n.outcome[PROBED_ERROR], c, sizeof c),
	           text_ns(&s, s.p[P50], d, sizeof d));
	buf_printf(o->b, "%10s", text_ns(&s, s.p[P95], d, sizeof d));
	buf_printf(o->b, "%10s%10s\n", text_ns(&s, s.p[P99], d, sizeof d), text_share(passed, passed + failed, e, sizeof e));
}

static void put_steps(const struct out *o, const struct tally *t)
{
	int width = widest_step(t);
	buf_putc(o->b, '\n');
	ink(o, BOLD);
	buf_printf(o->b, "%-*s%12s%10s%10s%10s%10s%10s", width + 2, "Steps", "sent", "errors", "p50", "p95", "p99", "checks");
	ink(o, PLAIN);
	buf_putc(o->b, '\n');
	for (uint32_t i = 0; i < t->n_measures && i < SHOWN_STEPS; i++)
		put_step(o, t, i, width);
	if (t->n_measures > SHOWN_STEPS)
		buf_printf(o->b, "  and %u more: see the other formats\n", t->n_measures - SHOWN_STEPS);
}

static void put_failed_checks(const struct out *o, const struct tally *t)
{
	char n[32], all[32];
	for (uint32_t i = 0; i < t->n_measures; i++)
		for (uint32_t k = 0; k < t->measures[i].n_checks; k++) {
			const struct tally_measure *m = &t->measures[i];
			if (!m->checks[k].failed)
				continue;
			buf_puts(o->b, "  ");
			put_safe(o, m->name);
			buf_puts(o->b, ": ");
			put_safe(o, m->checks[k].label);
			buf_printf(o->b, " did not hold %s times of %s\n", text_count(m->checks[k].failed, n, sizeof n),
			           text_count(m->judged, all, sizeof all));
		}
}

static void put_errors(const struct out *o, const struct tally *t)
{
	uint32_t reasons[PROBED_REASONS], messages[TALLY_MESSAGES], n = report_reasons(&t->n, reasons);
	uint32_t n_messages = report_messages(t, messages), shown = 0;
	char count[32];
	if (!n && !n_messages)
		return;
	heading(o, "Not ok");
	for (uint32_t i = 0; i < n; i++)
		buf_printf(o->b, "  %-14s%12s\n", report_reason(reasons[i]),
		           text_count(t->n.reason[reasons[i]], count, sizeof count));
	for (; shown < n_messages && shown < SHOWN_MESSAGES; shown++) {
		const struct tally_message *m = &t->messages[messages[shown]];
		buf_printf(o->b, "  %26s  ", text_times(m, count, sizeof count));
		put_safe(o, t->measures[m->step].name);
		buf_puts(o->b, ": ");
		put_safe(o, *m->text ? m->text : report_reason(m->reason));
		buf_putc(o->b, '\n');
	}
	if (n_messages > shown)
		buf_printf(o->b, "  and %u other messages\n", n_messages - shown);
	put_failed_checks(o, t);
}

static void put_events(const struct out *o, const struct tally *t)
{
	char at[32], n[32];
	if (!t->n_events)
		return;
	heading(o, "Events");
	for (uint32_t i = 0; i < t->n_events && i < SHOWN_EVENTS; i++) {
		const struct tally_event *e = &t->events[i];
		buf_printf(o->b, "  %8s  ", text_offset(e->offset_ns, at, sizeof at));
		put_safe(o, e->text);
		if (e->n)
			buf_printf(o->b, ": %s probes", text_count(e->n, n, sizeof n));
		buf_putc(o->b, '\n');
	}
	if (t->n_events > SHOWN_EVENTS || t->more_events)
		buf_printf(o->b, "  and %u more\n", (t->n_events > SHOWN_EVENTS ? t->n_events - SHOWN_EVENTS : 0) + t->more_events);
}

static void put_comparison(const struct out *o, const struct tally *t, const struct run *base)
{
	const struct tally *before = report_base(base, t);
	struct comparison c;
	char was[32], is[32], change[120], name[240];
	if (!base)
		return;
	buf_putc(o->b, '\n');
	ink(o, BOLD);
	text_base(base, name, sizeof name);
	buf_puts(o->b, "Compared with ");
	put_safe(o, name);
	ink(o, PLAIN);
	if (!before) {
		buf_puts(o->b, "\n  it has no plan of this name\n");
		return;
	}
	compare(before, t, &c);
	buf_printf(o->b, " (%.0f %% confidence for all lines together)\n", COMPARE_CONFIDENCE * 100);
	for (uint32_t i = 0; i < c.n; i++) {
		const struct compare_line *l = &c.lines[i];
		buf_printf(o->b, "  %-14s%10s%10s   ", l->name, text_compared(l, l->base, was, sizeof was),
		           text_compared(l, l->now, is, sizeof is));
		ink(o, l->verdict == COMPARE_BETTER ? GOOD : l->verdict == COMPARE_WORSE ? BAD : FAINT);
		buf_printf(o->b, "%-20s", compare_verdict_name(l->verdict));
		ink(o, PLAIN);
		buf_printf(o->b, " %s\n", compare_change_text(l, change, sizeof change));
	}
}

static void put_plan(const struct out *o, const struct run_plan *p, const struct run *base)
{
	const struct tally *t = p->tally;
	char rates[600], a[32], c[32], d[32], e[32], f[32];
	text_rates(t, rates, sizeof rates);
	heading(o, t->plan);
	buf_printf(o->b, "  %s\n", rates);
	buf_printf(o->b, "  %s sent: %s ok, %s failed, %s errors, %s unknown", text_count(t->n.sent, a, sizeof a),
	           text_count(t->n.outcome[PROBED_OK], c, sizeof c), text_count(t->n.outcome[PROBED_FAIL], d, sizeof d),
	           text_count(t->n.outcome[PROBED_ERROR], e, sizeof e), text_count(t->n.outcome[PROBED_UNKNOWN], f, sizeof f));
	if (t->n.why[TALLY_LOST])
		buf_printf(o->b, " (%s lost with their worker)", text_count(t->n.why[TALLY_LOST], a, sizeof a));
	if (t->n.why[TALLY_RETRIED])
		buf_printf(o->b, "; %s retries", text_count(t->n.why[TALLY_RETRIED], a, sizeof a));
	buf_putc(o->b, '\n');
	put_requirements(o, p);
	put_times(o, t);
	put_steps(o, t);
	put_errors(o, t);
	put_events(o, t);
	put_comparison(o, t, base);
}

void report_put_terminal(struct buf *b, const struct run *r, const struct run *base, bool colour)
{
	const struct out o = { .b = b, .colour = colour };
	char ended[400], started[32];
	uint32_t all, not_met = run_not_met(r, &all);
	clock_format_wall(r->wall_ns, started);
	text_end(r, ended, sizeof ended);
	put_inked(&o, BOLD, r->name);
	buf_printf(b, ": %s; started %s on %s (probed %s)\n", ended, started, r->machine, r->version);
	for (uint32_t i = 0; i < r->n_plans; i++)
		put_plan(&o, &r->plans[i], base);
	buf_putc(b, '\n');
	char verdict[100];
	if (!all)
		snprintf(verdict, sizeof verdict, "No requirements.");
	else if (not_met)
		snprintf(verdict, sizeof verdict, "%u of %u requirements NOT MET.", not_met, all);
	else
		snprintf(verdict, sizeof verdict, all == 1 ? "The requirement is met." : "All %u requirements are met.", all);
	put_inked(&o, !all ? PLAIN : not_met ? BAD : GOOD, verdict);
	buf_putc(b, '\n');
}
