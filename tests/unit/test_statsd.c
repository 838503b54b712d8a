/* SPDX-License-Identifier: Apache-2.0 */
/* Records as statsd metrics: with tags and without, and what statsd's syntax can't hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../plugins/statsd/lines.h"
#include "sinks.h"

static char all[4096];

static void line(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	size_t at = strlen(all);
	snprintf(all + at, sizeof all - at, "%.*s\n", (int)len, text);
}

static const char *lines(const char *prefix, int tags, int facts, const struct probed_record *r)
{
	struct lines_format f = { prefix, tags, facts };
	struct text t = { 0 };
	*all = '\0';
	lines_of(&f, r, &t, line, NULL);
	text_free(&t);
	return all;
}

static void with_tags(void **state)
{
	struct sinks_record m;
	(void)state;
	sinks_fill(&m, "x");
#define TAGS "|#target:home,driver:http,plan:monitor"
	assert_string_equal(lines("probed.", 1, 1, &m.r),
	                    "probed.probes:1|c" TAGS ",outcome:fail,reason:expectation\n"
	                    "probed.latency:412.25|ms" TAGS "\n"
	                    "probed.service:412|ms" TAGS "\n"
	                    "probed.phase:1.5|ms" TAGS ",phase:connect\n"
	                    "probed.phase:400|ms" TAGS ",phase:wait\n"
	                    "probed.fact:503|g" TAGS ",fact:status\n"
	                    "probed.fact:-1.5|g" TAGS ",fact:cert.expires\n"
	                    "probed.fact:65536|g" TAGS ",fact:bytes.in\n");
#undef TAGS
	assert_null(strstr(lines("probed.", 1, 0, &m.r), "fact"));
}

static void without_tags_the_target_is_in_the_name(void **state)
{
	struct sinks_record m;
	(void)state;
	sinks_fill(&m, "x");
	m.r.target = "db/a.example:80";
	m.r.sub = "ipv6";
	assert_string_equal(lines("", 0, 1, &m.r), "db_a_example_80.ipv6.probes.fail:1|c\n"
	                                           "db_a_example_80.ipv6.latency:412.25|ms\n"
	                                           "db_a_example_80.ipv6.service:412|ms\n"
	                                           "db_a_example_80.ipv6.phase.connect:1.5|ms\n"
	                                           "db_a_example_80.ipv6.phase.wait:400|ms\n"
	                                           "db_a_example_80.ipv6.fact.status:503|g\n"
	                                           "db_a_example_80.ipv6.fact.cert_expires:0|g\n"
	                                           "db_a_example_80.ipv6.fact.cert_expires:-1.5|g\n"
	                                           "db_a_example_80.ipv6.fact.bytes_in:65536|g\n");
}

static void tags_hold_no_syntax(void **state)
{
	struct sinks_record m;
	(void)state;
	sinks_fill(&m, "x");
	m.r.target = "a|b,c#d\ne:f g";
	m.r.n_facts = 0;
	m.r.outcome = PROBED_OK;
	m.r.reason = PROBED_REASON_NONE;
	assert_ptr_equal(strstr(lines("p.", 1, 1, &m.r), "p.probes:1|c|#target:a_b_c_d_e:f g,driver:http,plan:monitor,outcome:ok\n"), all);
}

static void an_unknown_outcome_is_counted_and_no_more(void **state)
{
	struct sinks_record m;
	(void)state;
	sinks_fill(&m, "x");
	m.r.outcome = PROBED_UNKNOWN;
	m.r.reason = PROBED_REASON_CRASHED;
	assert_string_equal(lines("p.", 0, 1, &m.r), "p.home.probes.unknown:1|c\n");
	m.r.kind = PROBED_RECORD_EVENT;
	assert_string_equal(lines("p.", 0, 1, &m.r), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_tags),
		cmocka_unit_test(without_tags_the_target_is_in_the_name),
		cmocka_unit_test(tags_hold_no_syntax),
		cmocka_unit_test(an_unknown_outcome_is_counted_and_no_more),
	};
	return cmocka_run_group_tests_name("statsd", tests, NULL, NULL);
}
