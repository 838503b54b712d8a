/* SPDX-License-Identifier: Apache-2.0 */
/* window_parts.h - what compiled windows are made of. For the files window*.c alone. */
#ifndef PLAN_WINDOW_PARTS_H
#define PLAN_WINDOW_PARTS_H

#include "base/zone.h"
#include "plan/cron.h"
#include "plan/pace.h"
#include "plan/window.h"

#define WINDOW_DAY INT64_C(86400)

/* Days since 1970, both included. */
struct window_days {
	int64_t first, last;
};

/* A weekly window, or one of cron. */
struct window_entry {
	const struct zone *zone;
	const struct windows *all; /* for the dates on which nothing opens */
	bool is_cron;
	uint32_t weekdays;	/* window: a bit a day, 0 is Sunday */
	int from_min, to_min;	/* of the day; `to` may be of the next one */
	struct cron cron;
	int64_t for_s;
	struct pace *pace; /* NULL: the plan's */
};

struct windows {
	struct window_entry *entries;
	size_t n_entries;
	struct zone **zones;
	size_t n_zones;
	struct window_days *except;
	size_t n_except;
};

/* One opening of an entry, in seconds since 1970 UTC. Those of an entry follow one another by both ends. */
struct window_opening {
	int64_t from, to;
};

/* The first that begins after `t`; the last that begins at or before `t`, but not before `least`. False: none (in 41
 * years). */
bool window_after(const struct window_entry *e, int64_t t, struct window_opening *o);
bool window_until(const struct window_entry *e, int64_t t, int64_t least, struct window_opening *o);
/* No opening is longer. */
int64_t window_reach(const struct window_entry *e);

#endif
