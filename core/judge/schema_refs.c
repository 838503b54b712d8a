/* SPDX-License-Identifier: Apache-2.0 */
/* schema_refs.c - what $ref and $dynamicRef of a schema lead to: URIs, anchors, pointers. See schema_tree.h */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "judge/schema_tree.h"

/* --- URIs --------------------------------------------------------------------------------------------- */

/* scheme ":" ["//" authority] path ["?" query]; without a fragment */
struct uri {
	const char *scheme, *authority, *path, *query; /* NULL: it has none */
	size_t scheme_len, authority_len, path_len, query_len;
};

static struct uri uri_split(const char *s)
{
	struct uri u = { 0 };
	size_t n = 0;
	while (isalnum((unsigned char)s[n]) || (s[n] && strchr("+-.", s[n])))
		n++;
	if (n && s[n] == ':' && isalpha((unsigned char)*s)) {
		u.scheme = s;
		u.scheme_len = n;
		s += n + 1;
	}
	if (!strncmp(s, "//", 2)) {
		u.authority = s + 2;
		u.authority_len = strcspn(s + 2, "/?#");
		s += 2 + u.authority_len;
	}
	u.path = s;
	u.path_len = strcspn(s, "?#");
	s += u.path_len;
	if (*s == '?') {
		u.query = s + 1;
		u.query_len = strcspn(s + 1, "#");
	}
	return u;
}

/* Appends a path without its "." and ".." segments. */
static void put_path(struct buf *out, const char *path, size_t len)
{
	size_t start = out->len;
	const char *end = path + len;
	while (path < end) {
		const char *slash = memchr(path + 1, '/', (size_t)(end - path - 1));
		const char *next = slash ? slash : end;
		size_t n = (size_t)(next - path);
		bool up = n == 3 && !memcmp(path, "/..", 3), stay = n == 2 && !memcmp(path, "/.", 2);
		if (up)
			while (out->len > start && out->data[--out->len] != '/')
				continue;
		if (!up && !stay)
			buf_put(out, path, n);
		else if (!slash)
			buf_putc(out, '/');
		path = next;
	}
}

char *uri_resolve(const char *base, const char *reference)
{
	struct uri b = uri_split(base), r = uri_split(reference);
	struct uri from = r.scheme ? r : b, authority = r.scheme || r.authority ? r : b;
	struct uri query = r.scheme || r.authority || r.path_len || r.query ? r : b;
	struct buf out = { 0 }, path = { 0 };
	if (from.scheme) {
		buf_put(&out, from.scheme, from.scheme_len);
		buf_putc(&out, ':');
	}
	if (authority.authority) {
		buf_puts(&out, "//");
		buf_put(&out, authority.authority, authority.authority_len);
	}
	if (r.scheme || r.authority || (r.path_len && *r.path == '/')) {
		buf_put(&path, r.path, r.path_len);
	} else if (!r.path_len) {
		buf_put(&path, b.path, b.path_len);
	} else {
		size_t keep = b.path_len;
		while (keep && b.path[keep - 1] != '/')
			keep--;
		buf_put(&path, keep ? b.path : "/", keep ? keep : b.authority != NULL);
		buf_put(&path, r.path, r.path_len);
	}
	if (path.len && *path.data == '/')
		put_path(&out, path.data, path.len);
	else
		buf_put(&out, path.data, path.len);
	if (query.query) {
		buf_putc(&out, '?');
		buf_put(&out, query.query, query.query_len);
	}
	buf_free(&path);
	return buf_cstr(&out);
}

/* --- resources ------------------------------------------------------------------------------------------ */

struct resource *resource_add(struct schema *s, char *uri, const json_t *root)
{
	struct resource *r = xnew(struct resource);
	r->uri = uri;
	r->root = root;
	xgrow(s->resources, s->n_resources, s->cap_resources);
	s->resources[s->n_resources++] = r;
	return r;
}

static struct resource *resource_find(const struct schema *s, const char *uri)
{
	for (size_t i = 0; i < s->n_resources; i++)
		if (!strcmp(s->resources[i]->uri, uri))
			return s->resources[i];
	return NULL;
}

const struct anchor *anchor_find(const struct resource *in, const char *name, size_t len)
{
	for (size_t i = 0; i < in->n_anchors; i++)
		if (strlen(in->anchors[i].name) == len && !memcmp(in->anchors[i].name, name, len))
			return &in->anchors[i];
	return NULL;
}

/* --- references ----------------------------------------------------------------------------------------- */

static struct node *node_of(struct schema *s, const json_t *json)
{
	struct node *n;
	if (json_is_boolean(json))
		return json_is_true(json) ? &s->anything : &s->nothing;
	HASH_FIND_PTR(s->by_json, &json, n);
	return n;
}

/* One token of a pointer, unescaped, in `out`. */
static const char *pointer_token(const char *p, struct buf *out)
{
	buf_clear(out);
	for (; *p && *p != '/'; p++) {
		if (*p == '~' && (p[1] == '0' || p[1] == '1'))
			buf_putc(out, *++p == '0' ? '~' : '/');
		else
			buf_putc(out, *p);
	}
	buf_cstr(out);
	return p;
}

static const json_t *step_into(const json_t *at, const char *token)
{
	if (json_is_object(at))
		return json_object_get(at, token);
	if (!json_is_array(at) || !*token || strspn(token, "0123456789") != strlen(token) || strlen(token) > 9)
		return NULL;
	return json_array_get(at, (size_t)atol(token));
}

/* What a JSON pointer leads to; compiled now where no keyword made it a schema. */
static struct node *follow_pointer(struct compiler *c, struct resource *in, const char *pointer, const struct path *at)
{
	const json_t *j = in->root;
	CLEANUP_BUF struct buf token = { 0 };
	while (*pointer && j) {
		pointer = pointer_token(pointer + 1, &token);
		j = step_into(j, token.data);
		struct node *n = j && !json_is_boolean(j) ? node_of(c->schema, j) : NULL;
		in = n ? n->in : in;
	}
	if (!j)
		return NULL;
	struct node *n = node_of(c->schema, j);
	return n ? n : compile_node(c, j, in, at);
}

static void percent_decode(char *s)
{
	char *to = s;
	for (; *s; s++) {
		unsigned v;
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2]) &&
		    sscanf(s + 1, "%2x", &v) == 1 && v) {
			*to++ = (char)v;
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* The resource of the URI, out of the other documents where it is in none that was read yet. What was had by one URI
 * may have another one of its own. */
static struct resource *find_or_read(struct compiler *c, const char *uri)
{
	struct resource *in = resource_find(c->schema, uri);
	struct node *root;
	for (size_t i = 0; i < c->n_others && !in; i++)
		if (!strcmp(c->others[i].uri, uri))
			in = compile_document(c, c->others[i].json, c->others[i].len, uri, &root);
	root = in ? node_of(c->schema, in->root) : NULL;
	return root && root->in ? root->in : in;
}

static struct node *follow(struct compiler *c, const struct node *from, const char *keyword, const char *text,
			   const struct anchor **anchor)
{
	const struct path at = { NULL, keyword, 0 };
	const char *hash = strchr(text, '#');
	CLEANUP_FREE char *fragment = xstrdup(hash ? hash + 1 : "");
	CLEANUP_FREE char *uri = uri_resolve(from->in->uri, text);
	struct node *to = NULL;
	*anchor = NULL;
	percent_decode(fragment);
	struct resource *in = find_or_read(c, uri);
	if (!in) {
		compile_fail(c, &at, "\"%.200s\" leads out of this document", text);
		return NULL;
	}
	if (!*fragment || *fragment == '/') {
		to = follow_pointer(c, in, fragment, &at);
	} else {
		*anchor = anchor_find(in, fragment, strlen(fragment));
		to = *anchor ? (*anchor)->node : NULL;
	}
	if (!to)
		compile_fail(c, &at, "\"%.200s\" leads to nothing", text);
	return to;
}

int tie_references(struct compiler *c)
{
	const struct anchor *anchor;
	for (size_t i = 0; i < c->refs.n && !c->failed; i++) {
		struct node *n = c->refs.list[i];
		if (n->ref_text)
			n->ref = follow(c, n, "$ref", n->ref_text, &anchor);
		if (!n->dynamic_text)
			continue;
		n->dynamic = follow(c, n, "$dynamicRef", n->dynamic_text, &anchor);
		n->dynamic_name = anchor && anchor->dynamic ? anchor->name : NULL;
	}
	return c->failed ? -1 : 0;
}
