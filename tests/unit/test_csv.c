/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of the csv sink: what may be asked for, how it is written, and what needs quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../plugins/csv/columns.h"
#include "sinks.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* "header\nrow\n" of the record by these columns. */
static void expect_rows(const char *spec, enum columns_time time, const struct probed_record *r, const char *expected)
{
	char error[400] = "";
	struct columns *c = columns_new(spec, time, error, sizeof error);
	if (!c)
		fail_msg("%s: %s", spec, error);
	struct text t = { 0 };
	text_puts(&t, columns_header(c));
	columns_row(c, &t, r);
	text_put(&t, "", 1);
	assert_string_equal(t.data, expected);
	text_free(&t);
	columns_free(c);
}

static void every_field_can_be_a_column(void **state)
{
	static const struct {
		const char *field, *value;
	} table[] = {
		{ "id", "abc-7" },
		{ "time", "2026-01-01T00:00:00.123Z" },
		{ "target", "home" },
		{ "sub", "" },
		{ "plan", "monitor" },
		{ "driver", "http" },
		{ "outcome", "fail" },
		{ "reason", "expectation" },
		{ "message", "plain" },
		{ "event", "" },
		{ "latency", "412.25" },
		{ "service", "412" },
		{ "lag", "0.25" },
		{ "failed", "fast;kind" },
		{ "phase.connect", "1.5" },
		{ "phase.tls", "" },
		{ "fact.status", "503" },
		{ "fact.cert.expires", "-1.5" },
		{ "fact.cert.not_after", "2026-01-01T00:00:00Z" },
		{ "fact.bytes.in", "65536" },
		{ "fact.loss", "0.1" },
		{ "fact.tls", "true" },
		{ "header.server", "plain" },
		{ "fact.header.server", "plain" },
		{ "fact.answer", "192.0.2.1;192.0.2.2" },
		{ "fact.hops", "\"[{\"\"ttl\"\":1},{\"\"ttl\"\":2}]\"" },
		{ "fact.none", "" },
	};
	struct sinks_record m;
	(void)state;
	for (size_t i = 0; i < LEN(table); i++) {
		char expected[200];
		snprintf(expected, sizeof expected, "%s\n%s\n", table[i].field, table[i].value);
		expect_rows(table[i].field, COLUMNS_RFC3339, sinks_fill(&m, "plain"), expected);
	}
}

static void quotes_are_put_where_they_are_needed_only(void **state)
{
	static const struct {
		const char *value, *written;
	} table[] = {
		{ "plain", "plain" },
		{ "", "" },
		{ "two words", "two words" },
		{ "a,b", "\"a,b\"" },
		{ "say \"hi\"", "\"say \"\"hi\"\"\"" },
		{ "\"", "\"\"\"\"" },
		{ "\"\"", "\"\"\"\"\"\"" },
		{ "one\ntwo", "\"one\ntwo\"" },
		{ "one\r\ntwo", "\"one\r\ntwo\"" },
		{ " padded", "\" padded\"" },
		{ "caf\xc3\xa9;x", "caf\xc3\xa9;x" },
		{ ",", "\",\"" },
		{ "\xff,\xc3", "\"\xef\xbf\xbd,\xef\xbf\xbd\"" },
	};
	struct sinks_record m;
	(void)state;
	for (size_t i = 0; i < LEN(table); i++) {
		char expected[200];
		snprintf(expected, sizeof expected, "target,message,outcome\nhome,%s,fail\n", table[i].written);
		expect_rows("target,message,outcome", COLUMNS_RFC3339, sinks_fill(&m, table[i].value), expected);
	}
}

static void headings_and_alternatives(void **state)
{
	struct sinks_record m;
	(void)state;
	expect_rows(" a = target , \"b\"=fact.none|fact.url|target,c=phase.tls | lag", COLUMNS_RFC3339, sinks_fill(&m, "x"),
	            "a,\"\"\"b\"\"\",c\nhome,http://a/,0.25\n");
}

static void times_as_asked(void **state)
{
	struct sinks_record m;
	(void)state;
	expect_rows("time", COLUMNS_RFC3339, sinks_fill(&m, "x"), "time\n2026-01-01T00:00:00.123Z\n");
	expect_rows("time", COLUMNS_UNIX, sinks_fill(&m, "x"), "time\n1767225600.123\n");
	expect_rows("time", COLUMNS_UNIX_MS, sinks_fill(&m, "x"), "time\n1767225600123\n");
}

static void events_and_sub_results_need_a_column_of_their_own(void **state)
{
	struct sinks_record m;
	(void)state;
	sinks_fill(&m, "x");
	m.r.sub = "ipv6";
	expect_rows("target,outcome", COLUMNS_RFC3339, &m.r, "target,outcome\n");
	expect_rows("target,sub", COLUMNS_RFC3339, &m.r, "target,sub\nhome,ipv6\n");
	struct probed_record event = { .kind = PROBED_RECORD_EVENT, .time_ns = SINKS_WALL, .target = "home", .message = "is down" };
	expect_rows("target,outcome,latency", COLUMNS_RFC3339, &event, "target,outcome,latency\n");
	expect_rows("target,outcome,latency,event", COLUMNS_RFC3339, &event, "target,outcome,latency,event\nhome,,,is down\n");
}

static void what_is_no_field_is_told(void **state)
{
	static const char *const table[] = { "", "time,", "what", "phase.lunch", "fact.", "header.", "a=", "=time", "time|", "a=time|what" };
	(void)state;
	for (size_t i = 0; i < LEN(table); i++) {
		char error[400] = "";
		struct columns *c = columns_new(table[i], COLUMNS_RFC3339, error, sizeof error);
		if (c || !*error)
			fail_msg("\"%s\" was taken", table[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_can_be_a_column),
		cmocka_unit_test(quotes_are_put_where_they_are_needed_only),
		cmocka_unit_test(headings_and_alternatives),
		cmocka_unit_test(times_as_asked),
		cmocka_unit_test(events_and_sub_results_need_a_column_of_their_own),
		cmocka_unit_test(what_is_no_field_is_told),
	};
	return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
