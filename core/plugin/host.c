/* SPDX-License-Identifier: Apache-2.0 */
/* host.c - see host.h */
#include "plugin/host.h"

#include <probed/plugin.h>

#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "plugin/resolver.h"

#define HOST_MAGIC 0x686f7374u
#define WATCH_MAGIC 0x77617463u
#define TIMER_MAGIC 0x74696d65u
#define LOOKUP_MAGIC 0x6c6f6f6bu
#define SAMPLE_EVERY 64

struct probed_watch {
	unsigned magic;
	struct host_call call;
	ev_io io;
	probed_watch_fn fn;
	void *arg;
	LIST_ENTRY(probed_watch) entry;
};

struct probed_timer {
	unsigned magic;
	struct host_call call;
	struct wheel_timer timer;
	probed_timer_fn fn;
	void *arg;
	LIST_ENTRY(probed_timer) entry;
};

struct probed_lookup {
	unsigned magic;
	struct host_call call;
	struct resolver_lookup *inner;
	probed_resolve_fn fn;
	void *arg;
	LIST_ENTRY(probed_lookup) entry;
};

/* Those in use, and those to be used again. */
LIST_HEAD(watches, probed_watch);
LIST_HEAD(timers, probed_timer);
LIST_HEAD(lookups, probed_lookup);

static struct {
	unsigned magic;
	struct loop *loop;
	struct host_hooks hooks;
	struct host_call call;
	unsigned depth;
	struct resolver *resolver;
	bool measure;
	uint32_t calls;
	ev_prepare prepare;
	struct watches watches, spare_watches;
	struct timers timers, spare_timers;
	struct lookups lookups, spare_lookups;
} self;

static _Thread_local struct host_call thread_call;
static _Atomic bool crashing; /* then what is noted stays */

/* --- whom it is for --------------------------------------------------------------------------- */

static void note(const struct host_call *call)
{
	if (!self.hooks.in_call || atomic_load_explicit(&crashing, memory_order_relaxed))
		return;
	atomic_store_explicit(self.hooks.slot, call->slot, memory_order_relaxed);
	atomic_store_explicit(self.hooks.in_call, call->driver, memory_order_release);
}

struct host_call host_enter(struct host_call call)
{
	struct host_call before = self.call;
	if (!self.depth && self.hooks.before && (self.measure || ++self.calls % SAMPLE_EVERY == 0))
		self.hooks.before(&call);
	self.call = call;
	self.depth++;
	note(&call);
	return before;
}

void host_leave(struct host_call before)
{
	struct host_call done = self.call;
	self.call = before;
	self.depth--;
	note(&before);
	if (!self.depth && self.hooks.after)
		self.hooks.after(&done);
}

struct host_call host_now(void)
{
	return self.call;
}

unsigned host_depth(void)
{
	return self.depth;
}

void host_attribute(struct host_call call)
{
	self.call = call;
	note(&call);
}

void host_thread_call(struct host_call call)
{
	thread_call = call;
}

void host_measure(bool always)
{
	self.measure = always;
}

/* The slot of a call that was kept for later may have become another probe's. */
static struct host_call still(struct host_call call)
{
	if (call.slot != HOST_NO_SLOT && (!self.hooks.current || !self.hooks.current(call.slot, call.seq)))
		call.slot = HOST_NO_SLOT;
	return call;
}

/* A plugin's own watchers on the loop have no frame of ours that would end what they attributed. */
static void on_prepare(struct ev_loop *ev, ev_prepare *w, int revents)
{
	(void)ev, (void)w, (void)revents;
	if (self.call.driver)
		host_attribute((struct host_call){ 0, HOST_NO_SLOT, 0 });
}

/* --- clock, chance, log ------------------------------------------------------------------------- */

static int64_t host_clock(void)
{
	return clock_now_ns();
}

static int64_t host_wall(void)
{
	return clock_wall_ns();
}

static uint64_t host_random(void)
{
	static _Thread_local uint64_t pool[32];
	static _Thread_local unsigned left;
	if (!left) {
		if (getrandom(pool, sizeof pool, 0) != sizeof pool)
			panic("getrandom failed");
		left = ARRAY_LEN(pool);
	}
	return pool[--left];
}

static const char *caller_name(void)
{
	uint32_t driver = thread_call.driver ? thread_call.driver : self.call.driver;
	return driver && self.hooks.driver_name ? self.hooks.driver_name(driver) : NULL;
}

static void host_log(uint32_t level, const char *format, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	log_event(level > LOG_ERROR ? LOG_ERROR : (enum log_level)level, text, "driver", caller_name(), NULL);
}

/* --- watches -------------------------------------------------------------------------------------- */

static int to_ev(uint32_t events)
{
	return (events & PROBED_READ ? EV_READ : 0) | (events & PROBED_WRITE ? EV_WRITE : 0);
}

static void on_io(struct ev_loop *ev, ev_io *io, int revents)
{
	(void)ev;
	struct probed_watch *w = io->data;
	CHECK_MAGIC(w, WATCH_MAGIC);
	uint32_t events = (revents & EV_READ ? PROBED_READ : 0) | (revents & EV_WRITE ? PROBED_WRITE : 0);
	if (revents & EV_ERROR)
		events = PROBED_READ | PROBED_WRITE;
	struct host_call before = host_enter(still(w->call));
	w->fn(w->arg, io->fd, events); /* may free w */
	host_leave(before);
}

static struct probed_watch *watch_new(int32_t fd, uint32_t events, probed_watch_fn fn, void *arg)
{
	if (fd < 0) {
		log_warn("a plugin would watch a descriptor that it does not have", "driver", caller_name(), NULL);
		return NULL;
	}
	struct probed_watch *w = LIST_FIRST(&self.spare_watches);
	if (w)
		LIST_REMOVE(w, entry);
	else
		w = xnew(struct probed_watch);
	*w = (struct probed_watch){ .magic = WATCH_MAGIC, .call = self.call, .fn = fn, .arg = arg };
	LIST_INSERT_HEAD(&self.watches, w, entry);
	ev_io_init(&w->io, on_io, fd, to_ev(events));
	w->io.data = w;
	if (events)
		ev_io_start(self.loop->ev, &w->io);
	return w;
}

static void watch_set(struct probed_watch *w, uint32_t events)
{
	CHECK_MAGIC(w, WATCH_MAGIC);
	int wanted = to_ev(events);
	if (ev_is_active(&w->io) && (w->io.events & (EV_READ | EV_WRITE)) == wanted)
		return;
	ev_io_stop(self.loop->ev, &w->io);
	ev_io_modify(&w->io, wanted);
	if (wanted)
		ev_io_start(self.loop->ev, &w->io);
}

static void watch_free(struct probed_watch *w)
{
	if (!w)
		return;
	CHECK_MAGIC(w, WATCH_MAGIC);
	ev_io_stop(self.loop->ev, &w->io);
	w->magic = 0;
	LIST_REMOVE(w, entry);
	LIST_INSERT_HEAD(&self.spare_watches, w, entry);
}

/* --- timers --------------------------------------------------------------------------------------- */

static void on_timer(struct wheel_timer *timer)
{
	struct probed_timer *t = (struct probed_timer *)((char *)timer - offsetof(struct probed_timer, timer));
	CHECK_MAGIC(t, TIMER_MAGIC);
	struct host_call before = host_enter(still(t->call));
	t->fn(t->arg); /* may free t */
	host_leave(before);
}

static struct probed_timer *timer_new(probed_timer_fn fn, void *arg)
{
	struct probed_timer *t = LIST_FIRST(&self.spare_timers);
	if (t)
		LIST_REMOVE(t, entry);
	else
		t = xnew(struct probed_timer);
	*t = (struct probed_timer){ .magic = TIMER_MAGIC, .call = self.call, .fn = fn, .arg = arg };
	LIST_INSERT_HEAD(&self.timers, t, entry);
	t->timer.fn = on_timer;
	return t;
}

static void timer_set(struct probed_timer *t, int64_t at_ns)
{
	CHECK_MAGIC(t, TIMER_MAGIC);
	if (at_ns)
		loop_timer_set(self.loop, &t->timer, at_ns);
	else
		loop_timer_stop(self.loop, &t->timer);
}

static void timer_free(struct probed_timer *t)
{
	if (!t)
		return;
	CHECK_MAGIC(t, TIMER_MAGIC);
	loop_timer_stop(self.loop, &t->timer);
	t->magic = 0;
	LIST_REMOVE(t, entry);
	LIST_INSERT_HEAD(&self.spare_timers, t, entry);
}

/* --- names ---------------------------------------------------------------------------------------- */

static void lookup_done(struct probed_lookup *l)
{
	l->magic = 0;
	LIST_REMOVE(l, entry);
	LIST_INSERT_HEAD(&self.spare_lookups, l, entry);
}

static void on_answer(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs)
{
	struct probed_lookup *l = arg;
	CHECK_MAGIC(l, LOOKUP_MAGIC);
	struct host_call call = still(l->call);
	probed_resolve_fn fn = l->fn;
	void *fn_arg = l->arg;
	lookup_done(l);
	struct host_call before = host_enter(call);
	fn(fn_arg, status, error, n, addrs, sizeof *addrs);
	host_leave(before);
}

static struct probed_lookup *host_resolve(const char *name, uint32_t family, probed_resolve_fn fn, void *arg)
{
	struct probed_lookup *l = LIST_FIRST(&self.spare_lookups);
	if (l)
		LIST_REMOVE(l, entry);
	else
		l = xnew(struct probed_lookup);
	*l = (struct probed_lookup){ .magic = LOOKUP_MAGIC, .call = self.call, .fn = fn, .arg = arg };
	LIST_INSERT_HEAD(&self.lookups, l, entry);
	if (!self.resolver)
		self.resolver = resolver_new(self.loop);
	l->inner = resolver_ask(self.resolver, name, family, on_answer, l);
	return l;
}

static void host_resolve_cancel(struct probed_lookup *l)
{
	if (!l)
		return;
	CHECK_MAGIC(l, LOOKUP_MAGIC);
	resolver_cancel(l->inner);
	lookup_done(l);
}

static const void *host_extension(const char *name)
{
	return name && !strcmp(name, "probed.ev-loop/1") ? self.loop->ev : NULL;
}

/* --- life ----------------------------------------------------------------------------------------- */

void host_fill_any(struct probed_host *out)
{
	*out = (struct probed_host){
		.size = sizeof *out, .abi_major = PROBED_ABI_MAJOR, .abi_minor = PROBED_ABI_MINOR,
		.now = host_clock, .wall = host_wall, .random = host_random, .log = host_log,
	};
}

void host_fill(struct probed_host *out)
{
	out->size = sizeof *out;
	out->abi_major = PROBED_ABI_MAJOR;
	out->abi_minor = PROBED_ABI_MINOR;
	out->now = host_clock;
	out->wall = host_wall;
	out->random = host_random;
	out->log = host_log;
	out->watch_new = watch_new;
	out->watch_set = watch_set;
	out->watch_free = watch_free;
	out->timer_new = timer_new;
	out->timer_set = timer_set;
	out->timer_free = timer_free;
	out->resolve = host_resolve;
	out->resolve_cancel = host_resolve_cancel;
	out->extension = host_extension;
}

void host_init(struct loop *loop, const struct host_hooks *hooks)
{
	memset(&self, 0, sizeof self);
	self.magic = HOST_MAGIC;
	self.loop = loop;
	self.hooks = *hooks;
	self.call.slot = HOST_NO_SLOT;
	note(&self.call);
	ev_prepare_init(&self.prepare, on_prepare);
	ev_prepare_start(loop->ev, &self.prepare);
}

#define FREE_ALL(list)                                  \
	while (!LIST_EMPTY(list)) {                     \
		void *gone = LIST_FIRST(list);          \
		LIST_REMOVE(LIST_FIRST(list), entry);   \
		free(gone);                             \
	}

unsigned host_end(void)
{
	if (self.magic != HOST_MAGIC)
		panic("no host");
	unsigned left = 0;
	for (; !LIST_EMPTY(&self.watches); left++)
		watch_free(LIST_FIRST(&self.watches));
	for (; !LIST_EMPTY(&self.timers); left++)
		timer_free(LIST_FIRST(&self.timers));
	for (; !LIST_EMPTY(&self.lookups); left++)
		host_resolve_cancel(LIST_FIRST(&self.lookups));
	FREE_ALL(&self.spare_watches);
	FREE_ALL(&self.spare_timers);
	FREE_ALL(&self.spare_lookups);
	if (self.resolver)
		resolver_free(self.resolver);
	ev_prepare_stop(self.loop->ev, &self.prepare);
	memset(&self, 0, sizeof self);
	return left;
}

/* --- crashes -------------------------------------------------------------------------------------- */

static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP };
static struct sigaction fatal_before[ARRAY_LEN(fatal)];

static void note_thread(void)
{
	if (!thread_call.driver)
		return;
	struct host_call call = still(thread_call);
	note(&call);
	atomic_store(&crashing, true);
}

static void on_fatal(int sig)
{
	note_thread();
	for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
		if (fatal[i] == sig)
			sigaction(sig, &fatal_before[i], NULL);
	raise(sig); /* held until this handler returns; then what was there before has its say */
}

void host_note_crashes(void)
{
	struct sigaction act = { .sa_handler = on_fatal, .sa_flags = SA_ONSTACK };
	for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
		sigaction(fatal[i], &act, &fatal_before[i]);
	atexit(note_thread);
}
