/* SPDX-License-Identifier: Apache-2.0 */
/* test_option.c - texts to typed values: what is taken, what is refused and how that is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "config/option.h"

#define S 1000000000

static struct option_decl of_type[] = {
	[PROBED_TYPE_STRING] = { .name = "o", .type = PROBED_TYPE_STRING },
	[PROBED_TYPE_INTEGER] = { .name = "o", .type = PROBED_TYPE_INTEGER, .min = 1, .max = 65535 },
	[PROBED_TYPE_FLOAT] = { .name = "o", .type = PROBED_TYPE_FLOAT, .min = -1, .max = 1 },
	[PROBED_TYPE_BOOLEAN] = { .name = "o", .type = PROBED_TYPE_BOOLEAN },
	[PROBED_TYPE_DURATION] = { .name = "o", .type = PROBED_TYPE_DURATION, .min = 1000000, .max = 60ll * S },
	[PROBED_TYPE_SIZE] = { .name = "o", .type = PROBED_TYPE_SIZE, .min = 1 },
	[PROBED_TYPE_CHOICE] = { .name = "o", .type = PROBED_TYPE_CHOICE, .choices = "any|4|6" },
	[PROBED_TYPE_ADDRESS] = { .name = "o", .type = PROBED_TYPE_ADDRESS },
	[PROBED_TYPE_URL] = { .name = "o", .type = PROBED_TYPE_URL },
	[PROBED_TYPE_SECRET] = { .name = "o", .type = PROBED_TYPE_SECRET },
	[PROBED_TYPE_LIST] = { .name = "o", .type = PROBED_TYPE_LIST },
	[PROBED_TYPE_MAP] = { .name = "o", .type = PROBED_TYPE_MAP },
	[PROBED_TYPE_TIME] = { .name = "o", .type = PROBED_TYPE_TIME },
};

struct good {
	uint32_t type;
	const char *text;
	int64_t i;
	double f;
};

static void good_texts_become_values(void **state)
{
	(void)state;
	static const struct good cases[] = {
		{ PROBED_TYPE_STRING, "", 0, 0 },
		{ PROBED_TYPE_INTEGER, "1", 1, 0 },
		{ PROBED_TYPE_INTEGER, "65535", 65535, 0 },
		{ PROBED_TYPE_FLOAT, "-0.25", 0, -0.25 },
		{ PROBED_TYPE_FLOAT, "1", 0, 1 },
		{ PROBED_TYPE_BOOLEAN, "Yes", 1, 0 },
		{ PROBED_TYPE_BOOLEAN, "off", 0, 0 },
		{ PROBED_TYPE_DURATION, "250ms", 250000000, 0 },
		{ PROBED_TYPE_DURATION, "1m", 60ll * S, 0 },
		{ PROBED_TYPE_SIZE, "64KiB", 65536, 0 },
		{ PROBED_TYPE_SIZE, "1MB", 1000000, 0 },
		{ PROBED_TYPE_CHOICE, "any", 0, 0 },
		{ PROBED_TYPE_CHOICE, "6", 2, 0 },
		{ PROBED_TYPE_ADDRESS, "example.org", 0, 0 },
		{ PROBED_TYPE_ADDRESS, "example.org.:53", 0, 0 },
		{ PROBED_TYPE_ADDRESS, "_srv.a-b.example", 0, 0 },
		{ PROBED_TYPE_ADDRESS, "192.0.2.1:0", 0, 0 },
		{ PROBED_TYPE_ADDRESS, "2001:db8::1", 0, 0 },
		{ PROBED_TYPE_ADDRESS, "[2001:db8::1]:443", 0, 0 },
		{ PROBED_TYPE_ADDRESS, "fe80::1%eth0", 0, 0 },
		{ PROBED_TYPE_URL, "https://example.org", 0, 0 },
		{ PROBED_TYPE_URL, "web+x://u:p@[::1]:80/a?b#c", 0, 0 },
		{ PROBED_TYPE_SECRET, "", 0, 0 },
	};
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		char error[600] = "";
		struct probed_value v;
		int rc = option_parse(&of_type[cases[k].type], cases[k].text, &v, error, sizeof error);
		if (rc)
			fail_msg("%s: %s", cases[k].text, error);
		assert_int_equal(v.type, cases[k].type);
		assert_int_equal(v.i, cases[k].i);
		assert_true(v.f == cases[k].f);
		assert_string_equal(v.s, cases[k].text);
		assert_int_equal(v.len, strlen(cases[k].text));
		assert_int_equal(v.flags, 0);
	}
}

static void bad_texts_are_refused_with_what_was_expected(void **state)
{
	(void)state;
	static const struct {
		uint32_t type;
		const char *text, *error;
	} cases[] = {
		{ PROBED_TYPE_INTEGER, "ten", "expected a whole number, not \"ten\"" },
		{ PROBED_TYPE_INTEGER, "1.5", "expected a whole number, not \"1.5\"" },
		{ PROBED_TYPE_INTEGER, "0", "expected 1 to 65535, not \"0\"" },
		{ PROBED_TYPE_INTEGER, "65536", "expected 1 to 65535, not \"65536\"" },
		{ PROBED_TYPE_FLOAT, "1e3", "expected a number, such as 0.5, not \"1e3\"" },
		{ PROBED_TYPE_FLOAT, "1.01", "expected -1 to 1, not \"1.01\"" },
		{ PROBED_TYPE_BOOLEAN, "maybe", "expected yes or no, not \"maybe\"" },
		{ PROBED_TYPE_DURATION, "5", "expected a duration with its unit, such as 500ms or 5s, not \"5\"" },
		{ PROBED_TYPE_DURATION, "", "expected a duration with its unit, such as 500ms or 5s, not \"\"" },
		{ PROBED_TYPE_DURATION, "0", "expected 1 ms to 60 s, not \"0\"" },
		{ PROBED_TYPE_SIZE, "64", "expected a size with its unit, such as 64KiB or 1MB, not \"64\"" },
		{ PROBED_TYPE_SIZE, "0B", "expected at least 1 B, not \"0B\"" },
		{ PROBED_TYPE_CHOICE, "an", "expected one of any, 4, 6, not \"an\"" },
		{ PROBED_TYPE_CHOICE, "", "expected one of any, 4, 6, not \"\"" },
		{ PROBED_TYPE_ADDRESS, "a b",
		  "expected a host name or an address, with or without :port, not \"a b\"" },
		{ PROBED_TYPE_ADDRESS, "", "expected a host name or an address, with or without :port, not \"\"" },
		{ PROBED_TYPE_ADDRESS, "256.1.1.1",
		  "expected a host name or an address, with or without :port, not \"256.1.1.1\"" },
		{ PROBED_TYPE_ADDRESS, "a..b",
		  "expected a host name or an address, with or without :port, not \"a..b\"" },
		{ PROBED_TYPE_ADDRESS, "a:65536",
		  "expected a host name or an address, with or without :port, not \"a:65536\"" },
		{ PROBED_TYPE_ADDRESS, "[::1",
		  "expected a host name or an address, with or without :port, not \"[::1\"" },
		{ PROBED_TYPE_ADDRESS, "::g",
		  "expected a host name or an address, with or without :port, not \"::g\"" },
		{ PROBED_TYPE_URL, "example.org",
		  "expected a URL with its scheme and host, such as https://example.org/, not \"example.org\"" },
		{ PROBED_TYPE_URL, "http:///x",
		  "expected a URL with its scheme and host, such as https://example.org/, not \"http:///x\"" },
		{ PROBED_TYPE_URL, "http://a b/",
		  "expected a URL with its scheme and host, such as https://example.org/, not \"http://a b/\"" },
		{ PROBED_TYPE_URL, "http://u:pw@/",
		  "expected a URL with its scheme and host, such as https://example.org/" },
		{ PROBED_TYPE_TIME, "now", "has a type that no option can have (13): a fault of the plugin" },
	};
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		char error[600] = "";
		assert_int_equal(option_parse(&of_type[cases[k].type], cases[k].text, NULL, error, sizeof error), -1);
		assert_string_equal(error, cases[k].error);
	}
}

static void a_secret_is_not_repeated_in_an_error(void **state)
{
	(void)state;
	struct option_decl d = { .name = "pin", .type = PROBED_TYPE_INTEGER, .flags = PROBED_OPTION_SECRET };
	char error[200];
	assert_int_equal(option_parse(&d, "hunter2", NULL, error, sizeof error), -1);
	assert_string_equal(error, "expected a whole number");
}

static void a_long_text_is_cut_in_an_error(void **state)
{
	(void)state;
	char text[300], error[600];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(option_parse(&of_type[PROBED_TYPE_INTEGER], text, NULL, error, sizeof error), -1);
	assert_true(strlen(error) < 120);
	assert_non_null(strstr(error, "..."));
}

static void a_template_is_not_checked_as_its_type(void **state)
{
	(void)state;
	struct option_decl d = { .name = "n", .type = PROBED_TYPE_INTEGER, .flags = PROBED_OPTION_TEMPLATE };
	struct probed_value v;
	char error[200];
	assert_int_equal(option_parse(&d, "{{seq}}", &v, error, sizeof error), 0);
	assert_int_equal(v.flags, PROBED_VALUE_TEMPLATE);
	assert_string_equal(v.s, "{{seq}}");
	d.flags = 0;
	assert_int_equal(option_parse(&d, "{{seq}}", &v, error, sizeof error), -1);
}

static struct option_decl table[] = {
	{ .name = "url", .type = PROBED_TYPE_URL, .flags = PROBED_OPTION_REQUIRED, .help = "what to fetch" },
	{ .name = "header", .type = PROBED_TYPE_MAP, .max = 2 },
	{ .name = "dialogue", .type = PROBED_TYPE_LIST, .min = 2, .max = 12 },
	{ .name = "tls.ca", .type = PROBED_TYPE_STRING },
	{ .name = "retries", .type = PROBED_TYPE_INTEGER, .def = "3" },
	{ .name = "mode", .type = PROBED_TYPE_CHOICE, .choices = "slow|fast", .def = "fast" },
};
static const struct option_set set = { .list = table, .n = ARRAY_LEN(table) };

static void a_key_finds_its_declaration(void **state)
{
	(void)state;
	uint32_t i;
	const char *item;
	assert_ptr_equal(option_for_key(&set, "url", &i, &item), &table[0]);
	assert_null(item);
	assert_ptr_equal(option_for_key(&set, "header.X-Y.z", &i, &item), &table[1]);
	assert_string_equal(item, "X-Y.z");
	assert_int_equal(i, 1);
	assert_ptr_equal(option_for_key(&set, "header", &i, &item), &table[1]);
	assert_null(item);
	assert_ptr_equal(option_for_key(&set, "tls.ca", &i, &item), &table[3]);
	assert_null(option_for_key(&set, "header.", &i, &item));
	assert_null(option_for_key(&set, "url.x", &i, &item));
	assert_null(option_for_key(&set, "headers", &i, &item));
	assert_null(option_for_key(&set, "tls", &i, &item));
	assert_null(option_for_key(&set, "", &i, &item));
}

struct checking {
	struct kv kvs[8];
	const char *errors;
};

static void check(const struct checking *c)
{
	static const char *const known[] = { "interval", "timeout" };
	struct errs errs = { 0 };
	size_t n = 0;
	char *text = NULL;
	size_t size = 0;
	while (n < 8 && c->kvs[n].key)
		n++;
	size_t bad = options_check(&set, c->kvs, n, (struct place){ "a.ini", 1 }, "target x", known, 2, &errs);
	FILE *f = open_memstream(&text, &size);
	errs_print(&errs, f);
	fclose(f);
	assert_string_equal(text, c->errors);
	assert_int_equal(bad, errs.errors);
	free(text);
	errs_free(&errs);
}

#define AT(n)                                                                                                          \
	{                                                                                                              \
		"a.ini", n                                                                                             \
	}
#define URL                                                                                                            \
	{                                                                                                              \
		"url", "http://a/", AT(2)                                                                              \
	}

static void all_errors_of_a_section_are_told(void **state)
{
	(void)state;
	static const struct checking cases[] = {
		{ { URL, { "header.A", "1", AT(3) }, { "retries", "4", AT(4) } }, "" },
		{ { { NULL, NULL, AT(0) } }, "a.ini:1: [target x] url: is required, and missing (what to fetch)\n" },
		{ { URL, { "retires", "1", AT(3) }, { "mode", "slwo", AT(4) } },
		  "a.ini:3: [target x] retires: unknown option (did you mean \"retries\"?)\n"
		  "a.ini:4: [target x] mode: expected one of slow, fast, not \"slwo\"\n" },
		{ { URL, { "intervall", "1s", AT(3) } },
		  "a.ini:3: [target x] intervall: unknown option (did you mean \"interval\"?)\n" },
		{ { URL, { "Retries", "1", AT(3) } },
		  "a.ini:3: [target x] Retries: unknown option (did you mean \"retries\"?)\n" },
		{ { URL, { "headers.Accept", "x", AT(3) } },
		  "a.ini:3: [target x] headers.Accept: unknown option (did you mean \"header.Accept\"?)\n" },
		{ { URL, { "quux", "x", AT(3) } }, "a.ini:3: [target x] quux: unknown option\n" },
		{ { URL, { "header", "x", AT(3) } },
		  "a.ini:3: [target x] header: holds named values: write header.NAME\n" },
		{ { URL, { "dialogue", "x", AT(3) } },
		  "a.ini:3: [target x] dialogue: is an ordered list: write dialogue.1, dialogue.2, ...\n" },
		{ { URL, { "dialogue.1", "a", AT(3) }, { "dialogue.two", "b", AT(4) }, { "dialogue.2", "b", AT(5) } },
		  "a.ini:4: [target x] dialogue.two: expected a number after \"dialogue.\", counted from 1\n" },
		{ { URL, { "dialogue.0", "a", AT(3) }, { "dialogue.01", "b", AT(4) } },
		  "a.ini:3: [target x] dialogue.0: expected a number after \"dialogue.\", counted from 1\n"
		  "a.ini:4: [target x] dialogue.01: expected a number after \"dialogue.\", counted from 1\n" },
		{ { URL, { "dialogue.4", "d", AT(3) }, { "dialogue.1", "a", AT(4) }, { "dialogue.2", "b", AT(5) } },
		  "a.ini:3: [target x] dialogue.4: the list has a gap: of dialogue.1 to dialogue.4 only 3 are "
		  "there\n" },
		{ { URL, { "dialogue.1", "a", AT(3) } },
		  "a.ini:3: [target x] dialogue: has 1 entries: expected at least 2\n" },
		{ { URL, { "header.a", "1", AT(3) }, { "header.b", "2", AT(4) }, { "header.c", "3", AT(5) } },
		  "a.ini:3: [target x] header: has 3 entries: expected at most 2\n" },
	};
	for (size_t k = 0; k < ARRAY_LEN(cases); k++)
		check(&cases[k]);
}

static void options_are_bound_in_the_order_of_the_table(void **state)
{
	(void)state;
	static const struct kv kvs[] = {
		{ "dialogue.10", "j", AT(1) },  { "dialogue.2", "b", AT(2) },  { "header.Zed", "z", AT(3) },
		{ "header.accept", "", AT(4) }, { "url", "http://a/", AT(5) }, { "dialogue.1", "a", AT(6) },
		{ "dialogue.3", "c", AT(7) },   { "dialogue.4", "d", AT(8) },  { "dialogue.5", "e", AT(9) },
		{ "dialogue.6", "f", AT(10) },  { "dialogue.7", "g", AT(11) }, { "dialogue.8", "h", AT(12) },
		{ "dialogue.9", "i", AT(13) },  { "retries", "5", AT(14) },
	};
	struct options o;
	char error[200];
	assert_int_equal(options_bind(&set, kvs, ARRAY_LEN(kvs), &o, error, sizeof error), 0);
	assert_int_equal(o.n, set.n);
	assert_string_equal(o.values[0].s, "http://a/");
	assert_int_equal(o.values[0].flags, PROBED_VALUE_SET);
	assert_int_equal(o.values[1].n_items, 2);
	assert_string_equal(PROBED_AT(struct probed_item, o.values[1].items, o.values[1].item_stride, 0)->key, "Zed");
	assert_string_equal(o.values[1].items[1].key, "accept");
	assert_int_equal(o.values[1].items[1].len, 0);
	assert_int_equal(o.values[2].n_items, 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(o.values[2].items[i].s[0], 'a' + i);
	assert_string_equal(o.values[2].items[9].key, "10");
	assert_null(o.values[3].s);
	assert_int_equal(o.values[3].flags, 0);
	assert_int_equal(o.values[4].i, 5);
	assert_int_equal(o.values[5].i, 1);
	assert_string_equal(o.values[5].s, "fast");
	assert_int_equal(o.values[5].flags, 0);
	options_free(&o);
}

static void what_can_t_be_bound_is_said(void **state)
{
	(void)state;
	static const struct {
		struct kv kvs[2];
		size_t n;
		const char *error;
	} cases[] = {
		{ { { NULL, NULL, AT(0) } }, 0, "url: is required, and missing" },
		{ { { "url", "x", AT(0) } },
		  1,
		  "url: expected a URL with its scheme and host, such as https://example.org/, not \"x\"" },
		{ { URL, { "foo", "x", AT(0) } }, 2, "foo: unknown option" },
		{ { URL, { "dialogue.2", "x", AT(0) } }, 2, "dialogue.2: not a list numbered from 1 without gaps" },
	};
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		struct options o = { 0 };
		char error[300] = "";
		assert_int_equal(options_bind(&set, cases[k].kvs, cases[k].n, &o, error, sizeof error), -1);
		assert_string_equal(error, cases[k].error);
		assert_null(o.values);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts_become_values),
		cmocka_unit_test(bad_texts_are_refused_with_what_was_expected),
		cmocka_unit_test(a_secret_is_not_repeated_in_an_error),
		cmocka_unit_test(a_long_text_is_cut_in_an_error),
		cmocka_unit_test(a_template_is_not_checked_as_its_type),
		cmocka_unit_test(a_key_finds_its_declaration),
		cmocka_unit_test(all_errors_of_a_section_are_told),
		cmocka_unit_test(options_are_bound_in_the_order_of_the_table),
		cmocka_unit_test(what_can_t_be_bound_is_said),
	};
	return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}
