/* SPDX-License-Identifier: Apache-2.0 */
/* test_schema.c - JSON Schema: how a failure reads, which schemas are refused and where, what bounds there are. What is valid is
 * the official suite's to say: test_schema_suite.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "judge/jsonpath.h"
#include "judge/schema.h"

/* Where `expected` is NULL, it is valid. */
static void assert_valid(const char *schema, const char *document, const char *expected)
{
	char text[300] = "";
	struct schema *s = schema_compile(schema, strlen(schema), text, sizeof text);
	if (!s)
		fail_msg("%s: %s", schema, text);
	json_t *doc = jsonpath_parse_document(document, strlen(document), text, sizeof text);
	if (!doc)
		fail_msg("%s: %s", document, text);
	for (int again = 0; again < 2; again++) {
		text[0] = '\0';
		bool valid = schema_valid(s, doc, text, sizeof text);
		if (valid != !expected)
			fail_msg("%s: %s: %s", schema, document, valid ? "is valid" : text);
		if (expected)
			assert_string_equal(text, expected);
	}
	json_decref(doc);
	schema_free(s);
}

static void a_failure_says_where_and_what(void **state)
{
	(void)state;
	static const char *const table[][3] = {
		{ "{\"properties\":{\"items\":{\"items\":{\"properties\":{\"price\":{\"type\":\"number\"}}}}}}",
		  "{\"items\":[{},{\"price\":\"x\"}]}", "/items/1/price: expected a number, got the string \"x\"" },
		{ "{\"type\":[\"integer\",\"null\"]}", "1.5", "expected null or an integer, got the number 1.5" },
		{ "{\"type\":\"object\"}", "[1]", "expected an object, got an array" },
		{ "{\"enum\":[\"a\",1,null,[]]}", "true", "expected the string \"a\", the number 1, null ..., got true" },
		{ "{\"const\":[1]}", "{}", "expected an array, got an object" },
		{ "{\"const\":null}", "false", "expected null, got false" },
		{ "{\"minimum\":5}", "4.5", "expected at least 5, got the number 4.5" },
		{ "{\"exclusiveMaximum\":1.5}", "1.5", "expected less than 1.5, got the number 1.5" },
		{ "{\"multipleOf\":0.01}", "0.075", "expected a multiple of 0.01, got the number 0.075" },
		{ "{\"maxLength\":2}", "\"äöü\"", "expected at most 2 characters, got 3" },
		{ "{\"pattern\":\"^x\"}", "\"yx\"", "expected a match of \"^x\", got the string \"yx\"" },
		{ "{\"minItems\":1}", "[]", "expected at least 1 items, got 0" },
		{ "{\"uniqueItems\":true}", "[1,{\"a\":[2]},1.5,{\"a\":[2.0]}]", "expected items that are all different" },
		{ "{\"contains\":{\"const\":1},\"maxContains\":1}", "[1,1]", "expected at most 1 items that contains describes, got 2" },
		{ "{\"contains\":{\"const\":1}}", "[2]", "expected at least 1 items that contains describes, got 0" },
		{ "{\"required\":[\"a\",\"b\"]}", "{\"a\":1}", "the key \"b\" is missing" },
		{ "{\"properties\":{\"x\":{\"dependentRequired\":{\"a\":[\"b\"]}}}}", "{\"x\":{\"a\":1}}",
		  "/x: the key \"b\" is missing, which \"a\" requires" },
		{ "{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1,\"b/c\":2}", "/b~1c: nothing may stand here" },
		{ "{\"unevaluatedProperties\":false,\"allOf\":[{\"properties\":{\"a\":{}}}]}", "{\"a\":1,\"b\":2}", "/b: nothing may stand here" },
		{ "{\"propertyNames\":{\"maxLength\":1}}", "{\"a\":1,\"bc\":2}", "/bc: a key may not be named so" },
		{ "{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\"}]}", "1", "it is none of the 2 that anyOf describes" },
		{ "{\"oneOf\":[true,true,false]}", "1", "it is 2 of the 3 that oneOf describes, expected 1" },
		{ "{\"not\":{}}", "1", "it is what not describes" },
		{ "{\"if\":{\"type\":\"string\"},\"then\":{\"minLength\":3},\"else\":{\"minimum\":3}}", "1",
		  "expected at least 3, got the number 1" },
		{ "{\"$ref\":\"#/$defs/a%25b\",\"$defs\":{\"a%b\":{\"type\":\"null\"}}}", "1", "expected null, got the number 1" },
		{ "false", "1", "nothing is valid" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_valid(table[i][0], table[i][1], table[i][2]);
}

static void decimals_divide_as_they_are_written(void **state)
{
	(void)state;
	static const char *const good[][2] = {
		{ "0.01", "0.07" }, { "0.01", "19.99" }, { "0.1", "1e300" }, { "1e-8", "12391239123" }, { "3", "-9" }, { "2.5", "0" },
		{ "0.5", "1e308" }, { "0.0001", "0.0075" },
	};
	static const char *const bad[][2] = {
		{ "0.01", "0.075" }, { "0.123456789", "1e308" }, { "3", "1e300" }, { "10", "5" }, { "1e5", "1" }, { "0.0001", "0.00751" },
	};
	char schema[60], why[100];
	for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
		const char *const *row = i < ARRAY_LEN(good) ? good[i] : bad[i - ARRAY_LEN(good)];
		snprintf(schema, sizeof schema, "{\"multipleOf\":%s}", row[0]);
		struct schema *s = schema_compile(schema, strlen(schema), why, sizeof why);
		json_t *doc = json_loads(row[1], JSON_DECODE_ANY, NULL);
		if (schema_valid(s, doc, why, sizeof why) != (i < ARRAY_LEN(good)))
			fail_msg("%s of %s", row[1], row[0]);
		json_decref(doc);
		schema_free(s);
	}
}

static void a_malformed_schema_is_refused_with_its_place(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "{\"type\": }", "it is not JSON: line 1, column 10: unexpected token near '}'" },
		{ "[]", "expected a schema: an object, true or false" },
		{ "{\"properties\":{\"a\":{\"minimum\":\"3\"}}}", "/properties/a/minimum: expected a number" },
		{ "{\"allOf\":[{},{\"type\":\"nul\"}]}",
		  "/allOf/1/type: expected null, boolean, object, array, number, string or integer (did you mean \"null\"?)" },
		{ "{\"allOf\":[]}", "/allOf: expected an array of at least one schema" },
		{ "{\"items\":[{}]}", "/items: expected a schema: since draft 2020-12 an array of them is prefixItems" },
		{ "{\"not\":3}", "/not: expected a schema: an object, true or false" },
		{ "{\"multipleOf\":0}", "/multipleOf: expected a number above 0" },
		{ "{\"maxItems\":-1}", "/maxItems: expected an integer from 0" },
		{ "{\"required\":[\"a\",1]}", "/required/1: expected a string: the name of a key" },
		{ "{\"pattern\":\"(\"}", "/pattern: \"(\" is no pattern: missing closing parenthesis" },
		{ "{\"patternProperties\":{\"\\\\z\":{}}}", "/patternProperties/\\z: \"\\z\" is no pattern: unknown escape \\z" },
		{ "{\"$ref\":\"#/$defs/a\"}", "/$ref: \"#/$defs/a\" leads to nothing" },
		{ "{\"$ref\":\"other.json\"}", "/$ref: \"other.json\" leads out of this document" },
		{ "{\"$id\":\"#a\"}", "/$id: expected a string: a URI without a fragment" },
		{ "{\"$defs\":{\"a\":{\"$anchor\":\"x\"},\"b\":{\"$anchor\":\"x\"}}}",
		  "/$defs/b/$anchor: \"x\" is the anchor of another schema as well" },
		{ "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}",
		  "/$schema: expected \"https://json-schema.org/draft/2020-12/schema\", the draft that is understood" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char error[300] = "";
		if (schema_compile(table[i][0], strlen(table[i][0]), error, sizeof error))
			fail_msg("%s compiles", table[i][0]);
		assert_string_equal(error, table[i][1]);
	}
}

static void depth_and_work_are_bounded(void **state)
{
	(void)state;
	assert_valid("{\"$ref\":\"#\"}", "1", "the schema goes round in circles, or too deep, on this document");
	assert_valid("{\"not\":{\"$ref\":\"#\"}}", "1", "the schema goes round in circles, or too deep, on this document");
	assert_valid("{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", "a pattern takes too much work on it");
	assert_valid("{\"not\":{\"pattern\":\"^(a+)+$\"}}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", "a pattern takes too much work on it");
	CLEANUP_BUF struct buf wide = { 0 }, deep = { 0 };
	buf_puts(&wide, "{\"$defs\":{\"d0\":{}");
	for (int i = 1; i < 30; i++)
		buf_printf(&wide, ",\"d%d\":{\"allOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]}", i, i - 1, i - 1);
	buf_puts(&wide, "},\"$ref\":\"#/$defs/d29\"}");
	assert_valid(buf_cstr(&wide), "1", "the schema takes too much work on this document");
	for (int i = 0; i < 300; i++)
		buf_puts(&deep, "{\"not\":");
	buf_puts(&deep, "{}");
	for (int i = 0; i < 300; i++)
		buf_putc(&deep, '}');
	char error[100];
	assert_null(schema_compile(deep.data, deep.len, error, sizeof error));
	assert_string_equal(error, "schemas are nested more than 256 deep");
}

static void references_lead_through_other_documents(void **state)
{
	(void)state;
	static const char text[] = "{\"$id\":\"https://example.org/a/root.json\",\"items\":{\"$ref\":\"../b/item.json#x\"}}";
	static const char item[] = "{\"$defs\":{\"n\":{\"$anchor\":\"x\",\"$ref\":\"#/$defs/m\"},\"m\":{\"type\":\"null\"}}}";
	static const struct schema_document others[] = { { "https://example.org/b/item.json", item, sizeof item - 1 } };
	char why[200];
	struct schema *s = schema_compile_with(text, sizeof text - 1, others, 1, why, sizeof why);
	assert_non_null(s);
	json_t *good = json_loads("[null]", 0, NULL), *bad = json_loads("[null, 1]", 0, NULL);
	assert_true(schema_valid(s, good, why, sizeof why));
	assert_false(schema_valid(s, bad, why, sizeof why));
	assert_string_equal(why, "/1: expected null, got the number 1");
	json_decref(good);
	json_decref(bad);
	schema_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_says_where_and_what),
		cmocka_unit_test(decimals_divide_as_they_are_written),
		cmocka_unit_test(a_malformed_schema_is_refused_with_its_place),
		cmocka_unit_test(depth_and_work_are_bounded),
		cmocka_unit_test(references_lead_through_other_documents),
	};
	return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
