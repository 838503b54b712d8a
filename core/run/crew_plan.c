/* SPDX-License-Identifier: Apache-2.0 */
/* crew_plan.c - what plans need of the crew: targets in all workers of a pool, flows, virtual users. */
#include <stdlib.h>

#include "base/mem.h"
#include "run/crew_parts.h"

void crew_spread(struct crew *crew, struct subject *s)
{
	(void)crew;
	if (s->spread)
		return;
	const struct pool *p = s->home->pool;
	s->spread = true;
	for (unsigned i = 0; i < p->n_seats; i++)
		if (p->seats[i]->worker && p->seats[i] != s->home)
			worker_send_target(p->seats[i]->worker, s);
}

uint32_t crew_seats(const struct subject *s)
{
	const struct pool *p = s->home->pool;
	uint32_t n = 0;
	for (unsigned i = 0; i < p->n_seats; i++)
		n += !p->seats[i]->closed;
	return n;
}

struct seat *crew_seat_of(const struct subject *s, uint64_t i)
{
	const struct pool *p = s->home->pool;
	uint32_t n = crew_seats(s);
	uint64_t wanted = n ? i % n : 0;
	for (unsigned k = 0; k < p->n_seats; k++)
		if (!p->seats[k]->closed && !wanted--)
			return p->seats[k];
	return s->home;
}

bool crew_same_pool(const struct subject *s, const struct seat *seat)
{
	return s->home && s->home->pool == seat->pool;
}

struct buf *crew_frame(struct seat *seat, uint16_t type)
{
	return seat->worker ? worker_begin(seat->worker, type) : NULL;
}

void crew_frame_end(struct seat *seat)
{
	worker_end(seat->worker);
}

void crew_flow_add(struct crew *crew, const struct subject *s, const struct wire_flow *m)
{
	(void)crew;
	const struct pool *p = s->home->pool;
	for (unsigned i = 0; i < p->n_seats; i++) {
		struct buf *b = crew_frame(p->seats[i], WIRE_FLOW_ADD);
		if (!b)
			continue;
		wire_put_flow(b, m);
		crew_frame_end(p->seats[i]);
	}
}

void crew_flow_remove(struct crew *crew, const struct subject *s, uint32_t id)
{
	(void)crew;
	const struct pool *p = s->home->pool;
	for (unsigned i = 0; i < p->n_seats; i++) {
		struct buf *b = crew_frame(p->seats[i], WIRE_FLOW_REMOVE);
		if (!b)
			continue;
		buf_u32(b, id);
		crew_frame_end(p->seats[i]);
	}
}

bool crew_start_users(struct seat *seat, struct wire_users *m, struct flight *const *flights, uint32_t n)
{
	struct worker *w = seat->worker;
	if (!w)
		return false;
	uint32_t *slots = xcalloc(n, sizeof *slots), taken = 0;
	while (taken < n && worker_take_slot(w, flights[taken], UINT64_C(1) << USERS_SEQ_BITS)) {
		slots[taken] = flights[taken]->slot;
		taken++;
	}
	for (uint32_t i = 0; i < taken && taken < n; i++) {
		w->slots[slots[i]].answered = true; /* nothing was sent, so nothing is owed */
		crew_release(seat->pool->crew, flights[i]);
		flights[i]->worker = NULL;
	}
	m->slots = slots;
	m->n_users = n;
	if (taken == n) {
		wire_put_users(worker_begin(w, WIRE_USERS), m);
		worker_end(w);
	}
	m->slots = NULL;
	free(slots);
	return taken == n;
}
