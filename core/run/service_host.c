/* SPDX-License-Identifier: Apache-2.0 */
/* service_host.c - see service_host.h */
#include "run/service_host.h"

#include <probed/plugin.h>
#include <probed/service.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#define WATCH_MAGIC 0x77617463u
#define TIMER_MAGIC 0x74696d65u

struct probed_watch {
	unsigned magic;
	ev_io io;
	probed_watch_fn fn;
	void *arg;
};

struct probed_timer {
	unsigned magic;
	struct wheel_timer timer;
	probed_timer_fn fn;
	void *arg;
};

static struct {
	struct loop *loop;
	const struct probed_core *core;
} self;

static uint64_t host_random(void)
{
	uint64_t v;
	if (getrandom(&v, sizeof v, 0) != sizeof v)
		panic("getrandom");
	return v;
}

static void host_log(uint32_t level, const char *format, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	log_event(level > LOG_ERROR ? LOG_ERROR : (enum log_level)level, text, NULL);
}

static void on_watch(struct ev_loop *ev, ev_io *io, int revents)
{
	(void)ev;
	struct probed_watch *w = io->data;
	CHECK_MAGIC(w, WATCH_MAGIC);
	uint32_t events = (revents & EV_READ ? PROBED_READ : 0u) | (revents & EV_WRITE ? PROBED_WRITE : 0u);
	w->fn(w->arg, io->fd, events);
}

static int to_ev(uint32_t events)
{
	return (events & PROBED_READ ? EV_READ : 0) | (events & PROBED_WRITE ? EV_WRITE : 0);
}

static struct probed_watch *host_watch_new(int32_t fd, uint32_t events, probed_watch_fn fn, void *arg)
{
	struct probed_watch *w = xnew(struct probed_watch);
	w->magic = WATCH_MAGIC;
	w->fn = fn;
	w->arg = arg;
	ev_io_init(&w->io, on_watch, fd, to_ev(events));
	w->io.data = w;
	if (events)
		ev_io_start(self.loop->ev, &w->io);
	return w;
}

static void host_watch_set(struct probed_watch *w, uint32_t events)
{
	CHECK_MAGIC(w, WATCH_MAGIC);
	ev_io_stop(self.loop->ev, &w->io);
	ev_io_modify(&w->io, to_ev(events));
	if (events)
		ev_io_start(self.loop->ev, &w->io);
}

static void host_watch_free(struct probed_watch *w)
{
	CHECK_MAGIC(w, WATCH_MAGIC);
	ev_io_stop(self.loop->ev, &w->io);
	w->magic = 0;
	free(w);
}

static void on_timer(struct wheel_timer *timer)
{
	struct probed_timer *t = (struct probed_timer *)((char *)timer - offsetof(struct probed_timer, timer));
	CHECK_MAGIC(t, TIMER_MAGIC);
	t->fn(t->arg);
}

static struct probed_timer *host_timer_new(probed_timer_fn fn, void *arg)
{
	struct probed_timer *t = xnew(struct probed_timer);
	*t = (struct probed_timer){ .magic = TIMER_MAGIC, .timer.fn = on_timer, .fn = fn, .arg = arg };
	return t;
}

static void host_timer_set(struct probed_timer *t, int64_t at_ns)
{
	CHECK_MAGIC(t, TIMER_MAGIC);
	if (at_ns)
		loop_timer_set(self.loop, &t->timer, at_ns);
	else
		loop_timer_stop(self.loop, &t->timer);
}

static void host_timer_free(struct probed_timer *t)
{
	CHECK_MAGIC(t, TIMER_MAGIC);
	loop_timer_stop(self.loop, &t->timer);
	t->magic = 0;
	free(t);
}

static const void *no_extension(const char *name)
{
	(void)name;
	return NULL;
}

static const void *host_extension(const char *name)
{
	if (!strcmp(name, "probed.ev-loop/1"))
		return self.loop->ev;
	if (!strcmp(name, "probed.core/1"))
		return self.core;
	return NULL;
}

#define ANY_THREAD                                                                                 \
	.size = sizeof(struct probed_host), .abi_major = PROBED_ABI_MAJOR,                          \
	.abi_minor = PROBED_ABI_MINOR, .now = clock_now_ns, .wall = clock_wall_ns, .random = host_random, .log = host_log

static const struct probed_host for_sinks = { ANY_THREAD, .extension = no_extension };

static const struct probed_host for_services = {
	ANY_THREAD,
	.watch_new = host_watch_new,
	.watch_set = host_watch_set,
	.watch_free = host_watch_free,
	.timer_new = host_timer_new,
	.timer_set = host_timer_set,
	.timer_free = host_timer_free,
	.extension = host_extension,
};

const struct probed_host *sink_host(void)
{
	return &for_sinks;
}

const struct probed_host *service_host_new(struct loop *loop, const struct probed_core *core)
{
	self.loop = loop;
	self.core = core;
	return &for_services;
}

void service_host_free(void)
{
	self.loop = NULL;
	self.core = NULL;
}
