/* SPDX-License-Identifier: Apache-2.0 */
/*
 * targets.c - [target NAME] and a target's keys, the core's and its driver's, become a struct target.
 */
#include "config/build.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "config/url.h"
#include "judge/expect.h"
#include "judge/template.h"

/* What was compiled once for a driver needs no second look: rows share the strings of their section. */
struct checked_key {
	const char *text;                  /* the arena's */
	const struct driver_table *driver; /* NULL: a template */
};

struct checked {
	struct checked_key key;
	bool good;
	UT_hash_handle hh;
};

/* A target's keys, parted. */
struct parted {
	struct kvs options, labels, expects;
	struct target t;
	const char *title;
};

void checked_free(struct checked *c)
{
	struct checked *one, *next;
	HASH_ITER(hh, c, one, next)
	{
		HASH_DEL(c, one);
		free(one);
	}
}

/* Compiles where that was not done yet; says what is wrong once. */
static bool compiles(struct builder *b, const char *title, const char *shown, const struct kv *kv,
		     const struct driver_table *driver)
{
	struct checked *seen;
	struct checked_key key;
	char error[400];
	memset(&key, 0, sizeof key);
	key.text = kv->value;
	key.driver = driver;
	HASH_FIND(hh, b->checked, &key, sizeof key, seen);
	if (seen)
		return seen->good;
	seen = xnew(struct checked);
	seen->key = key;
	if (driver) {
		struct expectation *e = expectation_compile(kv->value, driver, error, sizeof error);
		seen->good = e != NULL;
		expectation_free(e);
	} else {
		struct template *t = template_compile(kv->value, error, sizeof error);
		seen->good = t != NULL;
		template_free(t);
	}
	HASH_ADD(hh, b->checked, key, sizeof key, seen);
	if (!seen->good)
		errs_add(b->errs, kv->at, title, shown, "%s", error);
	return seen->good;
}

static bool take_core(struct builder *b, struct parted *p, const struct kv *kv, uint32_t index)
{
	struct probed_value v = { 0 };
	char error[600];
	if (option_parse(&core_keys.list[index], kv->value, &v, error, sizeof error)) {
		errs_add(b->errs, kv->at, p->title, kv->key, "%s", error);
		return false;
	}
	switch (index) {
	case CORE_INTERVAL:
		p->t.interval_ns = v.i;
		break;
	case CORE_TIMEOUT:
		p->t.timeout_ns = v.i;
		break;
	case CORE_FAMILY:
		p->t.family = v.i == 1 ? 4 : v.i == 2 ? 6 : 0;
		break;
	case CORE_JITTER:
		if (unit_parse_ratio(kv->value, &p->t.jitter) || p->t.jitter > 0.5) {
			errs_add(b->errs, kv->at, p->title, kv->key,
				 "expected a part of the interval, 0%% to 50%%, such as "
				 "10%%, not \"%.60s\"",
				 kv->value);
			return false;
		}
		p->t.jitter = round(p->t.jitter * 1e9) / 1e9;
		break;
	default:
		break;
	}
	return true;
}

static void take_key(struct builder *b, struct parted *p, const struct kv *kv)
{
	uint32_t index;
	const char *item;
	const struct option_decl *core = option_for_key(&core_keys, kv->key, &index, &item);
	if (!core)
		kvs_add(&p->options, kv->key, kv->value, kv->at);
	else if (index != CORE_LABELS && index != CORE_EXPECT)
		take_core(b, p, kv, index);
	else if (!item)
		errs_add(b->errs, kv->at, p->title, kv->key,
			 index == CORE_LABELS ? "write labels.NAME = value"
					      : "write expect.LABEL = expression: the label is what a failure names");
	else
		kvs_add(index == CORE_LABELS ? &p->labels : &p->expects, item, kv->value, kv->at);
}

/* `url`, where the driver has no such option itself, fills what its scheme says; what is written wins. False, with an
 * error. */
static bool expand_url(struct builder *b, struct parted *p, const struct driver_table *driver)
{
	const struct kv *found = kvs_find(&p->options, "url");
	const struct scheme_decl *scheme = NULL;
	struct kv *filled;
	size_t n;
	char name[64] = "", error[300];
	if (!found)
		return true;
	struct kv url = *found;
	if (!url_scheme(url.value, name, sizeof name))
		for (uint32_t i = 0; i < driver->n_schemes && !scheme; i++)
			if (!strcmp(driver->schemes[i].scheme, name))
				scheme = &driver->schemes[i];
	const char *item;
	if (!scheme && driver->n_schemes && !option_for_key(&driver->options, "url", NULL, &item)) {
		errs_add(b->errs, url.at, p->title, "url", "driver %s takes a URL such as %s://..., not %s%s", driver->name,
			 driver->schemes[0].scheme, *name ? name : "one without a scheme", *name ? "://" : "");
		return false;
	}
	if (!scheme || (scheme->whole && !strcmp(scheme->whole, "url") && !scheme->preset))
		return true;
	if (url_to_options(scheme, url.value, &filled, &n, error, sizeof error)) {
		errs_add(b->errs, url.at, p->title, "url", "%s", error);
		return false;
	}
	struct kvs options = { 0 };
	for (size_t i = 0; i < p->options.n; i++) {
		const struct kv *kv = &p->options.list[i];
		if (kv != found)
			kvs_add(&options, kv->key, kv->value, kv->at);
		for (size_t k = 0; k < n && kv == found; k++)
			if (!strcmp(filled[k].key, "url") || !kvs_find(&p->options, filled[k].key))
				kvs_add(&options, arena_str(b->model->arena, filled[k].key),
					arena_str(b->model->arena, filled[k].value), url.at);
	}
	free(p->options.list);
	p->options = options;
	free(filled);
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct kv *const *x = a, *const *y = b;
	return strcmp((*x)->key, (*y)->key);
}

static uint64_t hash_str(uint64_t h, const char *s)
{
	return str_mix(h, str_hash(s, strlen(s)));
}

uint64_t kvs_digest(uint64_t h, const struct kv *kvs, size_t n)
{
	const struct kv *few[32], **order = n > ARRAY_LEN(few) ? xcalloc(n, sizeof(*order)) : few;
	for (size_t i = 0; i < n; i++)
		order[i] = &kvs[i];
	qsort(order, n, sizeof *order, by_key);
	h = str_mix(h, n);
	for (size_t i = 0; i < n; i++)
		h = hash_str(hash_str(h, order[i]->key), order[i]->value);
	if (order != few)
		free(order);
	return h;
}

static uint64_t digest(const struct target *t)
{
	uint64_t jitter;
	memcpy(&jitter, &t->jitter, sizeof jitter);
	uint64_t h = hash_str(hash_str(1, t->name), t->driver->name);
	h = str_mix(str_mix(h, (uint64_t)t->interval_ns), (uint64_t)t->timeout_ns);
	h = str_mix(str_mix(h, jitter), t->family);
	h = kvs_digest(h, t->options, t->n_options);
	h = kvs_digest(h, t->expects, t->n_expects);
	return kvs_digest(h, t->labels, t->n_labels);
}

/* Into the arena; the array that the target before has is shared where it is the same. */
static const struct kv *keep_kvs(struct builder *b, const struct kvs *k, const struct kv *last, uint32_t n_last)
{
	if (!k->n)
		return NULL;
	if (k->n == n_last && !memcmp(k->list, last, k->n * sizeof *last))
		return last;
	struct kv *out = arena_alloc(b->model->arena, k->n * sizeof *out);
	return memcpy(out, k->list, k->n * sizeof *out);
}

static void keep_target(struct builder *b, struct parted *p)
{
	struct model *m = b->model;
	static const struct target none;
	const struct target *last = m->n_targets ? m->targets[m->n_targets - 1] : &none;
	struct target *t = arena_alloc(m->arena, sizeof *t);
	*t = p->t;
	t->options = keep_kvs(b, &p->options, last->options, last->n_options);
	t->labels = keep_kvs(b, &p->labels, last->labels, last->n_labels);
	t->expects = keep_kvs(b, &p->expects, last->expects, last->n_expects);
	t->n_options = (uint32_t)p->options.n;
	t->n_labels = (uint32_t)p->labels.n;
	t->n_expects = (uint32_t)p->expects.n;
	t->digest = digest(t);
	xgrow(m->targets, m->n_targets, b->cap_targets);
	m->targets[m->n_targets++] = t;
}

static void check_texts(struct builder *b, const struct parted *p, const struct driver_table *driver)
{
	const char *item;
	for (size_t i = 0; i < p->options.n; i++) {
		const struct kv *kv = &p->options.list[i];
		if (!template_present(kv->value))
			continue;
		const struct option_decl *d = option_for_key(&driver->options, kv->key, NULL, &item);
		if (d && (d->flags & PROBED_OPTION_TEMPLATE))
			compiles(b, p->title, kv->key, kv, NULL);
	}
	for (size_t i = 0; i < p->expects.n; i++) {
		char shown[NAME_MAX_BYTES + 8];
		snprintf(shown, sizeof shown, "expect.%s", p->expects.list[i].key);
		compiles(b, p->title, shown, &p->expects.list[i], driver);
	}
}

/* Where keys of the section were refused already, what seems to be missing is not told as well. */
static void check_options(struct builder *b, const struct parted *p, const struct driver_table *driver, bool hurt)
{
	const struct kvs *o = &p->options;
	if (!hurt)
		options_check(&driver->options, o->list, o->n, p->t.at, p->title, core_key_names, CORE_KEYS, b->errs);
	for (size_t i = 0; hurt && i < o->n; i++)
		option_check(&driver->options, &o->list[i], p->title, core_key_names, CORE_KEYS, b->errs);
}

void target_build(struct builder *b, const char *name, struct place at, const struct driver_table *driver,
		  const struct kvs *all)
{
	char title[NAME_MAX_BYTES * 2 + 16];
	size_t before = b->errs->errors;
	snprintf(title, sizeof title, "target %s", name);
	struct parted p = {
		.title = title,
		.t = { .magic = TARGET_MAGIC,
		       .name = name,
		       .driver = driver,
		       .interval_ns = 30 * NS_PER_S,
		       .timeout_ns = 5 * NS_PER_S,
		       .weight = 1,
		       .monitor = true,
		       .at = place_keep(b, at) },
	};
	for (size_t i = 0; i < all->n; i++)
		take_key(b, &p, &all->list[i]);
	if (expand_url(b, &p, driver))
		check_options(b, &p, driver, all->hurt);
	check_texts(b, &p, driver);
	if (b->errs->errors == before && !all->hurt)
		keep_target(b, &p);
	free(p.options.list);
	free(p.labels.list);
	free(p.expects.list);
}

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
	for (size_t i = 0; i < b->defaults.n; i++)
		kvs_override(all, 0, NULL, &b->defaults.list[i]);
	for (size_t i = 0; i < own->n; i++)
		kvs_override(all, 0, NULL, &own->list[i]);
	size_t wider = all->n;
	for (size_t i = 0; i < s->n; i++) {
		const struct entry *e = &s->entries[i];
		struct kv kv = { .key = arena_str(b->model->arena, e->key),
				 .value = arena_str(b->model->arena, e->value),
				 .at = place_keep(b, e->at) };
		kvs_override(all, wider, &driver->options, &kv);
	}
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
	for (size_t i = 0; i < b->config->n; i++)
		if (!strcmp(b->config->list[i]->kind, "target"))
			read_target(b, b->config->list[i]);
}
