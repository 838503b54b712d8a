/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - the configuration, built once and never changed: settings, targets, plans, sinks, services.
 *
 * Two steps, since the plugins' folders stand in the file: config_read() scans and merges the files,
 * config_settings() takes [probed] from it, and model_build() types everything against the plugins' tables.
 * Every error has its place, and all are reported at once. Any thread, but one configuration at a time.
 */
#ifndef CONFIG_MODEL_H
#define CONFIG_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/errs.h"
#include "config/option.h"
#include "plugin/table.h"

struct config; /* sections of all files, merged, with places */
struct backoff_spec;
struct breaker_spec;
struct gcra_limit;
struct pace;
struct requirement;
struct resource_limits;
struct windows;

/* Reads `path` and what it includes. NULL, with errors, where the file itself can't be read or scanned. Errors
 * that do not stop the scan are only added. */
struct config *config_read(const char *path, struct errs *errs);
/* The same from text; `name` stands for the file in messages, and relative paths start at the working folder. */
struct config *config_parse(const char *name, const char *text, struct errs *errs);
void config_free(struct config *c);

/* [probed] */
struct settings {
	char **plugin_path; /* folders; empty: the built-in ones */
	size_t n_plugin_path;
	int workers; /* 0: auto */
	char *state_dir; /* NULL: none */
	int64_t shutdown_timeout_ns; /* default 10s */
	int64_t hang_timeout_ns;     /* a worker that stands still so long is killed; default 1500ms */
	int quarantine_after;        /* crashes of a driver within quarantine_within; default 3 */
	int64_t quarantine_within_ns; /* default 5m */
	int log_level; /* enum log_level; default info */
	bool log_json;
};

/* 0, or -1 with errors; `out` then has the defaults in place of what is wrong. */
int config_settings(const struct config *c, struct settings *out, struct errs *errs);
void settings_free(struct settings *s);

/* A target: immutable. Strings and arrays are its model's. */
struct target {
	unsigned magic;
	const char *name;
	const struct driver_table *driver;
	int64_t interval_ns; /* default 30s */
	int64_t timeout_ns;  /* default 5s, at most interval_ns is not required */
	double jitter;       /* a ratio of the interval, default 0 */
	uint32_t family;     /* 0 any, 4, 6 */
	const struct kv *options; /* effective: defaults of the file applied, none of the plugin's */
	const struct kv *expects; /* key: the label; value: the expression */
	const struct kv *labels;  /* key: without "labels." */
	uint32_t n_options, n_expects, n_labels;
	uint64_t digest; /* of everything above: unchanged on a reload where equal */
	struct place at;
	const struct step *step; /* NULL: a target of its own */
	double weight;           /* where a plan gives none; default 1 */
	bool monitor;            /* probed at its interval; steps never are */
	uint32_t retry;          /* further tries of a plan's probe that had no valid answer; default 0 */
	uint32_t inflight;       /* at most so many of plans' probes at a time; 0: no limit of its own */
	const struct gcra_limit *limit; /* NULL: none; a step's is its target's, and counts there */
};
#define TARGET_MAGIC 0x74617267u

/* What a [step NAME] has besides: it is its target with other options. */
struct step {
	const char *of;            /* the target's name */
	const struct kv *captures; /* key: the variable; value: `query [filters]` */
	const struct kv *hooks;    /* key: "before" or "after"; value: the script, behind a line "@FILE" where it is a file's */
	const char *hook;          /* the plugin's language that runs them; NULL: no hooks */
	int64_t think_min_ns, think_max_ns; /* before the next step; 0: none */
	uint32_t n_captures, n_hooks;
	bool go_on; /* on_fail = continue */
};

/* What a plan selects: one target, or a flow, whose steps one virtual user runs in order. */
struct choice {
	const char *name;
	const struct target *const *steps;
	uint32_t n_steps;
	bool flow; /* has a session: steps, captures, cookies; false: one target by itself */
	double weight;
	int64_t think_min_ns, think_max_ns; /* between steps that say nothing themselves */
};

/* [flow NAME] */
struct flow {
	struct choice choice;
	struct place at;
};

/* [plan NAME]: what (choices), when (pace, windows), how much at most (limit, inflight), what must hold (requires). */
struct plan {
	const char *name;
	uint8_t select; /* enum select_kind */
	const struct choice *choices;
	uint32_t n_choices;
	const struct choice *setup, *teardown; /* NULL: none */
	const struct pace *pace;       /* never PACE_EVERY: that is what monitoring is */
	const struct windows *windows; /* NULL: always open */
	bool manual;                   /* starts when asked */
	uint64_t seed;                 /* of selection and randomness; default from the name */
	uint32_t inflight;             /* default 1000 */
	const struct gcra_limit *limit; /* NULL: none */
	int64_t slack_ns;              /* probes due so close together share a wake-up; default 250us, 0: none */
	int64_t timeout_ns;            /* of each probe; 0: the target's */
	struct {
		const char *path; /* NULL: no data */
		uint32_t order;   /* enum data_order */
		bool repeat;
	} data;
	const struct requirement *const *requires; /* `require.N`, in order */
	uint32_t n_requires;
	bool record; /* results go to the sinks; default yes */
	const struct kv *keys; /* as written, for printing and digest */
	uint32_t n_keys;
	uint64_t digest;
	struct place at;
};

/* [host GLOB] and [driver NAME]: limits by key. */
struct gate_rule {
	const char *match; /* a glob over host names, or a driver's name */
	const struct gcra_limit *limit;     /* NULL: none */
	const struct backoff_spec *backoff; /* NULL: none; hosts only */
	const struct breaker_spec *breaker; /* NULL: none; hosts only */
	uint32_t inflight; /* 0: no limit */
	const struct kv *keys; /* as written, for printing */
	uint32_t n_keys;
	struct place at;
};

/* Everything that limits plans. */
struct limits {
	const struct gcra_limit *limit; /* of all plans together; NULL: none */
	uint32_t inflight;
	const struct gate_rule *hosts, *drivers; /* the first that matches holds */
	uint32_t n_hosts, n_drivers;
	const struct resource_limits *resources; /* NULL: none */
	const struct kv *resource_keys;          /* as written, for printing */
	uint32_t n_resource_keys;
};

/* A sink or a service. */
struct part {
	const char *name;
	const struct part_table *table;
	const struct kv *options;
	uint32_t n_options;
	uint32_t queue; /* records of a sink that may wait; 0: the default */
	bool wait;      /* a sink whose queue is full: nothing is dropped, all wait */
	uint64_t digest;
	struct place at;
};

/* [plugin NAME] */
struct plugin_setting {
	const char *name;
	bool isolate; /* a worker pool of its own */
};

struct model {
	unsigned magic;
	unsigned refs;
	struct settings settings;
	struct registry *registry; /* a reference */
	struct target **targets;   /* sorted by name */
	size_t n_targets;
	struct target **steps; /* sorted by name; no name is both a target's and a step's */
	size_t n_steps;
	struct flow *flows; /* sorted by name, which no target and no step has */
	size_t n_flows;
	struct plan **plans;   /* sorted by name */
	size_t n_plans;
	struct limits limits;
	struct part *sinks, *services;
	size_t n_sinks, n_services;
	struct plugin_setting *plugins;
	size_t n_plugins;
	char **target_files; /* files of targets_from: watched, and reloaded when they change */
	size_t n_target_files;
	struct model_arena *arena;
};

/* What is well of it, beside the errors of the rest: to be asked more about, never to be run unless there are none. */
struct model *model_build_well(const struct config *c, struct registry *registry, struct errs *errs);
/* NULL where there was any error, be it one that errs held before. */
struct model *model_build(const struct config *c, struct registry *registry, struct errs *errs);
struct model *model_ref(struct model *m);
void model_unref(struct model *m);
const struct target *model_target(const struct model *m, const char *name);
/* A target or a step. */
const struct target *model_probed(const struct model *m, const char *name);
const struct flow *model_flow(const struct model *m, const char *name);
/* The key of limits and backoff by host: the host, without its port, of the option that the driver says is its gate; lower
 * case. -1: it has none, or a template makes it anew each time. */
int target_host(const struct target *t, char *out, size_t size);
const struct plan *model_plan(const struct model *m, const char *name);

/* The effective configuration as INI, secrets as "<redacted>". */
void model_print(const struct model *m, FILE *to);

/* What changes from `old` (may be NULL) to `new`: fn is called for each difference. */
enum change { CHANGE_ADDED, CHANGE_REMOVED, CHANGE_CHANGED };
void model_diff(const struct model *old, const struct model *new_model,
                void (*fn)(void *ctx, enum change what, const struct target *before, const struct target *after), void *ctx);
/* The same of their steps. */
void model_diff_steps(const struct model *old, const struct model *new_model,
                      void (*fn)(void *ctx, enum change what, const struct target *before, const struct target *after),
                      void *ctx);
/* The same of their plans. A target that changed does not change the plans that select it. */
void model_diff_plans(const struct model *old, const struct model *new_model,
                      void (*fn)(void *ctx, enum change what, const struct plan *before, const struct plan *after),
                      void *ctx);

#endif
