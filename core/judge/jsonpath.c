/* SPDX-License-Identifier: Apache-2.0 */
/* jsonpath.c - see jsonpath.h: the walk over the document. */
#include "judge/jsonpath.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "judge/iregexp.h"
#include "judge/jsonpath_tree.h"

#define REGEX_WORK 10          /* a match counts as so many nodes */
#define REGEX_STUCK_WORK 50000 /* and one that was given up as so many */

struct walk {
	const json_t *root;
	uint64_t work;
};

/* The value of an expression. */
struct operand {
	enum { NOTHING, NODE, NUMBER } kind;
	const json_t *node;
	int64_t number;
};

static bool run_query(struct walk *w, const struct path_query *q, const json_t *current, struct jsonpath_nodes *out);
static bool test(struct walk *w, struct path_expr *e, const json_t *current, bool *holds);

/* False once it is too much: then everything returns. */
static bool spend(struct walk *w, uint64_t n)
{
	w->work += n;
	return w->work <= JSONPATH_WORK_MAX;
}

static bool add(struct walk *w, struct jsonpath_nodes *to, const json_t *node)
{
	xgrow(to->list, to->n, to->cap);
	to->list[to->n++] = node;
	return spend(w, 1);
}

void jsonpath_nodes_free(struct jsonpath_nodes *nodes)
{
	free(nodes->list);
	*nodes = (struct jsonpath_nodes){ 0 };
}

#define CLEANUP_NODES __attribute__((cleanup(jsonpath_nodes_free)))

/* --- comparing ------------------------------------------------------------------------------------ */

static int compare_numbers(const struct operand *a, const struct operand *b)
{
	bool whole_a = a->kind == NUMBER || json_is_integer(a->node), whole_b = b->kind == NUMBER || json_is_integer(b->node);
	int64_t i = a->kind == NUMBER ? a->number : json_integer_value(a->node);
	int64_t k = b->kind == NUMBER ? b->number : json_integer_value(b->node);
	if (whole_a && whole_b)
		return (i > k) - (i < k);
	double x = whole_a ? (double)i : json_real_value(a->node), y = whole_b ? (double)k : json_real_value(b->node);
	return (x > y) - (x < y);
}

static bool is_number(const struct operand *o)
{
	return o->kind == NUMBER || (o->kind == NODE && json_is_number(o->node));
}

static bool deep_equal(struct walk *w, const json_t *a, const json_t *b);

static bool equal_objects(struct walk *w, const json_t *a, const json_t *b)
{
	const char *key;
	size_t len;
	json_t *value;
	if (json_object_size(a) != json_object_size(b))
		return false;
	json_object_keylen_foreach((json_t *)a, key, len, value) {
		const json_t *other = json_object_getn(b, key, len);
		if (!other || !deep_equal(w, value, other))
			return false;
	}
	return true;
}

static bool deep_equal(struct walk *w, const json_t *a, const json_t *b)
{
	struct operand x = { .kind = NODE, .node = a }, y = { .kind = NODE, .node = b };
	if (!spend(w, 1))
		return false;
	if (is_number(&x) && is_number(&y))
		return !compare_numbers(&x, &y);
	if (json_typeof(a) != json_typeof(b))
		return false;
	switch (json_typeof(a)) {
	case JSON_STRING:
		return json_string_length(a) == json_string_length(b) &&
		       !memcmp(json_string_value(a), json_string_value(b), json_string_length(a));
	case JSON_OBJECT:
		return equal_objects(w, a, b);
	case JSON_ARRAY:
		if (json_array_size(a) != json_array_size(b))
			return false;
		for (size_t i = 0; i < json_array_size(a); i++)
			if (!deep_equal(w, json_array_get(a, i), json_array_get(b, i)))
				return false;
		return true;
	default:
		return true;
	}
}

static bool equal(struct walk *w, const struct operand *a, const struct operand *b)
{
	if (a->kind == NOTHING || b->kind == NOTHING)
		return a->kind == b->kind;
	if (is_number(a) && is_number(b))
		return !compare_numbers(a, b);
	return a->kind == NODE && b->kind == NODE && deep_equal(w, a->node, b->node);
}

static bool less(const struct operand *a, const struct operand *b)
{
	if (is_number(a) && is_number(b))
		return compare_numbers(a, b) < 0;
	if (a->kind != NODE || b->kind != NODE || !json_is_string(a->node) || !json_is_string(b->node))
		return false;
	size_t n = json_string_length(a->node), m = json_string_length(b->node);
	int c = memcmp(json_string_value(a->node), json_string_value(b->node), n < m ? n : m);
	return c ? c < 0 : n < m; /* the order of UTF-8 bytes is that of the characters */
}

/* --- functions ------------------------------------------------------------------------------------ */

static size_t characters(const json_t *string)
{
	const char *s = json_string_value(string);
	size_t n = 0;
	for (size_t i = 0; i < json_string_length(string); i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

static struct operand length_of(const struct operand *arg)
{
	struct operand out = { .kind = arg->kind == NODE ? NUMBER : NOTHING };
	if (arg->kind == NODE && json_is_string(arg->node))
		out.number = (int64_t)characters(arg->node);
	else if (arg->kind == NODE && json_is_array(arg->node))
		out.number = (int64_t)json_array_size(arg->node);
	else if (arg->kind == NODE && json_is_object(arg->node))
		out.number = (int64_t)json_object_size(arg->node);
	else
		out.kind = NOTHING;
	return out;
}

static bool evaluate(struct walk *w, struct path_expr *e, const json_t *current, struct operand *out)
{
	*out = (struct operand){ .kind = NOTHING };
	if (e->kind == EXPR_LITERAL) {
		*out = (struct operand){ .kind = NODE, .node = e->literal };
		return spend(w, 1);
	}
	if (e->kind == EXPR_CALL && e->function == FN_LENGTH) {
		struct operand arg;
		if (!evaluate(w, e->left, current, &arg))
			return false;
		*out = length_of(&arg);
		return true;
	}
	CLEANUP_NODES struct jsonpath_nodes nodes = { 0 };
	if (!run_query(w, e->kind == EXPR_CALL ? &e->left->query : &e->query, current, &nodes))
		return false;
	if (e->kind == EXPR_CALL && e->function == FN_COUNT)
		*out = (struct operand){ .kind = NUMBER, .number = (int64_t)nodes.n };
	else if (nodes.n == 1)
		*out = (struct operand){ .kind = NODE, .node = nodes.list[0] };
	return true;
}

/* The pattern is nearly always the same one: the last is kept. */
static const struct regex *pattern_of(struct path_expr *e, const json_t *pattern)
{
	const char *text = json_string_value(pattern);
	size_t len = json_string_length(pattern);
	if (!e->pattern || e->pattern_len != len || memcmp(e->pattern, text, len) != 0) {
		free(e->pattern);
		regex_free(e->re);
		e->pattern = xmalloc(len + 1);
		memcpy(e->pattern, text, len);
		e->pattern_len = len;
		e->re = iregexp_compile(text, len, e->function == FN_MATCH);
	}
	return e->re;
}

static bool test_pattern(struct walk *w, struct path_expr *e, const json_t *current, bool *holds)
{
	struct operand subject, pattern;
	*holds = false;
	if (!evaluate(w, e->left, current, &subject) || !evaluate(w, e->right, current, &pattern))
		return false;
	if (subject.kind != NODE || pattern.kind != NODE || !json_is_string(subject.node) || !json_is_string(pattern.node))
		return true;
	const struct regex *re = pattern_of(e, pattern.node);
	int rc = re ? regex_match(re, json_string_value(subject.node), json_string_length(subject.node)) : 0;
	*holds = rc > 0;
	return spend(w, rc < 0 ? REGEX_STUCK_WORK : REGEX_WORK);
}

/* --- tests ---------------------------------------------------------------------------------------- */

static bool test_comparison(struct walk *w, struct path_expr *e, const json_t *current, bool *holds)
{
	struct operand a, b;
	if (!evaluate(w, e->left, current, &a) || !evaluate(w, e->right, current, &b))
		return false;
	switch (e->op) {
	case OP_EQ: *holds = equal(w, &a, &b); break;
	case OP_NE: *holds = !equal(w, &a, &b); break;
	case OP_LT: *holds = less(&a, &b); break;
	case OP_GT: *holds = less(&b, &a); break;
	case OP_LE: *holds = less(&a, &b) || equal(w, &a, &b); break;
	case OP_GE: *holds = less(&b, &a) || equal(w, &a, &b); break;
	}
	return spend(w, 1);
}

static bool test(struct walk *w, struct path_expr *e, const json_t *current, bool *holds)
{
	*holds = false;
	for (; e->kind == EXPR_OR || e->kind == EXPR_AND; e = e->right) {
		bool decided = e->kind == EXPR_OR;
		if (!test(w, e->left, current, holds))
			return false;
		if (*holds == decided)
			return true;
	}
	switch (e->kind) {
	case EXPR_NOT:
		if (!test(w, e->left, current, holds))
			return false;
		*holds = !*holds;
		return true;
	case EXPR_COMPARE:
		return test_comparison(w, e, current, holds);
	case EXPR_CALL:
		return test_pattern(w, e, current, holds);
	default: {
		CLEANUP_NODES struct jsonpath_nodes nodes = { 0 };
		bool ok = run_query(w, &e->query, current, &nodes);
		*holds = nodes.n > 0;
		return ok;
	}
	}
}

/* --- selectors and segments ----------------------------------------------------------------------- */

static bool select_slice(struct walk *w, const struct path_selector *sel, const json_t *node, struct jsonpath_nodes *out)
{
	int64_t len = (int64_t)json_array_size(node), step = sel->step;
	if (!step)
		return true;
	int64_t start = sel->has_start ? sel->start : step > 0 ? 0 : len - 1;
	int64_t end = sel->has_end ? sel->end : step > 0 ? len : -len - 1;
	start = start < 0 ? start + len : start;
	end = end < 0 ? end + len : end;
	if (step > 0) {
		start = start < 0 ? 0 : start > len ? len : start;
		end = end < 0 ? 0 : end > len ? len : end;
		for (int64_t i = start; i < end; i += step)
			if (!add(w, out, json_array_get(node, (size_t)i)))
				return false;
	} else {
		start = start < -1 ? -1 : start > len - 1 ? len - 1 : start;
		end = end < -1 ? -1 : end > len - 1 ? len - 1 : end;
		for (int64_t i = start; i > end; i += step)
			if (!add(w, out, json_array_get(node, (size_t)i)))
				return false;
	}
	return true;
}

/* All children, or those that the filter lets through. */
static bool select_children(struct walk *w, struct path_expr *filter, const json_t *node, struct jsonpath_nodes *out)
{
	void *iter = json_object_iter((json_t *)node);
	for (size_t i = 0; iter || i < json_array_size(node); i++) {
		const json_t *child = iter ? json_object_iter_value(iter) : json_array_get(node, i);
		bool holds = true;
		if (!spend(w, 1) || (filter && !test(w, filter, child, &holds)) || (holds && !add(w, out, child)))
			return false;
		if (iter && !(iter = json_object_iter_next((json_t *)node, iter)))
			break;
	}
	return true;
}

static bool select_with(struct walk *w, const struct path_selector *sel, const json_t *node, struct jsonpath_nodes *out)
{
	const json_t *found = NULL;
	int64_t i = sel->start;
	switch (sel->kind) {
	case SELECT_NAME:
		found = json_object_getn(node, sel->name, sel->name_len);
		break;
	case SELECT_INDEX:
		i += i < 0 ? (int64_t)json_array_size(node) : 0;
		found = i >= 0 ? json_array_get(node, (size_t)i) : NULL;
		break;
	case SELECT_SLICE:
		return !json_is_array(node) || select_slice(w, sel, node, out);
	default:
		return select_children(w, sel->filter, node, out);
	}
	return spend(w, 1) && (!found || add(w, out, found));
}

/* The node and all below it, parents before children. */
static bool descend(struct walk *w, const json_t *node, struct jsonpath_nodes *out)
{
	const char *key;
	json_t *child;
	size_t i;
	if (!add(w, out, node))
		return false;
	json_array_foreach(node, i, child)
		if (!descend(w, child, out))
			return false;
	json_object_foreach((json_t *)node, key, child)
		if (!descend(w, child, out))
			return false;
	return true;
}

static bool run_segment(struct walk *w, const struct path_segment *seg, const json_t *node, struct jsonpath_nodes *out)
{
	CLEANUP_NODES struct jsonpath_nodes below = { 0 };
	if (seg->descendant && !descend(w, node, &below))
		return false;
	size_t n = seg->descendant ? below.n : 1;
	for (size_t i = 0; i < n; i++)
		for (const struct path_selector *sel = seg->selectors; sel; sel = sel->next)
			if (!select_with(w, sel, seg->descendant ? below.list[i] : node, out))
				return false;
	return true;
}

static bool run_query(struct walk *w, const struct path_query *q, const json_t *current, struct jsonpath_nodes *out)
{
	bool ok = add(w, out, q->relative ? current : w->root);
	for (const struct path_segment *seg = q->segments; seg && ok; seg = seg->next) {
		CLEANUP_NODES struct jsonpath_nodes in = *out;
		*out = (struct jsonpath_nodes){ 0 };
		for (size_t i = 0; i < in.n && ok; i++)
			ok = run_segment(w, seg, in.list[i], out);
	}
	return ok;
}

int jsonpath_select(const struct jsonpath *path, const json_t *root, struct jsonpath_nodes *out)
{
	CHECK_MAGIC(path, JSONPATH_MAGIC);
	struct walk w = { .root = root };
	out->n = 0;
	if (run_query(&w, &path->query, root, out))
		return 0;
	out->n = 0;
	return -1;
}

json_t *jsonpath_parse_document(const char *text, size_t len, char *error, size_t size)
{
	json_error_t e;
	json_t *doc = json_loadb(text ? text : "", len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
	if (!doc && json_error_code(&e) == json_error_numeric_overflow)
		doc = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &e);
	if (!doc)
		snprintf(error, size, "line %d, column %d: %s", e.line, e.column, e.text);
	return doc;
}
