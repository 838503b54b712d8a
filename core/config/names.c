/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.c - the names in templates of what a plan runs: each {{NAME}} is captured by an earlier step, or by the setup, and
 * each {{row.COLUMN}} is a column of the plan's data.
 */
#include "config/build.h"

#include <string.h>

#include "base/mem.h"
#include "judge/template.h"

struct scope {
	struct builder *b;
	const char *plan; /* "plan soak" */
	struct template_names names;
	const char **vars;
	size_t n, cap;
	bool rowless; /* the plan has data, but not for this */
	const struct kv **told; /* what was refused in this plan already */
	size_t n_told, cap_told;
};

static void add_var(struct scope *s, const char *name)
{
	xgrow(s->vars, s->n, s->cap);
	s->vars[s->n++] = name;
}

static bool compiles(const char *text, const struct template_names *names, char *error, size_t size)
{
	struct template *compiled = template_compile_names(text, names, error, size);
	template_free(compiled);
	return compiled;
}

static bool told_before(struct scope *s, const struct kv *kv)
{
	for (size_t i = 0; i < s->n_told; i++)
		if (s->told[i] == kv)
			return true;
	xgrow(s->told, s->n_told, s->cap_told);
	s->told[s->n_told++] = kv;
	return false;
}

/* What to do about it, where the template would be right with a capture more, or with a row. */
static const char *hint(const struct scope *s, const char *text)
{
	char error[400];
	struct template_names wider = s->names;
	wider.any_var = true;
	if (compiles(text, &wider, error, sizeof error))
		return ": an earlier step, or the setup, has to capture it";
	wider.any_column = true;
	return s->rowless && compiles(text, &wider, error, sizeof error) ? " (setup and teardown get no row of it)" : "";
}

static void check_option(struct scope *s, const struct target *t, const struct kv *kv)
{
	char error[400];
	s->names.vars = s->vars;
	s->names.n_vars = s->n;
	if (compiles(kv->value, &s->names, error, sizeof error) || told_before(s, kv))
		return;
	CLEANUP_FREE char *title = xasprintf("%s %s", t->step ? "step" : "target", t->name);
	errs_add(s->b->errs, kv->at, title, kv->key, "in %s: %s%s", s->plan, error, hint(s, kv->value));
}

static void check_target(struct scope *s, const struct target *t)
{
	const char *item;
	for (uint32_t i = 0; i < t->n_options; i++) {
		const struct kv *kv = &t->options[i];
		const struct option_decl *d = option_for_key(&t->driver->options, kv->key, NULL, &item);
		if (d && (d->flags & PROBED_OPTION_TEMPLATE) && template_present(kv->value))
			check_option(s, t, kv);
	}
}

/* Captures of the choice are added to the scope's. */
static void check_choice(struct scope *s, const struct choice *c)
{
	for (uint32_t i = 0; i < c->n_steps; i++) {
		const struct step *step = c->steps[i]->step;
		/* a script may set what it likes */
		s->names.any_var = s->names.any_var || (step && step->n_hooks);
		check_target(s, c->steps[i]);
		for (uint32_t k = 0; step && k < step->n_captures; k++)
			add_var(s, step->captures[k].key);
	}
}

void names_check(struct builder *b, const struct plan *p, const char *title, const char *const *columns, size_t n_columns)
{
	struct scope s = { .b = b, .plan = title, .names.env = template_env, .rowless = n_columns > 0 };
	if (p->setup)
		check_choice(&s, p->setup);
	size_t n_setup = s.n;
	bool scripted = s.names.any_var;
	if (p->teardown)
		check_choice(&s, p->teardown);
	s.rowless = false;
	s.names.columns = columns;
	s.names.n_columns = n_columns;
	for (uint32_t i = 0; i < p->n_choices; i++) {
		s.n = n_setup;
		s.names.any_var = scripted;
		check_choice(&s, &p->choices[i]);
	}
	free(s.vars);
	free(s.told);
}
