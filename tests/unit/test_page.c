/* SPDX-License-Identifier: Apache-2.0 */
/* The exposition page: its text, its steps, and what promtool says of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"
#include "measure/page.h"

static char http[] = "http", status[] = "status", expires[] = "cert.expires", perf[] = "perf", unit_s[] = "s", none[] = "";
static struct fact_decl facts[] = {
	{ .name = status, .unit = none, .type = PROBED_TYPE_INTEGER, .flags = PROBED_FACT_METRIC },
	{ .name = expires, .unit = unit_s, .type = PROBED_TYPE_DURATION, .flags = PROBED_FACT_METRIC },
	{ .name = perf, .unit = none, .type = PROBED_TYPE_FLOAT, .flags = PROBED_FACT_METRIC | PROBED_FACT_FAMILY },
};
static const struct driver_table driver = { .name = http, .facts = facts, .n_facts = 3 };

static const struct kv labels[] = {
	{ .key = "region", .value = "e\"u\\\n\xff\xc3\xa9" },
	{ .key = "my-team", .value = "a" },
	{ .key = "my.team", .value = "b" },
	{ .key = "target", .value = "mine" },
};

struct world {
	struct probe_stat stats[3];
	struct hist *hist;
	size_t n_rows, many; /* many: further rows like the first */
	bool self;
};

static bool give_row(void *ctx, size_t i, struct metrics_row *out)
{
	static const char *const names[] = { "home", "home", "set/a" };
	static char name[32];
	struct world *w = ctx;
	if (i >= w->n_rows + w->many)
		return false;
	*out = (struct metrics_row){ .target = names[i % 3], .driver = &driver, .stat = &w->stats[i % 3] };
	if (i >= w->n_rows) {
		snprintf(name, sizeof name, "many%zu", i);
		out->target = name;
		out->stat = &w->stats[0];
		return true;
	}
	if (i == 0) {
		out->labels = labels;
		out->n_labels = 4;
	}
	if (i == 1)
		out->sub = "ipv6";
	return true;
}

static bool give_driver(void *ctx, size_t i, struct metrics_driver *out)
{
	struct world *w = ctx;
	if (i)
		return false;
	*out = (struct metrics_driver){ .name = "http", .latency = w->hist, .lag = w->hist };
	return true;
}

static void give_self(void *ctx, struct metrics_page *page)
{
	struct world *w = ctx;
	if (!w->self)
		return;
	metrics_self(page, "probed_build_info", METRICS_INFO, NULL, "The program.", 1, "version", "0.1.0", NULL);
	metrics_self(page, "probed_worker_restarts_total", METRICS_COUNTER, NULL, "Restarts.", 2, "pool", "net", NULL);
	metrics_self(page, "probed_memory_bytes", METRICS_GAUGE, "bytes", "Resident memory.", 1.5e9, NULL);
	metrics_self(page, "probed_worker_restarts_total", METRICS_COUNTER, NULL, "Restarts.", 0, "pool", "raw", "why", NULL, NULL);
}

static void add(struct probe_stat *s, uint32_t outcome, int64_t latency_ns)
{
	struct result r = { 0 };
	result_reset(&r);
	r.outcome = (uint8_t)outcome;
	r.wall_ns = INT64_C(1767225600250000000);
	r.start_ns = 1000;
	r.due_ns = 0;
	r.end_ns = latency_ns;
	r.phase_ns[PROBED_PHASE_CONNECT] = 2500000;
	struct result_fact *f = result_fact_add(&r, 0, NULL, false);
	f->type = PROBED_TYPE_INTEGER;
	f->i = 200;
	f = result_fact_add(&r, 1, NULL, false);
	f->type = PROBED_TYPE_DURATION;
	f->i = -NS_PER_S / 4;
	f = result_fact_add(&r, 2, "load 1", false);
	f->type = PROBED_TYPE_FLOAT;
	f->f = 0.1;
	probe_stat_add(s, &r, &driver);
	result_free(&r);
}

static int setup(void **state)
{
	struct world *w = xnew(struct world);
	w->n_rows = 3;
	w->self = true;
	add(&w->stats[0], PROBED_OK, 3 * NS_PER_MS);
	add(&w->stats[0], PROBED_FAIL, 2 * NS_PER_S);
	add(&w->stats[1], PROBED_OK, NS_PER_MS);
	w->hist = xnew(struct hist);
	for (int i = 1; i <= 1000; i++)
		hist_add(w->hist, i * NS_PER_MS);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	for (size_t i = 0; i < 3; i++)
		probe_stat_free(&w->stats[i]);
	free(w->hist);
	free(w);
	return 0;
}

/* The whole page in steps of max_bytes. */
static char *page_of(struct world *w, bool openmetrics, size_t max_bytes, size_t *longest)
{
	struct metrics_source source = { .ctx = w, .row = give_row, .driver = give_driver, .self = give_self };
	struct metrics_page *page = metrics_page_new(&source, openmetrics);
	struct buf all = { 0 };
	size_t most = 0;
	for (int more = 1; more;) {
		size_t before = all.len;
		more = metrics_page_step(page, &all, max_bytes);
		if (all.len - before > most)
			most = all.len - before;
	}
	metrics_page_free(page);
	if (longest)
		*longest = most;
	return buf_cstr(&all);
}

#define HOME "target=\"home\",driver=\"http\",region=\"e\\\"u\\\\\\n\xef\xbf\xbd\xc3\xa9\",my_team=\"a\",label_target=\"mine\""

static void has(const char *page, const char *line)
{
	CLEANUP_FREE char *whole = xasprintf("\n%s\n", line);
	if (!strstr(page, whole) && strncmp(page, whole + 1, strlen(whole + 1)) != 0)
		fail_msg("not on the page: %s", line);
}

static void samples_read_as_they_should(void **state)
{
	char *page = page_of(*state, false, SIZE_MAX, NULL);
	has(page, "# TYPE probed_probe_success gauge");
	has(page, "probed_probe_success{" HOME "} 0");
	has(page, "probed_probe_success{target=\"home\",driver=\"http\",sub=\"ipv6\"} 1");
	has(page, "# TYPE probed_probes_total counter");
	has(page, "probed_probes_total{" HOME ",outcome=\"fail\"} 1");
	has(page, "probed_probes_total{target=\"set/a\",driver=\"http\",outcome=\"unknown\"} 0");
	has(page, "probed_probe_latency_seconds_bucket{" HOME ",le=\"0.0025\"} 0");
	has(page, "probed_probe_latency_seconds_bucket{" HOME ",le=\"1\"} 1");
	has(page, "probed_probe_latency_seconds_bucket{" HOME ",le=\"+Inf\"} 2");
	has(page, "probed_probe_latency_seconds_sum{" HOME "} 2.003");
	has(page, "probed_probe_latency_seconds_count{" HOME "} 2");
	has(page, "probed_probe_duration_seconds{" HOME "} 1.999999");
	has(page, "probed_probe_phase_seconds{" HOME ",phase=\"connect\"} 0.0025");
	has(page, "probed_probe_last_timestamp_seconds{" HOME "} 1767225600.25");
	has(page, "probed_fact{" HOME ",fact=\"status\"} 200");
	has(page, "probed_fact{" HOME ",fact=\"cert.expires\",unit=\"s\"} -0.25");
	has(page, "probed_fact{" HOME ",fact=\"perf.load 1\"} 0.1");
	has(page, "probed_driver_latency_seconds_count{driver=\"http\"} 1000");
	has(page, "probed_build_info{version=\"0.1.0\"} 1");
	has(page, "probed_worker_restarts_total{pool=\"raw\"} 0");
	has(page, "probed_memory_bytes 1500000000");
	assert_null(strstr(page, "probed_probe_success{target=\"set/a\""));
	assert_null(strstr(page, "# EOF"));
	free(page);
}

static void openmetrics_has_its_own_names_and_end(void **state)
{
	char *page = page_of(*state, true, SIZE_MAX, NULL);
	has(page, "# TYPE probed_probes counter");
	has(page, "probed_probes_total{" HOME ",outcome=\"fail\"} 1");
	has(page, "# TYPE probed_build info");
	has(page, "probed_build_info{version=\"0.1.0\"} 1");
	has(page, "# UNIT probed_probe_latency_seconds seconds");
	has(page, "# UNIT probed_memory_bytes bytes");
	has(page, "probed_probe_latency_seconds_bucket{" HOME ",le=\"1.0\"} 1");
	assert_string_equal(page + strlen(page) - 7, "\n# EOF\n");
	free(page);
}

/* Each family once, its samples right behind its metadata. */
static void families_stand_together(void **state)
{
	char *page = page_of(*state, false, SIZE_MAX, NULL), *save = NULL;
	char seen[64][64];
	size_t n = 0;
	for (char *line = strtok_r(page, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_true(n < 64);
			snprintf(seen[n], sizeof seen[n], "%.*s", (int)strcspn(line + 7, " "), line + 7);
			for (size_t i = 0; i < n; i++)
				assert_string_not_equal(seen[i], seen[n]);
			n++;
		} else if (*line != '#') {
			assert_true(n && strncmp(line, seen[n - 1], strlen(seen[n - 1])) == 0);
		}
	}
	assert_true(n >= 10);
	free(page);
}

static void small_steps_make_the_same_page(void **state)
{
	struct world *w = *state;
	w->many = 200;
	for (int openmetrics = 0; openmetrics < 2; openmetrics++) {
		size_t longest;
		char *whole = page_of(w, openmetrics, SIZE_MAX, NULL), *pieces = page_of(w, openmetrics, 1000, &longest);
		assert_string_equal(whole, pieces);
		assert_in_range(longest, 1, 1000 + 4096);
		free(whole);
		free(pieces);
	}
}

static void an_empty_world_is_a_page_too(void **state)
{
	struct world *w = *state;
	w->n_rows = 0;
	w->self = false;
	struct metrics_source source = { .ctx = w, .row = give_row };
	struct metrics_page *page = metrics_page_new(&source, true);
	CLEANUP_BUF struct buf out = { 0 };
	assert_int_equal(metrics_page_step(page, &out, 10), 0);
	assert_string_equal(buf_cstr(&out), "# EOF\n");
	metrics_page_free(page);
}

static void promtool_finds_nothing_to_complain_of(void **state)
{
	if (system("command -v promtool >/dev/null") != 0) {
		print_message("# skipped: no promtool here\n");
		skip();
	}
	char *page = page_of(*state, false, SIZE_MAX, NULL);
	FILE *tool = popen("promtool check metrics 2>&1", "w");
	assert_non_null(tool);
	fputs(page, tool);
	int rc = pclose(tool);
	free(page);
	assert_int_equal(WEXITSTATUS(rc), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(samples_read_as_they_should),
		TEST(openmetrics_has_its_own_names_and_end),
		TEST(families_stand_together),
		TEST(small_steps_make_the_same_page),
		TEST(an_empty_world_is_a_page_too),
		TEST(promtool_finds_nothing_to_complain_of),
	};
	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
