/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plans.c - [plan NAME]: what is run, when, how much at most, and what must hold.
 */
#include "config/build.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "measure/require.h"
#include "measure/tally.h"
#include "plan/pace.h"
#include "plan/select.h"
#include "plan/window.h"

#define INFLIGHT_DEFAULT 1000
#define SLACK_DEFAULT (250 * NS_PER_US)
#define LONGEST (366 * 86400 * NS_PER_S)

enum {
	PLAN_RUN,
	PLAN_SETUP,
	PLAN_TEARDOWN,
	PLAN_THINK,
	PLAN_PACE,
	PLAN_FOR,
	PLAN_WINDOW,
	PLAN_CRON,
	PLAN_EXCEPT,
	PLAN_TIMEZONE,
	PLAN_START,
	PLAN_INFLIGHT,
	PLAN_LIMIT,
	PLAN_SLACK,
	PLAN_TIMEOUT,
	PLAN_SEED,
	PLAN_DATA,
	PLAN_REQUIRE,
	PLAN_RECORD,
	PLAN_KEYS
};

static struct option_decl decls[PLAN_KEYS] = {
	[PLAN_RUN] = { .name = "run",
		       .type = PROBED_TYPE_STRING,
		       .flags = PROBED_OPTION_REQUIRED,
		       .help = "what it selects, such as pick home:10 api:1" },
	[PLAN_SETUP] = { .name = "setup", .type = PROBED_TYPE_STRING },
	[PLAN_TEARDOWN] = { .name = "teardown", .type = PROBED_TYPE_STRING },
	[PLAN_THINK] = { .name = "think", .type = PROBED_TYPE_STRING },
	[PLAN_PACE] = { .name = "pace", .type = PROBED_TYPE_STRING },
	[PLAN_FOR] = { .name = "for", .type = PROBED_TYPE_DURATION, .min = NS_PER_MS, .max = LONGEST },
	[PLAN_WINDOW] = { .name = "window", .type = PROBED_TYPE_LIST },
	[PLAN_CRON] = { .name = "cron", .type = PROBED_TYPE_LIST },
	[PLAN_EXCEPT] = { .name = "except", .type = PROBED_TYPE_STRING },
	[PLAN_TIMEZONE] = { .name = "timezone", .type = PROBED_TYPE_STRING },
	[PLAN_START] = { .name = "start", .type = PROBED_TYPE_CHOICE, .choices = "auto|manual" },
	[PLAN_INFLIGHT] = { .name = "inflight", .type = PROBED_TYPE_INTEGER, .min = 1, .max = INFLIGHT_MAX },
	[PLAN_LIMIT] = { .name = "limit", .type = PROBED_TYPE_STRING },
	[PLAN_SLACK] = { .name = "slack", .type = PROBED_TYPE_DURATION, .min = 0, .max = NS_PER_S },
	[PLAN_TIMEOUT] = { .name = "timeout", .type = PROBED_TYPE_DURATION, .min = NS_PER_MS, .max = LONGEST },
	[PLAN_SEED] = { .name = "seed", .type = PROBED_TYPE_INTEGER, .min = 0, .max = INT64_MAX },
	[PLAN_DATA] = { .name = "data", .type = PROBED_TYPE_STRING },
	[PLAN_REQUIRE] = { .name = "require", .type = PROBED_TYPE_LIST },
	[PLAN_RECORD] = { .name = "record", .type = PROBED_TYPE_BOOLEAN },
};
static const struct option_set keys = { .list = decls, .n = PLAN_KEYS };

/* A plan being read. */
struct reading {
	struct builder *b;
	const char *title;
	struct kvs all;
	struct plan p;
	struct pace *pace;
	int64_t think_min_ns, think_max_ns, for_ns;
};

static void wrong(struct reading *r, const struct kv *kv, const char *what)
{
	errs_add(r->b->errs, kv->at, r->title, kv->key, "%s", what);
}

/* What needs nothing but its own value. */
static void take_value(struct reading *r, const struct kv *kv, uint32_t index)
{
	struct probed_value v = { 0 };
	char error[600];
	if (option_parse(&decls[index], kv->value, &v, error, sizeof error))
		return;
	switch (index) {
	case PLAN_THINK:
		think_parse(r->b, r->title, kv, &r->think_min_ns, &r->think_max_ns);
		break;
	case PLAN_FOR:
		r->for_ns = v.i;
		break;
	case PLAN_INFLIGHT:
		r->p.inflight = (uint32_t)v.i;
		break;
	case PLAN_LIMIT:
		r->p.limit = limit_read(r->b, r->title, kv);
		break;
	case PLAN_SLACK:
		r->p.slack_ns = v.i;
		break;
	case PLAN_TIMEOUT:
		r->p.timeout_ns = v.i;
		break;
	case PLAN_SEED:
		r->p.seed = (uint64_t)v.i;
		break;
	case PLAN_RECORD:
		r->p.record = v.i;
		break;
	default:
		break;
	}
}

/* --- when -------------------------------------------------------------------------------------- */

/* Where only cron entries say how fast, a copy of the first one's. */
static struct pace *pace_of_windows(const struct windows *w)
{
	const struct pace *first;
	char error[200];
	CLEANUP_BUF struct buf text = { 0 };
	if (!window_paces(w, &first, 1))
		return NULL;
	pace_print(first, &text);
	return pace_compile(buf_cstr(&text), error, sizeof error);
}

static void read_pace(struct reading *r, const struct section *s)
{
	struct kv *kv = (struct kv *)(uintptr_t)kvs_find(&r->all, "pace");
	char error[600];
	r->pace = kv ? pace_compile(kv->value, error, sizeof error) : pace_of_windows(r->p.windows);
	if (!r->pace) {
		if (kv)
			wrong(r, kv, error);
		else if (!s->hurt)
			errs_add(r->b->errs, s->at, r->title, "pace",
				 "is required, and missing (when, such as rate 20/s, human 1s..8s or users 10)");
	} else if (kv && pace_kind(r->pace) == PACE_EVERY) {
		wrong(r, kv, "that is what monitoring does: write interval (and jitter) in the target, or rate 1/min here");
		pace_free(r->pace);
		r->pace = NULL;
	} else if (kv && !recorded_read(r->b, r->title, kv, r->pace)) {
		pace_free(r->pace);
		r->pace = NULL;
	} else if (r->for_ns) {
		struct pace *shorter = pace_limit(r->pace, r->for_ns);
		pace_free(r->pace);
		r->pace = shorter;
	}
	r->p.pace = r->pace;
}

/* No limit is below what is asked for, by the plan's own pace or by one of a cron entry. */
static void check_demand(struct reading *r)
{
	const struct kv *kv = kvs_find(&r->all, "pace");
	const struct pace *paces[16];
	size_t n = window_paces(r->p.windows, paces, ARRAY_LEN(paces)), n_crons;
	CLEANUP_FREE const struct kv **crons = kvs_numbered(&r->all, "cron", &n_crons);
	if (r->pace && kv && r->p.n_choices)
		demand_check(r->b, &r->p, r->pace, r->title, kv);
	for (size_t i = 0; i < n && n_crons && r->p.n_choices; i++)
		demand_check(r->b, &r->p, paces[i], r->title, crons[0]);
}

/* Does it end by itself? What has windows comes back. */
static bool is_finite(const struct plan *p)
{
	if (p->windows)
		return false;
	return pace_length_ns(p->pace) != INT64_MAX || p->select == SELECT_SEQUENCE || (p->data.path && !p->data.repeat);
}

static void read_start(struct reading *r)
{
	const struct kv *kv = kvs_find(&r->all, "start");
	if (kv)
		r->p.manual = !strcmp(kv->value, "manual");
	else
		r->p.manual = r->pace && is_finite(&r->p);
}

/* --- what -------------------------------------------------------------------------------------- */

static const struct choice *read_steps(struct reading *r, const char *key)
{
	const struct kv *kv = kvs_find(&r->all, key);
	struct choice one = { .name = key, .weight = 1 };
	if (!kv || !choice_of_steps(r->b, r->title, kv, kv->value, &one))
		return NULL;
	one.name = key;
	if (!one.think_max_ns) {
		one.think_min_ns = r->think_min_ns;
		one.think_max_ns = r->think_max_ns;
	}
	return memcpy(arena_alloc(r->b->model->arena, sizeof one), &one, sizeof one);
}

static void read_choices(struct reading *r)
{
	const struct kv *run = kvs_find(&r->all, "run");
	if (run)
		choices_read(r->b, r->title, run, &r->p, r->think_min_ns, r->think_max_ns);
	r->p.setup = read_steps(r, "setup");
	r->p.teardown = read_steps(r, "teardown");
}

/* Templates of what is run have names that are known: variables and columns of the data. */
static void read_data(struct reading *r)
{
	struct kv *kv = (struct kv *)(uintptr_t)kvs_find(&r->all, "data");
	struct data *data = kv ? plan_data(r->b, r->title, kv, &r->p) : NULL;
	size_t n = 0;
	const char *const *columns = data ? data_columns(data, &n) : NULL;
	if (r->p.n_choices && (data || !kv))
		names_check(r->b, &r->p, r->title, columns, n);
	data_close(data);
}

/* --- what must hold ---------------------------------------------------------------------------- */

struct steps {
	struct tally_step *list;
	uint32_t n, cap;
};

static void add_steps(struct steps *s, const struct choice *c)
{
	for (uint32_t i = 0; c && i < c->n_steps; i++) {
		xgrow(s->list, s->n, s->cap);
		s->list[s->n++] = (struct tally_step){ .name = c->steps[i]->name, .driver = c->steps[i]->driver };
	}
}

static uint32_t number_of(const char *key)
{
	const char *dot = strchr(key, '.');
	int64_t n = 0;
	return dot && !unit_parse_integer(dot + 1, &n) && n > 0 && n < INT32_MAX ? (uint32_t)n : 0;
}

static int by_number(const void *a, const void *b)
{
	const struct kv *const *x = a, *const *y = b;
	uint32_t p = number_of((*x)->key), q = number_of((*y)->key);
	return p < q ? -1 : p > q;
}

const struct kv **kvs_numbered(const struct kvs *all, const char *name, size_t *n)
{
	const struct kv **list = xcalloc(all->n, sizeof *list);
	size_t len = strlen(name);
	*n = 0;
	for (size_t i = 0; i < all->n; i++)
		if (!strncmp(all->list[i].key, name, len) && (!all->list[i].key[len] || number_of(all->list[i].key)))
			list[(*n)++] = &all->list[i];
	if (*n)
		qsort(list, *n, sizeof *list, by_number);
	return list;
}

static void read_requires(struct reading *r)
{
	size_t n;
	char error[600];
	CLEANUP_FREE const struct kv **list = kvs_numbered(&r->all, "require", &n);
	struct steps steps = { 0 };
	const struct requirement **out = arena_alloc(r->b->model->arena, n * sizeof *out);
	for (uint32_t i = 0; i < r->p.n_choices; i++)
		add_steps(&steps, &r->p.choices[i]);
	for (size_t i = 0; r->p.n_choices && i < n; i++) {
		struct requirement *one = requirement_compile(list[i]->value, steps.list, steps.n, error, sizeof error);
		if (one)
			out[r->p.n_requires++] = one;
		else
			wrong(r, list[i], error);
	}
	r->p.requires = out;
	free(steps.list);
}

/* --- the whole --------------------------------------------------------------------------------- */

static uint64_t digest(const struct plan *p)
{
	uint64_t h = kvs_digest(str_hash(p->name, strlen(p->name)), p->keys, p->n_keys), bits;
	for (uint32_t i = 0; i < p->n_choices; i++) {
		const struct choice *c = &p->choices[i];
		memcpy(&bits, &c->weight, sizeof bits);
		h = str_mix(str_mix(h, str_hash(c->name, strlen(c->name))), bits);
		h = str_mix(str_mix(h, (uint64_t)c->think_min_ns), (uint64_t)c->think_max_ns);
		for (uint32_t k = 0; k < c->n_steps; k++)
			h = str_mix(h, str_hash(c->steps[k]->name, strlen(c->steps[k]->name)));
	}
	return h;
}

static void plan_end(struct plan *p)
{
	pace_free((struct pace *)(uintptr_t)p->pace);
	windows_free((struct windows *)(uintptr_t)p->windows);
	for (uint32_t i = 0; i < p->n_requires; i++)
		requirement_free((struct requirement *)(uintptr_t)p->requires[i]);
}

static void keep_plan(struct reading *r)
{
	struct model *m = r->b->model;
	r->p.keys = kvs_keep(r->b, &r->all);
	r->p.n_keys = (uint32_t)r->all.n;
	r->p.digest = digest(&r->p);
	struct plan *p = arena_alloc(m->arena, sizeof *p);
	*p = r->p;
	xgrow(m->plans, m->n_plans, r->b->cap_plans);
	m->plans[m->n_plans++] = p;
}

/* `window` by itself is the first of a list. */
static void check_keys(struct reading *r, const struct section *s)
{
	static const char *const lists[][2] = { { "window", "window.1" }, { "cron", "cron.1" } };
	CLEANUP_FREE struct kv *list = xcalloc(r->all.n, sizeof *list);
	if (r->all.n)
		memcpy(list, r->all.list, r->all.n * sizeof *list);
	for (size_t i = 0; i < r->all.n; i++)
		for (size_t k = 0; k < ARRAY_LEN(lists); k++)
			if (!strcmp(list[i].key, lists[k][0])) {
				if (kvs_find(&r->all, lists[k][1]))
					wrong(r, &list[i], "stands beside a numbered one: write window.1, window.2 ... (or cron.1 ...)");
				list[i].key = lists[k][1];
			}
	struct place at = { 0 };
	if (!s->hurt)
		at = s->at;
	options_check(&keys, list, r->all.n, at, s->title, NULL, 0, r->b->errs);
}

static void read_plan(struct builder *b, const struct section *s)
{
	struct reading r = { .b = b, .title = s->title };
	size_t before = b->errs->errors;
	const char *item;
	uint32_t index;
	if (!*s->name) {
		errs_add(b->errs, s->at, s->title, NULL, "a plan needs a name: [plan NAME]");
		return;
	}
	kvs_of_section(b, s, &r.all);
	check_keys(&r, s);
	r.p = (struct plan){ .name = arena_str(b->model->arena, s->name),
			     .inflight = INFLIGHT_DEFAULT,
			     .slack_ns = SLACK_DEFAULT,
			     .seed = str_hash(s->name, strlen(s->name)),
			     .record = true,
			     .at = place_keep(b, s->at) };
	for (size_t i = 0; i < r.all.n; i++)
		if (option_for_key(&keys, r.all.list[i].key, &index, &item))
			take_value(&r, &r.all.list[i], index);
	read_choices(&r);
	r.p.windows = plan_windows(b, s->title, &r.all);
	read_pace(&r, s);
	read_data(&r);
	read_requires(&r);
	read_start(&r);
	check_demand(&r);
	if (b->errs->errors == before && !s->hurt)
		keep_plan(&r);
	else
		plan_end(&r.p);
	free(r.all.list);
}

static int by_name(const void *a, const void *b)
{
	const struct plan *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

void plans_read(struct builder *b)
{
	struct model *m = b->model;
	for (size_t i = 0; i < b->config->n; i++)
		if (!strcmp(b->config->list[i]->kind, "plan"))
			read_plan(b, b->config->list[i]);
	if (m->n_plans)
		qsort(m->plans, m->n_plans, sizeof *m->plans, by_name);
}

void plans_free(struct model *m)
{
	for (size_t i = 0; i < m->n_plans; i++)
		plan_end(m->plans[i]);
	free(m->plans);
}
