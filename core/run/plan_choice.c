/* SPDX-License-Identifier: Apache-2.0 */
/* plan_choice.c - what a run may choose: its targets' subjects, their places in the tally, and flows that workers know. */
#include <string.h>
#include <utlist.h>

#include "base/mem.h"
#include "plan/select.h"
#include "run/crew.h"
#include "run/plan_run.h"

#define SPREAD_MAX 256 /* with more targets each stays in its home */

static struct subject *subject_of(struct core *core, const struct target *t)
{
	struct subject *s;
	HASH_FIND_STR(core->by_name, t->name, s);
	if (!s)
		panic("no subject %s", t->name);
	return s;
}

static uint32_t measure(struct plan_run *run, const struct subject *s)
{
	uint32_t *at = &run->measure_of[s->id];
	if (*at != UINT32_MAX)
		return *at;
	const struct target *t = s->target;
	const char **labels = xcalloc(t->n_expects, sizeof *labels);
	for (uint32_t i = 0; i < t->n_expects; i++)
		labels[i] = t->expects[i].key;
	run->measures[run->n_measures] =
	    (struct tally_step){ .name = t->name, .driver = t->driver, .checks = labels, .n_checks = t->n_expects };
	return *at = run->n_measures++;
}

static void fill_choice(struct plan_run *run, struct run_choice *c, const struct choice *choice, uint32_t number)
{
	struct core *core = run->core;
	bool flow = choice->flow || run->plan->data.path || pace_users(run->pace) || choice->steps[0]->step;
	c->choice = choice;
	c->steps = xcalloc(choice->n_steps, sizeof(struct subject *));
	c->flow = flow ? run->id << 16 | number : UINT32_MAX;
	run->flows |= flow;
	c->n_seqs = 1; /* a slot that has more than one is a virtual user's */
	for (uint32_t i = 0; i < choice->n_steps; i++) {
		const struct target *t = choice->steps[i];
		struct subject *s = c->steps[i] = subject_of(core, t);
		uint32_t m = measure(run, s);
		c->measure = i ? c->measure : m;
		c->n_seqs += 1 + t->retry;
		int64_t think_ns = t->step && t->step->think_max_ns ? t->step->think_max_ns : choice->think_max_ns;
		c->longest_ns += t->timeout_ns * (1 + (int64_t)t->retry) + think_ns;
		bool limited = gates_limited(core->gates, t, run->plan);
		c->limited |= limited;
		if (limited && !s->gated) {
			s->gated = true;
			crew_target_add(core->crew, s);
		}
		if (run->n_choices <= SPREAD_MAX)
			crew_spread(core->crew, s);
	}
}

static void send_flow(const struct plan_run *run, const struct run_choice *c, struct seat *seat)
{
	uint32_t *ids = xcalloc(c->choice->n_steps, sizeof *ids);
	for (uint32_t i = 0; i < c->choice->n_steps; i++)
		ids[i] = c->steps[i]->id;
	struct wire_flow m = { .id = c->flow,
		               .name = c->choice->name,
		               .think_min_ns = c->choice->think_min_ns,
		               .think_max_ns = c->choice->think_max_ns,
		               .n_steps = c->choice->n_steps,
		               .steps = ids };
	struct buf *b;
	if (!seat) {
		crew_flow_add(run->core->crew, c->steps[0], &m);
	} else if ((b = crew_frame(seat, WIRE_FLOW_ADD))) {
		wire_put_flow(b, &m);
		crew_frame_end(seat);
	}
	free(ids);
}

void plans_tell_worker(struct core *core, struct seat *seat)
{
	const struct plan_run *run;
	DL_FOREACH(core->runs, run)
		for (uint32_t i = 0; run->state != PLAN_OVER && i < run->n_choices; i++)
			if (run->choices[i].flow != UINT32_MAX && crew_same_pool(run->choices[i].steps[0], seat))
				send_flow(run, &run->choices[i], seat);
}

void plan_choices_fill(struct plan_run *run)
{
	const struct plan *p = run->plan;
	uint32_t n = run->n_choices = p->n_choices + (p->setup != NULL) + (p->teardown != NULL), most = 0;
	for (uint32_t i = 0; i < n; i++)
		most += (i < p->n_choices ? &p->choices[i] : i == p->n_choices && p->setup ? p->setup : p->teardown)->n_steps;
	run->choices = xcalloc(n, sizeof *run->choices);
	run->n_measure_of = run->core->n_ids;
	run->measure_of = xcalloc(run->n_measure_of, sizeof *run->measure_of);
	memset(run->measure_of, 0xff, run->n_measure_of * sizeof *run->measure_of);
	run->measures = xcalloc(most, sizeof *run->measures);
	double *weights = xcalloc(p->n_choices, sizeof *weights);
	for (uint32_t i = 0; i < p->n_choices; i++) {
		weights[i] = p->choices[i].weight;
		fill_choice(run, &run->choices[i], &p->choices[i], i);
	}
	if (p->setup)
		fill_choice(run, &run->choices[p->n_choices], p->setup, p->n_choices);
	if (p->teardown)
		fill_choice(run, &run->choices[n - 1], p->teardown, n - 1);
	run->selector = selector_new(p->select, weights, p->n_choices, p->seed);
	free(weights);
}

void plan_choices_tell(const struct plan_run *run)
{
	for (uint32_t i = 0; i < run->n_choices; i++)
		if (run->choices[i].flow != UINT32_MAX)
			send_flow(run, &run->choices[i], NULL);
}

void plan_choices_forget(const struct plan_run *run)
{
	for (uint32_t i = 0; i < run->n_choices; i++)
		if (run->choices[i].flow != UINT32_MAX)
			crew_flow_remove(run->core->crew, run->choices[i].steps[0], run->choices[i].flow);
}

void plan_choices_free(struct plan_run *run)
{
	for (uint32_t i = 0; i < run->n_choices; i++)
		free(run->choices[i].steps);
	for (uint32_t i = 0; i < run->n_measures; i++)
		free((void *)(uintptr_t)run->measures[i].checks);
	selector_free(run->selector);
	free(run->choices);
	free(run->measure_of);
	free(run->measures);
}
