/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build.h - a model in the making. For core/config only.
 */
#ifndef CONFIG_BUILD_H
#define CONFIG_BUILD_H

#include <stdbool.h>
#include <stddef.h>

#include "config/model.h"
#include "config/section.h"
#include "data/data.h"

/* arena.c: memory that lives and dies with the model. */
struct model_arena;
struct model_arena *arena_new(void);
void arena_free(struct model_arena *a);
void *arena_alloc(struct model_arena *a, size_t size);
char *arena_str(struct model_arena *a, const char *s);
size_t arena_bytes(const struct model_arena *a);

/* Keys and values gathered from [defaults], a section and a row; the strings are not owned. */
struct kvs {
	struct kv *list;
	size_t n, cap;
	bool hurt; /* some of the section's were refused already */
};

struct shapes;  /* expectations with a schema in them */
struct checked; /* expectations and templates that were compiled once */

struct builder {
	const struct config *config;
	struct registry *registry;
	struct errs *errs;
	struct model *model;
	size_t cap_targets, cap_steps, cap_files, cap_plans;
	bool targets_lost; /* some were refused: a name that is not known may be one of theirs */
	struct checked *checked;
	struct shapes *shapes;
	struct kvs defaults;               /* [defaults], what is good of it */
	struct kvs *driver_defaults;       /* [defaults DRIVER], by the driver's index */
	const char *file_seen, *file_kept; /* place_keep()'s last */
};

#define INFLIGHT_MAX 10000000

/* Keys that are the core's, of a target. */
enum core_key {
	CORE_DRIVER,
	CORE_INTERVAL,
	CORE_TIMEOUT,
	CORE_JITTER,
	CORE_FAMILY,
	CORE_LABELS,
	CORE_EXPECT,
	CORE_WEIGHT,
	CORE_MONITOR,
	CORE_RETRY,
	CORE_INFLIGHT,
	CORE_LIMIT,
	CORE_TARGETS_FROM,
	CORE_KEY_COLUMN,
	CORE_KEYS
};
extern const struct option_set core_keys;
extern const char *const core_key_names[CORE_KEYS];

/* A place whose file's name lives as long as the model. */
struct place place_keep(struct builder *b, struct place at);
void kvs_add(struct kvs *k, const char *key, const char *value, struct place at);
/* As kvs_add(), over what is there by that key; an item of a list takes the place of the whole list that is among the
 * first *n_earlier, which become fewer. */
void kvs_override(struct kvs *k, size_t *n_earlier, const struct option_set *set, const struct kv *with);
const struct kv *kvs_find(const struct kvs *k, const char *key);

/* defaults.c */
void defaults_read(struct builder *b);
/* One key by itself, the core's or the driver's (NULL: no driver); false, with an error, where it is wrong. */
bool key_check(struct builder *b, const char *title, const struct kv *kv, const struct driver_table *driver);
void driver_unknown(struct builder *b, struct place at, const char *title, const char *name);

/* target.c: one target, or step of target `of`, from all its keys; adds it to the model, or errors. `name` and the
 * strings are the arena's. */
void target_build(struct builder *b, const char *name, struct place at, const struct driver_table *driver,
		  const struct kvs *all);
void step_build(struct builder *b, const char *name, struct place at, const struct target *of, const struct step *step,
		const struct kvs *own);
/* For struct template_names. */
const char *template_env(void *ctx, const char *name);
/* A capture's name and query; false, with an error. */
bool capture_check(struct builder *b, const char *title, const char *shown, const struct kv *kv,
		   const struct driver_table *driver);
void checked_free(struct checked *c);
/* beside.c: the content of the file, NUL-terminated, and its path, both malloc'ed; it is watched. NULL, with an error (the
 * path is set all the same), where it can't be read, or has more than 256 KiB. */
char *beside_read(struct builder *b, const char *title, const char *shown, const struct kv *kv, const char *file,
		  char **path, size_t *len);
/* shape.c: an expectation with the content of the file that it names; NULL, with an error, where that can't be had. */
const char *shape_fill_in(struct builder *b, const char *title, const char *shown, const struct kv *kv,
			  const struct driver_table *driver);
void shapes_free(struct shapes *all);
/* Mixes keys and values into h, whatever their order. */
uint64_t kvs_digest(uint64_t h, const struct kv *kvs, size_t n);
/* Into the arena. */
const struct kv *kvs_keep(struct builder *b, const struct kvs *k);
/* The section's keys and values; the strings are the arena's. */
void kvs_of_section(struct builder *b, const struct section *s, struct kvs *out);

/* targets.c */
void targets_read(struct builder *b);
/* steps.c: [step NAME] and [flow NAME]; `targets` are sorted. */
void steps_read(struct builder *b);
void flows_read(struct builder *b);
extern const char *const step_key_names[];
extern const size_t n_step_key_names;

/* choices.c: what `run` says into p->select and p->choices; false, with an error. */
bool choices_read(struct builder *b, const char *title, const struct kv *run, struct plan *p, int64_t think_min_ns,
		  int64_t think_max_ns);
/* "login orders", or the name of a flow; false, with an error. */
bool choice_of_steps(struct builder *b, const char *title, const struct kv *kv, const char *text, struct choice *out);
/* "1s..3s", "2s"; false, with an error. */
bool think_parse(struct builder *b, const char *title, const struct kv *kv, int64_t *min_ns, int64_t *max_ns);

/* limits.c: [host GLOB], [driver NAME], [resources], and limit and inflight of [probed]. */
void limits_read(struct builder *b);
/* A limit in the arena, NULL with an error. */
const struct gcra_limit *limit_read(struct builder *b, const char *title, const struct kv *kv);
/* demand.c: limits below what the plan asks for are errors. */
void demand_check(struct builder *b, const struct plan *p, const struct pace *pace, const char *title, const struct kv *kv);

/* names.c: templates of what the plan runs have names that it knows. */
void names_check(struct builder *b, const struct plan *p, const char *title, const char *const *columns, size_t n_columns);

/* plan_data.c: opens it for its columns, and writes into kv what is in force; NULL, with an error. */
struct data *plan_data(struct builder *b, const char *title, struct kv *kv, struct plan *p);

/* recorded.c: reads the file of a recorded pace, if it is one; false, with an error. */
bool recorded_read(struct builder *b, const char *title, struct kv *kv, struct pace *pace);
/* plan_windows.c: NULL: none, or, with an error, none that is right. */
const struct windows *plan_windows(struct builder *b, const char *title, const struct kvs *all);
/* The paces of cron entries; how many. */
size_t window_paces(const struct windows *w, const struct pace **out, size_t max);

/* plans.c */
/* The keys `name`, `name.1`, `name.2` ... in order; malloc'ed. */
const struct kv **kvs_numbered(const struct kvs *all, const char *name, size_t *n);
void plans_read(struct builder *b);
void plans_free(struct model *m);
/* Warns of steps and flows that nothing runs. */
void unused_warn(struct builder *b);

/* rows.c: all rows of a target set. `all` are the section's effective keys. */
void rows_read(struct builder *b, const struct section *s, const struct driver_table *driver, const struct kvs *all);

#endif
