/* SPDX-License-Identifier: Apache-2.0 */
/* server.c - where a query goes: the `server` option as text, and the machine's own resolver. */
#include "dns.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DNS_PORT = 53 };

static int parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || !n || n > 65535)
		return -1;
	*port = (uint16_t)n;
	return 0;
}

/* An address as text, IPv6 with or without %interface. */
static int parse_literal(const char *text, struct probed_addr *addr)
{
	char plain[INET6_ADDRSTRLEN];
	const char *scope = strchr(text, '%');
	size_t len = scope ? (size_t)(scope - text) : strlen(text);
	memset(addr, 0, sizeof *addr);
	if (len >= sizeof plain)
		return 0;
	memcpy(plain, text, len);
	plain[len] = '\0';
	if (!scope && inet_pton(AF_INET, plain, addr->bytes) == 1) {
		addr->family = 4;
		return 1;
	}
	if (inet_pton(AF_INET6, plain, addr->bytes) != 1)
		return 0;
	addr->family = 6;
	if (scope)
		addr->scope_id = if_nametoindex(scope + 1) ? if_nametoindex(scope + 1) :
							     (uint32_t)strtoul(scope + 1, NULL, 10);
	return 1;
}

/* Cuts the port off `host`; NULL, or what is wrong. */
static const char *split(char *host, const char **port)
{
	char *colon = strchr(host, ':');
	*port = NULL;
	if (*host == '[') {
		char *end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return "expected [address] or [address]:port";
		*port = end[1] ? end + 2 : NULL;
		*end = '\0';
		memmove(host, host + 1, (size_t)(end - host));
	} else if (colon && !strchr(colon + 1, ':')) {
		*colon = '\0';
		*port = colon + 1;
	}
	return *host ? NULL : "the host is missing";
}

int server_parse(const char *text, struct dns_server *s, char *error, size_t size)
{
	char host[sizeof s->host + 8];
	const char *port = NULL, *wrong = "too long";
	memset(s, 0, sizeof *s);
	s->port = DNS_PORT;
	if (strlen(text) < sizeof s->host) {
		strcpy(host, text);
		wrong = split(host, &port);
	}
	if (!wrong && port && parse_port(port, &s->port))
		wrong = "the port is not a number from 1 to 65535";
	if (wrong) {
		snprintf(error, size, "server: \"%.200s\": %s (host, host:port or [v6]:port)", text, wrong);
		return -1;
	}
	memcpy(s->host, host, strlen(host) + 1);
	s->literal = parse_literal(host, &s->addr);
	return 0;
}

void server_of_machine(const char *path, struct dns_server *s)
{
	char line[512], word[256], error[8];
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, " nameserver %255s", word) != 1)
			continue;
		struct dns_server found = { .port = DNS_PORT };
		if (!parse_literal(word, &found.addr))
			continue;
		found.literal = 1;
		memcpy(found.host, word, sizeof word);
		*s = found;
		fclose(f);
		return;
	}
	if (f)
		fclose(f);
	server_parse("127.0.0.1", s, error, sizeof error);
}
