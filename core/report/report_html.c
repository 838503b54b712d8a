/* SPDX-License-Identifier: Apache-2.0 */
/* report_html.c - a run as one HTML page that holds all it needs: no network, no script needed, light and dark, printable. */
#include <string.h>

#include "base/clock.h"
#include "base/unit.h"
#include "report/page.h"
#include "report/report_parts.h"

static void put_tile(struct buf *b, const char *value, const char *what)
{
	buf_printf(b, "<li><b>%s</b><span>%s</span></li>", value, what);
}

static void put_tiles(struct buf *b, const struct tally *t)
{
	char text[48];
	struct spread s;
	uint64_t errors = t->n.outcome[PROBED_FAIL] + t->n.outcome[PROBED_ERROR];
	spread_measure(t, TALLY_ALL, TALLY_LATENCY, &s);
	buf_puts(b, "<ul class=\"tiles\">");
	if (t->open_loop)
		put_tile(b, text_rate(tally_asked_rate(t), text, sizeof text), "asked");
	put_tile(b, text_rate(tally_achieved_rate(t), text, sizeof text), "achieved");
	put_tile(b, text_count(t->n.sent, text, sizeof text), "probes sent");
	put_tile(b, text_ns(&s, s.p[P50], text, sizeof text), "latency, p50");
	put_tile(b, text_ns(&s, s.p[P99], text, sizeof text), "latency, p99");
	put_tile(b, text_share(errors, tally_measured(&t->n), text, sizeof text), "errors");
	put_tile(b, text_count(tally_dropped(&t->n), text, sizeof text), "dropped");
	if (t->n.outcome[PROBED_UNKNOWN])
		put_tile(b, text_count(t->n.outcome[PROBED_UNKNOWN], text, sizeof text), "unknown (our own fault)");
	buf_puts(b, "</ul>\n");
}

static void open_table(struct buf *b, const char *title, const char *const *columns, uint32_t texts)
{
	buf_printf(b, "<h3>%s</h3><div class=\"scroll\"><table><thead><tr>", title);
	for (uint32_t i = 0; columns[i]; i++)
		buf_printf(b, "<th scope=\"col\"%s>%s</th>", texts & (1u << i) ? " class=\"text\"" : "", columns[i]);
	buf_puts(b, "</tr></thead><tbody>\n");
}

static void close_table(struct buf *b)
{
	buf_puts(b, "</tbody></table></div>\n");
}

static void put_th(struct buf *b, const char *text)
{
	buf_puts(b, "<tr><th scope=\"row\">");
	put_xml(b, text);
	buf_puts(b, "</th>");
}

static void put_td(struct buf *b, const char *class, const char *text)
{
	buf_printf(b, *class ? "<td class=\"%s\">" : "<td>", class);
	put_xml(b, text);
	buf_puts(b, "</td>");
}

static void put_requirements(struct buf *b, const struct run_plan *p)
{
	static const char *const columns[] = { "what must hold", "verdict", "measured", NULL };
	if (!p->n_requires)
		return;
	open_table(b, "Requirements", columns, 7);
	for (uint32_t i = 0; i < p->n_requires; i++) {
		const struct run_requirement *q = &p->requires[i];
		bool met = q->state == REQUIREMENT_MET;
		put_th(b, q->text);
		put_td(b, met ? "text good" : "text bad", met ? "met" : "NOT MET");
		put_td(b, "text", q->why);
		buf_puts(b, "</tr>\n");
	}
	close_table(b);
}

static void put_times(struct buf *b, const struct tally *t)
{
	static const char *const columns[] = { "", "avg", "min", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "max", NULL };
	static const char *const names[] = { "latency", "service", "lag" };
	char text[32];
	struct spread s;
	open_table(b, "Times", columns, 0);
	for (uint32_t i = TALLY_LATENCY; i < TALLY_FACT; i++) {
		spread_measure(t, TALLY_ALL, i, &s);
		if (!s.count)
			continue;
		put_th(b, i < TALLY_PHASE ? names[i] : phase_name(i - TALLY_PHASE));
		put_td(b, "", text_ns(&s, s.avg, text, sizeof text));
		put_td(b, "", text_ns(&s, s.min, text, sizeof text));
		for (int k = 0; k < QUANTILES; k++)
			put_td(b, "", text_ns(&s, s.p[k], text, sizeof text));
		put_td(b, "", text_ns(&s, s.max, text, sizeof text));
		buf_puts(b, "</tr>\n");
	}
	close_table(b);
}

static void put_steps(struct buf *b, const struct tally *t)
{
	static const char *const columns[] = { "step", "sent", "ok", "failed", "errors", "unknown", "dropped",
		                               "p50", "p95", "p99", "received", "checks", NULL };
	char text[48];
	open_table(b, "Steps", columns, 0);
	for (uint32_t i = 0; i < t->n_measures; i++) {
		const struct tally_counts *n = &t->measures[i].n;
		uint64_t passed, failed;
		struct spread s;
		spread_measure(t, i, TALLY_LATENCY, &s);
		tally_checks(t, i, &passed, &failed);
		put_th(b, t->measures[i].name);
		put_td(b, "", text_count(n->sent, text, sizeof text));
		put_td(b, "", text_count(n->outcome[PROBED_OK], text, sizeof text));
		put_td(b, n->outcome[PROBED_FAIL] ? "bad" : "", text_count(n->outcome[PROBED_FAIL], text, sizeof text));
		put_td(b, n->outcome[PROBED_ERROR] ? "bad" : "", text_count(n->outcome[PROBED_ERROR], text, sizeof text));
		put_td(b, "", text_count(n->outcome[PROBED_UNKNOWN], text, sizeof text));
		put_td(b, "", text_count(tally_dropped(n), text, sizeof text));
		put_td(b, "", text_ns(&s, s.p[P50], text, sizeof text));
		put_td(b, "", text_ns(&s, s.p[P95], text, sizeof text));
		put_td(b, "", text_ns(&s, s.p[P99], text, sizeof text));
		put_td(b, "", unit_format_size((int64_t)n->bytes_in, text, sizeof text));
		put_td(b, "", text_share(passed, passed + failed, text, sizeof text));
		buf_puts(b, "</tr>\n");
	}
	close_table(b);
}

static void put_checks(struct buf *b, const struct tally *t)
{
	static const char *const columns[] = { "expectation", "held", "did not hold", NULL };
	uint64_t passed, failed;
	char text[48];
	tally_checks(t, TALLY_ALL, &passed, &failed);
	if (!passed && !failed)
		return;
	open_table(b, "Expectations", columns, 0);
	for (uint32_t i = 0; i < t->n_measures; i++)
		for (uint32_t k = 0; k < t->measures[i].n_checks; k++) {
			const struct tally_measure *m = &t->measures[i];
			uint64_t bad = m->checks[k].failed;
			buf_puts(b, "<tr><th scope=\"row\">");
			put_xml(b, m->name);
			buf_puts(b, ": ");
			put_xml(b, m->checks[k].label);
			buf_puts(b, "</th>");
			put_td(b, "", text_count(m->judged > bad ? m->judged - bad : 0, text, sizeof text));
			put_td(b, bad ? "bad" : "", text_count(bad, text, sizeof text));
			buf_puts(b, "</tr>\n");
		}
	close_table(b);
}

static void put_messages(struct buf *b, const struct tally *t)
{
	static const char *const columns[] = { "message", "step", "reason", "times", NULL };
	uint32_t order[TALLY_MESSAGES], n = report_messages(t, order);
	char text[48];
	if (!n)
		return;
	open_table(b, "Not ok", columns, 7);
	for (uint32_t i = 0; i < n; i++) {
		const struct tally_message *m = &t->messages[order[i]];
		buf_puts(b, "<tr>");
		put_td(b, "text", *m->text ? m->text : "(no message)");
		put_td(b, "text", t->measures[m->step].name);
		put_td(b, "text soft", report_reason(m->reason));
		put_td(b, "", text_times(m, text, sizeof text));
		buf_puts(b, "</tr>\n");
	}
	close_table(b);
}

static void put_events(struct buf *b, const struct tally *t)
{
	static const char *const columns[] = { "time", "event", "probes lost", NULL };
	char text[48];
	if (!t->n_events)
		return;
	open_table(b, "Events", columns, 2);
	for (uint32_t i = 0; i < t->n_events; i++) {
		put_th(b, text_offset(t->events[i].offset_ns, text, sizeof text));
		put_td(b, "text", t->events[i].text);
		put_td(b, "", t->events[i].n ? text_count(t->events[i].n, text, sizeof text) : "");
		buf_puts(b, "</tr>\n");
	}
	close_table(b);
	if (t->more_events)
		buf_printf(b, "<p class=\"soft\">and %u more</p>\n", t->more_events);
}

static void put_comparison(struct buf *b, const struct tally *t, const struct run *base)
{
	static const char *const columns[] = { "", "then", "now", "verdict", "change, with its confidence interval", NULL };
	const struct tally *before = report_base(base, t);
	struct comparison c;
	char text[240];
	if (!before)
		return;
	compare(before, t, &c);
	CLEANUP_BUF struct buf title = { 0 };
	buf_puts(&title, "Compared with ");
	text_base(base, text, sizeof text);
	put_xml(&title, text);
	open_table(b, buf_cstr(&title), columns, 8 | 16);
	for (uint32_t i = 0; i < c.n; i++) {
		const struct compare_line *l = &c.lines[i];
		put_th(b, l->name);
		put_td(b, "", text_compared(l, l->base, text, sizeof text));
		put_td(b, "", text_compared(l, l->now, text, sizeof text));
		put_td(b, l->verdict == COMPARE_BETTER ? "text good" : l->verdict == COMPARE_WORSE ? "text bad" : "text soft",
		       compare_verdict_name(l->verdict));
		put_td(b, "text", compare_change_text(l, text, sizeof text));
		buf_puts(b, "</tr>\n");
	}
	close_table(b);
	buf_printf(b, "<p class=\"soft\">%.0f %% confidence for all lines together. Dashed lines in the plots are that earlier run.</p>\n",
	           COMPARE_CONFIDENCE * 100);
}

static void put_plan(struct buf *b, const struct run_plan *p, const struct run *base)
{
	const struct tally *t = p->tally;
	char rates[600];
	text_rates(t, rates, sizeof rates);
	buf_puts(b, "<section><h2>");
	put_xml(b, t->plan);
	buf_puts(b, "</h2><p>");
	put_xml(b, rates);
	buf_puts(b, "</p>\n");
	put_tiles(b, t);
	put_requirements(b, p);
	put_comparison(b, t, base);
	buf_puts(b, "<h3>Plots</h3>");
	report_put_plots(b, t, report_base(base, t));
	put_times(b, t);
	put_steps(b, t);
	put_checks(b, t);
	put_messages(b, t);
	put_events(b, t);
	buf_puts(b, "</section>\n");
}

static void put_verdict(struct buf *b, const struct run *r)
{
	uint32_t all, not_met = run_not_met(r, &all);
	if (!all)
		return;
	if (not_met)
		buf_printf(b, "<p class=\"verdict bad\">%u of %u requirements not met</p>\n", not_met, all);
	else
		buf_printf(b, "<p class=\"verdict good\">%s</p>\n", all == 1 ? "The requirement is met" : "All requirements are met");
}

void report_put_html(struct buf *b, const struct run *r, const struct run *base)
{
	char ended[400], started[32];
	clock_format_wall(r->wall_ns, started);
	text_end(r, ended, sizeof ended);
	/* nothing is to be loaded from anywhere, whatever a name or a message holds */
	buf_puts(b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src "
	            "'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
	put_xml(b, r->name);
	buf_printf(b, "</title>\n<style>\n%s</style></head><body>\n<h1>", page_style);
	put_xml(b, r->name);
	buf_puts(b, "</h1>\n<p class=\"soft\">");
	put_xml(b, ended);
	buf_printf(b, "; started %s on ", started);
	put_xml(b, r->machine);
	buf_puts(b, " (probed ");
	put_xml(b, r->version);
	buf_puts(b, ")</p>\n");
	put_verdict(b, r);
	for (uint32_t i = 0; i < r->n_plans; i++)
		put_plan(b, &r->plans[i], base);
	buf_printf(b, "<script>\n%s</script></body></html>\n", page_script);
}
