/* SPDX-License-Identifier: Apache-2.0 */
/* worker_hook.h - one run of a step's script, as worker_hook.c (when) and worker_call.c (what it may ask) share it. */
#ifndef RUN_WORKER_HOOK_H
#define RUN_WORKER_HOOK_H

#include "run/worker_flow.h"

#define CALL_MAGIC 0x63616c6cu

/* The plugin sees the first member. */
struct call {
	struct probed_hook_call public;
	unsigned magic;
	struct probed_probe *probe;
	struct result *result; /* after; NULL: before */
	struct probed_record_fact fact; /* what fact() gave last, and its name */
	struct buf fact_name, key;
};

extern const struct probed_hook_api call_api;

#endif
