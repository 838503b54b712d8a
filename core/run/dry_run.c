/* SPDX-License-Identifier: Apache-2.0 */
/* dry_run.c - see dry_run.h */
#include "run/dry_run.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "config/model.h"
#include "plan/gate.h"
#include "plan/pace.h"
#include "plan/select.h"
#include "plan/window.h"

#define SHOWN_MAX 12 /* choices, keys of limits */

/* One plan, as if it started now or when its window opens next. */
struct dry {
	const struct model *m;
	const struct plan *p;
	const struct pace *pace;
	int64_t t0_ns, until_ns; /* wall time; INT64_MAX: no end */
	bool shut;               /* ... and it opens at t0 */
	FILE *to;
};

static const char *wall(int64_t ns, char *out)
{
	clock_format_wall(ns, out);
	return out;
}

static void put_rate(struct buf *b, double per_s)
{
	const char *unit = "s";
	if (per_s < 1 && per_s > 0) {
		per_s *= 60;
		unit = "min";
	}
	buf_printf(b, "%.4g/%s", per_s, unit);
}

static void line(struct dry *d, const char *label, struct buf *text)
{
	fprintf(d->to, "  %-8s %s\n", label, buf_cstr(text));
	buf_clear(text);
}

/* --- what -------------------------------------------------------------------------------------- */

static void put_choice(struct buf *b, const struct choice *c)
{
	buf_puts(b, c->name);
	if (!c->flow)
		return;
	buf_puts(b, " (");
	for (uint32_t i = 0; i < c->n_steps; i++)
		buf_printf(b, "%s%s", i ? " " : "", c->steps[i]->name);
	buf_putc(b, ')');
}

static void show_choices(struct dry *d)
{
	static const char *const words[] = { "one", "pick", "round", "sequence", "shuffle" };
	CLEANUP_BUF struct buf b = { 0 };
	const struct plan *p = d->p;
	double sum = 0;
	for (uint32_t i = 0; i < p->n_choices; i++)
		sum += p->choices[i].weight;
	buf_printf(&b, "%s", words[p->select]);
	if (p->n_choices > 1)
		buf_printf(&b, " of %" PRIu32, p->n_choices);
	for (uint32_t i = 0; i < p->n_choices && i < SHOWN_MAX; i++) {
		buf_puts(&b, i ? ", " : ": ");
		put_choice(&b, &p->choices[i]);
		if (p->select == SELECT_PICK)
			buf_printf(&b, " %.3g %%", 100 * p->choices[i].weight / sum);
	}
	if (p->n_choices > SHOWN_MAX)
		buf_puts(&b, ", ...");
	line(d, "runs", &b);
	if (p->setup) {
		put_choice(&b, p->setup);
		line(d, "first", &b);
	}
	if (p->teardown) {
		put_choice(&b, p->teardown);
		line(d, "last", &b);
	}
	if (p->data.path) {
		static const char *const orders[] = { "sequential", "random", "unique" };
		buf_printf(&b, "%s, %s, %s", p->data.path, orders[p->data.order], p->data.repeat ? "repeat" : "stop");
		line(d, "data", &b);
	}
}

/* --- when -------------------------------------------------------------------------------------- */

static void show_pace(struct dry *d)
{
	CLEANUP_BUF struct buf b = { 0 };
	char text[40];
	int64_t length_ns = pace_length_ns(d->pace);
	uint64_t count = pace_count(d->pace);
	if (d->p->select == SELECT_SEQUENCE && d->p->n_choices < count)
		count = d->p->n_choices;
	pace_print(d->pace, &b);
	line(d, "pace", &b);
	if (pace_users(d->pace)) {
		buf_puts(&b, "a closed loop: as fast as the answers come");
	} else {
		buf_puts(&b, pace_kind(d->pace) == PACE_HUMAN ? "about " : "up to ");
		put_rate(&b, pace_rate_max(d->pace));
	}
	if (count != UINT64_MAX)
		buf_printf(&b, ", %" PRIu64 " in all", count);
	if (length_ns != INT64_MAX)
		buf_printf(&b, ", for %s", unit_format_duration(length_ns, text, sizeof text));
	else if (count == UINT64_MAX)
		buf_puts(&b, ", without end");
	line(d, "asks", &b);
}

static void show_windows(struct dry *d)
{
	CLEANUP_BUF struct buf b = { 0 };
	char from[32], to[32];
	if (!d->p->windows)
		return;
	if (d->shut)
		buf_printf(&b, "shut; opens %s", wall(d->t0_ns, from));
	else
		buf_puts(&b, "open");
	if (d->until_ns != INT64_MAX)
		buf_printf(&b, ", until %s", wall(d->until_ns, to));
	line(d, "window", &b);
}

/* --- how much at most -------------------------------------------------------------------------- */

static void put_limit(struct dry *d, const char *of, const struct gcra_limit *limit, uint32_t inflight)
{
	CLEANUP_BUF struct buf b = { 0 };
	char text[80];
	if (!limit && !inflight)
		return;
	buf_printf(&b, "%s: ", of);
	if (limit)
		buf_printf(&b, "limit %s", gate_limit_format(limit, text, sizeof text));
	if (inflight)
		buf_printf(&b, "%sinflight %" PRIu32, limit ? ", " : "", inflight);
	line(d, "limit", &b);
}

static void put_rule(struct dry *d, const char *of, const struct gate_rule *rule)
{
	CLEANUP_BUF struct buf b = { 0 };
	buf_printf(&b, "%s:", of);
	for (uint32_t i = 0; i < rule->n_keys; i++)
		buf_printf(&b, "%s %s %s", i ? "," : "", rule->keys[i].key, rule->keys[i].value);
	line(d, "limit", &b);
}

/* Said once, for the first few targets that have one. */
struct told {
	char names[SHOWN_MAX][300];
	size_t n;
};

static bool first_time(struct told *told, const char *kind, const char *name)
{
	char whole[sizeof told->names[0]];
	snprintf(whole, sizeof whole, "%s %s", kind, name);
	for (size_t i = 0; i < told->n; i++)
		if (!strcmp(told->names[i], whole))
			return false;
	if (told->n == SHOWN_MAX)
		return false;
	memcpy(told->names[told->n++], whole, sizeof whole);
	return true;
}

static void show_of_target(struct dry *d, const struct target *t, struct told *told)
{
	const struct limits *l = &d->m->limits;
	const char *name = t->step ? t->step->of : t->name;
	char host[256], of[600];
	if ((t->limit || t->inflight) && first_time(told, "target", name)) {
		snprintf(of, sizeof of, "target %s", name);
		put_limit(d, of, t->limit, t->inflight);
	}
	for (uint32_t i = 0; i < l->n_drivers; i++)
		if (!strcmp(l->drivers[i].match, t->driver->name) && first_time(told, "driver", t->driver->name)) {
			snprintf(of, sizeof of, "driver %s", t->driver->name);
			put_rule(d, of, &l->drivers[i]);
		}
	if (target_host(t, host, sizeof host))
		return;
	for (uint32_t i = 0; i < l->n_hosts; i++)
		if (!fnmatch(l->hosts[i].match, host, 0)) {
			snprintf(of, sizeof of, "host %s by [host %s]", host, l->hosts[i].match);
			if (first_time(told, "host", host))
				put_rule(d, of, &l->hosts[i]);
			return;
		}
}

static void show_limits(struct dry *d)
{
	struct told told = { .n = 0 };
	const struct plan *p = d->p;
	put_limit(d, "plan", p->limit, p->inflight);
	put_limit(d, "all plans", d->m->limits.limit, d->m->limits.inflight);
	for (uint32_t i = 0; i < p->n_choices; i++)
		for (uint32_t k = 0; k < p->choices[i].n_steps; k++)
			show_of_target(d, p->choices[i].steps[k], &told);
}

/* --- the first ones ---------------------------------------------------------------------------- */

static struct selector *selector_of(const struct plan *p)
{
	CLEANUP_FREE double *weights = xcalloc(p->n_choices, sizeof *weights);
	for (uint32_t i = 0; i < p->n_choices; i++)
		weights[i] = p->choices[i].weight;
	return selector_new((enum select_kind)p->select, weights, p->n_choices, p->seed);
}

static void show_due(struct dry *d, uint64_t count)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct selector *selector = selector_of(d->p);
	struct pace_cursor cursor;
	int64_t offset_ns;
	char at[32];
	bool users = pace_users(d->pace);
	if (count)
		fprintf(d->to, "  %10s  %16s  %-24s  %s\n", users ? "user" : "#", "after", "at", users ? "begins with" : "sends");
	pace_begin(&cursor, d->pace, d->p->seed);
	for (uint64_t i = 0; i < count; i++) {
		if (!pace_next(&cursor, &offset_ns))
			break;
		uint32_t which = selector_pick(selector, i);
		if (which >= d->p->n_choices)
			break;
		if (d->until_ns != INT64_MAX && d->t0_ns + offset_ns >= d->until_ns) {
			fprintf(d->to, "  %10s  the window shuts\n", "");
			break;
		}
		put_choice(&b, &d->p->choices[which]);
		fprintf(d->to, "  %10" PRIu64 "  %15.6fs  %s  %s\n", i, (double)offset_ns / (double)NS_PER_S,
			wall(d->t0_ns + offset_ns, at), buf_cstr(&b));
		buf_clear(&b);
	}
	selector_free(selector);
}

static void show_plan(const struct model *m, const struct plan *p, int64_t now_ns, uint64_t count, FILE *to)
{
	struct dry d = { .m = m, .p = p, .pace = p->pace, .t0_ns = now_ns, .until_ns = INT64_MAX, .to = to };
	if (p->windows) {
		struct window_state w = windows_at(p->windows, now_ns);
		d.shut = !w.open;
		d.t0_ns = w.open ? now_ns : w.opens_ns;
		if (d.shut && d.t0_ns != INT64_MAX)
			w = windows_at(p->windows, d.t0_ns);
		d.until_ns = w.open ? w.until_ns : INT64_MAX;
		if (w.pace)
			d.pace = w.pace;
	}
	fprintf(to, "plan %s: starts %s\n", p->name, p->manual ? "when asked" : "with the daemon");
	show_choices(&d);
	show_pace(&d);
	show_windows(&d);
	show_limits(&d);
	show_due(&d, count);
}

static int plan_unknown(const struct model *m, const char *name)
{
	CLEANUP_FREE const char **names = xcalloc(m->n_plans, sizeof *names);
	for (size_t i = 0; i < m->n_plans; i++)
		names[i] = m->plans[i]->name;
	const char *near = str_nearest(name, names, m->n_plans);
	fprintf(stderr, "probed: there is no plan \"%s\"%s%s%s\n", name, near ? " (did you mean \"" : "", near ? near : "",
		near ? "\"?)" : "");
	return 2;
}

int cmd_dry_run(const struct model *m, const char *plan, uint64_t count, FILE *to)
{
	const struct plan *only = plan ? model_plan(m, plan) : NULL;
	int64_t now_ns = clock_wall_ns();
	if (plan && !only)
		return plan_unknown(m, plan);
	if (!m->n_plans)
		fputs("probed: there is no [plan ...]\n", stderr);
	for (size_t i = 0, shown = 0; i < m->n_plans; i++) {
		if (only && m->plans[i] != only)
			continue;
		if (shown++)
			fputc('\n', to);
		show_plan(m, m->plans[i], now_ns, count, to);
	}
	return 0;
}
