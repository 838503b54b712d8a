/* SPDX-License-Identifier: Apache-2.0 */
/* options.c - see options.h. An option is a line in the table. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"

static const struct command commands[] = {
	{ "urls", source_urls, "FILE|-", "a list of URLs, one a line; a number behind one is its weight", 100000, false,
	  false },
	{ "sitemap", source_sitemap, "URL|FILE", "the pages of a sitemap or of an index of them, also .gz", 1000, false,
	  false },
	{ "crawl", source_crawl, "URL", "the pages that links lead to; robots.txt is honoured", 1000, false, false },
	{ "history", source_history, "FILE", "what a browser visited most: Chrome's History, Firefox's places.sqlite",
	  50, false, false },
	{ "bookmarks", source_bookmarks, "FILE",
	  "Chrome's Bookmarks, Firefox's places.sqlite, or an exported bookmarks.html", 1000, false, false },
	{ "openapi", source_openapi, "FILE|URL", "each operation of an OpenAPI 3 or Swagger 2 document, JSON or YAML",
	  1000, false, true },
	{ "har", source_har, "FILE|-", "a session recorded by a browser, as one flow", 1000, true, true },
	{ "curl", source_curl, "COMMAND|-",
	  "curl's command line: as one word, as it stands, or - for the standard input", 1000, false, false },
};

enum kind { FLAG, TEXT, COUNT, DURATION, SIZE, RATE, PLAN };

#define AT(member) offsetof(struct options, member)

static const struct option_line {
	const char *name, *value;
	enum kind kind;
	size_t at;
	const char *only; /* the commands that know it; NULL: all */
	const char *help;
} lines[] = {
	{ "--output", "FILE", TEXT, AT(output), NULL, "where to write, also -o; a file that is there is kept" },
	{ "--force", NULL, FLAG, AT(force), NULL, "... or overwritten" },
	{ "--interval", "TIME", TEXT, AT(layout.interval), NULL, "how often each target is probed, such as 1m" },
	{ "--plan", "KIND", PLAN, AT(layout.plan), NULL,
	  "human or rate: a [plan] of traffic to them, in place of monitoring" },
	{ "--limit", "N", COUNT, AT(limit), NULL, "at most so many targets or steps" },
	{ "--host", "NAME", TEXT, AT(draft.host), NULL, "only URLs of this host" },
	{ "--keep-secrets", NULL, FLAG, AT(draft.keep_secrets), NULL, "write passwords and tokens into the file" },
	{ "--depth", "N", COUNT, AT(settings.depth), "crawl", "links from the first page at most (3)" },
	{ "--pages", "N", COUNT, AT(settings.pages), "crawl", "documents to ask for at most (100)" },
	{ "--rate", "N/s", RATE, AT(settings.rate), "crawl sitemap",
	  "requests at most (2/s); a Crawl-delay counts where it is slower" },
	{ "--time", "TIME", DURATION, AT(settings.time_ns), "crawl", "to end after (5m)" },
	{ "--bytes", "SIZE", SIZE, AT(settings.bytes), "crawl", "to receive at most (64MiB)" },
	{ "--same-host", NULL, FLAG, AT(settings.same_host), "crawl sitemap har",
	  "stay on the first URL's host; crawl and sitemap always do, but for ..." },
	{ "--any-host", NULL, FLAG, AT(settings.any_host), "crawl sitemap openapi",
	  "... follow links and redirects to any host" },
	{ "--top", "N", COUNT, AT(limit), "history", "so many of the most visited (50)" },
	{ "--since", "TIME", DURATION, AT(settings.since_ns), "history", "visited within, such as 30d" },
	{ "--server", "URL", TEXT, AT(settings.server), "openapi",
	  "where the API is, in place of what the document says" },
	{ "--flow", NULL, FLAG, AT(draft.flow), "har openapi urls curl", "steps of one flow, in order" },
	{ "--targets", NULL, FLAG, 0, "har openapi urls curl", "targets, each for itself" },
	{ "--no-static", NULL, FLAG, AT(settings.no_static), "har", "leave out images, fonts, styles and scripts" },
};

void options_help(void)
{
	puts("Usage: probectl generate COMMAND SOURCE [OPTION...]\n"
	     "Writes a commented configuration, for you to read and to change.\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-10s%-11s%s\n", commands[i].name, commands[i].argument, commands[i].help);
	putchar('\n');
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char left[40];
		snprintf(left, sizeof left, "%s%s%s", lines[i].name, lines[i].value ? " " : "",
			 lines[i].value ? lines[i].value : "");
		printf("  %-21s%s%s%s%s\n", left, lines[i].only ? lines[i].only : "", lines[i].only ? ": " : "",
		       lines[i].help, "");
	}
	puts(
	    "\nPasswords, tokens and cookies are not written: ${NAME} stands for each, and the file says what to set.\n"
	    "\n  probectl generate sitemap https://www.example.org/sitemap.xml -o site.ini\n"
	    "  probectl generate curl curl -H 'Accept: text/html' https://www.example.org/\n"
	    "  probectl generate har session.har --same-host --no-static -o session.ini");
}

static bool known_to(const struct option_line *l, const struct command *c)
{
	if (!l->only)
		return true;
	size_t n = strlen(c->name);
	for (const char *p = strstr(l->only, c->name); p; p = strstr(p + 1, c->name))
		if ((p == l->only || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return true;
	return false;
}

static int parse_rate(const char *text, double *out)
{
	char *end;
	double v = strtod(text, &end);
	if (end == text || !(v > 0) || v > 1000)
		return -1;
	if (!strcmp(end, "/min") || !strcmp(end, "/m"))
		v /= 60;
	else if (!strcmp(end, "/h"))
		v /= 3600;
	else if (strcmp(end, "/s") != 0)
		return -1;
	*out = v;
	return 0;
}

/* What was expected; NULL: it is taken over. */
static const char *set_value(struct options *o, const struct option_line *l, const char *text)
{
	void *to = (char *)o + l->at;
	int64_t v;
	switch (l->kind) {
	case FLAG:
		if (!strcmp(l->name, "--targets"))
			o->draft.flow = false;
		else
			*(bool *)to = true;
		return NULL;
	case TEXT:
		*(const char **)to = text;
		return *text ? NULL : "some text";
	case COUNT:
		if (unit_parse_integer(text, &v) || v < 1 || v > REQUESTS_MAX)
			return "a number from 1 to 100000";
		*(int64_t *)to = v;
		return NULL;
	case DURATION:
		if (unit_parse_duration(text, to) || *(int64_t *)to <= 0)
			return "a time with its unit, such as 30s or 30d";
		return NULL;
	case SIZE:
		return unit_parse_size(text, to) || *(int64_t *)to <= 0 ? "a size with its unit, such as 64MiB" : NULL;
	case RATE:
		return parse_rate(text, to) ? "a rate such as 2/s or 30/min" : NULL;
	default:
		if (strcmp(text, "human") != 0 && strcmp(text, "rate") != 0)
			return "human or rate";
		*(enum draft_plan *)to = *text == 'h' ? PLAN_HUMAN : PLAN_RATE;
		return NULL;
	}
}

static const struct option_line *find_option(const char *word, size_t n)
{
	if (n == 2 && !strncmp(word, "-o", 2))
		return &lines[0];
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (strlen(lines[i].name) == n && !strncmp(lines[i].name, word, n))
			return &lines[i];
	return NULL;
}

static int unknown_option(const char *word, char *error, size_t size)
{
	const char *names[ARRAY_LEN(lines)];
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		names[i] = lines[i].name;
	const char *near = str_nearest(word, names, ARRAY_LEN(names));
	snprintf(error, size, "unknown option %.60s%s%s%s", word, near ? " (did you mean " : "", near ? near : "",
		 near ? "?)" : "");
	return -1;
}

/* The option at argv[*i], and its value. */
static int parse_option(struct options *o, int argc, char **argv, int *i, char *error, size_t size)
{
	const char *word = argv[*i], *equals = !strncmp(word, "--", 2) ? strchr(word, '=') : NULL, *value = NULL;
	const struct option_line *l = find_option(word, equals ? (size_t)(equals - word) : strlen(word));
	if (!l)
		return unknown_option(word, error, size);
	if (!known_to(l, o->command)) {
		snprintf(error, size, "%s is not for %s, but for %s", l->name, o->command->name, l->only);
		return -1;
	}
	if (l->value) {
		if (!equals && *i + 1 >= argc) {
			snprintf(error, size, "%s needs a value", l->name);
			return -1;
		}
		value = equals ? equals + 1 : argv[++*i];
	}
	if (equals && !l->value) {
		snprintf(error, size, "%s takes no value", l->name);
		return -1;
	}
	const char *expected = set_value(o, l, value);
	if (expected) {
		snprintf(error, size, "%s %.60s: expected %s", l->name, value, expected);
		return -1;
	}
	return 0;
}

static int find_command(struct options *o, const char *word, char *error, size_t size)
{
	const char *names[ARRAY_LEN(commands)];
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		names[i] = commands[i].name;
		if (!strcmp(word, names[i]))
			o->command = &commands[i];
	}
	if (o->command)
		return 0;
	const char *near = str_nearest(word, names, ARRAY_LEN(names));
	snprintf(error, size, "unknown source %.60s%s%s%s", word,
		 near ? " (did you mean " : ": expected urls, sitemap, crawl, history, ",
		 near ? near : "bookmarks, openapi, har or curl", near ? "?)" : "");
	return -1;
}

static int parse_rest(struct options *o, int argc, char **argv, char *error, size_t size)
{
	for (int i = 2; i < argc; i++) {
		bool option = argv[i][0] == '-' && argv[i][1];
		if (option && !strcmp(argv[i], "--") && i + 1 < argc)
			i++, option = false;
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			o->help = true;
			return 0;
		}
		if (option) {
			if (parse_option(o, argc, argv, &i, error, size))
				return -1;
		} else if (o->from) {
			snprintf(error, size, "%.60s: one source at a time", argv[i]);
			return -1;
		} else {
			o->from = argv[i];
			if (o->command->run == source_curl && !strcmp(argv[i], "curl")) {
				o->words = argv + i;
				o->n_words = (size_t)(argc - i);
				break;
			}
		}
	}
	if (!o->from) {
		snprintf(error, size, "%s needs %s", o->command->name, o->command->argument);
		return -1;
	}
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, char *error, size_t size)
{
	int64_t interval;
	*o = (struct options){
		.settings = { .depth = 3, .pages = 100, .rate = 2, .time_ns = 300 * NS_PER_S, .bytes = 64 << 20 }
	};
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))) {
		o->help = true;
		return 0;
	}
	if (argc < 2) {
		snprintf(error, size,
			 "from what? Expected urls, sitemap, crawl, history, bookmarks, openapi, har or curl");
		return -1;
	}
	if (find_command(o, argv[1], error, size))
		return -1;
	o->draft.flow = o->command->flow;
	if (parse_rest(o, argc, argv, error, size))
		return -1;
	o->draft.limit = o->limit ? (size_t)o->limit : o->command->limit;
	o->draft.asked = o->command->run == source_curl;
	o->draft.in_order = o->command->in_order && (o->draft.flow || !o->command->flow);
	if (o->layout.interval && (unit_parse_duration(o->layout.interval, &interval) || interval < NS_PER_MS)) {
		snprintf(error, size, "--interval %.60s: expected a time with its unit, such as 1m",
			 o->layout.interval);
		return -1;
	}
	return 0;
}
