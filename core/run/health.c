/* SPDX-License-Identifier: Apache-2.0 */
/* health.c - strikes against drivers that crash or misbehave, and the quarantine that too many of them earn. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "plugin/quarantine.h"
#include "run/core.h"
#include "run/crew.h"

#define STRIKES_KEPT 64

struct record {
	char *driver;
	int64_t at_ns[STRIKES_KEPT]; /* ring of `n` strikes since the last pardon */
	uint64_t n, total;
	char *quarantine; /* why; NULL: none */
	int64_t since_wall_ns;
	UT_hash_handle hh;
};

struct health {
	struct record *by_driver;
	uint32_t quarantines;
};

struct health *health_new(void)
{
	return xnew(struct health);
}

void health_free(struct health *h)
{
	struct record *r, *next;
	HASH_ITER(hh, h->by_driver, r, next)
	{
		HASH_DEL(h->by_driver, r);
		free(r->driver);
		free(r->quarantine);
		free(r);
	}
	free(h);
}

static struct record *find(const struct health *h, const char *driver)
{
	struct record *r;
	HASH_FIND_STR(h->by_driver, driver, r);
	return r;
}

/* Strikes that lie within the window before now. */
static int recent(const struct record *r, int64_t since_ns)
{
	int n = 0;
	for (uint64_t i = 0; i < r->n && i < STRIKES_KEPT; i++)
		n += r->at_ns[i] >= since_ns;
	return n;
}

bool health_suspect(const struct core *core, const char *driver)
{
	const struct record *r = core->health->by_driver ? find(core->health, driver) : NULL;
	return r && r->n;
}

void health_save(const struct core *core, bool ended)
{
	const char *state_dir = core->mode == CORE_DAEMON && core->model ? core->model->settings.state_dir : NULL;
	if (!state_dir)
		return;
	json_t *all = quarantine_new();
	for (const struct record *r = ended ? NULL : core->health->by_driver; r; r = r->hh.next)
		if (r->quarantine)
			quarantine_add(all, r->driver, r->since_wall_ns, r->quarantine);
	int rc = quarantine_save(state_dir, all);
	if (rc)
		log_warn("quarantine can't be written down", "folder", state_dir, "why", strerror(-rc), "effect",
		         "--list-plugins does not show it", NULL);
	json_decref(all);
}

void health_strike(struct core *core, const char *driver, const char *what)
{
	struct health *h = core->health;
	const struct settings *set = &core->model->settings;
	int limit = set->quarantine_after < STRIKES_KEPT ? set->quarantine_after : STRIKES_KEPT;
	struct record *r = find(h, driver);
	if (!r) {
		r = xnew(struct record);
		r->driver = xstrdup(driver);
		HASH_ADD_KEYPTR(hh, h->by_driver, r->driver, strlen(r->driver), r);
	}
	int64_t now = clock_now_ns();
	r->at_ns[r->n++ % STRIKES_KEPT] = now;
	r->total++;
	int n = recent(r, now - set->quarantine_within_ns);
	log_warn("driver misbehaved", "driver", driver, "what", what, "strike", log_int(n), "of", log_int(limit), NULL);
	if (r->n == 1)
		crew_isolate(core->crew, driver);
	if (r->quarantine || limit <= 0 || n < limit)
		return;
	r->since_wall_ns = clock_wall_ns();
	r->quarantine = xasprintf("driver %s is in quarantine after %d strikes, the last: %s; mend or replace its plugin, "
	                          "then reload",
	                          driver, n, what);
	h->quarantines++;
	log_error("driver quarantined", "driver", driver, "strikes", log_int(n), "last", what, "do",
	          "mend or replace its plugin, then reload", NULL);
	health_save(core, false);
}

const char *health_quarantined(const struct core *core, const char *driver)
{
	const struct record *r = core->health->quarantines ? find(core->health, driver) : NULL;
	return r ? r->quarantine : NULL;
}

void health_pardon_all(struct core *core)
{
	struct record *r, *next;
	HASH_ITER(hh, core->health->by_driver, r, next)
	{
		if (r->quarantine)
			log_info("quarantine lifted", "driver", r->driver, NULL);
		free(r->quarantine);
		r->quarantine = NULL;
		r->n = 0;
	}
	core->health->quarantines = 0;
}

void health_each(const struct core *core, void (*fn)(void *ctx, const char *driver, uint64_t strikes, bool quarantined),
                 void *ctx)
{
	struct record *r, *next;
	HASH_ITER(hh, core->health->by_driver, r, next)
		fn(ctx, r->driver, r->total, r->quarantine != NULL);
}
