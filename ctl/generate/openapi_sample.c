/* SPDX-License-Identifier: Apache-2.0 */
/* openapi_sample.c - values made of examples and schemas, bounded in depth and number. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "generate/openapi.h"

#define DEPTH_MAX 8
#define VALUES_MAX 2000
#define REFS_MAX 32
#define TEXT_MAX 8192 /* of a parameter */

struct sampling {
	const struct openapi *o;
	int values;
};

/* "a~1b~0c%7Bd" of a JSON pointer in a URI, unescaped in place. */
static void unescape(char *s)
{
	char *to = s;
	for (const char *p = s; *p; p++) {
		unsigned v;
		if (*p == '~' && (p[1] == '0' || p[1] == '1')) {
			*to++ = *++p == '0' ? '~' : '/';
		} else if (*p == '%' && sscanf(p + 1, "%2x", &v) == 1 && p[1] && p[2] && v) {
			*to++ = (char)v;
			p += 2;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

static json_t *at_pointer(json_t *doc, const char *pointer)
{
	CLEANUP_FREE char *copy = xstrdup(pointer);
	char *save = NULL;
	for (char *part = strtok_r(copy, "/", &save); part && doc; part = strtok_r(NULL, "/", &save)) {
		unescape(part);
		if (json_is_array(doc))
			doc = json_array_get(doc, strtoul(part, NULL, 10));
		else
			doc = json_object_get(doc, part);
	}
	return doc;
}

json_t *openapi_resolve(const struct openapi *o, json_t *node)
{
	for (int i = 0; i < REFS_MAX; i++) {
		const char *ref = json_string_value(json_object_get(node, "$ref"));
		if (!ref)
			return node;
		if (strncmp(ref, "#/", 2) != 0)
			return NULL;
		node = at_pointer(o->doc, ref + 2);
	}
	return NULL;
}

static json_t *sample(struct sampling *s, json_t *schema, int depth);

/* `type` may be a list in 3.1: the first that is not null. */
static const char *type_of(json_t *schema)
{
	json_t *type = json_object_get(schema, "type"), *one;
	size_t i;
	json_array_foreach(type, i, one)
		if (json_string_value(one) && strcmp(json_string_value(one), "null") != 0)
			return json_string_value(one);
	if (json_string_value(type))
		return json_string_value(type);
	if (json_is_object(json_object_get(schema, "properties")))
		return "object";
	return json_object_get(schema, "items") ? "array" : NULL;
}

/* What the schema itself says: example, examples, default, const, the first of enum. */
static json_t *said(json_t *schema)
{
	static const char *const keys[] = { "example", "const", "default" };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (json_object_get(schema, keys[i]))
			return json_incref(json_object_get(schema, keys[i]));
	json_t *list = json_array_get(json_object_get(schema, "examples"), 0);
	if (!list)
		list = json_array_get(json_object_get(schema, "enum"), 0);
	return json_incref(list);
}

static json_t *sample_string(json_t *schema)
{
	static const struct {
		const char *format, *value;
	} formats[] = {
		{ "date", "2026-01-31" },
		{ "date-time", "2026-01-31T12:00:00Z" },
		{ "time", "12:00:00Z" },
		{ "duration", "PT1M" },
		{ "email", "probe@example.org" },
		{ "idn-email", "probe@example.org" },
		{ "hostname", "www.example.org" },
		{ "ipv4", "192.0.2.1" },
		{ "ipv6", "2001:db8::1" },
		{ "uri", "https://www.example.org/" },
		{ "url", "https://www.example.org/" },
		{ "uri-reference", "/" },
		{ "uuid", "00000000-0000-4000-8000-000000000000" },
		{ "byte", "cHJvYmU=" },
		{ "binary", "probe" },
	};
	const char *format = json_string_value(json_object_get(schema, "format"));
	for (size_t i = 0; format && i < ARRAY_LEN(formats); i++)
		if (!strcmp(format, formats[i].format))
			return json_string(formats[i].value);
	json_int_t least = json_integer_value(json_object_get(schema, "minLength"));
	json_int_t most = json_is_integer(json_object_get(schema, "maxLength"))
			      ? json_integer_value(json_object_get(schema, "maxLength"))
			      : 200;
	CLEANUP_BUF struct buf text = { 0 };
	buf_puts(&text, "probe");
	while ((json_int_t)text.len < least && text.len < 200)
		buf_putc(&text, 'x');
	if (most >= 0 && (json_int_t)text.len > most)
		text.len = (size_t)most;
	return json_stringn(text.data, text.len);
}

static json_t *sample_number(json_t *schema, bool integer)
{
	json_t *low = json_object_get(schema, "minimum"), *high = json_object_get(schema, "maximum");
	json_t *above = json_object_get(schema, "exclusiveMinimum");
	double v = json_is_number(above) ? json_number_value(above) + 1
		   : json_is_number(low) ? json_number_value(low)
					 : 1;
	if (json_is_true(above))
		v += 1;
	if (json_is_number(high) && v > json_number_value(high))
		v = json_number_value(high);
	if (!integer)
		return json_real(v);
	return json_integer(v > -9e18 && v < 9e18 ? (json_int_t)v : 0);
}

static json_t *sample_array(struct sampling *s, json_t *schema, int depth)
{
	json_t *list = json_array(), *item = sample(s, json_object_get(schema, "items"), depth + 1);
	json_int_t least = json_integer_value(json_object_get(schema, "minItems"));
	for (json_int_t i = 0; item && i < (least > 1 ? least < 10 ? least : 10 : 1); i++)
		json_array_append(list, item);
	json_decref(item);
	return list;
}

static json_t *sample_object(struct sampling *s, json_t *schema, int depth)
{
	json_t *out = json_object(), *property;
	const char *name;
	json_object_foreach(json_object_get(schema, "properties"), name, property) {
		if (json_is_true(json_object_get(openapi_resolve(s->o, property), "readOnly")))
			continue;
		json_t *v = sample(s, property, depth + 1);
		if (v)
			json_object_set_new(out, name, v);
	}
	return out;
}

/* allOf: all of them in one; oneOf, anyOf: the first. NULL where it is neither. */
static json_t *sample_combined(struct sampling *s, json_t *schema, int depth)
{
	json_t *all = json_object_get(schema, "allOf"), *part, *out;
	size_t i;
	if (!json_is_array(all)) {
		part = json_array_get(json_object_get(schema, "oneOf"), 0);
		if (!part)
			part = json_array_get(json_object_get(schema, "anyOf"), 0);
		return part ? sample(s, part, depth + 1) : NULL;
	}
	out = sample_object(s, schema, depth);
	json_array_foreach(all, i, part) {
		json_t *v = sample(s, part, depth + 1);
		if (json_is_object(v)) {
			json_object_update(out, v);
		} else if (v && !json_object_size(out)) {
			json_decref(out);
			return v;
		}
		json_decref(v);
	}
	return out;
}

static json_t *sample(struct sampling *s, json_t *schema, int depth)
{
	schema = openapi_resolve(s->o, schema);
	if (!json_is_object(schema) || depth > DEPTH_MAX || ++s->values > VALUES_MAX)
		return NULL;
	json_t *v = said(schema);
	if (!v)
		v = sample_combined(s, schema, depth);
	if (v)
		return v;
	const char *type = type_of(schema);
	if (!type)
		return NULL;
	if (!strcmp(type, "object"))
		return sample_object(s, schema, depth);
	if (!strcmp(type, "array"))
		return sample_array(s, schema, depth);
	if (!strcmp(type, "integer") || !strcmp(type, "number"))
		return sample_number(schema, *type == 'i');
	if (!strcmp(type, "boolean"))
		return json_true();
	return strcmp(type, "string") != 0 ? NULL : sample_string(schema);
}

json_t *openapi_sample(const struct openapi *o, json_t *schema)
{
	struct sampling s = { .o = o };
	return sample(&s, schema, 0);
}

json_t *openapi_example(const struct openapi *o, json_t *holder, bool made)
{
	json_t *example = json_object_get(holder, "example"), *examples = json_object_get(holder, "examples"), *one;
	json_t *schema = o->swagger && !json_object_get(holder, "schema") ? holder : json_object_get(holder, "schema");
	const char *name;
	if (!example)
		example = json_object_get(holder, "x-example");
	if (example)
		return json_incref(example);
	json_object_foreach(examples, name, one) {
		one = json_object_get(openapi_resolve(o, one), "value");
		if (one)
			return json_incref(one);
	}
	if (made)
		return openapi_sample(o, schema);
	schema = openapi_resolve(o, schema);
	return json_is_object(schema) ? said(schema) : NULL;
}

struct dump {
	struct buf *out;
	size_t max;
};

static int on_dump(const char *data, size_t n, void *ctx)
{
	struct dump *d = ctx;
	if (n > d->max - d->out->len)
		return -1;
	buf_put(d->out, data, n);
	return 0;
}

bool openapi_dump(const json_t *value, size_t flags, size_t max, struct buf *out)
{
	struct dump d = { .out = out, .max = max };
	if (!json_dump_callback(value, on_dump, &d, flags | JSON_ENCODE_ANY)) {
		buf_cstr(out);
		return true;
	}
	buf_clear(out);
	return false;
}

/* Lists are joined by commas, as the style that parameters have by default. */
char *openapi_text(const json_t *value)
{
	CLEANUP_BUF struct buf text = { 0 };
	size_t i;
	json_t *one;
	if (json_is_string(value))
		return xstrdup(json_string_value(value));
	if (json_is_array(value)) {
		json_array_foreach(value, i, one) {
			CLEANUP_FREE char *part = json_is_array(one) ? xstrdup("") : openapi_text(one);
			buf_printf(&text, "%s%s", i ? "," : "", part);
		}
		return xstrdup(buf_cstr(&text));
	}
	if (json_is_real(value))
		return xasprintf("%.15g", json_real_value(value));
	openapi_dump(value, JSON_COMPACT, TEXT_MAX, &text);
	return xstrdup(buf_cstr(&text));
}
