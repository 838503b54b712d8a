/* SPDX-License-Identifier: Apache-2.0 */
/* test_template.c - templates: what they render, and what is wrong with those that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/template.h"

static uint64_t sequence;

static uint64_t counting(void)
{
	return sequence++;
}

static uint64_t largest_first(void)
{
	return sequence++ ? 7 : UINT64_MAX;
}

static struct template_scope scope(void)
{
	return (struct template_scope){ .target = "Home & Co", .seq = 42, .random = counting,
		                        .wall_ns = 1769850307 * NS_PER_S + 123 * NS_PER_MS };
}

static void assert_renders(const char *text, const struct template_scope *in, const char *expected)
{
	char error[200] = "";
	struct template *t = template_compile(text, error, sizeof error);
	if (!t)
		fail_msg("%s: %s", text, error);
	struct buf out = { 0 };
	template_render(t, in, &out);
	assert_string_equal(buf_cstr(&out), expected);
	buf_free(&out);
	template_free(t);
}

static void names_and_filters_render(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "", "" },
		{ "no braces { } }} here", "no braces { } }} here" },
		{ "{{target}}", "Home & Co" },
		{ "a{{seq}}b{{ seq }}c", "a42b42c" },
		{ "{{now}}", "2026-01-31T09:05:07.123Z" },
		{ "{{now unix}}", "1769850307" },
		{ "{{now \"%Y-%m-%d\"}}", "2026-01-31" },
		{ "{{now \"%H|%M}}\"|lower}}", "09|05}}" },
		{ "{{random 5 5}}", "5" },
		{ "{{pick one}}", "one" },
		{ "{{pick 'two words' | upper}}", "TWO WORDS" },
		{ "{{target | lower}}", "home & co" },
		{ "{{target | base64}}", "SG9tZSAmIENv" },
		{ "{{target | urlencode}}", "Home%20%26%20Co" },
		{ "{\"t\": {{target|json}}}", "{\"t\": \"Home & Co\"}" },
		{ "x{{seq | sha256}}", "x73475cb40a568e8da8a045ced110137e159f890ac4da883b6b17dc651b3a8049" },
		{ "{{target | upper | base64 | lower}}", "se9nrsamienp" },
		{ "{{pick \"\\\"\\n\" | json}}", "\"\\\"\\n\"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct template_scope in = scope();
		assert_renders(table[i][0], &in, table[i][1]);
	}
}

static void faults_are_named_with_their_column(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "{{sec}}", "column 3: unknown name inside {{ }} \"sec\" (did you mean \"seq\"?)" },
		{ "{{zzzzzzzz}}", "column 3: unknown name inside {{ }} \"zzzzzzzz\"" },
		{ "ab{{seq", "column 3: {{ is not closed by }}" },
		{ "{{}}", "column 3: expected a name inside {{ }}" },
		{ "{{seq|lowr}}", "column 7: unknown filter inside {{ }} \"lowr\" (did you mean \"lower\"?)" },
		{ "{{seq 5}}", "column 7: expected | and a filter, or }}" },
		{ "{{random 1}}", "column 11: random expects two integers: random 1 100" },
		{ "{{random 9 1}}", "column 13: random: the first number is above the second" },
		{ "{{random_string 0}}", "column 18: random_string: a length from 1 to 4096" },
		{ "{{random_string}}", "column 16: random_string expects its length: random_string 16" },
		{ "{{pick}}", "column 7: pick expects the words to pick from" },
		{ "{{now tomorrow}}", "column 7: now expects nothing, unix, or a format in quotes such as \"%Y-%m-%d\"" },
		{ "{{now \"x}}", "column 7: the string that begins here has no closing \"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char error[200] = "";
		struct template *t = template_compile(table[i][0], error, sizeof error);
		if (t)
			fail_msg("%s compiles", table[i][0]);
		assert_string_equal(error, table[i][1]);
	}
}

static void random_numbers_fill_their_range_and_no_more(void **state)
{
	(void)state;
	char error[200];
	struct template *t = template_compile("{{random -2 3}}", error, sizeof error);
	struct template_scope in = scope();
	bool seen[6] = { false };
	for (int i = 0; i < 100; i++) {
		struct buf out = { 0 };
		template_render(t, &in, &out);
		int v = atoi(buf_cstr(&out));
		assert_in_range(v + 2, 0, 5);
		seen[v + 2] = true;
		buf_free(&out);
	}
	for (int i = 0; i < 6; i++)
		assert_true(seen[i]);
	template_free(t);
	in.random = largest_first;
	sequence = 0;
	assert_renders("{{random 0 9}}", &in, "7"); /* 2^64 - 1 would favour the low digits: drawn again */
	sequence = 0;
	assert_renders("{{random -9223372036854775808 9223372036854775807}}", &in, "9223372036854775807");
}

static void a_uuid_is_one_of_version_4(void **state)
{
	(void)state;
	struct template_scope in = scope();
	sequence = 0;
	in.random = largest_first;
	assert_renders("{{uuid}}", &in, "ffffffff-ffff-4fff-8000-000000000007");
}

static void random_strings_have_their_length(void **state)
{
	(void)state;
	char error[200];
	struct template *t = template_compile("{{random_string 100}}", error, sizeof error);
	struct template_scope in = scope();
	struct buf out = { 0 };
	template_render(t, &in, &out);
	assert_int_equal(out.len, 100);
	assert_int_equal(strspn(buf_cstr(&out), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), 100);
	buf_free(&out);
	template_free(t);
}

static void a_template_is_two_braces_and_their_end(void **state)
{
	(void)state;
	assert_true(template_present("a {{seq}}"));
	assert_true(template_present("{{nonsense}}"));
	assert_false(template_present("{\"a\": {\"b\": 1}}"));
	assert_false(template_present("{{"));
	assert_false(template_present(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_filters_render),
		cmocka_unit_test(faults_are_named_with_their_column),
		cmocka_unit_test(random_numbers_fill_their_range_and_no_more),
		cmocka_unit_test(a_uuid_is_one_of_version_4),
		cmocka_unit_test(random_strings_have_their_length),
		cmocka_unit_test(a_template_is_two_braces_and_their_end),
	};
	return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
