/* SPDX-License-Identifier: Apache-2.0 */
/* run_parts.h - what run.c, run_write.c and run_read.c share: the form of the .run file. */
#ifndef REPORT_RUN_PARTS_H
#define REPORT_RUN_PARTS_H

#include "report/run.h"

#define RUN_MAGIC 0x72756e73u
#define RUN_VERSION 1
#define RUN_FILE_MAX (64u << 20) /* compressed, and as JSON */
#define RUN_PLANS_MAX 64
#define RUN_REQUIRES_MAX 1000
#define RUN_TEXT_MAX 1000
#define RUN_COUNTERS (sizeof(struct tally_counts) / sizeof(uint64_t))

/* Counters are stored as arrays; the file names them once, so that later versions may have others. */
const char *run_counter_name(uint32_t i, char *out, size_t size);

struct run_plan *run_plan_add(struct run *r, struct tally *t, bool lent, uint32_t n_requires);

#endif
