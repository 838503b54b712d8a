/* SPDX-License-Identifier: Apache-2.0 */
/* worker_peer.h - the core's side of a worker, for tests: a real worker in a forked child, spoken to by frames. */
#ifndef TESTS_WORKER_PEER_H
#define TESTS_WORKER_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <probed/host.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/clock.h"
#include "judge/result.h"
#include "run/wire.h"

#define PATIENCE_MS 20000

struct peer_frame {
	uint16_t type;
	char *data;
	size_t len;
};

struct peer {
	int fd;
	pid_t pid;
	struct worker_page *page;
	struct buf in;
	struct peer_frame *frames; /* come in, not yet asked for */
	size_t n, cap;
	bool eof;
	uint32_t next_slot;
};

/* What came back for one probe. */
struct answer {
	uint32_t slot, target;
	uint64_t seq;
	uint8_t kind; /* enum result_kind */
	bool last;
	struct result result;
};

struct peer_setup {
	bool check_only;
	uint32_t threads;
	bool bare; /* without the fixture plugin */
	uint32_t nofile; /* limit of descriptors, 0: as it is */
};

/* Starts a worker with the fixture plugin and waits for READY. */
struct peer *peer_start(struct peer_setup setup);
/* DRAIN; the worker must say DRAINED and exit 0, without a leak. */
void peer_finish(struct peer *p);
/* Closes the channel, and returns the worker's wait status. */
int peer_hang_up(struct peer *p);
/* After a worker has died and was waited for. */
void peer_forget_dead(struct peer *p);

const char *peer_fixture(void); /* its path */
void peer_send(struct peer *p, uint16_t type, const struct buf *payload);
/* The first frame of that type, waited for. The data live until peer_forget(). */
struct cursor peer_expect(struct peer *p, uint16_t type, struct peer_frame *frame);
void peer_forget(struct peer_frame *frame);
/* Works off all that was sent, and all that the worker said up to then is queued. */
void peer_sync(struct peer *p);
/* How many frames of that type are queued and not asked for. */
size_t peer_count(const struct peer *p, uint16_t type);

/* Options and expectations as "key=value" strings, ended by NULL; an expectation as "expect.LABEL=TEXT". Of steps:
 * "capture.NAME=QUERY", "before=SCRIPT" and "after=SCRIPT" in fxhook (peer_load_hook() first), "retry=N", "on_fail=continue", "think=MS", "gated=yes". */
void peer_target(struct peer *p, uint32_t id, const char *driver, ...) __attribute__((sentinel));
/* Loads the plugin that runs scripts. */
void peer_load_hook(struct peer *p);
/* A flow of so many steps, by the targets' ids. */
void peer_flow(struct peer *p, uint32_t id, int64_t think_ms, uint32_t n, ...);
/* A user that runs a flow once; the results have the sequence 1000 + slot and up. Returns the slot. */
uint32_t peer_run(struct peer *p, uint32_t flow, uint32_t flags, int64_t due_ns, const struct kv *vars, uint32_t n);
/* The next end of a flow; freed with peer_end_free(). */
struct peer_end {
	struct peer_frame frame;
	struct wire_flow_end m;
};
struct peer_end peer_flow_end(struct peer *p);
void peer_end_free(struct peer_end *end);
const char *peer_end_var(const struct peer_end *end, const char *name);
/* The reason for which the target was refused, to be freed. */
char *peer_refused(struct peer *p, uint32_t id);
/* Due at `due_ns` (0: now); returns the slot. */
uint32_t peer_dispatch(struct peer *p, uint32_t target, int64_t due_ns, int64_t timeout_ns);
/* The next result, sub-results too. Free with answer_free(). */
struct answer peer_answer(struct peer *p);
/* The next result, of a step that must be the n-th of the slot's run. */
struct answer peer_step(struct peer *p, uint32_t slot, uint32_t n);
void answer_free(struct answer *a);
/* Dispatches, and takes the answer. */
struct answer peer_probe(struct peer *p, uint32_t target);
/* The next MISBEHAVED: its `what`, to be freed; of the driver named. */
char *peer_misbehaved(struct peer *p, const char *driver);

const char *answer_message(const struct answer *a);
const char *answer_failed(const struct answer *a, uint32_t i);
/* The fact by its number in the fixture, NULL: not given. */
const struct result_fact *answer_fact(const struct answer *a, uint32_t fact, const char *late);
const char *answer_text(const struct answer *a, uint32_t fact, const char *late);

enum { FX_STATUS, FX_TEXT, FX_RATIO, FX_FLAG, FX_TOOK, FX_BYTES, FX_AT, FX_IP, FX_EXPIRES, FX_RETRY, FX_BUSY, FX_HEADER, FX_ITEM, FX_HOPS, FX_COUNT, FX_CLEAN };

#define assert_outcome(a, o, r)                             \
	do {                                                \
		assert_int_equal((a).result.outcome, (o));  \
		assert_int_equal((a).result.reason, (r));   \
	} while (0)

#endif
