/* SPDX-License-Identifier: Apache-2.0 */
/*
 * targets.c - [target NAME]: its driver, and its keys over those of the defaults.
 */
#include "config/build.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "config/url.h"

static void scheme_unknown(struct builder *b, struct place at, const char *title, const char *name)
{
	const char *near = NULL, *names[64];
	size_t n = 0;
	for (uint32_t i = 0; i < b->registry->n_drivers; i++)
		for (uint32_t k = 0; k < b->registry->drivers[i]->n_schemes && n < ARRAY_LEN(names); k++)
			names[n++] = b->registry->drivers[i]->schemes[k].scheme;
	near = str_nearest(name, names, n);
	errs_add(b->errs, at, title, "url",
		 "no driver is known for %s://%s%s%s; say driver = NAME, or see probed --list-plugins for what is there", name,
		 near ? " (did you mean \"" : "", near ? near : "", near ? "://\"?)" : "");
}

/* The target's driver: written, or known by the URL's scheme, or that of [defaults]. NULL, with an error. */
static const struct driver_table *find_driver(struct builder *b, const struct section *s)
{
	const struct entry *e = section_find(s, "driver"), *url = section_find(s, "url");
	const struct kv *by_default = kvs_find(&b->defaults, "driver");
	const struct scheme_decl *scheme;
	const struct driver_table *driver;
	char name[64];
	if (e) {
		driver = registry_driver(b->registry, e->value);
		if (!driver)
			driver_unknown(b, e->at, s->title, e->value);
		return driver;
	}
	if (url && !url_scheme(url->value, name, sizeof name)) {
		driver = registry_scheme(b->registry, name, &scheme);
		if (!driver)
			scheme_unknown(b, url->at, s->title, name);
		return driver;
	}
	if (by_default)
		return registry_driver(b->registry, by_default->value);
	if (s->hurt)
		return NULL;
	if (url)
		errs_add(b->errs, url->at, s->title, "url",
			 "expected a URL with its scheme, such as https://example.org/, or "
			 "driver = NAME beside it");
	else
		errs_add(b->errs, s->at, s->title, "driver",
			 "is required, and missing (a url would do as well); probed "
			 "--list-plugins shows what is there");
	return NULL;
}

/* The section's keys over those of the defaults. */
static void gather(struct builder *b, const struct section *s, const struct driver_table *driver, struct kvs *all)
{
	const struct kvs *own = &b->driver_defaults[driver->index];
	size_t none = 0;
	for (size_t i = 0; i < b->defaults.n; i++)
		kvs_override(all, &none, NULL, &b->defaults.list[i]);
	for (size_t i = 0; i < own->n; i++)
		kvs_override(all, &none, NULL, &own->list[i]);
	struct kvs written = { 0 };
	kvs_of_section(b, s, &written);
	size_t wider = all->n;
	for (size_t i = 0; i < written.n; i++)
		kvs_override(all, &wider, &driver->options, &written.list[i]);
	free(written.list);
}

static void read_target(struct builder *b, const struct section *s)
{
	struct kvs all = { .hurt = s->hurt };
	const struct driver_table *driver = find_driver(b, s);
	bool set = section_find(s, "targets_from") != NULL;
	if (!*s->name) {
		errs_add(b->errs, s->at, s->title, NULL, "a target needs a name: [target NAME]");
		return;
	}
	if (!driver)
		return;
	gather(b, s, driver, &all);
	if (set)
		rows_read(b, s, driver, &all);
	else
		target_build(b, arena_str(b->model->arena, s->name), s->at, driver, &all);
	free(all.list);
}

void targets_read(struct builder *b)
{
	size_t before = b->errs->errors;
	for (size_t i = 0; i < b->config->n; i++)
		if (!strcmp(b->config->list[i]->kind, "target"))
			read_target(b, b->config->list[i]);
	b->targets_lost = b->errs->errors != before;
}
