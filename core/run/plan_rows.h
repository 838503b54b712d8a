/* SPDX-License-Identifier: Apache-2.0 */
/* plan_rows.h - the variables that a virtual user begins with: a row of the plan's data, and what its setup captured. */
#ifndef RUN_PLAN_ROWS_H
#define RUN_PLAN_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/option.h"

struct plan_run;

struct row_vars {
	struct kv *list;
	uint32_t n;
	char *names; /* that belong to it */
};

/* The next row, where `row` and the plan has data; false: there is none any more, and the run's data has ended. */
bool row_vars_fill(struct row_vars *v, struct plan_run *run, bool row);
/* The row alone. */
bool row_vars_row(struct row_vars *v, struct plan_run *run);
void row_vars_free(struct row_vars *v);

#endif
