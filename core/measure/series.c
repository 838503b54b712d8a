/* SPDX-License-Identifier: Apache-2.0 */
/* series.c - see series.h */
#include "measure/series.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/hist_pack.h"

#define FIRST_WIDTH_NS INT64_C(1000000000)

void series_init(struct tally *t)
{
	t->width_ns = FIRST_WIDTH_NS;
	t->intervals = xcalloc(TALLY_INTERVALS, sizeof *t->intervals);
	t->open_latency = xnew(struct hist);
	t->open_service = xnew(struct hist);
}

void series_free(struct tally *t)
{
	for (uint32_t i = 0; t->intervals && i < TALLY_INTERVALS; i++) {
		free(t->intervals[i].latency.data);
		free(t->intervals[i].service.data);
	}
	free(t->intervals);
	free(t->open_latency);
	free(t->open_service);
}

void counts_add(struct tally_counts *into, const struct tally_counts *from)
{
	/* all members are counters of one type */
	uint64_t *a = &into->asked;
	const uint64_t *b = &from->asked;
	for (size_t i = 0; i < sizeof *into / sizeof *a; i++)
		a[i] += b[i];
}

static void unpack(const struct tally_packed *p, struct hist *into)
{
	if (hist_unpack(p->data, p->len, into) < 0)
		panic("a packed histogram is damaged");
}

static void pack(struct tally_packed *p, const struct hist *h)
{
	struct buf b = { 0 };
	hist_pack(&b, h);
	free(p->data);
	*p = (struct tally_packed){ .len = (uint32_t)b.len };
	if (b.len)
		p->data = xrealloc(b.data, b.len);
	else
		buf_free(&b);
}

static void packed_add(struct tally_packed *into, const struct tally_packed *from)
{
	if (!from->len)
		return;
	struct hist *h = xnew(struct hist);
	unpack(into, h);
	unpack(from, h);
	pack(into, h);
	free(h);
}

static void interval_add(struct tally_interval *into, const struct tally_interval *from)
{
	counts_add(&into->n, &from->n);
	if (from->asked_rate > into->asked_rate)
		into->asked_rate = from->asked_rate;
	if (from->inflight > into->inflight)
		into->inflight = from->inflight;
	into->paused_ns += from->paused_ns;
	packed_add(&into->latency, &from->latency);
	packed_add(&into->service, &from->service);
}

void series_widen(struct tally *t)
{
	if (t->open_latency) {
		/* what is open stays open: its older half is taken along */
		struct tally_interval *twin = t->open % 2 ? &t->intervals[t->open - 1] : NULL;
		if (twin) {
			unpack(&twin->latency, t->open_latency);
			unpack(&twin->service, t->open_service);
			free(twin->latency.data);
			free(twin->service.data);
			twin->latency = twin->service = (struct tally_packed){ 0 };
		}
	}
	for (uint32_t i = 0; i < TALLY_INTERVALS / 2; i++) {
		struct tally_interval merged = t->intervals[2 * i], *second = &t->intervals[2 * i + 1];
		interval_add(&merged, second);
		free(second->latency.data);
		free(second->service.data);
		memset(&t->intervals[2 * i], 0, 2 * sizeof merged);
		t->intervals[i] = merged;
	}
	t->n_intervals = (t->n_intervals + 1) / 2;
	t->open /= 2;
	t->width_ns *= 2;
}

/* Its index, once it is there. */
static uint32_t reach(struct tally *t, int64_t offset_ns)
{
	if (offset_ns < 0)
		offset_ns = 0;
	while (offset_ns / t->width_ns >= TALLY_INTERVALS)
		series_widen(t);
	uint32_t i = (uint32_t)(offset_ns / t->width_ns);
	if (i >= t->n_intervals)
		t->n_intervals = i + 1;
	return i;
}

struct tally_interval *series_at(struct tally *t, int64_t offset_ns)
{
	return &t->intervals[reach(t, offset_ns)];
}

static void close_open(struct tally *t)
{
	struct tally_interval *last = &t->intervals[t->open];
	pack(&last->latency, t->open_latency);
	pack(&last->service, t->open_service);
}

struct tally_interval *series_open(struct tally *t, int64_t offset_ns)
{
	uint32_t i = reach(t, offset_ns);
	if (i > t->open) {
		close_open(t);
		memset(t->open_latency, 0, sizeof *t->open_latency);
		memset(t->open_service, 0, sizeof *t->open_service);
		t->open = i;
	}
	return &t->intervals[t->open];
}

void series_close(struct tally *t)
{
	close_open(t);
	free(t->open_latency);
	free(t->open_service);
	t->open_latency = t->open_service = NULL;
}

void series_hist(const struct tally *t, uint32_t interval, uint32_t which, struct hist *into)
{
	const struct tally_interval *i = &t->intervals[interval];
	if (t->open_latency && interval == t->open)
		hist_merge(into, which == TALLY_LATENCY ? t->open_latency : t->open_service);
	else
		unpack(which == TALLY_LATENCY ? &i->latency : &i->service, into);
}

double series_seconds(const struct tally *t, uint32_t interval)
{
	int64_t from = interval * t->width_ns, to = from + t->width_ns;
	if (interval + 1 == t->n_intervals && t->length_ns < to && t->length_ns > from)
		to = t->length_ns;
	return (double)(to - from) / 1e9;
}

void series_merge(struct tally *into, const struct tally *from)
{
	while (into->width_ns < from->width_ns)
		series_widen(into);
	for (uint32_t i = 0; i < from->n_intervals; i++)
		interval_add(series_at(into, i * from->width_ns), &from->intervals[i]);
}
