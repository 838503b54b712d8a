/* SPDX-License-Identifier: Apache-2.0 */
/* predicate.c - see predicate.h */
#include "judge/predicate.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "judge/jsonpath.h"
#include "judge/regex.h"
#include "judge/schema.h"

/* In the order of enum predicate_kind; PRED_SET is written as `in` too. */
static const char *const names[] = {
	"==", "!=", "<=", ">=", "<", ">", "in", "in", "contains", "startswith", "endswith", "matches", "exists", "empty",
	"schema",
};

bool predicate_textual(const struct predicate *p)
{
	return p->kind >= PRED_CONTAINS && p->kind <= PRED_MATCHES;
}

static int unknown(struct lexer *l, struct word w, const char *subject)
{
	char text[64];
	size_t n;
	const char *const *filters = filter_names(&n);
	const char *known[64];
	size_t k = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		known[k++] = names[i];
	for (size_t i = 0; i < n && k < ARRAY_LEN(known); i++)
		known[k++] = filters[i];
	word_text(w, text);
	const char *near = w.len ? str_nearest(text, known, k) : NULL;
	if (near)
		return lex_fail(l, w.at, "\"%s\" is no filter or predicate (did you mean \"%s\"?)", text, near);
	return lex_fail(l, w.at, "expected a predicate after %s, one of == != < <= > >= in contains startswith endswith matches "
	                         "exists empty schema%s%s%s", subject, w.len ? ", and not \"" : "", text, w.len ? "\"" : "");
}

static int parse_kind(struct lexer *l, struct predicate *p, const char *subject)
{
	for (int i = PRED_EQ; i <= PRED_GT; i++)
		if (lex_take(l, names[i])) {
			p->kind = (enum predicate_kind)i;
			return 0;
		}
	lex_blank(l);
	if (*l->p == '=')
		return lex_fail(l, l->p, "equality is written ==");
	struct word w = lex_word(l);
	for (int i = PRED_IN; i <= PRED_SCHEMA; i++)
		if (word_is(w, names[i])) {
			p->kind = (enum predicate_kind)i;
			return 0;
		}
	return unknown(l, w, subject);
}

/* One more literal, typed as what it is compared with. */
static int add_literal(struct lexer *l, struct predicate *p, const char *const *stops, uint32_t type, const char *subject)
{
	struct literal lit;
	struct value v;
	if (lex_literal(l, stops, &lit))
		return -1;
	if (value_parse(l, &lit, type, subject, &v)) {
		buf_free(&lit.text);
		return -1;
	}
	xgrow(p->literals, p->n, p->cap);
	xgrow(p->values, p->n, p->cap_values);
	p->literals[p->n] = lit;
	p->values[p->n++] = v;
	return 0;
}

static int parse_set(struct lexer *l, struct predicate *p, const char *subject, uint32_t type)
{
	static const char *const stops[] = { ",", "}", NULL };
	const char *start = l->p - 1;
	p->kind = PRED_SET;
	while (!lex_take(l, "}")) {
		if (lex_end(l))
			return lex_fail(l, start, "the set that begins here has no closing }");
		if (p->n && !lex_take(l, ","))
			return lex_fail(l, l->p, "expected , or } in the set");
		if (add_literal(l, p, stops, type, subject))
			return -1;
	}
	return p->n ? 0 : lex_fail(l, start, "an empty set holds nothing");
}

static int parse_range(struct lexer *l, struct predicate *p, const char *subject, uint32_t type)
{
	static const char *const stops[] = { "..", NULL };
	int order;
	lex_blank(l);
	const char *start = l->p;
	if (!value_type_ordered(type))
		return lex_fail(l, start, "%s is %s, which has no ranges", subject, value_type_name(type));
	if (add_literal(l, p, stops, type, subject))
		return -1;
	if (!lex_take(l, ".."))
		return lex_fail(l, start, "expected a range A..B or a set {a, b} after in");
	if (add_literal(l, p, NULL, type, subject))
		return -1;
	if (!value_compare(&p->values[0], &p->values[1], &order))
		return lex_fail(l, start, "the ends of the range are of unlike types");
	return order <= 0 ? 0 : lex_fail(l, start, "the range is empty: its first end is above its second");
}

static int parse_matches(struct lexer *l, struct predicate *p)
{
	struct word pattern;
	struct literal quoted;
	uint32_t flags;
	char error[160];
	size_t at = 0;
	lex_blank(l);
	const char *start = l->p;
	if (lex_pattern(l, &pattern, &quoted, &flags))
		return -1;
	p->written = xstrndup(start, (size_t)(l->p - start));
	p->re = regex_compile(pattern.at, pattern.len, flags, error, sizeof error, &at);
	int rc = p->re ? 0 : lex_fail(l, quoted.text.data ? quoted.at : pattern.at + at, "%s", error);
	buf_free(&quoted.text);
	return rc;
}

/* schema FILE {...}, schema {...}: all that is left. Whoever may read files has put their content there. */
static int parse_schema(struct lexer *l, struct predicate *p)
{
	char error[200];
	struct literal name = { 0 };
	lex_blank(l);
	const char *at = l->p;
	if (*l->p != '{') {
		if (lex_literal(l, NULL, &name))
			return -1;
		p->written = xstrdup(name.text.data);
		buf_free(&name.text);
		if (lex_end(l)) {
			l->file = xstrdup(p->written);
			return lex_fail(l, at, "no content of %.80s", p->written);
		}
	}
	p->schema = schema_compile(l->p, strlen(l->p), error, sizeof error);
	if (!p->schema)
		return lex_fail(l, at, "%.80s%s%s", p->written ? p->written : "", p->written ? ": " : "", error);
	if (!p->written)
		p->written = xstrdup("{...}");
	l->p += strlen(l->p);
	return 0;
}

static int parse_operand(struct lexer *l, struct predicate *p, struct word name, const char *subject, const struct shape *shape)
{
	if (p->kind >= PRED_LE && p->kind <= PRED_GT && !value_type_ordered(shape->type))
		return lex_fail(l, name.at, "%s is %s, which has no order: expected == or !=", subject, value_type_name(shape->type));
	if ((predicate_textual(p) || p->kind == PRED_SCHEMA) && shape->type != PROBED_TYPE_STRING && shape->type != VALUE_ANY)
		return lex_fail(l, name.at, "%s is %s: %s works on text", subject, value_type_name(shape->type), names[p->kind]);
	if (p->kind == PRED_EMPTY && shape->type != PROBED_TYPE_STRING && shape->type != VALUE_ANY && !shape->many)
		return lex_fail(l, name.at, "%s is %s: empty works on text and lists", subject, value_type_name(shape->type));
	switch (p->kind) {
	case PRED_EXISTS:
	case PRED_EMPTY:
		return 0;
	case PRED_MATCHES:
		return parse_matches(l, p);
	case PRED_SCHEMA:
		return parse_schema(l, p);
	case PRED_CONTAINS:
	case PRED_STARTS:
	case PRED_ENDS: {
		/* a number is text here: contains 42 */
		struct literal lit;
		if (lex_literal(l, NULL, &lit))
			return -1;
		xgrow(p->literals, p->n, p->cap);
		xgrow(p->values, p->n, p->cap_values);
		p->literals[p->n] = lit;
		p->values[p->n++] = (struct value){ .type = PROBED_TYPE_STRING, .s = lit.text.data, .len = lit.text.len };
		return 0;
	}
	case PRED_IN:
		return lex_take(l, "{") ? parse_set(l, p, subject, shape->type) : parse_range(l, p, subject, shape->type);
	default:
		return add_literal(l, p, NULL, shape->type, subject);
	}
}

int predicate_parse(struct lexer *l, struct predicate *p, const char *subject, const struct shape *shape)
{
	*p = (struct predicate){ 0 };
	const char *back = l->p;
	if (word_is(lex_word(l), "not"))
		p->negate = true;
	else
		l->p = back;
	lex_blank(l);
	struct word name = { .at = l->p };
	return parse_kind(l, p, subject) || parse_operand(l, p, name, subject, shape) ? -1 : 0;
}

void predicate_free(struct predicate *p)
{
	for (size_t i = 0; i < p->n; i++)
		buf_free(&p->literals[i].text);
	free(p->literals);
	free(p->values);
	regex_free(p->re);
	schema_free(p->schema);
	free(p->written);
	*p = (struct predicate){ 0 };
}

static int unlike(const struct value *v, struct line *why, const char *what)
{
	line_value(why, v, false);
	if (v->type == VALUE_JSON || v->type == VALUE_NULL)
		line_printf(why, " %s", what);
	else
		line_printf(why, " is %s; it %s", value_type_name(v->type), what);
	return 0;
}

static int not_comparable(const struct predicate *p, const struct value *v, struct line *why)
{
	unlike(v, why, "can't be compared with ");
	line_value(why, &p->values[0], false);
	return 0;
}

static int text_holds(const struct predicate *p, const struct value *v, struct line *why)
{
	if (v->type != PROBED_TYPE_STRING) {
		unlike(v, why, "has no text to look into");
		return 0;
	}
	if (p->kind == PRED_MATCHES) {
		int rc = regex_match(p->re, v->s, v->len);
		if (rc < 0)
			line_printf(why, "the pattern %s takes too much work on it", p->written);
		return rc;
	}
	const struct value *want = &p->values[0];
	if (v->len < want->len || !want->len)
		return !want->len;
	if (p->kind == PRED_CONTAINS)
		return memmem(v->s, v->len, want->s, want->len) != NULL;
	return !memcmp(p->kind == PRED_STARTS ? v->s : v->s + v->len - want->len, want->s, want->len);
}

static int is_of_schema(const struct predicate *p, const struct value *v, struct line *why)
{
	char text[240];
	json_t *document = NULL;
	if (!v->json && v->type == PROBED_TYPE_STRING) {
		document = jsonpath_parse_document(v->s, v->len, text, sizeof text);
		if (!document) {
			line_printf(why, "it is not JSON: %s", text);
			return -1;
		}
	}
	int rc = schema_valid(p->schema, document ? document : v->json, text, sizeof text);
	if (!rc)
		line_printf(why, "not as %.60s says: %s", p->written, text);
	json_decref(document);
	return rc;
}

static int in_set(const struct predicate *p, const struct value *v, struct line *why)
{
	int order, like = 0;
	for (size_t i = 0; i < p->n; i++) {
		bool comparable = value_compare(v, &p->values[i], &order);
		if (comparable && !order)
			return 1;
		like += comparable;
	}
	return like ? 0 : not_comparable(p, v, why);
}

int predicate_holds(const struct predicate *p, const struct value *v, struct line *why)
{
	int order, upper = 0;
	if (p->kind == PRED_EXISTS)
		return 1;
	if (p->kind == PRED_EMPTY)
		return (v->type == PROBED_TYPE_STRING && !v->len) || (v->type == VALUE_JSON && !v->i);
	if (predicate_textual(p))
		return text_holds(p, v, why);
	if (p->kind == PRED_SET)
		return in_set(p, v, why);
	if (p->kind == PRED_SCHEMA)
		return is_of_schema(p, v, why);
	if (!value_compare(v, &p->values[0], &order) || (p->kind == PRED_IN && !value_compare(v, &p->values[1], &upper)))
		return not_comparable(p, v, why);
	switch (p->kind) {
	case PRED_EQ: return order == 0;
	case PRED_NE: return order != 0;
	case PRED_LE: return order <= 0;
	case PRED_GE: return order >= 0;
	case PRED_LT: return order < 0;
	case PRED_GT: return order > 0;
	default: return order >= 0 && upper <= 0;
	}
}

void predicate_describe(const struct predicate *p, struct line *out)
{
	if (p->negate)
		line_printf(out, "not ");
	line_printf(out, "%s", names[p->kind]);
	if (p->kind == PRED_MATCHES || p->kind == PRED_SCHEMA)
		line_printf(out, " %s", p->written);
	else if (p->n)
		line_printf(out, p->kind == PRED_SET ? " {" : " ");
	for (size_t i = 0; i < p->n; i++) {
		if (i)
			line_printf(out, p->kind == PRED_SET ? ", " : "..");
		line_value(out, &p->values[i], false);
	}
	if (p->kind == PRED_SET)
		line_printf(out, "}");
}
