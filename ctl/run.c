/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - probectl run FILE: plans in the foreground, to their end; then the reports. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/unit.h"
#include "config.h"
#include "ctl.h"
#include "output.h"
#include "plan/pace.h"
#include "plan/window.h"
#include "progress.h"
#include "report/report.h"
#include "run/load.h"

struct asked {
	const char *file;
	const char **plans;
	struct plan_ask ask;
	struct report_asked {
		char *format;
		const char *path;
		struct output out;
	} *reports;
	size_t n_reports;
	const char *save, *base;
	bool quiet, to_stdout; /* a report goes to standard output: nothing else does */
};

static void help(FILE *to)
{
	fputs("usage: probectl run FILE [--plan NAME]... [--for D] [--rate R] [--report FORMAT:FILE]... [--save FILE] [--compare RUN]\n\n"
	      "  --plan NAME, -p       only this plan; may be repeated (default: all)\n"
	      "  --for D               end each plan after D, such as 30s\n"
	      "  --rate R              scale each plan so that its highest rate is R, such as 100/s\n"
	      "  --report FORMAT:FILE  write a report (- for standard output); may be repeated. Formats: terminal, json, csv, junit,\n"
	      "                        markdown, html\n"
	      "  --save FILE           keep the run for probectl report\n"
	      "  --compare RUN         compare with a run that was kept\n"
	      "  --quiet, -q           no progress, no report on the terminal\n\n"
	      "Ctrl-C ends it: what is under way may end, and the reports are written; a second one ends it at once.\n"
	      "exit status: 0 all requirements hold, 1 one does not, 2 usage, 78 configuration, 130 interrupted\n",
	      to);
}

static int complain(const char *option, const char *expected, const char *found)
{
	fprintf(stderr, "probectl run: %s: expected %s, not \"%s\"\n", option, expected, found);
	return CTL_USAGE;
}

static int take_report(struct asked *a, const char *text)
{
	const char *colon = strchr(text, ':');
	struct report_asked *r = &a->reports[a->n_reports++];
	r->format = xstrndup(text, colon ? (size_t)(colon - text) : strlen(text));
	r->path = colon ? colon + 1 : "";
	if (!report_format_known(r->format)) {
		const char *near = report_format_nearest(r->format);
		fprintf(stderr, "probectl run: --report: unknown format \"%s\"%s%s%s; known are terminal, json, csv, junit, markdown, html\n",
		        r->format, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
		return CTL_USAGE;
	}
	for (size_t i = 0; *r->path && i + 1 < a->n_reports; i++)
		if (!strcmp(a->reports[i].path, r->path)) {
			fprintf(stderr, "probectl run: --report: %s is asked for twice; each report needs a file of its own\n", r->path);
			return CTL_USAGE;
		}
	a->to_stdout |= !strcmp(r->path, "-");
	return *r->path ? 0 : complain("--report", "FORMAT:FILE, such as html:report.html", text);
}

static int take_option(struct asked *a, int c)
{
	switch (c) {
	case 'p':
		a->plans[a->ask.n++] = optarg;
		a->ask.names = a->plans;
		return 0;
	case 'f':
		return !unit_parse_duration(optarg, &a->ask.for_ns) && a->ask.for_ns > 0 ? 0 : complain("--for", "a time, such as 30s", optarg);
	case 'r':
		return pace_parse_rate(optarg, &a->ask.rate) ? complain("--rate", "a rate of at most 1,000,000/s, such as 100/s", optarg) : 0;
	case 'o':
		return take_report(a, optarg);
	case 's':
		a->save = optarg;
		return 0;
	case 'c':
		a->base = optarg;
		return 0;
	case 'q':
		a->quiet = true;
		return 0;
	case 'h':
		help(stdout);
		return -1;
	default:
		fputs("probectl run --help tells more\n", stderr);
		return CTL_USAGE;
	}
}

/* 0, or the exit status; -1: nothing more to do. */
static int parse(int argc, char **argv, struct asked *a)
{
	static const struct option options[] = {
		{ "plan", required_argument, NULL, 'p' },   { "for", required_argument, NULL, 'f' },  { "rate", required_argument, NULL, 'r' },
		{ "report", required_argument, NULL, 'o' }, { "save", required_argument, NULL, 's' }, { "compare", required_argument, NULL, 'c' },
		{ "quiet", no_argument, NULL, 'q' },        { "help", no_argument, NULL, 'h' },       { 0 }
	};
	int c, rc;
	optind = 1;
	while ((c = getopt_long(argc, argv, "p:q", options, NULL)) >= 0)
		if ((rc = take_option(a, c)))
			return rc;
	if (optind != argc - 1) {
		fputs("probectl run: expected one FILE; probectl run --help tells more\n", stderr);
		return CTL_USAGE;
	}
	a->file = argv[optind];
	return 0;
}

/* --- after the run ---------------------------------------------------------------------------- */

static struct run *gather(const struct core *core, const struct asked *a, int status)
{
	char machine[256] = "";
	const struct plan_run *p;
	gethostname(machine, sizeof machine - 1);
	struct run *r = run_new(a->file, machine, PACKAGE_VERSION, (int64_t)core->epoch);
	DL_FOREACH(core->runs, p)
	{
		run_add(r, p->tally, true, p->plan->requires, p->plan->n_requires);
		if (p->failed && r->end == RUN_FINISHED)
			run_ended(r, RUN_ABORTED, p->why);
	}
	if (status == CTL_INTERRUPTED)
		run_ended(r, RUN_INTERRUPTED, "by a signal");
	return r;
}

static int write_report(const struct run *r, const struct run *base, struct report_asked *report)
{
	FILE *to = output_begin(&report->out);
	int rc = to ? report_write(r, base, report->format, to) : -1;
	if (output_end(&report->out))
		rc = -1;
	if (rc)
		fprintf(stderr, "probectl run: %s: the report could not be written: %s\n", report->path, strerror(errno));
	return rc;
}

/* 0, or an exit status: what was asked for could not be written. */
static int tell(const struct run *r, const struct run *base, struct asked *a)
{
	char error[300];
	int rc = 0;
	if (!a->quiet && !a->to_stdout)
		report_terminal(r, base, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"), stdout);
	for (size_t i = 0; i < a->n_reports; i++)
		rc |= write_report(r, base, &a->reports[i]);
	if (a->save && run_save(r, a->save, error, sizeof error)) {
		fprintf(stderr, "probectl run: --save: %s\n", error);
		rc = -1;
	}
	return rc ? CTL_NOT_MET : 0;
}

/* --- before the run --------------------------------------------------------------------------- */

static int open_outputs(struct asked *a)
{
	for (size_t i = 0; i < a->n_reports; i++)
		if (output_open(&a->reports[i].out, a->reports[i].path)) {
			fprintf(stderr, "probectl run: --report: %s can't be written: %s\n", a->reports[i].path, strerror(errno));
			return CTL_USAGE;
		}
	if (a->save && output_may_replace(a->save)) {
		fprintf(stderr, "probectl run: --save: %s can't be written: %s\n", a->save, strerror(errno));
		return CTL_USAGE;
	}
	return 0;
}

static int load(const struct asked *a, struct loaded *first)
{
	struct load_ask ask = { .path = a->file };
	load_now(&ask, first);
	errs_print(&first->errs, stderr);
	if (!first->model)
		return CTL_CONFIG;
	if (!first->model->n_plans) {
		fprintf(stderr, "probectl run: %s: there is no [plan ...] in it, and nothing to run\n", a->file);
		return CTL_CONFIG;
	}
	for (size_t i = 0; i < a->ask.n; i++)
		if (!model_plan(first->model, a->plans[i])) {
			fprintf(stderr, "probectl run: --plan: there is no [plan %s] in %s; there is", a->plans[i], a->file);
			for (size_t k = 0; k < first->model->n_plans; k++)
				fprintf(stderr, "%s %s", k ? "," : "", first->model->plans[k]->name);
			fputc('\n', stderr);
			return CTL_USAGE;
		}
	return 0;
}

static int check_rate(const struct asked *a, const struct plan *p)
{
	if (!(a->ask.rate > 0))
		return 0;
	double most = pace_rate_max(p->pace);
	struct pace *scaled = most > 0 ? pace_rescale(p->pace, a->ask.rate / most) : NULL;
	pace_free(scaled);
	if (scaled)
		return 0;
	fprintf(stderr, "probectl run: --rate: plan %s %s\n", p->name,
	        pace_users(p->pace) ? "is of users, who have no rate: leave it out with --plan, or change how many they are"
	                            : "can't be scaled to this rate");
	return CTL_USAGE;
}

/* Nobody should sit before a run that stands still, or has no end, without knowing. */
static int check_window(const struct asked *a, const struct plan *p)
{
	char when[32], wait[40];
	int64_t now_ns = clock_wall_ns();
	struct window_state w = p->windows ? windows_at(p->windows, now_ns) : (struct window_state){ .open = true };
	if (!w.open && w.opens_ns == INT64_MAX) {
		fprintf(stderr, "probectl run: plan %s: its window never opens again\n", p->name);
		return CTL_CONFIG;
	}
	if (a->quiet)
		return 0;
	if (!w.open) {
		clock_format_wall(w.opens_ns, when);
		fprintf(stderr, "probectl run: plan %s waits: its window opens at %.19sZ, in %s; Ctrl-C ends it\n", p->name, when,
		        unit_format_duration(w.opens_ns - now_ns, wait, sizeof wait));
	}
	bool data_ends = p->data.path && !p->data.repeat;
	if (pace_length_ns(p->pace) == INT64_MAX && !a->ask.for_ns && !data_ends)
		fprintf(stderr, "probectl run: plan %s has no end of its own: Ctrl-C ends it, or --for D\n", p->name);
	return 0;
}

static int check_plans(const struct asked *a, const struct model *m)
{
	int rc = 0;
	for (size_t i = 0; i < m->n_plans && !rc; i++) {
		bool asked = !a->ask.n;
		for (size_t k = 0; k < a->ask.n; k++)
			asked |= !strcmp(a->plans[k], m->plans[i]->name);
		rc = !asked ? 0 : check_rate(a, m->plans[i]);
		if (asked && !rc)
			rc = check_window(a, m->plans[i]);
	}
	return rc;
}

/* --- the run ---------------------------------------------------------------------------------- */

static int run(struct asked *a, struct loaded *first, const struct run *base)
{
	struct core *core = core_new(CORE_PLANS, a->file);
	core->ask = &a->ask;
	struct progress *progress = a->quiet ? NULL : progress_new(core);
	int rc = core_run(core, first, 0);
	progress_free(progress);
	struct run *r = gather(core, a, rc);
	int told = tell(r, base, a);
	if (!rc)
		rc = told ? told : run_met(r) && r->end == RUN_FINISHED ? CTL_MET : CTL_NOT_MET;
	run_free(r);
	core_free(core);
	return rc;
}

static void asked_free(struct asked *a)
{
	for (size_t i = 0; i < a->n_reports; i++) {
		output_drop(&a->reports[i].out);
		free(a->reports[i].format);
	}
	free(a->reports);
	free(a->plans);
}

int run_main(int argc, char **argv)
{
	struct asked a = { 0 };
	struct loaded first = { 0 };
	struct run *base = NULL;
	char error[300];
	a.plans = xcalloc((size_t)argc, sizeof *a.plans);
	a.reports = xcalloc((size_t)argc, sizeof *a.reports);
	int rc = parse(argc, argv, &a);
	if (!rc && a.base && !(base = run_read(a.base, error, sizeof error))) {
		fprintf(stderr, "probectl run: --compare: %s\n", error);
		rc = CTL_USAGE;
	}
	if (!rc)
		rc = load(&a, &first);
	if (!rc)
		rc = check_plans(&a, first.model);
	if (!rc)
		rc = open_outputs(&a);
	if (!rc)
		rc = run(&a, &first, base);
	loaded_clear(&first);
	run_free(base);
	asked_free(&a);
	return rc < 0 ? 0 : rc;
}
