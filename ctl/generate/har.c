/* SPDX-License-Identifier: Apache-2.0 */
/* har.c - a session that a browser recorded (HTTP Archive 1.2): its requests in order, with the pauses between them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "generate/source.h"

#define THINK_MIN_NS (200 * NS_PER_MS) /* below it is the browser's own doing */
#define THINK_MAX_NS (3600 * NS_PER_S)
#define HOSTS_TOLD 8

struct entry {
	json_t *request, *response;
	const char *url, *method, *type; /* type: of the resource, as Chrome has it */
	int64_t start_ns, end_ns;        /* wall time; 0: not known */
	size_t index;
};

struct har {
	struct draft *d;
	const struct source_settings *set;
	struct entry *list;
	size_t n;
	struct word *cookies; /* names that answers have set so far: a session has them by itself */
	struct link first;
	size_t skipped_static, skipped_host, skipped_other, dropped_headers;
};

static const char *text_of(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* "2026-11-21T10:00:00.123+01:00"; 0 where it is none. */
static int64_t parse_time(const char *s)
{
	struct tm tm = { 0 };
	int64_t fraction = 0, unit = NS_PER_S / 10;
	const char *p = s ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	if (!p || tm.tm_year < 70 || tm.tm_year > 300)
		return 0;
	if (*p == '.')
		for (p++; isdigit((unsigned char)*p); p++, unit /= 10)
			fraction += (*p - '0') * unit;
	int64_t at = (int64_t)timegm(&tm);
	int h, m;
	if ((*p == '+' || *p == '-') && sscanf(p + 1, "%2d:%2d", &h, &m) == 2)
		at -= (*p == '+' ? 1 : -1) * (h * 3600 + m * 60);
	return at * NS_PER_S + fraction;
}

static int by_start(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void read_entry(struct har *h, json_t *o, size_t index)
{
	struct entry e = { .request = json_object_get(o, "request"),
			   .response = json_object_get(o, "response"),
			   .index = index };
	e.url = text_of(e.request, "url");
	e.method = text_of(e.request, "method");
	e.type = text_of(o, "_resourceType");
	double ms = json_number_value(json_object_get(o, "time"));
	e.start_ns = parse_time(text_of(o, "startedDateTime"));
	e.end_ns = e.start_ns && ms > 0 && ms < 86400e3 ? e.start_ns + (int64_t)(ms * NS_PER_MS) : e.start_ns;
	if (e.url && e.method && *e.method)
		h->list[h->n++] = e;
	else
		h->skipped_other++;
}

static bool is_static(const struct entry *e, const struct link *link)
{
	static const char *const types[] = { "image", "font", "stylesheet", "script", "media", "manifest" };
	static const char *const endings[] = { ".png", ".jpg", ".jpeg", ".gif",  ".webp", ".avif", ".svg",
					       ".ico", ".css", ".js",   ".mjs",  ".map",  ".woff", ".woff2",
					       ".ttf", ".otf", ".mp4",  ".webm", ".mp3" };
	size_t n = strlen(link->path);
	for (size_t i = 0; e->type && i < ARRAY_LEN(types); i++)
		if (!strcmp(e->type, types[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (n > strlen(endings[i]) && !strcasecmp(link->path + n - strlen(endings[i]), endings[i]))
			return true;
	return false;
}

/* Headers that are the connection's, the cache's or the browser's own. */
static bool header_matters(const char *name)
{
	static const char *const own[] = { "accept-encoding",
					   "alt-used",
					   "cache-control",
					   "connection",
					   "content-length",
					   "cookie",
					   "dnt",
					   "expect",
					   "host",
					   "if-match",
					   "if-modified-since",
					   "if-none-match",
					   "if-range",
					   "keep-alive",
					   "pragma",
					   "priority",
					   "proxy-connection",
					   "referer",
					   "te",
					   "trailer",
					   "transfer-encoding",
					   "upgrade",
					   "upgrade-insecure-requests",
					   "user-agent" };
	if (*name == ':' || !strncasecmp(name, "sec-", 4))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (!strcasecmp(name, own[i]))
			return false;
	return true;
}

static bool remembered(struct word **set, const char *text, size_t n, bool add)
{
	struct word *w;
	HASH_FIND(hh, *set, text, n, w);
	if (w || !add)
		return w != NULL;
	w = xnew(struct word);
	w->text = xstrndup(text, n);
	HASH_ADD_KEYPTR(hh, *set, w->text, n, w);
	return false;
}

static void remember_cookies(struct har *h, const struct entry *e)
{
	size_t i;
	json_t *header;
	json_array_foreach(json_object_get(e->response, "headers"), i, header) {
		const char *name = text_of(header, "name"), *value = text_of(header, "value");
		while (name && value && !strcasecmp(name, "set-cookie") && *value) {
			remembered(&h->cookies, value, strcspn(value, "=;\n"), true);
			/* Chrome joins several by line ends */
			value += strcspn(value, "\n");
			value += *value == '\n';
		}
	}
}

/* Cookies that an earlier answer set come back by themselves in a flow; others are from before it. */
static void put_cookies(struct har *h, struct request *r, const char *value)
{
	CLEANUP_BUF struct buf left = { 0 };
	for (const char *p = value; *p;) {
		p += strspn(p, "; ");
		size_t n = strcspn(p, ";"), name = strcspn(p, "=;");
		if (n && !(h->d->flow && remembered(&h->cookies, p, name, false))) {
			if (left.len)
				buf_puts(&left, "; ");
			buf_put(&left, p, n);
		}
		p += n;
	}
	if (left.len)
		request_cookies(h->d, r, buf_cstr(&left));
}

static void put_headers(struct har *h, struct request *r, const struct entry *e)
{
	size_t i;
	json_t *header;
	json_array_foreach(json_object_get(e->request, "headers"), i, header) {
		const char *name = text_of(header, "name"), *value = text_of(header, "value");
		if (!name || !value || !*name)
			continue;
		if (!strcasecmp(name, "cookie"))
			put_cookies(h, r, value);
		else if (header_matters(name))
			request_header(h->d, r, name, value);
		else
			h->dropped_headers++;
	}
}

static void put_params(struct har *h, struct request *r, json_t *params)
{
	CLEANUP_BUF struct buf form = { 0 };
	size_t i;
	json_t *param;
	json_array_foreach(params, i, param) {
		const char *name = text_of(param, "name"), *value = text_of(param, "value");
		if (text_of(param, "fileName")) {
			request_warn(h->d, r, "not taken over: its body, a form with files");
			return;
		}
		CLEANUP_FREE char *k = link_encode(name ? name : "", name ? strlen(name) : 0);
		CLEANUP_FREE char *v = link_encode(value ? value : "", value ? strlen(value) : 0);
		buf_printf(&form, "%s%s=%s", form.len ? "&" : "", k, v);
	}
	if (form.len)
		request_body(h->d, r, form.data, form.len);
}

static void put_body(struct har *h, struct request *r, const struct entry *e)
{
	json_t *post = json_object_get(e->request, "postData"), *text = json_object_get(post, "text");
	const char *encoding = text_of(post, "encoding"), *type = text_of(post, "mimeType");
	if (!json_is_object(post))
		return;
	if (encoding && !strcmp(encoding, "base64"))
		request_warn(h->d, r, "not taken over: its body, which is no text");
	else if (json_string_length(text))
		request_body(h->d, r, json_string_value(text), json_string_length(text));
	else
		put_params(h, r, json_object_get(post, "params"));
	if (type && *type && request_get(r, "body") && !request_get(r, "header.Content-Type"))
		request_header(h->d, r, "Content-Type", type);
}

static void put_expectation(struct har *h, struct request *r, const struct entry *e)
{
	long long status = json_integer_value(json_object_get(e->response, "status"));
	char text[64];
	if (status < 100 || status > 599)
		return;
	if (status >= 300 && status < 400 && status != 304)
		request_set(h->d, r, "follow", "no");
	snprintf(text, sizeof text, status == 304 ? "status in {200, 304}" : "status == %lld", status);
	request_set(h->d, r, "expect.status", text);
}

static struct request *add(struct har *h, const struct entry *e)
{
	CLEANUP_LINK struct link link = { 0 };
	if (!input_is_url(e->url) || link_parse(&link, e->url, NULL)) {
		h->skipped_other++;
		return NULL;
	}
	if (!h->first.host)
		link_parse(&h->first, e->url, NULL);
	if (h->set->same_host && !link_same_host(&link, &h->first)) {
		h->skipped_host++;
		return NULL;
	}
	if (h->set->no_static && is_static(e, &link)) {
		h->skipped_static++;
		return NULL;
	}
	CLEANUP_FREE char *name = xasprintf("%s-%s", e->method, link.path);
	struct request *r = draft_add(h->d, &link, h->d->flow ? (strcmp(e->method, "GET") != 0 ? name : NULL) : NULL);
	if (!r)
		return NULL;
	request_method(h->d, r, e->method);
	put_headers(h, r, e);
	put_body(h, r, e);
	put_expectation(h, r, e);
	return r;
}

static void add_all(struct har *h)
{
	struct request *last = NULL;
	int64_t end_ns = 0;
	for (size_t i = 0; i < h->n; i++) {
		const struct entry *e = &h->list[i];
		struct request *r = add(h, e);
		int64_t pause_ns = end_ns && e->start_ns ? e->start_ns - end_ns : 0;
		if (r && last && pause_ns >= THINK_MIN_NS)
			last->think_ns = (pause_ns < THINK_MAX_NS ? pause_ns : THINK_MAX_NS) / NS_PER_MS * NS_PER_MS;
		if (r)
			last = r;
		if (e->end_ns > end_ns)
			end_ns = e->end_ns;
		remember_cookies(h, e);
	}
}

static void tell_hosts(struct har *h)
{
	struct word *origins = NULL, *w, *next;
	CLEANUP_BUF struct buf text = { 0 };
	for (size_t i = 0; i < h->d->n; i++)
		remembered(&origins, h->d->list[i]->origin, strlen(h->d->list[i]->origin), true);
	unsigned n = HASH_COUNT(origins), told = 0;
	HASH_ITER(hh, origins, w, next) {
		if (told++ < HOSTS_TOLD)
			buf_printf(&text, " %.100s", w->text);
		HASH_DEL(origins, w);
		free(w->text);
		free(w);
	}
	if (n > 1)
		draft_warn(h->d, "requests go to %u hosts:%s%s; --same-host keeps those to the first", n, text.data,
			   n > HOSTS_TOLD ? " ..." : "");
}

static void tell(struct har *h)
{
	if (h->skipped_host)
		draft_note(h->d, "%zu requests to other hosts than %s are left out (--same-host)", h->skipped_host,
			   h->first.host);
	if (h->skipped_static)
		draft_note(h->d, "%zu requests for images, fonts, styles and scripts are left out (--no-static)",
			   h->skipped_static);
	if (h->skipped_other)
		draft_warn(h->d, "%zu entries are left out: no HTTP requests", h->skipped_other);
	if (h->dropped_headers)
		draft_note(h->d, "Headers of the browser's own are left out: Accept-Encoding, Sec-*, User-Agent, "
				 "Referer, caching and their like.");
	if (HASH_COUNT(h->cookies) && h->d->flow)
		draft_note(h->d, "Cookies that answers set are not written: each virtual user has its own.");
	tell_hosts(h);
}

static int read_document(struct har *h, json_t *doc)
{
	json_t *entries = json_object_get(json_object_get(doc, "log"), "entries"), *entry;
	size_t i;
	if (!json_is_array(entries))
		return draft_fail(h->d, "no HAR: expected {\"log\": {\"entries\": [...]}}");
	h->list = xcalloc(json_array_size(entries) + 1, sizeof *h->list);
	json_array_foreach(entries, i, entry)
		read_entry(h, entry, i);
	qsort(h->list, h->n, sizeof *h->list, by_start);
	add_all(h);
	tell(h);
	return h->d->n || h->d->elsewhere ? 0 : draft_fail(h->d, "no HTTP request in it that is wanted");
}

int har_read(struct draft *d, const struct source_settings *set, const char *text, size_t n)
{
	struct har h = { .d = d, .set = set };
	struct word *w, *next;
	json_error_t error;
	size_t skip = n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
	json_t *doc = json_loadb(text + skip, n - skip, JSON_ALLOW_NUL, &error);
	int rc = doc ? read_document(&h, doc) : draft_fail(d, "line %d: no JSON: %s", error.line, error.text);
	HASH_ITER(hh, h.cookies, w, next) {
		HASH_DEL(h.cookies, w);
		free(w->text);
		free(w);
	}
	link_free(&h.first);
	free(h.list);
	json_decref(doc);
	return rc;
}

int source_har(struct draft *d, const struct source_settings *set, const char *from)
{
	size_t n;
	CLEANUP_FREE char *text = input_read(d, from, SOURCE_MAX_BYTES, &n);
	return text ? har_read(d, set, text, n) : -1;
}
