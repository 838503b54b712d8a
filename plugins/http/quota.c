/* SPDX-License-Identifier: Apache-2.0 */
/* quota.c - see quota.h */
#include "http/quota.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)
#define MOMENT_S INT64_C(1000000000)     /* of 2001: no quota lasts for thirty years */
#define MOMENT_MS INT64_C(1000000000000) /* the same in milliseconds */
#define YEAR_S (INT64_C(366) * 86400)

/* A number, the part after its point left out; -1: there is none. */
static int64_t number(const char *s)
{
	int64_t v = 0;
	if (!isdigit((unsigned char)*s))
		return -1;
	for (; isdigit((unsigned char)*s); s++)
		if (v < INT64_C(1000000000000000))
			v = v * 10 + (*s - '0');
	return v;
}

static int64_t reset_of(const char *s, int64_t wall_ns)
{
	int64_t v = number(s);
	if (v >= MOMENT_MS)
		v = v / 1000;
	if (v >= MOMENT_S)
		v = v > wall_ns / NS_PER_S ? v - wall_ns / NS_PER_S : 0;
	return v < 0 ? -1 : (v < YEAR_S ? v : YEAR_S) * NS_PER_S;
}

/* Several policies: the one that leaves the least is the one that will be met. */
static void tightest(struct quota *q, const struct quota *of)
{
	if (of->left >= 0 && (q->left < 0 || of->left < q->left || (of->left == q->left && of->reset_ns > q->reset_ns)))
		*q = *of;
}

static bool begins(const char *p, size_t len, const char *word)
{
	size_t n = strlen(word);
	return len > n && !strncmp(p, word, n);
}

/* `limit=100, remaining=50, reset=30` or `"a";r=50;t=30, "b";r=7;t=3600`: what has a name of its own begins a policy. */
static void policies(struct quota *q, const char *p, int64_t wall_ns)
{
	struct quota now = QUOTA_NONE;
	while (*p) {
		size_t len = 0;
		bool quoted = false;
		p += strspn(p, " \t,;");
		for (; p[len] && (quoted || !strchr(",;", p[len])); len++)
			quoted ^= p[len] == '"';
		if (begins(p, len, "r="))
			now.left = number(p + 2);
		else if (begins(p, len, "remaining="))
			now.left = number(p + 10);
		else if (begins(p, len, "t="))
			now.reset_ns = reset_of(p + 2, wall_ns);
		else if (begins(p, len, "reset="))
			now.reset_ns = reset_of(p + 6, wall_ns);
		else if (!memchr(p, '=', len) || *p == '"') {
			tightest(q, &now);
			now = QUOTA_NONE;
		}
		p += len;
	}
	tightest(q, &now);
}

void quota_header(struct quota *q, const char *name, const char *value, int64_t wall_ns)
{
	if (!strncmp(name, "x-", 2))
		name += 2;
	bool dashed = !strncmp(name, "rate-limit", 10);
	if (!dashed && strncmp(name, "ratelimit", 9) != 0)
		return;
	name += dashed ? 10 : 9;
	if (!*name)
		policies(q, value, wall_ns);
	else if (!strcmp(name, "-remaining") && number(value) >= 0)
		q->left = number(value);
	else if (!strcmp(name, "-reset") && number(value) >= 0)
		q->reset_ns = reset_of(value, wall_ns);
}
