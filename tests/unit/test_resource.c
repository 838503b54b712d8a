/* SPDX-License-Identifier: Apache-2.0 */
/* test_resource.c - limits of resources: hysteresis, causes, time paused. */
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
#include "plan/resource.h"

#define S NS_PER_S

static struct resource_band band(enum resource r, const char *text)
{
	struct resource_band b;
	char error[256];
	if (resource_band_parse(r, text, &b, error, sizeof error))
		fail_msg("%s: %s", text, error);
	return b;
}

static void bands_are_read(void **state)
{
	(void)state;
	struct resource_band b = band(RESOURCE_CPU, "90% resume 80%");
	assert_true(fabs(b.pause - 0.9) < 1e-9 && fabs(b.resume - 0.8) < 1e-9);
	b = band(RESOURCE_MEMORY, "0.5");
	assert_true(fabs(b.pause - 0.5) < 1e-9 && fabs(b.resume - 0.45) < 1e-9);
	b = band(RESOURCE_QUEUE, "4MiB resume 1MiB");
	assert_true(b.pause == 4194304 && b.resume == 1048576);
	static const struct {
		enum resource r;
		const char *text;
	} bad[] = { { RESOURCE_CPU, "" },
		    { RESOURCE_CPU, "110%" },
		    { RESOURCE_CPU, "0%" },
		    { RESOURCE_CPU, "80% resume 90%" },
		    { RESOURCE_CPU, "90% resume" },
		    { RESOURCE_CPU, "90% until 80%" },
		    { RESOURCE_CPU, "90% resume 80% x" },
		    { RESOURCE_CPU, "4MiB" },
		    { RESOURCE_QUEUE, "90%" },
		    { RESOURCE_QUEUE, "0" },
		    { RESOURCE_QUEUE, "1MiB resume 2MiB" } };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct resource_band kept = { .pause = -7 };
		char error[256] = "";
		if (!resource_band_parse(bad[i].r, bad[i].text, &kept, error, sizeof error))
			fail_msg("\"%s\" was taken", bad[i].text);
		assert_true(strlen(error) > 10 && !strchr(error, '\n'));
		assert_true(kept.pause == -7);
	}
}

static struct resource_sample sample(double cpu, double memory)
{
	struct resource_sample s;
	for (uint32_t i = 0; i < RESOURCES; i++)
		s.value[i] = NAN;
	s.value[RESOURCE_CPU] = cpu;
	s.value[RESOURCE_MEMORY] = memory;
	return s;
}

static void pauses_have_hysteresis_and_a_cause(void **state)
{
	(void)state;
	struct resource_limits l = { .band = { [RESOURCE_CPU] = band(RESOURCE_CPU, "90% resume 80%"),
		                               [RESOURCE_MEMORY] = band(RESOURCE_MEMORY, "50% resume 40%") } };
	static const struct {
		double cpu, memory;
		enum resource cause; /* RESOURCES: runs */
		int64_t paused_s;    /* in all, at this time */
	} each_second[] = {
		{ 0.5, 0.1, RESOURCES, 0 },       { 0.89, 0.1, RESOURCES, 0 },    { 0.9, 0.1, RESOURCE_CPU, 0 },
		{ 0.85, 0.1, RESOURCE_CPU, 1 },   { 0.8, 0.6, RESOURCE_CPU, 2 },  { 0.79, 0.6, RESOURCE_MEMORY, 3 },
		{ 0.85, 0.6, RESOURCE_MEMORY, 4 }, /* not again above 80 %: above 90 % only */
		{ 0.1, 0.4, RESOURCE_MEMORY, 5 }, { 0.1, 0.39, RESOURCES, 6 },    { 0.85, 0.45, RESOURCES, 6 },
		{ 1, NAN, RESOURCE_CPU, 6 },      { NAN, NAN, RESOURCES, 7 },     { NAN, NAN, RESOURCES, 7 },
	};
	struct resource_state s = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(each_second); i++) {
		struct resource_sample x = sample(each_second[i].cpu, each_second[i].memory);
		int64_t now = (int64_t)(100 + i) * S;
		bool paused = resource_step(&s, &l, &x, now);
		if (paused != (each_second[i].cause != RESOURCES) || resource_cause(&s) != each_second[i].cause ||
		    resource_paused_ns(&s, now) != each_second[i].paused_s * S)
			fail_msg("second %zu: cause %s, paused %lld ns", i, resource_name(resource_cause(&s)),
				 (long long)resource_paused_ns(&s, now));
	}
	assert_int_equal(s.pauses, 2);
}

static void without_limits_nothing_pauses(void **state)
{
	(void)state;
	struct resource_limits l = { 0 };
	struct resource_state s = { 0 };
	struct resource_sample x = sample(1, 1);
	assert_false(resource_step(&s, &l, &x, 5));
	/* and limits that are taken away end a pause */
	l.band[RESOURCE_CPU] = band(RESOURCE_CPU, "90%");
	assert_true(resource_step(&s, &l, &x, 6));
	l.band[RESOURCE_CPU] = (struct resource_band){ 0 };
	assert_false(resource_step(&s, &l, &x, 8));
	assert_int_equal(resource_paused_ns(&s, 100), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bands_are_read),
		cmocka_unit_test(pauses_have_hysteresis_and_a_cause),
		cmocka_unit_test(without_limits_nothing_pauses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
