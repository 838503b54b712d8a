/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorder_sink.h - one sink in the recorder: its bounded queue, and the thread that empties it.
 * All functions are for the recorder's loop; the thread is inside.
 */
#ifndef RUN_RECORDER_SINK_H
#define RUN_RECORDER_SINK_H

#include <probed/sink.h>

#include <stdbool.h>
#include <stdint.h>

#include "config/option.h"
#include "run/recorder.h"
#include "run/recorder_record.h"
#include "run/wire.h"

struct recorder_sink;

/* Opens it on a thread of its own; when that fails, again after 1 s, 2 s ... 30 s, while the queue fills. Takes
 * *options over. `wake` is called from the thread when there is news: an error came or went, a sync point was
 * reached, the thread has ended. `plugin` NULL: a sink that can't work at all; `error` says why, and what it
 * is given counts as dropped. */
struct recorder_sink *recorder_sink_new(const char *name, const struct probed_sink *plugin, struct options *options,
                                        const char *error, const struct recorder_limits *limits, bool wait,
                                        void (*wake)(void *ctx), void *ctx);
/* Takes a reference of its own. The thread learns of it by recorder_sink_kick(), once for many. What does not fit is
 * dropped and counted; a sink that `wait`s takes it all the same, and holds: then true. */
bool recorder_sink_push(struct recorder_sink *s, struct record_block *b);
/* It is to be given no more records until this is false again, of which `wake` tells. */
bool recorder_sink_holds(struct recorder_sink *s);
void recorder_sink_kick(struct recorder_sink *s);
/* Files are opened again before the next batch is written; a sync waits for it. */
void recorder_sink_reopen(struct recorder_sink *s);

/* All that was pushed so far is to be written and flushed now; recorder_sink_synced() once it is. A sink that
 * can't be opened counts as synced: nothing should wait for it. */
uint64_t recorder_sink_sync(struct recorder_sink *s);
bool recorder_sink_synced(struct recorder_sink *s, uint64_t point);

/* No more is pushed: the thread writes what is queued, closes the sink and ends. */
void recorder_sink_close(struct recorder_sink *s);
bool recorder_sink_ended(struct recorder_sink *s);
/* Waits for the end of the thread, which was told to close. */
void recorder_sink_free(struct recorder_sink *s);

const char *recorder_sink_name(const struct recorder_sink *s);
/* True where the error differs from that at the last call with `taken`. `error` of the status lives until the next
 * call for the same sink. */
bool recorder_sink_status(struct recorder_sink *s, struct wire_sink_status *out, bool taken);

#endif
