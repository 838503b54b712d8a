/* SPDX-License-Identifier: Apache-2.0 */
/*
 * made_report.c - made_report FORMAT [compared|empty]: writes a made-up run's report, for the tests that look at reports
 * with other people's programs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../unit/measured.h"
#include "report/report.h"

static const char *const required[] = { "latency p95 < 100ms", "errors rate < 1%", "rate >= 190/s", "phase tls p99 < 1s" };

static struct run *made(const char *name, const struct measured_kind *kind)
{
	const struct requirement *all[ARRAY_LEN(required)];
	char error[200];
	for (size_t i = 0; i < ARRAY_LEN(required); i++) {
		all[i] = requirement_compile(required[i], measured_steps, 2, error, sizeof error);
		if (!all[i])
			panic("%s", error);
	}
	struct run *r = run_new(name, "host7", "0.1.0", INT64_C(1790000000) * NS_PER_S);
	run_add(r, measured_with(kind, all, ARRAY_LEN(required)), false, all, ARRAY_LEN(required));
	for (size_t i = 0; i < ARRAY_LEN(required); i++)
		requirement_free((struct requirement *)(uintptr_t)all[i]);
	return r;
}

int main(int argc, char **argv)
{
	struct measured_kind now = { .seed = 11, .seconds = 120, .rate = 200, .slower = 1, .errors = 0.02, .drift = 0.8, .eventful = true };
	struct measured_kind before = { .seed = 12, .seconds = 100, .rate = 200, .slower = 0.9, .errors = 0.005, .drift = 0.8 };
	const char *how = argc > 2 ? argv[2] : "";
	if (!strcmp(how, "empty"))
		now.seconds = 0;
	struct run *r = made("night <run> & more", &now), *base = !strcmp(how, "compared") ? made("yesterday", &before) : NULL;
	int rc = argc > 1 ? report_write(r, base, argv[1], stdout) : -1;
	run_free(r);
	run_free(base);
	return rc < 0;
}
