/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flatten.h - copies what a plugin declares into tables of our own, and finds what is wrong with it. For the loader.
 */
#ifndef PLUGIN_FLATTEN_H
#define PLUGIN_FLATTEN_H

#include <probed/plugin.h>

#include <stddef.h>

#include "plugin/table.h"

/* What an element had in ABI minor 1 at the least, and how many of them make sense. */
struct array_rule {
	const char *what;
	uint32_t floor, most;
};
extern const struct array_rule rule_drivers, rule_sinks, rule_services, rule_hooks;
#define PLUGIN_SIZE_FLOOR (offsetof(struct probed_plugin, unload) + sizeof(void (*)(void)))

/* May an array of n elements, `stride` bytes apart, be read? 0, or -1 and a line in `error`. */
int array_check(const struct array_rule *rule, const void *base, uint32_t n, uint32_t stride, char *error, size_t size);

/* Fills t's drivers, sinks, services and hooks from an entry whose arrays have the host's own structs. 0, or -1 and the
 * first thing that is wrong in `error`: then t holds a part, and can be freed. */
int flatten(const struct probed_plugin *entry, struct plugin_table *t, char *error, size_t size);

/* A plugin's text as it may be shown: not NULL, no control characters, not endless. */
int text_check(const char *s, char *error, size_t size);

/* [a-z0-9] first, then also what `more` holds, but for a dot at the end. */
int name_check(const char *name, const char *more, char *error, size_t size);

#endif
