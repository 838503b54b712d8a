/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook.h - a hook language runs the scripts that a step has: `before` its request is made, `after` its result is
 * complete.
 *
 * Life cycle, all in one worker process and on its loop's thread:
 *
 *   worker_new ─► compile ─► run, run, ... ─► script_free ─► worker_free
 *
 * A script is compiled once for each step that has it, and run for each of that step's probes. No slot may block: what
 * a script may use in time and memory is the plugin's to bound, since a worker that stands still is killed, and the
 * strike is the plugin's.
 */
#ifndef PROBED_HOOK_H
#define PROBED_HOOK_H

#include <probed/host.h>
#include <probed/sink.h>
#include <probed/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	PROBED_HOOK_BEFORE = 0, /* the request can be changed, and is sent on return */
	PROBED_HOOK_AFTER = 1   /* the result is complete and judged, and can be made to fail */
};

/* A script's text. Lives until compile() returns. */
struct probed_hook_source {
	uint32_t size;
	uint32_t when;     /* PROBED_HOOK_BEFORE or PROBED_HOOK_AFTER */
	const char *step;  /* the step's name */
	const char *name;  /* for messages: the file's name, or "before" or "after" */
	const char *text;  /* NUL-terminated */
	uint64_t len;
};

struct probed_hook_call;

/* What a script may ask of the host while its run() lasts. Strings that come back live until run() returns or the
 * same thing is set, whichever is first. */
struct probed_hook_api {
	uint32_t size;
	uint32_t reserved;

	/* The request: the step's options, by the key that one would write ("url", "header.X-Sign", "dialogue.1"; the
	 * part behind the dot in any case), as rendered for this probe. NULL: not set, or, with a line in `error` (which
	 * is empty else), there is no such option, or it can't be rendered. */
	const char *(*option_get)(struct probed_hook_call *call, const char *key, uint64_t *len, char *error,
	                          uint64_t error_size);
	/* For this probe alone; before only, and only options that may hold a template. `value` NULL: takes it out. 0, or
	 * -1 with a line in `error`. */
	int32_t (*option_set)(struct probed_hook_call *call, const char *key, const char *value, uint64_t len, char *error,
	                      uint64_t error_size);
	/* PROBED_TYPE_*, of the whole key or of a list or map by its name; PROBED_TYPE_NONE: there is no such option. */
	uint32_t (*option_type)(struct probed_hook_call *call, const char *key);
	/* The keys of what is set, by number from 0; NULL behind the last. */
	const char *(*option_key)(struct probed_hook_call *call, uint32_t i);

	/* The virtual user's variables. `value` NULL: takes it out. 0, or -1: too long, or too many. */
	const char *(*var_get)(struct probed_hook_call *call, const char *name, uint64_t *len);
	int32_t (*var_set)(struct probed_hook_call *call, const char *name, const char *value, uint64_t len);

	/* The facts of the result, by number from 0; NULL behind the last. Several entries of one name are a list or the
	 * rows of a table. */
	const struct probed_record_fact *(*fact)(struct probed_hook_call *call, uint32_t i);
	/* After only: an expectation of this name that does not hold. An ok result becomes fail. */
	void (*fail)(struct probed_hook_call *call, const char *label, const char *message);
};

/* One probe, for the time of one run(). */
struct probed_hook_call {
	uint32_t size;
	uint32_t when;
	const struct probed_hook_api *api;
	const char *step;
	const char *driver;
	uint64_t user;      /* number of the virtual user */
	uint64_t iteration; /* of its flow */
	uint32_t tries;     /* that this one is further to; 0: the first */

	/* After only. */
	uint32_t outcome;
	uint32_t reason;
	uint32_t body_cut; /* 1: the answer's body was longer than what was kept of it */
	const char *outcome_name;
	const char *reason_name; /* "" for none */
	const char *message;     /* NULL: none */
	int64_t latency_ns, service_ns;
	const char *body; /* as much as compile() asked for, NULL: none was kept */
	uint64_t body_len;
};

struct probed_hook {
	const char *name; /* of the language, what `hook =` says; [a-z0-9_-]+ */
	const char *summary;
	uint32_t flags;
	uint32_t reserved;

	/* State shared by all scripts in this worker. 0, or -1 with a line in `error`. May be NULL. */
	int32_t (*worker_new)(void **worker, char *error, uint64_t error_size);
	void (*worker_free)(void *worker);

	/* 0, or -1 with a line in `error` that begins with the source's name and the line's number. `*want_body`: how many
	 * bytes of the answer's body the script wants; 0: none. Also called to check a configuration: `worker` is then
	 * NULL, and the script is freed without a run. */
	int32_t (*compile)(void *worker, const struct probed_hook_source *source, void **script, uint64_t *want_body,
	                   char *error, uint64_t error_size);
	void (*script_free)(void *worker, void *script);

	/* 0, or -1 with a line in `error`: the probe is an error, for the reason PROBED_REASON_INTERNAL. */
	int32_t (*run)(void *worker, void *script, struct probed_hook_call *call, char *error, uint64_t error_size);
};

#ifdef __cplusplus
}
#endif
#endif
