/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.h - brings plugins into this process. Children only: the core never loads one. One thread.
 *
 * Objects stay mapped until the process ends. What is handed out lives until loader_close_all().
 */
#ifndef PLUGIN_LOADER_H
#define PLUGIN_LOADER_H

#include <probed/plugin.h>

#include <stddef.h>
#include <stdint.h>

#include "plugin/table.h"

/* A plugin as this host knows it: structs of the host's own size, with what an older plugin lacks as zero and
 * what a newer one adds left out. Only `options`, `facts` and `schemes` inside of them still have the plugin's
 * strides; use `table`, which is made from them, checked, and in the same order. */
struct loaded_plugin {
	unsigned magic;
	char *path;
	struct probed_plugin entry;
	struct probed_driver *drivers;   /* entry.n_drivers; drivers[i] is described by table->drivers[i] */
	struct probed_sink *sinks;       /* entry.n_sinks */
	struct probed_service *services; /* entry.n_services */
	struct probed_hook *hooks;       /* entry.n_hooks */
	struct plugin_table *table;
	uint32_t in_use;            /* load() was called */
	struct loaded_plugin *next; /* in the order opened */
};

/* Loads `path` (absolute), checks it and its tables, and calls its load() with `host`, which must live until
 * loader_close_all(). `host` NULL: only the tables are wanted, load() is not called. A path that is open
 * already yields the same plugin. NULL with a line in `error`. */
struct loaded_plugin *loader_open(const char *path, const struct probed_host *host, char *error, size_t size);

/* For the inspector: the tables alone, never NULL; state PLUGIN_REFUSED, `why`, and what could be read of name and
 * versions where it can't be used. The caller frees it. */
struct plugin_table *loader_inspect(const char *path);

/* By name, among all that are open; `table` may be NULL. NULL where there is none. */
const struct probed_driver *loader_driver(const char *name, const struct driver_table **table);
const struct probed_sink *loader_sink(const char *name, const struct part_table **table);
const struct probed_service *loader_service(const char *name, const struct part_table **table);

/* The first plugin opened; go on by `next`. */
struct loaded_plugin *loader_first(void);

/* At the end of the process: calls unload() of those whose load() was called, last one first, and frees what is
 * ours. Objects stay mapped. */
void loader_close_all(void);

#endif
