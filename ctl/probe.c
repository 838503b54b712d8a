/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - probectl probe URL...: any driver, without a file; a line a result and a summary, as ping has them. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adhoc.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/unit.h"
#include "config/url.h"
#include "ctl.h"
#include "run/show.h"

#define LONGEST_NS (3650 * 86400 * NS_PER_S)

struct asked {
	int64_t interval_ns, timeout_ns;
	unsigned long count; /* 0: until interrupted */
	bool json, quiet;
	const char **sets, **expects;
	size_t n_sets, n_expects;
	char *const *urls;
	size_t n_urls;
};

struct seen {
	const struct asked *asked;
	struct show *show;
	uint64_t sent, ok;
};

static void help(FILE *to)
{
	fputs("usage: probectl probe URL... [--count N] [--interval D] [--timeout D] [--set KEY=VALUE]... [--expect EXPR]... [--json]\n\n"
	      "  --count N, -c N      so many probes of each URL (default: until Ctrl-C)\n"
	      "  --interval D, -i D   from one to the next (default 1s)\n"
	      "  --timeout D          of each (default 5s)\n"
	      "  --set KEY=VALUE      an option of the target, such as header.Accept=text/html\n"
	      "  --expect EXPR        what must hold, such as 'status == 200'\n"
	      "  --json               a JSON line a result, no summary\n"
	      "  --quiet, -q          the summary only\n\n"
	      "URLs: https://example.org tcp://db:5432 icmp://192.0.2.1 dns://192.0.2.53/example.org; probed --list-plugins shows all drivers.\n"
	      "exit status: 0 all were ok, 1 one was not, 2 usage, 130 interrupted before --count was reached\n",
	      to);
}

static bool duration(const char *option, const char *text, int64_t *out)
{
	if (!unit_parse_duration(text, out) && *out >= NS_PER_MS)
		return true;
	fprintf(stderr, "probectl probe: %s: expected a time of at least 1ms, such as 500ms, not \"%s\"\n", option, text);
	return false;
}

static bool number(const char *text, unsigned long *out)
{
	char *end;
	*out = strtoul(text, &end, 10);
	if (*text >= '1' && *text <= '9' && !*end && *out <= 1000000000)
		return true;
	fprintf(stderr, "probectl probe: --count: expected a number from 1, not \"%s\"\n", text);
	return false;
}

static bool pair(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	if (n && text[n] == '=' && !strchr(text, '\n'))
		return true;
	fprintf(stderr, "probectl probe: --set: expected KEY=VALUE on one line, not \"%s\"\n", text);
	return false;
}

static bool line(const char *text)
{
	if (*text && !strchr(text, '\n'))
		return true;
	fputs("probectl probe: --expect: expected one line, such as 'status == 200'\n", stderr);
	return false;
}

/* 0, or the exit status; -1: nothing more to do. */
static int parse(int argc, char **argv, struct asked *a)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },   { "interval", required_argument, NULL, 'i' },
		{ "timeout", required_argument, NULL, 't' }, { "set", required_argument, NULL, 's' },
		{ "expect", required_argument, NULL, 'e' },  { "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },         { "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	int c;
	bool good = true;
	optind = 1;
	while (good && (c = getopt_long(argc, argv, "c:i:q", options, NULL)) >= 0) {
		switch (c) {
		case 'c':
			good = number(optarg, &a->count);
			break;
		case 'i':
			good = duration("--interval", optarg, &a->interval_ns);
			break;
		case 't':
			good = duration("--timeout", optarg, &a->timeout_ns);
			break;
		case 's':
			good = pair(optarg);
			a->sets[a->n_sets++] = optarg;
			break;
		case 'e':
			good = line(optarg);
			a->expects[a->n_expects++] = optarg;
			break;
		case 'j':
			a->json = true;
			break;
		case 'q':
			a->quiet = true;
			break;
		case 'h':
			help(stdout);
			return -1;
		default:
			good = false;
		}
	}
	a->urls = argv + optind;
	a->n_urls = (size_t)(argc - optind);
	if (good && !a->n_urls)
		fputs("probectl probe: expected a URL; probectl probe --help tells more\n", stderr);
	else if (good && a->count && a->interval_ns > LONGEST_NS / (int64_t)a->count)
		fputs("probectl probe: --count times --interval: expected less than ten years\n", stderr);
	else if (good)
		return 0;
	return CTL_USAGE;
}

static char *configuration(const struct asked *a)
{
	CLEANUP_BUF struct buf more = { 0 };
	struct buf b = { 0 };
	for (size_t i = 0; i < a->n_sets; i++)
		buf_printf(&more, "%.*s = <<PROBECTL\n%s\nPROBECTL\n", (int)(strchr(a->sets[i], '=') - a->sets[i]), a->sets[i],
		           strchr(a->sets[i], '=') + 1);
	for (size_t i = 0; i < a->n_expects; i++)
		buf_printf(&more, "expect.e%zu = <<PROBECTL\n%s\nPROBECTL\n", i + 1, a->expects[i]);
	buf_printf(&b, "[probed]\nlog_level = error\n[defaults]\nmonitor = no\ntimeout = %lldns\n", (long long)a->timeout_ns);
	urls_to_text(&b, (const char *const *)a->urls, a->n_urls, NULL, buf_cstr(&more));
	buf_printf(&b, "[plan probe]\nrun = round *\nstart = manual\ninflight = 65536\nslack = 0s\npace = burst %zu every %lldns", a->n_urls,
	           (long long)a->interval_ns);
	if (a->count)
		buf_printf(&b, " for %lldns", (long long)a->interval_ns * (long long)a->count);
	buf_putc(&b, '\n');
	return buf_cstr(&b);
}

static void on_result(void *ctx, const struct flight *f, const struct result *r)
{
	struct seen *s = ctx;
	if (!r->sub) {
		s->sent++;
		s->ok += r->outcome == PROBED_OK;
	}
	if (!s->asked->json && !s->asked->quiet)
		show_result(s->show, f, r);
}

static void summary(const struct tally_measure *m)
{
	char text[4][40];
	const struct hist *h = m->hists[TALLY_LATENCY];
	uint64_t all = m->n.sent, ok = m->n.outcome[PROBED_OK];
	printf("\n%s: %llu probe%s, %llu ok, %llu not (%.4g %%)\n", m->name, (unsigned long long)all, all == 1 ? "" : "s",
	       (unsigned long long)ok, (unsigned long long)(all - ok), all ? 100.0 * (double)(all - ok) / (double)all : 0.0);
	if (!h || !h->count)
		return;
	printf("latency min %s, mean %s, p95 %s, max %s\n", unit_format_duration(h->min_ns, text[0], sizeof text[0]),
	       unit_format_duration(h->sum_ns / (int64_t)h->count, text[1], sizeof text[1]),
	       unit_format_duration(hist_quantile(h, 0.95), text[2], sizeof text[2]),
	       unit_format_duration(h->max_ns, text[3], sizeof text[3]));
}

static void on_plan_ended(void *ctx, struct plan_run *run)
{
	const struct seen *s = ctx;
	for (uint32_t i = 0; i < run->tally->n_measures && !s->asked->json; i++)
		summary(&run->tally->measures[i]);
}

int probe_main(int argc, char **argv)
{
	struct asked a = { .interval_ns = NS_PER_S, .timeout_ns = 5 * NS_PER_S };
	struct seen seen = { .asked = &a };
	a.sets = xcalloc((size_t)argc, sizeof *a.sets);
	a.expects = xcalloc((size_t)argc, sizeof *a.expects);
	int rc = parse(argc, argv, &a);
	if (!rc) {
		CLEANUP_FREE char *text = configuration(&a);
		const struct core_observer observer = { .result = on_result, .plan_ended = on_plan_ended, .ctx = &seen };
		seen.show = show_new(stdout, false);
		rc = adhoc_run("probe", text, a.json, false, &observer);
		if (!rc || (rc == CTL_INTERRUPTED && !a.count && seen.sent)) /* without a count Ctrl-C is its end */
			rc = seen.sent && seen.ok == seen.sent ? CTL_MET : CTL_NOT_MET;
		show_free(seen.show);
	}
	free(a.sets);
	free(a.expects);
	return rc < 0 ? 0 : rc;
}
