/* SPDX-License-Identifier: Apache-2.0 */
/* query.c - see query.h */
#include "judge/query.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "judge/jsonpath.h"

static const char *const builtins[] = { "body", "jsonpath", "latency", "service", "lag", "phase" };

static int unknown(struct lexer *l, struct word w, const struct driver_table *driver)
{
	char text[64];
	size_t n = 0;
	if (!w.len)
		return lex_fail(l, w.at, "expected a query: a fact of the driver, body, latency ...");
	CLEANUP_FREE const char **known = xcalloc(driver->n_facts + ARRAY_LEN(builtins), sizeof *known);
	for (size_t i = 0; i < ARRAY_LEN(builtins); i++)
		known[n++] = builtins[i];
	for (uint32_t i = 0; i < driver->n_facts; i++)
		known[n++] = driver->facts[i].name;
	const char *near = str_nearest(word_text(w, text), known, n);
	if (!strcmp(text, "not"))
		return lex_fail(l, w.at, "\"not\" stands before the predicate, as in status not in 500..599");
	return lex_fail(l, w.at, "unknown query \"%s\": driver %s has no such fact%s%s%s", text, driver->name,
	                near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

static int parse_phase(struct lexer *l, struct query *q)
{
	char text[64];
	const char *known[PROBED_PHASES];
	lex_blank(l);
	struct word w = lex_word(l);
	for (uint32_t i = 0; i < PROBED_PHASES; i++) {
		known[i] = phase_name(i);
		if (word_is(w, known[i])) {
			q->index = i;
			q->canonical = xasprintf("phase %s", known[i]);
			return 0;
		}
	}
	const char *near = str_nearest(word_text(w, text), known, PROBED_PHASES);
	return lex_fail(l, w.at, "unknown phase \"%s\": expected resolve, connect, tls, send, wait or receive%s%s%s", text,
	                near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

/* A path ends at the first blank outside of its brackets and strings; or it stands in quotes as a whole. */
static struct word path_extent(struct lexer *l)
{
	struct word w = { .at = l->p };
	int depth = 0;
	for (char quote = 0; *l->p && (depth > 0 || quote || !strchr(" \t\r\n", *l->p)); l->p++) {
		if (quote && *l->p == '\\' && l->p[1])
			l->p++;
		else if (quote)
			quote = *l->p == quote ? 0 : quote;
		else if (*l->p == '"' || *l->p == '\'')
			quote = *l->p;
		else
			depth += (*l->p == '[' || *l->p == '(') - (*l->p == ']' || *l->p == ')');
	}
	w.len = (size_t)(l->p - w.at);
	return w;
}

static int parse_jsonpath(struct lexer *l, struct query *q)
{
	char error[200];
	size_t at = 0;
	struct literal quoted = { 0 };
	lex_blank(l);
	struct word w;
	if (*l->p == '"' || *l->p == '\'') {
		if (lex_literal(l, NULL, &quoted))
			return -1;
		w = (struct word){ quoted.text.data, quoted.text.len };
	} else {
		w = path_extent(l);
	}
	q->path = jsonpath_compile(w.at, w.len, error, sizeof error, &at);
	q->canonical = xasprintf("jsonpath %.*s", (int)w.len, w.at);
	int rc = q->path ? 0 : lex_fail(l, quoted.at ? quoted.at : w.at + at, "%s", error);
	buf_free(&quoted.text);
	return rc;
}

/* `header NAME`, `header.NAME`, `status`. */
static int parse_fact(struct lexer *l, struct word w, struct query *q, const struct driver_table *driver, struct shape *shape)
{
	CLEANUP_FREE char *name = xstrndup(w.at, w.len);
	const char *late = NULL;
	const struct fact_decl *fact = NULL;
	for (uint32_t i = 0; i < driver->n_facts && !fact; i++)
		if ((driver->facts[i].flags & PROBED_FACT_FAMILY) && !strcmp(driver->facts[i].name, name)) {
			fact = &driver->facts[i];
			q->index = i;
		}
	if (fact) {
		struct literal lit;
		if (lex_end(l))
			return lex_fail(l, l->p, "expected a name after %s: %s NAME", name, name);
		if (lex_literal(l, NULL, &lit))
			return -1;
		q->late = lit.text.data;
	} else {
		fact = driver_fact(driver, name, &q->index, &late);
		if (!fact)
			return unknown(l, w, driver);
		q->late = late && *late ? xstrdup(late) : NULL;
	}
	for (char *p = q->late; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	q->canonical = q->late ? xasprintf("%s %s", fact->name, q->late) : xstrdup(fact->name);
	q->list = (fact->flags & PROBED_FACT_LIST) || fact->type == PROBED_TYPE_TABLE;
	q->ratio = fact->type == PROBED_TYPE_FLOAT && fact->unit && !strcmp(fact->unit, "ratio");
	q->fact_type = shape->type = fact->type == PROBED_TYPE_TABLE ? PROBED_TYPE_STRING : fact->type;
	shape->many = q->list || (fact->flags & PROBED_FACT_FAMILY);
	return 0;
}

int query_parse(struct lexer *l, struct query *q, const struct driver_table *driver, struct shape *shape)
{
	*q = (struct query){ 0 };
	*shape = (struct shape){ .type = PROBED_TYPE_DURATION };
	struct word w = lex_word(l);
	if (word_is(w, "phase")) {
		q->kind = QUERY_PHASE;
		return parse_phase(l, q);
	}
	if (word_is(w, "jsonpath")) {
		q->kind = QUERY_JSONPATH;
		*shape = (struct shape){ .type = VALUE_ANY, .many = true };
		return parse_jsonpath(l, q);
	}
	if (word_is(w, "body")) {
		q->kind = QUERY_BODY;
		shape->type = PROBED_TYPE_STRING;
	} else if (word_is(w, "latency") || word_is(w, "service") || word_is(w, "lag")) {
		q->kind = w.len == 3 ? QUERY_LAG : *w.at == 'l' ? QUERY_LATENCY : QUERY_SERVICE;
	} else {
		q->kind = QUERY_FACT;
		return parse_fact(l, w, q, driver, shape);
	}
	q->canonical = xstrndup(w.at, w.len);
	return 0;
}

void query_free(struct query *q)
{
	jsonpath_free(q->path);
	free(q->late);
	free(q->canonical);
	*q = (struct query){ 0 };
}

static void add_duration(struct scratch *s, int64_t ns)
{
	*values_add(&s->values[s->now]) = (struct value){ .type = PROBED_TYPE_DURATION, .i = ns };
}

static void run_fact(const struct query *q, const struct result *r, struct scratch *s, struct line *why)
{
	struct values *to = &s->values[s->now];
	for (uint32_t i = 0; i < r->n_facts; i++) {
		const struct result_fact *f = &r->facts[i];
		const char *late = result_string(r, f->name);
		if (f->fact != q->index || (q->late && (!late || strcasecmp(late, q->late) != 0)))
			continue;
		struct value *v = values_add(to);
		*v = (struct value){ .type = q->fact_type, .i = f->i, .f = f->f };
		if (v->type == PROBED_TYPE_STRING) {
			v->s = f->s ? result_string(r, f->s) : "";
			v->len = f->s ? f->len : 0;
		}
	}
	if (!to->n)
		line_printf(why, q->list ? "none in this result" : "no such fact in this result");
}

static struct value value_of_node(const json_t *node)
{
	switch (json_typeof(node)) {
	case JSON_STRING:
		return (struct value){ .type = PROBED_TYPE_STRING, .s = json_string_value(node), .len = json_string_length(node) };
	case JSON_INTEGER:
		return (struct value){ .type = PROBED_TYPE_INTEGER, .i = json_integer_value(node) };
	case JSON_REAL:
		return (struct value){ .type = PROBED_TYPE_FLOAT, .f = json_real_value(node) };
	case JSON_TRUE:
	case JSON_FALSE:
		return (struct value){ .type = PROBED_TYPE_BOOLEAN, .i = json_is_true(node) };
	case JSON_NULL:
		return (struct value){ .type = VALUE_NULL };
	case JSON_ARRAY:
		return (struct value){ .type = VALUE_JSON, .s = "an array", .i = (int64_t)json_array_size(node) };
	default:
		return (struct value){ .type = VALUE_JSON, .s = "an object", .i = (int64_t)json_object_size(node) };
	}
}

static struct value value_of(const json_t *node)
{
	struct value v = value_of_node(node);
	v.json = node;
	return v;
}

static void run_jsonpath(const struct query *q, const struct evidence *evidence, struct scratch *s, struct line *why)
{
	char error[200];
	struct jsonpath_nodes nodes = { 0 };
	s->failed = true;
	if (evidence->body_bytes > evidence->body_len) {
		line_printf(why, "of a body of %llu bytes only %zu were kept", (unsigned long long)evidence->body_bytes,
		            evidence->body_len);
		return;
	}
	s->document = jsonpath_parse_document(evidence->body, evidence->body_len, error, sizeof error);
	if (!s->document) {
		line_printf(why, "the body is not JSON: %s", error);
		return;
	}
	if (jsonpath_select(q->path, s->document, &nodes)) {
		line_printf(why, "the path takes too much work on this body");
	} else {
		s->failed = false;
		for (size_t i = 0; i < nodes.n; i++)
			*values_add(&s->values[0]) = value_of(nodes.list[i]);
		if (!nodes.n)
			line_printf(why, "no such value in the body");
	}
	jsonpath_nodes_free(&nodes);
}

void query_run(const struct query *q, const struct evidence *evidence, struct scratch *s, struct line *why)
{
	const struct result *r = evidence->result;
	scratch_reset(s);
	switch (q->kind) {
	case QUERY_FACT:
		run_fact(q, r, s, why);
		break;
	case QUERY_BODY:
		*values_add(&s->values[0]) = (struct value){ .type = PROBED_TYPE_STRING, .len = evidence->body_len,
			                                     .s = evidence->body ? evidence->body : "" };
		break;
	case QUERY_JSONPATH:
		run_jsonpath(q, evidence, s, why);
		break;
	case QUERY_LATENCY:
		add_duration(s, result_latency_ns(r));
		break;
	case QUERY_SERVICE:
		add_duration(s, result_service_ns(r));
		break;
	case QUERY_LAG:
		add_duration(s, result_lag_ns(r));
		break;
	case QUERY_PHASE:
		if (r->phase_ns[q->index] >= 0)
			add_duration(s, r->phase_ns[q->index]);
		else
			line_printf(why, "this phase did not happen");
		break;
	}
}
