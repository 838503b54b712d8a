/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_users.c - virtual users are lent to workers whole, and run flow after flow there: a hop for each of their steps
 * would cost more than the step. Here: who is lent where, rows of data and tokens that they ask for, and users whose
 * worker died, who begin again in the next.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/crew.h"
#include "run/plan_rows.h"
#include "run/plan_run.h"

#define AGAIN_NS (100 * NS_PER_MS)
#define ROWS_MAX 256  /* in one answer */
#define TOKENS_MAX 64

/* --- leases ----------------------------------------------------------------------------------- */

static struct wire_choice *choices_of(const struct plan_run *run)
{
	struct wire_choice *list = xcalloc(run->plan->n_choices, sizeof *list);
	for (uint32_t i = 0; i < run->plan->n_choices; i++)
		list[i] = (struct wire_choice){ .flow = run->choices[i].flow, .weight = (uint64_t)(run->plan->choices[i].weight * 1e6) };
	return list;
}

/* n users from number `first` on to the seat. False: it has no worker, or no room. */
static bool lend(struct plan_run *run, struct seat *seat, uint32_t first, uint32_t n)
{
	struct core *core = run->core;
	const struct pace_users *u = pace_users(run->pace);
	int64_t length_ns = pace_length_ns(run->pace);
	uint32_t id = core->leases + 1;
	struct row_vars vars;
	CLEANUP_FREE struct flight **flights = xcalloc(n, sizeof *flights);
	CLEANUP_FREE struct wire_choice *choices = choices_of(run);
	for (uint32_t i = 0; i < n; i++) {
		flights[i] = plan_flight(run, 0, FLIGHT_USER, run->base_ns);
		flights[i]->seq = (uint64_t)id << USERS_SEQ_BITS;
		flights[i]->user = first + i;
		flights[i]->timeout_ns = run->choices[0].longest_ns;
	}
	row_vars_fill(&vars, run, false, true);
	struct wire_users m = { .lease = id,
		                .plan = run->id,
		                .seed = run->plan->seed,
		                .select = run->plan->select,
		                .total = u->n,
		                .first = first,
		                .begin_ns = run->base_ns,
		                .ramp_ns = u->ramp_ns,
		                .stop_ns = length_ns == INT64_MAX || run->base_ns + length_ns > run->until_ns ? run->until_ns : run->base_ns + length_ns,
		                .think = u->think,
		                .seq = (uint64_t)id << USERS_SEQ_BITS,
		                .rows = run->data != NULL,
		                /* a reload may bring a sink, and users stay as they were lent */
		                .flags = plan_is_lean(run) && run->core->mode == CORE_PLANS ? START_LEAN : 0,
		                .n_choices = run->plan->n_choices,
		                .choices = choices,
		                .n_vars = vars.n,
		                .vars = vars.list };
	bool lent = crew_start_users(seat, &m, flights, n);
	row_vars_free(&vars);
	for (uint32_t i = 0; i < n && !lent; i++)
		plan_flight_free(flights[i]);
	if (!lent)
		return false;
	struct run_lease *lease = xnew(struct run_lease);
	*lease = (struct run_lease){ .id = id, .seat = seat };
	DL_APPEND(run->leases, lease);
	core->leases++;
	run->inflight += n;
	return true;
}

static void lose(struct plan_run *run, uint32_t user)
{
	xgrow(run->lost_users, run->n_lost_users, run->cap_lost_users);
	run->lost_users[run->n_lost_users++] = user;
	if (!wheel_running(&run->again))
		loop_timer_set(run->core->loop, &run->again, run->core->loop->now_ns + AGAIN_NS);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* Those whose worker died, or that had none yet: neighbours together. */
static void on_again(struct wheel_timer *t)
{
	struct plan_run *run = (struct plan_run *)((char *)t - offsetof(struct plan_run, again));
	CHECK_MAGIC(run, PLAN_RUN_MAGIC);
	uint32_t n = run->n_lost_users, *users = run->lost_users;
	if (run->state != PLAN_PACES || !n)
		return;
	run->lost_users = NULL;
	run->n_lost_users = run->cap_lost_users = 0;
	qsort(users, n, sizeof *users, by_number);
	for (uint32_t i = 0, many; i < n; i += many) {
		for (many = 1; i + many < n && users[i + many] == users[i] + many;)
			many++;
		if (!lend(run, crew_seat_of(run->choices[0].steps[0], users[i]), users[i], many))
			for (uint32_t k = 0; k < many; k++)
				lose(run, users[i] + k);
	}
	free(users);
}

void plan_users_begin(struct plan_run *run)
{
	const struct pace_users *u = pace_users(run->pace);
	const struct subject *s = run->choices[0].steps[0];
	uint32_t seats = crew_seats(s), first = 0;
	run->again.fn = on_again;
	for (uint32_t i = 0; i < seats; i++) {
		uint32_t n = (uint32_t)((uint64_t)u->n * (i + 1) / seats) - first;
		for (uint32_t k = 0; n && k < n; k++)
			if (!k && lend(run, crew_seat_of(s, i), first, n))
				break;
			else
				lose(run, first + k);
		first += n;
	}
	int64_t end_ns = pace_length_ns(run->pace);
	if (end_ns != INT64_MAX && run->base_ns + end_ns < run->until_ns)
		loop_timer_set(run->core->loop, &run->edge, run->base_ns + end_ns);
}

void plan_users_stop(struct plan_run *run, bool now)
{
	struct run_lease *lease, *next;
	loop_timer_stop(run->core->loop, &run->again);
	run->n_lost_users = 0;
	DL_FOREACH_SAFE(run->leases, lease, next)
	{
		struct buf *b = crew_frame(lease->seat, WIRE_USERS_STOP);
		if (!b)
			continue;
		buf_u32(b, lease->id);
		buf_u8(b, now);
		crew_frame_end(lease->seat);
	}
}

void plan_users_free(struct plan_run *run)
{
	struct run_lease *lease, *next;
	loop_timer_stop(run->core->loop, &run->again);
	DL_FOREACH_SAFE(run->leases, lease, next)
		free(lease);
	run->leases = NULL;
}

void plan_user_lost(struct plan_run *run, uint64_t user)
{
	if (run->state == PLAN_PACES && !run->stopping)
		lose(run, (uint32_t)user);
}

/* --- what they ask for ------------------------------------------------------------------------ */

static struct plan_run *run_of_lease(const struct core *core, uint32_t id)
{
	struct plan_run *run;
	struct run_lease *lease;
	DL_FOREACH(core->runs, run)
		DL_FOREACH(run->leases, lease)
			if (lease->id == id)
				return run;
	return NULL;
}

int plan_rows_asked(struct seat *seat, struct cursor *c, struct core *core)
{
	uint32_t id = cursor_u32(c), n = cursor_u32(c);
	struct plan_run *run = run_of_lease(core, id);
	CLEANUP_BUF struct buf rows = { 0 };
	uint32_t given = 0;
	struct row_vars v;
	if (c->bad)
		return -1;
	for (; run && seat && given < n && given < ROWS_MAX && run->row_ready; given++) {
		row_vars_fill(&v, run, true, false);
		wire_put_kvs(&rows, v.list, v.n);
		row_vars_free(&v);
		row_advance(run);
	}
	struct buf *b = seat ? crew_frame(seat, WIRE_ROWS) : NULL;
	if (!b)
		return 0;
	buf_u32(b, id);
	buf_u8(b, !run || run->data_ended);
	buf_u32(b, given);
	buf_put(b, rows.data, rows.len);
	crew_frame_end(seat);
	return 0;
}

int plan_gate_asked(struct seat *seat, struct cursor *c, struct core *core)
{
	uint32_t plan = cursor_u32(c), target = cursor_u32(c);
	const char *key = cursor_str(c);
	uint32_t n = cursor_u32(c), given = 0, why = GATE_WHY_NONE;
	int64_t at_ns[TOKENS_MAX] = { core->loop->now_ns };
	const struct subject *s = target < core->n_ids ? core->subjects[target] : NULL;
	const struct plan_run *run, *mine = NULL;
	if (c->bad)
		return -1;
	DL_FOREACH(core->runs, run)
		if (run->id == plan)
			mine = run;
	if (gates_paused(core->gates)) {
		why = GATE_WHY_RESOURCES;
		at_ns[0] += NS_PER_S;
	} else if (s && mine) {
		given = gates_lease(core->gates, s->target, key, mine->plan, n < TOKENS_MAX ? n : TOKENS_MAX, core->loop->now_ns,
		                    at_ns, &why);
	}
	struct buf *b = seat ? crew_frame(seat, WIRE_GATE_GRANT) : NULL;
	if (!b)
		return 0;
	buf_u32(b, plan);
	buf_u32(b, target);
	buf_str(b, key);
	buf_u32(b, given);
	for (uint32_t i = 0; i < given; i++)
		buf_i64(b, at_ns[i]);
	if (!given) {
		buf_u32(b, why);
		buf_i64(b, at_ns[0]);
	}
	crew_frame_end(seat);
	return 0;
}
