/* SPDX-License-Identifier: Apache-2.0 */
/* gates_key.c - the keys of the gates: which ones a target and a plan have, and what a configuration says of each. */
#include <fnmatch.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "config/model.h"
#include "run/gates_state.h"

#define SWEEP_MIN 4096
#define HOST_MAX 256

/* --- rules ------------------------------------------------------------------------------------ */

struct rule {
	const struct gcra_limit *limit;
	const struct backoff_spec *backoff;
	const struct breaker_spec *breaker;
	uint32_t inflight;
};

static bool limits_anything(const struct rule *r)
{
	return r->limit || r->backoff || r->breaker || r->inflight;
}

static struct rule rule_of_gate(const struct gate_rule *r)
{
	return (struct rule){ .limit = r->limit, .backoff = r->backoff, .breaker = r->breaker, .inflight = r->inflight };
}

static struct rule rule_of(const struct model *m, enum gate_kind kind, const char *name)
{
	const struct limits *l = &m->limits;
	const struct target *target;
	const struct plan *plan;
	switch (kind) {
	case GATE_GLOBAL:
		return (struct rule){ .limit = l->limit, .inflight = l->inflight };
	case GATE_HOST:
		for (uint32_t i = 0; i < l->n_hosts; i++)
			if (!fnmatch(l->hosts[i].match, name, FNM_CASEFOLD))
				return rule_of_gate(&l->hosts[i]);
		break;
	case GATE_DRIVER:
		for (uint32_t i = 0; i < l->n_drivers; i++)
			if (!strcmp(l->drivers[i].match, name))
				return rule_of_gate(&l->drivers[i]);
		break;
	case GATE_TARGET:
		target = model_target(m, name);
		if (target)
			return (struct rule){ .limit = target->limit, .inflight = target->inflight };
		break;
	case GATE_PLAN:
		plan = model_plan(m, name);
		if (plan)
			return (struct rule){ .limit = plan->limit };
		break;
	case GATE_KINDS:
		break;
	}
	return (struct rule){ 0 };
}

/* --- keys ------------------------------------------------------------------------------------- */

static void key_rule(struct gate_key *k, const struct rule *r)
{
	static const struct breaker_spec none;
	int64_t now = k->gates->loop->now_ns;
	if (!k->limit || !r->limit)
		k->stamp = 0;
	else if (!gate_limit_same(k->limit, r->limit))
		k->stamp = gcra_restamp(k->stamp, k->limit, r->limit, now);
	k->limit = r->limit;
	k->inflight_max = r->inflight;
	k->backoff_spec = r->backoff;
	if (!r->backoff)
		k->backoff = (struct backoff){ .times = k->backoff.times };
	k->breaker_spec = r->breaker;
	breaker_respec(&k->breaker, r->breaker ? r->breaker : &none);
}

static bool key_limits(const struct gate_key *k)
{
	return k->limit || k->backoff_spec || k->breaker_spec || k->inflight_max;
}

static void key_free(struct gate_key *k)
{
	for (struct gate_pass *pass = k->queue, *next; pass; pass = next) {
		next = pass->next;
		loop_timer_stop(k->gates->loop, &pass->patience);
		if (!pass->go) /* nobody's */
			free(pass);
	}
	loop_later_cancel(k->gates->loop, &k->later);
	loop_timer_stop(k->gates->loop, &k->timer);
	HASH_DEL(k->gates->keys, k);
	breaker_clear(&k->breaker);
	k->magic = 0;
	free(k);
}

void gate_key_unref(struct gate_key *k)
{
	CHECK_MAGIC(k, GATE_KEY_MAGIC);
	k->refs--;
	if (!k->refs && !key_limits(k))
		key_free(k);
}

/* Would a new one be the same, but for what it has counted? */
static bool key_idle(const struct gate_key *k, int64_t now)
{
	return !k->refs && (!k->limit || !gcra_wait(k->stamp + k->limit->ahead, k->limit, now)) && !backoff_holds(&k->backoff, now) &&
	       !k->backoff.sleep_ns && k->breaker.state == BREAKER_CLOSED && !k->breaker.n_failed;
}

/* Hosts come and go (redirects lead anywhere): those that nothing is remembered of are let go of now and then. */
static void keys_sweep(struct gates *g)
{
	struct gate_key *k, *next;
	HASH_ITER(hh, g->keys, k, next)
		if (k->kind == GATE_HOST && key_idle(k, g->loop->now_ns))
			key_free(k);
	g->sweep_at = HASH_COUNT(g->keys) * 2 > SWEEP_MIN ? HASH_COUNT(g->keys) * 2 : SWEEP_MIN;
}

/* NULL where nothing limits it. */
static struct gate_key *key_get(struct gates *g, enum gate_kind kind, const char *name)
{
	char id[HOST_MAX + 2];
	struct gate_key *k;
	size_t len = strlen(name) + 1;
	char *text = len < sizeof id ? id : xmalloc(len + 1);
	text[0] = (char)('a' + kind);
	memcpy(text + 1, name, len);
	HASH_FIND(hh, g->keys, text, len, k);
	if (!k) {
		struct rule r = rule_of(g->model, kind, name);
		if (limits_anything(&r)) {
			if (HASH_COUNT(g->keys) >= g->sweep_at)
				keys_sweep(g);
			k = xcalloc(1, sizeof *k + len + 1);
			k->magic = GATE_KEY_MAGIC;
			k->gates = g;
			k->kind = kind;
			k->timer.fn = gate_key_serve;
			k->later.fn = gate_key_later;
			memcpy(k->id, text, len + 1);
			HASH_ADD_KEYPTR(hh, g->keys, k->id, len, k);
			key_rule(k, &r);
		}
	}
	if (text != id)
		free(text);
	return k && key_limits(k) ? k : NULL;
}

/* --- routes ----------------------------------------------------------------------------------- */

static struct gate_key *held(struct gate_key *k)
{
	if (k)
		gate_key_ref(k);
	return k;
}

static const char *target_key(const struct target *t)
{
	return t->step ? t->step->of : t->name;
}

static struct gate_route *route_add(struct gates *g, const void *of)
{
	struct gate_route *r = xnew(struct gate_route);
	r->of = of;
	HASH_ADD_PTR(g->routes, of, r);
	return r;
}

static const struct gate_route *target_route(struct gates *g, const struct target *t)
{
	struct gate_route *r;
	char host[HOST_MAX];
	HASH_FIND_PTR(g->routes, &t, r);
	if (!r) {
		r = route_add(g, t);
		r->keys[0] = held(key_get(g, GATE_TARGET, target_key(t)));
		r->keys[1] = target_host(t, host, sizeof host) ? NULL : held(key_get(g, GATE_HOST, host));
		r->keys[2] = held(key_get(g, GATE_DRIVER, t->driver->name));
	}
	return r;
}

static const struct gate_route *plan_route(struct gates *g, const struct plan *plan)
{
	struct gate_route *r;
	HASH_FIND_PTR(g->routes, &plan, r);
	if (!r) {
		r = route_add(g, plan);
		r->keys[0] = held(key_get(g, GATE_PLAN, plan->name));
	}
	return r;
}

/* As target_host() writes them. */
static struct gate_key *foreign(struct gates *g, const char *host)
{
	char lower[HOST_MAX];
	size_t n = strlen(host);
	if (n >= sizeof lower)
		return NULL;
	for (size_t i = 0; i <= n; i++)
		lower[i] = host[i] >= 'A' && host[i] <= 'Z' ? (char)(host[i] | 0x20) : host[i];
	return key_get(g, GATE_HOST, lower);
}

uint8_t gates_keys(struct gates *g, const struct target *target, const char *host, const struct plan *plan,
                   struct gate_key **keys)
{
	uint8_t n = 0;
	const struct gate_route *t = g->by_target ? target_route(g, target) : NULL;
	const struct gate_route *p = g->by_plan && plan ? plan_route(g, plan) : NULL;
	if (t && t->keys[0])
		keys[n++] = t->keys[0];
	if (p && p->keys[0])
		keys[n++] = p->keys[0];
	if (t) {
		struct gate_key *k = host ? foreign(g, host) : t->keys[1];
		if (k)
			keys[n++] = k;
		if (t->keys[2])
			keys[n++] = t->keys[2];
	}
	if (g->global)
		keys[n++] = g->global;
	return n;
}

static void routes_drop(struct gates *g)
{
	struct gate_route *r, *next;
	HASH_ITER(hh, g->routes, r, next)
	{
		HASH_DEL(g->routes, r);
		for (size_t i = 0; i < ARRAY_LEN(r->keys); i++)
			if (r->keys[i])
				gate_key_unref(r->keys[i]);
		free(r);
	}
}

/* --- life ------------------------------------------------------------------------------------- */

static bool limits_targets(const struct model *m)
{
	if (m->limits.n_hosts || m->limits.n_drivers)
		return true;
	for (size_t i = 0; i < m->n_targets; i++)
		if (m->targets[i]->limit || m->targets[i]->inflight)
			return true;
	return false;
}

static bool limits_plans(const struct model *m)
{
	for (size_t i = 0; i < m->n_plans; i++)
		if (m->plans[i]->limit)
			return true;
	return false;
}

void gates_apply(struct gates *g, const struct model *m)
{
	CHECK_MAGIC(g, GATES_MAGIC);
	struct model *before = g->model;
	struct gate_key *k, *next;
	g->model = model_ref((struct model *)(uintptr_t)m);
	routes_drop(g);
	if (g->global)
		gate_key_unref(g->global);
	g->by_target = limits_targets(m);
	g->by_plan = limits_plans(m);
	HASH_ITER(hh, g->keys, k, next)
	{
		struct rule r = rule_of(m, k->kind, gate_key_name(k));
		key_rule(k, &r);
		gate_key_arm(k);
		if (!k->refs && !key_limits(k))
			key_free(k);
	}
	g->global = held(key_get(g, GATE_GLOBAL, ""));
	resources_apply(g->resources, m->limits.resources);
	if (before)
		model_unref(before);
}

void gates_watch(struct gates *g, const struct resources_source *source)
{
	CHECK_MAGIC(g, GATES_MAGIC);
	resources_watch(g->resources, source);
}

struct gates *gates_new(struct loop *loop)
{
	struct gates *g = xnew(struct gates);
	g->magic = GATES_MAGIC;
	g->loop = loop;
	g->sweep_at = SWEEP_MIN;
	g->resources = resources_new(loop, g);
	if (getrandom(&g->seed, sizeof g->seed, 0) != sizeof g->seed)
		g->seed = (uint64_t)loop->now_ns;
	return g;
}

void gates_free(struct gates *g)
{
	if (!g)
		return;
	CHECK_MAGIC(g, GATES_MAGIC);
	struct gate_key *k, *next;
	routes_drop(g);
	HASH_ITER(hh, g->keys, k, next)
		key_free(k);
	resources_free(g->resources);
	if (g->model)
		model_unref(g->model);
	g->magic = 0;
	free(g);
}
