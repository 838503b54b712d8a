/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - time as integer nanoseconds. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* The monotonic clock, now. */
static inline int64_t clock_now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Wall time since 1970-01-01 UTC, now; for people, never for intervals. */
static inline int64_t clock_wall_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Writes wall time as RFC 3339 UTC with milliseconds, "2026-01-31T09:05:07.123Z". `out` holds 32 bytes. */
void clock_format_wall(int64_t wall_ns, char *out);

#endif
