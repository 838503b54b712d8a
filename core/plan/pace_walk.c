/* SPDX-License-Identifier: Apache-2.0 */
/* pace_walk.c - the due times of a schedule, one after the other, and the area under a rate that they come from. */
#include <math.h>

#include "base/clock.h"
#include "base/str.h"
#include "plan/pace_parts.h"

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* With the least by which one more nanosecond adds to it. */
static pace_area area_at(const struct pace_segment *s, int64_t t, uint64_t *growth)
{
	pace_area flat = (pace_area)s->from * 2 * (uint64_t)t;
	/* the bend, |to - from| t^2 / length, in two steps, since t^2 times a rate is more than 128 bits */
	uint64_t length = (uint64_t)s->length_ns;
	pace_area product = (pace_area)difference(s->from, s->to) * (uint64_t)t;
	uint64_t change = (uint64_t)(product / length);
	pace_area rest = (pace_area)(uint64_t)(product - (pace_area)change * length) * (uint64_t)t;
	uint64_t more = (uint64_t)(rest / length);
	pace_area bend = (pace_area)change * (uint64_t)t + more;
	if (s->to > s->from) {
		*growth = 2 * (s->from + change);
		return flat + bend + (rest != (pace_area)more * length);
	}
	uint64_t most = 2 * (s->from - change), off = 2 + s->slope;
	*growth = most > off ? most - off : 0;
	return flat - bend;
}

pace_area pace_segment_area(const struct pace_segment *s, int64_t t)
{
	uint64_t growth;
	return s->from == s->to ? (pace_area)s->from * 2 * (uint64_t)t : area_at(s, t, &growth);
}

/* Where the area under a rate that grows from `from` by `slope` a nanosecond is `area`. Nothing cancels out in it. */
static long double rising(uint64_t from, long double slope, pace_area area)
{
	long double r = from, a = (long double)area;
	return a > 0 ? a / (r + sqrtl(r * r + slope * a)) : 0;
}

int64_t pace_segment_solve(const struct pace_segment *s, pace_area area)
{
	if (s->from == s->to) {
		pace_area t = area / (s->from * 2);
		return t > INT64_MAX ? INT64_MAX : (int64_t)t;
	}
	long double slope = (long double)difference(s->from, s->to) / (long double)s->length_ns;
	long double near = s->to > s->from ? rising(s->from, slope, area)
					   : (long double)s->length_ns - rising(s->to, slope, s->full - area);
	int64_t t = near <= 0 ? 0 : near >= (long double)s->length_ns ? s->length_ns - 1 : (int64_t)near;
	/* whatever floating point made of it, the integers decide */
	uint64_t growth;
	pace_area here = area_at(s, t, &growth);
	while (here > area)
		here = area_at(s, --t, &growth);
	while (here + growth <= area && t + 1 < s->length_ns && pace_segment_area(s, t + 1) <= area)
		here = area_at(s, ++t, &growth);
	return t;
}

void pace_begin(struct pace_cursor *c, const struct pace *p, uint64_t seed)
{
	*c = (struct pace_cursor){ .pace = p, .seed = seed };
}

static bool next_every(struct pace_cursor *c, int64_t *offset)
{
	const struct pace *p = c->pace;
	int64_t at;
	if (__builtin_mul_overflow((int64_t)c->index, p->interval_ns, &at) || at > INT64_MAX - p->interval_ns ||
	    (p->for_ns && at >= p->for_ns))
		return false;
	if (p->jitter_ppm) {
		int64_t reach = (int64_t)((__int128)p->interval_ns * p->jitter_ppm / 1000000);
		at += pace_gap_draw(&(struct pace_gap){ .min_ns = -reach, .max_ns = reach }, c->seed, c->index);
		if (p->for_ns && at >= p->for_ns)
			at = p->for_ns - 1;
	}
	*offset = at < 0 ? 0 : at;
	return true;
}

static bool next_human(struct pace_cursor *c, int64_t *offset)
{
	const struct pace *p = c->pace;
	int64_t at = c->offset_ns;
	if (c->index && __builtin_add_overflow(at, pace_gap_draw(&p->gap, c->seed, c->index), &at))
		return false;
	*offset = at;
	return !p->for_ns || at < p->for_ns;
}

/* An exponential gap of mean 1, rounded to 2^-32: far finer than anyone sees, and so coarse that the last bit of log()
 * hardly ever matters where machines differ in it. */
static void add_exponential(struct pace_cursor *c)
{
	double u = (double)((str_mix(c->seed, c->index) >> 11) + 1) * 0x1p-53;
	uint64_t sum = (uint64_t)(-log(u) * 0x1p32 + 0.5) + c->area_fraction;
	c->area += sum >> 32;
	c->area_fraction = (uint32_t)sum;
}

static bool next_rate(struct pace_cursor *c, int64_t *offset)
{
	const struct pace *p = c->pace;
	if (p->poisson)
		add_exponential(c);
	else
		c->area = c->index;
	pace_area area = c->area * PACE_PROBE + (c->area_fraction * PACE_PROBE >> 32);
	if (area >= p->end)
		return false;
	const struct pace_segment *s = &p->segments[c->segment];
	while (area - s->before >= s->full)
		s = &p->segments[++c->segment];
	int64_t t = pace_segment_solve(s, area - s->before);
	return t < INT64_MAX && !__builtin_add_overflow(s->start_ns, t, offset);
}

static bool next_burst(struct pace_cursor *c, int64_t *offset)
{
	const struct pace *p = c->pace;
	return !__builtin_mul_overflow((int64_t)(c->index / p->burst), p->interval_ns, offset) &&
	       (!p->for_ns || *offset < p->for_ns);
}

static bool next_user(struct pace_cursor *c, int64_t *offset)
{
	const struct pace *p = c->pace;
	if (c->index >= p->users.n)
		return false;
	*offset = (int64_t)((pace_area)c->index * (uint64_t)p->users.ramp_ns / p->users.n);
	return !p->for_ns || *offset < p->for_ns;
}

static bool next_recorded(struct pace_cursor *c, int64_t *offset)
{
	const struct pace *p = c->pace;
	if (c->index >= p->n_offsets)
		return false;
	*offset = pace_recorded_at(p, c->index);
	return !p->for_ns || *offset < p->for_ns;
}

bool pace_next(struct pace_cursor *c, int64_t *offset_ns)
{
	static bool (*const next[])(struct pace_cursor *, int64_t *) = {
		[PACE_EVERY] = next_every, [PACE_HUMAN] = next_human, [PACE_RATE] = next_rate,
		[PACE_BURST] = next_burst, [PACE_USERS] = next_user,  [PACE_RECORDED] = next_recorded,
	};
	/* what a call that ends changes on its way is thrown away, so that it ends again */
	struct pace_cursor after = *c;
	int64_t offset;
	if (!next[c->pace->kind](&after, &offset))
		return false;
	after.offset_ns = offset;
	after.index++;
	*c = after;
	*offset_ns = offset;
	return true;
}
