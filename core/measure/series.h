/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series.h - the time series of a tally: a bounded number of intervals, each with its counts and packed histograms, so
 * that intervals merge exactly instead of being averaged. Pure; the tally's thread.
 */
#ifndef MEASURE_SERIES_H
#define MEASURE_SERIES_H

#include "measure/tally.h"

void series_init(struct tally *t);
void series_free(struct tally *t);

/* The interval of an offset; makes it, and merges neighbours where there are too many. Valid until the next call. */
struct tally_interval *series_at(struct tally *t, int64_t offset_ns);
/* Moves the open interval forward to that of this offset (never back), and returns it. */
struct tally_interval *series_open(struct tally *t, int64_t offset_ns);
/* Packs what is open: then nothing more is added. */
void series_close(struct tally *t);
/* Pairs of neighbours become one, and the width doubles. */
void series_widen(struct tally *t);
void series_merge(struct tally *into, const struct tally *from);

/* Adds the interval's histogram (TALLY_LATENCY or TALLY_SERVICE) to *into. */
void series_hist(const struct tally *t, uint32_t interval, uint32_t which, struct hist *into);
/* How long the interval is, in seconds: the last one may be short. */
double series_seconds(const struct tally *t, uint32_t interval);

void counts_add(struct tally_counts *into, const struct tally_counts *from);

#endif
