/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_host.h - the host that --check-plugin gives to a plugin: a real loop, addresses instead of a resolver, and a
 * ledger of what the plugin holds and of what it did that it must not. One for each process, one thread.
 */
#ifndef PLUGIN_CHECK_HOST_H
#define PLUGIN_CHECK_HOST_H

#include <probed/host.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "config/option.h"
#include "plugin/table.h"

struct probed_probe {
	struct probed_probe *next; /* of all that the host knows */
	const struct driver_table *driver;
	const struct options *options;
	int64_t deadline_ns;
	bool ended; /* it completed, or was cancelled */
	bool cancelled;
	bool in_start; /* start() has not returned */
	bool completed_in_start;
	uint32_t outcome, reason;
	char message[200];
};

/* What the plugin holds at present. */
struct check_counts {
	int watches, timers, lookups, descriptors;
};

/* Makes the host of this process. */
const struct probed_host *check_host_begin(void);
void check_host_end(void);
struct check_counts check_host_counts(void);
/* Runs the loop until `probe` (may be NULL) has ended, or the time has come. */
void check_host_run(const struct probed_probe *probe, int64_t until_ns);
/* From here on the plugin may speak of this probe; afterwards it is an unknown one. */
void check_host_know(struct probed_probe *probe);
void check_host_forget(const struct probed_probe *probe);
/* The first thing that the plugin did wrong since it was asked last, NULL: nothing. */
const char *check_host_complaint(void);

#endif
