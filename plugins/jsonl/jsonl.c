/* SPDX-License-Identifier: Apache-2.0 */
/* jsonl.c - the sink `jsonl`: a line of JSON for each result and event, to a file or to the standard output. */
#include <probed/plugin.h>

#include "../common/outfile.h"
#include "line.h"

static const struct probed_option options[] = { OUTFILE_OPTION_TABLE(0, PROBED_OPTION_REQUIRED) };

static const struct probed_host *host;

static int32_t sink_open(const struct probed_sink_args *args, int32_t check, void **sink, char *error,
			 uint64_t error_size)
{
	static const struct outfile_format format = { 0 };
	if (outfile_check(args, 0, error, error_size))
		return -1;
	if (check)
		return 0;
	*sink = outfile_open(host, args, 0, &format, error, error_size);
	return *sink ? 0 : -1;
}

static void add(void *ctx, struct text *t, const struct probed_record *r)
{
	(void)ctx;
	line_add(t, r);
}

static int32_t sink_write(void *sink, uint32_t n, const struct probed_record *const *records, char *error,
			  uint64_t error_size)
{
	return outfile_write(sink, n, records, add, NULL, error, error_size);
}

static int32_t sink_flush(void *sink, char *error, uint64_t error_size)
{
	return outfile_flush(sink, error, error_size);
}

static int32_t sink_reopen(void *sink, char *error, uint64_t error_size)
{
	return outfile_reopen(sink, error, error_size);
}

static void sink_close(void *sink)
{
	outfile_close(sink);
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return 0;
}

static const struct probed_sink sinks[] = {
	{
	    .name = "jsonl",
	    .summary = "Appends a line of JSON for each result and event to a file.",
	    PROBED_TABLE(options, option, options),
	    .open = sink_open,
	    .write = sink_write,
	    .flush = sink_flush,
	    .reopen = sink_reopen,
	    .close = sink_close,
	},
};

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "jsonl",
	.version = "0.1.0",
	.summary = "Results as JSON lines.",
	PROBED_TABLE(sinks, sink, sinks),
	.load = load,
};
