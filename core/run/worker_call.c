/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_call.c - what a script may ask of the host: the request's options, the user's variables, the result's facts.
 * Called by plugins, for the time of one run.
 */
#include "run/worker_hook.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

#define VALUE_MAX (1u << 20)
#define ITEMS_MAX 1000
#define LABEL_MAX 100

static struct call *from(struct probed_hook_call *call)
{
	struct call *c = (struct call *)(void *)call;
	CHECK_MAGIC(c, CALL_MAGIC);
	return c;
}

/* --- options ------------------------------------------------------------------------------------------ */

struct found {
	uint32_t index;
	const char *item; /* of a MAP or LIST */
	const struct option_decl *decl;
};

static bool is_many(const struct option_decl *d)
{
	return d->type == PROBED_TYPE_LIST || d->type == PROBED_TYPE_MAP;
}

static int find(const struct call *c, const char *key, struct found *f, char *error, uint64_t size)
{
	const struct option_set *set = &c->probe->drv->table->options;
	f->decl = option_for_key(set, key, &f->index, &f->item);
	if (!f->decl) {
		CLEANUP_FREE const char **names = xcalloc(set->n + 1, sizeof *names);
		for (uint32_t i = 0; i < set->n; i++)
			names[i] = set->list[i].name;
		const char *near = str_nearest(key, names, set->n);
		snprintf(error, size, "%.60s: driver %s has no such option%s%s%s", key, c->probe->drv->table->name,
			 near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
		return -1;
	}
	if (is_many(f->decl) != (f->item != NULL)) {
		snprintf(error, size, "%s holds %s values: name one", f->decl->name,
			 f->decl->type == PROBED_TYPE_MAP ? "named" : "numbered");
		return -1;
	}
	return 0;
}

/* As rendered, for this probe. NULL, with an error. */
static const struct probed_value *value_of(const struct call *c, uint32_t index, char *error, uint64_t size)
{
	struct probed_probe *p = c->probe;
	probe_lock(p);
	const struct probed_value *v = work_option(p, index);
	probe_unlock(p);
	if (!v)
		snprintf(error, size, "%s", p->work->unrendered.len ? buf_cstr(&p->work->unrendered) : "it can't be rendered");
	return v;
}

static const struct probed_item *item_at(const struct probed_value *v, uint32_t i)
{
	return PROBED_AT(struct probed_item, v->items, v->item_stride, i);
}

/* UINT32_MAX: not there. */
static uint32_t item_find(const struct probed_value *v, const char *key)
{
	for (uint32_t i = 0; i < v->n_items; i++)
		if (!strcasecmp(item_at(v, i)->key, key))
			return i;
	return UINT32_MAX;
}

static const char *option_get(struct probed_hook_call *call, const char *key, uint64_t *len, char *error, uint64_t size)
{
	const struct call *c = from(call);
	struct found f;
	error[0] = '\0';
	*len = 0;
	const struct probed_value *v = find(c, key, &f, error, size) ? NULL : value_of(c, f.index, error, size);
	if (!v)
		return NULL;
	if (!f.item) {
		*len = v->s ? v->len : 0;
		return v->s;
	}
	uint32_t at = item_find(v, f.item);
	if (at == UINT32_MAX)
		return NULL;
	*len = item_at(v, at)->len;
	return item_at(v, at)->s;
}

static char *keep(struct work *k, const char *s, size_t len)
{
	char *copy = work_alloc(k, len + 1);
	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

/* The items as they are, with one set or taken out. */
static int set_item(const struct call *c, const struct found *f, const char *value, uint64_t len, char *error, uint64_t size)
{
	struct work *k = c->probe->work;
	const struct probed_value *old = value_of(c, f->index, error, size);
	if (!old)
		return -1;
	struct probed_value v = *old;
	uint32_t at = item_find(old, f->item), n = 0;
	bool list = f->decl->type == PROBED_TYPE_LIST;
	char next[12];
	snprintf(next, sizeof next, "%" PRIu32, old->n_items + 1);
	if (list && (at == UINT32_MAX ? strcmp(f->item, next) != 0 : !value)) {
		snprintf(error, size, "%s.%s: the list has %" PRIu32 " entries: one of them, or the next, can be set, and none taken out",
			 f->decl->name, f->item, old->n_items);
		return -1;
	}
	if (at == UINT32_MAX && old->n_items >= ITEMS_MAX) {
		snprintf(error, size, "%s: at most %d can be set", f->decl->name, ITEMS_MAX);
		return -1;
	}
	struct probed_item *items = work_alloc(k, (old->n_items + 1) * sizeof *items);
	for (uint32_t i = 0; i < old->n_items; i++)
		if (i != at || value)
			items[n++] = *item_at(old, i);
	if (value && at == UINT32_MAX)
		items[at = n++].key = keep(k, f->item, strlen(f->item));
	if (value) {
		items[at].s = keep(k, value, len);
		items[at].len = len;
	}
	v.items = items;
	v.n_items = n;
	v.item_stride = sizeof *items;
	v.flags |= PROBED_VALUE_SET;
	work_override(c->probe, f->index, &v);
	return 0;
}

/* Without a value, as where it is not written. */
static int set_default(const struct call *c, const struct found *f, char *error, uint64_t size)
{
	struct probed_value v = { .type = f->decl->type };
	if (f->decl->flags & PROBED_OPTION_REQUIRED) {
		snprintf(error, size, "%s is required: it can't be taken out", f->decl->name);
		return -1;
	}
	if (f->decl->def && option_parse(f->decl, f->decl->def, &v, error, size))
		return -1;
	v.flags = 0;
	work_override(c->probe, f->index, &v);
	return 0;
}

static int set_value(const struct call *c, const struct found *f, const char *value, uint64_t len, char *error, uint64_t size)
{
	char why[400];
	struct probed_value v;
	struct option_decl decl = *f->decl;
	decl.flags &= ~(uint32_t)PROBED_OPTION_TEMPLATE; /* it is plain text, braces or not */
	const char *text = keep(c->probe->work, value, len);
	bool binary = decl.type != PROBED_TYPE_STRING && decl.type != PROBED_TYPE_SECRET && strlen(text) != len;
	if (binary || option_parse(&decl, text, &v, why, sizeof why)) {
		snprintf(error, size, "%s: %s", decl.name, binary ? "expected text, without a NUL byte" : why);
		return -1;
	}
	v.s = text;
	v.len = len;
	v.flags = PROBED_VALUE_SET;
	work_override(c->probe, f->index, &v);
	return 0;
}

static int32_t option_set(struct probed_hook_call *call, const char *key, const char *value, uint64_t len, char *error,
			  uint64_t size)
{
	const struct call *c = from(call);
	struct found f;
	error[0] = '\0';
	if (c->public.when != PROBED_HOOK_BEFORE) {
		snprintf(error, size, "%.60s: the request was sent already", key);
		return -1;
	}
	if (find(c, key, &f, error, size))
		return -1;
	if (!(f.decl->flags & PROBED_OPTION_TEMPLATE)) {
		snprintf(error, size, "%s is the same for all probes of a target: a script can't set it", f.decl->name);
		return -1;
	}
	if (value && len > VALUE_MAX) {
		snprintf(error, size, "%s: longer than 1 MiB", f.decl->name);
		return -1;
	}
	if (f.item)
		return set_item(c, &f, value, len, error, size);
	return value ? set_value(c, &f, value, len, error, size) : set_default(c, &f, error, size);
}

static uint32_t option_type(struct probed_hook_call *call, const char *key)
{
	const struct call *c = from(call);
	const char *item;
	const struct option_decl *d = option_for_key(&c->probe->drv->table->options, key, NULL, &item);
	return !d ? PROBED_TYPE_NONE : item ? PROBED_TYPE_STRING : d->type;
}

/* The value without its rendering: keys need none. */
static const struct probed_value *unrendered(const struct call *c, uint32_t index)
{
	const struct work *k = c->probe->work;
	for (uint32_t i = 0; i < k->n_overrides; i++)
		if (k->overrides[i].option == index)
			return &k->overrides[i].value;
	return &c->probe->inst->options.values[index];
}

static const char *option_key(struct probed_hook_call *call, uint32_t i)
{
	struct call *c = from(call);
	const struct option_set *set = &c->probe->drv->table->options;
	for (uint32_t k = 0; k < set->n; k++) {
		const struct probed_value *v = unrendered(c, k);
		bool many = is_many(&set->list[k]);
		uint32_t n = many ? v->n_items : v->s != NULL;
		if (i >= n) {
			i -= n;
			continue;
		}
		buf_clear(&c->key);
		buf_puts(&c->key, set->list[k].name);
		if (many)
			buf_printf(&c->key, ".%s", item_at(v, i)->key);
		return buf_cstr(&c->key);
	}
	return NULL;
}

/* --- variables ---------------------------------------------------------------------------------------- */

static const char *var_get(struct probed_hook_call *call, const char *name, uint64_t *len)
{
	const struct call *c = from(call);
	size_t n = 0;
	const char *value = c->probe->user ? vars_get(c->probe->user->vars, name, &n) : NULL;
	*len = n;
	return value;
}

/* A step that is probed by itself has no user, and nobody who would read it. */
static int32_t var_set(struct probed_hook_call *call, const char *name, const char *value, uint64_t len)
{
	const struct call *c = from(call);
	if (!c->probe->user)
		return 0;
	if (value)
		return vars_set(c->probe->user->vars, name, value, len) ? -1 : 0;
	vars_unset(c->probe->user->vars, name);
	return 0;
}

/* --- the result --------------------------------------------------------------------------------------- */

static const struct probed_record_fact *fact(struct probed_hook_call *call, uint32_t i)
{
	struct call *c = from(call);
	const struct result *r = c->result;
	if (!r || i >= r->n_facts)
		return NULL;
	const struct result_fact *f = &r->facts[i];
	const struct fact_decl *decl = &c->probe->drv->table->facts[f->fact];
	const char *late = result_string(r, f->name);
	buf_clear(&c->fact_name);
	buf_puts(&c->fact_name, decl->name);
	if (late)
		buf_printf(&c->fact_name, ".%s", late);
	c->fact = (struct probed_record_fact){
		.name = buf_cstr(&c->fact_name), .unit = decl->unit, .type = f->type,
		.flags = decl->flags & (PROBED_FACT_LIST | PROBED_FACT_METRIC), .i = f->i, .f = f->f,
		.s = result_string(r, f->s), .len = f->s ? f->len : 0,
	};
	return &c->fact;
}

static void fail(struct probed_hook_call *call, const char *label, const char *message)
{
	struct call *c = from(call);
	char name[LABEL_MAX + 1], why[400];
	size_t n = 0;
	if (!c->result || (c->result->outcome != PROBED_OK && c->result->outcome != PROBED_FAIL))
		return;
	for (; label && label[n] && n < LABEL_MAX; n++)
		name[n] = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-", label[n]) ? label[n] : '_';
	name[n] = '\0';
	snprintf(why, sizeof why, "%s", message ? message : "");
	result_fail(c->result, n ? name : "after", why);
}

const struct probed_hook_api call_api = {
	.size = sizeof call_api,
	.option_get = option_get,
	.option_set = option_set,
	.option_type = option_type,
	.option_key = option_key,
	.var_get = var_get,
	.var_set = var_set,
	.fact = fact,
	.fail = fail,
};
