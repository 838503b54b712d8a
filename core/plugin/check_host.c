/* SPDX-License-Identifier: Apache-2.0 */
/* check_host.c - see check_host.h */
#include "plugin/check_host.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <probed/plugin.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/mem.h"

struct probed_watch {
	struct probed_watch *next, **prev; /* of all */
	ev_io io;
	probed_watch_fn fn;
	void *arg;
};

struct probed_timer {
	struct wheel_timer timer;
	probed_timer_fn fn;
	void *arg;
};

struct probed_lookup {
	struct loop_later later;
	probed_resolve_fn fn;
	void *arg;
	struct probed_addr addrs[2];
	uint32_t n;
};

static struct loop *loop;
static struct check_counts held;
static struct probed_watch *watches;
static struct probed_probe *probes;
static char complaint[256];
static bool complained;
static const struct probed_probe *awaited;

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *format, ...)
{
	if (complained)
		return;
	complained = true;
	va_list ap;
	va_start(ap, format);
	vsnprintf(complaint, sizeof complaint, format, ap);
	va_end(ap);
}

const char *check_host_complaint(void)
{
	bool any = complained;
	complained = false;
	return any ? complaint : NULL;
}

/* --- clocks, the log --- */

static uint64_t host_random(void)
{
	uint64_t v = 0;
	if (getrandom(&v, sizeof v, 0) != sizeof v)
		panic("no random numbers");
	return v;
}

static void host_log(uint32_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void host_log(uint32_t level, const char *format, ...)
{
	static const char *const names[] = { "debug", "info", "warning", "error" };
	va_list ap;
	va_start(ap, format);
	fprintf(stderr, "plugin %s: ", level < ARRAY_LEN(names) ? names[level] : "log");
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
}

/* --- watches, timers, names --- */

static void on_io(struct ev_loop *ev, ev_io *io, int events)
{
	(void)ev;
	struct probed_watch *w = io->data;
	w->fn(w->arg, io->fd, (events & EV_READ ? PROBED_READ : 0u) | (events & EV_WRITE ? PROBED_WRITE : 0u));
}

static int ev_events(uint32_t events)
{
	return (events & PROBED_READ ? EV_READ : 0) | (events & PROBED_WRITE ? EV_WRITE : 0);
}

static void watch_set(struct probed_watch *w, uint32_t events)
{
	ev_io_stop(loop->ev, &w->io);
	ev_io_set(&w->io, w->io.fd, ev_events(events));
	if (events)
		ev_io_start(loop->ev, &w->io);
}

static struct probed_watch *watch_new(int32_t fd, uint32_t events, probed_watch_fn fn, void *arg)
{
	if (fd < 0 || fcntl(fd, F_GETFD) < 0) {
		complain("watches descriptor %d, which is not open", fd);
		return NULL;
	}
	struct probed_watch *w = xnew(struct probed_watch);
	w->fn = fn;
	w->arg = arg;
	ev_io_init(&w->io, on_io, fd, ev_events(events));
	w->io.data = w;
	w->prev = &watches;
	w->next = watches;
	if (w->next)
		w->next->prev = &w->next;
	watches = w;
	watch_set(w, events);
	held.watches++;
	return w;
}

static void watch_free(struct probed_watch *w)
{
	if (!w)
		return;
	if (fcntl(w->io.fd, F_GETFD) < 0)
		complain("closes descriptor %d before watch_free()", w->io.fd);
	ev_io_stop(loop->ev, &w->io);
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	held.watches--;
	free(w);
}

static void on_timer(struct wheel_timer *timer)
{
	struct probed_timer *t = (struct probed_timer *)((char *)timer - offsetof(struct probed_timer, timer));
	t->fn(t->arg);
}

static struct probed_timer *timer_new(probed_timer_fn fn, void *arg)
{
	struct probed_timer *t = xnew(struct probed_timer);
	*t = (struct probed_timer){ .timer.fn = on_timer, .fn = fn, .arg = arg };
	held.timers++;
	return t;
}

static void timer_set(struct probed_timer *t, int64_t at_ns)
{
	if (at_ns)
		loop_timer_set(loop, &t->timer, at_ns);
	else
		loop_timer_stop(loop, &t->timer);
}

static void timer_free(struct probed_timer *t)
{
	if (!t)
		return;
	loop_timer_stop(loop, &t->timer);
	held.timers--;
	free(t);
}

static void resolve_cancel(struct probed_lookup *l)
{
	loop_later_cancel(loop, &l->later);
	held.lookups--;
	free(l);
}

static void on_resolved(struct loop_later *later)
{
	struct probed_lookup *l = (struct probed_lookup *)((char *)later - offsetof(struct probed_lookup, later));
	held.lookups--;
	if (l->n)
		l->fn(l->arg, 0, NULL, l->n, l->addrs, sizeof l->addrs[0]);
	else
		l->fn(l->arg, -1, "only addresses can be resolved during a check", 0, NULL, sizeof l->addrs[0]);
	free(l);
}

static void add_address(struct probed_lookup *l, uint32_t family, uint32_t wanted, const char *text)
{
	struct probed_addr a = { .family = family };
	if ((!wanted || wanted == family) && inet_pton(family == 4 ? AF_INET : AF_INET6, text, a.bytes) == 1)
		l->addrs[l->n++] = a;
}

static struct probed_lookup *resolve(const char *name, uint32_t family, probed_resolve_fn fn, void *arg)
{
	struct probed_lookup *l = xnew(struct probed_lookup);
	bool local = !strcmp(name, "localhost");
	*l = (struct probed_lookup){ .later.fn = on_resolved, .fn = fn, .arg = arg };
	add_address(l, 4, family, local ? "127.0.0.1" : name);
	add_address(l, 6, family, local ? "::1" : name);
	held.lookups++;
	loop_later(loop, &l->later);
	return l;
}

/* --- a probe --- */

/* Whether `probe` may still be spoken about. */
static bool alive(const struct probed_probe *probe, const char *call)
{
	const struct probed_probe *known = probes;
	while (known && known != probe)
		known = known->next;
	if (!known) {
		complain("calls %s for a probe that is gone", call);
		return false;
	}
	if (probe->ended)
		complain("calls %s for a probe that %s", call,
			 probe->cancelled ? "was cancelled" : "is complete already");
	return !probe->ended;
}

static const struct probed_value *host_option(struct probed_probe *probe, uint32_t i)
{
	if (!alive(probe, "option()"))
		return NULL;
	if (i < probe->options->n)
		return &probe->options->values[i];
	complain("asks for option %u of %u", i, probe->options->n);
	return NULL;
}

static int64_t host_deadline(const struct probed_probe *probe)
{
	return alive(probe, "deadline()") ? probe->deadline_ns : 0;
}

static void phase_add(struct probed_probe *probe, uint32_t phase, int64_t ns)
{
	if (!alive(probe, "phase_add()"))
		return;
	if (phase >= PROBED_PHASES)
		complain("speaks of phase %u", phase);
	if (ns < 0)
		complain("adds a negative time to phase %u", phase);
}

static void host_phase(struct probed_probe *probe, uint32_t phase)
{
	if (alive(probe, "phase()") && phase >= PROBED_PHASES)
		complain("speaks of phase %u", phase);
}

static void fact(struct probed_probe *probe, uint32_t index, const char *name, const char *call, uint32_t type)
{
	if (!alive(probe, call))
		return;
	if (index >= probe->driver->n_facts) {
		complain("gives fact %u, but declares %u", index, probe->driver->n_facts);
		return;
	}
	const struct fact_decl *f = &probe->driver->facts[index];
	bool integer = f->type == PROBED_TYPE_BOOLEAN || f->type == PROBED_TYPE_DURATION ||
		       f->type == PROBED_TYPE_SIZE || f->type == PROBED_TYPE_TIME;
	if (type != (integer ? (uint32_t)PROBED_TYPE_INTEGER : f->type))
		complain("gives fact \"%s\" by %s, but declares it as %s", f->name, call, type_name(f->type));
	if ((name != NULL) != ((f->flags & PROBED_FACT_FAMILY) != 0))
		complain("gives fact \"%s\" %s", f->name,
			 name ? "with a late name, but it is no family" : "of a family without its late name");
}

static void fact_integer(struct probed_probe *probe, uint32_t index, const char *name, int64_t value)
{
	(void)value;
	fact(probe, index, name, "fact_integer()", PROBED_TYPE_INTEGER);
}

static void fact_float(struct probed_probe *probe, uint32_t index, const char *name, double value)
{
	(void)value;
	fact(probe, index, name, "fact_float()", PROBED_TYPE_FLOAT);
}

static void fact_string(struct probed_probe *probe, uint32_t index, const char *name, const char *s, uint64_t len)
{
	(void)s, (void)len;
	fact(probe, index, name, "fact_string()", PROBED_TYPE_STRING);
}

static void fact_row(struct probed_probe *probe, uint32_t index, uint32_t n, const struct probed_cell *cells,
		     uint32_t stride)
{
	(void)n, (void)cells, (void)stride;
	fact(probe, index, NULL, "fact_row()", PROBED_TYPE_TABLE);
}

static int64_t body_want(struct probed_probe *probe)
{
	alive(probe, "body_want()");
	return PROBED_BODY_HASH;
}

static int32_t body_write(struct probed_probe *probe, const void *data, uint64_t len)
{
	(void)data, (void)len;
	alive(probe, "body_write()");
	return 0;
}

static void check_verdict(const char *call, uint32_t outcome)
{
	if (outcome >= PROBED_OUTCOMES)
		complain("calls %s with outcome %u", call, outcome);
}

static void host_emit(struct probed_probe *probe, const char *name, uint32_t outcome, uint32_t reason,
		      const char *message)
{
	(void)reason, (void)message;
	if (!alive(probe, "emit()"))
		return;
	if (!name || !*name)
		complain("calls emit() without a name");
	check_verdict("emit()", outcome);
}

static void host_complete(struct probed_probe *probe, uint32_t outcome, uint32_t reason, const char *message)
{
	if (!alive(probe, "complete()"))
		return;
	check_verdict("complete()", outcome);
	if (probe->driver->flags & PROBED_DRIVER_BLOCKING)
		complain("calls complete(), but is a blocking driver");
	probe->ended = true;
	probe->completed_in_start = probe->in_start;
	probe->outcome = outcome;
	probe->reason = reason;
	snprintf(probe->message, sizeof probe->message, "%s", message ? message : "");
	if (probe == awaited)
		loop_stop(loop);
}

static void attribute(struct probed_probe *probe)
{
	alive(probe, "attribute()");
}

static int64_t gate(struct probed_probe *probe, const char *key)
{
	(void)key;
	alive(probe, "gate()");
	return 0;
}

static int32_t fact_wanted(struct probed_probe *probe, uint32_t fact, const char *name)
{
	(void)fact, (void)name;
	alive(probe, "fact_wanted()");
	return 1;
}

static const void *extension(const char *name)
{
	return !strcmp(name, "probed.ev-loop/1") ? loop->ev : NULL;
}

static const struct probed_host host = {
	.size = sizeof(struct probed_host),
	.abi_major = PROBED_ABI_MAJOR,
	.abi_minor = PROBED_ABI_MINOR,
	.now = clock_now_ns,
	.wall = clock_wall_ns,
	.random = host_random,
	.log = host_log,
	.watch_new = watch_new,
	.watch_set = watch_set,
	.watch_free = watch_free,
	.timer_new = timer_new,
	.timer_set = timer_set,
	.timer_free = timer_free,
	.resolve = resolve,
	.resolve_cancel = resolve_cancel,
	.option = host_option,
	.deadline = host_deadline,
	.phase = host_phase,
	.phase_add = phase_add,
	.fact_integer = fact_integer,
	.fact_float = fact_float,
	.fact_string = fact_string,
	.fact_row = fact_row,
	.body_want = body_want,
	.body_write = body_write,
	.emit = host_emit,
	.complete = host_complete,
	.attribute = attribute,
	.gate = gate,
	.extension = extension,
	.fact_wanted = fact_wanted,
};

/* --- for the check --- */

const struct probed_host *check_host_begin(void)
{
	loop = loop_new();
	return &host;
}

void check_host_end(void)
{
	loop_free(loop);
	loop = NULL;
}

struct check_counts check_host_counts(void)
{
	struct check_counts c = held;
	DIR *dir = opendir("/proc/self/fd");
	while (dir && readdir(dir))
		c.descriptors++;
	if (dir)
		closedir(dir);
	return c;
}

void check_host_know(struct probed_probe *probe)
{
	probe->next = probes;
	probes = probe;
}

void check_host_forget(const struct probed_probe *probe)
{
	struct probed_probe **at = &probes;
	while (*at && *at != probe)
		at = &(*at)->next;
	if (*at)
		*at = probe->next;
}

static void on_time(struct wheel_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

/* libev would end the process with less to say. */
static void find_closed(void)
{
	for (struct probed_watch *w = watches; w; w = w->next) {
		if (!ev_is_active(&w->io) || fcntl(w->io.fd, F_GETFD) >= 0)
			continue;
		complain("closes descriptor %d, which it still watches", w->io.fd);
		ev_io_stop(loop->ev, &w->io);
	}
}

void check_host_run(const struct probed_probe *probe, int64_t until_ns)
{
	struct wheel_timer limit = { .fn = on_time };
	loop_timer_set(loop, &limit, until_ns);
	awaited = probe;
	find_closed();
	if (!probe || !probe->ended)
		loop_run(loop);
	awaited = NULL;
	loop_timer_stop(loop, &limit);
}
