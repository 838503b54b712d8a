/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crew.h - the worker processes. A pool is a class of drivers (net, raw, one isolated plugin, one suspect), a seat is a
 * place in it that subjects live in (by rendezvous hash), a worker is the process that sits there now.
 */
#ifndef RUN_CREW_H
#define RUN_CREW_H

#include "run/core.h"

struct crew *crew_new(struct core *core);
void crew_free(struct crew *crew);

/* Makes pools and seats for what the model needs; workers whose plugins or settings changed are replaced once
 * their probes have ended. `changed_plugins`: paths whose file changed since (may be NULL). */
void crew_apply(struct crew *crew, const struct model *model, const char *const *changed_plugins, size_t n_changed);

/* A driver got its first strike: its targets move to a pool of their own. */
void crew_isolate(struct crew *crew, const char *driver);

/* After all subjects have their homes: what waited at seats that were closed goes there. */
/* The log's level or form has changed: workers are told. */
void crew_log_level(struct crew *crew);
void crew_settle(struct crew *crew);

/* The seat that a target belongs in. */
struct seat *crew_seat(struct crew *crew, const struct target *target);
/* The target now lives in s->home (which is set), or its configuration changed. */
void crew_target_add(struct crew *crew, struct subject *s);
void crew_target_remove(struct crew *crew, struct seat *seat, const struct subject *s);
/* Sends a flight to its seat (its subject's home), or lets it wait for one. */
void crew_dispatch(struct crew *crew, struct flight *f);

/* --- for plans ---------------------------------------------------------------------------------- */

/* From now on all seats of its pool have the target. */
void crew_spread(struct crew *crew, struct subject *s);
/* The i-th seat that is open, modulo their number, of the pool that the subject lives in. */
struct seat *crew_seat_of(const struct subject *s, uint64_t i);
uint32_t crew_seats(const struct subject *s);
bool crew_same_pool(const struct subject *s, const struct seat *seat);
/* All seats of the subject's pool learn of a flow, or forget it. */
void crew_flow_add(struct crew *crew, const struct subject *s, const struct wire_flow *m);
void crew_flow_remove(struct crew *crew, const struct subject *s, uint32_t id);
/* A virtual user for each of the n flights, to the seat's worker; fills in m->slots. False: there is none, or it is full;
 * nothing is sent then. */
bool crew_start_users(struct seat *seat, struct wire_users *m, struct flight *const *flights, uint32_t n);
/* Frames to the worker of f, where it still has one: channel_begin() and channel_end(), as it were. */
struct buf *crew_frame(struct seat *seat, uint16_t type);
void crew_frame_end(struct seat *seat);
/* The flight is over: its slot is free. */
void crew_release(struct crew *crew, struct flight *f);

/* Ends all workers once their flights have ended; done() follows. */
void crew_drain(struct crew *crew, void (*done)(struct core *core));
/* Kills what still runs. */
void crew_kill(struct crew *crew);
bool crew_ready(const struct crew *crew);
/* Asks all workers to say so once they have worked off what they were sent until now; crew_synced(): they have. */
void crew_sync(struct crew *crew);
bool crew_synced(const struct crew *crew);
/* Called some times a second: looks for workers that stand still. */
void crew_watch(struct crew *crew, int64_t now_ns);

struct crew_view {
	const char *pool;
	unsigned seat;
	pid_t pid;
	bool ready;
	uint32_t inflight, waiting;
	uint64_t restarts, backlog_bytes;
	struct wire_stats stats;
};
void crew_each(const struct crew *crew, void (*fn)(void *ctx, const struct crew_view *v), void *ctx);
uint64_t crew_refused(const struct crew *crew);

#endif
