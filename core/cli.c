/* SPDX-License-Identifier: Apache-2.0 */
/* cli.c - see cli.h */
#include "cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "config/url.h"

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },   { "check", no_argument, NULL, 'k' },
	{ "print-config", no_argument, NULL, 'p' },   { "once", no_argument, NULL, 'o' },
	{ "json", no_argument, NULL, 'j' },           { "show", no_argument, NULL, 's' },
	{ "for", required_argument, NULL, 'f' },      { "interval", required_argument, NULL, 'i' },
	{ "dry-run", no_argument, NULL, 'd' },        { "plan", required_argument, NULL, 'P' },
	{ "list-plugins", no_argument, NULL, 'l' },   { "plugin-info", required_argument, NULL, 'I' },
	{ "check-plugin", required_argument, NULL, 'K' }, { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },        { NULL, 0, NULL, 0 },
};

void cli_help(void)
{
	fputs("probed sends probes, judges the answers, and tells.\n"
	      "\n"
	      "  probed -c FILE                 run: probe all targets of FILE until a signal ends it\n"
	      "  probed [--for 10s] URL...      run with targets from the command line, one line a result\n"
	      "  probed -c FILE --once          probe everything once, print a table; exit 0: all ok, 1: not\n"
	      "  probed -c FILE --check         check FILE and what its drivers say of it; exit 0, or 78\n"
	      "  probed -c FILE --print-config  print the effective configuration, secrets redacted\n"
	      "  probed -c FILE --dry-run       when each plan would send what, and its limits; sends nothing\n"
	      "  probed --list-plugins          what was found, from where, and what was refused and why\n"
	      "  probed --plugin-info NAME      every option and fact of a plugin\n"
	      "  probed --check-plugin FILE     put a plugin through its paces\n"
	      "\n"
	      "  -c, --config FILE   the configuration (INI)\n"
	      "      --json          with --once: JSON lines; with --list-plugins, --plugin-info: JSON\n"
	      "      --show          a line for each result on standard output\n"
	      "      --for TIME      end by itself after TIME, such as 10s\n"
	      "      --interval TIME how often URLs are probed (default 1s)\n"
	      "      --plan NAME     with --dry-run: this plan only\n"
	      "  -n N                with --dry-run: so many due times of each plan (default 20)\n"
	      "  -V, --version   -h, --help\n"
	      "\n"
	      "Signals: HUP reloads, TERM or INT ends after what is under way, a second one at once.\n"
	      "Exit status: 0 well, 1 not all ok, 2 usage, 78 configuration.\n",
	      stdout);
}

static int usage(const char *format, const char *what)
{
	fprintf(stderr, "probed: ");
	fprintf(stderr, format, what);
	fprintf(stderr, "\nTry 'probed --help'.\n");
	return -1;
}

/* The nearest option that there is, for a slip of the hand. */
static int unknown_option(const char *given)
{
	const char *names[ARRAY_LEN(options)];
	size_t n = 0;
	for (; options[n].name; n++)
		names[n] = options[n].name;
	const char *near = !strncmp(given, "--", 2) ? str_nearest(given + 2, names, n) : NULL;
	CLEANUP_FREE char *text = near ? xasprintf("unknown option %s (did you mean --%s?)", given, near)
	                               : xasprintf("unknown option %s", given);
	return usage("%s", text);
}

static int set_command(struct cli *cli, enum cli_command command)
{
	if (cli->command != CLI_RUN && cli->command != command)
		return usage("%s", "only one of --once, --check, --print-config, --dry-run, --list-plugins, --plugin-info, --check-plugin");
	cli->command = command;
	return 0;
}

static int set_time(int64_t *to, const char *option, const char *text)
{
	if (unit_parse_duration(text, to) || *to <= 0) {
		CLEANUP_FREE char *what = xasprintf("%s %s: expected a time with its unit, such as 10s", option, text);
		return usage("%s", what);
	}
	return 0;
}

static int set_count(uint64_t *to, const char *text)
{
	int64_t n;
	if (unit_parse_integer(text, &n) || n < 0 || n > 1000000)
		return usage("-n %s: expected a number up to 1000000", text);
	*to = (uint64_t)n;
	return 0;
}

static int take(struct cli *cli, int c, char **argv)
{
	switch (c) {
	case 'c':
		cli->config = optarg;
		return 0;
	case 'j':
		cli->json = true;
		return 0;
	case 's':
		cli->show = true;
		return 0;
	case 'f':
		return set_time(&cli->for_ns, "--for", optarg);
	case 'i':
		return set_time(&cli->interval_ns, "--interval", optarg);
	case 'd':
		return set_command(cli, CLI_DRY_RUN);
	case 'P':
		cli->plan = optarg;
		return 0;
	case 'n':
		return set_count(&cli->count, optarg);
	case 'k':
		return set_command(cli, CLI_CHECK);
	case 'p':
		return set_command(cli, CLI_PRINT_CONFIG);
	case 'o':
		return set_command(cli, CLI_ONCE);
	case 'l':
		return set_command(cli, CLI_LIST_PLUGINS);
	case 'I':
	case 'K':
		cli->subject = optarg;
		return set_command(cli, c == 'I' ? CLI_PLUGIN_INFO : CLI_CHECK_PLUGIN);
	case 'h':
		return set_command(cli, CLI_HELP);
	case 'V':
		return set_command(cli, CLI_VERSION);
	case ':':
		return usage("%s needs a value", argv[optind - 1]);
	default:
		return unknown_option(argv[optind - 1]);
	}
}

int cli_parse(int argc, char **argv, struct cli *cli)
{
	*cli = (struct cli){ .command = CLI_RUN, .count = UINT64_MAX };
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, ":c:n:hV", options, NULL)) != -1;)
		if (take(cli, c, argv))
			return -1;
	cli->urls = argv + optind;
	cli->n_urls = (size_t)(argc - optind);
	for (size_t i = 0; i < cli->n_urls; i++)
		if (!strstr(cli->urls[i], "://"))
			return usage("%s: expected a URL, such as https://example.org or icmp://192.0.2.1", cli->urls[i]);
	bool needs_config = cli->command <= CLI_ONCE;
	if (needs_config && cli->config && cli->n_urls)
		return usage("%s", "give either -c FILE or URLs, not both");
	if (needs_config && !cli->config && !cli->n_urls)
		return usage("%s", "what should be probed? Give -c FILE, or URLs");
	if (cli->command != CLI_DRY_RUN && (cli->plan || cli->count != UINT64_MAX))
		return usage("%s", cli->plan ? "--plan goes with --dry-run" : "-n goes with --dry-run");
	if (cli->command == CLI_DRY_RUN && !cli->config)
		return usage("%s", "--dry-run shows the plans of a file: give -c FILE");
	if (cli->count == UINT64_MAX)
		cli->count = 20;
	if (cli->interval_ns && !(needs_config && cli->n_urls))
		return usage("%s", "--interval is for URLs; with -c FILE each target has an interval in the file");
	if (!cli->interval_ns)
		cli->interval_ns = INT64_C(1000000000);
	if (!needs_config && cli->n_urls)
		return usage("%s: this command takes no URL", cli->urls[0]);
	return 0;
}

char *cli_urls_config(const struct cli *cli)
{
	struct buf b = { 0 };
	buf_puts(&b, "[probed]\nlog_level = warning\n");
	buf_printf(&b, "[defaults]\ninterval = %lldns\n", (long long)cli->interval_ns);
	if (cli->command == CLI_RUN)
		buf_puts(&b, "[service web]\ndriver = web\nlisten = ${PROBED_LISTEN:-127.0.0.1:9570}\n");
	urls_to_text(&b, (const char *const *)cli->urls, cli->n_urls, NULL, NULL);
	return buf_cstr(&b);
}
