/* SPDX-License-Identifier: Apache-2.0 */
/* select.c - see select.h */
#include "plan/select.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "base/str.h"

/* A column of the alias table: `own` of 2^32 go to it, the others to its alias. */
struct column {
	uint32_t own, alias;
};

struct selector {
	enum select_kind kind;
	uint32_t n;
	uint32_t rounds; /* of the shuffle */
	uint64_t seed;
	struct column columns[]; /* of SELECT_PICK */
};

static double weight_of(const double *weights, uint32_t i, bool any)
{
	return !any ? 1 : isfinite(weights[i]) && weights[i] > 0 ? weights[i] : 0;
}

/* Vose 1991: columns of equal width, each shared by at most two. `share` is scaled so that its mean is 1. */
static void columns_fill(struct column *columns, double *share, uint32_t n)
{
	uint32_t *work = xreallocarray(NULL, n, sizeof *work);
	uint32_t small = 0, large = n; /* two stacks in one array, growing towards each other */
	for (uint32_t i = 0; i < n; i++)
		work[share[i] < 1 ? small++ : --large] = i;
	while (small > 0 && large < n) {
		uint32_t s = work[--small], l = work[large];
		columns[s] = (struct column){ .own = (uint32_t)(share[s] * 0x1p32), .alias = l };
		share[l] -= 1 - share[s];
		if (share[l] < 1) {
			large++;
			work[small++] = l;
		}
	}
	/* what is left is 1 but for rounding: `own` of itself, and its alias too */
	while (small > 0)
		columns[work[small - 1]] = (struct column){ UINT32_MAX, work[small - 1] }, small--;
	for (; large < n; large++)
		columns[work[large]] = (struct column){ UINT32_MAX, work[large] };
	free(work);
}

static void columns_make(struct column *columns, const double *weights, uint32_t n)
{
	bool any = false;
	double top = 0, sum = 0;
	for (uint32_t i = 0; weights && i < n; i++)
		any |= isfinite(weights[i]) && weights[i] > 0;
	for (uint32_t i = 0; i < n; i++)
		top = fmax(top, weight_of(weights, i, any));
	double *share = xreallocarray(NULL, n, sizeof *share);
	for (uint32_t i = 0; i < n; i++)
		sum += share[i] = weight_of(weights, i, any) / top;
	for (uint32_t i = 0; i < n; i++)
		share[i] *= n / sum;
	columns_fill(columns, share, n);
	free(share);
}

struct selector *selector_new(enum select_kind kind, const double *weights, uint32_t n, uint64_t seed)
{
	if (!n)
		panic("a selector of nothing");
	struct selector *s = xcalloc(1, sizeof *s + (kind == SELECT_PICK ? n : 0) * sizeof s->columns[0]);
	*s = (struct selector){ .kind = kind, .n = n, .seed = str_mix(seed, kind) };
	if (kind == SELECT_PICK)
		columns_make(s->columns, weights, n);
	unsigned bits = 0;
	while (bits < 32 && n >> bits)
		bits++;
	s->rounds = 16 + 2 * bits;
	return s;
}

static uint32_t below(uint64_t random, uint32_t n)
{
	return (uint32_t)(((random >> 32) * n) >> 32);
}

/* The swap-or-not shuffle (Hoang, Morris, Rogaway 2012): a permutation of any n, point by point. Each step pairs x with
 * key - x, and both or neither of a pair change places. */
static uint32_t shuffled(const struct selector *s, uint32_t x, uint64_t round)
{
	uint64_t key = str_mix(s->seed, round);
	for (uint32_t i = 0; i < s->rounds; i++) {
		key = key * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		uint32_t k = below(key, s->n);
		uint32_t y = k >= x ? k - x : s->n - (x - k);
		uint32_t pair = x > y ? x : y;
		if ((key * UINT64_C(0xd1342543de82ef95) * (pair + 1) + (key << 32 | key >> 32)) >> 63)
			x = y;
	}
	return x;
}

uint32_t selector_pick(const struct selector *s, uint64_t index)
{
	switch (s->kind) {
	case SELECT_PICK: {
		uint64_t random = str_mix(s->seed, index);
		uint32_t i = below(random, s->n);
		const struct column c = s->columns[i];
		/* without a branch, which would be guessed wrong every other time */
		return c.alias ^ ((c.alias ^ i) & (0 - (uint32_t)((uint32_t)random < c.own)));
	}
	case SELECT_ROUND:
		return (uint32_t)(index % s->n);
	case SELECT_SEQUENCE:
		return index < s->n ? (uint32_t)index : UINT32_MAX;
	case SELECT_SHUFFLE:
		return shuffled(s, (uint32_t)(index % s->n), index / s->n);
	case SELECT_ONE:
		break;
	}
	return 0;
}

void selector_free(struct selector *s)
{
	free(s);
}
