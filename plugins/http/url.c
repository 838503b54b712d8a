/* SPDX-License-Identifier: Apache-2.0 */
/* url.c - url.h. */
#include "url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Appends with what no URL may hold percent-encoded; up to three bytes for one. */
static char *encoded(char *to, const char *from, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)from[i];
		if (c > 0x20 && c < 0x7f) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '%';
		*to++ = digits[c >> 4];
		*to++ = digits[c & 15];
	}
	return to;
}

char *url_join(const char *base, const char *path)
{
	const char *colon = strstr(base, "://");
	if (!colon || colon == base)
		return NULL;
	const char *authority = colon + 3;
	size_t root = (size_t)(authority - base) + strcspn(authority, "/?#");
	/* libcurl would take what follows the third slash for the host */
	if (root == (size_t)(authority - base))
		return NULL;
	size_t path_end = root + strcspn(base + root, "?#");
	size_t end = path_end + strcspn(base + path_end, "#");
	size_t keep, len = strcspn(path, "#");

	if (!len) {
		keep = end;
	} else if (*path == '/') {
		keep = root;
	} else if (*path == '?') {
		keep = path_end;
	} else {
		keep = path_end;
		while (keep > root && base[keep - 1] != '/')
			keep--;
	}
	char *out = malloc(keep + 1 + 3 * len + 3 * keep + 1);
	if (!out)
		return NULL;
	memcpy(out, base, root);
	char *p = encoded(out + root, base + root, keep - root);
	if (keep == root && len && *path != '/')
		*p++ = '/';
	p = encoded(p, path, len);
	*p = '\0';
	return out;
}

bool url_redirects(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

const char *url_redirect_method(long status, const char *method, bool *keep_body)
{
	bool get = (status == 303 && strcmp(method, "HEAD") != 0) ||
	           ((status == 301 || status == 302) && !strcmp(method, "POST"));
	*keep_body = !get && status != 303;
	return get ? "GET" : method;
}
