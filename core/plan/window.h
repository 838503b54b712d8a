/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.h - when a plan is open: weekly windows and cron entries, each in a time zone, and dates on which it stays shut.
 * Compiled once (this reads the zones from the system), never changed afterwards; windows_at() is pure, for any thread.
 */
#ifndef PLAN_WINDOW_H
#define PLAN_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pace;
struct windows;

/* As written; docs/pacing.md has the language. */
struct windows_text {
	const char *const *windows; /* "mon-fri 08:00-18:00 Europe/Berlin" */
	size_t n_windows;
	const char *const *crons; /* "\"0 9 * * 1-5\" for 30m rate 40/min Europe/Berlin" */
	size_t n_crons;
	const char *except; /* "2026-12-25, 2026-12-31..2027-01-01"; NULL: none */
	const char *zone;   /* of entries that name none; NULL: UTC */
	const char *local;  /* the name of the zone that "local" stands for (zone_machine()); NULL: it may not be used */
};

/* NULL, and "column N: what, and what was expected" in `error`; `which` is the entry at fault: windows first, then crons,
 * then `except`. No entry at all is open always, but for what `except` names. */
struct windows *windows_compile(const struct windows_text *text, char *error, size_t size, size_t *which);
void windows_free(struct windows *w);
/* The pace of cron entry i, in the order of the text; NULL: it has none, or there is no such entry. */
struct pace *windows_pace(const struct windows *w, size_t i);

struct window_state {
	bool open;
	/* Open: since when, INT64_MIN: as long as anyone can tell, and until when it is so, with this pace. At that time ask
	 * again: it may go on with another one. INT64_MAX: no end in ten years. */
	int64_t since_ns, until_ns;
	/* Shut: when it opens next; INT64_MAX: never. */
	int64_t opens_ns;
	/* Of the cron entry that began last of those that have one; NULL: the plan's own. Lives as long as `w`. */
	const struct pace *pace;
};

/* What overlaps or touches, with the same pace, is one. */
struct window_state windows_at(const struct windows *w, int64_t wall_ns);

#endif
