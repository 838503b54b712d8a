/* SPDX-License-Identifier: Apache-2.0 */
/* recorder_plugin.c - for test_recorder: a driver with a fact of each type, and a sink that waits for a gate. */
#include <probed/plugin.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const struct probed_fact facts[] = {
	{ .name = "status", .type = PROBED_TYPE_INTEGER, .unit = "", .help = "A number.", .flags = PROBED_FACT_METRIC },
	{ .name = "cert.expires", .type = PROBED_TYPE_DURATION, .unit = "s", .help = "A duration." },
	{ .name = "cert.not_after", .type = PROBED_TYPE_TIME, .unit = "s", .help = "A time." },
	{ .name = "size", .type = PROBED_TYPE_SIZE, .unit = "bytes", .help = "A size." },
	{ .name = "loss", .type = PROBED_TYPE_FLOAT, .unit = "ratio", .help = "A float." },
	{ .name = "tls", .type = PROBED_TYPE_BOOLEAN, .unit = "", .help = "A boolean." },
	{ .name = "answer", .type = PROBED_TYPE_STRING, .unit = "", .help = "A list.", .flags = PROBED_FACT_LIST },
	{ .name = "header", .type = PROBED_TYPE_STRING, .unit = "", .help = "A family.", .flags = PROBED_FACT_FAMILY },
	{ .name = "hops", .type = PROBED_TYPE_TABLE, .unit = "", .help = "A table.", .columns = "ttl:integer|ip:string" },
};

static void start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
{
	(void)worker, (void)target, (void)session, (void)probe, (void)mem;
}

static const struct probed_driver drivers[] = {
	{ .name = "facts", .summary = "A fact of each type.", PROBED_TABLE(facts, fact, facts), .start = start },
};

static const struct probed_option options[] = {
	{ .name = "gate", .type = PROBED_TYPE_STRING, .flags = PROBED_OPTION_REQUIRED, .help = "A FIFO." },
};

static const char *gate;

static int32_t gated_open(const struct probed_sink_args *args, int32_t check, void **sink, char *error, uint64_t error_size)
{
	(void)check, (void)error, (void)error_size;
	gate = probed_sink_option(args, 0)->s;
	*sink = &gate;
	return 0;
}

/* Waits until somebody opens the other end of the FIFO. */
static int32_t gated_write(void *sink, uint32_t n, const struct probed_record *const *records, char *error, uint64_t error_size)
{
	(void)sink, (void)n, (void)records;
	int fd = open(gate, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(error, error_size, "no gate");
		return -1;
	}
	close(fd);
	return 0;
}

static const struct probed_sink sinks[] = {
	{ .name = "gated", .summary = "Waits for a gate.", PROBED_TABLE(options, option, options), .open = gated_open,
	  .write = gated_write },
};

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "recorder_plugin",
	.version = "1",
	.summary = "For test_recorder.",
	PROBED_TABLE(drivers, driver, drivers),
	PROBED_TABLE(sinks, sink, sinks),
};
