/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choices.c - what a plan runs: names, globs and labels with their weights become choices, steps become flows.
 */
#include "config/build.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "plan/select.h"

#define BLANKS " \t\n\r"

static const struct kind {
	const char *word;
	enum select_kind kind;
	bool weights, flows; /* flows: of nothing but flows */
} kinds[] = {
	{ "one", SELECT_ONE, false, false },	     { "pick", SELECT_PICK, true, false },
	{ "round", SELECT_ROUND, false, false },     { "sequence", SELECT_SEQUENCE, false, false },
	{ "shuffle", SELECT_SHUFFLE, false, false }, { "flow", SELECT_ONE, false, true },
	{ "mix", SELECT_PICK, true, true },
};

struct choosing {
	struct builder *b;
	const char *title;
	const struct kv *kv;
	const struct kind *kind;
	struct choice *list; /* malloc'ed until the end */
	size_t n, cap;
	bool *named, *taken; /* of each target: by its own name, and at all */
	int64_t think_min_ns, think_max_ns;

};

/* "web-*:5" without its weight. */
struct term {
	const char *text;
	double weight; /* 0: none written */
};

/* --- what a name can stand for ----------------------------------------------------------------- */

/* The section that should have been this, if it was refused. */
static bool is_lost(const struct builder *b, const char *name)
{
	static const char *const sections[] = { "target", "step", "flow" };
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		CLEANUP_FREE char *title = xasprintf("%s %s", sections[i], name);
		const struct section *s = config_section(b->config, title);
		if (s && !(i == 0 && section_find(s, "targets_from")))
			return true;
	}
	return b->targets_lost && strchr(name, '/');
}

static bool is_set(const struct builder *b, const char *name)
{
	CLEANUP_FREE char *title = xasprintf("target %s", name);
	const struct section *s = config_section(b->config, title);
	return s && section_find(s, "targets_from");
}

static void name_unknown(struct builder *b, const char *title, const struct kv *kv, const char *name, const char *what)
{
	const struct model *m = b->model;
	size_t n = 0;
	CLEANUP_FREE const char **names = xcalloc(m->n_targets + m->n_steps + m->n_flows, sizeof *names);
	for (size_t i = 0; i < m->n_steps; i++)
		names[n++] = m->steps[i]->name;
	for (size_t i = 0; i < m->n_flows; i++)
		names[n++] = m->flows[i].choice.name;
	for (size_t i = 0; i < m->n_targets; i++)
		names[n++] = m->targets[i]->name;
	const char *near = str_nearest(name, names, n);
	if (is_set(b, name))
		errs_add(b->errs, kv->at, title, kv->key, "%s is a set of targets: write %s/ROW, or %s/%s for all of them",
			 name, name, name, "*");
	else
		errs_add(b->errs, kv->at, title, kv->key, "unknown %s \"%.80s\"%s%s%s", what, name,
			 near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

/* --- flows ------------------------------------------------------------------------------------- */

static size_t count_words(const char *text)
{
	size_t n = 0;
	for (const char *p = text + strspn(text, BLANKS); *p; p += strspn(p, BLANKS)) {
		n++;
		p += strcspn(p, BLANKS);
	}
	return n;
}

bool choice_of_steps(struct builder *b, const char *title, const struct kv *kv, const char *text, struct choice *out)
{
	struct model *m = b->model;
	size_t n = count_words(text), k = 0;
	CLEANUP_FREE char *words = xstrdup(text);
	char *rest = NULL;
	const struct target **steps = arena_alloc(m->arena, n * sizeof *steps);
	if (!n) {
		errs_add(b->errs, kv->at, title, kv->key, "expected the names of steps, such as login orders");
		return false;
	}
	for (char *w = strtok_r(words, BLANKS, &rest); w; w = strtok_r(NULL, BLANKS, &rest)) {
		const struct flow *flow = model_flow(m, w);
		CLEANUP_FREE char *section = xasprintf("flow %s", w);
		steps[k] = model_probed(m, w);
		if (flow && n == 1 && strcmp(kv->key, "steps") != 0) {
			double weight = out->weight;
			*out = flow->choice;
			out->weight = weight;
			return true;
		}
		if (!steps[k] && config_section(b->config, section) && n == 1 && strcmp(kv->key, "steps") != 0)
			return false; /* it was refused, and that was told */
		if (!steps[k] && config_section(b->config, section)) {
			errs_add(b->errs, kv->at, title, kv->key,
				 "%s is a flow: it can't be a step beside others, write its steps", w);
			return false;
		}
		if (!steps[k] && !is_lost(b, w))
			name_unknown(b, title, kv, w, "step or target");
		if (!steps[k++])
			return false;
	}
	out->steps = steps;
	out->n_steps = (uint32_t)n;
	out->flow = true;
	return true;
}

/* --- one of several ---------------------------------------------------------------------------- */

static size_t index_of(const struct model *m, const struct target *t)
{
	size_t low = 0, high = m->n_targets;
	while (low + 1 < high) {
		size_t mid = (low + high) / 2;
		if (strcmp(m->targets[mid]->name, t->name) <= 0)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static void add(struct choosing *c, struct choice one, double weight)
{
	if (weight > 0)
		one.weight = weight;
	xgrow(c->list, c->n, c->cap);
	c->list[c->n++] = one;
}

static void add_target(struct choosing *c, size_t index, double weight)
{
	struct target *const *at = &c->b->model->targets[index];
	c->taken[index] = true;
	add(c, (struct choice){ .name = (*at)->name,
				.steps = (const struct target *const *)at,
				.n_steps = 1,
				.weight = (*at)->weight },
	    weight);
}

/* A target, step or flow by its name; false: there is none. */
static bool add_named(struct choosing *c, const char *name, double weight)
{
	const struct model *m = c->b->model;
	const struct target *t = model_probed(m, name);
	const struct flow *flow = model_flow(m, name);
	if (flow) {
		struct choice one = flow->choice;
		if (!one.think_max_ns) {
			one.think_min_ns = c->think_min_ns;
			one.think_max_ns = c->think_max_ns;
		}
		add(c, one, weight);
	} else if (t && t->step) {
		const struct target **steps = arena_alloc(m->arena, sizeof *steps);
		*steps = t;
		add(c, (struct choice){ .name = t->name, .steps = steps, .n_steps = 1, .flow = true, .weight = t->weight },
		    weight);
	} else if (t) {
		size_t index = index_of(m, t);
		c->named[index] = true;
		add_target(c, index, weight);
	}
	return flow || t;
}

static bool has_label(const struct target *t, const char *name, size_t n, const char *value)
{
	for (uint32_t i = 0; i < t->n_labels; i++)
		if (strlen(t->labels[i].key) == n && !strncmp(t->labels[i].key, name, n))
			return !strcmp(t->labels[i].value, value) || !fnmatch(value, t->labels[i].value, 0);
	return false;
}

static bool matches(const struct target *t, const char *text)
{
	if (strncmp(text, "label:", 6) != 0)
		return !fnmatch(text, t->name, 0);
	const char *equals = strchr(text, '=');
	return equals && has_label(t, text + 6, (size_t)(equals - text - 6), equals + 1);
}

static bool is_pattern(const char *text)
{
	return !strncmp(text, "label:", 6) || strpbrk(text, "*?[");
}

/* Targets that were listed before, or are by their names, are passed over. How many match at all. */
static size_t add_matching(struct choosing *c, const char *text, double weight)
{
	const struct model *m = c->b->model;
	size_t found = 0;
	for (size_t i = 0; i < m->n_targets; i++) {
		if (!matches(m->targets[i], text))
			continue;
		found++;
		if (!c->taken[i] && !c->named[i])
			add_target(c, i, weight);
	}
	return found;
}

static bool is_known(const struct choosing *c, const char *text)
{
	const struct model *m = c->b->model;
	if (model_probed(m, text) || model_flow(m, text))
		return true;
	for (size_t i = 0; is_pattern(text) && i < m->n_targets; i++)
		if (matches(m->targets[i], text))
			return true;
	return false;
}

static bool refuse(struct choosing *c, const char *format, const char *what)
{
	CLEANUP_FREE char *quoted = xasprintf("\"%.80s\"", what);
	errs_add(c->b->errs, c->kv->at, c->title, c->kv->key, format, quoted);
	return false;
}

/* The nearest label that there is, for one that is not. */
static void label_unknown(struct choosing *c, const char *text)
{
	const struct model *m = c->b->model;
	CLEANUP_FREE char *name = xstrndup(text + 6, strcspn(text + 6, "="));
	const char **names = NULL, *near;
	size_t n = 0, cap = 0;
	bool known = false;
	for (size_t i = 0; i < m->n_targets; i++)
		for (uint32_t k = 0; k < m->targets[i]->n_labels && n < 1000; k++) {
			xgrow(names, n, cap);
			names[n++] = m->targets[i]->labels[k].key;
			known = known || !strcmp(names[n - 1], name);
		}
	near = known || !n ? NULL : str_nearest(name, names, n);
	errs_add(c->b->errs, c->kv->at, c->title, c->kv->key,
		 known ? "no target has a label %s with this value: \"%.80s\" matches nothing%s%s%s"
		       : "no target has a label \"%s\": \"%.80s\" matches nothing%s%s%s",
		 name, text, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	free(names);
}

/* Parts "web-*:5". A name may have colons itself: what is known as a whole has no weight. */
static bool term_parse(struct choosing *c, char *word, struct term *out)
{
	char *colon = strrchr(word, ':');
	bool label = !strncmp(word, "label:", 6);
	*out = (struct term){ .text = word };
	if (!colon || (label && colon == word + 5) || is_known(c, word))
		return true;
	*colon = '\0';
	double weight;
	bool number = !unit_parse_float(colon + 1, &weight) && isfinite(weight) && weight > 0;
	if (!number && !is_known(c, word)) {
		*colon = ':';
		return true; /* the name is what is wrong */
	}
	if (!number) {
		*colon = ':';
		return refuse(c, "%s: expected a weight above 0 behind the colon, such as home:10", word);
	}
	if (!c->kind->weights) {
		errs_add(c->b->errs, c->kv->at, c->title, c->kv->key,
			 "%s takes no weights: write %.80s without :%s, or choose with pick", c->kind->word, word, colon + 1);
		return false;
	}
	out->weight = weight;
	return true;
}

static bool add_term(struct choosing *c, const struct term *t)
{
	if (!strncmp(t->text, "label:", 6) && (!strchr(t->text, '=') || t->text[6] == '='))
		return refuse(c, "%s: expected label:NAME=VALUE, such as label:region=eu", t->text);
	if (add_named(c, t->text, t->weight))
		return true;
	if (is_pattern(t->text)) {
		if (add_matching(c, t->text, t->weight))
			return true;
		if (c->b->targets_lost)
			return false;
		if (!strncmp(t->text, "label:", 6))
			label_unknown(c, t->text);
		else
			refuse(c, "%s matches no target", t->text);
		return false;
	}
	if (!is_lost(c->b, t->text))
		name_unknown(c->b, c->title, c->kv, t->text, "target, step or flow");
	return false;
}

/* All words behind the first; names before patterns, so that a target listed by its name is not chosen twice. */
static bool add_words(struct choosing *c, char *text)
{
	struct term *terms = xcalloc(count_words(text) + 1, sizeof *terms);
	size_t n = 0;
	bool good = true;
	char *rest = NULL;
	for (char *w = strtok_r(text, BLANKS, &rest); w; w = strtok_r(NULL, BLANKS, &rest)) {
		if (!term_parse(c, w, &terms[n++]))
			good = false;
		const struct target *t = model_target(c->b->model, terms[n - 1].text);
		if (t)
			c->named[index_of(c->b->model, t)] = true;
	}
	for (size_t i = 0; good && i < n; i++)
		if (!add_term(c, &terms[i]))
			good = false;
	free(terms);
	return good;
}

static bool check_twice(struct choosing *c)
{
	for (size_t i = 0; c->kind->weights && c->n <= 1000 && i < c->n; i++)
		for (size_t k = 0; k < i; k++)
			if (!strcmp(c->list[i].name, c->list[k].name))
				return refuse(c, "%s is listed twice: write it once, with its weight", c->list[i].name);
	for (size_t i = 0; c->kind->flows && i < c->n; i++)
		if (!c->list[i].flow)
			return refuse(c, "%s is a target: mix chooses between flows; to choose between targets write pick",
				      c->list[i].name);
	return true;
}

/* --- run --------------------------------------------------------------------------------------- */

static const struct kind *kind_of(const char *word, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strlen(kinds[i].word) == n && !strncmp(kinds[i].word, word, n))
			return &kinds[i];
	return NULL;
}

/* `text` begins with no word that is known. One name by itself needs none. */
static bool without_word(struct choosing *c, char *text)
{
	const char *words[ARRAY_LEN(kinds)];
	size_t n = count_words(text);
	CLEANUP_FREE char *first = xstrndup(text, strcspn(text, BLANKS));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		words[i] = kinds[i].word;
	const char *near = is_known(c, first) ? NULL : str_nearest(first, words, ARRAY_LEN(words));
	c->kind = &kinds[0];
	if (n == 1 && is_pattern(first) && !model_probed(c->b->model, first))
		return refuse(c, "%s may stand for several targets: say how to choose, such as pick or round before it", first);
	if (n == 1)
		return add_words(c, text);
	errs_add(c->b->errs, c->kv->at, c->title, c->kv->key,
		 "\"%.80s\": expected one, pick, round, sequence, shuffle, flow or mix first%s%s%s", first,
		 near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	return false;
}

static bool read_flow(struct choosing *c, const char *text)
{
	struct choice one = { .name = c->title + strlen("plan "),
			      .weight = 1,
			      .think_min_ns = c->think_min_ns,
			      .think_max_ns = c->think_max_ns };
	one.name = arena_str(c->b->model->arena, one.name);
	if (!choice_of_steps(c->b, c->title, c->kv, text, &one))
		return false;
	if (!one.think_max_ns) {
		one.think_min_ns = c->think_min_ns;
		one.think_max_ns = c->think_max_ns;
	}
	add(c, one, 0);
	return true;
}

static bool read_run(struct choosing *c, char *text)
{
	size_t n = strcspn(text, BLANKS);
	c->kind = kind_of(text, n);
	if (!c->kind)
		return without_word(c, text);
	char *rest = text + n + strspn(text + n, BLANKS);
	if (!*rest) {
		errs_add(c->b->errs, c->kv->at, c->title, c->kv->key, "%s of what? Names follow it", c->kind->word);
		return false;
	}
	if (!strcmp(c->kind->word, "flow"))
		return read_flow(c, rest);
	if (!add_words(c, rest) || !check_twice(c))
		return false;
	if (c->kind->kind != SELECT_ONE || c->n == 1)
		return true;
	errs_add(c->b->errs, c->kv->at, c->title, c->kv->key,
		 "these are %zu: one takes one; to choose between them write pick, round, sequence or shuffle", c->n);
	return false;
}

bool choices_read(struct builder *b, const char *title, const struct kv *run, struct plan *p, int64_t think_min_ns,
		  int64_t think_max_ns)
{
	size_t n = b->model->n_targets;
	CLEANUP_FREE char *text = xstrdup(run->value + strspn(run->value, BLANKS));
	CLEANUP_FREE bool *marks = xcalloc(2 * n + 1, sizeof *marks);
	struct choosing c = { .b = b, .title = title, .kv = run, .named = marks, .taken = marks + n,
			      .think_min_ns = think_min_ns, .think_max_ns = think_max_ns };
	bool good = *text && read_run(&c, text);
	if (!*text)
		errs_add(b->errs, run->at, title, run->key, "expected what to run, such as one home or flow login orders");
	if (good) {
		struct choice *kept = arena_alloc(b->model->arena, c.n * sizeof *kept);
		memcpy(kept, c.list, c.n * sizeof *kept);
		p->select = c.kind->kind;
		p->choices = kept;
		p->n_choices = (uint32_t)c.n;
	}
	free(c.list);
	return good;
}
