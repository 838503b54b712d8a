/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_run.c - the life of a plan that runs: it waits for its window, runs its setup once, paces, ends what is under way,
 * runs its teardown once, and is over.
 */
#include "run/plan_run.h"

#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/model.h"
#include "data/data.h"
#include "measure/require.h"
#include "run/crew.h"
#include "run/plan_rows.h"

const char *plan_state_name(enum plan_state s)
{
	static const char *const names[] = { "waiting", "setup", "running", "ending", "teardown", "over" };
	return names[s];
}

const char *plan_name(const struct plan_run *run)
{
	return run->name;
}

bool plan_records(const struct plan_run *run)
{
	return run->plan->record;
}

bool plan_is_lean(const struct plan_run *run)
{
	const struct core *core = run->core;
	return run->plain_facts && !core->observer.result && (!run->plan->record || !recorder_link_wants(core->recorder));
}

uint32_t plan_dispatch_flags(const struct plan_run *run)
{
	return run->flags | (plan_is_lean(run) ? DISPATCH_LEAN : 0);
}

struct plan_run *plan_run_find(const struct core *core, const char *name)
{
	struct plan_run *run;
	DL_FOREACH(core->runs, run)
		if (!strcmp(run->name, name))
			return run;
	return NULL;
}

/* --- windows ---------------------------------------------------------------------------------- */

static void enter(struct plan_run *run, enum plan_state state);

static void on_edge(struct wheel_timer *t)
{
	struct plan_run *run = (struct plan_run *)((char *)t - offsetof(struct plan_run, edge));
	CHECK_MAGIC(run, PLAN_RUN_MAGIC);
	if (run->state == PLAN_WAITS)
		enter(run, PLAN_WAITS);
	else if (run->state == PLAN_PACES)
		plan_pace_end(run);
}

/* --- states ----------------------------------------------------------------------------------- */

static void run_part(struct plan_run *run, uint32_t choice)
{
	struct flight *f = plan_flight(run, choice, FLIGHT_FLOW, run->core->loop->now_ns);
	run->inflight++;
	flight_limit(f, f->timeout_ns);
	crew_dispatch(run->core->crew, f);
}

static void over(struct plan_run *run)
{
	struct core *core = run->core;
	int64_t now_ns = clock_now_ns();
	loop_timer_stop(core->loop, &run->second);
	plan_choices_forget(run);
	tally_end(run->tally, now_ns - run->t0_ns, run->asked_ns);
	log_info("plan ended", "plan", run->name, "sent", log_int((int64_t)run->tally->n.sent), "dropped",
	         log_int((int64_t)tally_dropped(&run->tally->n)), NULL);
	if (core->observer.plan_ended)
		core->observer.plan_ended(core->observer.ctx, run);
	struct plan_run *other;
	bool more = false;
	DL_FOREACH(core->runs, other)
		more |= other->state != PLAN_OVER;
	if (core->mode == CORE_PLANS && !more && !core->draining)
		core_drain(core, 0);
}

static void enter(struct plan_run *run, enum plan_state state)
{
	const struct plan *p = run->plan;
	for (;;) {
		run->state = state;
		switch (state) {
		case PLAN_WAITS:
			if (!run->stopping && !plan_opens(run))
				return;
			state = run->stopping ? PLAN_ENDS : p->setup && !run->vars ? PLAN_SETUP : PLAN_PACES;
			break;
		case PLAN_SETUP:
			run_part(run, p->n_choices);
			return;
		case PLAN_PACES:
			if (pace_users(run->pace))
				plan_users_begin(run);
			else
				plan_pace_begin(run);
			return;
		case PLAN_ENDS:
			loop_timer_stop(run->core->loop, &run->edge);
			loop_timer_stop(run->core->loop, &run->due);
			plans_set_slack(run->core);
			if (run->inflight || run->waiting)
				return;
			state = plan_opens_again(run) ? PLAN_WAITS : p->teardown ? PLAN_TEARDOWN : PLAN_OVER;
			break;
		case PLAN_TEARDOWN:
			run_part(run, run->n_choices - 1);
			return;
		case PLAN_OVER:
			over(run);
			return;
		}
	}
}

/* All have ended by themselves: the data did, or their time. */
static bool users_are_done(const struct plan_run *run)
{
	return pace_users(run->pace) && !run->n_lost_users;
}

static void finish(struct plan_run *run)
{
	if (run->inflight || run->waiting)
		return;
	if (run->state == PLAN_SETUP) {
		if (run->failed) {
			snprintf(run->why, sizeof run->why, "plan %.60s: its setup failed: nothing was run", run->name);
			log_error("plan not run", "plan", run->name, "why", "its setup failed", NULL);
			tally_event(run->tally, clock_now_ns() - run->t0_ns, "setup failed: nothing was run");
			run->stopping = true;
		}
		run->base_ns = clock_now_ns();
		enter(run, run->stopping ? PLAN_ENDS : PLAN_PACES);
	} else if (run->state == PLAN_PACES && users_are_done(run)) {
		plan_pace_end(run);
	} else if (run->state == PLAN_ENDS) {
		enter(run, PLAN_ENDS);
	} else if (run->state == PLAN_TEARDOWN) {
		enter(run, PLAN_OVER);
	}
}

/* Put off, since who calls may hold a flight of it, or be sending its next. */
static void on_settle(struct wheel_timer *t)
{
	finish((struct plan_run *)((char *)t - offsetof(struct plan_run, settle)));
}

void plan_settle(struct plan_run *run)
{
	bool paces = run->state == PLAN_PACES && !users_are_done(run);
	if (!run->inflight && !run->waiting && !paces && run->state != PLAN_OVER && !wheel_running(&run->settle))
		loop_timer_set(run->core->loop, &run->settle, run->core->loop->now_ns);
}

void plan_pace_end(struct plan_run *run)
{
	bool users = pace_users(run->pace) != NULL;
	int64_t now_ns = clock_now_ns(), length_ns = pace_length_ns(run->pace);
	run->next_ns = INT64_MAX;
	run->rest_until_ns = run->until_ns;
	if (users)
		run->asked_until_ns = length_ns < now_ns - run->base_ns ? run->base_ns + length_ns : now_ns;
	if (run->asked_until_ns > run->base_ns)
		run->asked_ns += run->asked_until_ns - run->base_ns;
	if (users)
		plan_users_stop(run, false);
	enter(run, PLAN_ENDS);
}

void plan_stop(struct plan_run *run, bool interrupted, const char *why)
{
	struct flight *f, *next;
	if (run->state == PLAN_OVER || run->stopping)
		return;
	run->stopping = true;
	run->interrupted |= interrupted;
	if (why)
		tally_event(run->tally, clock_now_ns() - run->t0_ns, why);
	DL_FOREACH_SAFE2(run->flights, f, next, run_next)
		if (f->pass.waits) {
			gates_cancel(run->core->gates, &f->pass);
			run->waiting--;
			tally_not_sent(run->tally, f->measure, TALLY_STOPPED, 1, f->due_ns - run->t0_ns);
			plan_flight_free(f);
		}
	if (run->state == PLAN_PACES)
		plan_pace_end(run);
	else if (run->state == PLAN_WAITS)
		enter(run, PLAN_ENDS);
}

/* --- each second ------------------------------------------------------------------------------ */

static void on_second(struct wheel_timer *t)
{
	struct plan_run *run = (struct plan_run *)((char *)t - offsetof(struct plan_run, second));
	CHECK_MAGIC(run, PLAN_RUN_MAGIC);
	int64_t now_ns = run->core->loop->now_ns, offset_ns = now_ns - run->t0_ns;
	if (gates_paused(run->core->gates)) {
		run->paused_ns += run->paused_since_ns ? now_ns - run->paused_since_ns : 0;
		run->paused_since_ns = now_ns;
	} else {
		run->paused_since_ns = 0;
	}
	double asked = run->state == PLAN_PACES ? pace_rate_at(run->pace, now_ns - run->base_ns) : 0;
	int32_t broken = tally_tick(run->tally, offset_ns, run->inflight, asked, run->paused_ns);
	loop_timer_set(run->core->loop, t, run->t0_ns + (offset_ns / NS_PER_S + 1) * NS_PER_S);
	if (broken >= 0 && !run->stopping) {
		run->failed = true;
		snprintf(run->why, sizeof run->why, "aborted: \"%.90s\" does not hold", requirement_text(run->plan->requires[broken]));
		log_error("plan aborted", "plan", run->name, "why", run->why, NULL);
		plan_stop(run, true, run->why);
	}
}

/* --- start and end ---------------------------------------------------------------------------- */

static const struct pace *pace_asked(struct plan_run *run)
{
	const struct plan_ask *ask = run->core->ask;
	const struct pace *pace = run->plan->pace;
	if (ask && ask->rate > 0 && pace_rate_max(pace) > 0) {
		run->own_pace = pace_rescale(pace, ask->rate / pace_rate_max(pace));
		pace = run->own_pace ? run->own_pace : pace;
	}
	if (ask && ask->for_ns) {
		struct pace *limited = pace_limit(pace, ask->for_ns);
		pace_free(run->own_pace);
		pace = run->own_pace = limited;
	}
	return pace;
}

static void run_free(struct plan_run *run)
{
	struct core *core = run->core;
	DL_DELETE(core->runs, run);
	loop_timer_stop(core->loop, &run->due);
	loop_timer_stop(core->loop, &run->second);
	loop_timer_stop(core->loop, &run->edge);
	loop_timer_stop(core->loop, &run->settle);
	for (uint32_t i = 0; i < run->n_vars; i++) {
		free(run->vars[i].name);
		free(run->vars[i].value);
	}
	tally_free(run->tally);
	plan_choices_free(run);
	pace_free(run->own_pace);
	plan_users_free(run);
	data_close(run->data);
	model_unref(run->model);
	free(run->vars);
	free(run->lost_users);
	free(run->name);
	run->magic = 0;
	free(run);
}

static int open_data(struct plan_run *run, char *error, size_t size)
{
	const struct plan *p = run->plan;
	if (!p->data.path)
		return 0;
	run->data = data_open(p->data.path, p->data.order, p->data.repeat, p->seed, error, size);
	row_advance(run);
	return run->data ? 0 : -1;
}

static uint32_t free_id(const struct core *core)
{
	uint32_t id = 1;
	const struct plan_run *run;
	for (bool taken = true; taken; id += taken) {
		taken = false;
		DL_FOREACH(core->runs, run)
			taken |= run->id == id;
	}
	return id;
}

/* Requirements may name facts that are not in every result. */
static bool has_plain_facts(const struct plan_run *run)
{
	uint32_t fact;
	const char *late;
	for (uint32_t i = 0; i < run->tally->n_facts; i++)
		for (uint32_t k = 0; k < run->n_measures; k++) {
			const struct fact_decl *decl = driver_fact(run->measures[k].driver, run->tally->facts[i].name, &fact, &late);
			if (decl && (decl->role >= 32 || !(LEAN_ROLES >> decl->role & 1)))
				return false;
		}
	return true;
}

static int start(struct core *core, const struct plan *plan, char *error, size_t size)
{
	struct plan_run *run = xnew(struct plan_run);
	*run = (struct plan_run){ .magic = PLAN_RUN_MAGIC,
		                  .core = core,
		                  .name = xstrdup(plan->name),
		                  .plan = plan,
		                  .model = model_ref(core->model),
		                  .id = free_id(core),
		                  .next_ns = INT64_MAX,
		                  .second.fn = on_second,
		                  .edge.fn = on_edge,
		                  .settle.fn = on_settle };
	DL_APPEND(core->runs, run);
	if (open_data(run, error, size)) {
		run_free(run);
		return -1;
	}
	run->pace = pace_asked(run);
	plan_choices_fill(run);
	run->t0_ns = run->base_ns = clock_now_ns();
	run->tally = tally_new(run->name, run->measures, run->n_measures, plan->requires, plan->n_requires, clock_wall_ns());
	run->plain_facts = has_plain_facts(run);
	plan_choices_tell(run);
	plan_await_workers(run);
	enter(run, PLAN_WAITS);
	return 0;
}

static bool asked_for(const struct core *core, const struct plan *p)
{
	const struct plan_ask *ask = core->ask;
	if (!ask)
		return !p->manual;
	bool found = !ask->names;
	for (size_t i = 0; i < ask->n && !found; i++)
		found = !strcmp(ask->names[i], p->name);
	return found;
}

void plans_begin(struct core *core)
{
	const struct model *m = core->model;
	bool failed = false;
	for (size_t i = 0; i < m->n_plans; i++) {
		char error[300];
		if (!asked_for(core, m->plans[i]) || plan_run_find(core, m->plans[i]->name) ||
		    !start(core, m->plans[i], error, sizeof error))
			continue;
		log_error("plan not started", "plan", m->plans[i]->name, "why", error, NULL);
		failed = true;
	}
	if (core->mode == CORE_PLANS && (failed || !core->runs) && !core->draining)
		core_drain(core, 1);
}

/* --- reloads ---------------------------------------------------------------------------------- */

void plans_leave(struct core *core, const struct model *next)
{
	struct plan_run *run, *then;
	DL_FOREACH_SAFE(core->runs, run, then)
	{
		const struct plan *p = model_plan(next, run->name);
		if (p && p->digest == run->plan->digest)
			continue;
		plan_stop(run, true, "its configuration changed");
		if (run->state != PLAN_OVER) { /* results that still come count nowhere */
			plan_cancel(run, "the configuration of its plan changed");
			enter(run, PLAN_OVER);
		}
		run_free(run);
	}
}

void plans_apply(struct core *core)
{
	struct plan_run *run;
	DL_FOREACH(core->runs, run)
		for (uint32_t i = 0; i < run->n_choices; i++) {
			struct run_choice *c = &run->choices[i];
			c->limited = false;
			for (uint32_t k = 0; k < c->choice->n_steps; k++)
				c->limited |= gates_limited(core->gates, c->steps[k]->target, run->plan);
		}
	if (core->scheduling)
		plans_begin(core);
}

/* --- the end ---------------------------------------------------------------------------------- */

void plans_drain(struct core *core)
{
	struct plan_run *run;
	DL_FOREACH(core->runs, run)
		plan_stop(run, core->mode == CORE_PLANS, core->mode == CORE_PLANS ? "interrupted" : NULL);
}

void plan_cancel(struct plan_run *run, const char *why)
{
	struct flight *f;
	plan_users_stop(run, true);
	while ((f = run->flights)) {
		if (f->pass.waits) {
			gates_cancel(run->core->gates, &f->pass);
			run->waiting--;
			plan_flight_free(f);
		} else if (f->kind == FLIGHT_USER) {
			run->inflight--;
			plan_flight_free(f);
		} else {
			flight_unknown(run->core, f, PROBED_REASON_CANCELLED, why);
		}
	}
}

void plans_cancel(struct core *core, const char *why)
{
	struct plan_run *run;
	DL_FOREACH(core->runs, run)
		plan_cancel(run, why);
}

void plans_end_now(struct core *core)
{
	struct plan_run *run;
	DL_FOREACH(core->runs, run)
		if (run->state != PLAN_OVER) {
			plan_stop(run, true, NULL);
			plan_cancel(run, "the run was ended before the answer came");
			enter(run, PLAN_OVER);
		}
}

void plan_runs_free(struct core *core)
{
	while (core->runs)
		run_free(core->runs);
}
