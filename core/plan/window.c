/* SPDX-License-Identifier: Apache-2.0 */
/* window.c - see window.h: whether it is open, by the openings of all entries. */
#include "plan/window.h"

#include "base/clock.h"
#include "plan/window_parts.h"

#define NEVER INT64_MAX
#define BEFORE INT64_MIN
/* how long an opening is followed, and through how many ends of its parts (some milliseconds of work) */
#define FOLLOW_S (3660 * WINDOW_DAY)
#define FOLLOW_STEPS 8000

enum { SHUT = -2, OWN = -1 };

/* SHUT, OWN, or the entry whose pace it is. */
static int state_at(const struct windows *w, int64_t t)
{
	int state = w->n_entries ? SHUT : OWN;
	int64_t from = BEFORE;
	for (size_t i = 0; i < w->n_entries; i++) {
		const struct window_entry *e = &w->entries[i];
		struct window_opening o;
		if (!window_until(e, t, t - window_reach(e), &o) || o.to <= t)
			continue;
		if (!e->pace && state == SHUT)
			state = OWN;
		if (e->pace && o.from >= from) {
			state = (int)i;
			from = o.from;
		}
	}
	return state;
}

/* The first end of an opening after t. Openings of a window are hardly ever more than one at a time, those of cron all
 * have the same length. */
static int64_t end_after(const struct window_entry *e, int64_t t)
{
	struct window_opening o = { 0, BEFORE };
	int64_t from = t - window_reach(e);
	while (o.to <= t) {
		if (!window_after(e, from, &o))
			return NEVER;
		from = o.from;
	}
	return o.to;
}

static int64_t end_until(const struct window_entry *e, int64_t t, int64_t least)
{
	struct window_opening o = { 0, NEVER };
	int64_t from = e->is_cron ? t - e->for_s : t;
	while (o.to > t) {
		if (!window_until(e, from, least, &o))
			return BEFORE;
		from = o.from - 1;
	}
	return o.to;
}

static int64_t edge_after(const struct windows *w, int64_t t)
{
	int64_t least = NEVER;
	for (size_t i = 0; i < w->n_entries; i++) {
		struct window_opening o;
		int64_t from = window_after(&w->entries[i], t, &o) ? o.from : NEVER, to = end_after(&w->entries[i], t);
		least = from < least ? from : least;
		least = to < least ? to : least;
	}
	return least;
}

static int64_t edge_until(const struct windows *w, int64_t t)
{
	int64_t most = BEFORE, least = t - FOLLOW_S;
	for (size_t i = 0; i < w->n_entries; i++) {
		struct window_opening o;
		int64_t from = window_until(&w->entries[i], t, least, &o) ? o.from : BEFORE, to = end_until(&w->entries[i], t, least);
		most = from > most ? from : most;
		most = to > most ? to : most;
	}
	return most;
}

static int64_t since(const struct windows *w, int64_t t, int state)
{
	int64_t at = t + 1;
	for (int i = 0; i < FOLLOW_STEPS; i++) {
		at = edge_until(w, at - 1);
		if (at == BEFORE || at < t - FOLLOW_S)
			return BEFORE;
		if (state_at(w, at - 1) != state)
			break;
	}
	return at;
}

static int64_t until(const struct windows *w, int64_t t, int state)
{
	int64_t at = t;
	for (int i = 0; i < FOLLOW_STEPS; i++) {
		at = edge_after(w, at);
		if (at == NEVER || at > t + FOLLOW_S)
			return NEVER;
		if (state_at(w, at) != state)
			break;
	}
	return at;
}

static int64_t opens(const struct windows *w, int64_t t)
{
	int64_t least = NEVER;
	for (size_t i = 0; i < w->n_entries; i++) {
		struct window_opening o;
		if (window_after(&w->entries[i], t, &o) && o.from < least)
			least = o.from;
	}
	return least;
}

struct pace *windows_pace(const struct windows *w, size_t i)
{
	for (size_t k = 0; k < w->n_entries; k++)
		if (w->entries[k].is_cron && !i--)
			return w->entries[k].pace;
	return NULL;
}

static int64_t ns(int64_t s)
{
	int64_t v;
	return s == BEFORE || s == NEVER ? s : __builtin_mul_overflow(s, NS_PER_S, &v) ? (s < 0 ? BEFORE : NEVER) : v;
}

struct window_state windows_at(const struct windows *w, int64_t wall_ns)
{
	/* all edges are whole seconds */
	int64_t t = wall_ns / NS_PER_S - (wall_ns % NS_PER_S < 0);
	int state = state_at(w, t);
	if (state == SHUT)
		return (struct window_state){ .opens_ns = ns(opens(w, t)) };
	return (struct window_state){ .open = true,
				      .since_ns = ns(since(w, t, state)),
				      .until_ns = ns(until(w, t, state)),
				      .pace = state >= 0 ? w->entries[state].pace : NULL };
}
