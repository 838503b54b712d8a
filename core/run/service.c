/* SPDX-License-Identifier: Apache-2.0 */
/* service.c - see service.h */
#include "run/service.h"

#include <probed/service.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "config/option.h"
#include "plugin/loader.h"
#include "run/channel.h"
#include "run/service_host.h"
#include "run/wire.h"

#define SERVICE_MAGIC 0x73657276u
#define OUT_MAX ((size_t)4 << 20)

struct service {
	unsigned magic;
	struct loop *loop;
	struct channel *channel;
	const struct probed_host *host;
	const struct probed_service *plugin; /* NULL until started */
	void *state;
	char *name;
	struct options options;
	bool greeted, core_gone;
	int status;
};

static struct service *only; /* the functions of "probed.core/1" have no argument of their own */

/* --- what the plugin asks of the core ---------------------------------------------------------- */

static void core_query(uint64_t tag, const char *topic, const char *args)
{
	struct buf *b = channel_begin(only->channel, WIRE_QUERY);
	buf_u64(b, tag);
	buf_str(b, topic);
	buf_str(b, args);
	channel_end(only->channel);
}

static void core_subscribe(const char *stream)
{
	struct buf *b = channel_begin(only->channel, WIRE_SUBSCRIBE);
	buf_str(b, stream);
	channel_end(only->channel);
}

static void core_command(uint64_t tag, const char *name, const char *args)
{
	struct buf *b = channel_begin(only->channel, WIRE_COMMAND);
	buf_u64(b, tag);
	buf_str(b, name);
	buf_str(b, args);
	channel_end(only->channel);
}

static void core_pause(uint64_t tag, int32_t paused)
{
	struct buf *b = channel_begin(only->channel, WIRE_PAUSE);
	buf_u64(b, tag);
	buf_u8(b, paused != 0);
	channel_end(only->channel);
}

static const struct probed_core core = {
	.size = sizeof core,
	.query = core_query,
	.subscribe = core_subscribe,
	.command = core_command,
	.pause = core_pause,
};

/* --- frames ------------------------------------------------------------------------------------ */

static void end(struct service *s, int status)
{
	if (!s->core_gone)
		channel_flush(s->channel);
	s->status = status;
	loop_stop(s->loop);
}

static void stop_plugin(struct service *s)
{
	if (s->plugin && s->plugin->stop)
		s->plugin->stop(s->state);
	s->plugin = NULL;
}

static int fail(struct service *s, const char *why)
{
	struct buf *b = channel_begin(s->channel, WIRE_SERVICE_FAILED);
	buf_str(b, why);
	channel_end(s->channel);
	end(s, EXIT_SETUP);
	return 0;
}

static int start(struct service *s, const struct wire_part *part)
{
	char error[512] = "";
	const struct part_table *table = NULL;
	const struct probed_service *plugin = loader_service(part->driver, &table);
	s->name = xstrdup(part->name);
	if (!plugin || !plugin->start) {
		snprintf(error, sizeof error, "no plugin provides a service \"%s\"", part->driver);
		return fail(s, error);
	}
	if (options_bind(&table->options, part->options, part->n_options, &s->options, error, sizeof error))
		return fail(s, error);
	struct probed_service_args args = {
		.size = sizeof args,
		.name = s->name,
		.options = s->options.values,
		.n_options = s->options.n,
		.option_stride = sizeof *s->options.values,
	};
	if (plugin->start(&args, 0, &s->state, error, sizeof error))
		return fail(s, *error ? error : "start failed without a message");
	s->plugin = plugin;
	return 0;
}

static int on_start(struct service *s, struct cursor *c)
{
	struct wire_part part;
	if (s->plugin || s->name || wire_get_part(c, &part))
		return -1;
	int rc = start(s, &part);
	wire_part_free(&part);
	return rc;
}

static void load_plugin(struct service *s, const char *path)
{
	char error[512];
	if (!loader_open(path, s->host, error, sizeof error))
		log_error("plugin refused", "path", path, "why", error, NULL);
}

static int on_hello(struct service *s, struct cursor *c)
{
	struct wire_hello hello;
	if (s->greeted || wire_get_hello(c, &hello))
		return -1;
	s->greeted = true;
	log_init(hello.who, hello.log_level <= LOG_ERROR ? (enum log_level)hello.log_level : LOG_INFO, hello.log_json);
	for (uint32_t i = 0; i < hello.n_plugins; i++)
		load_plugin(s, hello.plugins[i]);
	wire_hello_free(&hello);
	channel_begin(s->channel, WIRE_READY);
	channel_end(s->channel);
	return 0;
}

static int on_reply(struct service *s, struct cursor *c)
{
	uint64_t tag = cursor_u64(c);
	uint32_t status = cursor_u32(c), len;
	uint8_t last = cursor_u8(c);
	const char *data = cursor_bytes(c, &len);
	if (c->bad)
		return -1;
	if (s->plugin && s->plugin->reply)
		s->plugin->reply(s->state, tag, status, data ? data : "", len, last);
	return 0;
}

static int on_event(struct service *s, struct cursor *c)
{
	const char *stream = cursor_str(c);
	uint64_t lost = cursor_u64(c);
	uint32_t len;
	const char *data = cursor_bytes(c, &len);
	if (c->bad || !stream)
		return -1;
	if (s->plugin && s->plugin->event)
		s->plugin->event(s->state, stream, data ? data : "", len, lost);
	return 0;
}

static int on_sync(struct service *s, struct cursor *c)
{
	uint64_t token = cursor_u64(c);
	if (c->bad)
		return -1;
	struct buf *b = channel_begin(s->channel, WIRE_SYNCED);
	buf_u64(b, token);
	channel_end(s->channel);
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

static int on_drain(struct service *s)
{
	stop_plugin(s);
	channel_begin(s->channel, WIRE_DRAINED);
	channel_end(s->channel);
	end(s, 0);
	return 0;
}

static int on_plugin(struct service *s, struct cursor *c)
{
	const char *path = cursor_str(c);
	if (!path)
		return -1;
	load_plugin(s, path);
	return 0;
}

static int on_frame(void *ctx, uint16_t type, struct cursor *c)
{
	struct service *s = ctx;
	CHECK_MAGIC(s, SERVICE_MAGIC);
	if (!s->greeted && type != WIRE_HELLO)
		return -1;
	switch (type) {
	case WIRE_HELLO:
		return on_hello(s, c);
	case WIRE_PLUGIN:
		return on_plugin(s, c);
	case WIRE_LOG_LEVEL:
		return on_log_level(c);
	case WIRE_SERVICE_START:
		return on_start(s, c);
	case WIRE_REPLY:
		return on_reply(s, c);
	case WIRE_EVENT:
		return on_event(s, c);
	case WIRE_SYNC:
		return on_sync(s, c);
	case WIRE_DRAIN:
		return on_drain(s);
	default:
		return -1;
	}
}

static void on_closed(void *ctx, const char *why)
{
	struct service *s = ctx;
	CHECK_MAGIC(s, SERVICE_MAGIC);
	if (why)
		log_error("the core's messages can't be understood", "why", why, NULL);
	s->core_gone = true;
	stop_plugin(s);
	end(s, why ? EXIT_SETUP : 0);
}

/* --- life -------------------------------------------------------------------------------------- */

static const struct channel_events events = { .frame = on_frame, .closed = on_closed };

int service_main(int channel_fd)
{
	/* a ^C on the terminal, or a supervisor that signals the whole group, is the core's business: it drains us */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);

	struct service *s = only = xnew(struct service);
	s->magic = SERVICE_MAGIC;
	s->loop = loop_new();
	s->channel = channel_new(s->loop, channel_fd, OUT_MAX, &events, s);
	s->host = service_host_new(s->loop, &core);
	loop_run(s->loop);

	int status = s->status;
	stop_plugin(s);
	loader_close_all();
	service_host_free();
	options_free(&s->options);
	free(s->name);
	channel_free(s->channel);
	loop_free(s->loop);
	s->magic = 0;
	free(s);
	only = NULL;
	return status;
}
