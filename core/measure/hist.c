/* SPDX-License-Identifier: Apache-2.0 */
/* hist.c - see hist.h */
#include "measure/hist.h"

#define STEPS (1u << HIST_STEP_BITS)
#define LAST (HIST_BUCKETS - 1)

/* Bucket 0 is all below 2^MIN, the last one all from 2^MAX on; between them, STEPS equal ones in each power of two. */
static uint32_t bucket_of(int64_t ns)
{
	if (ns < INT64_C(1) << HIST_MIN_BITS)
		return 0;
	if (ns >= INT64_C(1) << HIST_MAX_BITS)
		return LAST;
	uint32_t power = 63 - (uint32_t)__builtin_clzll((uint64_t)ns);
	uint32_t step = (uint32_t)(ns >> (power - HIST_STEP_BITS)) & (STEPS - 1);
	return 1 + ((power - HIST_MIN_BITS) << HIST_STEP_BITS) + step;
}

/* The least value of a bucket between the end ones. */
static int64_t bucket_low(uint32_t bucket)
{
	uint32_t power = HIST_MIN_BITS + ((bucket - 1) >> HIST_STEP_BITS);
	return (int64_t)(STEPS + ((bucket - 1) & (STEPS - 1))) << (power - HIST_STEP_BITS);
}

/* What is full stays full: at the limits a histogram is a little wrong, and never nonsense. */
static void add_sum(struct hist *h, int64_t ns)
{
	if (__builtin_add_overflow(h->sum_ns, ns, &h->sum_ns))
		h->sum_ns = ns < 0 ? INT64_MIN : INT64_MAX;
}

static void add_to_bucket(struct hist *h, uint32_t bucket, uint32_t n)
{
	if (__builtin_add_overflow(h->buckets[bucket], n, &h->buckets[bucket]))
		h->buckets[bucket] = UINT32_MAX;
}

void hist_add(struct hist *h, int64_t ns)
{
	if (!h->count || ns < h->min_ns)
		h->min_ns = ns;
	if (!h->count || ns > h->max_ns)
		h->max_ns = ns;
	h->count++;
	add_sum(h, ns);
	add_to_bucket(h, bucket_of(ns), 1);
}

void hist_merge(struct hist *into, const struct hist *from)
{
	if (!from->count)
		return;
	if (!into->count || from->min_ns < into->min_ns)
		into->min_ns = from->min_ns;
	if (!into->count || from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
	into->count += from->count;
	add_sum(into, from->sum_ns);
	for (uint32_t i = bucket_of(from->min_ns), last = bucket_of(from->max_ns); i <= last; i++)
		add_to_bucket(into, i, from->buckets[i]);
}

bool hist_sound(const struct hist *h)
{
	uint64_t in_buckets = 0;
	bool full = false;
	if (!h->count)
		return false;
	uint32_t first = bucket_of(h->min_ns), last = bucket_of(h->max_ns);
	for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
		if ((i < first || i > last) && h->buckets[i])
			return false;
		in_buckets += h->buckets[i];
		full |= h->buckets[i] == UINT32_MAX;
	}
	return h->min_ns <= h->max_ns && h->buckets[first] && h->buckets[last] &&
	       (in_buckets == h->count || (full && in_buckets < h->count));
}

/* What stands for a bucket: its middle. The end buckets have none: the extreme that was seen. */
static int64_t representative(const struct hist *h, uint32_t bucket)
{
	int64_t v = bucket == 0 ? h->min_ns : bucket == LAST ? h->max_ns : (bucket_low(bucket) + bucket_low(bucket + 1)) / 2;
	return v < h->min_ns ? h->min_ns : v > h->max_ns ? h->max_ns : v;
}

int64_t hist_quantile(const struct hist *h, double q)
{
	if (!h->count)
		return 0;
	double exact = q * (double)h->count;
	uint64_t rank = exact <= 1 ? 1 : exact >= (double)h->count ? h->count : (uint64_t)exact;
	rank += (double)rank < exact && rank < h->count;
	if (rank == h->count)
		return h->max_ns;
	if (rank == 1)
		return h->min_ns;
	uint64_t seen = 0;
	uint32_t i = bucket_of(h->min_ns);
	while (i < LAST && (seen += h->buckets[i]) < rank)
		i++;
	return representative(h, i);
}

uint64_t hist_count_le(const struct hist *h, int64_t ns)
{
	if (ns >= h->max_ns)
		return h->count;
	if (ns < h->min_ns)
		return 0;
	uint32_t bucket = bucket_of(ns);
	uint64_t n = 0;
	for (uint32_t i = 0; i < bucket; i++)
		n += h->buckets[i];
	if (bucket == 0 || bucket == LAST)
		return n;
	int64_t low = bucket_low(bucket), high = bucket_low(bucket + 1);
	return n + (uint64_t)((double)h->buckets[bucket] * ((double)(ns + 1 - low) / (double)(high - low)));
}
