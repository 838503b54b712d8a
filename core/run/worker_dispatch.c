/* SPDX-License-Identifier: Apache-2.0 */
/* worker_dispatch.c - how probes come to be: the core's dispatches, the steps of users, and further tries of both. */
#include "run/worker_flow.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* A dispatch that can't become a probe is answered all the same. */
static void refuse(struct worker *w, const struct wire_dispatch *d, const char *why)
{
	struct drv nobody = { .worker = w };
	struct instance nothing = { .refs = 1 };
	struct work *k = work_get(w);
	struct probed_probe p = { .drv = &nobody, .inst = &nothing, .slot = d->slot, .target = d->target, .seq = d->seq, .due_ns = d->due_ns, .of_plan = (d->flags & DISPATCH_PLAN) != 0, .phase = -1, .work = k };
	int64_t now = clock_now_ns();
	work_begin_result(&p, &k->result, now, clock_wall_ns());
	k->result.end_ns = now;
	k->result.reason = PROBED_REASON_INTERNAL;
	k->result.message = result_put_string(&k->result, why, strlen(why));
	probe_send(&p, &k->result, RESULT_LAST);
	work_put(w, k);
}

/* In a slot that is free; to be begun. */
static struct probed_probe *probe_make(struct worker *w, struct instance *inst, uint32_t slot, uint64_t seq)
{
	struct probed_probe *p = probe_get(w);
	p->state = PROBE_WAITING;
	p->cancelled = p->looked = p->prompt = p->of_plan = p->passed = p->lean = false;
	p->phase = -1;
	p->drv = inst->drv;
	p->inst = inst;
	inst->refs++;
	p->user = NULL;
	p->session = NULL;
	p->gate = NULL;
	p->plan = p->tries = p->tried = 0;
	p->slot = slot;
	p->target = inst->id;
	p->seq = seq;
	p->timeout_ns = inst->args.timeout_ns;
	p->returned_ns = 0;
	p->timer = (struct wheel_timer){ .fn = probe_on_timer };
	p->mem = NULL;
	p->work = work_get(w);
	w->slots[slot] = p;
	w->inflight++;
	return p;
}

/* With slack, at the next multiple of it, as others are. */
static void begin_when_due(struct probed_probe *p, int64_t slack_ns)
{
	struct worker *w = p->drv->worker;
	int64_t at_ns = slack_ns ? (p->due_ns + slack_ns - 1) / slack_ns * slack_ns : p->due_ns;
	p->deadline_ns = p->due_ns + p->timeout_ns;
	if (at_ns <= clock_now_ns())
		probe_begin(p);
	else
		loop_timer_set(w->loop, &p->timer, at_ns);
}

int probe_dispatch(struct worker *w, const struct wire_dispatch *d)
{
	if (d->slot >= WORKER_SLOTS || w->slots[d->slot] || w->users[d->slot])
		return -1;
	struct instance *inst = instance_find(w, d->target);
	if (!inst) {
		refuse(w, d, "the worker does not have this target");
		return 0;
	}
	struct probed_probe *p = probe_make(w, inst, d->slot, d->seq);
	p->prompt = (d->flags & DISPATCH_PROMPT) != 0;
	p->of_plan = (d->flags & DISPATCH_PLAN) != 0;
	p->lean = (d->flags & DISPATCH_LEAN) != 0;
	p->plan = d->plan;
	p->tries = p->of_plan ? inst->retry : 0;
	p->passed = true; /* by the core */
	p->due_ns = d->due_ns;
	if (d->timeout_ns > 0)
		p->timeout_ns = d->timeout_ns;
	begin_when_due(p, (int64_t)(d->flags >> DISPATCH_SLACK_SHIFT) * NS_PER_US);
	return 0;
}

void probe_step(struct vuser *u, struct instance *inst, uint64_t seq, int64_t due_ns)
{
	struct probed_probe *p = probe_make(u->worker, inst, u->slot, seq);
	p->of_plan = true;
	p->lean = (u->flags & START_LEAN) != 0;
	p->plan = u->plan;
	p->tries = inst->retry;
	p->due_ns = due_ns;
	p->user = u;
	u->probe = p;
	begin_when_due(p, 0);
}

/* --- tries ------------------------------------------------------------------------------------------- */

static bool overloaded(const struct drv *d, const struct result *r)
{
	for (uint32_t i = 0; i < r->n_facts; i++)
		if (d->table->facts[r->facts[i].fact].role == PROBED_ROLE_OVERLOAD && r->facts[i].i)
			return true;
	return false;
}

bool probe_may_try_again(const struct probed_probe *p, const struct result *r)
{
	return p->tries && (r->outcome == PROBED_ERROR || overloaded(p->drv, r));
}

void probe_try_again(struct probed_probe *p, struct result *r)
{
	char name[24];
	struct worker *w = p->drv->worker;
	int n = snprintf(name, sizeof name, "try %u", p->tried + 1);
	r->sub = result_put_string(r, name, (size_t)n);
	probe_send(p, r, RESULT_SUB);
	struct probed_probe *q = probe_make(w, p->inst, p->slot, p->seq);
	q->due_ns = p->due_ns;
	q->timeout_ns = p->timeout_ns;
	q->prompt = p->prompt;
	q->of_plan = p->of_plan;
	q->lean = p->lean;
	q->plan = p->plan;
	q->tries = p->tries - 1;
	q->tried = p->tried + 1;
	q->user = p->user;
	if (q->user)
		q->user->probe = q;
	q->passed = !p->of_plan;
	q->deadline_ns = w->loop->now_ns + q->timeout_ns;
	loop_timer_set(w->loop, &q->timer, w->loop->now_ns);
}
