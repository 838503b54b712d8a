/* SPDX-License-Identifier: Apache-2.0 */
/*
 * require.h - what must hold of a run: `metric [by step | by NAME] [aggregation] op value [abort after D]`. Pure.
 *
 *   latency p95 < 300ms               latency service lag: p50 p90 p95 p99 p99.9 p99.99 (any pN) avg min max count
 *   phase connect by login p99 < 20ms the same, of one phase
 *   errors rate < 1%                  fail and error, of all but unknown; or count
 *   unknown count == 0                our own faults; or rate
 *   dropped count == 0                never sent; or rate, of all that were due
 *   checks rate > 99%                 expectations that held; count: how many held
 *   rate >= 990/s                     probes sent; min, max: of the intervals; count: in all
 *   bytes rate > 1MiB/s               in and out; count: in all; avg: a probe
 *   cert.expires min > 14d            a fact that is a number: pN avg min max count; a boolean's rate: how often true
 */
#ifndef MEASURE_REQUIRE_H
#define MEASURE_REQUIRE_H

#include <stddef.h>
#include <stdint.h>

struct requirement;
struct tally;
struct tally_step;

enum requirement_state {
	REQUIREMENT_MET,
	REQUIREMENT_NOT_MET,
	REQUIREMENT_NOT_MEASURED /* counts as not met */
};

/* NULL, with "column 9: ..." in `error`: what was expected, and the nearest known name. Keeps nothing of `steps`. */
struct requirement *requirement_compile(const char *text, const struct tally_step *steps, uint32_t n_steps, char *error,
                                        size_t size);
/* The same against what was measured already (steps and facts of a run that was read back). */
struct requirement *requirement_compile_for(const char *text, const struct tally *t, char *error, size_t size);
void requirement_free(struct requirement *r);

const char *requirement_text(const struct requirement *r);
/* The fact that it is about and its PROBED_TYPE_*; the step that it names. NULL: none. */
const char *requirement_fact(const struct requirement *r, uint32_t *type);
const char *requirement_step(const struct requirement *r);
/* Nanoseconds since the start after which a violation ends the run; -1: it never does. */
int64_t requirement_abort_after(const struct requirement *r);

/* As of now. `why` says what was measured: "p95 of latency is 412 ms, not below 300 ms". */
enum requirement_state requirement_verdict(const struct requirement *r, const struct tally *t, char *why, size_t size);

const char *requirement_state_name(enum requirement_state state); /* "met", "not met", "not measured" */

#endif
