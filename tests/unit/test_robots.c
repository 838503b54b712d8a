/* SPDX-License-Identifier: Apache-2.0 */
/* test_robots.c - robots.txt as RFC 9309 has it: which group counts, which rule decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "generate/robots.h"

static bool allowed(const char *text, const char *path)
{
	struct robots r = { 0 };
	robots_parse(&r, text, strlen(text), "probed");
	bool yes = robots_allow(&r, path);
	robots_free(&r);
	return yes;
}

static void the_longest_pattern_decides(void **state)
{
	(void)state;
	static const struct {
		const char *rules, *path;
		bool allowed;
	} cases[] = {
		{ "", "/", true },
		{ "Disallow:", "/a", true },
		{ "Disallow: /", "/", false },
		{ "Disallow: /", "/robots.txt", true },
		{ "Disallow: /a", "/a", false },
		{ "Disallow: /a", "/abc?d", false },
		{ "Disallow: /a", "/b/a", true },
		{ "Disallow: /a/", "/a", true },
		{ "Disallow: /a\nAllow: /a/b", "/a/b/c", true },
		{ "Allow: /a/b\nDisallow: /a", "/a/c", false },
		{ "Disallow: /a\nAllow: /a", "/a", true },
		{ "Allow: /a\nDisallow: /a", "/a", true },
		{ "Allow: /\nDisallow: /*.gif$", "/x/y.gif", false },
		{ "Disallow: /*.gif$", "/y.gif?a", true },
		{ "Disallow: /*.gif", "/y.gif?a", false },
		{ "Disallow: /a*b*c", "/axxbyyczz", false },
		{ "Disallow: /a*b*c", "/axxcyyb", true },
		{ "Disallow: /a*$", "/abc", false },
		{ "Disallow: /$", "/", false },
		{ "Disallow: /$", "/a", true },
		{ "Disallow: *", "/a", false },
		{ "Disallow: /a$b", "/a$bc", false },
		{ "Disallow: /%7Ejoe", "/~joe", false },
		{ "Disallow: /~joe", "/%7ejoe/x", false },
		{ "Disallow: /a%2fb", "/a/b", true },
		{ "Disallow: /a%2fb", "/a%2Fb", false },
		{ "Disallow: /\xc3\xbc", "/%C3%BC", false },
		{ "disallow : /a # why", "/a", false },
		{ "  Disallow:\t/a  \r", "/a", false },
		{ "Disallow /a", "/a", true },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[300];
		snprintf(text, sizeof text, "User-agent: *\n%s\n", cases[i].rules);
		if (allowed(text, cases[i].path) != cases[i].allowed)
			fail_msg("%s: %s", cases[i].rules, cases[i].path);
	}
}

static void the_group_is_ours_or_everybodys(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool allowed; /* "/a" */
	} cases[] = {
		{ "User-agent: *\nDisallow: /a\n\nUser-agent: probed\nDisallow: /b\n", true },
		{ "User-agent: PROBED/1.0\nDisallow: /a\n", false },
		{ "User-agent: probed-more\nDisallow: /a\n", true },
		{ "User-agent: probe\nDisallow: /a\n", true },
		{ "User-agent: x\nUser-agent: probed\nDisallow: /a\n", false },
		{ "User-agent: probed\nUser-agent: x\nDisallow: /a\n", false },
		{ "User-agent: probed\nDisallow: /b\nUser-agent: x\nDisallow: /a\n", true },
		{ "User-agent: probed\nDisallow: /b\n\nUser-agent: x\nDisallow: /\n\nUser-agent: probed\nDisallow: "
		  "/a\n",
		  false },
		{ "User-agent: probed\nSitemap: /s\nUser-agent: x\nDisallow: /a\n", false },
		{ "User-agent: probed\n\nUser-agent: x\nDisallow: /a\n", false },
		{ "Disallow: /a\n", true },
		{ "\xef\xbb\xbfUser-agent: *\rDisallow: /a\r", false },
		{ "User-agent: probed\n", true },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (allowed(cases[i].text, "/a") != cases[i].allowed)
			fail_msg("%s", cases[i].text);
}

static void the_delay_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{ "User-agent: *\nCrawl-delay: 2", 2 * NS_PER_S },
		{ "User-agent: *\nCrawl-delay: 0.5", NS_PER_S / 2 },
		{ "User-agent: *\nCrawl-delay: -1", 0 },
		{ "User-agent: *\nCrawl-delay: x", 0 },
		{ "User-agent: *\nCrawl-delay: nan", 0 },
		{ "User-agent: *\nCrawl-delay: 1e300", 3600 * NS_PER_S },
		{ "User-agent: x\nCrawl-delay: 9\nUser-agent: *\nDisallow:", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct robots r = { 0 };
		robots_parse(&r, cases[i].text, strlen(cases[i].text), "probed");
		assert_int_equal(r.delay_ns, cases[i].ns);
		robots_free(&r);
	}
}

/* A pattern of nothing but stars would keep a naive matcher busy for ever. */
static void a_hostile_pattern_ends(void **state)
{
	(void)state;
	char text[2000] = "User-agent: *\nDisallow: /", path[2000] = "/";
	for (int i = 0; i < 400; i++)
		strcat(text, "*a");
	strcat(text, "b$");
	memset(path + 1, 'a', sizeof path - 2);
	assert_true(allowed(text, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_pattern_decides),
		cmocka_unit_test(the_group_is_ours_or_everybodys),
		cmocka_unit_test(the_delay_is_read),
		cmocka_unit_test(a_hostile_pattern_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
