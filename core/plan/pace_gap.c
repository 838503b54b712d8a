/* SPDX-License-Identifier: Apache-2.0 */
/* pace_gap.c - random times between two things, each a function of a seed and a number. */
#include <math.h>

#include "base/clock.h"
#include "base/str.h"
#include "plan/pace_parts.h"

static double standard_normal(uint64_t seed, uint64_t k)
{
	/* Box and Muller, 1958 */
	uint64_t first = str_mix(seed, k), second = str_mix(first, k);
	double u = (double)((first >> 11) + 1) * 0x1p-53, v = (double)(second >> 11) * 0x1p-53;
	return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

int64_t pace_gap_draw(const struct pace_gap *g, uint64_t seed, uint64_t k)
{
	if (!g->median_ns)
		return g->min_ns + (int64_t)((pace_area)str_mix(seed, k) * ((uint64_t)(g->max_ns - g->min_ns) + 1) >> 64);
	double ns = (double)g->median_ns * exp(g->sigma * standard_normal(seed, k));
	if (ns > (double)PACE_TIME_LIMIT)
		return PACE_TIME_LIMIT;
	/* whole microseconds: the last bit of exp() hardly ever matters where machines differ in it */
	return (int64_t)(ns / (double)NS_PER_US + 0.5) * NS_PER_US;
}

double pace_gap_mean_ns(const struct pace_gap *g)
{
	return g->median_ns ? (double)g->median_ns * exp(g->sigma * g->sigma / 2) : ((double)g->min_ns + (double)g->max_ns) / 2;
}
