/* SPDX-License-Identifier: Apache-2.0 */
/* What sinks of metrics remember, and the ids of traces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../plugins/common/series.h"
#include "../../plugins/common/trace.h"
#include "judge/trace.h"
#include "sinks.h"

static void a_target_and_its_parts_are_apart(void **state)
{
	struct series_set set = { .limit = 10 };
	struct sinks_record m;
	(void)state;
	sinks_fill(&m, "x");
	series_add(&set, &m.r, 1);
	m.r.sub = "";
	series_add(&set, &m.r, 1);
	m.r.sub = "ipv6";
	series_add(&set, &m.r, 1);
	series_add(&set, &m.r, 1);
	m.r.sub = NULL;
	m.r.driver = "dns";
	series_add(&set, &m.r, 1);
	assert_int_equal(HASH_COUNT(set.all), 4);
	const struct series *s = set.all;
	assert_null(s->sub);
	assert_int_equal(s->count, 1);
	s = series_next(series_next(s));
	assert_string_equal(s->sub, "ipv6");
	assert_int_equal(s->n[PROBED_FAIL], 2);
	series_free(&set);
}

static void the_last_verdict_stays_when_a_probe_says_nothing(void **state)
{
	struct series_set set = { .limit = 10 };
	struct sinks_record m;
	(void)state;
	sinks_fill(&m, "x");
	series_add(&set, &m.r, 1);
	m.r.outcome = PROBED_UNKNOWN;
	m.r.n_facts = 0;
	m.r.service_ns = 1;
	series_add(&set, &m.r, 1);
	const struct series *s = set.all;
	assert_int_equal(s->n[PROBED_UNKNOWN], 1);
	assert_int_equal(s->count, 1);
	assert_int_equal(s->outcome, PROBED_FAIL);
	assert_int_equal(s->service_ns, 412000000);
	assert_int_equal(s->n_facts, 3);
	series_free(&set);
}

static void facts_come_and_go(void **state)
{
	struct series_set set = { .limit = 10 };
	struct sinks_record m;
	(void)state;
	sinks_fill(&m, "x");
	series_add(&set, &m.r, 1);
	m.facts[0].i = 200;
	series_add(&set, &m.r, 1);
	assert_true(set.all->facts[0].value == 200);
	m.r.n_facts = 1;
	series_add(&set, &m.r, 1);
	assert_int_equal(set.all->n_facts, 1);
	sinks_fill(&m, "x");
	series_add(&set, &m.r, 1);
	assert_int_equal(set.all->n_facts, 3);
	assert_string_equal(set.all->facts[1].name, "cert.expires");
	assert_string_equal(set.all->facts[1].unit, "s");
	assert_true(set.all->facts[1].value == -1.5);
	series_free(&set);
}

static void it_is_bounded_and_forgets(void **state)
{
	struct series_set set = { .limit = 2 };
	struct sinks_record m;
	(void)state;
	sinks_fill(&m, "x");
	for (int64_t i = 0; i < 5; i++) {
		char name[2] = { (char)('a' + i), '\0' };
		m.r.target = name;
		assert_int_equal(series_add(&set, &m.r, i), 0);
	}
	assert_int_equal(HASH_COUNT(set.all), 2);
	assert_int_equal(set.refused, 3);
	series_expire(&set, 1);
	assert_int_equal(HASH_COUNT(set.all), 1);
	assert_string_equal(set.all->target, "b");
	series_free(&set);
}

static void latencies_fall_into_their_buckets(void **state)
{
	static const struct {
		int64_t ns;
		uint32_t bucket;
		int32_t exponent; /* of the exponential bucket, in eighths; INT32_MIN: in none */
	} table[] = {
		{ 0, 0, INT32_MIN },        { 1, 0, -160 },           { 1000000, 0, -80 },      { 1000001, 1, -80 },
		{ 10000000, 3, -54 },       { 10000001, 4, -54 },     { 500000000, 8, -9 },     { 500000001, 9, -8 },
		{ 1000000000, 9, -1 },      { 1000000001, 10, 0 },    { 10000000000, 12, 26 },  { 10000000001, 13, 26 },
		{ 900000000000, 13, 63 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct series_set set = { .limit = 1, .exponential = 1 };
		struct probed_record r = { .target = "t", .latency_ns = table[i].ns, .phase_ns = { -1, -1, -1, -1, -1, -1 } };
		series_add(&set, &r, 0);
		if (set.all->buckets[table[i].bucket] != 1)
			fail_msg("%lld ns is not in bucket %u", (long long)table[i].ns, table[i].bucket);
		int32_t found = INT32_MIN;
		for (int32_t k = 0; k < SERIES_EXP_BUCKETS; k++)
			if (set.all->exponential[k])
				found = SERIES_EXP_FIRST + k;
		if (found != table[i].exponent)
			fail_msg("%lld ns is in the exponential bucket %d, not %d", (long long)table[i].ns, found, table[i].exponent);
		assert_int_equal(set.all->zero, table[i].ns == 0);
		series_free(&set);
	}
}

static void ids_are_those_of_the_core(void **state)
{
	uint8_t trace[16], span[8], core_trace[16], core_span[8];
	(void)state;
	assert_true(trace_mix(1, 2) == UINT64_C(0x3706970b052f16b1));
	for (uint64_t i = 0; i < 1000; i++) {
		trace_of_probe(i * UINT64_C(0x123456789abcdef), i, trace, span);
		trace_ids(i * UINT64_C(0x123456789abcdef), i, core_trace, core_span);
		assert_memory_equal(trace, core_trace, 16);
		assert_memory_equal(span, core_span, 8);
	}
	trace_of_probe(1, 2, trace, span);
	assert_memory_equal(trace, ((uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2 }), 16);
	assert_memory_equal(span, ((uint8_t[]){ 0x37, 0x06, 0x97, 0x0b, 0x05, 0x2f, 0x16, 0xb1 }), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_and_its_parts_are_apart),
		cmocka_unit_test(the_last_verdict_stays_when_a_probe_says_nothing),
		cmocka_unit_test(facts_come_and_go),
		cmocka_unit_test(it_is_bounded_and_forgets),
		cmocka_unit_test(latencies_fall_into_their_buckets),
		cmocka_unit_test(ids_are_those_of_the_core),
	};
	return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
