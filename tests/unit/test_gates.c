/* SPDX-License-Identifier: Apache-2.0 */
/* test_gates.c - passing the gates under real configurations, with a clock that stands still until it is moved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"
#include "config/model.h"
#include "judge/result.h"
#include "run/gates.h"

#include "sample.h"

#define MS NS_PER_MS
#define S NS_PER_S
#define TICK (INT64_C(1) << WHEEL_TICK_BITS)

#define TARGETS                                                         \
	"[target a]\nurl=web://one.example/\n[target b]\nurl=web://two.example/x\n" \
	"[target c]\ndriver=port\nhost=one.example\nport=25\n[target d]\nurl=web://Two.Example:8080/y\n" \
	"[plan p]\nrun=one a\npace=rate 1/h\n[plan q]\nrun=one b\npace=rate 1/h\n"

enum { OVERLOAD, AFTER, STATUS };
static char fact_name[] = "x";
static struct fact_decl decls[] = {
	[OVERLOAD] = { .name = fact_name, .type = PROBED_TYPE_BOOLEAN, .role = PROBED_ROLE_OVERLOAD },
	[AFTER] = { .name = fact_name, .type = PROBED_TYPE_DURATION, .role = PROBED_ROLE_RETRY_AFTER },
	[STATUS] = { .name = fact_name, .type = PROBED_TYPE_INTEGER, .role = PROBED_ROLE_STATUS },
};
static const struct driver_table driver = { .facts = decls, .n_facts = ARRAY_LEN(decls) };

struct fixture {
	struct loop *loop;
	struct gates *g;
	struct model *m;
};

/* A probe of a test: how often it was told, and what. */
struct probe {
	struct gate_pass pass;
	char name;
	uint32_t why, told;
	int64_t at_ns;
};

static struct fixture *now_running;
static char order[4096];
static size_t n_order;

static void gone(struct gate_pass *pass, uint32_t why)
{
	struct probe *p = (struct probe *)pass;
	p->why = why;
	p->told++;
	p->at_ns = now_running->loop->now_ns;
	if (!why && n_order < sizeof order - 1)
		order[n_order++] = p->name;
	order[n_order] = '\0';
}

static struct model *configured(const char *text)
{
	struct errs errs = { 0 };
	CLEANUP_FREE char *all = xasprintf("%s%s", TARGETS, text);
	struct config *c = config_parse("t.ini", all, &errs);
	struct registry *registry = sample_registry();
	struct model *m = c ? model_build(c, registry, &errs) : NULL;
	registry_unref(registry);
	config_free(c);
	if (!m) {
		errs_print(&errs, stderr);
		fail_msg("%s", text);
	}
	errs_free(&errs);
	return m;
}

static void apply(struct fixture *f, const char *text)
{
	struct model *before = f->m;
	f->m = configured(text);
	gates_apply(f->g, f->m);
	model_unref(before);
}

static void begin(struct fixture *f, const char *text)
{
	*f = (struct fixture){ .loop = loop_new() };
	f->g = gates_new(f->loop);
	f->m = configured(text);
	gates_apply(f->g, f->m);
	now_running = f;
	n_order = 0;
	order[0] = '\0';
}

static void end(struct fixture *f)
{
	gates_free(f->g);
	model_unref(f->m);
	loop_free(f->loop);
}

static void end_turn(struct fixture *f)
{
	for (struct loop_later *later; (later = f->loop->later);) {
		loop_later_cancel(f->loop, later);
		later->fn(later);
	}
}

static void pass_time(struct fixture *f, int64_t ns)
{
	end_turn(f);
	for (int64_t until = f->loop->now_ns + ns; f->loop->now_ns < until;) {
		f->loop->now_ns += TICK < until - f->loop->now_ns ? TICK : until - f->loop->now_ns;
		wheel_advance(&f->loop->wheel, f->loop->now_ns);
		end_turn(f);
	}
}

static enum gate_answer enter(struct fixture *f, struct probe *p, const char *target, const char *plan)
{
	char name = p->name ? p->name : *target;
	*p = (struct probe){ .name = name, .pass = { .go = gone } };
	return gates_enter(f->g, &p->pass, model_target(f->m, target), plan ? model_plan(f->m, plan) : NULL, f->loop->now_ns, &p->why);
}

static void leave(struct fixture *f, struct probe *p, uint8_t outcome, uint8_t reason, int64_t status, int64_t after_ns)
{
	struct result r = { 0 };
	result_reset(&r);
	r.outcome = outcome;
	r.reason = reason;
	r.start_ns = p->pass.passed_ns;
	struct result_fact *fact = result_fact_add(&r, STATUS, NULL, false);
	fact->type = PROBED_TYPE_INTEGER;
	fact->i = status;
	if (after_ns) {
		fact = result_fact_add(&r, AFTER, NULL, false);
		fact->type = PROBED_TYPE_DURATION;
		fact->i = after_ns;
	}
	gates_leave(f->g, &p->pass, &driver, &r);
	result_free(&r);
}

static void went_well(struct fixture *f, struct probe *p)
{
	leave(f, p, PROBED_OK, 0, 200, 0);
}

struct seek {
	const char *name;
	enum gate_kind kind;
	struct gate_view found;
	bool any;
};

static void seek(void *ctx, const struct gate_view *v)
{
	struct seek *s = ctx;
	if (v->kind == s->kind && !strcmp(v->name, s->name)) {
		s->found = *v;
		s->any = true;
	}
}

static struct gate_view view(struct fixture *f, enum gate_kind kind, const char *name)
{
	struct seek s = { .name = name, .kind = kind };
	gates_each(f->g, seek, &s);
	if (!s.any)
		fail_msg("no %s %s", gate_kind_name(kind), name);
	return s.found;
}

static void nothing_limits_where_nothing_is_said(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "");
	assert_false(gates_limited(f.g, model_target(f.m, "a"), NULL));
	assert_false(gates_limited(f.g, model_target(f.m, "a"), model_plan(f.m, "p"))); /* its `inflight` is not counted here */
	struct probe p[3000] = { 0 };
	for (int i = 0; i < 3000; i++)
		assert_int_equal(enter(&f, &p[i], "a", NULL), GATE_GO);
	for (int i = 0; i < 3000; i++)
		went_well(&f, &p[i]);
	apply(&f, "[host one.*]\nlimit=1/s\n");
	assert_true(gates_limited(f.g, model_target(f.m, "a"), NULL));
	assert_true(gates_limited(f.g, model_target(f.m, "c"), NULL));
	assert_true(gates_limited(f.g, model_target(f.m, "c"), model_plan(f.m, "p")));
	assert_false(gates_limited(f.g, model_target(f.m, "b"), NULL));
	apply(&f, "[plan r]\nrun=one a\npace=rate 1/h\nlimit=2/s\n");
	assert_false(gates_limited(f.g, model_target(f.m, "a"), model_plan(f.m, "p")));
	assert_true(gates_limited(f.g, model_target(f.m, "b"), model_plan(f.m, "r")));
	end(&f);
}

static void those_over_the_limit_go_in_order_at_its_rate(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[host one.example]\nlimit=10/s burst 2\n");
	struct probe p[12] = { 0 };
	int64_t t0 = f.loop->now_ns;
	for (int i = 0; i < 12; i++) {
		p[i].name = (char)('a' + i);
		assert_int_equal(enter(&f, &p[i], i % 2 ? "a" : "c", NULL), i < 2 ? GATE_GO : GATE_WAIT);
	}
	struct gate_view v = view(&f, GATE_HOST, "one.example");
	assert_true(v.waiting == 10 && v.inflight == 2 && v.waited == 10);
	pass_time(&f, 2 * S);
	assert_string_equal(order, "cdefghijkl");
	for (int i = 2; i < 12; i++) {
		int64_t late = p[i].at_ns - t0 - (i - 1) * 100 * MS;
		if (late < 0 || late > 2 * TICK)
			fail_msg("%c came %lld ns late", p[i].name, (long long)late);
	}
	v = view(&f, GATE_HOST, "one.example");
	assert_true(v.waiting == 0 && v.inflight == 12 && v.passed == 12);
	for (int i = 0; i < 12; i++)
		went_well(&f, &p[i]);
	assert_int_equal(view(&f, GATE_HOST, "one.example").inflight, 0);
	end(&f);
}

static void one_that_waits_holds_up_nobody_else(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[probed]\nlimit=100/s\n[host one.example]\nlimit=1/s\n");
	struct probe slow[4] = { 0 }, fast[100] = { 0 };
	assert_int_equal(enter(&f, &slow[0], "a", NULL), GATE_GO);
	for (int i = 1; i < 4; i++)
		assert_int_equal(enter(&f, &slow[i], "a", NULL), GATE_WAIT);
	uint32_t went = 0;
	for (int i = 0; i < 100; i++) { /* the other host has the whole of the common limit, less what the slow one takes */
		pass_time(&f, 10 * MS);
		went += enter(&f, &fast[i], "b", NULL) == GATE_GO;
	}
	pass_time(&f, 20 * MS);
	for (int i = 0; i < 100; i++)
		went += fast[i].told && !fast[i].why;
	assert_int_equal(went, 100);
	assert_int_equal(slow[1].told, 1);
	assert_int_equal(slow[2].told, 0);
	gates_cancel(f.g, &slow[2].pass);
	pass_time(&f, 3 * S);
	assert_int_equal(slow[2].told, 0);
	assert_true(slow[3].told == 1 && !slow[3].why); /* and moved up */
	for (int i = 0; i < 100; i++)
		went_well(&f, &fast[i]);
	went_well(&f, &slow[0]), went_well(&f, &slow[1]), went_well(&f, &slow[3]);
	end(&f);
}

static void the_common_limit_is_exact_over_many_hosts(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[probed]\nlimit=997/s\n[host *]\nlimit=700/s\n");
	static const char *const targets[] = { "a", "b", "c", "d" };
	enum { N = 20000 };
	struct probe *p = xcalloc(N, sizeof *p);
	uint32_t n = 0, went = 0, one = 0;
	for (int64_t until = f.loop->now_ns + 5 * S; f.loop->now_ns < until && n < N; pass_time(&f, MS))
		for (int i = 0; i < 2; i++, n++)
			enter(&f, &p[n], targets[n % 4], NULL);
	for (uint32_t i = 0; i < n; i++)
		if (p[i].pass.passed) {
			went++;
			one += p[i].name == 'a' || p[i].name == 'c';
			went_well(&f, &p[i]);
		} else
			gates_cancel(f.g, &p[i].pass);
	assert_in_range(went, 4980, 4987);
	assert_in_range(one, 2300, 2700);
	free(p);
	end(&f);
}

static void who_would_wait_too_long_is_refused(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[host one.example]\nlimit=1/s\n"); /* the timeout is 5 s */
	struct probe p[8] = { 0 };
	for (int i = 0; i < 8; i++)
		assert_int_equal(enter(&f, &p[i], "a", NULL), i == 0 ? GATE_GO : i <= 5 ? GATE_WAIT : GATE_NO);
	assert_int_equal(p[7].why, GATE_WHY_LIMIT);
	assert_int_equal(view(&f, GATE_HOST, "one.example").refused[GATE_WHY_LIMIT], 2);
	/* a limit that becomes much lower: patience ends at the due time and the timeout, for all at once */
	apply(&f, "[host one.example]\nlimit=1/h\n");
	pass_time(&f, 5 * S - TICK);
	assert_int_equal(p[1].told, 0);
	pass_time(&f, 3 * TICK);
	for (int i = 1; i <= 5; i++)
		assert_true(p[i].told == 1 && p[i].why == GATE_WHY_LIMIT);
	went_well(&f, &p[0]);
	end(&f);
}

static void a_queue_is_bounded(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[host two.example]\ninflight=1\n");
	enum { N = 20000 };
	struct probe *many = xcalloc(N, sizeof *many);
	uint32_t waiting = 0;
	for (int i = 0; i < N; i++)
		waiting += enter(&f, &many[i], "b", NULL) == GATE_WAIT;
	assert_int_equal(waiting, 16384);
	assert_int_equal(view(&f, GATE_HOST, "two.example").refused[GATE_WHY_INFLIGHT], N - 1 - 16384);
	for (int i = 0; i < N; i++) {
		gates_cancel(f.g, &many[i].pass);
		went_well(&f, &many[i]);
	}
	free(many);
	end(&f);
}

static void places_are_limited_for_each_kind(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum gate_kind kind;
		const char *name;
	} cases[] = {
		{ "[probed]\ninflight=2\n", GATE_GLOBAL, "" },
		{ "[host ONE.exampl?]\ninflight=2\n", GATE_HOST, "one.example" },
		{ "[driver web]\ninflight=2\n", GATE_DRIVER, "web" },
		{ "[target e]\nurl=web://three/\ninflight=2\n", GATE_TARGET, "e" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture f;
		struct probe p[6] = { 0 };
		const char *target = cases[i].kind == GATE_TARGET ? "e" : "a";
		begin(&f, cases[i].text);
		for (int k = 0; k < 6; k++)
			p[k].name = (char)('0' + k);
		for (int k = 0; k < 5; k++)
			assert_int_equal(enter(&f, &p[k], target, "p"), k < 2 ? GATE_GO : GATE_WAIT);
		struct gate_view v = view(&f, cases[i].kind, cases[i].name);
		assert_true(v.inflight == 2 && v.inflight_max == 2 && v.waiting == 3);
		pass_time(&f, S);
		assert_string_equal(order, "");
		went_well(&f, &p[0]);
		went_well(&f, &p[0]); /* harmless */
		assert_string_equal(order, ""); /* not from within */
		end_turn(&f);
		assert_string_equal(order, "2");
		gates_cancel(f.g, &p[3].pass);
		gates_leave(f.g, &p[1].pass, NULL, NULL);
		pass_time(&f, TICK);
		assert_string_equal(order, "24");
		assert_int_equal(enter(&f, &p[5], target, NULL), GATE_WAIT);
		pass_time(&f, 5 * S + TICK); /* its timeout */
		assert_true(p[5].told == 1 && p[5].why == GATE_WHY_INFLIGHT);
		assert_int_equal(view(&f, cases[i].kind, cases[i].name).refused[GATE_WHY_INFLIGHT], 1);
		assert_int_equal(enter(&f, &p[5], target, NULL), GATE_WAIT);
		apply(&f, ""); /* a limit that is gone holds nobody, and what was taken under it is given back to nobody */
		pass_time(&f, 2 * TICK);
		assert_string_equal(order, "245");
		went_well(&f, &p[2]), went_well(&f, &p[4]), went_well(&f, &p[5]);
		end(&f);
	}
}

/* Ten at a time of a host that stalls: the others wait in order, and nobody else does. */
static void a_stall_costs_only_its_own_host(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[probed]\ninflight=100\n[host one.example]\ninflight=10\n");
	enum { N = 2000 };
	struct probe *stalled = xcalloc(N, sizeof *stalled), other = { 0 };
	for (int i = 0; i < N; i++) {
		stalled[i].name = 's';
		assert_int_equal(enter(&f, &stalled[i], "a", NULL), i < 10 ? GATE_GO : GATE_WAIT);
		assert_int_equal(enter(&f, &other, "b", NULL), GATE_GO);
		went_well(&f, &other);
		pass_time(&f, MS);
	}
	for (int i = 0; i < N; i++) {
		assert_true(stalled[i].pass.passed);
		went_well(&f, &stalled[i]);
		end_turn(&f);
	}
	assert_int_equal(view(&f, GATE_HOST, "one.example").waiting, 0);
	free(stalled);
	end(&f);
}

static void a_host_that_fails_is_left_alone(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[host *]\nbackoff=1s..1s on 503 timeout\n");
	struct probe p = { 0 }, q = { 0 };
	enter(&f, &p, "a", NULL);
	leave(&f, &p, PROBED_FAIL, PROBED_REASON_EXPECTATION, 503, 0);
	assert_int_equal(enter(&f, &p, "c", NULL), GATE_NO); /* the same host by another driver */
	assert_int_equal(p.why, GATE_WHY_BACKOFF);
	assert_int_equal(enter(&f, &q, "b", NULL), GATE_GO);
	went_well(&f, &q);
	pass_time(&f, S - TICK);
	assert_int_equal(enter(&f, &p, "a", NULL), GATE_NO);
	pass_time(&f, 2 * TICK);
	assert_int_equal(enter(&f, &p, "a", NULL), GATE_GO);
	leave(&f, &p, PROBED_ERROR, PROBED_REASON_TIMEOUT, 0, 20 * S); /* and asks for more than the cap */
	pass_time(&f, 19 * S);
	assert_int_equal(enter(&f, &p, "a", NULL), GATE_NO);
	pass_time(&f, S + TICK);
	assert_int_equal(enter(&f, &p, "a", NULL), GATE_GO);
	leave(&f, &p, PROBED_UNKNOWN, PROBED_REASON_CRASHED, 0, 0); /* our own fault */
	assert_int_equal(enter(&f, &p, "a", NULL), GATE_GO);
	went_well(&f, &p);
	assert_int_equal(view(&f, GATE_HOST, "one.example").backoffs, 2);
	end(&f);
}

static void a_breaker_opens_tries_and_closes(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[host *]\nbreaker=3 failures in 10s open 2s\n");
	struct probe p[4] = { 0 };
	for (int i = 0; i < 4; i++)
		assert_int_equal(enter(&f, &p[i], "a", NULL), GATE_GO);
	for (int i = 0; i < 3; i++)
		leave(&f, &p[i], PROBED_ERROR, PROBED_REASON_REFUSED, 0, 0);
	assert_int_equal(view(&f, GATE_HOST, "one.example").breaker, BREAKER_OPEN);
	assert_int_equal(enter(&f, &p[0], "a", NULL), GATE_NO);
	assert_int_equal(p[0].why, GATE_WHY_BREAKER);
	pass_time(&f, 2 * S);
	assert_int_equal(enter(&f, &p[0], "a", NULL), GATE_GO);
	assert_int_equal(enter(&f, &p[1], "a", NULL), GATE_NO); /* one trial at a time */
	went_well(&f, &p[3]); /* it was under way before: it closes nothing */
	assert_int_equal(view(&f, GATE_HOST, "one.example").breaker, BREAKER_HALF_OPEN);
	gates_leave(f.g, &p[0].pass, NULL, NULL); /* the trial never ran */
	assert_int_equal(enter(&f, &p[0], "a", NULL), GATE_GO);
	went_well(&f, &p[0]);
	assert_int_equal(view(&f, GATE_HOST, "one.example").breaker, BREAKER_CLOSED);
	assert_int_equal(view(&f, GATE_HOST, "one.example").breaker_opened, 1);
	end(&f);
}

static void what_waits_is_refused_when_its_host_fails(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[host *]\nlimit=10/s\nbackoff=10s..10s\n");
	struct probe p = { 0 }, q = { 0 };
	enter(&f, &p, "a", NULL);
	assert_int_equal(enter(&f, &q, "a", NULL), GATE_WAIT);
	leave(&f, &p, PROBED_ERROR, PROBED_REASON_RESET, 0, 0);
	pass_time(&f, 200 * MS);
	assert_true(q.told == 1 && q.why == GATE_WHY_BACKOFF);
	end(&f);
}

static void without_resources_nothing_goes(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[host one.example]\nlimit=10/s\n");
	struct probe p = { 0 }, q = { 0 };
	enter(&f, &p, "a", NULL);
	assert_int_equal(enter(&f, &q, "a", NULL), GATE_WAIT);
	gates_pause(f.g, true);
	went_well(&f, &p);
	assert_int_equal(enter(&f, &p, "b", NULL), GATE_NO);
	assert_int_equal(p.why, GATE_WHY_RESOURCES);
	pass_time(&f, 200 * MS);
	assert_true(q.told == 1 && q.why == GATE_WHY_RESOURCES);
	gates_pause(f.g, false);
	assert_int_equal(enter(&f, &p, "b", NULL), GATE_GO);
	went_well(&f, &p);
	end(&f);
}

static void a_reload_keeps_what_is_owed(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[host *]\nlimit=1/s\ninflight=3\nbreaker=1 failure in 1s open 100s\n");
	struct probe p[4] = { 0 };
	assert_int_equal(enter(&f, &p[0], "a", NULL), GATE_GO);
	assert_int_equal(enter(&f, &p[1], "a", NULL), GATE_WAIT);
	assert_int_equal(enter(&f, &p[2], "b", NULL), GATE_GO);
	leave(&f, &p[2], PROBED_ERROR, PROBED_REASON_REFUSED, 0, 0);
	apply(&f, "[host *]\nlimit=2/s\ninflight=3\nbreaker=1 failure in 1s open 100s\n");
	assert_int_equal(enter(&f, &p[2], "b", NULL), GATE_NO);
	assert_int_equal(p[2].why, GATE_WHY_BREAKER);
	struct gate_view v = view(&f, GATE_HOST, "one.example");
	assert_true(v.inflight == 1 && v.waiting == 1);
	pass_time(&f, 500 * MS - 2 * TICK);
	assert_int_equal(p[1].told, 0);
	pass_time(&f, 4 * TICK);
	assert_int_equal(p[1].told, 1); /* one slot was owed, of the new length */
	assert_int_equal(enter(&f, &p[3], "a", NULL), GATE_WAIT);
	apply(&f, ""); /* a limit that is gone lets them go at once */
	pass_time(&f, 2 * TICK);
	assert_true(p[3].told == 1 && !p[3].why);
	went_well(&f, &p[0]), went_well(&f, &p[1]), went_well(&f, &p[3]);
	gates_each(f.g, seek, &(struct seek){ .name = "one.example", .kind = GATE_HOST });
	struct seek s = { .name = "one.example", .kind = GATE_HOST };
	gates_each(f.g, seek, &s);
	assert_false(s.any); /* and nothing of it is left */
	end(&f);
}

static void leases_come_from_the_same_slots(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[probed]\nlimit=1000/s\n[host *]\nlimit=10/s\n");
	const struct target *a = model_target(f.m, "a"), *b = model_target(f.m, "b");
	int64_t out[64], now = f.loop->now_ns;
	uint32_t why;
	assert_int_equal(gates_lease(f.g, a, NULL, NULL, 64, now, out, &why), 3); /* now, and what comes within 200 ms */
	assert_true(out[0] == now && out[1] - now == 100 * MS && out[2] - now == 200 * MS);
	struct probe p = { 0 };
	assert_int_equal(enter(&f, &p, "a", NULL), GATE_WAIT); /* behind them, 300 ms from now */
	assert_int_equal(gates_lease(f.g, a, NULL, NULL, 1, now, out, &why), 1);
	assert_int_equal(out[0] - now, 400 * MS); /* and behind it */
	pass_time(&f, 310 * MS);
	assert_int_equal(p.told, 1);
	went_well(&f, &p);
	/* slots that are far ahead for one host take nothing from the common limit then: another has it all */
	now = f.loop->now_ns;
	assert_true(gates_lease(f.g, a, NULL, NULL, 1, now, out, &why) == 1 && out[0] > now);
	assert_int_equal(gates_lease(f.g, b, NULL, NULL, 1, now, out, &why), 1);
	assert_true(out[0] - now <= MS);
	/* a hop to another host has that one's slots, whatever way it is written */
	assert_int_equal(gates_lease(f.g, a, "Three.Example", NULL, 1, now, out, &why), 1);
	assert_true(out[0] - now <= 2 * MS);
	assert_int_equal(gates_lease(f.g, b, "three.example", NULL, 1, now, out, &why), 1);
	assert_true(out[0] - now >= 99 * MS);
	/* too far ahead: refused, and when to come again */
	int refused = 0;
	for (int i = 0; i < 100 && !refused; i++)
		refused = !gates_lease(f.g, a, NULL, NULL, 1, now, out, &why);
	assert_true(refused && why == GATE_WHY_LIMIT && out[0] > now && out[0] - now <= 200 * MS);
	gates_pause(f.g, true);
	assert_int_equal(gates_lease(f.g, b, NULL, NULL, 1, now, out, &why), 0);
	assert_true(why == GATE_WHY_RESOURCES && out[0] > now);
	end(&f);
}

static void leases_stop_where_a_host_fails(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[host one.*]\nbackoff=5s..5s\n[host two.*]\nbreaker=1 failure in 1s open 5s\n");
	const struct target *a = model_target(f.m, "a"), *b = model_target(f.m, "b");
	int64_t out[64], now = f.loop->now_ns;
	uint32_t why;
	struct result r = { 0 };
	assert_int_equal(gates_lease(f.g, a, NULL, NULL, 64, now, out, &why), 64);
	assert_true(out[0] == now && out[63] == now);
	result_reset(&r);
	r.outcome = PROBED_ERROR;
	r.reason = PROBED_REASON_REFUSED;
	r.start_ns = now;
	gates_learn(f.g, a, NULL, &driver, &r);
	gates_learn(f.g, a, "two.example", &driver, &r);
	assert_int_equal(gates_lease(f.g, a, NULL, NULL, 64, now, out, &why), 0);
	assert_true(why == GATE_WHY_BACKOFF && out[0] == now + 5 * S);
	assert_int_equal(gates_lease(f.g, b, NULL, NULL, 64, now, out, &why), 0);
	assert_true(why == GATE_WHY_BREAKER && out[0] == now + 5 * S);
	pass_time(&f, 5 * S);
	now = f.loop->now_ns;
	assert_int_equal(gates_lease(f.g, b, NULL, NULL, 64, now, out, &why), 1); /* a trial */
	assert_int_equal(gates_lease(f.g, b, NULL, NULL, 64, now, out, &why), 0);
	assert_true(out[0] <= now + S);
	r.outcome = PROBED_OK;
	r.reason = 0;
	r.start_ns = now;
	gates_learn(f.g, b, NULL, &driver, &r);
	assert_int_equal(gates_lease(f.g, b, NULL, NULL, 64, now, out, &why), 64);
	result_free(&r);
	end(&f);
}

static void hosts_without_memory_are_let_go_of(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[host *]\nlimit=10/s\n");
	int64_t out;
	uint32_t why;
	for (int i = 0; i < 20000; i++) {
		char host[32];
		snprintf(host, sizeof host, "h%d.example", i);
		assert_int_equal(gates_lease(f.g, model_target(f.m, "a"), host, NULL, 1, f.loop->now_ns, &out, &why), 1);
		if (i % 1000 == 0)
			pass_time(&f, 200 * MS);
	}
	struct buf b = { 0 };
	gates_status_json(f.g, &b);
	uint32_t n = 0;
	for (const char *p = buf_cstr(&b); (p = strstr(p, "\"kind\"")); p++)
		n++;
	assert_in_range(n, 1, 5000);
	buf_free(&b);
	end(&f);
}

/* From within go() others enter, leave and cancel. */
static struct probe *again_a, *again_b;
static void go_and_enter(struct gate_pass *pass, uint32_t why)
{
	gone(pass, why);
	went_well(now_running, (struct probe *)pass);
	gates_cancel(now_running->g, &again_a->pass);
	again_b->name = 'z';
	assert_int_equal(enter(now_running, again_b, "a", NULL), GATE_WAIT);
}

static void go_may_enter_others(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "[host *]\nlimit=10/s\n");
	struct probe p = { 0 }, q = { 0 }, a = { 0 }, b = { 0 };
	again_a = &a;
	again_b = &b;
	enter(&f, &p, "a", NULL);
	enter(&f, &q, "a", NULL);
	q.pass.go = go_and_enter;
	enter(&f, &a, "a", NULL);
	went_well(&f, &p);
	pass_time(&f, S);
	assert_true(q.told == 1 && a.told == 0 && b.told == 1 && !b.why);
	went_well(&f, &b);
	end(&f);
}

static void an_ungated_probe_costs_little(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "");
	struct probe p = { 0 };
	enum { N = 1000000 };
	for (int with = 0; with < 2; with++) {
		if (with)
			apply(&f, "[probed]\nlimit=10000000/s\n[host *]\nlimit=10000000/s burst 100\nbackoff=1s..2s\n[driver web]\ninflight=9\n");
		int64_t t0 = clock_now_ns();
		struct result r = { 0 };
		result_reset(&r);
		const struct target *t = model_target(f.m, "a");
		const struct plan *plan = model_plan(f.m, "p");
		for (int i = 0; i < N; i++) {
			f.loop->now_ns += 1000;
			assert_int_equal(gates_enter(f.g, &p.pass, t, plan, f.loop->now_ns, &p.why), GATE_GO);
			gates_leave(f.g, &p.pass, &driver, &r);
		}
		result_free(&r);
		print_message("# %s: %.0f ns a probe\n", with ? "four keys" : "nothing", (double)(clock_now_ns() - t0) / N);
	}
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_limits_where_nothing_is_said),
		cmocka_unit_test(those_over_the_limit_go_in_order_at_its_rate),
		cmocka_unit_test(one_that_waits_holds_up_nobody_else),
		cmocka_unit_test(the_common_limit_is_exact_over_many_hosts),
		cmocka_unit_test(who_would_wait_too_long_is_refused),
		cmocka_unit_test(a_queue_is_bounded),
		cmocka_unit_test(places_are_limited_for_each_kind),
		cmocka_unit_test(a_stall_costs_only_its_own_host),
		cmocka_unit_test(a_host_that_fails_is_left_alone),
		cmocka_unit_test(a_breaker_opens_tries_and_closes),
		cmocka_unit_test(what_waits_is_refused_when_its_host_fails),
		cmocka_unit_test(without_resources_nothing_goes),
		cmocka_unit_test(a_reload_keeps_what_is_owed),
		cmocka_unit_test(leases_come_from_the_same_slots),
		cmocka_unit_test(leases_stop_where_a_host_fails),
		cmocka_unit_test(hosts_without_memory_are_let_go_of),
		cmocka_unit_test(go_may_enter_others),
		cmocka_unit_test(an_ungated_probe_costs_little),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
