/* SPDX-License-Identifier: Apache-2.0 */
/* plan_result.c - what comes back of a plan's probes and virtual users. Each that was sent ends here, once. */
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/crew.h"
#include "run/plan_run.h"

static uint32_t measure_of(const struct plan_run *run, const struct flight *f, const struct subject *s)
{
	if (f->kind == FLIGHT_PLAN)
		return f->measure;
	return s->id < run->n_measure_of ? run->measure_of[s->id] : UINT32_MAX;
}

void plan_result(struct flight *f, const struct subject *s, const struct result *r, bool last)
{
	struct plan_run *run = f->run;
	uint32_t measure = measure_of(run, f, s);
	if (measure == UINT32_MAX)
		return;
	const char *sub = result_string(r, r->sub);
	if (!last) {
		if (sub && !strncmp(sub, "try ", 4))
			tally_not_sent(run->tally, measure, TALLY_RETRIED, 1, r->due_ns - run->t0_ns);
		return;
	}
	if (f->kind != FLIGHT_PLAN) {
		tally_sent(run->tally, measure, 1, r->due_ns - run->t0_ns);
		if (run->choices[f->choice].limited)
			gates_learn(run->core->gates, s->target, NULL, s->target->driver, r);
	}
	tally_add(run->tally, measure, r, r->end_ns - run->t0_ns);
}

/* --- ends ------------------------------------------------------------------------------------- */

void plan_flight_ended(struct flight *f, const struct result *r)
{
	struct plan_run *run = f->run;
	if (f->pass.passed)
		gates_leave(run->core->gates, &f->pass, f->driver, r);
	run->inflight--;
	plan_flight_free(f);
	plan_settle(run);
}

static void keep_vars(struct plan_run *run, const struct wire_flow_end *m)
{
	run->vars = xreallocarray(run->vars, run->n_vars + m->n_vars, sizeof *run->vars);
	for (uint32_t i = 0; i < m->n_vars; i++)
		run->vars[run->n_vars++] = (struct run_var){ .name = xstrdup(m->vars[i].key), .value = xstrdup(m->vars[i].value) };
}

void plan_flow_end(struct flight *f, const struct wire_flow_end *m)
{
	CHECK_MAGIC(f, FLIGHT_MAGIC);
	struct plan_run *run = f->run;
	if (!m->over)
		return;
	if (run->state == PLAN_SETUP && f->kind == FLIGHT_FLOW) {
		run->failed = m->outcome != PROBED_OK;
		keep_vars(run, m);
	}
	run->inflight--;
	plan_flight_free(f);
	plan_settle(run);
}

void plan_lost(struct flight *f, bool had_started, const char *why)
{
	struct plan_run *run = f->run;
	int64_t now_ns = clock_now_ns();
	uint64_t user = f->user;
	bool is_user = f->kind == FLIGHT_USER;
	if (f->pass.passed)
		gates_leave(run->core->gates, &f->pass, f->driver, NULL);
	if (had_started || !is_user) {
		tally_not_sent(run->tally, f->measure, TALLY_LOST, 1, now_ns - run->t0_ns);
		if (f->kind == FLIGHT_PLAN && plan_records(run)) {
			struct result *r = &run->core->scratch;
			char text[300];
			snprintf(text, sizeof text, "worker lost: %s", why);
			result_reset(r);
			r->outcome = PROBED_UNKNOWN;
			r->reason = PROBED_REASON_CRASHED;
			r->wall_ns = clock_wall_ns();
			r->due_ns = f->due_ns;
			r->start_ns = r->end_ns = now_ns > f->due_ns ? now_ns : f->due_ns;
			r->message = result_put_string(r, text, strlen(text));
			recorder_link_record(run->core->recorder, f, r);
		}
	}
	run->core->count.probes += had_started;
	run->inflight--;
	plan_flight_free(f);
	if (is_user)
		plan_user_lost(run, user);
	plan_settle(run);
}
