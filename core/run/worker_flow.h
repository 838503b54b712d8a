/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_flow.h - flows and the virtual users that run them, as the files of the worker share them. All of the loop's
 * thread. Only core/run/worker*.c include it.
 *
 * A user runs the steps of a flow one after the other, each as a probe in the user's own slot. What it does next is
 * always decided at the end of a turn, from the queue `ready` of its worker: never inside a plugin's call, and no more
 * of it in a turn than the turn has room for.
 */
#ifndef RUN_WORKER_FLOW_H
#define RUN_WORKER_FLOW_H

#include "judge/vars.h"
#include "run/worker_state.h"

#define FLOW_MAGIC 0x666c6f77u
#define USER_MAGIC 0x75736572u
#define PLAN_HOLD_NS (2 * NS_PER_MS) /* results of plans wait so long for others to leave with them */

/* The table holds one reference, each run of it another. */
struct flow {
	unsigned magic;
	uint32_t id, refs;
	char *name;
	int64_t think_min_ns, think_max_ns;
	uint32_t n_steps;
	uint32_t *steps; /* ids of targets */
	UT_hash_handle hh;
};

/* What a driver carries for a user from probe to probe. The user holds one reference, each probe in it another. */
struct session {
	struct drv *drv;
	void *state;
	uint32_t refs;
};

enum user_state {
	USER_TIMED,   /* waits for its timer: a due time, or thinking */
	USER_READY,   /* in the queue */
	USER_IN_STEP, /* u->probe is under way */
	USER_HUNGRY,  /* waits for a row of data */
};

struct vuser {
	unsigned magic;
	uint8_t state;   /* enum user_state */
	uint8_t outcome; /* of the run: the first step's that was not ok */
	bool stopping;   /* ends as soon as nothing of it is under way */
	bool marked;     /* as started, in the page */
	uint32_t slot, plan, flags;
	uint64_t number, iteration, runs; /* of a lease: runs begun */
	struct worker *worker;
	struct lease *lease; /* NULL: runs one flow */
	struct flow *flow;   /* NULL: between two */
	uint32_t step, ran;  /* the next one's place; how many have run */
	uint64_t seq;        /* of the run's first step */
	int64_t due_ns, start_ns, end_ns; /* of the run */
	int64_t step_due_ns;
	int64_t rest_until_ns; /* the next run does not begin before: its gates said so */
	uint64_t random;
	struct probed_probe *probe;
	struct template_vars *vars;
	struct session **sessions; /* one for each driver that it has met */
	uint32_t n_sessions, cap_sessions;
	struct wheel_timer timer;
	TAILQ_ENTRY(vuser) entry; /* ready, hungry or spare */
};

/* worker_flow.c */
void flows_init(struct worker *w);
void flows_free(struct worker *w);
void flow_add(struct worker *w, const struct wire_flow *m);
void flow_remove(struct worker *w, uint32_t id);
struct flow *flow_find(struct worker *w, uint32_t id);
/* 0, or -1: the core broke the rules. */
int user_start(struct worker *w, const struct wire_start *m);
/* In a slot that is free. */
struct vuser *user_new(struct worker *w, uint32_t slot, uint32_t plan, uint64_t seed);
/* Begins a run with the user's next step, which is due at due_ns. */
void user_begin(struct vuser *u, struct flow *flow, uint64_t seq, int64_t due_ns);
/* It goes on at that time, or at the end of this turn. */
void user_wake_at(struct vuser *u, int64_t at_ns);
void user_wake(struct vuser *u);
/* Says so, and frees it. Nothing of it is under way. */
void user_end(struct vuser *u);
/* Ends it: a step under way as cancelled. */
void user_stop(struct vuser *u, const char *why);
/* 0 .. below max - min, added to min. */
uint64_t user_random(struct vuser *u);
int64_t user_think(struct vuser *u, int64_t min_ns, int64_t max_ns);
void user_set_vars(struct vuser *u, const struct kv *vars, uint32_t n);
/* A step's result is on its way. */
void user_step_ended(struct vuser *u, const struct instance *inst, const struct result *r);
/* Lets users go on, as many as the turn has room for; none while the core does not read. */
void users_run(struct worker *w);
/* CANCEL. True: the slot was a user's. */
bool users_cancel(struct worker *w, uint32_t slot, uint64_t seq);
/* The worker is ending. */
void users_stop_all(struct worker *w);

/* For the user's step that begins. NULL where the driver has none, or can't make one (*failed). */
struct session *session_of(struct vuser *u, struct drv *d, bool *failed);
void session_unref(struct session *s);
/* A thread that does not return keeps it: the user gets another. */
void session_leave(struct vuser *u, const struct session *s);

/* worker_users.c: the users of a lease run flow after flow; 0, or -1: the core broke the rules */
int lease_add(struct worker *w, const struct wire_users *m);
int lease_on_stop(struct worker *w, struct cursor *c);
int lease_on_rows(struct worker *w, struct cursor *c);
/* What a user of a lease does between two flows: false: it waits, or has ended. */
bool lease_next(struct vuser *u);
void lease_run_ended(struct vuser *u, bool idle); /* idle: no step of it could run */
void lease_user_gone(struct vuser *u);
void lease_user_fed_up(struct vuser *u); /* does not wait for a row any more */
/* Each user ends after the flow it is in. */
void leases_drain(struct worker *w);

#endif
