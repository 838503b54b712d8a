/* SPDX-License-Identifier: Apache-2.0 */
/* show.h - results for people: a line each as they come, or a table once all are in. */
#ifndef RUN_SHOW_H
#define RUN_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "run/core.h"

struct show;

/* `table`: keeps the results for show_table(); else each is a line at once. Colour on a terminal only. */
struct show *show_new(FILE *to, bool table);
void show_free(struct show *s);
/* For core_observer. */
void show_result(void *ctx, const struct flight *f, const struct result *r);
/* Prints what was kept, sorted by name, and a closing line of counts. */
void show_table(struct show *s);
/* Results by outcome so far; sub-results don't count. */
size_t show_count(const struct show *s, uint32_t outcome);

#endif
