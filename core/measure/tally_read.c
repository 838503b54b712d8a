/* SPDX-License-Identifier: Apache-2.0 */
/* tally_read.c - see tally.h: what is read from a tally, and how two become one. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/unit.h"
#include "measure/series.h"
#include "measure/tally.h"
#include "measure/tally_parts.h"

static const char *const why_names[TALLY_WHYS] = {
	[TALLY_INFLIGHT] = "inflight", [TALLY_LIMIT] = "limit",         [TALLY_BACKOFF] = "backoff", [TALLY_BREAKER] = "breaker",
	[TALLY_RESOURCES] = "resources", [TALLY_STOPPED] = "stopped", [TALLY_LOST] = "lost",       [TALLY_RETRIED] = "retried",
};
static const char *const why_texts[TALLY_WHYS] = {
	[TALLY_INFLIGHT] = "inflight was full",
	[TALLY_LIMIT] = "a limit had no token",
	[TALLY_BACKOFF] = "the host was being spared (backoff)",
	[TALLY_BREAKER] = "the circuit breaker was open",
	[TALLY_RESOURCES] = "this machine had too much to do",
	[TALLY_STOPPED] = "the run ended first",
	[TALLY_LOST] = "the worker was lost",
	[TALLY_RETRIED] = "sent once more",
};

const char *tally_why_name(uint32_t why)
{
	return why < TALLY_WHYS ? why_names[why] : "other";
}

const char *tally_why_text(uint32_t why)
{
	return why < TALLY_WHYS ? why_texts[why] : "other";
}

void tally_hist(const struct tally *t, uint32_t measure, uint32_t which, struct hist *into)
{
	for (uint32_t i = 0; i < t->n_measures; i++)
		if ((measure == TALLY_ALL || measure == i) && t->measures[i].hists[which])
			hist_merge(into, t->measures[i].hists[which]);
}

const struct tally_counts *tally_counts(const struct tally *t, uint32_t measure)
{
	return measure == TALLY_ALL ? &t->n : &t->measures[measure].n;
}

void tally_checks(const struct tally *t, uint32_t measure, uint64_t *passed, uint64_t *failed)
{
	*passed = *failed = 0;
	for (uint32_t i = 0; i < t->n_measures; i++) {
		const struct tally_measure *m = &t->measures[i];
		for (uint32_t k = 0; (measure == TALLY_ALL || measure == i) && k < m->n_checks; k++) {
			*failed += m->checks[k].failed;
			*passed += m->judged > m->checks[k].failed ? m->judged - m->checks[k].failed : 0;
		}
	}
}

uint64_t tally_starts(const struct tally *t, const struct tally_counts *n)
{
	return t->starts ? n->started : n->sent;
}

uint64_t tally_dropped(const struct tally_counts *n)
{
	uint64_t all = 0;
	for (uint32_t i = 0; i < TALLY_DROPS; i++)
		all += n->why[i];
	return all;
}

uint64_t tally_measured(const struct tally_counts *n)
{
	return n->outcome[PROBED_OK] + n->outcome[PROBED_FAIL] + n->outcome[PROBED_ERROR];
}

static double a_second(const struct tally *t, uint64_t n)
{
	int64_t ns = t->schedule_ns ? t->schedule_ns : t->length_ns;
	return ns > 0 ? (double)n / ((double)ns / 1e9) : 0;
}

double tally_asked_rate(const struct tally *t)
{
	return t->open_loop ? a_second(t, t->n.asked) : 0;
}

double tally_achieved_rate(const struct tally *t)
{
	return a_second(t, tally_starts(t, &t->n));
}

static void say(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Appends, cut where there is no room. */
static void say(char *out, size_t size, const char *format, ...)
{
	size_t len = strlen(out);
	va_list args;
	va_start(args, format);
	if (len < size)
		vsnprintf(out + len, size - len, format, args);
	va_end(args);
}

void tally_held_back(const struct tally *t, char *out, size_t size)
{
	char paused[32];
	uint64_t dropped = tally_dropped(&t->n), started = tally_starts(t, &t->n), gone = started + dropped;
	out[0] = '\0';
	if (!t->open_loop || started >= t->n.asked)
		return;
	for (uint32_t i = 0; i < TALLY_DROPS; i++)
		if (t->n.why[i])
			say(out, size, "%s%llu dropped: %s", *out ? "; " : "", (unsigned long long)t->n.why[i], why_texts[i]);
	if (t->paused_ns)
		say(out, size, "%ssending was paused for %s", *out ? "; " : "",
		    unit_format_duration(t->paused_ns, paused, sizeof paused));
	if (t->n.asked > gone)
		say(out, size, "%s%llu were due and not sent", *out ? "; " : "", (unsigned long long)(t->n.asked - gone));
}

/* --- merging ------------------------------------------------------------------------------------ */

static void merge_hists(struct tally *into, struct tally_measure *m, const struct tally *from, const struct tally_measure *own)
{
	for (uint32_t i = 0; i < TALLY_FACT + from->n_facts; i++) {
		uint32_t which = i;
		if (i >= TALLY_FACT) {
			const struct tally_fact *f = &from->facts[i - TALLY_FACT];
			uint32_t fact = tally_fact_add(into, f->name, f->type);
			if (fact == TALLY_ALL)
				continue;
			which = TALLY_FACT + fact;
		}
		if (!own->hists[i])
			continue;
		if (!m->hists[which])
			m->hists[which] = xnew(struct hist);
		hist_merge(m->hists[which], own->hists[i]);
	}
}

static uint32_t merge_measure(struct tally *into, const struct tally *from, const struct tally_measure *own)
{
	struct tally_measure *m = tally_measure_add(into, own->name);
	counts_add(&m->n, &own->n);
	m->judged += own->judged;
	for (uint32_t i = 0; i < own->n_checks; i++)
		tally_check_add(m, own->checks[i].label)->failed += own->checks[i].failed;
	merge_hists(into, m, from, own);
	return (uint32_t)(m - into->measures);
}

static int by_offset(const void *a, const void *b)
{
	const struct tally_event *x = a, *y = b;
	return (x->offset_ns > y->offset_ns) - (x->offset_ns < y->offset_ns);
}

static void merge_events(struct tally *into, const struct tally *from)
{
	into->more_events += from->more_events;
	for (uint32_t i = 0; i < from->n_events; i++) {
		const struct tally_event *e = &from->events[i];
		if (into->n_events == TALLY_EVENTS) {
			into->more_events++;
			continue;
		}
		xgrow(into->events, into->n_events, into->cap_events);
		into->events[into->n_events] = *e;
		into->events[into->n_events++].text = xstrdup(e->text);
	}
	if (into->n_events)
		qsort(into->events, into->n_events, sizeof *into->events, by_offset);
}

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void tally_merge(struct tally *into, const struct tally *from)
{
	CHECK_MAGIC(into, TALLY_MAGIC);
	CHECK_MAGIC(from, TALLY_MAGIC);
	if (!into->ended || !from->ended)
		panic("only tallies that have ended are merged");
	uint32_t step_of[TALLY_STEPS] = { 0 };
	for (uint32_t i = 0; i < from->n_measures; i++)
		step_of[i] = merge_measure(into, from, &from->measures[i]);
	for (uint32_t i = 0; i < from->n_messages; i++) {
		const struct tally_message *m = &from->messages[i];
		tally_message_add(into, step_of[m->step], m->reason, m->text, m->count, m->over);
	}
	merge_events(into, from);
	series_merge(into, from);
	counts_add(&into->n, &from->n);
	into->open_loop |= from->open_loop;
	into->starts |= from->starts;
	into->wall_ns = into->wall_ns < from->wall_ns ? into->wall_ns : from->wall_ns;
	into->length_ns = longer(into->length_ns, from->length_ns);
	into->schedule_ns = longer(into->schedule_ns, from->schedule_ns);
	into->paused_ns = longer(into->paused_ns, from->paused_ns);
	into->inflight_max += from->inflight_max;
}
