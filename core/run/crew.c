/* SPDX-License-Identifier: Apache-2.0 */
/* crew.c - see crew.h */
#include "run/crew.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "run/crew_parts.h"

#define WAITING_MAX WORKER_SLOTS
#define DEATHS_APART_NS (10 * NS_PER_S)

/* --- pools ------------------------------------------------------------------------------------ */

static bool isolated(const struct model *m, const char *plugin)
{
	for (size_t i = 0; i < m->n_plugins; i++)
		if (!strcmp(m->plugins[i].name, plugin))
			return m->plugins[i].isolate;
	return false;
}

/* The pool of a driver: one of its own where it is suspect, its plugin's where that has one, else that of its class. */
static void pool_name(const struct crew *crew, const struct model *m, const struct driver_table *d, char *out, size_t size)
{
	if (health_suspect(crew->core, d->name))
		snprintf(out, size, "suspect:%s", d->name);
	else if (isolated(m, d->plugin->name))
		snprintf(out, size, "plugin:%s", d->plugin->name);
	else
		snprintf(out, size, "%s", d->needs);
}

static struct pool *pool_find(const struct crew *crew, const char *name)
{
	for (struct pool *p = crew->pools; p; p = p->next)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

static unsigned seats_wanted(const struct model *m, const struct pool *p)
{
	if (strcmp(p->name, "net") != 0)
		return 1;
	if (m->settings.workers > 0)
		return (unsigned)m->settings.workers;
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : (unsigned)n;
}

static void seat_restart(struct wheel_timer *t)
{
	worker_start((struct seat *)((char *)t - offsetof(struct seat, restart)));
}

static void pool_resize(struct pool *p, unsigned n)
{
	for (unsigned i = n; i < p->n_seats; i++) {
		struct seat *seat = p->seats[i];
		seat->closed = true;
		loop_timer_stop(p->crew->core->loop, &seat->restart);
		if (seat->worker)
			worker_retire(seat->worker);
	}
	/* a closed seat stays until crew_free(): flights and subjects may still point to it */
	if (n > p->n_seats)
		p->seats = xreallocarray(p->seats, n, sizeof(*p->seats));
	for (unsigned i = p->n_seats; i < n; i++) {
		struct seat *seat = xnew(struct seat);
		*seat = (struct seat){ .pool = p, .index = i, .restart.fn = seat_restart };
		p->seats[i] = seat;
	}
	if (n > p->n_seats)
		p->n_seats = n;
	for (unsigned i = 0; i < n; i++)
		p->seats[i]->closed = false;
}

static struct pool *pool_new(struct crew *crew, const char *name)
{
	struct pool *p = xnew(struct pool);
	p->crew = crew;
	p->name = xstrdup(name);
	LL_APPEND(crew->pools, p);
	return p;
}

static bool has_path(const char *const *paths, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(paths[i], path))
			return true;
	return false;
}

/* Does a driver or a hook come from another file now than the one that the pool's workers have loaded? */
static bool moved(const struct pool *p, const struct model *m)
{
	for (uint32_t i = 0; p->registry && i < m->registry->n_drivers; i++) {
		const struct driver_table *now = m->registry->drivers[i], *before = registry_driver(p->registry, now->name);
		if (before && strcmp(before->plugin->path, now->plugin->path) != 0 &&
		    has_path(p->plugins, p->n_plugins, before->plugin->path))
			return true;
	}
	for (size_t i = 0; p->registry && i < m->n_steps; i++) {
		const char *hook = m->steps[i]->step->hook;
		const struct part_table *now = hook ? registry_hook(m->registry, hook) : NULL,
					*before = hook ? registry_hook(p->registry, hook) : NULL;
		if (before && strcmp(before->plugin->path, now->plugin->path) != 0 &&
		    has_path(p->plugins, p->n_plugins, before->plugin->path))
			return true;
	}
	return false;
}

/* Gives the pool its plugins; workers learn of new ones, and are replaced where one they have has changed. */
static void pool_set_plugins(struct pool *p, const struct model *m, const char **paths, uint32_t n, bool raw,
                             const char *const *changed, size_t n_changed)
{
	bool recycle = p->raw != raw || moved(p, m);
	for (uint32_t i = 0; i < p->n_plugins; i++)
		recycle |= has_path(changed, n_changed, p->plugins[i]);
	p->raw = raw;
	for (unsigned k = 0; k < p->n_seats; k++) {
		struct worker *w = p->seats[k]->worker;
		if (!w)
			continue;
		if (recycle) {
			worker_retire(w);
			continue;
		}
		for (uint32_t i = 0; i < n; i++)
			if (!has_path(p->plugins, p->n_plugins, paths[i]))
				worker_load_plugin(w, paths[i]);
	}
	free(p->plugins);
	p->plugins = paths;
	p->n_plugins = n;
	struct registry *old = p->registry;
	p->registry = registry_ref(m->registry);
	if (old)
		registry_unref(old);
}

/* Does any driver of this pool that targets use need raw sockets? */
static bool pool_wants_raw(const struct crew *crew, const struct model *m, const bool *used, const char *pool)
{
	const struct registry *r = m->registry;
	bool raw = false;
	for (uint32_t i = 0; i < r->n_drivers; i++) {
		char name[128];
		pool_name(crew, m, r->drivers[i], name, sizeof name);
		raw |= used[i] && !strcmp(name, pool) && !strcmp(r->drivers[i]->needs, "raw");
	}
	return raw;
}

/* Those that run the scripts of steps of this pool. */
static void add_hooks(const struct crew *crew, const struct model *m, const char *pool, const char **paths, uint32_t *n)
{
	char name[128];
	for (size_t i = 0; i < m->n_steps; i++) {
		const char *hook = m->steps[i]->step->hook;
		if (!hook)
			continue;
		const char *path = registry_hook(m->registry, hook)->plugin->path;
		pool_name(crew, m, m->steps[i]->driver, name, sizeof name);
		if (!strcmp(name, pool) && !has_path(paths, *n, path))
			paths[(*n)++] = path;
	}
}

/* The paths of all plugins whose drivers and hooks the model's targets use in this pool. */
static const char **paths_of_pool(const struct crew *crew, const struct model *m, const bool *used, const char *pool,
                                  uint32_t *n)
{
	const struct registry *r = m->registry;
	const char **paths = xcalloc(r->n_drivers + r->n_plugins, sizeof *paths);
	*n = 0;
	for (uint32_t i = 0; i < r->n_drivers; i++) {
		char name[128];
		pool_name(crew, m, r->drivers[i], name, sizeof name);
		if (used[i] && !strcmp(name, pool) && !has_path(paths, *n, r->drivers[i]->plugin->path))
			paths[(*n)++] = r->drivers[i]->plugin->path;
	}
	add_hooks(crew, m, pool, paths, n);
	return paths;
}

void crew_apply(struct crew *crew, const struct model *m, const char *const *changed, size_t n_changed)
{
	const struct registry *r = m->registry;
	bool *used = xcalloc(r->n_drivers, sizeof *used);
	for (size_t i = 0; i < m->n_targets; i++)
		used[m->targets[i]->driver->index] = true;
	for (size_t i = 0; i < m->n_steps; i++)
		used[m->steps[i]->driver->index] = true;
	for (uint32_t i = 0; i < r->n_drivers; i++) {
		char name[128];
		pool_name(crew, m, r->drivers[i], name, sizeof name);
		if (used[i] && !pool_find(crew, name))
			pool_new(crew, name);
	}
	for (struct pool *p = crew->pools; p; p = p->next) {
		uint32_t n;
		const char **paths = paths_of_pool(crew, m, used, p->name, &n);
		bool raw = n ? pool_wants_raw(crew, m, used, p->name) : p->raw;
		pool_set_plugins(p, m, paths, n, raw, changed, n_changed);
		pool_resize(p, n ? seats_wanted(m, p) : 0);
		for (unsigned k = 0; k < p->n_seats; k++)
			if (!p->seats[k]->closed && !p->seats[k]->worker && !wheel_running(&p->seats[k]->restart))
				loop_timer_set(crew->core->loop, &p->seats[k]->restart, crew->core->loop->now_ns);
	}
	free(used);
}

void crew_settle(struct crew *crew)
{
	for (struct pool *p = crew->pools; p; p = p->next)
		for (unsigned i = 0; i < p->n_seats; i++)
			if (p->seats[i]->closed)
				seat_send_waiting(p->seats[i]);
}

struct seat *crew_seat(struct crew *crew, const struct target *target)
{
	char name[128];
	pool_name(crew, crew->core->model, target->driver, name, sizeof name);
	struct pool *p = pool_find(crew, name);
	if (!p)
		panic("no pool %s", name);
	/* rendezvous hashing (Thaler and Ravishankar 1998): a changed number of seats moves few targets */
	uint64_t key = str_hash(target->name, strlen(target->name)), best = 0;
	struct seat *home = NULL;
	for (unsigned i = 0; i < p->n_seats; i++) {
		uint64_t score = str_mix(key, i + 1);
		if (!p->seats[i]->closed && (!home || score > best)) {
			home = p->seats[i];
			best = score;
		}
	}
	if (!home)
		panic("pool %s has no seat", name);
	return home;
}

void crew_isolate(struct crew *crew, const char *driver)
{
	struct core *core = crew->core;
	crew_apply(crew, core->model, NULL, 0);
	for (uint32_t i = 0; i < core->n_ids; i++) {
		struct subject *s = core->subjects[i];
		if (!s || strcmp(s->target->driver->name, driver) != 0)
			continue;
		struct seat *old = s->home;
		s->home = crew_seat(crew, s->target);
		if (s->home == old)
			continue;
		if (old->pool != s->home->pool || !s->spread)
			crew_target_remove(crew, old, s);
		crew_target_add(crew, s);
	}
	crew_settle(crew);
}

/* --- seats ------------------------------------------------------------------------------------ */

static void seat_wait(struct seat *seat, struct flight *f)
{
	if (seat->closed || seat->n_waiting >= WAITING_MAX) {
		flight_unknown(seat->pool->crew->core, f, PROBED_REASON_OVERLOADED, "too many probes wait for a worker");
		return;
	}
	f->worker = NULL;
	f->waits = seat;
	DL_APPEND(seat->waiting, f);
	seat->n_waiting++;
}

static void unwait(struct flight *f)
{
	DL_DELETE(f->waits->waiting, f);
	f->waits->n_waiting--;
	f->waits = NULL;
}

void seat_send_waiting(struct seat *seat)
{
	struct flight *f, *next;
	DL_FOREACH_SAFE(seat->waiting, f, next)
	{
		unwait(f);
		crew_dispatch(seat->pool->crew, f);
	}
}

void seat_lost_worker(struct seat *seat, bool was_ready)
{
	struct core *core = seat->pool->crew->core;
	int64_t now = clock_now_ns(), delay;
	seat->worker = NULL;
	if (seat->closed || seat->pool->crew->draining)
		return;
	seat->deaths = now - seat->last_death_ns < DEATHS_APART_NS ? seat->deaths + 1 : 0;
	seat->last_death_ns = now;
	seat->failures = was_ready ? 0 : seat->failures + 1;
	if (was_ready) {
		delay = (seat->deaths < 25 ? seat->deaths : 25) * 20 * NS_PER_MS;
	} else {
		delay = (INT64_C(100) << (seat->failures < 9 ? seat->failures : 9)) * NS_PER_MS;
	}
	loop_timer_set(core->loop, &seat->restart, now + delay);
}

/* --- subjects and flights --------------------------------------------------------------------- */

void crew_target_add(struct crew *crew, struct subject *s)
{
	(void)crew;
	const struct pool *p = s->home->pool;
	for (unsigned i = 0; i < p->n_seats; i++)
		if (p->seats[i]->worker && (s->spread || p->seats[i] == s->home))
			worker_send_target(p->seats[i]->worker, s);
}

void crew_target_remove(struct crew *crew, struct seat *seat, const struct subject *s)
{
	(void)crew;
	const struct pool *p = seat->pool;
	for (unsigned i = 0; i < p->n_seats; i++)
		if (p->seats[i]->worker && (s->spread || p->seats[i] == seat))
			worker_remove_target(p->seats[i]->worker, s->id);
}

void crew_dispatch(struct crew *crew, struct flight *f)
{
	struct seat *seat = f->seat && !f->seat->closed && f->seat->pool == f->subject->home->pool ? f->seat : f->subject->home;
	if (f->subject->keeps)
		flight_unknown(crew->core, f, PROBED_REASON_CANCELLED, "the target was removed before it could be probed");
	else if (!seat->worker)
		seat_wait(seat, f);
	else if (!worker_dispatch(seat->worker, f))
		flight_unknown(crew->core, f, PROBED_REASON_OVERLOADED, "too many probes are under way in the worker");
}

void crew_log_level(struct crew *crew)
{
	for (struct pool *p = crew->pools; p; p = p->next)
		for (unsigned i = 0; i < p->n_seats; i++)
			if (p->seats[i]->worker)
				child_send_log_level(p->seats[i]->worker->child);
}

void crew_release(struct crew *crew, struct flight *f)
{
	(void)crew;
	struct worker *w = f->worker;
	if (!w) {
		if (f->waits)
			unwait(f);
		return;
	}
	CHECK_MAGIC(w, WORKER_MAGIC);
	struct slot *slot = &w->slots[f->slot];
	slot->flight = NULL;
	w->inflight--;
	if (slot->answered)
		w->free_slots[w->n_free++] = f->slot;
}

/* --- life cycle ------------------------------------------------------------------------------- */

static void report_drained(struct loop_later *later)
{
	struct crew *crew = (struct crew *)((char *)later - offsetof(struct crew, done));
	void (*done)(struct core *) = crew->drained;
	crew->drained = NULL;
	if (done)
		done(crew->core);
}

static bool anybody_left(const struct crew *crew)
{
	for (struct pool *p = crew->pools; p; p = p->next)
		for (unsigned i = 0; i < p->n_seats; i++)
			if (p->seats[i]->worker)
				return true;
	return crew->retired != NULL;
}

void crew_worker_gone(struct crew *crew, struct worker *w)
{
	if (!w->seat)
		LL_DELETE2(crew->retired, w, next_retired);
	worker_free(w);
	if (crew->draining && !anybody_left(crew))
		loop_later(crew->core->loop, &crew->done);
}

struct crew *crew_new(struct core *core)
{
	struct crew *crew = xnew(struct crew);
	crew->core = core;
	crew->done.fn = report_drained;
	return crew;
}

void crew_drain(struct crew *crew, void (*done)(struct core *core))
{
	crew->draining = true;
	crew->drained = done;
	for (struct pool *p = crew->pools; p; p = p->next)
		for (unsigned i = 0; i < p->n_seats; i++) {
			loop_timer_stop(crew->core->loop, &p->seats[i]->restart);
			if (p->seats[i]->worker)
				worker_retire(p->seats[i]->worker);
		}
	if (!anybody_left(crew))
		loop_later(crew->core->loop, &crew->done);
}

void crew_kill(struct crew *crew)
{
	for (struct pool *p = crew->pools; p; p = p->next)
		for (unsigned i = 0; i < p->n_seats; i++)
			if (p->seats[i]->worker)
				child_kill(p->seats[i]->worker->child, "the daemon ends");
	for (struct worker *w = crew->retired; w; w = w->next_retired)
		child_kill(w->child, "the daemon ends");
}

void crew_free(struct crew *crew)
{
	if (!crew)
		return;
	loop_later_cancel(crew->core->loop, &crew->done);
	struct worker *w, *next;
	LL_FOREACH_SAFE2(crew->retired, w, next, next_retired)
		worker_free(w);
	for (struct pool *p; (p = crew->pools);) {
		crew->pools = p->next;
		for (unsigned i = 0; i < p->n_seats; i++) {
			loop_timer_stop(crew->core->loop, &p->seats[i]->restart);
			if (p->seats[i]->worker)
				worker_free(p->seats[i]->worker);
			free(p->seats[i]);
		}
		if (p->registry)
			registry_unref(p->registry);
		free(p->seats);
		free(p->plugins);
		free(p->name);
		free(p);
	}
	free(crew);
}

bool crew_ready(const struct crew *crew)
{
	for (struct pool *p = crew->pools; p; p = p->next)
		for (unsigned i = 0; i < p->n_seats; i++)
			if (!p->seats[i]->closed && (!p->seats[i]->worker || !p->seats[i]->worker->ready))
				return false;
	return true;
}

void crew_watch(struct crew *crew, int64_t now_ns)
{
	for (struct pool *p = crew->pools; p; p = p->next)
		for (unsigned i = 0; i < p->n_seats; i++)
			if (p->seats[i]->worker)
				worker_watch(p->seats[i]->worker, now_ns);
	for (struct worker *w = crew->retired; w; w = w->next_retired)
		worker_watch(w, now_ns);
}

void crew_each(const struct crew *crew, void (*fn)(void *ctx, const struct crew_view *v), void *ctx)
{
	for (struct pool *p = crew->pools; p; p = p->next)
		for (unsigned i = 0; i < p->n_seats; i++) {
			const struct seat *seat = p->seats[i];
			const struct worker *w = seat->worker;
			struct crew_view v = { .pool = p->name, .seat = i, .waiting = seat->n_waiting, .restarts = seat->restarts };
			if (seat->closed && !w)
				continue;
			if (w) {
				v.pid = child_pid(w->child);
				v.ready = w->ready;
				v.inflight = w->inflight;
				v.backlog_bytes = channel_backlog(child_channel(w->child));
				v.stats = w->stats;
			}
			fn(ctx, &v);
		}
}

uint64_t crew_refused(const struct crew *crew)
{
	return crew->refused;
}
