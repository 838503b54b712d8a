/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.h - which results speak against a host: by outcome, reason class, the protocol's own status and what a driver
 * says of overload. Knows facts by their roles only. Pure.
 */
#ifndef PLAN_FAULT_H
#define PLAN_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct driver_table;
struct result;

#define FAULT_STATUSES 16

struct fault_set {
	uint32_t reasons; /* bit 1 << PROBED_REASON_* of errors */
	bool fail;        /* an expectation that was not met */
	bool overload;    /* the peer says that it has too much to do */
	uint32_t n_statuses;
	int64_t statuses[FAULT_STATUSES]; /* of the fact with the role STATUS */
};

/* `overload error`: what holds where nothing is said. */
struct fault_set fault_set_default(void);
/* "429 502 503 504 error timeout": numbers are statuses; words are `error` (any reason class of the peer or of the
 * way to it), one reason class, `fail` or `overload`. 0, or -1 with one line. */
int fault_set_parse(const char *text, struct fault_set *set, char *error, size_t size);

enum fault { FAULT_NONE, FAULT_BAD, FAULT_UNSAID }; /* UNSAID: our own fault, it says nothing about the host */
enum fault fault_judge(const struct fault_set *set, const struct driver_table *driver, const struct result *r);

/* What the peer asked for: not before so many ns from the end of this probe, 0: nothing. Retry-After, or a quota of which
 * nothing remains until it is reset. At most FAULT_WAIT_MAX_NS. */
#define FAULT_WAIT_MAX_NS INT64_C(86400000000000)
int64_t fault_wait_ns(const struct driver_table *driver, const struct result *r);

#endif
