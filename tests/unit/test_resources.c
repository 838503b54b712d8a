/* SPDX-License-Identifier: Apache-2.0 */
/* test_resources.c - the use of resources read from files as Linux has them, and dispatch paused and going on by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "run/gates.h"
#include "run/resources.h"
#include "run/usage.h"

static char root[] = "/tmp/probed-test-XXXXXX";

static void put(const char *path, const char *text)
{
	char whole[512];
	snprintf(whole, sizeof whole, "%s%s", root, path);
	for (char *p = whole + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		assert_true(!mkdir(whole, 0700) || errno == EEXIST);
	}
	FILE *f = fopen(whole, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static int make_root(void **state)
{
	(void)state;
	memcpy(root + sizeof root - 7, "XXXXXX", 6);
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool about(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void processor_time_is_a_share_since_the_last_sample(void **state)
{
	(void)state;
	struct usage u = { .root = root };
	struct resource_sample s;
	const pid_t pids[] = { 77, 78 };
	put("/proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0 0 0\n");
	put("/proc/self/stat", "5 (prob) ed) S 1 1 1 0 -1 4194304 1 2 3 4 10 20 0 0 20 0 1 0 100 1 1\n");
	put("/proc/77/stat", "77 (x) R 1 1 1 0 -1 4194304 1 2 3 4 5 5 0 0 20 0 1 0 100 1 1\n");
	usage_sample(&u, pids, 2, &s);
	assert_true(isnan(s.value[RESOURCE_CPU]) && isnan(s.value[RESOURCE_OWN_CPU]));
	put("/proc/stat", "cpu  250 10 190 1290 10 20 10 20 0 0\n");
	put("/proc/77/stat", "77 (x) R 1 1 1 0 -1 4194304 1 2 3 4 105 55 0 0 20 0 1 0 100 1 1\n");
	usage_sample(&u, pids, 2, &s); /* 800 ticks passed, 500 of them idle or waiting; own: 150 */
	assert_true(about(s.value[RESOURCE_CPU], 300.0 / 800) && about(s.value[RESOURCE_OWN_CPU], 150.0 / 800));
	usage_sample(&u, pids, 1, &s); /* no time has passed */
	assert_true(isnan(s.value[RESOURCE_CPU]));
	put("/proc/stat", "cpu  350 10 190 2290 10 20 10 20 0 0\n");
	usage_sample(&u, NULL, 0, &s); /* a child has ended, and its time with it */
	assert_true(about(s.value[RESOURCE_CPU], 100.0 / 1100) && isnan(s.value[RESOURCE_OWN_CPU]));
}

static void memory_is_the_cgroups_or_the_machines(void **state)
{
	(void)state;
	struct usage u = { .root = root };
	struct resource_sample s;
	usage_sample(&u, NULL, 0, &s);
	for (uint32_t i = 0; i < RESOURCES; i++) /* nothing can be read */
		assert_true(isnan(s.value[i]));
	put("/proc/meminfo", "MemTotal:       1000 kB\nMemFree:         1 kB\nMemAvailable:    750 kB\n");
	put("/proc/self/cgroup", "0::/system.slice/probed.service\n");
	usage_sample(&u, NULL, 0, &s);
	assert_true(about(s.value[RESOURCE_MEMORY], 0.25));
	put("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n");
	put("/sys/fs/cgroup/system.slice/probed.service/memory.max", "max\n");
	put("/sys/fs/cgroup/system.slice/probed.service/memory.current", "600\n");
	usage_sample(&u, NULL, 0, &s);
	assert_true(about(s.value[RESOURCE_MEMORY], 0.25));
	put("/sys/fs/cgroup/system.slice/probed.service/memory.max", "1000\n");
	put("/sys/fs/cgroup/system.slice/probed.service/memory.stat", "anon 100\nfile 400\ninactive_file 200\nactive_file 200\n");
	usage_sample(&u, NULL, 0, &s);
	assert_true(about(s.value[RESOURCE_MEMORY], 0.4));
	put("/sys/fs/cgroup/system.slice/memory.max", "2000\n"); /* the one above is fuller */
	put("/sys/fs/cgroup/system.slice/memory.current", "1800\n");
	usage_sample(&u, NULL, 0, &s);
	assert_true(about(s.value[RESOURCE_MEMORY], 0.9));
	put("/proc/meminfo", "MemTotal:       1000 kB\nMemAvailable:    50 kB\n"); /* and the machine yet fuller */
	usage_sample(&u, NULL, 0, &s);
	assert_true(about(s.value[RESOURCE_MEMORY], 0.95));
}

static void pressure_is_the_cgroups_or_the_machines(void **state)
{
	(void)state;
	struct usage u = { .root = root };
	struct resource_sample s;
	put("/proc/pressure/cpu", "some avg10=17.39 avg60=22.22 avg300=12.29 total=4702935713\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	put("/proc/pressure/memory", "some avg10=1.00 avg60=0.00 avg300=0.00 total=0\n");
	usage_sample(&u, NULL, 0, &s);
	assert_true(about(s.value[RESOURCE_CPU_PRESSURE], 0.1739) && about(s.value[RESOURCE_MEMORY_PRESSURE], 0.01));
	put("/proc/self/cgroup", "9:name=systemd:/\n0::/x\n");
	put("/sys/fs/cgroup/cgroup.controllers", "cpu\n");
	put("/sys/fs/cgroup/x/cpu.pressure", "some avg10=40.00 avg60=22.22 avg300=12.29 total=4702935713\n");
	usage_sample(&u, NULL, 0, &s);
	assert_true(about(s.value[RESOURCE_CPU_PRESSURE], 0.4) && about(s.value[RESOURCE_MEMORY_PRESSURE], 0.01));
}

static void this_machine_tells_what_it_has(void **state)
{
	(void)state;
	struct usage u = { 0 };
	struct resource_sample s;
	usage_sample(&u, NULL, 0, &s);
	assert_true(s.value[RESOURCE_MEMORY] > 0 && s.value[RESOURCE_MEMORY] <= 1);
	assert_true(s.value[RESOURCE_DESCRIPTORS] > 0 && s.value[RESOURCE_DESCRIPTORS] <= 1);
}

static double queue;
static void load(void *ctx, double *queue_bytes, double *descriptors)
{
	(void)ctx;
	*queue_bytes = queue;
	*descriptors = 0;
}

static void pass_seconds(struct loop *loop, int n)
{
	for (int64_t i = 0; i < n * 100; i++)
		wheel_advance(&loop->wheel, loop->now_ns += 10 * NS_PER_MS);
}

static void dispatch_pauses_and_goes_on(void **state)
{
	(void)state;
	struct loop *loop = loop_new();
	struct gates *g = gates_new(loop);
	struct resources_source source = { .root = root, .load = load };
	struct resources *r = resources_new(loop, g);
	struct resource_limits limits = { .band = { [RESOURCE_MEMORY] = { .pause = 0.9, .resume = 0.8 },
		                                    [RESOURCE_QUEUE] = { .pause = 1000, .resume = 500 } } };
	enum resource cause;
	put("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 50 kB\n");
	resources_watch(r, &source);
	queue = 0;
	pass_seconds(loop, 5);
	assert_false(gates_paused(g)); /* no limits, no look */
	resources_apply(r, &limits);
	assert_true(gates_paused(g) && resources_paused(r, &cause) && cause == RESOURCE_MEMORY);
	put("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 150 kB\n");
	pass_seconds(loop, 3);
	assert_true(gates_paused(g)); /* 85 % */
	put("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 250 kB\n");
	queue = 2000;
	pass_seconds(loop, 2);
	assert_true(resources_paused(r, &cause) && cause == RESOURCE_QUEUE);
	queue = 499;
	pass_seconds(loop, 2);
	assert_false(gates_paused(g));
	int64_t paused = resources_paused_ns(r);
	assert_true(paused > 5 * NS_PER_S && paused < 8 * NS_PER_S);
	pass_seconds(loop, 5);
	assert_true(resources_paused_ns(r) == paused);
	queue = 1e6;
	pass_seconds(loop, 2);
	assert_true(gates_paused(g));
	resources_apply(r, NULL); /* limits that are taken away hold nothing back */
	assert_false(gates_paused(g));
	resources_free(r);
	gates_free(g);
	loop_free(loop);
}

int main(void)
{
	log_init("test", LOG_ERROR, false);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(processor_time_is_a_share_since_the_last_sample, make_root, remove_root),
		cmocka_unit_test_setup_teardown(memory_is_the_cgroups_or_the_machines, make_root, remove_root),
		cmocka_unit_test_setup_teardown(pressure_is_the_cgroups_or_the_machines, make_root, remove_root),
		cmocka_unit_test(this_machine_tells_what_it_has),
		cmocka_unit_test_setup_teardown(dispatch_pauses_and_goes_on, make_root, remove_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
