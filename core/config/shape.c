/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape.c - `expect.LABEL = body schema FILE`: the file's content takes its place behind its name, so that the
 * expectation is whole wherever it is judged.
 */
#include "config/build.h"

#include <jansson.h>
#include <string.h>
#include <uthash.h>

#include "base/mem.h"
#include "judge/expect.h"

/* Rows share the strings of their section: a file is read once for all of them. */
struct shape_key {
	const char *text; /* the arena's */
	const struct driver_table *driver;
};

struct shapes {
	struct shape_key key;
	const char *whole; /* the arena's; NULL: refused, and said so */
	UT_hash_handle hh;
};

void shapes_free(struct shapes *all)
{
	struct shapes *one, *next;
	HASH_ITER(hh, all, one, next)
	{
		HASH_DEL(all, one);
		free(one);
	}
}

/* Without the blanks between its tokens: line ends, too, which strings of JSON can't hold. */
static void squeeze(char *json)
{
	char *to = json;
	bool inside = false;
	for (const char *p = json; *p; p++) {
		if (!inside && strchr(" \t\r\n", *p))
			continue;
		if (*p == '"')
			inside = !inside;
		*to++ = *p;
		if (inside && *p == '\\' && p[1])
			*to++ = *++p;
	}
	*to = '\0';
}

static bool is_object(struct builder *b, const char *title, const char *shown, struct place at, const char *path,
		      const char *json, size_t len)
{
	json_error_t error;
	json_t *doc = json_loadb(json, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	bool good = json_is_object(doc);
	if (!doc)
		errs_add(b->errs, at, title, shown, "%s:%d: it is no JSON: %s", path, error.line, error.text);
	else if (!good)
		errs_add(b->errs, at, title, shown, "%s: expected a schema: a JSON object", path);
	json_decref(doc);
	return good;
}

static const char *fill_in(struct builder *b, const char *title, const char *shown, const struct kv *kv,
			   const char *file)
{
	size_t len;
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FREE char *json = beside_read(b, title, shown, kv, file, &path, &len);
	if (!json)
		return NULL;
	if (!is_object(b, title, shown, kv->at, path, json, len))
		return NULL;
	squeeze(json);
	CLEANUP_FREE char *whole = xasprintf("%s %s", kv->value, json);
	return arena_str(b->model->arena, whole);
}

const char *shape_fill_in(struct builder *b, const char *title, const char *shown, const struct kv *kv,
			  const struct driver_table *driver)
{
	struct shapes *seen;
	struct shape_key key;
	if (!strstr(kv->value, "schema"))
		return kv->value;
	memset(&key, 0, sizeof key);
	key.text = kv->value;
	key.driver = driver;
	HASH_FIND(hh, b->shapes, &key, sizeof key, seen);
	if (seen)
		return seen->whole;
	CLEANUP_FREE char *file = expectation_file(kv->value, driver);
	seen = xnew(struct shapes);
	seen->key = key;
	seen->whole = file ? fill_in(b, title, shown, kv, file) : kv->value;
	HASH_ADD(hh, b->shapes, key, sizeof key, seen);
	return seen->whole;
}
