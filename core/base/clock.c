/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - see clock.h */
#include "base/clock.h"

#include <stdio.h>

void clock_format_wall(int64_t wall_ns, char *out)
{
	int64_t s = wall_ns / NS_PER_S, ms = wall_ns % NS_PER_S / NS_PER_MS;
	if (ms < 0) {
		ms += 1000;
		s--;
	}
	time_t t = (time_t)s;
	struct tm tm;
	gmtime_r(&t, &tm);
	size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 32 - n, ".%03dZ", (int)ms);
}
