/* SPDX-License-Identifier: Apache-2.0 */
/* url.h - a ws:// or wss:// URL, taken apart. Pure. */
#ifndef WS_URL_H
#define WS_URL_H

#include <stddef.h>
#include <stdint.h>

/* What libwebsockets holds of a request line and of a Host header. */
enum { URL_PATH_MAX = 2000, URL_HOST_MAX = 100 };

struct ws_url {
	int tls;
	uint16_t port;
	char host[URL_HOST_MAX + 1];      /* without brackets */
	char authority[URL_HOST_MAX + 12]; /* for the Host header: with brackets, and the port unless it is the default */
	char path[URL_PATH_MAX + 1];      /* with the query, from the slash on */
};

/* 0, or -1 with a line in `error`. */
int url_parse(const char *text, struct ws_url *url, char *error, size_t size);

#endif
