/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - probectl run FILE: plans in the foreground, to their end. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/unit.h"
#include "ctl.h"
#include "measure/require.h"
#include "plan/pace.h"
#include "run/load.h"
#include "run/plan_run.h"

struct asked {
	const char *file;
	const char **plans;
	struct plan_ask ask;
};

struct seen {
	bool not_met;
};

static void help(FILE *to)
{
	fputs("usage: probectl run FILE [--plan NAME]... [--for 30s] [--rate 100/s]\n\n"
	      "  --plan NAME   only this plan; may be repeated (default: all)\n"
	      "  --for D       end each plan after D\n"
	      "  --rate R      scale each open plan so that its highest rate is R\n\n"
	      "exit status: 0 all requirements hold, 1 one does not, 2 usage, 78 configuration, 130 interrupted\n",
	      to);
}

static int parse(int argc, char **argv, struct asked *a)
{
	static const struct option options[] = {
		{ "plan", required_argument, NULL, 'p' }, { "for", required_argument, NULL, 'f' },
		{ "rate", required_argument, NULL, 'r' }, { "help", no_argument, NULL, 'h' }, { 0 }
	};
	int c;
	a->plans = xcalloc((size_t)argc, sizeof *a->plans);
	a->ask.names = NULL;
	optind = 1;
	while ((c = getopt_long(argc, argv, "p:", options, NULL)) >= 0) {
		switch (c) {
		case 'p':
			a->plans[a->ask.n++] = optarg;
			a->ask.names = a->plans;
			break;
		case 'f':
			if (unit_parse_duration(optarg, &a->ask.for_ns) || a->ask.for_ns <= 0) {
				fprintf(stderr, "probectl run: --for: expected a time, such as 30s, not \"%s\"\n", optarg);
				return CTL_USAGE;
			}
			break;
		case 'r':
			if (pace_parse_rate(optarg, &a->ask.rate)) {
				fprintf(stderr, "probectl run: --rate: expected a rate, such as 100/s, not \"%s\"\n", optarg);
				return CTL_USAGE;
			}
			break;
		case 'h':
			help(stdout);
			return -1;
		default:
			help(stderr);
			return CTL_USAGE;
		}
	}
	if (optind != argc - 1) {
		fprintf(stderr, "probectl run: expected one FILE\n");
		help(stderr);
		return CTL_USAGE;
	}
	a->file = argv[optind];
	return 0;
}

static void on_plan_ended(void *ctx, struct plan_run *run)
{
	struct seen *seen = ctx;
	const struct tally *t = run->tally;
	struct hist *h = xnew(struct hist);
	char text[300];
	tally_hist(t, TALLY_ALL, TALLY_LATENCY, h);
	printf("%s: asked %.3f/s, achieved %.3f/s; sent %llu, dropped %llu, lost %llu; ok %llu, fail %llu, error %llu, unknown %llu; "
	       "latency p50 %.3f ms, p99 %.3f ms\n",
	       run->name, tally_asked_rate(t), tally_achieved_rate(t), (unsigned long long)t->n.sent,
	       (unsigned long long)tally_dropped(&t->n), (unsigned long long)t->n.why[TALLY_LOST],
	       (unsigned long long)t->n.outcome[PROBED_OK], (unsigned long long)t->n.outcome[PROBED_FAIL],
	       (unsigned long long)t->n.outcome[PROBED_ERROR], (unsigned long long)t->n.outcome[PROBED_UNKNOWN],
	       (double)hist_quantile(h, 0.5) / 1e6, (double)hist_quantile(h, 0.99) / 1e6);
	for (uint32_t which = TALLY_SERVICE; which <= TALLY_LAG; which++) {
		memset(h, 0, sizeof *h);
		tally_hist(t, TALLY_ALL, which, h);
		printf("  %s p50 %.3f p99 %.3f ms", which == TALLY_LAG ? "lag" : "service", (double)hist_quantile(h, 0.5) / 1e6, (double)hist_quantile(h, 0.99) / 1e6);
	}
	printf("\n");
	free(h);
	for (uint32_t i = 0; i < run->plan->n_requires; i++) {
		bool met = requirement_verdict(run->plan->requires[i], t, text, sizeof text) == REQUIREMENT_MET;
		printf("%s: %s: %s\n", run->name, met ? "met" : "not met", text);
		seen->not_met |= !met;
	}
	seen->not_met |= run->failed;
}

int run_main(int argc, char **argv)
{
	struct asked a = { 0 };
	struct seen seen = { 0 };
	struct loaded first = { 0 };
	int rc = parse(argc, argv, &a);
	if (!rc) {
		struct load_ask ask = { .path = a.file };
		load_now(&ask, &first);
		errs_print(&first.errs, stderr);
		rc = first.model ? 0 : CTL_CONFIG;
	}
	for (size_t i = 0; !rc && i < a.ask.n; i++)
		if (!model_plan(first.model, a.plans[i])) {
			fprintf(stderr, "probectl run: there is no [plan %s] in %s\n", a.plans[i], a.file);
			rc = CTL_CONFIG;
		}
	if (!rc && !first.model->n_plans) {
		fprintf(stderr, "probectl run: there is no [plan ...] in %s\n", a.file);
		rc = CTL_CONFIG;
	}
	if (!rc) {
		struct core *core = core_new(CORE_PLANS, a.file);
		core->ask = &a.ask;
		core->observer = (struct core_observer){ .plan_ended = on_plan_ended, .ctx = &seen };
		rc = core_run(core, &first, 0);
		core_free(core);
		rc = rc ? rc : seen.not_met ? CTL_NOT_MET : CTL_MET;
	}
	loaded_clear(&first);
	free(a.plans);
	return rc < 0 ? 0 : rc;
}
