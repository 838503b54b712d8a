/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml.c - YAML as JSON, by the core schema of YAML 1.2: what looks like a number, a boolean or null is one, where it
 * is not quoted. Aliases are shared, not copied, and count as what they stand for; depth and number of values are
 * bounded.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>
#include <yaml.h>

#include "base/mem.h"
#include "generate/source.h"

#define DEPTH_MAX 100
#define NODES_MAX 1000000

struct anchor {
	char *name;
	json_t *value;
	size_t nodes; /* of it, those of its aliases too */
	UT_hash_handle hh;
};

struct loader {
	yaml_parser_t parser;
	struct anchor *anchors;
	size_t nodes;
	char *error;
	size_t size;
};

static json_t *fail(struct loader *l, const char *why, const yaml_mark_t *at)
{
	if (!*l->error)
		snprintf(l->error, l->size, "line %zu, column %zu: %s", at->line + 1, at->column + 1, why);
	return NULL;
}

static bool next(struct loader *l, yaml_event_t *e)
{
	if (yaml_parser_parse(&l->parser, e))
		return true;
	fail(l, l->parser.problem ? l->parser.problem : "not YAML", &l->parser.problem_mark);
	return false;
}

static bool one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(s, *list))
			return true;
	return false;
}

static json_t *plain_scalar(const char *s)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL }, *const no[] = { "false", "False", "FALSE",
											   NULL };
	char *end;
	if (one_of(s, nulls))
		return json_null();
	if (one_of(s, yes))
		return json_true();
	if (one_of(s, no))
		return json_false();
	if (strspn(s, "0123456789+-.eE") != strlen(s) || !strpbrk(s, "0123456789"))
		return NULL;
	errno = 0;
	long long i = strtoll(s, &end, 10);
	if (!*end && !errno)
		return json_integer(i);
	double v = strtod(s, &end);
	return !*end && isfinite(v) ? json_real(v) : NULL;
}

static json_t *scalar(struct loader *l, const yaml_event_t *e)
{
	const char *s = (const char *)e->data.scalar.value;
	size_t n = e->data.scalar.length;
	json_t *v = NULL;
	if (strlen(s) != n)
		return fail(l, "a NUL character", &e->start_mark);
	if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !e->data.scalar.tag)
		v = plain_scalar(s);
	if (!v)
		v = json_stringn(s, n);
	return v ? v : fail(l, "text that is not UTF-8", &e->start_mark);
}

static json_t *node(struct loader *l, yaml_event_t *e, int depth);

/* A key, which is text whatever it looks like; NULL at the end of the mapping or with an error. */
static char *next_key(struct loader *l, bool *end)
{
	yaml_event_t e;
	char *key = NULL;
	*end = false;
	if (!next(l, &e))
		return NULL;
	if (e.type == YAML_MAPPING_END_EVENT)
		*end = true;
	else if (e.type == YAML_SCALAR_EVENT && strlen((const char *)e.data.scalar.value) == e.data.scalar.length)
		key = xstrdup((const char *)e.data.scalar.value);
	else
		fail(l, "a key that is no text", &e.start_mark);
	yaml_event_delete(&e);
	return key;
}

static json_t *next_node(struct loader *l, int depth)
{
	yaml_event_t e;
	if (!next(l, &e))
		return NULL;
	json_t *v = node(l, &e, depth);
	yaml_event_delete(&e);
	return v;
}

static json_t *mapping(struct loader *l, int depth)
{
	json_t *map = json_object();
	bool end = false;
	while (!end) {
		CLEANUP_FREE char *key = next_key(l, &end);
		json_t *v = key ? next_node(l, depth + 1) : NULL;
		if (end)
			break;
		if (!v || json_object_set_new(map, key, v)) {
			if (v)
				fail(l, "a key that is not UTF-8", &l->parser.mark);
			json_decref(map);
			return NULL;
		}
	}
	return map;
}

static json_t *sequence(struct loader *l, int depth)
{
	json_t *list = json_array();
	for (;;) {
		yaml_event_t e;
		if (!next(l, &e))
			break;
		if (e.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&e);
			return list;
		}
		json_t *v = node(l, &e, depth + 1);
		yaml_event_delete(&e);
		if (!v)
			break;
		json_array_append_new(list, v);
	}
	json_decref(list);
	return NULL;
}

static void remember(struct loader *l, const char *name, json_t *v, size_t nodes)
{
	struct anchor *a;
	HASH_FIND_STR(l->anchors, name, a);
	if (a) {
		json_decref(a->value);
	} else {
		a = xnew(struct anchor);
		a->name = xstrdup(name);
		HASH_ADD_KEYPTR(hh, l->anchors, a->name, strlen(a->name), a);
	}
	a->value = json_incref(v);
	a->nodes = nodes;
}

/* An anchor is known once its node is complete: so nothing can hold itself. */
static json_t *alias(struct loader *l, const yaml_event_t *e)
{
	struct anchor *a;
	HASH_FIND_STR(l->anchors, (const char *)e->data.alias.anchor, a);
	if (!a)
		return fail(l, "an alias of nothing that was complete before it", &e->start_mark);
	l->nodes += a->nodes;
	return l->nodes > NODES_MAX ? fail(l, "too many values", &e->start_mark) : json_incref(a->value);
}

static json_t *node(struct loader *l, yaml_event_t *e, int depth)
{
	json_t *v;
	const yaml_char_t *anchor = NULL;
	size_t before = l->nodes;
	if (depth > DEPTH_MAX)
		return fail(l, "nested too deeply", &e->start_mark);
	if (++l->nodes > NODES_MAX)
		return fail(l, "too many values", &e->start_mark);
	switch (e->type) {
	case YAML_ALIAS_EVENT:
		return alias(l, e);
	case YAML_SCALAR_EVENT:
		anchor = e->data.scalar.anchor;
		v = scalar(l, e);
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = e->data.mapping_start.anchor;
		v = mapping(l, depth);
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = e->data.sequence_start.anchor;
		v = sequence(l, depth);
		break;
	default:
		return fail(l, "expected a value", &e->start_mark);
	}
	if (v && anchor)
		remember(l, (const char *)anchor, v, l->nodes - before);
	return v;
}

static json_t *document(struct loader *l)
{
	yaml_event_t e;
	json_t *doc = NULL;
	do {
		if (!next(l, &e))
			return NULL;
		yaml_event_type_t type = e.type;
		if (type == YAML_STREAM_END_EVENT)
			fail(l, "there is nothing in it", &e.start_mark);
		yaml_event_delete(&e);
		if (type == YAML_DOCUMENT_START_EVENT)
			doc = next_node(l, 0);
	} while (!doc && !*l->error);
	return doc;
}

json_t *yaml_load(const char *text, size_t n, char *error, size_t size)
{
	struct loader l = { .error = error, .size = size };
	struct anchor *a, *after;
	*error = '\0';
	if (!yaml_parser_initialize(&l.parser))
		panic("out of memory");
	yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, n);
	json_t *doc = document(&l);
	HASH_ITER(hh, l.anchors, a, after) {
		HASH_DEL(l.anchors, a);
		json_decref(a->value);
		free(a->name);
		free(a);
	}
	yaml_parser_delete(&l.parser);
	return doc;
}
