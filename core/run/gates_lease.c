/* SPDX-License-Identifier: Apache-2.0 */
/* gates_lease.c - slots of the gates for workers: taken in advance, by hosts that the core may never have heard of. */
#include "base/clock.h"
#include "base/mem.h"
#include "judge/result.h"
#include "run/gates_state.h"

#define AHEAD_NS (200 * NS_PER_MS) /* slots beyond the first that are dealt out in advance */
#define LOOK_AGAIN_NS NS_PER_S

static uint32_t no_lease(uint32_t why, int64_t again_ns, int64_t *out_ns, uint32_t *out_why)
{
	*out_why = why;
	*out_ns = again_ns;
	return 0;
}

/* What refuses a lease as a whole. A breaker that tries whether to close gives one slot at a time, a trial. */
static uint32_t lease_refused(struct gate_key *k, int64_t now, uint32_t *n, int64_t *again_ns)
{
	if (k->backoff_spec && backoff_holds(&k->backoff, now)) {
		*again_ns = k->backoff.until_ns;
		return gate_key_refused(k, GATE_WHY_BACKOFF);
	}
	if (k->breaker_spec) {
		*again_ns = breaker_again_ns(&k->breaker, k->breaker_spec, now);
		if (*again_ns > now + LOOK_AGAIN_NS && k->breaker.state == BREAKER_HALF_OPEN)
			*again_ns = now + LOOK_AGAIN_NS; /* a trial may end any time */
		if (*again_ns)
			return gate_key_refused(k, GATE_WHY_BREAKER);
		if (k->breaker.state != BREAKER_CLOSED)
			*n = 1;
	}
	return GATE_WHY_NONE;
}

/* When a slot is free in all of them; INT64_MAX: a queue is full. *last is the one that decides. */
static int64_t slot_of(struct gate_key *const *keys, uint8_t n_keys, int64_t now, struct gate_key **last)
{
	int64_t at = now;
	*last = NULL;
	for (uint8_t i = 0; i < n_keys; i++) {
		int64_t slot = keys[i]->n_waiting >= GATE_QUEUE_MAX ? INT64_MAX :
			       keys[i]->limit                       ? gate_key_slot(keys[i], now) :
			                                              now;
		if (slot > at) {
			at = slot;
			*last = keys[i];
		}
	}
	return at;
}

/* A slot for later is paid for now, so that no key loses what it could give to others meanwhile. */
static void slot_take(struct gate_key *k, int64_t at, int64_t now)
{
	if (k->queue)
		gate_key_owe(k, at, now);
	else if (k->limit)
		gcra_spend(&k->stamp, k->limit, now);
	if (k->breaker_spec)
		breaker_enter(&k->breaker, k->breaker_spec, now);
	k->passed++;
}

uint32_t gates_lease(struct gates *g, const struct target *target, const char *key, const struct plan *plan, uint32_t n,
                     int64_t now_ns, int64_t *out_ns, uint32_t *why)
{
	CHECK_MAGIC(g, GATES_MAGIC);
	struct gate_key *keys[GATE_KEYS_MAX], *last;
	uint8_t n_keys = g->model ? gates_keys(g, target, key, plan, keys) : 0;
	uint32_t got = 0;
	*why = GATE_WHY_NONE;
	if (g->paused)
		return no_lease(gates_refused_paused(g), now_ns + LOOK_AGAIN_NS, out_ns, why);
	for (uint8_t i = 0; i < n_keys; i++) {
		int64_t again;
		uint32_t no = lease_refused(keys[i], now_ns, &n, &again);
		if (no)
			return no_lease(no, again, out_ns, why);
	}
	for (; got < n; got++) {
		int64_t most = now_ns + (got ? AHEAD_NS : gates_patience_ns(target, plan)), at = slot_of(keys, n_keys, now_ns, &last);
		if (at > most && !got)
			return no_lease(gate_key_refused(last, GATE_WHY_LIMIT), at == INT64_MAX ? now_ns + AHEAD_NS : now_ns + at - most,
			                out_ns, why);
		if (at > most)
			break;
		out_ns[got] = at;
		for (uint8_t i = 0; i < n_keys; i++)
			slot_take(keys[i], at, now_ns);
	}
	return got;
}

void gates_learn(struct gates *g, const struct target *target, const char *key, const struct driver_table *driver,
                 const struct result *r)
{
	CHECK_MAGIC(g, GATES_MAGIC);
	struct gate_key *keys[GATE_KEYS_MAX];
	uint8_t n = g->model && g->by_target ? gates_keys(g, target, key, NULL, keys) : 0;
	for (uint8_t i = 0; i < n; i++)
		if (keys[i]->kind == GATE_HOST)
			gate_key_learn(keys[i], keys[i]->breaker.trials_out > 0, r->start_ns, driver, r);
}
