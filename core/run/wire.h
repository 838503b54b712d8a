/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - the messages between the core and its children: their numbers, who sends them, what they hold.
 * A field list names the buf_* / cursor_* calls in order: u8 u16 u32 u64 i64 str bytes.
 */
#ifndef RUN_WIRE_H
#define RUN_WIRE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "config/option.h"
#include "judge/result.h"
#include "plan/pace.h"

enum wire_type {
	/* every child */
	WIRE_HELLO = 1,  /* core →: struct wire_hello; the first frame */
	WIRE_READY = 2,  /* → core: nothing; plugins loaded, work may come */
	WIRE_FATAL = 3,  /* → core: str why; the child then exits with EXIT_SETUP, and starting it again is no use */
	WIRE_DRAIN = 4,  /* core →: finish what is under way, send DRAINED, exit 0 */
	WIRE_DRAINED = 5, /* → core */
	WIRE_SYNC = 6,   /* core →: u64 token; answered by SYNCED once all frames before it have been worked off */
	WIRE_SYNCED = 7, /* → core: u64 token */
	WIRE_LOG_LEVEL = 8, /* core →: u8 level, u8 json */
	WIRE_PLUGIN = 9, /* core →: str path; load one more, before any frame that needs it */

	/* workers */
	WIRE_TARGET_ADD = 20,     /* core →: struct wire_target; an id in use is replaced: probes under way end on the old one */
	WIRE_TARGET_REMOVE = 21,  /* core →: u32 id; probes under way end first */
	WIRE_TARGET_REFUSED = 22, /* → core: u32 id, str why */
	WIRE_DISPATCH = 23,       /* core →: u32 n, then n struct wire_dispatch */
	WIRE_RESULT = 24,         /* → core: u32 slot, u32 target, u64 seq, u8 enum result_kind, result */
	WIRE_WORKER_STATS = 25,   /* → core, each second: struct wire_stats */
	WIRE_MISBEHAVED = 26,     /* → core: str driver, str what ("completed twice"); one strike against the driver */
	WIRE_CANCEL = 27,         /* core →: u32 slot, u64 seq: ends as cancelled, if it has not ended yet */

	WIRE_PART_REFUSED = 28,   /* → core, of a worker that checks: u8 sink (or service), str name, str why */

	/* plans, in workers: a flow is run by a virtual user, with variables, cookies and connections of its own */
	WIRE_FLOW_ADD = 29,    /* core →: struct wire_flow; an id in use is replaced for what starts from then on */
	WIRE_FLOW_REMOVE = 30, /* core →: u32 id; users that run it end their run first */
	WIRE_FLOW_START = 31,  /* core →: struct wire_start: a virtual user runs a flow once */
	WIRE_FLOW_END = 32,    /* → core: struct wire_flow_end */
	WIRE_USERS = 33,       /* core →: struct wire_users: users that run flow after flow by themselves */
	WIRE_USERS_STOP = 34,  /* core →: u32 lease, u8 now; now 0: each ends after the flow it is in */
	WIRE_ROWS_ASK = 35,    /* → core: u32 lease, u32 n; rows of data for users to come */
	WIRE_ROWS = 36,        /* core →: one for each ROWS_ASK: u32 lease, u8 end (there are no more), u32 n, n × (u32 n, n × (str name, str value)) */
	WIRE_GATE_ASK = 37,    /* → core: u32 plan, u32 target, str key (NULL: the target's own), u32 n */
	WIRE_GATE_GRANT = 38,  /* core →: u32 plan, u32 target, str key, u32 n, n × i64 not before; n 0: refused, then u32 enum gate_why, i64 ask again at;
	                        * one for each GATE_ASK, of at most as many: what lacks is asked for again */

	/* the recorder; SINK_OPEN and SERVICE_START also go to a worker that checks, and open nothing there */
	WIRE_SINK_OPEN = 40,   /* core →: struct wire_part; the same name again: opened anew, the old one closed after its queue */
	WIRE_SINK_CLOSE = 41,  /* core →: str name */
	WIRE_SINK_REOPEN = 42, /* core →: all sinks, for rotation */
	WIRE_RECORD = 43,      /* core →: u64 epoch, u64 seq, str target, str plan, str driver, result */
	WIRE_SINK_STATUS = 44, /* → core, each second and on errors: struct wire_sink_status */
	WIRE_RECORD_EVENT = 45, /* core →: u64 epoch, u64 seq, i64 wall_ns, str target, str message */

	/* services */
	WIRE_SERVICE_START = 60,  /* core →: struct wire_part */
	WIRE_SERVICE_FAILED = 61, /* → core: str why */
	WIRE_QUERY = 62,          /* → core: u64 tag, str topic, str args */
	WIRE_REPLY = 63,          /* core →: u64 tag, u32 status, u8 last, bytes */
	WIRE_SUBSCRIBE = 64,      /* → core: str stream */
	WIRE_EVENT = 65,          /* core →: str stream, u64 lost, bytes */
	WIRE_COMMAND = 66,        /* → core: u64 tag, str name, str args; answered by REPLY */
	WIRE_PAUSE = 67,          /* → core: u64 tag, u8 paused: holds the pieces of an answer up, or lets them go on */

	/* the inspector */
	WIRE_INSPECTED = 80, /* → core: plugin_table_encode(); one for each path asked */
};

/* Exit statuses of children, besides 0. */
#define EXIT_SETUP 79 /* can't work at all; WIRE_FATAL said why */

/* HELLO: u64 epoch, str who, u8 log level, u8 json, u8 check_only, u32 threads, u32 n, n × str plugin path */
struct wire_hello {
	uint64_t epoch;  /* start of the daemon, wall ns */
	const char *who; /* "worker net.0" */
	uint8_t log_level, log_json;
	uint8_t check_only; /* worker: targets (target_new with a NULL worker), sinks and services are checked, nothing runs */
	uint32_t threads;   /* of the pool for blocking drivers */
	uint32_t n_plugins;
	const char **plugins; /* decoded: freed by wire_hello_free() */
};

/* What a WIRE_RESULT is. */
enum result_kind {
	RESULT_SUB = 0,  /* a sub-result: the probe goes on */
	RESULT_LAST = 1, /* the probe's: its slot is free */
	RESULT_STEP = 2, /* a step's, of a flow: the slot is the virtual user's, and stays */
};

enum {
	TARGET_GATED = 1, /* steps ask for tokens (WIRE_GATE_ASK) before they start */
};

/* u32 id, str name, str driver, u32 family, i64 timeout, i64 interval, u32 n, n × (str key, str value),
 * u32 n, n × (str label, str expression), u32 flags, u32 retry, u8 go_on, i64 think_min, i64 think_max,
 * u32 n, n × (str variable, str query), str hook, u32 n, n × (str key, str script) */
struct wire_target {
	uint32_t id;
	const char *name, *driver;
	uint32_t family;
	int64_t timeout_ns, interval_ns;
	uint32_t n_options, n_expects;
	const struct kv *options, *expects; /* decoded: freed by wire_target_free() */
	uint32_t flags, retry;
	uint8_t go_on; /* a step that failed does not end its flow */
	int64_t think_min_ns, think_max_ns;
	uint32_t n_captures, n_hooks;
	const struct kv *captures, *hooks; /* likewise */
	const char *hook; /* NULL: none */
};

/* u32 id, str name, i64 think_min, i64 think_max, u32 n, n × u32 target */
struct wire_flow {
	uint32_t id;
	const char *name;
	int64_t think_min_ns, think_max_ns; /* between steps that say nothing themselves */
	uint32_t n_steps;
	const uint32_t *steps; /* ids; decoded: freed by wire_flow_free() */
};

enum {
	START_VARS = 1, /* FLOW_END brings the user's variables: a setup */
	START_LEAN = 2, /* DISPATCH_LEAN for its steps; and no FLOW_END between two flows */
};

/* u32 slot, u32 flow, u64 seq, u32 plan, i64 due, u32 flags, u64 user, u32 n, n × (str name, str value)
 * The steps' results have seq, seq + 1, ... */
struct wire_start {
	uint32_t slot, flow, plan, flags;
	uint64_t seq, user;
	int64_t due_ns;
	uint32_t n_vars;
	const struct kv *vars; /* "row.NAME", and what a setup captured; decoded: freed by wire_start_free() */
};

/* u32 slot, u64 seq (of the run's first step), u8 over, u32 flow, u8 outcome, u32 steps, i64 due, i64 start, i64 end,
 * u32 n, n × (str name, str value) */
struct wire_flow_end {
	uint32_t slot, flow;
	uint64_t seq;
	uint8_t over;    /* the user has ended, its slot is free; 0: it goes on with another flow */
	uint8_t outcome; /* the first step's that was not ok, else ok */
	uint32_t steps;  /* that have run; 0 and over: a user that ends between two flows */
	int64_t due_ns, start_ns, end_ns;
	uint32_t n_vars;
	const struct kv *vars; /* decoded: freed by wire_flow_end_free() */
};

/* Users of one lease. User k of the plan starts at begin + ramp × k / total. Between two flows it thinks.
 * The i-th flow of user k is selected as index k + i × total (select.h).
 * u32 lease, u32 plan, u64 seed, u8 select, u32 total, u32 first, i64 begin, i64 ramp, i64 stop, u64 runs,
 * i64 think min, i64 think max, i64 think median, f64 think sigma, u64 seq, u8 rows, u32 flags, u32 n, n × u32 slot, u32 n, n × (u32 flow, u64 weight in millionths),
 * u32 n, n × (str name, str value) */
struct wire_users {
	uint32_t lease, plan;
	uint64_t seed;
	uint8_t select; /* enum select_kind */
	uint32_t total, first; /* users of the plan in all; number of this lease's first */
	int64_t begin_ns, ramp_ns, stop_ns; /* stop INT64_MAX: until WIRE_USERS_STOP */
	uint64_t runs;                      /* flows that each user runs at most; 0: no limit */
	struct pace_gap think; /* between two flows */
	uint64_t seq; /* results have seq + n, n below 2^40 */
	uint8_t rows; /* a user asks for a row before each flow */
	uint32_t flags; /* START_* */
	uint32_t n_users, n_choices, n_vars;
	const uint32_t *slots; /* one a user; this and the next two decoded: freed by wire_users_free() */
	const struct wire_choice *choices;
	const struct kv *vars;
};
struct wire_choice {
	uint32_t flow;
	uint64_t weight; /* in millionths */
};
#define USERS_SEQ_BITS 40

enum {
	DISPATCH_AGAIN = 1,  /* sent a second time after a worker's death */
	DISPATCH_PROMPT = 2, /* somebody waits for the result: it is not held for others to leave with it */
	DISPATCH_PLAN = 4,   /* a plan's, not monitoring's: tried again as its target says, the result held 2 ms at most */
	DISPATCH_LEAN = 8,   /* nobody records the result: of its facts only those that expectations read, or the core acts on */
};
/* Bits of the roles whose facts are in every result: gates and tallies act on them. */
#define LEAN_ROLES                                                                                                     \
	(1u << PROBED_ROLE_STATUS | 1u << PROBED_ROLE_OVERLOAD | 1u << PROBED_ROLE_RETRY_AFTER | 1u << PROBED_ROLE_QUOTA_LEFT | \
	 1u << PROBED_ROLE_QUOTA_RESET | 1u << PROBED_ROLE_BYTES_IN | 1u << PROBED_ROLE_BYTES_OUT)
/* The upper bits: how many microseconds it may start late, so that it shares a wake-up with others. */
#define DISPATCH_SLACK_SHIFT 8

/* u32 slot, u32 target, u64 seq, i64 due, i64 timeout, u32 flags, u32 plan */
struct wire_dispatch {
	uint32_t slot;   /* of this worker's in-flight table: the bit in its page, and the name for the answer */
	uint32_t target; /* id */
	uint64_t seq;
	int64_t due_ns;     /* monotonic; not started before */
	int64_t timeout_ns; /* from the start */
	uint32_t flags;
	uint32_t plan; /* whose gates are asked; with DISPATCH_PLAN */
};
#define WIRE_DISPATCH_BYTES 40

/* u32 each but for the last two, u64 */
struct wire_stats {
	uint32_t fds, fds_max, targets, inflight;
	uint32_t threads_busy, threads_stuck;
	uint64_t loop_longest_ns, log_suppressed;
};

/* str name, str driver, u32 queue, u8 wait, u32 n, n × (str key, str value) */
struct wire_part {
	const char *name, *driver;
	uint32_t queue; /* of a sink; 0: the default */
	bool wait;
	uint32_t n_options;
	const struct kv *options; /* decoded: freed by wire_part_free() */
};

/* str name, u32 queued, u32 queue_max, u64 written, u64 dropped, u64 failed, u8 holding, str error (NULL: well) */
struct wire_sink_status {
	const char *name;
	uint32_t queued, queue_max;
	uint64_t written, dropped, failed;
	bool holding; /* its queue is full, and the recorder reads no more until there is room */
	const char *error;
};

void wire_put_kvs(struct buf *b, const struct kv *kvs, uint32_t n);
/* Malloc'ed, also where n is 0; the strings are the frame's. */
const struct kv *wire_get_kvs(struct cursor *c, uint32_t *n);
void wire_put_hello(struct buf *b, const struct wire_hello *m);
int wire_get_hello(struct cursor *c, struct wire_hello *m);
void wire_hello_free(struct wire_hello *m);
/* As it stands in the model, and points into it. */
struct target;
struct wire_target wire_target_of(const struct target *t, uint32_t id);
void wire_put_target(struct buf *b, const struct wire_target *m);
int wire_get_target(struct cursor *c, struct wire_target *m);
void wire_target_free(struct wire_target *m);
void wire_put_flow(struct buf *b, const struct wire_flow *m);
int wire_get_flow(struct cursor *c, struct wire_flow *m);
void wire_flow_free(struct wire_flow *m);
void wire_put_start(struct buf *b, const struct wire_start *m);
int wire_get_start(struct cursor *c, struct wire_start *m);
void wire_start_free(struct wire_start *m);
void wire_put_flow_end(struct buf *b, const struct wire_flow_end *m);
int wire_get_flow_end(struct cursor *c, struct wire_flow_end *m);
void wire_flow_end_free(struct wire_flow_end *m);
void wire_put_users(struct buf *b, const struct wire_users *m);
int wire_get_users(struct cursor *c, struct wire_users *m);
void wire_users_free(struct wire_users *m);
void wire_put_dispatch(struct buf *b, const struct wire_dispatch *m);
struct wire_dispatch wire_get_dispatch(struct cursor *c);
void wire_put_stats(struct buf *b, const struct wire_stats *m);
struct wire_stats wire_get_stats(struct cursor *c);
void wire_put_part(struct buf *b, const struct wire_part *m);
int wire_get_part(struct cursor *c, struct wire_part *m);
void wire_part_free(struct wire_part *m);
void wire_put_sink_status(struct buf *b, const struct wire_sink_status *m);
struct wire_sink_status wire_get_sink_status(struct cursor *c);

/* A child's descriptors: 3 the channel, 4 the page (workers only). */
#define CHILD_CHANNEL_FD 3
#define CHILD_PAGE_FD 4

#define WORKER_SLOTS 65536 /* probes in flight in one worker, at most */

/* Shared memory of the core and one worker: who is being called right now, and what has started. Written by the
 * worker, read by the core after a crash or while it stands still. */
struct worker_page {
	_Atomic uint64_t beat;    /* grows with each turn of the loop, and at least each 100 ms */
	_Atomic uint32_t in_call; /* 0: in no driver; else 1 + the driver's place in `drivers` */
	_Atomic uint32_t slot;    /* the probe being called for, UINT32_MAX: none in particular */
	_Atomic uint32_t n_drivers;
	char drivers[64][48];     /* names, for the core; filled before READY */
	_Atomic uint64_t started[WORKER_SLOTS / 64]; /* set when a slot's probe starts, cleared when its result is queued;
	                                           * a user's: from its first step until it is over */
};

#endif
