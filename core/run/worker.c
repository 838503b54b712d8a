/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c - the worker's life: hello, plugins, frames from the core, drain, end. See worker.h. */
#include "run/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "plugin/loader.h"
#include "run/worker_flow.h"

#define OUT_MAX (16u << 20)
#define THREADS 32
#define THREADS_MAX 1024
#define STRIKES 16 /* of one driver told to the core in a second */

static struct worker *self; /* for the hooks, which have no argument of ours */
static _Thread_local bool on_loop;

/* --- drivers ------------------------------------------------------------------------------------------- */

struct drv *worker_driver(struct worker *w, const char *name)
{
	for (uint32_t i = 0; i < w->n_drivers; i++)
		if (!w->drivers[i].hook && !strcmp(w->drivers[i].table->name, name))
			return &w->drivers[i];
	return NULL;
}

static const char *driver_name(uint32_t number)
{
	return number <= self->n_drivers ? self->drivers[number - 1].table->name : NULL;
}

static bool is_current(uint32_t slot, uint64_t seq)
{
	const struct probed_probe *p = slot < WORKER_SLOTS ? self->slots[slot] : NULL;
	return p && p->seq == seq;
}

static bool name_taken(const struct worker *w, const char *name)
{
	for (uint32_t i = 0; i < w->n_drivers; i++)
		if (!strcmp(w->drivers[i].table->name, name))
			return true;
	return false;
}

/* A place for a driver or a hook, named in the page. NULL, and said so: there is none. */
static struct drv *place_take(struct worker *w, const char *name)
{
	if (w->n_drivers == WORKER_DRIVERS || name_taken(w, name)) {
		log_warn("a driver is left out", "driver", name, "why",
		         w->n_drivers == WORKER_DRIVERS ? "this worker has too many" : "another has its name", NULL);
		return NULL;
	}
	uint32_t place = w->n_drivers++;
	struct drv *d = &w->drivers[place];
	*d = (struct drv){ .worker = w, .number = place + 1 };
	TAILQ_INIT(&d->waiting);
	snprintf(w->page->drivers[place], sizeof w->page->drivers[place], "%s", name);
	atomic_store(&w->page->n_drivers, w->n_drivers);
	return d;
}

static void driver_add(struct worker *w, const struct probed_driver *impl, const struct driver_table *table)
{
	struct drv *d = place_take(w, table->name);
	if (!d)
		return;
	d->impl = impl;
	d->table = table;
	d->blocking = (table->flags & PROBED_DRIVER_BLOCKING) != 0;
}

static void hook_add(struct worker *w, const struct probed_hook *hook, const struct part_table *table)
{
	struct drv *d = place_take(w, table->name);
	if (d)
		hook_init(d, hook, table);
}

static void load(struct worker *w, const char *path)
{
	char error[600] = "";
	for (const struct loaded_plugin *p = loader_first(); p; p = p->next)
		if (!strcmp(p->path, path))
			return;
	struct loaded_plugin *p = loader_open(path, &w->vtable, error, sizeof error);
	if (!p) {
		log_error("a plugin can't be used", "path", path, "why", error, NULL);
		return;
	}
	for (uint32_t i = 0; i < p->table->n_drivers; i++)
		driver_add(w, &p->drivers[i], &p->table->drivers[i]);
	for (uint32_t i = 0; i < p->table->n_hooks; i++)
		hook_add(w, &p->hooks[i], &p->table->hooks[i]);
}

static void tell(struct drv *d, const char *what)
{
	struct worker *w = d->worker;
	if (w->loop->now_ns - d->strikes_since_ns > NS_PER_S) {
		d->strikes_since_ns = w->loop->now_ns;
		d->strikes = 0;
	}
	if (d->strikes++ >= STRIKES)
		return;
	struct buf *b = channel_begin(w->channel, WIRE_MISBEHAVED);
	buf_str(b, d->table->name);
	buf_str(b, what);
	channel_end(w->channel);
}

void worker_misbehaved(struct drv *d, const char *what)
{
	log_warn("a driver misbehaves", "driver", d ? d->table->name : NULL, "what", what, NULL);
	if (!d)
		return;
	if (on_loop)
		tell(d, what);
	else
		atomic_store(&d->thread_said, what);
}

void worker_tell_threads(struct worker *w)
{
	for (uint32_t i = 0; i < w->n_drivers; i++) {
		const char *what = atomic_load_explicit(&w->drivers[i].thread_said, memory_order_relaxed);
		if (what && (what = atomic_exchange(&w->drivers[i].thread_said, NULL)))
			tell(&w->drivers[i], what);
	}
}

/* --- frames -------------------------------------------------------------------------------------------- */

static int on_hello(struct worker *w, struct cursor *c)
{
	struct wire_hello m;
	if (w->greeted || wire_get_hello(c, &m))
		return -1;
	w->greeted = true;
	w->check_only = m.check_only;
	w->epoch = m.epoch;
	log_init(m.who, m.log_level <= LOG_ERROR ? (enum log_level)m.log_level : LOG_INFO, m.log_json);
	threads_init(w, m.threads ? (m.threads < THREADS_MAX ? m.threads : THREADS_MAX) : THREADS);
	for (uint32_t i = 0; i < m.n_plugins; i++)
		load(w, m.plugins[i]);
	wire_hello_free(&m);
	channel_begin(w->channel, WIRE_READY);
	channel_end(w->channel);
	channel_flush(w->channel); /* at once: the first dispatch may be in this turn, and never return */
	return 0;
}

static void refuse(struct worker *w, uint32_t id, const char *why)
{
	struct buf *b = channel_begin(w->channel, WIRE_TARGET_REFUSED);
	buf_u32(b, id);
	buf_str(b, why);
	channel_end(w->channel);
}

static int on_target_add(struct worker *w, struct cursor *c)
{
	struct wire_target m;
	char error[600] = "";
	if (wire_get_target(c, &m))
		return -1;
	if (instance_add(w, &m, w->check_only, error, sizeof error))
		refuse(w, m.id, error);
	wire_target_free(&m);
	return 0;
}

static int on_dispatch(struct worker *w, struct cursor *c)
{
	uint32_t n = cursor_count(c, WIRE_DISPATCH_BYTES);
	if (w->check_only)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		struct wire_dispatch d = wire_get_dispatch(c);
		if (c->bad || probe_dispatch(w, &d))
			return -1;
	}
	return 0;
}

static int on_cancel(struct worker *w, struct cursor *c)
{
	uint32_t slot = cursor_u32(c);
	uint64_t seq = cursor_u64(c);
	if (!c->bad && !users_cancel(w, slot, seq) && is_current(slot, seq))
		probe_stop(w->slots[slot], PROBED_UNKNOWN, PROBED_REASON_CANCELLED, "cancelled");
	return 0;
}

static int on_flow_add(struct worker *w, struct cursor *c)
{
	struct wire_flow m;
	if (wire_get_flow(c, &m))
		return -1;
	flow_add(w, &m);
	wire_flow_free(&m);
	return 0;
}

static int on_flow_start(struct worker *w, struct cursor *c)
{
	struct wire_start m;
	if (wire_get_start(c, &m))
		return -1;
	int rc = user_start(w, &m);
	wire_start_free(&m);
	return rc;
}

static int on_users(struct worker *w, struct cursor *c)
{
	struct wire_users m;
	if (wire_get_users(c, &m))
		return -1;
	int rc = lease_add(w, &m);
	wire_users_free(&m);
	return rc;
}

/* Of flows and users; a worker that checks gets none. */
static int on_flow_frame(struct worker *w, uint16_t type, struct cursor *c)
{
	switch (type) {
	case WIRE_FLOW_ADD:
		return on_flow_add(w, c);
	case WIRE_FLOW_REMOVE:
		flow_remove(w, cursor_u32(c));
		return 0;
	case WIRE_FLOW_START:
		return on_flow_start(w, c);
	case WIRE_USERS:
		return on_users(w, c);
	case WIRE_USERS_STOP:
		return lease_on_stop(w, c);
	case WIRE_ROWS:
		return lease_on_rows(w, c);
	default:
		return gate_on_grant(w, c);
	}
}

static int on_sync(struct worker *w, struct cursor *c)
{
	uint64_t token = cursor_u64(c);
	buf_u64(channel_begin(w->channel, WIRE_SYNCED), token);
	channel_end(w->channel);
	return 0;
}

static int on_frame(void *ctx, uint16_t type, struct cursor *c)
{
	struct worker *w = ctx;
	CHECK_MAGIC(w, WORKER_MAGIC);
	const char *path;
	if (!w->greeted && type != WIRE_HELLO)
		return -1;
	switch (type) {
	case WIRE_HELLO:
		return on_hello(w, c);
	case WIRE_PLUGIN:
		path = cursor_str(c);
		if (path)
			load(w, path);
		return path ? 0 : -1;
	case WIRE_TARGET_ADD:
		return on_target_add(w, c);
	case WIRE_TARGET_REMOVE:
		instance_remove(w, cursor_u32(c));
		return 0;
	case WIRE_SINK_OPEN:
	case WIRE_SERVICE_START:
		return worker_check_part(w, c, type == WIRE_SINK_OPEN);
	case WIRE_DISPATCH:
		return on_dispatch(w, c);
	case WIRE_CANCEL:
		return on_cancel(w, c);
	case WIRE_FLOW_ADD:
	case WIRE_FLOW_REMOVE:
	case WIRE_FLOW_START:
	case WIRE_USERS:
	case WIRE_USERS_STOP:
	case WIRE_ROWS:
	case WIRE_GATE_GRANT:
		return w->check_only ? -1 : on_flow_frame(w, type, c);
	case WIRE_SYNC:
		return on_sync(w, c);
	case WIRE_LOG_LEVEL: {
		uint8_t level = cursor_u8(c), json = cursor_u8(c);
		log_set(level <= LOG_ERROR ? (enum log_level)level : LOG_INFO, json);
		return 0;
	}
	case WIRE_DRAIN:
		w->draining = true;
		leases_drain(w);
		loop_later(w->loop, &w->reaping);
		return 0;
	default:
		log_error("the core sent a frame that this worker does not know", "type", log_int(type), NULL);
		return -1;
	}
}

static void on_closed(void *ctx, const char *why)
{
	struct worker *w = ctx;
	if (why)
		log_error("the channel to the core is closed", "why", why, NULL);
	w->closed = true;
	w->bad = why != NULL;
	loop_stop(w->loop);
}

static void on_drained_channel(void *ctx)
{
	struct worker *w = ctx;
	channel_pause(w->channel, false);
	loop_later(w->loop, &w->reaping); /* users had stopped too */
}

/* --- life ---------------------------------------------------------------------------------------------- */

void worker_settle(struct worker *w)
{
	if (w->draining && !w->inflight && !w->n_users)
		loop_stop(w->loop);
}

static void prepare_process(void)
{
	static const int ignored[] = { SIGPIPE, SIGINT, SIGHUP, SIGTERM };
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

static struct worker_page *map_page(int fd)
{
	void *page = mmap(NULL, sizeof(struct worker_page), PROT_READ | PROT_WRITE, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		panic("the page shared with the core can't be mapped: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return page;
}

static struct worker *worker_new(int channel_fd, int page_fd)
{
	static const struct channel_events events = { .frame = on_frame, .closed = on_closed };
	struct worker *w = xnew(struct worker);
	w->magic = WORKER_MAGIC;
	w->page = map_page(page_fd);
	w->loop = loop_new();
	w->channel = channel_new(w->loop, channel_fd, OUT_MAX, &events, w);
	channel_on_drain(w->channel, on_drained_channel);
	probes_init(w);
	flows_init(w);
	self = w;
	on_loop = true;
	struct host_hooks hooks = {
		.in_call = &w->page->in_call, .slot = &w->page->slot, .current = is_current,
		.before = vital_before, .after = vital_after, .driver_name = driver_name,
	};
	host_init(w->loop, &hooks);
	host_note_crashes();
	worker_host_fill(w);
	vital_start(w);
	return w;
}

static void free_drivers(struct worker *w)
{
	struct instance *inst, *next;
	HASH_ITER(hh, w->instances, inst, next)
		instance_remove(w, inst->id);
	for (uint32_t i = 0; i < w->n_drivers; i++) {
		struct drv *d = &w->drivers[i];
		if (d->hook)
			hook_free(d);
		if (!d->made || !d->impl->worker_free)
			continue;
		struct host_call before = host_enter((struct host_call){ d->number, HOST_NO_SLOT, 0 });
		d->impl->worker_free(d->state);
		host_leave(before);
	}
}

/* The last frame must be out before the process ends. */
static void say_drained(struct worker *w, int fd)
{
	channel_begin(w->channel, WIRE_DRAINED);
	channel_end(w->channel);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	channel_flush(w->channel);
}

static void worker_end(struct worker *w, int fd)
{
	users_stop_all(w);
	probes_cancel_all(w);
	if (!threads_end(w)) { /* threads that don't return: nothing they use can be freed */
		if (!w->closed)
			say_drained(w, fd);
		_exit(0);
	}
	probes_cancel_all(w); /* what threads had kept */
	flows_free(w);
	worker_gates_free(w);
	free_drivers(w);
	loader_close_all();
	vital_stop(w);
	unsigned left = host_end();
	if (left)
		log_warn("plugins left watches, timers or lookups behind", "count", log_int(left), NULL);
	probes_free(w);
	worker_host_end();
	if (!w->closed)
		say_drained(w, fd);
	channel_free(w->channel);
	loop_free(w->loop);
	munmap(w->page, sizeof *w->page);
	self = NULL;
	w->magic = 0;
	free(w);
}

int worker_main(int channel_fd, int page_fd)
{
	prepare_process();
	struct worker *w = worker_new(channel_fd, page_fd);
	loop_run(w->loop);
	int status = w->bad ? 1 : 0;
	worker_end(w, channel_fd);
	return status;
}
