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
#include "judge/trace.h"

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
	return (struct template_scope){ .target = "Home & Co", .seq = 42, .random = counting, .epoch = UINT64_C(0x0123456789abcdef),
		                        .user = 7, .iteration = UINT64_MAX,
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
		{ "{{now unix_ms}}", "1769850307123" },
		{ "{{user}}/{{iteration}}", "7/18446744073709551615" },
		{ "{{random -7 -7}}", "-7" },
		{ "{{\"{{\"}}seq}}", "{{seq}}" },
		{ "{{'a b' | upper}}{{\"\"}}", "A B" },
		{ "{{target upper}}", "HOME & CO" },
		{ "{{target | regex /& (C|D)/ | lower}}", "c" },
		{ "{{target|replace /[^A-Za-z]+/ \"-\"}}", "Home-Co" },
		{ "{{'  x ' trim bytes}}", "1" },
		{ "{{'2.50' number}}", "2.5" },
		{ "{{'2026-02-01T09:05:07.123Z' days_from_now}}", "1" },
		{ "{{'abc' | md5}}", "900150983cd24fb0d6963f7d28e17f72" },
		{ "{{'what do ya want for nothing?' | hmac_sha256 \"Jefe\"}}",
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
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
		{ "{{now tomorrow}}", "column 7: now expects nothing, unix, unix_ms, or a format in quotes such as \"%Y-%m-%d\"" },
		{ "{{seq | count}}", "column 9: what stands before it is a single value: count works on lists" },
		{ "{{seq | hmac_sha256}}", "column 20: expected the key after hmac_sha256, in quotes or the name of a variable" },
		{ "{{seq | hmac_sha256 key}}", "column 21: unknown name inside {{ }} \"key\"" },
		{ "{{seq | regex /(/}}", "column 17: missing closing parenthesis" },
		{ "{{row.user}}", "column 3: unknown name inside {{ }} \"row.user\"" },
		{ "{{env.HOME}}", "column 3: unknown name inside {{ }} \"env.HOME\"" },
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

static const char *environment(void *ctx, const char *name)
{
	return strcmp(name, "REGION") ? NULL : ctx;
}

static const char *const captures[] = { "token", "api-key.v2" };
static const char *const columns[] = { "user", "pass word" };
static const struct template_names known = {
	.vars = captures, .n_vars = 2, .columns = columns, .n_columns = 2, .env = environment, .ctx = "e{{u",
};

static struct template *compiles(const char *text, const struct template_names *names)
{
	char error[200] = "";
	struct template *t = template_compile_names(text, names, error, sizeof error);
	if (!t)
		fail_msg("%s: %s", text, error);
	return t;
}

static void variables_rows_and_the_environment_render(void **state)
{
	(void)state;
	static const char *const table[][3] = {
		{ "{{token}}", "t\"1", NULL },
		{ "{{token | json}}:{{ api-key.v2 }}", "\"t\\\"1\":k", NULL },
		{ "/items?id={{row.user}}&n={{seq}}", "/items?id=anna&n=42", NULL },
		{ "{{env.REGION}}", "e{{u", NULL },
		{ "{{env.REGION | upper}}", "E{{U", NULL },
		{ "{{'abc' | hmac_sha256 api-key.v2}}", "342e519ce0ad6c03a36b98eeb3f1d130db4813b9df4d1160eda488d712dc78ee", NULL },
		{ "{{'abc' | hmac_sha256 env.REGION}}", "b71325258ecdb02cd8fdcc707e531f30d8cf6f8d6b2494e3748b6a4562d2199b", NULL },
		{ "<{{gone}}>", "<>", "{{gone}} has no value (no step captured it)" },
		{ "<{{gone | upper}}{{row.gone}}>", "<>", "{{gone}} has no value (no step captured it)" },
		{ "<{{row.gone}}>", "<>", "{{row.gone}} has no value (the row of data has none)" },
		{ "<{{token | regex /x/}}>{{seq}}", "<>42", "{{token | regex /x/}} has no value: the pattern does not match \"t\\\"1\"" },
		{ "<{{'abc' | hmac_sha256 gone}}>", "<>",
		  "{{gone}} has no value (no step captured it), needed by {{'abc' | hmac_sha256 gone}}" },
	};
	struct template_names open = known;
	open.any_column = open.any_var = true;
	struct template_vars *vars = vars_new();
	vars_set(vars, "token", "t\"1", 3);
	vars_set(vars, "api-key.v2", "k", 1);
	vars_set(vars, "row.user", "anna", 4);
	struct template_scope in = scope();
	in.vars = vars;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct template *t = compiles(table[i][0], &open);
		struct buf out = { 0 };
		const char *wrong = template_render(t, &in, &out);
		assert_string_equal(buf_cstr(&out), table[i][1]);
		if (!wrong != !table[i][2])
			fail_msg("%s: %s", table[i][0], wrong);
		if (wrong)
			assert_string_equal(wrong, table[i][2]);
		buf_free(&out);
		template_free(t);
	}
	vars_free(vars);
}

static void names_that_nobody_sets_are_refused(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "{{tokn}}", "column 3: unknown name inside {{ }} \"tokn\" (did you mean \"token\"?)" },
		{ "{{user}}{{pass}}", "column 11: unknown name inside {{ }} \"pass\"" },
		{ "{{row.usr}}", "column 7: unknown column of the data \"usr\" (did you mean \"user\"?)" },
		{ "{{env.REGIO}}", "column 3: the environment has no variable \"REGIO\"" },
		{ "{{seq | hmac_sha256 tokn}}", "column 21: unknown name inside {{ }} \"tokn\" (did you mean \"token\"?)" },
	};
	char error[200];
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_null(template_compile_names(table[i][0], &known, error, sizeof error));
		assert_string_equal(error, table[i][1]);
	}
	struct template_names none = { 0 };
	assert_null(template_compile_names("{{row.user}}", &none, error, sizeof error));
	assert_string_equal(error, "column 3: {{row.user}} has no data to come from: expected data = FILE beside it");
	static const char *const mail[] = { "mail" };
	struct template_names data = { .columns = mail, .n_columns = 1 };
	assert_null(template_compile_names("{{mail}}", &data, error, sizeof error));
	assert_string_equal(error, "column 3: unknown name inside {{ }} \"mail\": a column of the data is written {{row.mail}}");
	assert_true(template_reserved("seq"));
	assert_true(template_reserved("row.x"));
	assert_false(template_reserved("token"));
}

static void a_trace_is_derived_from_the_id(void **state)
{
	(void)state;
	uint8_t trace[16], span[8], zero[16] = { 0 };
	struct template_scope in = scope();
	struct template *t = compiles("{{traceparent}}", NULL);
	struct buf out = { 0 };
	template_render(t, &in, &out);
	char expected[TRACE_PARENT_LEN + 1], *p = expected;
	p += sprintf(p, "00-0123456789abcdef000000000000002a-");
	trace_ids(in.epoch, in.seq, trace, span);
	for (int i = 0; i < 8; i++)
		p += sprintf(p, "%02x", span[i]);
	strcpy(p, "-01");
	assert_string_equal(buf_cstr(&out), expected);
	assert_memory_not_equal(span, zero, 8);
	trace_ids(0, 0, trace, span);
	assert_memory_not_equal(trace, zero, 16);
	assert_memory_not_equal(span, zero, 8);
	buf_free(&out);
	template_free(t);
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
		cmocka_unit_test(variables_rows_and_the_environment_render),
		cmocka_unit_test(names_that_nobody_sets_are_refused),
		cmocka_unit_test(a_trace_is_derived_from_the_id),
		cmocka_unit_test(random_numbers_fill_their_range_and_no_more),
		cmocka_unit_test(a_uuid_is_one_of_version_4),
		cmocka_unit_test(random_strings_have_their_length),
		cmocka_unit_test(a_template_is_two_braces_and_their_end),
	};
	return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
