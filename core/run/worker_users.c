/* SPDX-License-Identifier: Apache-2.0 */
/* worker_users.c - closed loops: the users of a lease, who run flow after flow by themselves, and the rows they are fed. */
#include "run/worker_flow.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "plan/select.h"

#define LEASE_MAGIC 0x6c656173u
#define ROWS_MAX 65536  /* in stock */
#define ROWS_BATCH 4096 /* asked for at a time, at most */
#define ASK_AGAIN_NS (10 * NS_PER_MS) /* where there were none just then */
#define EMPTY_RUN_REST_NS (100 * NS_PER_MS) /* after a run in which nothing could be done */

struct row {
	STAILQ_ENTRY(row) entry;
	uint32_t n;
	struct kv vars[]; /* the texts follow */
};

struct lease {
	unsigned magic;
	uint32_t id, plan;
	struct worker *worker;
	struct selector *selector;
	uint32_t *flows; /* by choice */
	struct row *vars; /* of each run */
	uint32_t total, n_users;
	int64_t stop_ns;
	struct pace_gap think;
	uint64_t runs, seq, used; /* used: numbers given to results */
	uint32_t flags;
	bool fed, asked, answered, rows_end, stopping;
	STAILQ_HEAD(, row) rows;
	uint32_t stock, batch;
	struct wheel_timer ask_again;
	struct users hungry;
	UT_hash_handle hh;
};

/* --- rows -------------------------------------------------------------------------------------------- */

/* A copy that stands by itself. */
static struct row *row_new(const struct kv *vars, uint32_t n)
{
	size_t bytes = 0;
	for (uint32_t i = 0; i < n; i++)
		bytes += (vars[i].key ? strlen(vars[i].key) : 0) + (vars[i].value ? strlen(vars[i].value) : 0) + 2;
	struct row *r = xmalloc(sizeof *r + n * sizeof r->vars[0] + bytes);
	char *at = (char *)&r->vars[n];
	r->n = n;
	for (uint32_t i = 0; i < n; i++) {
		r->vars[i] = (struct kv){ .key = at };
		at = stpcpy(at, vars[i].key ? vars[i].key : "") + 1;
		r->vars[i].value = at;
		at = stpcpy(at, vars[i].value ? vars[i].value : "") + 1;
	}
	return r;
}

/* One question at a time; its answer, whatever it brings, ends it. */
static void ask_rows(struct lease *l)
{
	if (!l->fed || l->asked || l->rows_end || l->stopping || l->stock > l->batch / 2 || wheel_running(&l->ask_again))
		return;
	struct worker *w = l->worker;
	struct buf *b = channel_begin(w->channel, WIRE_ROWS_ASK);
	buf_u32(b, l->id);
	buf_u32(b, l->batch - l->stock);
	channel_end(w->channel);
	l->asked = true;
}

static void on_ask_again(struct wheel_timer *t)
{
	struct lease *l = (struct lease *)((char *)t - offsetof(struct lease, ask_again));
	CHECK_MAGIC(l, LEASE_MAGIC);
	ask_rows(l);
}

static struct row *row_take(struct lease *l)
{
	struct row *r = STAILQ_FIRST(&l->rows);
	if (r) {
		STAILQ_REMOVE_HEAD(&l->rows, entry);
		l->stock--;
	}
	ask_rows(l);
	return r;
}

static void feed(struct lease *l)
{
	uint32_t n = l->stock;
	for (struct vuser *u; (u = TAILQ_FIRST(&l->hungry)) && (n || l->rows_end); n -= n > 0) {
		TAILQ_REMOVE(&l->hungry, u, entry);
		user_wake(u);
	}
}

void lease_user_fed_up(struct vuser *u)
{
	TAILQ_REMOVE(&u->lease->hungry, u, entry);
}

static struct lease *lease_find(struct worker *w, uint32_t id)
{
	struct lease *l;
	HASH_FIND(hh, w->leases, &id, sizeof id, l);
	return l;
}

int lease_on_rows(struct worker *w, struct cursor *c)
{
	struct lease *l = lease_find(w, cursor_u32(c));
	bool end = cursor_u8(c);
	uint32_t n = cursor_count(c, 4);
	for (uint32_t i = 0; i < n && !c->bad; i++) {
		uint32_t n_vars;
		CLEANUP_FREE const struct kv *vars = wire_get_kvs(c, &n_vars);
		if (c->bad || !l) /* of users that have ended meanwhile: read, and gone */
			continue;
		struct row *r = row_new(vars, n_vars);
		STAILQ_INSERT_TAIL(&l->rows, r, entry);
		l->stock++;
	}
	if (c->bad || (l && l->stock > ROWS_MAX))
		return -1;
	if (!l)
		return 0;
	l->asked = false;
	l->rows_end |= end;
	if (l->answered && !TAILQ_EMPTY(&l->hungry) && l->batch < ROWS_BATCH)
		l->batch *= 2; /* they are used up faster than they come */
	l->answered = true;
	if (!n && !end)
		loop_timer_set(w->loop, &l->ask_again, w->loop->now_ns + ASK_AGAIN_NS);
	feed(l);
	ask_rows(l);
	return 0;
}

/* --- leases ------------------------------------------------------------------------------------------ */

static struct selector *selector_of(const struct wire_users *m)
{
	double *weights = xcalloc(m->n_choices, sizeof *weights);
	for (uint32_t i = 0; i < m->n_choices; i++)
		weights[i] = (double)m->choices[i].weight;
	enum select_kind kind = m->select <= SELECT_SHUFFLE ? (enum select_kind)m->select : SELECT_ONE;
	struct selector *s = selector_new(kind, weights, m->n_choices, m->seed);
	free(weights);
	return s;
}

static struct lease *lease_new(struct worker *w, const struct wire_users *m)
{
	struct lease *l = xnew(struct lease);
	*l = (struct lease){
		.magic = LEASE_MAGIC, .id = m->lease, .plan = m->plan, .worker = w, .total = m->total, .stop_ns = m->stop_ns,
		.think = m->think, .runs = m->runs, .seq = m->seq, .flags = m->flags, .fed = m->rows,
		.batch = m->n_users < ROWS_BATCH ? m->n_users : ROWS_BATCH,
	};
	l->ask_again.fn = on_ask_again;
	l->selector = selector_of(m);
	l->flows = xcalloc(m->n_choices, sizeof *l->flows);
	for (uint32_t i = 0; i < m->n_choices; i++)
		l->flows[i] = m->choices[i].flow;
	l->vars = row_new(m->vars, m->n_vars);
	STAILQ_INIT(&l->rows);
	TAILQ_INIT(&l->hungry);
	HASH_ADD(hh, w->leases, id, sizeof l->id, l);
	return l;
}

static void lease_free(struct lease *l)
{
	HASH_DEL(l->worker->leases, l);
	loop_timer_stop(l->worker->loop, &l->ask_again);
	for (struct row *r; (r = STAILQ_FIRST(&l->rows));) {
		STAILQ_REMOVE_HEAD(&l->rows, entry);
		free(r);
	}
	selector_free(l->selector);
	free(l->flows);
	free(l->vars);
	l->magic = 0;
	free(l);
}

/* begin + ramp * k / total, without overflow */
static int64_t ramped(const struct wire_users *m, uint32_t k)
{
	int64_t total = m->total;
	return m->begin_ns + m->ramp_ns / total * k + m->ramp_ns % total * k / total;
}

int lease_add(struct worker *w, const struct wire_users *m)
{
	if (lease_find(w, m->lease))
		return -1;
	struct lease *l = lease_new(w, m);
	int64_t now = clock_now_ns();
	for (uint32_t i = 0; i < m->n_users; i++) {
		uint32_t slot = m->slots[i], k = m->first + i;
		if (w->slots[slot] || w->users[slot])
			return -1;
		struct vuser *u = user_new(w, slot, m->plan, m->seed ^ (k + 1) * UINT64_C(0x9e3779b97f4a7c15));
		u->lease = l;
		u->flags = l->flags;
		u->number = k;
		u->seq = l->seq; /* should it end before its first run */
		l->n_users++;
		u->step_due_ns = ramped(m, k);
		if (u->step_due_ns < now) /* lent again after a worker was lost: due from here on */
			u->step_due_ns = now;
		user_wake_at(u, u->step_due_ns < l->stop_ns ? u->step_due_ns : l->stop_ns);
	}
	ask_rows(l);
	return 0;
}

void lease_user_gone(struct vuser *u)
{
	struct lease *l = u->lease;
	CHECK_MAGIC(l, LEASE_MAGIC);
	if (!--l->n_users)
		lease_free(l);
}

/* --- run after run ----------------------------------------------------------------------------------- */

/* The row of the next run, where it needs one. False: it waits for one, or there are no more. */
static bool take_row(struct vuser *u, struct row **row)
{
	struct lease *l = u->lease;
	*row = NULL;
	if (!l->fed || (*row = row_take(l)))
		return true;
	if (l->rows_end) {
		user_end(u);
		return false;
	}
	u->state = USER_HUNGRY;
	TAILQ_INSERT_TAIL(&l->hungry, u, entry);
	if (l->stop_ns != INT64_MAX)
		loop_timer_set(u->worker->loop, &u->timer, l->stop_ns);
	u->step_due_ns = INT64_MAX; /* due as soon as it has one */
	return false;
}

bool lease_next(struct vuser *u)
{
	struct lease *l = u->lease;
	CHECK_MAGIC(l, LEASE_MAGIC);
	int64_t now = clock_now_ns();
	struct row *row;
	uint32_t choice = UINT32_MAX;
	if (!l->stopping && now < l->stop_ns && !(l->runs && u->runs >= l->runs))
		choice = selector_pick(l->selector, u->number + u->runs * l->total);
	struct flow *flow = choice == UINT32_MAX ? NULL : flow_find(u->worker, l->flows[choice]);
	if (!flow) {
		if (choice != UINT32_MAX)
			log_warn("a virtual user ends: the worker does not have its next flow", "flow", log_int(l->flows[choice]), NULL);
		user_end(u);
		return false;
	}
	if (!take_row(u, &row))
		return false;
	vars_clear(u->vars);
	user_set_vars(u, l->vars->vars, l->vars->n);
	if (row)
		user_set_vars(u, row->vars, row->n);
	free(row);
	u->iteration = u->runs++;
	user_begin(u, flow, l->seq + l->used, u->step_due_ns < now ? u->step_due_ns : now);
	l->used += flow->n_steps;
	return true;
}

void lease_run_ended(struct vuser *u, bool idle)
{
	struct lease *l = u->lease;
	int64_t next = u->end_ns + pace_gap_draw(&l->think, user_random(u), 0);
	if (idle && next < u->end_ns + EMPTY_RUN_REST_NS)
		next = u->end_ns + EMPTY_RUN_REST_NS;
	if (next < u->rest_until_ns)
		next = u->rest_until_ns;
	u->step_due_ns = next;
	if (u->stopping || l->stopping)
		user_wake(u);
	else
		user_wake_at(u, next < l->stop_ns ? next : l->stop_ns);
}

static void lease_stop(struct lease *l, bool now)
{
	struct worker *w = l->worker;
	l->stopping = true;
	uint32_t left = l->n_users; /* none goes in here: they end from the queue */
	for (uint32_t i = 0; i < WORKER_SLOTS && left; i++) {
		struct vuser *u = w->users[i];
		if (!u || u->lease != l)
			continue;
		left--;
		if (now || !u->flow)
			user_stop(u, "stopped");
	}
}

int lease_on_stop(struct worker *w, struct cursor *c)
{
	struct lease *l = lease_find(w, cursor_u32(c));
	bool now = cursor_u8(c);
	if (l && !c->bad)
		lease_stop(l, now);
	return 0;
}

void leases_drain(struct worker *w)
{
	struct lease *l, *next;
	HASH_ITER(hh, w->leases, l, next)
		lease_stop(l, false);
}
