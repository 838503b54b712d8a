/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - all plugins of a set of folders, and what they provide, by name. See table.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plugin/table.h"

#define REGISTRY_MAGIC 0x72656769u

struct registry *registry_new(void)
{
	struct registry *r = xnew(struct registry);
	r->magic = REGISTRY_MAGIC;
	r->refs = 1;
	return r;
}

struct registry *registry_ref(struct registry *r)
{
	CHECK_MAGIC(r, REGISTRY_MAGIC);
	__atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED); /* models are built on a thread */
	return r;
}

void registry_unref(struct registry *r)
{
	if (!r)
		return;
	CHECK_MAGIC(r, REGISTRY_MAGIC);
	if (__atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (uint32_t i = 0; i < r->n_plugins; i++)
		plugin_table_free(r->plugins[i]);
	free(r->plugins);
	free(r->drivers);
	r->magic = 0;
	free(r);
}

enum part_kind { SINKS, SERVICES, HOOKS };

static const struct part_table *parts_of(const struct plugin_table *t, enum part_kind kind, uint32_t *n)
{
	*n = kind == SINKS ? t->n_sinks : kind == SERVICES ? t->n_services : t->n_hooks;
	return kind == SINKS ? t->sinks : kind == SERVICES ? t->services : t->hooks;
}

static const struct part_table *find_part(const struct registry *r, const char *name, enum part_kind kind)
{
	for (uint32_t i = 0; i < r->n_plugins; i++) {
		const struct plugin_table *t = r->plugins[i];
		uint32_t n;
		const struct part_table *parts = parts_of(t, kind, &n);
		for (uint32_t k = 0; t->state == PLUGIN_LOADED && k < n; k++)
			if (!strcmp(parts[k].name, name))
				return &parts[k];
	}
	return NULL;
}

const struct part_table *registry_sink(const struct registry *r, const char *name)
{
	return find_part(r, name, SINKS);
}

const struct part_table *registry_service(const struct registry *r, const char *name)
{
	return find_part(r, name, SERVICES);
}

const struct part_table *registry_hook(const struct registry *r, const char *name)
{
	return find_part(r, name, HOOKS);
}

size_t registry_hooks(const struct registry *r, const char **names, size_t max)
{
	size_t n = 0;
	for (uint32_t i = 0; i < r->n_plugins; i++) {
		const struct plugin_table *t = r->plugins[i];
		for (uint32_t k = 0; t->state == PLUGIN_LOADED && k < t->n_hooks; k++, n++)
			if (n < max)
				names[n] = t->hooks[k].name;
	}
	return n;
}

const struct driver_table *registry_driver(const struct registry *r, const char *name)
{
	for (uint32_t i = 0; i < r->n_drivers; i++)
		if (!strcmp(r->drivers[i]->name, name))
			return r->drivers[i];
	return NULL;
}

const struct driver_table *registry_scheme(const struct registry *r, const char *scheme,
					   const struct scheme_decl **decl)
{
	for (uint32_t i = 0; i < r->n_drivers; i++) {
		const struct driver_table *d = r->drivers[i];
		for (uint32_t k = 0; k < d->n_schemes; k++) {
			if (strcmp(d->schemes[k].scheme, scheme))
				continue;
			if (decl)
				*decl = &d->schemes[k];
			return d;
		}
	}
	return NULL;
}

static const struct plugin_table *find_plugin(const struct registry *r, const char *name)
{
	for (uint32_t i = 0; i < r->n_plugins; i++)
		if (r->plugins[i]->state == PLUGIN_LOADED && !strcmp(r->plugins[i]->name, name))
			return r->plugins[i];
	return NULL;
}

static char *taken(const char *kind, const char *name, const struct plugin_table *by)
{
	return xasprintf("its %s \"%s\" comes from %s already", kind, name, by->path);
}

/* Why `t` may not stand beside what is there; NULL: it may. */
static char *shadowed_by(const struct registry *r, const struct plugin_table *t)
{
	const struct plugin_table *other = find_plugin(r, t->name);
	if (other)
		return xasprintf("a plugin named \"%s\" comes from %s already", t->name, other->path);
	for (uint32_t i = 0; i < t->n_drivers; i++) {
		const struct driver_table *d = registry_driver(r, t->drivers[i].name);
		const struct part_table *h = registry_hook(r, t->drivers[i].name);
		if (d || h)
			return taken("driver", t->drivers[i].name, d ? d->plugin : h->plugin);
	}
	for (uint32_t i = 0; i < t->n_sinks; i++) {
		const struct part_table *p = registry_sink(r, t->sinks[i].name);
		if (p)
			return taken("sink", p->name, p->plugin);
	}
	for (uint32_t i = 0; i < t->n_services; i++) {
		const struct part_table *p = registry_service(r, t->services[i].name);
		if (p)
			return taken("service", p->name, p->plugin);
	}
	for (uint32_t i = 0; i < t->n_hooks; i++) {
		const struct part_table *p = registry_hook(r, t->hooks[i].name);
		const struct driver_table *d = registry_driver(r, t->hooks[i].name);
		if (p || d)
			return taken("hook", t->hooks[i].name, p ? p->plugin : d->plugin);
	}
	return NULL;
}

void registry_add(struct registry *r, struct plugin_table *table)
{
	CHECK_MAGIC(r, REGISTRY_MAGIC);
	char *why = table->state == PLUGIN_LOADED ? shadowed_by(r, table) : NULL;
	if (why) {
		table->state = PLUGIN_SHADOWED;
		free(table->why);
		table->why = why;
	}
	xgrow(r->plugins, r->n_plugins, r->cap_plugins);
	r->plugins[r->n_plugins++] = table;
	if (table->state != PLUGIN_LOADED)
		return;
	r->drivers = xreallocarray(r->drivers, r->n_drivers + table->n_drivers + 1, sizeof *r->drivers);
	for (uint32_t i = 0; i < table->n_drivers; i++) {
		table->drivers[i].index = r->n_drivers;
		r->drivers[r->n_drivers++] = &table->drivers[i];
	}
}

const struct option_decl *option_set_find(const struct option_set *set, const char *name, uint32_t *index)
{
	for (uint32_t i = 0; i < set->n; i++) {
		if (strcmp(set->list[i].name, name))
			continue;
		if (index)
			*index = i;
		return &set->list[i];
	}
	return NULL;
}

const struct fact_decl *driver_fact(const struct driver_table *d, const char *name, uint32_t *index, const char **late)
{
	const struct fact_decl *family = NULL;
	const char *rest = NULL;
	uint32_t at = 0;
	for (uint32_t i = 0; i < d->n_facts; i++) {
		const struct fact_decl *f = &d->facts[i];
		size_t len = strlen(f->name);
		if (f->flags & PROBED_FACT_FAMILY) {
			/* the longest family wins: "tls.peer" before "tls" */
			if (!strncmp(f->name, name, len) && name[len] == '.' && name[len + 1] &&
			    (!family || len > strlen(family->name))) {
				family = f;
				rest = name + len + 1;
				at = i;
			}
		} else if (!strcmp(f->name, name)) {
			family = f;
			rest = NULL;
			at = i;
			break; /* a declared name goes before any family */
		}
	}
	if (family && index)
		*index = at;
	if (family && late)
		*late = rest;
	return family;
}
