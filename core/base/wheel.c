/* SPDX-License-Identifier: Apache-2.0 */
/* wheel.c - see wheel.h */
#include "base/wheel.h"

#include <string.h>

/* Level l holds the ticks that differ from the present one first in bits 8l..8l+7. Six levels cover 48 bits,
 * which is every tick that a positive int64_t of nanoseconds can name. */
#define LEVEL_BITS 8

void wheel_init(struct wheel *w, int64_t now_ns)
{
	memset(w, 0, sizeof *w);
	w->tick = now_ns >> WHEEL_TICK_BITS;
}

static void link_into(struct wheel *w, struct wheel_timer *t, unsigned level, unsigned slot)
{
	struct wheel_timer **head = &w->slots[level][slot];
	t->next = *head;
	t->prev = head;
	if (t->next)
		t->next->prev = &t->next;
	*head = t;
	t->place = (uint16_t)(level * WHEEL_SLOTS + slot);
	w->used[level][slot / 64] |= UINT64_C(1) << (slot % 64);
}

static void unlink_from(struct wheel *w, struct wheel_timer *t)
{
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->prev = NULL;
	unsigned level = t->place / WHEEL_SLOTS, slot = t->place % WHEEL_SLOTS;
	if (!w->slots[level][slot])
		w->used[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

/* Puts t where its tick belongs, but at `floor` at the earliest. */
static void place(struct wheel *w, struct wheel_timer *t, int64_t floor)
{
	/* the tick after at_ns, so that it never fires early */
	int64_t due = (t->at_ns >> WHEEL_TICK_BITS) + ((t->at_ns & ((1 << WHEEL_TICK_BITS) - 1)) != 0);
	if (due < floor)
		due = floor;
	uint64_t differ = (uint64_t)due ^ (uint64_t)w->tick;
	unsigned level = differ ? (unsigned)(63 - __builtin_clzll(differ)) / LEVEL_BITS : 0;
	link_into(w, t, level, (unsigned)(due >> (LEVEL_BITS * level)) & (WHEEL_SLOTS - 1));
}

void wheel_set(struct wheel *w, struct wheel_timer *t, int64_t at_ns)
{
	if (t->prev)
		unlink_from(w, t);
	else
		w->n++;
	t->at_ns = at_ns;
	place(w, t, w->tick + 1);
}

void wheel_stop(struct wheel *w, struct wheel_timer *t)
{
	if (!t->prev)
		return;
	unlink_from(w, t);
	w->n--;
}

/* The first used slot of a level at or after `from`, -1 if none. */
static int next_used(const struct wheel *w, unsigned level, unsigned from)
{
	for (unsigned word = from / 64; word < WHEEL_SLOTS / 64; word++) {
		uint64_t bits = w->used[level][word];
		if (word == from / 64)
			bits &= ~UINT64_C(0) << (from % 64);
		if (bits)
			return (int)(word * 64 + (unsigned)__builtin_ctzll(bits));
	}
	return -1;
}

/* The earliest tick at which a slot must be fired or cascaded; INT64_MAX if there is none. */
static int64_t next_tick(const struct wheel *w)
{
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		unsigned shift = LEVEL_BITS * level;
		unsigned here = (unsigned)(w->tick >> shift) & (WHEEL_SLOTS - 1);
		int slot = here + 1 < WHEEL_SLOTS ? next_used(w, level, here + 1) : -1;
		if (slot >= 0) {
			int64_t base = w->tick >> shift >> LEVEL_BITS << LEVEL_BITS;
			return (base + slot) << shift;
		}
	}
	return INT64_MAX;
}

int64_t wheel_next(const struct wheel *w)
{
	int64_t tick = w->n ? next_tick(w) : INT64_MAX;
	return tick == INT64_MAX ? INT64_MAX : tick << WHEEL_TICK_BITS;
}

/* Takes all timers of a slot and places them again, nearer. */
static void cascade(struct wheel *w, unsigned level, unsigned slot)
{
	struct wheel_timer *t;
	struct wheel_timer *list = w->slots[level][slot];
	w->slots[level][slot] = NULL;
	w->used[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	while ((t = list)) {
		list = t->next;
		t->prev = NULL;
		place(w, t, w->tick);
	}
}

uint64_t wheel_advance(struct wheel *w, int64_t now_ns)
{
	int64_t to = now_ns >> WHEEL_TICK_BITS;
	uint64_t fired = 0;
	while (w->tick < to) {
		int64_t next = w->n ? next_tick(w) : INT64_MAX;
		if (next > to) {
			w->tick = to;
			break;
		}
		w->tick = next;
		for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--) {
			unsigned shift = LEVEL_BITS * level;
			if ((next & ((INT64_C(1) << shift) - 1)) == 0)
				cascade(w, level, (unsigned)(next >> shift) & (WHEEL_SLOTS - 1));
		}
		struct wheel_timer **head = &w->slots[0][next & (WHEEL_SLOTS - 1)];
		/* callbacks may add to any slot but this one: place() goes to tick + 1 at least */
		while (*head) {
			struct wheel_timer *t = *head;
			unlink_from(w, t);
			w->n--;
			fired++;
			t->fn(t);
		}
	}
	return fired;
}
