/* SPDX-License-Identifier: Apache-2.0 */
/* jsonpath_parse.c - the parser of jsonpath.h, by the grammar of RFC 9535: paths, segments, selectors. */
#include "judge/jsonpath.h"

#include <string.h>

#include "base/mem.h"
#include "judge/jsonpath_scan.h"

static struct path_selector *new_selector(struct parser *s, enum selector_kind kind)
{
	struct path_selector *sel = path_allocate(s, sizeof *sel);
	sel->kind = kind;
	return sel;
}

static struct path_selector *name_selector(struct parser *s, const char *name, size_t len)
{
	struct path_selector *sel = new_selector(s, SELECT_NAME);
	sel->name = path_allocate(s, len + 1);
	if (len)
		memcpy(sel->name, name, len);
	sel->name_len = len;
	return sel;
}

static struct path_selector *parse_index_or_slice(struct parser *s)
{
	struct path_selector *sel = new_selector(s, SELECT_INDEX);
	sel->step = 1;
	if (path_peek(s) != ':') {
		if (path_integer(s, &sel->start))
			return NULL;
		sel->has_start = true;
	}
	const char *back = s->p;
	path_blank(s);
	if (!path_take(s, ":")) {
		s->p = back;
		return sel;
	}
	sel->kind = SELECT_SLICE;
	path_blank(s);
	if (path_digit(path_peek(s)) || path_peek(s) == '-') {
		if (path_integer(s, &sel->end))
			return NULL;
		sel->has_end = true;
		path_blank(s);
	}
	if (path_take(s, ":")) {
		path_blank(s);
		if ((path_digit(path_peek(s)) || path_peek(s) == '-') && path_integer(s, &sel->step))
			return NULL;
	}
	return sel;
}

static struct path_selector *parse_selector(struct parser *s)
{
	char c = path_peek(s);
	if (c == '\'' || c == '"') {
		CLEANUP_BUF struct buf name = { 0 };
		return path_string(s, &name) ? NULL : name_selector(s, name.data, name.len);
	}
	if (path_take(s, "*"))
		return new_selector(s, SELECT_ALL);
	if (path_take(s, "?")) {
		struct path_selector *sel = new_selector(s, SELECT_FILTER);
		path_blank(s);
		sel->filter = path_filter(s);
		return sel->filter ? sel : NULL;
	}
	if (c == ':' || c == '-' || path_digit(c))
		return parse_index_or_slice(s);
	path_fail(s, s->p, "expected a selector: a quoted name, *, an index, a slice or ?filter");
	return NULL;
}

static int parse_brackets(struct parser *s, struct path_segment *seg)
{
	struct path_selector **tail = &seg->selectors;
	const char *start = s->p++;
	do {
		path_blank(s);
		*tail = parse_selector(s);
		if (!*tail)
			return -1;
		tail = &(*tail)->next;
		path_blank(s);
	} while (path_take(s, ","));
	if (s->p >= s->end)
		return path_fail(s, start, "the [ that stands here is not closed");
	return path_take(s, "]") ? 0 : path_fail(s, s->p, "expected , or ]");
}

/* What follows a dot, or two. */
static int parse_dotted(struct parser *s, struct path_segment *seg)
{
	const char *start = s->p;
	size_t n;
	if (path_take(s, "*")) {
		seg->selectors = new_selector(s, SELECT_ALL);
		return 0;
	}
	for (bool first = true; path_name_char(s, first, &n); first = false)
		s->p += n;
	if (s->p == start)
		return path_fail(s, start, "expected a name or * after a dot (any other name is written ['...'])");
	seg->selectors = name_selector(s, start, (size_t)(s->p - start));
	return 0;
}

static bool singular_segment(const struct path_segment *seg)
{
	const struct path_selector *sel = seg->selectors;
	return !seg->descendant && !sel->next && (sel->kind == SELECT_NAME || sel->kind == SELECT_INDEX);
}

int path_segments(struct parser *s, struct path_query *q)
{
	struct path_segment **tail = &q->segments;
	q->singular = true;
	for (;;) {
		const char *back = s->p;
		path_blank(s);
		if (path_peek(s) != '.' && path_peek(s) != '[') {
			s->p = back;
			return 0;
		}
		struct path_segment *seg = path_allocate(s, sizeof *seg);
		seg->descendant = path_take(s, "..");
		int rc = path_peek(s) == '[' ? parse_brackets(s, seg) : seg->descendant || path_take(s, ".") ? parse_dotted(s, seg) : -1;
		if (rc)
			return -1;
		q->singular &= singular_segment(seg);
		*tail = seg;
		tail = &seg->next;
	}
}

struct jsonpath *jsonpath_compile(const char *text, size_t len, char *error, size_t size, size_t *at)
{
	struct jsonpath *path = xnew(struct jsonpath);
	path->magic = JSONPATH_MAGIC;
	struct parser s = { .text = text, .p = text, .end = text + len, .path = path, .error = error, .size = size, .at = at };
	if (!path_take(&s, "$"))
		path_fail(&s, s.p, "a JSONPath begins with $");
	else if (!path_segments(&s, &path->query) && s.p < s.end)
		path_fail(&s, s.p, "expected . or [ or the end of the path");
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
