/* SPDX-License-Identifier: Apache-2.0 */
/* dry_run.h - what plans would do, without doing it: due times, picks, windows and limits, for people to read. */
#ifndef RUN_DRY_RUN_H
#define RUN_DRY_RUN_H

#include <stdint.h>
#include <stdio.h>

struct model;

/* The first `count` of each plan, or of `plan` alone where it is not NULL. An exit status: 2 and a line on stderr where
 * there is no such plan. */
int cmd_dry_run(const struct model *m, const char *plan, uint64_t count, FILE *to);

#endif
