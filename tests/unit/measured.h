/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measured.h - a made-up run for the tests of tallies and reports: two steps, latencies of a lognormal kind, a stall,
 * errors with reasons, dropped probes and a lost worker. The same seed gives the same run.
 */
#ifndef TESTS_MEASURED_H
#define TESTS_MEASURED_H

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "measure/require.h"
#include "measure/tally.h"

static char measured_status[] = "status", measured_size[] = "size", measured_share[] = "share", measured_fresh[] = "fresh",
            measured_server[] = "server", measured_perf[] = "perf", measured_left[] = "cert.expires";
static struct fact_decl measured_facts[] = {
	{ .name = measured_status, .type = PROBED_TYPE_INTEGER },
	{ .name = measured_size, .type = PROBED_TYPE_SIZE, .role = PROBED_ROLE_BYTES_IN },
	{ .name = measured_share, .type = PROBED_TYPE_FLOAT },
	{ .name = measured_fresh, .type = PROBED_TYPE_BOOLEAN },
	{ .name = measured_server, .type = PROBED_TYPE_STRING },
	{ .name = measured_perf, .type = PROBED_TYPE_FLOAT, .flags = PROBED_FACT_FAMILY },
	{ .name = measured_left, .type = PROBED_TYPE_DURATION },
};
static const struct driver_table measured_driver = { .facts = measured_facts, .n_facts = 7 };
static const char *const measured_checks[] = { "answers", "fast" };
static const struct tally_step measured_steps[] = {
	{ .name = "login", .driver = &measured_driver, .checks = measured_checks, .n_checks = 2 },
	{ .name = "orders", .driver = &measured_driver },
};
static uint64_t measured_seed;

static inline double measured_draw(void)
{
	measured_seed += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t z = measured_seed;
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

static inline double measured_normal(void)
{
	return sqrt(-2 * log(measured_draw())) * cos(6.283185307179586 * measured_draw());
}

/* A result that ends at `end` after so long a service; `lag` came before it. */
static inline void measured_begin(struct result *r, uint32_t outcome, int64_t service_ns, int64_t lag_ns, int64_t end_ns)
{
	result_reset(r);
	r->outcome = (uint8_t)outcome;
	r->end_ns = end_ns;
	r->start_ns = end_ns - service_ns;
	r->due_ns = r->start_ns - lag_ns;
}

static inline void measured_number(struct result *r, uint32_t fact, const char *name, uint8_t type, int64_t i, double f)
{
	struct result_fact *one = result_fact_add(r, fact, name, false);
	one->type = type;
	one->i = i;
	one->f = f;
}

struct measured_kind {
	uint64_t seed;
	uint32_t seconds, rate;
	double slower; /* 1: as ever */
	double errors; /* share */
	double drift;  /* how strongly neighbouring intervals are alike: 0 not at all */
	bool eventful; /* a stall, dropped probes, a lost worker */
};

static inline void measured_one(struct tally *t, struct result *r, const struct measured_kind *k, int64_t due, double mood)
{
	uint32_t step = measured_draw() < 0.3 ? 0 : 1;
	double ms = (step ? 12 : 30) * exp(0.4 * measured_normal() + mood) * k->slower;
	int64_t at = due / NS_PER_S;
	if (k->eventful && at >= k->seconds / 2 && at < k->seconds / 2 + 2)
		ms += 1500 - (double)(due % NS_PER_S) / 1e6;
	int64_t service = (int64_t)(ms * 1e6), lag = (int64_t)(measured_draw() * 80e3);
	double luck = measured_draw();
	measured_begin(r, luck < k->errors ? PROBED_ERROR : luck < 2 * k->errors ? PROBED_FAIL : PROBED_OK, service, lag,
	               due + service + lag);
	r->phase_ns[PROBED_PHASE_CONNECT] = service / 10;
	r->phase_ns[PROBED_PHASE_WAIT] = service / 2;
	if (r->outcome == PROBED_ERROR) {
		bool reset = measured_draw() < 0.3;
		r->reason = reset ? PROBED_REASON_RESET : PROBED_REASON_TIMEOUT;
		const char *text = reset ? "the peer closed the connection <early> & left" : "no answer within 5 s";
		r->message = result_put_string(r, text, strlen(text));
	} else if (r->outcome == PROBED_FAIL) {
		r->reason = PROBED_REASON_EXPECTATION;
		result_fail(r, "answers", "status is 500");
		r->message = result_put_string(r, "status is 500", 13);
	}
	measured_number(r, 0, NULL, PROBED_TYPE_INTEGER, r->outcome == PROBED_FAIL ? 500 : 200, 0);
	measured_number(r, 1, NULL, PROBED_TYPE_SIZE, 1200 + (int64_t)(measured_draw() * 800), 0);
	tally_sent(t, step, 1, due);
	tally_add(t, step, r, due + service + lag);
}

/* Ended. */
static inline struct tally *measured_with(const struct measured_kind *k, const struct requirement *const *requires, uint32_t n)
{
	struct tally *t = tally_new("browse", measured_steps, 2, requires, n, INT64_C(1790000000) * NS_PER_S);
	struct result r = { 0 };
	double mood = 0;
	measured_seed = k->seed;
	for (uint32_t s = 0; s < k->seconds; s++) {
		mood = k->drift * mood + k->drift * 0.05 * measured_normal();
		for (uint32_t i = 0; i < k->rate; i++) {
			int64_t due = s * NS_PER_S + i * NS_PER_S / k->rate;
			tally_due(t, due, 1);
			if (k->eventful && s == k->seconds / 2 && i % 3 == 0)
				tally_not_sent(t, 1, TALLY_INFLIGHT, 1, due);
			else
				measured_one(t, &r, k, due, mood);
		}
		if (k->eventful && s == k->seconds / 4)
			tally_not_sent(t, 0, TALLY_LOST, 37, s * NS_PER_S);
		tally_tick(t, (s + 1) * NS_PER_S, k->rate / 20, k->rate, 0);
	}
	tally_end(t, (k->seconds + 1) * NS_PER_S, k->seconds * NS_PER_S);
	result_free(&r);
	return t;
}

static inline struct tally *measured_tally(const struct measured_kind *k)
{
	return measured_with(k, NULL, 0);
}

#endif
