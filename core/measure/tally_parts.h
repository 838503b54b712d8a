/* SPDX-License-Identifier: Apache-2.0 */
/* tally_parts.h - how a tally is filled by those that do not measure: merging, and reading a run back. Pure. */
#ifndef MEASURE_TALLY_PARTS_H
#define MEASURE_TALLY_PARTS_H

#include "measure/tally.h"

#define TALLY_MAGIC 0x74616c79u
#define TALLY_TEXT 200 /* bytes of a message or an event */

/* The one of this name, made where there is none; the last place, "(other)", where all are taken. */
struct tally_measure *tally_measure_add(struct tally *t, const char *name);
struct tally_check *tally_check_add(struct tally_measure *m, const char *label);
/* Its index, or TALLY_ALL: no room, or known with another type. */
uint32_t tally_fact_add(struct tally *t, const char *name, uint32_t type);
void tally_message_add(struct tally *t, uint32_t step, uint32_t reason, const char *text, uint64_t count, uint64_t over);

#endif
