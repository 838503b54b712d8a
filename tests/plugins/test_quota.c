/* SPDX-License-Identifier: Apache-2.0 */
/* test_quota.c - quotas as servers tell them, in each way that is in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "http/quota.h"

#define S INT64_C(1000000000)
#define NOW (INT64_C(1769850307) * S + 5)

static void quotas_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value, *name2, *value2;
		int64_t left, reset_s; /* -1: not said */
	} cases[] = {
		{ "ratelimit-remaining", "12", "ratelimit-reset", "30", 12, 30 },
		{ "x-ratelimit-remaining", "0", "x-ratelimit-reset", "1769850337", 0, 30 },
		{ "x-rate-limit-remaining", "7", "x-rate-limit-reset", "1769850337500", 7, 30 },
		{ "x-ratelimit-reset", "12.9", NULL, NULL, -1, 12 },
		{ "x-ratelimit-reset", "1769850000", NULL, NULL, -1, 0 }, /* has passed */
		{ "x-ratelimit-reset", "99999999999999999999999", NULL, NULL, -1, 366 * 86400 },
		{ "ratelimit-remaining", "many", "ratelimit-reset", "-3", -1, -1 },
		{ "ratelimit", "limit=100, remaining=50, reset=30", NULL, NULL, 50, 30 },
		{ "ratelimit", "remaining=0,reset=5", NULL, NULL, 0, 5 },
		{ "ratelimit", "\"default\";r=50;t=30", NULL, NULL, 50, 30 },
		{ "ratelimit", "default;r=0;t=3", NULL, NULL, 0, 3 },
		{ "ratelimit", "\"a\";r=50;t=30, \"b\";r=7;t=3600", NULL, NULL, 7, 3600 },
		{ "ratelimit", "\"a;r=1,\";r=50;t=30, \"b\" ; r=70 ; t=3600", NULL, NULL, 50, 30 },
		{ "ratelimit", "\"a\";t=30", NULL, NULL, -1, -1 },
		{ "ratelimit", "\"never ended;r=3", NULL, NULL, -1, -1 },
		{ "ratelimit", "", NULL, NULL, -1, -1 },
		{ "ratelimit", ",;,;==;r=;t=", NULL, NULL, -1, -1 },
		{ "ratelimit-policy", "\"a\";q=100;w=60", NULL, NULL, -1, -1 },
		{ "ratelimit-limit", "100", NULL, NULL, -1, -1 },
		{ "retry-after", "100", "x-", "5", -1, -1 },
		{ "x-ratelimited", "1", "rate", "5", -1, -1 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct quota q = QUOTA_NONE;
		quota_header(&q, cases[i].name, cases[i].value, NOW);
		if (cases[i].name2)
			quota_header(&q, cases[i].name2, cases[i].value2, NOW);
		if (q.left != cases[i].left || q.reset_ns != (cases[i].reset_s < 0 ? -1 : cases[i].reset_s * S))
			fail_msg("%s: %s: %lld left, reset in %lld ns", cases[i].name, cases[i].value, (long long)q.left,
				 (long long)q.reset_ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotas_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
