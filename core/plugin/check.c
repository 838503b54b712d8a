/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - see check.h */
#include "plugin/check.h"

#include <probed/hook.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "plugin/loader.h"
#include "plugin/sample.h"

static FILE *report;
static char step[160];
static bool open_step;

void check_begin(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(step, sizeof step, format, ap);
	va_end(ap);
	check_host_complaint();
	open_step = true;
	fprintf(report, "b%s\t\n", step);
	fflush(report);
}

void check_end(char how, const char *format, ...)
{
	char remark[400];
	va_list ap;
	va_start(ap, format);
	vsnprintf(remark, sizeof remark, format, ap);
	va_end(ap);
	for (char *p = remark; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	if (open_step)
		fprintf(report, "%c%s\t%s\n", how, step, remark);
	fflush(report);
	open_step = false;
}

static void fail_on_complaint(void)
{
	const char *complaint = check_host_complaint();
	if (complaint)
		check_end('f', "%s", complaint);
}

void check_pass(const char *remark)
{
	fail_on_complaint();
	check_end('p', "%s", remark);
}

void check_compare(struct check_counts before, int spare)
{
	struct check_counts now = check_host_counts();
	fail_on_complaint(); /* says more than what it led to */
	const struct {
		const char *what;
		int before, now;
	} pairs[] = { { "watches", before.watches, now.watches },
		      { "timers", before.timers, now.timers },
		      { "lookups", before.lookups, now.lookups },
		      { "descriptors", before.descriptors, now.descriptors } };
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (pairs[i].now > pairs[i].before + spare)
			check_end('f', "leaves %s behind: %d before, %d after", pairs[i].what, pairs[i].before,
				  pairs[i].now);
}

void check_settle(void)
{
	check_host_run(NULL, clock_now_ns() + 20 * NS_PER_MS);
}

/* --- sinks and services: checked only, since what they open is the user's --- */

static void check_sink(const struct probed_sink *k, const struct part_table *table)
{
	struct options options;
	char error[240] = "";
	void *sink = NULL;
	check_begin("sink %s: checks a configuration", table->name);
	if (!k->open) {
		check_end('p', "takes anything");
		return;
	}
	if (sample_options(&table->options, NULL, &options, error, sizeof error)) {
		check_end('s', "%s", error);
		return;
	}
	struct probed_sink_args args = { .size = sizeof args,
					 .name = "check",
					 .options = options.values,
					 .n_options = options.n,
					 .option_stride = sizeof *options.values };
	struct check_counts before = check_host_counts();
	if (k->open(&args, 1, &sink, error, sizeof error))
		check_end('s', "does not take the options that were made up for it: %s", error);
	check_compare(before, 0);
	check_pass("");
	options_free(&options);
}

static void check_service(const struct probed_service *k, const struct part_table *table)
{
	struct options options;
	char error[240] = "";
	void *service = NULL;
	check_begin("service %s: checks a configuration", table->name);
	if (sample_options(&table->options, NULL, &options, error, sizeof error)) {
		check_end('s', "%s", error);
		return;
	}
	struct probed_service_args args = { .size = sizeof args,
					    .name = "check",
					    .options = options.values,
					    .n_options = options.n,
					    .option_stride = sizeof *options.values };
	struct check_counts before = check_host_counts();
	if (k->start(&args, 1, &service, error, sizeof error))
		check_end('s', "does not take the options that were made up for it: %s", error);
	check_compare(before, 0);
	check_pass("");
	options_free(&options);
}

/* What the language takes is unknown: the texts need not be accepted, but they must be survived. */
static void check_hook(const struct probed_hook *k, const struct part_table *table)
{
	static const char *const texts[] = { "", "\n", "(((((", "\"\\", "\xff\x01\x80" };
	struct check_counts before = check_host_counts();
	check_begin("hook %s: compiles, or says why not", table->name);
	for (size_t i = 0; i < 2 * ARRAY_LEN(texts); i++) {
		char error[400] = "";
		void *script = NULL;
		uint64_t want = 0;
		struct probed_hook_source source = { .size = sizeof source, .when = (uint32_t)(i % 2), .step = "check", .name = "check",
			                             .text = texts[i / 2], .len = strlen(texts[i / 2]) };
		if (!k->compile(NULL, &source, &script, &want, error, sizeof error)) {
			if (k->script_free)
				k->script_free(NULL, script);
		} else if (!memchr(error, '\0', sizeof error) || !*error) {
			check_end('f', "refuses a script, and does not say why");
		}
	}
	check_compare(before, 0);
	check_pass("");
}

void check_run(const char *path, FILE *to)
{
	char error[512];
	report = to;
	const struct probed_host *host = check_host_begin();
	check_begin("loads, and its tables are in order");
	struct loaded_plugin *l = loader_open(path, host, error, sizeof error);
	if (!l) {
		check_end('f', "%s", error);
		check_host_end();
		return;
	}
	snprintf(error, sizeof error, "%s %s, built for ABI %u.%u", l->table->name, l->table->version,
		 l->table->abi_major, l->table->abi_minor);
	check_pass(error);
	for (uint32_t i = 0; i < l->entry.n_drivers; i++)
		check_driver(&l->drivers[i], &l->table->drivers[i]);
	for (uint32_t i = 0; i < l->entry.n_sinks; i++)
		check_sink(&l->sinks[i], &l->table->sinks[i]);
	for (uint32_t i = 0; i < l->entry.n_services; i++)
		check_service(&l->services[i], &l->table->services[i]);
	for (uint32_t i = 0; i < l->entry.n_hooks; i++)
		check_hook(&l->hooks[i], &l->table->hooks[i]);
	check_begin("unloads");
	struct check_counts before = check_host_counts();
	loader_close_all();
	check_compare(before, 0);
	check_pass("");
	check_host_end();
	check_begin("the process ends");
}
