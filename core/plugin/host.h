/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - the part of the host's vtable that needs no probe: clock, log, watches, timers, resolving; and the
 * account of which driver is being called for which probe. One in a process, on its loop's thread.
 */
#ifndef PLUGIN_HOST_H
#define PLUGIN_HOST_H

#include <probed/host.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

#define HOST_NO_SLOT UINT32_MAX

/* Whom a call into a plugin is for. Zeroed: nobody. Watches, timers and lookups keep that of their creation. */
struct host_call {
	uint32_t driver; /* 1 + its place in the page's list; 0: none */
	uint32_t slot;   /* of the probe, HOST_NO_SLOT: none in particular */
	uint64_t seq;    /* tells whether the slot is still that probe's */
};

struct host_hooks {
	/* Where the call under way is written down, for whoever looks on after a crash. May be NULL. */
	_Atomic uint32_t *in_call, *slot;
	/* Is the probe still the one in that slot? May be NULL. */
	bool (*current)(uint32_t slot, uint64_t seq);
	/* Around each call while `measure` is set, and around each 64th otherwise. May be NULL. */
	void (*before)(const struct host_call *call);
	void (*after)(const struct host_call *call);
	/* For the log: the name of a driver by its number in host_call. May be NULL. */
	const char *(*driver_name)(uint32_t driver);
};

/* There is at most one host at a time. */
void host_init(struct loop *loop, const struct host_hooks *hooks);
/* Frees what plugins left behind as well; returns how many watches, timers and lookups that were. */
unsigned host_end(void);
void host_measure(bool always);

/* Fills the slots of this file, leaves those of probes alone. */
void host_fill(struct probed_host *out);
/* Fills only what is marked [any] in host.h and sets the rest to NULL. Needs no host_init(). */
void host_fill_any(struct probed_host *out);

/* Around each call of a plugin's slot on the loop's thread: returns what was before, for host_leave(). */
struct host_call host_enter(struct host_call call);
void host_leave(struct host_call before);
struct host_call host_now(void);
/* Calls that are on the stack: 0 outside of any plugin. */
unsigned host_depth(void);
/* From here to the end of the present call. */
void host_attribute(struct host_call call);
/* A thread of the pool says whom it works for: told by the crash handler. */
void host_thread_call(struct host_call call);

/* On a fatal signal, or exit() by a plugin, on any thread: writes down whom it was working for. For a process
 * that is a worker. */
void host_note_crashes(void);

#endif
