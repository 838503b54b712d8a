/* SPDX-License-Identifier: Apache-2.0 */
/* plan_metrics.c - plans on the metrics page and in the status document. */
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "measure/page.h"
#include "run/plan_run.h"

static const struct {
	const char *text;
	double q;
} quantiles[] = { { "0.5", 0.5 }, { "0.9", 0.9 }, { "0.95", 0.95 }, { "0.99", 0.99 }, { "0.999", 0.999 } };

static void latency(const struct plan_run *run, struct metrics_page *p)
{
	struct hist *h = xnew(struct hist);
	tally_hist(run->tally, TALLY_ALL, TALLY_LATENCY, h);
	for (size_t i = 0; h->count && i < ARRAY_LEN(quantiles); i++)
		metrics_self(p, "probed_plan_latency_seconds", METRICS_GAUGE, "seconds",
		             "Latency of a plan's probes from their due time, of its whole run.",
		             (double)hist_quantile(h, quantiles[i].q) / 1e9, "plan", run->name, "quantile", quantiles[i].text, NULL);
	free(h);
}

static void metrics_of(const struct plan_run *run, struct metrics_page *p)
{
	const struct tally_counts *n = &run->tally->n;
#define SELF(metric, type, help, value, ...) \
	metrics_self(p, metric, type, NULL, help, (double)(value), "plan", run->name, ##__VA_ARGS__, NULL)
	SELF("probed_plan_running", METRICS_GAUGE, "Whether the plan runs: 0 while its window is closed, and once it has ended.",
	     run->state != PLAN_WAITS && run->state != PLAN_OVER);
	SELF("probed_plan_inflight", METRICS_GAUGE, "Probes of a plan under way, or its virtual users.", run->inflight);
	SELF("probed_plan_waiting", METRICS_GAUGE, "Probes of a plan that wait at a gate.", run->waiting);
	SELF("probed_plan_asked_total", METRICS_COUNTER, "Probes that were due by a plan's schedule.", n->asked);
	SELF("probed_plan_sent_total", METRICS_COUNTER, "Probes that a plan sent.", n->sent);
	SELF("probed_plan_bytes_received_total", METRICS_COUNTER, "Bytes that a plan's probes received.", n->bytes_in);
	for (uint32_t i = 0; i < PROBED_OUTCOMES; i++)
		SELF("probed_plan_results_total", METRICS_COUNTER, "Results of a plan by outcome.", n->outcome[i], "outcome", outcome_name(i));
	for (uint32_t i = 0; i < TALLY_DROPS; i++)
		SELF("probed_plan_dropped_total", METRICS_COUNTER, "Probes that were due and not sent, by the reason.", n->why[i], "why",
		     tally_why_name(i));
	SELF("probed_plan_lost_total", METRICS_COUNTER, "Probes whose worker died.", n->why[TALLY_LOST]);
	SELF("probed_plan_retries_total", METRICS_COUNTER, "Further tries of a plan's probes.", n->why[TALLY_RETRIED]);
	SELF("probed_plan_paused_seconds_total", METRICS_COUNTER, "Time in which a plan was paused for want of resources.",
	     (double)run->paused_ns / 1e9);
#undef SELF
	latency(run, p);
}

void plans_metrics(const struct core *core, struct metrics_page *page)
{
	const struct plan_run *run;
	DL_FOREACH(core->runs, run)
		metrics_of(run, page);
}

void plans_status_json(const struct core *core, struct buf *b)
{
	const struct plan_run *run;
	buf_putc(b, '[');
	DL_FOREACH(core->runs, run)
	{
		buf_puts(b, run == core->runs ? "{\"name\":" : ",{\"name\":");
		str_put_json(b, run->name, strlen(run->name));
		buf_printf(b, ",\"state\":\"%s\",\"in_flight\":%u,\"waiting\":%u,\"asked\":%llu,\"sent\":%llu,\"dropped\":%llu}",
		           plan_state_name(run->state), run->inflight, run->waiting, (unsigned long long)run->tally->n.asked,
		           (unsigned long long)run->tally->n.sent, (unsigned long long)tally_dropped(&run->tally->n));
	}
	buf_putc(b, ']');
}
