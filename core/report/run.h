/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h - everything of one run of one or more plans: what was measured, what had to hold, how it ended. It is made
 * when a run ends (or is interrupted), written to a .run file, read back, merged with others, and reported. One thread.
 */
#ifndef REPORT_RUN_H
#define REPORT_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "measure/require.h"
#include "measure/tally.h"

enum run_end {
	RUN_FINISHED,
	RUN_INTERRUPTED, /* by a person or a signal */
	RUN_ABORTED,     /* by a requirement that says `abort after` */
	RUN_ENDS
};

struct run_requirement {
	char *text, *why;
	uint32_t state; /* enum requirement_state */
};

struct run_plan {
	struct tally *tally;
	bool lent; /* not freed with the run */
	struct run_requirement *requires;
	uint32_t n_requires;
};

struct run {
	unsigned magic;
	char *name, *machine, *version; /* of probed */
	char *why;                      /* it ended so; "" where finished */
	int64_t wall_ns;                /* of the start */
	uint32_t end;                   /* enum run_end */
	uint32_t merged;                /* how many runs this is; 1 */
	struct run_plan *plans;
	uint32_t n_plans, cap_plans;
};

struct run *run_new(const char *name, const char *machine, const char *version, int64_t wall_ns);
void run_free(struct run *r);
/* A plan's tally, with its requirements judged as of now. Taken over, unless `lent`: then it must outlive the run. */
void run_add(struct run *r, struct tally *t, bool lent, const struct requirement *const *requires, uint32_t n_requires);
/* How it ended, where it did not finish. */
void run_ended(struct run *r, enum run_end end, const char *why);
/* A run of this one plan that lends its tally: run_new() and run_add() at once. */
struct run *run_from_tally(const char *machine, const char *version, struct tally *t,
                           const struct requirement *const *requires, uint32_t n_requires);

/* Do all requirements of all plans hold? */
bool run_met(const struct run *r);
const struct run_plan *run_plan(const struct run *r, const char *name); /* NULL: none of this name */
const char *run_end_name(uint32_t end);                                 /* "finished" */

/* Adds another run's plans to this one's, by name: histograms, not averages. Requirements are judged again. All tallies
 * must have ended, and this run's must be its own. */
void run_merge(struct run *into, const struct run *from);

/* The .run file: JSON compressed by zstd, bounded whatever the length of the run. 0, or -1 with a line in `error`. */
int run_write(const struct run *r, FILE *to, char *error, size_t size);
int run_save(const struct run *r, const char *path, char *error, size_t size); /* whole, or not at all */
/* NULL, with a line in `error`: the path, what is wrong, and what was expected. Trusts nothing of the file. */
struct run *run_read(const char *path, char *error, size_t size);
/* The same of a file's content. */
struct run *run_parse(const void *data, size_t n, char *error, size_t size);

#endif
