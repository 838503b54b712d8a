/* SPDX-License-Identifier: Apache-2.0 */
/* trace.h - the ids of a probe's trace and span, as the core's {{traceparent}} sends them along: derived from the
 * result's id, so that nothing has to be handed over. */
#ifndef COMMON_TRACE_H
#define COMMON_TRACE_H

#include <stdint.h>

/* The finaliser of splitmix64 over both; for (1, 2) it is 3706970b052f16b1. */
static inline uint64_t trace_mix(uint64_t a, uint64_t b)
{
	uint64_t x = a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2));
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Big endian; none is all zeros, which would mean "no span". */
static inline void trace_put(uint64_t v, uint8_t out[8])
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (56 - 8 * i));
}

static inline void trace_span(uint64_t a, uint64_t b, uint8_t span[8])
{
	uint64_t v = trace_mix(a, b);
	trace_put(v ? v : 1, span);
}

static inline void trace_of_probe(uint64_t epoch, uint64_t seq, uint8_t trace[16], uint8_t span[8])
{
	trace_put(epoch, trace);
	trace_put(epoch || seq ? seq : 1, trace + 8);
	trace_span(epoch, seq, span);
}

#endif
