/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_host.h - the host's table of functions as sinks and services see it. What belongs to probes (facts,
 * phases, bodies, resolving) is absent.
 */
#ifndef RUN_SERVICE_HOST_H
#define RUN_SERVICE_HOST_H

#include <probed/host.h>

struct loop;

/* For sinks, which run on threads: the slots that any thread may call. Constant. */
const struct probed_host *sink_host(void);

/* For the service of this process: watches and timers on `loop` besides; `core` is its "probed.core/1". Lives until
 * service_host_free(). One a process. */
struct probed_core;
const struct probed_host *service_host_new(struct loop *loop, const struct probed_core *core);
void service_host_free(void);

#endif
