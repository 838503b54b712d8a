/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.h - what is measured of one run of one plan, in bounded memory whatever its length: counts, histograms of each
 * step, a series of intervals, messages, checks, events. Pure; owned by one thread. Reports read its members; only the
 * functions here and in series.h change them.
 *
 * Offsets are nanoseconds from t0, the start of the schedule. Each probe that was asked for is told once by tally_due()
 * (open schedules only), and then either by tally_not_sent(), or by tally_sent() and later by tally_add() or by
 * tally_not_sent(TALLY_LOST). Latency, service, lag, phases and facts are of results that are ok, fail or error;
 * `unknown` (our own fault) is counted only.
 */
#ifndef MEASURE_TALLY_H
#define MEASURE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/result.h"
#include "measure/hist.h"
#include "plugin/table.h"

struct requirement;

#define TALLY_STEPS 256     /* steps with measures of their own; further ones share "(other)" */
#define TALLY_FACTS_MAX 32  /* facts with a histogram */
#define TALLY_INTERVALS 600 /* when they are full, neighbours become one and the width doubles */
#define TALLY_MESSAGES 64
#define TALLY_CHECKS 64 /* labels of one step */
#define TALLY_EVENTS 200
#define TALLY_ALL UINT32_MAX /* in place of a step: all of them */

/* What is measured: a target or a step of a flow, by its name. */
struct tally_step {
	const char *name;
	const struct driver_table *driver; /* NULL: its facts are not looked at */
	const char *const *checks;         /* labels of its expectations, so that those that always hold are shown too */
	uint32_t n_checks;
};

/* Why a probe has no result. */
enum {
	TALLY_INFLIGHT,          /* `inflight` was full */
	TALLY_LIMIT,             /* a limit had no token */
	TALLY_BACKOFF,           /* the host is being spared */
	TALLY_BREAKER,           /* its circuit breaker is open */
	TALLY_RESOURCES,         /* this machine had too much to do */
	TALLY_STOPPED,           /* the run ended first */
	TALLY_DROPS,             /* those above were never sent, and are `dropped` */
	TALLY_LOST = TALLY_DROPS, /* sent, but its worker died: also counted as `unknown` */
	TALLY_RETRIED,           /* sent once more: only counted, its last try is the probe's result */
	TALLY_WHYS
};

struct tally_counts {
	uint64_t asked, sent;
	uint64_t started; /* of what was asked for; a flow is one, its steps are each sent */
	uint64_t outcome[PROBED_OUTCOMES];
	uint64_t reason[PROBED_REASONS];
	uint64_t why[TALLY_WHYS];
	uint64_t bytes_in, bytes_out;
};

/* Index of a step's histograms; phases and then facts follow one another. */
enum {
	TALLY_LATENCY,
	TALLY_SERVICE,
	TALLY_LAG,
	TALLY_PHASE, /* + PROBED_PHASE_* */
	TALLY_FACT = TALLY_PHASE + PROBED_PHASES, /* + index in `facts` */
	TALLY_HISTS = TALLY_FACT + TALLY_FACTS_MAX
};

struct tally_check {
	char *label;
	uint64_t failed; /* of the step's `judged` */
};

struct tally_measure { /* of one step */
	char *name;
	struct tally_counts n;
	uint64_t judged; /* results whose expectations were looked at */
	struct tally_check *checks;
	uint32_t n_checks;
	struct hist *hists[TALLY_HISTS]; /* NULL: nothing yet */
};

/* A fact that a requirement asks for. Its histogram holds value * scale, so that small numbers are told apart. */
struct tally_fact {
	char *name;
	uint32_t type; /* PROBED_TYPE_* */
	double scale;
};

struct tally_packed { /* a histogram as hist_pack() wrote it; 0 bytes: empty */
	uint8_t *data;
	uint32_t len;
};

struct tally_interval {
	struct tally_counts n;
	double asked_rate; /* what the schedule said; the highest, a second */
	uint32_t inflight; /* the highest */
	int64_t paused_ns;
	struct tally_packed latency, service;
};

struct tally_message {
	char *text; /* what differs each time is # */
	uint64_t hash, count, over; /* true count: between count - over and count */
	uint32_t step, reason; /* step: index in `measures` */
};

struct tally_event {
	int64_t offset_ns;
	uint64_t n; /* probes lost, 0: not a loss */
	char *text;
};

struct tally_driver; /* which facts of a driver are looked at */

struct tally {
	unsigned magic;
	char *plan;
	int64_t wall_ns;                 /* of t0 */
	int64_t length_ns;               /* measured so far; after tally_end(): in all */
	int64_t schedule_ns;             /* how long probes were asked for */
	int64_t paused_ns;
	uint32_t inflight, inflight_max;
	bool ended;
	bool open_loop;                  /* tally_due() was told something */
	bool starts;                     /* tally_started() was: then that is what was achieved, and not `sent` */
	struct tally_counts n;
	struct tally_measure *measures;  /* in the order first seen; the last one may be "(other)" */
	uint32_t n_measures, cap_measures;
	struct tally_fact facts[TALLY_FACTS_MAX];
	uint32_t n_facts;
	struct tally_message messages[TALLY_MESSAGES];
	uint32_t n_messages;
	struct tally_event *events;
	uint32_t n_events, cap_events, more_events;
	/* The series. Intervals 0 .. n_intervals - 1 cover [i * width_ns, (i + 1) * width_ns). */
	struct tally_interval *intervals;
	uint32_t n_intervals, open; /* `open`: the one whose histograms are still the next two */
	int64_t width_ns;
	struct hist *open_latency, *open_service;
	/* While measuring. */
	const struct tally_step *steps;
	uint32_t n_steps;
	uint16_t *slots; /* of each step: index in `measures` + 1 */
	struct tally_driver *drivers;
	uint32_t n_drivers;
	const struct requirement *const *requires;
	uint32_t n_requires;
};

/* `steps` and `requires` are borrowed until tally_end(). Facts that the requirements name get histograms. */
struct tally *tally_new(const char *plan, const struct tally_step *steps, uint32_t n_steps,
                        const struct requirement *const *requires, uint32_t n_requires, int64_t wall_ns);
void tally_free(struct tally *t);

/* n probes, or flows, were due at this time. */
void tally_due(struct tally *t, int64_t offset_ns, uint64_t n);
/* n of those that were due went out. Needed where there are flows; else what was sent is what was started. */
void tally_started(struct tally *t, int64_t offset_ns, uint64_t n);
/* n probes of this step went out. The offset is that of the due time. */
void tally_sent(struct tally *t, uint32_t step, uint64_t n, int64_t offset_ns);
/* n probes of this step (TALLY_ALL: none was picked yet) have no result because of TALLY_*. Losses become events. */
void tally_not_sent(struct tally *t, uint32_t step, uint32_t why, uint64_t n, int64_t offset_ns);
/* The result of a probe; those of its sub-results are passed over. */
void tally_add(struct tally *t, uint32_t step, const struct result *r, int64_t end_offset_ns);
/* Something worth telling ("api: breaker open"); after TALLY_EVENTS they are only counted. */
void tally_event(struct tally *t, int64_t offset_ns, const char *text);

/* Each second. `asked_rate` is what the schedule says now, a second (closed loops: 0); `paused_ns` is how long dispatch has
 * been paused since the start, in all. The index of a requirement that says to abort now, or -1. */
int32_t tally_tick(struct tally *t, int64_t offset_ns, uint32_t inflight, double asked_rate, int64_t paused_ns);
/* What is told later is passed over. `offset_ns` is now; `schedule_ns` how long probes were asked for (an interrupted run: until then). */
void tally_end(struct tally *t, int64_t offset_ns, int64_t schedule_ns);

/* Adds another's: the same plan from another machine or run, as if both had run beside one another. */
void tally_merge(struct tally *into, const struct tally *from);

/* --- reading ------------------------------------------------------------------------------------ */

/* Histogram `which` of a measure (TALLY_ALL: of all, merged), added to *into. */
void tally_hist(const struct tally *t, uint32_t measure, uint32_t which, struct hist *into);
/* Counts of a measure, or of all. */
const struct tally_counts *tally_counts(const struct tally *t, uint32_t measure);
void tally_checks(const struct tally *t, uint32_t measure, uint64_t *passed, uint64_t *failed);
/* How many of what was asked for went out, of the tally's or an interval's counts. */
uint64_t tally_starts(const struct tally *t, const struct tally_counts *n);
uint64_t tally_dropped(const struct tally_counts *n);
uint64_t tally_measured(const struct tally_counts *n); /* ok + fail + error */
/* Probes a second over the schedule, 0 where nothing was asked (closed loops) or no time has passed. */
double tally_asked_rate(const struct tally *t);
double tally_achieved_rate(const struct tally *t);
/* What kept the achieved rate below the asked one ("inflight full: 312 probes dropped"); "" where nothing did. */
void tally_held_back(const struct tally *t, char *out, size_t size);

const char *tally_why_name(uint32_t why); /* "inflight" */
const char *tally_why_text(uint32_t why); /* "inflight was full" */

#endif
