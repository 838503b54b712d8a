/* SPDX-License-Identifier: Apache-2.0 */
/* test_require.c - what must hold of a run: what may be written, and what is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "measured.h"

static void mistakes_are_told_with_their_column_and_the_nearest_name(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error;
	} table[] = {
		{ "", "column 1: expected what is measured: latency, errors, rate, a fact, ..." },
		{ "latncy p95 < 1s", "column 1: unknown metric \"latncy\" (did you mean \"latency\"?)" },
		{ "stats p95 < 1", "column 1: unknown metric \"stats\" (did you mean \"status\"?)" },
		{ "server p95 < 1s", "column 1: the fact server is no number: only numbers can be required" },
		{ "phase conect p99 < 20ms", "column 7: unknown phase \"conect\" (did you mean \"connect\"?)" },
		{ "latency by logn p95 < 1s", "column 12: unknown step \"logn\" (did you mean \"login\"?)" },
		{ "latency by zzzzzz p95 < 1s", "column 12: unknown step \"zzzzzz\" (known: login, orders)" },
		{ "latency by < 1s", "column 12: expected \"step\" or the name of a step after \"by\"" },
		{ "latency < 1s", "column 9: no aggregation: expected one of p95, avg, min, max, count (any pN)" },
		{ "errors p95 < 1%", "column 8: \"p95\": expected one of rate, count" },
		{ "latency p0 < 1s", "column 9: \"p0\": expected one of p95, avg, min, max, count (any pN)" },
		{ "latency p100 < 1s", "column 9: \"p100\": expected one of p95, avg, min, max, count (any pN)" },
		{ "latency rate < 1%", "column 9: \"rate\": expected one of p95, avg, min, max, count (any pN)" },
		{ "status rate < 1%", "column 8: \"rate\" is of facts that are true or false, and status is not" },
		{ "rate by login min > 5/s", "column 15: \"min\" of the rate is of all steps together: leave out \"by\"" },
		{ "latency p95 = 1s", "column 13: expected one of < <= > >= == != (\"==\" is: equal to)" },
		{ "latency p95 300ms", "column 13: expected one of < <= > >= == !=" },
		{ "latency p95 < 300", "column 15: \"300\": expected a duration such as 300ms" },
		{ "latency p95 <", "column 14: nothing here: expected a duration such as 300ms" },
		{ "errors rate < 1s", "column 15: \"1s\": expected a share such as 1%" },
		{ "errors count == 1%", "column 17: \"1%\": expected a whole number such as 0" },
		{ "rate >= 990", "column 9: \"990\": expected a rate such as 990/s" },
		{ "bytes rate > 1MiB", "column 14: \"1MiB\": expected a size for a time such as 1MiB/s" },
		{ "size p50 > 5s", "column 12: \"5s\": expected a size such as 64KiB" },
		{ "status p50 < 2ms", "column 14: \"2ms\": expected a number such as 200" },
		{ "latency p95 < 1s abort", "column 18: expected \"abort after\" and a duration, or nothing" },
		{ "latency p95 < 1s abort after x", "column 30: \"x\": expected a duration such as 30s" },
		{ "latency p95 < 1s abort after 5s now", "column 33: expected nothing more" },
		{ "perf p50 < 2", "column 1: unknown metric \"perf\"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char error[400] = "";
		struct requirement *r = requirement_compile(table[i].text, measured_steps, 2, error, sizeof error);
		if (r)
			fail_msg("\"%s\" was taken", table[i].text);
		if (strncmp(error, table[i].error, strlen(table[i].error)) != 0)
			fail_msg("\"%s\": %s", table[i].text, error);
	}
}

/* 90 ok of 10 ms and 10 errors of 100 ms in 10 s on `login`; 10 more were dropped. `orders` was never asked. */
static struct tally *sample(const struct requirement *const *requires, uint32_t n)
{
	struct tally *t = tally_new("p", measured_steps, 2, requires, n, 0);
	struct result r = { 0 };
	for (int i = 0; i < 100; i++) {
		int64_t due = i * NS_PER_S / 10;
		tally_due(t, due, 1);
		tally_sent(t, 0, 1, due);
		measured_begin(&r, i < 90 ? PROBED_OK : PROBED_ERROR, (i < 90 ? 10 : 100) * NS_PER_MS, 0, due);
		r.phase_ns[PROBED_PHASE_CONNECT] = NS_PER_MS;
		measured_number(&r, 0, NULL, PROBED_TYPE_INTEGER, 200, 0);
		measured_number(&r, 1, NULL, PROBED_TYPE_SIZE, 2048, 0);
		measured_number(&r, 2, NULL, PROBED_TYPE_FLOAT, 0, 0.25);
		measured_number(&r, 3, NULL, PROBED_TYPE_BOOLEAN, i % 4 != 0, 0);
		measured_number(&r, 5, "load", PROBED_TYPE_FLOAT, 0, 1.5);
		measured_number(&r, 6, NULL, PROBED_TYPE_DURATION, -3 * NS_PER_S, 0);
		tally_add(t, 0, &r, due);
	}
	tally_due(t, 0, 10);
	tally_not_sent(t, 0, TALLY_LIMIT, 10, 0);
	result_free(&r);
	tally_end(t, 10 * NS_PER_S, 10 * NS_PER_S);
	return t;
}

static void verdicts_are_of_what_was_measured(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum requirement_state verdict;
		const char *why;
	} table[] = {
		{ "latency p50 < 11ms", REQUIREMENT_MET, "p50 of latency is 10" },
		{ "latency p95 < 99ms", REQUIREMENT_NOT_MET, "p95 of latency is 100 ms, not < 99 ms" },
		{ "latency p99.99 <= 100ms", REQUIREMENT_MET, "p99.99 of latency is 100 ms" },
		{ "latency max == 100ms", REQUIREMENT_MET, "max of latency is 100 ms" },
		{ "latency avg < 19ms", REQUIREMENT_NOT_MET, "avg of latency is 19 ms, not < 19 ms" },
		{ "latency count != 100", REQUIREMENT_NOT_MET, "count of latency is 100, not != 100" },
		{ "service min >= 10ms", REQUIREMENT_MET, "min of service is 10 ms" },
		{ "lag p99 < 1ms", REQUIREMENT_MET, "p99 of lag is 0" },
		{ "phase connect p99 < 2ms", REQUIREMENT_MET, "p99 of the phase connect is 1 ms" },
		{ "phase tls p99 < 2s", REQUIREMENT_NOT_MEASURED, "nothing measured" },
		{ "phase connect by step p99 < 2ms", REQUIREMENT_MET, "holds for each step (1)" },
		{ "errors rate < 10%", REQUIREMENT_NOT_MET, "rate of errors is 10 %, not < 10 %" },
		{ "errors rate <= 0.1", REQUIREMENT_MET, "rate of errors is 10 %" },
		{ "errors count == 10", REQUIREMENT_MET, "count of errors is 10" },
		{ "unknown count == 0", REQUIREMENT_MET, "count of unknown is 0" },
		{ "dropped count == 0", REQUIREMENT_NOT_MET, "count of dropped is 10, not == 0" },
		{ "dropped rate < 10%", REQUIREMENT_MET, "rate of dropped is 9.091 %" },
		{ "checks rate == 100%", REQUIREMENT_MET, "rate of checks is 100 %" },
		{ "checks count == 180", REQUIREMENT_MET, "count of checks is 180" },
		{ "rate >= 10/s", REQUIREMENT_MET, "the rate is 10/s" },
		{ "rate >= 601/min", REQUIREMENT_NOT_MET, "the rate is 10/s, not >= 10.0167/s" },
		{ "rate min >= 10/s", REQUIREMENT_MET, "min of rate is 10/s" },
		{ "rate count > 100", REQUIREMENT_NOT_MET, "count of rate is 100, not > 100" },
		{ "bytes rate > 20KiB/s", REQUIREMENT_NOT_MET, "rate of bytes is 20 KiB/s, not > 20 KiB/s" },
		{ "bytes count == 204800B", REQUIREMENT_MET, "count of bytes is 200 KiB" },
		{ "bytes avg >= 2KiB", REQUIREMENT_MET, "avg of bytes is 2 KiB" },
		{ "status p50 == 200", REQUIREMENT_MET, "p50 of status is 200" },
		{ "size max <= 2KiB", REQUIREMENT_MET, "max of size is 2 KiB" },
		{ "share avg < 0.26", REQUIREMENT_MET, "avg of share is 0.25" },
		{ "fresh rate > 75%", REQUIREMENT_NOT_MET, "rate of fresh is 75 %, not > 75 %" },
		{ "perf.load max == 1.5", REQUIREMENT_MET, "max of perf.load is 1.5" },
		{ "perf.none max == 1.5", REQUIREMENT_NOT_MEASURED, "nothing measured" },
		{ "cert.expires min > -4s", REQUIREMENT_MET, "min of cert.expires is -3 s" },
		{ "latency by login p50 < 11ms", REQUIREMENT_MET, "login: p50 of latency is 10" },
		{ "latency by orders p50 < 11ms", REQUIREMENT_NOT_MEASURED, "orders: nothing measured" },
		{ "latency by step p50 < 11ms", REQUIREMENT_NOT_MEASURED, "orders: nothing measured" },
		{ "latency by step p50 < 1ms", REQUIREMENT_NOT_MET, "login: p50 of latency is 10" },
		{ "errors by orders count == 0", REQUIREMENT_NOT_MEASURED, "orders: nothing measured" },
		{ "dropped by login count <= 10", REQUIREMENT_MET, "login: count of dropped is 10" },
		{ "rate by orders >= 0/s", REQUIREMENT_NOT_MEASURED, "orders: nothing measured" },
	};
	struct requirement *all[ARRAY_LEN(table)];
	const struct requirement *given[ARRAY_LEN(table)];
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char error[400] = "";
		all[i] = requirement_compile(table[i].text, measured_steps, 2, error, sizeof error);
		if (!all[i])
			fail_msg("\"%s\": %s", table[i].text, error);
		given[i] = all[i];
		assert_string_equal(requirement_text(all[i]), table[i].text);
	}
	struct tally *t = sample(given, ARRAY_LEN(table));
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char why[300], again[300], error[300];
		enum requirement_state got = requirement_verdict(all[i], t, why, sizeof why);
		if (got != table[i].verdict || strncmp(why, table[i].why, strlen(table[i].why)) != 0)
			fail_msg("\"%s\": %s, %s", table[i].text, requirement_state_name(got), why);
		/* compiled against what was measured, it says the same */
		struct requirement *r = requirement_compile_for(table[i].text, t, error, sizeof error);
		if (!r)
			fail_msg("\"%s\" again: %s", table[i].text, error);
		assert_int_equal(requirement_verdict(r, t, again, sizeof again), got);
		assert_string_equal(why, again);
		requirement_free(r);
		requirement_free(all[i]);
	}
	tally_free(t);
}

static void nothing_measured_is_not_met(void **state)
{
	(void)state;
	static const char *const texts[] = { "latency p95 < 1h", "errors count == 0", "errors rate < 100%", "dropped count == 0",
		                             "checks rate >= 0%", "rate >= 0/s", "bytes rate >= 0/s", "status min >= 0",
		                             "latency by step p95 < 1h", "unknown count == 0" };
	struct tally *t = tally_new("p", measured_steps, 2, NULL, 0, 0);
	for (int ended = 0; ended < 2; ended++) {
		for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
			char why[300];
			struct requirement *r = requirement_compile(texts[i], measured_steps, 2, why, sizeof why);
			assert_non_null(r);
			if (requirement_verdict(r, t, why, sizeof why) != REQUIREMENT_NOT_MEASURED)
				fail_msg("%s: %s", texts[i], why);
			requirement_free(r);
		}
		tally_end(t, 10 * NS_PER_S, 10 * NS_PER_S);
	}
	tally_free(t);
}

static void a_violation_aborts_after_its_time_and_not_before(void **state)
{
	(void)state;
	char error[200];
	struct requirement *calm = requirement_compile("errors rate < 1%", measured_steps, 2, error, sizeof error);
	struct requirement *strict = requirement_compile("errors rate < 50% abort after 3s", measured_steps, 2, error, sizeof error);
	assert_true(requirement_abort_after(calm) == -1);
	assert_true(requirement_abort_after(strict) == 3 * NS_PER_S);
	const struct requirement *const all[] = { calm, strict };
	struct tally *t = tally_new("p", measured_steps, 2, all, 2, 0);
	struct result r = { 0 };
	for (int64_t s = 1; s <= 6; s++) {
		measured_begin(&r, s <= 2 || s == 5 ? PROBED_ERROR : PROBED_OK, NS_PER_MS, 0, s * NS_PER_S - 1);
		tally_add(t, 0, &r, s * NS_PER_S - 1);
		/* errors of all: 1/1, 2/2, 2/3, 2/4, 3/5, 3/6 */
		assert_int_equal(tally_tick(t, s * NS_PER_S, 0, 0, 0), s < 3 ? -1 : 1);
	}
	measured_begin(&r, PROBED_OK, NS_PER_MS, 0, 7 * NS_PER_S - 1);
	tally_add(t, 0, &r, 7 * NS_PER_S - 1);
	assert_int_equal(tally_tick(t, 7 * NS_PER_S, 0, 0, 0), -1);
	result_free(&r);
	tally_free(t);
	requirement_free(calm);
	requirement_free(strict);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_told_with_their_column_and_the_nearest_name),
		cmocka_unit_test(verdicts_are_of_what_was_measured),
		cmocka_unit_test(nothing_measured_is_not_met),
		cmocka_unit_test(a_violation_aborts_after_its_time_and_not_before),
	};
	return cmocka_run_group_tests_name("require", tests, NULL, NULL);
}
