/* SPDX-License-Identifier: Apache-2.0 */
/* curl.c - curl's command line as a target; what can't be taken over is said, never silently lost. */
#include "curl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/unit.h"
#include "config/print.h"
#include "generate/curl_words.h"
#include "generate/source.h"

#define COMMAND_MAX (4u << 20)

void curl_lose(struct curl *c, const char *format, ...)
{
	va_list ap;
	char *text;
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		panic("out of memory");
	va_end(ap);
	xgrow(c->lost.list, c->lost.n, c->lost.cap);
	c->lost.list[c->lost.n++] = text;
}

static void lines_clear(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->list[i]);
	free(l->list);
}

static void curl_free(struct curl *c)
{
	free(c->urls.list);
	free(c->headers.list);
	free(c->cookies.list);
	free(c->forms.list);
	free(c->settings.list);
	lines_clear(&c->lost);
	lines_clear(&c->output);
	buf_free(&c->data);
	free(c->data_file);
}

/* Headers that the driver makes itself; NULL: it is to be sent. */
static const char *header_refused(const char *name)
{
	static const struct {
		const char *name, *why;
	} refused[] = {
		{ "Content-Length", "counted by probed" },
		{ "Transfer-Encoding", "chosen by probed" },
		{ "Connection", "chosen by probed" },
		{ "Accept-Encoding", "probes ask for answers that are not compressed" },
	};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (!strcasecmp(name, refused[i].name))
			return refused[i].why;
	return NULL;
}

static void put_header(struct curl *c, struct request *r, const char *text)
{
	size_t n = strcspn(text, ":;");
	CLEANUP_FREE char *name = xstrndup(text, n);
	const char *value = text[n] ? text + n + 1 : "", *why = header_refused(name);
	value += strspn(value, " \t");
	if (*text == '@')
		request_warn(c->d, r, "not taken over: -H %.80s: headers of a file", text);
	else if (!text[n] || (text[n] == ':' && !*value))
		request_warn(c->d, r, "not taken over: -H %.80s: it takes a header away", text);
	else if (why)
		request_note(r, "left out: header %.40s: %s", name, why);
	else if (!strcasecmp(name, "User-Agent"))
		request_put(c->d, r, "user_agent", value);
	else
		request_header(c->d, r, name, value);
}

static void default_header(struct curl *c, struct request *r, const char *name, const char *value)
{
	CLEANUP_FREE char *key = xasprintf("header.%s", name);
	if (!request_get(r, key))
		request_header(c->d, r, name, value);
}

static void put_user(struct curl *c, struct request *r)
{
	const char *colon = strchr(c->user, ':');
	CLEANUP_FREE char *name = colon ? xstrndup(c->user, (size_t)(colon - c->user)) : xstrdup(c->user);
	CLEANUP_BUF struct buf text = { 0 };
	request_put(c->d, r, "user", name);
	if (!colon)
		text_variable(c->d, &text, "PASSWORD", "the password that curl asks for");
	else if (colon[1])
		text_secret(c->d, &text, "PASSWORD", colon + 1, strlen(colon + 1), "the password of -u");
	if (text.len)
		request_set(c->d, r, "password", text.data);
}

static void put_setting(struct curl *c, struct request *r, const struct curl_pair *p)
{
	char text[40];
	double seconds;
	if (!strcmp(p->name, "timeout")) {
		if (unit_parse_float(p->value, &seconds) || seconds < 0.001 || seconds > 86400)
			request_warn(c->d, r, "not taken over: --max-time %.40s: expected seconds", p->value);
		else
			request_put(c->d, r, "timeout",
				    print_duration((int64_t)(seconds * 1000) * NS_PER_MS, text, sizeof text));
	} else if (!strcmp(p->name, "max_redirects") && *p->value == '-') {
		request_put(c->d, r, p->name, "100");
	} else {
		request_put(c->d, r, p->name, p->value);
	}
}

static void put_body(struct curl *c, struct request *r)
{
	CLEANUP_BUF struct buf text = { 0 };
	const char *type = "application/x-www-form-urlencoded";
	if (c->forms.n) {
		if (curl_form_body(c, &text, &type)) {
			request_set(c->d, r, "body", text.data);
			default_header(c, r, "Content-Type", type);
		}
	} else if (c->upload || (c->data_file && c->data_parts == 1)) {
		CLEANUP_FREE char *file = xasprintf("@%s", c->upload ? c->upload : c->data_file);
		request_put(c->d, r, "body", file);
		if (!c->upload)
			default_header(c, r, "Content-Type", c->json ? "application/json" : type);
	} else if (c->has_data && !c->get) {
		if (c->data_file)
			curl_lose(c, "a body of several parts, one of them a file");
		request_body(c->d, r, c->data.len ? c->data.data : "", c->data.len);
		default_header(c, r, "Content-Type", c->json ? "application/json" : type);
	}
	if (c->json)
		default_header(c, r, "Accept", "application/json");
}

static const char *method_of(const struct curl *c)
{
	if (c->method)
		return c->method;
	if (c->head)
		return "HEAD";
	if (c->upload)
		return "PUT";
	return (c->has_data && !c->get) || c->forms.n ? "POST" : "GET";
}

static void put_options(struct curl *c, struct request *r)
{
	CLEANUP_BUF struct buf token = { 0 };
	request_method(c->d, r, method_of(c));
	if (c->user)
		put_user(c, r);
	if (c->bearer) {
		buf_printf(&token, "Bearer %s", c->bearer);
		request_header(c->d, r, "Authorization", token.data);
	}
	for (size_t i = 0; i < c->headers.n; i++)
		put_header(c, r, c->headers.list[i].value);
	for (size_t i = 0; i < c->cookies.n; i++)
		request_cookies(c->d, r, c->cookies.list[i].value);
	if (c->agent)
		request_put(c->d, r, "user_agent", c->agent);
	if (c->referer)
		request_header(c->d, r, "Referer", c->referer);
	if (c->range) {
		CLEANUP_FREE char *range = xasprintf("bytes=%s", c->range);
		request_header(c->d, r, "Range", range);
	}
	put_body(c, r);
	if (!c->follow)
		request_put(c->d, r, "follow", "no");
	for (size_t i = 0; i < c->settings.n; i++)
		put_setting(c, r, &c->settings.list[i]);
}

static void tell_lost(struct curl *c, struct request *r)
{
	CLEANUP_BUF struct buf text = { 0 };
	for (size_t i = 0; i < c->lost.n; i++)
		request_warn(c->d, r, "not taken over: %s", c->lost.list[i]);
	for (size_t i = 0; i < c->output.n; i++)
		buf_printf(&text, " %s", c->output.list[i]);
	if (text.len)
		request_note(r, "left out, since a probe has no use for it:%s", buf_cstr(&text));
}

static int finish_url(struct curl *c, const char *text, bool first)
{
	CLEANUP_LINK struct link link = { 0 };
	CLEANUP_FREE char *whole = strstr(text, "://") ? xstrdup(text) : xasprintf("http://%s", text);
	if (link_parse(&link, whole, NULL))
		return draft_fail(c->d, "%.100s: expected an http or https URL", text);
	if (c->get && c->data.len) {
		char *query = xasprintf("%s%s%s", link.query ? link.query : "", link.query ? "&" : "", c->data.data);
		free(link.query);
		link.query = query;
		CLEANUP_FREE char *again = link_text(&link);
		struct link clean;
		if (link_parse(&clean, again, NULL))
			return draft_fail(c->d, "%.100s: no URL once the data of -G is in it", text);
		free(link.query);
		link.query = clean.query ? xstrdup(clean.query) : NULL;
		link_free(&clean);
	}
	struct request *r = draft_add(c->d, &link, NULL);
	if (!r)
		return 0;
	put_options(c, r);
	if (strpbrk(text, "{}") || (strchr(text, '[') && !strstr(text, "://[")))
		request_warn(c->d, r, "curl makes several requests of a URL with {} or []: it is taken as it stands");
	if (first)
		tell_lost(c, r);
	return 0;
}

static int finish(struct curl *c)
{
	int rc = c->urls.n ? 0 : draft_fail(c->d, "the command has no URL");
	for (size_t i = 0; i < c->urls.n && !rc; i++)
		rc = finish_url(c, c->urls.list[i].value, i == 0);
	curl_free(c);
	*c = (struct curl){ .d = c->d };
	return rc;
}

/* The options in words[*i], and the values that they take from behind it. */
static int read_option(struct curl *c, char *const *words, size_t n, size_t *i)
{
	const char *word = words[*i];
	bool is_long = word[1] == '-';
	for (const char *p = word + (is_long ? 2 : 1); *p; p = is_long ? "" : p + 1) {
		const struct curl_option *o = is_long ? curl_option_long(p, strlen(p)) : curl_option_letter(*p);
		char letter[3] = { '-', *p, 0 };
		const char *shown = is_long ? word : letter, *value = NULL;
		if (!o) {
			curl_lose(c, "%.60s: unknown here", shown);
			continue;
		}
		if (o->takes && !is_long && p[1])
			value = p + 1;
		else if (o->takes && *i + 1 < n)
			value = words[++*i];
		else if (o->takes)
			return draft_fail(c->d, "%s needs a value", shown);
		if (!strcmp(o->name, "next"))
			return finish(c);
		curl_option_apply(c, o, shown, value);
		if (o->takes)
			break;
	}
	return 0;
}

static bool is_curl(const char *word)
{
	const char *slash = strrchr(word, '/');
	const char *name = slash ? slash + 1 : word;
	return !strcmp(name, "curl") || !strcasecmp(name, "curl.exe");
}

static int read_words(struct draft *d, char *const *words, size_t n, struct curl *c)
{
	bool options = true;
	int rc = 0;
	if (!n || !is_curl(words[0]))
		return draft_fail(d, "\"%.60s\": expected a command that begins with curl", n ? words[0] : "");
	for (size_t i = 1; i < n && !rc; i++) {
		if (options && !strcmp(words[i], "--")) {
			options = false;
		} else if (options && words[i][0] == '-' && words[i][1]) {
			rc = read_option(c, words, n, &i);
		} else {
			xgrow(c->urls.list, c->urls.n, c->urls.cap);
			c->urls.list[c->urls.n++] = (struct curl_pair){ .value = words[i] };
		}
	}
	return rc ? rc : finish(c);
}

int curl_words(struct draft *d, char *const *words, size_t n)
{
	struct curl c = { .d = d };
	int rc = read_words(d, words, n, &c);
	curl_free(&c);
	return rc;
}

int curl_read(struct draft *d, const char *text, size_t n)
{
	const char *p = text, *end = text + n;
	int rc = 0, more;
	do {
		struct words w;
		more = shell_words_next(&w, &p, end);
		if (more < 0)
			return draft_fail(d, "a quote is not closed");
		if (more)
			rc = curl_words(d, w.list, w.n);
		if (more && w.expands)
			draft_warn(d, "the shell would have put something in for $ or `: it is taken as it stands");
		if (more && w.left)
			draft_warn(d, "what stands behind %s is left out", w.left);
		words_free(&w);
	} while (more && !rc);
	return rc                                  ? rc
	       : d->n || d->elsewhere || d->beyond ? 0
						   : draft_fail(d, "no command in it: expected curl and its options");
}

int source_curl(struct draft *d, const struct source_settings *set, const char *from)
{
	size_t n;
	(void)set;
	if (strcmp(from, "-") != 0)
		return curl_read(d, from, strlen(from));
	CLEANUP_FREE char *text = input_read(d, from, COMMAND_MAX, &n);
	return text ? curl_read(d, text, n) : -1;
}
