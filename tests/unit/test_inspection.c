/* SPDX-License-Identifier: Apache-2.0 */
/* test_inspection.c - the core's side of the inspector, with real children and real plugins, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "plugin/inspector.h"
#include "plugin/loader.h"
#include "run/spawn.h"

static char *probed, *objects, folder[64], cache[64];

static void copy_file(const char *from, const char *to)
{
	char data[65536];
	CLEANUP_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
	CLEANUP_CLOSE int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ssize_t n;
	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, data, sizeof data)) > 0)
		assert_int_equal(write(out, data, (size_t)n), n);
	assert_int_equal(n, 0);
}

static void install(const char *fixture, const char *as)
{
	CLEANUP_FREE char *from = xasprintf("%s/%s.so", objects, fixture);
	CLEANUP_FREE char *to = xasprintf("%s/%s.so", folder, as);
	copy_file(from, to);
}

static int setup(void **state)
{
	(void)state;
	const char *build = getenv("top_builddir");
	probed = xasprintf("%s/probed", build ? build : ".");
	objects = xasprintf("%s/tests/fixtures/inspect/.libs", build ? build : ".");
	spawn_set_program(probed);
	snprintf(folder, sizeof folder, "/tmp/probed-inspect-XXXXXX");
	snprintf(cache, sizeof cache, "/tmp/probed-cache-XXXXXX");
	return mkdtemp(folder) && mkdtemp(cache) ? 0 : -1;
}

static void empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	while ((e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

static int clean(void **state)
{
	(void)state;
	empty(folder);
	empty(cache);
	return 0;
}

static int teardown(void **state)
{
	clean(state);
	rmdir(folder);
	rmdir(cache);
	free(probed);
	free(objects);
	return 0;
}

struct outcome {
	struct loop *loop;
	struct registry *registry;
};

static void on_done(void *ctx, struct registry *r)
{
	struct outcome *o = ctx;
	o->registry = r;
	loop_stop(o->loop);
}

static struct registry *run(const char *cache_dir, int64_t timeout_ns)
{
	struct outcome o = { .loop = loop_new() };
	const char *const folders[] = { folder };
	struct inspection *in = inspection_start(o.loop, folders, 1, cache_dir, on_done, &o);
	inspection_set_timeout(in, timeout_ns);
	assert_null(o.registry); /* never from inside of the start */
	loop_run(o.loop);
	loop_free(o.loop);
	/* no child is left */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return o.registry;
}

static void all_are_found_in_order(void **state)
{
	(void)state;
	install("good", "b");
	install("aborts", "a");
	struct registry *r = run(NULL, INSPECTION_TIMEOUT_NS);
	assert_int_equal(r->n_plugins, 2);
	assert_int_equal(r->plugins[0]->state, PLUGIN_REFUSED);
	assert_string_equal(r->plugins[0]->why, "killed by signal 6 (Aborted) while it was being loaded");
	assert_int_equal(r->plugins[1]->state, PLUGIN_LOADED);
	const struct driver_table *d = registry_driver(r, "good");
	assert_non_null(d);
	assert_string_equal(d->options.list[1].def, "5s");
	assert_string_equal(d->needs, "net");
	registry_unref(r);
}

static void one_that_hangs_is_refused_in_time(void **state)
{
	(void)state;
	install("hangs", "a");
	install("good", "b");
	int64_t began = clock_now_ns();
	struct registry *r = run(NULL, 300 * NS_PER_MS);
	assert_true(clock_now_ns() - began >= 300 * NS_PER_MS);
	assert_string_equal(r->plugins[0]->why, "does not return from being loaded within 0.3 s");
	assert_int_equal(r->plugins[1]->state, PLUGIN_LOADED);
	registry_unref(r);
}

static void an_empty_folder_is_fine(void **state)
{
	(void)state;
	struct registry *r = run(NULL, INSPECTION_TIMEOUT_NS);
	assert_int_equal(r->n_plugins, 0);
	registry_unref(r);
}

static void without_an_inspector_nothing_loads(void **state)
{
	(void)state;
	install("good", "a");
	install("good", "b");
	spawn_set_program("/nonexistent/probed");
	struct registry *r = run(NULL, INSPECTION_TIMEOUT_NS);
	spawn_set_program(probed);
	for (uint32_t i = 0; i < 2; i++)
		assert_string_equal(r->plugins[i]->why, "not looked at: the inspector could not be started");
	registry_unref(r);
}

/* Whether the children are needed: without them only what the cache knows can be had. */
static bool cached(void)
{
	spawn_set_program("/nonexistent/probed");
	struct registry *r = run(cache, INSPECTION_TIMEOUT_NS);
	spawn_set_program(probed);
	bool had = registry_driver(r, "good") != NULL;
	registry_unref(r);
	return had;
}

static void fill_cache(void)
{
	registry_unref(run(cache, INSPECTION_TIMEOUT_NS));
}

static void the_cache_spares_loading(void **state)
{
	(void)state;
	install("good", "a");
	assert_false(cached());
	fill_cache();
	assert_true(cached());
	fill_cache();
	assert_true(cached());
}

static void a_changed_file_is_loaded_again(void **state)
{
	(void)state;
	install("good", "a");
	fill_cache();
	CLEANUP_FREE char *path = xasprintf("%s/a.so", folder);
	const struct timespec other[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	assert_int_equal(utimensat(AT_FDCWD, path, other, 0), 0);
	assert_false(cached());
	fill_cache();
	assert_true(cached());
}

static void a_damaged_cache_is_ignored(void **state)
{
	(void)state;
	install("good", "a");
	CLEANUP_FREE char *path = xasprintf("%s/plugins.cache", cache);
	fill_cache();
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = 0; at < st.st_size; at += st.st_size / 20 + 1) {
		fill_cache();
		assert_int_equal(truncate(path, at), 0);
		assert_false(cached());
	}
	fill_cache();
	assert_int_equal(chmod(path, 0666), 0);
	assert_false(cached()); /* nor is one that anyone could have written */
}

static void what_is_refused_is_not_remembered(void **state)
{
	(void)state;
	install("aborts", "a");
	fill_cache();
	fill_cache();
	struct registry *r = run(cache, INSPECTION_TIMEOUT_NS);
	assert_string_equal(r->plugins[0]->why, "killed by signal 6 (Aborted) while it was being loaded");
	registry_unref(r);
}

static void nobody(void *ctx, struct registry *r)
{
	(void)ctx, (void)r;
	fail();
}

static struct loop *stopping;
static void stop(struct wheel_timer *t)
{
	(void)t;
	loop_stop(stopping);
}

static void it_can_be_cancelled(void **state)
{
	(void)state;
	install("hangs", "a");
	for (int ms = 0; ms < 20; ms += 5) {
		struct loop *loop = stopping = loop_new();
		const char *const folders[] = { folder };
		struct wheel_timer timer = { .fn = stop };
		struct inspection *in = inspection_start(loop, folders, 1, NULL, nobody, NULL);
		if (ms) {
			loop_timer_set(loop, &timer, clock_now_ns() + ms * NS_PER_MS);
			loop_run(loop);
		}
		inspection_cancel(in);
		loop_free(loop);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	}
}

static void a_loaded_plugin_is_found_by_its_parts(void **state)
{
	(void)state;
	char error[256];
	install("good", "a");
	CLEANUP_FREE char *path = xasprintf("%s/a.so", folder);
	struct loaded_plugin *l = loader_open(path, NULL, error, sizeof error);
	assert_non_null(l);
	assert_ptr_equal(loader_open(path, NULL, error, sizeof error), l);
	const struct driver_table *table = NULL;
	assert_ptr_equal(loader_driver("good", &table), l->drivers);
	assert_ptr_equal(table, l->table->drivers);
	assert_null(loader_driver("bad", NULL));
	assert_null(loader_sink("good", NULL));
	assert_null(loader_service("good", NULL));
	assert_null(loader_open("a.so", NULL, error, sizeof error));
	assert_string_equal(error, "expected an absolute path");
	loader_close_all();
	assert_null(loader_first());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(all_are_found_in_order, clean),
		cmocka_unit_test_teardown(one_that_hangs_is_refused_in_time, clean),
		cmocka_unit_test_teardown(an_empty_folder_is_fine, clean),
		cmocka_unit_test_teardown(without_an_inspector_nothing_loads, clean),
		cmocka_unit_test_teardown(the_cache_spares_loading, clean),
		cmocka_unit_test_teardown(a_changed_file_is_loaded_again, clean),
		cmocka_unit_test_teardown(a_damaged_cache_is_ignored, clean),
		cmocka_unit_test_teardown(what_is_refused_is_not_remembered, clean),
		cmocka_unit_test_teardown(it_can_be_cancelled, clean),
		cmocka_unit_test_teardown(a_loaded_plugin_is_found_by_its_parts, clean),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
