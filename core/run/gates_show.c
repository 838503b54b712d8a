/* SPDX-License-Identifier: Apache-2.0 */
/* gates_show.c - what the gates hold, for metrics and for status. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "measure/page.h"
#include "run/gates_state.h"

/* Of hosts there may be any number: so many of them are shown on /metrics, and all are counted. */
#define SHOWN_MAX 1000

const char *gate_why_name(uint32_t why)
{
	static const char *const names[GATE_WHYS] = { "none", "limit", "inflight", "backoff", "breaker", "resources" };
	return why < GATE_WHYS ? names[why] : "other";
}

const char *gate_kind_name(enum gate_kind k)
{
	static const char *const names[GATE_KINDS] = { "target", "plan", "host", "driver", "global" };
	return k < GATE_KINDS ? names[k] : "other";
}

void gates_each(const struct gates *g, void (*fn)(void *ctx, const struct gate_view *v), void *ctx)
{
	CHECK_MAGIC(g, GATES_MAGIC);
	for (const struct gate_key *k = g->keys; k; k = k->hh.next) {
		struct gate_view v = { .kind = k->kind,
			               .name = gate_key_name(k),
			               .waiting = k->n_waiting,
			               .inflight = k->inflight,
			               .inflight_max = k->inflight_max,
			               .rate = k->limit ? k->limit->rate : 0,
			               .has_backoff = k->backoff_spec != NULL,
			               .has_breaker = k->breaker_spec != NULL,
			               .breaker = k->breaker.state,
			               .breaker_opened = k->breaker.opened,
			               .backoffs = k->backoff.times,
			               .backoff_until_ns = k->backoff.until_ns,
			               .passed = k->passed,
			               .waited = k->waited };
		memcpy(v.refused, k->refused, sizeof v.refused);
		fn(ctx, &v);
	}
}

struct shown {
	struct metrics_page *page;
	int64_t now_ns;
	uint32_t hosts;
};

static void metrics_host(struct shown *s, const struct gate_view *v)
{
	if (v->has_backoff) {
		double left = v->backoff_until_ns > s->now_ns ? (double)(v->backoff_until_ns - s->now_ns) / 1e9 : 0;
		metrics_self(s->page, "probed_gate_backoff_seconds", METRICS_GAUGE, "seconds",
			     "Time for which a host is still left alone.", left, "host", v->name, NULL);
		metrics_self(s->page, "probed_gate_backoffs_total", METRICS_COUNTER, NULL, "Times that a host was left alone.",
			     (double)v->backoffs, "host", v->name, NULL);
	}
	for (uint32_t i = 0; v->has_breaker && i < BREAKER_STATES; i++)
		metrics_self(s->page, "probed_gate_breaker_state", METRICS_GAUGE, NULL, "1 for the state that a host's breaker is in.",
			     v->breaker == i, "host", v->name, "state", breaker_state_name((enum breaker_state)i), NULL);
	if (v->has_breaker)
		metrics_self(s->page, "probed_gate_breaker_opened_total", METRICS_COUNTER, NULL, "Times that a host's breaker opened.",
			     (double)v->breaker_opened, "host", v->name, NULL);
}

static void metrics_key(void *ctx, const struct gate_view *v)
{
	struct shown *s = ctx;
	if (v->kind == GATE_HOST && s->hosts++ >= SHOWN_MAX)
		return;
#define KEY(metric, type, help, value) \
	metrics_self(s->page, metric, type, NULL, help, (double)(value), "kind", gate_kind_name(v->kind), "key", v->name, NULL)
	KEY("probed_gate_waiting", METRICS_GAUGE, "Probes of plans that wait for a slot or a place.", v->waiting);
	KEY("probed_gate_in_flight", METRICS_GAUGE, "Probes of plans under way.", v->inflight);
	if (v->inflight_max)
		KEY("probed_gate_in_flight_max", METRICS_GAUGE, "Probes of plans that may be under way.", v->inflight_max);
	KEY("probed_gate_passed_total", METRICS_COUNTER, "Probes of plans that passed.", v->passed);
	KEY("probed_gate_waited_total", METRICS_COUNTER, "Probes of plans that had to wait for a slot or a place.", v->waited);
#undef KEY
	for (uint32_t i = GATE_WHY_LIMIT; i < GATE_WHYS; i++)
		if (v->refused[i])
			metrics_self(s->page, "probed_gate_refused_total", METRICS_COUNTER, NULL, "Probes of plans that were not sent.",
				     (double)v->refused[i], "kind", gate_kind_name(v->kind), "key", v->name, "why",
				     gate_why_name(i), NULL);
	metrics_host(s, v);
}

void gates_metrics(const struct gates *g, struct metrics_page *page)
{
	struct shown s = { .page = page, .now_ns = g->loop->now_ns };
	gates_each(g, metrics_key, &s);
	metrics_self(page, "probed_gate_refused_total", METRICS_COUNTER, NULL, "Probes of plans that were not sent.",
	             (double)g->refused_paused, "kind", gate_kind_name(GATE_GLOBAL), "key", "", "why",
	             gate_why_name(GATE_WHY_RESOURCES), NULL);
	metrics_self(page, "probed_gate_hosts", METRICS_GAUGE, NULL, "Hosts with limits of their own; the first thousand are shown.",
	             s.hosts, NULL);
	resources_metrics(g->resources, page);
}

struct status {
	struct buf *out;
	int64_t now_ns;
};

static void status_key(void *ctx, const struct gate_view *v)
{
	struct status *s = ctx;
	struct buf *b = s->out;
	buf_printf(b, "%s{\"kind\":\"%s\",\"key\":", b->data[b->len - 1] == '[' ? "" : ",", gate_kind_name(v->kind));
	str_put_json(b, v->name, strlen(v->name));
	buf_printf(b, ",\"waiting\":%u,\"in_flight\":%u,\"passed\":%llu,\"waited\":%llu", v->waiting, v->inflight,
	           (unsigned long long)v->passed, (unsigned long long)v->waited);
	if (v->inflight_max)
		buf_printf(b, ",\"in_flight_max\":%u", v->inflight_max);
	if (v->rate > 0)
		buf_printf(b, ",\"rate\":%.9g", v->rate);
	if (v->has_breaker)
		buf_printf(b, ",\"breaker\":\"%s\"", breaker_state_name(v->breaker));
	if (v->backoff_until_ns > s->now_ns)
		buf_printf(b, ",\"backoff_seconds\":%.3f", (double)(v->backoff_until_ns - s->now_ns) / 1e9);
	buf_puts(b, ",\"refused\":{");
	for (uint32_t i = GATE_WHY_LIMIT, n = 0; i < GATE_WHYS; i++)
		if (v->refused[i])
			buf_printf(b, "%s\"%s\":%llu", n++ ? "," : "", gate_why_name(i), (unsigned long long)v->refused[i]);
	buf_puts(b, "}}");
}

void gates_status_json(const struct gates *g, struct buf *out)
{
	struct status s = { .out = out, .now_ns = g->loop->now_ns };
	buf_putc(out, '[');
	gates_each(g, status_key, &s);
	buf_putc(out, ']');
}
