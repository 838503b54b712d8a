/* SPDX-License-Identifier: Apache-2.0 */
/* inspector.c - the child's side: see inspector.h */
#include "plugin/inspector.h"

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "plugin/loader.h"
#include "run/channel.h"
#include "run/wire.h"

#define OUT_MAX (16u << 20)

struct inspector {
	struct loop *loop;
	struct channel *channel;
	int fd, status;
};

/* The next plugin may be our end: what is known of those before it must be out. */
static void send_now(struct inspector *in)
{
	channel_flush(in->channel);
	while (channel_backlog(in->channel)) {
		struct pollfd p = { .fd = in->fd, .events = POLLOUT };
		poll(&p, 1, -1);
		channel_flush(in->channel);
	}
}

static void answer(struct inspector *in, const char *path)
{
	struct plugin_table *t = loader_inspect(path);
	plugin_table_encode(channel_begin(in->channel, WIRE_INSPECTED), t);
	channel_end(in->channel);
	plugin_table_free(t);
	send_now(in);
}

static int on_frame(void *ctx, uint16_t type, struct cursor *c)
{
	struct inspector *in = ctx;
	struct wire_hello hello;
	if (type != WIRE_HELLO || wire_get_hello(c, &hello))
		return -1;
	log_init(hello.who, hello.log_level, hello.log_json);
	channel_begin(in->channel, WIRE_READY);
	channel_end(in->channel);
	send_now(in);
	for (uint32_t i = 0; i < hello.n_plugins; i++)
		answer(in, hello.plugins[i]);
	wire_hello_free(&hello);
	in->status = 0;
	loop_stop(in->loop);
	return 0;
}

static void on_closed(void *ctx, const char *why)
{
	(void)why;
	struct inspector *in = ctx;
	loop_stop(in->loop);
}

int inspector_main(int channel_fd)
{
	static const struct channel_events events = { on_frame, on_closed };
	const struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	struct inspector in = { .loop = loop_new(), .fd = channel_fd, .status = EXIT_SETUP };
	in.channel = channel_new(in.loop, channel_fd, OUT_MAX, &events, &in);
	loop_run(in.loop);
	channel_free(in.channel);
	loop_free(in.loop);
	loader_close_all();
	return in.status;
}
