/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - see run.h. How runs are stored stands in run_write.c and run_read.c. */
#include "report/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "report/run_parts.h"

struct run *run_new(const char *name, const char *machine, const char *version, int64_t wall_ns)
{
	struct run *r = xnew(struct run);
	r->magic = RUN_MAGIC;
	r->name = xstrdup(name);
	r->machine = xstrdup(machine);
	r->version = xstrdup(version);
	r->why = xstrdup("");
	r->wall_ns = wall_ns;
	r->merged = 1;
	return r;
}

static void requires_free(struct run_plan *p)
{
	for (uint32_t i = 0; i < p->n_requires; i++) {
		free(p->requires[i].text);
		free(p->requires[i].why);
	}
	free(p->requires);
	p->requires = NULL;
	p->n_requires = 0;
}

void run_free(struct run *r)
{
	if (!r)
		return;
	CHECK_MAGIC(r, RUN_MAGIC);
	for (uint32_t i = 0; i < r->n_plans; i++) {
		requires_free(&r->plans[i]);
		if (!r->plans[i].lent)
			tally_free(r->plans[i].tally);
	}
	free(r->plans);
	free(r->name);
	free(r->machine);
	free(r->version);
	free(r->why);
	r->magic = 0;
	free(r);
}

struct run_plan *run_plan_add(struct run *r, struct tally *t, bool lent, uint32_t n_requires)
{
	xgrow(r->plans, r->n_plans, r->cap_plans);
	struct run_plan *p = &r->plans[r->n_plans++];
	*p = (struct run_plan){ .tally = t, .lent = lent, .n_requires = n_requires };
	p->requires = xcalloc(n_requires + 1, sizeof *p->requires);
	return p;
}

void run_add(struct run *r, struct tally *t, bool lent, const struct requirement *const *requires, uint32_t n_requires)
{
	struct run_plan *p = run_plan_add(r, t, lent, n_requires);
	for (uint32_t i = 0; i < n_requires; i++) {
		char why[400];
		p->requires[i].state = requirement_verdict(requires[i], t, why, sizeof why);
		p->requires[i].why = xstrdup(why);
		p->requires[i].text = xstrdup(requirement_text(requires[i]));
	}
}

void run_ended(struct run *r, enum run_end end, const char *why)
{
	r->end = end;
	free(r->why);
	r->why = xstrdup(why);
}

struct run *run_from_tally(const char *machine, const char *version, struct tally *t,
                           const struct requirement *const *requires, uint32_t n_requires)
{
	struct run *r = run_new(t->plan, machine, version, t->wall_ns);
	run_add(r, t, true, requires, n_requires);
	return r;
}

bool run_met(const struct run *r)
{
	for (uint32_t i = 0; i < r->n_plans; i++)
		for (uint32_t k = 0; k < r->plans[i].n_requires; k++)
			if (r->plans[i].requires[k].state != REQUIREMENT_MET)
				return false;
	return true;
}

const struct run_plan *run_plan(const struct run *r, const char *name)
{
	for (uint32_t i = 0; i < r->n_plans; i++)
		if (!strcmp(r->plans[i].tally->plan, name))
			return &r->plans[i];
	return NULL;
}

const char *run_end_name(uint32_t end)
{
	static const char *const names[RUN_ENDS] = { "finished", "interrupted", "aborted" };
	return end < RUN_ENDS ? names[end] : "interrupted";
}

/* --- merging ------------------------------------------------------------------------------------ */

static struct run_requirement *requirement_of(struct run_plan *p, const char *text)
{
	for (uint32_t i = 0; i < p->n_requires; i++)
		if (!strcmp(p->requires[i].text, text))
			return &p->requires[i];
	p->requires = xreallocarray(p->requires, p->n_requires + 1, sizeof *p->requires);
	struct run_requirement *q = &p->requires[p->n_requires++];
	*q = (struct run_requirement){ .text = xstrdup(text), .why = xstrdup("") };
	return q;
}

static void judge_again(struct run_plan *p)
{
	for (uint32_t i = 0; i < p->n_requires; i++) {
		struct run_requirement *q = &p->requires[i];
		char why[400];
		struct requirement *compiled = requirement_compile_for(q->text, p->tally, why, sizeof why);
		q->state = compiled ? requirement_verdict(compiled, p->tally, why, sizeof why) : REQUIREMENT_NOT_MEASURED;
		free(q->why);
		q->why = xstrdup(why);
		requirement_free(compiled);
	}
}

/* The plan of this name, made empty where there is none. */
static struct run_plan *plan_of(struct run *r, const struct tally *like)
{
	for (uint32_t i = 0; i < r->n_plans; i++)
		if (!strcmp(r->plans[i].tally->plan, like->plan))
			return &r->plans[i];
	struct tally *t = tally_new(like->plan, NULL, 0, NULL, 0, like->wall_ns);
	tally_end(t, 0, 0);
	return run_plan_add(r, t, false, 0);
}

void run_merge(struct run *into, const struct run *from)
{
	for (uint32_t i = 0; i < from->n_plans; i++) {
		const struct run_plan *other = &from->plans[i];
		struct run_plan *p = plan_of(into, other->tally);
		if (p->lent)
			panic("a lent tally is not merged into");
		tally_merge(p->tally, other->tally);
		for (uint32_t k = 0; k < other->n_requires; k++)
			requirement_of(p, other->requires[k].text);
		judge_again(p);
	}
	if (from->wall_ns < into->wall_ns)
		into->wall_ns = from->wall_ns;
	if (from->end > into->end)
		run_ended(into, from->end, from->why);
	if (strcmp(into->machine, from->machine) != 0) {
		char *both = xasprintf("%.200s, %.200s", into->machine, from->machine);
		free(into->machine);
		into->machine = both;
	}
	into->merged += from->merged;
}
