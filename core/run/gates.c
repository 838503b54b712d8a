/* SPDX-License-Identifier: Apache-2.0 */
/* gates.c - passing the gates: at once, after a wait, or not; and what they learn from how it ended. */
#include "run/gates.h"

#include <stddef.h>

#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/model.h"
#include "judge/result.h"
#include "run/gates_state.h"

#define LATE_MAX_NS (100 * NS_PER_MS) /* so much of our own lateness is made good */
#define LEASE_LOST_NS NS_PER_S        /* of patience after its slot */

/* --- one key ---------------------------------------------------------------------------------- */

static bool slot_waits(const struct gate_key *k, int64_t now)
{
	return k->limit && gcra_wait(k->stamp, k->limit, now) > 0;
}

static bool key_full(const struct gate_key *k)
{
	return k->inflight_max && k->inflight >= k->inflight_max;
}

int64_t gate_key_slot(const struct gate_key *k, int64_t now)
{
	return now + gcra_wait(k->stamp + k->limit->step * k->n_waiting, k->limit, now);
}

static uint32_t key_refuses(const struct gate_key *k, int64_t now)
{
	if (k->backoff_spec && backoff_holds(&k->backoff, now))
		return GATE_WHY_BACKOFF;
	if (k->breaker_spec && !breaker_may(&k->breaker, k->breaker_spec, now))
		return GATE_WHY_BREAKER;
	return GATE_WHY_NONE;
}

uint32_t gate_key_refused(struct gate_key *k, uint32_t why)
{
	k->refused[why]++;
	return why;
}

uint32_t gates_refused_paused(struct gates *g)
{
	g->refused_paused++;
	return GATE_WHY_RESOURCES;
}

void gate_key_learn(struct gate_key *k, bool trial, int64_t since_ns, const struct driver_table *driver, const struct result *r)
{
	int64_t now = k->gates->loop->now_ns;
	if (k->backoff_spec && r) {
		enum fault how = fault_judge(&k->backoff_spec->on, driver, r);
		int64_t wait = fault_wait_ns(driver, r);
		if (how == FAULT_BAD)
			backoff_fail(&k->backoff, k->backoff_spec, since_ns, now, wait, str_mix(k->gates->seed, k->gates->draws++));
		else if (how == FAULT_NONE)
			backoff_ok(&k->backoff, since_ns, now, wait);
	}
	if (k->breaker_spec)
		breaker_leave(&k->breaker, k->breaker_spec, trial, r ? fault_judge(&k->breaker_spec->on, driver, r) : FAULT_UNSAID,
			      since_ns, now);
}

/* --- passes ----------------------------------------------------------------------------------- */

static void pass_hold(struct gate_pass *pass)
{
	for (uint8_t i = 0; i < pass->n_keys; i++)
		gate_key_ref(pass->keys[i]);
}

static void pass_let_go(struct gate_pass *pass)
{
	for (uint8_t i = 0; i < pass->n_keys; i++)
		gate_key_unref(pass->keys[i]);
	pass->n_keys = 0;
}

static void pass_refuse(struct gate_pass *pass, uint32_t why)
{
	pass_let_go(pass);
	if (pass->go)
		pass->go(pass, why);
	else
		free(pass);
}

/* --- queues ----------------------------------------------------------------------------------- */

/* Has the first of the queue to wait on? What is leased needs no place. */
static bool head_waits(const struct gate_key *k, int64_t now)
{
	return slot_waits(k, now) || (k->queue->go && key_full(k));
}

/* Who waits for a place is woken by the one that leaves. */
void gate_key_arm(struct gate_key *k)
{
	int64_t now = k->gates->loop->now_ns;
	if (!k->queue || (!slot_waits(k, now) && head_waits(k, now)))
		loop_timer_stop(k->gates->loop, &k->timer);
	else
		loop_timer_set(k->gates->loop, &k->timer, now + (k->limit ? gcra_wait(k->stamp, k->limit, now) : 0));
}

static void queue_remove(struct gate_pass *pass)
{
	struct gate_key *k = pass->waits;
	DL_DELETE(k->queue, pass);
	k->n_waiting--;
	pass->waits = NULL;
	loop_timer_stop(k->gates->loop, &pass->patience);
}

static void on_patience(struct wheel_timer *t)
{
	struct gate_pass *pass = (struct gate_pass *)((char *)t - offsetof(struct gate_pass, patience));
	struct gate_key *k = pass->waits;
	CHECK_MAGIC(k, GATE_KEY_MAGIC);
	gate_key_ref(k);
	queue_remove(pass);
	pass_refuse(pass, !pass->go ? GATE_WHY_NONE : gate_key_refused(k, key_full(k) ? GATE_WHY_INFLIGHT : GATE_WHY_LIMIT));
	gate_key_arm(k);
	gate_key_unref(k);
}

static void queue_add(struct gate_key *k, struct gate_pass *pass, int64_t now)
{
	struct gate_pass *after = k->queue ? k->queue->prev : NULL; /* the tail */
	while (after && after->ticket > pass->ticket)
		after = after == k->queue ? NULL : after->prev;
	if (after)
		DL_APPEND_ELEM(k->queue, after, pass);
	else
		DL_PREPEND(k->queue, pass);
	k->n_waiting++;
	pass->waits = k;
	pass->queued_ns = now;
	pass->patience.fn = on_patience;
	loop_timer_set(k->gates->loop, &pass->patience, pass->until_ns);
	if (k->queue == pass)
		gate_key_arm(k);
}

void gate_key_owe(struct gate_key *k, int64_t slot_ns, int64_t now)
{
	struct gate_pass *pass = xnew(struct gate_pass);
	pass->keys[pass->n_keys++] = k;
	pass->ticket = k->gates->ticket++;
	pass->until_ns = slot_ns + LEASE_LOST_NS;
	pass_hold(pass);
	queue_add(k, pass, now);
}

/* --- passing ---------------------------------------------------------------------------------- */

/* May it pass all? If not either why not, or *blocked is the first key where it has to wait. `head` is the key in whose
 * queue it was the first. */
static uint32_t pass_try(struct gate_pass *pass, const struct gate_key *head, int64_t now, struct gate_key **blocked)
{
	*blocked = NULL;
	for (uint8_t i = 0; i < pass->n_keys; i++) {
		struct gate_key *k = pass->keys[i];
		uint32_t why = key_refuses(k, now);
		if (why)
			return gate_key_refused(k, why);
		if (!*blocked && ((k->queue && k != head) || slot_waits(k, now) || key_full(k)))
			*blocked = k;
	}
	struct gate_key *k = *blocked;
	if (k && k->limit && gate_key_slot(k, now) > pass->until_ns)
		return gate_key_refused(k, GATE_WHY_LIMIT);
	if (k && k->n_waiting >= GATE_QUEUE_MAX)
		return gate_key_refused(k, key_full(k) ? GATE_WHY_INFLIGHT : GATE_WHY_LIMIT);
	return GATE_WHY_NONE;
}

static int64_t queued_since(const struct gate_pass *pass, int64_t now)
{
	return pass->queued_ns > now - LATE_MAX_NS ? pass->queued_ns : now - LATE_MAX_NS;
}

static void pass_take(struct gate_pass *pass, const struct gate_key *head, int64_t now)
{
	int64_t since = queued_since(pass, now);
	for (uint8_t i = 0; i < pass->n_keys; i++) {
		struct gate_key *k = pass->keys[i];
		if (k->limit)
			gcra_take_waited(&k->stamp, k->limit, k == head ? since : now, now);
		if (k->breaker_spec && breaker_enter(&k->breaker, k->breaker_spec, now))
			pass->trial = true;
		k->inflight++;
		k->passed++;
	}
	pass->passed = true;
	pass->passed_ns = now;
}

/* It was the first in k's queue, and k has a slot. */
static void pass_release(struct gates *g, struct gate_key *k, struct gate_pass *pass)
{
	struct gate_key *blocked;
	int64_t now = g->loop->now_ns;
	queue_remove(pass);
	if (!pass->go) {
		if (k->limit)
			gcra_take_waited(&k->stamp, k->limit, queued_since(pass, now), now);
		pass_refuse(pass, GATE_WHY_NONE);
		return;
	}
	uint32_t why = g->paused ? gates_refused_paused(g) : pass_try(pass, k, now, &blocked);
	if (why) {
		pass_refuse(pass, why);
		return;
	}
	if (blocked) {
		blocked->waited++;
		queue_add(blocked, pass, now);
		return;
	}
	pass_take(pass, k, now);
	pass->go(pass, GATE_WHY_NONE);
}

void gate_key_serve(struct wheel_timer *t)
{
	struct gate_key *k = (struct gate_key *)((char *)t - offsetof(struct gate_key, timer));
	CHECK_MAGIC(k, GATE_KEY_MAGIC);
	struct gates *g = k->gates;
	gate_key_ref(k);
	while (k->queue && !head_waits(k, g->loop->now_ns))
		pass_release(g, k, k->queue);
	gate_key_arm(k);
	gate_key_unref(k);
}

void gate_key_later(struct loop_later *later)
{
	struct gate_key *k = (struct gate_key *)((char *)later - offsetof(struct gate_key, later));
	gate_key_serve(&k->timer);
}

/* --- entering and leaving --------------------------------------------------------------------- */

bool gates_limited(const struct gates *g, const struct target *target, const struct plan *plan)
{
	struct gate_key *keys[GATE_KEYS_MAX];
	/* what it may look up and remember is no change that anyone sees */
	return g->model && gates_keys((struct gates *)(uintptr_t)g, target, NULL, plan, keys) > 0;
}

int64_t gates_patience_ns(const struct target *target, const struct plan *plan)
{
	return plan && plan->timeout_ns > 0 ? plan->timeout_ns : target->timeout_ns;
}

enum gate_answer gates_enter(struct gates *g, struct gate_pass *pass, const struct target *target, const struct plan *plan,
                             int64_t due_ns, uint32_t *why)
{
	CHECK_MAGIC(g, GATES_MAGIC);
	struct gate_key *blocked;
	int64_t now = g->loop->now_ns;
	pass->passed = pass->trial = false;
	pass->waits = NULL;
	pass->n_keys = g->model ? gates_keys(g, target, NULL, plan, pass->keys) : 0;
	pass->asked_ns = pass->queued_ns = now;
	pass->until_ns = due_ns + gates_patience_ns(target, plan);
	*why = g->paused ? gates_refused_paused(g) : pass_try(pass, NULL, now, &blocked);
	if (*why) {
		pass->n_keys = 0;
		return GATE_NO;
	}
	pass_hold(pass);
	if (!blocked) {
		pass_take(pass, NULL, now);
		return GATE_GO;
	}
	pass->ticket = g->ticket++;
	blocked->waited++;
	queue_add(blocked, pass, now);
	return GATE_WAIT;
}

void gates_cancel(struct gates *g, struct gate_pass *pass)
{
	CHECK_MAGIC(g, GATES_MAGIC);
	if (!pass->waits)
		return;
	struct gate_key *k = pass->waits;
	gate_key_ref(k);
	queue_remove(pass);
	pass_let_go(pass);
	gate_key_arm(k);
	gate_key_unref(k);
}

void gates_leave(struct gates *g, struct gate_pass *pass, const struct driver_table *driver, const struct result *r)
{
	CHECK_MAGIC(g, GATES_MAGIC);
	if (!pass->passed)
		return;
	for (uint8_t i = 0; i < pass->n_keys; i++) {
		struct gate_key *k = pass->keys[i];
		k->inflight -= k->inflight > 0;
		if (k->queue && k->inflight_max)
			loop_later(g->loop, &k->later);
		if (!r && k->limit)
			gcra_return(&k->stamp, k->limit, 1);
		gate_key_learn(k, pass->trial, pass->passed_ns, driver, r);
	}
	pass->passed = false;
	pass_let_go(pass);
}

/* --- resources -------------------------------------------------------------------------------- */

void gates_pause(struct gates *g, bool paused)
{
	CHECK_MAGIC(g, GATES_MAGIC);
	g->paused = paused;
}

bool gates_paused(const struct gates *g)
{
	return g->paused;
}

int64_t gates_paused_ns(const struct gates *g)
{
	return resources_paused_ns(g->resources);
}
