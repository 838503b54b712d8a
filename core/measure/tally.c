/* SPDX-License-Identifier: Apache-2.0 */
/* tally.c - see tally.h: what is told. What is read from it stands in tally_read.c. */
#include "measure/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/require.h"
#include "measure/series.h"
#include "measure/tally_parts.h"

#define SECOND_NS INT64_C(1000000000)

/* What is done with a fact of a driver. */
enum { FACT_IN, FACT_OUT, FACT_HIST };

struct fact_use {
	uint16_t fact; /* index in the driver's table */
	uint8_t what, hist;
	const char *late; /* of a family's name; NULL: none */
};

struct tally_driver {
	const struct driver_table *table;
	uint8_t *used; /* of each fact: is there a use? */
	struct fact_use *uses;
	uint32_t n_uses, cap_uses;
};

/* --- life --------------------------------------------------------------------------------------- */

static void driver_use(struct tally_driver *d, uint32_t fact, uint8_t what, uint32_t hist, const char *late)
{
	xgrow(d->uses, d->n_uses, d->cap_uses);
	d->uses[d->n_uses++] = (struct fact_use){ .fact = (uint16_t)fact, .what = what, .hist = (uint8_t)hist, .late = late };
	d->used[fact] = 1;
}

static void driver_init(struct tally_driver *d, const struct tally *t, const struct driver_table *table)
{
	*d = (struct tally_driver){ .table = table, .used = xcalloc(table->n_facts + 1, 1) };
	for (uint32_t i = 0; i < table->n_facts; i++) {
		if (table->facts[i].role == PROBED_ROLE_BYTES_IN)
			driver_use(d, i, FACT_IN, 0, NULL);
		if (table->facts[i].role == PROBED_ROLE_BYTES_OUT)
			driver_use(d, i, FACT_OUT, 0, NULL);
	}
	for (uint32_t i = 0; i < t->n_facts; i++) {
		uint32_t fact;
		const char *late = NULL;
		if (driver_fact(table, t->facts[i].name, &fact, &late))
			driver_use(d, fact, FACT_HIST, TALLY_FACT + i, late);
	}
}

static const struct tally_driver *driver_of(struct tally *t, const struct driver_table *table)
{
	for (uint32_t i = 0; i < t->n_drivers; i++)
		if (t->drivers[i].table == table)
			return &t->drivers[i];
	t->drivers = xreallocarray(t->drivers, t->n_drivers + 1, sizeof *t->drivers);
	driver_init(&t->drivers[t->n_drivers], t, table);
	return &t->drivers[t->n_drivers++];
}

static double fact_scale(uint32_t type)
{
	return type == PROBED_TYPE_DURATION ? 1 : type == PROBED_TYPE_FLOAT ? 1 << 20 : 1 << 10;
}

uint32_t tally_fact_add(struct tally *t, const char *name, uint32_t type)
{
	for (uint32_t i = 0; i < t->n_facts; i++)
		if (!strcmp(t->facts[i].name, name))
			return t->facts[i].type == type ? i : TALLY_ALL;
	if (t->n_facts == TALLY_FACTS_MAX)
		return TALLY_ALL;
	t->facts[t->n_facts] = (struct tally_fact){ .name = xstrdup(name), .type = type, .scale = fact_scale(type) };
	return t->n_facts++;
}

struct tally_measure *tally_measure_add(struct tally *t, const char *name)
{
	for (uint32_t i = 0; i < t->n_measures; i++)
		if (!strcmp(t->measures[i].name, name))
			return &t->measures[i];
	if (t->n_measures == TALLY_STEPS)
		return &t->measures[TALLY_STEPS - 1];
	xgrow(t->measures, t->n_measures, t->cap_measures);
	struct tally_measure *m = &t->measures[t->n_measures++];
	memset(m, 0, sizeof *m);
	m->name = xstrdup(t->n_measures == TALLY_STEPS ? "(other)" : name);
	return m;
}

struct tally_check *tally_check_add(struct tally_measure *m, const char *label)
{
	for (uint32_t i = 0; i < m->n_checks; i++)
		if (!strcmp(m->checks[i].label, label))
			return &m->checks[i];
	if (m->n_checks == TALLY_CHECKS)
		return &m->checks[TALLY_CHECKS - 1];
	if (!m->checks)
		m->checks = xcalloc(TALLY_CHECKS, sizeof *m->checks);
	struct tally_check *c = &m->checks[m->n_checks++];
	c->label = xstrdup(m->n_checks == TALLY_CHECKS ? "(other)" : label);
	return c;
}

/* A step's place, from when it is first told of. */
static struct tally_measure *measure_of(struct tally *t, uint32_t step)
{
	if (step >= t->n_steps)
		panic("step %u of %u", step, t->n_steps);
	if (!t->slots[step]) {
		const struct tally_step *s = &t->steps[step];
		struct tally_measure *m = tally_measure_add(t, s->name);
		for (uint32_t i = 0; i < s->n_checks; i++)
			tally_check_add(m, s->checks[i]);
		t->slots[step] = (uint16_t)(m - t->measures + 1);
	}
	return &t->measures[t->slots[step] - 1];
}

/* Steps that a requirement names have places of their own, however many others there are. */
static void reserve(struct tally *t, const struct requirement *r)
{
	uint32_t type;
	const char *fact = requirement_fact(r, &type), *step = requirement_step(r);
	if (fact)
		tally_fact_add(t, fact, type);
	for (uint32_t i = 0; step && i < t->n_steps; i++)
		if (!strcmp(t->steps[i].name, step))
			measure_of(t, i);
}

struct tally *tally_new(const char *plan, const struct tally_step *steps, uint32_t n_steps,
                        const struct requirement *const *requires, uint32_t n_requires, int64_t wall_ns)
{
	struct tally *t = xnew(struct tally);
	t->magic = TALLY_MAGIC;
	t->plan = xstrdup(plan);
	t->wall_ns = wall_ns;
	t->steps = steps;
	t->n_steps = n_steps;
	t->slots = xcalloc(n_steps + 1, sizeof *t->slots);
	t->requires = requires;
	t->n_requires = n_requires;
	series_init(t);
	for (uint32_t i = 0; i < n_requires; i++)
		reserve(t, requires[i]);
	/* where all fit, they stand in their own order, those without a result too */
	for (uint32_t i = 0; n_steps <= TALLY_STEPS && i < n_steps; i++)
		measure_of(t, i);
	return t;
}

static void measure_free(struct tally_measure *m)
{
	for (uint32_t i = 0; i < m->n_checks; i++)
		free(m->checks[i].label);
	free(m->checks);
	for (uint32_t i = 0; i < TALLY_HISTS; i++)
		free(m->hists[i]);
	free(m->name);
}

/* What is only needed while measuring. */
static void let_go(struct tally *t)
{
	for (uint32_t i = 0; i < t->n_drivers; i++) {
		free(t->drivers[i].used);
		free(t->drivers[i].uses);
	}
	free(t->drivers);
	free(t->slots);
	t->drivers = NULL;
	t->slots = NULL;
	t->steps = NULL;
	t->requires = NULL;
	t->n_drivers = t->n_steps = t->n_requires = 0;
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	CHECK_MAGIC(t, TALLY_MAGIC);
	let_go(t);
	series_free(t);
	for (uint32_t i = 0; i < t->n_measures; i++)
		measure_free(&t->measures[i]);
	free(t->measures);
	for (uint32_t i = 0; i < t->n_facts; i++)
		free(t->facts[i].name);
	for (uint32_t i = 0; i < t->n_messages; i++)
		free(t->messages[i].text);
	for (uint32_t i = 0; i < t->n_events; i++)
		free(t->events[i].text);
	free(t->events);
	free(t->plan);
	t->magic = 0;
	free(t);
}

/* --- telling ------------------------------------------------------------------------------------ */

static void reached(struct tally *t, int64_t offset_ns)
{
	if (offset_ns > t->length_ns)
		t->length_ns = offset_ns;
}

void tally_due(struct tally *t, int64_t offset_ns, uint64_t n)
{
	if (t->ended)
		return;
	t->open_loop = true;
	t->n.asked += n;
	series_at(t, offset_ns)->n.asked += n;
}

void tally_started(struct tally *t, int64_t offset_ns, uint64_t n)
{
	if (t->ended)
		return;
	t->starts = true;
	t->n.started += n;
	series_at(t, offset_ns)->n.started += n;
}

void tally_sent(struct tally *t, uint32_t step, uint64_t n, int64_t offset_ns)
{
	if (t->ended)
		return;
	t->n.sent += n;
	measure_of(t, step)->n.sent += n;
	series_at(t, offset_ns)->n.sent += n;
}

static void count_why(struct tally_counts *c, uint32_t why, uint64_t n)
{
	c->why[why] += n;
	if (why == TALLY_LOST)
		c->outcome[PROBED_UNKNOWN] += n;
}

static struct tally_event *event_add(struct tally *t, int64_t offset_ns, const char *text)
{
	if (t->n_events == TALLY_EVENTS) {
		t->more_events++;
		return NULL;
	}
	xgrow(t->events, t->n_events, t->cap_events);
	struct tally_event *e = &t->events[t->n_events++];
	*e = (struct tally_event){ .offset_ns = offset_ns, .text = xstrndup(text, TALLY_TEXT) };
	return e;
}

static void lose(struct tally *t, uint64_t n, int64_t offset_ns)
{
	struct tally_event *e = t->n_events ? &t->events[t->n_events - 1] : NULL;
	if (!e || !e->n || offset_ns - e->offset_ns >= SECOND_NS)
		e = event_add(t, offset_ns, "worker lost");
	if (e)
		e->n += n;
}

void tally_not_sent(struct tally *t, uint32_t step, uint32_t why, uint64_t n, int64_t offset_ns)
{
	if (why >= TALLY_WHYS)
		panic("no such cause: %u", why);
	if (t->ended)
		return;
	count_why(&t->n, why, n);
	if (step != TALLY_ALL)
		count_why(&measure_of(t, step)->n, why, n);
	count_why(&series_at(t, offset_ns)->n, why, n);
	if (why == TALLY_LOST && n)
		lose(t, n, offset_ns);
}

void tally_event(struct tally *t, int64_t offset_ns, const char *text)
{
	event_add(t, offset_ns, text);
}

static void hist_of(struct tally_measure *m, uint32_t which, int64_t value)
{
	if (!m->hists[which])
		m->hists[which] = xnew(struct hist);
	hist_add(m->hists[which], value);
}

static int64_t scaled(const struct result_fact *f, double scale)
{
	double v = (f->type == PROBED_TYPE_FLOAT ? f->f : (double)f->i) * scale;
	return v >= 9.2e18 ? INT64_MAX : v <= -9.2e18 ? INT64_MIN : (int64_t)v;
}

static bool is_number(const struct result_fact *f)
{
	return f->type == PROBED_TYPE_INTEGER || f->type == PROBED_TYPE_FLOAT || f->type == PROBED_TYPE_BOOLEAN ||
	       f->type == PROBED_TYPE_DURATION || f->type == PROBED_TYPE_SIZE;
}

static bool is_late(const struct result *r, const struct result_fact *f, const char *late)
{
	const char *name = result_string(r, f->name);
	return late ? name && !strcmp(name, late) : true;
}

static void take_fact(const struct tally *t, struct tally_measure *m, const struct result_fact *f, const struct fact_use *use,
                      uint64_t *in, uint64_t *out)
{
	uint64_t bytes = f->i > 0 ? (uint64_t)f->i : 0;
	if (use->what == FACT_IN)
		*in += bytes;
	else if (use->what == FACT_OUT)
		*out += bytes;
	else
		hist_of(m, use->hist, scaled(f, t->facts[use->hist - TALLY_FACT].scale));
}

/* Bytes are of every result; other facts of those that were measured. */
static void take_facts(struct tally *t, struct tally_measure *m, const struct driver_table *table, const struct result *r,
                       bool measured, uint64_t *in, uint64_t *out)
{
	const struct tally_driver *d = driver_of(t, table);
	for (uint32_t i = 0; i < r->n_facts; i++) {
		const struct result_fact *f = &r->facts[i];
		if (f->fact >= table->n_facts || !d->used[f->fact] || !is_number(f))
			continue;
		for (uint32_t k = 0; k < d->n_uses; k++) {
			const struct fact_use *use = &d->uses[k];
			if (use->fact == f->fact && is_late(r, f, use->late) && (measured || use->what != FACT_HIST))
				take_fact(t, m, f, use, in, out);
		}
	}
}

static void take_checks(struct tally_measure *m, const struct result *r)
{
	m->judged++;
	for (uint32_t i = 0; i < r->n_failed; i++)
		tally_check_add(m, result_string(r, r->failed[i].label))->failed++;
}

static void take_times(struct tally *t, struct tally_measure *m, const struct result *r)
{
	int64_t latency = result_latency_ns(r), service = result_service_ns(r);
	hist_of(m, TALLY_LATENCY, latency);
	hist_of(m, TALLY_SERVICE, service);
	hist_of(m, TALLY_LAG, result_lag_ns(r));
	for (uint32_t i = 0; i < PROBED_PHASES; i++)
		if (r->phase_ns[i] >= 0)
			hist_of(m, TALLY_PHASE + i, r->phase_ns[i]);
	hist_add(t->open_latency, latency);
	hist_add(t->open_service, service);
}

static void count_result(struct tally_counts *c, uint32_t outcome, uint32_t reason, uint64_t in, uint64_t out)
{
	c->outcome[outcome]++;
	c->reason[reason]++;
	c->bytes_in += in;
	c->bytes_out += out;
}

void tally_add(struct tally *t, uint32_t step, const struct result *r, int64_t end_offset_ns)
{
	if (r->sub || t->ended)
		return;
	struct tally_interval *interval = series_open(t, end_offset_ns);
	struct tally_measure *m = measure_of(t, step);
	uint32_t outcome = r->outcome < PROBED_OUTCOMES ? r->outcome : PROBED_UNKNOWN;
	uint32_t reason = r->reason < PROBED_REASONS ? r->reason : PROBED_REASON_OTHER;
	bool measured = outcome != PROBED_UNKNOWN;
	uint64_t in = 0, out = 0;
	reached(t, end_offset_ns);
	if (measured)
		take_times(t, m, r);
	if (r->n_facts && t->steps[step].driver)
		take_facts(t, m, t->steps[step].driver, r, measured, &in, &out);
	if (outcome == PROBED_OK || outcome == PROBED_FAIL)
		take_checks(m, r);
	if (outcome != PROBED_OK) {
		const char *text = result_string(r, r->message);
		tally_message_add(t, (uint32_t)(m - t->measures), reason, text ? text : "", 1, 0);
	}
	count_result(&t->n, outcome, reason, in, out);
	count_result(&m->n, outcome, reason, in, out);
	count_result(&interval->n, outcome, reason, in, out);
}

static int32_t to_abort(const struct tally *t)
{
	char why[200];
	for (uint32_t i = 0; i < t->n_requires; i++) {
		int64_t after = requirement_abort_after(t->requires[i]);
		if (after >= 0 && t->length_ns >= after &&
		    requirement_verdict(t->requires[i], t, why, sizeof why) == REQUIREMENT_NOT_MET)
			return (int32_t)i;
	}
	return -1;
}

int32_t tally_tick(struct tally *t, int64_t offset_ns, uint32_t inflight, double asked_rate, int64_t paused_ns)
{
	if (t->ended)
		return -1;
	reached(t, offset_ns);
	/* what was seen at the end of a second is of that second */
	struct tally_interval *interval = series_at(t, offset_ns > 0 ? offset_ns - 1 : 0);
	if (inflight > interval->inflight)
		interval->inflight = inflight;
	if (asked_rate > interval->asked_rate)
		interval->asked_rate = asked_rate;
	if (paused_ns > t->paused_ns) {
		interval->paused_ns += paused_ns - t->paused_ns;
		t->paused_ns = paused_ns;
	}
	t->inflight = inflight;
	if (inflight > t->inflight_max)
		t->inflight_max = inflight;
	series_open(t, offset_ns);
	return to_abort(t);
}

void tally_end(struct tally *t, int64_t offset_ns, int64_t schedule_ns)
{
	if (t->ended)
		return;
	reached(t, offset_ns);
	t->schedule_ns = schedule_ns;
	t->inflight = 0;
	series_close(t);
	let_go(t);
	t->ended = true;
}
