/* SPDX-License-Identifier: Apache-2.0 */
/* describe.h - tables of plugins as text for people and as JSON for programs. Pure. The caller frees what it gets. */
#ifndef PLUGIN_DESCRIBE_H
#define PLUGIN_DESCRIBE_H

#include <jansson.h>
#include <stdbool.h>

#include "plugin/table.h"

const char *state_name(uint32_t state); /* "loaded" */
/* How the option is written: "url", "header.KEY", "dialogue.N". */
char *option_key(const struct option_decl *o);
/* "1 ms .. 5 s", "one of GET, POST"; NULL where anything goes. */
char *option_range(const struct option_decl *o);
/* "dns://SERVER/NAME?OPTION=VALUE", with the options that the parts fill, in capitals. */
char *scheme_url(const struct scheme_decl *s);
/* `full`: with all options, facts and schemes. */
json_t *plugin_json(const struct plugin_table *t, bool full);

#endif
