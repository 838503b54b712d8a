/* SPDX-License-Identifier: Apache-2.0 */
/* crew_worker.c - one worker process as the core sees it: start, dispatch, results, and what follows its death. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include <probed/driver.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/crew_parts.h"
#include "run/plan_run.h"

#define OUT_MAX (64u << 20)
#define START_LIMIT_NS (20 * NS_PER_S)
#define RETIRE_GRACE_NS (5 * NS_PER_S)
#define THREADS 32

/* --- what is sent ----------------------------------------------------------------------------- */

static void send_batch(struct worker *w)
{
	if (!w->n_batch)
		return;
	struct buf *b = channel_begin(child_channel(w->child), WIRE_DISPATCH);
	buf_u32(b, w->n_batch);
	buf_put(b, w->batch.data, w->batch.len);
	channel_end(child_channel(w->child));
	buf_clear(&w->batch);
	w->n_batch = 0;
}

static void send_later(struct loop_later *later)
{
	send_batch((struct worker *)((char *)later - offsetof(struct worker, send)));
}

/* Frames keep their order: dispatches that were batched go first. */
struct buf *worker_begin(struct worker *w, uint16_t type)
{
	send_batch(w);
	return channel_begin(child_channel(w->child), type);
}

void worker_end(struct worker *w)
{
	channel_end(child_channel(w->child));
}

void worker_send_target(struct worker *w, const struct subject *s)
{
	struct wire_target m = wire_target_of(s->target, s->id);
	m.flags = s->gated ? TARGET_GATED : 0;
	wire_put_target(worker_begin(w, WIRE_TARGET_ADD), &m);
	worker_end(w);
}

void worker_remove_target(struct worker *w, uint32_t id)
{
	buf_u32(worker_begin(w, WIRE_TARGET_REMOVE), id);
	worker_end(w);
}

void worker_load_plugin(struct worker *w, const char *path)
{
	buf_str(worker_begin(w, WIRE_PLUGIN), path);
	worker_end(w);
}

bool worker_take_slot(struct worker *w, struct flight *f, uint64_t n_seqs)
{
	CHECK_MAGIC(w, WORKER_MAGIC);
	if (channel_full(child_channel(w->child)))
		return false;
	if (!w->n_free) {
		if (w->n_slots >= WORKER_SLOTS)
			return false;
		xgrow(w->slots, w->n_slots, w->cap_slots);
		if (w->cap_free < w->cap_slots) {
			w->cap_free = w->cap_slots;
			w->free_slots = xreallocarray(w->free_slots, w->cap_free, sizeof(*w->free_slots));
		}
		w->free_slots[w->n_free++] = w->n_slots++;
	}
	f->slot = w->free_slots[--w->n_free];
	f->worker = w;
	flight_sent(f);
	w->slots[f->slot] = (struct slot){ .flight = f, .seq = f->seq, .n_seqs = n_seqs };
	w->inflight++;
	return true;
}

static uint32_t dispatch_flags(const struct flight *f)
{
	if (f->run)
		return plan_dispatch_flags(f->run);
	bool waited_for = f->core->mode == CORE_ONCE || !pace_on_grid(&f->subject->pace);
	return waited_for ? DISPATCH_PROMPT : 0;
}

bool worker_dispatch(struct worker *w, struct flight *f)
{
	if (f->kind == FLIGHT_FLOW)
		return plan_send_flow(f, w);
	if (!worker_take_slot(w, f, 1))
		return false;
	struct wire_dispatch m = { .slot = f->slot,
		                   .target = f->target_id,
		                   .seq = f->seq,
		                   .due_ns = f->due_ns,
		                   .timeout_ns = f->timeout_ns,
		                   .plan = f->run ? f->run->id : 0,
		                   .flags = dispatch_flags(f) | (f->again ? DISPATCH_AGAIN : 0) };
	wire_put_dispatch(&w->batch, &m);
	w->n_batch++;
	loop_later(w->crew->core->loop, &w->send);
	return true;
}

static void worker_sync(struct worker *w)
{
	buf_u64(worker_begin(w, WIRE_SYNC), ++w->sync_asked);
	worker_end(w);
}

void crew_sync(struct crew *crew)
{
	for (struct pool *p = crew->pools; p; p = p->next)
		for (unsigned i = 0; i < p->n_seats; i++)
			if (p->seats[i]->worker)
				worker_sync(p->seats[i]->worker);
}

bool crew_synced(const struct crew *crew)
{
	for (const struct pool *p = crew->pools; p; p = p->next)
		for (unsigned i = 0; i < p->n_seats; i++) {
			const struct worker *w = p->seats[i]->worker;
			if (w && w->synced != w->sync_asked)
				return false;
		}
	return true;
}

/* --- what arrives ----------------------------------------------------------------------------- */

static int on_result(struct worker *w, struct cursor *c)
{
	struct core *core = w->crew->core;
	struct result *r = &core->scratch;
	uint32_t slot = cursor_u32(c), target = cursor_u32(c);
	uint64_t seq = cursor_u64(c);
	uint8_t kind = cursor_u8(c);
	result_reset(r);
	if (result_decode(c, r) || slot >= w->n_slots || kind > RESULT_STEP)
		return -1;
	struct slot *s = &w->slots[slot];
	if (seq - s->seq >= s->n_seqs || s->answered) {
		core->count.lost_late++;
		return 0;
	}
	bool last = kind == RESULT_LAST, user = s->n_seqs > 1;
	if (last && user)
		return -1;
	if (last)
		s->answered = true;
	if (user) {
		struct subject *step = target < core->n_ids ? core->subjects[target] : NULL;
		if (s->flight && step)
			flight_step(core, s->flight, step, seq, r, kind == RESULT_STEP);
		else
			core->count.lost_late++;
	} else if (s->flight) {
		flight_result(core, s->flight, r, last);
	} else {
		core->count.lost_late++;
		if (last) /* it was given up, and its slot kept until now */
			w->free_slots[w->n_free++] = slot;
	}
	return 0;
}

/* A virtual user has ended a flow, and perhaps itself. */
static int on_flow_end(struct worker *w, struct cursor *c)
{
	struct wire_flow_end m;
	if (wire_get_flow_end(c, &m))
		return -1;
	struct slot *s = m.slot < w->n_slots ? &w->slots[m.slot] : NULL;
	if (!s || m.seq - s->seq >= s->n_seqs || s->answered) {
		w->crew->core->count.lost_late++;
	} else {
		s->answered = m.over;
		if (s->flight)
			plan_flow_end(s->flight, &m);
		else if (m.over)
			w->free_slots[w->n_free++] = m.slot;
	}
	wire_flow_end_free(&m);
	return 0;
}

static int on_misbehaved(struct worker *w, struct cursor *c)
{
	const char *driver = cursor_str(c), *what = cursor_str(c);
	if (!driver || !what)
		return -1;
	health_strike(w->crew->core, driver, what);
	bool exhausted = !strncmp(what, "leaks descriptors", 17) || !strncmp(what, "blocking pool stuck", 19);
	if (exhausted && w->seat) {
		log_warn("worker recycled", "worker", w->who, "why", what, NULL);
		struct seat *seat = w->seat;
		worker_retire(w);
		seat->restarts++;
		worker_start(seat);
	}
	return 0;
}

static int on_refused(struct worker *w, struct cursor *c)
{
	uint32_t id = cursor_u32(c);
	const char *why = cursor_str(c);
	struct core *core = w->crew->core;
	struct subject *s = id < core->n_ids ? core->subjects[id] : NULL;
	w->crew->refused++;
	log_error("target refused by its driver", "target", s ? s->name : NULL, "worker", w->who, "why", why, NULL);
	return 0;
}

static int on_frame(void *owner, uint16_t type, struct cursor *c)
{
	struct worker *w = owner;
	CHECK_MAGIC(w, WORKER_MAGIC);
	switch (type) {
	case WIRE_READY:
		w->ready = true;
		w->beat_ns = clock_now_ns();
		log_debug("worker ready", "worker", w->who, "pid", log_int(child_pid(w->child)), NULL);
		return 0;
	case WIRE_RESULT:
		return on_result(w, c);
	case WIRE_FLOW_END:
		return on_flow_end(w, c);
	case WIRE_ROWS_ASK:
		return plan_rows_asked(w->seat, c, w->crew->core);
	case WIRE_GATE_ASK:
		return plan_gate_asked(w->seat, c, w->crew->core);
	case WIRE_SYNCED:
		w->synced = cursor_u64(c);
		return 0;
	case WIRE_WORKER_STATS:
		w->stats = wire_get_stats(c);
		return 0;
	case WIRE_MISBEHAVED:
		return on_misbehaved(w, c);
	case WIRE_TARGET_REFUSED:
		return on_refused(w, c);
	case WIRE_DRAINED:
		w->drained = true;
		return 0;
	case WIRE_FATAL: {
		const char *why = cursor_str(c);
		free(w->fatal);
		w->fatal = xstrdup(why ? why : "no reason given");
		return 0;
	}
	default:
		return -1;
	}
}

/* --- its end ---------------------------------------------------------------------------------- */

/* What the shared page says of a death: the driver that was being called, and the probe it was called for. */
struct guilt {
	const char *driver; /* NULL: none known */
	uint32_t slot;      /* UINT32_MAX: none in particular */
	char driver_text[sizeof((struct worker_page *)0)->drivers[0]];
};

static struct guilt find_guilt(const struct worker *w, int status)
{
	struct guilt g = { .slot = UINT32_MAX };
	bool killed_by_others = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !child_killed_by_us(w->child);
	uint32_t call = atomic_load(&w->page->in_call), n = atomic_load(&w->page->n_drivers);
	if (killed_by_others || !call || call > n || n > ARRAY_LEN(w->page->drivers))
		return g;
	memcpy(g.driver_text, w->page->drivers[call - 1], sizeof g.driver_text);
	g.driver_text[sizeof g.driver_text - 1] = '\0';
	g.slot = atomic_load(&w->page->slot);
	return g;
}

static bool started(const struct worker *w, uint32_t slot)
{
	return atomic_load(&w->page->started[slot / 64]) >> (slot % 64) & 1;
}

static bool is_guilty(const struct worker *w, const struct guilt *g, const struct flight *f)
{
	if (!g->driver || strcmp(f->driver->name, g->driver) != 0)
		return false;
	return g->slot == UINT32_MAX ? started(w, f->slot) : g->slot == f->slot;
}

/* A crash outside of the loop's calls happened on a thread: the blocking drivers that were running are suspects. */
static void suspect_threads(struct worker *w, struct guilt *g)
{
	for (uint32_t i = 0; i < w->n_slots && !g->driver; i++) {
		const struct flight *f = w->slots[i].flight;
		if (f && started(w, i) && (f->driver->flags & PROBED_DRIVER_BLOCKING)) {
			snprintf(g->driver_text, sizeof g->driver_text, "%s", f->driver->name);
			g->driver = g->driver_text;
		}
	}
}

/* Each flight ends as crashed, or goes back to its seat to be sent once more. */
static void settle_flights(struct worker *w, const struct guilt *g, const char *why)
{
	struct core *core = w->crew->core;
	for (uint32_t i = 0; i < w->n_slots; i++) {
		struct flight *f = w->slots[i].flight;
		if (!f)
			continue;
		char text[320];
		bool guilty = is_guilty(w, g, f);
		bool had_started = started(w, i);
		w->slots[i].flight = NULL;
		f->worker = NULL;
		w->inflight--;
		if (f->run && (guilty || had_started || f->kind == FLIGHT_USER)) {
			plan_lost(f, had_started, why);
		} else if (guilty) {
			snprintf(text, sizeof text, "driver %s brought its worker down: %s", f->driver->name, why);
			flight_unknown(core, f, PROBED_REASON_CRASHED, text);
		} else if (f->again || f->subject->keeps || w->crew->draining) {
			snprintf(text, sizeof text, "its worker ended before it could answer: %s", why);
			flight_unknown(core, f, PROBED_REASON_CRASHED, text);
		} else {
			f->again = true;
			core->count.again++;
			loop_timer_set(core->loop, &f->overdue, clock_now_ns() + f->timeout_ns + RETIRE_GRACE_NS);
			crew_dispatch(w->crew, f); /* its home may be another seat by now, with a worker that runs */
		}
	}
}

static void on_gone(void *owner, int status, const char *why)
{
	struct worker *w = owner;
	CHECK_MAGIC(w, WORKER_MAGIC);
	struct crew *crew = w->crew;
	struct seat *seat = w->seat;
	bool expected = w->drained && WIFEXITED(status) && !WEXITSTATUS(status);
	struct guilt g = { .slot = UINT32_MAX };
	if (w->fatal) {
		log_error("worker can't work", "worker", w->who, "why", w->fatal, NULL);
	} else if (!expected) {
		g = find_guilt(w, status);
		g.driver = g.driver_text[0] ? g.driver_text : NULL;
		bool external = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		if (!g.driver && !external)
			suspect_threads(w, &g);
		log_event(crew->draining && child_killed_by_us(w->child) ? LOG_DEBUG : LOG_ERROR, "worker died", "worker", w->who, "pid", log_int(child_pid(w->child)), "why", why, "in driver", g.driver,
		          "under way", log_int(w->inflight), NULL);
	}
	if (g.driver && !crew->draining) {
		char what[200];
		snprintf(what, sizeof what, "brought its worker down: %s", why);
		health_strike(crew->core, g.driver, what);
	}
	if (seat) {
		seat->restarts += !expected;
		seat_lost_worker(seat, w->ready);
	}
	settle_flights(w, &g, w->fatal ? w->fatal : why);
	crew_worker_gone(crew, w);
}

static const struct child_events events = { .frame = on_frame, .gone = on_gone };

/* --- life cycle ------------------------------------------------------------------------------- */

static struct worker_page *new_page(int *fd)
{
	*fd = memfd_create("probed-page", MFD_CLOEXEC);
	if (*fd < 0 || ftruncate(*fd, sizeof(struct worker_page)))
		return NULL;
	void *p = mmap(NULL, sizeof(struct worker_page), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

static void send_hello(struct worker *w, const struct pool *p)
{
	struct wire_hello m = { .epoch = w->crew->core->epoch,
		                .who = w->who,
		                .log_level = (uint8_t)log_level_now(),
		                .log_json = log_is_json(),
		                .threads = THREADS,
		                .n_plugins = p->n_plugins,
		                .plugins = p->plugins };
	wire_put_hello(worker_begin(w, WIRE_HELLO), &m);
	worker_end(w);
}

bool worker_start(struct seat *seat)
{
	struct pool *p = seat->pool;
	struct core *core = p->crew->core;
	CLEANUP_CLOSE int fd = -1;
	if (seat->worker || seat->closed || p->crew->draining)
		return false;
	struct worker *w = xnew(struct worker);
	*w = (struct worker){ .magic = WORKER_MAGIC, .crew = p->crew, .seat = seat, .send.fn = send_later };
	snprintf(w->who, sizeof w->who, "worker %s.%u", p->name, seat->index);
	w->page = new_page(&fd);
	if (w->page)
		w->child = child_start(core->loop, p->raw ? "worker-raw" : "worker", fd, OUT_MAX, &events, w);
	if (!w->child) {
		log_error("worker can't be started", "worker", w->who, "why", strerror(errno), NULL);
		seat_lost_worker(seat, false);
		worker_free(w);
		return false;
	}
	w->started_ns = w->beat_ns = clock_now_ns();
	seat->worker = w;
	send_hello(w, p);
	for (uint32_t i = 0; i < core->n_ids; i++) {
		const struct subject *s = core->subjects[i];
		if (s && (s->home == seat || (s->spread && s->home->pool == p)))
			worker_send_target(w, s);
	}
	plans_tell_worker(core, seat);
	log_debug("worker started", "worker", w->who, "pid", log_int(child_pid(w->child)), NULL);
	seat_send_waiting(seat);
	return true;
}

void worker_retire(struct worker *w)
{
	CHECK_MAGIC(w, WORKER_MAGIC);
	if (w->draining)
		return;
	w->draining = true;
	worker_begin(w, WIRE_DRAIN);
	worker_end(w);
	int64_t longest = 0;
	for (uint32_t i = 0; i < w->n_slots; i++)
		if (w->slots[i].flight && w->slots[i].flight->timeout_ns > longest)
			longest = w->slots[i].flight->timeout_ns;
	w->retire_by_ns = clock_now_ns() + longest + RETIRE_GRACE_NS;
	if (w->seat)
		w->seat->worker = NULL;
	w->seat = NULL;
	LL_PREPEND2(w->crew->retired, w, next_retired);
}

void worker_free(struct worker *w)
{
	loop_later_cancel(w->crew->core->loop, &w->send);
	child_free(w->child);
	if (w->page)
		munmap(w->page, sizeof *w->page);
	free(w->fatal);
	free(w->slots);
	free(w->free_slots);
	buf_free(&w->batch);
	w->magic = 0;
	free(w);
}

/* --- does it stand still? --------------------------------------------------------------------- */

/* State letter and CPU time of a process; 0 where it can't be read. */
static char process_state(pid_t pid, int64_t *cpu_ns)
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	*cpu_ns = 0;
	if (!f || !fgets(text, sizeof text, f))
		return 0;
	const char *p = strrchr(text, ')'); /* the name before it may hold anything */
	char state;
	unsigned long user, sys;
	if (!p || sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &user, &sys) != 3)
		return 0; /* cppcheck-suppress resourceLeak ; CLEANUP_FCLOSE closes it */
	*cpu_ns = (int64_t)(user + sys) * (NS_PER_S / sysconf(_SC_CLK_TCK));
	return state; /* cppcheck-suppress resourceLeak ; likewise */
}

/* A worker whose loop does not turn is killed if it is its own fault: it burns CPU, or sleeps inside a driver.
 * One that only gets no CPU from the machine is left alone for much longer. */
static bool hangs(struct worker *w, int64_t now_ns, int64_t limit_ns)
{
	int64_t cpu, still = now_ns - w->beat_ns;
	if (still < limit_ns / 3)
		return false;
	char state = process_state(child_pid(w->child), &cpu);
	if (!w->cpu_at_ns) {
		w->cpu_at_ns = now_ns;
		w->cpu_ns = cpu;
		return false;
	}
	bool in_driver = atomic_load(&w->page->in_call) != 0;
	if (still > limit_ns && (state == 'S' || state == 'D') && in_driver)
		return true;
	if (still > limit_ns && cpu - w->cpu_ns > limit_ns / 3)
		return true;
	return still > 10 * limit_ns;
}

void worker_watch(struct worker *w, int64_t now_ns)
{
	uint64_t beat = atomic_load(&w->page->beat);
	if (beat != w->beat) {
		w->beat = beat;
		w->beat_ns = now_ns;
		w->cpu_at_ns = 0;
	}
	char text[120];
	if (w->draining && now_ns > w->retire_by_ns) {
		child_kill(w->child, "did not end after its last probe");
	} else if (!w->ready) {
		if (now_ns - w->started_ns > START_LIMIT_NS)
			child_kill(w->child, "was not ready within 20 s");
	} else if (hangs(w, now_ns, w->crew->core->model->settings.hang_timeout_ns)) {
		snprintf(text, sizeof text, "stood still for %.1f s", (double)(now_ns - w->beat_ns) / 1e9);
		child_kill(w->child, text);
	}
}
