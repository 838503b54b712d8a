/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorder.h - the child process that runs the sinks: each on a thread of its own behind a bounded queue, so that
 * a slow or broken one holds up neither the core nor the others.
 */
#ifndef RUN_RECORDER_H
#define RUN_RECORDER_H

#include <stddef.h>
#include <stdint.h>

/* Of one sink's queue, whichever is reached first; what does not fit is dropped and counted, or waited for. */
struct recorder_limits {
	uint32_t records;
	size_t bytes;
};

#define RECORDER_LIMITS { .records = 65536, .bytes = (size_t)64 << 20 }
/* Where the configuration says how many records. */
#define RECORDER_BYTES(records) ((size_t)((records) < 1024 ? 1024 : (records)) * 1024)

/* The whole life of the process behind the channel; takes the descriptor over. Returns the exit status.
 * Descriptor 1 is left as inherited, for sinks that write to it. */
int recorder_main(int channel_fd);
/* The same with other bounds. */
int recorder_run(int channel_fd, const struct recorder_limits *limits);

#endif
