/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - from a target's options to what libcurl is told: URL, method, headers, body, credentials, TLS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/net.h"
#include "http/http.h"
#include "http/url.h"

/* A response's headers in all; a server that sends more means harm. (libcurl counts them again for each look-up.) */
#define MAX_HEADER_BYTES (256 * 1024)
#define MAX_HEADERS 1000
/* Of a redirect's body, which nobody reads. */
#define MAX_DISCARD_BYTES (256 * 1024)
#define BIG_BODY 16384

static const struct probed_value *option(struct fetch *f, uint32_t i)
{
	const struct probed_value *v = probed_target_option(f->target->args, i);
	return v->flags & PROBED_VALUE_TEMPLATE ? host->option(f->probe, i) : v;
}

/* --- headers ------------------------------------------------------------------------------------- */

static bool is_token(const char *s)
{
	return *s && s[strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

/* Headers that are meant for the origin alone. */
static bool is_private(const char *name)
{
	static const char *const names[] = { "Authorization", "Cookie", "Proxy-Authorization", "Host", "Origin", "Referer" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcasecmp(name, names[i]))
			return true;
	return false;
}

static int list_add(struct curl_slist **list, const char *line)
{
	struct curl_slist *grown = curl_slist_append(*list, line);
	if (!grown)
		return -1;
	*list = grown;
	return 0;
}

static int header_add(const struct probed_item *item, struct curl_slist **own, struct curl_slist **foreign, char *error,
                      size_t size)
{
	/* libcurl's way to say "with an empty value" */
	const char *format = *item->s ? "%s: %s" : "%s;";
	char *line;

	if (!is_token(item->key)) {
		snprintf(error, size, "header.%s: not a header's name", item->key);
		return -1;
	}
	if (strpbrk(item->s, "\r\n") || strlen(item->s) != item->len) {
		snprintf(error, size, "header.%s: the value holds a line break or a NUL", item->key);
		return -1;
	}
	if (asprintf(&line, format, item->key, item->s) < 0) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	int ret = list_add(own, line) < 0 || (!is_private(item->key) && list_add(foreign, line) < 0) ? -1 : 0;
	if (ret < 0)
		snprintf(error, size, "out of memory");
	free(line);
	return ret;
}

int headers_make(const struct probed_value *map, struct curl_slist **own, struct curl_slist **foreign, char *error,
                 size_t size)
{
	struct curl_slist *a = NULL, *b = NULL;
	/* libcurl waits for a "100 Continue" with larger bodies: a second that is not the server's */
	int ret = list_add(&a, "Expect:") < 0 || list_add(&b, "Expect:") < 0 ? -1 : 0;

	if (ret < 0)
		snprintf(error, size, "out of memory");
	for (uint32_t i = 0; !ret && i < map->n_items; i++)
		ret = header_add(PROBED_AT(struct probed_item, map->items, map->item_stride, i), &a, &b, error, size);
	if (ret < 0) {
		curl_slist_free_all(a);
		curl_slist_free_all(b);
		return -1;
	}
	*own = a;
	*foreign = b;
	return 0;
}

static bool has_header(const struct curl_slist *list, const char *name)
{
	size_t len = strlen(name);
	for (; list; list = list->next)
		if (!strncasecmp(list->data, name, len) && (list->data[len] == ':' || list->data[len] == ';'))
			return true;
	return false;
}

/* --- rendering ----------------------------------------------------------------------------------- */

static const char *headers_render(struct fetch *f)
{
	static char why[200];
	const struct target *t = f->target;
	if (t->headers)
		return NULL;
	const struct probed_value *map = option(f, OPT_HEADER);
	if (!map)
		return "a header's template could not be rendered";
	return headers_make(map, &f->headers, &f->foreign_headers, why, sizeof(why)) < 0 ? why : NULL;
}

char *origin_of(const char *url)
{
	const char *authority = strstr(url, "://");
	return authority ? strndup(url, (size_t)(authority - url) + 3 + strcspn(authority + 3, "/?#")) : NULL;
}

const char *request_render(struct fetch *f)
{
	const struct target *t = f->target;
	const struct probed_value *url = option(f, OPT_URL), *path = option(f, OPT_PATH), *method = option(f, OPT_METHOD),
				  *body = option(f, OPT_BODY);

	if (!url || !path || !method || !body)
		return "a template in url, path, method or body could not be rendered";
	if (!t->url)
		f->own_url = url_join(url->s ? url->s : "", path->s ? path->s : "");
	f->url = t->url ? t->url : f->own_url;
	if (!f->url)
		return "url: expected http://HOST/... or https://HOST/...";
	if (t->body_file && body->s == probed_target_option(t->args, OPT_BODY)->s) {
		f->body = t->body_file;
		f->body_len = t->body_file_len;
	} else if (body->s && body->len) {
		/* @@ is a body that begins with an @ */
		f->body = body->s + (body->s[0] == '@');
		f->body_len = body->len - (body->s[0] == '@');
	}
	f->method = f->body && !(method->flags & PROBED_VALUE_SET) ? "POST" : method->s;
	if (!is_token(f->method))
		return "method: expected one word, such as GET or POST";
	return headers_render(f);
}

void request_free(struct fetch *f)
{
	curl_slist_free_all(f->headers);
	curl_slist_free_all(f->foreign_headers);
	f->headers = f->foreign_headers = NULL;
	free(f->own_url);
	free(f->origin);
	f->own_url = f->origin = NULL;
}

/* --- what libcurl calls while it works ------------------------------------------------------------ */

static CURLcode ssl_cb(CURL *easy, void *ssl, void *arg)
{
	struct fetch *f = fetch_of(arg);
	(void)easy;
	fetch_stage(f, STAGE_TLS);
	if (certs_ctx_apply(f->target->certs, ssl) < 0)
		return CURLE_SSL_CERTPROBLEM;
	certs_attach_ctx(ssl, &f->peer);
	return CURLE_OK;
}

static int ready_cb(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	struct fetch *f = fetch_of(arg);
	(void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
	fetch_stage(f, STAGE_SEND);
	mux_connected(f);
	return CURL_PREREQFUNC_OK;
}

/* RateLimit..., X-Rate-Limit...: quota.c looks closer. */
static bool is_quota(const char *line, size_t n)
{
	size_t x = n > 2 && !strncasecmp(line, "x-", 2) ? 2 : 0;
	return n > x + 4 && !strncasecmp(line + x, "rate", 4);
}

static size_t header_cb(char *data, size_t size, size_t n, void *arg)
{
	struct fetch *f = fetch_of(arg);
	(void)size;

	fetch_stage(f, STAGE_RECEIVE);
	f->in_header += n;
	if (f->is_https && !f->peer.leaf) {
		/* a connection that was kept: nothing was learned by a handshake */
		struct curl_tlssessioninfo *info = NULL;
		if (curl_easy_getinfo(f->easy, CURLINFO_TLS_SSL_PTR, &info) == CURLE_OK && info && info->internals)
			certs_peer_take(&f->peer, info->internals);
	}
	f->hop_header += n;
	f->quota |= is_quota(data, n);
	f->too_long = f->hop_header > MAX_HEADER_BYTES || ++f->n_headers > MAX_HEADERS;
	return f->too_long ? 0 : n;
}

static void body_begin(struct fetch *f)
{
	struct curl_header *location;
	long status = 0;

	f->body_begun = true;
	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	f->discard = f->target->follow && url_redirects(status) &&
	             curl_easy_header(f->easy, "Location", 0, CURLH_HEADER, -1, &location) == CURLHE_OK;
	if (!f->discard)
		host->fact_integer(f->probe, FACT_STATUS, NULL, status);
}

static size_t write_cb(char *data, size_t size, size_t n, void *arg)
{
	struct fetch *f = fetch_of(arg);
	uint64_t limit, left;
	(void)size;

	if (!f->body_begun)
		body_begin(f);
	limit = f->discard ? MAX_DISCARD_BYTES : (uint64_t)f->target->body_limit;
	left = limit > f->body_bytes ? limit - f->body_bytes : 0;
	f->truncated = n > left;
	size_t use = f->truncated ? left : n;
	f->body_bytes += use;
	if (!f->discard && !f->enough && use)
		f->enough = host->body_write(f->probe, data, use) != 0;
	/* what is not looked at is drained all the same, for the time it takes, up to the limit */
	return f->truncated ? CURL_WRITEFUNC_ERROR : n;
}

static int progress_cb(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct fetch *f = fetch_of(arg);
	(void)down_total, (void)down, (void)up_total;
	if (f->stage == STAGE_SEND && (uint64_t)up >= f->body_len)
		fetch_stage(f, STAGE_WAIT);
	return 0;
}

/* --- telling libcurl ----------------------------------------------------------------------------- */

#define SET(option, value) curl_easy_setopt(f->easy, CURLOPT_##option, value)

static void method_set(struct fetch *f)
{
	bool body = f->body != NULL;

	if (!strcmp(f->method, "HEAD") && !body) {
		SET(NOBODY, 1L);
		return;
	}
	if (body || !strcmp(f->method, "POST") || !strcmp(f->method, "PUT") || !strcmp(f->method, "PATCH")) {
		SET(POST, 1L);
		SET(POSTFIELDS, body ? f->body : "");
		SET(POSTFIELDSIZE_LARGE, (curl_off_t)f->body_len);
	} else {
		SET(HTTPGET, 1L);
	}
	SET(CUSTOMREQUEST, f->method);
	if (f->body_len > BIG_BODY) {
		SET(NOPROGRESS, 0L);
		SET(XFERINFOFUNCTION, progress_cb);
		SET(XFERINFODATA, f->handle);
	}
}

static void headers_set(struct fetch *f)
{
	struct curl_slist *own = f->headers ? f->headers : f->target->headers;
	struct curl_slist *foreign = f->foreign_headers ? f->foreign_headers : f->target->foreign_headers;
	struct curl_slist *list = f->foreign ? foreign : own;

	SET(HTTPHEADER, list);
	if (!has_header(list, "User-Agent"))
		SET(USERAGENT, probed_target_option(f->target->args, OPT_USER_AGENT)->s);
}

static void credentials_set(struct fetch *f)
{
	static const unsigned long ways[] = {
		[AUTH_NONE] = CURLAUTH_BASIC,
		[AUTH_BASIC] = CURLAUTH_BASIC,
		[AUTH_DIGEST] = CURLAUTH_DIGEST,
		[AUTH_BEARER] = CURLAUTH_BEARER,
	};
	if (f->foreign)
		return;
	SET(HTTPAUTH, ways[f->target->auth]);
	if (f->target->auth == AUTH_NONE)
		return;
	const struct probed_value *user = option(f, OPT_USER), *password = option(f, OPT_PASSWORD),
				  *token = option(f, OPT_TOKEN);
	if (f->target->auth == AUTH_BEARER) {
		SET(XOAUTH2_BEARER, token ? token->s : NULL);
		return;
	}
	SET(USERNAME, user ? user->s : NULL);
	SET(PASSWORD, password ? password->s : NULL);
}

static void version_set(struct fetch *f)
{
	static const long versions[] = { CURL_HTTP_VERSION_2TLS, CURL_HTTP_VERSION_1_0, CURL_HTTP_VERSION_1_1,
		                         CURL_HTTP_VERSION_2_0, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE };
	int64_t i = probed_target_option(f->target->args, OPT_HTTP_VERSION)->i;
	SET(HTTP_VERSION, versions[i >= 0 && i < 5 ? i : 0]);
}

/* Trust is ours: one store shared by all targets, and a callback that keeps the certificate before it judges. libcurl
 * would read its bundle again for each handshake. */
static void tls_set(struct fetch *f)
{
	const struct target *t = f->target;

	SET(CAINFO, NULL);
	SET(CAPATH, NULL);
	/* else it would keep the store of the first target for all of them */
	SET(CA_CACHE_TIMEOUT, 0L);
	SET(SSL_VERIFYPEER, t->verify ? 1L : 0L);
	SET(SSL_VERIFYHOST, 0L);
	SET(SSL_SESSIONID_CACHE, 0L);
	SET(SSL_CTX_FUNCTION, ssl_cb);
	SET(SSL_CTX_DATA, f->handle);
}

static void all_set(struct fetch *f)
{
	struct handle *h = f->handle;
	handle_reset(h);
	SET(PRIVATE, h);
	SET(ERRORBUFFER, h->error);
	SET(NOSIGNAL, 1L);
	SET(PROXY, "");
	SET(PROTOCOLS_STR, "http,https");
	SET(URL, f->url);
	/* addresses come from the host's resolver */
	h->connect_to = (struct curl_slist){ .data = h->connect_to_text };
	SET(CONNECT_TO, &h->connect_to);
	SET(DNS_CACHE_TIMEOUT, 0L);
	SET(CONNECTTIMEOUT_MS, 3600000L);
	SET(TCP_NODELAY, 1L);
	if (!f->target->reuse) {
		SET(FRESH_CONNECT, 1L);
		SET(FORBID_REUSE, 1L);
	}
	SET(PREREQFUNCTION, ready_cb);
	SET(PREREQDATA, h);
	SET(HEADERFUNCTION, header_cb);
	SET(HEADERDATA, h);
	SET(WRITEFUNCTION, write_cb);
	SET(WRITEDATA, h);
	method_set(f);
	headers_set(f);
	credentials_set(f);
	version_set(f);
	tls_set(f);
	mux_prepare(f);
}

void request_set(struct fetch *f, const struct probed_addr *a)
{
	struct handle *h = f->handle;
	const struct target *t = f->target;
	char ip[INET6_ADDRSTRLEN];

	if (h->ready != t || f->redirects || a->family != h->to.family || memcmp(a->bytes, h->to.bytes, sizeof(a->bytes))) {
		snprintf(h->connect_to_text, sizeof(h->connect_to_text), a->family == 4 ? "::%s:" : "::[%s]:",
		         net_ip_text(a, ip, sizeof(ip)));
		h->to = *a;
		all_set(f);
		if (a->scope_id)
			SET(ADDRESS_SCOPE, (long)a->scope_id);
		/* what a digest's server said first would be remembered */
		h->ready = t->url && t->reuse && t->auth != AUTH_DIGEST && !f->redirects && !a->scope_id ? t : NULL;
	}
	handle_cookies(h, f->session);
	h->error[0] = '\0';
	f->big_body = f->body_len > BIG_BODY;
	certs_peer_clear(&f->peer);
	f->peer.verify = t->verify;
	f->peer.host = t->servername && !f->foreign ? t->servername : f->host;
	f->peer.servername = f->foreign ? NULL : t->servername;
}

bool request_varies(const struct target *t)
{
	static const uint32_t parts[] = { OPT_URL, OPT_METHOD, OPT_PATH, OPT_HEADER, OPT_BODY, OPT_USER, OPT_PASSWORD, OPT_TOKEN };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (probed_target_option(t->args, parts[i])->flags & PROBED_VALUE_TEMPLATE)
			return true;
	return false;
}
