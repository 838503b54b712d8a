/* SPDX-License-Identifier: Apache-2.0 */
/* worker_flow.c - flows, and virtual users on their way through them. See worker_flow.h. */
#include "run/worker_flow.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* --- flows ------------------------------------------------------------------------------------------- */

static void flow_unref(struct flow *f)
{
	CHECK_MAGIC(f, FLOW_MAGIC);
	if (--f->refs)
		return;
	f->magic = 0;
	free(f->steps);
	free(f->name);
	free(f);
}

struct flow *flow_find(struct worker *w, uint32_t id)
{
	struct flow *f;
	HASH_FIND(hh, w->flows, &id, sizeof id, f);
	return f;
}

void flow_remove(struct worker *w, uint32_t id)
{
	struct flow *f = flow_find(w, id);
	if (!f)
		return;
	HASH_DEL(w->flows, f);
	flow_unref(f);
}

void flow_add(struct worker *w, const struct wire_flow *m)
{
	flow_remove(w, m->id);
	struct flow *f = xnew(struct flow);
	f->magic = FLOW_MAGIC;
	f->id = m->id;
	f->refs = 1;
	f->name = xstrdup(m->name);
	f->think_min_ns = m->think_min_ns;
	f->think_max_ns = m->think_max_ns;
	f->n_steps = m->n_steps;
	f->steps = xcalloc(m->n_steps, sizeof *f->steps);
	memcpy(f->steps, m->steps, m->n_steps * sizeof *f->steps);
	HASH_ADD(hh, w->flows, id, sizeof f->id, f);
}

/* --- sessions ---------------------------------------------------------------------------------------- */

static struct session *session_new(struct drv *d, const struct probed_probe *p)
{
	void *state = NULL;
	struct host_call before = host_enter((struct host_call){ d->number, p->slot, p->seq });
	int32_t rc = d->impl->session_new(d->state, &state);
	host_leave(before);
	if (rc)
		return NULL;
	struct session *s = xnew(struct session);
	*s = (struct session){ .drv = d, .state = state, .refs = 1 };
	return s;
}

void session_unref(struct session *s)
{
	struct drv *d = s->drv;
	if (--s->refs)
		return;
	if (d->impl->session_free) {
		struct host_call before = host_enter((struct host_call){ d->number, HOST_NO_SLOT, 0 });
		d->impl->session_free(d->state, s->state);
		host_leave(before);
	}
	free(s);
}

struct session *session_of(struct vuser *u, struct drv *d, bool *failed)
{
	*failed = false;
	for (uint32_t i = 0; i < u->n_sessions; i++)
		if (u->sessions[i]->drv == d)
			return u->sessions[i];
	if (!d->impl->session_new)
		return NULL;
	struct session *s = session_new(d, u->probe);
	*failed = !s;
	if (!s)
		return NULL;
	xgrow(u->sessions, u->n_sessions, u->cap_sessions);
	return u->sessions[u->n_sessions++] = s;
}

void session_leave(struct vuser *u, const struct session *s)
{
	for (uint32_t i = 0; i < u->n_sessions; i++)
		if (u->sessions[i] == s) {
			struct session *left = u->sessions[i];
			u->sessions[i] = u->sessions[--u->n_sessions];
			session_unref(left);
			return;
		}
}

/* --- users ------------------------------------------------------------------------------------------- */

static void on_timer(struct wheel_timer *t)
{
	struct vuser *u = (struct vuser *)((char *)t - offsetof(struct vuser, timer));
	CHECK_MAGIC(u, USER_MAGIC);
	if (u->state == USER_HUNGRY)
		lease_user_fed_up(u);
	user_wake(u);
}

void user_wake(struct vuser *u)
{
	struct worker *w = u->worker;
	loop_timer_stop(w->loop, &u->timer);
	u->state = USER_READY;
	TAILQ_INSERT_TAIL(&w->ready, u, entry);
	loop_later(w->loop, &w->reaping);
}

void user_wake_at(struct vuser *u, int64_t at_ns)
{
	if (at_ns <= u->worker->loop->now_ns || at_ns <= clock_now_ns()) {
		user_wake(u);
		return;
	}
	u->state = USER_TIMED;
	loop_timer_set(u->worker->loop, &u->timer, at_ns);
}

struct vuser *user_new(struct worker *w, uint32_t slot, uint32_t plan, uint64_t seed)
{
	struct vuser *u = TAILQ_FIRST(&w->spare_users);
	if (u) {
		TAILQ_REMOVE(&w->spare_users, u, entry);
	} else {
		u = xnew(struct vuser);
		u->vars = vars_new();
	}
	struct template_vars *vars = u->vars;
	struct session **sessions = u->sessions;
	uint32_t cap = u->cap_sessions;
	*u = (struct vuser){ .magic = USER_MAGIC, .worker = w, .slot = slot, .plan = plan, .random = seed, .vars = vars, .sessions = sessions, .cap_sessions = cap };
	u->timer.fn = on_timer;
	w->users[slot] = u;
	w->n_users++;
	return u;
}

static void user_free(struct vuser *u)
{
	struct worker *w = u->worker;
	while (u->n_sessions)
		session_unref(u->sessions[--u->n_sessions]);
	vars_clear(u->vars);
	loop_timer_stop(w->loop, &u->timer);
	w->users[u->slot] = NULL;
	w->n_users--;
	if (u->marked)
		slot_written_later(w, u->slot);
	loop_later(w->loop, &w->reaping); /* somebody may wait for the last one to go */
	u->magic = 0;
	TAILQ_INSERT_HEAD(&w->spare_users, u, entry);
}

/* splitmix64 */
uint64_t user_random(struct vuser *u)
{
	uint64_t z = u->random += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

int64_t user_think(struct vuser *u, int64_t min_ns, int64_t max_ns)
{
	min_ns = min_ns > 0 ? min_ns : 0;
	if (max_ns <= min_ns)
		return min_ns;
	return min_ns + (int64_t)(user_random(u) % (uint64_t)(max_ns - min_ns + 1));
}

void user_set_vars(struct vuser *u, const struct kv *vars, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (vars[i].key && vars[i].value && vars_set(u->vars, vars[i].key, vars[i].value, strlen(vars[i].value)))
			log_warn("a variable is left out: its name or value is too long, or there are too many", "variable", vars[i].key, NULL);
}

/* --- a run ------------------------------------------------------------------------------------------- */

/* All of the user's variables; freed by the caller. */
static struct kv *all_vars(const struct vuser *u, uint32_t *n)
{
	struct kv *list = xcalloc(vars_count(u->vars) + 1, sizeof *list);
	const char *value;
	size_t at = 0, len;
	*n = 0;
	for (const char *name; (name = vars_next(u->vars, &at, &value, &len));)
		list[(*n)++] = (struct kv){ .key = name, .value = value };
	return list;
}

static void say_end(struct vuser *u, bool over)
{
	struct worker *w = u->worker;
	CLEANUP_FREE struct kv *vars = NULL;
	struct wire_flow_end m = {
		.slot = u->slot, .flow = u->flow ? u->flow->id : 0, .seq = u->seq, .over = over, .outcome = u->outcome, .steps = u->ran,
		.due_ns = u->due_ns, .start_ns = u->start_ns, .end_ns = u->end_ns,
	};
	if (u->flags & START_VARS)
		m.vars = vars = all_vars(u, &m.n_vars);
	wire_put_flow_end(channel_begin(w->channel, WIRE_FLOW_END), &m);
	channel_end_within(w->channel, PLAN_HOLD_NS);
}

void user_end(struct vuser *u)
{
	say_end(u, true);
	if (u->flow)
		flow_unref(u->flow);
	u->flow = NULL;
	if (u->lease)
		lease_user_gone(u);
	user_free(u);
}

void user_begin(struct vuser *u, struct flow *flow, uint64_t seq, int64_t due_ns)
{
	u->flow = flow;
	flow->refs++;
	u->step = u->ran = 0;
	u->outcome = PROBED_OK;
	u->seq = seq;
	u->due_ns = u->step_due_ns = due_ns;
	u->start_ns = u->end_ns = due_ns;
}

static void run_end(struct vuser *u)
{
	if (u->stopping && u->step < u->flow->n_steps && u->outcome == PROBED_OK)
		u->outcome = PROBED_UNKNOWN;
	if (!u->ran)
		u->start_ns = u->end_ns = clock_now_ns();
	if (!u->lease) {
		user_end(u);
		return;
	}
	if (!(u->flags & START_LEAN))
		say_end(u, false);
	flow_unref(u->flow);
	u->flow = NULL;
	bool idle = !u->ran;
	u->step = u->ran = 0;
	u->outcome = PROBED_OK;
	lease_run_ended(u, idle);
}

/* One of its targets is not here. */
static void run_is_stuck(struct vuser *u, uint32_t target)
{
	log_warn("a flow can't go on: the worker does not have the target of a step", "flow", u->flow->name, "step", log_int(u->step + 1),
	         "target", log_int(target), NULL);
	if (u->outcome == PROBED_OK)
		u->outcome = PROBED_UNKNOWN;
	run_end(u);
}

static void step_begin(struct vuser *u)
{
	struct worker *w = u->worker;
	uint32_t id = u->flow->steps[u->step];
	struct instance *inst = instance_find(w, id);
	if (!inst) {
		run_is_stuck(u, id);
		return;
	}
	if (!u->marked)
		slot_mark_started(w, u->slot);
	u->marked = true;
	u->state = USER_IN_STEP;
	probe_step(u, inst, u->seq + u->ran, u->step_due_ns);
}

void user_step_ended(struct vuser *u, const struct instance *inst, const struct result *r)
{
	if (!u->ran++)
		u->start_ns = r->start_ns;
	u->probe = NULL;
	u->end_ns = r->end_ns;
	u->step++;
	if (r->outcome != PROBED_OK) {
		if (u->outcome == PROBED_OK)
			u->outcome = r->outcome;
		if (!inst->go_on)
			u->step = u->flow->n_steps;
	}
	bool own = inst->think_max_ns > 0;
	int64_t think = u->step >= u->flow->n_steps ? 0 :
		user_think(u, own ? inst->think_min_ns : u->flow->think_min_ns, own ? inst->think_max_ns : u->flow->think_max_ns);
	u->step_due_ns = u->end_ns + think;
	if (think && !u->stopping)
		user_wake_at(u, u->step_due_ns);
	else
		user_wake(u);
}

static void user_go(struct vuser *u)
{
	CHECK_MAGIC(u, USER_MAGIC);
	if (!u->flow && u->stopping)
		user_end(u);
	else if (!u->flow && !lease_next(u))
		return; /* waits, or has ended */
	else if (u->stopping || u->step >= u->flow->n_steps)
		run_end(u);
	else
		step_begin(u);
}

void users_run(struct worker *w)
{
	for (struct vuser *u; (u = TAILQ_FIRST(&w->ready)) && !channel_full(w->channel);) {
		if (!turn_has_room(w)) {
			loop_next_turn(w->loop, &w->more);
			return;
		}
		TAILQ_REMOVE(&w->ready, u, entry);
		user_go(u);
	}
}

int user_start(struct worker *w, const struct wire_start *m)
{
	if (w->slots[m->slot] || w->users[m->slot])
		return -1;
	struct vuser *u = user_new(w, m->slot, m->plan, w->vtable.random());
	struct flow *flow = flow_find(w, m->flow);
	u->flags = m->flags;
	u->number = m->user;
	if (!flow) {
		log_warn("a flow can't start: the worker does not have it", "flow", log_int(m->flow), NULL);
		u->outcome = PROBED_UNKNOWN;
		u->seq = m->seq;
		u->due_ns = m->due_ns;
		u->start_ns = u->end_ns = clock_now_ns();
		user_end(u);
		return 0;
	}
	user_set_vars(u, m->vars, m->n_vars);
	user_begin(u, flow, m->seq, m->due_ns);
	user_wake_at(u, m->due_ns);
	return 0;
}

/* --- the end ----------------------------------------------------------------------------------------- */

void user_stop(struct vuser *u, const char *why)
{
	if (u->stopping && u->state != USER_IN_STEP)
		return;
	u->stopping = true;
	if (u->state == USER_IN_STEP)
		probe_stop(u->probe, PROBED_UNKNOWN, PROBED_REASON_CANCELLED, why);
	else if (u->state == USER_HUNGRY)
		lease_user_fed_up(u);
	if (u->state == USER_TIMED || u->state == USER_HUNGRY)
		user_wake(u);
}

bool users_cancel(struct worker *w, uint32_t slot, uint64_t seq)
{
	struct vuser *u = slot < WORKER_SLOTS ? w->users[slot] : NULL;
	if (u && (seq == u->seq || (u->flow && seq - u->seq < u->flow->n_steps)))
		user_stop(u, "cancelled");
	return u != NULL;
}

void users_stop_all(struct worker *w)
{
	for (uint32_t i = 0; i < WORKER_SLOTS && w->n_users; i++)
		if (w->users[i])
			user_stop(w->users[i], "the daemon is ending");
	for (struct vuser *u; (u = TAILQ_FIRST(&w->ready));) {
		TAILQ_REMOVE(&w->ready, u, entry);
		user_go(u);
	}
}

void flows_init(struct worker *w)
{
	w->users = xcalloc(WORKER_SLOTS, sizeof(struct vuser *));
	TAILQ_INIT(&w->ready);
	TAILQ_INIT(&w->spare_users);
}

void flows_free(struct worker *w)
{
	struct flow *f, *next;
	HASH_ITER(hh, w->flows, f, next)
		flow_remove(w, f->id);
	for (struct vuser *u; (u = TAILQ_FIRST(&w->spare_users));) {
		TAILQ_REMOVE(&w->spare_users, u, entry);
		vars_free(u->vars);
		free(u->sessions);
		free(u);
	}
	free(w->users);
}
