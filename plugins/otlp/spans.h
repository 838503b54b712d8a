/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spans.h - probes as OTLP's traces: a trace for each probe, whose span has one for each of its phases and of its
 * sub-results below it. Ids follow from the result's, so that what a probe sent along as traceparent fits. One thread.
 */
#ifndef OTLP_SPANS_H
#define OTLP_SPANS_H

#include "attrs.h"

struct spans {
	struct pool pool; /* of what is gathered */
	Otlp__Span **list;
	size_t n, cap;
	int phases, facts; /* what is told beside the probe itself */
};

/* An event adds nothing. */
void spans_add(struct spans *s, const struct probed_record *r);
/* What was gathered as one request, in memory that is the caller's; forgets it. NULL: out of memory. */
uint8_t *spans_take(struct spans *s, Otlp__Resource *resource, Otlp__Scope *scope, size_t *len);
void spans_free(struct spans *s);

#endif
