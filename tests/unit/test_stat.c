/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of a target for /metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "measure/stat.h"

static char status[] = "status", expires[] = "cert.expires", server[] = "server", perf[] = "perf", size[] = "size";
static struct fact_decl facts[] = {
	{ .name = server, .type = PROBED_TYPE_STRING },
	{ .name = status, .type = PROBED_TYPE_INTEGER, .flags = PROBED_FACT_METRIC },
	{ .name = perf, .type = PROBED_TYPE_FLOAT, .flags = PROBED_FACT_METRIC | PROBED_FACT_FAMILY },
	{ .name = expires, .type = PROBED_TYPE_DURATION, .flags = PROBED_FACT_METRIC },
	{ .name = size, .type = PROBED_TYPE_SIZE },
};
static const struct driver_table driver = { .facts = facts, .n_facts = 5 };

static void begin(struct result *r, uint32_t outcome, int64_t latency_ns)
{
	result_reset(r);
	r->outcome = (uint8_t)outcome;
	r->due_ns = 1000;
	r->start_ns = 1500;
	r->end_ns = 1000 + latency_ns;
	r->wall_ns = 77;
}

static void add_number(struct result *r, uint32_t fact, const char *name, uint8_t type, int64_t i, double f)
{
	struct result_fact *one = result_fact_add(r, fact, name, false);
	one->type = type;
	one->i = i;
	one->f = f;
}

static void it_is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct probe_stat) <= 256);
}

static void outcomes_and_latencies_are_counted(void **state)
{
	(void)state;
	struct result r = { 0 };
	struct probe_stat s = { 0 };
	const int64_t latencies[] = { NS_PER_MS, NS_PER_MS + 1, 300 * NS_PER_MS, 60 * NS_PER_S };
	for (unsigned i = 0; i < 4; i++) {
		begin(&r, i % 2 ? PROBED_FAIL : PROBED_OK, latencies[i]);
		probe_stat_add(&s, &r, &driver);
	}
	assert_int_equal(s.n[PROBED_OK], 2);
	assert_int_equal(s.n[PROBED_FAIL], 2);
	assert_int_equal(s.buckets[0], 1); /* a bound belongs to its bucket */
	assert_int_equal(s.buckets[1], 1);
	assert_int_equal(s.buckets[8], 1);
	assert_int_equal(s.buckets[STAT_BUCKETS - 1], 1);
	assert_int_equal(s.latency_sum_ns, 60 * NS_PER_S + 302 * NS_PER_MS + 1);
	assert_int_equal(s.outcome, PROBED_FAIL);
	assert_int_equal(s.latency_ns, 60 * NS_PER_S);
	assert_int_equal(s.lag_ns, 500);
	assert_int_equal(s.service_ns, 60 * NS_PER_S - 500);
	probe_stat_free(&s);
	result_free(&r);
}

static void our_own_fault_is_counted_and_changes_nothing_else(void **state)
{
	(void)state;
	struct result r = { 0 };
	struct probe_stat s = { 0 };
	begin(&r, PROBED_OK, NS_PER_MS);
	add_number(&r, 1, NULL, PROBED_TYPE_INTEGER, 200, 0);
	probe_stat_add(&s, &r, &driver);
	begin(&r, PROBED_UNKNOWN, 5 * NS_PER_S);
	probe_stat_add(&s, &r, &driver);
	assert_int_equal(s.n[PROBED_UNKNOWN], 1);
	assert_int_equal(s.outcome, PROBED_OK);
	assert_int_equal(s.latency_ns, NS_PER_MS);
	assert_true(s.facts[0] == 200);
	probe_stat_free(&s);
	result_free(&r);
}

static void metric_facts_are_kept_in_base_units_and_others_are_not(void **state)
{
	(void)state;
	struct result r = { 0 };
	struct probe_stat s = { 0 };
	begin(&r, PROBED_OK, NS_PER_MS);
	add_number(&r, 4, NULL, PROBED_TYPE_SIZE, 12, 0);
	add_number(&r, 3, NULL, PROBED_TYPE_DURATION, -1500 * NS_PER_MS, 0);
	add_number(&r, 2, "load", PROBED_TYPE_FLOAT, 0, 0.5);
	add_number(&r, 9, NULL, PROBED_TYPE_INTEGER, 1, 0); /* not declared */
	probe_stat_add(&s, &r, &driver);
	assert_true(isnan(s.facts[0]));
	assert_true(s.facts[1] == -1.5);
	assert_int_equal(s.n_late, 1);
	assert_string_equal(s.late[0].name, "load");
	assert_true(s.late[0].present && s.late[0].value == 0.5);

	begin(&r, PROBED_OK, NS_PER_MS);
	add_number(&r, 1, NULL, PROBED_TYPE_INTEGER, 301, 0);
	probe_stat_add(&s, &r, &driver);
	assert_true(s.facts[0] == 301);
	assert_true(isnan(s.facts[1]));
	assert_false(s.late[0].present);
	probe_stat_free(&s);
	result_free(&r);
}

static void names_of_families_are_bounded(void **state)
{
	(void)state;
	struct result r = { 0 };
	struct probe_stat s = { 0 };
	begin(&r, PROBED_OK, NS_PER_MS);
	for (int i = 0; i < 100; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		add_number(&r, 2, name, PROBED_TYPE_FLOAT, 0, i);
	}
	probe_stat_add(&s, &r, &driver);
	assert_int_equal(s.n_late, STAT_FAMILY_NAMES);
	probe_stat_free(&s);
	result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_small),
		cmocka_unit_test(outcomes_and_latencies_are_counted),
		cmocka_unit_test(our_own_fault_is_counted_and_changes_nothing_else),
		cmocka_unit_test(metric_facts_are_kept_in_base_units_and_others_are_not),
		cmocka_unit_test(names_of_families_are_bounded),
	};
	return cmocka_run_group_tests_name("stat", tests, NULL, NULL);
}
