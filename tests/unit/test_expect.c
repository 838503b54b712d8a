/* SPDX-License-Identifier: Apache-2.0 */
/* test_expect.c - expectations: what is refused and where, what holds, and how a failure reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <probed/host.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/expect.h"

enum { STATUS, LOSS, RTT, SIZE, RESUMED, EXPIRES, NOT_AFTER, SERVER, ANSWER, HEADER, HOPS, MISSING, WEIGHT };

static struct fact_decl facts[] = {
	[STATUS] = { .name = "status", .type = PROBED_TYPE_INTEGER },
	[LOSS] = { .name = "loss", .type = PROBED_TYPE_FLOAT, .unit = "ratio" },
	[RTT] = { .name = "rtt.avg", .type = PROBED_TYPE_DURATION },
	[SIZE] = { .name = "size", .type = PROBED_TYPE_SIZE },
	[RESUMED] = { .name = "tls.resumed", .type = PROBED_TYPE_BOOLEAN },
	[EXPIRES] = { .name = "cert.expires", .type = PROBED_TYPE_DURATION },
	[NOT_AFTER] = { .name = "cert.not_after", .type = PROBED_TYPE_TIME },
	[SERVER] = { .name = "server", .type = PROBED_TYPE_STRING },
	[ANSWER] = { .name = "answer", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_LIST },
	[HEADER] = { .name = "header", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_FAMILY },
	[HOPS] = { .name = "hops", .type = PROBED_TYPE_TABLE },
	[MISSING] = { .name = "missing", .type = PROBED_TYPE_INTEGER },
	[WEIGHT] = { .name = "weight", .type = PROBED_TYPE_FLOAT },
};
static const struct driver_table driver = { .name = "test", .facts = facts, .n_facts = ARRAY_LEN(facts) };

static struct result result;

static void text_fact(uint32_t fact, const char *name, const char *s, bool list)
{
	struct result_fact *f = result_fact_add(&result, fact, name, list);
	f->type = PROBED_TYPE_STRING;
	f->len = (uint32_t)strlen(s);
	f->s = result_put_string(&result, s, f->len);
}

static void number_fact(uint32_t fact, uint8_t type, int64_t i, double f)
{
	struct result_fact *to = result_fact_add(&result, fact, NULL, false);
	to->type = type;
	to->i = i;
	to->f = f;
}

static int make_result(void **state)
{
	(void)state;
	result_reset(&result);
	result.wall_ns = 1769850307 * NS_PER_S; /* 2026-01-31 09:05:07 */
	result.due_ns = 1000 * NS_PER_S;
	result.start_ns = result.due_ns + 12 * NS_PER_MS;
	result.end_ns = result.due_ns + 412 * NS_PER_MS;
	result.phase_ns[PROBED_PHASE_CONNECT] = 1500 * NS_PER_US;
	number_fact(STATUS, PROBED_TYPE_INTEGER, 503, 0);
	number_fact(LOSS, PROBED_TYPE_FLOAT, 0, 0.25);
	number_fact(WEIGHT, PROBED_TYPE_FLOAT, 0, 2.5);
	number_fact(RTT, PROBED_TYPE_DURATION, 34567 * NS_PER_US, 0);
	number_fact(SIZE, PROBED_TYPE_SIZE, 65536, 0);
	number_fact(RESUMED, PROBED_TYPE_BOOLEAN, 1, 0);
	number_fact(EXPIRES, PROBED_TYPE_DURATION, 20 * 86400 * NS_PER_S, 0);
	number_fact(NOT_AFTER, PROBED_TYPE_TIME, result.wall_ns + 20 * 86400 * NS_PER_S, 0);
	text_fact(SERVER, NULL, " Nginx/1.22 ", false);
	text_fact(ANSWER, NULL, "192.0.2.1", true);
	text_fact(ANSWER, NULL, "192.0.2.2", true);
	text_fact(HEADER, "content-type", "text/html; charset=utf-8", true);
	text_fact(HEADER, "set-cookie", "a=1", true);
	text_fact(HEADER, "set-cookie", "b=2", true);
	text_fact(HEADER, "expires", "Fri, 30 Jan 2026 09:05:07 GMT", true);
	text_fact(HEADER, "x-empty", "", true);
	text_fact(HEADER, "age", "120", true);
	return 0;
}

static int free_result(void **state)
{
	(void)state;
	result_free(&result);
	return 0;
}

static const char page[] = "<h1>Welcome\n\"home\"</h1>\x01";
static struct evidence evidence = { .driver = &driver, .result = &result, .body = page, .body_len = sizeof page - 1,
	                            .body_bytes = sizeof page - 1 };

static struct expectation *compiled(const char *text)
{
	char error[300] = "";
	struct expectation *e = expectation_compile(text, &driver, error, sizeof error);
	if (!e)
		fail_msg("%s: %s", text, error);
	return e;
}

/* Where `expected` is NULL, it holds. */
static void assert_judged(const char *text, const struct evidence *of, const char *expected)
{
	char why[400] = "";
	struct expectation *e = compiled(text);
	bool holds = expectation_holds(e, of, why, sizeof why);
	if (holds != !expected)
		fail_msg("%s: %s (%s)", text, holds ? "holds" : "does not hold", why);
	if (expected)
		assert_string_equal(why, expected);
	expectation_free(e);
}

static void these_hold(void **state)
{
	(void)state;
	static const char *const table[] = {
		"status == 503", "status==503", "status != 200", "status > 502.5", "status in 500..599", "status in 500 .. 599",
		"status in {200, 503}", "status in {503}", "status not in 200..299", "status exists", "status not == 200",
		"loss == 25%", "loss < 0.3", "loss in 10%..30%", "weight == 2.5", "weight >= 2",
		"rtt.avg < 50ms", "rtt.avg in 30ms..1s", "latency <= 412ms", "service == 400ms", "lag == 12ms", "phase connect < 2ms",
		"phase tls not exists", "size == 64KiB", "size > 65kB", "tls.resumed == yes", "tls.resumed != false",
		"cert.expires > 14d", "cert.expires days_from_now == 20", "cert.not_after days_from_now > 19.9",
		"cert.not_after > 2026-02-01", "cert.not_after < 2027-01-01T00:00:00Z", "cert.not_after < \"2027-01-01T00:00:00+02:00\"",
		"server trim == \"Nginx/1.22\"", "server trim lower == nginx/1.22", "server contains Nginx", "server contains 1.22",
		"server trim startswith Nginx/", "server trim endswith 22", "server matches /nginx/i", "server not matches /nginx/",
		"server matches \"Ng.nx\"", "server regex /(\\d+)\\.\\d+/ == \"1\"", "server regex /\\d\\.\\d+/ number > 1.2",
		"server trim upper == NGINX/1.22", "server replace /[0-9]/ \"n\" trim == Nginx/n.nn",
		"server trim replace /(.*)\\/(.*)/ \"$2-$1\" == 1.22-Nginx", "server trim bytes == 10B", "server not empty",
		"server trim sha256 startswith 1a0068246f2c", "server in {a, \" Nginx/1.22 \"}",
		"answer == 192.0.2.1", "answer == 192.0.2.2", "answer count == 2", "answer first == 192.0.2.1", "answer last endswith .2",
		"answer nth 2 == 192.0.2.2", "answer != 192.0.2.1", "answer not == 192.0.2.3", "answer not empty", "hops count == 0",
		"hops empty", "header Content-Type contains html", "header.content-type startswith text/html",
		"header CONTENT-TYPE endswith utf-8", "header set-cookie count == 2", "header set-cookie last == b=2",
		"header x-none not exists", "header x-none count == 0", "header x-empty empty", "header x-empty exists",
		"header x-empty bytes == 0", "header expires days_from_now < 0", "header age number in 100..200", "header age == \"120\"",
		"body contains Welcome", "body matches /welcome\\s+\"home\"/i", "body bytes == 24B", "body bytes < 1KiB", "body exists",
		"body not empty", "body regex /<h1>(\\w+)/ == Welcome", "body regex /nothing/ not exists", "body startswith '<h1>'",
		"body contains \"Welcome\\n\\\"home\\\"\"",
		"body sha256 == a1de04076d3e34c2e4020ecd68611aaf80ff4d97f8d99ee51e90350631c30d05", "missing not exists",
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_judged(table[i], &evidence, NULL);
}

static void failures_say_what_was_and_what_was_expected(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "latency < 300ms", "latency 412 ms, expected < 300 ms" },
		{ "status in 200..299", "status 503, expected in 200..299" },
		{ "status not in 500..599", "status 503, expected not in 500..599" },
		{ "status in {200, 204}", "status 503, expected in {200, 204}" },
		{ "loss < 10%", "loss 25 %, expected < 10 %" },
		{ "loss < 0.1", "loss 0.25, expected < 0.1" },
		{ "size < 1KiB", "size 64 KiB, expected < 1 KiB" },
		{ "tls.resumed == no", "tls.resumed yes, expected == no" },
		{ "phase connect > 1s", "phase connect 1.50 ms, expected > 1 s" },
		{ "phase tls < 1s", "phase tls: this phase did not happen" },
		{ "cert.expires > 30d", "cert.expires 20 d, expected > 30 d" },
		{ "cert.not_after > 2027-01-01", "cert.not_after 2026-02-20T09:05:07.000Z, expected > 2027-01-01T00:00:00.000Z" },
		{ "server == apache", "server \" Nginx/1.22 \", expected == \"apache\"" },
		{ "server trim lower == apache", "server trim lower \"nginx/1.22\", expected == \"apache\"" },
		{ "server regex /(z)/ == y", "server regex /(z)/: the pattern does not match \" Nginx/1.22 \"" },
		{ "server number > 1", "server number: \" Nginx/1.22 \" is not a number" },
		{ "header content-type days_from_now > 1",
		  "header content-type days_from_now: \"text/html; charset=utf-8\" is not a date" },
		{ "answer == 192.0.2.3", "answer \"192.0.2.1\", \"192.0.2.2\", expected == \"192.0.2.3\"" },
		{ "answer not == 192.0.2.1", "answer \"192.0.2.1\", \"192.0.2.2\", expected not == \"192.0.2.1\"" },
		{ "answer count > 2", "answer count 2, expected > 2" },
		{ "answer nth 3 exists", "answer nth 3: there are only 2" },
		{ "hops not empty", "hops: none in this result" },
		{ "missing == 5", "missing: no such fact in this result" },
		{ "missing != 5", "missing: no such fact in this result" },
		{ "missing not == 5", "missing: no such fact in this result" },
		{ "missing exists", "missing: no such fact in this result" },
		{ "header X-None exists", "header x-none: no such fact in this result" },
		{ "header.Age not exists", "header age \"120\", expected none" },
		{ "body matches /Willkommen/i",
		  "body does not match /Willkommen/i: \"<h1>Welcome\\n\\\"home\\\"</h1>\\x01\"" },
		{ "body not contains home", "body contains \"home\", expected not to: \"<h1>Welcome\\n\\\"home\\\"</h1>\\x01\"" },
		{ "header content-type contains json", "header content-type \"text/html; charset=utf-8\" does not contain \"json\"" },
		{ "server not matches /nginx/i", "server \" Nginx/1.22 \" matches /nginx/i, expected not to" },
		{ "answer endswith .9", "answer \"192.0.2.1\", \"192.0.2.2\" does not end with \".9\"" },
		{ "body startswith x", "body does not start with \"x\": \"<h1>Welcome\\n\\\"home\\\"</h1>\\x01\"" },
		{ "body bytes > 1KiB", "body bytes 24 B, expected > 1 KiB" },
		{ "body not exists", "body of 24 bytes, expected none" },
		{ "body empty", "body \"<h1>Welcome\\n\\\"home\\\"</h1>\\x01\", expected empty" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_judged(table[i][0], &evidence, table[i][1]);
}

static void a_runaway_pattern_is_stopped_and_named(void **state)
{
	(void)state;
	char text[4000];
	memset(text, 'a', sizeof text);
	struct evidence of = evidence;
	of.body = text;
	of.body_len = of.body_bytes = sizeof text;
	assert_judged("body matches /^(a+)+[^a]/", &of, "body: the pattern /^(a+)+[^a]/ takes too much work on it");
	assert_judged("body not matches /^(a+)+[^a]/", &of, "body: the pattern /^(a+)+[^a]/ takes too much work on it");
	assert_judged("body regex /^(a+)+[^a]/ exists", &of,
	              "body regex /^(a+)+[^a]/: the pattern takes too much work on "
	              "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\"");
}

static void an_excerpt_is_short_and_never_cuts_a_character(void **state)
{
	(void)state;
	struct evidence of = evidence;
	of.body = "0123456789012345678901234567890123456789012345678901234567890123456789012345678\xc3\xa4rest";
	of.body_len = strlen(of.body);
	of.body_bytes = 5000000;
	assert_judged("body contains xyz", &of,
	              "body does not contain \"xyz\" in the 85 bytes that were kept of 5000000: "
	              "\"0123456789012345678901234567890123456789012345678901234567890123456789012345678...\"");
}

static void what_lies_beyond_the_cut_of_a_body_does_not_pass(void **state)
{
	(void)state;
	struct evidence of = evidence;
	of.body_bytes = 5000000;
	assert_judged("body contains Welcome", &of, NULL);
	assert_judged("body not empty", &of, NULL);
	assert_judged("body not contains Error", &of, "body: of a body of 5000000 bytes only 24 were kept");
	assert_judged("body lower not matches /error/", &of, "body lower: of a body of 5000000 bytes only 24 were kept");
	assert_judged("body endswith \x01", &of, "body: of a body of 5000000 bytes only 24 were kept");
	assert_judged("body not contains home", &of,
	              "body contains \"home\", expected not to: "
	              "\"<h1>Welcome\\n\\\"home\\\"</h1>\\x01\"");
}

static void a_body_that_was_only_hashed_is_judged_by_its_hash(void **state)
{
	(void)state;
	struct evidence of = { .driver = &driver, .result = &result, .body_bytes = 5000000, .body_sha256 = "abcd" };
	assert_judged("body sha256 == abcd", &of, NULL);
	assert_judged("body sha256 == ef", &of, "body sha256 \"abcd\", expected == \"ef\"");
	assert_judged("body bytes > 4MB", &of, NULL);
	assert_judged("body exists", &of, NULL);
	assert_judged("body not empty", &of, NULL);
	of.body_sha256 = NULL;
	assert_judged("body sha256 == abcd", &of, "body sha256: the body was not hashed");
	of.body_bytes = 0;
	assert_judged("body sha256 == e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", &of, NULL);
	assert_judged("body exists", &of, "body has no bytes");
	assert_judged("body empty", &of, NULL);
	assert_judged("body matches /^$/", &of, NULL);
}

static const char document[] = "{\"n\": 5, \"f\": 2.5, \"s\": \"Text\", \"t\": true, \"z\": null, \"a\": [1, 2, 3], \"o\": {},"
	" \"e\": [], \"items\": [{\"id\": 7, \"k\": \"a b\"}, {\"id\": 8, \"k\": \"c\"}]}";

static void a_path_looks_into_a_json_body(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "jsonpath $.n == 5", NULL },
		{ "jsonpath $.n in 4..6", NULL },
		{ "jsonpath $.n < 5.5", NULL },
		{ "jsonpath $.f == 2.5", NULL },
		{ "jsonpath $.s == Text", NULL },
		{ "jsonpath $.s lower startswith te", NULL },
		{ "jsonpath $.t == true", NULL },
		{ "jsonpath $.z == null", NULL },
		{ "jsonpath $.a[*] count == 3", NULL },
		{ "jsonpath $.a[*] == 3", NULL },
		{ "jsonpath $.a[*] last == 3", NULL },
		{ "jsonpath $.a count == 1", NULL },
		{ "jsonpath $.e empty", NULL },
		{ "jsonpath $.o empty", NULL },
		{ "jsonpath $.a not empty", NULL },
		{ "jsonpath $.x not exists", NULL },
		{ "jsonpath $.x count == 0", NULL },
		{ "jsonpath $.items[?@.k == 'a b'].id == 7", NULL },
		{ "jsonpath \"$.items[?@.k == 'a b'] .id\" == 7", NULL },
		{ "jsonpath $['items'][?match(@.k, '[a-c]')].id number == 8", NULL },
		{ "jsonpath $.n == 6", "jsonpath $.n 5, expected == 6" },
		{ "jsonpath $.n == \"5\"", "jsonpath $.n: 5 is an integer; it can't be compared with \"5\"" },
		{ "jsonpath $.s > 5", "jsonpath $.s: \"Text\" is a string; it can't be compared with 5" },
		{ "jsonpath $.a == 5", "jsonpath $.a: an array can't be compared with 5" },
		{ "jsonpath $.z == 5", "jsonpath $.z: null can't be compared with 5" },
		{ "jsonpath $.n contains 5", "jsonpath $.n: 5 is an integer; it has no text to look into" },
		{ "jsonpath $.n lower == five", "jsonpath $.n lower: lower works on text, and this is an integer" },
		{ "jsonpath $.t == false", "jsonpath $.t yes, expected == no" },
		{ "jsonpath $.a[*] in {7, 8}", "jsonpath $.a[*] 1, 2, 3, expected in {7, 8}" },
		{ "body schema {\"type\": \"object\", \"required\": [\"n\", \"items\"]}", NULL },
		{ "body schema shape.json {\"properties\": {\"items\": {\"items\": {\"properties\": {\"id\": {\"type\": \"string\"}}}}}}",
		  "body: not as shape.json says: /items/0/id: expected a string, got the number 7" },
		{ "body schema 'my shape' {\"required\": [\"gone\"]}", "body: not as my shape says: the key \"gone\" is missing" },
		{ "body not schema {\"required\": [\"gone\"]}", NULL },
		{ "jsonpath $.a schema {\"items\": {\"minimum\": 1}}", NULL },
		{ "jsonpath $.items[*] schema {\"required\": [\"x\"]}",
		  "jsonpath $.items[*]: not as {...} says: the key \"x\" is missing" },
		{ "jsonpath $.s schema {\"const\": \"Text\"}", NULL },
		{ "jsonpath $.a not schema s.json {}", "jsonpath $.a an array, expected not schema s.json" },
		{ "jsonpath $.x == 5", "jsonpath $.x: no such value in the body" },
		{ "jsonpath $.x empty", "jsonpath $.x: no such value in the body" },
	};
	struct evidence of = { .driver = &driver, .result = &result, .body = document, .body_len = strlen(document),
		               .body_bytes = strlen(document) };
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_judged(table[i][0], &of, table[i][1]);
	assert_judged("jsonpath $.n not exists", &evidence, "jsonpath $.n: the body is not JSON: line 1, column 1: invalid token near '<'");
	assert_judged("jsonpath $.n count == 0", &evidence, "jsonpath $.n count: the body is not JSON: line 1, column 1: invalid token near '<'");
	static const char big[] = "{\"big\": 123456789012345678901234567890}";
	of.body = big;
	of.body_len = of.body_bytes = strlen(big);
	assert_judged("jsonpath $.big > 1000000", &of, NULL);
	of.body_bytes = 5000000;
	of.body_len = 7;
	assert_judged("jsonpath $.n == 5", &of, "jsonpath $.n: of a body of 5000000 bytes only 7 were kept");
	struct expectation *e = compiled("jsonpath $.a[?@ > 1] count == 1");
	assert_int_equal(expectation_body_want(e), 1 << 20);
	assert_string_equal(expectation_query(e), "jsonpath $.a[?@ > 1]");
	expectation_free(e);
}

static void what_is_wanted_of_the_body_is_the_least_that_will_do(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t want;
	} table[] = {
		{ "status == 1", PROBED_BODY_NONE }, { "latency < 1s", PROBED_BODY_NONE }, { "body sha256 == a", PROBED_BODY_HASH },
		{ "body bytes > 1B", PROBED_BODY_HASH }, { "body exists", PROBED_BODY_HASH }, { "body not empty", PROBED_BODY_HASH },
		{ "body contains a", 1 << 20 }, { "body trim sha256 == a", 1 << 20 }, { "body trim empty", 1 << 20 },
		{ "body sha256 upper == A", PROBED_BODY_HASH },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct expectation *e = compiled(table[i].text);
		assert_int_equal(expectation_body_want(e), table[i].want);
		expectation_free(e);
	}
}

static void the_same_query_has_one_name(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "header Server == a", "header server" }, { "header.Server lower == a", "header server" },
		{ "header \"Server\" exists", "header server" }, { "status in 200..299", "status" }, { " phase  tls < 1s", "phase tls" },
		{ "body sha256 == a", "body" }, { "answer count == 1", "answer" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct expectation *e = compiled(table[i][0]);
		assert_string_equal(expectation_query(e), table[i][1]);
		expectation_free(e);
	}
}

static void faults_are_told_with_their_column(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "status == \"abc\"", "column 11: status is an integer; it can't be compared with the string \"abc\"" },
		{ "status == abc", "column 11: status is an integer; it can't be compared with the string \"abc\"" },
		{ "status == 5s", "column 11: status is an integer; it can't be compared with the string \"5s\"" },
		{ "server == 5",
		  "column 11: server is a string; it can't be compared with the number 5 (to compare as text, quote it: \"5\")" },
		{ "rtt.avg < 50", "column 11: rtt.avg is a duration; 50 has no unit (write 50ms, 5s, 14d)" },
		{ "rtt.avg < 50MB", "column 11: rtt.avg is a duration; it can't be compared with the string \"50MB\" (write 50ms, 5s, 14d)" },
		{ "size in 1..2", "column 9: size is a size; 1 has no unit (write 512B, 64KiB, 1MB)" },
		{ "tls.resumed == 7", "column 16: tls.resumed is a boolean; it can't be compared with the number \"7\" (write yes or no)" },
		{ "tls.resumed < yes", "column 13: tls.resumed is a boolean, which has no order: expected == or !=" },
		{ "cert.not_after > 5d", "column 18: cert.not_after is a time; it can't be compared with the string \"5d\" (write 2026-01-31 or 2026-01-31T09:00:00Z)" },
		{ "stauts == 5", "column 1: unknown query \"stauts\": driver test has no such fact (did you mean \"status\"?)" },
		{ "qqqqqqqq == 5", "column 1: unknown query \"qqqqqqqq\": driver test has no such fact" },
		{ "not status == 5", "column 1: \"not\" stands before the predicate, as in status not in 500..599" },
		{ "status is 5", "column 8: \"is\" is no filter or predicate (did you mean \"in\"?)" },
		{ "status", "column 7: expected a predicate after status, one of == != < <= > >= in contains startswith endswith matches exists empty schema" },
		{ "", "column 1: expected a query: a fact of the driver, body, latency ..." },
		{ "status = 5", "column 8: equality is written ==" },
		{ "status ==", "column 10: expected a value" },
		{ "status == 5 6", "column 13: this does not belong to the expectation: put a value that holds blanks in quotes" },
		{ "server contains Hello World", "column 23: this does not belong to the expectation: put a value that holds blanks in quotes" },
		{ "status in 5", "column 11: expected a range A..B or a set {a, b} after in" },
		{ "status in 9..5", "column 11: the range is empty: its first end is above its second" },
		{ "status in {1, 2", "column 11: the set that begins here has no closing }" },
		{ "status in {1 2}", "column 14: expected , or } in the set" },
		{ "status in {}", "column 11: an empty set holds nothing" },
		{ "status in {1, a}", "column 15: status is an integer; it can't be compared with the string \"a\"" },
		{ "tls.resumed in yes..no", "column 16: tls.resumed is a boolean, which has no ranges" },
		{ "status contains 5", "column 8: status is an integer: contains works on text" },
		{ "status lower == a", "column 8: status is an integer: lower works on text" },
		{ "status empty", "column 8: status is an integer: empty works on text and lists" },
		{ "status count == 1", "column 8: status is a single value: count works on lists" },
		{ "answer count contains a", "column 14: answer count is an integer: contains works on text" },
		{ "answer nth 0 == a", "column 12: expected which one after nth: 1 is the first" },
		{ "server matches /(/", "column 18: missing closing parenthesis" },
		{ "server matches /a", "column 16: the pattern that begins here has no closing / (a / inside it is written \\/)" },
		{ "server matches /a/x", "column 19: unknown flag \"x\": expected i (any case), m (^ and $ at each line) or s (. is a newline too)" },
		{ "server matches abc", "column 16: expected a pattern between slashes: /.../" },
		{ "server == \"abc", "column 11: the string that begins here has no closing \"" },
		{ "server == \"a\\q\"", "column 13: unknown escape: expected \\n \\r \\t \\0 \\\\ \\\" \\' \\/ or \\xHH (write \\\\ for a backslash)" },
		{ "server replace /a/ b == c", "column 20: expected what to replace it with, in quotes: replace /.../ \"...\"" },
		{ "server replace /a/ \"${\" == c", "column 20: not a replacement: a $ is written $$, a group $1" },
		{ "header", "column 7: expected a name after header: header NAME" },
		{ "phase tsl < 1s", "column 7: unknown phase \"tsl\": expected resolve, connect, tls, send, wait or receive (did you mean \"tls\"?)" },
		{ "jsonpath a == 1", "column 10: a JSONPath begins with $" },
		{ "jsonpath $.a[ == 1", "column 15: expected a selector: a quoted name, *, an index, a slice or ?filter" },
		{ "jsonpath $[?lenght(@) > 1] exists", "column 13: unknown function lenght() (did you mean length()?)" },
		{ "status schema {}", "column 8: status is an integer: schema works on text" },
		{ "body schema a.json {\"properties\": {\"a/b\": {\"type\": \"strng\"}}}",
		  "column 13: a.json: /properties/a~1b/type: expected null, boolean, object, array, number, string or integer (did you mean "
		  "\"string\"?)" },
		{ "body schema {", "column 13: it is not JSON: line 1, column 1: string or '}' expected near end of file" },
		{ "rtt.avg lower == x", "column 9: rtt.avg is a duration: lower works on text" },
		{ "status days_from_now > 1", "column 8: status is an integer: days_from_now works on times, durations, and text that is a date" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char error[300] = "";
		struct expectation *e = expectation_compile(table[i][0], &driver, error, sizeof error);
		if (e)
			fail_msg("%s compiles", table[i][0]);
		assert_string_equal(error, table[i][1]);
	}
}

static void negated_classes_match_beyond_ascii(void **state)
{
	(void)state;
	struct evidence umlaut = evidence;
	umlaut.body = "\xc3\xa4";
	umlaut.body_len = umlaut.body_bytes = 2;
	assert_judged("body matches /^\\D$/", &umlaut, NULL);
	assert_judged("body matches /^\\W$/", &umlaut, NULL);
	assert_judged("body matches /^\\S$/", &umlaut, NULL);
	assert_judged("body matches /^[\\W]$/", &umlaut, NULL);
}

static void a_schema_needs_its_content(void **state)
{
	(void)state;
	static const char *const none[] = { "status == 200", "body schema {}", "body schema a.json {}", "body contains \"schema a.json\"",
		                            "status schema a.json", "body schema", "stauts schema a.json" };
	char error[300];
	assert_null(expectation_compile("body schema a/b.json", &driver, error, sizeof error));
	assert_string_equal(error, "column 13: no content of a/b.json");
	CLEANUP_FREE char *name = expectation_file(" jsonpath $.a[*] first not schema 'a b.json' ", &driver);
	assert_string_equal(name, "a b.json");
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_null(expectation_file(none[i], &driver));
	struct evidence of = { .driver = &driver, .result = &result, .body = document, .body_len = 20, .body_bytes = strlen(document) };
	assert_judged("body schema {}", &of, "body: of a body of 142 bytes only 20 were kept");
	assert_judged("body not schema {}", &of, "body: of a body of 142 bytes only 20 were kept");
	assert_judged("body schema {}", &evidence, "body: it is not JSON: line 1, column 1: invalid token near '<'");
	assert_judged("body not schema {}", &evidence, "body: it is not JSON: line 1, column 1: invalid token near '<'");
}

static void a_reason_fits_the_room_it_is_given(void **state)
{
	(void)state;
	char why[12];
	struct expectation *e = compiled("status == 200");
	assert_false(expectation_holds(e, &evidence, why, sizeof why));
	assert_string_equal(why, "status 503,");
	expectation_free(e);
}

/* A row "| `a` | `b` |" of the page: false where the line is none. */
static bool table_row(char *line, char **a, char **b)
{
	if (strncmp(line, "| `", 3) != 0)
		return false;
	*a = line + 3;
	char *middle = strstr(*a, "` | `"), *end = middle ? strstr(middle + 5, "` |\n") : NULL;
	if (!end)
		return false;
	*middle = *end = '\0';
	*b = middle + 5;
	return true;
}

static void the_documentation_tells_the_truth(void **state)
{
	(void)state;
	if (!getenv("top_srcdir"))
		skip();
	CLEANUP_FREE char *path = xasprintf("%s/docs/expectations.md", getenv("top_srcdir"));
	CLEANUP_FCLOSE FILE *page_file = fopen(path, "r");
	assert_non_null(page_file);
	struct evidence json = evidence;
	json.body = document;
	json.body_len = json.body_bytes = strlen(document);
	int examples = 0, mistakes = 0, *section = NULL;
	char line[1024], *text, *expected;
	while (fgets(line, sizeof line, page_file)) {
		if (!strncmp(line, "## ", 3))
			section = !strcmp(line, "## Examples\n") ? &examples : !strcmp(line, "## Mistakes\n") ? &mistakes : NULL;
		if (!section || !table_row(line, &text, &expected))
			continue;
		(*section)++;
		char error[300];
		struct expectation *e = section == &mistakes ? expectation_compile(text, &driver, error, sizeof error) : NULL;
		assert_null(e);
		if (section == &mistakes)
			assert_string_equal(error, expected);
		else
			assert_judged(text, strncmp(text, "jsonpath", 8) ? &evidence : &json, expected);
	}
	assert_true(examples >= 10 && mistakes >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(these_hold),
		cmocka_unit_test(failures_say_what_was_and_what_was_expected),
		cmocka_unit_test(a_runaway_pattern_is_stopped_and_named),
		cmocka_unit_test(an_excerpt_is_short_and_never_cuts_a_character),
		cmocka_unit_test(what_lies_beyond_the_cut_of_a_body_does_not_pass),
		cmocka_unit_test(a_body_that_was_only_hashed_is_judged_by_its_hash),
		cmocka_unit_test(a_path_looks_into_a_json_body),
		cmocka_unit_test(what_is_wanted_of_the_body_is_the_least_that_will_do),
		cmocka_unit_test(the_same_query_has_one_name),
		cmocka_unit_test(faults_are_told_with_their_column),
		cmocka_unit_test(the_documentation_tells_the_truth),
		cmocka_unit_test(negated_classes_match_beyond_ascii),
		cmocka_unit_test(a_schema_needs_its_content),
		cmocka_unit_test(a_reason_fits_the_room_it_is_given),
	};
	return cmocka_run_group_tests_name("expect", tests, make_result, free_result);
}
