/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defaults.c - [defaults] and [defaults DRIVER]: checked once, so that what is wrong there is said once; and how keys
 * of a section go over keys of a wider one.
 */
#include "config/build.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define YEAR_NS (366 * 86400 * NS_PER_S)

static struct option_decl core_decls[CORE_KEYS] = {
	[CORE_DRIVER] = { .name = "driver", .type = PROBED_TYPE_STRING },
	[CORE_INTERVAL] = { .name = "interval", .type = PROBED_TYPE_DURATION, .min = NS_PER_MS, .max = YEAR_NS },
	[CORE_TIMEOUT] = { .name = "timeout", .type = PROBED_TYPE_DURATION, .min = NS_PER_MS, .max = YEAR_NS },
	[CORE_JITTER] = { .name = "jitter", .type = PROBED_TYPE_STRING },
	[CORE_FAMILY] = { .name = "family", .type = PROBED_TYPE_CHOICE, .choices = "any|4|6" },
	[CORE_LABELS] = { .name = "labels", .type = PROBED_TYPE_MAP },
	[CORE_EXPECT] = { .name = "expect", .type = PROBED_TYPE_MAP },
	[CORE_WEIGHT] = { .name = "weight", .type = PROBED_TYPE_FLOAT },
	[CORE_MONITOR] = { .name = "monitor", .type = PROBED_TYPE_BOOLEAN },
	[CORE_RETRY] = { .name = "retry", .type = PROBED_TYPE_INTEGER, .min = 0, .max = 100 },
	[CORE_INFLIGHT] = { .name = "inflight", .type = PROBED_TYPE_INTEGER, .min = 1, .max = INFLIGHT_MAX },
	[CORE_LIMIT] = { .name = "limit", .type = PROBED_TYPE_STRING },
	[CORE_TARGETS_FROM] = { .name = "targets_from", .type = PROBED_TYPE_STRING },
	[CORE_KEY_COLUMN] = { .name = "key_column", .type = PROBED_TYPE_STRING },
};
const struct option_set core_keys = { .list = core_decls, .n = CORE_KEYS };
const char *const core_key_names[CORE_KEYS] = {
	"driver",  "interval", "timeout",  "jitter", "family",	     "labels",	   "expect",
	"weight",  "monitor",  "retry",	   "inflight", "limit", "targets_from", "key_column",
};

struct place place_keep(struct builder *b, struct place at)
{
	if (at.file && at.file != b->file_seen) {
		b->file_seen = at.file;
		b->file_kept = arena_str(b->model->arena, at.file);
	}
	return (struct place){ .file = at.file ? b->file_kept : NULL, .line = at.line };
}

void kvs_add(struct kvs *k, const char *key, const char *value, struct place at)
{
	xgrow(k->list, k->n, k->cap);
	k->list[k->n++] = (struct kv){ .key = key, .value = value, .at = at };
}

void kvs_of_section(struct builder *b, const struct section *s, struct kvs *out)
{
	for (size_t i = 0; i < s->n; i++)
		kvs_add(out, arena_str(b->model->arena, s->entries[i].key),
			arena_str(b->model->arena, s->entries[i].value), place_keep(b, s->entries[i].at));
}

const struct kv *kvs_find(const struct kvs *k, const char *key)
{
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(k->list[i].key, key))
			return &k->list[i];
	return NULL;
}

static void drop_list(struct kvs *k, size_t *n_earlier, const struct option_set *set, const struct option_decl *list)
{
	size_t kept = 0, earlier = 0;
	const char *item;
	for (size_t i = 0; i < k->n; i++) {
		if (i < *n_earlier && option_for_key(set, k->list[i].key, NULL, &item) == list)
			continue;
		earlier += i < *n_earlier;
		k->list[kept++] = k->list[i];
	}
	k->n = kept;
	*n_earlier = earlier;
}

void kvs_override(struct kvs *k, size_t *n_earlier, const struct option_set *set, const struct kv *with)
{
	const char *item;
	const struct option_decl *d = set ? option_for_key(set, with->key, NULL, &item) : NULL;
	if (d && d->type == PROBED_TYPE_LIST)
		drop_list(k, n_earlier, set, d);
	for (size_t i = 0; i < k->n; i++)
		if (!strcasecmp(k->list[i].key, with->key)) {
			k->list[i] = *with;
			return;
		}
	kvs_add(k, with->key, with->value, with->at);
}

/* The driver that knows this option, for a hint. */
static const char *driver_with(const struct builder *b, const char *key)
{
	const char *item;
	for (uint32_t i = 0; i < b->registry->n_drivers; i++)
		if (option_for_key(&b->registry->drivers[i]->options, key, NULL, &item))
			return b->registry->drivers[i]->name;
	return NULL;
}

void driver_unknown(struct builder *b, struct place at, const char *title, const char *name)
{
	CLEANUP_FREE const char **names = xcalloc(b->registry->n_drivers, sizeof *names);
	for (uint32_t i = 0; i < b->registry->n_drivers; i++)
		names[i] = b->registry->drivers[i]->name;
	const char *near = str_nearest(name, names, b->registry->n_drivers);
	errs_add(b->errs, at, title, NULL, "unknown driver \"%s\"%s%s%s; probed --list-plugins shows what is there",
		 name, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

bool key_check(struct builder *b, const char *title, const struct kv *kv, const struct driver_table *driver)
{
	static const struct option_set none = { 0 };
	const struct option_set *set = driver ? &driver->options : &none;
	const char *item;
	bool core = option_for_key(&core_keys, kv->key, NULL, &item);
	const char *whose = core || driver ? NULL : driver_with(b, kv->key);
	if (!whose)
		return !option_check(core ? &core_keys : set, kv, title, core_key_names, CORE_KEYS, b->errs);
	errs_add(b->errs, kv->at, title, kv->key, "is an option of drivers: put it in [defaults %s]", whose);
	return false;
}

/* One key of [defaults] or [defaults DRIVER]; true where it is good. */
static bool check_default(struct builder *b, const struct section *s, const struct kv *kv,
			  const struct driver_table *driver)
{
	const char *item;
	uint32_t index;
	const struct option_decl *core = option_for_key(&core_keys, kv->key, &index, &item);
	if (core && (index >= CORE_TARGETS_FROM || (index == CORE_DRIVER && driver))) {
		errs_add(b->errs, kv->at, s->title, kv->key, "belongs to a target");
		return false;
	}
	if (core && index == CORE_DRIVER && !registry_driver(b->registry, kv->value)) {
		driver_unknown(b, kv->at, s->title, kv->value);
		return false;
	}
	return key_check(b, s->title, kv, driver);
}

static void read_section(struct builder *b, const struct section *s, const struct driver_table *driver,
			 struct kvs *into)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct entry *e = &s->entries[i];
		struct kv kv = { .key = e->key, .value = e->value, .at = e->at };
		if (check_default(b, s, &kv, driver))
			kvs_add(into, arena_str(b->model->arena, e->key), arena_str(b->model->arena, e->value),
				place_keep(b, e->at));
	}
}

void defaults_read(struct builder *b)
{
	b->driver_defaults = xcalloc(b->registry->n_drivers, sizeof *b->driver_defaults);
	for (size_t i = 0; i < b->config->n; i++) {
		const struct section *s = b->config->list[i];
		if (strcmp(s->kind, "defaults") != 0)
			continue;
		const struct driver_table *driver = *s->name ? registry_driver(b->registry, s->name) : NULL;
		if (!*s->name)
			read_section(b, s, NULL, &b->defaults);
		else if (driver)
			read_section(b, s, driver, &b->driver_defaults[driver->index]);
		else
			driver_unknown(b, s->at, s->title, s->name);
	}
}
