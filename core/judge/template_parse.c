/* SPDX-License-Identifier: Apache-2.0 */
/* template_parse.c - the compiler of templates: see template.h */
#include "judge/template.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "judge/lex.h"
#include "judge/template_parts.h"

#define STRING_MAX 4096
#define FILTERS_MAX 8

static const char *const builtins[PART_KINDS] = {
	[PART_TARGET] = "target", [PART_SEQ] = "seq",
	[PART_USER] = "user",     [PART_ITERATION] = "iteration",
	[PART_NOW] = "now",       [PART_UUID] = "uuid",
	[PART_RANDOM] = "random", [PART_RANDOM_STRING] = "random_string",
	[PART_PICK] = "pick",     [PART_TRACEPARENT] = "traceparent",
};

bool template_present(const char *text)
{
	const char *open = text ? strstr(text, "{{") : NULL;
	return open && strstr(open + 2, "}}");
}

bool template_reserved(const char *name)
{
	for (int i = PART_TARGET; i < PART_KINDS; i++)
		if (!strcmp(name, builtins[i]))
			return true;
	return !strncmp(name, "env.", 4) || !strncmp(name, "row.", 4);
}

static bool at_end(struct lexer *l)
{
	lex_blank(l);
	return !strncmp(l->p, "}}", 2) || *l->p == '|';
}

/* One argument, quoted or bare. */
static int argument(struct lexer *l, struct literal *lit, const char *name, const char *expected)
{
	static const char *const stops[] = { "}}", "|", NULL };
	if (at_end(l))
		return lex_fail(l, l->p, "%s expects %s", name, expected);
	return lex_literal(l, stops, lit);
}

static int integer(struct lexer *l, int64_t *out, const char *name, const char *expected)
{
	struct literal lit;
	if (argument(l, &lit, name, expected))
		return -1;
	int rc = unit_parse_integer(lit.text.data, out);
	if (rc)
		lex_fail(l, lit.at, "%s expects %s", name, expected);
	buf_free(&lit.text);
	return rc;
}

static int parse_now(struct lexer *l, struct part *p)
{
	struct literal lit;
	if (at_end(l))
		return 0;
	if (argument(l, &lit, "now", "a format"))
		return -1;
	if (!lit.quoted) {
		p->unit_ns = !strcmp(lit.text.data, "unix")      ? NS_PER_S
			     : !strcmp(lit.text.data, "unix_ms") ? NS_PER_MS
								 : 0;
		buf_free(&lit.text);
		if (p->unit_ns)
			return 0;
	}
	p->text = lit.text.data;
	char out[256];
	struct tm tm = { .tm_mday = 1 };
	if (p->text && lit.text.len && strftime(out, sizeof out, p->text, &tm))
		return 0;
	return lex_fail(l, lit.at, "now expects nothing, unix, unix_ms, or a format in quotes such as \"%%Y-%%m-%%d\"");
}

static int parse_pick(struct lexer *l, struct part *p)
{
	struct literal lit;
	do {
		if (argument(l, &lit, "pick", "the words to pick from"))
			return -1;
		xgrow(p->choices, p->n_choices, p->cap_choices);
		p->choices[p->n_choices++] = lit.text.data;
	} while (!at_end(l) && *l->p);
	return 0;
}

static int parse_arguments(struct lexer *l, struct part *p)
{
	switch (p->kind) {
	case PART_NOW:
		return parse_now(l, p);
	case PART_RANDOM:
		lex_blank(l);
		if (integer(l, &p->low, "random", "two integers: random 1 100") ||
		    integer(l, &p->high, "random", "two integers: random 1 100"))
			return -1;
		return p->low <= p->high ? 0 : lex_fail(l, l->p, "random: the first number is above the second");
	case PART_RANDOM_STRING:
		if (integer(l, &p->low, "random_string", "its length: random_string 16"))
			return -1;
		return p->low >= 1 && p->low <= STRING_MAX
			   ? 0
			   : lex_fail(l, l->p, "random_string: a length from 1 to %d", STRING_MAX);
	case PART_PICK:
		return parse_pick(l, p);
	default:
		return 0;
	}
}

/* --- names ------------------------------------------------------------------------------------------- */

static bool listed(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, list[i]))
			return true;
	return false;
}

static int unknown(struct lexer *l, const char *at, const char *what, const char *name, const char *near)
{
	return lex_fail(l, at, "unknown %s \"%.80s\"%s%s%s", what, name, near ? " (did you mean \"" : "",
			near ? near : "", near ? "\"?)" : "");
}

static int unknown_name(struct lexer *l, const char *at, const char *name, const struct template_names *names)
{
	size_t n = PART_KINDS - PART_TARGET, vars = names ? names->n_vars : 0, columns = names ? names->n_columns : 0;
	CLEANUP_FREE const char **known = xcalloc(n + vars + columns, sizeof *known);
	memcpy(known, builtins + PART_TARGET, n * sizeof *known);
	for (size_t i = 0; i < vars; i++)
		known[n++] = names->vars[i];
	for (size_t i = 0; i < columns; i++) {
		if (!strcmp(name, names->columns[i]))
			return lex_fail(
			    l, at, "unknown name inside {{ }} \"%.80s\": a column of the data is written {{row.%.80s}}",
			    name, name);
		known[n++] = names->columns[i];
	}
	return unknown(l, at, "name inside {{ }}", name, str_nearest(name, known, n));
}

static int check_column(struct lexer *l, const char *at, const char *name, const struct template_names *names)
{
	if (names->any_column || listed(name + 4, names->columns, names->n_columns))
		return 0;
	if (!names->n_columns)
		return lex_fail(l, at, "{{%.80s}} has no data to come from: expected data = FILE beside it", name);
	return unknown(l, at + 4, "column of the data", name + 4,
		       str_nearest(name + 4, names->columns, names->n_columns));
}

/* What a name that is not built in stands for: *text is NULL for a variable, or the constant of the environment. */
static int resolve(struct lexer *l, const char *at, const char *name, const struct template_names *names,
		   const char **text)
{
	*text = NULL;
	if (!names)
		return unknown_name(l, at, name, names);
	if (!strncmp(name, "env.", 4)) {
		*text = names->env ? names->env(names->ctx, name + 4) : NULL;
		return *text ? 0 : lex_fail(l, at, "the environment has no variable \"%.80s\"", name + 4);
	}
	if (!strncmp(name, "row.", 4))
		return check_column(l, at, name, names);
	return names->any_var || listed(name, names->vars, names->n_vars) ? 0 : unknown_name(l, at, name, names);
}

static int parse_word(struct lexer *l, struct part *p, const struct template_names *names)
{
	const char *at = l->p, *text;
	while (isalnum((unsigned char)*l->p) || (*l->p && strchr("_.-", *l->p)))
		l->p++;
	if (l->p == at)
		return lex_fail(l, at, "expected a name inside {{ }}");
	CLEANUP_FREE char *name = xstrndup(at, (size_t)(l->p - at));
	for (int i = PART_TARGET; i < PART_KINDS; i++)
		if (!strcmp(name, builtins[i])) {
			p->kind = (enum part_kind)i;
			return parse_arguments(l, p);
		}
	if (resolve(l, at, name, names, &text))
		return -1;
	p->kind = text ? PART_TEXT : PART_VAR;
	p->text = xstrdup(text ? text : name);
	p->len = strlen(p->text);
	p->hash = str_hash(p->text, p->len);
	return 0;
}

/* --- filters ----------------------------------------------------------------------------------------- */

/* A key by its name: of a variable, or of the environment, which is known now. */
static int resolve_key(struct lexer *l, struct filter *f, const struct template_names *names)
{
	const char *text;
	if (!f->key_name)
		return 0;
	if (resolve(l, f->key_at, f->key_name, names, &text))
		return -1;
	if (text) {
		free(f->key_name);
		f->key_name = NULL;
		buf_puts(&f->with.text, text);
		buf_cstr(&f->with.text);
	}
	return 0;
}

static int parse_filters(struct lexer *l, struct part *p, const struct template_names *names)
{
	struct shape shape = { .type = PROBED_TYPE_STRING };
	for (;;) {
		struct filter f;
		bool bar = lex_take(l, "|");
		int rc = filter_parse(l, &f, "what stands before it", &shape);
		if (!rc)
			return bar ? filter_unknown(l, " inside {{ }}") : 0;
		if (rc < 0)
			return -1;
		xgrow(p->filters, p->n_filters, p->cap_filters);
		p->filters[p->n_filters++] = f;
		if (p->n_filters > FILTERS_MAX)
			return lex_fail(l, l->p, "more than %d filters", FILTERS_MAX);
		if (resolve_key(l, &p->filters[p->n_filters - 1], names))
			return -1;
	}
}

/* What stands between {{ and }}. */
static int parse_part(struct lexer *l, struct part *p, const struct template_names *names)
{
	if (!strstr(l->p, "}}"))
		return lex_fail(l, l->p - 2, "{{ is not closed by }}");
	lex_blank(l);
	const char *from = l->p;
	if (*from == '"' || *from == '\'') {
		struct literal lit;
		if (lex_literal(l, NULL, &lit))
			return -1;
		p->text = lit.text.data;
		p->len = lit.text.len;
	} else if (parse_word(l, p, names)) {
		return -1;
	}
	if (parse_filters(l, p, names))
		return -1;
	lex_blank(l);
	const char *to = l->p;
	if (!lex_take(l, "}}"))
		return lex_fail(l, l->p, "expected | and a filter, or }}");
	while (to > from && isspace((unsigned char)to[-1]))
		to--;
	if (p->kind == PART_VAR || p->n_filters)
		p->source = xstrndup(from, (size_t)(to - from));
	return 0;
}

static struct part *add_part(struct template *t)
{
	xgrow(t->parts, t->n, t->cap);
	t->parts[t->n] = (struct part){ 0 };
	return &t->parts[t->n++];
}

struct template *template_compile_names(const char *text, const struct template_names *names, char *error, size_t size)
{
	struct template *t = xnew(struct template);
	struct lexer l = { .text = text, .p = text, .error = error, .size = size };
	t->magic = TEMPLATE_MAGIC;
	t->scratch = xnew(struct scratch);
	t->complaint = xcalloc(1, COMPLAINT_MAX);
	while (*l.p) {
		const char *open = strstr(l.p, "{{");
		size_t len = open ? (size_t)(open - l.p) : strlen(l.p);
		if (len) {
			struct part *p = add_part(t);
			p->text = xstrndup(l.p, len);
			p->len = len;
		}
		l.p += len;
		if (!open)
			break;
		l.p += 2;
		if (parse_part(&l, add_part(t), names)) {
			template_free(t);
			return NULL;
		}
	}
	return t;
}

struct template *template_compile(const char *text, char *error, size_t size)
{
	/* cppcheck-suppress CastIntegerToAddressAtReturn ; it returns a pointer */
	return template_compile_names(text, NULL, error, size);
}

static void free_part(struct part *p)
{
	for (size_t k = 0; k < p->n_choices; k++)
		free(p->choices[k]);
	for (size_t k = 0; k < p->n_filters; k++)
		filter_free(&p->filters[k]);
	free(p->choices);
	free(p->filters);
	free(p->source);
	free(p->text);
}

void template_free(struct template *t)
{
	if (!t)
		return;
	CHECK_MAGIC(t, TEMPLATE_MAGIC);
	t->magic = 0;
	for (size_t i = 0; i < t->n; i++)
		free_part(&t->parts[i]);
	free(t->parts);
	scratch_free(t->scratch);
	free(t->scratch);
	free(t->complaint);
	free(t);
}
