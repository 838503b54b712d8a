/* SPDX-License-Identifier: Apache-2.0 */
/* test_tally.c - what is measured of a run: counted once, in bounded memory, and merged without loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "measure/hist_pack.h"
#include "measure/series.h"
#include "measured.h"

static const struct tally_step *steps = measured_steps;

static void assert_same_hist(const struct hist *a, const struct hist *b)
{
	assert_memory_equal(a, b, sizeof *a);
}

static void a_packed_histogram_is_the_histogram(void **state)
{
	(void)state;
	static struct hist h, back;
	CLEANUP_BUF struct buf b = { 0 };
	hist_pack(&b, &h);
	assert_int_equal(b.len, 0);
	measured_seed = 1;
	for (int i = 0; i < 5000; i++)
		hist_add(&h, (int64_t)exp(measured_draw() * 32) - 5);
	hist_pack(&b, &h);
	assert_int_equal(hist_unpack(b.data, b.len, &back), 0);
	assert_same_hist(&h, &back);
	assert_int_equal(hist_unpack(b.data, b.len, &back), 0); /* adds */
	assert_int_equal(back.count, 2 * h.count);
	for (size_t n = 1; n < b.len; n++) { /* torn anywhere: refused, or what was left out is noticed */
		static struct hist torn;
		assert_int_equal(hist_unpack(b.data, n, &torn), -1);
		assert_int_equal(torn.count, 0);
	}
}

static void bad_packed_histograms_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *data;
		size_t n;
	} bad[] = {
		{ "\x00\x00\x00\x00", 4 },                     /* nothing counted */
		{ "\x01\x00\x02\x00\x00\x01", 6 },             /* least above most */
		{ "\x02\x00\x00\x02\x00\x01", 6 },             /* fewer in buckets than counted */
		{ "\x01\x00\x00\x02\x00\x02", 6 },             /* more */
		{ "\x01\x00\x00\x02\x82\x0f\x01", 7 },         /* behind the last bucket */
		{ "\x01\x00\x00\x02\x00\x00", 6 },             /* an empty bucket */
		{ "\x01\x00\x00\x02\x00\xff\xff\xff\xff\x1f", 10 }, /* a bucket of more than 32 bits */
		{ "\x01\x00\x00\x02\x05\x01", 6 },             /* not in the bucket of its least and most */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 }, /* a number of more than 64 */
	};
	static struct hist h;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(hist_unpack(bad[i].data, bad[i].n, &h), -1);
	assert_int_equal(hist_unpack("\x01\x00\x00\x02\x00\x01", 6, &h), 0);
}

static struct tally *begin(void)
{
	return tally_new("p", steps, 2, NULL, 0, 0);
}

static void a_result_is_counted_once_everywhere(void **state)
{
	(void)state;
	struct tally *t = begin();
	struct result r = { 0 };
	tally_due(t, 0, 3);
	tally_sent(t, 1, 3, 0);
	measured_begin(&r, PROBED_OK, 20 * NS_PER_MS, 5 * NS_PER_MS, 100 * NS_PER_MS);
	r.phase_ns[PROBED_PHASE_CONNECT] = 7 * NS_PER_MS;
	measured_number(&r, 1, NULL, PROBED_TYPE_SIZE, 1000, 0);
	tally_add(t, 1, &r, 100 * NS_PER_MS);
	measured_begin(&r, PROBED_UNKNOWN, 900 * NS_PER_MS, 0, NS_PER_S);
	r.reason = PROBED_REASON_CRASHED;
	tally_add(t, 1, &r, NS_PER_S);
	measured_begin(&r, PROBED_OK, NS_PER_MS, 0, NS_PER_S);
	r.sub = result_put_string(&r, "v6", 2);
	tally_add(t, 1, &r, NS_PER_S); /* part of a probe: no probe */

	assert_int_equal(t->n.asked, 3);
	assert_int_equal(t->n.sent, 3);
	assert_int_equal(t->n.outcome[PROBED_OK], 1);
	assert_int_equal(t->n.outcome[PROBED_UNKNOWN], 1);
	assert_int_equal(t->n.reason[PROBED_REASON_CRASHED], 1);
	assert_int_equal(t->n.bytes_in, 1000);
	assert_int_equal(t->measures[1].n.outcome[PROBED_OK], 1);
	assert_int_equal(t->measures[0].n.outcome[PROBED_OK], 0);
	assert_int_equal(t->intervals[0].n.outcome[PROBED_OK], 1);
	assert_int_equal(t->intervals[1].n.outcome[PROBED_UNKNOWN], 1);
	static const struct {
		uint32_t which;
		int64_t ns;
	} expected[] = { { TALLY_LATENCY, 25 }, { TALLY_SERVICE, 20 }, { TALLY_LAG, 5 }, { TALLY_PHASE + PROBED_PHASE_CONNECT, 7 } };
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		struct hist h = { 0 };
		tally_hist(t, TALLY_ALL, expected[i].which, &h);
		assert_int_equal(h.count, 1); /* our own fault is not in it */
		assert_int_equal(h.max_ns, expected[i].ns * NS_PER_MS);
	}
	assert_null(t->measures[1].hists[TALLY_PHASE + PROBED_PHASE_TLS]);
	result_free(&r);
	tally_free(t);
}

static void what_was_not_sent_has_a_cause_and_a_loss_is_an_event(void **state)
{
	(void)state;
	struct tally *t = begin();
	tally_due(t, 0, 100);
	tally_sent(t, 0, 90, 0);
	tally_not_sent(t, 0, TALLY_INFLIGHT, 6, 0);
	tally_not_sent(t, TALLY_ALL, TALLY_RESOURCES, 4, 2 * NS_PER_S);
	tally_not_sent(t, 0, TALLY_RETRIED, 3, 0);
	tally_not_sent(t, 0, TALLY_LOST, 30, 12 * NS_PER_S);
	tally_not_sent(t, 1, TALLY_LOST, 7, 12 * NS_PER_S + 5);
	tally_not_sent(t, 1, TALLY_LOST, 1, 14 * NS_PER_S);
	assert_int_equal(tally_dropped(&t->n), 10);
	assert_int_equal(tally_dropped(&t->measures[0].n), 6);
	assert_int_equal(t->intervals[2].n.why[TALLY_RESOURCES], 4);
	assert_int_equal(t->n.outcome[PROBED_UNKNOWN], 38);
	assert_int_equal(t->n_events, 2);
	assert_int_equal(t->events[0].n, 37);
	assert_int_equal(t->events[0].offset_ns, 12 * NS_PER_S);
	assert_string_equal(t->events[0].text, "worker lost");
	for (int i = 0; i < 500; i++)
		tally_event(t, 20 * NS_PER_S, "something");
	assert_int_equal(t->n_events, TALLY_EVENTS);
	assert_int_equal(t->more_events, 302);
	tally_end(t, 20 * NS_PER_S, 20 * NS_PER_S);
	char why[300];
	tally_held_back(t, why, sizeof why);
	assert_string_equal(why, "6 dropped: inflight was full; 4 dropped: this machine had too much to do");
	assert_true(fabs(tally_asked_rate(t) - 5) < 1e-9);
	assert_true(fabs(tally_achieved_rate(t) - 4.5) < 1e-9);
	char small[12];
	tally_held_back(t, small, sizeof small);
	assert_string_equal(small, "6 dropped: ");
	tally_free(t);
}

/* Ten hours at one result a second: the series is bounded, and loses nothing. */
static void a_long_run_has_a_bounded_series_that_adds_up(void **state)
{
	(void)state;
	struct tally *t = begin();
	struct result r = { 0 };
	const int64_t seconds = 36000;
	for (int64_t s = 0; s < seconds; s++) {
		tally_due(t, s * NS_PER_S, 1);
		tally_sent(t, s % 2, 1, s * NS_PER_S);
		measured_begin(&r, PROBED_OK, (s % 100 + 1) * NS_PER_MS, 0, s * NS_PER_S + NS_PER_S / 2);
		tally_add(t, s % 2, &r, s * NS_PER_S + NS_PER_S / 2);
		tally_tick(t, (s + 1) * NS_PER_S, 1, 1, 0);
	}
	tally_end(t, seconds * NS_PER_S, seconds * NS_PER_S);
	assert_true(t->n_intervals > TALLY_INTERVALS / 2 && t->n_intervals <= TALLY_INTERVALS);
	static struct hist all, merged;
	uint64_t asked = 0, ok = 0;
	double length = 0;
	tally_hist(t, TALLY_ALL, TALLY_LATENCY, &all);
	for (uint32_t i = 0; i < t->n_intervals; i++) {
		series_hist(t, i, TALLY_LATENCY, &merged);
		asked += t->intervals[i].n.asked;
		ok += t->intervals[i].n.outcome[PROBED_OK];
		length += series_seconds(t, i);
	}
	assert_int_equal(asked, seconds);
	assert_int_equal(ok, seconds);
	assert_true(fabs(length - (double)seconds) < 1e-6);
	assert_same_hist(&all, &merged);
	result_free(&r);
	tally_free(t);
}

static void of_flows_the_starts_are_what_was_achieved(void **state)
{
	(void)state;
	struct tally *t = begin();
	char why[300];
	for (int i = 0; i < 100; i++) { /* half of the flows are dropped, and each of the others sends two probes */
		tally_due(t, i * NS_PER_S / 10, 1);
		if (i % 2) {
			tally_not_sent(t, 0, TALLY_INFLIGHT, 1, i * NS_PER_S / 10);
			continue;
		}
		tally_started(t, i * NS_PER_S / 10, 1);
		tally_sent(t, 0, 1, i * NS_PER_S / 10);
		tally_sent(t, 1, 1, i * NS_PER_S / 10);
	}
	tally_end(t, 11 * NS_PER_S, 10 * NS_PER_S);
	assert_int_equal(t->n.sent, 100);
	assert_true(fabs(tally_asked_rate(t) - 10) < 1e-9);
	assert_true(fabs(tally_achieved_rate(t) - 5) < 1e-9);
	tally_held_back(t, why, sizeof why);
	assert_string_equal(why, "50 dropped: inflight was full");
	struct requirement *r = requirement_compile_for("rate >= 9/s", t, why, sizeof why);
	assert_int_equal(requirement_verdict(r, t, why, sizeof why), REQUIREMENT_NOT_MET);
	requirement_free(r);
	r = requirement_compile_for("dropped rate <= 50%", t, why, sizeof why);
	assert_int_equal(requirement_verdict(r, t, why, sizeof why), REQUIREMENT_MET);
	requirement_free(r);
	tally_free(t);
}

static void what_is_told_after_the_end_is_passed_over(void **state)
{
	(void)state;
	struct tally *t = begin();
	struct result r = { 0 };
	tally_end(t, NS_PER_S, NS_PER_S);
	measured_begin(&r, PROBED_OK, NS_PER_MS, 0, 2 * NS_PER_S);
	tally_due(t, 0, 1);
	tally_started(t, 0, 1);
	tally_sent(t, 0, 1, 0);
	tally_add(t, 0, &r, 2 * NS_PER_S);
	tally_not_sent(t, 0, TALLY_LOST, 1, 2 * NS_PER_S);
	assert_int_equal(tally_tick(t, 3 * NS_PER_S, 1, 1, 0), -1);
	tally_end(t, 4 * NS_PER_S, 4 * NS_PER_S);
	static const struct tally_counts none;
	assert_memory_equal(&t->n, &none, sizeof none);
	assert_true(t->length_ns == NS_PER_S);
	result_free(&r);
	tally_free(t);
}

static void a_gap_and_results_out_of_order_do_no_harm(void **state)
{
	(void)state;
	struct tally *t = begin();
	struct result r = { 0 };
	const int64_t ends[] = { 5, 3, 100000, 4, 99999, 7, 200001, -1 };
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		measured_begin(&r, PROBED_OK, NS_PER_MS, 0, ends[i] * NS_PER_S);
		tally_add(t, 0, &r, ends[i] * NS_PER_S);
		tally_due(t, ends[ARRAY_LEN(ends) - 1 - i] * NS_PER_S, 1);
	}
	tally_end(t, 200002 * NS_PER_S, 200002 * NS_PER_S);
	static struct hist h;
	uint64_t asked = 0;
	for (uint32_t i = 0; i < t->n_intervals; i++) {
		series_hist(t, i, TALLY_SERVICE, &h);
		asked += t->intervals[i].n.asked;
	}
	assert_int_equal(h.count, ARRAY_LEN(ends));
	assert_int_equal(asked, ARRAY_LEN(ends));
	result_free(&r);
	tally_free(t);
}

static void many_steps_share_the_last_place_but_not_those_that_are_required(void **state)
{
	(void)state;
	enum { MANY = 2000 };
	struct tally_step *many = xcalloc(MANY, sizeof *many);
	char (*names)[16] = xcalloc(MANY, sizeof *names);
	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "t%d", i);
		many[i].name = names[i];
	}
	char error[200];
	struct requirement *q = requirement_compile("latency by t1999 p50 < 1s", many, MANY, error, sizeof error);
	const struct requirement *const all[] = { q };
	struct tally *t = tally_new("p", many, MANY, all, 1, 0);
	struct result r = { 0 };
	for (uint32_t i = 0; i < MANY; i++) {
		measured_begin(&r, PROBED_OK, NS_PER_MS, 0, NS_PER_S);
		tally_add(t, i, &r, NS_PER_S);
	}
	assert_int_equal(t->n_measures, TALLY_STEPS);
	assert_string_equal(t->measures[0].name, "t1999");
	assert_int_equal(t->measures[0].n.outcome[PROBED_OK], 1);
	assert_string_equal(t->measures[TALLY_STEPS - 1].name, "(other)");
	assert_int_equal(t->measures[TALLY_STEPS - 1].n.outcome[PROBED_OK], MANY - TALLY_STEPS + 1);
	result_free(&r);
	tally_free(t);
	requirement_free(q);
	free(many);
	free(names);
}

static void say(struct tally *t, const char *text)
{
	struct result r = { 0 };
	measured_begin(&r, PROBED_ERROR, NS_PER_MS, 0, NS_PER_S);
	r.reason = PROBED_REASON_REFUSED;
	r.message = result_put_string(&r, text, strlen(text));
	tally_add(t, 0, &r, NS_PER_S);
	result_free(&r);
}

static void what_differs_each_time_makes_no_new_message(void **state)
{
	(void)state;
	static const struct {
		const char *text, *class;
	} table[] = {
		{ "fast: latency 57.8 ms, expected < 50 ms", "fast: latency # ms, expected < 50 ms" },
		{ "fast: latency 2 s, expected < 50.5 ms", "fast: latency # s, expected < # ms" },
		{ "status 503, expected < 400", "status 503, expected < 400" },
		{ "no answer within 5 s", "no answer within 5 s" },
		{ "127.0.0.1:8080 refused", "127.0.0.1:8080 refused" },
		{ "HTTP/1.1 is refused after 1.25 s", "HTTP/1.1 is refused after # s" },
		{ "port 40001.", "port #." },
		{ "id=1234567890123, v1.2", "id=#, v1.2" },
		{ "ends with 5.", "ends with 5." },
		{ "abc12345678def", "abc#def" },
		{ "", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct tally *t = begin();
		say(t, table[i].text);
		assert_string_equal(t->messages[0].text, table[i].class);
		say(t, table[i].class); /* a class is its own class: a file read back stays what it is */
		assert_int_equal(t->n_messages, 1);
		tally_free(t);
	}
}

static void messages_are_classes_and_the_frequent_ones_stay(void **state)
{
	(void)state;
	struct tally *t = begin();
	say(t, "connect from port 40001 to 8080: refused");
	say(t, "connect from port 40002 to 8080: refused");
	assert_int_equal(t->n_messages, 1);
	assert_string_equal(t->messages[0].text, "connect from port # to 8080: refused");
	for (int i = 0; i < 5000; i++) { /* every second one is always the same, and all others differ */
		char text[40];
		snprintf(text, sizeof text, "word %c%c%c", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);
		say(t, text);
		say(t, "late and frequent");
	}
	assert_int_equal(t->n_messages, TALLY_MESSAGES);
	uint64_t most = 0, sum = 0;
	for (uint32_t i = 0; i < t->n_messages; i++) {
		sum += t->messages[i].count;
		if (!strcmp(t->messages[i].text, "late and frequent"))
			most = t->messages[i].count - t->messages[i].over;
	}
	assert_int_equal(most, 5000);
	assert_int_equal(sum, 10002); /* nothing is lost, only its name */
	tally_free(t);
}

static void checks_that_hold_are_shown_too(void **state)
{
	(void)state;
	struct tally *t = begin();
	struct result r = { 0 };
	for (int i = 0; i < 10; i++) {
		measured_begin(&r, i < 2 ? PROBED_FAIL : i < 9 ? PROBED_OK : PROBED_ERROR, NS_PER_MS, 0, NS_PER_S);
		if (i < 2)
			result_fail(&r, i ? "unheard of" : "fast", "slow");
		tally_add(t, 0, &r, NS_PER_S);
	}
	const struct tally_measure *m = &t->measures[0];
	assert_int_equal(m->judged, 9);
	assert_int_equal(m->n_checks, 3);
	assert_string_equal(m->checks[0].label, "answers");
	assert_int_equal(m->checks[0].failed, 0);
	assert_int_equal(m->checks[1].failed, 1);
	assert_string_equal(m->checks[2].label, "unheard of");
	uint64_t passed, failed;
	tally_checks(t, TALLY_ALL, &passed, &failed);
	assert_int_equal(passed, 25);
	assert_int_equal(failed, 2);
	result_free(&r);
	tally_free(t);
}

static void merging_is_telling_everything_to_one(void **state)
{
	(void)state;
	struct measured_kind k = { .seed = 5, .seconds = 40, .rate = 50, .slower = 1, .errors = 0.05, .eventful = true };
	struct tally *a = measured_tally(&k), *b = measured_tally(&k), *c = measured_tally(&k);
	tally_merge(a, b);
	assert_int_equal(a->n.asked, 2 * b->n.asked);
	assert_int_equal(a->n.outcome[PROBED_ERROR], 2 * b->n.outcome[PROBED_ERROR]);
	assert_int_equal(a->n_measures, b->n_measures);
	assert_int_equal(a->n_intervals, b->n_intervals);
	assert_int_equal(a->n_messages, b->n_messages);
	assert_int_equal(a->n_events, 2 * b->n_events);
	assert_true(fabs(tally_asked_rate(a) - 2 * tally_asked_rate(b)) < 1e-9);
	for (uint32_t i = 0; i < a->n_intervals; i++) {
		struct hist one = { 0 }, two = { 0 };
		series_hist(a, i, TALLY_LATENCY, &two);
		series_hist(b, i, TALLY_LATENCY, &one);
		hist_merge(&one, &one);
		assert_same_hist(&one, &two);
	}
	series_widen(c); /* intervals of another width find one another */
	series_widen(c);
	tally_merge(c, b);
	assert_int_equal(c->width_ns, 4 * NS_PER_S);
	assert_int_equal(c->intervals[1].n.asked, 2 * 4 * k.rate);
	tally_free(a);
	tally_free(b);
	tally_free(c);
}

/* The bound is 150 ns on a quiet machine; three times that is asked here, of the best of several tries. */
static void a_result_is_taken_in_quickly(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	skip();
#endif
	enum { N = 100000 };
	struct tally *t = begin();
	struct result r = { 0 };
	double best = 1e9;
	int64_t *latency = xcalloc(N, sizeof *latency);
	measured_seed = 9;
	for (int i = 0; i < N; i++)
		latency[i] = (int64_t)(12e6 * exp(0.5 * measured_normal()));
	for (int round = 0; round < 8; round++) {
		struct timespec from, to;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		for (int i = 0; i < N; i++) {
			int64_t end = ((int64_t)round * N + i) * 20000;
			result_reset(&r);
			r.outcome = PROBED_OK;
			r.end_ns = end;
			r.start_ns = end - latency[i];
			r.due_ns = r.start_ns - 50000;
			r.phase_ns[PROBED_PHASE_WAIT] = latency[i] / 2;
			r.phase_ns[PROBED_PHASE_RECEIVE] = latency[i] / 3;
			tally_sent(t, (uint32_t)i % 2, 1, end);
			tally_add(t, (uint32_t)i % 2, &r, end);
		}
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
		double ns = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / N;
		best = ns < best ? ns : best;
	}
	print_message("# %.0f ns a result\n", best);
	assert_true(best < 450);
	free(latency);
	result_free(&r);
	tally_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packed_histogram_is_the_histogram),
		cmocka_unit_test(bad_packed_histograms_are_refused),
		cmocka_unit_test(a_result_is_counted_once_everywhere),
		cmocka_unit_test(what_was_not_sent_has_a_cause_and_a_loss_is_an_event),
		cmocka_unit_test(a_long_run_has_a_bounded_series_that_adds_up),
		cmocka_unit_test(of_flows_the_starts_are_what_was_achieved),
		cmocka_unit_test(what_is_told_after_the_end_is_passed_over),
		cmocka_unit_test(a_gap_and_results_out_of_order_do_no_harm),
		cmocka_unit_test(many_steps_share_the_last_place_but_not_those_that_are_required),
		cmocka_unit_test(what_differs_each_time_makes_no_new_message),
		cmocka_unit_test(messages_are_classes_and_the_frequent_ones_stay),
		cmocka_unit_test(checks_that_hold_are_shown_too),
		cmocka_unit_test(merging_is_telling_everything_to_one),
		cmocka_unit_test(a_result_is_taken_in_quickly),
	};
	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
