/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample.h - a registry with made-up plugins: driver `web` (schemes web, webs), driver `port` (port, ports), driver
 * `name` (name), sink `lines`, service `page`, hook `script`. For the tests of configurations.
 */
#ifndef TESTS_SAMPLE_H
#define TESTS_SAMPLE_H

#include <probed/plugin.h>

#include <stdlib.h>

#include "base/mem.h"
#include "plugin/flatten.h"
#include "plugin/table.h"

static const struct probed_option sample_web_options[] = {
	{ .name = "url",
	  .type = PROBED_TYPE_URL,
	  .flags = PROBED_OPTION_REQUIRED | PROBED_OPTION_TEMPLATE,
	  .help = "what to fetch" },
	{ .name = "method", .type = PROBED_TYPE_STRING, .def = "GET", .help = "the method" },
	{ .name = "header", .type = PROBED_TYPE_MAP, .help = "headers", .max = 3 },
	{ .name = "token", .type = PROBED_TYPE_SECRET, .help = "a token" },
	{ .name = "hidden", .type = PROBED_TYPE_MAP, .flags = PROBED_OPTION_SECRET, .help = "secret headers" },
	{ .name = "body", .type = PROBED_TYPE_STRING, .flags = PROBED_OPTION_TEMPLATE, .help = "what to send" },
	{ .name = "follow", .type = PROBED_TYPE_BOOLEAN, .def = "yes", .help = "redirects" },
	{ .name = "max_redirects", .type = PROBED_TYPE_INTEGER, .def = "10", .min = 0, .max = 50, .help = "how many" },
	{ .name = "wait",
	  .type = PROBED_TYPE_DURATION,
	  .def = "1s",
	  .min = 1000000,
	  .max = 5000000000,
	  .help = "how long" },
	{ .name = "most", .type = PROBED_TYPE_SIZE, .def = "64KiB", .min = 1, .max = 1 << 20, .help = "how much" },
	{ .name = "share", .type = PROBED_TYPE_FLOAT, .min = 0, .max = 1, .help = "a part" },
	{ .name = "version",
	  .type = PROBED_TYPE_CHOICE,
	  .choices = "auto|1.1|2",
	  .def = "auto",
	  .help = "of the protocol" },
};

static const struct probed_option sample_port_options[] = {
	{ .name = "host", .type = PROBED_TYPE_ADDRESS, .flags = PROBED_OPTION_REQUIRED, .help = "where" },
	{ .name = "port",
	  .type = PROBED_TYPE_INTEGER,
	  .flags = PROBED_OPTION_REQUIRED,
	  .min = 1,
	  .max = 65535,
	  .help = "which" },
	{ .name = "tls", .type = PROBED_TYPE_BOOLEAN, .def = "no", .help = "encrypted" },
	{ .name = "user", .type = PROBED_TYPE_STRING, .help = "who" },
	{ .name = "password", .type = PROBED_TYPE_SECRET, .help = "and with what" },
	{ .name = "dialogue", .type = PROBED_TYPE_LIST, .max = 5, .help = "what is said" },
};

static const struct probed_option sample_name_options[] = {
	{ .name = "server", .type = PROBED_TYPE_ADDRESS, .flags = PROBED_OPTION_REQUIRED, .help = "whom to ask" },
	{ .name = "name", .type = PROBED_TYPE_STRING, .help = "what to ask for" },
	{ .name = "type", .type = PROBED_TYPE_CHOICE, .choices = "A|AAAA|TXT", .def = "A", .help = "of record" },
};

static const struct probed_fact sample_web_facts[] = {
	{ .name = "status", .type = PROBED_TYPE_INTEGER, .unit = "", .help = "of the answer" },
	{ .name = "header", .type = PROBED_TYPE_STRING, .unit = "", .help = "headers", .flags = PROBED_FACT_FAMILY },
};

static const struct probed_scheme sample_web_schemes[] = {
	{ .scheme = "web", .whole = "url" },
	{ .scheme = "webs", .whole = "url", .preset = "version=2" },
};
static const struct probed_scheme sample_port_schemes[] = {
	{ .scheme = "port", .host = "host", .port = "port", .query_opts = 1 },
	{ .scheme = "ports",
	  .host = "host",
	  .port = "port",
	  .user = "user",
	  .password = "password",
	  .preset = "tls=yes;port=443" },
};
static const struct probed_scheme sample_name_schemes[] = {
	{ .scheme = "name", .authority = "server", .path = "name", .query_opts = 1 },
};

static void sample_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
{
	(void)worker, (void)target, (void)session, (void)probe, (void)mem;
}

static int32_t sample_write(void *sink, uint32_t n, const struct probed_record *const *records, char *error,
			    uint64_t size)
{
	(void)sink, (void)n, (void)records, (void)error, (void)size;
	return 0;
}

static int32_t sample_open(const struct probed_sink_args *args, int32_t check, void **sink, char *error, uint64_t size)
{
	(void)args, (void)check, (void)sink, (void)error, (void)size;
	return 0;
}

static int32_t sample_begin(const struct probed_service_args *args, int32_t check, void **service, char *error,
			    uint64_t size)
{
	(void)args, (void)check, (void)service, (void)error, (void)size;
	return 0;
}

static const struct probed_driver sample_drivers[] = {
	{ .name = "web",
	  .summary = "speaks web",
	  .gate_option = "url",
	  .start = sample_start,
	  PROBED_TABLE(options, option, sample_web_options),
	  PROBED_TABLE(facts, fact, sample_web_facts),
	  PROBED_TABLE(schemes, scheme, sample_web_schemes) },
	{ .name = "port",
	  .summary = "speaks to ports",
	  .gate_option = "host",
	  .start = sample_start,
	  PROBED_TABLE(options, option, sample_port_options),
	  PROBED_TABLE(schemes, scheme, sample_port_schemes) },
	{ .name = "name",
	  .summary = "asks for names",
	  .gate_option = "server",
	  .start = sample_start,
	  PROBED_TABLE(options, option, sample_name_options),
	  PROBED_TABLE(schemes, scheme, sample_name_schemes) },
};

static const struct probed_option sample_lines_options[] = {
	{ .name = "path", .type = PROBED_TYPE_STRING, .flags = PROBED_OPTION_REQUIRED, .help = "where to" },
};
static const struct probed_sink sample_sinks[] = {
	{ .name = "lines",
	  .summary = "writes lines",
	  .open = sample_open,
	  .write = sample_write,
	  PROBED_TABLE(options, option, sample_lines_options) },
};

static const struct probed_option sample_page_options[] = {
	{ .name = "listen", .type = PROBED_TYPE_ADDRESS, .def = "127.0.0.1:9570", .help = "where to listen" },
};
static const struct probed_service sample_services[] = {
	{ .name = "page",
	  .summary = "shows a page",
	  .start = sample_begin,
	  PROBED_TABLE(options, option, sample_page_options) },
};

static int32_t sample_compile(void *worker, const struct probed_hook_source *source, void **script, uint64_t *want_body,
			      char *error, uint64_t size)
{
	(void)worker, (void)source, (void)script, (void)want_body, (void)error, (void)size;
	return 0;
}
static int32_t sample_run(void *worker, void *script, struct probed_hook_call *call, char *error, uint64_t size)
{
	(void)worker, (void)script, (void)call, (void)error, (void)size;
	return 0;
}
static const struct probed_hook sample_hooks[] = {
	{ .name = "script", .summary = "runs scripts", .compile = sample_compile, .run = sample_run },
};

static const struct probed_plugin sample_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "sample",
	.version = "1",
	.summary = "for tests",
	PROBED_TABLE(drivers, driver, sample_drivers),
	PROBED_TABLE(sinks, sink, sample_sinks),
	PROBED_TABLE(services, service, sample_services),
	PROBED_TABLE(hooks, hook, sample_hooks),
};

static inline struct registry *sample_registry(void)
{
	char error[300];
	struct registry *r = registry_new();
	struct plugin_table *t = xnew(struct plugin_table);
	if (flatten(&sample_plugin, t, error, sizeof error)) {
		fprintf(stderr, "sample plugin: %s\n", error);
		abort();
	}
	t->path = xstrdup("sample.so");
	if (!t->name)
		t->name = xstrdup("sample");
	t->state = PLUGIN_LOADED;
	registry_add(r, t);
	return r;
}

#endif
