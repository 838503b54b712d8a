/* SPDX-License-Identifier: Apache-2.0 */
/* crew_parts.h - what crew.c (pools and seats) and crew_worker.c (one process) share. */
#ifndef RUN_CREW_PARTS_H
#define RUN_CREW_PARTS_H

#include "run/child.h"
#include "run/crew.h"

struct pool {
	struct pool *next;
	struct crew *crew;
	char *name; /* "net", "raw", "plugin:NAME" or "suspect:DRIVER" */
	bool raw;   /* its workers keep CAP_NET_RAW */
	struct seat **seats;
	unsigned n_seats;
	const char **plugins; /* paths that its workers load; strings of `registry` */
	uint32_t n_plugins;
	struct registry *registry;
};

struct seat {
	struct pool *pool;
	unsigned index;
	struct worker *worker; /* NULL: down */
	struct flight *waiting;
	uint32_t n_waiting;
	struct wheel_timer restart;
	unsigned failures; /* deaths in a row before READY */
	unsigned deaths;   /* in a row, each soon after the one before */
	int64_t last_death_ns;
	uint64_t restarts;
	bool closed; /* takes no more targets, and isn't started again */
};

struct slot {
	struct flight *flight; /* NULL: free, or given up while the worker still owes its result */
	uint64_t seq, n_seqs;  /* of the results that belong to it */
	bool answered;
};

struct worker {
	unsigned magic;
	struct crew *crew;
	struct seat *seat; /* NULL: retired, draining */
	struct worker *next_retired;
	struct child *child;
	struct worker_page *page;
	char who[48];
	bool ready, draining, drained;
	char *fatal;
	int64_t started_ns, retire_by_ns;
	struct slot *slots;
	uint32_t *free_slots;
	uint32_t n_slots, cap_slots, n_free, cap_free;
	uint32_t inflight;
	struct buf batch; /* dispatches of this turn */
	uint32_t n_batch;
	struct loop_later send;
	uint64_t beat;
	int64_t beat_ns;          /* when it was seen to change */
	int64_t cpu_ns, cpu_at_ns; /* CPU time used when it was first seen standing still */
	struct wire_stats stats;
	uint64_t sync_asked, synced; /* tokens of WIRE_SYNC */
};
#define WORKER_MAGIC 0x776f726bu

struct crew {
	struct core *core;
	struct pool *pools;
	struct worker *retired;
	void (*drained)(struct core *core);
	bool draining;
	uint64_t refused;
	struct loop_later done;
};

/* --- crew_worker.c ---------------------------------------------------------------------------- */
/* Starts a process for the seat and tells it of all its targets. False: not now; a retry is set. */
bool worker_start(struct seat *seat);
/* Lets it finish what is under way and end; its seat is free for another. */
void worker_retire(struct worker *w);
void worker_free(struct worker *w);
void worker_send_target(struct worker *w, const struct subject *s);
void worker_remove_target(struct worker *w, uint32_t id);
void worker_load_plugin(struct worker *w, const char *path);
/* False: no slot, or too much is waiting to be sent. */
bool worker_dispatch(struct worker *w, struct flight *f);
/* Frames of all kinds, in order with the dispatches. */
struct buf *worker_begin(struct worker *w, uint16_t type);
void worker_end(struct worker *w);
/* A slot for a flight whose results have seq ... seq + n_seqs - 1. False: there is none. */
bool worker_take_slot(struct worker *w, struct flight *f, uint64_t n_seqs);
void worker_watch(struct worker *w, int64_t now_ns);

/* --- crew.c ----------------------------------------------------------------------------------- */
/* The worker of a seat has ended: its flights that may run again wait at the seat. */
void seat_lost_worker(struct seat *seat, bool was_ready);
void seat_send_waiting(struct seat *seat);
void crew_worker_gone(struct crew *crew, struct worker *w);

#endif
