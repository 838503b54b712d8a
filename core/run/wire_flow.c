/* SPDX-License-Identifier: Apache-2.0 */
/* wire_flow.c - the messages about flows and virtual users; see wire.h */
#include "run/wire.h"

#include <stdlib.h>

#include "base/mem.h"

static void put_u32s(struct buf *b, const uint32_t *list, uint32_t n)
{
	buf_u32(b, n);
	for (uint32_t i = 0; i < n; i++)
		buf_u32(b, list[i]);
}

static const uint32_t *get_u32s(struct cursor *c, uint32_t *n)
{
	*n = cursor_count(c, sizeof(uint32_t));
	uint32_t *list = xcalloc(*n, sizeof *list);
	for (uint32_t i = 0; i < *n; i++)
		list[i] = cursor_u32(c);
	return list;
}

static void drop(const void *p)
{
	free((void *)(uintptr_t)p);
}

void wire_put_flow(struct buf *b, const struct wire_flow *m)
{
	buf_u32(b, m->id);
	buf_str(b, m->name);
	buf_i64(b, m->think_min_ns);
	buf_i64(b, m->think_max_ns);
	put_u32s(b, m->steps, m->n_steps);
}

int wire_get_flow(struct cursor *c, struct wire_flow *m)
{
	*m = (struct wire_flow){ 0 };
	m->id = cursor_u32(c);
	m->name = cursor_str(c);
	m->think_min_ns = cursor_i64(c);
	m->think_max_ns = cursor_i64(c);
	m->steps = get_u32s(c, &m->n_steps);
	if (!m->name || !m->n_steps)
		c->bad = true;
	if (c->bad)
		wire_flow_free(m);
	return c->bad ? -1 : 0;
}

void wire_flow_free(struct wire_flow *m)
{
	drop(m->steps);
	m->steps = NULL;
}

void wire_put_start(struct buf *b, const struct wire_start *m)
{
	buf_u32(b, m->slot);
	buf_u32(b, m->flow);
	buf_u64(b, m->seq);
	buf_u32(b, m->plan);
	buf_i64(b, m->due_ns);
	buf_u32(b, m->flags);
	buf_u64(b, m->user);
	wire_put_kvs(b, m->vars, m->n_vars);
}

int wire_get_start(struct cursor *c, struct wire_start *m)
{
	*m = (struct wire_start){ 0 };
	m->slot = cursor_u32(c);
	m->flow = cursor_u32(c);
	m->seq = cursor_u64(c);
	m->plan = cursor_u32(c);
	m->due_ns = cursor_i64(c);
	m->flags = cursor_u32(c);
	m->user = cursor_u64(c);
	m->vars = wire_get_kvs(c, &m->n_vars);
	if (m->slot >= WORKER_SLOTS)
		c->bad = true;
	if (c->bad)
		wire_start_free(m);
	return c->bad ? -1 : 0;
}

void wire_start_free(struct wire_start *m)
{
	drop(m->vars);
	m->vars = NULL;
}

void wire_put_flow_end(struct buf *b, const struct wire_flow_end *m)
{
	buf_u32(b, m->slot);
	buf_u64(b, m->seq);
	buf_u8(b, m->over);
	buf_u32(b, m->flow);
	buf_u8(b, m->outcome);
	buf_u32(b, m->steps);
	buf_i64(b, m->due_ns);
	buf_i64(b, m->start_ns);
	buf_i64(b, m->end_ns);
	wire_put_kvs(b, m->vars, m->n_vars);
}

int wire_get_flow_end(struct cursor *c, struct wire_flow_end *m)
{
	*m = (struct wire_flow_end){ 0 };
	m->slot = cursor_u32(c);
	m->seq = cursor_u64(c);
	m->over = cursor_u8(c);
	m->flow = cursor_u32(c);
	m->outcome = cursor_u8(c);
	m->steps = cursor_u32(c);
	m->due_ns = cursor_i64(c);
	m->start_ns = cursor_i64(c);
	m->end_ns = cursor_i64(c);
	m->vars = wire_get_kvs(c, &m->n_vars);
	if (m->slot >= WORKER_SLOTS || m->outcome >= PROBED_OUTCOMES)
		c->bad = true;
	if (c->bad)
		wire_flow_end_free(m);
	return c->bad ? -1 : 0;
}

void wire_flow_end_free(struct wire_flow_end *m)
{
	drop(m->vars);
	m->vars = NULL;
}

void wire_put_users(struct buf *b, const struct wire_users *m)
{
	buf_u32(b, m->lease);
	buf_u32(b, m->plan);
	buf_u64(b, m->seed);
	buf_u8(b, m->select);
	buf_u32(b, m->total);
	buf_u32(b, m->first);
	buf_i64(b, m->begin_ns);
	buf_i64(b, m->ramp_ns);
	buf_i64(b, m->stop_ns);
	buf_u64(b, m->runs);
	buf_i64(b, m->think.min_ns);
	buf_i64(b, m->think.max_ns);
	buf_i64(b, m->think.median_ns);
	buf_f64(b, m->think.sigma);
	buf_u64(b, m->seq);
	buf_u8(b, m->rows);
	buf_u32(b, m->flags);
	put_u32s(b, m->slots, m->n_users);
	buf_u32(b, m->n_choices);
	for (uint32_t i = 0; i < m->n_choices; i++) {
		buf_u32(b, m->choices[i].flow);
		buf_u64(b, m->choices[i].weight);
	}
	wire_put_kvs(b, m->vars, m->n_vars);
}

static const struct wire_choice *get_choices(struct cursor *c, uint32_t *n)
{
	*n = cursor_count(c, 12);
	struct wire_choice *list = xcalloc(*n, sizeof *list);
	for (uint32_t i = 0; i < *n; i++) {
		list[i].flow = cursor_u32(c);
		list[i].weight = cursor_u64(c);
	}
	return list;
}

int wire_get_users(struct cursor *c, struct wire_users *m)
{
	*m = (struct wire_users){ 0 };
	m->lease = cursor_u32(c);
	m->plan = cursor_u32(c);
	m->seed = cursor_u64(c);
	m->select = cursor_u8(c);
	m->total = cursor_u32(c);
	m->first = cursor_u32(c);
	m->begin_ns = cursor_i64(c);
	m->ramp_ns = cursor_i64(c);
	m->stop_ns = cursor_i64(c);
	m->runs = cursor_u64(c);
	m->think.min_ns = cursor_i64(c);
	m->think.max_ns = cursor_i64(c);
	m->think.median_ns = cursor_i64(c);
	m->think.sigma = cursor_f64(c);
	m->seq = cursor_u64(c);
	m->rows = cursor_u8(c);
	m->flags = cursor_u32(c);
	m->slots = get_u32s(c, &m->n_users);
	m->choices = get_choices(c, &m->n_choices);
	m->vars = wire_get_kvs(c, &m->n_vars);
	if (!m->n_users || !m->n_choices || !m->total || m->ramp_ns < 0 || m->think.min_ns < 0 || m->think.max_ns < m->think.min_ns || m->think.median_ns < 0)
		c->bad = true;
	for (uint32_t i = 0; i < m->n_users; i++)
		if (m->slots[i] >= WORKER_SLOTS)
			c->bad = true;
	if (c->bad)
		wire_users_free(m);
	return c->bad ? -1 : 0;
}

void wire_users_free(struct wire_users *m)
{
	drop(m->slots);
	drop(m->choices);
	drop(m->vars);
	m->slots = NULL;
	m->choices = NULL;
	m->vars = NULL;
}
