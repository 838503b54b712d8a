/* SPDX-License-Identifier: Apache-2.0 */
/* schema_compile.c - a JSON Schema's text into its tree: see schema.h, schema_tree.h */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "judge/ecma.h"
#include "judge/jsonpath.h"
#include "judge/regex.h"
#include "judge/schema_tree.h"

#define SCHEMA_MAGIC 0x73636865u
#define NO_ID "json-schema:///schema" /* the URI of a document without an $id */
#define NESTING_MAX 256

/* One step of a pointer, escaped. */
static size_t put_step(const struct path *p, char *out, size_t size, size_t len)
{
	if (len + 1 < size)
		out[len++] = '/';
	if (!p->key)
		len += (size_t)snprintf(out + len, size - len, "%zu", p->index);
	for (const char *s = p->key; s && *s && len + 3 < size; s++) {
		bool escaped = *s == '~' || *s == '/';
		if (escaped)
			out[len++] = '~';
		out[len++] = !escaped ? *s : *s == '~' ? '0' : '1';
	}
	return len < size ? len : size - 1;
}

/* The outermost first. */
static size_t put_path(const struct path *at, char *out, size_t size, unsigned depth)
{
	if (!at || depth > 2 * NESTING_MAX)
		return 0;
	return put_step(at, out, size, put_path(at->up, out, size, depth + 1));
}

const char *path_text(const struct path *at, char *out, size_t size)
{
	out[put_path(at, out, size, 0)] = '\0';
	return out;
}

int compile_fail(struct compiler *c, const struct path *at, const char *format, ...)
{
	char place[200];
	if (c->failed)
		return -1;
	c->failed = true;
	path_text(at, place, sizeof place);
	int n = snprintf(c->error, c->size, "%s%s", place, *place ? ": " : "");
	if (n >= 0 && (size_t)n < c->size) {
		va_list ap;
		va_start(ap, format);
		vsnprintf(c->error + n, c->size - (size_t)n, format, ap);
		va_end(ap);
	}
	return -1;
}

static int add_node(struct compiler *c, struct nodes *list, const json_t *json, struct resource *in,
		    const struct path *at)
{
	struct node *n = compile_node(c, json, in, at);
	if (!n)
		return -1;
	xgrow(list->list, list->n, list->cap);
	list->list[list->n++] = n;
	return 0;
}

static struct regex *compile_pattern(struct compiler *c, const char *text, const struct path *at)
{
	char error[160];
	struct regex *re = ecma_compile(text, strlen(text), error, sizeof error);
	if (!re)
		compile_fail(c, at, "\"%.80s\" is no pattern: %s", text, error);
	return re;
}

/* --- keywords: each takes its value into the node; 0 or -1 with the error set ------------------------------ */

static int take_types(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	static const char *const names[] = { "null", "boolean", "object", "array", "number", "string", "integer" };
	size_t count = json_is_array(v) ? json_array_size(v) : 1;
	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
		size_t k = 0;
		while (text && k < ARRAY_LEN(names) && strcmp(text, names[k]) != 0)
			k++;
		if (!text || k == ARRAY_LEN(names)) {
			const char *near = text ? str_nearest(text, names, ARRAY_LEN(names)) : NULL;
			return compile_fail(c, at,
					    "expected null, boolean, object, array, number, string or integer%s%s%s",
					    near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
		}
		n->types |= 1u << k;
	}
	return n->types ? 0 : compile_fail(c, at, "expected at least one type");
}

static int take_enum(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	n->one_of_values = v;
	return json_is_array(v) ? 0 : compile_fail(c, at, "expected an array of values");
}

static int take_const(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	(void)c, (void)at;
	n->constant = v;
	return 0;
}

static int take_number(struct compiler *c, const json_t **to, const json_t *v, const struct path *at)
{
	*to = v;
	return json_is_number(v) ? 0 : compile_fail(c, at, "expected a number");
}

static int take_multiple(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	if (take_number(c, &n->multiple_of, v, at))
		return -1;
	return json_number_value(v) > 0 ? 0 : compile_fail(c, at, "expected a number above 0");
}

static int take_maximum(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	return take_number(c, &n->maximum, v, at);
}

static int take_exclusive_maximum(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	return take_number(c, &n->exclusive_maximum, v, at);
}

static int take_minimum(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	return take_number(c, &n->minimum, v, at);
}

static int take_exclusive_minimum(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	return take_number(c, &n->exclusive_minimum, v, at);
}

static int take_limit(struct compiler *c, struct node *n, const json_t *v, const struct path *at, enum limit which)
{
	n->limits[which] = json_number_value(v);
	if (!json_is_number(v) || !number_is_integer(v) || n->limits[which] < 0)
		return compile_fail(c, at, "expected an integer from 0");
	return 0;
}

#define TAKE_LIMIT(name, which)                                                                                        \
	static int name(struct compiler *c, struct node *n, const json_t *v, const struct path *at)                    \
	{                                                                                                              \
		return take_limit(c, n, v, at, which);                                                                 \
	}
TAKE_LIMIT(take_max_length, MAX_LENGTH)
TAKE_LIMIT(take_min_length, MIN_LENGTH)
TAKE_LIMIT(take_max_items, MAX_ITEMS)
TAKE_LIMIT(take_min_items, MIN_ITEMS)
TAKE_LIMIT(take_max_contains, MAX_CONTAINS)
TAKE_LIMIT(take_min_contains, MIN_CONTAINS)
TAKE_LIMIT(take_max_properties, MAX_PROPERTIES)
TAKE_LIMIT(take_min_properties, MIN_PROPERTIES)

static int take_unique(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	n->unique = json_is_true(v);
	return json_is_boolean(v) ? 0 : compile_fail(c, at, "expected true or false");
}

static int take_pattern(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	n->pattern_text = json_string_value(v);
	if (!n->pattern_text)
		return compile_fail(c, at, "expected a string: a regular expression");
	n->pattern = compile_pattern(c, n->pattern_text, at);
	return n->pattern ? 0 : -1;
}

static int check_strings(struct compiler *c, const json_t *v, const struct path *at)
{
	if (!json_is_array(v))
		return compile_fail(c, at, "expected an array of strings");
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!json_is_string(json_array_get(v, i)))
			return compile_fail(c, &(struct path){ at, NULL, i }, "expected a string: the name of a key");
	return 0;
}

static int take_required(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	n->required = v;
	return check_strings(c, v, at);
}

static int take_dependent_required(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	const char *key;
	json_t *names;
	n->dependent_required = v;
	if (!json_is_object(v))
		return compile_fail(c, at, "expected an object of arrays of strings");
	json_object_foreach((json_t *)(uintptr_t)v, key, names)
	{
		if (check_strings(c, names, &(struct path){ at, key, 0 }))
			return -1;
	}
	return 0;
}

static int take_list(struct compiler *c, struct nodes *to, const struct node *n, const json_t *v, const struct path *at)
{
	if (!json_is_array(v) || !json_array_size(v))
		return compile_fail(c, at, "expected an array of at least one schema");
	for (size_t i = 0; i < json_array_size(v); i++)
		if (add_node(c, to, json_array_get(v, i), n->in, &(struct path){ at, NULL, i }))
			return -1;
	return 0;
}

static int take_members(struct compiler *c, struct members *to, const struct node *n, const json_t *v,
			const struct path *at, bool patterns)
{
	const char *key;
	json_t *json;
	if (!json_is_object(v))
		return compile_fail(c, at, "expected an object of schemas");
	json_object_foreach((json_t *)(uintptr_t)v, key, json)
	{
		const struct path here = { at, key, 0 };
		struct member m = { .name = key, .node = compile_node(c, json, n->in, &here) };
		if (!m.node || (patterns && !(m.re = compile_pattern(c, key, &here))))
			return -1;
		if (to) {
			xgrow(to->list, to->n, to->cap);
			to->list[to->n++] = m;
		}
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static int take_properties(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	if (take_members(c, &n->properties, n, v, at, false))
		return -1;
	if (n->properties.n)
		qsort(n->properties.list, n->properties.n, sizeof *n->properties.list, by_name);
	return 0;
}

static int take_patterns(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	return take_members(c, &n->patterns, n, v, at, true);
}

static int take_dependent(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	return take_members(c, &n->dependent, n, v, at, false);
}

static int take_definitions(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	return take_members(c, NULL, n, v, at, false);
}

#define TAKE_LIST(name, field)                                                                                         \
	static int name(struct compiler *c, struct node *n, const json_t *v, const struct path *at)                    \
	{                                                                                                              \
		return take_list(c, &n->field, n, v, at);                                                              \
	}
TAKE_LIST(take_prefix, prefix)
TAKE_LIST(take_all, all)
TAKE_LIST(take_any, any)
TAKE_LIST(take_one, one)

#define TAKE_SCHEMA(name, field)                                                                                       \
	static int name(struct compiler *c, struct node *n, const json_t *v, const struct path *at)                    \
	{                                                                                                              \
		n->field = compile_node(c, v, n->in, at);                                                              \
		return n->field ? 0 : -1;                                                                              \
	}
TAKE_SCHEMA(take_contains, contains)
TAKE_SCHEMA(take_additional, additional)
TAKE_SCHEMA(take_names, names)
TAKE_SCHEMA(take_not, no)
TAKE_SCHEMA(take_if, condition)
TAKE_SCHEMA(take_then, then)
TAKE_SCHEMA(take_else, otherwise)
TAKE_SCHEMA(take_unevaluated_items, unevaluated_items)
TAKE_SCHEMA(take_unevaluated_properties, unevaluated_properties)

static int take_items(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	if (json_is_array(v))
		return compile_fail(c, at, "expected a schema: since draft 2020-12 an array of them is prefixItems");
	n->items = compile_node(c, v, n->in, at);
	return n->items ? 0 : -1;
}

static int take_reference(struct compiler *c, struct node *n, const char **to, const json_t *v, const struct path *at)
{
	bool queued = n->ref_text || n->dynamic_text;
	*to = json_string_value(v);
	if (!*to)
		return compile_fail(c, at, "expected a string: a reference");
	if (!queued) {
		xgrow(c->refs.list, c->refs.n, c->refs.cap);
		c->refs.list[c->refs.n++] = n;
	}
	return 0;
}

static int take_ref(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	return take_reference(c, n, &n->ref_text, v, at);
}

static int take_dynamic_ref(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	return take_reference(c, n, &n->dynamic_text, v, at);
}

static int take_some_anchor(struct compiler *c, struct node *n, const json_t *v, const struct path *at, bool dynamic)
{
	struct resource *in = n->in;
	const char *name = json_string_value(v);
	if (!name || !*name || strpbrk(name, "/#"))
		return compile_fail(c, at, "expected a string: a name");
	const struct anchor *known = anchor_find(in, name, strlen(name));
	if (known && known->node != n)
		return compile_fail(c, at, "\"%.80s\" is the anchor of another schema as well", name);
	xgrow(in->anchors, in->n_anchors, in->cap_anchors);
	in->anchors[in->n_anchors++] = (struct anchor){ name, n, dynamic };
	return 0;
}

static int take_anchor(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	return take_some_anchor(c, n, v, at, false);
}

static int take_dynamic_anchor(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	return take_some_anchor(c, n, v, at, true);
}

/* Another draft's schema would be read wrongly; a metaschema of somebody's own is taken for one of this draft. */
static int take_draft(struct compiler *c, struct node *n, const json_t *v, const struct path *at)
{
	(void)n;
	const char *uri = json_string_value(v), *host = uri ? strstr(uri, "://json-schema.org/") : NULL;
	if (uri && (!host || strstr(host, "/draft/2020-12/")))
		return 0;
	return compile_fail(c, at,
			    "expected \"https://json-schema.org/draft/2020-12/schema\", the draft that is understood");
}

static const struct keyword {
	const char *name;
	int (*take)(struct compiler *c, struct node *n, const json_t *v, const struct path *at);
} keywords[] = {
	{ "$schema", take_draft },
	{ "$anchor", take_anchor },
	{ "$dynamicAnchor", take_dynamic_anchor },
	{ "$ref", take_ref },
	{ "$dynamicRef", take_dynamic_ref },
	{ "$defs", take_definitions },
	{ "definitions", take_definitions },
	{ "type", take_types },
	{ "enum", take_enum },
	{ "const", take_const },
	{ "multipleOf", take_multiple },
	{ "maximum", take_maximum },
	{ "exclusiveMaximum", take_exclusive_maximum },
	{ "minimum", take_minimum },
	{ "exclusiveMinimum", take_exclusive_minimum },
	{ "maxLength", take_max_length },
	{ "minLength", take_min_length },
	{ "maxItems", take_max_items },
	{ "minItems", take_min_items },
	{ "maxContains", take_max_contains },
	{ "minContains", take_min_contains },
	{ "maxProperties", take_max_properties },
	{ "minProperties", take_min_properties },
	{ "uniqueItems", take_unique },
	{ "pattern", take_pattern },
	{ "required", take_required },
	{ "dependentRequired", take_dependent_required },
	{ "prefixItems", take_prefix },
	{ "items", take_items },
	{ "contains", take_contains },
	{ "properties", take_properties },
	{ "patternProperties", take_patterns },
	{ "additionalProperties", take_additional },
	{ "propertyNames", take_names },
	{ "dependentSchemas", take_dependent },
	{ "allOf", take_all },
	{ "anyOf", take_any },
	{ "oneOf", take_one },
	{ "not", take_not },
	{ "if", take_if },
	{ "then", take_then },
	{ "else", take_else },
	{ "unevaluatedItems", take_unevaluated_items },
	{ "unevaluatedProperties", take_unevaluated_properties },
};

/* --- nodes ------------------------------------------------------------------------------------------------ */

/* A schema with an $id begins a resource of its own. */
static struct resource *own_resource(struct compiler *c, const json_t *json, struct resource *in, const struct path *at)
{
	const struct path here = { at, "$id", 0 };
	const json_t *id = json_object_get(json, "$id");
	const char *text = json_string_value(id), *hash = text ? strchr(text, '#') : NULL;
	if (!id)
		return in;
	if (!text || (hash && hash[1])) {
		compile_fail(c, &here, "expected a string: a URI without a fragment");
		return NULL;
	}
	return resource_add(c->schema, uri_resolve(in->uri, text), json);
}

static struct node *new_node(struct schema *s, const json_t *json, struct resource *in)
{
	struct node *n = xnew(struct node);
	n->json = json;
	n->in = in;
	for (int i = 0; i < LIMITS; i++)
		n->limits[i] = -1;
	HASH_ADD_PTR(s->by_json, json, n);
	return n;
}

struct node *compile_node(struct compiler *c, const json_t *json, struct resource *in, const struct path *at)
{
	struct schema *s = c->schema;
	struct node *n = NULL;
	if (json_is_boolean(json))
		return json_is_true(json) ? &s->anything : &s->nothing;
	if (!json_is_object(json)) {
		compile_fail(c, at, "expected a schema: an object, true or false");
		return NULL;
	}
	HASH_FIND_PTR(s->by_json, &json, n);
	if (n)
		return n;
	in = own_resource(c, json, in, at);
	if (!in)
		return NULL;
	if (++c->depth > NESTING_MAX) {
		compile_fail(c, NULL, "schemas are nested more than %d deep", NESTING_MAX);
		return NULL;
	}
	n = new_node(s, json, in);
	for (size_t i = 0; i < ARRAY_LEN(keywords) && !c->failed; i++) {
		const struct path here = { at, keywords[i].name, 0 };
		const json_t *v = json_object_get(json, keywords[i].name);
		if (v)
			keywords[i].take(c, n, v, &here);
	}
	c->depth--;
	return c->failed ? NULL : n;
}

struct resource *compile_document(struct compiler *c, const char *text, size_t len, const char *uri, struct node **root)
{
	char error[200];
	struct schema *s = c->schema;
	json_t *json = jsonpath_parse_document(text, len, error, sizeof error);
	if (!json) {
		compile_fail(c, NULL, "it is not JSON: %s", error);
		return NULL;
	}
	xgrow(s->documents, s->n_documents, s->cap_documents);
	s->documents[s->n_documents++] = json;
	struct resource *in = resource_add(s, xstrdup(uri), json);
	*root = compile_node(c, json, in, NULL);
	return *root ? in : NULL;
}

struct schema *schema_compile_with(const char *json, size_t len, const struct schema_document *others, size_t n_others,
				   char *error, size_t size)
{
	struct schema *s = xnew(struct schema);
	struct compiler c = { .schema = s, .others = others, .n_others = n_others, .error = error, .size = size };
	s->magic = SCHEMA_MAGIC;
	s->nothing.nothing = true;
	if (!compile_document(&c, json, len, NO_ID, &s->root) || tie_references(&c)) {
		schema_free(s);
		s = NULL;
	}
	free(c.refs.list);
	return s;
}

struct schema *schema_compile(const char *json, size_t len, char *error, size_t size)
{
	return schema_compile_with(json, len, NULL, 0, error, size);
}

static void members_free(struct members *m)
{
	for (size_t i = 0; i < m->n; i++)
		regex_free(m->list[i].re);
	free(m->list);
}

static void node_free(struct node *n)
{
	regex_free(n->pattern);
	free(n->prefix.list);
	free(n->all.list);
	free(n->any.list);
	free(n->one.list);
	members_free(&n->properties);
	members_free(&n->patterns);
	members_free(&n->dependent);
	free(n);
}

void schema_free(struct schema *s)
{
	struct node *n, *next;
	if (!s)
		return;
	CHECK_MAGIC(s, SCHEMA_MAGIC);
	s->magic = 0;
	HASH_ITER(hh, s->by_json, n, next)
	{
		HASH_DEL(s->by_json, n);
		node_free(n);
	}
	for (size_t i = 0; i < s->n_resources; i++) {
		free(s->resources[i]->anchors);
		free(s->resources[i]->uri);
		free(s->resources[i]);
	}
	for (size_t i = 0; i < s->n_documents; i++)
		json_decref(s->documents[i]);
	free(s->resources);
	free(s->documents);
	free(s);
}
