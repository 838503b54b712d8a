/* SPDX-License-Identifier: Apache-2.0 */
/* jsonpath_parse.c - the parser of jsonpath.h: the grammar and the well-typedness of RFC 9535. */
#include "judge/jsonpath.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "judge/jsonpath_tree.h"

#define DEPTH_MAX 64
#define INT_MAX_EXACT INT64_C(9007199254740991)

struct parser {
	const char *text, *p, *end;
	struct jsonpath *path;
	char *error;
	size_t size, *at;
	bool failed;
	int depth;
};

static const char *const functions[] = { "length", "count", "match", "search", "value" };

static struct path_expr *parse_or(struct parser *s);

/* The first fault counts. Always -1. */
static int fail(struct parser *s, const char *at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct parser *s, const char *at, const char *format, ...)
{
	if (s->failed)
		return -1;
	s->failed = true;
	*s->at = (size_t)(at - s->text);
	va_list ap;
	va_start(ap, format);
	vsnprintf(s->error, s->size, format, ap);
	va_end(ap);
	return -1;
}

static void *allocate(struct parser *s, size_t size)
{
	struct path_block *b = xcalloc(1, sizeof *b + size);
	b->next = s->path->blocks;
	s->path->blocks = b;
	return b + 1;
}

static struct path_expr *new_expr(struct parser *s, enum expr_kind kind)
{
	struct path_expr *e = allocate(s, sizeof *e);
	s->path->blocks->expr = e;
	e->kind = kind;
	return e;
}

static char peek(const struct parser *s)
{
	return s->p < s->end ? *s->p : '\0';
}

static bool looking_at(const struct parser *s, const char *what)
{
	size_t n = strlen(what);
	return (size_t)(s->end - s->p) >= n && !memcmp(s->p, what, n);
}

static bool take(struct parser *s, const char *what)
{
	if (!looking_at(s, what))
		return false;
	s->p += strlen(what);
	return true;
}

static void blank(struct parser *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static int hex4(struct parser *s, unsigned *out)
{
	*out = 0;
	for (int i = 0; i < 4; i++) {
		char c = peek(s);
		int v = digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (v < 0)
			return fail(s, s->p, "expected four hexadecimal digits after \\u");
		*out = *out << 4 | (unsigned)v;
		s->p++;
	}
	return 0;
}

static void put_utf8(struct buf *b, unsigned c)
{
	if (c < 0x80) {
		buf_putc(b, (char)c);
	} else if (c < 0x800) {
		buf_putc(b, (char)(0xc0 | c >> 6));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_putc(b, (char)(0xe0 | c >> 12));
		buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_putc(b, (char)(0xf0 | c >> 18));
		buf_putc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	}
}

static int unicode_escape(struct parser *s, struct buf *out)
{
	const char *start = s->p - 2;
	unsigned c, low;
	if (hex4(s, &c))
		return -1;
	if (c >= 0xd800 && c < 0xdc00) {
		if (!take(s, "\\u"))
			return fail(s, start, "a high surrogate stands alone");
		if (hex4(s, &low))
			return -1;
		if (low < 0xdc00 || low > 0xdfff)
			return fail(s, start, "a high surrogate without its low one");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c >= 0xdc00 && c <= 0xdfff) {
		return fail(s, start, "a low surrogate stands alone");
	}
	put_utf8(out, c);
	return 0;
}

static int escape(struct parser *s, char quote, struct buf *out)
{
	static const char from[] = "bfnrt/\\", to[] = "\b\f\n\r\t/\\";
	const char *start = s->p++;
	char c = peek(s);
	s->p += s->p < s->end;
	if (c == 'u')
		return unicode_escape(s, out);
	const char *known = c ? strchr(from, c) : NULL;
	if (!known && (c != quote || !c))
		return fail(s, start, "unknown escape in a string");
	buf_putc(out, known ? to[known - from] : c);
	return 0;
}

static int parse_string(struct parser *s, struct buf *out)
{
	const char *start = s->p;
	char quote = *s->p++;
	for (;;) {
		if (s->p >= s->end)
			return fail(s, start, "the string that begins here has no closing %c", quote);
		if (*s->p == quote)
			break;
		if (*s->p == '\\') {
			if (escape(s, quote, out))
				return -1;
			continue;
		}
		size_t n = str_utf8(s->p, (size_t)(s->end - s->p));
		if (!n || (unsigned char)*s->p < 0x20)
			return fail(s, s->p, n ? "a control character in a string is written as an escape" : "not UTF-8");
		buf_put(out, s->p, n);
		s->p += n;
	}
	s->p++;
	buf_cstr(out);
	return 0;
}

/* An integer of the grammar: no leading zero, no -0, exact in a double. */
static int parse_int(struct parser *s, int64_t *out)
{
	const char *start = s->p;
	bool negative = take(s, "-");
	int64_t v = 0;
	if (!digit(peek(s)))
		return fail(s, start, "expected an integer");
	if (peek(s) == '0' && (negative || (s->p + 1 < s->end && digit(s->p[1]))))
		return fail(s, start, "an integer has no leading zero, and is not -0");
	for (; digit(peek(s)); s->p++) {
		v = v * 10 + (*s->p - '0');
		if (v > INT_MAX_EXACT)
			return fail(s, start, "an integer beyond 2^53 - 1");
	}
	*out = negative ? -v : v;
	return 0;
}

static bool name_char(const struct parser *s, bool first, size_t *n)
{
	if (s->p >= s->end)
		return false;
	unsigned char c = (unsigned char)*s->p;
	*n = 1;
	if (c >= 0x80)
		*n = str_utf8(s->p, (size_t)(s->end - s->p));
	return c >= 0x80 ? *n > 0 : lower((char)c) || (c >= 'A' && c <= 'Z') || c == '_' || (!first && digit((char)c));
}

static struct path_selector *new_selector(struct parser *s, enum selector_kind kind)
{
	struct path_selector *sel = allocate(s, sizeof *sel);
	sel->kind = kind;
	return sel;
}

static struct path_selector *name_selector(struct parser *s, const char *name, size_t len)
{
	struct path_selector *sel = new_selector(s, SELECT_NAME);
	sel->name = allocate(s, len + 1);
	if (len)
		memcpy(sel->name, name, len);
	sel->name_len = len;
	return sel;
}

static struct path_selector *parse_index_or_slice(struct parser *s)
{
	struct path_selector *sel = new_selector(s, SELECT_INDEX);
	sel->step = 1;
	if (peek(s) != ':') {
		if (parse_int(s, &sel->start))
			return NULL;
		sel->has_start = true;
	}
	const char *back = s->p;
	blank(s);
	if (!take(s, ":")) {
		s->p = back;
		return sel;
	}
	sel->kind = SELECT_SLICE;
	blank(s);
	if (digit(peek(s)) || peek(s) == '-') {
		if (parse_int(s, &sel->end))
			return NULL;
		sel->has_end = true;
		blank(s);
	}
	if (take(s, ":")) {
		blank(s);
		if ((digit(peek(s)) || peek(s) == '-') && parse_int(s, &sel->step))
			return NULL;
	}
	return sel;
}

static struct path_selector *parse_selector(struct parser *s)
{
	char c = peek(s);
	if (c == '\'' || c == '"') {
		CLEANUP_BUF struct buf name = { 0 };
		return parse_string(s, &name) ? NULL : name_selector(s, name.data, name.len);
	}
	if (take(s, "*"))
		return new_selector(s, SELECT_ALL);
	if (take(s, "?")) {
		struct path_selector *sel = new_selector(s, SELECT_FILTER);
		blank(s);
		sel->filter = parse_or(s);
		return sel->filter ? sel : NULL;
	}
	if (c == ':' || c == '-' || digit(c))
		return parse_index_or_slice(s);
	fail(s, s->p, "expected a selector: a quoted name, *, an index, a slice or ?filter");
	return NULL;
}

static int parse_brackets(struct parser *s, struct path_segment *seg)
{
	struct path_selector **tail = &seg->selectors;
	const char *start = s->p++;
	do {
		blank(s);
		*tail = parse_selector(s);
		if (!*tail)
			return -1;
		tail = &(*tail)->next;
		blank(s);
	} while (take(s, ","));
	if (s->p >= s->end)
		return fail(s, start, "the [ that stands here is not closed");
	return take(s, "]") ? 0 : fail(s, s->p, "expected , or ]");
}

/* What follows a dot, or two. */
static int parse_dotted(struct parser *s, struct path_segment *seg)
{
	const char *start = s->p;
	size_t n;
	if (take(s, "*")) {
		seg->selectors = new_selector(s, SELECT_ALL);
		return 0;
	}
	for (bool first = true; name_char(s, first, &n); first = false)
		s->p += n;
	if (s->p == start)
		return fail(s, start, "expected a name or * after a dot (any other name is written ['...'])");
	seg->selectors = name_selector(s, start, (size_t)(s->p - start));
	return 0;
}

static bool singular_segment(const struct path_segment *seg)
{
	const struct path_selector *sel = seg->selectors;
	return !seg->descendant && !sel->next && (sel->kind == SELECT_NAME || sel->kind == SELECT_INDEX);
}

/* The segments behind $ or @; blanks before a segment belong to it, those at the end to nobody. */
static int parse_segments(struct parser *s, struct path_query *q)
{
	struct path_segment **tail = &q->segments;
	q->singular = true;
	for (;;) {
		const char *back = s->p;
		blank(s);
		if (peek(s) != '.' && peek(s) != '[') {
			s->p = back;
			return 0;
		}
		struct path_segment *seg = allocate(s, sizeof *seg);
		seg->descendant = take(s, "..");
		int rc = peek(s) == '[' ? parse_brackets(s, seg) : seg->descendant || take(s, ".") ? parse_dotted(s, seg) : -1;
		if (rc)
			return -1;
		q->singular &= singular_segment(seg);
		*tail = seg;
		tail = &seg->next;
	}
}

static struct path_expr *parse_number(struct parser *s)
{
	const char *start = s->p;
	bool real = false, negative = take(s, "-");
	char text[64];
	if (!digit(peek(s)) || (peek(s) == '0' && s->p + 1 < s->end && digit(s->p[1]))) {
		fail(s, start, "expected a number without a leading zero");
		return NULL;
	}
	real = negative && peek(s) == '0';
	while (digit(peek(s)))
		s->p++;
	if (take(s, ".")) {
		real = true;
		if (!digit(peek(s))) {
			fail(s, s->p, "expected a digit after the point");
			return NULL;
		}
		while (digit(peek(s)))
			s->p++;
	}
	if (take(s, "e") || take(s, "E")) {
		real = true;
		if (!take(s, "+"))
			take(s, "-");
		if (!digit(peek(s))) {
			fail(s, s->p, "expected a digit in the exponent");
			return NULL;
		}
		while (digit(peek(s)))
			s->p++;
	}
	size_t n = (size_t)(s->p - start);
	if (n >= sizeof text) {
		fail(s, start, "a number of more than %zu characters", sizeof text - 1);
		return NULL;
	}
	memcpy(text, start, n);
	text[n] = '\0';
	struct path_expr *e = new_expr(s, EXPR_LITERAL);
	real |= n > 18;
	e->literal = real ? json_real(strtod(text, NULL)) : json_integer(strtoll(text, NULL, 10));
	if (!e->literal)
		fail(s, start, "a number out of range");
	return e->literal ? e : NULL;
}

static struct path_expr *parse_literal_string(struct parser *s)
{
	CLEANUP_BUF struct buf text = { 0 };
	if (parse_string(s, &text))
		return NULL;
	struct path_expr *e = new_expr(s, EXPR_LITERAL);
	e->literal = json_stringn_nocheck(text.data, text.len);
	return e;
}

static struct path_expr *parse_query_expr(struct parser *s)
{
	struct path_expr *e = new_expr(s, EXPR_QUERY);
	e->query.relative = *s->p++ == '@';
	return parse_segments(s, &e->query) ? NULL : e;
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
			return fail(s, at, "%s() takes a query", functions[fn]);
	} else if (!is_value(arg)) {
		return fail(s, at, "%s() takes a value: a literal, a query of at most one node, or a function of one", functions[fn]);
	}
	return 0;
}

static struct path_expr *parse_call(struct parser *s, enum path_function fn)
{
	struct path_expr *e = new_expr(s, EXPR_CALL);
	int want = fn == FN_MATCH || fn == FN_SEARCH ? 2 : 1;
	e->function = fn;
	for (int i = 0; i < want; i++) {
		blank(s);
		const char *at = s->p;
		struct path_expr *arg = parse_operand(s);
		if (!arg || check_argument(s, at, arg, fn))
			return NULL;
		*(i ? &e->right : &e->left) = arg;
		blank(s);
		if (!take(s, i + 1 < want ? "," : ")")) {
			fail(s, s->p, "%s() takes %d argument%s", functions[fn], want, want > 1 ? "s" : "");
			return NULL;
		}
	}
	return e;
}

/* true, false, null, or a function. */
static struct path_expr *parse_word(struct parser *s)
{
	const char *start = s->p;
	while (lower(peek(s)) || (s->p > start && (digit(peek(s)) || peek(s) == '_')))
		s->p++;
	size_t n = (size_t)(s->p - start);
	char word[32];
	snprintf(word, sizeof word, "%.*s", n < sizeof word ? (int)n : (int)sizeof word - 1, start);
	if (take(s, "(")) {
		for (size_t i = 0; i < ARRAY_LEN(functions); i++)
			if (!strcmp(word, functions[i]))
				return parse_call(s, (enum path_function)i);
		const char *near = str_nearest(word, functions, ARRAY_LEN(functions));
		fail(s, start, "unknown function %s()%s%s%s", word, near ? " (did you mean " : "", near ? near : "", near ? "()?)" : "");
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
		fail(s, start, "expected a query ($ or @), a literal or a function");
	return e->literal ? e : NULL;
}

static struct path_expr *parse_operand(struct parser *s)
{
	if (++s->depth > DEPTH_MAX) {
		fail(s, s->p, "nested more than %d deep", DEPTH_MAX);
		return NULL;
	}
	char c = peek(s);
	struct path_expr *e = c == '$' || c == '@'   ? parse_query_expr(s) :
	                      c == '"' || c == '\''  ? parse_literal_string(s) :
	                      c == '-' || digit(c)   ? parse_number(s) :
	                                               parse_word(s);
	s->depth--;
	return e;
}

static bool take_op(struct parser *s, enum compare_op *op)
{
	static const char *const ops[] = { "==", "!=", "<=", ">=", "<", ">" };
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (take(s, ops[i])) {
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
	blank(s);
	if (!negated && take_op(s, &op)) {
		blank(s);
		const char *right_at = s->p;
		struct path_expr *right = parse_operand(s);
		if (!right)
			return NULL;
		if (!is_value(left) || !is_value(right)) {
			fail(s, is_value(left) ? right_at : at, "only values are compared: literals, queries of at most one node, and functions of a value");
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
		fail(s, at, "this is a value, not a test: compare it with something");
		return NULL;
	}
	return left;
}

static struct path_expr *parse_basic(struct parser *s)
{
	const char *start = s->p;
	bool negated = take(s, "!");
	struct path_expr *e;
	if (negated)
		blank(s);
	if (take(s, "(")) {
		blank(s);
		e = parse_or(s);
		blank(s);
		if (e && !take(s, ")")) {
			fail(s, start, "the ( that stands here is not closed");
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
		blank(s);
		if (!take(s, op)) {
			s->p = back;
			return first;
		}
		blank(s);
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

static struct path_expr *parse_or(struct parser *s)
{
	if (++s->depth > DEPTH_MAX) {
		fail(s, s->p, "nested more than %d deep", DEPTH_MAX);
		return NULL;
	}
	struct path_expr *e = parse_chain(s, "||", EXPR_OR, parse_and);
	s->depth--;
	return e;
}

struct jsonpath *jsonpath_compile(const char *text, size_t len, char *error, size_t size, size_t *at)
{
	struct jsonpath *path = xnew(struct jsonpath);
	path->magic = JSONPATH_MAGIC;
	struct parser s = { .text = text, .p = text, .end = text + len, .path = path, .error = error, .size = size, .at = at };
	if (!take(&s, "$"))
		fail(&s, s.p, "a JSONPath begins with $");
	else if (!parse_segments(&s, &path->query) && s.p < s.end)
		fail(&s, s.p, "expected . or [ or the end of the path");
	if (!s.failed)
		return path;
	jsonpath_free(path);
	return NULL;
}

void jsonpath_free(struct jsonpath *path)
{
	if (!path)
		return;
	CHECK_MAGIC(path, JSONPATH_MAGIC);
	path->magic = 0;
	while (path->blocks) {
		struct path_block *b = path->blocks;
		path->blocks = b->next;
		if (b->expr) {
			json_decref(b->expr->literal);
			free(b->expr->pattern);
			regex_free(b->expr->re);
		}
		free(b);
	}
	free(path);
}
