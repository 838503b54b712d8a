/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone.h - time zones as tables, from the system's zoneinfo (tzdata), and days of the calendar. A zone that was loaded is
 * never changed: any number of threads may ask it.
 *
 * libc converts in one zone for the whole process. A table is exact until the end of 2100, and holds what tzdata said when it
 * was loaded.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include <stddef.h>
#include <stdint.h>

struct zone {
	char *name;
	size_t n;
	int64_t *at; /* seconds since 1970 UTC, in order; the first is INT64_MIN */
	int32_t *offset; /* from UTC, in seconds, from then on */
};

/* By its name, such as "Europe/Berlin"; NULL, and "no time zone "Europe/Berln" (did you mean "Europe/Berlin"?)". */
struct zone *zone_load(const char *name, char *error, size_t size);
/* From the content of a zoneinfo file (RFC 9636); NULL: it is not one. */
struct zone *zone_read(const char *name, const void *data, size_t n);
void zone_free(struct zone *z);
/* The name of the machine's own zone, from TZ or /etc/localtime; "UTC" where they name none. Returns out. */
char *zone_machine(char *out, size_t size);

int32_t zone_offset(const struct zone *z, int64_t utc_s);
/* When clocks on the wall show local_s, counted as if it were UTC. A time that they skip is when they have skipped it; one that
 * they show twice is the first or the last of both. */
int64_t zone_first(const struct zone *z, int64_t local_s);
int64_t zone_last(const struct zone *z, int64_t local_s);

/* Days since 1970-01-01 of a day in the (Gregorian) calendar, month 1 to 12, and back. */
int64_t zone_days(int64_t year, int month, int day);
void zone_date(int64_t days, int64_t *year, int *month, int *day);

#endif
