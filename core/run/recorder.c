/* SPDX-License-Identifier: Apache-2.0 */
/* recorder.c - see recorder.h */
#include "run/recorder.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "plugin/loader.h"
#include "run/channel.h"
#include "run/recorder_record.h"
#include "run/recorder_sink.h"
#include "run/service_host.h"
#include "run/wire.h"

#define RECORDER_MAGIC 0x72656372u
#define OUT_MAX ((size_t)1 << 20)
#define STATUS_EVERY_NS NS_PER_S

/* A SYNC under way: the point that each sink has to reach. */
struct sync {
	uint64_t token;
	size_t n;
	struct recorder_sink **sinks;
	uint64_t *points;
	struct sync *next;
};

struct recorder {
	unsigned magic;
	struct recorder_limits limits;
	struct loop *loop;
	struct channel *channel;
	int fd; /* the channel's */
	struct recorder_sink **sinks, **closing; /* open for records; told to close */
	size_t n_sinks, cap_sinks, n_closing, cap_closing;
	struct sync *syncs, **syncs_tail;
	struct wheel_timer tick;
	struct loop_later kick;
	ev_async news;
	const char *driver_name;           /* of the last record, so that most need no search */
	const struct driver_table *driver;
	bool greeted, draining, core_gone, peer_gone;
	bool held; /* a sink's queue is full, and it wants nothing dropped: nothing is read */
	int status;
};

static void wake(void *ctx)
{
	struct recorder *r = ctx;
	ev_async_send(r->loop->ev, &r->news);
}

static void send_status(struct recorder *r, struct recorder_sink *s, bool only_news)
{
	struct wire_sink_status status;
	bool news = recorder_sink_status(s, &status, true);
	if (only_news && !news)
		return;
	struct buf *b = channel_begin(r->channel, WIRE_SINK_STATUS);
	wire_put_sink_status(b, &status);
	channel_end(r->channel);
}

static void kick(struct loop_later *later)
{
	struct recorder *r = (struct recorder *)((char *)later - offsetof(struct recorder, kick));
	for (size_t i = 0; i < r->n_sinks; i++)
		recorder_sink_kick(r->sinks[i]);
}

/* --- backpressure ------------------------------------------------------------------------------ */

/* Reads on or not. What was read already is still taken, so that a queue may exceed its bound by one read. */
static void hold(struct recorder *r)
{
	bool held = false;
	for (size_t i = 0; i < r->n_sinks && !r->draining && !r->peer_gone; i++)
		held = held || recorder_sink_holds(r->sinks[i]);
	if (held == r->held)
		return;
	r->held = held;
	if (!r->core_gone)
		channel_pause(r->channel, held);
}

/* Nothing is read while a sink holds, so that this has to be looked for. */
static bool peer_is_gone(const struct recorder *r)
{
	struct pollfd p = { .fd = r->fd };
	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

/* --- syncs ------------------------------------------------------------------------------------- */

static void start_sync(struct recorder *r, uint64_t token)
{
	struct sync *y = xnew(struct sync);
	y->token = token;
	y->n = r->n_sinks + r->n_closing;
	y->sinks = xcalloc(y->n, sizeof(struct recorder_sink *));
	y->points = xcalloc(y->n, sizeof *y->points);
	for (size_t i = 0; i < y->n; i++) {
		y->sinks[i] = i < r->n_sinks ? r->sinks[i] : r->closing[i - r->n_sinks];
		y->points[i] = recorder_sink_sync(y->sinks[i]);
	}
	*r->syncs_tail = y;
	r->syncs_tail = &y->next;
}

static bool sync_done(const struct sync *y)
{
	for (size_t i = 0; i < y->n; i++)
		if (y->sinks[i] && !recorder_sink_synced(y->sinks[i], y->points[i]))
			return false;
	return true;
}

static void finish_syncs(struct recorder *r)
{
	while (r->syncs && sync_done(r->syncs)) {
		struct sync *y = r->syncs;
		struct buf *b = channel_begin(r->channel, WIRE_SYNCED);
		buf_u64(b, y->token);
		channel_end(r->channel);
		r->syncs = y->next;
		if (!r->syncs)
			r->syncs_tail = &r->syncs;
		free(y->sinks);
		free(y->points);
		free(y);
	}
}

/* --- sinks ------------------------------------------------------------------------------------- */

static void close_sink(struct recorder *r, size_t i)
{
	struct recorder_sink *s = r->sinks[i];
	memmove(&r->sinks[i], &r->sinks[i + 1], (--r->n_sinks - i) * sizeof(struct recorder_sink *));
	xgrow(r->closing, r->n_closing, r->cap_closing);
	r->closing[r->n_closing++] = s;
	recorder_sink_close(s);
	hold(r);
}

static void close_named(struct recorder *r, const char *name)
{
	for (size_t i = 0; i < r->n_sinks; i++)
		if (!strcmp(recorder_sink_name(r->sinks[i]), name)) {
			close_sink(r, i);
			return;
		}
}

static int on_sink_open(struct recorder *r, struct cursor *c)
{
	struct wire_part part;
	if (wire_get_part(c, &part))
		return -1;
	const struct part_table *table = NULL;
	const struct probed_sink *plugin = loader_sink(part.driver, &table);
	struct options options = { 0 };
	char error[512] = "";
	if (!plugin || !plugin->write) {
		snprintf(error, sizeof error, "no plugin provides a sink \"%s\"", part.driver);
		plugin = NULL;
	} else if (options_bind(&table->options, part.options, part.n_options, &options, error, sizeof error)) {
		plugin = NULL;
	}
	close_named(r, part.name);
	struct recorder_limits limits = r->limits;
	if (part.queue)
		limits = (struct recorder_limits){ part.queue, RECORDER_BYTES(part.queue) };
	xgrow(r->sinks, r->n_sinks, r->cap_sinks);
	r->sinks[r->n_sinks++] = recorder_sink_new(part.name, plugin, &options, error, &limits, part.wait, wake, r);
	hold(r);
	wire_part_free(&part);
	return 0;
}

/* Those that were told to close and have ended. */
static void reap_sinks(struct recorder *r)
{
	for (size_t i = 0; i < r->n_closing;) {
		struct recorder_sink *s = r->closing[i];
		if (!recorder_sink_ended(s)) {
			i++;
			continue;
		}
		for (struct sync *y = r->syncs; y; y = y->next)
			for (size_t k = 0; k < y->n; k++)
				if (y->sinks[k] == s)
					y->sinks[k] = NULL;
		r->closing[i] = r->closing[--r->n_closing];
		if (r->draining && !r->core_gone)
			send_status(r, s, false);
		recorder_sink_free(s);
	}
}

static void drain(struct recorder *r)
{
	r->draining = true;
	hold(r);
	while (r->n_sinks)
		close_sink(r, r->n_sinks - 1);
	wake(r); /* there may be none */
}

/* --- records ----------------------------------------------------------------------------------- */

static const struct driver_table *driver_of(struct recorder *r, const char *name)
{
	if (r->driver_name && !strcmp(r->driver_name, name))
		return r->driver;
	const struct driver_table *table = NULL;
	if (!loader_driver(name, &table) || !table)
		return NULL;
	r->driver = table;
	r->driver_name = table->name;
	return table;
}

static int on_record(struct recorder *r, uint16_t type, struct cursor *c)
{
	const uint8_t *data = c->p;
	size_t len = cursor_left(c);
	const struct driver_table *driver = NULL;
	if (type == WIRE_RECORD) {
		struct cursor peek = *c;
		cursor_u64(&peek);
		cursor_u64(&peek);
		cursor_str(&peek);
		cursor_str(&peek);
		const char *name = cursor_str(&peek);
		if (peek.bad)
			return -1;
		driver = name ? driver_of(r, name) : NULL;
	}
	struct record_block *b = record_block_new(type, data, len, driver);
	bool full = false;
	for (size_t i = 0; i < r->n_sinks; i++)
		full |= recorder_sink_push(r->sinks[i], b);
	loop_later(r->loop, &r->kick);
	record_block_unref(b);
	if (full)
		hold(r);
	return 0;
}

/* --- frames ------------------------------------------------------------------------------------ */

/* Drivers are loaded for their tables only: their load() is not called here. */
static void load_plugin(const char *path)
{
	char error[512];
	struct loaded_plugin *p = loader_open(path, NULL, error, sizeof error);
	if (p && p->entry.n_sinks)
		p = loader_open(path, sink_host(), error, sizeof error);
	if (!p)
		log_error("plugin refused", "path", path, "why", error, NULL);
}

static int on_hello(struct recorder *r, struct cursor *c)
{
	struct wire_hello hello;
	if (r->greeted || wire_get_hello(c, &hello))
		return -1;
	r->greeted = true;
	log_init(hello.who, hello.log_level <= LOG_ERROR ? (enum log_level)hello.log_level : LOG_INFO, hello.log_json);
	for (uint32_t i = 0; i < hello.n_plugins; i++)
		load_plugin(hello.plugins[i]);
	wire_hello_free(&hello);
	channel_begin(r->channel, WIRE_READY);
	channel_end(r->channel);
	return 0;
}

static int on_log_level(struct cursor *c)
{
	uint8_t level = cursor_u8(c), json = cursor_u8(c);
	if (c->bad || level > LOG_ERROR)
		return -1;
	log_set((enum log_level)level, json);
	return 0;
}

static int on_frame(void *ctx, uint16_t type, struct cursor *c)
{
	struct recorder *r = ctx;
	CHECK_MAGIC(r, RECORDER_MAGIC);
	const char *text;
	if (!r->greeted && type != WIRE_HELLO)
		return -1;
	switch (type) {
	case WIRE_HELLO:
		return on_hello(r, c);
	case WIRE_PLUGIN:
		if ((text = cursor_str(c)))
			load_plugin(text);
		return text ? 0 : -1;
	case WIRE_LOG_LEVEL:
		return on_log_level(c);
	case WIRE_SINK_OPEN:
		return on_sink_open(r, c);
	case WIRE_SINK_CLOSE:
		if ((text = cursor_str(c)))
			close_named(r, text);
		return text ? 0 : -1;
	case WIRE_SINK_REOPEN:
		for (size_t i = 0; i < r->n_sinks; i++)
			recorder_sink_reopen(r->sinks[i]);
		return 0;
	case WIRE_RECORD:
	case WIRE_RECORD_EVENT:
		return on_record(r, type, c);
	case WIRE_SYNC: {
		uint64_t token = cursor_u64(c);
		if (c->bad)
			return -1;
		start_sync(r, token);
		finish_syncs(r);
		return 0;
	}
	case WIRE_DRAIN:
		drain(r);
		return 0;
	default:
		return -1;
	}
}

/* The core is gone: what it gave us is still written. */
static void on_closed(void *ctx, const char *why)
{
	struct recorder *r = ctx;
	CHECK_MAGIC(r, RECORDER_MAGIC);
	if (why) {
		log_error("the core's messages can't be understood", "why", why, NULL);
		r->status = EXIT_SETUP;
	}
	r->core_gone = true;
	if (!r->draining)
		drain(r);
}

/* --- life -------------------------------------------------------------------------------------- */

static void on_news(struct ev_loop *ev, ev_async *w, int revents)
{
	(void)ev, (void)revents;
	struct recorder *r = w->data;
	CHECK_MAGIC(r, RECORDER_MAGIC);
	reap_sinks(r);
	hold(r);
	if (!r->core_gone) {
		for (size_t i = 0; i < r->n_sinks; i++)
			send_status(r, r->sinks[i], true);
		finish_syncs(r);
	}
	if (!r->draining || r->n_closing)
		return;
	if (!r->core_gone) {
		channel_begin(r->channel, WIRE_DRAINED);
		channel_end(r->channel);
		channel_flush(r->channel);
	}
	loop_stop(r->loop);
}

static void on_tick(struct wheel_timer *t)
{
	struct recorder *r = (struct recorder *)((char *)t - offsetof(struct recorder, tick));
	CHECK_MAGIC(r, RECORDER_MAGIC);
	for (size_t i = 0; i < r->n_sinks && !r->core_gone; i++)
		send_status(r, r->sinks[i], false);
	if (r->held && peer_is_gone(r)) {
		r->peer_gone = true; /* what it sent before is read to its end */
		hold(r);
	}
	loop_timer_set(r->loop, t, r->loop->now_ns + STATUS_EVERY_NS);
}

static const struct channel_events events = { .frame = on_frame, .closed = on_closed };

static void recorder_free(struct recorder *r)
{
	while (r->syncs) {
		struct sync *y = r->syncs;
		r->syncs = y->next;
		free(y->sinks);
		free(y->points);
		free(y);
	}
	free(r->sinks);
	free(r->closing);
	loop_timer_stop(r->loop, &r->tick);
	ev_async_stop(r->loop->ev, &r->news);
	channel_free(r->channel);
	loop_free(r->loop);
	r->magic = 0;
	free(r);
}

int recorder_run(int channel_fd, const struct recorder_limits *limits)
{
	/* a ^C on the terminal, or a supervisor that signals the whole group, is the core's business: it drains us */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);

	struct recorder *r = xnew(struct recorder);
	r->magic = RECORDER_MAGIC;
	r->limits = *limits;
	r->syncs_tail = &r->syncs;
	r->loop = loop_new();
	r->fd = channel_fd;
	r->channel = channel_new(r->loop, channel_fd, OUT_MAX, &events, r);
	ev_async_init(&r->news, on_news);
	r->news.data = r;
	ev_async_start(r->loop->ev, &r->news);
	r->tick.fn = on_tick;
	r->kick.fn = kick;
	loop_timer_set(r->loop, &r->tick, clock_now_ns() + STATUS_EVERY_NS);
	loop_run(r->loop);

	int status = r->status;
	loader_close_all();
	recorder_free(r);
	return status;
}

int recorder_main(int channel_fd)
{
	struct recorder_limits limits = RECORDER_LIMITS;
	return recorder_run(channel_fd, &limits);
}
