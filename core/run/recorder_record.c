/* SPDX-License-Identifier: Apache-2.0 */
/* recorder_record.c - see recorder_record.h */
#include "run/recorder_record.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/wire.h"

struct record_block *record_block_new(uint16_t type, const void *data, size_t len, const struct driver_table *driver)
{
	struct record_block *b = xmalloc(sizeof *b + len);
	atomic_init(&b->refs, 1);
	b->type = type;
	b->len = (uint32_t)len;
	b->driver = driver;
	memcpy(b->data, data, len);
	return b;
}

struct record_block *record_block_ref(struct record_block *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void record_block_unref(struct record_block *b)
{
	if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		free(b);
}

static void unpack_failed(struct record_slot *slot)
{
	const struct result *r = &slot->result;
	for (uint32_t i = 0; i < r->n_failed; i++) {
		xgrow(slot->failed, i, slot->cap_failed);
		const char *label = result_string(r, r->failed[i].label), *message = result_string(r, r->failed[i].message);
		slot->failed[i] = (struct probed_record_failed){ .label = label ? label : "", .message = message ? message : "" };
	}
	slot->record.failed = slot->failed;
	slot->record.n_failed = r->n_failed;
	slot->record.failed_stride = sizeof *slot->failed;
}

/* Room for all whole names at once, so that pointers into it stay good. */
static void reserve_names(struct record_slot *slot, const struct driver_table *driver)
{
	const struct result *r = &slot->result;
	size_t need = 0;
	for (uint32_t i = 0; i < r->n_facts; i++)
		if (r->facts[i].name && r->facts[i].fact < driver->n_facts)
			need += strlen(driver->facts[r->facts[i].fact].name) + strlen(result_string(r, r->facts[i].name)) + 2;
	buf_clear(&slot->names);
	buf_reserve(&slot->names, need + 1);
}

static const char *whole_name(struct record_slot *slot, const struct fact_decl *decl, const char *late)
{
	if (!late)
		return decl->name;
	size_t at = slot->names.len;
	buf_puts(&slot->names, decl->name);
	buf_putc(&slot->names, '.');
	buf_puts(&slot->names, late);
	buf_putc(&slot->names, '\0');
	return slot->names.data + at;
}

static bool is_many(const struct driver_table *driver, const struct result_fact *f)
{
	return (driver->facts[f->fact].flags & PROBED_FACT_LIST) || f->type == PROBED_TYPE_TABLE;
}

static bool same_fact(const struct result *r, uint32_t a, uint32_t b)
{
	const char *late_a = result_string(r, r->facts[a].name), *late_b = result_string(r, r->facts[b].name);
	return r->facts[a].fact == r->facts[b].fact && (late_a && late_b ? !strcmp(late_a, late_b) : late_a == late_b);
}

/* Does fact i belong to a list or table that began earlier? */
static bool goes_on(const struct result *r, uint32_t i)
{
	for (uint32_t k = i; k--;)
		if (same_fact(r, k, i))
			return true;
	return false;
}

static void put_fact(struct record_slot *slot, const struct driver_table *driver, const struct result_fact *f)
{
	const struct result *r = &slot->result;
	const struct fact_decl *decl = &driver->facts[f->fact];
	uint32_t n = slot->record.n_facts;
	xgrow(slot->facts, n, slot->cap_facts);
	slot->facts[n] = (struct probed_record_fact){
		.name = whole_name(slot, decl, result_string(r, f->name)),
		.unit = decl->unit ? decl->unit : "",
		.type = f->type,
		.flags = decl->flags & (PROBED_FACT_LIST | PROBED_FACT_METRIC),
		.i = f->i,
		.f = f->f,
		.s = result_string(r, f->s),
		.len = f->s ? f->len : 0,
	};
	slot->record.n_facts++;
}

/* The entries of a list or table may have come with other facts between them; in a record they stand in a row. */
static void unpack_facts(struct record_slot *slot, const struct driver_table *driver)
{
	const struct result *r = &slot->result;
	if (driver)
		reserve_names(slot, driver);
	for (uint32_t i = 0; driver && i < r->n_facts; i++) {
		if (r->facts[i].fact >= driver->n_facts)
			continue;
		bool many = is_many(driver, &r->facts[i]);
		if (many && goes_on(r, i))
			continue;
		put_fact(slot, driver, &r->facts[i]);
		for (uint32_t k = i + 1; many && k < r->n_facts; k++)
			if (same_fact(r, i, k))
				put_fact(slot, driver, &r->facts[k]);
	}
	slot->record.facts = slot->facts;
	slot->record.fact_stride = sizeof *slot->facts;
}

static int unpack_event(struct cursor *c, struct probed_record *rec)
{
	rec->kind = PROBED_RECORD_EVENT;
	rec->id_epoch = cursor_u64(c);
	rec->id_seq = cursor_u64(c);
	rec->time_ns = cursor_i64(c);
	rec->target = cursor_str(c);
	rec->message = cursor_str(c);
	return c->bad ? -1 : 0;
}

int record_unpack(const struct record_block *b, struct record_slot *slot)
{
	struct cursor c = cursor_over(b->data, b->len);
	struct probed_record *rec = &slot->record;
	*rec = (struct probed_record){ 0 };
	for (int i = 0; i < PROBED_PHASES; i++)
		rec->phase_ns[i] = -1;
	if (b->type == WIRE_RECORD_EVENT)
		return unpack_event(&c, rec);

	struct result *r = &slot->result;
	result_reset(r);
	rec->kind = PROBED_RECORD_RESULT;
	rec->id_epoch = cursor_u64(&c);
	rec->id_seq = cursor_u64(&c);
	rec->target = cursor_str(&c);
	rec->plan = cursor_str(&c);
	rec->driver = cursor_str(&c);
	if (c.bad || result_decode(&c, r) || !rec->target)
		return -1;
	rec->outcome = r->outcome;
	rec->reason = r->reason;
	rec->time_ns = r->wall_ns;
	rec->sub = result_string(r, r->sub);
	rec->message = result_string(r, r->message);
	rec->latency_ns = result_latency_ns(r);
	rec->service_ns = result_service_ns(r);
	rec->lag_ns = result_lag_ns(r);
	memcpy(rec->phase_ns, r->phase_ns, sizeof rec->phase_ns);
	unpack_failed(slot);
	unpack_facts(slot, b->driver);
	return 0;
}

void record_slot_free(struct record_slot *slot)
{
	result_free(&slot->result);
	free(slot->facts);
	free(slot->failed);
	buf_free(&slot->names);
	*slot = (struct record_slot){ 0 };
}
