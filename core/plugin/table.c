/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - a plugin's flattened tables: freed, written as bytes, and read back from someone who is not trusted. */
#include "plugin/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* The least that one element takes when encoded: bounds what a count can make us allocate. */
#define OPTION_MIN_BYTES (4 * 4 + 2 * 8 + 2 * 4)
#define FACT_MIN_BYTES (4 * 4 + 3 * 4)
#define SCHEME_MIN_BYTES (9 * 4 + 4)
#define DRIVER_MIN_BYTES (5 * 4 + 3 * 4 + 3 * 4)
#define PART_MIN_BYTES (2 * 4 + 4)

const char *type_name(uint32_t type)
{
	static const char *const names[] = {
		[PROBED_TYPE_NONE] = "none",   [PROBED_TYPE_STRING] = "string",   [PROBED_TYPE_INTEGER] = "integer",
		[PROBED_TYPE_FLOAT] = "float", [PROBED_TYPE_BOOLEAN] = "boolean", [PROBED_TYPE_DURATION] = "duration",
		[PROBED_TYPE_SIZE] = "size",   [PROBED_TYPE_CHOICE] = "choice",   [PROBED_TYPE_ADDRESS] = "address",
		[PROBED_TYPE_URL] = "URL",     [PROBED_TYPE_SECRET] = "secret",   [PROBED_TYPE_LIST] = "list",
		[PROBED_TYPE_MAP] = "map",     [PROBED_TYPE_TIME] = "time",       [PROBED_TYPE_TABLE] = "table",
	};
	return type < ARRAY_LEN(names) ? names[type] : "unknown";
}

/* --- free --- */

static void options_free_list(struct option_set *set)
{
	for (uint32_t i = 0; i < set->n; i++) {
		struct option_decl *o = &set->list[i];
		free(o->name);
		free(o->def);
		free(o->help);
		free(o->choices);
	}
	free(set->list);
}

static void driver_clear(struct driver_table *d)
{
	for (uint32_t i = 0; i < d->n_facts; i++) {
		struct fact_decl *f = &d->facts[i];
		free(f->name);
		free(f->unit);
		free(f->help);
		free(f->columns);
	}
	for (uint32_t i = 0; i < d->n_schemes; i++) {
		struct scheme_decl *s = &d->schemes[i];
		char *members[] = { s->scheme, s->whole, s->authority, s->host,  s->port,
				    s->path,   s->user,  s->password,  s->preset };
		for (size_t k = 0; k < ARRAY_LEN(members); k++)
			free(members[k]);
	}
	free(d->facts);
	free(d->schemes);
	options_free_list(&d->options);
	free(d->name);
	free(d->summary);
	free(d->needs);
	free(d->default_expect);
	free(d->gate_option);
}

static void parts_free(struct part_table *parts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		free(parts[i].name);
		free(parts[i].summary);
		options_free_list(&parts[i].options);
	}
	free(parts);
}

void plugin_table_free(struct plugin_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n_drivers; i++)
		driver_clear(&t->drivers[i]);
	free(t->drivers);
	parts_free(t->sinks, t->n_sinks);
	parts_free(t->services, t->n_services);
	parts_free(t->hooks, t->n_hooks);
	free(t->path);
	free(t->name);
	free(t->version);
	free(t->summary);
	free(t->why);
	free(t);
}

/* --- encode --- */

static void put_options(struct buf *b, const struct option_set *set)
{
	buf_u32(b, set->n);
	for (uint32_t i = 0; i < set->n; i++) {
		const struct option_decl *o = &set->list[i];
		buf_str(b, o->name);
		buf_str(b, o->def);
		buf_str(b, o->help);
		buf_str(b, o->choices);
		buf_i64(b, o->min);
		buf_i64(b, o->max);
		buf_u32(b, o->type);
		buf_u32(b, o->flags);
	}
}

static void put_facts(struct buf *b, const struct driver_table *d)
{
	buf_u32(b, d->n_facts);
	for (uint32_t i = 0; i < d->n_facts; i++) {
		const struct fact_decl *f = &d->facts[i];
		buf_str(b, f->name);
		buf_str(b, f->unit);
		buf_str(b, f->help);
		buf_str(b, f->columns);
		buf_u32(b, f->type);
		buf_u32(b, f->flags);
		buf_u32(b, f->role);
	}
}

static void put_schemes(struct buf *b, const struct driver_table *d)
{
	buf_u32(b, d->n_schemes);
	for (uint32_t i = 0; i < d->n_schemes; i++) {
		const struct scheme_decl *s = &d->schemes[i];
		buf_str(b, s->scheme);
		buf_str(b, s->whole);
		buf_str(b, s->authority);
		buf_str(b, s->host);
		buf_str(b, s->port);
		buf_str(b, s->path);
		buf_str(b, s->user);
		buf_str(b, s->password);
		buf_str(b, s->preset);
		buf_u32(b, s->query_opts);
	}
}

static void put_parts(struct buf *b, const struct part_table *parts, uint32_t n)
{
	buf_u32(b, n);
	for (uint32_t i = 0; i < n; i++) {
		buf_str(b, parts[i].name);
		buf_str(b, parts[i].summary);
		put_options(b, &parts[i].options);
	}
}

void plugin_table_encode(struct buf *b, const struct plugin_table *t)
{
	buf_str(b, t->path);
	buf_str(b, t->name);
	buf_str(b, t->version);
	buf_str(b, t->summary);
	buf_str(b, t->why);
	buf_u32(b, t->state);
	buf_u16(b, t->abi_major);
	buf_u16(b, t->abi_minor);
	buf_u16(b, t->need_minor);
	buf_u32(b, t->n_drivers);
	for (uint32_t i = 0; i < t->n_drivers; i++) {
		const struct driver_table *d = &t->drivers[i];
		buf_str(b, d->name);
		buf_str(b, d->summary);
		buf_str(b, d->needs);
		buf_str(b, d->default_expect);
		buf_str(b, d->gate_option);
		put_options(b, &d->options);
		put_facts(b, d);
		put_schemes(b, d);
		buf_u32(b, d->flags);
		buf_u32(b, d->probe_size);
		buf_u32(b, d->max_inflight);
	}
	put_parts(b, t->sinks, t->n_sinks);
	put_parts(b, t->services, t->n_services);
	put_parts(b, t->hooks, t->n_hooks);
}

/* --- decode --- */

static char *get_optional(struct cursor *c)
{
	const char *s = cursor_str(c);
	return s ? xstrdup(s) : NULL;
}

static char *get_required(struct cursor *c)
{
	char *s = get_optional(c);
	if (!s)
		c->bad = true;
	return s;
}

/* Elements start out zeroed: a half-read table can be freed. */
static void *get_array(struct cursor *c, uint32_t *n, size_t min_bytes, size_t size)
{
	*n = cursor_count(c, min_bytes);
	return *n ? xcalloc(*n, size) : NULL;
}

static void get_options(struct cursor *c, struct option_set *set)
{
	set->list = get_array(c, &set->n, OPTION_MIN_BYTES, sizeof *set->list);
	for (uint32_t i = 0; i < set->n && !c->bad; i++) {
		struct option_decl *o = &set->list[i];
		o->name = get_required(c);
		o->def = get_optional(c);
		o->help = get_required(c);
		o->choices = get_optional(c);
		o->min = cursor_i64(c);
		o->max = cursor_i64(c);
		o->type = cursor_u32(c);
		o->flags = cursor_u32(c);
		if (o->type == PROBED_TYPE_CHOICE && !o->choices)
			c->bad = true;
	}
}

static void get_facts(struct cursor *c, struct driver_table *d)
{
	d->facts = get_array(c, &d->n_facts, FACT_MIN_BYTES, sizeof *d->facts);
	for (uint32_t i = 0; i < d->n_facts && !c->bad; i++) {
		struct fact_decl *f = &d->facts[i];
		f->name = get_required(c);
		f->unit = get_required(c);
		f->help = get_required(c);
		f->columns = get_optional(c);
		f->type = cursor_u32(c);
		f->flags = cursor_u32(c);
		f->role = cursor_u32(c);
		if (f->type == PROBED_TYPE_TABLE && !f->columns)
			c->bad = true;
	}
}

static void get_schemes(struct cursor *c, struct driver_table *d)
{
	d->schemes = get_array(c, &d->n_schemes, SCHEME_MIN_BYTES, sizeof *d->schemes);
	for (uint32_t i = 0; i < d->n_schemes && !c->bad; i++) {
		struct scheme_decl *s = &d->schemes[i];
		s->scheme = get_required(c);
		s->whole = get_optional(c);
		s->authority = get_optional(c);
		s->host = get_optional(c);
		s->port = get_optional(c);
		s->path = get_optional(c);
		s->user = get_optional(c);
		s->password = get_optional(c);
		s->preset = get_optional(c);
		s->query_opts = cursor_u32(c);
	}
}

static void get_drivers(struct cursor *c, struct plugin_table *t)
{
	t->drivers = get_array(c, &t->n_drivers, DRIVER_MIN_BYTES, sizeof *t->drivers);
	for (uint32_t i = 0; i < t->n_drivers && !c->bad; i++) {
		struct driver_table *d = &t->drivers[i];
		d->plugin = t;
		d->name = get_required(c);
		d->summary = get_required(c);
		d->needs = get_required(c);
		d->default_expect = get_optional(c);
		d->gate_option = get_optional(c);
		get_options(c, &d->options);
		get_facts(c, d);
		get_schemes(c, d);
		d->flags = cursor_u32(c);
		d->probe_size = cursor_u32(c);
		d->max_inflight = cursor_u32(c);
	}
}

static struct part_table *get_parts(struct cursor *c, const struct plugin_table *t, uint32_t *n)
{
	struct part_table *parts = get_array(c, n, PART_MIN_BYTES, sizeof *parts);
	for (uint32_t i = 0; i < *n && !c->bad; i++) {
		parts[i].plugin = t;
		parts[i].name = get_required(c);
		parts[i].summary = get_required(c);
		get_options(c, &parts[i].options);
	}
	return parts;
}

struct plugin_table *plugin_table_decode(struct cursor *c)
{
	struct plugin_table *t = xnew(struct plugin_table);
	t->path = get_required(c);
	t->name = get_optional(c);
	t->version = get_optional(c);
	t->summary = get_optional(c);
	t->why = get_optional(c);
	t->state = cursor_u32(c);
	t->abi_major = cursor_u16(c);
	t->abi_minor = cursor_u16(c);
	t->need_minor = cursor_u16(c);
	get_drivers(c, t);
	t->sinks = get_parts(c, t, &t->n_sinks);
	t->services = get_parts(c, t, &t->n_services);
	t->hooks = get_parts(c, t, &t->n_hooks);
	bool named = t->name && t->version && t->summary;
	if (t->state > PLUGIN_SHADOWED || (t->state == PLUGIN_LOADED ? !named : !t->why))
		c->bad = true;
	if (c->bad) {
		plugin_table_free(t);
		return NULL;
	}
	return t;
}
