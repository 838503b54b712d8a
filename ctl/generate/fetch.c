/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.c - see fetch.h */
#include "fetch.h"

#include <curl/curl.h>
#include <string.h>

#include "base/mem.h"

#define REDIRECTS_MAX 5
#define TIMEOUT_MS 30000L
#define CONNECT_TIMEOUT_MS 10000L

struct fetcher {
	CURL *easy;
	struct answer *answer; /* of the request under way */
	size_t max;
};

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct fetcher *f = ctx;
	struct buf *body = &f->answer->body;
	size_t room = f->max - body->len, take = size * n < room ? size * n : room;
	buf_put(body, data, take);
	if (take < size * n) {
		f->answer->cut = true;
		return 0;
	}
	return size * n;
}

struct fetcher *fetcher_new(void)
{
	struct fetcher *f = xnew(struct fetcher);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	f->easy = curl_easy_init();
	if (!f->easy)
		panic("libcurl can't be used");
	curl_easy_setopt(f->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(f->easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(f->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(f->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(f->easy, CURLOPT_USERAGENT, USER_AGENT);
	curl_easy_setopt(f->easy, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
	return f;
}

void fetcher_free(struct fetcher *f)
{
	if (!f)
		return;
	curl_easy_cleanup(f->easy);
	curl_global_cleanup();
	free(f);
}

void answer_free(struct answer *a)
{
	free(a->type);
	free(a->location);
	buf_free(&a->body);
	*a = (struct answer){ 0 };
}

int fetch(struct fetcher *f, const char *url, size_t max, struct answer *out)
{
	char why[CURL_ERROR_SIZE] = "", *text = NULL;
	answer_free(out);
	f->answer = out;
	f->max = max;
	curl_easy_setopt(f->easy, CURLOPT_URL, url);
	curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, why);
	CURLcode rc = curl_easy_perform(f->easy);
	curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, NULL);
	f->answer = NULL;
	if (rc && !out->cut) {
		snprintf(out->error, sizeof out->error, "%s", *why ? why : curl_easy_strerror(rc));
		return -1;
	}
	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &out->status);
	if (!curl_easy_getinfo(f->easy, CURLINFO_CONTENT_TYPE, &text) && text)
		out->type = xstrdup(text);
	text = NULL;
	if (!curl_easy_getinfo(f->easy, CURLINFO_REDIRECT_URL, &text) && text)
		out->location = xstrdup(text);
	buf_cstr(&out->body);
	return 0;
}

static bool may_go(const char *from, const char *to, bool any_host)
{
	CLEANUP_LINK struct link a = { 0 }, b = { 0 };
	return !link_parse(&a, from, NULL) && !link_parse(&b, to, NULL) && (any_host || link_same_host(&a, &b));
}

int fetch_follow(struct fetcher *f, char **url, size_t max, bool any_host, struct answer *out)
{
	for (int hop = 0; hop <= REDIRECTS_MAX; hop++) {
		if (fetch(f, *url, max, out))
			return -1;
		if (!out->location)
			return 0;
		if (!may_go(*url, out->location, any_host)) {
			snprintf(out->error, sizeof out->error, "it redirects to %.180s, which is elsewhere",
				 out->location);
			return -1;
		}
		free(*url);
		*url = xstrdup(out->location);
	}
	snprintf(out->error, sizeof out->error, "more than %d redirects", REDIRECTS_MAX);
	return -1;
}
