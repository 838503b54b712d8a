/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_link.c - the core's side of the services: a child each, which asks and subscribes. Answers leave in pieces,
 * and only as fast as they are read; a stream that is not read in time gets a gap.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include <probed/service.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "measure/page.h"
#include "run/child.h"
#include "run/core.h"
#include "run/part_copy.h"

#define OUT_MAX (2u << 20)
#define PIECE_BYTES (64u << 10) /* rendered between two turns of the loop */
#define PAGES_MAX 8             /* pages under way in one service */
#define LIVED_NS (10 * NS_PER_S) /* one that lived so long starts again soon */
#define DRAIN_LIMIT_NS (2 * NS_PER_S)
#define FULL_WAIT_NS (5 * NS_PER_MS)

/* A /metrics page that is being rendered for one query. */
struct page_query {
	struct page_query *next;
	uint64_t tag;
	bool paused; /* its reader is slow */
	struct metrics_page *page;
};

struct service_link {
	struct core *core;
	struct child *child;
	struct part_copy part;
	bool ready, wants_results, keep, failed;
	uint64_t lost; /* messages of the stream since the last one that left */
	int64_t started_ns;
	unsigned failures; /* ends in a row, each soon after its start */
	uint64_t restarts;
	struct wheel_timer restart, limit;
	struct page_query *pages;
	struct loop_later render;
	struct wheel_timer render_when_read;
};

static void start(struct service_link *l);

static struct buf *begin(struct service_link *l, uint16_t type)
{
	return channel_begin(child_channel(l->child), type);
}

static void end(struct service_link *l)
{
	channel_end(child_channel(l->child));
}

/* --- answers ---------------------------------------------------------------------------------- */

static void reply(struct service_link *l, uint64_t tag, uint32_t status, bool last, const void *data, size_t len)
{
	struct buf *b = begin(l, WIRE_REPLY);
	buf_u64(b, tag);
	buf_u32(b, status);
	buf_u8(b, last);
	buf_bytes(b, data ? data : "", len);
	end(l);
}

static void reply_text(struct service_link *l, uint64_t tag, uint32_t status, const char *text)
{
	reply(l, tag, status, true, text, strlen(text));
}

static void page_free(struct page_query *q)
{
	metrics_page_free(q->page);
	free(q);
}

static void page_step(struct service_link *l, struct page_query *q, size_t bytes)
{
	CLEANUP_BUF struct buf piece = { 0 };
	bool more = metrics_page_step(q->page, &piece, bytes);
	reply(l, q->tag, PROBED_REPLY_OK, !more, piece.data, piece.len);
	if (!more) {
		LL_DELETE(l->pages, q);
		page_free(q);
	}
}

static bool may_step(const struct service_link *l)
{
	const struct page_query *q;
	LL_FOREACH(l->pages, q)
		if (!q->paused)
			return true;
	return false;
}

/* One piece of each page a turn, while the service reads. */
static void on_render(struct loop_later *later)
{
	struct service_link *l = (struct service_link *)((char *)later - offsetof(struct service_link, render));
	struct page_query *q, *next;
	LL_FOREACH_SAFE(l->pages, q, next)
		if (!q->paused && !channel_full(child_channel(l->child)))
			page_step(l, q, PIECE_BYTES);
	if (may_step(l) && channel_full(child_channel(l->child)))
		loop_timer_set(l->core->loop, &l->render_when_read, clock_now_ns() + FULL_WAIT_NS);
	else if (may_step(l))
		loop_next_turn(l->core->loop, &l->render);
}

static void on_render_again(struct wheel_timer *t)
{
	struct service_link *l = (struct service_link *)((char *)t - offsetof(struct service_link, render_when_read));
	loop_later(l->core->loop, &l->render);
}

static void stop_rendering(struct service_link *l)
{
	loop_timer_stop(l->core->loop, &l->render_when_read);
	loop_later_cancel(l->core->loop, &l->render);
}

static int on_pause(struct service_link *l, struct cursor *c)
{
	uint64_t tag = cursor_u64(c);
	bool paused = cursor_u8(c);
	struct page_query *q;
	LL_FOREACH(l->pages, q)
		if (q->tag == tag)
			q->paused = paused;
	if (may_step(l))
		loop_later(l->core->loop, &l->render);
	return 0;
}

/* Before rows move: what fits is finished, and the rest is broken off in a way that its reader sees. */
void services_finish_pages(struct core *core)
{
	for (size_t i = 0; i < core->n_services; i++) {
		struct service_link *l = core->services[i];
		while (l->pages && !channel_full(child_channel(l->child)))
			page_step(l, l->pages, PIECE_BYTES);
		while (l->pages) {
			struct page_query *q = l->pages;
			LL_DELETE(l->pages, q);
			reply_text(l, q->tag, PROBED_REPLY_OTHER, "the configuration was reloaded; ask again");
			page_free(q);
		}
	}
}

static void drop_pages(struct service_link *l)
{
	struct page_query *q, *next;
	LL_FOREACH_SAFE(l->pages, q, next)
		page_free(q);
	l->pages = NULL;
}

static void on_metrics(struct service_link *l, uint64_t tag, const char *format)
{
	struct page_query *q;
	int n;
	LL_COUNT(l->pages, q, n);
	if (n >= PAGES_MAX) {
		l->core->count.queries_refused++;
		reply_text(l, tag, PROBED_REPLY_BUSY, "too many pages are being made; ask again later");
		return;
	}
	q = xnew(struct page_query);
	q->tag = tag;
	q->page = metrics_page_new(core_metrics_source(l->core), format && !strcmp(format, "openmetrics"));
	LL_APPEND(l->pages, q);
	loop_later(l->core->loop, &l->render);
}

static int on_query(struct service_link *l, struct cursor *c)
{
	uint64_t tag = cursor_u64(c);
	const char *topic = cursor_str(c), *args = cursor_str(c), *why;
	if (!topic)
		return -1;
	if (!strcmp(topic, "metrics")) {
		on_metrics(l, tag, args);
	} else if (!strcmp(topic, "ready")) {
		bool ready = core_is_ready(l->core, &why);
		reply_text(l, tag, ready ? PROBED_REPLY_OK : PROBED_REPLY_OTHER, ready ? "ready" : why);
	} else if (!strcmp(topic, "status")) {
		CLEANUP_BUF struct buf b = { 0 };
		core_status_json(l->core, &b);
		reply(l, tag, PROBED_REPLY_OK, true, b.data, b.len);
	} else {
		reply_text(l, tag, PROBED_REPLY_UNKNOWN, "no such topic");
	}
	return 0;
}

static int on_command(struct service_link *l, struct cursor *c)
{
	uint64_t tag = cursor_u64(c);
	const char *name = cursor_str(c);
	cursor_str(c);
	if (!name)
		return -1;
	if (!strcmp(name, "reload")) {
		core_reload(l->core, true);
		reply_text(l, tag, PROBED_REPLY_OK, "reloading");
	} else {
		reply_text(l, tag, PROBED_REPLY_UNKNOWN, "no such command");
	}
	return 0;
}

/* --- the stream of results -------------------------------------------------------------------- */

static void put_result_json(struct core *core, const struct flight *f, const struct result *r, struct buf *b)
{
	char when[32];
	const char *sub = result_string(r, r->sub), *message = result_string(r, r->message);
	clock_format_wall(r->wall_ns, when);
	buf_printf(b, "{\"id\":\"%llx-%llu\",\"time\":\"%s\",\"target\":", (unsigned long long)core->epoch,
	           (unsigned long long)f->seq, when);
	str_put_json(b, f->subject->name, strlen(f->subject->name));
	if (sub) {
		buf_puts(b, ",\"sub\":");
		str_put_json(b, sub, strlen(sub));
	}
	buf_printf(b, ",\"driver\":\"%s\",\"outcome\":\"%s\",\"reason\":\"%s\",\"latency_ms\":%.3f", f->driver->name,
	           outcome_name(r->outcome), reason_name(r->reason), (double)result_latency_ns(r) / 1e6);
	if (message) {
		buf_puts(b, ",\"message\":");
		str_put_json(b, message, strlen(message));
	}
	buf_putc(b, '}');
}

void services_result(struct core *core, const struct flight *f, const struct result *r)
{
	CLEANUP_BUF struct buf json = { 0 };
	for (size_t i = 0; i < core->n_services; i++) {
		struct service_link *l = core->services[i];
		if (!l->wants_results || !l->child)
			continue;
		if (channel_full(child_channel(l->child))) {
			l->lost++;
			core->count.stream_dropped++;
			continue;
		}
		if (!json.len)
			put_result_json(core, f, r, &json);
		struct buf *b = begin(l, WIRE_EVENT);
		buf_str(b, "results");
		buf_u64(b, l->lost);
		buf_bytes(b, json.data, json.len);
		end(l);
		l->lost = 0;
	}
}

/* --- the child -------------------------------------------------------------------------------- */

static int on_frame(void *owner, uint16_t type, struct cursor *c)
{
	struct service_link *l = owner;
	const char *text;
	switch (type) {
	case WIRE_READY:
		l->ready = true;
		return 0;
	case WIRE_DRAINED:
		return 0;
	case WIRE_QUERY:
		return on_query(l, c);
	case WIRE_COMMAND:
		return on_command(l, c);
	case WIRE_PAUSE:
		return on_pause(l, c);
	case WIRE_SUBSCRIBE:
		text = cursor_str(c);
		if (text && !strcmp(text, "results"))
			l->wants_results = true;
		return text ? 0 : -1;
	case WIRE_SERVICE_FAILED:
	case WIRE_FATAL:
		text = cursor_str(c);
		log_error("service can't start", "service", l->part.name, "why", text, NULL);
		l->failed = true;
		return 0;
	default:
		return -1;
	}
}

static void maybe_ended(struct core *core)
{
	void (*done)(struct core *) = core->services_ended;
	for (size_t i = 0; i < core->n_services; i++)
		if (core->services[i]->child)
			return;
	core->services_ended = NULL;
	if (done)
		done(core);
}

static void on_gone(void *owner, int status, const char *why)
{
	struct service_link *l = owner;
	(void)status;
	if (!l->core->draining && !l->failed)
		log_error("service died", "service", l->part.name, "pid", log_int(child_pid(l->child)), "why", why, NULL);
	stop_rendering(l);
	drop_pages(l);
	child_free(l->child);
	l->child = NULL;
	l->failures = clock_now_ns() - l->started_ns < LIVED_NS ? l->failures + 1 : 0;
	l->ready = l->wants_results = l->failed = false;
	l->restarts++;
	int64_t delay = (INT64_C(50) << (l->failures < 9 ? l->failures : 9)) * NS_PER_MS;
	if (!l->core->draining)
		loop_timer_set(l->core->loop, &l->restart, clock_now_ns() + delay);
	maybe_ended(l->core);
}

static const struct child_events events = { .frame = on_frame, .gone = on_gone };

static void start(struct service_link *l)
{
	struct core *core = l->core;
	const struct part_table *table = registry_service(core->model->registry, l->part.driver);
	l->child = table ? child_start(core->loop, "service", -1, OUT_MAX, &events, l) : NULL;
	if (!l->child) {
		log_error("service can't be started", "service", l->part.name, "why", table ? strerror(errno) : "its plugin is gone", NULL);
		loop_timer_set(core->loop, &l->restart, clock_now_ns() + 5 * NS_PER_S);
		return;
	}
	l->started_ns = clock_now_ns();
	CLEANUP_FREE char *who = xasprintf("service %s", l->part.name);
	const char *path = table->plugin->path;
	struct wire_hello hello = { .epoch = core->epoch,
		                    .who = who,
		                    .log_level = (uint8_t)log_level_now(),
		                    .log_json = log_is_json(),
		                    .n_plugins = 1,
		                    .plugins = &path };
	wire_put_hello(begin(l, WIRE_HELLO), &hello);
	end(l);
	struct wire_part part = part_copy_wire(&l->part);
	wire_put_part(begin(l, WIRE_SERVICE_START), &part);
	end(l);
}

static void on_restart(struct wheel_timer *t)
{
	struct service_link *l = (struct service_link *)((char *)t - offsetof(struct service_link, restart));
	if (!l->child)
		start(l);
}

static void on_limit(struct wheel_timer *t)
{
	struct service_link *l = (struct service_link *)((char *)t - offsetof(struct service_link, limit));
	if (l->child)
		child_kill(l->child, "did not end in time");
}

static void link_free(struct service_link *l)
{
	loop_timer_stop(l->core->loop, &l->restart);
	loop_timer_stop(l->core->loop, &l->limit);
	stop_rendering(l);
	drop_pages(l);
	child_free(l->child);
	part_copy_clear(&l->part);
	free(l);
}

static bool among(const char *const *paths, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(paths[i], path))
			return true;
	return false;
}

void services_apply(struct core *core, const struct part *parts, size_t n, const char *const *changed, size_t n_changed)
{
	struct service_link **now = xcalloc(n, sizeof *now);
	for (size_t i = 0; i < core->n_services; i++)
		core->services[i]->keep = false;
	for (size_t i = 0; i < n; i++) {
		bool replaced = among(changed, n_changed, parts[i].table->plugin->path);
		for (size_t k = 0; k < core->n_services && !now[i] && !replaced; k++)
			if (!strcmp(core->services[k]->part.name, parts[i].name) && core->services[k]->part.digest == parts[i].digest)
				now[i] = core->services[k];
		if (now[i])
			now[i]->keep = true;
	}
	/* those that go, go first: a changed one may want the same port */
	for (size_t i = 0; i < core->n_services; i++)
		if (!core->services[i]->keep)
			link_free(core->services[i]);
	for (size_t i = 0; i < n; i++) {
		if (now[i])
			continue;
		struct service_link *l = now[i] = xnew(struct service_link);
		l->core = core;
		part_copy_init(&l->part, &parts[i]);
		l->restart.fn = on_restart;
		l->limit.fn = on_limit;
		l->render.fn = on_render;
		l->render_when_read.fn = on_render_again;
		start(l);
	}
	free(core->services);
	core->services = now;
	core->n_services = n;
}

void services_drain(struct core *core, void (*done)(struct core *core))
{
	core->services_ended = done;
	for (size_t i = 0; i < core->n_services; i++) {
		struct service_link *l = core->services[i];
		loop_timer_stop(core->loop, &l->restart);
		if (!l->child)
			continue;
		stop_rendering(l);
		begin(l, WIRE_DRAIN);
		end(l);
		loop_timer_set(core->loop, &l->limit, clock_now_ns() + DRAIN_LIMIT_NS);
	}
	maybe_ended(core);
}

void services_log_level(struct core *core)
{
	for (size_t i = 0; i < core->n_services; i++)
		if (core->services[i]->child)
			child_send_log_level(core->services[i]->child);
}

void services_free(struct core *core)
{
	for (size_t i = 0; i < core->n_services; i++)
		link_free(core->services[i]);
	free(core->services);
	core->services = NULL;
	core->n_services = 0;
}

bool services_ready(const struct core *core)
{
	for (size_t i = 0; i < core->n_services; i++)
		if (!core->services[i]->ready)
			return false;
	return true;
}

void services_each(const struct core *core, void (*fn)(void *ctx, const char *name, pid_t pid, uint64_t restarts, bool up),
                   void *ctx)
{
	for (size_t i = 0; i < core->n_services; i++)
		fn(ctx, core->services[i]->part.name, core->services[i]->child ? child_pid(core->services[i]->child) : 0,
		   core->services[i]->restarts, core->services[i]->ready);
}
