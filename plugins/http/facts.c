/* SPDX-License-Identifier: Apache-2.0 */
/* facts.c - what an answer tells: of each hop a row, of the last one everything. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/http.h"
#include "http/quota.h"

#define NS_PER_S INT64_C(1000000000)
#define MAX_VALUE 8192

static bool wanted(const struct fetch *f, uint32_t fact, const char *name)
{
	return !PROBED_HOST_HAS(host, fact_wanted) || host->fact_wanted(f->probe, fact, name);
}

static void text(struct fetch *f, uint32_t fact, const char *s)
{
	if (s)
		host->fact_string(f->probe, fact, NULL, s, strlen(s));
}

/* The URL without a password that may stand in it. Returns its two parts: up to the user, and from the host on. */
static size_t url_public(const char *url, const char **rest)
{
	const char *authority = strstr(url, "://");
	*rest = url;
	if (!authority)
		return 0;
	authority += 3;
	const char *end = authority + strcspn(authority, "/?#"), *at = memrchr(authority, '@', (size_t)(end - authority));
	if (!at)
		return 0;
	*rest = at + 1;
	return (size_t)(authority - url);
}

static const char *url_clean(const char *url, char *out, size_t size)
{
	const char *rest;
	size_t scheme = url_public(url, &rest);
	snprintf(out, size, "%.*s%s", (int)scheme, url, rest);
	return out;
}

void facts_hop(struct fetch *f)
{
	char url[2048];
	char *ip = NULL;
	long status = 0, request = 0;
	curl_off_t down = 0, up = 0;

	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(f->easy, CURLINFO_REQUEST_SIZE, &request);
	curl_easy_getinfo(f->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	curl_easy_getinfo(f->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	f->in += (uint64_t)down;
	/* libcurl counts a small body with the request that it was sent in one piece with */
	f->out += (uint64_t)(f->body_len < 65536 ? request : request + up);
	if (!status || !wanted(f, FACT_HOPS, NULL))
		return;
	curl_easy_getinfo(f->easy, CURLINFO_PRIMARY_IP, &ip);
	url_clean(f->url, url, sizeof(url));
	const struct probed_cell row[] = {
		{ .type = PROBED_TYPE_STRING, .s = url, .len = strlen(url) },
		{ .type = PROBED_TYPE_INTEGER, .i = status },
		{ .type = PROBED_TYPE_DURATION, .i = host->now() - f->hop_began_ns },
		{ .type = PROBED_TYPE_STRING, .s = ip ? ip : "", .len = ip ? strlen(ip) : 0 },
	};
	host->fact_row(f->probe, FACT_HOPS, sizeof(row) / sizeof(row[0]), row, sizeof(row[0]));
}

/* A header that came several times is one value, joined as RFC 9110 says. */
static const char *joined(struct fetch *f, const char *name, size_t amount, char *value, size_t size)
{
	size_t len = 0;
	value[0] = '\0';
	for (size_t i = 0; i < amount; i++) {
		struct curl_header *each;
		if (curl_easy_header(f->easy, name, i, CURLH_HEADER, -1, &each) != CURLHE_OK)
			break;
		int put = snprintf(value + len, size - len, "%s%s", i ? ", " : "", each->value);
		len += (size_t)put;
		if (len >= size)
			break;
	}
	return value;
}

static void header_give(struct fetch *f, const struct curl_header *h, struct quota *quota)
{
	char name[128], value[MAX_VALUE];
	const char *text = h->value;
	size_t n = 0;

	for (; h->name[n] && n + 1 < sizeof(name); n++)
		name[n] = h->name[n] >= 'A' && h->name[n] <= 'Z' ? (char)(h->name[n] | 0x20) : h->name[n];
	name[n] = '\0';
	bool is_quota = f->quota && strstr(name, "rate"), is_wanted = wanted(f, FACT_HEADER, name);
	if (!is_quota && !is_wanted)
		return;
	if (h->amount > 1)
		text = joined(f, name, h->amount, value, sizeof(value));
	if (is_wanted)
		host->fact_string(f->probe, FACT_HEADER, name, text, strlen(text));
	if (is_quota)
		quota_header(quota, name, text, host->wall());
}

static void quota_give(struct fetch *f, const struct quota *quota)
{
	if (quota->left >= 0)
		host->fact_integer(f->probe, FACT_QUOTA_LEFT, NULL, quota->left);
	if (quota->reset_ns >= 0)
		host->fact_integer(f->probe, FACT_QUOTA_RESET, NULL, quota->reset_ns);
}

static void headers_give(struct fetch *f)
{
	struct curl_header *h = NULL;
	struct quota quota = QUOTA_NONE;
	if (!f->quota && !wanted(f, FACT_HEADER, NULL))
		return;
	while ((h = curl_easy_nextheader(f->easy, CURLH_HEADER, -1, h))) {
		size_t index = h->index;
		struct curl_header copy = *h;
		if (index == 0)
			header_give(f, &copy, &quota);
	}
	quota_give(f, &quota);
}

static void version_give(struct fetch *f)
{
	long version = 0;
	curl_easy_getinfo(f->easy, CURLINFO_HTTP_VERSION, &version);
	text(f, FACT_VERSION, version == CURL_HTTP_VERSION_1_0 ? "1.0" :
	                      version == CURL_HTTP_VERSION_1_1 ? "1.1" :
	                      version == CURL_HTTP_VERSION_2_0 ? "2" :
	                                                         NULL);
}

static void status_give(struct fetch *f)
{
	long status = 0;
	curl_off_t after = 0;

	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!status)
		return;
	host->fact_integer(f->probe, FACT_STATUS, NULL, status);
	host->fact_integer(f->probe, FACT_OVERLOAD, NULL, status == 429 || status == 503);
	if (curl_easy_getinfo(f->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
		host->fact_integer(f->probe, FACT_RETRY_AFTER, NULL,
		                   after > INT64_MAX / NS_PER_S ? INT64_MAX : after * NS_PER_S);
}

static void sizes_give(struct fetch *f)
{
	host->fact_integer(f->probe, FACT_BYTES_IN, NULL, (int64_t)(f->in + f->in_header));
	host->fact_integer(f->probe, FACT_BYTES_HEADER, NULL, (int64_t)f->in_header);
	host->fact_integer(f->probe, FACT_BYTES_OUT, NULL, (int64_t)f->out);
	host->fact_integer(f->probe, FACT_BODY_BYTES, NULL, (int64_t)f->body_bytes);
	host->fact_integer(f->probe, FACT_BODY_TRUNCATED, NULL, f->truncated);
}

static void address_give(struct fetch *f)
{
	char *ip = NULL;
	if (!wanted(f, FACT_IP, NULL) && !wanted(f, FACT_FAMILY, NULL))
		return;
	curl_easy_getinfo(f->easy, CURLINFO_PRIMARY_IP, &ip);
	if (!ip || !*ip)
		return;
	text(f, FACT_IP, ip);
	host->fact_integer(f->probe, FACT_FAMILY, NULL, strchr(ip, ':') ? 6 : 4);
}

void facts_answer(struct fetch *f)
{
	char url[2048];
	char *type = NULL;

	address_give(f);
	host->fact_integer(f->probe, FACT_REDIRECTS, NULL, f->redirects);
	if (wanted(f, FACT_URL, NULL))
		text(f, FACT_URL, url_clean(f->url, url, sizeof(url)));
	if (f->is_https)
		certs_peer_facts(&f->peer, host, f->probe, FACT_TLS_BASE);
	status_give(f);
	if (!f->in_header || f->too_long)
		return;
	version_give(f);
	headers_give(f);
	if (wanted(f, FACT_CONTENT_TYPE, NULL)) {
		curl_easy_getinfo(f->easy, CURLINFO_CONTENT_TYPE, &type);
		text(f, FACT_CONTENT_TYPE, type);
	}
	sizes_give(f);
}
