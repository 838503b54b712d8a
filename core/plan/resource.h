/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource.h - whether the machine has room for more probes: limits with hysteresis on a sample a second. Pure: samples
 * and the clock are passed in.
 */
#ifndef PLAN_RESOURCE_H
#define PLAN_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum resource {
	RESOURCE_CPU,             /* share of the machine's processors in use */
	RESOURCE_OWN_CPU,         /* share of them that our own processes use */
	RESOURCE_MEMORY,          /* share of the memory that we may use: the cgroup's, else the machine's */
	RESOURCE_MEMORY_PRESSURE, /* share of time that some task stood still for want of it (PSI, 10 s) */
	RESOURCE_CPU_PRESSURE,
	RESOURCE_DESCRIPTORS,     /* share of the open files that we may have, of the fullest process */
	RESOURCE_QUEUE,           /* bytes of dispatches that workers have not read yet */
	RESOURCES
};

/* pause 0 (zeroed): no limit. */
struct resource_band {
	double pause, resume; /* pauses at or above the one, resumes below the other */
};
struct resource_limits {
	struct resource_band band[RESOURCES];
};

/* The key in [resources]: "cpu", "own_cpu", "memory", "memory_pressure", "cpu_pressure", "descriptors", "queue". */
const char *resource_name(enum resource r);
/* "90%", "90% resume 80%"; for the queue sizes, "4MiB resume 1MiB". Without `resume` it is 90 % of the other.
 * 0, or -1 with one line. */
int resource_band_parse(enum resource r, const char *text, struct resource_band *band, char *error, size_t size);

/* A value that is not known is NAN: it neither pauses nor holds a pause. */
struct resource_sample {
	double value[RESOURCES];
};

/* Zeroed: running. */
struct resource_state {
	uint32_t over;     /* bit 1 << enum resource of those over their limit; 0: running */
	int64_t since_ns;  /* of the pause */
	int64_t paused_ns; /* of all pauses that have ended */
	uint64_t pauses;
};

/* Takes a sample in. Returns whether dispatch is paused now. */
bool resource_step(struct resource_state *s, const struct resource_limits *l, const struct resource_sample *sample,
                   int64_t now_ns);
/* The first cause; RESOURCES: not paused. */
enum resource resource_cause(const struct resource_state *s);
/* Time paused up to now. */
int64_t resource_paused_ns(const struct resource_state *s, int64_t now_ns);

#endif
