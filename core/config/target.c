/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.c - a target's or step's keys, the core's and its driver's, become a struct target.
 */
#include "config/build.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "config/url.h"
#include "judge/capture.h"
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

/* A target's or step's keys, parted. */
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

/* Compiles where that was not done yet; says what is wrong once. Without a driver it is a template. */
static bool compiles(struct builder *b, const char *title, const char *shown, const struct kv *kv,
		     const struct driver_table *driver, const struct template_names *names)
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
		struct template *t = template_compile_names(kv->value, names, error, sizeof error);
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
	case CORE_WEIGHT:
		p->t.weight = v.f;
		if (v.f > 0)
			break;
		errs_add(b->errs, kv->at, p->title, kv->key, "expected a number above 0, not \"%.60s\"", kv->value);
		return false;
	case CORE_MONITOR:
		p->t.monitor = v.i;
		break;
	case CORE_RETRY:
		p->t.retry = (uint32_t)v.i;
		break;
	case CORE_INFLIGHT:
		p->t.inflight = (uint32_t)v.i;
		break;
	case CORE_LIMIT:
		p->t.limit = limit_read(b, p->title, kv);
		return p->t.limit != NULL;
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
	const char *item, *whole;
	const struct option_decl *core = option_for_key(&core_keys, kv->key, &index, &item);
	if (!core)
		kvs_add(&p->options, kv->key, kv->value, kv->at);
	else if (index != CORE_LABELS && index != CORE_EXPECT)
		take_core(b, p, kv, index);
	else if (!item)
		errs_add(b->errs, kv->at, p->title, kv->key,
			 index == CORE_LABELS ? "write labels.NAME = value"
					      : "write expect.LABEL = expression: the label is what a failure names");
	else if (index == CORE_LABELS)
		kvs_add(&p->labels, item, kv->value, kv->at);
	else if ((whole = shape_fill_in(b, p->title, kv->key, kv, p->t.driver)))
		kvs_add(&p->expects, item, whole, kv->at);
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

static uint64_t step_digest(uint64_t h, const struct step *s)
{
	h = kvs_digest(kvs_digest(hash_str(h, s->of), s->captures, s->n_captures), s->hooks, s->n_hooks);
	h = hash_str(h, s->hook ? s->hook : "");
	return str_mix(str_mix(str_mix(h, (uint64_t)s->think_min_ns), (uint64_t)s->think_max_ns), s->go_on);
}

static uint64_t digest(const struct target *t)
{
	uint64_t jitter;
	memcpy(&jitter, &t->jitter, sizeof jitter);
	uint64_t h = hash_str(hash_str(1, t->name), t->driver->name);
	h = str_mix(str_mix(h, (uint64_t)t->interval_ns), (uint64_t)t->timeout_ns);
	h = str_mix(str_mix(h, jitter), t->family);
	h = str_mix(str_mix(h, t->monitor), t->retry);
	h = kvs_digest(h, t->options, t->n_options);
	h = kvs_digest(h, t->expects, t->n_expects);
	h = kvs_digest(h, t->labels, t->n_labels);
	return t->step ? step_digest(h, t->step) : h;
}

const struct kv *kvs_keep(struct builder *b, const struct kvs *k)
{
	struct kv *out = arena_alloc(b->model->arena, k->n * sizeof *out);
	return k->n ? memcpy(out, k->list, k->n * sizeof *out) : NULL;
}

/* Into the arena; the array that the target before has is shared where it is the same. */
static const struct kv *keep_kvs(struct builder *b, const struct kvs *k, const struct kv *last, uint32_t n_last)
{
	if (!k->n)
		return NULL;
	if (k->n == n_last && !memcmp(k->list, last, k->n * sizeof *last))
		return last;
	return kvs_keep(b, k);
}

static void keep_target(struct builder *b, struct parted *p)
{
	struct model *m = b->model;
	static const struct target none;
	const struct target *last = !p->t.step && m->n_targets ? m->targets[m->n_targets - 1] : &none;
	struct target *t = arena_alloc(m->arena, sizeof *t);
	*t = p->t;
	t->options = keep_kvs(b, &p->options, last->options, last->n_options);
	t->labels = keep_kvs(b, &p->labels, last->labels, last->n_labels);
	t->expects = keep_kvs(b, &p->expects, last->expects, last->n_expects);
	t->n_options = (uint32_t)p->options.n;
	t->n_labels = (uint32_t)p->labels.n;
	t->n_expects = (uint32_t)p->expects.n;
	t->digest = digest(t);
	if (t->step) {
		xgrow(m->steps, m->n_steps, b->cap_steps);
		m->steps[m->n_steps++] = t;
	} else {
		xgrow(m->targets, m->n_targets, b->cap_targets);
		m->targets[m->n_targets++] = t;
	}
}

bool capture_check(struct builder *b, const char *title, const char *shown, const struct kv *kv,
		   const struct driver_table *driver)
{
	char error[400];
	struct capture *c = capture_compile(kv->value, driver, error, sizeof error);
	capture_free(c);
	if (!c)
		errs_add(b->errs, kv->at, title, shown, "%s", error);
	else if (template_reserved(kv->key))
		errs_add(b->errs, kv->at, title, shown, "{{%s}} stands for something else already: choose another name",
			 kv->key);
	return c && !template_reserved(kv->key);
}

const char *template_env(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

/* What only plans know, captures and rows of data, is right here for what only plans run; see names.c. */
static void check_texts(struct builder *b, const struct parted *p, const struct driver_table *driver)
{
	const struct template_names names = { .env = template_env,
					      .any_var = !p->t.monitor,
					      .any_column = !p->t.monitor };
	const char *item;
	for (size_t i = 0; i < p->options.n; i++) {
		const struct kv *kv = &p->options.list[i];
		if (!template_present(kv->value))
			continue;
		const struct option_decl *d = option_for_key(&driver->options, kv->key, NULL, &item);
		if (d && (d->flags & PROBED_OPTION_TEMPLATE))
			compiles(b, p->title, kv->key, kv, NULL, &names);
	}
	for (size_t i = 0; i < p->expects.n; i++) {
		char shown[NAME_MAX_BYTES + 8];
		snprintf(shown, sizeof shown, "expect.%s", p->expects.list[i].key);
		compiles(b, p->title, shown, &p->expects.list[i], driver, NULL);
	}
}

/* Where keys of the section were refused already, what seems to be missing is not told as well. */
static void check_options(struct builder *b, const struct parted *p, const struct driver_table *driver, bool hurt)
{
	const struct kvs *o = &p->options;
	const char *const *names = p->t.step ? step_key_names : core_key_names;
	size_t n_names = p->t.step ? n_step_key_names : CORE_KEYS;
	if (!hurt)
		options_check(&driver->options, o->list, o->n, p->t.at, p->title, names, n_names, b->errs);
	for (size_t i = 0; hurt && i < o->n; i++)
		option_check(&driver->options, &o->list[i], p->title, names, n_names, b->errs);
}

static void parted_end(struct builder *b, struct parted *p, size_t errors_before, bool hurt)
{
	check_texts(b, p, p->t.driver);
	if (b->errs->errors == errors_before && !hurt)
		keep_target(b, p);
	free(p->options.list);
	free(p->labels.list);
	free(p->expects.list);
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
	parted_end(b, &p, before, all->hurt);
}

/* Is it in `own`, by itself or as a list that takes the place of the target's? */
static bool overridden(const struct kvs *own, const struct option_set *set, const char *key)
{
	const char *item;
	const struct option_decl *d = option_for_key(set, key, NULL, &item);
	for (size_t i = 0; i < own->n; i++)
		if (!strcasecmp(own->list[i].key, key) || (d && d->type == PROBED_TYPE_LIST &&
							   option_for_key(set, own->list[i].key, NULL, &item) == d))
			return true;
	return false;
}

/* `own` over the target's. */
static void inherit(struct kvs *own, const struct kv *from, uint32_t n, const struct option_set *set)
{
	struct kvs all = { 0 };
	for (uint32_t i = 0; i < n; i++)
		if (!overridden(own, set, from[i].key))
			kvs_add(&all, from[i].key, from[i].value, from[i].at);
	for (size_t i = 0; i < own->n; i++)
		kvs_add(&all, own->list[i].key, own->list[i].value, own->list[i].at);
	free(own->list);
	*own = all;
}

/* `path`, where the driver takes whole URLs and has no such option itself, is joined to the target's. False, with an
 * error. */
static bool join_path(struct builder *b, struct parted *p, const struct target *of)
{
	const struct driver_table *driver = of->driver;
	const struct kv *path = kvs_find(&p->options, "path"), *url = kvs_find(&p->options, "url");
	const char *item;
	bool whole = false;
	if (!path || option_for_key(&driver->options, "path", NULL, &item))
		return true;
	for (uint32_t i = 0; i < driver->n_schemes; i++)
		whole = whole || (driver->schemes[i].whole && !strcmp(driver->schemes[i].whole, "url"));
	if (!whole)
		return true; /* an unknown option, then */
	for (uint32_t i = 0; i < of->n_options && !url; i++)
		if (!strcmp(of->options[i].key, "url"))
			url = &of->options[i];
	CLEANUP_FREE char *joined = url ? url_join(url->value, path->value) : NULL;
	if (!joined) {
		errs_add(b->errs, path->at, p->title, "path",
			 "there is no URL to join it to: write url in target %s, or in the step", of->name);
		return false;
	}
	struct kvs options = { 0 };
	for (size_t i = 0; i < p->options.n; i++)
		if (&p->options.list[i] != path && strcmp(p->options.list[i].key, "url") != 0)
			kvs_add(&options, p->options.list[i].key, p->options.list[i].value, p->options.list[i].at);
	kvs_add(&options, "url", arena_str(b->model->arena, joined), path->at);
	free(p->options.list);
	p->options = options;
	return true;
}

void step_build(struct builder *b, const char *name, struct place at, const struct target *of, const struct step *step,
		const struct kvs *own)
{
	char title[NAME_MAX_BYTES * 2 + 16];
	static const struct option_set none = { 0 };
	size_t before = b->errs->errors;
	snprintf(title, sizeof title, "step %s", name);
	struct parted p = { .title = title, .t = *of };
	p.t.name = name;
	p.t.at = place_keep(b, at);
	p.t.step = step;
	p.t.weight = 1;
	p.t.monitor = false;
	for (size_t i = 0; i < own->n; i++)
		take_key(b, &p, &own->list[i]);
	bool good = expand_url(b, &p, of->driver) && join_path(b, &p, of);
	inherit(&p.options, of->options, of->n_options, &of->driver->options);
	inherit(&p.labels, of->labels, of->n_labels, &none);
	if (good)
		check_options(b, &p, of->driver, own->hurt);
	parted_end(b, &p, before, own->hurt);
}
