/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.h - a service is something long-lived around the core (the web server, say), in a process of its own.
 *
 * It speaks to the core by messages only: query, subscribe and command, all asynchronous. The core never
 * waits for it: a reader that is too slow gets a gap marker in its stream, and a query may be answered with
 * PROBED_REPLY_BUSY.
 */
#ifndef PROBED_SERVICE_H
#define PROBED_SERVICE_H

#include <probed/host.h>
#include <probed/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct probed_service_args {
	uint32_t size;
	uint32_t reserved;
	const char *name; /* of the section */
	const struct probed_value *options;
	uint32_t n_options;
	uint32_t option_stride;
};

static inline const struct probed_value *probed_service_option(const struct probed_service_args *args, uint32_t i)
{
	return PROBED_AT(struct probed_value, args->options, args->option_stride, i);
}

enum {
	PROBED_REPLY_OK = 0,
	PROBED_REPLY_OTHER = 1,
	PROBED_REPLY_UNKNOWN = 2, /* no such topic */
	PROBED_REPLY_BUSY = 3     /* too many queries under way: ask again later */
};

/* host->extension("probed.core/1") */
struct probed_core {
	uint32_t size;
	uint32_t reserved;
	/* Asks; the answer comes to reply() with the same tag, in one or several pieces. Topics:
	 *   "metrics" (args "prometheus" or "openmetrics")   the text page
	 *   "ready"   one line; PROBED_REPLY_OK once every child is up and a configuration is in force
	 *   "status"  JSON: version, uptime, children, targets by outcome */
	void (*query)(uint64_t tag, const char *topic, const char *args);
	/* Streams: "results" (JSON: id time target sub driver outcome reason latency_ms message). */
	void (*subscribe)(const char *stream);
	/* Commands: "reload". */
	void (*command)(uint64_t tag, const char *name, const char *args);
	/* Holds a long answer up after what is already on its way (paused 1), and lets it go on (0). */
	void (*pause)(uint64_t tag, int32_t paused);
};

struct probed_service {
	const char *name;
	const char *summary;
	const struct probed_option *options;
	uint32_t n_options, option_stride;
	uint32_t flags;
	uint32_t reserved;

	/* 0, or -1 with a line in `error`. `check` non-zero: validate only, open nothing. */
	int32_t (*start)(const struct probed_service_args *args, int32_t check, void **service, char *error,
	                 uint64_t error_size);
	/* A piece of an answer; `last` non-zero: the final one. */
	void (*reply)(void *service, uint64_t tag, uint32_t status, const void *data, uint64_t len, int32_t last);
	/* A message of a stream; `lost` counts those that were dropped before it. */
	void (*event)(void *service, const char *stream, const void *data, uint64_t len, uint64_t lost);
	void (*stop)(void *service);
};

#ifdef __cplusplus
}
#endif
#endif
