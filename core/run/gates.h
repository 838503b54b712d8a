/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gates.h - what stands between the choice of a target and its dispatch, for the probes of plans: limits of rate and of
 * probes under way (for the whole daemon, each host, driver, target and plan), backoff and breaker of each host, and the
 * machine's resources. Monitoring is not gated, and a plan's own `inflight` is counted where the plan runs. Owned by the
 * core's loop, one thread.
 *
 * State is keyed by kind and name and outlives a reload. A probe waits in the queue of the narrowest key that holds it,
 * and takes nothing from any key until it may pass all of them: one that waits never holds up another's.
 */
#ifndef RUN_GATES_H
#define RUN_GATES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/wheel.h"
#include "plan/breaker.h"
#include "plan/gate.h"

struct buf;
struct driver_table;
struct gate_key;
struct gates;
struct loop;
struct metrics_page;
struct model;
struct plan;
struct resources_source;
struct result;
struct target;

enum gate_answer { GATE_GO, GATE_WAIT, GATE_NO };

const char *gate_why_name(uint32_t why); /* "limit" */

#define GATE_KEYS_MAX 5 /* target, plan, host, driver, global: the narrowest first */

/* Embed it in a flight; zeroed, with `go` set. It must stay where it is from gates_enter() to gates_leave(). */
struct gate_pass {
	/* After GATE_WAIT, once, from the loop: why is GATE_WHY_NONE where it passes now (all is taken, gates_leave() is
	 * owed), else why it never will (nothing is owed). May free the pass, and may enter others. */
	void (*go)(struct gate_pass *pass, uint32_t why);
	int64_t asked_ns;
	int64_t until_ns;  /* waits no longer: due time and timeout */
	int64_t queued_ns; /* in the queue where it stands */
	int64_t passed_ns;
	uint64_t ticket; /* order of asking */
	struct gate_key *keys[GATE_KEYS_MAX];
	struct gate_key *waits; /* the key in whose queue it stands; NULL: it does not wait */
	struct gate_pass *prev, *next;
	struct wheel_timer patience;
	uint8_t n_keys;
	bool passed, trial;
};

/* gates_new() reads no model: nothing is limited until gates_apply(). */
struct gates *gates_new(struct loop *loop);
/* Whose use of resources is looked at beside this process's own: resources_source_of(core), once its crew is there. */
void gates_watch(struct gates *g, const struct resources_source *source);
/* Once all passes have ended or were cancelled. */
void gates_free(struct gates *g);
/* A new configuration is in force: what has the same kind and name keeps its stamps, places and states. Pointers to targets
 * and plans of the model before are not used again. */
void gates_apply(struct gates *g, const struct model *m);

/* Does anything limit it at all, apart from resources (gates_paused())? If not, neither enter nor leave needs to be called, until
 * the next gates_apply(). `plan` may be NULL here and below. */
bool gates_limited(const struct gates *g, const struct target *target, const struct plan *plan);
/* May a probe of `target` be sent for `plan`? GO: tokens and places are taken. WAIT: pass->go() follows, in the order of
 * asking. NO: not sent, *why says what to count. */
enum gate_answer gates_enter(struct gates *g, struct gate_pass *pass, const struct target *target, const struct plan *plan,
                             int64_t due_ns, uint32_t *why);
/* While it waits: it no longer does, and go() will not be called. Harmless on one that does not wait. */
void gates_cancel(struct gates *g, struct gate_pass *pass);
/* It ended: its places are free, backoff and breaker learn. r NULL: it never ran. Harmless on one that did not pass. */
void gates_leave(struct gates *g, struct gate_pass *pass, const struct driver_table *driver, const struct result *r);

/* Tokens for workers (steps, hops, retries, closed loops): takes up to n slots for `target`, or, where key is not NULL, with
 * the host of that name in place of its own, and gives their times (monotonic) in order. Returns how many; 0: refused, *why
 * says what for, and out_ns[0] when to ask again. Where nothing limits, n times now. Places are not counted: what leases
 * bounds itself. */
uint32_t gates_lease(struct gates *g, const struct target *target, const char *key, const struct plan *plan, uint32_t n,
                     int64_t now_ns, int64_t *out_ns, uint32_t *why);
/* One that was leased ended: its host's backoff and breaker learn. `key` as above. */
void gates_learn(struct gates *g, const struct target *target, const char *key, const struct driver_table *driver,
                 const struct result *r);

enum gate_kind { GATE_TARGET, GATE_PLAN, GATE_HOST, GATE_DRIVER, GATE_GLOBAL, GATE_KINDS };
const char *gate_kind_name(enum gate_kind k); /* "host" */

struct gate_view {
	enum gate_kind kind;
	const char *name; /* "" for the global one */
	uint32_t waiting, inflight, inflight_max; /* max 0: unlimited */
	double rate;      /* a second; 0: unlimited */
	bool has_backoff, has_breaker;
	enum breaker_state breaker;
	uint64_t breaker_opened, backoffs;
	int64_t backoff_until_ns; /* monotonic; 0 or past: none */
	uint64_t passed, waited, refused[GATE_WHYS];
};
/* Each key that limits anything, in no particular order. */
void gates_each(const struct gates *g, void (*fn)(void *ctx, const struct gate_view *v), void *ctx);

/* Dispatch is paused for want of resources (resources.h says so): probes are refused with GATE_WHY_RESOURCES. */
void gates_pause(struct gates *g, bool paused);
bool gates_paused(const struct gates *g);
int64_t gates_paused_ns(const struct gates *g); /* in all, since the start */

/* Samples of probed's own numbers, from within a metrics source's self(). */
void gates_metrics(const struct gates *g, struct metrics_page *page);
/* `[{"kind":"host","name":...}, ...]` */
void gates_status_json(const struct gates *g, struct buf *out);

#endif
