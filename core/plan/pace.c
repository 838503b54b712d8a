/* SPDX-License-Identifier: Apache-2.0 */
/* pace.c - see pace.h */
#include "plan/pace.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "plan/pace_parts.h"

int64_t pace_every_due(const struct pace_every *p, int64_t k)
{
	int64_t due = k * p->interval_ns + (int64_t)(p->seed % (uint64_t)p->interval_ns);
	if (p->jitter > 0) {
		/* uniform in [-1, 1) from 53 bits */
		double u = (double)(str_mix(p->seed, (uint64_t)k) >> 11) * 0x1p-52 - 1.0;
		due += (int64_t)(u * p->jitter * (double)p->interval_ns);
	}
	if (pace_on_grid(p))
		due -= due % PACE_GRID_NS;
	return due;
}

int64_t pace_every_index(const struct pace_every *p, int64_t at_ns)
{
	int64_t k = at_ns / p->interval_ns - 2;
	if (k < 0)
		k = 0;
	while (pace_every_due(p, k) < at_ns)
		k++;
	return k;
}

bool pace_as_every(const struct pace *p, uint64_t seed, struct pace_every *out)
{
	if (p->kind != PACE_EVERY)
		return false;
	*out = (struct pace_every){ .interval_ns = p->interval_ns, .jitter = p->jitter_ppm / 1e6, .seed = seed };
	return true;
}

void pace_free(struct pace *p)
{
	if (!p)
		return;
	free(p->segments);
	free(p->file);
	free(p->offsets);
	free(p);
}

static int64_t natural_length(const struct pace *p)
{
	if (p->kind == PACE_RATE) {
		const struct pace_segment *s = &p->segments[p->n_segments - 1];
		return s->length_ns == INT64_MAX ? INT64_MAX : s->start_ns + s->length_ns;
	}
	if (p->kind == PACE_RECORDED)
		return p->n_offsets ? pace_recorded_at(p, p->n_offsets - 1) + 1 : 0;
	return INT64_MAX;
}

static pace_area area_until(const struct pace *p, int64_t t)
{
	size_t i = 0;
	while (i + 1 < p->n_segments && p->segments[i].length_ns <= t - p->segments[i].start_ns)
		i++;
	const struct pace_segment *s = &p->segments[i];
	return s->before + pace_segment_area(s, t - s->start_ns);
}

void pace_finish(struct pace *p)
{
	for (int i = 0; i < 2; i++) {
		struct pace_gap *g = i ? &p->gap : &p->users.think;
		/* the 99th percentile of the standard normal distribution is 2.326... */
		g->sigma = g->median_ns ? log((double)g->p99_ns / (double)g->median_ns) / 2.3263478740408408 : 0;
	}
	int64_t start = 0;
	pace_area before = 0;
	for (size_t i = 0; i < p->n_segments; i++) {
		struct pace_segment *s = &p->segments[i];
		bool endless = s->length_ns == INT64_MAX;
		s->start_ns = start;
		s->before = before;
		s->slope = s->from == s->to ? 0 : (s->from > s->to ? s->from - s->to : s->to - s->from) / (uint64_t)s->length_ns + 1;
		s->full = endless ? ~(pace_area)0 : pace_segment_area(s, s->length_ns);
		if (!endless)
			start += s->length_ns, before += s->full;
		p->end = endless ? ~(pace_area)0 : before;
	}
	if (p->n_segments && p->for_ns && p->for_ns < natural_length(p))
		p->end = area_until(p, p->for_ns);
}

enum pace_kind pace_kind(const struct pace *p)
{
	return p->kind;
}

const struct pace_users *pace_users(const struct pace *p)
{
	return p->kind == PACE_USERS ? &p->users : NULL;
}

const char *pace_recorded_file(const struct pace *p)
{
	return p->file;
}

int pace_recorded_set(struct pace *p, const int64_t *offsets_ns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (offsets_ns[i] < (i ? offsets_ns[i - 1] : 0))
			return -1;
	free(p->offsets);
	p->offsets = xreallocarray(NULL, n ? n : 1, sizeof *p->offsets);
	if (n)
		memcpy(p->offsets, offsets_ns, n * sizeof *p->offsets);
	p->n_offsets = n;
	return 0;
}

int64_t pace_recorded_at(const struct pace *p, size_t i)
{
	pace_area at = (pace_area)p->offsets[i] * 1000000 / p->speed_ppm;
	return at < INT64_MAX ? (int64_t)at : INT64_MAX - 1;
}

int64_t pace_length_ns(const struct pace *p)
{
	int64_t natural = natural_length(p);
	return p->for_ns && p->for_ns < natural ? p->for_ns : natural;
}

static uint64_t divide_up(pace_area a, pace_area b)
{
	return (uint64_t)((a + b - 1) / b);
}

static uint64_t recorded_count(const struct pace *p)
{
	size_t low = 0, high = p->n_offsets;
	while (p->for_ns && low < high) {
		size_t middle = low + (high - low) / 2;
		if (pace_recorded_at(p, middle) < p->for_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return high;
}

uint64_t pace_count(const struct pace *p)
{
	int64_t length = pace_length_ns(p);
	if (length == INT64_MAX || p->kind == PACE_USERS)
		return UINT64_MAX;
	switch (p->kind) {
	case PACE_EVERY:
		return divide_up((pace_area)length, (pace_area)p->interval_ns);
	case PACE_BURST:
		return divide_up((pace_area)length, (pace_area)p->interval_ns) * p->burst;
	case PACE_HUMAN:
		return 1 + (uint64_t)((double)length / pace_gap_mean_ns(&p->gap));
	case PACE_RECORDED:
		return recorded_count(p);
	default:
		return divide_up(p->end, PACE_PROBE);
	}
}

static double segment_rate(const struct pace_segment *s, int64_t t)
{
	double share = s->from == s->to ? 0 : (double)t / (double)s->length_ns;
	return ((double)s->from + ((double)s->to - (double)s->from) * share) / (double)PACE_PER_S;
}

/* Of those whose rate is the same all the time. */
static double even_rate(const struct pace *p)
{
	switch (p->kind) {
	case PACE_EVERY:
		return (double)NS_PER_S / (double)p->interval_ns;
	case PACE_BURST:
		return (double)p->burst * (double)NS_PER_S / (double)p->interval_ns;
	case PACE_HUMAN:
		return (double)NS_PER_S / pace_gap_mean_ns(&p->gap);
	case PACE_RECORDED:
		return p->n_offsets > 1 ? (double)p->n_offsets * (double)NS_PER_S / (double)natural_length(p) : 0;
	default:
		return 0;
	}
}

double pace_rate_max(const struct pace *p)
{
	double most = p->kind == PACE_RATE ? 0 : even_rate(p);
	for (size_t i = 0; i < p->n_segments; i++) {
		const struct pace_segment *s = &p->segments[i];
		int64_t until = s->length_ns;
		if (p->for_ns && s->start_ns >= p->for_ns)
			break;
		if (p->for_ns && p->for_ns - s->start_ns < until)
			until = p->for_ns - s->start_ns;
		most = fmax(most, until ? fmax(segment_rate(s, 0), segment_rate(s, until)) : 0);
	}
	return most;
}

double pace_rate_at(const struct pace *p, int64_t offset_ns)
{
	if (offset_ns < 0 || offset_ns >= pace_length_ns(p))
		return 0;
	for (size_t i = 0; i < p->n_segments; i++)
		if (offset_ns - p->segments[i].start_ns < p->segments[i].length_ns)
			return segment_rate(&p->segments[i], offset_ns - p->segments[i].start_ns);
	return even_rate(p);
}

/* --- the same, faster or shorter ----------------------------------------------------------------- */

static struct pace *copy(const struct pace *p)
{
	struct pace *c = xnew(struct pace);
	*c = *p;
	c->segments = NULL;
	c->offsets = NULL;
	c->file = p->file ? xstrdup(p->file) : NULL;
	if (p->n_segments) {
		c->segments = xreallocarray(NULL, p->n_segments, sizeof *c->segments);
		memcpy(c->segments, p->segments, p->n_segments * sizeof *c->segments);
	}
	if (p->offsets)
		pace_recorded_set(c, p->offsets, p->n_offsets);
	return c;
}

/* a times factor, rounded; false: outside of least..most. */
static bool scale(uint64_t *a, double factor, uint64_t least, uint64_t most)
{
	long double x = roundl((long double)*a * factor);
	if (!(x >= least && x <= most))
		return false;
	*a = (uint64_t)x;
	return true;
}

static bool scale_time(int64_t *ns, double factor, int64_t least)
{
	uint64_t a = (uint64_t)*ns;
	bool fits = scale(&a, 1 / factor, (uint64_t)least, PACE_TIME_LIMIT);
	*ns = (int64_t)a;
	return fits;
}

static bool scale_gap(struct pace_gap *g, double factor)
{
	if (g->median_ns)
		return scale_time(&g->median_ns, factor, NS_PER_US) && scale_time(&g->p99_ns, factor, NS_PER_US);
	return scale_time(&g->min_ns, factor, 0) && scale_time(&g->max_ns, factor, NS_PER_US);
}

static bool scale_all(struct pace *p, double factor)
{
	uint64_t n = p->users.n;
	bool fits = true;
	switch (p->kind) {
	case PACE_EVERY:
		return scale_time(&p->interval_ns, factor, NS_PER_US);
	case PACE_BURST:
		return scale_time(&p->interval_ns, factor, (int64_t)p->burst * NS_PER_US);
	case PACE_HUMAN:
		return scale_gap(&p->gap, factor);
	case PACE_USERS:
		fits = scale(&n, factor, 1, 1000000);
		p->users.n = (uint32_t)n;
		return fits;
	case PACE_RECORDED:
		return scale(&p->speed_ppm, factor, 1000, UINT64_C(1000000000));
	case PACE_RATE:
		for (size_t i = 0; fits && i < p->n_segments; i++) {
			struct pace_segment *s = &p->segments[i];
			fits = scale(&s->from, factor, s->from ? 1 : 0, PACE_RATE_LIMIT) &&
			       scale(&s->to, factor, s->to ? 1 : 0, PACE_RATE_LIMIT);
		}
		return fits;
	}
	return false;
}

struct pace *pace_rescale(const struct pace *p, double factor)
{
	if (!(factor > 0))
		return NULL;
	struct pace *c = copy(p);
	if (!scale_all(c, factor)) {
		pace_free(c);
		return NULL;
	}
	pace_finish(c);
	return c;
}

struct pace *pace_limit(const struct pace *p, int64_t for_ns)
{
	struct pace *c = copy(p);
	if (for_ns < pace_length_ns(p))
		c->for_ns = for_ns;
	pace_finish(c);
	return c;
}
