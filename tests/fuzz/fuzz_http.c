/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_http.c - the http driver's URLs: the first line is a base, the second a path; a join never leaves the base's host.
 * Then its quotas: the first line is a header's name, the second its value. */
#include <curl/curl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/quota.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* scheme, user, host and port as libcurl will see them; NULL where it refuses the URL. */
static char *place_of(const char *url)
{
	static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_USER, CURLUPART_HOST, CURLUPART_PORT };
	CURLU *u = curl_url();
	char *out = NULL;

	if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
		out = calloc(1, 4 * strlen(url) + 32);
		for (size_t i = 0; i < 4; i++) {
			char *part = NULL;
			if (curl_url_get(u, parts[i], &part, CURLU_DEFAULT_PORT) == CURLUE_OK)
				strcat(strcat(out, " "), part);
			curl_free(part);
		}
	}
	curl_url_cleanup(u);
	return out;
}

static void join(const char *base, const char *path)
{
	char *joined = url_join(base, path);
	if (!joined)
		return;
	const char *authority = strstr(base, "://") + 3;
	for (const char *p = joined + (authority - base) + strcspn(authority, "/?#"); *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
			abort();
	char *from = place_of(base), *to = place_of(joined);
	if (from && to && strcmp(from, to) != 0)
		abort();
	free(from);
	free(to);
	free(joined);
}

static void redirect(long status, const char *method)
{
	bool keep = false;
	const char *next = url_redirect_method(status, method, &keep);
	if (next != method && strcmp(next, "GET") != 0)
		abort();
	if (next != method && keep)
		abort();
	if ((status == 307 || status == 308) && (next != method || !keep))
		abort();
}

static void quota(const char *name, const char *value)
{
	struct quota q = QUOTA_NONE;
	quota_header(&q, name, value, INT64_C(1769850307000000000));
	if (q.left < -1 || q.reset_ns < -1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	char *path = strchr(text, '\n');
	if (path)
		*path++ = '\0';
	join(text, path ? path : "");
	quota(text, path ? path : "");
	redirect(size ? 300 + data[0] % 10 : 302, path ? path : "POST");
	free(text);
	return 0;
}
