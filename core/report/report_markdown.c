/* SPDX-License-Identifier: Apache-2.0 */
/* report_markdown.c - a run as Markdown, for a merge request or a chat. */
#include <string.h>

#include "base/clock.h"
#include "base/unit.h"
#include "report/report_parts.h"

#define SHOWN_MESSAGES 10

/* In a cell of a table: what has a meaning in Markdown or HTML is escaped, and a line stays a line. */
static void put_cell(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (strchr("\\`*_[]<>|~#&", *s))
			buf_putc(b, '\\');
		buf_putc(b, (unsigned char)*s < 0x20 ? ' ' : *s);
	}
}

static void put_requirements(struct buf *b, const struct run_plan *p)
{
	if (!p->n_requires)
		return;
	buf_puts(b, "\n| requirement | | measured |\n|---|---|---|\n");
	for (uint32_t i = 0; i < p->n_requires; i++) {
		const struct run_requirement *q = &p->requires[i];
		buf_puts(b, "| ");
		put_cell(b, q->text);
		buf_puts(b, q->state == REQUIREMENT_MET ? " | met | " : " | **NOT MET** | ");
		put_cell(b, q->why);
		buf_puts(b, " |\n");
	}
}

static void put_times(struct buf *b, const struct tally *t)
{
	static const char *const names[] = { "latency", "service", "lag" };
	char text[32];
	struct spread s;
	buf_puts(b, "\n| | avg | p50 | p90 | p95 | p99 | p99.9 | max |\n|---|---:|---:|---:|---:|---:|---:|---:|\n");
	for (uint32_t i = TALLY_LATENCY; i < TALLY_FACT; i++) {
		spread_measure(t, TALLY_ALL, i, &s);
		if (!s.count)
			continue;
		const double columns[] = { s.avg, s.p[P50], s.p[P90], s.p[P95], s.p[P99], s.p[P999], s.max };
		buf_printf(b, "| %s |", i < TALLY_PHASE ? names[i] : phase_name(i - TALLY_PHASE));
		for (size_t k = 0; k < sizeof columns / sizeof columns[0]; k++)
			buf_printf(b, " %s |", text_ns(&s, columns[k], text, sizeof text));
		buf_putc(b, '\n');
	}
}

static void put_steps(struct buf *b, const struct tally *t)
{
	char x[32], y[32], z[32], p[32], q[32], c[32];
	buf_puts(b, "\n| step | sent | ok | failed | errors | p50 | p99 | checks |\n|---|---:|---:|---:|---:|---:|---:|---:|\n");
	for (uint32_t i = 0; i < t->n_measures; i++) {
		const struct tally_measure *m = &t->measures[i];
		uint64_t passed, failed;
		struct spread s;
		char sent[32];
		spread_measure(t, i, TALLY_LATENCY, &s);
		tally_checks(t, i, &passed, &failed);
		buf_puts(b, "| ");
		put_cell(b, m->name);
		buf_printf(b, " | %s | %s | %s | %s | %s | %s | %s |\n", text_count(m->n.sent, sent, sizeof sent),
		           text_count(m->n.outcome[PROBED_OK], x, sizeof x), text_count(m->n.outcome[PROBED_FAIL], y, sizeof y),
		           text_count(m->n.outcome[PROBED_ERROR], z, sizeof z), text_ns(&s, s.p[P50], p, sizeof p),
		           text_ns(&s, s.p[P99], q, sizeof q), text_share(passed, passed + failed, c, sizeof c));
	}
}

static void put_messages(struct buf *b, const struct tally *t)
{
	uint32_t order[TALLY_MESSAGES], n = report_messages(t, order);
	char count[32];
	if (!n)
		return;
	buf_puts(b, "\n| not ok | reason | step | message |\n|---:|---|---|---|\n");
	for (uint32_t i = 0; i < n && i < SHOWN_MESSAGES; i++) {
		const struct tally_message *m = &t->messages[order[i]];
		buf_printf(b, "| %s | %s | ", text_times(m, count, sizeof count), report_reason(m->reason));
		put_cell(b, t->measures[m->step].name);
		buf_puts(b, " | ");
		put_cell(b, m->text);
		buf_puts(b, " |\n");
	}
	if (n > SHOWN_MESSAGES)
		buf_printf(b, "\nand %u other messages\n", n - SHOWN_MESSAGES);
}

static void put_events(struct buf *b, const struct tally *t)
{
	char at[32], n[32];
	for (uint32_t i = 0; i < t->n_events; i++) {
		buf_printf(b, "%s- %s ", i ? "" : "\n", text_offset(t->events[i].offset_ns, at, sizeof at));
		put_cell(b, t->events[i].text);
		if (t->events[i].n)
			buf_printf(b, ": %s probes", text_count(t->events[i].n, n, sizeof n));
		buf_putc(b, '\n');
	}
	if (t->more_events)
		buf_printf(b, "- and %u more\n", t->more_events);
}

static void put_comparison(struct buf *b, const struct tally *t, const struct run *base)
{
	const struct tally *before = report_base(base, t);
	struct comparison c;
	char was[32], is[32], change[120], name[240];
	if (!before)
		return;
	compare(before, t, &c);
	buf_puts(b, "\n| compared with ");
	text_base(base, name, sizeof name);
	put_cell(b, name);
	buf_puts(b, " | then | now | verdict | change |\n|---|---:|---:|---|---|\n");
	for (uint32_t i = 0; i < c.n; i++) {
		const struct compare_line *l = &c.lines[i];
		bool strong = l->verdict == COMPARE_BETTER || l->verdict == COMPARE_WORSE;
		buf_printf(b, "| %s | %s | %s | %s%s%s | %s |\n", l->name, text_compared(l, l->base, was, sizeof was),
		           text_compared(l, l->now, is, sizeof is), strong ? "**" : "", compare_verdict_name(l->verdict), strong ? "**" : "",
		           compare_change_text(l, change, sizeof change));
	}
}

void report_put_markdown(struct buf *b, const struct run *r, const struct run *base)
{
	char ended[400], started[32], rates[600];
	uint32_t all, not_met = run_not_met(r, &all);
	clock_format_wall(r->wall_ns, started);
	text_end(r, ended, sizeof ended);
	buf_puts(b, "# ");
	put_cell(b, r->name);
	buf_printf(b, "\n\n%s; started %s on ", ended, started);
	put_cell(b, r->machine);
	buf_printf(b, " (probed %s).", r->version);
	if (all && not_met)
		buf_printf(b, " **%u of %u requirements NOT MET.**\n", not_met, all);
	else
		buf_puts(b, all ? " All requirements are met.\n" : "\n");
	for (uint32_t i = 0; i < r->n_plans; i++) {
		const struct tally *t = r->plans[i].tally;
		text_rates(t, rates, sizeof rates);
		buf_puts(b, "\n## ");
		put_cell(b, t->plan);
		buf_printf(b, "\n\n%s.\n", rates);
		put_requirements(b, &r->plans[i]);
		put_times(b, t);
		put_steps(b, t);
		put_messages(b, t);
		put_events(b, t);
		put_comparison(b, t, base);
	}
}
