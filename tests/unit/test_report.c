/* SPDX-License-Identifier: Apache-2.0 */
/* test_report.c - a run as a file and back, merged, and told in every format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>
#include <zstd.h>

#include "measure/series.h"
#include "measured.h"
#include "report/report.h"
#include "report/report_parts.h"

static const struct measured_kind usual = { .seed = 11, .seconds = 60, .rate = 60, .slower = 1, .errors = 0.02, .eventful = true };

static const char *const required[] = { "latency p95 < 300ms", "errors rate < 1%", "phase tls p99 < 1s", "status max < 501" };

static struct run *made_run(const struct measured_kind *k)
{
	struct run *r = run_new("night", "host7 <&>", "0.1.0", INT64_C(1790000000) * NS_PER_S);
	const struct requirement *all[ARRAY_LEN(required)];
	char error[200];
	for (size_t i = 0; i < ARRAY_LEN(required); i++)
		all[i] = requirement_compile(required[i], measured_steps, 2, error, sizeof error);
	run_add(r, measured_with(k, all, ARRAY_LEN(required)), false, all, ARRAY_LEN(required));
	for (size_t i = 0; i < ARRAY_LEN(required); i++) {
		assert_non_null(all[i]);
		requirement_free((struct requirement *)(uintptr_t)all[i]);
	}
	return r;
}

/* What is written to a FILE, as a string of the caller's. */
static char *told(const struct run *r, const struct run *base, const char *format, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);
	assert_int_equal(report_write(r, base, format, f), 0);
	fclose(f);
	return text;
}

static char *packed(const struct run *r, size_t *len)
{
	char *data = NULL, error[200];
	FILE *f = open_memstream(&data, len);
	assert_int_equal(run_write(r, f, error, sizeof error), 0);
	fclose(f);
	return data;
}

static void a_run_read_back_is_the_run(void **state)
{
	(void)state;
	struct run *r = made_run(&usual);
	run_ended(r, RUN_INTERRUPTED, "by SIGINT");
	size_t n;
	char error[300] = "", *data = packed(r, &n);
	struct run *back = run_parse(data, n, error, sizeof error);
	if (!back)
		fail_msg("%s", error);
	for (const char *const *format = report_formats; *format; format++) {
		size_t a_len, b_len;
		char *a = told(r, r, *format, &a_len), *b = told(back, back, *format, &b_len);
		assert_string_equal(a, b);
		assert_true(a_len > 500);
		free(a);
		free(b);
	}
	size_t again;
	char *second = packed(back, &again);
	assert_int_equal(n, again);
	assert_memory_equal(data, second, n);
	print_message("# %zu bytes\n", n);
	free(second);
	free(data);
	run_free(back);
	run_free(r);
}

static void a_run_file_of_a_long_run_stays_small(void **state)
{
	(void)state;
	struct measured_kind k = { .seed = 3, .seconds = 1000, .rate = 200, .slower = 1, .errors = 0.01, .drift = 0.5 };
	struct run *r = made_run(&k);
	size_t n;
	char *data = packed(r, &n);
	print_message("# %zu bytes\n", n);
	assert_true(r->plans[0].tally->n_intervals <= TALLY_INTERVALS);
	assert_true(n < 1 << 20);
	free(data);
	run_free(r);
}

/* The JSON inside a run file, changed in one place, and packed again. */
static struct run *changed(const char *json, const char *from, const char *to, char *error, size_t size)
{
	const char *at = strstr(json, from);
	if (!at)
		fail_msg("there is no %s", from);
	char *text = xasprintf("%.*s%s%s", (int)(at - json), json, to, at + strlen(from));
	size_t room = ZSTD_compressBound(strlen(text));
	void *data = xmalloc(room);
	size_t n = ZSTD_compress(data, room, text, strlen(text), 1);
	struct run *r = run_parse(data, n, error, size);
	free(data);
	free(text);
	return r;
}

static void hostile_files_are_refused_with_a_reason(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to, *error;
	} table[] = {
		{ "\"probed_run\":1", "\"probed_run\":2", "it is of form 2, and this probed knows forms up to 1: use a newer one" },
		{ "\"probed_run\":1", "\"probed\":1", "\"probed_run\" is not a whole number" },
		{ "{", "{{", "damaged: line 1, column" },
		{ "\"name\":\"night\"", "\"name\":7", "\"name\" is not a text" },
		{ "\"length_ns\":", "\"length_ns\":-", "\"length_ns\" is not a whole number" },
		{ "\"width_ns\":1", "\"width_ns\":3", "\"width_ns\" is not a power of two, in seconds" },
		{ "\"name\":\"orders\"", "\"name\":\"login\"", "two steps have the name \"login\"" },
		{ "\"latency\":\"", "\"latency\":\"AAAA", "the histogram \"latency\" is damaged" },
		{ "\"latency\":\"", "\"latency\":\"*", "the histogram \"latency\" is not base64" },
		{ "\"n\":[", "\"n\":[0,", "\"n\" is not a list" },
		{ "\"step\":1", "\"step\":2", "\"step\" is not a whole number from 0 to 1" },
		{ "\"type\":\"integer\"", "\"type\":\"string\"", "a fact has the type \"string\"" },
		{ "\"asked_rate\":60", "\"asked_rate\":-60", "\"asked_rate\" is not a rate" },
		{ "\"lost\":37", "\"lost\":-1", "\"lost\" is not a whole number" },
	};
	struct run *r = made_run(&usual);
	size_t n;
	char *data = packed(r, &n), *json = xcalloc(1, 4 << 20), error[300];
	size_t len = ZSTD_decompress(json, (4 << 20) - 1, data, n);
	assert_false(ZSTD_isError(len));
	struct run *same = changed(json, "\"night\"", "\"day\"", error, sizeof error);
	assert_non_null(same); /* the table's changes are what is refused, and not changing */
	run_free(same);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		error[0] = '\0';
		if (changed(json, table[i].from, table[i].to, error, sizeof error))
			fail_msg("%s was taken", table[i].to);
		if (strncmp(error, table[i].error, strlen(table[i].error)) != 0)
			fail_msg("%s: %s", table[i].to, error);
	}
	for (size_t cut = 0; cut < n; cut += 997)
		assert_null(run_parse(data, cut, error, sizeof error));
	assert_null(run_parse("plan,at_s\n", 10, error, sizeof error));
	assert_string_equal(error, "not a run file: expected what `probectl run` writes");
	assert_null(run_read("/nonexistent/x.run", error, sizeof error));
	assert_string_equal(error, "/nonexistent/x.run: No such file or directory");
	free(json);
	free(data);
	run_free(r);
}

static void a_saved_run_is_whole_or_not_there(void **state)
{
	(void)state;
	char folder[] = "/tmp/probed-report-XXXXXX", error[300];
	assert_non_null(mkdtemp(folder));
	char *path = xasprintf("%s/a.run", folder), *nowhere = xasprintf("%s/none/a.run", folder);
	struct run *r = made_run(&usual);
	assert_int_equal(run_save(r, path, error, sizeof error), 0);
	assert_int_equal(run_save(r, path, error, sizeof error), 0);
	assert_int_equal(run_save(r, nowhere, error, sizeof error), -1);
	assert_non_null(strstr(error, "No such file or directory"));
	struct run *back = run_read(path, error, sizeof error);
	assert_non_null(back);
	run_free(back);
	run_free(r);
	unlink(path);
	assert_int_equal(rmdir(folder), 0);
	free(path);
	free(nowhere);
}

static void merged_runs_are_judged_again(void **state)
{
	(void)state;
	struct measured_kind good = usual, bad = usual;
	good.eventful = bad.eventful = false;
	good.errors = 0.002;
	bad.errors = 0.1;
	struct run *a = made_run(&good), *b = made_run(&bad);
	assert_int_equal(a->plans[0].requires[1].state, REQUIREMENT_MET);
	uint64_t sent = a->plans[0].tally->n.sent + b->plans[0].tally->n.sent;
	run_ended(b, RUN_ABORTED, "errors rate < 1%");
	run_merge(a, b);
	assert_int_equal(a->merged, 2);
	assert_int_equal(a->plans[0].tally->n.sent, sent);
	assert_int_equal(a->plans[0].n_requires, ARRAY_LEN(required));
	assert_int_equal(a->plans[0].requires[0].state, REQUIREMENT_MET);
	assert_int_equal(a->plans[0].requires[1].state, REQUIREMENT_NOT_MET);
	assert_int_equal(a->plans[0].requires[2].state, REQUIREMENT_NOT_MEASURED);
	assert_int_equal(a->plans[0].requires[3].state, REQUIREMENT_MET); /* a fact, known from what was measured */
	assert_int_equal(a->end, RUN_ABORTED);
	assert_string_equal(a->machine, "host7 <&>");
	assert_false(run_met(a));
	run_free(a);
	run_free(b);
}

static const json_t *at(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	if (!v)
		fail_msg("no \"%s\"", key);
	return v;
}

static void the_json_report_holds_what_was_asked_and_achieved(void **state)
{
	(void)state;
	struct run *r = made_run(&usual);
	const struct tally *t = r->plans[0].tally;
	size_t n;
	char *text = told(r, r, "json", &n);
	json_error_t e;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &e);
	assert_non_null(root);
	assert_true(fabs(json_number_value(at(root, "asked_rate")) - 60) < 0.01);
	assert_true(fabs(json_number_value(at(root, "achieved_rate")) - (double)t->n.sent / 60) < 0.01);
	assert_true(json_is_false(at(root, "met")));
	const json_t *plan = json_array_get(at(root, "plans"), 0);
	assert_string_equal(json_string_value(at(plan, "held_back")), "20 dropped: inflight was full");
	assert_int_equal(json_integer_value(at(at(plan, "dropped_by"), "inflight")), 20);
	assert_int_equal(json_integer_value(at(plan, "lost")), 37);
	assert_int_equal(json_array_size(at(at(plan, "series"), "intervals")), t->n_intervals);
	assert_true(json_number_value(at(at(plan, "latency_ms"), "p99")) > 1000);
	assert_int_equal(json_integer_value(at(at(at(plan, "facts"), "status"), "max")), 500);
	assert_string_equal(json_string_value(at(json_array_get(at(plan, "requirements"), 2), "state")), "not measured");
	const json_t *comparison = at(plan, "comparison");
	for (size_t i = 0; i < json_array_size(comparison); i++) /* with itself */
		assert_true(json_number_value(at(json_array_get(comparison, i), "change")) == 0);
	json_decref(root);
	free(text);
	run_free(r);
}

static void the_terminal_hears_first_what_did_not_hold_and_nothing_it_would_obey(void **state)
{
	(void)state;
	struct run *r = made_run(&usual);
	tally_event(r->plans[0].tally, NS_PER_S, "clear\033[2Jscreen");
	size_t n;
	char *text = told(r, NULL, "terminal", &n);
	assert_null(strchr(text, '\033'));
	const char *not_met = strstr(text, "NOT MET "), *met = strstr(text, "  met ");
	assert_true(not_met && met && not_met < met);
	assert_non_null(strstr(text, "asked 60/s, achieved 59.667/s (20 dropped: inflight was full)"));
	assert_non_null(strstr(text, "(37 lost with their worker)"));
	assert_non_null(strstr(text, "00:15  worker lost: 37 probes"));
	assert_non_null(strstr(text, "2 of 4 requirements NOT MET."));
	free(text);
	FILE *f = open_memstream(&text, &n);
	report_terminal(r, NULL, true, f);
	fclose(f);
	assert_non_null(strstr(text, "\033[31;1mNOT MET"));
	free(text);
	run_free(r);
}

static void almost_all_is_not_all(void **state)
{
	(void)state;
	static const struct {
		uint64_t part, all;
		const char *text;
	} table[] = { { 0, 0, "-" },       { 0, 7, "0 %" },     { 7, 7, "100 %" },       { 1, 3000, "0.033 %" }, { 1, 12, "8.3 %" },
		      { 1, 3, "33.3 %" }, { 994, 1000, "99.4 %" }, { 99999, 100000, "99.9 %" } };
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char text[32];
		assert_string_equal(text_share(table[i].part, table[i].all, text, sizeof text), table[i].text);
	}
}

static void csv_has_a_line_for_each_interval_and_junit_a_case_for_each_check(void **state)
{
	(void)state;
	struct run *r = made_run(&usual);
	size_t n, lines = 0, columns = 0, cases = 0;
	char *text = told(r, NULL, "csv", &n);
	for (const char *p = text; *p; p++) {
		lines += *p == '\n';
		columns += *p == ',';
	}
	assert_int_equal(lines, 1 + r->plans[0].tally->n_intervals);
	assert_int_equal(columns, lines * 24);
	free(text);
	text = told(r, NULL, "junit", &n);
	for (const char *p = text; (p = strstr(p, "<testcase ")); p++)
		cases++;
	assert_int_equal(cases, 4 + 3);
	assert_non_null(strstr(text, "tests=\"7\" failures=\"4\""));
	assert_non_null(strstr(text, "latency p95 &lt; 300ms"));
	free(text);
	run_free(r);
}

static void formats_are_known_by_name(void **state)
{
	(void)state;
	struct run *r = run_new("x", "m", "1", 0);
	assert_true(report_format_known("json"));
	assert_false(report_format_known("jason"));
	assert_string_equal(report_format_nearest("jason"), "json");
	assert_int_equal(report_write(r, NULL, "jason", stdout), -1);
	FILE *full = fopen("/dev/full", "w");
	for (const char *const *format = report_formats; full && *format; format++) {
		assert_int_equal(report_write(r, NULL, *format, full), -1);
		clearerr(full);
	}
	if (full)
		fclose(full);
	run_free(r);
}

/* Nothing measured at all: every format still says so, and nothing is divided by zero. */
static void an_empty_run_is_told_too(void **state)
{
	(void)state;
	struct tally *t = tally_new("empty", measured_steps, 2, NULL, 0, 0);
	struct run *r = run_from_tally("m", "1", t, NULL, 0);
	for (int ended = 0; ended < 2; ended++) {
		for (const char *const *format = report_formats; *format; format++) {
			size_t n;
			char *text = told(r, r, *format, &n);
			assert_null(strstr(text, "nan"));
			assert_null(strstr(text, "inf "));
			free(text);
		}
		tally_end(t, 0, 0);
	}
	run_free(r);
	tally_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_read_back_is_the_run),
		cmocka_unit_test(a_run_file_of_a_long_run_stays_small),
		cmocka_unit_test(hostile_files_are_refused_with_a_reason),
		cmocka_unit_test(a_saved_run_is_whole_or_not_there),
		cmocka_unit_test(merged_runs_are_judged_again),
		cmocka_unit_test(the_json_report_holds_what_was_asked_and_achieved),
		cmocka_unit_test(the_terminal_hears_first_what_did_not_hold_and_nothing_it_would_obey),
		cmocka_unit_test(almost_all_is_not_all),
		cmocka_unit_test(csv_has_a_line_for_each_interval_and_junit_a_case_for_each_check),
		cmocka_unit_test(formats_are_known_by_name),
		cmocka_unit_test(an_empty_run_is_told_too),
	};
	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
