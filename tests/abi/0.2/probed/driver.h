/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.h - a driver speaks one protocol.
 *
 * Life cycle, all in one worker process and, unless said otherwise, on its loop's thread:
 *
 *   worker_new ─► target_new ─► start ─► (callbacks) ─► host->complete ─► target_free ─► worker_free
 *                     │           └────► cancel  (the host gave up: synchronous and final)
 *                     └─ session_new ... session_free   (a virtual user; passed to start, else NULL)
 *
 * The host owns the deadline. No slot may block, but for run() of a blocking driver. A slot left NULL is
 * absent: only `start` (or `run`, with PROBED_DRIVER_BLOCKING) is required.
 */
#ifndef PROBED_DRIVER_H
#define PROBED_DRIVER_H

#include <probed/host.h>
#include <probed/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which parts of a URL fill which options, so that `probed.ini` and ad-hoc probes can name a target by a URL.
 * A part whose member is NULL is not allowed in the URL, but for what `whole` takes as it stands. */
struct probed_scheme {
	const char *scheme;    /* "dns" */
	const char *whole;     /* the option that takes the whole URL */
	const char *authority; /* the option that takes host[:port] */
	const char *host;
	const char *port;
	const char *path; /* without its leading slash */
	const char *user;
	const char *password;
	const char *preset;  /* options that the scheme implies: "tls=yes;port=443" */
	uint32_t query_opts; /* 1: ?k=v pairs fill options by name */
	uint32_t reserved;
};

/* What target_new() gets. Lives until target_free(), so that pointers into it may be kept. */
struct probed_target_args {
	uint32_t size;
	uint32_t family; /* 0 any, 4 or 6: the target's `family` */
	const char *name;
	const struct probed_value *options; /* by index in the driver's table; read with probed_target_option() */
	uint32_t n_options;
	uint32_t option_stride;
	int64_t timeout_ns;
	int64_t interval_ns;
};

static inline const struct probed_value *probed_target_option(const struct probed_target_args *args, uint32_t i)
{
	return PROBED_AT(struct probed_value, args->options, args->option_stride, i);
}

/* What run() of a blocking driver returns through: the outcome as for host->complete(). */
struct probed_verdict {
	uint32_t outcome;
	uint32_t reason;
	char message[240];
};

enum {
	PROBED_DRIVER_BLOCKING = 1u << 0 /* probes run on a pool of threads: `run` instead of `start` */
};

struct probed_driver {
	const char *name;    /* "http"; [a-z0-9_-]+ */
	const char *summary; /* one sentence */
	const char *needs;   /* the worker pool: "net", "raw", "exec" or "heavy"; NULL: "net" */

	/* Expectation that holds where the target has none on the same query ("status < 400"), NULL: none. */
	const char *default_expect;
	/* The option whose host is the key of rate limits and backoff ("url"), NULL: the target itself. */
	const char *gate_option;

	const struct probed_option *options;
	const struct probed_fact *facts;
	const struct probed_scheme *schemes;
	uint32_t n_options, option_stride;
	uint32_t n_facts, fact_stride;
	uint32_t n_schemes, scheme_stride;

	uint32_t flags;
	uint32_t probe_size;   /* bytes of zeroed memory that each probe gets from the host's pool */
	uint32_t max_inflight; /* at most so many probes at a time in one worker; 0: no limit of its own */
	uint32_t reserved;

	/* State shared by all targets in this worker. 0, or -1 with a line in `error` (size bytes). */
	int32_t (*worker_new)(void **worker, char *error, uint64_t error_size);
	void (*worker_free)(void *worker);

	/* A target's own constants. Check here what the option table cannot say. May be called with a NULL worker
	 * to check a configuration: then nothing may be opened or sent. 0, or -1 with a line in `error`. */
	int32_t (*target_new)(void *worker, const struct probed_target_args *args, void **target, char *error,
	                      uint64_t error_size);
	void (*target_free)(void *worker, void *target);

	/* What a virtual user carries from probe to probe: cookies, connections. */
	int32_t (*session_new)(void *worker, void **session);
	void (*session_free)(void *worker, void *session);

	/* Begins a probe. `mem` is probe_size zeroed bytes, the driver's until complete() or cancel(). */
	void (*start)(void *worker, void *target, void *session, struct probed_probe *probe, void *mem);
	/* The host gave up (deadline, shutdown). Let go of everything at once; the probe is gone on return. */
	void (*cancel)(void *worker, struct probed_probe *probe, void *mem);

	/* PROBED_DRIVER_BLOCKING: the whole probe, on a thread of the pool. May block until host->deadline(); a
	 * thread that returns later keeps its slot until it does, and what it returns is dropped. Several run at
	 * once: `worker` and `target` are shared, and read-only here. */
	void (*run)(void *worker, void *target, void *session, struct probed_probe *probe, void *mem,
	            struct probed_verdict *verdict);
};

#ifdef __cplusplus
}
#endif
#endif
