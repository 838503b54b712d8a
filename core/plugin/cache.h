/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.h - tables of plugins that were inspected before, in a file, so that a start need not load them again. Only
 * those that loaded are kept: why another was refused may be gone by now. The file is believed only where it is
 * ours, whole, and of this very program.
 */
#ifndef PLUGIN_CACHE_H
#define PLUGIN_CACHE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "plugin/table.h"

struct plugin_cache;

/* Reads FOLDER/plugins.cache; never NULL: an empty one where there is none that can be used. */
struct plugin_cache *plugin_cache_open(const char *folder);
/* A copy of the table of this very file, NULL where it is not known. The caller frees it. */
struct plugin_table *plugin_cache_find(struct plugin_cache *c, const char *path, const struct stat *st);
/* Notes what stands in the file from now on. */
void plugin_cache_add(struct plugin_cache *c, const struct plugin_table *t, const struct stat *st);
/* Writes what was found or added, if that differs from what was read. 0, or -1 with errno. */
int plugin_cache_save(struct plugin_cache *c);
void plugin_cache_free(struct plugin_cache *c);

#endif
