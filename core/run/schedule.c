/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.c - when each target is due: one timer a subject, set a little ahead of the due time. */
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "run/core.h"
#include "run/crew.h"

/* Dispatches leave so long before their due time that the hop, and the grid on which the core wakes up, never
 * make a probe late. */
#define AHEAD_NS (2 * PACE_GRID_NS)
#define LATE_NS NS_PER_S

static void on_due(struct wheel_timer *t);

static void set_pace(struct subject *s, const struct target *target)
{
	s->pace = (struct pace_every){ .interval_ns = target->interval_ns,
		                       .jitter = target->jitter,
		                       .seed = str_hash(s->name, strlen(s->name)) };
}

struct subject *subject_new(struct core *core, const struct target *target)
{
	struct subject *s = xnew(struct subject);
	s->magic = SUBJECT_MAGIC;
	s->core = core;
	s->target = target;
	s->name = xstrdup(target->name);
	s->due.fn = on_due;
	set_pace(s, target);
	if (core->n_free) {
		s->id = core->free_ids[--core->n_free];
	} else {
		xgrow(core->subjects, core->n_ids, core->cap_ids);
		s->id = core->n_ids++;
	}
	core->subjects[s->id] = s;
	core->n_subjects++;
	HASH_ADD_KEYPTR(hh, core->by_name, s->name, strlen(s->name), s);
	return s;
}

static void forget(struct subject *s)
{
	for (uint32_t i = 0; i < s->n_subs; i++) {
		probe_stat_free(&s->subs[i].stat);
		free(s->subs[i].name);
	}
	s->n_subs = 0;
	probe_stat_free(&s->stat);
}

void subject_free(struct subject *s)
{
	CHECK_MAGIC(s, SUBJECT_MAGIC);
	forget(s);
	free(s->subs);
	free(s->name);
	if (s->keeps)
		DL_DELETE(s->core->leaving, s);
	model_unref(s->keeps);
	s->magic = 0;
	free(s);
}

void subject_remove(struct core *core, struct subject *s)
{
	CHECK_MAGIC(s, SUBJECT_MAGIC);
	loop_timer_stop(core->loop, &s->due);
	HASH_DELETE(hh, core->by_name, s);
	core->subjects[s->id] = NULL;
	core->n_subjects--;
	xgrow(core->free_ids, core->n_free, core->cap_free);
	core->free_ids[core->n_free++] = s->id;
	if (s->n_flights) {
		s->keeps = model_ref(core->model);
		DL_APPEND(core->leaving, s);
	} else {
		subject_free(s);
	}
}

void subject_retarget(struct core *core, struct subject *s, const struct target *target)
{
	bool repaced = s->pace.interval_ns != target->interval_ns || s->pace.jitter != target->jitter ||
	               s->target->monitor != target->monitor;
	if (!stat_same_facts(s->target->driver, target->driver))
		forget(s);
	s->target = target;
	if (repaced) {
		set_pace(s, target);
		if (core->scheduling)
			subject_schedule(core, s);
	}
}

static void arm(struct core *core, struct subject *s)
{
	loop_timer_set(core->loop, &s->due, pace_every_due(&s->pace, s->index) - AHEAD_NS);
}

void subject_schedule(struct core *core, struct subject *s)
{
	if (!s->target->monitor || core->mode != CORE_DAEMON) {
		loop_timer_stop(core->loop, &s->due);
		return;
	}
	s->index = pace_every_index(&s->pace, clock_now_ns() + AHEAD_NS);
	s->held = false;
	arm(core, s);
}

static void probe(struct core *core, struct subject *s, int64_t due_ns)
{
	const char *why = health_quarantined(core, s->target->driver->name);
	struct flight *f = flight_new(core, s, due_ns);
	if (why) {
		core->count.quarantined_probes++;
		flight_unknown(core, f, PROBED_REASON_CRASHED, why);
		return;
	}
	crew_dispatch(core->crew, f);
}

/* After a standstill of ours what was due long ago is missed rather than sent with all else that was: the next time is
 * near enough. */
static bool is_stale(const struct subject *s, int64_t due_ns)
{
	return s->core->loop->now_ns - due_ns > (s->pace.interval_ns > 4 * LATE_NS ? s->pace.interval_ns / 4 : LATE_NS);
}

static void on_due(struct wheel_timer *t)
{
	struct subject *s = (struct subject *)((char *)t - offsetof(struct subject, due));
	CHECK_MAGIC(s, SUBJECT_MAGIC);
	struct core *core = s->core;
	int64_t due = pace_every_due(&s->pace, s->index);
	/* dispatches leave ahead: a probe that ends by the due time has not been overlapped */
	if (s->flight && core->loop->now_ns < due) {
		s->held = true;
		loop_timer_set(core->loop, &s->due, due);
		return;
	}
	s->held = false;
	if (s->flight || is_stale(s, due)) {
		s->missed++;
		core->count.missed++;
	} else {
		probe(core, s, due);
	}
	s->index++;
	/* after a long standstill the times that have passed are missed, not made up for */
	int64_t now = core->loop->now_ns;
	if (pace_every_due(&s->pace, s->index) < now) {
		int64_t next = pace_every_index(&s->pace, now);
		s->missed += (uint64_t)(next - s->index);
		core->count.missed += (uint64_t)(next - s->index);
		s->index = next;
	}
	arm(core, s);
}

void subject_probe_now(struct core *core, struct subject *s)
{
	probe(core, s, clock_now_ns());
}
