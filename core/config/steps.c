/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps.c - [step NAME], a target's request with other options, and [flow NAME], steps in order.
 */
#include "config/build.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "judge/expect.h"

#define LANGUAGES 16 /* of which a message could speak */
#define THINK_MAX (24 * 3600 * NS_PER_S)

/* Keys that only a step has. */
enum { STEP_TARGET, STEP_CAPTURE, STEP_BEFORE, STEP_AFTER, STEP_HOOK, STEP_ON_FAIL, STEP_THINK, STEP_KEYS };

static struct option_decl step_decls[STEP_KEYS] = {
	[STEP_TARGET] = { .name = "target", .type = PROBED_TYPE_STRING },
	[STEP_CAPTURE] = { .name = "capture", .type = PROBED_TYPE_MAP },
	[STEP_BEFORE] = { .name = "before", .type = PROBED_TYPE_STRING },
	[STEP_AFTER] = { .name = "after", .type = PROBED_TYPE_STRING },
	[STEP_HOOK] = { .name = "hook", .type = PROBED_TYPE_STRING },
	[STEP_ON_FAIL] = { .name = "on_fail", .type = PROBED_TYPE_CHOICE, .choices = "stop|continue" },
	[STEP_THINK] = { .name = "think", .type = PROBED_TYPE_STRING },
};
static const struct option_set step_keys = { .list = step_decls, .n = STEP_KEYS };

const char *const step_key_names[] = { "target", "capture", "before", "after",	"hook",	 "on_fail",
				       "think",	 "timeout", "family", "labels", "expect", "retry" };
const size_t n_step_key_names = ARRAY_LEN(step_key_names);

/* A step's keys, parted: its own, and those that a target could have as well. */
struct reading {
	struct builder *b;
	const struct section *s;
	const struct target *of;
	struct step step;
	struct kvs rest, captures, hooks;
	bool bad;
};

bool think_parse(struct builder *b, const char *title, const struct kv *kv, int64_t *min_ns, int64_t *max_ns)
{
	const char *dots = strstr(kv->value, "..");
	CLEANUP_FREE char *low = dots ? xstrndup(kv->value, (size_t)(dots - kv->value)) : xstrdup(kv->value);
	int64_t min = 0, max = 0;
	bool good = !unit_parse_duration(low, &min) && min >= 0;
	if (good && dots)
		good = !unit_parse_duration(dots + 2, &max) && max >= min;
	else
		max = min;
	if (!good || max > THINK_MAX) {
		errs_add(b->errs, kv->at, title, kv->key,
			 "expected a time up to a day or a range of times, such as 2s or 1s..3s, not \"%.60s\"",
			 kv->value);
		return false;
	}
	*min_ns = min;
	*max_ns = max;
	return true;
}

/* The script itself, or, where it says @FILE, that as its first line and then what the file holds. NULL, with an error. */
static const char *script_of(struct builder *b, const char *title, const struct kv *kv)
{
	size_t len;
	if (kv->value[0] != '@')
		return kv->value;
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FREE char *text = beside_read(b, title, kv->key, kv, kv->value + 1, &path, &len);
	if (!text)
		return NULL;
	if (strlen(text) != len) {
		errs_add(b->errs, kv->at, title, kv->key, "%s holds a NUL byte: expected a script", path);
		return NULL;
	}
	CLEANUP_FREE char *whole = xasprintf("%s\n%s", kv->value, text);
	return arena_str(b->model->arena, whole);
}

static void take_own(struct reading *r, const struct kv *kv, uint32_t index, const char *item)
{
	struct builder *b = r->b;
	const char *title = r->s->title, *script;
	struct probed_value v = { 0 };
	char error[300];
	size_t before = b->errs->errors;
	if (option_parse(&step_decls[index], kv->value, &v, error, sizeof error)) {
		errs_add(b->errs, kv->at, title, kv->key, "%s", error);
		r->bad = true;
		return;
	}
	switch (index) {
	case STEP_CAPTURE:
		if (!item)
			errs_add(b->errs, kv->at, title, kv->key,
				 "write capture.NAME = query: {{NAME}} stands for it in later steps");
		else
			kvs_add(&r->captures, item, kv->value, kv->at);
		break;
	case STEP_BEFORE:
	case STEP_AFTER:
		script = script_of(b, title, kv);
		if (script)
			kvs_add(&r->hooks, kv->key, script, kv->at);
		break;
	case STEP_HOOK:
		r->step.hook = kv->value;
		break;
	case STEP_ON_FAIL:
		r->step.go_on = v.i == 1;
		break;
	case STEP_THINK:
		think_parse(b, title, kv, &r->step.think_min_ns, &r->step.think_max_ns);
		break;
	default:
		break;
	}
	r->bad = r->bad || b->errs->errors != before;
}

/* Keys that a target has and a step can't. */
static bool refused(struct reading *r, const struct kv *kv)
{
	static const char *const whole[] = { "driver", "interval", "jitter", "monitor", "inflight", "limit", "weight",
					     "targets_from", "key_column" };
	for (size_t i = 0; i < ARRAY_LEN(whole); i++)
		if (!strcmp(kv->key, whole[i])) {
			errs_add(r->b->errs, kv->at, r->s->title, kv->key, "belongs to a target, not to its steps");
			return true;
		}
	return false;
}

static void part_keys(struct reading *r)
{
	struct kvs all = { 0 };
	uint32_t index;
	const char *item;
	kvs_of_section(r->b, r->s, &all);
	for (size_t i = 0; i < all.n; i++) {
		const struct kv *kv = &all.list[i];
		if (option_for_key(&step_keys, kv->key, &index, &item))
			take_own(r, kv, index, item);
		else if (refused(r, kv))
			r->bad = true;
		else
			kvs_add(&r->rest, kv->key, kv->value, kv->at);
	}
	free(all.list);
}

static void language_unknown(struct reading *r, struct place at, const char *key)
{
	const char *names[LANGUAGES];
	size_t n = registry_hooks(r->b->registry, names, LANGUAGES);
	const char *near = r->step.hook ? str_nearest(r->step.hook, names, n < LANGUAGES ? n : LANGUAGES) : NULL;
	r->bad = true;
	if (!n)
		errs_add(r->b->errs, at, r->s->title, key, "no plugin here runs scripts: probed --list-plugins shows what there is");
	else if (r->step.hook)
		errs_add(r->b->errs, at, r->s->title, key, "no plugin runs \"%.40s\"%s%s%s", r->step.hook,
			 near ? " (did you mean \"" : ": expected ", near ? near : names[0], near ? "\"?)" : "");
	else
		errs_add(r->b->errs, at, r->s->title, key, "in which language? Write hook = %s or %s beside it", names[0], names[1]);
}

/* The only language there is need not be named. */
static void check_hooks(struct reading *r)
{
	const char *only[1];
	if (r->bad || (!r->hooks.n && !r->step.hook))
		return;
	if (!r->hooks.n) {
		r->bad = true;
		errs_add(r->b->errs, section_find(r->s, "hook")->at, r->s->title, "hook",
			 "runs nothing: write before = SCRIPT or after = SCRIPT beside it");
	} else if (r->step.hook) {
		if (!registry_hook(r->b->registry, r->step.hook))
			language_unknown(r, section_find(r->s, "hook")->at, "hook");
	} else if (registry_hooks(r->b->registry, only, 1) == 1) {
		r->step.hook = only[0];
	} else {
		language_unknown(r, r->hooks.list[0].at, r->hooks.list[0].key);
	}
}

static void check_captures(struct reading *r)
{
	for (size_t i = 0; i < r->captures.n; i++) {
		char shown[NAME_MAX_BYTES + 16];
		snprintf(shown, sizeof shown, "capture.%s", r->captures.list[i].key);
		if (!capture_check(r->b, r->s->title, shown, &r->captures.list[i], r->of->driver))
			r->bad = true;
	}
}

static void target_unknown(struct builder *b, const struct section *s, const struct entry *e)
{
	const struct model *m = b->model;
	CLEANUP_FREE char *section = xasprintf("target %s", e->value), *step = xasprintf("step %s", e->value);
	const struct section *there = config_section(b->config, section);
	if (there && section_find(there, "targets_from"))
		errs_add(b->errs, e->at, s->title, e->key, "%s is a set of targets: write %s/ROW", e->value, e->value);
	else if (config_section(b->config, step))
		errs_add(b->errs, e->at, s->title, e->key, "%s is a step itself: expected a target", e->value);
	if (there || (b->targets_lost && strchr(e->value, '/')) || config_section(b->config, step))
		return;
	CLEANUP_FREE const char **names = xcalloc(m->n_targets, sizeof *names);
	for (size_t i = 0; i < m->n_targets; i++)
		names[i] = m->targets[i]->name;
	const char *near = str_nearest(e->value, names, m->n_targets);
	errs_add(b->errs, e->at, s->title, e->key, "unknown target \"%.80s\"%s%s%s", e->value,
		 near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

static void read_step(struct builder *b, const struct section *s)
{
	const struct entry *e = section_find(s, "target");
	if (!*s->name) {
		errs_add(b->errs, s->at, s->title, NULL, "a step needs a name: [step NAME]");
		return;
	}
	if (!e) {
		if (!s->hurt)
			errs_add(b->errs, s->at, s->title, "target",
				 "is required, and missing: whose request is it?");
		return;
	}
	struct reading r = { .b = b, .s = s, .of = model_target(b->model, e->value) };
	part_keys(&r);
	if (!r.of) {
		target_unknown(b, s, e);
	} else {
		check_hooks(&r);
		check_captures(&r);
		r.step.of = r.of->name;
		r.step.captures = kvs_keep(b, &r.captures);
		r.step.hooks = kvs_keep(b, &r.hooks);
		r.step.n_captures = (uint32_t)r.captures.n;
		r.step.n_hooks = (uint32_t)r.hooks.n;
		r.rest.hurt = r.bad || s->hurt;
		struct step *step = arena_alloc(b->model->arena, sizeof *step);
		*step = r.step;
		step_build(b, arena_str(b->model->arena, s->name), s->at, r.of, step, &r.rest);
	}
	free(r.rest.list);
	free(r.captures.list);
	free(r.hooks.list);
}

void steps_read(struct builder *b)
{
	for (size_t i = 0; i < b->config->n; i++)
		if (!strcmp(b->config->list[i]->kind, "step"))
			read_step(b, b->config->list[i]);
}

/* --- flows ------------------------------------------------------------------------------------- */

static struct option_decl flow_decls[] = {
	{ .name = "steps", .type = PROBED_TYPE_STRING, .flags = PROBED_OPTION_REQUIRED, .help = "what it runs, in order" },
	{ .name = "think", .type = PROBED_TYPE_STRING },
};

static void read_flow(struct builder *b, const struct section *s)
{
	static const struct option_set set = { .list = flow_decls, .n = ARRAY_LEN(flow_decls) };
	struct model *m = b->model;
	struct kvs all = { 0 };
	struct flow f = { .at = place_keep(b, s->at) };
	struct place at = { 0 };
	size_t before = b->errs->errors;
	if (!s->hurt)
		at = s->at;
	kvs_of_section(b, s, &all);
	if (!*s->name)
		errs_add(b->errs, s->at, s->title, NULL, "a flow needs a name: [flow NAME]");
	else
		options_check(&set, all.list, all.n, at, s->title, NULL, 0, b->errs);
	const struct kv *steps = kvs_find(&all, "steps"), *think = kvs_find(&all, "think");
	f.choice = (struct choice){ .name = arena_str(m->arena, s->name), .flow = true, .weight = 1 };
	if (think)
		think_parse(b, s->title, think, &f.choice.think_min_ns, &f.choice.think_max_ns);
	bool good = steps && choice_of_steps(b, s->title, steps, steps->value, &f.choice);
	if (model_probed(m, s->name)) {
		const struct target *t = model_probed(m, s->name);
		errs_add(b->errs, s->at, s->title, NULL, "the name is taken already, by the %s at %s:%d",
			 t->step ? "step" : "target", t->at.file, t->at.line);
	}
	if (good && b->errs->errors == before && !s->hurt)
		m->flows[m->n_flows++] = f;
	free(all.list);
}

static int by_name(const void *a, const void *b)
{
	const struct flow *x = a, *y = b;
	return strcmp(x->choice.name, y->choice.name);
}

void flows_read(struct builder *b)
{
	struct model *m = b->model;
	m->flows = arena_alloc(m->arena, b->config->n * sizeof *m->flows);
	for (size_t i = 0; i < b->config->n; i++)
		if (!strcmp(b->config->list[i]->kind, "flow"))
			read_flow(b, b->config->list[i]);
	if (m->n_flows)
		qsort(m->flows, m->n_flows, sizeof *m->flows, by_name);
}

const struct flow *model_flow(const struct model *m, const char *name)
{
	const struct flow key = { .choice.name = name };
	return m->n_flows ? bsearch(&key, m->flows, m->n_flows, sizeof *m->flows, by_name) : NULL;
}
