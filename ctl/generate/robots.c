/* SPDX-License-Identifier: Apache-2.0 */
/* robots.c - see robots.h */
#include "robots.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#define RULES_MAX 20000
#define DELAY_MAX_S 3600.0

/* Both sides are compared so: unreserved characters plain, all others in upper-case hexadecimal where they were. */
static char *normal(const char *s)
{
	struct buf out = { 0 };
	for (const char *p = s; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (c == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
			char hex[3] = { p[1], p[2], 0 };
			unsigned char v = (unsigned char)strtoul(hex, NULL, 16);
			if (v < 0x80 && (isalnum(v) || (v && strchr("-._~", v))))
				buf_putc(&out, (char)v);
			else
				buf_printf(&out, "%%%02X", v);
			p += 2;
		} else if (c >= 0x80) {
			buf_printf(&out, "%%%02X", c);
		} else {
			buf_putc(&out, (char)c);
		}
	}
	return buf_cstr(&out);
}

/* The product token of a User-agent line is what it is compared by. */
static bool names_agent(const char *value, const char *agent)
{
	size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-");
	return n == strlen(agent) && !strncasecmp(value, agent, n);
}

struct reader {
	struct robots *r;
	const char *agent;
	bool any; /* looks for * */
	bool in_agents, in_group, found;
};

static void add_rule(struct robots *r, const char *pattern, bool allow)
{
	if (!*pattern || r->n >= RULES_MAX)
		return;
	xgrow(r->rules, r->n, r->cap);
	r->rules[r->n++] = (struct robots_rule){ .pattern = normal(pattern), .allow = allow };
}

static void read_agent(struct reader *s, const char *value)
{
	if (!s->in_agents)
		s->in_group = false;
	s->in_agents = true;
	if (s->any ? *value == '*' : names_agent(value, s->agent))
		s->in_group = s->found = true;
}

static void read_entry(struct reader *s, const char *key, const char *value)
{
	if (!strcasecmp(key, "user-agent")) {
		read_agent(s, value);
		return;
	}
	bool allow = !strcasecmp(key, "allow"), disallow = !strcasecmp(key, "disallow"),
	     delay = !strcasecmp(key, "crawl-delay");
	if (!allow && !disallow && !delay)
		return;
	s->in_agents = false;
	if (!s->in_group)
		return;
	if (delay) {
		double v = strtod(value, NULL);
		if (v > 0)
			s->r->delay_ns = (int64_t)((v < DELAY_MAX_S ? v : DELAY_MAX_S) * NS_PER_S);
	} else {
		add_rule(s->r, value, allow);
	}
}

static void read_line(struct reader *s, char *line)
{
	line[strcspn(line, "#")] = '\0';
	char *colon = strchr(line, ':');
	if (!colon)
		return;
	*colon = '\0';
	char *key = line + strspn(line, " \t"), *value = colon + 1 + strspn(colon + 1, " \t");
	key[strcspn(key, " \t")] = '\0';
	size_t n = strlen(value);
	while (n && strchr(" \t\r", value[n - 1]))
		value[--n] = '\0';
	read_entry(s, key, value);
}

static bool read_all(struct robots *r, const char *text, size_t n, const char *agent, bool any)
{
	struct reader s = { .r = r, .agent = agent, .any = any };
	const char *p = text, *end = text + n;
	if (n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
		p += 3;
	while (p < end) {
		size_t len = 0;
		while (p + len < end && p[len] != '\n' && p[len] != '\r')
			len++;
		CLEANUP_FREE char *line = xstrndup(p, len);
		read_line(&s, line);
		p += len + 1;
	}
	return s.found;
}

void robots_parse(struct robots *r, const char *text, size_t n, const char *agent)
{
	if (n > ROBOTS_MAX_BYTES)
		n = ROBOTS_MAX_BYTES;
	if (!read_all(r, text, n, agent, false))
		read_all(r, text, n, agent, true);
}

/* Without recursion: where the text stops to fit, the last * takes one more character. */
static bool fits(const char *pattern, const char *path)
{
	const char *star = NULL, *retry = NULL;
	for (;;) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = path;
		} else if (!*pattern) {
			return true;
		} else if (*pattern == '$' && !pattern[1] && !*path) {
			return true;
		} else if (*path && *pattern == *path) {
			pattern++;
			path++;
		} else if (star && *retry) {
			path = ++retry;
			pattern = star;
		} else {
			return false;
		}
	}
}

bool robots_allow(const struct robots *r, const char *path)
{
	if (!strcmp(path, "/robots.txt"))
		return true;
	if (r->deny_all)
		return false;
	CLEANUP_FREE char *text = normal(path);
	size_t longest = 0;
	bool allow = true;
	for (size_t i = 0; i < r->n; i++) {
		size_t n = strlen(r->rules[i].pattern);
		if (n < longest || (n == longest && !r->rules[i].allow) || !fits(r->rules[i].pattern, text))
			continue;
		longest = n;
		allow = r->rules[i].allow;
	}
	return allow;
}

void robots_free(struct robots *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->rules[i].pattern);
	free(r->rules);
	*r = (struct robots){ 0 };
}
