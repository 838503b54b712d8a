/* SPDX-License-Identifier: Apache-2.0 */
/*
 * select.h - which of n comes next: a pure function of the seed and an index, so that several machines that share a
 * plan by index choose as one would. Immutable once made; any thread.
 */
#ifndef PLAN_SELECT_H
#define PLAN_SELECT_H

#include <stdint.h>

enum select_kind {
	SELECT_ONE,      /* always the first */
	SELECT_PICK,     /* by weight (Vose's alias method) */
	SELECT_ROUND,    /* in order, for ever */
	SELECT_SEQUENCE, /* in order, each once; then the end */
	SELECT_SHUFFLE   /* rounds for ever, each in an order of its own */
};

struct selector;

/* n is at least 1. Only SELECT_PICK looks at weights (NULL: all 1); one that is not a positive number is never picked,
 * and where none is positive all count 1. */
struct selector *selector_new(enum select_kind kind, const double *weights, uint32_t n, uint64_t seed);
/* Which, below n; UINT32_MAX: the sequence has ended. Constant time. */
uint32_t selector_pick(const struct selector *s, uint64_t index);
void selector_free(struct selector *s);

#endif
