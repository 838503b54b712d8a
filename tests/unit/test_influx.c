/* SPDX-License-Identifier: Apache-2.0 */
/* Records in InfluxDB's line protocol: fields, tags, and its three ways of escaping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../plugins/influx/point.h"
#include "sinks.h"

static void expect(const char *measurement, int strings, const struct probed_record *r, const char *expected)
{
	struct point_format f = { measurement, strings };
	struct text t = { 0 };
	point_add(&f, &t, r);
	text_put(&t, "", 1);
	assert_string_equal(t.data, expected);
	text_free(&t);
}

#define TIMES "latency=0.41225,service=0.412,lag=0.00025,phase_connect=0.0015,phase_wait=0.4"

static void a_whole_record(void **state)
{
	struct sinks_record m;
	(void)state;
	expect("probed", 0, sinks_fill(&m, "too slow"),
	       "probed,driver=http,outcome=fail,plan=monitor,reason=expectation,target=home " TIMES
	       ",status=503,cert.expires=-1.5,cert.not_after=1767225600,bytes.in=65536,loss=0.1,tls=1,message=\"too slow\" "
	       "1767225600123456789\n");
	expect("probed", 1, sinks_fill(&m, "nginx"),
	       "probed,driver=http,outcome=fail,plan=monitor,reason=expectation,target=home " TIMES
	       ",status=503,cert.expires=-1.5,cert.not_after=1767225600,bytes.in=65536,loss=0.1,tls=1,header.server_text=\"nginx\""
	       ",url_text=\"http://a/\",message=\"nginx\" 1767225600123456789\n");
}

static void tags_and_names_are_escaped(void **state)
{
	static const struct {
		const char *target, *written;
	} table[] = {
		{ "plain", "plain" },
		{ "a b", "a\\ b" },
		{ "a,b=c", "a\\,b\\=c" },
		{ "a\"b", "a\"b" },
		{ "a\\b", "a\\b" },
		{ "a\\", "a/" },
		{ "a\nb", "a_b" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct probed_record r = { .target = table[i].target, .phase_ns = { -1, -1, -1, -1, -1, -1 }, .time_ns = 1 };
		char expected[200];
		snprintf(expected, sizeof expected, "my\\ m\\,=x,outcome=ok,target=%s latency=0,service=0,lag=0 1\n", table[i].written);
		expect("my m,=x", 0, &r, expected);
	}
}

static void texts_are_quoted(void **state)
{
	static const struct {
		const char *message, *written;
	} table[] = {
		{ "", "" },         { "a b,c=d", "a b,c=d" },       { "\"", "\\\"" },
		{ "\\", "\\\\" },   { "a\"b\\c\"", "a\\\"b\\\\c\\\"" }, { "one\ntwo", "one\ntwo" },
		{ "\xff", "\xef\xbf\xbd" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct probed_record r = { .message = table[i].message, .target = "t", .phase_ns = { -1, -1, -1, -1, -1, -1 } };
		char expected[200];
		snprintf(expected, sizeof expected, "p,outcome=ok,target=t latency=0,service=0,lag=0,message=\"%s\" 0\n",
		         table[i].written);
		expect("p", 0, &r, expected);
	}
}

static void empty_tags_are_left_out_and_events_are_apart(void **state)
{
	(void)state;
	struct probed_record r = { .target = "t", .driver = "", .sub = "v6", .phase_ns = { -1, -1, -1, -1, -1, -1 } };
	expect("p", 0, &r, "p,outcome=ok,sub=v6,target=t latency=0,service=0,lag=0 0\n");
	struct probed_record event = { .kind = PROBED_RECORD_EVENT, .target = "t", .message = "is down", .time_ns = -5 };
	expect("p", 0, &event, "p_event,target=t message=\"is down\" -5\n");
	event.target = NULL;
	expect("p", 0, &event, "p_event message=\"is down\" -5\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_record),
		cmocka_unit_test(tags_and_names_are_escaped),
		cmocka_unit_test(texts_are_quoted),
		cmocka_unit_test(empty_tags_are_left_out_and_events_are_apart),
	};
	return cmocka_run_group_tests_name("influx", tests, NULL, NULL);
}
