/* SPDX-License-Identifier: Apache-2.0 */
/* openapi_request.c - one operation: parameters, body, security and what its answer should be. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "generate/openapi.h"

#define PARAMETERS_MAX 100
#define BODY_MAX 30000

static const char *text_of(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* The operation's parameters, then those of the path that it does not have itself. */
static size_t parameters(const struct openapi *o, json_t *path_item, json_t *op, json_t *list[PARAMETERS_MAX])
{
	json_t *from[] = { json_object_get(op, "parameters"), json_object_get(path_item, "parameters") }, *p;
	size_t n = 0, i;
	for (size_t f = 0; f < ARRAY_LEN(from); f++)
		json_array_foreach(from[f], i, p) {
			p = openapi_resolve(o, p);
			const char *name = text_of(p, "name"), *in = text_of(p, "in");
			bool again = false;
			for (size_t k = 0; name && in && k < n; k++)
				again |= !strcmp(text_of(list[k], "name"), name) && !strcmp(text_of(list[k], "in"), in);
			if (name && in && !again && n < PARAMETERS_MAX)
				list[n++] = p;
		}
	return n;
}

/* Its value as text: required ones are made up where there is no example. NULL: it is not sent. */
static char *value_of(const struct openapi *o, json_t *p)
{
	bool required = json_is_true(json_object_get(p, "required")) || !strcmp(text_of(p, "in"), "path");
	json_t *content = json_object_iter_value(json_object_iter(json_object_get(p, "content")));
	json_t *v = openapi_example(o, content ? content : p, required);
	char *text = v ? openapi_text(v) : required ? xstrdup("1") : NULL;
	json_decref(v);
	return text;
}

static json_t *find_parameter(json_t **list, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(text_of(list[i], "in"), "path") && strlen(text_of(list[i], "name")) == len &&
		    !strncmp(text_of(list[i], "name"), name, len))
			return list[i];
	return NULL;
}

static void put_query(const struct openapi *o, json_t **list, size_t n, struct buf *query)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(text_of(list[i], "in"), "query") != 0)
			continue;
		CLEANUP_FREE char *value = value_of(o, list[i]);
		if (!value)
			continue;
		CLEANUP_FREE char *k = link_encode(text_of(list[i], "name"), strlen(text_of(list[i], "name")));
		CLEANUP_FREE char *v = link_encode(value, strlen(value));
		buf_printf(query, "%s%s=%s", query->len ? "&" : "", k, v);
	}
	buf_cstr(query);
}

char *openapi_fill_path(const struct openapi *o, json_t *path_item, json_t *op, const char *path, struct buf *query)
{
	json_t *list[PARAMETERS_MAX];
	size_t n = parameters(o, path_item, op, list);
	struct buf out = { 0 };
	for (const char *p = path; *p;) {
		const char *close = *p == '{' ? strchr(p, '}') : NULL;
		if (!close) {
			buf_putc(&out, *p++);
			continue;
		}
		json_t *parameter = find_parameter(list, n, p + 1, (size_t)(close - p - 1));
		CLEANUP_FREE char *value = parameter ? value_of(o, parameter) : xstrdup("1");
		CLEANUP_FREE char *encoded = link_encode(value, strlen(value));
		buf_puts(&out, encoded);
		p = close + 1;
	}
	put_query(o, list, n, query);
	return buf_cstr(&out);
}

void openapi_put_headers(const struct openapi *o, struct request *r, json_t *path_item, json_t *op)
{
	json_t *list[PARAMETERS_MAX];
	size_t n = parameters(o, path_item, op, list);
	for (size_t i = 0; i < n; i++) {
		const char *name = text_of(list[i], "name"), *in = text_of(list[i], "in");
		bool header = !strcmp(in, "header"), cookie = !strcmp(in, "cookie");
		if ((!header && !cookie) || !strcasecmp(name, "accept") || !strcasecmp(name, "content-type") ||
		    !strcasecmp(name, "authorization"))
			continue;
		CLEANUP_FREE char *value = value_of(o, list[i]);
		CLEANUP_FREE char *pair = value ? xasprintf("%s=%s", name, value) : NULL;
		if (value && header)
			request_header(o->d, r, name, value);
		else if (value)
			request_cookies(o->d, r, pair);
	}
}

static void put_form(const struct openapi *o, struct request *r, json_t *value)
{
	CLEANUP_BUF struct buf form = { 0 };
	const char *name;
	json_t *one;
	json_object_foreach(value, name, one) {
		CLEANUP_FREE char *text = openapi_text(one);
		CLEANUP_FREE char *k = link_encode(name, strlen(name)), *v = link_encode(text, strlen(text));
		buf_printf(&form, "%s%s=%s", form.len ? "&" : "", k, v);
	}
	if (form.len)
		request_body(o->d, r, form.data, form.len);
}

static bool is_json(const char *type)
{
	size_t n = strcspn(type, "; ");
	return (n >= 16 && !strncasecmp(type, "application/json", 16)) ||
	       (n > 5 && !strncasecmp(type + n - 5, "+json", 5)) || !strcmp(type, "*/*");
}

static void put_value(const struct openapi *o, struct request *r, const char *type, json_t *value)
{
	CLEANUP_BUF struct buf text = { 0 };
	bool json = is_json(type);
	if (json) {
		if (openapi_dump(value, JSON_INDENT(2), BODY_MAX, &text))
			request_body(o->d, r, text.data, text.len);
	} else if (!strncasecmp(type, "application/x-www-form-urlencoded", 33)) {
		put_form(o, r, value);
	} else if (json_is_string(value)) {
		request_body(o->d, r, json_string_value(value), json_string_length(value));
	}
	if (request_get(r, "body"))
		request_header(o->d, r, "Content-Type", json && *type == '*' ? "application/json" : type);
	else
		request_warn(o->d, r, "its body, %.80s, has to be written by hand", type);
}

/* 3.x: JSON where there is one, a form, or the first. */
static const char *pick_type(json_t *content)
{
	const char *type, *best = NULL;
	json_t *media;
	json_object_foreach(content, type, media) {
		if (is_json(type))
			return type;
		if (!best || !strncasecmp(type, "application/x-www-form-urlencoded", 33))
			best = type;
	}
	return best;
}

static void put_body_2(const struct openapi *o, struct request *r, json_t *path_item, json_t *op)
{
	json_t *list[PARAMETERS_MAX], *form = json_object(), *body = NULL, *consumes = json_object_get(op, "consumes");
	size_t n = parameters(o, path_item, op, list);
	if (!consumes)
		consumes = json_object_get(o->doc, "consumes");
	const char *type = json_string_value(json_array_get(consumes, 0));
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(text_of(list[i], "in"), "body") && !body) {
			body = openapi_example(o, list[i], true);
		} else if (!strcmp(text_of(list[i], "in"), "formData")) {
			char *value = value_of(o, list[i]);
			if (value)
				json_object_set_new(form, text_of(list[i], "name"), json_string(value));
			free(value);
		}
	}
	if (body)
		put_value(o, r, type ? type : "application/json", body);
	else if (json_object_size(form))
		put_value(o, r,
			  type && strcmp(type, "application/json") != 0 ? type : "application/x-www-form-urlencoded",
			  form);
	json_decref(body);
	json_decref(form);
}

void openapi_put_body(const struct openapi *o, struct request *r, json_t *path_item, json_t *op)
{
	if (o->swagger) {
		put_body_2(o, r, path_item, op);
		return;
	}
	json_t *content = json_object_get(openapi_resolve(o, json_object_get(op, "requestBody")), "content");
	const char *type = pick_type(content);
	if (!type)
		return;
	json_t *value = openapi_example(o, json_object_get(content, type), true);
	if (value)
		put_value(o, r, type, value);
	else
		request_warn(o->d, r,
			     "its body, %.80s, has to be written by hand: the document has neither example nor schema",
			     type);
	json_decref(value);
}

static void put_api_key(const struct openapi *o, struct request *r, json_t *scheme)
{
	const char *name = text_of(scheme, "name"), *in = text_of(scheme, "in");
	CLEANUP_BUF struct buf text = { 0 };
	if (!name || !in)
		return;
	CLEANUP_FREE char *what = xasprintf("the API key, %.60s", name);
	if (!strcmp(in, "query")) {
		CLEANUP_FREE char *key = link_encode(name, strlen(name));
		buf_printf(&text, "%s%s%s=", r->path, strchr(r->path, '?') ? "&" : "?", key);
		text_variable(o->d, &text, "API_KEY", what);
		free(r->path);
		free(r->url);
		r->path = xstrdup(text.data);
		r->url = xasprintf("%s%s", r->origin, r->path);
		return;
	}
	CLEANUP_FREE char *header = !strcmp(in, "cookie") ? xstrdup("header.Cookie") : xasprintf("header.%s", name);
	const char *old = request_get(r, header);
	if (old && !strcmp(in, "cookie"))
		buf_printf(&text, "%s; ", old);
	if (!strcmp(in, "cookie"))
		buf_printf(&text, "%s=", name);
	text_variable(o->d, &text, "API_KEY", what);
	request_set(o->d, r, header, text.data);
}

static void put_scheme(const struct openapi *o, struct request *r, json_t *scheme)
{
	const char *type = text_of(scheme, "type"), *http = text_of(scheme, "scheme");
	CLEANUP_BUF struct buf user = { 0 }, secret = { 0 };
	if (!type)
		return;
	bool basic = !strcmp(type, "basic") || (!strcmp(type, "http") && http && !strcasecmp(http, "basic"));
	bool bearer = !strcmp(type, "oauth2") || !strcmp(type, "openIdConnect") ||
		      (!strcmp(type, "http") && http && !strcasecmp(http, "bearer"));
	if (basic) {
		text_variable(o->d, &user, "API_USER", "the user of the API");
		text_variable(o->d, &secret, "API_PASSWORD", "the password of the API");
		request_set(o->d, r, "user", user.data);
		request_set(o->d, r, "password", secret.data);
	} else if (bearer) {
		text_variable(o->d, &secret, "API_TOKEN", "the bearer token of the API");
		request_set(o->d, r, "token", secret.data);
	} else if (!strcmp(type, "apiKey")) {
		put_api_key(o, r, scheme);
	} else {
		request_warn(o->d, r, "its security, %.40s %.40s, has to be written by hand", type, http ? http : "");
	}
}

void openapi_put_security(const struct openapi *o, struct request *r, json_t *op)
{
	json_t *list = json_object_get(op, "security"), *one, *unused;
	json_t *schemes = o->swagger ? json_object_get(o->doc, "securityDefinitions")
				     : json_object_get(json_object_get(o->doc, "components"), "securitySchemes");
	size_t i;
	const char *name;
	if (!list)
		list = json_object_get(o->doc, "security");
	/* alternatives: the first that asks for anything */
	json_array_foreach(list, i, one) {
		json_object_foreach(one, name, unused)
			put_scheme(o, r, openapi_resolve(o, json_object_get(schemes, name)));
		if (json_object_size(one))
			break;
	}
}

void openapi_put_expectation(const struct openapi *o, struct request *r, json_t *op)
{
	CLEANUP_BUF struct buf codes = { 0 };
	int n = 0;
	bool range = false;
	const char *code;
	json_t *response;
	json_object_foreach(json_object_get(op, "responses"), code, response) {
		if (strlen(code) != 3 || *code != '2')
			continue;
		if (isdigit((unsigned char)code[1]) && isdigit((unsigned char)code[2]))
			buf_printf(&codes, "%s%s", n++ ? ", " : "", code);
		else
			range = true;
	}
	CLEANUP_FREE char *text = range || !n ? xstrdup("status in 200..299")
				  : n == 1    ? xasprintf("status == %s", buf_cstr(&codes))
					      : xasprintf("status in {%s}", buf_cstr(&codes));
	request_set(o->d, r, "expect.status", text);
}
