/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demand.c - what a plan asks of each limit at its highest rate. A limit below that would look like latency, so it is an
 * error.
 */
#include "config/build.h"

#include <fnmatch.h>
#include <string.h>
#include <uthash.h>

#include "base/mem.h"
#include "plan/gate.h"
#include "plan/pace.h"
#include "plan/select.h"

#define HOST_MAX 256
#define ENOUGH 1.000001 /* a limit that is the rate but for rounding */

/* What one key is asked for: its share of all that the plan starts, 2 where each start is two probes. */
struct share {
	char key[HOST_MAX + 16];
	const struct gcra_limit *limit;
	const char *kind, *name, *where; /* "host", "api.example.org", "[host *.example.org]" */
	struct place at;
	double share;
	UT_hash_handle hh;
};

struct demand {
	struct builder *b;
	struct share *shares;
	double total; /* of all probes */
};

static void put_share(struct demand *d, const char *kind, const char *name, const char *where, struct place at,
		      const struct gcra_limit *limit, double share)
{
	struct share *s;
	char key[sizeof s->key];
	snprintf(key, sizeof key, "%.10s %s", kind, name);
	HASH_FIND_STR(d->shares, key, s);
	if (!s) {
		s = xnew(struct share);
		memcpy(s->key, key, sizeof key);
		s->kind = kind;
		s->name = strchr(s->key, ' ') + 1;
		s->where = where;
		s->at = at;
		s->limit = limit;
		HASH_ADD_STR(d->shares, key, s);
	}
	s->share += share;
}

static void add_host(struct demand *d, const struct target *t, double share)
{
	const struct limits *l = &d->b->model->limits;
	char host[HOST_MAX];
	if (!l->n_hosts || target_host(t, host, sizeof host))
		return;
	for (uint32_t i = 0; i < l->n_hosts; i++)
		if (!fnmatch(l->hosts[i].match, host, 0)) {
			if (l->hosts[i].limit)
				put_share(d, "host", host, l->hosts[i].match, l->hosts[i].at, l->hosts[i].limit, share);
			return;
		}
}

static void add_probe(struct demand *d, const struct target *t, double share)
{
	const struct limits *l = &d->b->model->limits;
	const char *name = t->step ? t->step->of : t->name;
	d->total += share;
	if (t->limit && strlen(name) < HOST_MAX)
		put_share(d, "target", name, name, model_target(d->b->model, name)->at, t->limit, share);
	for (uint32_t i = 0; i < l->n_drivers; i++)
		if (l->drivers[i].limit && !strcmp(l->drivers[i].match, t->driver->name))
			put_share(d, "driver", t->driver->name, t->driver->name, l->drivers[i].at, l->drivers[i].limit, share);
	add_host(d, t, share);
}

static void add_choices(struct demand *d, const struct plan *p)
{
	double sum = 0;
	for (uint32_t i = 0; i < p->n_choices; i++)
		sum += p->select == SELECT_PICK ? p->choices[i].weight : 1;
	for (uint32_t i = 0; i < p->n_choices; i++) {
		const struct choice *c = &p->choices[i];
		for (uint32_t k = 0; k < c->n_steps; k++)
			add_probe(d, c->steps[k], (p->select == SELECT_PICK ? c->weight : 1) / sum);
	}
}

/* "150/s", "7.5/min" */
static const char *rate_text(double per_s, char *out, size_t size)
{
	static const char *const units[] = { "s", "min", "h" };
	int unit = 0;
	while (per_s < 1 && unit < 2) {
		per_s *= 60;
		unit++;
	}
	int n = snprintf(out, size, "%.2f", per_s);
	while (n && out[n - 1] == '0')
		n--;
	n -= n && out[n - 1] == '.';
	snprintf(out + n, size - (size_t)n, "/%s", units[unit]);
	return out;
}

static void hold_against(struct demand *d, const char *title, const struct kv *kv, double rate, double share,
			 const struct gcra_limit *limit, const char *which)
{
	char asked[40], passes[40], whole[40], fits[40];
	if (!limit || rate * share <= limit->rate * ENOUGH)
		return;
	bool all = share > 1 / ENOUGH && share < ENOUGH;
	rate_text(rate, whole, sizeof whole);
	rate_text(rate * share, asked, sizeof asked);
	rate_text(limit->rate, passes, sizeof passes);
	rate_text(limit->rate / share, fits, sizeof fits);
	if (all)
		errs_add(d->b->errs, kv->at, title, kv->key,
			 "asks for up to %s, but %s lets %s pass, and the wait would look like latency: ask for at most %s, or "
			 "raise the limit",
			 whole, which, passes, fits);
	else
		errs_add(d->b->errs, kv->at, title, kv->key,
			 "asks for up to %s, which makes %s probes there, but %s lets %s pass, and the wait would look like "
			 "latency: ask for at most %s, or raise the limit",
			 whole, asked, which, passes, fits);
}

static int by_key(struct share *a, struct share *b)
{
	return strcmp(a->key, b->key);
}

void demand_check(struct builder *b, const struct plan *p, const struct pace *pace, const char *title, const struct kv *kv)
{
	struct demand d = { .b = b };
	double rate = pace_rate_max(pace);
	char text[40];
	if (rate <= 0)
		return;
	add_choices(&d, p);
	hold_against(&d, title, kv, rate, d.total, p->limit, "the limit of the plan itself");
	snprintf(text, sizeof text, "limit in [probed]");
	hold_against(&d, title, kv, rate, d.total, b->model->limits.limit, text);
	HASH_SORT(d.shares, by_key);
	struct share *s, *next;
	HASH_ITER(hh, d.shares, s, next)
	{
		CLEANUP_FREE char *which =
		    !strcmp(s->kind, "host")
			? xasprintf("[host %s] (%s:%d), for %s,", s->where, s->at.file, s->at.line, s->name)
			: xasprintf("[%s %s] (%s:%d)", s->kind, s->where, s->at.file, s->at.line);
		hold_against(&d, title, kv, rate, s->share, s->limit, which);
		HASH_DEL(d.shares, s);
		free(s);
	}
}
