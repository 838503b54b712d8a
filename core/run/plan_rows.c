/* SPDX-License-Identifier: Apache-2.0 */
/* plan_rows.c - see plan_rows.h */
#include "run/plan_rows.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/data.h"
#include "run/plan_run.h"

static void ended(struct plan_run *run, const char *why)
{
	if (!run->data_ended && why) {
		log_error("data can't be read on", "plan", run->name, "why", why, NULL);
		tally_event(run->tally, run->core->loop->now_ns - run->t0_ns, why);
	}
	run->data_ended = true;
}

/* The next row stands ready, so that the end of the data is known before another user begins. */
void row_advance(struct plan_run *run)
{
	run->row_ready = false;
	if (!run->data || run->data_ended)
		return;
	int rc = data_next(run->data, &run->row);
	for (const char *problem; (problem = data_problem(run->data));)
		log_warn("a row of data was left out", "plan", run->name, "why", problem, NULL);
	run->row_ready = rc > 0;
	if (rc <= 0)
		ended(run, rc ? data_error(run->data) : NULL);
}

static void add_row(struct row_vars *v, const struct plan_run *run)
{
	size_t n;
	const char *const *names = data_variables(run->data, &n);
	for (size_t i = 0; i < run->row.n && i < n; i++)
		if (run->row.values[i])
			v->list[v->n++] = (struct kv){ .key = names[i], .value = run->row.values[i] };
}

void row_vars_fill(struct row_vars *v, const struct plan_run *run, bool row, bool captured)
{
	size_t columns = run->row_ready ? run->row.n : 0;
	*v = (struct row_vars){ .list = xcalloc(columns + run->n_vars + 1, sizeof *v->list) };
	if (row && run->row_ready)
		add_row(v, run);
	for (uint32_t i = 0; captured && i < run->n_vars; i++)
		v->list[v->n++] = (struct kv){ .key = run->vars[i].name, .value = run->vars[i].value };
}

void row_vars_free(struct row_vars *v)
{
	free(v->list);
	*v = (struct row_vars){ 0 };
}
