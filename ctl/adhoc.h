/* SPDX-License-Identifier: Apache-2.0 */
/* adhoc.h - for commands without a file: a configuration as text, its one plan run to its end. */
#ifndef ADHOC_H
#define ADHOC_H

#include <stdbool.h>

#include "run/plan_run.h"

/* `who` says which command it is in messages. json: each result is a line on standard output, as the jsonl sink writes it.
 * bar: progress is shown.
 * Returns CTL_MET where the plan came to its end, CTL_INTERRUPTED where it was told to end, or why it could not be run. */
int adhoc_run(const char *who, const char *text, bool json, bool bar, const struct core_observer *observer);

#endif
