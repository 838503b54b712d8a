/* SPDX-License-Identifier: Apache-2.0 */
/* resources_source.c - what a core knows of its children's use of resources. */
#include <math.h>

#include "run/core.h"
#include "run/crew.h"
#include "run/resources.h"

struct each {
	void (*fn)(void *arg, pid_t pid);
	void *arg;
};

static void worker_pid(void *ctx, const struct crew_view *v)
{
	struct each *e = ctx;
	if (v->pid > 0)
		e->fn(e->arg, v->pid);
}

static void service_pid(void *ctx, const char *name, pid_t pid, uint64_t restarts, bool up)
{
	struct each *e = ctx;
	(void)name, (void)restarts, (void)up;
	if (pid > 0)
		e->fn(e->arg, pid);
}

static void children(void *ctx, void (*fn)(void *arg, pid_t pid), void *arg)
{
	struct core *core = ctx;
	struct each e = { .fn = fn, .arg = arg };
	crew_each(core->crew, worker_pid, &e);
	if (recorder_link_pid(core->recorder) > 0)
		fn(arg, recorder_link_pid(core->recorder));
	services_each(core, service_pid, &e);
}

struct worst {
	double queue_bytes, descriptors;
};

static void worker_load(void *ctx, const struct crew_view *v)
{
	struct worst *w = ctx;
	w->queue_bytes = fmax(w->queue_bytes, (double)v->backlog_bytes);
	if (v->ready && v->stats.fds_max)
		w->descriptors = fmax(w->descriptors, (double)v->stats.fds / v->stats.fds_max);
}

static void load(void *ctx, double *queue_bytes, double *descriptors)
{
	struct core *core = ctx;
	struct worst w = { 0 };
	crew_each(core->crew, worker_load, &w);
	*queue_bytes = w.queue_bytes;
	*descriptors = w.descriptors;
}

struct resources_source resources_source_of(struct core *core)
{
	return (struct resources_source){ .ctx = core, .children = children, .load = load };
}
