/* SPDX-License-Identifier: Apache-2.0 */
/* test_backoff.c - which results speak against a host, and how long it is left alone then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "judge/result.h"
#include "plan/backoff.h"
#include "plugin/table.h"

enum { OVERLOAD, AFTER, STATUS, LEFT, RESET, FACTS };
static char name[] = "x";
static struct fact_decl decls[FACTS] = {
	[OVERLOAD] = { .name = name, .type = PROBED_TYPE_BOOLEAN, .role = PROBED_ROLE_OVERLOAD },
	[AFTER] = { .name = name, .type = PROBED_TYPE_DURATION, .role = PROBED_ROLE_RETRY_AFTER },
	[STATUS] = { .name = name, .type = PROBED_TYPE_INTEGER, .role = PROBED_ROLE_STATUS },
	[LEFT] = { .name = name, .type = PROBED_TYPE_INTEGER, .role = PROBED_ROLE_QUOTA_LEFT },
	[RESET] = { .name = name, .type = PROBED_TYPE_DURATION, .role = PROBED_ROLE_QUOTA_RESET },
};
static const struct driver_table driver = { .facts = decls, .n_facts = FACTS };

static void fact(struct result *r, uint32_t index, int64_t i)
{
	struct result_fact *f = result_fact_add(r, index, NULL, false);
	f->type = index < FACTS ? (uint8_t)decls[index].type : PROBED_TYPE_INTEGER;
	f->i = i;
}

static struct backoff_spec spec(const char *text)
{
	struct backoff_spec s;
	char error[512];
	if (backoff_parse(text, &s, error, sizeof error))
		fail_msg("%s: %s", text, error);
	return s;
}

static void backoffs_are_read(void **state)
{
	(void)state;
	struct backoff_spec s = spec("1s..5m on 429 502 503 504 error timeout");
	assert_true(s.base_ns == NS_PER_S && s.cap_ns == 300 * NS_PER_S && s.on.n_statuses == 4 && !s.on.overload && !s.on.fail);
	s = spec("250ms..250ms");
	assert_true(s.base_ns == s.cap_ns && s.on.overload && (s.on.reasons & (1u << PROBED_REASON_REFUSED)));
	static const char *const bad[] = { "", "1s", "1s..", "..5m", "5m..1s", "0..5m", "1s..5m 429", "1s..5m on", "1s..5m on 4x9",
		                           "1s..5m on tiemout", "1s..5m on crashed", "1s ..5m", "1s..5m onerror",
		                           "1s..5m on 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "-1s..5m" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct backoff_spec kept = { .base_ns = -7 };
		char error[512] = "";
		if (!backoff_parse(bad[i], &kept, error, sizeof error))
			fail_msg("\"%s\" was taken", bad[i]);
		assert_true(strlen(error) > 10 && !strchr(error, '\n'));
		assert_int_equal(kept.base_ns, -7);
	}
	char error[512];
	assert_int_equal(backoff_parse("1s..5m on tiemout", &s, error, sizeof error), -1);
	assert_non_null(strstr(error, "did you mean timeout?"));
}

static void results_are_judged_by_what_was_asked(void **state)
{
	(void)state;
	static const struct {
		const char *on;
		uint8_t outcome, reason;
		int status, overload;
		enum fault expected;
	} cases[] = {
		{ NULL, PROBED_OK, 0, 200, 0, FAULT_NONE },
		{ NULL, PROBED_FAIL, PROBED_REASON_EXPECTATION, 500, 0, FAULT_NONE },
		{ NULL, PROBED_FAIL, PROBED_REASON_EXPECTATION, 503, 1, FAULT_BAD },
		{ NULL, PROBED_OK, 0, 429, 1, FAULT_BAD },
		{ NULL, PROBED_ERROR, PROBED_REASON_TIMEOUT, 0, 0, FAULT_BAD },
		{ NULL, PROBED_ERROR, PROBED_REASON_REFUSED, 0, 0, FAULT_BAD },
		{ NULL, PROBED_ERROR, 200 /* of a newer plugin */, 0, 0, FAULT_BAD },
		{ NULL, PROBED_ERROR, PROBED_REASON_PERMISSION, 0, 0, FAULT_UNSAID },
		{ NULL, PROBED_ERROR, PROBED_REASON_INTERNAL, 0, 0, FAULT_UNSAID },
		{ NULL, PROBED_UNKNOWN, PROBED_REASON_CRASHED, 0, 0, FAULT_UNSAID },
		{ NULL, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED, 503, 1, FAULT_UNSAID },
		{ "502 504", PROBED_OK, 0, 502, 0, FAULT_BAD },
		{ "502 504", PROBED_OK, 0, 503, 1, FAULT_NONE },
		{ "502 504", PROBED_ERROR, PROBED_REASON_TIMEOUT, 0, 0, FAULT_NONE },
		{ "timeout", PROBED_ERROR, PROBED_REASON_TIMEOUT, 0, 0, FAULT_BAD },
		{ "timeout", PROBED_ERROR, PROBED_REASON_REFUSED, 0, 0, FAULT_NONE },
		{ "fail", PROBED_FAIL, PROBED_REASON_EXPECTATION, 200, 0, FAULT_BAD },
		{ "fail", PROBED_ERROR, PROBED_REASON_RESET, 0, 0, FAULT_NONE },
		{ "overload", PROBED_OK, 0, 503, 1, FAULT_BAD },
		{ "error 429", PROBED_ERROR, PROBED_REASON_TLS, 0, 0, FAULT_BAD },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fault_set set = fault_set_default();
		struct result r = { 0 };
		char error[256];
		if (cases[i].on)
			assert_int_equal(fault_set_parse(cases[i].on, &set, error, sizeof error), 0);
		result_reset(&r);
		r.outcome = cases[i].outcome;
		r.reason = cases[i].reason;
		fact(&r, FACTS + 3, 502); /* an index that the driver does not have */
		if (cases[i].status)
			fact(&r, STATUS, cases[i].status);
		fact(&r, OVERLOAD, cases[i].overload);
		if (fault_judge(&set, &driver, &r) != cases[i].expected)
			fail_msg("case %zu", i);
		result_free(&r);
	}
}

static void what_the_peer_asks_for_is_read(void **state)
{
	(void)state;
	static const struct {
		int64_t after, left, reset, expected; /* -1: not there */
	} cases[] = {
		{ -1, -1, -1, 0 },
		{ 7 * NS_PER_S, -1, -1, 7 * NS_PER_S },
		{ -1, 0, 30 * NS_PER_S, 30 * NS_PER_S },
		{ -1, 5, 30 * NS_PER_S, 0 },
		{ -1, -1, 30 * NS_PER_S, 0 },
		{ 7 * NS_PER_S, 0, 30 * NS_PER_S, 30 * NS_PER_S },
		{ 40 * NS_PER_S, 0, 30 * NS_PER_S, 40 * NS_PER_S },
		{ INT64_MAX, -1, -1, FAULT_WAIT_MAX_NS },
		{ INT64_MIN, -1, -1, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct result r = { 0 };
		result_reset(&r);
		if (cases[i].after != -1)
			fact(&r, AFTER, cases[i].after);
		if (cases[i].left >= 0)
			fact(&r, LEFT, cases[i].left);
		if (cases[i].reset >= 0)
			fact(&r, RESET, cases[i].reset);
		assert_int_equal(fault_wait_ns(&driver, &r), cases[i].expected);
		result_free(&r);
	}
}

/* Each pause is uniform between the base and three times the one before, and never above the cap. */
static void pauses_are_decorrelated(void **state)
{
	(void)state;
	struct backoff_spec s = spec("1s..5m");
	enum { DRAWS = 1000000, BINS = 50 };
	static uint32_t bins[BINS];
	memset(bins, 0, sizeof bins);
	double chi2 = 0, expected = (double)DRAWS / BINS;
	for (uint64_t i = 0; i < DRAWS; i++) {
		struct backoff b = { .sleep_ns = 10 * NS_PER_S };
		backoff_fail(&b, &s, 1, 1, 0, str_mix(9, i));
		assert_true(b.sleep_ns >= NS_PER_S && b.sleep_ns < 30 * NS_PER_S && b.until_ns == 1 + b.sleep_ns);
		bins[(b.sleep_ns - NS_PER_S) * BINS / (29 * NS_PER_S)]++;
	}
	for (int i = 0; i < BINS; i++)
		chi2 += (bins[i] - expected) * (bins[i] - expected) / expected;
	assert_true(chi2 < 100); /* 49 degrees of freedom: above it once in 30,000 */

	struct backoff b = { 0 };
	int64_t now = 100, top = 0;
	for (uint64_t i = 0; i < 1000; i++, now = b.until_ns) {
		int64_t previous = b.sleep_ns;
		backoff_fail(&b, &s, now, now, 0, str_mix(3, i));
		assert_true(b.sleep_ns <= 300 * NS_PER_S && b.sleep_ns >= NS_PER_S);
		assert_true(b.sleep_ns <= (previous ? 3 * previous : 3 * NS_PER_S));
		top = b.sleep_ns > top ? b.sleep_ns : top;
	}
	assert_int_equal(top, 300 * NS_PER_S);
	assert_int_equal(b.times, 1000);
}

static void probes_that_were_under_way_count_once(void **state)
{
	(void)state;
	struct backoff_spec s = spec("1s..5m");
	struct backoff b = { 0 };
	backoff_fail(&b, &s, 10, 100, 0, UINT64_MAX);
	int64_t until = b.until_ns;
	for (int i = 0; i < 50; i++)
		backoff_fail(&b, &s, 20, 200, 0, UINT64_MAX); /* started before the pause began */
	assert_true(b.until_ns == until && b.times == 1);
	backoff_ok(&b, 20, 300, 0); /* nor does an old success end it */
	assert_true(b.sleep_ns > 0 && backoff_holds(&b, until - 1) && !backoff_holds(&b, until));
	backoff_ok(&b, until, until + 5, 0);
	assert_int_equal(b.sleep_ns, 0);
	backoff_fail(&b, &s, until + 6, until + 7, 0, 0);
	assert_int_equal(b.sleep_ns, NS_PER_S);
}

static void what_the_peer_asks_for_is_honoured(void **state)
{
	(void)state;
	struct backoff_spec s = spec("1s..2s");
	struct backoff b = { 0 };
	backoff_fail(&b, &s, 10, 100, 60 * NS_PER_S, 0);
	assert_true(backoff_holds(&b, 100 + 60 * NS_PER_S - 1) && !backoff_holds(&b, 100 + 60 * NS_PER_S));
	b = (struct backoff){ 0 };
	backoff_ok(&b, 10, 100, 5 * NS_PER_S); /* the quota is used up, and nothing went wrong */
	assert_true(backoff_holds(&b, 5 * NS_PER_S) && !b.sleep_ns);
	backoff_ok(&b, 20, 200, 0); /* another answer does not shorten it */
	assert_true(backoff_holds(&b, 5 * NS_PER_S));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backoffs_are_read),
		cmocka_unit_test(results_are_judged_by_what_was_asked),
		cmocka_unit_test(what_the_peer_asks_for_is_read),
		cmocka_unit_test(pauses_are_decorrelated),
		cmocka_unit_test(probes_that_were_under_way_count_once),
		cmocka_unit_test(what_the_peer_asks_for_is_honoured),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
