/* SPDX-License-Identifier: Apache-2.0 */
/* link.c - see link.h */
#include "link.h"

#include <ctype.h>
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"

/* What may stand in a path or query as it is; % begins what is encoded already. */
static char *encoded(const char *s, const char *extra)
{
	struct buf out = { 0 };
	for (const char *p = s; *p; p++) {
		unsigned char c = (unsigned char)*p;
		bool hex = c == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2]);
		if (hex || (c < 0x80 && (isalnum(c) || strchr("-._~!$&'()*+,;=:@/", c) || strchr(extra, c))))
			buf_putc(&out, (char)c);
		else
			buf_printf(&out, "%%%02X", c);
	}
	return buf_cstr(&out);
}

static char *part(CURLU *u, CURLUPart which, unsigned flags)
{
	char *text = NULL, *own;
	if (curl_url_get(u, which, &text, flags))
		return NULL;
	own = xstrdup(text);
	curl_free(text);
	return own;
}

static bool known_scheme(const char *scheme)
{
	return scheme && (!strcasecmp(scheme, "http") || !strcasecmp(scheme, "https"));
}

static bool host_sound(const char *host)
{
	for (const char *p = host; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("\"'<>{}$;#\\`|^", *p))
			return false;
	return *host != '\0';
}

static void take(struct link *l, CURLU *u)
{
	l->scheme = part(u, CURLUPART_SCHEME, 0);
	l->user = part(u, CURLUPART_USER, CURLU_URLDECODE);
	l->password = part(u, CURLUPART_PASSWORD, CURLU_URLDECODE);
	l->host = part(u, CURLUPART_HOST, 0);
	l->port = part(u, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
	CLEANUP_FREE char *path = part(u, CURLUPART_PATH, 0);
	CLEANUP_FREE char *query = part(u, CURLUPART_QUERY, 0);
	l->path = encoded(path && *path ? path : "/", "");
	l->query = query ? encoded(query, "?") : NULL;
}

int link_parse(struct link *l, const char *text, const char *base)
{
	*l = (struct link){ 0 };
	if (strlen(text) > LINK_MAX_BYTES || (base && strlen(base) > LINK_MAX_BYTES))
		return -1;
	/* the document itself, which libcurl takes for its folder */
	if (base && (!*text || *text == '#')) {
		text = base;
		base = NULL;
	}
	CURLU *u = curl_url();
	if (!u)
		panic("out of memory");
	int rc = -1;
	if (base && curl_url_set(u, CURLUPART_URL, base, CURLU_URLENCODE))
		goto out;
	if (curl_url_set(u, CURLUPART_URL, text, CURLU_URLENCODE))
		goto out;
	take(l, u);
	if (known_scheme(l->scheme) && l->host && host_sound(l->host)) {
		for (char *p = l->host; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		rc = 0;
	}
out:
	curl_url_cleanup(u);
	if (rc)
		link_free(l);
	return rc;
}

void link_free(struct link *l)
{
	free(l->scheme);
	free(l->user);
	free(l->password);
	free(l->host);
	free(l->port);
	free(l->path);
	free(l->query);
	*l = (struct link){ 0 };
}

char *link_origin(const struct link *l)
{
	return xasprintf("%s://%s%s%s", l->scheme, l->host, l->port ? ":" : "", l->port ? l->port : "");
}

char *link_text(const struct link *l)
{
	CLEANUP_FREE char *origin = link_origin(l);
	return xasprintf("%s%s%s%s", origin, l->path, l->query ? "?" : "", l->query ? l->query : "");
}

bool link_same_host(const struct link *a, const struct link *b)
{
	if (strcmp(a->host, b->host) != 0)
		return false;
	return (!a->port && !b->port) || (a->port && b->port && !strcmp(a->port, b->port));
}

char *link_encode(const char *s, size_t n)
{
	struct buf out = { 0 };
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c && c < 0x80 && (isalnum(c) || strchr("-._~", c)))
			buf_putc(&out, (char)c);
		else
			buf_printf(&out, "%%%02X", c);
	}
	return buf_cstr(&out);
}
