/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_jsonpath.c - JSONPath beside its compliance suite: where a fault is, numbers of any size, regular expressions, and
 * that neither depth nor work runs away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "judge/jsonpath.h"

static json_t *parsed(const char *text)
{
	char error[200];
	json_t *doc = jsonpath_parse_document(text, strlen(text), error, sizeof error);
	if (!doc)
		fail_msg("%s: %s", text, error);
	return doc;
}

static struct jsonpath *compiled(const char *text)
{
	char error[200];
	size_t at;
	struct jsonpath *path = jsonpath_compile(text, strlen(text), error, sizeof error, &at);
	if (!path)
		fail_msg("%s: at %zu: %s", text, at, error);
	return path;
}

/* The nodes as one JSON array. */
static void assert_selects(const char *path_text, const char *doc_text, const char *expected)
{
	struct jsonpath *path = compiled(path_text);
	json_t *doc = parsed(doc_text), *got = json_array();
	struct jsonpath_nodes nodes = { 0 };
	assert_int_equal(jsonpath_select(path, doc, &nodes), 0);
	for (size_t i = 0; i < nodes.n; i++)
		json_array_append(got, (json_t *)nodes.list[i]);
	CLEANUP_FREE char *text = json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY);
	if (strcmp(text, expected) != 0)
		fail_msg("%s on %s: %s, expected %s", path_text, doc_text, text, expected);
	jsonpath_nodes_free(&nodes);
	json_decref(got);
	json_decref(doc);
	jsonpath_free(path);
}

static void paths_select(void **state)
{
	(void)state;
	static const char *const table[][3] = {
		{ "$", "5", "[5]" },
		{ "$.b.a", "{\"b\": {\"a\": 1}}", "[1]" },
		{ "$[-1, 0, 0]", "[1, 2, 3]", "[3,1,1]" },
		{ "$[::-2]", "[0, 1, 2, 3, 4]", "[4,2,0]" },
		{ "$[9007199254740991, -9007199254740991]", "[1]", "[]" },
		{ "$..*", "{\"z\": [1, {\"a\": 2}], \"b\": 3}", "[[1,{\"a\":2}],3,1,{\"a\":2},2]" },
		{ "$['\\u00e4', \"\\ud83d\\ude42\"]", "{\"\xc3\xa4\": 1, \"\xf0\x9f\x99\x82\": 2}", "[1,2]" },
		{ "$[?@.a == @.b || @.c && !@.d]", "[{\"a\": 1, \"b\": 1.0}, {\"c\": 1}, {\"a\": 9, \"c\": 1, \"d\": 1}, {\"a\": 2}]",
		  "[{\"a\":1,\"b\":1.0},{\"c\":1}]" },
		{ "$[?@.x == @.y]", "[1, {\"x\": 1}]", "[1]" },
		{ "$[?@ == $.k]", "{\"k\": {\"a\": [1, {\"b\": 2.0}]}, \"l\": {\"a\": [1.0, {\"b\": 2}]}}",
		  "[{\"a\":[1,{\"b\":2.0}]},{\"a\":[1.0,{\"b\":2}]}]" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_selects(table[i][0], table[i][1], table[i][2]);
}

static void numbers_of_any_size_compare(void **state)
{
	(void)state;
	assert_selects("$[?@ == 0]", "[-0, 0, -0.0, 0e5, 1]", "[0,0,-0.0,0.0]");
	assert_selects("$[?@ == -0]", "[0, -0.0]", "[0,-0.0]");
	assert_selects("$[?@ > 9007199254740992]", "[9007199254740993, 9007199254740992]", "[9007199254740993]");
	assert_selects("$[?@ == 9223372036854775807]", "[9223372036854775807]", "[9223372036854775807]");
	assert_selects("$[?@ > 1e29].x", "[123456789012345678901234567890, 5]", "[]");
	assert_selects("$[?@ < 1e29]", "[123456789012345678901234567890, 5]", "[5.0]");
	assert_selects("$[?@ == 5e-1]", "[0.5]", "[0.5]");
}

static void a_fault_has_its_place(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error;
		size_t at;
	} table[] = {
		{ "", "a JSONPath begins with $", 0 },
		{ "$.", "expected a name or * after a dot (any other name is written ['...'])", 2 },
		{ "$.a b", "expected . or [ or the end of the path", 3 },
		{ "$[1", "the [ that stands here is not closed", 1 },
		{ "$[01]", "an integer has no leading zero, and is not -0", 2 },
		{ "$[9007199254740992]", "an integer beyond 2^53 - 1", 2 },
		{ "$['a]", "the string that begins here has no closing '", 2 },
		{ "$['\\q']", "unknown escape in a string", 3 },
		{ "$['\\ud800']", "a high surrogate stands alone", 3 },
		{ "$[?@.a == @..b]", "only values are compared: literals, queries of at most one node, and functions of a value", 10 },
		{ "$[?1]", "this is a value, not a test: compare it with something", 3 },
		{ "$[?length(@.*) > 1]", "length() takes a value: a literal, a query of at most one node, or a function of one", 10 },
		{ "$[?count(1) > 1]", "count() takes a query", 9 },
		{ "$[?match(@)]", "match() takes 2 arguments", 10 },
		{ "$[?legnth(@) > 1]", "unknown function legnth() (did you mean length()?)", 3 },
		{ "$[?(@.a]", "the ( that stands here is not closed", 3 },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char error[200] = "";
		size_t at = 999;
		if (jsonpath_compile(table[i].text, strlen(table[i].text), error, sizeof error, &at))
			fail_msg("%s compiles", table[i].text);
		assert_string_equal(error, table[i].error);
		assert_int_equal(at, table[i].at);
	}
}

static void regular_expressions_are_i_regexps(void **state)
{
	(void)state;
	static const char *const table[][3] = {
		{ "$[?match(@, 'a|bc')]", "[\"a\", \"bc\", \"abc\", \"ac\"]", "[\"a\",\"bc\"]" },
		{ "$[?match(@, 'a{2,3}')]", "[\"a\", \"aa\", \"aaa\", \"aaaa\"]", "[\"aa\",\"aaa\"]" },
		{ "$[?match(@, 'a.c')]", "[\"a\\nc\", \"a\\rc\", \"abc\"]", "[\"abc\"]" },
		{ "$[?match(@, 'a$')]", "[\"a\", \"a\\n\"]", "[\"a\"]" },
		{ "$[?search(@, '[^a-z]')]", "[\"abc\", \"aBc\"]", "[\"aBc\"]" },
		/* none of them is one: nothing is selected, and nothing breaks */
		{ "$[?search(@, '(?i)a')]", "[\"a\", \"A\"]", "[]" },
		{ "$[?search(@, '(a)\\\\1')]", "[\"aa\"]", "[]" },
		{ "$[?search(@, 'a*?')]", "[\"a\"]", "[]" },
		{ "$[?search(@, '(')]", "[\"(\"]", "[]" },
		{ "$[?search(@, '[')]", "[\"[\"]", "[]" },
		{ "$[?search(@, '[]')]", "[\"]\"]", "[]" },
		{ "$[?search(@, 'a{x}')]", "[\"a{x}\"]", "[]" },
		{ "$[?search(@, '\\\\')]", "[\"\\\\\"]", "[]" },
		{ "$[?search(@, '\\\\p{Nonsense}')]", "[\"a\"]", "[]" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_selects(table[i][0], table[i][1], table[i][2]);
}

static void assert_too_much_work(const char *path_text, const char *doc_text)
{
	struct jsonpath *path = compiled(path_text);
	json_t *doc = parsed(doc_text);
	struct jsonpath_nodes nodes = { 0 };
	assert_int_equal(jsonpath_select(path, doc, &nodes), -1);
	assert_int_equal(nodes.n, 0);
	jsonpath_nodes_free(&nodes);
	json_decref(doc);
	jsonpath_free(path);
}

static void work_is_bounded(void **state)
{
	(void)state;
	struct buf doc = { 0 };
	buf_puts(&doc, "[0");
	for (int i = 1; i < 2000; i++)
		buf_printf(&doc, ",%d", i);
	buf_puts(&doc, "]");
	assert_too_much_work("$[?count($[*]) > 0]", buf_cstr(&doc));
	assert_too_much_work("$[?$..[?@ == $[1999]]]", buf_cstr(&doc));
	buf_clear(&doc);
	buf_puts(&doc, "[");
	for (int i = 0; i < 100; i++)
		buf_printf(&doc, "%s\"%064d\"", i ? "," : "", 0);
	buf_puts(&doc, "]");
	assert_too_much_work("$[?match(@, '(0+)+[^0]')]", buf_cstr(&doc));
	buf_free(&doc);
}

static void depth_is_bounded(void **state)
{
	(void)state;
	struct buf b = { 0 };
	char error[200];
	size_t at;
	buf_puts(&b, "$[?");
	for (int i = 0; i < 100000; i++)
		buf_putc(&b, '(');
	assert_null(jsonpath_compile(b.data, b.len, error, sizeof error, &at));
	assert_string_equal(error, "nested more than 64 deep");
	buf_clear(&b);
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, i ? "[?@" : "$[?@");
	assert_null(jsonpath_compile(b.data, b.len, error, sizeof error, &at));
	assert_string_equal(error, "nested more than 64 deep");
	buf_clear(&b);
	buf_puts(&b, "$[?@");
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, i % 2 ? "&&@" : "||@");
	buf_puts(&b, "]");
	struct jsonpath *path = compiled(buf_cstr(&b));
	json_t *doc = parsed("[1]");
	struct jsonpath_nodes nodes = { 0 };
	assert_int_equal(jsonpath_select(path, doc, &nodes), 0);
	assert_int_equal(nodes.n, 1);
	jsonpath_nodes_free(&nodes);
	json_decref(doc);
	jsonpath_free(path);
	buf_clear(&b);
	for (int i = 0; i < 100000; i++)
		buf_putc(&b, '[');
	assert_null(jsonpath_parse_document(b.data, b.len, error, sizeof error));
	buf_free(&b);
}

static void the_deepest_document_is_walked(void **state)
{
	(void)state;
	struct buf b = { 0 };
	for (int i = 0; i < 2000; i++)
		buf_putc(&b, '[');
	for (int i = 0; i < 2000; i++)
		buf_putc(&b, ']');
	json_t *doc = parsed(buf_cstr(&b));
	struct jsonpath *path = compiled("$..[?count(@..*) > 1997]");
	struct jsonpath_nodes nodes = { 0 };
	int rc = jsonpath_select(path, doc, &nodes);
	assert_int_equal(rc, -1); /* 2,000 nodes below each of 2,000 */
	jsonpath_nodes_free(&nodes);
	jsonpath_free(path);
	path = compiled("$..*");
	assert_int_equal(jsonpath_select(path, doc, &nodes), 0);
	assert_int_equal(nodes.n, 1999);
	jsonpath_nodes_free(&nodes);
	jsonpath_free(path);
	json_decref(doc);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_select),
		cmocka_unit_test(numbers_of_any_size_compare),
		cmocka_unit_test(a_fault_has_its_place),
		cmocka_unit_test(regular_expressions_are_i_regexps),
		cmocka_unit_test(work_is_bounded),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(the_deepest_document_is_walked),
	};
	return cmocka_run_group_tests_name("jsonpath", tests, NULL, NULL);
}
