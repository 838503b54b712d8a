/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - the command line: options, and the command that they ask for. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_command {
	CLI_RUN,
	CLI_CHECK,
	CLI_PRINT_CONFIG,
	CLI_DRY_RUN,
	CLI_ONCE,
	CLI_LIST_PLUGINS,
	CLI_PLUGIN_INFO,
	CLI_CHECK_PLUGIN,
	CLI_HELP,
	CLI_VERSION,
};

struct cli {
	enum cli_command command;
	const char *config;  /* -c */
	const char *plan;    /* --plan, with --dry-run; NULL: all */
	uint64_t count;      /* -n */
	const char *subject; /* of --plugin-info and --check-plugin */
	char **urls;         /* into argv */
	size_t n_urls;
	int64_t for_ns;      /* --for */
	int64_t interval_ns; /* --interval, with URLs */
	bool json, show;
};

#define EXIT_USAGE 2
#define EXIT_CONFIG 78 /* EX_CONFIG of sysexits.h */

/* 0, or -1 after saying on stderr what is wrong. */
int cli_parse(int argc, char **argv, struct cli *out);
void cli_help(void);
/* A configuration that probes the URLs, as text to be freed. */
char *cli_urls_config(const struct cli *cli);

#endif
