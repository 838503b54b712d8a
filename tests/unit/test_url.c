/* SPDX-License-Identifier: Apache-2.0 */
/* test_url.c - URLs as targets: which options their parts fill, and what names they get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "config/url.h"
#include "sample.h"

static const struct scheme_decl web = { .scheme = "web", .whole = "url" };
static const struct scheme_decl webs = { .scheme = "webs", .whole = "url", .user = "user", .preset = "tls=yes;url=no" };
static const struct scheme_decl port = {
	.scheme = "port", .host = "host", .port = "port", .query_opts = 1, .preset = "port=99;tls"
};
static const struct scheme_decl name = { .scheme = "name", .authority = "server", .path = "name" };
static const struct scheme_decl full = { .scheme = "full",
					 .authority = "at",
					 .host = "host",
					 .port = "port",
					 .path = "path",
					 .user = "user",
					 .password = "password" };

static void parts_fill_options(void **state)
{
	(void)state;
	static const struct {
		const struct scheme_decl *scheme;
		const char *url, *filled; /* "!" and the error where it is refused */
	} cases[] = {
		{ &web, "web://h/a?b=c#d", "url=web://h/a?b=c#d " },
		{ &webs, "webs://u%40x:p@h/", "url=webs://u%40x:p@h/ user=u@x tls=yes " },
		{ &port, "port://h:1", "host=h port=1 tls=yes " },
		{ &port, "port://h", "host=h port=99 tls=yes " },
		{ &port, "port://[2001:db8::1]:5", "host=2001:db8::1 port=5 tls=yes " },
		{ &port, "port://[::1]", "host=::1 port=99 tls=yes " },
		{ &port, "port://h?tls=no&a.b=x%20y&flag&&=z", "host=h tls=no a.b=x y flag=yes port=99 " },
		{ &port, "port://h/", "host=h port=99 tls=yes " },
		{ &port, "port://h/x", "!a URL of port:// takes no path" },
		{ &port, "port://u@h", "!a URL of port:// takes no user" },
		{ &port, "port://h#f", "!a URL of port:// takes no fragment" },
		{ &name, "name://1.1.1.1:53/example.org", "server=1.1.1.1:53 name=example.org " },
		{ &name, "name://[::1]:53/a%2eb", "server=[::1]:53 name=a.b " },
		{ &name, "name:///example.org", "name=example.org " },
		{ &name, "name://h?x=y", "!a URL of name:// takes no query" },
		{ &full, "full://u:p%3a:q@h:1/p/q/", "at=h:1 host=h port=1 path=p/q/ user=u password=p::q " },
		{ &full, "full://u@:1", "at=:1 host= port=1 user=u " },
		{ &full, "nothing", "!expected a URL, such as full://host" },
		{ &full, "full:/h", "!expected a URL, such as full://host" },
		{ &full, "full://%zz%4@h%41", "at=h%41 host=h%41 user=%zz%4 " },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct kv *kvs;
		size_t n;
		char error[200];
		struct buf got = { 0 };
		if (url_to_options(cases[i].scheme, cases[i].url, &kvs, &n, error, sizeof error)) {
			buf_printf(&got, "!%s", error);
		} else {
			for (size_t k = 0; k < n; k++)
				buf_printf(&got, "%s=%s ", kvs[k].key, kvs[k].value);
			free(kvs);
		}
		assert_string_equal(buf_cstr(&got), cases[i].filled);
		buf_free(&got);
	}
}

static void a_scheme_is_what_stands_before_the_slashes(void **state)
{
	(void)state;
	char scheme[16];
	assert_int_equal(url_scheme("HTTPS://x", scheme, sizeof scheme), 0);
	assert_string_equal(scheme, "https");
	static const char *const none[] = { "", "x", "x:y", "://x", "1a://x", "a_b://x", "abcdefghijklmnopq://x" };
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_int_equal(url_scheme(none[i], scheme, sizeof scheme), -1);
}

static void a_name_has_no_password_and_no_odd_characters(void **state)
{
	(void)state;
	static const struct {
		const char *url, *name;
	} cases[] = {
		{ "https://example.org/", "https://example.org" },
		{ "https://example.org/a/?b=c&d#e", "https://example.org/a/?b=c&d" },
		{ "https://user:secret@example.org/a b", "https://example.org/a_b" },
		{ "tcp://[::1]:80", "tcp://::1:80" },
		{ "x://user:secret@", "x://" },
		{ "no url", "no_url" },
		{ "", "_" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char got[100];
		url_to_name(cases[i].url, got, sizeof got);
		assert_string_equal(got, cases[i].name);
	}
	char got[10];
	url_to_name("https://example.org/", got, sizeof got);
	assert_string_equal(got, "https://e");
}

static void urls_become_a_model(void **state)
{
	(void)state;
	static const char *const urls[] = { "web://h/$${x}?a=' ; b",     "port://h:1", "port://h:1", "ports://u:p@h",
					    "name://1.1.1.1/x?type=TXT", "port://h:1" };
	struct errs errs = { 0 };
	struct registry *r = sample_registry();
	const char *usable[] = { urls[1], urls[2], urls[3], urls[4], urls[5] };
	struct model *m = model_from_urls(r, usable, ARRAY_LEN(usable), "7s", &errs);
	assert_int_equal(errs.errors, 0);
	assert_int_equal(m->n_targets, 5);
	assert_non_null(model_target(m, "port://h:1"));
	assert_non_null(model_target(m, "port://h:1-2"));
	assert_non_null(model_target(m, "port://h:1-3"));
	assert_int_equal(model_target(m, "ports://h")->interval_ns, 7 * NS_PER_S);
	assert_string_equal(model_target(m, "name://1.1.1.1/x?type=TXT")->driver->name, "name");
	model_unref(m);
	/* a blank is not for URLs: refused, with the text as it was given */
	assert_null(model_from_urls(r, urls, 1, NULL, &errs));
	assert_int_equal(errs.errors, 1);
	assert_non_null(strstr(errs.list[0].text, "not \"web://h/$${x}?a=' ; b\""));
	errs_free(&errs);
	registry_unref(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_fill_options),
		cmocka_unit_test(a_scheme_is_what_stands_before_the_slashes),
		cmocka_unit_test(a_name_has_no_password_and_no_odd_characters),
		cmocka_unit_test(urls_become_a_model),
	};
	return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
