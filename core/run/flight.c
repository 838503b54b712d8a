/* SPDX-License-Identifier: Apache-2.0 */
/* flight.c - probes under way: from dispatch to result, exactly one result each. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/core.h"
#include "run/crew.h"
#include "run/plan_run.h"

/* A worker owns the deadline. One that does not answer so long after it has lost the probe. */
#define NO_ANSWER_NS (6 * NS_PER_S)
#define LOOK_NS (100 * NS_PER_MS)

static void on_overdue(struct wheel_timer *t)
{
	struct flight *f = (struct flight *)((char *)t - offsetof(struct flight, overdue));
	CHECK_MAGIC(f, FLIGHT_MAGIC);
	if (!f->looked) { /* this process may have stood still, and the answer lie in the socket */
		f->looked = true;
		loop_timer_set(f->core->loop, t, f->core->loop->now_ns + LOOK_NS);
		return;
	}
	f->core->count.no_answer++;
	flight_unknown(f->core, f, PROBED_REASON_OVERLOADED,
	               f->worker ? "the worker did not answer in time" : "no worker was running in time");
}

static struct flight *get(struct core *core, struct subject *s, int64_t due_ns)
{
	struct flight *f = core->flight_pool;
	if (f)
		core->flight_pool = f->next;
	else
		f = xnew(struct flight);
	*f = (struct flight){ .magic = FLIGHT_MAGIC, .core = core, .subject = s, .target_id = s->id, .slot = UINT32_MAX };
	s->n_flights++;
	f->driver = s->target->driver;
	f->registry = registry_ref(core->model->registry);
	f->seq = ++core->seq;
	f->due_ns = due_ns;
	f->timeout_ns = s->target->timeout_ns;
	f->overdue.fn = on_overdue;
	core->n_flights++;
	return f;
}

void flight_limit(struct flight *f, int64_t timeout_ns)
{
	/* where we were late ourselves the worker has its time all the same */
	int64_t now_ns = f->core->loop->now_ns, begins_ns = f->due_ns > now_ns ? f->due_ns : now_ns;
	f->timeout_ns = timeout_ns;
	loop_timer_set(f->core->loop, &f->overdue, begins_ns + timeout_ns + NO_ANSWER_NS);
}

struct flight *flight_new(struct core *core, struct subject *s, int64_t due_ns)
{
	struct flight *f = get(core, s, due_ns);
	flight_limit(f, f->timeout_ns);
	s->flight = f;
	return f;
}

struct flight *flight_new_plan(struct core *core, struct subject *s, int64_t due_ns, struct plan_run *run, enum flight_kind kind)
{
	struct flight *f = get(core, s, due_ns);
	f->kind = (uint8_t)kind;
	f->run = run;
	return f;
}

void flight_free(struct core *core, struct flight *f)
{
	struct subject *s = f->subject;
	loop_timer_stop(core->loop, &f->overdue);
	crew_release(core->crew, f);
	if (s->flight == f)
		s->flight = NULL;
	s->n_flights--;
	if (s->keeps && !s->n_flights)
		subject_free(s);
	else if (!s->keeps && s->held && !s->flight && !core->draining)
		loop_timer_set(core->loop, &s->due, core->loop->now_ns);
	registry_unref(f->registry);
	f->magic = 0;
	f->next = core->flight_pool;
	core->flight_pool = f;
	core->n_flights--;
	if (core->draining && !core->n_flights && core->drained)
		core->drained(core);
}

void flight_sent(struct flight *f)
{
	const struct driver_table *now = f->subject->target->driver;
	if (f->driver == now)
		return;
	registry_unref(f->registry);
	f->registry = registry_ref(f->core->model->registry);
	f->driver = now;
}

static struct probe_stat *sub_stat(struct core *core, struct subject *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_subs; i++)
		if (!strcmp(s->subs[i].name, name))
			return &s->subs[i].stat;
	if (s->n_subs >= SUBS_MAX) {
		core->count.subs_refused++;
		return NULL;
	}
	xgrow(s->subs, s->n_subs, s->cap_subs);
	struct sub_stat *sub = &s->subs[s->n_subs++];
	*sub = (struct sub_stat){ .name = xstrdup(name) };
	core_rows_add(core, s, s->n_subs - 1);
	return &sub->stat;
}

/* The log tells of changes, and of a first result that is not ok. */
static void log_change(struct subject *s, const struct result *r)
{
	uint8_t before = s->told;
	s->told = (uint8_t)(r->outcome + 1);
	if (before ? before == s->told : r->outcome == PROBED_OK)
		return;
	log_event(r->outcome == PROBED_OK ? LOG_INFO : LOG_WARNING, "outcome changed", "target", s->name, "from",
	          before ? outcome_name(before - 1u) : NULL, "to", outcome_name(r->outcome), "reason",
	          r->reason ? reason_name(r->reason) : NULL, "why", result_string(r, r->message), NULL);
}

/* Sinks, services and whoever watches. */
static void pass_on(struct core *core, const struct flight *f, const struct result *r)
{
	recorder_link_record(core->recorder, f, r);
	services_result(core, f, r);
	if (core->observer.result)
		core->observer.result(core->observer.ctx, f, r);
}

/* Only monitoring moves the target's state. */
static void take(struct core *core, struct flight *f, const struct result *r, bool last)
{
	struct subject *s = f->subject;
	bool fits = stat_same_facts(f->driver, s->target->driver); /* a reload may have made it another's */
	struct probe_stat *stat = !fits ? NULL : last ? &s->stat : sub_stat(core, s, result_string(r, r->sub));
	if (last) {
		struct driver_stat *d = core_driver_stat(core, f->driver->name);
		core->count.probes++;
		hist_add(&d->latency, result_latency_ns(r));
		hist_add(&d->lag, result_lag_ns(r));
		log_change(s, r);
	}
	if (stat)
		probe_stat_add(stat, r, f->driver);
	pass_on(core, f, r);
}

static void name_sub(struct result *r, bool last)
{
	if (last == (r->sub != 0)) /* a sub-result has a name, the probe's own has none */
		r->sub = last ? 0 : result_put_string(r, "unnamed", 7);
}

void flight_result(struct core *core, struct flight *f, struct result *r, bool last)
{
	CHECK_MAGIC(f, FLIGHT_MAGIC);
	name_sub(r, last);
	if (!f->run) {
		take(core, f, r, last);
		if (last)
			flight_free(core, f);
		return;
	}
	core->count.probes += last;
	if (plan_records(f->run))
		pass_on(core, f, r);
	plan_result(f, f->subject, r, last);
	if (last)
		plan_flight_ended(f, r);
}

void flight_step(struct core *core, struct flight *f, struct subject *s, uint64_t seq, struct result *r, bool last)
{
	CHECK_MAGIC(f, FLIGHT_MAGIC);
	struct flight step = *f; /* as whoever is told sees it */
	step.subject = s;
	step.target_id = s->id;
	step.driver = s->target->driver;
	step.seq = seq;
	name_sub(r, last);
	core->count.probes += last;
	if (plan_records(f->run))
		pass_on(core, &step, r);
	plan_result(f, s, r, last);
}

void flight_unknown(struct core *core, struct flight *f, uint32_t reason, const char *message)
{
	CHECK_MAGIC(f, FLIGHT_MAGIC);
	struct result *r = &core->scratch;
	int64_t now = clock_now_ns();
	result_reset(r);
	r->outcome = PROBED_UNKNOWN;
	r->reason = (uint8_t)reason;
	r->wall_ns = clock_wall_ns();
	r->due_ns = f->due_ns;
	r->start_ns = r->end_ns = now > f->due_ns ? now : f->due_ns;
	r->message = result_put_string(r, message, strlen(message));
	flight_result(core, f, r, true);
}
