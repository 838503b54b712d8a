/* SPDX-License-Identifier: Apache-2.0 */
/* worker_part.c - where a worker only checks: what sinks and services themselves say of their options. */
#include "run/worker_state.h"

#include <stdio.h>

#include "plugin/loader.h"

static int ask_sink(const struct wire_part *m, const struct options *o, const struct probed_sink *plugin, char *error,
                    size_t size)
{
	struct probed_sink_args args = { .size = sizeof args,
		                         .name = m->name,
		                         .options = o->values,
		                         .n_options = o->n,
		                         .option_stride = sizeof *o->values };
	void *none = NULL;
	return plugin->open ? plugin->open(&args, 1, &none, error, size) : 0;
}

static int ask_service(const struct wire_part *m, const struct options *o, const struct probed_service *plugin, char *error,
                       size_t size)
{
	struct probed_service_args args = { .size = sizeof args,
		                            .name = m->name,
		                            .options = o->values,
		                            .n_options = o->n,
		                            .option_stride = sizeof *o->values };
	void *none = NULL;
	return plugin->start ? plugin->start(&args, 1, &none, error, size) : 0;
}

int part_check(const struct wire_part *m, bool is_service, char *error, size_t size)
{
	const struct part_table *table = NULL;
	const struct probed_sink *sink = is_service ? NULL : loader_sink(m->driver, &table);
	const struct probed_service *service = is_service ? loader_service(m->driver, &table) : NULL;
	struct options o;
	*error = '\0';
	if (!sink && !service) {
		snprintf(error, size, "no plugin provides \"%s\"", m->driver);
		return -1;
	}
	if (options_bind(&table->options, m->options, m->n_options, &o, error, size))
		return -1;
	int rc = sink ? ask_sink(m, &o, sink, error, size) : ask_service(m, &o, service, error, size);
	if (rc && !*error)
		snprintf(error, size, "%s refuses it, and does not say why", m->driver);
	options_free(&o);
	return rc;
}
