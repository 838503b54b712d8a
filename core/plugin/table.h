/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - what a plugin declares, flattened: plain data that crosses from the inspector to the core, and
 * that workers and the recorder make from the plugins they load. Nothing here points into a plugin.
 */
#ifndef PLUGIN_TABLE_H
#define PLUGIN_TABLE_H

#include <probed/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct cursor;

struct option_decl {
	char *name, *def, *help, *choices; /* def and choices may be NULL */
	int64_t min, max;
	uint32_t type;  /* PROBED_TYPE_* */
	uint32_t flags; /* PROBED_OPTION_* */
};

struct option_set {
	struct option_decl *list;
	uint32_t n;
};

struct fact_decl {
	char *name, *unit, *help, *columns; /* columns may be NULL */
	uint32_t type, flags, role;
};

struct scheme_decl { /* members as in probed/driver.h */
	char *scheme, *whole, *authority, *host, *port, *path, *user, *password, *preset;
	uint32_t query_opts;
};

struct plugin_table;

struct driver_table {
	char *name, *summary, *needs, *default_expect, *gate_option; /* the last two may be NULL */
	struct option_set options;
	struct fact_decl *facts;
	struct scheme_decl *schemes;
	uint32_t n_facts, n_schemes;
	uint32_t flags, probe_size, max_inflight;
	uint32_t index; /* in the registry's list of drivers */
	const struct plugin_table *plugin;
};

/* A sink, a service, or a hook language (which has no options). */
struct part_table {
	char *name, *summary;
	struct option_set options;
	const struct plugin_table *plugin;
};

enum plugin_state { PLUGIN_LOADED, PLUGIN_REFUSED, PLUGIN_SHADOWED };

struct plugin_table {
	char *path;
	char *name, *version, *summary; /* NULL where it was refused before they could be read */
	char *why;                      /* one line, where not loaded */
	uint32_t state;                 /* enum plugin_state */
	uint16_t abi_major, abi_minor, need_minor;
	struct driver_table *drivers;
	struct part_table *sinks, *services, *hooks;
	uint32_t n_drivers, n_sinks, n_services, n_hooks;
};

/* All plugins of a set of folders. Immutable once built; reference-counted, since models point into it. */
struct registry {
	unsigned magic;
	unsigned refs;
	struct plugin_table **plugins; /* in the order found: first folder first, names sorted */
	uint32_t n_plugins, cap_plugins;
	const struct driver_table **drivers; /* of loaded plugins only */
	uint32_t n_drivers;
};

struct registry *registry_new(void); /* refs 1 */
struct registry *registry_ref(struct registry *r);
void registry_unref(struct registry *r);
/* Takes the table over. A loaded plugin with the name of an earlier one, or with a driver, sink, service or hook of
 * an earlier one's name, is marked shadowed, and `why` names the other. */
void registry_add(struct registry *r, struct plugin_table *table);

/* NULL where there is none. */
const struct driver_table *registry_driver(const struct registry *r, const char *name);
const struct part_table *registry_sink(const struct registry *r, const char *name);
const struct part_table *registry_service(const struct registry *r, const char *name);
const struct part_table *registry_hook(const struct registry *r, const char *name);
/* The names of all hook languages, at most `max`; how many there are. */
size_t registry_hooks(const struct registry *r, const char **names, size_t max);
const struct driver_table *registry_scheme(const struct registry *r, const char *scheme,
                                           const struct scheme_decl **decl);

const struct option_decl *option_set_find(const struct option_set *set, const char *name, uint32_t *index);
/* The fact named, whole ("status") or by its family ("header.server": then *late is "server"). NULL: none. */
const struct fact_decl *driver_fact(const struct driver_table *d, const char *name, uint32_t *index, const char **late);

void plugin_table_free(struct plugin_table *t);
void plugin_table_encode(struct buf *b, const struct plugin_table *t);
/* NULL where the data is bad. */
struct plugin_table *plugin_table_decode(struct cursor *c);

const char *type_name(uint32_t type); /* "duration" */

#endif
