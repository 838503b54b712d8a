/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - probectl scan host:ports: which ports are open, closed, or silent. */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adhoc.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "ctl.h"
#include "plan/pace.h"

#define HOST_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define PLACES_MAX 65536 /* hosts times ports */

struct place_seen {
	const char *host;
	uint16_t port;
	uint8_t outcome, reason;
	bool seen;
	int64_t service_ns;
};

struct scan {
	int64_t timeout_ns;
	double rate;
	bool json, all;
	struct place_seen *list;
	size_t n, cap;
	char **hosts;
	size_t n_hosts;
};

static void help(FILE *to)
{
	fputs("usage: probectl scan HOST:PORTS... [--timeout D] [--rate R] [--all] [--json]\n\n"
	      "  PORTS         such as 22, 22,80,443 or 8000-8100; [::1]:22 for IPv6\n"
	      "  --timeout D   a port that is silent for so long is filtered (default 1s)\n"
	      "  --rate R      connections a second (default 1000/s)\n"
	      "  --all, -a     closed and filtered ports too\n"
	      "  --json        a JSON line a port\n\n"
	      "Only connects, and closes at once. Scan what is yours.\n"
	      "exit status: 0 some port is open, 1 none is, 2 usage, 130 interrupted\n",
	      to);
}

static int bad_ports(const char *text)
{
	fprintf(stderr, "probectl scan: expected HOST:PORTS, such as 127.0.0.1:22,80,8000-8100 or [::1]:22, not \"%s\"\n", text);
	return -1;
}

static int add_range(struct scan *s, const char *host, unsigned long first, unsigned long last)
{
	for (unsigned long port = first; port <= last; port++) {
		if (s->n >= PLACES_MAX) {
			fprintf(stderr, "probectl scan: at most %d ports in all\n", PLACES_MAX);
			return -1;
		}
		xgrow(s->list, s->n, s->cap);
		s->list[s->n++] = (struct place_seen){ .host = host, .port = (uint16_t)port };
	}
	return 0;
}

static unsigned long port_number(const char **at)
{
	char *end;
	unsigned long port = isdigit((unsigned char)**at) ? strtoul(*at, &end, 10) : 0;
	*at = port ? end : *at;
	return port <= 65535 ? port : 0;
}

static int add_host(struct scan *s, const char *text)
{
	const char *colon = strrchr(text, ':'), *at;
	if (!colon || colon == text || strspn(text, HOST_CHARS "[]:%,") < strlen(text))
		return bad_ports(text);
	char *host = s->hosts[s->n_hosts++] = xstrndup(text, (size_t)(colon - text));
	if (strchr(host, ':') || strpbrk(host, "[]"))
		if (*host != '[' || strcspn(host, "]") + 1 != strlen(host))
			return bad_ports(text);
	for (at = colon + 1;; at++) {
		unsigned long first = port_number(&at), last = first;
		if (first && *at == '-') {
			at++;
			last = port_number(&at);
		}
		if (!first || last < first || (*at && *at != ','))
			return bad_ports(text);
		if (add_range(s, host, first, last))
			return -1;
		if (!*at)
			return 0;
	}
}

/* 0, or the exit status; -1: nothing more to do. */
static int parse(int argc, char **argv, struct scan *s)
{
	static const struct option options[] = {
		{ "timeout", required_argument, NULL, 't' }, { "rate", required_argument, NULL, 'r' }, { "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },          { "help", no_argument, NULL, 'h' },       { 0 }
	};
	int c;
	optind = 1;
	while ((c = getopt_long(argc, argv, "a", options, NULL)) >= 0) {
		if (c == 't' && (unit_parse_duration(optarg, &s->timeout_ns) || s->timeout_ns < NS_PER_MS)) {
			fprintf(stderr, "probectl scan: --timeout: expected a time of at least 1ms, such as 500ms, not \"%s\"\n", optarg);
			return CTL_USAGE;
		}
		if (c == 'r' && (pace_parse_rate(optarg, &s->rate) || s->rate <= 0)) {
			fprintf(stderr, "probectl scan: --rate: expected a rate of at most 1,000,000/s, such as 100/s, not \"%s\"\n", optarg);
			return CTL_USAGE;
		}
		s->all |= c == 'a';
		s->json |= c == 'j';
		if (c == 'h') {
			help(stdout);
			return -1;
		}
		if (c == '?')
			return CTL_USAGE;
	}
	if (optind == argc) {
		fputs("probectl scan: expected HOST:PORTS; probectl scan --help tells more\n", stderr);
		return CTL_USAGE;
	}
	for (int i = optind; i < argc; i++)
		if (add_host(s, argv[i]))
			return CTL_USAGE;
	return 0;
}

static char *configuration(const struct scan *s)
{
	struct buf b = { 0 };
	buf_printf(&b, "[probed]\nlog_level = error\n[defaults]\nmonitor = no\ntimeout = %lldns\n", (long long)s->timeout_ns);
	for (size_t i = 0; i < s->n; i++)
		buf_printf(&b, "[target p%zu]\nurl = tcp://%s:%u\n", i, s->list[i].host, s->list[i].port);
	buf_printf(&b, "[plan scan]\nrun = round *\nstart = manual\ninflight = 4096\npace = rate %.6f/s for %lldns\n", s->rate,
	           (long long)((double)s->n / s->rate * 1e9));
	return buf_cstr(&b);
}

static const char *state_of(const struct place_seen *p)
{
	if (p->outcome == PROBED_OK)
		return "open";
	switch (p->reason) {
	case PROBED_REASON_REFUSED:
		return "closed";
	case PROBED_REASON_TIMEOUT:
	case PROBED_REASON_UNREACHABLE:
	case PROBED_REASON_RESET:
		return "filtered";
	default:
		return "unknown";
	}
}

static void on_result(void *ctx, const struct flight *f, const struct result *r)
{
	struct scan *s = ctx;
	size_t i = strtoul(f->subject->name + 1, NULL, 10);
	if (r->sub || i >= s->n)
		return;
	s->list[i].seen = true;
	s->list[i].outcome = r->outcome;
	s->list[i].reason = r->reason;
	s->list[i].service_ns = result_service_ns(r);
}

static void print_json(const struct place_seen *p)
{
	CLEANUP_BUF struct buf b = { 0 };
	buf_puts(&b, "{\"host\":");
	str_put_json(&b, p->host, strlen(p->host));
	buf_printf(&b, ",\"port\":%u,\"state\":\"%s\",\"reason\":\"%s\",\"service_seconds\":%.6f}", p->port, state_of(p),
	           reason_name(p->reason), (double)p->service_ns / 1e9);
	puts(buf_cstr(&b));
}

/* How many are open. */
static size_t print(const struct scan *s)
{
	size_t open = 0, closed = 0, other = 0, left = 0;
	char took[40];
	for (size_t i = 0; i < s->n; i++) {
		const struct place_seen *p = &s->list[i];
		left += !p->seen;
		if (!p->seen)
			continue;
		bool is_open = p->outcome == PROBED_OK, is_closed = p->reason == PROBED_REASON_REFUSED;
		open += is_open;
		closed += !is_open && is_closed;
		other += !is_open && !is_closed;
		if (s->json)
			print_json(p);
		else if (is_open || s->all)
			printf("%s:%-5u  %-8s  %9s  %s\n", p->host, p->port, state_of(p), unit_format_duration(p->service_ns, took, sizeof took),
			       is_open ? "" : reason_name(p->reason));
	}
	if (!s->json)
		printf("%zu open, %zu closed, %zu filtered or unknown\n", open, closed, other);
	if (left)
		fprintf(stderr, "probectl scan: %zu ports were not tried\n", left);
	return open;
}

int scan_main(int argc, char **argv)
{
	struct scan s = { .timeout_ns = NS_PER_S, .rate = 1000 };
	s.hosts = xcalloc((size_t)argc, sizeof *s.hosts);
	int rc = parse(argc, argv, &s);
	if (!rc) {
		CLEANUP_FREE char *text = configuration(&s);
		const struct core_observer observer = { .result = on_result, .ctx = &s };
		rc = adhoc_run("scan", text, false, isatty(STDERR_FILENO), &observer);
		if (!rc || rc == CTL_INTERRUPTED)
			rc = print(&s) && !rc ? CTL_MET : rc ? rc : CTL_NOT_MET;
	}
	for (size_t i = 0; i < s.n_hosts; i++)
		free(s.hosts[i]);
	free(s.hosts);
	free(s.list);
	return rc < 0 ? 0 : rc;
}
