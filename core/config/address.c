/* SPDX-License-Identifier: Apache-2.0 */
/* address.c - see address.h */
#include "config/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool is_port(const char *s, size_t n)
{
	unsigned v = 0;
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
		v = v * 10 + (unsigned)(s[i] - '0');
	}
	return n >= 1 && n <= 5 && v <= 65535;
}

static bool is_ipv6(const char *s, size_t n)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr a;
	const char *scope = memchr(s, '%', n);
	if (scope) {
		if (scope + 1 == s + n)
			return false;
		n = (size_t)(scope - s);
	}
	if (n >= sizeof text)
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	return inet_pton(AF_INET6, text, &a) == 1;
}

/* A name of DNS (underscores are seen in the wild), or an IPv4 address. */
static bool is_name(const char *s, size_t n)
{
	size_t label = 0;
	bool numeric = true;
	if (!n || n > 254)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '.') {
			if (!label)
				return false;
			label = 0;
			continue;
		}
		if (!isalnum(c) && c != '-' && c != '_')
			return false;
		numeric = numeric && isdigit(c);
		if (++label > 63)
			return false;
	}
	char text[INET_ADDRSTRLEN];
	struct in_addr a;
	if (!numeric)
		return true;
	snprintf(text, sizeof text, "%.*s", (int)n, s);
	return n < sizeof text && inet_pton(AF_INET, text, &a) == 1;
}

bool address_valid(const char *s, size_t n)
{
	if (n && *s == '[') {
		const char *end = memchr(s, ']', n);
		if (!end || !is_ipv6(s + 1, (size_t)(end - s - 1)))
			return false;
		size_t rest = n - (size_t)(end + 1 - s);
		return !rest || (end[1] == ':' && is_port(end + 2, rest - 1));
	}
	const char *colon = memchr(s, ':', n);
	if (colon && memchr(colon + 1, ':', n - (size_t)(colon + 1 - s)))
		return is_ipv6(s, n);
	if (colon)
		return is_name(s, (size_t)(colon - s)) && is_port(colon + 1, n - (size_t)(colon + 1 - s));
	return is_name(s, n);
}

bool url_valid(const char *s)
{
	const char *p = s;
	if (!isalpha((unsigned char)*p))
		return false;
	while (isalnum((unsigned char)*p) || *p == '+' || *p == '-' || *p == '.')
		p++;
	if (strncmp(p, "://", 3) != 0)
		return false;
	p += 3;
	for (const char *q = p; *q; q++)
		if ((unsigned char)*q <= ' ' || *q == 0x7f)
			return false;
	size_t n = strcspn(p, "/?#");
	for (const char *at = memchr(p, '@', n); at; at = memchr(p, '@', n)) {
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	return address_valid(p, n);
}
