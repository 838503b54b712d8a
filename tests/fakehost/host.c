/* SPDX-License-Identifier: Apache-2.0 */
/* host.c - the slots of struct probed_host, each with the checks that a rule of the ABI asks for. */
#include "internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define WALL_OF_FAKE INT64_C(1700000000000000000)

/* Slots may be called from the thread of a blocking driver. */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

/* What the host allocates while the plugin calls it is not the plugin's. */
static struct fakehost *enter(int64_t *before)
{
	pthread_mutex_lock(&lock);
	*before = memory_live_bytes();
	fakehost_current->in_host++;
	return fakehost_current;
}

static void leave(struct fakehost *fh, int64_t before)
{
	if (fh->in_slot && fh->in_host == 1)
		fh->slot_bytes += memory_live_bytes() - before;
	fh->in_host--;
	pthread_mutex_unlock(&lock);
}

static void leave_cleanup(const int64_t *before)
{
	leave(fakehost_current, *before);
}

#define ENTER                                                              \
	int64_t before __attribute__((cleanup(leave_cleanup))) = 0;        \
	struct fakehost *fh = enter(&before)

void handle_add(struct fakehost *fh, struct handle *h, enum handle_kind kind)
{
	h->kind = kind;
	h->live = true;
	h->self = h;
	HASH_ADD_PTR(fh->handles, self, h);
}

void handle_end(struct fakehost *fh, struct handle *h)
{
	h->live = false;
	HASH_DEL(fh->handles, h);
	HASH_ADD_PTR(fh->dead, self, h);
}

static void *handle_check(struct fakehost *fh, const void *p, enum handle_kind kind, const char *call)
{
	static const char *const kinds[] = { "watch", "timer", "lookup", "probe" };
	struct handle *h;
	HASH_FIND_PTR(fh->handles, &p, h);
	if (!h)
		HASH_FIND_PTR(fh->dead, &p, h);
	if (!h || h->kind != kind)
		fakehost_breach(fh, "%s: a pointer that is no %s", call, kinds[kind]);
	else if (!h->live)
		fakehost_breach(fh, "%s: a %s that is gone", call, kinds[kind]);
	else
		return h;
	return NULL;
}

static struct fakehost_probe *probe_check(struct fakehost *fh, const struct probed_probe *probe, const char *call)
{
	struct fakehost_probe *p = handle_check(fh, probe, HANDLE_PROBE, call);
	if (p && p->completed && !p->threaded) {
		fakehost_breach(fh, "%s: after the probe had been completed", call);
		return NULL;
	}
	return p && p->completed ? NULL : p;
}

#define WATCH(p) handle_check(fh, (p), HANDLE_WATCH, __func__ + 2)
#define TIMER(p) handle_check(fh, (p), HANDLE_TIMER, __func__ + 2)
#define PROBE(p) probe_check(fh, (p), __func__ + 2)

static int64_t h_now(void)
{
	return fakehost_now(fakehost_current);
}

static int64_t h_wall(void)
{
	struct fakehost *fh = fakehost_current;
	return fh->flags & FAKEHOST_FAKE_CLOCK ? WALL_OF_FAKE + fh->fake_now_ns : clock_wall_ns();
}

static uint64_t h_random(void)
{
	uint64_t v = 0;
	if (getrandom(&v, sizeof v, 0) != sizeof v)
		panic("no random bytes");
	return v;
}

static void h_log(uint32_t level, const char *format, ...)
{
	ENTER;
	(void)level;
	va_list args;
	va_start(args, format);
	free(fh->log_line);
	if (vasprintf(&fh->log_line, format, args) < 0)
		fh->log_line = NULL;
	va_end(args);
}

/* --- watches ---------------------------------------------------------------------------------- */

static bool same_file(const struct watch *w)
{
	struct stat st;
	return !fstat(w->fd, &st) && st.st_dev == w->dev && st.st_ino == w->ino;
}

static void watch_events(struct fakehost *fh, struct watch *w, uint32_t events)
{
	ev_io_stop(fh->ev, &w->io);
	ev_io_set(&w->io, w->fd, (events & PROBED_READ ? EV_READ : 0) | (events & PROBED_WRITE ? EV_WRITE : 0));
	if (events)
		ev_io_start(fh->ev, &w->io);
}

static struct probed_watch *h_watch_new(int32_t fd, uint32_t events, probed_watch_fn fn, void *arg)
{
	ENTER;
	struct stat st = { 0 };
	if (fstat(fd, &st)) {
		fakehost_breach(fh, "watch_new: descriptor %d is not open", fd);
		return NULL;
	}
	if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
		fakehost_breach(fh, "watch_new: descriptor %d is not close-on-exec", fd);
	if (!(fcntl(fd, F_GETFL) & O_NONBLOCK))
		fakehost_breach(fh, "watch_new: descriptor %d is not non-blocking", fd);
	for (struct handle *h = fh->handles; h; h = h->hh.next)
		if (h->live && h->kind == HANDLE_WATCH && ((struct watch *)h)->fd == fd)
			fakehost_breach(fh, "watch_new: descriptor %d is watched already", fd);
	struct watch *w = xnew(struct watch);
	w->fd = fd;
	w->dev = st.st_dev;
	w->ino = st.st_ino;
	w->fn = fn;
	w->arg = arg;
	ev_init(&w->io, io_ready);
	w->io.data = w;
	watch_events(fh, w, events);
	handle_add(fh, &w->handle, HANDLE_WATCH);
	return (struct probed_watch *)(void *)w;
}

static void h_watch_set(struct probed_watch *watch, uint32_t events)
{
	ENTER;
	struct watch *w = WATCH(watch);
	if (!w)
		return;
	if (!same_file(w))
		fakehost_breach(fh, "watch_set: descriptor %d was closed under its watch", w->fd);
	else
		watch_events(fh, w, events);
}

static void h_watch_free(struct probed_watch *watch)
{
	ENTER;
	struct watch *w = WATCH(watch);
	if (!w)
		return;
	if (!same_file(w))
		fakehost_breach(fh, "watch_free: descriptor %d was closed before its watch was freed", w->fd);
	ev_io_stop(fh->ev, &w->io);
	handle_end(fh, &w->handle);
}

/* --- timers and lookups ----------------------------------------------------------------------- */

static struct probed_timer *h_timer_new(probed_timer_fn fn, void *arg)
{
	ENTER;
	struct timer *t = xnew(struct timer);
	t->fn = fn;
	t->arg = arg;
	handle_add(fh, &t->handle, HANDLE_TIMER);
	return (struct probed_timer *)(void *)t;
}

static void h_timer_set(struct probed_timer *timer, int64_t at_ns)
{
	ENTER;
	struct timer *t = TIMER(timer);
	if (!t)
		return;
	t->at_ns = at_ns;
	t->set_in_turn = fh->turn;
}

static void h_timer_free(struct probed_timer *timer)
{
	ENTER;
	struct timer *t = TIMER(timer);
	if (t)
		handle_end(fh, &t->handle);
}

static struct probed_lookup *h_resolve(const char *name, uint32_t family, probed_resolve_fn fn, void *arg)
{
	ENTER;
	if (family != 0 && family != 4 && family != 6)
		fakehost_breach(fh, "resolve: family %u, expected 0, 4 or 6", family);
	struct lookup *l = xnew(struct lookup);
	l->name = xstrdup(name);
	l->family = family;
	l->held = fh->hold_lookups;
	l->asked_in_turn = fh->turn;
	l->fn = fn;
	l->arg = arg;
	handle_add(fh, &l->handle, HANDLE_LOOKUP);
	return (struct probed_lookup *)(void *)l;
}

static void h_resolve_cancel(struct probed_lookup *lookup)
{
	ENTER;
	struct lookup *l = handle_check(fh, lookup, HANDLE_LOOKUP, "resolve_cancel");
	if (l)
		handle_end(fh, &l->handle);
}

/* --- a probe ---------------------------------------------------------------------------------- */

static const struct probed_value *h_option(struct probed_probe *probe, uint32_t i)
{
	ENTER;
	struct fakehost_probe *p = PROBE(probe);
	if (!p)
		return NULL;
	const struct options *own = &p->target->options;
	if (i >= own->n) {
		fakehost_breach(fh, "option: index %u, but %u options are declared", i, own->n);
		return NULL;
	}
	if (!(own->values[i].flags & PROBED_VALUE_TEMPLATE))
		return &own->values[i];
	if (!p->is_rendered) {
		if (bind_options(fh, p->driver, p->target->pairs, p->target->n_pairs, true, &p->rendered))
			return NULL;
		p->is_rendered = true;
	}
	return &p->rendered.values[i];
}

static int64_t h_deadline(const struct probed_probe *probe)
{
	ENTER;
	struct fakehost_probe *p = PROBE(probe);
	return p ? p->deadline_ns : fakehost_now(fh);
}

static void h_phase(struct probed_probe *probe, uint32_t phase)
{
	ENTER;
	struct fakehost_probe *p = PROBE(probe);
	if (!p)
		return;
	if (phase >= PROBED_PHASES) {
		fakehost_breach(fh, "phase: %u is none", phase);
		return;
	}
	probe_phase_end(p);
	p->phase = phase;
	if (p->result.phase_ns[phase] < 0)
		p->result.phase_ns[phase] = 0;
}

static void h_phase_add(struct probed_probe *probe, uint32_t phase, int64_t ns)
{
	ENTER;
	struct fakehost_probe *p = PROBE(probe);
	if (!p)
		return;
	if (phase >= PROBED_PHASES || ns < 0) {
		fakehost_breach(fh, "phase_add: phase %u, %lld ns", phase, (long long)ns);
		return;
	}
	int64_t *sum = &p->result.phase_ns[phase];
	*sum = (*sum < 0 ? 0 : *sum) + ns;
}

/* The new fact where the declaration allows it; `types` is a mask of 1 << PROBED_TYPE_*. */
static struct result_fact *fact_add(struct fakehost *fh, struct probed_probe *probe, uint32_t fact, const char *name,
                                    uint32_t types, const char *call)
{
	struct fakehost_probe *p = probe_check(fh, probe, call);
	if (!p)
		return NULL;
	if (fact >= p->driver->n_facts) {
		fakehost_breach(fh, "%s: index %u, but %u facts are declared", call, fact, p->driver->n_facts);
		return NULL;
	}
	const struct probed_fact *decl = PROBED_AT(struct probed_fact, p->driver->facts, p->driver->fact_stride, fact);
	if (!(types & 1u << decl->type)) {
		fakehost_breach(fh, "%s: %s is declared as another type", call, decl->name);
		return NULL;
	}
	bool family = decl->flags & PROBED_FACT_FAMILY;
	if (family != (name != NULL)) {
		fakehost_breach(fh, "%s: %s is %s family, but was given %s name", call, decl->name, family ? "a" : "no",
		                name ? "a" : "no");
		return NULL;
	}
	struct result_fact *f = result_fact_add(&p->result, fact, name,
	                                        decl->flags & PROBED_FACT_LIST || decl->type == PROBED_TYPE_TABLE);
	if (f)
		f->type = (uint8_t)decl->type;
	return f;
}

static void h_fact_integer(struct probed_probe *probe, uint32_t fact, const char *name, int64_t value)
{
	ENTER;
	struct result_fact *f = fact_add(fh, probe, fact, name,
	                                 1u << PROBED_TYPE_INTEGER | 1u << PROBED_TYPE_BOOLEAN |
	                                         1u << PROBED_TYPE_DURATION | 1u << PROBED_TYPE_SIZE |
	                                         1u << PROBED_TYPE_TIME,
	                                 "fact_integer");
	if (!f)
		return;
	if (f->type == PROBED_TYPE_BOOLEAN && value != 0 && value != 1)
		fakehost_breach(fh, "fact_integer: a boolean of %lld", (long long)value);
	f->i = value;
}

static void h_fact_float(struct probed_probe *probe, uint32_t fact, const char *name, double value)
{
	ENTER;
	struct result_fact *f = fact_add(fh, probe, fact, name, 1u << PROBED_TYPE_FLOAT, "fact_float");
	if (f)
		f->f = value;
}

static void put_string(struct fakehost *fh, struct result_fact *f, struct probed_probe *probe, const char *s, uint64_t len)
{
	if (!s) {
		fakehost_breach(fh, "fact_string: NULL");
		s = "";
		len = 0;
	}
	f->s = result_put_string(&((struct fakehost_probe *)(void *)probe)->result, s, len);
	f->len = (uint32_t)len;
}

static void h_fact_string(struct probed_probe *probe, uint32_t fact, const char *name, const char *s, uint64_t len)
{
	ENTER;
	struct result_fact *f = fact_add(fh, probe, fact, name, 1u << PROBED_TYPE_STRING, "fact_string");
	if (f)
		put_string(fh, f, probe, s, len);
}

static void put_cell(struct buf *row, const struct probed_cell *cell)
{
	if (cell->type == PROBED_TYPE_STRING && cell->s)
		str_put_json(row, cell->s, cell->len);
	else if (cell->type == PROBED_TYPE_FLOAT)
		buf_printf(row, "%.17g", cell->f);
	else if (cell->type == PROBED_TYPE_NONE || cell->type == PROBED_TYPE_STRING)
		buf_puts(row, "null");
	else
		buf_printf(row, "%lld", (long long)cell->i);
}

static void h_fact_row(struct probed_probe *probe, uint32_t fact, uint32_t n, const struct probed_cell *cells, uint32_t stride)
{
	ENTER;
	struct result_fact *f = fact_add(fh, probe, fact, NULL, 1u << PROBED_TYPE_TABLE, "fact_row");
	if (!f)
		return;
	const struct probed_driver *d = ((struct fakehost_probe *)(void *)probe)->driver;
	const char *column = PROBED_AT(struct probed_fact, d->facts, d->fact_stride, fact)->columns;
	struct buf row CLEANUP_BUF = { 0 };
	buf_putc(&row, '{');
	uint32_t i = 0;
	for (; column && i < n; i++) {
		size_t len = strcspn(column, ":|");
		buf_puts(&row, i ? "," : "");
		str_put_json(&row, column, len);
		buf_putc(&row, ':');
		put_cell(&row, PROBED_AT(struct probed_cell, cells, stride, i));
		column = strchr(column, '|');
		column = column ? column + 1 : NULL;
	}
	buf_putc(&row, '}');
	if (i < n || column)
		fakehost_breach(fh, "fact_row: %u cells, which are not the declared columns", n);
	put_string(fh, f, probe, row.data, row.len);
}

static int64_t h_body_want(struct probed_probe *probe)
{
	ENTER;
	return PROBE(probe) ? fh->body_want : PROBED_BODY_NONE;
}

static int32_t h_body_write(struct probed_probe *probe, const void *data, uint64_t len)
{
	ENTER;
	struct fakehost_probe *p = PROBE(probe);
	if (!p)
		return 1;
	uint64_t room = fh->body_want > 0 && (uint64_t)fh->body_want > p->body.len ? (uint64_t)fh->body_want - p->body.len : 0;
	buf_put(&p->body, data, len < room ? len : room);
	return fh->body_want != PROBED_BODY_HASH && len >= room;
}

static void h_emit(struct probed_probe *probe, const char *name, uint32_t outcome, uint32_t reason, const char *message)
{
	ENTER;
	struct fakehost_probe *p = PROBE(probe);
	if (!p)
		return;
	probe_phase_end(p);
	xgrow(p->subs, p->n_subs, p->cap_subs);
	struct result *sub = &p->subs[p->n_subs++];
	*sub = p->result;
	sub->sub = result_put_string(sub, name, strlen(name));
	sub->message = result_put_string(sub, message, message ? strlen(message) : 0);
	sub->outcome = (uint8_t)outcome;
	sub->reason = (uint8_t)reason;
	sub->end_ns = fakehost_now(fh);
	memset(&p->result, 0, sizeof p->result);
	result_reset(&p->result);
	p->result.wall_ns = sub->wall_ns;
	p->result.due_ns = sub->due_ns;
	p->result.start_ns = sub->start_ns;
}

static void h_complete(struct probed_probe *probe, uint32_t outcome, uint32_t reason, const char *message)
{
	ENTER;
	struct fakehost_probe *p = handle_check(fh, probe, HANDLE_PROBE, "complete");
	if (!p)
		return;
	if (p->cancelling)
		fakehost_breach(fh, "complete: called from cancel()");
	else if (p->threaded)
		fakehost_breach(fh, "complete: called by a blocking driver");
	else if (p->completed)
		fakehost_breach(fh, "complete: a second time");
	else if (outcome >= PROBED_OUTCOMES || reason >= PROBED_REASONS)
		fakehost_breach(fh, "complete: outcome %u, reason %u", outcome, reason);
	else
		probe_finish(p, outcome, reason, message);
}

static void h_attribute(struct probed_probe *probe)
{
	ENTER;
	(void)PROBE(probe);
}

static int64_t h_gate(struct probed_probe *probe, const char *key)
{
	ENTER;
	if (!PROBE(probe))
		return 0;
	free(fh->gate_key);
	fh->gate_key = xstrdup(key);
	fh->gate_count++;
	if (fh->gate_left && fh->gate_left != UINT_MAX && !--fh->gate_left)
		return fh->gate_ns;
	return fh->gate_left ? fh->gate_ns : 0;
}

static int32_t h_fact_wanted(struct probed_probe *probe, uint32_t fact, const char *name)
{
	ENTER;
	(void)fact, (void)name;
	return PROBE(probe) != NULL;
}

static const void *h_extension(const char *name)
{
	struct fakehost *fh = fakehost_current;
	return !strcmp(name, "probed.ev-loop/1") && !fh->no_ev_loop ? fh->ev : NULL;
}

const struct probed_host fakehost_host = {
	.size = sizeof fakehost_host,
	.abi_major = PROBED_ABI_MAJOR,
	.abi_minor = PROBED_ABI_MINOR,
	.now = h_now,
	.wall = h_wall,
	.random = h_random,
	.log = h_log,
	.watch_new = h_watch_new,
	.watch_set = h_watch_set,
	.watch_free = h_watch_free,
	.timer_new = h_timer_new,
	.timer_set = h_timer_set,
	.timer_free = h_timer_free,
	.resolve = h_resolve,
	.resolve_cancel = h_resolve_cancel,
	.option = h_option,
	.deadline = h_deadline,
	.phase = h_phase,
	.phase_add = h_phase_add,
	.fact_integer = h_fact_integer,
	.fact_float = h_fact_float,
	.fact_string = h_fact_string,
	.fact_row = h_fact_row,
	.body_want = h_body_want,
	.body_write = h_body_write,
	.emit = h_emit,
	.complete = h_complete,
	.attribute = h_attribute,
	.gate = h_gate,
	.extension = h_extension,
	.fact_wanted = h_fact_wanted,
};
