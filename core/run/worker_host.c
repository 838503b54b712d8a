/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_host.c - the part of the host's vtable that is about a probe. Called by plugins: it trusts no pointer, and
 * calls no slot of a plugin. The functions marked [run] lock the probe of a blocking driver.
 */
#include "run/worker_state.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

static struct worker *self;

/* --- who calls, and for what -------------------------------------------------------------------------- */

static struct drv *caller(void)
{
	uint32_t number = host_now().driver;
	return number && number <= self->n_drivers ? &self->drivers[number - 1] : NULL;
}

static bool known(const struct probed_probe *p)
{
	if (probe_known(self, p) && p->drv)
		return true;
	worker_misbehaved(caller(), "used a probe that never was");
	return false;
}

/* True, with the probe locked, while it is its driver's. A late thread is not told off: it can't know. */
static bool hold(struct probed_probe *p)
{
	if (!known(p))
		return false;
	probe_lock(p);
	uint8_t state = p->state;
	if (state == PROBE_RUNNING || state == PROBE_CANCELLING)
		return true;
	probe_unlock(p);
	if (state != PROBE_ABANDONED)
		worker_misbehaved(p->drv, p->cancelled ? "used a probe after its cancel" : "used a probe after completing it");
	return false;
}

static void let_go(struct probed_probe *p)
{
	probe_unlock(p);
}

/* --- facts --------------------------------------------------------------------------------------------- */

#define OF(type) (1u << PROBED_TYPE_##type)
#define NAME_MAX_BYTES 200

static struct result_fact *bad_fact(struct probed_probe *p, uint32_t fact, const char *why)
{
	struct drv *d = p->drv;
	log_warn("a fact is ignored", "driver", d->table->name, "fact", fact < d->table->n_facts ? d->table->facts[fact].name : log_int(fact),
	         "why", why, NULL);
	if (!d->told_facts) {
		d->told_facts = true;
		worker_misbehaved(d, "gave a fact that it does not declare so");
	}
	return NULL;
}

static bool wanted(const struct probed_probe *p, uint32_t fact, const char *name)
{
	const struct instance *inst = p->inst;
	uint32_t role = p->drv->table->facts[fact].role;
	if (!p->lean || p->inst->after.drv || (role < 32 && LEAN_ROLES >> role & 1))
		return true;
	for (uint32_t i = 0; i < inst->n_wanted; i++)
		if (inst->wanted[i].fact == fact && (!name || !inst->wanted[i].late || !strcasecmp(name, inst->wanted[i].late)))
			return true;
	return false;
}

/* The place for a fact whose declared type is among `types`, NULL where it may not be given so. */
static struct result_fact *fact_place(struct probed_probe *p, uint32_t fact, const char *name, uint32_t types)
{
	struct result *r = &p->work->result;
	const struct driver_table *t = p->drv->table;
	if (fact >= t->n_facts)
		return bad_fact(p, fact, "there is no fact of this number");
	if (!wanted(p, fact, name))
		return NULL;
	const struct fact_decl *decl = &t->facts[fact];
	if (decl->type >= 32 || !(types >> decl->type & 1))
		return bad_fact(p, fact, "it is declared with another type");
	if (!name != !(decl->flags & PROBED_FACT_FAMILY))
		return bad_fact(p, fact, name ? "it is no family" : "it is a family: a name is needed");
	if (r->arena.len > RESULT_BYTES_MAX) {
		r->dropped++;
		return NULL;
	}
	char cut[NAME_MAX_BYTES + 1];
	if (name && strnlen(name, sizeof cut) == sizeof cut) {
		memcpy(cut, name, NAME_MAX_BYTES);
		cut[NAME_MAX_BYTES] = '\0';
		name = cut;
	}
	struct result_fact *f = result_fact_add(r, fact, name, (decl->flags & PROBED_FACT_LIST) || decl->type == PROBED_TYPE_TABLE);
	if (f)
		f->type = (uint8_t)decl->type;
	return f;
}

static int32_t fact_wanted(struct probed_probe *p, uint32_t fact, const char *name)
{
	if (!hold(p))
		return 0;
	int32_t rc = fact < p->drv->table->n_facts && wanted(p, fact, name);
	let_go(p);
	return rc;
}

static void fact_integer(struct probed_probe *p, uint32_t fact, const char *name, int64_t value)
{
	if (!hold(p))
		return;
	struct result_fact *f = fact_place(p, fact, name, OF(INTEGER) | OF(BOOLEAN) | OF(DURATION) | OF(SIZE) | OF(TIME));
	if (f)
		f->i = f->type == PROBED_TYPE_BOOLEAN ? value != 0 : value;
	let_go(p);
}

static void fact_float(struct probed_probe *p, uint32_t fact, const char *name, double value)
{
	if (!hold(p))
		return;
	struct result_fact *f = fact_place(p, fact, name, OF(FLOAT));
	if (f)
		f->f = value;
	let_go(p);
}

static void fact_string(struct probed_probe *p, uint32_t fact, const char *name, const char *s, uint64_t len)
{
	if (!hold(p))
		return;
	struct result_fact *f = fact_place(p, fact, name, OF(STRING));
	if (f) {
		f->len = s ? (uint32_t)(len < STRING_MAX ? len : STRING_MAX) : 0;
		f->s = result_put_string(&p->work->result, s ? s : "", f->len);
	}
	let_go(p);
}

static void put_seconds(struct buf *b, int64_t ns)
{
	buf_printf(b, "%.9g", (double)ns / 1e9);
}

static void put_cell(struct buf *b, uint32_t type, const struct probed_cell *c)
{
	if (!c || c->type != type || (type == PROBED_TYPE_FLOAT && !isfinite(c->f)))
		buf_puts(b, "null");
	else if (type == PROBED_TYPE_STRING)
		str_put_json(b, c->s ? c->s : "", c->s ? (size_t)(c->len < STRING_MAX ? c->len : STRING_MAX) : 0);
	else if (type == PROBED_TYPE_FLOAT)
		buf_printf(b, "%.9g", c->f);
	else if (type == PROBED_TYPE_BOOLEAN)
		buf_puts(b, c->i ? "true" : "false");
	else if (type == PROBED_TYPE_DURATION || type == PROBED_TYPE_TIME)
		put_seconds(b, c->i);
	else
		buf_printf(b, "%" PRId64, c->i);
}

static uint32_t column_type(const char *name, size_t len)
{
	for (uint32_t type = PROBED_TYPE_STRING; type <= PROBED_TYPE_TIME; type++)
		if (strlen(type_name(type)) == len && !strncmp(type_name(type), name, len))
			return type;
	return PROBED_TYPE_NONE;
}

/* "ttl:integer|ip:string" and the cells as a JSON object; times in seconds. */
static void put_row(struct buf *b, const char *columns, uint32_t n, const struct probed_cell *cells, uint32_t stride)
{
	buf_putc(b, '{');
	for (uint32_t i = 0; *columns; i++) {
		size_t len = strcspn(columns, "|"), name = strcspn(columns, ":|");
		uint32_t type = name < len ? column_type(columns + name + 1, len - name - 1) : PROBED_TYPE_STRING;
		if (i)
			buf_putc(b, ',');
		str_put_json(b, columns, name);
		buf_putc(b, ':');
		put_cell(b, type, i < n ? PROBED_AT(struct probed_cell, cells, stride, i) : NULL);
		columns += len + (columns[len] == '|');
	}
	buf_putc(b, '}');
}

/* What a cell had in ABI minor 1. */
#define CELL_FLOOR (offsetof(struct probed_cell, len) + sizeof(uint64_t))

static void fact_row(struct probed_probe *p, uint32_t fact, uint32_t n, const struct probed_cell *cells, uint32_t stride)
{
	if (!hold(p))
		return;
	struct result_fact *f = fact_place(p, fact, NULL, OF(TABLE));
	struct buf *arena = &p->work->result.arena;
	const char *columns = f ? p->drv->table->facts[fact].columns : NULL;
	if (f && stride < CELL_FLOOR) {
		bad_fact(p, fact, "cells shorter than probed_cell");
		p->work->result.n_facts--;
	} else if (f) {
		f->s = (uint32_t)arena->len;
		put_row(arena, columns ? columns : "", n, cells, stride);
		f->len = (uint32_t)arena->len - f->s;
		buf_putc(arena, '\0');
	}
	let_go(p);
}

/* --- phases, options, bodies --------------------------------------------------------------------------- */

static void phase(struct probed_probe *p, uint32_t number)
{
	int64_t now = clock_now_ns();
	if (!hold(p))
		return;
	probe_phase_close(p, now);
	p->phase = number < PROBED_PHASES ? (int8_t)number : -1;
	p->phase_since_ns = now;
	let_go(p);
}

static void phase_add(struct probed_probe *p, uint32_t number, int64_t ns)
{
	if (!hold(p))
		return;
	if (number < PROBED_PHASES && ns >= 0) {
		int64_t *sum = &p->work->result.phase_ns[number];
		*sum = (*sum < 0 ? 0 : *sum) + ns;
	}
	let_go(p);
}

static const struct probed_value *option(struct probed_probe *p, uint32_t i)
{
	const struct probed_value *v = NULL;
	if (!hold(p))
		return NULL;
	if (i < p->inst->options.n)
		v = work_option(p, i);
	else
		worker_misbehaved(p->drv, "asked for an option that it does not declare");
	let_go(p);
	return v;
}

static int64_t deadline(const struct probed_probe *p)
{
	return known(p) ? p->deadline_ns : 0;
}

static int64_t want(const struct instance *inst)
{
	if (inst->want_hash)
		return PROBED_BODY_HASH;
	return inst->want_bytes ? inst->want_bytes : PROBED_BODY_NONE;
}

static int64_t body_want(struct probed_probe *p)
{
	return known(p) && p->inst ? want(p->inst) : PROBED_BODY_NONE;
}

static void hash_body(struct work *k, const void *data, uint64_t len)
{
	if (!k->hash)
		k->hash = EVP_MD_CTX_new();
	if (!k->hash)
		panic("out of memory");
	if (!k->body_bytes)
		EVP_DigestInit_ex(k->hash, self->sha256, NULL);
	EVP_DigestUpdate(k->hash, data, len);
}

static int32_t body_write(struct probed_probe *p, const void *data, uint64_t len)
{
	if (!hold(p))
		return 1;
	struct work *k = p->work;
	const struct instance *inst = p->inst;
	if (len && inst->want_hash)
		hash_body(k, data, len);
	k->body_bytes += len;
	uint64_t room = (uint64_t)inst->want_bytes - k->body.len;
	buf_put(&k->body, data, len < room ? len : room);
	int32_t enough = !inst->want_hash && k->body.len >= (uint64_t)inst->want_bytes;
	let_go(p);
	return enough;
}

/* --- ends ---------------------------------------------------------------------------------------------- */

static void emit(struct probed_probe *p, const char *name, uint32_t outcome, uint32_t reason, const char *message)
{
	int64_t now = clock_now_ns();
	if (!hold(p))
		return;
	struct work *k = p->work;
	struct result *r = &k->result;
	int64_t start_ns = r->start_ns, wall_ns = r->wall_ns;
	probe_phase_close(p, now);
	r->sub = result_put_string(r, name ? name : "", name ? strnlen(name, NAME_MAX_BYTES) : 0);
	r->outcome = outcome < PROBED_OUTCOMES ? (uint8_t)outcome : PROBED_ERROR;
	r->reason = reason < PROBED_REASONS ? (uint8_t)reason : PROBED_REASON_OTHER;
	r->message = result_put_string(r, message, message ? strnlen(message, 1024) : 0);
	r->end_ns = now;
	if (p->drv->blocking) { /* the loop judges and sends */
		xgrow(k->subs, k->n_subs, k->cap_subs);
		k->subs[k->n_subs++] = *r;
		*r = (struct result){ 0 };
	} else {
		probe_send_sub(p, r);
	}
	work_begin_result(p, r, start_ns, wall_ns);
	let_go(p);
}

static void complete(struct probed_probe *p, uint32_t outcome, uint32_t reason, const char *message)
{
	if (!known(p))
		return;
	if (p->drv->blocking) {
		worker_misbehaved(p->drv, "completed a probe, although a blocking driver's run() returns");
		return;
	}
	if (p->state == PROBE_RUNNING)
		probe_end(p, outcome, reason, message, clock_now_ns());
	else if (p->state == PROBE_CANCELLING || p->cancelled)
		worker_misbehaved(p->drv, "completed a probe after its cancel");
	else
		worker_misbehaved(p->drv, "completed a probe twice");
}

static void attribute(struct probed_probe *p)
{
	if (known(p) && !p->drv->blocking && p->state == PROBE_RUNNING)
		host_attribute((struct host_call){ p->drv->number, p->slot, p->seq });
}

static int64_t gate(struct probed_probe *p, const char *key)
{
	int64_t wait = 0;
	if (!hold(p))
		return 0;
	if (!p->drv->blocking) /* a thread can't wait for the loop's answer */
		wait = gate_hop(p, key);
	let_go(p);
	return wait;
}

void worker_host_fill(struct worker *w)
{
	struct probed_host *t = &w->vtable;
	self = w;
	host_fill(t);
	t->option = option;
	t->deadline = deadline;
	t->phase = phase;
	t->phase_add = phase_add;
	t->fact_integer = fact_integer;
	t->fact_float = fact_float;
	t->fact_string = fact_string;
	t->fact_row = fact_row;
	t->body_want = body_want;
	t->body_write = body_write;
	t->emit = emit;
	t->complete = complete;
	t->attribute = attribute;
	t->gate = gate;
	t->fact_wanted = fact_wanted;
}

void worker_host_end(void)
{
	self = NULL;
}
