/* SPDX-License-Identifier: Apache-2.0 */
/* test_capture.c - captures: what text they keep of each kind of value, and why there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <probed/host.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/capture.h"

enum { STATUS, LOSS, EXPIRES, NOT_AFTER, SIZE, RESUMED, HEADER, ANSWER };

static struct fact_decl facts[] = {
	[STATUS] = { .name = "status", .type = PROBED_TYPE_INTEGER },
	[LOSS] = { .name = "loss", .type = PROBED_TYPE_FLOAT, .unit = "ratio" },
	[EXPIRES] = { .name = "cert.expires", .type = PROBED_TYPE_DURATION },
	[NOT_AFTER] = { .name = "cert.not_after", .type = PROBED_TYPE_TIME },
	[SIZE] = { .name = "size", .type = PROBED_TYPE_SIZE },
	[RESUMED] = { .name = "tls.resumed", .type = PROBED_TYPE_BOOLEAN },
	[HEADER] = { .name = "header", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_FAMILY },
	[ANSWER] = { .name = "answer", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_LIST },
};
static const struct driver_table driver = { .name = "test", .facts = facts, .n_facts = ARRAY_LEN(facts) };

static struct result result;

static void number_fact(uint32_t fact, int64_t i, double f)
{
	struct result_fact *to = result_fact_add(&result, fact, NULL, false);
	to->type = (uint8_t)facts[fact].type;
	to->i = i;
	to->f = f;
}

static int make_result(void **state)
{
	(void)state;
	result_reset(&result);
	result.due_ns = NS_PER_S;
	result.start_ns = result.due_ns;
	result.end_ns = result.due_ns + 412 * NS_PER_MS;
	number_fact(STATUS, 503, 0);
	number_fact(LOSS, 0, 0.1);
	number_fact(EXPIRES, 90 * NS_PER_S, 0);
	number_fact(NOT_AFTER, 1769850307 * NS_PER_S, 0);
	number_fact(SIZE, 65536, 0);
	number_fact(RESUMED, 1, 0);
	struct result_fact *f = result_fact_add(&result, HEADER, "location", true);
	f->type = PROBED_TYPE_STRING;
	f->len = 8;
	f->s = result_put_string(&result, "/items/7", 8);
	return 0;
}

static int free_result(void **state)
{
	(void)state;
	result_free(&result);
	return 0;
}

static const char document[] = "{\"token\": \"a\\u0000\\\"b\", \"n\": 9007199254740993, \"f\": 0.1, \"t\": true, \"z\": null, "
			       "\"o\": {\"b\": [1, {\"c\": \"d\"}], \"a\": 1e3}}";

/* Where `expected` is NULL, there is none and `why` says so. */
static void assert_captured(const char *text, const char *expected, size_t len, const char *reason)
{
	char why[300] = "";
	struct evidence evidence = { .driver = &driver, .result = &result, .body = document, .body_len = sizeof document - 1,
		                     .body_bytes = sizeof document - 1 };
	struct capture *c = capture_compile(text, &driver, why, sizeof why);
	if (!c)
		fail_msg("%s: %s", text, why);
	for (int again = 0; again < 2; again++) {
		struct buf out = { 0 };
		buf_puts(&out, "old");
		int rc = capture_run(c, &evidence, &out, why, sizeof why);
		assert_int_equal(rc, expected ? 0 : -1);
		if (expected && (out.len != len || memcmp(buf_cstr(&out), expected, len) != 0))
			fail_msg("%s: \"%s\", expected \"%s\"", text, buf_cstr(&out), expected);
		if (!expected)
			assert_string_equal(why, reason);
		buf_free(&out);
	}
	capture_free(c);
}

static void each_kind_of_value_is_kept_as_text(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "status", "503" },
		{ "loss", "0.1" },
		{ "latency", "0.412" },
		{ "cert.expires", "90" },
		{ "cert.not_after", "2026-01-31T09:05:07.000Z" },
		{ "size", "65536" },
		{ "tls.resumed", "true" },
		{ "header Location", "/items/7" },
		{ "header location regex /(\\d+)$/", "7" },
		{ "header.location upper trim", "/ITEMS/7" },
		{ "answer count", "0" },
		{ "body regex /\"n\": (\\d+)/", "9007199254740993" },
		{ "body bytes", "117" },
		{ "jsonpath $.n", "9007199254740993" },
		{ "jsonpath $.f", "0.1" },
		{ "jsonpath $.t", "true" },
		{ "jsonpath $.z", "null" },
		{ "jsonpath $.o", "{\"b\":[1,{\"c\":\"d\"}],\"a\":1000.0}" },
		{ "jsonpath $.o.b", "[1,{\"c\":\"d\"}]" },
		{ "jsonpath $.o.b[*]", "1" },
		{ "jsonpath $.o.b[*] last", "{\"c\":\"d\"}" },
		{ "jsonpath $..c base64", "ZA==" },
		{ "jsonpath $..c hmac_sha256 'k'", "e7ea21c3bcb63a4da3ad78503168d36bdca0be622382ea60a108fad4e4966679" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_captured(table[i][0], table[i][1], strlen(table[i][1]), NULL);
	assert_captured("jsonpath $.token", "a\0\"b", 4, NULL);
}

static void where_there_is_none_the_reason_is_told(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "header X-Token", "header x-token: no such fact in this result" },
		{ "jsonpath $.tokn", "jsonpath $.tokn: no such value in the body" },
		{ "body regex /nothing/", "body regex /nothing/: the pattern does not match \"{\\\"token\\\": \\\"a\\\\u0000\\\\\\\"b\\\", "
		  "\\\"n\\\": 9007199254740993, \\\"f\\\": 0.1, \\\"t\\\": true, \\\"z\\\": null, \\\"...\"" },
		{ "phase tls", "phase tls: this phase did not happen" },
		{ "jsonpath $.o upper", "jsonpath $.o upper: upper works on text, and this is an object or array" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_captured(table[i][0], NULL, 0, table[i][1]);
}

static void faults_are_told_with_their_column(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "stauts", "column 1: unknown query \"stauts\": driver test has no such fact (did you mean \"status\"?)" },
		{ "jsonpath $.a lowr", "column 14: unknown filter of a capture \"lowr\" (did you mean \"lower\"?)" },
		{ "jsonpath $.a == 1", "column 14: expected a filter of a capture" },
		{ "body hmac_sha256 key", "column 18: expected the key of hmac_sha256 in quotes" },
		{ "", "column 1: expected a query: a fact of the driver, body, latency ..." },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char error[300] = "";
		if (capture_compile(table[i][0], &driver, error, sizeof error))
			fail_msg("%s compiles", table[i][0]);
		assert_string_equal(error, table[i][1]);
	}
}

static void the_body_is_wanted_only_where_it_is_looked_at(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t want;
	} table[] = {
		{ "status", PROBED_BODY_NONE }, { "body bytes", PROBED_BODY_HASH },
		{ "body regex /x/", 1 << 20 },  { "jsonpath $.a", 1 << 20 },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char error[300];
		struct capture *c = capture_compile(table[i].text, &driver, error, sizeof error);
		assert_int_equal(capture_body_want(c), table[i].want);
		capture_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_value_is_kept_as_text),
		cmocka_unit_test(where_there_is_none_the_reason_is_told),
		cmocka_unit_test(faults_are_told_with_their_column),
		cmocka_unit_test(the_body_is_wanted_only_where_it_is_looked_at),
	};
	return cmocka_run_group_tests_name("capture", tests, make_result, free_result);
}
