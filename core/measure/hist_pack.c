/* SPDX-License-Identifier: Apache-2.0 */
/* hist_pack.c - see hist_pack.h */
#include "measure/hist_pack.h"

static void put_varint(struct buf *b, uint64_t v)
{
	while (v >= 0x80) {
		buf_u8(b, (uint8_t)(v | 0x80));
		v >>= 7;
	}
	buf_u8(b, (uint8_t)v);
}

static uint64_t get_varint(struct cursor *c)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = cursor_u8(c);
		if (shift == 63 && byte > 1)
			break;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

/* Signed numbers alternate: 0, -1, 1, -2, ... so that small ones stay short. */
static void put_signed(struct buf *b, int64_t v)
{
	put_varint(b, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

static int64_t get_signed(struct cursor *c)
{
	uint64_t v = get_varint(c);
	return (int64_t)((v >> 1) ^ (v & 1 ? UINT64_MAX : 0));
}

void hist_pack(struct buf *b, const struct hist *h)
{
	if (!h->count)
		return;
	put_varint(b, h->count);
	put_signed(b, h->sum_ns);
	put_signed(b, h->min_ns);
	put_signed(b, h->max_ns);
	uint32_t next = 0;
	for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
		if (!h->buckets[i])
			continue;
		put_varint(b, i - next);
		put_varint(b, h->buckets[i]);
		next = i + 1;
	}
}

int hist_unpack(const void *data, size_t n, struct hist *into)
{
	if (!n)
		return 0;
	struct cursor c = cursor_over(data, n);
	struct hist h = { .count = get_varint(&c) };
	h.sum_ns = get_signed(&c);
	h.min_ns = get_signed(&c);
	h.max_ns = get_signed(&c);
	uint64_t next = 0;
	while (cursor_left(&c) && !c.bad) {
		uint64_t skip = get_varint(&c), samples = get_varint(&c);
		if (c.bad || skip >= HIST_BUCKETS - next || !samples || samples > UINT32_MAX)
			return -1;
		next += skip;
		h.buckets[next++] = (uint32_t)samples;
	}
	if (c.bad || !hist_sound(&h) || into->count > UINT64_MAX - h.count)
		return -1;
	hist_merge(into, &h);
	return 0;
}
