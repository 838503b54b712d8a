/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_run.h - a plan that runs: what is due, what was sent, what came of it. The core's, one thread.
 *
 *   plan_choice.c its targets, steps and flows
 *   plan_run.c   its life: setup, pacing, teardown, the end   plan_send.c   from due times to dispatches
 *   plan_users.c virtual users that workers are lent          plan_result.c what comes back
 *   plan_window.c when it may send
 */
#ifndef RUN_PLAN_RUN_H
#define RUN_PLAN_RUN_H

#include "data/data.h"
#include "measure/tally.h"
#include "run/core.h"

struct cursor;
struct metrics_page;
struct selector;

/* What a foreground run is asked for. */
struct plan_ask {
	const char *const *names; /* NULL: all plans */
	size_t n;
	int64_t for_ns; /* each ends after that long; 0: as it says itself */
	double rate;    /* the highest rate is made this, a second; 0: as written */
};

enum plan_state {
	PLAN_WAITS,    /* for its window to open */
	PLAN_SETUP,    /* one virtual user runs the setup */
	PLAN_PACES,    /* probes are due, or users run */
	PLAN_ENDS,     /* nothing more is due, but some are under way */
	PLAN_TEARDOWN, /* one virtual user runs the teardown */
	PLAN_OVER,
};
const char *plan_state_name(enum plan_state s);

/* A choice of the plan with its subjects. Setup and teardown follow the plan's own. */
struct run_choice {
	const struct choice *choice;
	struct subject **steps;
	uint32_t flow;    /* its id on the wire; UINT32_MAX: probes of one target */
	uint32_t measure; /* of the one target */
	uint64_t n_seqs;  /* results that one run of the flow has at most */
	int64_t longest_ns;
	bool limited;     /* a gate stands before it */
};

/* Users that one worker was lent. */
struct run_lease {
	uint32_t id;
	struct seat *seat;
	struct run_lease *prev, *next;
};

struct run_var {
	char *name, *value;
};

struct plan_run {
	unsigned magic;
	struct core *core;
	char *name;
	const struct plan *plan;
	struct model *model; /* that the plan is of */
	uint32_t id;         /* on the wire */
	enum plan_state state;
	bool stopping;    /* no further windows: it was told to end */
	bool interrupted; /* before its schedule was through */
	bool failed;      /* setup failed, or it was aborted by a requirement: */
	char why[120];
	struct run_choice *choices;
	uint32_t n_choices; /* with setup and teardown */
	bool flows;         /* some of them are */
	uint32_t *measure_of; /* by subject id; UINT32_MAX: none */
	uint32_t n_measure_of;
	struct tally_step *measures;
	uint32_t n_measures;
	struct tally *tally;
	struct selector *selector;
	struct pace *own_pace; /* rescaled or limited; freed with the run */
	const struct pace *pace;
	struct pace_cursor cursor;
	struct data *data;
	struct data_row row; /* the next one */
	bool row_ready, data_ended;
	struct run_var *vars; /* what setup captured */
	uint32_t n_vars;
	int64_t known_by_ns; /* its workers have learnt of its targets by then, or it begins all the same; 0: they have */
	bool begun;          /* its window was open, and t0 is set for good */
	int64_t t0_ns;    /* monotonic: offset 0 of the tally */
	int64_t base_ns;  /* of the pace: the present opening of the window */
	int64_t until_ns; /* the window closes; INT64_MAX: never */
	int64_t rest_until_ns; /* its pace has come to its end before this opening did: it begins anew with the next one */
	int64_t asked_until_ns; /* probes were asked for until then, in this opening */
	int64_t asked_ns;       /* and so long in those before */
	int64_t next_ns;  /* of the next due probe; INT64_MAX: there is none */
	uint64_t next_index;
	int64_t ahead_ns, grain_ns;
	uint32_t flags;   /* of its dispatches */
	bool plain_facts; /* its requirements name no facts but those that every result has */
	uint32_t inflight, waiting; /* waiting: at a gate */
	struct flight *flights;
	struct run_lease *leases;
	uint32_t *lost_users;
	uint32_t n_lost_users, cap_lost_users;
	int64_t paused_since_ns, paused_ns; /* for want of resources */
	struct wheel_timer due, second, edge, again, settle;
	struct plan_run *prev, *next;
};
#define PLAN_RUN_MAGIC 0x706c616eu

/* --- plan_run.c ------------------------------------------------------------------------------- */
/* Before a new model is taken over: runs of plans that it does not have, or has otherwise, stop. */
void plans_leave(struct core *core, const struct model *next);
/* After it was: starts what starts by itself. */
void plans_apply(struct core *core);
/* All that start by themselves (CORE_PLANS: those asked for). */
void plans_begin(struct core *core);
/* Nothing more is due; what is under way ends. */
void plan_stop(struct plan_run *run, bool interrupted, const char *why);
void plans_drain(struct core *core);
void plans_cancel(struct core *core, const char *why);
void plan_cancel(struct plan_run *run, const char *why);
/* All are over, whatever is under way: after a second signal. */
void plans_end_now(struct core *core);
void plan_runs_free(struct core *core);
struct plan_run *plan_run_find(const struct core *core, const char *name);
const char *plan_name(const struct plan_run *run);
bool plan_records(const struct plan_run *run);
uint32_t plan_dispatch_flags(const struct plan_run *run);
/* Does nobody look at the facts of its results? */
bool plan_is_lean(const struct plan_run *run);
/* Something has ended: is the whole run over? */
void plan_settle(struct plan_run *run);
void plans_metrics(const struct core *core, struct metrics_page *page);
void plans_status_json(const struct core *core, struct buf *out);

/* --- plan_window.c ---------------------------------------------------------------------------- */
/* Right after its targets and flows were sent: nothing is due before the workers have them. */
void plan_await_workers(struct plan_run *run);
/* May it begin? Else run->edge is set for when to ask again. */
bool plan_opens(struct plan_run *run);
/* What it sent has ended: is there another opening to wait for? */
bool plan_opens_again(const struct plan_run *run);

/* --- plan_choice.c ---------------------------------------------------------------------------- */
void plan_choices_fill(struct plan_run *run);
void plan_choices_free(struct plan_run *run);
/* Workers learn of its flows, or forget them. */
void plan_choices_tell(const struct plan_run *run);
void plan_choices_forget(const struct plan_run *run);
/* A worker has just been started at this seat: it learns of the flows of all runs. */
void plans_tell_worker(struct core *core, struct seat *seat);

/* --- plan_send.c ------------------------------------------------------------------------------ */
void plan_pace_begin(struct plan_run *run);
void plan_pace_end(struct plan_run *run);
/* For core.loop.slack_ns: the finest grain that any run needs. */
void plans_set_slack(struct core *core);
/* A flow of this choice starts in a worker; false: there is no room. */
bool plan_send_flow(struct flight *f, struct worker *w);
struct flight *plan_flight(struct plan_run *run, uint32_t choice, enum flight_kind kind, int64_t due_ns);
/* It has ended, or was never sent. */
void plan_flight_free(struct flight *f);

/* --- plan_users.c ----------------------------------------------------------------------------- */
void plan_users_begin(struct plan_run *run);
/* now: in the middle of what they do. */
void plan_users_stop(struct plan_run *run, bool now);
void plan_users_free(struct plan_run *run);
void plan_user_lost(struct plan_run *run, uint64_t user);
/* 0, or -1: a bad frame. seat NULL: the worker is leaving. */
int plan_rows_asked(struct seat *seat, struct cursor *c, struct core *core);
int plan_gate_asked(struct seat *seat, struct cursor *c, struct core *core);

/* --- plan_result.c ---------------------------------------------------------------------------- */
void plan_result(struct flight *f, const struct subject *s, const struct result *r, bool last);
void plan_flight_ended(struct flight *f, const struct result *r);
void plan_flow_end(struct flight *f, const struct wire_flow_end *m);
/* Its worker died. */
void plan_lost(struct flight *f, bool had_started, const char *why);

#endif
