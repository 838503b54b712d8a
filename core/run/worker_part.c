/* SPDX-License-Identifier: Apache-2.0 */
/* worker_part.c - what sinks and services say of their configuration; only a worker that checks is asked. */
#include <probed/service.h>
#include <probed/sink.h>

#include "plugin/loader.h"
#include "run/worker_state.h"

static int32_t ask_sink(const struct wire_part *part, const struct options *o, char *error, size_t size)
{
	const struct part_table *table;
	const struct probed_sink *sink = loader_sink(part->driver, &table);
	struct probed_sink_args args = { .size = sizeof args,
		                         .name = part->name,
		                         .options = o->values,
		                         .n_options = o->n,
		                         .option_stride = sizeof *o->values };
	void *none = NULL;
	return sink->open ? sink->open(&args, 1, &none, error, size) : 0;
}

static int32_t ask_service(const struct wire_part *part, const struct options *o, char *error, size_t size)
{
	const struct part_table *table;
	const struct probed_service *service = loader_service(part->driver, &table);
	struct probed_service_args args = { .size = sizeof args,
		                            .name = part->name,
		                            .options = o->values,
		                            .n_options = o->n,
		                            .option_stride = sizeof *o->values };
	void *none = NULL;
	return service->start ? service->start(&args, 1, &none, error, size) : 0;
}

static int ask(const struct wire_part *part, bool sink, char *error, size_t size)
{
	const struct part_table *table = NULL;
	struct options o;
	if (sink ? !loader_sink(part->driver, &table) : !loader_service(part->driver, &table)) {
		snprintf(error, size, "its plugin can't be loaded");
		return -1;
	}
	if (options_bind(&table->options, part->options, part->n_options, &o, error, size))
		return -1;
	int rc = sink ? ask_sink(part, &o, error, size) : ask_service(part, &o, error, size);
	options_free(&o);
	return rc;
}

int worker_check_part(struct worker *w, struct cursor *c, bool sink)
{
	struct wire_part part;
	char error[600] = "refused without a message";
	if (!w->check_only || wire_get_part(c, &part))
		return -1;
	if (ask(&part, sink, error, sizeof error)) {
		struct buf *b = channel_begin(w->channel, WIRE_PART_REFUSED);
		buf_u8(b, sink);
		buf_str(b, part.name);
		buf_str(b, error);
		channel_end(w->channel);
	}
	wire_part_free(&part);
	return 0;
}
