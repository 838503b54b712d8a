/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h - the W3C trace context of a probe, derived from its id, so that whoever has a result's id (start of the
 * daemon, sequence) has its trace and its span as well. Pure; any thread.
 */
#ifndef JUDGE_TRACE_H
#define JUDGE_TRACE_H

#include <stdint.h>

#include "base/str.h"

#define TRACE_PARENT_LEN 55

/* The bytes as they stand on the wire; neither is ever all zero. */
static inline void trace_ids(uint64_t epoch, uint64_t seq, uint8_t trace[16], uint8_t span[8])
{
	uint64_t mixed = str_mix(epoch, seq);
	if (!mixed)
		mixed = 1;
	for (int i = 0; i < 8; i++) {
		trace[i] = (uint8_t)(epoch >> (56 - 8 * i));
		trace[8 + i] = (uint8_t)(seq >> (56 - 8 * i));
		span[i] = (uint8_t)(mixed >> (56 - 8 * i));
	}
	if (!epoch && !seq)
		trace[15] = 1;
}

/* "00-TRACE-SPAN-01", with a NUL. */
static inline void trace_parent(uint64_t epoch, uint64_t seq, char out[TRACE_PARENT_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t trace[16], span[8];
	char *p = out;
	trace_ids(epoch, seq, trace, span);
	*p++ = '0';
	*p++ = '0';
	*p++ = '-';
	for (int i = 0; i < 16; i++) {
		*p++ = digits[trace[i] >> 4];
		*p++ = digits[trace[i] & 15];
	}
	*p++ = '-';
	for (int i = 0; i < 8; i++) {
		*p++ = digits[span[i] >> 4];
		*p++ = digits[span[i] & 15];
	}
	*p++ = '-';
	*p++ = '0';
	*p++ = '1';
	*p = '\0';
}

#endif
