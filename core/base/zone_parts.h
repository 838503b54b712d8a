/* SPDX-License-Identifier: Apache-2.0 */
/* zone_parts.h - the rule at the end of a zoneinfo file, as POSIX has it for TZ. For the files zone*.c alone. */
#ifndef BASE_ZONE_PARTS_H
#define BASE_ZONE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

/* The day of a year on which clocks change, and the time of that day. */
struct zone_change {
	char kind; /* 'M': weekday of the week of the month; 'J': day 1 to 365, never the leap day; 'n': day 0 to 365 */
	int month, week, day;
	int32_t time_s; /* may be on another day */
};

struct zone_rule {
	int32_t standard, summer; /* offsets from UTC */
	bool changes;
	struct zone_change to_summer, to_standard;
};

/* "CET-1CEST,M3.5.0,M10.5.0/3". 0 or -1. */
int zone_rule_parse(const char *text, struct zone_rule *r);
/* When clocks change in a year, in seconds since 1970 UTC. */
int64_t zone_rule_summer(const struct zone_rule *r, int64_t year);
int64_t zone_rule_standard(const struct zone_rule *r, int64_t year);

#endif
