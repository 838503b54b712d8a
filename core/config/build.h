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

struct checked; /* expectations and templates that were compiled once */

struct builder {
	const struct config *config;
	struct registry *registry;
	struct errs *errs;
	struct model *model;
	size_t cap_targets, cap_files;
	struct checked *checked;
	struct kvs defaults;               /* [defaults], what is good of it */
	struct kvs *driver_defaults;       /* [defaults DRIVER], by the driver's index */
	const char *file_seen, *file_kept; /* place_keep()'s last */
};

/* Keys that are the core's, of a target. */
enum core_key {
	CORE_DRIVER,
	CORE_INTERVAL,
	CORE_TIMEOUT,
	CORE_JITTER,
	CORE_FAMILY,
	CORE_LABELS,
	CORE_EXPECT,
	CORE_TARGETS_FROM,
	CORE_KEY_COLUMN,
	CORE_KEYS
};
extern const struct option_set core_keys;
extern const char *const core_key_names[CORE_KEYS];

/* A place whose file's name lives as long as the model. */
struct place place_keep(struct builder *b, struct place at);
void kvs_add(struct kvs *k, const char *key, const char *value, struct place at);
/* As kvs_add(), over what is there by that key; an item of a list takes the place of the whole earlier list. */
void kvs_override(struct kvs *k, size_t n_earlier, const struct option_set *set, const struct kv *with);
const struct kv *kvs_find(const struct kvs *k, const char *key);

/* defaults.c */
void defaults_read(struct builder *b);
/* One key by itself, the core's or the driver's (NULL: no driver); false, with an error, where it is wrong. */
bool key_check(struct builder *b, const char *title, const struct kv *kv, const struct driver_table *driver);
void driver_unknown(struct builder *b, struct place at, const char *title, const char *name);

/* targets.c: one target from all its keys; adds it to the model, or errors. `name` and the strings are the arena's. */
void target_build(struct builder *b, const char *name, struct place at, const struct driver_table *driver,
		  const struct kvs *all);
void targets_read(struct builder *b);
void checked_free(struct checked *c);
/* Mixes keys and values into h, whatever their order. */
uint64_t kvs_digest(uint64_t h, const struct kv *kvs, size_t n);

/* rows.c: all rows of a target set. `all` are the section's effective keys. */
void rows_read(struct builder *b, const struct section *s, const struct driver_table *driver, const struct kvs *all);

#endif
