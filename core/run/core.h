/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core.h - the core's own state, shared by the files of run/ and by nobody else. One thread, one loop.
 *
 *   schedule.c   when a subject is due             crew.c      worker processes, seats and pools
 *   flight.c     probes under way                  health.c    strikes and quarantine of drivers
 *   reload.c     a new configuration, step by step  recorder_link.c, service_link.c   the other children
 *   plan*.c      plans that run: what they send, and what comes of it                gates.c   what holds them back
 */
#ifndef RUN_CORE_H
#define RUN_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <uthash.h>

#include "base/loop.h"
#include "config/model.h"
#include "judge/result.h"
#include "measure/hist.h"
#include "measure/stat.h"
#include "plan/pace.h"
#include "run/gates.h"
#include "run/wire.h"

struct core;
struct subject;
struct seat;
struct worker;
struct crew;
struct recorder_link;
struct service_link;
struct reload;
struct loaded;
struct plan_run;

/* A named part of a target's results ("ipv6"). */
struct sub_stat {
	char *name;
	struct probe_stat stat;
};
#define SUBS_MAX 64 /* for each target; further ones are counted in core.subs_refused */

struct stat_row {
	struct subject *subject;
	uint32_t sub; /* UINT32_MAX: the target itself */
};

/* A target at run time: keyed by its name, outlives reloads. */
struct subject {
	unsigned magic;
	struct core *core;
	uint32_t id; /* on the wire, and the place in core.subjects */
	const struct target *target;
	char *name; /* outlives the model that `target` belongs to */
	struct seat *home;
	struct pace_every pace;
	int64_t index; /* of the next due time */
	struct wheel_timer due;
	struct flight *flight; /* monitoring's, under way; NULL: none; it never overlaps itself */
	uint32_t n_flights;    /* under way, plans' too */
	bool gated;            /* steps and hops ask for tokens: a gate stands before it, or before a plan that probes it */
	bool spread;           /* a plan probes it from all workers of its pool, which then all have it */
	struct probe_stat stat;
	struct sub_stat *subs;
	uint32_t n_subs, cap_subs;
	uint64_t missed; /* due times that found the probe before still under way */
	uint8_t told; /* 1 + the outcome that the log last told of */
	uint32_t generation; /* of the last core_apply() that knew it */
	bool held; /* due soon, and its probe before still under way: decided at the due time, or when that one ends */
	struct model *keeps; /* removed from the configuration, but its last probe is under way: the model it was of */
	struct subject *prev, *next; /* in core.leaving, with `keeps` */
	UT_hash_handle hh;
};
#define SUBJECT_MAGIC 0x7375626au

enum flight_kind {
	FLIGHT_MONITOR,
	FLIGHT_PLAN, /* one probe of a plan */
	FLIGHT_FLOW, /* a virtual user, that runs one flow */
	FLIGHT_USER, /* a virtual user, that runs flow after flow */
};

/* One probe under way, from its dispatch to its result; or a virtual user, while it lives. */
struct flight {
	unsigned magic;
	struct core *core;
	struct subject *subject;
	struct worker *worker;   /* NULL while it waits for its seat to have one */
	uint32_t slot;
	uint32_t target_id;
	const struct driver_table *driver; /* that it was dispatched to, of `registry` */
	struct registry *registry;
	uint64_t seq;
	int64_t due_ns, timeout_ns;
	uint8_t kind; /* enum flight_kind */
	bool again;  /* was sent a second time */
	bool looked; /* for its answer once more */
	struct wheel_timer overdue;
	struct seat *seat;  /* that it goes to; NULL: the subject's home */
	struct seat *waits; /* the seat in whose waiting list it stands; NULL: sent, or not yet */
	struct flight *prev, *next; /* in that list, or in the pool of spare ones */
	struct plan_run *run; /* NULL: monitoring's; the next few are for plans' only */
	uint32_t choice;      /* of the plan */
	uint32_t measure;     /* the step of the run's tally */
	uint64_t user;        /* number of the virtual user */
	struct gate_pass pass;
	struct flight *run_prev, *run_next; /* in the run's list */
};
#define FLIGHT_MAGIC 0x666c6967u

/* Everything that is counted once for the daemon. */
struct core_counters {
	uint64_t probes, missed, again, lost_late; /* lost_late: results of probes that were already given up */
	uint64_t no_answer, quarantined_probes, subs_refused;
	uint64_t reloads_ok, reloads_failed;
	uint64_t records_dropped, queries_refused, stream_dropped;
	int64_t loop_longest_ns;
};

struct driver_stat {
	char *name;
	struct hist latency, lag;
	UT_hash_handle hh;
};

/* What the commands (--once, a foreground run) want to see of each result. */
struct core_observer {
	void (*result)(void *ctx, const struct flight *f, const struct result *r);
	void (*plan_ended)(void *ctx, struct plan_run *run);
	void *ctx;
};

enum core_mode {
	CORE_DAEMON,
	CORE_ONCE,
	CORE_PLANS, /* runs plans to their end, in the foreground; monitors nothing */
};

struct core {
	unsigned magic;
	struct loop *loop;
	uint64_t epoch; /* wall ns of the start; with seq the id of a result */
	uint64_t seq;
	int64_t started_ns;
	enum core_mode mode;
	const char *config_path; /* NULL: from the command line's URLs */
	struct model *model;
	struct subject *by_name;
	struct subject **subjects; /* by id; NULL: free */
	struct subject *leaving;   /* removed, and their last probes under way */
	uint32_t n_ids, cap_ids, generation;
	uint32_t n_subjects;
	struct stat_row *rows; /* for /metrics: targets and sub-results; only grows between reloads */
	uint32_t n_rows, cap_rows;
	uint32_t *free_ids;
	uint32_t n_free, cap_free;
	uint32_t n_flights;
	struct flight *flight_pool;
	struct plan_run *runs; /* of plans, those that have ended too until they are started anew */
	struct gates *gates;
	uint32_t leases; /* of virtual users, so far */
	const struct plan_ask *ask; /* CORE_PLANS: which, and how */
	struct crew *crew;
	struct health *health;
	struct recorder_link *recorder;
	struct service_link **services;
	size_t n_services;
	struct reload *reload;
	struct driver_stat *drivers;
	struct core_counters count;
	struct core_observer observer;
	const struct part *once_sinks; /* --once has these instead of the model's sinks and services */
	size_t n_once_sinks;
	struct result scratch;
	bool ready, draining;
	bool scheduling; /* probes are due: false until all processes are up, or START_LIMIT has passed */
	int signalled;        /* the first signal that ends us */
	int64_t signalled_ns; /* when it came; 0: not yet */
	int exit_status;
	unsigned ticks;
	int64_t drain_by_ns;
	struct wheel_timer tick, drain_limit, stop_at;
	ev_signal on_term, on_int, on_hup;
	void (*drained)(struct core *core); /* all flights have ended while draining */
	void (*services_ended)(struct core *core);
	int64_t watchdog_ns; /* systemd wants a sign of life so often; 0: it does not */
};
#define CORE_MAGIC 0x636f7265u
#define EXIT_INTERRUPTED 130 /* as shells have it: 128 + SIGINT */

/* --- schedule.c ------------------------------------------------------------------------------- */
struct subject *subject_new(struct core *core, const struct target *target);
/* The target is gone from the configuration: no further probe; ends once the one under way has ended. */
void subject_remove(struct core *core, struct subject *s);
void subject_free(struct subject *s);
/* Takes over a changed configuration: keeps the schedule unless interval or jitter changed. */
void subject_retarget(struct core *core, struct subject *s, const struct target *target);
void subject_schedule(struct core *core, struct subject *s);
/* One probe now (--once). */
void subject_probe_now(struct core *core, struct subject *s);

/* --- flight.c --------------------------------------------------------------------------------- */
struct flight *flight_new(struct core *core, struct subject *s, int64_t due_ns);
/* The same for a plan; sets neither deadline nor the subject's own flight. */
struct flight *flight_new_plan(struct core *core, struct subject *s, int64_t due_ns, struct plan_run *run, enum flight_kind kind);
/* It is given up as lost unless it ends by then. */
void flight_limit(struct flight *f, int64_t timeout_ns);
/* The slot is free; nothing is told. */
void flight_free(struct core *core, struct flight *f);
/* The result of a step of the virtual user f, the probe `seq` of `s`. */
void flight_step(struct core *core, struct flight *f, struct subject *s, uint64_t seq, struct result *r, bool last);
/* Its result came, or we made one up: counts, records, tells. Frees the flight unless r is a sub-result. */
void flight_result(struct core *core, struct flight *f, struct result *r, bool last);
/* It leaves for a worker, which has the target as it is now: the result is read as that driver's. */
void flight_sent(struct flight *f);
/* Ends it as unknown with a reason class and a line for people. */
void flight_unknown(struct core *core, struct flight *f, uint32_t reason, const char *message);

/* --- health.c --------------------------------------------------------------------------------- */
struct health *health_new(void);
void health_free(struct health *h);
/* A strike against a driver. From the first one on its targets live in workers of their own, so that others don't
 * suffer with them; too many bring it into quarantine. */
void health_strike(struct core *core, const char *driver, const char *what);
/* Has it a strike since the last pardon? */
bool health_suspect(const struct core *core, const char *driver);
/* Why it is in quarantine, NULL: it is not. */
const char *health_quarantined(const struct core *core, const char *driver);
void health_pardon_all(struct core *core);
/* The state file says what holds now; at a clean end (`ended`) nothing is in quarantine. */
void health_save(const struct core *core, bool ended);
void health_each(const struct core *core, void (*fn)(void *ctx, const char *driver, uint64_t strikes, bool quarantined),
                 void *ctx);

/* --- recorder_link.c -------------------------------------------------------------------------- */
struct recorder_link *recorder_link_new(struct core *core);
void recorder_link_free(struct recorder_link *r);
/* Opens, closes and changes sinks to what the model says. */
void recorder_link_apply(struct recorder_link *r, const struct part *sinks, size_t n, bool reopen);
/* The plugins of core.model hold now: the child learns of new ones, and is replaced where one of its own changed. */
void recorder_link_plugins(struct recorder_link *r, const char *const *changed, size_t n_changed);
void recorder_link_log_level(struct recorder_link *r);
/* Is there a sink? */
bool recorder_link_wants(const struct recorder_link *r);
void recorder_link_record(struct recorder_link *r, const struct flight *f, const struct result *result);
/* Flushes and ends the child; done() follows, at once where there is none. */
void recorder_link_drain(struct recorder_link *r, void (*done)(struct core *core));
bool recorder_link_ready(const struct recorder_link *r);
size_t recorder_link_backlog(const struct recorder_link *r); /* bytes that wait to be sent */
uint64_t recorder_link_restarts(const struct recorder_link *r);
pid_t recorder_link_pid(const struct recorder_link *r); /* 0: not running */
void recorder_link_each(const struct recorder_link *r, void (*fn)(void *ctx, const struct wire_sink_status *s), void *ctx);

/* --- service_link.c --------------------------------------------------------------------------- */
/* Those whose configuration or plugin (a path in `changed`) is another than before are started anew. */
void services_apply(struct core *core, const struct part *parts, size_t n, const char *const *changed, size_t n_changed);
/* Ends their processes; done() follows, at once where there is none. */
void services_drain(struct core *core, void (*done)(struct core *core));
void services_log_level(struct core *core);
void services_free(struct core *core);
bool services_ready(const struct core *core);
/* Answers what is half answered, before rows move. */
void services_finish_pages(struct core *core);
/* A result for those that subscribed to the stream "results". */
void services_result(struct core *core, const struct flight *f, const struct result *r);
/* pid 0: not running. */
void services_each(const struct core *core, void (*fn)(void *ctx, const char *name, pid_t pid, uint64_t restarts, bool up),
                   void *ctx);

/* --- self.c ----------------------------------------------------------------------------------- */
struct metrics_source;
/* What /metrics shows of this core. */
const struct metrics_source *core_metrics_source(struct core *core);
void core_status_json(struct core *core, struct buf *out);
void core_rows_rebuild(struct core *core);
void core_rows_add(struct core *core, struct subject *s, uint32_t sub);
/* True, or false with what is missing. */
bool core_is_ready(const struct core *core, const char **why);
struct driver_stat *core_driver_stat(struct core *core, const char *driver);

/* --- reload.c --------------------------------------------------------------------------------- */
/* Reads the configuration again, checks it, and takes it over; a bad one changes nothing. Asks that come while
 * one is under way are answered by one more after it. `by_signal`: also reopens sinks and pardons drivers. */
void core_reload(struct core *core, bool by_signal);
/* The first configuration: takes model and plugins out of `first`. */
void reload_begin(struct core *core, struct loaded *first);
void reload_free(struct core *core);

/* --- core.c ----------------------------------------------------------------------------------- */
struct core *core_new(enum core_mode mode, const char *config_path);
/* Takes the model out of `first`. Returns the exit status. for_ns: ends by itself after that long; 0: never. */
int core_run(struct core *core, struct loaded *first, int64_t for_ns);
void core_free(struct core *core);
/* Stops scheduling, lets what is under way end within shutdown_timeout, then ends the loop. */
void core_drain(struct core *core, int exit_status);

#endif
