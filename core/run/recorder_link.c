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

#define OUT_MAX (32u << 20)
#define DRAIN_LIMIT_NS (5 * NS_PER_S)

struct sink_view {
	struct sink_view *next;
	struct part_copy part;
	char *error;
	bool keep;
	struct wire_sink_status status;
};

struct recorder_link {
	struct core *core;
	struct child *child;
	struct child *old; /* finishing what it has, while `child` has taken over with changed plugins */
	bool ready, ending, drained;
	struct sink_view *sinks;
	char **plugins; /* paths that the child has loaded */
	uint32_t n_plugins, cap_plugins;
	unsigned failures;
	uint64_t restarts;
	struct wheel_timer restart, limit;
	void (*done)(struct core *core);
	struct loop_later tell_done;
};

static void start(struct recorder_link *r);

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

void recorder_link_apply(struct recorder_link *r, const struct part *parts, size_t n, bool reopen)
{
	struct sink_view *s, *next;
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
		if (r->child)
			send_open(r, s);
	}
	LL_FOREACH_SAFE(r->sinks, s, next)
	{
		if (s->keep)
			continue;
		if (r->child) {
			buf_str(begin(r, WIRE_SINK_CLOSE), s->part.name);
			end(r);
		}
		LL_DELETE(r->sinks, s);
		sink_free(s);
	}
	if (r->sinks && !r->child && !wheel_running(&r->restart))
		start(r);
}

void recorder_link_record(struct recorder_link *r, const struct flight *f, const struct result *result)
{
	struct core *core = r->core;
	if (!r->sinks)
		return;
	if (!r->child || channel_full(child_channel(r->child))) {
		core->count.records_dropped++;
		return;
	}
	struct buf *b = begin(r, WIRE_RECORD);
	buf_u64(b, core->epoch);
	buf_u64(b, f->seq);
	buf_str(b, f->subject->name);
	buf_str(b, core->mode == CORE_ONCE ? "once" : "monitor");
	buf_str(b, f->driver->name);
	result_encode(b, result);
	end(r);
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
		r->failures = 0;
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
		loop_later(r->core->loop, &r->tell_done);
		return;
	}
	r->restarts++;
	int64_t delay = (INT64_C(50) << (r->failures < 8 ? r->failures : 8)) * NS_PER_MS;
	r->failures++;
	loop_timer_set(r->core->loop, &r->restart, clock_now_ns() + delay);
}

static const struct child_events events = { .frame = on_frame, .gone = on_gone };

/* --- its plugins ------------------------------------------------------------------------------ */

static bool has_plugin(const struct recorder_link *r, const char *path)
{
	for (uint32_t i = 0; i < r->n_plugins; i++)
		if (!strcmp(r->plugins[i], path))
			return true;
	return false;
}

static void forget_plugins(struct recorder_link *r)
{
	for (uint32_t i = 0; i < r->n_plugins; i++)
		free(r->plugins[i]);
	r->n_plugins = 0;
}

/* All loaded plugins: sinks for themselves, drivers for the names and units of their facts. */
static void learn_plugins(struct recorder_link *r, bool tell)
{
	const struct registry *reg = r->core->model->registry;
	for (uint32_t i = 0; i < reg->n_plugins; i++) {
		const struct plugin_table *t = reg->plugins[i];
		if (t->state != PLUGIN_LOADED || has_plugin(r, t->path))
			continue;
		xgrow(r->plugins, r->n_plugins, r->cap_plugins);
		r->plugins[r->n_plugins++] = xstrdup(t->path);
		if (tell) {
			buf_str(begin(r, WIRE_PLUGIN), t->path);
			end(r);
		}
	}
}

static int ignore_frame(void *owner, uint16_t type, struct cursor *c)
{
	(void)owner, (void)type, (void)c;
	return 0;
}

static void on_old_gone(void *owner, int status, const char *why)
{
	struct recorder_link *r = owner;
	(void)status, (void)why;
	child_free(r->old);
	r->old = NULL;
}

static const struct child_events old_events = { .frame = ignore_frame, .gone = on_old_gone };

void recorder_link_plugins(struct recorder_link *r, const char *const *changed, size_t n)
{
	bool replace = false;
	for (size_t i = 0; i < n; i++)
		replace |= has_plugin(r, changed[i]);
	if (!r->child) {
		return;
	} else if (replace) {
		child_free(r->old);
		r->old = r->child;
		child_hand_over(r->old, &old_events, r);
		begin(r, WIRE_DRAIN);
		end(r);
		start(r);
	} else {
		learn_plugins(r, true);
	}
}

static void start(struct recorder_link *r)
{
	struct core *core = r->core;
	r->ready = false;
	r->child = child_start(core->loop, "recorder", -1, OUT_MAX, &events, r);
	if (!r->child) {
		log_error("recorder can't be started", "why", strerror(errno), NULL);
		loop_timer_set(core->loop, &r->restart, clock_now_ns() + NS_PER_S);
		return;
	}
	forget_plugins(r);
	learn_plugins(r, false);
	struct wire_hello m = { .epoch = core->epoch,
		                .who = "recorder",
		                .log_level = (uint8_t)log_level_now(),
		                .log_json = log_is_json(),
		                .n_plugins = r->n_plugins,
		                .plugins = (const char **)r->plugins };
	wire_put_hello(begin(r, WIRE_HELLO), &m);
	end(r);
	struct sink_view *s;
	LL_FOREACH(r->sinks, s)
		send_open(r, s);
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
		loop_later(r->core->loop, &r->tell_done);
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
	child_free(r->old);
	forget_plugins(r);
	free(r->plugins);
	LL_FOREACH_SAFE(r->sinks, s, next)
		sink_free(s);
	free(r);
}

bool recorder_link_ready(const struct recorder_link *r)
{
	return !r->sinks || r->ready;
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
