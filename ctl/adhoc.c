/* SPDX-License-Identifier: Apache-2.0 */
/* adhoc.c - see adhoc.h */
#include "adhoc.h"

#include <stdio.h>

#include "base/errs.h"
#include "ctl.h"
#include "progress.h"
#include "run/load.h"

/* NULL, and a line on stderr, where the plugin is not there. */
static const struct part *lines_sink(const char *who, const struct model *m, struct part *sink)
{
	static const struct kv path = { .key = "path", .value = "-" };
	*sink = (struct part){ .name = "lines", .options = &path, .n_options = 1, .digest = 1 };
	sink->table = registry_sink(m->registry, "jsonl");
	if (sink->table)
		return sink;
	fprintf(stderr, "probectl %s: --json needs the jsonl plugin, which was not found; see probed --list-plugins\n", who);
	return NULL;
}

/* Nobody has seen the text, so its lines are not told; a target's name is that of its URL. */
static void complain(const char *who, const struct errs *errs)
{
	for (size_t i = 0; i < errs->n; i++) {
		const char *text = errs->list[i].text, *from = strstr(text, ": ");
		fprintf(stderr, "probectl %s: %s\n", who, from ? from + 2 : text);
	}
}

int adhoc_run(const char *who, const char *text, bool json, bool bar, const struct core_observer *observer)
{
	struct plan_ask ask = { 0 };
	struct loaded first = { 0 };
	struct load_ask load = { .name = "command line", .text = text };
	struct part sink;
	int rc = CTL_USAGE;
	load_now(&load, &first);
	complain(who, &first.errs);
	if (first.model && (!json || lines_sink(who, first.model, &sink))) {
		struct core *core = core_new(CORE_PLANS, NULL);
		core->ask = &ask;
		core->observer = *observer;
		core->once_sinks = json ? &sink : NULL;
		core->n_once_sinks = json;
		struct progress *progress = bar ? progress_new(core) : NULL;
		rc = core_run(core, &first, 0);
		progress_free(progress);
		core_free(core);
	}
	loaded_clear(&first);
	return rc;
}
