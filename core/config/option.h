/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option.h - from texts to typed option values, by a plugin's declared table. The core uses it to check a
 * configuration, the children to bind options for a plugin. Pure.
 */
#ifndef CONFIG_OPTION_H
#define CONFIG_OPTION_H

#include <probed/types.h>

#include <stddef.h>
#include <stdint.h>

#include "base/errs.h"
#include "plugin/table.h"

/* One key of a section as written: "url", "header.Accept", "dialogue.1". Strings are the model's (or frame's). */
struct kv {
	const char *key;
	const char *value;
	struct place at;
};

/* Options bound for a plugin: one value for each declared option, in the table's order. */
struct options {
	struct probed_value *values;
	uint32_t n;
	char *arena; /* holds the strings and items */
};

/* Checks one text against its declaration. 0, or -1 and what was expected in `error`. LIST and MAP: always 0. A
 * text with a template is checked by its own rules, not as the type. `value` may be NULL. */
int option_parse(const struct option_decl *decl, const char *text, struct probed_value *value, char *error, size_t size);

/* The declaration that takes `key`: by name, or as the MAP or LIST that it belongs to (*item is then what
 * follows the dot, else NULL). NULL where there is none. */
const struct option_decl *option_for_key(const struct option_set *set, const char *key, uint32_t *index, const char **item);

/* Checks all: unknown keys (with the nearest known one), types, ranges, required ones; adds to errs and returns
 * the number of errors. `known` are keys that belong to the core ("interval"), for the suggestion only. Without a
 * place of the section (line 0) what is missing isn't told: where a line of it was left out. */
size_t options_check(const struct option_set *set, const struct kv *kvs, size_t n, struct place section_at,
                     const char *section, const char *const *known, size_t n_known, struct errs *errs);

/* As options_check() for one key by itself: neither what is missing nor gaps in a list are told. */
size_t option_check(const struct option_set *set, const struct kv *kv, const char *section, const char *const *known,
                    size_t n_known, struct errs *errs);

/* Binds texts that were checked, with defaults. 0, or -1 with a line in `error`. */
int options_bind(const struct option_set *set, const struct kv *kvs, size_t n, struct options *out, char *error, size_t size);
void options_free(struct options *o);

#endif
