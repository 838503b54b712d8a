/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage.h - what the machine and some of its processes use, as Linux tells it in /proc and the cgroup (version 2). Shares of
 * processor time are of the time since the sample before. One thread.
 */
#ifndef RUN_USAGE_H
#define RUN_USAGE_H

#include <stdint.h>
#include <sys/types.h>

#include "plan/resource.h"

/* Zeroed: no sample yet. */
struct usage {
	const char *root; /* NULL: "/"; another one is for tests */
	uint64_t busy, total; /* ticks of all processors */
	uint64_t own;         /* of own processes */
};

/* RESOURCE_CPU, OWN_CPU, MEMORY, both pressures and DESCRIPTORS of this process; the others are NAN, as is what can't be
 * read, and the shares of time in the first sample. `pids` are own processes beside this one. */
void usage_sample(struct usage *u, const pid_t *pids, size_t n_pids, struct resource_sample *out);

#endif
