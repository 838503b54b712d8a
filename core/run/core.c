/* SPDX-License-Identifier: Apache-2.0 */
/* core.c - the life of the core: start, signals, the tick, drain and end. */
#include "run/core.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <utlist.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config.h"
#include "run/crew.h"
#include "run/load.h"
#include "run/plan_run.h"
#include "run/resources.h"

#define TICK_NS (250 * NS_PER_MS)
#define TICK_AT_START_NS (20 * NS_PER_MS)
#define START_LIMIT_NS (2 * NS_PER_S) /* then probing begins, even if a service does not come up */
#define TWICE_NS (200 * NS_PER_MS)
#define WORKERS_END_NS NS_PER_S /* workers that have nothing under way have at least this long to end */
#define ONCE_BATCH 200 /* --once starts so many probes every ONCE_EVERY_NS */
#define ONCE_EVERY_NS (10 * NS_PER_MS)

/* --- the end ---------------------------------------------------------------------------------- */

static void end_loop(struct core *core)
{
	loop_stop(core->loop);
}

static void end_recorder(struct core *core)
{
	recorder_link_drain(core->recorder, end_loop);
}

static void end_services(struct core *core)
{
	loop_timer_stop(core->loop, &core->drain_limit);
	services_drain(core, end_recorder);
}

static void end_crew(struct core *core)
{
	int64_t least = clock_now_ns() + WORKERS_END_NS;
	core->drained = NULL;
	loop_timer_set(core->loop, &core->drain_limit, core->drain_by_ns > least ? core->drain_by_ns : least);
	crew_drain(core->crew, end_services);
}

static void cancel_all(struct core *core, const char *why)
{
	struct subject *s, *next;
	HASH_ITER(hh, core->by_name, s, next)
		if (s->flight)
			flight_unknown(core, s->flight, PROBED_REASON_CANCELLED, why);
	plans_cancel(core, why);
	DL_FOREACH_SAFE(core->leaving, s, next)
		if (s->flight)
			flight_unknown(core, s->flight, PROBED_REASON_CANCELLED, why);
}

/* What is still under way ends as cancelled: workers that die while we drain leave nothing to send again. */
static void on_drain_limit(struct wheel_timer *t)
{
	struct core *core = (struct core *)((char *)t - offsetof(struct core, drain_limit));
	CHECK_MAGIC(core, CORE_MAGIC);
	if (core->n_flights)
		log_warn("probes cancelled", "under way", log_int(core->n_flights), "why", "shutdown_timeout has passed", NULL);
	cancel_all(core, "it was ended before the answer came");
	crew_kill(core->crew);
	if (core->drained)
		end_crew(core);
}

void core_drain(struct core *core, int exit_status)
{
	if (core->draining)
		return;
	core->draining = true;
	core->exit_status = exit_status;
	sd_notify(0, "STOPPING=1");
	struct subject *s, *next;
	HASH_ITER(hh, core->by_name, s, next)
		loop_timer_stop(core->loop, &s->due);
	plans_drain(core);
	core->drained = end_crew;
	core->drain_by_ns = clock_now_ns() + core->model->settings.shutdown_timeout_ns;
	loop_timer_set(core->loop, &core->drain_limit, core->drain_by_ns);
	if (!core->n_flights)
		end_crew(core);
}

static void on_end_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
	(void)ev, (void)revents;
	struct core *core = w->data;
	CHECK_MAGIC(core, CORE_MAGIC);
	/* the same signal often comes twice at once: to us, and to our process group */
	int64_t now = clock_now_ns();
	if (core->signalled_ns && core->signalled == w->signum && now - core->signalled_ns < TWICE_NS)
		return;
	if (core->signalled_ns) {
		log_warn("ending at once", "why", "a second signal", NULL);
		core->exit_status = core->mode == CORE_PLANS ? EXIT_INTERRUPTED : 1;
		loop_stop(core->loop);
		return;
	}
	core->signalled_ns = now;
	core->signalled = w->signum;
	if (core->mode == CORE_DAEMON)
		log_info("ending", "signal", strsignal(w->signum), "under way", log_int(core->n_flights), NULL);
	core_drain(core, core->mode == CORE_PLANS ? EXIT_INTERRUPTED : core->mode == CORE_ONCE ? 1 : 0);
}

static void on_reload_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
	(void)ev, (void)revents;
	struct core *core = w->data;
	if (core->mode == CORE_DAEMON)
		core_reload(core, true);
	else /* the terminal has gone */
		core_drain(core, core->mode == CORE_PLANS ? EXIT_INTERRUPTED : 1);
}

static void on_stop_at(struct wheel_timer *t)
{
	core_drain((struct core *)((char *)t - offsetof(struct core, stop_at)), 0);
}

/* --- the tick --------------------------------------------------------------------------------- */

/* why: what is not up yet; NULL: all is. */
static void start_scheduling(struct core *core, const char *why)
{
	core->scheduling = true;
	sd_notify(0, "READY=1");
	if (why)
		log_warn("probing begins, but not all is up", "why", why, NULL);
	else
		log_info("probing begins", NULL);
	struct subject *s, *next;
	HASH_ITER(hh, core->by_name, s, next)
		subject_schedule(core, s);
	plans_begin(core);
}

static void on_tick(struct wheel_timer *t)
{
	struct core *core = (struct core *)((char *)t - offsetof(struct core, tick));
	CHECK_MAGIC(core, CORE_MAGIC);
	int64_t now = clock_now_ns();
	const char *why;
	crew_watch(core->crew, now);
	bool ready = core->ready = core_is_ready(core, &why);
	if (core->mode != CORE_ONCE && !core->scheduling && !core->draining &&
	    (ready || now - core->started_ns > START_LIMIT_NS))
		start_scheduling(core, why);
	core->count.loop_longest_ns = core->loop->longest_turn_ns;
	if (core->ticks++ % 4 == 0)
		core->loop->longest_turn_ns = 0;
	if (core->watchdog_ns)
		sd_notify(0, "WATCHDOG=1");
	loop_timer_set(core->loop, &core->tick, now + (core->scheduling ? TICK_NS : TICK_AT_START_NS));
}

/* --- --once ----------------------------------------------------------------------------------- */

struct once {
	struct core *core;
	size_t next; /* of the model's targets */
	struct wheel_timer timer;
};

static void on_once(struct wheel_timer *t)
{
	struct once *o = (struct once *)((char *)t - offsetof(struct once, timer));
	struct core *core = o->core;
	const struct model *m = core->model;
	if (core->draining)
		return;
	bool begin = core->ready || clock_now_ns() - core->started_ns > START_LIMIT_NS;
	for (int i = 0; begin && i < ONCE_BATCH && o->next < m->n_targets; i++) {
		const char *name = m->targets[o->next++]->name;
		struct subject *s;
		HASH_FIND_STR(core->by_name, name, s);
		subject_probe_now(core, s);
	}
	if (o->next < m->n_targets || core->n_flights)
		loop_timer_set(core->loop, &o->timer, clock_now_ns() + ONCE_EVERY_NS);
	else
		core_drain(core, 0);
}

/* --- life cycle ------------------------------------------------------------------------------- */

static void watch_signal(struct core *core, ev_signal *w, int signum, void (*fn)(struct ev_loop *, ev_signal *, int))
{
	ev_signal_init(w, fn, signum);
	w->data = core;
	ev_signal_start(core->loop->ev, w);
}

struct core *core_new(enum core_mode mode, const char *config_path)
{
	struct core *core = xnew(struct core);
	core->magic = CORE_MAGIC;
	core->mode = mode;
	core->config_path = config_path;
	core->loop = loop_new();
	core->loop->slack_ns = mode == CORE_ONCE ? 0 : PACE_GRID_NS;
	core->epoch = (uint64_t)clock_wall_ns();
	core->started_ns = clock_now_ns();
	core->crew = crew_new(core);
	core->health = health_new();
	core->recorder = recorder_link_new(core);
	core->gates = gates_new(core->loop);
	struct resources_source usage = resources_source_of(core);
	gates_watch(core->gates, &usage);
	core->tick.fn = on_tick;
	core->drain_limit.fn = on_drain_limit;
	core->stop_at.fn = on_stop_at;
	result_reset(&core->scratch);
	uint64_t usec;
	if (sd_watchdog_enabled(0, &usec) > 0)
		core->watchdog_ns = (int64_t)usec * NS_PER_US;
	watch_signal(core, &core->on_term, SIGTERM, on_end_signal);
	watch_signal(core, &core->on_int, SIGINT, on_end_signal);
	watch_signal(core, &core->on_hup, SIGHUP, on_reload_signal);
	signal(SIGPIPE, SIG_IGN);
	sigset_t reload;
	sigemptyset(&reload);
	sigaddset(&reload, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &reload, NULL); /* main() held it back until it has a meaning */
	return core;
}

int core_run(struct core *core, struct loaded *first, int64_t for_ns)
{
	CHECK_MAGIC(core, CORE_MAGIC);
	struct once once = { .core = core, .timer.fn = on_once };
	const struct settings *set = &first->model->settings;
	if (core->mode == CORE_DAEMON) {
		log_set((enum log_level)set->log_level, set->log_json);
		log_info("starting", "version", PACKAGE_VERSION, "pid", log_int(getpid()), "configuration", core->config_path, NULL);
	}
	reload_begin(core, first);
	loop_timer_set(core->loop, &core->tick, clock_now_ns());
	if (for_ns)
		loop_timer_set(core->loop, &core->stop_at, clock_now_ns() + for_ns);
	if (core->mode == CORE_ONCE)
		loop_timer_set(core->loop, &once.timer, clock_now_ns());
	loop_run(core->loop);
	loop_timer_stop(core->loop, &once.timer);
	if (core->mode == CORE_PLANS)
		plans_end_now(core);
	return core->exit_status;
}

static void free_subjects(struct core *core)
{
	cancel_all(core, "the daemon was ended"); /* there are some only after a second signal */
	for (uint32_t i = 0; i < core->n_ids; i++)
		if (core->subjects[i])
			subject_remove(core, core->subjects[i]);
	free(core->subjects);
	free(core->free_ids);
	free(core->rows);
}

void core_free(struct core *core)
{
	CHECK_MAGIC(core, CORE_MAGIC);
	core->drained = NULL;
	core->observer.result = NULL;
	core->observer.plan_ended = NULL;
	reload_free(core);
	free_subjects(core);
	plan_runs_free(core);
	gates_free(core->gates);
	health_save(core, true);
	crew_free(core->crew);
	services_free(core);
	recorder_link_free(core->recorder);
	health_free(core->health);
	struct driver_stat *d, *next;
	HASH_ITER(hh, core->drivers, d, next)
	{
		HASH_DEL(core->drivers, d);
		free(d->name);
		free(d);
	}
	for (struct flight *f; (f = core->flight_pool);) {
		core->flight_pool = f->next;
		free(f);
	}
	result_free(&core->scratch);
	model_unref(core->model);
	ev_signal_stop(core->loop->ev, &core->on_term);
	ev_signal_stop(core->loop->ev, &core->on_int);
	ev_signal_stop(core->loop->ev, &core->on_hup);
	loop_free(core->loop);
	if (core->mode == CORE_DAEMON)
		log_info("ended", "results", log_int((int64_t)core->count.probes), NULL);
	core->magic = 0;
	free(core);
}
