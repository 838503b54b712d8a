/* SPDX-License-Identifier: Apache-2.0 */
/* hello.c - a blocking driver: run() takes as long as it needs, on a thread of a pool. It reads a file's first line. */
#include <probed/plugin.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct probed_host *host;

static const struct probed_option options[] = {
	{ .name = "file", .def = "/etc/hostname", .help = "What to read.", .type = PROBED_TYPE_STRING },
};
static const struct probed_fact facts[] = {
	{ .name = "line", .unit = "", .help = "The first line.", .type = PROBED_TYPE_STRING },
};

static void run(void *worker, void *target, void *session, struct probed_probe *probe, void *mem, struct probed_verdict *v)
{
	char line[256] = "";
	const char *path = host->option(probe, 0)->s;
	FILE *f = fopen(path, "re");
	if (f && fgets(line, sizeof line, f)) {
		host->fact_string(probe, 0, NULL, line, strcspn(line, "\n"));
		v->outcome = PROBED_OK;
	} else {
		snprintf(v->message, sizeof v->message, "%s: %s", path, f ? "is empty" : strerror(errno));
		v->outcome = PROBED_ERROR;
		v->reason = PROBED_REASON_OTHER;
	}
	if (f)
		fclose(f);
}

static int32_t load(const struct probed_host *h) { host = h; return 0; }
static const struct probed_driver drivers[] = { { .name = "hello", .summary = "Reads a file's first line.",
	.flags = PROBED_DRIVER_BLOCKING, PROBED_TABLE(options, option, options), PROBED_TABLE(facts, fact, facts), .run = run } };

PROBED_EXPORT const struct probed_plugin probed_plugin = { PROBED_PLUGIN_HEADER, .name = "hello", .version = "1.0",
	.summary = "an example", PROBED_TABLE(drivers, driver, drivers), .load = load };
