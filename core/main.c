/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - the entry of probed: a child's role, or a command of the command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <probed/plugin.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli.h"
#include "config.h"
#include "plugin/commands.h"
#include "plugin/scan.h"
#include "run/core.h"
#include "run/dry_run.h"
#include "run/load.h"
#include "run/role.h"
#include "run/show.h"

/* --- commands that need a configuration ------------------------------------------------------- */

static int load(const struct cli *cli, struct loaded *first)
{
	CLEANUP_FREE char *text = cli->n_urls ? cli_urls_config(cli) : NULL;
	struct load_ask ask = { .path = cli->config, .name = "command line", .text = text };
	load_now(&ask, first);
	errs_print(&first->errs, stderr);
	if (first->model)
		return 0;
	fprintf(stderr, "probed: %zu error%s in %s\n", first->errs.errors, first->errs.errors == 1 ? "" : "s",
	        cli->config ? cli->config : "the command line");
	loaded_clear(first);
	return EXIT_CONFIG;
}

/* "3 targets, " */
static void put_count(size_t n, const char *what, const char *behind)
{
	printf("%zu %s%s%s", n, what, n == 1 ? "" : "s", behind);
}

static int cmd_check(struct loaded *first)
{
	const struct model *m = first->model;
	if (!m->n_targets)
		fputs("probed: nothing to probe: there is no [target ...]\n", stderr);
	put_count(m->n_targets, "target", ", ");
	if (m->n_steps)
		put_count(m->n_steps, "step", ", ");
	if (m->n_plans)
		put_count(m->n_plans, "plan", ", ");
	put_count(m->n_sinks, "sink", ", ");
	put_count(m->n_services, "service", ": ok\n");
	return 0;
}

/* The JSON lines of --once are what the jsonl sink writes, to standard output. */
static int use_json_sink(struct core *core, const struct model *m)
{
	static const struct kv path = { .key = "path", .value = "-" };
	static struct part sink = { .name = "once", .options = &path, .n_options = 1, .digest = 1 };
	sink.table = registry_sink(m->registry, "jsonl");
	if (!sink.table) {
		fputs("probed: --json needs the jsonl plugin, which was not found; see probed --list-plugins\n", stderr);
		return -1;
	}
	core->once_sinks = &sink;
	core->n_once_sinks = 1;
	return 0;
}

static int cmd_once(const struct cli *cli, struct loaded *first)
{
	if (!first->model->n_targets)
		fprintf(stderr, "probed: nothing to probe: there is no [target ...]\n");
	struct core *core = core_new(CORE_ONCE, cli->config);
	struct show *show = show_new(stdout, true);
	core->observer = (struct core_observer){ .result = show_result, .ctx = show };
	int rc = cli->json ? use_json_sink(core, first->model) : 0;
	if (!rc)
		rc = core_run(core, first, 0);
	if (!cli->json && !rc)
		show_table(show);
	if (!rc)
		rc = show_count(show, PROBED_FAIL) + show_count(show, PROBED_ERROR) + show_count(show, PROBED_UNKNOWN) ? 1 : 0;
	core_free(core);
	show_free(show);
	return rc < 0 ? 1 : rc;
}

static int cmd_run(const struct cli *cli, struct loaded *first)
{
	struct core *core = core_new(CORE_DAEMON, cli->config);
	struct show *show = cli->show || cli->n_urls ? show_new(stdout, false) : NULL;
	if (show)
		core->observer = (struct core_observer){ .result = show_result, .ctx = show };
	log_set((enum log_level)first->model->settings.log_level, first->model->settings.log_json);
	if (!first->model->n_targets)
		log_warn("nothing to probe", "why", "there is no [target ...] in the configuration", NULL);
	int rc = core_run(core, first, cli->for_ns);
	core_free(core);
	show_free(show);
	return rc;
}

/* A reload that is asked for while we still start comes after it, instead of ending us. */
static void hold_reload_back(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int with_configuration(const struct cli *cli)
{
	struct loaded first = { 0 };
	if (cli->command == CLI_RUN)
		hold_reload_back();
	int rc = load(cli, &first);
	if (rc)
		return rc;
	switch (cli->command) {
	case CLI_CHECK:
		rc = cmd_check(&first);
		break;
	case CLI_PRINT_CONFIG:
		model_print(first.model, stdout);
		break;
	case CLI_DRY_RUN:
		rc = cmd_dry_run(first.model, cli->plan, cli->count, stdout);
		break;
	case CLI_ONCE:
		rc = cmd_once(cli, &first);
		break;
	default:
		rc = cmd_run(cli, &first);
	}
	loaded_clear(&first);
	return rc;
}

/* --- commands about plugins ------------------------------------------------------------------- */

/* The folders of -c FILE where one is given. */
static int about_plugins(const struct cli *cli)
{
	struct settings set = { 0 };
	struct errs errs = { 0 };
	if (cli->config) {
		struct config *c = config_read(cli->config, &errs);
		if (!c || config_settings(c, &set, &errs)) {
			errs_print(&errs, stderr);
			errs_free(&errs);
			config_free(c);
			settings_free(&set);
			return EXIT_CONFIG;
		}
		config_free(c);
	}
	const char *const *folders = (const char *const *)set.plugin_path;
	int rc = cli->command == CLI_LIST_PLUGINS ? cmd_list_plugins(folders, set.n_plugin_path, set.state_dir, cli->json, stdout)
	                                          : cmd_plugin_info(folders, set.n_plugin_path, cli->subject, cli->json, stdout);
	errs_free(&errs);
	settings_free(&set);
	return rc;
}

/* Started with one of 0, 1 and 2 closed, a socket must not get that number: the log would go there. */
static void fill_standard_fds(void)
{
	int fd;
	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
		;
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct cli cli;
	if (role_asked(argc, argv))
		return role_main(argv[1]);
	fill_standard_fds();
	log_init("core", LOG_INFO, false);
	if (cli_parse(argc, argv, &cli))
		return EXIT_USAGE;
	switch (cli.command) {
	case CLI_HELP:
		cli_help();
		return 0;
	case CLI_VERSION:
		printf("probed %s (plugin ABI %d.%d)\n", PACKAGE_VERSION, PROBED_ABI_MAJOR, PROBED_ABI_MINOR);
		return 0;
	case CLI_LIST_PLUGINS:
	case CLI_PLUGIN_INFO:
		return about_plugins(&cli);
	case CLI_CHECK_PLUGIN:
		return cmd_check_plugin(cli.subject, stdout);
	default:
		return with_configuration(&cli);
	}
}
