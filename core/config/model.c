/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.c - the model as a whole: from the sections to targets, sinks, services and plugins' settings; its life and
 * end.
 */
#include "config/model.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "config/build.h"

#define MODEL_MAGIC 0x6d6f6465u

static const char *const kinds[] = { "probed", "defaults",  "target", "step", "flow",    "plan",
				     "host",   "driver", "resources", "sink", "service", "plugin" };

static void check_kinds(struct builder *b)
{
	for (size_t i = 0; i < b->config->n; i++) {
		const struct section *s = b->config->list[i];
		bool known = false;
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
			known = known || !strcmp(s->kind, kinds[k]);
		const char *near = str_nearest(s->kind, kinds, ARRAY_LEN(kinds));
		if (!known)
			errs_add(b->errs, s->at, s->title, NULL,
				 "unknown kind of section%s%s%s: expected one of probed, defaults, target, step, flow, plan, "
				 "host, driver, resources, sink, service, plugin",
				 near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
		else if (!strcmp(s->kind, "probed") && *s->name)
			errs_add(b->errs, s->at, s->title, NULL, "[probed] takes no name");
	}
}

/* The settings' errors were most likely told before, by config_settings(): what is new is added. */
static void read_settings(struct builder *b)
{
	struct errs own = { 0 };
	config_settings(b->config, &b->model->settings, &own);
	for (size_t i = 0; i < own.n; i++) {
		bool told = false;
		for (size_t k = 0; k < b->errs->n; k++)
			told = told || !strcmp(b->errs->list[k].text, own.list[i].text);
		if (!told)
			errs_add(b->errs, (struct place){ 0 }, NULL, NULL, "%s", own.list[i].text);
	}
	errs_free(&own);
}

static void part_unknown(struct builder *b, const struct section *s, const struct entry *e, bool sink)
{
	CLEANUP_FREE const char **names = NULL;
	size_t n = 0, cap = 0;
	for (uint32_t i = 0; i < b->registry->n_plugins; i++) {
		const struct plugin_table *p = b->registry->plugins[i];
		uint32_t n_parts = p->state != PLUGIN_LOADED ? 0 : sink ? p->n_sinks : p->n_services;
		for (uint32_t k = 0; k < n_parts; k++) {
			xgrow(names, n, cap);
			names[n++] = sink ? p->sinks[k].name : p->services[k].name;
		}
	}
	const char *near = n ? str_nearest(e->value, names, n) : NULL;
	errs_add(b->errs, e->at, s->title, e->key, "unknown %s \"%s\"%s%s%s; probed --list-plugins shows what is there",
		 sink ? "sink" : "service", e->value, near ? " (did you mean \"" : "", near ? near : "",
		 near ? "\"?)" : "");
}

/* Keys of a sink that are the core's. */
static struct option_decl sink_decls[] = {
	{ .name = "queue", .type = PROBED_TYPE_INTEGER, .min = 64, .max = 10000000 },
	{ .name = "on_full", .type = PROBED_TYPE_CHOICE, .choices = "drop|wait" },
};
static const struct option_set sink_keys = { .list = sink_decls, .n = ARRAY_LEN(sink_decls) };

/* Is it one of those? Then it is taken into `p`, or told what is wrong with it. */
static bool read_sink_key(struct builder *b, const struct section *s, const struct entry *e, struct part *p, size_t *wrong)
{
	uint32_t index;
	struct probed_value v = { 0 };
	char error[300];
	struct kv kv = { .key = e->key, .value = e->value, .at = e->at };
	if (!option_for_key(&sink_keys, e->key, &index, &(const char *){ NULL }))
		return false;
	*wrong += option_check(&sink_keys, &kv, s->title, NULL, 0, b->errs);
	if (option_parse(&sink_decls[index], e->value, &v, error, sizeof error))
		return true;
	if (index == 0)
		p->queue = (uint32_t)v.i;
	else
		p->wait = v.i == 1;
	return true;
}

static void read_part(struct builder *b, const struct section *s, bool sink, struct part *out, size_t *n)
{
	static const char *const known[] = { "driver", "queue", "on_full" };
	size_t n_known = sink ? ARRAY_LEN(known) : 1, wrong = 0;
	struct part read = { 0 };
	const struct entry *e = section_find(s, "driver");
	struct model_arena *arena = b->model->arena;
	if (!*s->name) {
		errs_add(b->errs, s->at, s->title, NULL, "needs a name: [%s NAME]", s->kind);
		return;
	}
	if (!e && s->hurt)
		return;
	if (!e) {
		errs_add(b->errs, s->at, s->title, "driver",
			 "is required, and missing; probed --list-plugins shows what is there");
		return;
	}
	const struct part_table *table =
	    sink ? registry_sink(b->registry, e->value) : registry_service(b->registry, e->value);
	if (!table) {
		part_unknown(b, s, e, sink);
		return;
	}
	struct kv *kvs = arena_alloc(arena, s->n * sizeof *kvs);
	uint32_t count = 0;
	for (size_t i = 0; i < s->n; i++)
		if (&s->entries[i] != e && !(sink && read_sink_key(b, s, &s->entries[i], &read, &wrong)))
			kvs[count++] = (struct kv){ .key = arena_str(arena, s->entries[i].key),
						    .value = arena_str(arena, s->entries[i].value),
						    .at = place_keep(b, s->entries[i].at) };
	if (!s->hurt)
		wrong += options_check(&table->options, kvs, count, s->at, s->title, known, n_known, b->errs);
	for (uint32_t i = 0; s->hurt && i < count; i++)
		wrong += option_check(&table->options, &kvs[i], s->title, known, n_known, b->errs);
	if (wrong || s->hurt)
		return;
	struct part *p = &out[(*n)++];
	*p = (struct part){ .name = arena_str(arena, s->name),
			    .table = table,
			    .options = kvs,
			    .n_options = count,
			    .queue = read.queue,
			    .wait = read.wait,
			    .at = place_keep(b, s->at) };
	p->digest = kvs_digest(str_mix(str_hash(s->name, strlen(s->name)), str_hash(table->name, strlen(table->name))),
			       kvs, count);
	if (p->queue || p->wait)
		p->digest = str_mix(p->digest, (uint64_t)p->queue << 1 | p->wait);
}

static bool plugin_known(struct builder *b, const struct section *s)
{
	CLEANUP_FREE const char **names = xcalloc(b->registry->n_plugins, sizeof *names);
	size_t n = 0;
	for (uint32_t i = 0; i < b->registry->n_plugins; i++)
		if (b->registry->plugins[i]->name)
			names[n++] = b->registry->plugins[i]->name;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], s->name))
			return true;
	const char *near = str_nearest(s->name, names, n);
	errs_add(b->errs, s->at, s->title, NULL, "unknown plugin%s%s%s; probed --list-plugins shows what is there",
		 near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	return false;
}

static void read_plugin(struct builder *b, const struct section *s)
{
	static struct option_decl decls[] = { { .name = "isolate", .type = PROBED_TYPE_BOOLEAN, .def = "no" } };
	static const struct option_set set = { .list = decls, .n = ARRAY_LEN(decls) };
	struct probed_value isolate = { 0 };
	char error[300];
	size_t wrong = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct kv kv = { .key = s->entries[i].key, .value = s->entries[i].value, .at = s->entries[i].at };
		wrong += options_check(&set, &kv, 1, s->at, s->title, NULL, 0, b->errs);
		if (!wrong)
			option_parse(&decls[0], kv.value, &isolate, error, sizeof error);
	}
	if (plugin_known(b, s) && !wrong)
		b->model->plugins[b->model->n_plugins++] =
		    (struct plugin_setting){ .name = arena_str(b->model->arena, s->name), .isolate = isolate.i };
}

static void read_parts(struct builder *b)
{
	struct model *m = b->model;
	m->sinks = arena_alloc(m->arena, b->config->n * sizeof *m->sinks);
	m->services = arena_alloc(m->arena, b->config->n * sizeof *m->services);
	m->plugins = arena_alloc(m->arena, b->config->n * sizeof *m->plugins);
	for (size_t i = 0; i < b->config->n; i++) {
		const struct section *s = b->config->list[i];
		if (!strcmp(s->kind, "sink"))
			read_part(b, s, true, m->sinks, &m->n_sinks);
		else if (!strcmp(s->kind, "service"))
			read_part(b, s, false, m->services, &m->n_services);
		else if (!strcmp(s->kind, "plugin"))
			read_plugin(b, s);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct target *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

static void sort_targets(struct builder *b, struct target **list, size_t n)
{
	if (n)
		qsort(list, n, sizeof *list, by_name);
	for (size_t i = 1; i < n; i++) {
		const struct target *one = list[i - 1], *two = list[i];
		if (strcmp(one->name, two->name) != 0)
			continue;
		char title[NAME_MAX_BYTES * 2 + 16];
		snprintf(title, sizeof title, "target %s", two->name);
		errs_add(b->errs, two->at, title, NULL, "the name is taken already, by %s:%d", one->at.file,
			 one->at.line);
	}
}

/* One name is never both a target's and a step's. */
static void sort_steps(struct builder *b)
{
	struct model *m = b->model;
	sort_targets(b, m->steps, m->n_steps);
	for (size_t i = 0; i < m->n_steps; i++) {
		const struct target *step = m->steps[i], *t = model_target(m, step->name);
		char title[NAME_MAX_BYTES * 2 + 16];
		snprintf(title, sizeof title, "step %s", step->name);
		if (t)
			errs_add(b->errs, step->at, title, NULL, "the name is taken already, by the target at %s:%d",
				 t->at.file, t->at.line);
	}
}

struct model *model_build_well(const struct config *c, struct registry *registry, struct errs *errs)
{
	CHECK_MAGIC(c, CONFIG_MAGIC);
	struct model *m = xnew(struct model);
	m->magic = MODEL_MAGIC;
	m->refs = 1;
	m->registry = registry_ref(registry);
	m->arena = arena_new();
	struct builder b = { .config = c, .registry = registry, .errs = errs, .model = m };
	read_settings(&b);
	check_kinds(&b);
	defaults_read(&b);
	targets_read(&b);
	sort_targets(&b, m->targets, m->n_targets);
	limits_read(&b);
	steps_read(&b);
	sort_steps(&b);
	flows_read(&b);
	plans_read(&b);
	if (!errs->errors)
		unused_warn(&b);
	read_parts(&b);
	for (uint32_t i = 0; i < registry->n_drivers; i++)
		free(b.driver_defaults[i].list);
	free(b.driver_defaults);
	free(b.defaults.list);
	checked_free(b.checked);
	shapes_free(b.shapes);
	return m;
}

struct model *model_build(const struct config *c, struct registry *registry, struct errs *errs)
{
	struct model *m = model_build_well(c, registry, errs);
	if (!errs->errors)
		return m;
	model_unref(m);
	return NULL;
}

struct model *model_ref(struct model *m)
{
	CHECK_MAGIC(m, MODEL_MAGIC);
	m->refs++;
	return m;
}

void model_unref(struct model *m)
{
	if (!m)
		return;
	CHECK_MAGIC(m, MODEL_MAGIC);
	if (--m->refs)
		return;
	m->magic = 0;
	settings_free(&m->settings);
	registry_unref(m->registry);
	free(m->targets);
	free(m->steps);
	plans_free(m);
	for (size_t i = 0; i < m->n_target_files; i++)
		free(m->target_files[i]);
	free(m->target_files);
	arena_free(m->arena);
	free(m);
}

static const struct target *find(struct target *const *list, size_t n, const char *name)
{
	struct target key = { .name = name }, *wanted = &key;
	struct target *const *found = n ? bsearch(&wanted, list, n, sizeof(*list), by_name) : NULL;
	return found ? *found : NULL;
}

const struct target *model_target(const struct model *m, const char *name)
{
	return find(m->targets, m->n_targets, name);
}

const struct target *model_probed(const struct model *m, const char *name)
{
	const struct target *t = find(m->targets, m->n_targets, name);
	return t ? t : find(m->steps, m->n_steps, name);
}

const struct plan *model_plan(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->n_plans; i++)
		if (!strcmp(m->plans[i]->name, name))
			return m->plans[i];
	return NULL;
}
