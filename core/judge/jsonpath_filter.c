/* SPDX-License-Identifier: Apache-2.0 */
/* jsonpath_filter.c - the parser of a JSONPath's filters: tests, comparisons, functions, and that they are well typed. */
#include "judge/jsonpath_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const char *const functions[] = { "length", "count", "match", "search", "value" };

static struct path_expr *new_expr(struct parser *s, enum expr_kind kind)
{
	struct path_expr *e = path_allocate(s, sizeof *e);
	s->path->blocks->expr = e;
	e->kind = kind;
	return e;
}

static struct path_expr *parse_number(struct parser *s)
{
	const char *start = s->p;
	bool real = false, negative = path_take(s, "-");
	char text[64];
	if (!path_digit(path_peek(s)) || (path_peek(s) == '0' && s->p + 1 < s->end && path_digit(s->p[1]))) {
		path_fail(s, start, "expected a number without a leading zero");
		return NULL;
	}
	real = negative && path_peek(s) == '0';
	while (path_digit(path_peek(s)))
		s->p++;
	if (path_take(s, ".")) {
		real = true;
		if (!path_digit(path_peek(s))) {
			path_fail(s, s->p, "expected a digit after the point");
			return NULL;
		}
		while (path_digit(path_peek(s)))
			s->p++;
	}
	if (path_take(s, "e") || path_take(s, "E")) {
		real = true;
		if (!path_take(s, "+"))
			path_take(s, "-");
		if (!path_digit(path_peek(s))) {
			path_fail(s, s->p, "expected a digit in the exponent");
			return NULL;
		}
		while (path_digit(path_peek(s)))
			s->p++;
	}
	size_t n = (size_t)(s->p - start);
	if (n >= sizeof text) {
		path_fail(s, start, "a number of more than %zu characters", sizeof text - 1);
		return NULL;
	}
	memcpy(text, start, n);
	text[n] = '\0';
	struct path_expr *e = new_expr(s, EXPR_LITERAL);
	real |= n > 18;
	e->literal = real ? json_real(strtod(text, NULL)) : json_integer(strtoll(text, NULL, 10));
	if (!e->literal)
		path_fail(s, start, "a number out of range");
	return e->literal ? e : NULL;
}

static struct path_expr *parse_literal_string(struct parser *s)
{
	CLEANUP_BUF struct buf text = { 0 };
	if (path_string(s, &text))
		return NULL;
	struct path_expr *e = new_expr(s, EXPR_LITERAL);
	e->literal = json_stringn_nocheck(text.data, text.len);
	return e;
}

static struct path_expr *parse_query_expr(struct parser *s)
{
	struct path_expr *e = new_expr(s, EXPR_QUERY);
	e->query.relative = *s->p++ == '@';
	return path_segments(s, &e->query) ? NULL : e;
}

static bool is_logical(const struct path_expr *e)
{
	return e->kind == EXPR_CALL && (e->function == FN_MATCH || e->function == FN_SEARCH);
}

/* Does it yield one value: a literal, a singular query, a function of a value? */
static bool is_value(const struct path_expr *e)
{
	return e->kind == EXPR_LITERAL || (e->kind == EXPR_QUERY && e->query.singular) ||
	       (e->kind == EXPR_CALL && !is_logical(e));
}

static struct path_expr *parse_operand(struct parser *s);

static int check_argument(struct parser *s, const char *at, const struct path_expr *arg, enum path_function fn)
{
	if (fn == FN_COUNT || fn == FN_VALUE) {
		if (arg->kind != EXPR_QUERY)
			return path_fail(s, at, "%s() takes a query", functions[fn]);
	} else if (!is_value(arg)) {
		return path_fail(s, at, "%s() takes a value: a literal, a query of at most one node, or a function of one", functions[fn]);
	}
	return 0;
}

static struct path_expr *parse_call(struct parser *s, enum path_function fn)
{
	struct path_expr *e = new_expr(s, EXPR_CALL);
	int want = fn == FN_MATCH || fn == FN_SEARCH ? 2 : 1;
	e->function = fn;
	for (int i = 0; i < want; i++) {
		path_blank(s);
		const char *at = s->p;
		struct path_expr *arg = parse_operand(s);
		if (!arg || check_argument(s, at, arg, fn))
			return NULL;
		*(i ? &e->right : &e->left) = arg;
		path_blank(s);
		if (!path_take(s, i + 1 < want ? "," : ")")) {
			path_fail(s, s->p, "%s() takes %d argument%s", functions[fn], want, want > 1 ? "s" : "");
			return NULL;
		}
	}
	return e;
}

/* true, false, null, or a function. */
static struct path_expr *parse_word(struct parser *s)
{
	const char *start = s->p;
	while (path_lower(path_peek(s)) || (s->p > start && (path_digit(path_peek(s)) || path_peek(s) == '_')))
		s->p++;
	size_t n = (size_t)(s->p - start);
	char word[32];
	snprintf(word, sizeof word, "%.*s", n < sizeof word ? (int)n : (int)sizeof word - 1, start);
	if (path_take(s, "(")) {
		for (size_t i = 0; i < ARRAY_LEN(functions); i++)
			if (!strcmp(word, functions[i]))
				return parse_call(s, (enum path_function)i);
		const char *near = str_nearest(word, functions, ARRAY_LEN(functions));
		path_fail(s, start, "unknown function %s()%s%s%s", word, near ? " (did you mean " : "", near ? near : "", near ? "()?)" : "");
		return NULL;
	}
	struct path_expr *e = new_expr(s, EXPR_LITERAL);
	if (!strcmp(word, "true"))
		e->literal = json_true();
	else if (!strcmp(word, "false"))
		e->literal = json_false();
	else if (!strcmp(word, "null"))
		e->literal = json_null();
	else
		path_fail(s, start, "expected a query ($ or @), a literal or a function");
	return e->literal ? e : NULL;
}

static struct path_expr *parse_operand(struct parser *s)
{
	if (++s->depth > PATH_DEPTH_MAX) {
		path_fail(s, s->p, "nested more than %d deep", PATH_DEPTH_MAX);
		return NULL;
	}
	char c = path_peek(s);
	struct path_expr *e = c == '$' || c == '@'   ? parse_query_expr(s) :
	                      c == '"' || c == '\''  ? parse_literal_string(s) :
	                      c == '-' || path_digit(c)   ? parse_number(s) :
	                                               parse_word(s);
	s->depth--;
	return e;
}

static bool take_op(struct parser *s, enum compare_op *op)
{
	static const char *const ops[] = { "==", "!=", "<=", ">=", "<", ">" };
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (path_take(s, ops[i])) {
			*op = (enum compare_op)i;
			return true;
		}
	return false;
}

static struct path_expr *parse_comparison_or_test(struct parser *s, bool negated)
{
	const char *at = s->p;
	struct path_expr *left = parse_operand(s);
	if (!left)
		return NULL;
	enum compare_op op;
	const char *back = s->p;
	path_blank(s);
	if (!negated && take_op(s, &op)) {
		path_blank(s);
		const char *right_at = s->p;
		struct path_expr *right = parse_operand(s);
		if (!right)
			return NULL;
		if (!is_value(left) || !is_value(right)) {
			path_fail(s, is_value(left) ? right_at : at, "only values are compared: literals, queries of at most one node, and functions of a value");
			return NULL;
		}
		struct path_expr *e = new_expr(s, EXPR_COMPARE);
		e->op = op;
		e->left = left;
		e->right = right;
		return e;
	}
	s->p = back;
	if (left->kind != EXPR_QUERY && !is_logical(left)) {
		path_fail(s, at, "this is a value, not a test: compare it with something");
		return NULL;
	}
	return left;
}

static struct path_expr *parse_basic(struct parser *s)
{
	const char *start = s->p;
	bool negated = path_take(s, "!");
	struct path_expr *e;
	if (negated)
		path_blank(s);
	if (path_take(s, "(")) {
		path_blank(s);
		e = path_filter(s);
		path_blank(s);
		if (e && !path_take(s, ")")) {
			path_fail(s, start, "the ( that stands here is not closed");
			return NULL;
		}
	} else {
		e = parse_comparison_or_test(s, negated);
	}
	if (!e || !negated)
		return e;
	struct path_expr *not = new_expr(s, EXPR_NOT);
	not->left = e;
	return not;
}

/* Terms hang on one another to the right, so that a chain of any length is tested in a loop. */
static struct path_expr *parse_chain(struct parser *s, const char *op, enum expr_kind kind,
                                     struct path_expr *(*next)(struct parser *))
{
	struct path_expr *first = next(s), **last = &first;
	while (*last) {
		const char *back = s->p;
		path_blank(s);
		if (!path_take(s, op)) {
			s->p = back;
			return first;
		}
		path_blank(s);
		struct path_expr *both = new_expr(s, kind);
		both->left = *last;
		both->right = next(s);
		*last = both;
		last = &both->right;
	}
	return NULL;
}

static struct path_expr *parse_and(struct parser *s)
{
	return parse_chain(s, "&&", EXPR_AND, parse_basic);
}

struct path_expr *path_filter(struct parser *s)
{
	if (++s->depth > PATH_DEPTH_MAX) {
		path_fail(s, s->p, "nested more than %d deep", PATH_DEPTH_MAX);
		return NULL;
	}
	struct path_expr *e = parse_chain(s, "||", EXPR_OR, parse_and);
	s->depth--;
	return e;
}
