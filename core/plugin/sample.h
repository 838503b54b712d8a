/* SPDX-License-Identifier: Apache-2.0 */
/* sample.h - makes up options for a plugin under examination: loopback addresses where nobody answers. Pure. */
#ifndef PLUGIN_SAMPLE_H
#define PLUGIN_SAMPLE_H

#include <stddef.h>

#include "config/option.h"
#include "plugin/table.h"

/* What has to be said, by type, and where to by the schemes of `driver` (NULL: none); the rest has its default. 0, or
 * -1 with a line in `error`. */
int sample_options(const struct option_set *set, const struct driver_table *driver, struct options *out, char *error,
		   size_t size);

#endif
