/* SPDX-License-Identifier: Apache-2.0 */
/* plan_rows.h - the variables that a virtual user begins with: a row of the plan's data, and what its setup captured. */
#ifndef RUN_PLAN_ROWS_H
#define RUN_PLAN_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/option.h"

struct plan_run;

struct row_vars {
	struct kv *list; /* the strings are the run's and its data's, good until row_advance() */
	uint32_t n;
};

/* The run's next row is read: run->row_ready, or else run->data_ended. */
void row_advance(struct plan_run *run);
/* The columns of the row that is ready, if `row`, and what the setup captured, if `captured`. */
void row_vars_fill(struct row_vars *v, const struct plan_run *run, bool row, bool captured);
void row_vars_free(struct row_vars *v);

#endif
