/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resources.h - looks once a second at what the machine and our processes use, from /proc and the cgroup, and pauses the
 * gates where a limit of [resources] is passed. Owned by the gates; one thread.
 */
#ifndef RUN_RESOURCES_H
#define RUN_RESOURCES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "plan/resource.h"

struct gates;
struct loop;
struct metrics_page;
struct resources;

/* What only the core knows of. Either may be NULL. */
struct resources_source {
	void *ctx;
	const char *root; /* in place of /, for tests; NULL */
	/* Calls fn for each child that runs. */
	void (*children)(void *ctx, void (*fn)(void *arg, pid_t pid), void *arg);
	/* Bytes that wait to be read by the worker that is furthest behind, and the share of open files of the child that is
	 * nearest to its limit; NAN: not known. */
	void (*load)(void *ctx, double *queue_bytes, double *descriptors);
};
/* That of a core: workers, recorder and services. */
struct core;
struct resources_source resources_source_of(struct core *core);

struct resources *resources_new(struct loop *loop, struct gates *gates);
/* Before that only this process and the machine are looked at. */
void resources_watch(struct resources *r, const struct resources_source *source);
void resources_free(struct resources *r);
/* Other limits; sampling runs only while there is one. */
void resources_apply(struct resources *r, const struct resource_limits *limits);
bool resources_paused(const struct resources *r, enum resource *cause);
/* Time paused since the start. */
int64_t resources_paused_ns(const struct resources *r);
void resources_metrics(const struct resources *r, struct metrics_page *page);

#endif
