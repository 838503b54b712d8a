/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_send.c - from due times to dispatches: select, gate, send. An open schedule waits for nobody: index i is due at its
 * own time, and where it can't be sent it is counted as dropped, with the reason.
 */
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "plan/select.h"
#include "run/crew.h"
#include "run/crew_parts.h"
#include "run/plan_rows.h"
#include "run/plan_run.h"

/* Rates leave 10 ms ahead of their due times, what is slow with monitoring's grid. */
#define FAST_PER_S 50.0
#define FAST_AHEAD_NS (10 * NS_PER_MS)
#define SLOW_AHEAD_NS (2 * PACE_GRID_NS)
#define AHEAD_MIN_NS (500 * NS_PER_US)
#define TURN_SENDS 2000 /* in one turn of the loop */

static const uint32_t tally_why[GATE_WHYS] = {
	[GATE_WHY_NONE] = TALLY_STOPPED,       [GATE_WHY_LIMIT] = TALLY_LIMIT,     [GATE_WHY_INFLIGHT] = TALLY_INFLIGHT,
	[GATE_WHY_BACKOFF] = TALLY_BACKOFF,    [GATE_WHY_BREAKER] = TALLY_BREAKER, [GATE_WHY_RESOURCES] = TALLY_RESOURCES,
};

/* --- flights ---------------------------------------------------------------------------------- */

static void on_gate(struct gate_pass *pass, uint32_t why);

struct flight *plan_flight(struct plan_run *run, uint32_t choice, enum flight_kind kind, int64_t due_ns)
{
	struct run_choice *c = &run->choices[choice];
	struct flight *f = flight_new_plan(run->core, c->steps[0], due_ns, run, kind);
	f->choice = choice;
	f->measure = c->measure;
	f->pass.go = on_gate;
	if (kind == FLIGHT_FLOW) {
		run->core->seq += c->n_seqs - 1;
		f->timeout_ns = c->longest_ns;
	} else if (run->plan->timeout_ns) {
		f->timeout_ns = run->plan->timeout_ns;
	}
	DL_APPEND2(run->flights, f, run_prev, run_next);
	return f;
}

void plan_flight_free(struct flight *f)
{
	struct plan_run *run = f->run;
	DL_DELETE2(run->flights, f, run_prev, run_next);
	flight_free(run->core, f);
}

static void drop(struct plan_run *run, struct flight *f, uint32_t why)
{
	tally_not_sent(run->tally, f->measure, tally_why[why], 1, f->due_ns - run->t0_ns);
	plan_flight_free(f);
}

/* Why its driver, or what runs a script of one of its steps, is in quarantine; NULL: none is. */
static const char *barred(const struct plan_run *run, const struct flight *f)
{
	const struct choice *c = run->choices[f->choice].choice;
	const char *why = health_quarantined(run->core, f->driver->name);
	for (uint32_t i = 0; !why && i < c->n_steps; i++)
		if (c->steps[i]->step && c->steps[i]->step->hook)
			why = health_quarantined(run->core, c->steps[i]->step->hook);
	return why;
}

static void dispatch(struct plan_run *run, struct flight *f)
{
	struct core *core = run->core;
	run->inflight++;
	if (run->flows)
		tally_started(run->tally, f->due_ns - run->t0_ns, 1);
	if (f->kind == FLIGHT_PLAN)
		tally_sent(run->tally, f->measure, 1, f->due_ns - run->t0_ns);
	if (f->subject->spread)
		f->seat = crew_seat_of(f->subject, f->seq);
	int64_t overdue_ns = f->timeout_ns * (1 + (int64_t)f->subject->target->retry);
	flight_limit(f, f->timeout_ns);
	if (overdue_ns != f->timeout_ns)
		loop_timer_set(core->loop, &f->overdue, f->overdue.at_ns + overdue_ns - f->timeout_ns);
	const char *quarantine = barred(run, f);
	if (quarantine) {
		core->count.quarantined_probes++;
		flight_unknown(core, f, PROBED_REASON_CRASHED, quarantine);
		return;
	}
	crew_dispatch(core->crew, f);
}

static void on_gate(struct gate_pass *pass, uint32_t why)
{
	struct flight *f = (struct flight *)((char *)pass - offsetof(struct flight, pass));
	CHECK_MAGIC(f, FLIGHT_MAGIC);
	struct plan_run *run = f->run;
	run->waiting--;
	if (!why && run->inflight >= run->plan->inflight) {
		gates_leave(run->core->gates, pass, f->driver, NULL);
		why = GATE_WHY_INFLIGHT;
	}
	if (why)
		drop(run, f, why);
	else
		dispatch(run, f);
	plan_settle(run);
}

/* Steps of flows take their tokens one by one, from where they run. */
static void send_one(struct plan_run *run, uint64_t index, int64_t due_ns)
{
	uint32_t choice = selector_pick(run->selector, index), why;
	int64_t offset_ns = due_ns - run->t0_ns;
	if (choice == UINT32_MAX) {
		run->next_ns = INT64_MAX;
		return;
	}
	struct run_choice *c = &run->choices[choice];
	tally_due(run->tally, offset_ns, 1);
	if (run->inflight >= run->plan->inflight) {
		tally_not_sent(run->tally, c->measure, TALLY_INFLIGHT, 1, offset_ns);
		return;
	}
	if (gates_paused(run->core->gates)) {
		tally_not_sent(run->tally, c->measure, TALLY_RESOURCES, 1, offset_ns);
		return;
	}
	bool flow = c->flow != UINT32_MAX;
	struct flight *f = plan_flight(run, choice, flow ? FLIGHT_FLOW : FLIGHT_PLAN, due_ns);
	if (flow || !c->limited) {
		dispatch(run, f);
		return;
	}
	switch (gates_enter(run->core->gates, &f->pass, f->subject->target, run->plan, due_ns, &why)) {
	case GATE_GO:
		dispatch(run, f);
		break;
	case GATE_WAIT:
		run->waiting++;
		break;
	default:
		drop(run, f, why);
	}
}

/* --- flows ------------------------------------------------------------------------------------ */

bool plan_send_flow(struct flight *f, struct worker *w)
{
	struct plan_run *run = f->run;
	const struct run_choice *c = &run->choices[f->choice];
	struct row_vars vars;
	if (!worker_take_slot(w, f, c->n_seqs))
		return false;
	bool own = f->choice < run->plan->n_choices;
	row_vars_fill(&vars, run, own, true);
	struct wire_start m = { .slot = f->slot,
		                .flow = c->flow,
		                .plan = run->id,
		                .flags = (own ? 0 : START_VARS) | (plan_is_lean(run) ? START_LEAN : 0),
		                .seq = f->seq,
		                .user = f->user,
		                .due_ns = f->due_ns,
		                .n_vars = vars.n,
		                .vars = vars.list };
	wire_put_start(worker_begin(w, WIRE_FLOW_START), &m);
	worker_end(w);
	row_vars_free(&vars);
	if (own)
		row_advance(run);
	return true;
}

/* --- the schedule ----------------------------------------------------------------------------- */

static void take_next(struct plan_run *run)
{
	int64_t offset_ns;
	run->next_index = run->cursor.index;
	if (!run->stopping && pace_next(&run->cursor, &offset_ns) && run->base_ns + offset_ns < run->until_ns)
		run->next_ns = run->base_ns + offset_ns;
	else
		run->next_ns = INT64_MAX;
}

/* To the next due time; behind the last one, to the end of the pace or of the opening. */
static int64_t asked_until(const struct plan_run *run, int64_t due_ns)
{
	int64_t length_ns = pace_length_ns(run->pace), end_ns = run->until_ns;
	if (run->next_ns != INT64_MAX)
		return run->next_ns;
	if (length_ns != INT64_MAX && run->base_ns + length_ns < end_ns)
		end_ns = run->base_ns + length_ns;
	return run->stopping || end_ns == INT64_MAX ? due_ns : end_ns;
}

static void on_due(struct wheel_timer *t)
{
	struct plan_run *run = (struct plan_run *)((char *)t - offsetof(struct plan_run, due));
	CHECK_MAGIC(run, PLAN_RUN_MAGIC);
	struct loop *loop = run->core->loop;
	int64_t until_ns = loop->now_ns + run->ahead_ns;
	for (uint32_t n = 0; run->next_ns <= until_ns && n < TURN_SENDS && run->state == PLAN_PACES; n++) {
		int64_t due_ns = run->next_ns;
		uint64_t index = run->next_index;
		take_next(run);
		run->asked_until_ns = asked_until(run, due_ns);
		send_one(run, index, due_ns);
		if (run->data_ended)
			run->next_ns = INT64_MAX;
	}
	if (run->state != PLAN_PACES)
		return;
	if (run->next_ns == INT64_MAX) {
		plan_pace_end(run);
		return;
	}
	int64_t at_ns = run->next_ns - run->ahead_ns, soonest_ns = loop->now_ns + run->grain_ns;
	loop_timer_set(loop, t, run->next_ns <= until_ns ? loop->now_ns : at_ns > soonest_ns ? at_ns : soonest_ns);
}

void plans_set_slack(struct core *core)
{
	int64_t slack_ns = core->mode == CORE_ONCE ? 0 : PACE_GRID_NS;
	const struct plan_run *run;
	DL_FOREACH(core->runs, run)
		if (run->state == PLAN_PACES && run->grain_ns < slack_ns)
			slack_ns = run->grain_ns;
	core->loop->slack_ns = slack_ns;
}

/* What was sent ahead counts as under way: it must not take more than a quarter of the places. */
static int64_t ahead_of(double rate, uint32_t inflight)
{
	int64_t ahead_ns = rate >= FAST_PER_S ? FAST_AHEAD_NS : SLOW_AHEAD_NS;
	double most_ns = rate > 0 ? inflight / rate / 4 * (double)NS_PER_S : (double)ahead_ns;
	if (most_ns < (double)ahead_ns)
		ahead_ns = (int64_t)most_ns;
	return ahead_ns > AHEAD_MIN_NS ? ahead_ns : AHEAD_MIN_NS;
}

void plan_pace_begin(struct plan_run *run)
{
	run->ahead_ns = ahead_of(pace_rate_max(run->pace), run->plan->inflight);
	run->grain_ns = run->ahead_ns * 2 / 5;
	run->due.fn = on_due;
	run->flags = DISPATCH_PLAN | (uint32_t)(run->plan->slack_ns / NS_PER_US) << DISPATCH_SLACK_SHIFT;
	plans_set_slack(run->core);
	pace_begin(&run->cursor, run->pace, run->plan->seed);
	take_next(run);
	run->asked_until_ns = run->next_ns == INT64_MAX ? asked_until(run, run->base_ns) : run->base_ns;
	loop_timer_set(run->core->loop, &run->due, run->core->loop->now_ns);
}
