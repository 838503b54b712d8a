/* SPDX-License-Identifier: Apache-2.0 */
/* test_result.c - results: what was put in comes out, here and across a frame, and bad frames are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "judge/result.h"

static void put_text(struct result *r, uint32_t fact, const char *name, const char *s, bool list)
{
	struct result_fact *f = result_fact_add(r, fact, name, list);
	f->type = PROBED_TYPE_STRING;
	f->len = (uint32_t)strlen(s);
	f->s = result_put_string(r, s, f->len);
}

static void fill(struct result *r)
{
	result_reset(r);
	r->sub = result_put_string(r, "ipv6", 4);
	r->outcome = PROBED_FAIL;
	r->reason = PROBED_REASON_EXPECTATION;
	r->message = result_put_string(r, "status 503", 10);
	r->wall_ns = 1769850307123456789;
	r->due_ns = 100;
	r->start_ns = 110;
	r->end_ns = 150;
	r->phase_ns[PROBED_PHASE_WAIT] = 7;
	struct result_fact *f = result_fact_add(r, 0, NULL, false);
	f->type = PROBED_TYPE_INTEGER;
	f->i = -503;
	f = result_fact_add(r, 1, NULL, false);
	f->type = PROBED_TYPE_FLOAT;
	f->f = 0.25;
	put_text(r, 2, "server", "nginx", true);
	put_text(r, 2, "server", "", true);
	result_fail(r, "fast", "latency 412 ms, expected < 300 ms");
	result_fail(r, "", "");
}

static void assert_same(const struct result *a, const struct result *b)
{
	assert_int_equal(a->outcome, b->outcome);
	assert_int_equal(a->reason, b->reason);
	assert_true(a->wall_ns == b->wall_ns && a->due_ns == b->due_ns && a->start_ns == b->start_ns && a->end_ns == b->end_ns);
	assert_memory_equal(a->phase_ns, b->phase_ns, sizeof a->phase_ns);
	assert_string_equal(result_string(a, a->sub), result_string(b, b->sub));
	assert_string_equal(result_string(a, a->message), result_string(b, b->message));
	assert_int_equal(a->dropped, b->dropped);
	assert_int_equal(a->n_facts, b->n_facts);
	for (uint32_t i = 0; i < a->n_facts; i++) {
		const struct result_fact *f = &a->facts[i], *g = &b->facts[i];
		assert_true(f->fact == g->fact && f->type == g->type && f->len == g->len && f->i == g->i && f->f == g->f);
		assert_true(!f->name == !g->name && !f->s == !g->s);
		if (f->s)
			assert_string_equal(result_string(a, f->s), result_string(b, g->s));
	}
	assert_int_equal(a->n_failed, b->n_failed);
	for (uint32_t i = 0; i < a->n_failed; i++)
		assert_string_equal(result_string(a, a->failed[i].message), result_string(b, b->failed[i].message));
}

static void a_result_crosses_a_frame_unchanged(void **state)
{
	(void)state;
	struct result a = { 0 }, b = { 0 };
	struct buf frame = { 0 };
	for (int round = 0; round < 2; round++) { /* both are reused */
		fill(&a);
		buf_clear(&frame);
		result_encode(&frame, &a);
		result_reset(&b);
		struct cursor c = cursor_over(frame.data, frame.len);
		assert_int_equal(result_decode(&c, &b), 0);
		assert_int_equal(cursor_left(&c), 0);
		assert_same(&a, &b);
	}
	result_reset(&a);
	assert_int_equal(a.n_facts + a.n_failed + a.sub + a.message, 0);
	assert_int_equal(a.phase_ns[PROBED_PHASE_WAIT], -1);
	result_free(&a);
	result_free(&b);
	buf_free(&frame);
}

static void a_frame_that_is_cut_anywhere_is_refused(void **state)
{
	(void)state;
	struct result a = { 0 }, b = { 0 };
	struct buf frame = { 0 };
	fill(&a);
	result_encode(&frame, &a);
	for (size_t n = 0; n < frame.len; n++) {
		char *cut = malloc(n ? n : 1); /* its own allocation, so that reading beyond is seen */
		memcpy(cut, frame.data, n);
		struct cursor c = cursor_over(cut, n);
		result_reset(&b);
		assert_int_equal(result_decode(&c, &b), -1);
		assert_int_equal(b.n_facts + b.n_failed, 0);
		free(cut);
	}
	result_free(&a);
	result_free(&b);
	buf_free(&frame);
}

/* The result as it is, encoded, must be refused. */
static void assert_refused(const struct result *a)
{
	struct result b = { 0 };
	struct buf frame = { 0 };
	result_encode(&frame, a);
	result_reset(&b);
	struct cursor c = cursor_over(frame.data, frame.len);
	assert_int_equal(result_decode(&c, &b), -1);
	result_free(&b);
	buf_free(&frame);
}

static void offsets_that_lead_outside_are_refused(void **state)
{
	(void)state;
	struct result a = { 0 };
	fill(&a);
	uint32_t end = (uint32_t)a.arena.len;
	uint32_t *const offsets[] = { &a.sub, &a.message, &a.facts[2].name, &a.facts[2].s, &a.failed[0].label, &a.failed[0].message };
	for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
		uint32_t kept = *offsets[i];
		*offsets[i] = end;
		assert_refused(&a);
		*offsets[i] = UINT32_MAX;
		assert_refused(&a);
		*offsets[i] = kept;
	}
	uint32_t len = a.facts[2].len, s = a.facts[2].s;
	a.facts[2].len = UINT32_MAX;
	assert_refused(&a);
	a.facts[2].len = len - 1; /* no NUL there */
	assert_refused(&a);
	a.facts[2].len = len;
	a.facts[2].s = 0; /* no string, of five bytes */
	assert_refused(&a);
	a.facts[2].s = s;
	a.outcome = PROBED_OUTCOMES;
	assert_refused(&a);
	a.outcome = PROBED_OK;
	a.arena.data[end - 1] = 'x';
	assert_refused(&a);
	result_free(&a);
}

static void a_reason_from_the_future_reads_as_other(void **state)
{
	(void)state;
	struct result a = { 0 }, b = { 0 };
	struct buf frame = { 0 };
	fill(&a);
	a.reason = 200;
	result_encode(&frame, &a);
	result_reset(&b);
	struct cursor c = cursor_over(frame.data, frame.len);
	assert_int_equal(result_decode(&c, &b), 0);
	assert_int_equal(b.reason, PROBED_REASON_OTHER);
	assert_string_equal(reason_name(200), "other");
	assert_string_equal(reason_name(PROBED_REASON_INTERNAL), "internal");
	assert_string_equal(outcome_name(99), "unknown");
	assert_string_equal(phase_name(PROBED_PHASE_RECEIVE), "receive");
	result_free(&a);
	result_free(&b);
	buf_free(&frame);
}

static void a_fact_given_again_replaces_and_a_list_grows(void **state)
{
	(void)state;
	struct result r = { 0 };
	result_reset(&r);
	put_text(&r, 3, NULL, "first", false);
	put_text(&r, 3, NULL, "second", false);
	put_text(&r, 3, "named", "third", false);
	assert_int_equal(r.n_facts, 2);
	assert_string_equal(result_string(&r, result_fact_find(&r, 3, NULL, NULL)->s), "second");
	assert_string_equal(result_string(&r, result_fact_find(&r, 3, "named", NULL)->s), "third");
	assert_null(result_fact_find(&r, 3, "other", NULL));
	put_text(&r, 4, NULL, "a", true);
	put_text(&r, 4, NULL, "b", true);
	uint32_t from = 0;
	assert_string_equal(result_string(&r, result_fact_find(&r, 4, NULL, &from)->s), "a");
	assert_string_equal(result_string(&r, result_fact_find(&r, 4, NULL, &from)->s), "b");
	assert_null(result_fact_find(&r, 4, NULL, &from));
	result_free(&r);
}

static void facts_beyond_the_limit_are_dropped_and_counted(void **state)
{
	(void)state;
	struct result r = { 0 };
	result_reset(&r);
	for (int i = 0; i < RESULT_FACTS_MAX; i++)
		assert_non_null(result_fact_add(&r, 1, NULL, true));
	assert_null(result_fact_add(&r, 1, NULL, true));
	assert_null(result_fact_add(&r, 2, NULL, false));
	assert_int_equal(r.dropped, 2);
	assert_int_equal(r.n_facts, RESULT_FACTS_MAX);
	result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_result_crosses_a_frame_unchanged),
		cmocka_unit_test(a_frame_that_is_cut_anywhere_is_refused),
		cmocka_unit_test(offsets_that_lead_outside_are_refused),
		cmocka_unit_test(a_reason_from_the_future_reads_as_other),
		cmocka_unit_test(a_fact_given_again_replaces_and_a_list_grows),
		cmocka_unit_test(facts_beyond_the_limit_are_dropped_and_counted),
	};
	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
