/* SPDX-License-Identifier: Apache-2.0 */
/* gates_state.h - what the gates are made of; for gates*.c only. */
#ifndef RUN_GATES_STATE_H
#define RUN_GATES_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

#include "base/loop.h"
#include "plan/backoff.h"
#include "plan/breaker.h"
#include "plan/gate.h"
#include "run/gates.h"
#include "run/resources.h"

/* What limits one thing, by kind and name. */
struct gate_key {
	unsigned magic;
	uint32_t refs; /* routes and passes */
	struct gates *gates;
	enum gate_kind kind;
	uint32_t inflight, inflight_max; /* max 0: no limit */
	const struct gcra_limit *limit;  /* these are the model's; NULL: none */
	const struct backoff_spec *backoff_spec;
	const struct breaker_spec *breaker_spec;
	int64_t stamp;
	struct gate_pass *queue; /* by ticket */
	uint32_t n_waiting;
	struct wheel_timer timer; /* the first of the queue has its slot */
	struct loop_later later;  /* a place is free */
	struct backoff backoff;
	struct breaker breaker;
	uint64_t passed, waited, refused[GATE_WHYS];
	UT_hash_handle hh;
	char id[]; /* a letter for the kind, then the name */
};
#define GATE_KEY_MAGIC 0x674b6579u

static inline const char *gate_key_name(const struct gate_key *k)
{
	return k->id + 1;
}

/* The keys of a target, or of a plan: found once for each model. */
struct gate_route {
	const void *of;
	struct gate_key *keys[3]; /* target, host, driver; of a plan the first only; NULL: not limited there */
	UT_hash_handle hh;
};

struct gates {
	unsigned magic;
	struct loop *loop;
	struct resources *resources;
	struct model *model; /* a reference; NULL: nothing is limited */
	struct gate_key *keys;
	struct gate_route *routes;
	struct gate_key *global; /* NULL: not limited */
	bool by_target; /* something limits some targets; else they need no route */
	bool by_plan;
	bool paused;
	uint32_t sweep_at; /* keys: how many make it worth looking for idle ones */
	uint64_t ticket, seed, draws, refused_paused;
};
#define GATES_MAGIC 0x67617465u

/* --- gates_key.c ------------------------------------------------------------------------------ */
/* Into keys, narrowest first; each may be NULL. `host` in place of the target's own where it is not NULL. */
uint8_t gates_keys(struct gates *g, const struct target *target, const char *host, const struct plan *plan,
                   struct gate_key **keys);
static inline void gate_key_ref(struct gate_key *k)
{
	k->refs++;
}
/* It goes once nothing holds it and nothing limits it. */
void gate_key_unref(struct gate_key *k);

/* --- gates.c ---------------------------------------------------------------------------------- */
#define GATE_QUEUE_MAX 16384
int64_t gates_patience_ns(const struct target *target, const struct plan *plan);
uint32_t gates_refused_paused(struct gates *g); /* counts it */
uint32_t gate_key_refused(struct gate_key *k, uint32_t why);
/* When one that came now would have its slot, after those who wait. For keys with a limit. */
int64_t gate_key_slot(const struct gate_key *k, int64_t now);
/* Backoff and breaker learn from one that passed at since_ns. r NULL: it never ran. */
void gate_key_learn(struct gate_key *k, bool trial, int64_t since_ns, const struct driver_table *driver, const struct result *r);
/* What was leased while others wait stands behind them as a pass of nobody's (go NULL), which takes its slot in its turn. */
void gate_key_owe(struct gate_key *k, int64_t slot_ns, int64_t now);
void gate_key_serve(struct wheel_timer *t);
void gate_key_later(struct loop_later *later);
/* Looks at the queue again at the right time. */
void gate_key_arm(struct gate_key *k);

#endif
