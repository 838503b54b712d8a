/* SPDX-License-Identifier: Apache-2.0 */
/* unused.c - steps and flows that nothing runs: a warning, since it may be a slip of the hand. */
#include "config/build.h"

#include <string.h>
#include <uthash.h>

#include "base/mem.h"

/* By the address of what is used: a step, or the steps of a choice. */
struct used {
	const void *what;
	UT_hash_handle hh;
};

static void mark(struct used **all, const void *what)
{
	struct used *u;
	HASH_FIND_PTR(*all, &what, u);
	if (u)
		return;
	u = xnew(struct used);
	u->what = what;
	HASH_ADD_PTR(*all, what, u);
}

static void mark_choice(struct used **all, const struct choice *c)
{
	mark(all, c->steps);
	for (uint32_t i = 0; i < c->n_steps; i++)
		if (c->steps[i]->step)
			mark(all, c->steps[i]);
}

static bool is_used(struct used *all, const void *what)
{
	struct used *u;
	HASH_FIND_PTR(all, &what, u);
	return u;
}

void unused_warn(struct builder *b)
{
	const struct model *m = b->model;
	struct used *all = NULL, *one, *next;
	for (size_t i = 0; i < m->n_plans; i++) {
		const struct plan *p = m->plans[i];
		for (uint32_t k = 0; k < p->n_choices; k++)
			mark_choice(&all, &p->choices[k]);
		if (p->setup)
			mark_choice(&all, p->setup);
		if (p->teardown)
			mark_choice(&all, p->teardown);
	}
	for (size_t i = 0; i < m->n_flows; i++) {
		const struct flow *f = &m->flows[i];
		CLEANUP_FREE char *title = xasprintf("flow %s", f->choice.name);
		if (!is_used(all, f->choice.steps))
			errs_warn(b->errs, f->at, title, NULL, "no plan runs it");
		mark_choice(&all, &f->choice);
	}
	for (size_t i = 0; i < m->n_steps; i++) {
		CLEANUP_FREE char *title = xasprintf("step %s", m->steps[i]->name);
		if (!is_used(all, m->steps[i]))
			errs_warn(b->errs, m->steps[i]->at, title, NULL, "no flow and no plan runs it");
	}
	HASH_ITER(hh, all, one, next)
	{
		HASH_DEL(all, one);
		free(one);
	}
}
