/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_probe.c - probes from dispatch to result: due time, room in the driver, deadline, cancel, report.
 *
 * A probe that has ended is reaped at the end of the turn, when no plugin is on the stack any more: only then its
 * memory is used again, its target may be freed, and whoever waits for its place starts.
 */
#include "run/worker_flow.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/unit.h"
#include "plan/pace.h"

#define QUARANTINE 256 /* ended probes that are not used again yet */
#define STARTS 64 /* in one turn; then answers are looked at before more is asked */
#define STOOD_STILL_NS (200 * NS_PER_MS) /* deadlines that late: the answer may lie in the socket, unread by our fault */
#define PATIENCE_NS NS_PER_MS /* a deadline that finds a plugin on the stack looks again after */

void probe_lock(struct probed_probe *p)
{
	if (p->drv->blocking)
		pthread_mutex_lock(&p->lock);
}

void probe_unlock(struct probed_probe *p)
{
	if (p->drv->blocking)
		pthread_mutex_unlock(&p->lock);
}

static struct host_call call_of(const struct probed_probe *p)
{
	return (struct host_call){ p->drv->number, p->slot, p->seq };
}

/* --- the page ---------------------------------------------------------------------------------------- */

void slot_mark_started(struct worker *w, uint32_t slot)
{
	atomic_fetch_or_explicit(&w->page->started[slot / 64], UINT64_C(1) << (slot % 64), memory_order_release);
}

/* The bit goes once the result is on its way, so that a crash in between is not taken for "never started". */
void slot_written_later(struct worker *w, uint32_t slot)
{
	xgrow(w->written, w->n_written, w->cap_written);
	w->written[w->n_written++] = slot;
	loop_later(w->loop, &w->reaping);
}

static void mark_written(struct worker *w)
{
	for (uint32_t i = 0; i < w->n_written; i++) {
		uint32_t slot = w->written[i];
		atomic_fetch_and_explicit(&w->page->started[slot / 64], ~(UINT64_C(1) << (slot % 64)), memory_order_release);
	}
	w->n_written = 0;
}

/* --- the end ----------------------------------------------------------------------------------------- */

/* Monitoring's results leave when the next probes are due: this process is awake then, and so is the core. */
static int64_t hold_ns(const struct probed_probe *p, const struct worker *w)
{
	if (p->prompt)
		return 0;
	return p->of_plan ? PLAN_HOLD_NS : PACE_GRID_NS - w->loop->now_ns % PACE_GRID_NS;
}

void probe_send(const struct probed_probe *p, const struct result *r, enum result_kind kind)
{
	struct worker *w = p->drv->worker;
	struct buf *b = channel_begin(w->channel, WIRE_RESULT);
	buf_u32(b, p->slot);
	buf_u32(b, p->target);
	buf_u64(b, p->seq);
	buf_u8(b, (uint8_t)kind);
	result_encode(b, r);
	channel_end_within(w->channel, hold_ns(p, w));
	if (channel_full(w->channel))
		channel_pause(w->channel, true);
}

void probe_phase_close(struct probed_probe *p, int64_t now_ns)
{
	if (p->phase < 0)
		return;
	int64_t *sum = &p->work->result.phase_ns[p->phase];
	*sum = (*sum < 0 ? 0 : *sum) + (now_ns - p->phase_since_ns);
	p->phase_since_ns = now_ns;
}

void probe_send_sub(struct probed_probe *p, struct result *r)
{
	probe_judge(p, r, true);
	probe_send(p, r, RESULT_SUB);
}

/* What happened is in the result; it is not judged yet. */
static void close_result(struct probed_probe *p, uint32_t outcome, uint32_t reason, const char *message, int64_t end_ns)
{
	struct result *r = &p->work->result;
	for (uint32_t i = 0; i < p->work->n_subs; i++)
		probe_send_sub(p, &p->work->subs[i]);
	probe_phase_close(p, end_ns);
	p->phase = -1;
	r->sub = 0;
	r->end_ns = end_ns;
	r->outcome = outcome < PROBED_OUTCOMES ? (uint8_t)outcome : PROBED_ERROR;
	r->reason = reason < PROBED_REASONS ? (uint8_t)reason : PROBED_REASON_OTHER;
	if (outcome >= PROBED_OUTCOMES && !reason)
		r->reason = PROBED_REASON_OTHER;
	if (p->work->unrendered.len && outcome != PROBED_OK && reason == PROBED_REASON_INTERNAL)
		message = buf_cstr(&p->work->unrendered);
	r->message = result_put_string(r, message, message ? strnlen(message, 1024) : 0);
}

/* The result leaves; the slot is free. */
static void leave(struct probed_probe *p, bool sent)
{
	struct worker *w = p->drv->worker;
	struct result *r = &p->work->result;
	probe_judge(p, r, false);
	if (p->user)
		probe_capture(p, r);
	if (sent)
		script_after(p, r);
	loop_timer_stop(w->loop, &p->timer);
	gate_leave(p);
	w->slots[p->slot] = NULL;
	w->inflight--;
	if (probe_may_try_again(p, r)) {
		probe_try_again(p, r);
		return;
	}
	probe_send(p, r, p->user ? RESULT_STEP : RESULT_LAST);
	if (p->user)
		user_step_ended(p->user, p->inst, r);
	else
		slot_written_later(w, p->slot);
	p->user = NULL;
}

static void reap_later(struct probed_probe *p)
{
	struct worker *w = p->drv->worker;
	p->state = PROBE_ENDED;
	TAILQ_INSERT_TAIL(&w->reap, p, entry);
	loop_later(w->loop, &w->reaping);
}

void probe_end(struct probed_probe *p, uint32_t outcome, uint32_t reason, const char *message, int64_t end_ns)
{
	struct worker *w = p->drv->worker;
	p->cancelled = false;
	close_result(p, outcome, reason, message, end_ns);
	if (p->inst->after.drv && host_depth()) { /* no script inside of a driver's call */
		loop_timer_stop(w->loop, &p->timer);
		p->state = PROBE_COMPLETED;
		TAILQ_INSERT_TAIL(&w->completed, p, entry);
		loop_later(w->loop, &w->reaping);
		return;
	}
	leave(p, true);
	reap_later(p);
}

static void end_completed(struct probed_probe *p)
{
	TAILQ_REMOVE(&p->drv->worker->completed, p, entry);
	leave(p, true);
	reap_later(p);
}

void probe_release(struct probed_probe *p)
{
	reap_later(p);
}

/* Never was in its driver. */
static void end_unstarted(struct probed_probe *p, uint32_t outcome, uint32_t reason, const char *message)
{
	int64_t now = clock_now_ns();
	if (p->state == PROBE_QUEUED)
		TAILQ_REMOVE(&p->drv->waiting, p, entry);
	p->cancelled = true;
	work_begin_result(p, &p->work->result, now, clock_wall_ns());
	close_result(p, outcome, reason, message, now);
	leave(p, false);
	p->drv->running++; /* reaping takes it off */
	reap_later(p);
}

void probe_stop(struct probed_probe *p, uint32_t outcome, uint32_t reason, const char *message)
{
	struct drv *d = p->drv;
	if (p->state == PROBE_WAITING || p->state == PROBE_GATED || p->state == PROBE_QUEUED) {
		end_unstarted(p, outcome, reason, message);
		return;
	}
	if (p->state == PROBE_COMPLETED) {
		end_completed(p);
		return;
	}
	if (d->blocking) {
		pthread_mutex_lock(&p->lock);
		p->state = PROBE_ABANDONED;
		p->cancelled = true;
		pthread_mutex_unlock(&p->lock);
		if (p->session)
			session_leave(p->user, p->session);
		close_result(p, outcome, reason, message, clock_now_ns());
		leave(p, true);
		threads_abandon(d->worker, p);
		return;
	}
	p->state = PROBE_CANCELLING;
	p->cancelled = true;
	if (d->impl->cancel) {
		struct host_call before = host_enter(call_of(p));
		d->impl->cancel(d->state, p, p->mem);
		host_leave(before);
	}
	close_result(p, outcome, reason, message, clock_now_ns());
	leave(p, true);
	reap_later(p);
}

/* --- the beginning ----------------------------------------------------------------------------------- */

/* The session of the probe's user; made at the first step that wants it. */
static int take_session(struct probed_probe *p)
{
	bool failed;
	char message[120];
	p->session = session_of(p->user, p->drv, &failed);
	if (p->session)
		p->session->refs++;
	if (!failed)
		return 0;
	snprintf(message, sizeof message, "driver %s can't make a session for a virtual user", p->drv->table->name);
	p->state = PROBE_WAITING;
	probe_stop(p, PROBED_UNKNOWN, PROBED_REASON_INTERNAL, message);
	return -1;
}

/* The step's own script; its time is none of the probe's. */
static int run_before(struct probed_probe *p)
{
	char message[500];
	work_begin_result(p, &p->work->result, clock_now_ns(), clock_wall_ns());
	if (!script_before(p, message, sizeof message))
		return 0;
	p->state = PROBE_WAITING;
	probe_stop(p, PROBED_ERROR, PROBED_REASON_INTERNAL, message);
	return -1;
}

static void run(struct probed_probe *p)
{
	struct drv *d = p->drv;
	struct worker *w = d->worker;
	w->turn_starts++;
	if (!p->user)
		slot_mark_started(w, p->slot);
	if (p->user && take_session(p))
		return;
	if (p->inst->before.drv && run_before(p))
		return;
	int64_t now = clock_now_ns();
	p->state = PROBE_RUNNING;
	p->deadline_ns = now + p->timeout_ns;
	p->mem = probe_mem_get(d);
	work_begin_result(p, &p->work->result, now, clock_wall_ns());
	d->running++;
	loop_timer_set(w->loop, &p->timer, p->deadline_ns);
	if (d->blocking) {
		if (threads_give(w, p))
			probe_end(p, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED, "no thread can be had for a blocking driver", now);
		return;
	}
	struct host_call before = host_enter(call_of(p));
	d->impl->start(d->state, p->inst->target, p->session ? p->session->state : NULL, p, p->mem);
	host_leave(before);
}

static bool has_room(const struct drv *d)
{
	return (!d->impl->max_inflight || d->running < d->impl->max_inflight) && (!d->blocking || threads_free_one(d->worker));
}

/* Thousands that are due at once must not keep the loop from the answers: they would be late by our fault, or lost
 * in full socket buffers. */
bool turn_has_room(struct worker *w)
{
	if (w->turn != w->loop->turns)
		w->turn_starts = 0;
	w->turn = w->loop->turns;
	return w->turn_starts < STARTS;
}

void probe_begin(struct probed_probe *p)
{
	struct drv *d = p->drv;
	if (p->inst->gated && !p->passed && !gate_pass(p))
		return;
	bool room = has_room(d);
	if (room && TAILQ_EMPTY(&d->waiting) && turn_has_room(d->worker)) {
		run(p);
		return;
	}
	int64_t now = d->worker->loop->now_ns;
	p->state = PROBE_QUEUED;
	TAILQ_INSERT_TAIL(&d->waiting, p, entry);
	loop_timer_set(d->worker->loop, &p->timer, (p->due_ns > now ? p->due_ns : now) + p->timeout_ns);
	if (room)
		loop_next_turn(d->worker->loop, &d->worker->more);
}

static void start_waiting(struct drv *d)
{
	struct probed_probe *p;
	while ((p = TAILQ_FIRST(&d->waiting)) && has_room(d)) {
		if (!turn_has_room(d->worker)) {
			loop_next_turn(d->worker->loop, &d->worker->more);
			return;
		}
		TAILQ_REMOVE(&d->waiting, p, entry);
		run(p);
	}
}

static void on_more(struct loop_later *later)
{
	struct worker *w = (struct worker *)((char *)later - offsetof(struct worker, more));
	CHECK_MAGIC(w, WORKER_MAGIC);
	if (host_depth()) {
		loop_next_turn(w->loop, &w->more);
		return;
	}
	for (uint32_t i = 0; i < w->n_drivers; i++)
		start_waiting(&w->drivers[i]);
	users_run(w);
}

static void timed_out(struct probed_probe *p)
{
	char took[40], message[120];
	struct drv *d = p->drv;
	struct worker *w = d->worker;
	if (d->blocking)
		threads_collect(w); /* it may have ended just now */
	if (p->state != PROBE_RUNNING)
		return;
	if (!p->looked && w->loop->now_ns - p->deadline_ns > STOOD_STILL_NS) {
		p->looked = true;
		loop_timer_set(w->loop, &p->timer, w->loop->now_ns + PATIENCE_NS);
		return;
	}
	unit_format_duration(p->timeout_ns, took, sizeof took);
	probe_lock(p);
	int phase = p->phase;
	probe_unlock(p);
	snprintf(message, sizeof message, "timed out after %s%s%s", took, phase >= 0 ? " in " : "", phase >= 0 ? phase_name((uint32_t)phase) : "");
	if (p->gate) {
		snprintf(message, sizeof message, "held back by the limit of host %.60s until its timeout", gate_key(p->gate));
		probe_stop(p, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED, message);
		return;
	}
	probe_stop(p, PROBED_ERROR, PROBED_REASON_TIMEOUT, message);
}

static void too_late(struct probed_probe *p)
{
	char message[200];
	const struct drv *d = p->drv;
	if (has_room(d))
		snprintf(message, sizeof message, "waited its whole timeout for its turn: the worker has too much to do");
	else if (d->blocking && !threads_free_one(d->worker))
		snprintf(message, sizeof message, "waited its whole timeout for one of the %u threads of blocking drivers", d->worker->threads.max);
	else
		snprintf(message, sizeof message, "waited its whole timeout for one of the %u places of driver %s", d->impl->max_inflight, d->table->name);
	probe_stop(p, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED, message);
}

void probe_on_timer(struct wheel_timer *t)
{
	struct probed_probe *p = (struct probed_probe *)((char *)t - offsetof(struct probed_probe, timer));
	if (host_depth()) { /* a plugin runs the loop by itself: nothing of it is called from here */
		loop_timer_set(p->drv->worker->loop, t, clock_now_ns() + PATIENCE_NS);
		return;
	}
	if (p->state == PROBE_WAITING)
		probe_begin(p);
	else if (p->state == PROBE_QUEUED)
		too_late(p);
	else if (p->state == PROBE_RUNNING)
		timed_out(p);
}

/* --- reaping ----------------------------------------------------------------------------------------- */

static void reap(struct worker *w, struct probed_probe *p)
{
	struct drv *d = p->drv;
	TAILQ_REMOVE(&w->reap, p, entry);
	d->running--;
	probe_mem_put(d, p->mem);
	p->mem = NULL;
	work_put(w, p->work);
	p->work = NULL;
	instance_unref(w, p->inst);
	p->inst = NULL;
	if (p->session)
		session_unref(p->session);
	p->session = NULL;
	TAILQ_INSERT_TAIL(&w->quarantine, p, entry);
	if (++w->n_quarantine <= QUARANTINE)
		return;
	struct probed_probe *old = TAILQ_FIRST(&w->quarantine);
	TAILQ_REMOVE(&w->quarantine, old, entry);
	w->n_quarantine--;
	old->state = PROBE_FREE;
	TAILQ_INSERT_HEAD(&w->spare, old, entry);
}

static void on_reaping(struct loop_later *later)
{
	struct worker *w = (struct worker *)((char *)later - offsetof(struct worker, reaping));
	CHECK_MAGIC(w, WORKER_MAGIC);
	if (host_depth()) {
		loop_later(w->loop, &w->reaping);
		return;
	}
	for (struct probed_probe *p; (p = TAILQ_FIRST(&w->completed));)
		end_completed(p);
	mark_written(w);
	for (struct probed_probe *p; (p = TAILQ_FIRST(&w->reap));)
		reap(w, p);
	for (uint32_t i = 0; i < w->n_drivers; i++)
		start_waiting(&w->drivers[i]);
	users_run(w);
	worker_settle(w);
}

void probes_cancel_all(struct worker *w)
{
	for (uint32_t i = 0; i < WORKER_SLOTS && w->inflight; i++)
		if (w->slots[i])
			probe_stop(w->slots[i], PROBED_UNKNOWN, PROBED_REASON_CANCELLED, "the daemon is ending");
	for (struct probed_probe *p; (p = TAILQ_FIRST(&w->reap));)
		reap(w, p);
}

void probes_init(struct worker *w)
{
	w->slots = xcalloc(WORKER_SLOTS, sizeof(struct probed_probe *));
	TAILQ_INIT(&w->spare);
	TAILQ_INIT(&w->quarantine);
	TAILQ_INIT(&w->reap);
	TAILQ_INIT(&w->completed);
	w->reaping.fn = on_reaping;
	w->more.fn = on_more;
	w->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void probes_free(struct worker *w)
{
	loop_later_cancel(w->loop, &w->reaping);
	loop_later_cancel(w->loop, &w->more);
	work_free_all(w);
	pool_free(w);
	free(w->slots);
	free(w->written);
	EVP_MD_free(w->sha256);
}
