/* SPDX-License-Identifier: Apache-2.0 */
/* wire.c - see wire.h */
#include "run/wire.h"

#include <stdlib.h>

#include "base/mem.h"
#include "config/model.h"

void wire_put_kvs(struct buf *b, const struct kv *kvs, uint32_t n)
{
	buf_u32(b, n);
	for (uint32_t i = 0; i < n; i++) {
		buf_str(b, kvs[i].key);
		buf_str(b, kvs[i].value);
	}
}

const struct kv *wire_get_kvs(struct cursor *c, uint32_t *n)
{
	*n = cursor_count(c, 10);
	struct kv *kvs = xcalloc(*n, sizeof *kvs);
	for (uint32_t i = 0; i < *n; i++) {
		kvs[i].key = cursor_str(c);
		kvs[i].value = cursor_str(c);
		if (!kvs[i].key || !kvs[i].value)
			c->bad = true;
	}
	return kvs;
}

void wire_put_hello(struct buf *b, const struct wire_hello *m)
{
	buf_u64(b, m->epoch);
	buf_str(b, m->who);
	buf_u8(b, m->log_level);
	buf_u8(b, m->log_json);
	buf_u8(b, m->check_only);
	buf_u32(b, m->threads);
	buf_u32(b, m->n_plugins);
	for (uint32_t i = 0; i < m->n_plugins; i++)
		buf_str(b, m->plugins[i]);
}

int wire_get_hello(struct cursor *c, struct wire_hello *m)
{
	*m = (struct wire_hello){ 0 };
	m->epoch = cursor_u64(c);
	m->who = cursor_str(c);
	m->log_level = cursor_u8(c);
	m->log_json = cursor_u8(c);
	m->check_only = cursor_u8(c);
	m->threads = cursor_u32(c);
	m->n_plugins = cursor_count(c, 5);
	m->plugins = xcalloc(m->n_plugins, sizeof *m->plugins);
	for (uint32_t i = 0; i < m->n_plugins; i++)
		if (!(m->plugins[i] = cursor_str(c)))
			c->bad = true;
	if (!m->who)
		c->bad = true;
	if (c->bad)
		wire_hello_free(m);
	return c->bad ? -1 : 0;
}

void wire_hello_free(struct wire_hello *m)
{
	free(m->plugins);
	m->plugins = NULL;
	m->n_plugins = 0;
}

struct wire_target wire_target_of(const struct target *t, uint32_t id)
{
	return (struct wire_target){ .id = id,
		                     .name = t->name,
		                     .driver = t->driver->name,
		                     .family = t->family,
		                     .timeout_ns = t->timeout_ns,
		                     .interval_ns = t->interval_ns,
		                     .n_options = t->n_options,
		                     .options = t->options,
		                     .n_expects = t->n_expects,
		                     .expects = t->expects,
		                     .retry = t->retry,
		                     .go_on = t->step && t->step->go_on,
		                     .think_min_ns = t->step ? t->step->think_min_ns : 0,
		                     .think_max_ns = t->step ? t->step->think_max_ns : 0,
		                     .n_captures = t->step ? t->step->n_captures : 0,
		                     .captures = t->step ? t->step->captures : NULL,
		                     .hook = t->step ? t->step->hook : NULL,
		                     .n_hooks = t->step ? t->step->n_hooks : 0,
		                     .hooks = t->step ? t->step->hooks : NULL };
}

void wire_put_target(struct buf *b, const struct wire_target *m)
{
	buf_u32(b, m->id);
	buf_str(b, m->name);
	buf_str(b, m->driver);
	buf_u32(b, m->family);
	buf_i64(b, m->timeout_ns);
	buf_i64(b, m->interval_ns);
	wire_put_kvs(b, m->options, m->n_options);
	wire_put_kvs(b, m->expects, m->n_expects);
	buf_u32(b, m->flags);
	buf_u32(b, m->retry);
	buf_u8(b, m->go_on);
	buf_i64(b, m->think_min_ns);
	buf_i64(b, m->think_max_ns);
	wire_put_kvs(b, m->captures, m->n_captures);
	buf_str(b, m->hook);
	wire_put_kvs(b, m->hooks, m->n_hooks);
}

int wire_get_target(struct cursor *c, struct wire_target *m)
{
	*m = (struct wire_target){ 0 };
	m->id = cursor_u32(c);
	m->name = cursor_str(c);
	m->driver = cursor_str(c);
	m->family = cursor_u32(c);
	m->timeout_ns = cursor_i64(c);
	m->interval_ns = cursor_i64(c);
	m->options = wire_get_kvs(c, &m->n_options);
	m->expects = wire_get_kvs(c, &m->n_expects);
	m->flags = cursor_u32(c);
	m->retry = cursor_u32(c);
	m->go_on = cursor_u8(c);
	m->think_min_ns = cursor_i64(c);
	m->think_max_ns = cursor_i64(c);
	m->captures = wire_get_kvs(c, &m->n_captures);
	m->hook = cursor_str(c);
	m->hooks = wire_get_kvs(c, &m->n_hooks);
	if (!m->name || !m->driver)
		c->bad = true;
	if (c->bad)
		wire_target_free(m);
	return c->bad ? -1 : 0;
}

void wire_target_free(struct wire_target *m)
{
	free((void *)(uintptr_t)m->options);
	free((void *)(uintptr_t)m->expects);
	free((void *)(uintptr_t)m->captures);
	free((void *)(uintptr_t)m->hooks);
	m->options = m->expects = m->captures = m->hooks = NULL;
}

void wire_put_dispatch(struct buf *b, const struct wire_dispatch *m)
{
	buf_u32(b, m->slot);
	buf_u32(b, m->target);
	buf_u64(b, m->seq);
	buf_i64(b, m->due_ns);
	buf_i64(b, m->timeout_ns);
	buf_u32(b, m->flags);
	buf_u32(b, m->plan);
}

struct wire_dispatch wire_get_dispatch(struct cursor *c)
{
	struct wire_dispatch m;
	m.slot = cursor_u32(c);
	m.target = cursor_u32(c);
	m.seq = cursor_u64(c);
	m.due_ns = cursor_i64(c);
	m.timeout_ns = cursor_i64(c);
	m.flags = cursor_u32(c);
	m.plan = cursor_u32(c);
	return m;
}

void wire_put_stats(struct buf *b, const struct wire_stats *m)
{
	buf_u32(b, m->fds);
	buf_u32(b, m->fds_max);
	buf_u32(b, m->targets);
	buf_u32(b, m->inflight);
	buf_u32(b, m->threads_busy);
	buf_u32(b, m->threads_stuck);
	buf_u64(b, m->loop_longest_ns);
	buf_u64(b, m->log_suppressed);
}

struct wire_stats wire_get_stats(struct cursor *c)
{
	struct wire_stats m;
	m.fds = cursor_u32(c);
	m.fds_max = cursor_u32(c);
	m.targets = cursor_u32(c);
	m.inflight = cursor_u32(c);
	m.threads_busy = cursor_u32(c);
	m.threads_stuck = cursor_u32(c);
	m.loop_longest_ns = cursor_u64(c);
	m.log_suppressed = cursor_u64(c);
	return m;
}

void wire_put_part(struct buf *b, const struct wire_part *m)
{
	buf_str(b, m->name);
	buf_str(b, m->driver);
	buf_u32(b, m->queue);
	buf_u8(b, m->wait);
	wire_put_kvs(b, m->options, m->n_options);
}

int wire_get_part(struct cursor *c, struct wire_part *m)
{
	*m = (struct wire_part){ 0 };
	m->name = cursor_str(c);
	m->driver = cursor_str(c);
	m->queue = cursor_u32(c);
	m->wait = cursor_u8(c) != 0;
	m->options = wire_get_kvs(c, &m->n_options);
	if (!m->name || !m->driver)
		c->bad = true;
	if (c->bad)
		wire_part_free(m);
	return c->bad ? -1 : 0;
}

void wire_part_free(struct wire_part *m)
{
	free((void *)(uintptr_t)m->options);
	m->options = NULL;
}

void wire_put_sink_status(struct buf *b, const struct wire_sink_status *m)
{
	buf_str(b, m->name);
	buf_u32(b, m->queued);
	buf_u32(b, m->queue_max);
	buf_u64(b, m->written);
	buf_u64(b, m->dropped);
	buf_u64(b, m->failed);
	buf_u8(b, m->holding);
	buf_str(b, m->error);
}

struct wire_sink_status wire_get_sink_status(struct cursor *c)
{
	struct wire_sink_status m;
	m.name = cursor_str(c);
	m.queued = cursor_u32(c);
	m.queue_max = cursor_u32(c);
	m.written = cursor_u64(c);
	m.dropped = cursor_u64(c);
	m.failed = cursor_u64(c);
	m.holding = cursor_u8(c) != 0;
	m.error = cursor_str(c);
	if (!m.name)
		c->bad = true;
	return m;
}
