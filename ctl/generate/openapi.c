/* SPDX-License-Identifier: Apache-2.0 */
/* openapi.c - OpenAPI 3.0 and 3.1, and Swagger 2.0: a request for each operation. */
#include "openapi.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "generate/fetch.h"
#include "generate/source.h"

#define DOCUMENT_MAX (16u << 20)

static const char *text_of(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* "https://{region}.example.org" with the defaults of its variables. */
static char *fill_variables(json_t *server)
{
	const char *url = text_of(server, "url");
	struct buf out = { 0 };
	for (const char *p = url; *p;) {
		const char *close = *p == '{' ? strchr(p, '}') : NULL;
		if (!close) {
			buf_putc(&out, *p++);
			continue;
		}
		CLEANUP_FREE char *name = xstrndup(p + 1, (size_t)(close - p - 1));
		const char *value = text_of(json_object_get(json_object_get(server, "variables"), name), "default");
		buf_puts(&out, value ? value : name);
		p = close + 1;
	}
	return buf_cstr(&out);
}

/* Absolute, without a / at its end; NULL where it can't be told. */
static char *absolute(const char *url, const char *base)
{
	CLEANUP_LINK struct link link = { 0 };
	if (!input_is_url(url) && !base)
		return NULL;
	if (link_parse(&link, url, base))
		return NULL;
	free(link.query);
	link.query = NULL;
	char *text = link_text(&link);
	size_t n = strlen(text);
	while (n && text[n - 1] == '/')
		text[--n] = '\0';
	return text;
}

static char *server_of(const struct openapi *o, json_t *holder)
{
	json_t *server = json_array_get(json_object_get(holder, "servers"), 0);
	if (!text_of(server, "url"))
		return NULL;
	CLEANUP_FREE char *url = fill_variables(server);
	return absolute(url, o->from);
}

static char *server_of_swagger(const struct openapi *o)
{
	const char *host = text_of(o->doc, "host"), *base = text_of(o->doc, "basePath"), *scheme = NULL;
	json_t *schemes = json_object_get(o->doc, "schemes"), *one;
	size_t i;
	json_array_foreach(schemes, i, one)
		if (json_string_value(one) && (!scheme || !strcmp(json_string_value(one), "https")))
			scheme = json_string_value(one);
	if (!host)
		return o->from ? absolute(base ? base : "/", o->from) : NULL;
	if (!scheme)
		scheme = o->from && !strncasecmp(o->from, "http:", 5) ? "http" : "https";
	CLEANUP_FREE char *url = xasprintf("%s://%s%s", scheme, host, base ? base : "");
	return absolute(url, NULL);
}

static int find_server(struct openapi *o, const char *wanted)
{
	if (wanted)
		o->server = absolute(wanted, NULL);
	else if (o->swagger)
		o->server = server_of_swagger(o);
	else
		o->server = server_of(o, o->doc);
	if (!o->server && !wanted && !o->swagger && o->from)
		o->server = absolute("/", o->from);
	if (o->server)
		return 0;
	return draft_fail(o->d,
			  wanted ? "--server %.200s: expected a URL, such as https://api.example.org/v1"
				 : "the document does not say where the API is: give --server URL%s",
			  wanted ? wanted : "");
}

static void add_operation(struct openapi *o, const char *path, json_t *path_item, const char *method, json_t *op,
			  const char *wanted)
{
	CLEANUP_LINK struct link link = { 0 };
	CLEANUP_BUF struct buf query = { 0 };
	CLEANUP_FREE char *own = wanted ? NULL : server_of(o, op),
			  *item = wanted || own ? NULL : server_of(o, path_item);
	CLEANUP_FREE char *filled = openapi_fill_path(o, path_item, op, path, &query);
	CLEANUP_FREE char *url = xasprintf("%s%s%s%s%s",
					   own    ? own
					   : item ? item
						  : o->server,
					   *filled == '/' ? "" : "/", filled, query.len ? "?" : "", query.data);
	const char *id = text_of(op, "operationId"), *summary = text_of(op, "summary");
	CLEANUP_FREE char *name = id && *id ? xstrdup(id) : xasprintf("%s-%s", method, path);
	if (link_parse(&link, url, NULL)) {
		draft_warn(o->d, "%s %.100s: no URL can be made of it", method, path);
		return;
	}
	struct request *r = draft_add(o->d, &link, name);
	if (!r)
		return;
	request_note(r, "%s %.200s%s%.200s", method, path, summary ? ": " : "", summary ? summary : "");
	if (json_is_true(json_object_get(op, "deprecated")))
		request_note(r, "deprecated");
	request_method(o->d, r, method);
	openapi_put_security(o, r, op);
	openapi_put_headers(o, r, path_item, op);
	openapi_put_body(o, r, path_item, op);
	openapi_put_expectation(o, r, op);
}

static void add_path(struct openapi *o, const char *path, json_t *path_item, const char *wanted)
{
	static const char *const methods[] = { "get", "head", "options", "post", "put", "patch", "delete", "trace" };
	path_item = openapi_resolve(o, path_item);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		json_t *op = json_object_get(path_item, methods[i]);
		char method[16] = "";
		for (size_t k = 0; methods[i][k]; k++)
			method[k] = (char)toupper((unsigned char)methods[i][k]);
		if (json_is_object(op))
			add_operation(o, path, path_item, method, op, wanted);
	}
}

static int read_document(struct openapi *o, const struct source_settings *set)
{
	const char *three = text_of(o->doc, "openapi"), *two = text_of(o->doc, "swagger"), *path;
	json_t *paths = json_object_get(o->doc, "paths"), *item, *version = json_object_get(o->doc, "swagger");
	o->swagger = (two && !strcmp(two, "2.0")) || (json_is_real(version) && json_real_value(version) == 2.0);
	if (!o->swagger && (!three || strncmp(three, "3.", 2) != 0))
		return draft_fail(o->d, "expected OpenAPI 3.0 or 3.1 (\"openapi\": \"3...\"), or Swagger 2.0");
	if (!json_is_object(paths))
		return draft_fail(o->d, "the document has no paths");
	if (find_server(o, set->server))
		return -1;
	json_object_foreach(paths, path, item)
		add_path(o, path, item, set->server ? o->server : NULL);
	if (!o->d->n && !o->d->elsewhere)
		return draft_fail(o->d, "the document has no operation");
	draft_note(o->d,
		   "Parameters and bodies are the document's examples, or made up by its schemas: look them over.");
	return 0;
}

int openapi_read(struct draft *d, const struct source_settings *set, const char *text, size_t n, const char *from)
{
	struct openapi o = { .d = d, .from = from };
	json_error_t error;
	char why[200];
	const char *first = text + strspn(text, "\xef\xbb\xbf \t\r\n");
	if (*first == '{')
		o.doc = json_loadb(first, n - (size_t)(first - text), 0, &error);
	if (*first == '{' && !o.doc)
		snprintf(why, sizeof why, "line %d: no JSON: %.150s", error.line, error.text);
	else if (!o.doc)
		o.doc = yaml_load(text, n, why, sizeof why);
	int rc = o.doc ? read_document(&o, set) : draft_fail(d, "%s", why);
	json_decref(o.doc);
	free(o.server);
	return rc;
}

static int read_url(struct draft *d, const struct source_settings *set, const char *from)
{
	struct fetcher *f = fetcher_new();
	struct answer a = { 0 };
	char *url = xstrdup(from);
	int rc = -1;
	if (fetch_follow(f, &url, DOCUMENT_MAX, set->any_host, &a))
		draft_fail(d, "%.200s: %s", from, a.error);
	else if (a.status != 200)
		draft_fail(d, "%.200s: status %ld, expected 200", from, a.status);
	else if (a.cut)
		draft_fail(d, "%.200s: longer than 16 MiB", from);
	else
		rc = openapi_read(d, set, a.body.data, a.body.len, url);
	answer_free(&a);
	free(url);
	fetcher_free(f);
	return rc;
}

int source_openapi(struct draft *d, const struct source_settings *set, const char *from)
{
	size_t n;
	if (input_is_url(from))
		return read_url(d, set, from);
	CLEANUP_FREE char *text = input_read(d, from, DOCUMENT_MAX, &n);
	return text ? openapi_read(d, set, text, n, NULL) : -1;
}
