/* SPDX-License-Identifier: Apache-2.0 */
/* cron.h - the five fields of cron: which minutes of which days. Pure. */
#ifndef PLAN_CRON_H
#define PLAN_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "plan/words.h"

/* A bit a value. */
struct cron {
	uint64_t minutes;
	uint32_t hours, days, months;
	uint32_t weekdays; /* 0: Sunday */
	bool every_hour;   /* the field begins with * */
	bool both_days;    /* one of both fields of days begins with *, so that both must match; else either */
};

/* Reads five words, or one such as @hourly. 0 or -1. */
int cron_parse(struct words *w, struct cron *c);
/* A day of the calendar; weekday 0 is Sunday. */
bool cron_day(const struct cron *c, int month, int day, int weekday);
/* The next minute of the day (0 to 1439) from `minute` on, or the last one up to it; -1: there is none. */
int cron_minute_from(const struct cron *c, int minute);
int cron_minute_until(const struct cron *c, int minute);

#endif
