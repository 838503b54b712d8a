/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - probectl report A.run [B.run ...]: runs that were kept, merged, compared and told. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl.h"
#include "output.h"
#include "report/report.h"

static void help(FILE *to)
{
	fputs("usage: probectl report RUN... [--merge] [--compare RUN]... [--format FORMAT] [--output FILE]\n\n"
	      "  RUN RUN...        the first is what the last is compared with; with --merge all are one\n"
	      "  --merge, -m       as if all had run beside one another: histograms are added, nothing is averaged\n"
	      "  --compare RUN     compare with this one; may be repeated: those are merged first\n"
	      "  --format FORMAT   terminal (default), json, csv, junit, markdown, html\n"
	      "  --output FILE     instead of standard output\n\n"
	      "exit status: 0 all requirements hold, 1 one does not, 2 usage or a file that is no run\n",
	      to);
}

struct asked {
	const char *format, *output;
	const char **bases;
	size_t n_bases;
	bool merge;
};

static int parse(int argc, char **argv, struct asked *a)
{
	static const struct option options[] = {
		{ "merge", no_argument, NULL, 'm' },        { "compare", required_argument, NULL, 'c' }, { "format", required_argument, NULL, 'f' },
		{ "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' },          { 0 }
	};
	int c;
	optind = 1;
	while ((c = getopt_long(argc, argv, "mo:f:", options, NULL)) >= 0) {
		a->merge |= c == 'm';
		if (c == 'c')
			a->bases[a->n_bases++] = optarg;
		if (c == 'f')
			a->format = optarg;
		if (c == 'o')
			a->output = optarg;
		if (c == 'h') {
			help(stdout);
			return -1;
		}
		if (c == '?')
			return CTL_USAGE;
	}
	if (!report_format_known(a->format)) {
		const char *near = report_format_nearest(a->format);
		fprintf(stderr, "probectl report: --format: unknown format \"%s\"%s%s%s; known are terminal, json, csv, junit, markdown, html\n", a->format, near ? " (did you mean \"" : "",
		        near ? near : "", near ? "\"?)" : "");
		return CTL_USAGE;
	}
	if (optind < argc)
		return 0;
	fputs("probectl report: expected a RUN; probectl report --help tells more\n", stderr);
	return CTL_USAGE;
}

/* The runs of all files, merged. NULL, with a line on stderr. */
static struct run *read_all(const char *const *paths, size_t n)
{
	struct run *all = NULL;
	for (size_t i = 0; i < n; i++) {
		char error[300];
		struct run *one = run_read(paths[i], error, sizeof error);
		if (!one) {
			fprintf(stderr, "probectl report: %s\n", error);
			run_free(all);
			return NULL;
		}
		if (!all) {
			all = one;
			continue;
		}
		run_merge(all, one);
		run_free(one);
	}
	return all;
}

static int write_out(const struct run *r, const struct run *base, const struct asked *a)
{
	struct output out;
	bool standard = !strcmp(a->output, "-"), colour = standard && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	FILE *to = output_open(&out, a->output) ? NULL : output_begin(&out);
	int rc = !to ? -1 : !strcmp(a->format, "terminal") ? report_terminal(r, base, colour, to) : report_write(r, base, a->format, to);
	if (out.to && output_end(&out))
		rc = -1;
	if (rc)
		fprintf(stderr, "probectl report: %s can't be written: %s\n", standard ? "standard output" : a->output, strerror(errno));
	return rc;
}

int report_main(int argc, char **argv)
{
	struct asked a = { .format = "terminal", .output = "-" };
	a.bases = xcalloc((size_t)argc + 1, sizeof *a.bases);
	int rc = parse(argc, argv, &a);
	if (!rc) {
		const char *const *runs = (const char *const *)argv + optind;
		size_t n = (size_t)(argc - optind);
		if (!a.merge && n > 1) {
			for (size_t i = 0; i + 1 < n; i++)
				a.bases[a.n_bases++] = runs[i];
			runs += n - 1;
			n = 1;
		}
		struct run *r = read_all(runs, n), *base = r && a.n_bases ? read_all(a.bases, a.n_bases) : NULL;
		if (!r || (a.n_bases && !base))
			rc = CTL_USAGE;
		else if (write_out(r, base, &a))
			rc = CTL_USAGE;
		else
			rc = run_met(r) ? CTL_MET : CTL_NOT_MET;
		run_free(r);
		run_free(base);
	}
	free(a.bases);
	return rc < 0 ? 0 : rc;
}
