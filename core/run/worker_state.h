/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_state.h - what the files of the worker share. Only core/run/worker*.c include it.
 *
 * All of it belongs to the loop's thread, but for a blocking driver's probe: while it runs on a thread of the pool,
 * what its host functions touch (result, body, rendered options, state) is guarded by the probe's lock.
 */
#ifndef RUN_WORKER_STATE_H
#define RUN_WORKER_STATE_H

#include <probed/plugin.h>

#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/loop.h"
#include "config/option.h"
#include "judge/capture.h"
#include "judge/expect.h"
#include "judge/result.h"
#include "judge/template.h"
#include "plugin/host.h"
#include "plugin/table.h"
#include "run/channel.h"
#include "run/wire.h"

#define WORKER_MAGIC 0x776f726bu
#define INSTANCE_MAGIC 0x696e7374u
#define WORKER_DRIVERS 64
#define BODY_MAX (1u << 20)        /* kept of a body, whatever is asked for */
#define STRING_MAX (64u << 10)     /* of one fact */
#define RESULT_BYTES_MAX (1u << 20) /* of one result's strings */

struct flow;
struct gate;
struct lease;
struct session;
struct vuser;
struct worker;
TAILQ_HEAD(probes, probed_probe);
TAILQ_HEAD(users, vuser);

/* A driver of a plugin that is loaded here. */
struct drv {
	struct worker *worker;
	const struct probed_driver *impl;
	const struct driver_table *table;
	const struct probed_hook *hook; /* a hook language; then `impl` has no slots, and `table` only a name */
	uint32_t number; /* 1 + its place in the page */
	bool blocking, made, told_facts;
	void *state; /* of worker_new() */
	char error[240]; /* why worker_new() failed */
	int64_t failed_ns;
	uint32_t running, stuck; /* stuck: threads that are late */
	struct probes waiting;   /* for max_inflight, or for a thread */
	void *spare_mem;         /* list through the first word */
	int64_t strikes_since_ns;
	uint32_t strikes;
	int64_t fd_growth;
	_Atomic(const char *) thread_said; /* a strike on a thread, for the loop to tell */
};

/* An expectation with its label. Targets that have the same one share it: there may be 50,000 of them. */
struct judged {
	char *key; /* driver, label and text */
	uint32_t refs;
	int32_t fact; /* index of the fact that its query reads, -1: something else */
	char *late;   /* of a family */
	char *label;
	struct expectation *expectation;
	UT_hash_handle hh;
};

/* An option of a target that is rendered for each probe. */
struct rendering {
	uint32_t option, n;
	struct template **templates; /* one, or one for each item */
};

/* What a step keeps of its answer. */
struct captured {
	char *name;
	struct capture *capture;
};

/* A fact that is looked at here. */
struct wanted {
	uint32_t fact;
	const char *late; /* of a family's name; NULL: any */
};

/* A step's script, before or after. */
struct script {
	struct drv *drv; /* its language; NULL: there is none */
	void *state;
};

/* A target. The table holds one reference, each of its probes another. */
struct instance {
	unsigned magic;
	uint32_t id, refs;
	char *name;
	struct drv *drv;
	struct options options;
	struct probed_target_args args;
	void *target;
	struct judged **judged;
	struct rendering *renderings;
	struct captured *captures;
	struct wanted *wanted; /* by its expectations and captures */
	struct script before, after;
	uint32_t n_judged, n_renderings, n_captures, n_wanted, retry;
	bool gated, go_on;
	int64_t think_min_ns, think_max_ns; /* after it, before the flow's next step */
	int64_t want_bytes;
	bool want_hash;
	UT_hash_handle hh;
};

struct override {
	uint32_t option;
	struct probed_value value;
};

/* What one probe needs besides itself; used again, most recent first, so that it stays in the cache. */
struct work {
	SLIST_ENTRY(work) entry;
	struct result result;
	struct result *subs; /* of a blocking driver: emitted, still to be judged and sent */
	uint32_t n_subs, cap_subs;
	uint64_t judged_in_sub; /* bit i: expectation i was judged on a sub-result */
	struct buf body;
	uint64_t body_bytes;
	EVP_MD_CTX *hash;
	char hex[2 * EVP_MAX_MD_SIZE + 1]; /* of the hash; empty: not yet */
	struct probed_value *rendered; /* by place in renderings; type NONE: not yet */
	bool renders; /* `rendered` is this probe's */
	uint32_t cap_rendered;
	struct override *overrides; /* what a script has set */
	uint32_t n_overrides, cap_overrides;
	struct buf unrendered; /* why an option could not be */
	struct chunk *chunks, *chunk;
	size_t chunk_used;
	struct probed_verdict verdict;
};

enum probe_state {
	PROBE_FREE,
	PROBE_WAITING,    /* for its due time */
	PROBE_GATED,      /* for a token */
	PROBE_QUEUED,     /* for room in its driver */
	PROBE_RUNNING,
	PROBE_COMPLETED,  /* its script of `after` runs once no plugin is on the stack */
	PROBE_CANCELLING, /* inside the driver's cancel() */
	PROBE_ABANDONED,  /* reported, but its thread has not returned */
	PROBE_ENDED,      /* reported; kept a while to catch who uses it again */
};

struct probed_probe {
	uint8_t state;
	bool cancelled; /* ended by us rather than by the driver */
	bool prompt;    /* DISPATCH_PROMPT */
	bool of_plan;   /* DISPATCH_PLAN, or a step */
	bool passed;    /* its gate */
	bool lean;      /* DISPATCH_LEAN */
	bool looked;    /* for an answer once more, after the deadline */
	int8_t phase;   /* under way, -1: none */
	struct drv *drv;
	struct instance *inst;
	struct vuser *user;      /* whose step it is, until it is reported; NULL: a dispatch's */
	struct session *session; /* a reference */
	struct gate *gate;       /* that holds it back: in line, or on a hop */
	uint32_t slot, target;
	uint32_t plan, tries, tried; /* tries: left */
	uint64_t seq;
	int64_t due_ns, timeout_ns, deadline_ns, phase_since_ns, returned_ns;
	struct wheel_timer timer; /* due, then deadline */
	void *mem;
	struct work *work;
	pthread_mutex_t lock;
	TAILQ_ENTRY(probed_probe) entry; /* free, in line at a gate, waiting, jobs, done, reap or quarantine */
};

/* Probes come from a few slabs, so that any pointer can be told from a probe without following it. */
struct slab {
	struct probed_probe *first;
	size_t n;
};
#define SLABS 16

struct threads {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct probes jobs, done;
	pthread_t *ids;
	uint32_t n, max, idle;
	uint32_t busy, stuck; /* the loop's own count: from given out to collected */
	bool stop, recycle_asked;
	ev_async collected;
};

struct worker {
	unsigned magic;
	struct loop *loop;
	struct channel *channel;
	struct worker_page *page;
	struct probed_host vtable;
	bool greeted, check_only, draining, closed, bad;
	struct drv drivers[WORKER_DRIVERS];
	uint32_t n_drivers;
	uint64_t epoch;
	struct instance *instances; /* by id */
	struct judged *judged;      /* by key */
	uint32_t n_instances, inflight;

	struct flow *flows;   /* by id */
	struct lease *leases; /* by number */
	struct gate *gates;   /* by plan, target and key */
	int64_t gates_swept_ns;
	struct vuser **users; /* by slot */
	struct users ready, spare_users;
	uint32_t n_users;

	struct probed_probe **slots;
	struct slab slabs[SLABS];
	_Atomic uint32_t n_slabs;
	struct probes spare, quarantine, reap, completed;
	uint32_t n_quarantine;
	SLIST_HEAD(, work) spare_work;
	uint32_t *written; /* slots whose started bit goes once the results are written */
	uint32_t n_written, cap_written;
	struct loop_later reaping, more;
	uint64_t turn; /* of the loop, in which the last probe was started */
	uint32_t turn_starts;
	EVP_MD *sha256;

	struct threads threads;
	struct wheel_timer tick, beat;
	ev_prepare beating;
	uint32_t fds, fds_max;
	int lowest_fd; /* before the call being measured */
	bool leak_told;
};

/* worker.c */
struct drv *worker_driver(struct worker *w, const char *name);
/* A strike: logged and told to the core. On a thread of the pool `what` is a literal, told with its next result. */
void worker_misbehaved(struct drv *drv, const char *what);
/* Tells the strikes of threads. */
void worker_tell_threads(struct worker *w);
/* Nothing under way any more while draining: ends the loop. */
void worker_settle(struct worker *w);

/* worker_target.c */
/* 0, or -1 with a line in `error`. `check`: only tries, with a NULL worker, and keeps nothing. */
int instance_add(struct worker *w, const struct wire_target *m, bool check, char *error, size_t size);
void instance_remove(struct worker *w, uint32_t id);
struct instance *instance_find(struct worker *w, uint32_t id);
void instance_unref(struct worker *w, struct instance *inst);

/* worker_pool.c */
struct probed_probe *probe_get(struct worker *w);
bool probe_known(const struct worker *w, const struct probed_probe *p);
void *probe_mem_get(struct drv *d); /* zeroed; NULL where the driver wants none */
void probe_mem_put(struct drv *d, void *mem);
void pool_free(struct worker *w);

/* worker_dispatch.c */
/* 0, or -1: the core broke the rules. */
int probe_dispatch(struct worker *w, const struct wire_dispatch *d);
/* A user's step, in its slot; it may have ended on return. */
void probe_step(struct vuser *u, struct instance *inst, uint64_t seq, int64_t due_ns);
/* Does this result ask for a further try? Then it is sent as a part ("try 1") of the probe's, which goes on in its slot
 * from the next turn. */
bool probe_may_try_again(const struct probed_probe *p, const struct result *r);
void probe_try_again(struct probed_probe *p, struct result *r);

/* worker_probe.c */
void probes_init(struct worker *w);
void probes_free(struct worker *w);
void slot_mark_started(struct worker *w, uint32_t slot);
void slot_written_later(struct worker *w, uint32_t slot);
bool turn_has_room(struct worker *w);
/* It is due. */
void probe_begin(struct probed_probe *p);
void probe_on_timer(struct wheel_timer *t);
void probe_send(const struct probed_probe *p, const struct result *r, enum result_kind kind);
/* Ends a probe from outside (deadline, cancel, shutdown), cancelling it in its driver. */
void probe_stop(struct probed_probe *p, uint32_t outcome, uint32_t reason, const char *message);
/* Ends a probe as its driver said: judged, and sent. */
void probe_end(struct probed_probe *p, uint32_t outcome, uint32_t reason, const char *message, int64_t end_ns);
/* An abandoned probe whose thread has returned. */
void probe_release(struct probed_probe *p);
void probes_cancel_all(struct worker *w);
void probe_lock(struct probed_probe *p);
void probe_unlock(struct probed_probe *p);
/* A sub-result of a probe that is not blocking: judged, and sent. */
void probe_send_sub(struct probed_probe *p, struct result *r);
/* The running phase gets what it has so far. */
void probe_phase_close(struct probed_probe *p, int64_t now_ns);

/* worker_gate.c */
/* May a probe of a gated target start? False: it waits in line, or has been ended. */
bool gate_pass(struct probed_probe *p);
/* It is held back no more. */
void gate_leave(struct probed_probe *p);
/* For host->gate(): ns to wait, 0: go. */
int64_t gate_hop(struct probed_probe *p, const char *key);
const char *gate_key(const struct gate *g);
/* 0, or -1: the core broke the rules. */
int gate_on_grant(struct worker *w, struct cursor *c);
void worker_gates_free(struct worker *w);

/* worker_hook.c: scripts of steps */
/* A hook language of a plugin that was loaded, as a driver without slots. */
void hook_init(struct drv *drv, const struct probed_hook *hook, const struct part_table *table);
void hook_free(struct drv *drv);
/* 0, or -1 with a line in `error`. `check`: compiles without the worker's state. */
int scripts_compile(struct instance *inst, const struct wire_target *m, bool check, char *error, size_t size);
void scripts_free(struct instance *inst, bool check);
/* Before the request, on the loop. 0, or -1 with a line in `error`: the probe can't be sent. */
int script_before(struct probed_probe *p, char *error, size_t size);
/* Once the result is complete and judged; may make it fail. */
void script_after(struct probed_probe *p, struct result *r);

/* worker_judge.c */
/* ok turns into fail where something did not hold. */
void result_settle(struct result *r);
/* Turns ok into fail where an expectation does not hold. A sub-result (`sub`) is judged only on what it has. */
void probe_judge(struct probed_probe *p, struct result *r, bool sub);
/* A step's captures into its user's variables: one that finds nothing turns ok into fail. */
void probe_capture(struct probed_probe *p, struct result *r);

/* worker_work.c */
struct work *work_get(struct worker *w);
void work_put(struct worker *w, struct work *work);
void work_free_all(struct worker *w);
void work_begin_result(const struct probed_probe *p, struct result *r, int64_t start_ns, int64_t wall_ns);
/* The value of an option for this probe: what a script has set, else rendered once where it is a template. NULL where it
 * does not fit its type. */
const struct probed_value *work_option(struct probed_probe *p, uint32_t option);
/* Another value for this probe; it lives as long. */
void work_override(struct probed_probe *p, uint32_t option, const struct probed_value *value);
/* Memory that lives as long as the probe. */
void *work_alloc(struct work *k, size_t size);

/* worker_host.c */
void worker_host_fill(struct worker *w);
void worker_host_end(void);

/* worker_part.c: 0, or -1: a bad frame, or no worker that checks */
int worker_check_part(struct worker *w, struct cursor *c, bool sink);

/* worker_threads.c */
void threads_init(struct worker *w, uint32_t max);
bool threads_free_one(const struct worker *w);
/* 0, or -1 with errno: no thread can be had. */
int threads_give(struct worker *w, struct probed_probe *p);
/* Takes in what threads have finished. */
void threads_collect(struct worker *w);
void threads_abandon(struct worker *w, struct probed_probe *p);
/* True once all threads have ended; false: some don't return, so the process must _exit(). */
bool threads_end(struct worker *w);

/* worker_vital.c: heartbeat, statistics, descriptors */
void vital_start(struct worker *w);
void vital_stop(struct worker *w);
void vital_before(const struct host_call *call);
void vital_after(const struct host_call *call);

#endif
