/* SPDX-License-Identifier: Apache-2.0 */
/* progress.h - plans under way, for people: a bar for each on a terminal, a line now and then elsewhere. On stderr. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "run/plan_run.h"

struct progress;

/* Draws by itself while core_run() is busy. */
struct progress *progress_new(struct core *core);
/* Takes the bars away. */
void progress_free(struct progress *p);

#endif
