/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_windows.c - `window`, `cron`, `except` and `timezone` of a plan: when it is open.
 */
#include "config/build.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/zone.h"
#include "plan/pace.h"
#include "plan/window.h"

#define OPENINGS 64 /* that are looked at for paces of cron entries */

/* The values of `list`; malloc'ed. */
static const char **values_of(const struct kv *const *list, size_t n)
{
	const char **values = xcalloc(n, sizeof *values);
	for (size_t i = 0; i < n; i++)
		values[i] = list[i]->value;
	return values;
}

const struct windows *plan_windows(struct builder *b, const char *title, const struct kvs *all)
{
	size_t n_windows, n_crons, which = 0;
	CLEANUP_FREE const struct kv **windows = kvs_numbered(all, "window", &n_windows);
	CLEANUP_FREE const struct kv **crons = kvs_numbered(all, "cron", &n_crons);
	CLEANUP_FREE const char **window_values = values_of(windows, n_windows), **cron_values = values_of(crons, n_crons);
	const struct kv *except = kvs_find(all, "except"), *zone = kvs_find(all, "timezone"), *at;
	char local[200], error[600];
	if (!n_windows && !n_crons && !except) {
		if (zone)
			errs_add(b->errs, zone->at, title, zone->key, "is that of window, cron and except, and there is none");
		return NULL;
	}
	if (zone && strcmp(zone->value, "local") != 0) {
		struct zone *known = zone_load(zone->value, error, sizeof error);
		if (!known)
			errs_add(b->errs, zone->at, title, zone->key, "%s", error);
		zone_free(known);
		if (!known)
			return NULL;
	}
	zone_machine(local, sizeof local);
	struct windows_text text = { .windows = window_values,
				     .n_windows = n_windows,
				     .crons = cron_values,
				     .n_crons = n_crons,
				     .except = except ? except->value : NULL,
				     .zone = !zone ? NULL : strcmp(zone->value, "local") ? zone->value : local,
				     .local = local };
	struct windows *w = windows_compile(&text, error, sizeof error, &which);
	if (!w) {
		at = which < n_windows ? windows[which] : which < n_windows + n_crons ? crons[which - n_windows] : except;
		errs_add(b->errs, at->at, title, at->key, "%s", error);
		return NULL;
	}
	struct window_state now = windows_at(w, clock_wall_ns());
	at = n_windows ? windows[0] : n_crons ? crons[0] : except;
	if (!now.open && now.opens_ns == INT64_MAX)
		errs_add(b->errs, at->at, title, at->key, "never opens: the plan would never run");
	return w;
}

/* Those of cron entries in the openings to come, each once. */
size_t window_paces(const struct windows *w, const struct pace **out, size_t max)
{
	int64_t at_ns = clock_wall_ns();
	size_t n = 0;
	for (int i = 0; w && i < OPENINGS && at_ns != INT64_MAX && n < max; i++) {
		struct window_state s = windows_at(w, at_ns);
		size_t k = 0;
		at_ns = s.open ? s.until_ns : s.opens_ns;
		while (k < n && out[k] != s.pace)
			k++;
		if (s.open && s.pace && k == n)
			out[n++] = s.pace;
	}
	return n;
}
