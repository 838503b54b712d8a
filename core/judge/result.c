/* SPDX-License-Identifier: Apache-2.0 */
/* result.c - see result.h */
#include "judge/result.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *const outcomes[PROBED_OUTCOMES] = { "ok", "fail", "error", "unknown" };
static const char *const reasons[PROBED_REASONS] = {
	"", "other", "resolve", "refused", "unreachable", "timeout", "reset", "tls", "protocol", "expectation",
	"crashed", "cancelled", "overloaded", "permission", "internal",
};
static const char *const phases[PROBED_PHASES] = { "resolve", "connect", "tls", "send", "wait", "receive" };

const char *outcome_name(uint32_t outcome)
{
	return outcome < PROBED_OUTCOMES ? outcomes[outcome] : "unknown";
}

const char *reason_name(uint32_t reason)
{
	return reason < PROBED_REASONS ? reasons[reason] : "other";
}

const char *phase_name(uint32_t phase)
{
	return phase < PROBED_PHASES ? phases[phase] : "other";
}

void result_reset(struct result *r)
{
	r->sub = r->message = 0;
	r->outcome = PROBED_UNKNOWN;
	r->reason = PROBED_REASON_NONE;
	r->wall_ns = r->due_ns = r->start_ns = r->end_ns = 0;
	for (int i = 0; i < PROBED_PHASES; i++)
		r->phase_ns[i] = -1;
	r->n_facts = r->n_failed = r->dropped = 0;
	buf_clear(&r->arena);
	buf_putc(&r->arena, '\0'); /* offset 0 is "no string" */
}

void result_free(struct result *r)
{
	free(r->facts);
	free(r->failed);
	buf_free(&r->arena);
	memset(r, 0, sizeof *r);
}

uint32_t result_put_string(struct result *r, const char *s, size_t len)
{
	if (!s)
		return 0;
	uint32_t at = (uint32_t)r->arena.len;
	buf_put(&r->arena, s, len);
	buf_putc(&r->arena, '\0');
	return at;
}

static bool same_name(const struct result *r, const struct result_fact *f, const char *name)
{
	const char *own = result_string(r, f->name);
	return own && name ? !strcmp(own, name) : !own && !name;
}

const struct result_fact *result_fact_find(const struct result *r, uint32_t fact, const char *name, uint32_t *from)
{
	for (uint32_t i = from ? *from : 0; i < r->n_facts; i++)
		if (r->facts[i].fact == fact && same_name(r, &r->facts[i], name)) {
			if (from)
				*from = i + 1;
			return &r->facts[i];
		}
	return NULL;
}

struct result_fact *result_fact_add(struct result *r, uint32_t fact, const char *name, bool list)
{
	struct result_fact *f = NULL;
	if (!list) {
		const struct result_fact *old = result_fact_find(r, fact, name, NULL);
		if (old)
			f = &r->facts[old - r->facts];
	}
	if (!f) {
		if (r->n_facts >= RESULT_FACTS_MAX) {
			r->dropped++;
			return NULL;
		}
		xgrow(r->facts, r->n_facts, r->cap_facts);
		f = &r->facts[r->n_facts++];
	}
	*f = (struct result_fact){ .fact = (uint16_t)fact };
	f->name = result_put_string(r, name, name ? strlen(name) : 0);
	return f;
}

void result_fail(struct result *r, const char *label, const char *message)
{
	xgrow(r->failed, r->n_failed, r->cap_failed);
	struct result_failed *f = &r->failed[r->n_failed++];
	f->label = result_put_string(r, label, strlen(label));
	f->message = result_put_string(r, message, strlen(message));
}

#define FACT_BYTES (2 + 1 + 4 + 4 + 4 + 8 + 8)

void result_encode(struct buf *b, const struct result *r)
{
	buf_u8(b, r->outcome);
	buf_u8(b, r->reason);
	buf_u32(b, r->sub);
	buf_u32(b, r->message);
	buf_i64(b, r->wall_ns);
	buf_i64(b, r->due_ns);
	buf_i64(b, r->start_ns);
	buf_i64(b, r->end_ns);
	for (int i = 0; i < PROBED_PHASES; i++)
		buf_i64(b, r->phase_ns[i]);
	buf_u32(b, r->dropped);
	buf_u32(b, r->n_facts);
	for (uint32_t i = 0; i < r->n_facts; i++) {
		const struct result_fact *f = &r->facts[i];
		buf_u16(b, f->fact);
		buf_u8(b, f->type);
		buf_u32(b, f->name);
		buf_u32(b, f->s);
		buf_u32(b, f->len);
		buf_i64(b, f->i);
		buf_f64(b, f->f);
	}
	buf_u32(b, r->n_failed);
	for (uint32_t i = 0; i < r->n_failed; i++) {
		buf_u32(b, r->failed[i].label);
		buf_u32(b, r->failed[i].message);
	}
	buf_bytes(b, r->arena.data, r->arena.len);
}

/* An offset is good where a string starts there, with a NUL behind it: the arena ends with one. */
static bool good(const struct result *r, uint32_t offset, uint32_t len)
{
	uint64_t end = (uint64_t)offset + len;
	return end < r->arena.len && (!len || (offset && !r->arena.data[end]));
}

static bool all_good(const struct result *r)
{
	if (!r->arena.len || r->arena.data[r->arena.len - 1] || !good(r, r->sub, 0) || !good(r, r->message, 0))
		return false;
	for (uint32_t i = 0; i < r->n_facts; i++)
		if (!good(r, r->facts[i].name, 0) || !good(r, r->facts[i].s, r->facts[i].len))
			return false;
	for (uint32_t i = 0; i < r->n_failed; i++)
		if (!good(r, r->failed[i].label, 0) || !good(r, r->failed[i].message, 0))
			return false;
	return true;
}

int result_decode(struct cursor *c, struct result *r)
{
	r->outcome = cursor_u8(c);
	r->reason = cursor_u8(c);
	r->sub = cursor_u32(c);
	r->message = cursor_u32(c);
	r->wall_ns = cursor_i64(c);
	r->due_ns = cursor_i64(c);
	r->start_ns = cursor_i64(c);
	r->end_ns = cursor_i64(c);
	for (int i = 0; i < PROBED_PHASES; i++)
		r->phase_ns[i] = cursor_i64(c);
	r->dropped = cursor_u32(c);
	uint32_t n = cursor_count(c, FACT_BYTES);
	for (uint32_t i = 0; i < n; i++) {
		xgrow(r->facts, i, r->cap_facts);
		struct result_fact *f = &r->facts[i];
		f->fact = cursor_u16(c);
		f->type = cursor_u8(c);
		f->name = cursor_u32(c);
		f->s = cursor_u32(c);
		f->len = cursor_u32(c);
		f->i = cursor_i64(c);
		f->f = cursor_f64(c);
	}
	r->n_facts = n;
	n = cursor_count(c, 8);
	for (uint32_t i = 0; i < n; i++) {
		xgrow(r->failed, i, r->cap_failed);
		r->failed[i].label = cursor_u32(c);
		r->failed[i].message = cursor_u32(c);
	}
	r->n_failed = n;
	uint32_t len;
	const char *arena = cursor_bytes(c, &len);
	buf_clear(&r->arena);
	if (arena)
		buf_put(&r->arena, arena, len);
	if (c->bad || r->outcome >= PROBED_OUTCOMES || !all_good(r)) {
		result_reset(r);
		return -1;
	}
	if (r->reason >= PROBED_REASONS)
		r->reason = PROBED_REASON_OTHER;
	return 0;
}
