/* SPDX-License-Identifier: Apache-2.0 */
/* url.c - a ws:// or wss:// URL, taken apart. */
#include "url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int parse_port(const char *text, const char *end, uint16_t *port)
{
	unsigned long n = 0;
	if (text == end || end - text > 5)
		return -1;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = n * 10 + (unsigned long)(*text - '0');
	}
	*port = (uint16_t)n;
	return n && n <= 65535 ? 0 : -1;
}

/* NULL, or what is wrong. */
static const char *parse_authority(const char *at, const char *end, struct ws_url *url)
{
	const char *host = at, *host_end, *port;
	uint16_t implied = url->tls ? 443 : 80;
	if (memchr(at, '@', (size_t)(end - at)))
		return "a user belongs into header.Authorization, not into the URL";
	if (at < end && *at == '[') {
		host = at + 1;
		host_end = memchr(at, ']', (size_t)(end - at));
		if (!host_end)
			return "] is missing";
		port = host_end + 1;
	} else {
		host_end = memchr(at, ':', (size_t)(end - at));
		host_end = host_end ? host_end : end;
		port = host_end;
	}
	size_t len = (size_t)(host_end - host);
	if (!len || len > URL_HOST_MAX)
		return len ? "the host is longer than 100 characters" : "the host is missing";
	url->port = implied;
	if (port < end && (*port != ':' || parse_port(port + 1, end, &url->port)))
		return "the port is not a number from 1 to 65535";
	memcpy(url->host, host, len);
	url->host[len] = '\0';
	int brackets = host != at;
	size_t n = (size_t)snprintf(url->authority, sizeof url->authority, brackets ? "[%s]" : "%s", url->host);
	if (url->port != implied)
		snprintf(url->authority + n, sizeof url->authority - n, ":%u", url->port);
	return NULL;
}

static const char *parse(const char *text, struct ws_url *url)
{
	memset(url, 0, sizeof *url);
	url->tls = !strncasecmp(text, "wss://", 6);
	if (!url->tls && strncasecmp(text, "ws://", 5))
		return "expected ws://host[:port][/path] or wss://...";
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return "blanks and control characters must be written as %20 and the like";
	if (strchr(text, '#'))
		return "a WebSocket URL has no #fragment";
	const char *authority = text + (url->tls ? 6 : 5);
	const char *end = authority + strcspn(authority, "/?");
	if (strlen(end) >= URL_PATH_MAX)
		return "the path is longer than 2000 characters";
	snprintf(url->path, sizeof url->path, "%s%s", *end == '/' ? "" : "/", end);
	return parse_authority(authority, end, url);
}

int url_parse(const char *text, struct ws_url *url, char *error, size_t size)
{
	const char *wrong = parse(text, url);
	if (!wrong)
		return 0;
	snprintf(error, size, "url: \"%.120s\": %s", text, wrong);
	return -1;
}
