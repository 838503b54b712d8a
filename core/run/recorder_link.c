/* SPDX-License-Identifier: Apache-2.0 */
/* recorder_link.c - the core's side of the recorder: one child, its sinks, and what is sent to it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/child.h"
#include "run/core.h"
#include "run/part_copy.h"
#include "run/plan_run.h"

#define OUT_MAX (32u << 20)
#define HOLD_NS (100 * NS_PER_MS) /* records leave together; sinks are flushed each second anyway */
#define DRAIN_LIMIT_NS (5 * NS_PER_S)
#define SAY_EVERY_NS (10 * NS_PER_S)
#define LIVED_NS (10 * NS_PER_S) /* one that lived so long starts again at once */

struct sink_view {
	struct sink_view *next;
	struct part_copy part;
	char *error;
	bool keep;
	struct wire_sink_status status;
};

/* A recorder whose plugins were replaced: writes what it holds, and ends. */
struct old_recorder {
	struct old_recorder *next;
	struct recorder_link *link;
	struct child *child;
	struct wheel_timer limit;
};

struct recorder_link {
	struct core *core;
	struct child *child;
	struct old_recorder *olds;
	struct registry *registry; /* whose plugins the child has */
	bool ready, ending, drained;
	struct sink_view *sinks;
	int64_t started_ns;
	unsigned failures; /* ends in a row, each soon after its start */
	uint64_t restarts;
	int64_t dropped_said_ns;
	struct wheel_timer restart, limit;
	void (*done)(struct core *core);
	struct loop_later tell_done;
};

static void start(struct recorder_link *r);
static void replace(struct recorder_link *r);

static struct buf *begin(struct recorder_link *r, uint16_t type)
{
	return channel_begin(child_channel(r->child), type);
}

static void end(struct recorder_link *r)
{
	channel_end(child_channel(r->child));
}

/* --- sinks ------------------------------------------------------------------------------------ */

static void sink_free(struct sink_view *s)
{
	part_copy_clear(&s->part);
	free(s->error);
	free(s);
}

static void send_open(struct recorder_link *r, const struct sink_view *s)
{
	struct wire_part m = part_copy_wire(&s->part);
	wire_put_part(begin(r, WIRE_SINK_OPEN), &m);
	end(r);
}

static struct sink_view *sink_find(const struct recorder_link *r, const char *name)
{
	struct sink_view *s;
	LL_FOREACH(r->sinks, s)
		if (!strcmp(s->part.name, name))
			return s;
	return NULL;
}

/* A sink that waits is full: the recorder reads nothing, and so would not learn of a change. */
static bool is_held(const struct recorder_link *r)
{
	const struct sink_view *s;
	LL_FOREACH(r->sinks, s)
		if (s->status.holding)
			return true;
	return false;
}

void recorder_link_apply(struct recorder_link *r, const struct part *parts, size_t n, bool reopen)
{
	struct sink_view *s, *next;
	bool held = r->child && is_held(r), changed = false, tell = r->child && !held;
	LL_FOREACH(r->sinks, s)
		s->keep = false;
	if (reopen && r->child) {
		begin(r, WIRE_SINK_REOPEN);
		end(r);
	}
	for (size_t i = 0; i < n; i++) {
		s = sink_find(r, parts[i].name);
		if (s && s->part.digest == parts[i].digest) {
			s->keep = true;
			continue;
		}
		if (s) {
			LL_DELETE(r->sinks, s);
			sink_free(s);
		}
		s = xnew(struct sink_view);
		part_copy_init(&s->part, &parts[i]);
		s->keep = true;
		LL_APPEND(r->sinks, s);
		changed = true;
		if (tell)
			send_open(r, s);
	}
	LL_FOREACH_SAFE(r->sinks, s, next)
	{
		if (s->keep)
			continue;
		changed = true;
		if (tell) {
			buf_str(begin(r, WIRE_SINK_CLOSE), s->part.name);
			end(r);
		}
		LL_DELETE(r->sinks, s);
		sink_free(s);
	}
	if (held && changed)
		replace(r);
	if (r->sinks && !r->child && !wheel_running(&r->restart))
		start(r);
}

static void drop(struct recorder_link *r)
{
	struct core *core = r->core;
	int64_t now = clock_now_ns();
	core->count.records_dropped++;
	if (!r->child || (r->dropped_said_ns && now - r->dropped_said_ns < SAY_EVERY_NS))
		return;
	r->dropped_said_ns = now;
	log_warn("recorder does not keep up: records are dropped", "dropped", log_int((int64_t)core->count.records_dropped),
	         "why", is_held(r) ? "a sink with on_full = wait is too slow" : NULL, NULL);
}

bool recorder_link_wants(const struct recorder_link *r)
{
	return r->sinks != NULL;
}

void recorder_link_record(struct recorder_link *r, const struct flight *f, const struct result *result)
{
	struct core *core = r->core;
	if (!r->sinks)
		return;
	if (!r->child || channel_full(child_channel(r->child))) {
		drop(r);
		return;
	}
	struct buf *b = begin(r, WIRE_RECORD);
	buf_u64(b, core->epoch);
	buf_u64(b, f->seq);
	buf_str(b, f->subject->name);
	buf_str(b, f->run ? plan_name(f->run) : core->mode == CORE_ONCE ? "once" : "monitor");
	buf_str(b, f->driver->name);
	result_encode(b, result);
	channel_end_within(child_channel(r->child), HOLD_NS);
}

/* --- the child -------------------------------------------------------------------------------- */

static void on_sink_status(struct recorder_link *r, struct cursor *c)
{
	struct wire_sink_status m = wire_get_sink_status(c);
	struct sink_view *s = c->bad ? NULL : sink_find(r, m.name);
	if (!s)
		return;
	free(s->error);
	s->error = m.error ? xstrdup(m.error) : NULL;
	s->status = m;
	s->status.name = s->part.name;
	s->status.error = s->error;
}

static int on_frame(void *owner, uint16_t type, struct cursor *c)
{
	struct recorder_link *r = owner;
	switch (type) {
	case WIRE_READY:
		r->ready = true;
		return 0;
	case WIRE_SINK_STATUS:
		on_sink_status(r, c);
		return 0;
	case WIRE_DRAINED:
		r->drained = true;
		return 0;
	case WIRE_FATAL: {
		const char *why = cursor_str(c);
		log_error("recorder can't work", "why", why, NULL);
		return 0;
	}
	default:
		return -1;
	}
}

static void maybe_done(struct recorder_link *r)
{
	if (!r->child && !r->olds)
		loop_later(r->core->loop, &r->tell_done);
}

static void set_registry(struct recorder_link *r)
{
	struct registry *old = r->registry;
	r->registry = registry_ref(r->core->model->registry);
	if (old)
		registry_unref(old);
}

static void on_gone(void *owner, int status, const char *why)
{
	struct recorder_link *r = owner;
	(void)status;
	if (!r->drained)
		log_error("recorder died", "pid", log_int(child_pid(r->child)), "why", why, NULL);
	child_free(r->child);
	r->child = NULL;
	r->ready = false;
	if (r->ending) {
		loop_timer_stop(r->core->loop, &r->limit);
		maybe_done(r);
		return;
	}
	int64_t now = clock_now_ns();
	r->restarts++;
	r->failures = now - r->started_ns < LIVED_NS ? r->failures + 1 : 0;
	int64_t delay = (INT64_C(50) << (r->failures < 8 ? r->failures : 8)) * NS_PER_MS;
	loop_timer_set(r->core->loop, &r->restart, now + delay);
}

static const struct child_events events = { .frame = on_frame, .gone = on_gone };

static void old_free(struct old_recorder *o)
{
	loop_timer_stop(o->link->core->loop, &o->limit);
	child_free(o->child);
	free(o);
}

static int on_old_frame(void *owner, uint16_t type, struct cursor *c)
{
	(void)owner, (void)type;
	c->p = c->end; /* what it tells of its sinks is history */
	return 0;
}

static void on_old_gone(void *owner, int status, const char *why)
{
	struct old_recorder *o = owner;
	struct recorder_link *r = o->link;
	if (status)
		log_error("recorder died", "pid", log_int(child_pid(o->child)), "why", why, NULL);
	LL_DELETE(r->olds, o);
	old_free(o);
	if (r->ending && !r->child)
		maybe_done(r);
}

static const struct child_events old_events = { .frame = on_old_frame, .gone = on_old_gone };

static void on_old_limit(struct wheel_timer *t)
{
	struct old_recorder *o = (struct old_recorder *)((char *)t - offsetof(struct old_recorder, limit));
	child_kill(o->child, "did not write everything in time");
}

/* The child writes what it has and ends; another takes its place. */
static void replace(struct recorder_link *r)
{
	struct old_recorder *o = xnew(struct old_recorder);
	*o = (struct old_recorder){ .link = r, .child = r->child, .limit.fn = on_old_limit };
	child_pass_on(o->child, &old_events, o);
	begin(r, WIRE_DRAIN);
	end(r);
	loop_timer_set(r->core->loop, &o->limit, clock_now_ns() + DRAIN_LIMIT_NS);
	LL_PREPEND(r->olds, o);
	r->child = NULL;
	r->ready = false;
	start(r);
}

static const struct plugin_table *plugin_by_path(const struct registry *reg, const char *path)
{
	for (uint32_t i = 0; i < reg->n_plugins; i++)
		if (reg->plugins[i]->state == PLUGIN_LOADED && !strcmp(reg->plugins[i]->path, path))
			return reg->plugins[i];
	return NULL;
}

void recorder_link_plugins(struct recorder_link *r, const char *const *changed, size_t n_changed)
{
	const struct registry *now = r->core->model->registry, *before = r->registry;
	if (!r->child || now == before)
		return;
	bool stale = false;
	for (size_t i = 0; i < n_changed; i++)
		stale |= plugin_by_path(before, changed[i]) != NULL;
	for (uint32_t i = 0; i < before->n_plugins; i++)
		stale |= before->plugins[i]->state == PLUGIN_LOADED && !plugin_by_path(now, before->plugins[i]->path);
	if (stale) {
		replace(r);
		return;
	}
	for (uint32_t i = 0; i < now->n_plugins; i++)
		if (now->plugins[i]->state == PLUGIN_LOADED && !plugin_by_path(before, now->plugins[i]->path)) {
			buf_str(begin(r, WIRE_PLUGIN), now->plugins[i]->path);
			end(r);
		}
	set_registry(r);
}

void recorder_link_log_level(struct recorder_link *r)
{
	if (r->child)
		child_send_log_level(r->child);
}

static void start(struct recorder_link *r)
{
	struct core *core = r->core;
	const struct registry *reg = core->model->registry;
	r->child = child_start(core->loop, "recorder", -1, OUT_MAX, &events, r);
	if (!r->child) {
		log_error("recorder can't be started", "why", strerror(errno), NULL);
		loop_timer_set(core->loop, &r->restart, clock_now_ns() + NS_PER_S);
		return;
	}
	set_registry(r);
	r->started_ns = clock_now_ns();
	const char **paths = xcalloc(reg->n_plugins, sizeof *paths);
	struct wire_hello m = { .epoch = core->epoch,
		                .who = "recorder",
		                .log_level = (uint8_t)log_level_now(),
		                .log_json = log_is_json(),
		                .plugins = paths };
	for (uint32_t i = 0; i < reg->n_plugins; i++)
		if (reg->plugins[i]->state == PLUGIN_LOADED)
			paths[m.n_plugins++] = reg->plugins[i]->path;
	wire_put_hello(begin(r, WIRE_HELLO), &m);
	end(r);
	free(paths);
	struct sink_view *s;
	LL_FOREACH(r->sinks, s)
	{
		s->status.holding = false;
		send_open(r, s);
	}
}

static void on_restart(struct wheel_timer *t)
{
	struct recorder_link *r = (struct recorder_link *)((char *)t - offsetof(struct recorder_link, restart));
	if (!r->child && r->sinks)
		start(r);
}

static void on_limit(struct wheel_timer *t)
{
	struct recorder_link *r = (struct recorder_link *)((char *)t - offsetof(struct recorder_link, limit));
	if (r->child)
		child_kill(r->child, "did not write everything in time");
}

static void on_done(struct loop_later *later)
{
	struct recorder_link *r = (struct recorder_link *)((char *)later - offsetof(struct recorder_link, tell_done));
	r->done(r->core);
}

struct recorder_link *recorder_link_new(struct core *core)
{
	struct recorder_link *r = xnew(struct recorder_link);
	r->core = core;
	r->restart.fn = on_restart;
	r->limit.fn = on_limit;
	r->tell_done.fn = on_done;
	return r;
}

void recorder_link_drain(struct recorder_link *r, void (*done)(struct core *core))
{
	r->ending = true;
	r->done = done;
	loop_timer_stop(r->core->loop, &r->restart);
	if (!r->child) {
		maybe_done(r);
		return;
	}
	begin(r, WIRE_DRAIN);
	end(r);
	loop_timer_set(r->core->loop, &r->limit, clock_now_ns() + DRAIN_LIMIT_NS);
}

void recorder_link_free(struct recorder_link *r)
{
	struct sink_view *s, *next;
	if (!r)
		return;
	loop_timer_stop(r->core->loop, &r->restart);
	loop_timer_stop(r->core->loop, &r->limit);
	loop_later_cancel(r->core->loop, &r->tell_done);
	child_free(r->child);
	for (struct old_recorder *o; (o = r->olds);) {
		LL_DELETE(r->olds, o);
		old_free(o);
	}
	LL_FOREACH_SAFE(r->sinks, s, next)
		sink_free(s);
	if (r->registry)
		registry_unref(r->registry);
	free(r);
}

bool recorder_link_ready(const struct recorder_link *r)
{
	return !r->sinks || r->ready;
}

pid_t recorder_link_pid(const struct recorder_link *r)
{
	return r->child ? child_pid(r->child) : 0;
}

size_t recorder_link_backlog(const struct recorder_link *r)
{
	return r->child ? channel_backlog(child_channel(r->child)) : 0;
}

uint64_t recorder_link_restarts(const struct recorder_link *r)
{
	return r->restarts;
}

void recorder_link_each(const struct recorder_link *r, void (*fn)(void *ctx, const struct wire_sink_status *s), void *ctx)
{
	struct sink_view *s;
	LL_FOREACH(r->sinks, s)
	{
		struct wire_sink_status status = s->status;
		status.name = s->part.name;
		fn(ctx, &status);
	}
}
