/* SPDX-License-Identifier: Apache-2.0 */
/* robots.h - robots.txt as RFC 9309 has it, with Crawl-delay and Sitemap. Pure. */
#ifndef GENERATE_ROBOTS_H
#define GENERATE_ROBOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROBOTS_MAX_BYTES (500u << 10)

struct robots_rule {
	char *pattern; /* * stands for anything, $ at its end for the end */
	bool allow;
};

struct robots {
	struct robots_rule *rules;
	size_t n, cap;
	int64_t delay_ns;
	bool deny_all; /* whatever the rules say */
};

/* The rules for `agent`: of the groups that name it, or else of those for *. */
void robots_parse(struct robots *r, const char *text, size_t n, const char *agent);
/* May "/path?query" be asked for? The longest pattern that fits decides, Allow where two are as long. */
bool robots_allow(const struct robots *r, const char *path);
void robots_free(struct robots *r);

#endif
