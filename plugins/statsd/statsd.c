/* SPDX-License-Identifier: Apache-2.0 */
/* statsd.c - the sink `statsd`: counters, timings and gauges by UDP. What a datagram loses is lost. */
#include <probed/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/udp.h"
#include "lines.h"

enum { OPT_ADDRESS, OPT_PREFIX, OPT_TAGS, OPT_FACTS, OPT_PAYLOAD };

static const struct probed_option options[] = {
	[OPT_ADDRESS] = { .name = "address",
			  .type = PROBED_TYPE_ADDRESS,
			  .def = "127.0.0.1:8125",
			  .help = "Where the statsd server listens, host:port." },
	[OPT_PREFIX] = { .name = "prefix", .type = PROBED_TYPE_STRING, .def = "probed.", .help = "Begins each name." },
	[OPT_TAGS] = { .name = "tags",
		       .type = PROBED_TYPE_CHOICE,
		       .def = "dogstatsd",
		       .choices = "dogstatsd|none",
		       .help = "Whether target, driver and so on are tags, or the target a part of the name." },
	[OPT_FACTS] = { .name = "facts",
			.type = PROBED_TYPE_BOOLEAN,
			.def = "yes",
			.help = "Whether facts that are metrics are sent as gauges." },
	[OPT_PAYLOAD] = { .name = "payload",
			  .type = PROBED_TYPE_SIZE,
			  .def = "1432B",
			  .min = 256,
			  .max = 65000,
			  .help = "Most bytes in a datagram." },
};

struct statsd {
	struct lines_format format;
	struct udp *udp;
	struct text text;
	char *prefix;
};

static void sink_close(void *sink)
{
	struct statsd *s = sink;
	if (s->udp)
		udp_close(s->udp);
	text_free(&s->text);
	free(s->prefix);
	free(s);
}

static int check_options(const struct probed_sink_args *args, char *error, uint64_t error_size)
{
	const char *prefix = probed_sink_option(args, OPT_PREFIX)->s;
	char why[200];
	if (udp_check(probed_sink_option(args, OPT_ADDRESS)->s, why, sizeof why)) {
		snprintf(error, error_size, "address: %s", why);
		return -1;
	}
	if (prefix && strpbrk(prefix, ":|@#, \n")) {
		snprintf(error, error_size, "prefix: expected no blank and none of : | @ # ,");
		return -1;
	}
	return 0;
}

static int32_t sink_open(const struct probed_sink_args *args, int32_t check, void **sink, char *error,
			 uint64_t error_size)
{
	const char *prefix = probed_sink_option(args, OPT_PREFIX)->s;
	if (check_options(args, error, error_size))
		return -1;
	if (check)
		return 0;
	struct statsd *s = calloc(1, sizeof *s);
	if (!s || !(s->prefix = strdup(prefix ? prefix : ""))) {
		free(s);
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	s->format = (struct lines_format){ .prefix = s->prefix,
					   .tags = !probed_sink_option(args, OPT_TAGS)->i,
					   .facts = probed_sink_option(args, OPT_FACTS)->i != 0 };
	s->udp = udp_open(probed_sink_option(args, OPT_ADDRESS)->s, (size_t)probed_sink_option(args, OPT_PAYLOAD)->i,
			  error, error_size);
	if (!s->udp) {
		sink_close(s);
		return -1;
	}
	*sink = s;
	return 0;
}

static void line(void *ctx, const char *text, size_t len)
{
	udp_line(ctx, text, len);
}

static int32_t sink_write(void *sink, uint32_t n, const struct probed_record *const *records, char *error,
			  uint64_t error_size)
{
	struct statsd *s = sink;
	(void)error, (void)error_size;
	for (uint32_t i = 0; i < n; i++)
		lines_of(&s->format, records[i], &s->text, line, s->udp);
	return 0;
}

static int32_t sink_flush(void *sink, char *error, uint64_t error_size)
{
	struct statsd *s = sink;
	return udp_flush(s->udp, error, error_size);
}

static const struct probed_sink sinks[] = {
	{
	    .name = "statsd",
	    .summary = "Sends counters, timings and gauges to a statsd server by UDP.",
	    PROBED_TABLE(options, option, options),
	    .open = sink_open,
	    .write = sink_write,
	    .flush = sink_flush,
	    .close = sink_close,
	},
};

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "statsd",
	.version = "0.1.0",
	.summary = "Results as statsd metrics.",
	PROBED_TABLE(sinks, sink, sinks),
};
