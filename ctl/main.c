/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - probectl, the client: what is asked for from a terminal or a script, rather than by a daemon. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <probed/plugin.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "config.h"
#include "ctl.h"
#include "generate/generate.h"
#include "run/role.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{ "run", run_main, "run the plans of a configuration to their end, and say whether what they require holds" },
	{ "report", report_main, "show runs that were kept, merge them, compare them" },
	{ "probe", probe_main, "probe URLs of any kind now, without a file" },
	{ "scan", scan_main, "show which ports of a host are open" },
	{ "generate", generate_main, "write a configuration from URLs, a sitemap, a HAR, an OpenAPI document, a curl command ..." },
};

static void help(FILE *to)
{
	fputs("usage: probectl COMMAND ...\n\n", to);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fputs("\nprobectl COMMAND --help tells more; probectl --version which one this is.\n", to);
}

static int unknown(const char *name)
{
	const char *names[ARRAY_LEN(commands)];
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[i] = commands[i].name;
	const char *near = str_nearest(name, names, ARRAY_LEN(names));
	fprintf(stderr, "probectl: unknown command \"%s\"%s%s%s; probectl --help lists them\n", name,
	        near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	return CTL_USAGE;
}

/* Until a run has begun, which then ends with its reports. */
static void on_early_signal(int signum)
{
	(void)signum;
	_exit(CTL_INTERRUPTED);
}

int main(int argc, char **argv)
{
	if (role_asked(argc, argv))
		return role_main(argv[1]);
	signal(SIGINT, on_early_signal);
	log_init("probectl", LOG_WARNING, false);
	if (argc < 2) {
		help(stderr);
		return CTL_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("probectl %s (plugin ABI %d.%d)\n", PACKAGE_VERSION, PROBED_ABI_MAJOR, PROBED_ABI_MINOR);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(argv[1], commands[i].name)) {
			char title[40]; /* getopt's messages begin with it */
			snprintf(title, sizeof title, "probectl %s", commands[i].name);
			argv[1] = title;
			return commands[i].run(argc - 1, argv + 1);
		}
	return unknown(argv[1]);
}
