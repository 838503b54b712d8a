/* SPDX-License-Identifier: Apache-2.0 */
/* resources.c - see resources.h */
#include "run/resources.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/unit.h"
#include "measure/page.h"
#include "run/gates.h"
#include "run/usage.h"

#define LOOK_NS NS_PER_S

struct resources {
	unsigned magic;
	struct loop *loop;
	struct gates *gates;
	struct resources_source source;
	struct resource_limits limits;
	struct resource_state state;
	struct resource_sample last;
	struct usage usage;
	struct wheel_timer timer;
	pid_t *pids;
	size_t n_pids, cap_pids;
};
#define RESOURCES_MAGIC 0x7265736fu

static bool limited(const struct resource_limits *l)
{
	for (uint32_t i = 0; i < RESOURCES; i++)
		if (l->band[i].pause > 0)
			return true;
	return false;
}

static const char *amount(enum resource r, double v, char *out, size_t size)
{
	if (isnan(v))
		snprintf(out, size, "unknown");
	else if (r == RESOURCE_QUEUE)
		unit_format_size((int64_t)v, out, size);
	else
		snprintf(out, size, "%.3g%%", v * 100);
	return out;
}

static void tell(const struct resources *r, bool was)
{
	char used[32], limit[32];
	if (!r->state.over) {
		if (was)
			log_info("dispatch goes on", "paused_in_all",
			         log_int(resource_paused_ns(&r->state, r->loop->now_ns) / NS_PER_S), NULL);
		return;
	}
	enum resource cause = resource_cause(&r->state);
	if (!was)
		log_warn("dispatch paused", "resource", resource_name(cause), "used", amount(cause, r->last.value[cause], used, sizeof used),
		         "limit", amount(cause, r->limits.band[cause].pause, limit, sizeof limit), "resumes_below",
		         amount(cause, r->limits.band[cause].resume, (char[32]){ 0 }, 32), NULL);
}

static void child(void *arg, pid_t pid)
{
	struct resources *r = arg;
	xgrow(r->pids, r->n_pids, r->cap_pids);
	r->pids[r->n_pids++] = pid;
}

static void sample(struct resources *r)
{
	double queue = NAN, descriptors = NAN;
	r->n_pids = 0;
	if (r->source.children)
		r->source.children(r->source.ctx, child, r);
	usage_sample(&r->usage, r->pids, r->n_pids, &r->last);
	if (r->source.load)
		r->source.load(r->source.ctx, &queue, &descriptors);
	r->last.value[RESOURCE_QUEUE] = queue;
	double *own = &r->last.value[RESOURCE_DESCRIPTORS];
	*own = isnan(*own) || descriptors > *own ? descriptors : *own;
}

static void decide(struct resources *r)
{
	bool was = r->state.over != 0;
	bool paused = resource_step(&r->state, &r->limits, &r->last, r->loop->now_ns);
	if (paused != was)
		gates_pause(r->gates, paused);
	tell(r, was);
}

static void look(struct wheel_timer *t)
{
	struct resources *r = (struct resources *)((char *)t - offsetof(struct resources, timer));
	CHECK_MAGIC(r, RESOURCES_MAGIC);
	sample(r);
	decide(r);
	loop_timer_set(r->loop, &r->timer, r->loop->now_ns + LOOK_NS);
}

void resources_watch(struct resources *r, const struct resources_source *source)
{
	CHECK_MAGIC(r, RESOURCES_MAGIC);
	r->source = *source;
	r->usage.root = source->root;
}

struct resources *resources_new(struct loop *loop, struct gates *gates)
{
	struct resources *r = xnew(struct resources);
	r->magic = RESOURCES_MAGIC;
	r->loop = loop;
	r->gates = gates;
	r->timer.fn = look;
	for (uint32_t i = 0; i < RESOURCES; i++)
		r->last.value[i] = NAN;
	return r;
}

void resources_free(struct resources *r)
{
	if (!r)
		return;
	CHECK_MAGIC(r, RESOURCES_MAGIC);
	loop_timer_stop(r->loop, &r->timer);
	free(r->pids);
	r->magic = 0;
	free(r);
}

void resources_apply(struct resources *r, const struct resource_limits *limits)
{
	CHECK_MAGIC(r, RESOURCES_MAGIC);
	r->limits = limits ? *limits : (struct resource_limits){ 0 };
	if (limited(&r->limits)) {
		if (!wheel_running(&r->timer)) { /* shares of time need a sample to begin with */
			r->usage = (struct usage){ .root = r->source.root };
			sample(r);
			loop_timer_set(r->loop, &r->timer, r->loop->now_ns + LOOK_NS);
		}
	} else
		loop_timer_stop(r->loop, &r->timer);
	decide(r);
}

bool resources_paused(const struct resources *r, enum resource *cause)
{
	*cause = resource_cause(&r->state);
	return r->state.over != 0;
}

int64_t resources_paused_ns(const struct resources *r)
{
	return resource_paused_ns(&r->state, r->loop->now_ns);
}

void resources_metrics(const struct resources *r, struct metrics_page *page)
{
	metrics_self(page, "probed_dispatch_paused", METRICS_GAUGE, NULL, "Whether plans' probes are held back for want of resources.",
	             r->state.over != 0, NULL);
	metrics_self(page, "probed_dispatch_pauses_total", METRICS_COUNTER, NULL, "Times that they were.", (double)r->state.pauses, NULL);
	metrics_self(page, "probed_dispatch_paused_seconds_total", METRICS_COUNTER, "seconds", "Time for which they were.",
	             (double)resources_paused_ns(r) / 1e9, NULL);
	for (uint32_t i = 0; i < RESOURCES; i++) {
		if (r->limits.band[i].pause <= 0)
			continue;
		const char *name = resource_name((enum resource)i);
		if (i == RESOURCE_QUEUE && !isnan(r->last.value[i]))
			metrics_self(page, "probed_resource_queue_bytes", METRICS_GAUGE, "bytes",
				     "Dispatches that the worker which is furthest behind has not read yet.", r->last.value[i], NULL);
		else if (!isnan(r->last.value[i]))
			metrics_self(page, "probed_resource_used_ratio", METRICS_GAUGE, "ratio", "Share in use of what [resources] limits.",
				     r->last.value[i], "resource", name, NULL);
		metrics_self(page, "probed_resource_over", METRICS_GAUGE, NULL, "Whether a limit of [resources] holds plans' probes back.",
			     r->state.over >> i & 1, "resource", name, NULL);
	}
}
