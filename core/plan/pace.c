/* SPDX-License-Identifier: Apache-2.0 */
/* pace.c - see pace.h */
#include "plan/pace.h"

#include "base/str.h"

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
