/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_gate.c - the worker's stock of tokens: times from which the core lets one more request of a plan go to a key.
 *
 * The core is asked ahead, for about what was used of late; what is not used is lost, and little enough. One question
 * is under way for a key at a time, and its answer, whatever it grants, ends it. Steps wait in line until a token's
 * time has come; a driver's hop (host->gate) is told how long to wait, and comes back.
 */
#include "plan/gate.h"
#include "run/worker_flow.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define GATE_MAGIC 0x67617465u
#define TOKENS 64
#define STALE_NS NS_PER_S           /* a token that nobody took for so long is lost */
#define AHEAD_NS (100 * NS_PER_MS)  /* so much use is asked ahead */
#define ASK_AGAIN_NS NS_PER_MS      /* for a hop, while the core is asked */
#define REST_NS (100 * NS_PER_MS)   /* of a user whose step was refused, at least */
#define GATES_SWEPT 1024            /* more than these: those not used of late go */
#define IDLE_NS (10 * NS_PER_S)
#define PATIENCE_NS NS_PER_MS

struct gate {
	unsigned magic;
	uint32_t plan, target;
	char *key; /* NULL: the target's own */
	struct worker *worker;
	int64_t tokens[TOKENS]; /* in the order given */
	uint32_t n_tokens, n_waiting, n_hops; /* hops: told to wait, and not back yet */
	bool asked;
	struct probes waiting;
	struct wheel_timer timer;
	int64_t since_ns, last_ns; /* of the use that is counted; the last one */
	uint32_t used, ahead;
	int64_t refused_until_ns;
	uint32_t why;
	char *id; /* plan, target and key */
	UT_hash_handle hh;
};

static const char *const reasons[GATE_WHYS] = {
	[GATE_WHY_LIMIT] = "the limit of",
	[GATE_WHY_BACKOFF] = "the backoff of",
	[GATE_WHY_BREAKER] = "the open circuit breaker of",
	[GATE_WHY_INFLIGHT] = "the inflight of",
	[GATE_WHY_RESOURCES] = "want of resources on the way to",
	[GATE_WHY_NONE] = "the end of its plan on the way to",
};

/* --- gates --------------------------------------------------------------------------------------------- */

static void on_token_due(struct wheel_timer *t);

static size_t put_id(char *out, size_t size, uint32_t plan, uint32_t target, const char *key)
{
	int n = snprintf(out, size, "%u %u%s%.200s", plan, target, key ? " " : "", key ? key : "");
	return (size_t)n;
}

static void gate_free(struct gate *g)
{
	struct worker *w = g->worker;
	loop_timer_stop(w->loop, &g->timer);
	HASH_DEL(w->gates, g);
	g->magic = 0;
	free(g->id);
	free(g->key);
	free(g);
}

/* Redirects can lead to any number of hosts. */
static void sweep(struct worker *w, int64_t now)
{
	struct gate *g, *next;
	if (HASH_COUNT(w->gates) < GATES_SWEPT || now - w->gates_swept_ns < NS_PER_S)
		return;
	w->gates_swept_ns = now;
	HASH_ITER(hh, w->gates, g, next)
		if (!g->asked && !g->n_waiting && !g->n_hops && now - g->last_ns > IDLE_NS)
			gate_free(g);
}

static struct gate *gate_find(struct worker *w, uint32_t plan, uint32_t target, const char *key, bool make)
{
	char id[256];
	struct gate *g;
	size_t len = put_id(id, sizeof id, plan, target, key);
	HASH_FIND(hh, w->gates, id, len, g);
	if (g || !make)
		return g;
	int64_t now = clock_now_ns();
	sweep(w, now);
	g = xnew(struct gate);
	*g = (struct gate){ .magic = GATE_MAGIC, .plan = plan, .target = target, .worker = w, .since_ns = now, .last_ns = now };
	g->key = key ? xstrdup(key) : NULL;
	g->id = xstrdup(id);
	g->timer.fn = on_token_due;
	TAILQ_INIT(&g->waiting);
	HASH_ADD_KEYPTR(hh, w->gates, g->id, len, g);
	return g;
}

/* --- tokens -------------------------------------------------------------------------------------------- */

static void drop_tokens(struct gate *g, uint32_t n)
{
	g->n_tokens -= n;
	memmove(g->tokens, g->tokens + n, g->n_tokens * sizeof g->tokens[0]);
}

static void count_use(struct gate *g, int64_t now)
{
	int64_t took = now - g->since_ns;
	g->last_ns = now;
	g->used++;
	if (took < AHEAD_NS)
		return;
	double ahead = (double)g->used * (double)AHEAD_NS / (double)took;
	g->ahead = ahead < TOKENS ? (uint32_t)ahead : TOKENS;
	g->used = 0;
	g->since_ns = now;
}

/* Asks for what is waited for and what will be; not for each single one. */
static void ask(struct gate *g, int64_t now)
{
	uint32_t need = g->n_waiting + g->n_hops, have = g->n_tokens;
	if (g->asked || now < g->refused_until_ns || (need <= have && 2 * have >= g->ahead) || have == TOKENS)
		return;
	need += g->ahead;
	if (need <= have)
		return;
	struct buf *b = channel_begin(g->worker->channel, WIRE_GATE_ASK);
	buf_u32(b, g->plan);
	buf_u32(b, g->target);
	buf_str(b, g->key);
	buf_u32(b, (need < TOKENS ? need : TOKENS) - have);
	channel_end(g->worker->channel);
	g->asked = true;
}

/* The time of a token that may be used now, INT64_MAX: there is none. */
static int64_t take(struct gate *g, int64_t now)
{
	uint32_t stale = 0;
	while (stale < g->n_tokens && g->tokens[stale] < now - STALE_NS)
		stale++;
	if (stale)
		drop_tokens(g, stale);
	if (!g->n_tokens || g->tokens[0] > now)
		return INT64_MAX;
	int64_t at = g->tokens[0];
	drop_tokens(g, 1);
	count_use(g, now);
	return at;
}

/* --- steps --------------------------------------------------------------------------------------------- */

/* What our own limits hold back is due when they let it go. The schedule of an open plan is not theirs to move. */
static void let_go(struct probed_probe *p, int64_t token_ns)
{
	bool planned = !p->user || p->tried || (!p->user->lease && !p->user->ran);
	if (!planned && token_ns > p->due_ns)
		p->due_ns = token_ns;
	p->passed = true;
}

static void refuse(struct gate *g, struct probed_probe *p, int64_t now)
{
	char whom[260], message[400];
	struct vuser *u = p->user;
	if (u) {
		int64_t until = g->refused_until_ns > now + REST_NS ? g->refused_until_ns : now + REST_NS;
		u->rest_until_ns = until > u->rest_until_ns ? until : u->rest_until_ns;
	}
	snprintf(whom, sizeof whom, "%s%.200s", g->key ? "host " : "target ", g->key ? g->key : p->inst->name);
	snprintf(message, sizeof message, "held back by %s %s", reasons[g->why < GATE_WHYS ? g->why : GATE_WHY_LIMIT], whom);
	probe_stop(p, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED, message);
}

/* Lets go who may, in line. */
static void serve(struct gate *g)
{
	int64_t now = clock_now_ns(), at;
	while (g->n_waiting && (at = take(g, now)) != INT64_MAX) {
		struct probed_probe *p = TAILQ_FIRST(&g->waiting);
		gate_leave(p);
		let_go(p, at);
		probe_begin(p);
	}
	ask(g, now);
	if (g->n_waiting && g->n_tokens)
		loop_timer_set(g->worker->loop, &g->timer, g->tokens[0]);
}

static void on_token_due(struct wheel_timer *t)
{
	struct gate *g = (struct gate *)((char *)t - offsetof(struct gate, timer));
	CHECK_MAGIC(g, GATE_MAGIC);
	if (host_depth())
		loop_timer_set(g->worker->loop, t, clock_now_ns() + PATIENCE_NS);
	else
		serve(g);
}

bool gate_pass(struct probed_probe *p)
{
	struct gate *g = gate_find(p->drv->worker, p->plan, p->inst->id, NULL, true);
	int64_t now = clock_now_ns();
	int64_t at = g->n_waiting ? INT64_MAX : take(g, now);
	if (at != INT64_MAX) {
		let_go(p, at);
		ask(g, now);
		return true;
	}
	if (now < g->refused_until_ns && g->n_tokens <= g->n_waiting) {
		refuse(g, p, now);
		return false;
	}
	p->state = PROBE_GATED;
	p->gate = g;
	g->n_waiting++;
	TAILQ_INSERT_TAIL(&g->waiting, p, entry);
	ask(g, now);
	if (g->n_tokens && !wheel_running(&g->timer))
		loop_timer_set(g->worker->loop, &g->timer, g->tokens[0]);
	return false;
}

void gate_leave(struct probed_probe *p)
{
	struct gate *g = p->gate;
	if (!g)
		return;
	CHECK_MAGIC(g, GATE_MAGIC);
	p->gate = NULL;
	if (p->state == PROBE_GATED) {
		TAILQ_REMOVE(&g->waiting, p, entry);
		g->n_waiting--;
	} else {
		g->n_hops--;
	}
}

const char *gate_key(const struct gate *g)
{
	return g->key ? g->key : "of the target";
}

/* --- hops ---------------------------------------------------------------------------------------------- */

int64_t gate_hop(struct probed_probe *p, const char *key)
{
	if (!p->of_plan)
		return 0;
	struct gate *g = gate_find(p->drv->worker, p->plan, p->target, key, true);
	int64_t now = clock_now_ns();
	gate_leave(p);
	if (take(g, now) != INT64_MAX) {
		ask(g, now);
		return 0;
	}
	p->gate = g;
	g->n_hops++;
	ask(g, now);
	int64_t wait = g->n_tokens ? g->tokens[0] - now : g->refused_until_ns - now;
	return wait > ASK_AGAIN_NS ? wait : ASK_AGAIN_NS;
}

/* --- answers ------------------------------------------------------------------------------------------- */

static void on_refused(struct gate *g, uint32_t why, int64_t until)
{
	int64_t now = clock_now_ns();
	g->why = why;
	g->refused_until_ns = until > now ? until : now;
	/* those for whom there is a token still wait; a step that ends here may bring the next, behind them */
	for (uint32_t n = g->n_waiting > g->n_tokens ? g->n_waiting - g->n_tokens : 0; n; n--) {
		struct probed_probe *p = TAILQ_LAST(&g->waiting, probes);
		refuse(g, p, now);
	}
}

int gate_on_grant(struct worker *w, struct cursor *c)
{
	uint32_t plan = cursor_u32(c), target = cursor_u32(c);
	const char *key = cursor_str(c);
	uint32_t n = cursor_count(c, sizeof(int64_t));
	if (c->bad)
		return -1;
	struct gate *g = gate_find(w, plan, target, key, false);
	for (uint32_t i = 0; i < n; i++) {
		int64_t at = cursor_i64(c);
		if (g && g->n_tokens < TOKENS)
			g->tokens[g->n_tokens++] = at;
	}
	uint32_t why = n ? 0 : cursor_u32(c);
	int64_t until = n ? 0 : cursor_i64(c);
	if (c->bad || !g)
		return c->bad ? -1 : 0;
	g->asked = false;
	if (n)
		g->refused_until_ns = 0;
	else
		on_refused(g, why, until);
	serve(g);
	return 0;
}

void worker_gates_free(struct worker *w)
{
	struct gate *g, *next;
	HASH_ITER(hh, w->gates, g, next)
		gate_free(g);
}
