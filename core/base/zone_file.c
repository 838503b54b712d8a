/* SPDX-License-Identifier: Apache-2.0 */
/* zone_file.c - a zone's table from a zoneinfo file: its own changes, then what its rule says until 2100. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/zone.h"
#include "base/zone_parts.h"

#define HEADER 44
#define LAST_YEAR 2100

struct counts {
	uint64_t utc, std, leap, time, type, chars;
};

static uint64_t big_endian(const uint8_t *p, int bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | *p++;
	return v;
}

static int header(const uint8_t *p, const uint8_t *end, struct counts *c)
{
	if (end - p < HEADER || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
		return -1;
	*c = (struct counts){ big_endian(p + 20, 4), big_endian(p + 24, 4), big_endian(p + 28, 4),
			      big_endian(p + 32, 4), big_endian(p + 36, 4), big_endian(p + 40, 4) };
	return 0;
}

/* The data block that follows a header, whose times have `width` bytes. */
static uint64_t block(const struct counts *c, uint64_t width)
{
	return c->time * (width + 1) + c->type * 6 + c->chars + c->leap * (width + 4) + c->std + c->utc;
}

static void add(struct zone *z, size_t *cap, int64_t at, int32_t offset)
{
	if (z->n && z->at[z->n - 1] == at)
		z->n--;
	if (z->n && z->offset[z->n - 1] == offset)
		return;
	if (z->n == *cap) {
		*cap = *cap ? *cap * 2 : 256;
		z->at = xreallocarray(z->at, *cap, sizeof *z->at);
		z->offset = xreallocarray(z->offset, *cap, sizeof *z->offset);
	}
	z->at[z->n] = at;
	z->offset[z->n++] = offset;
}

/* Those of the file. `p` stands at the block of 64-bit times. */
static int own_changes(struct zone *z, size_t *cap, const uint8_t *p, const struct counts *c)
{
	const uint8_t *indices = p + c->time * 8, *types = indices + c->time;
	int64_t last = INT64_MIN;
	for (uint64_t i = 0; i <= c->time; i++) {
		/* before the first change it is type 0 */
		uint8_t type = i ? indices[i - 1] : 0;
		int64_t at = i ? (int64_t)big_endian(p + (i - 1) * 8, 8) : INT64_MIN;
		if (type >= c->type || (i > 1 && at <= last))
			return -1;
		int32_t offset = (int32_t)big_endian(types + type * 6, 4);
		if (offset <= -93600 || offset >= 93600)
			return -1;
		add(z, cap, at, offset);
		last = at;
	}
	return 0;
}

static void changes_by_rule(struct zone *z, size_t *cap, const struct zone_rule *r, int64_t last)
{
	int64_t year = 1970;
	int month, day;
	if (last > 0)
		zone_date(last / 86400, &year, &month, &day);
	for (; r->changes && year <= LAST_YEAR; year++) {
		int64_t summer = zone_rule_summer(r, year), standard = zone_rule_standard(r, year);
		for (int i = 0; i < 2; i++) {
			bool is_summer = (i == 0) == (summer < standard);
			int64_t at = is_summer ? summer : standard;
			if (at > last && (z->n < 2 || at >= z->at[z->n - 1]))
				add(z, cap, at, is_summer ? r->summer : r->standard);
		}
	}
}

/* The line between two newlines that ends the file; "" where there is none. */
static void footer(const uint8_t *p, const uint8_t *end, char out[128])
{
	size_t n = (size_t)(end - p);
	*out = '\0';
	if (n < 2 || n - 2 >= 128 || p[0] != '\n' || p[n - 1] != '\n' || memchr(p, '\0', n))
		return;
	memcpy(out, p + 1, n - 2);
	out[n - 2] = '\0';
}

struct zone *zone_read(const char *name, const void *data, size_t n)
{
	const uint8_t *p = data, *end = p + n;
	struct counts c;
	if (header(p, end, &c) || block(&c, 4) > (uint64_t)(end - p - HEADER))
		return NULL;
	p += HEADER + block(&c, 4);
	/* leap seconds are in none of the files that are meant to be used */
	if (header(p, end, &c) || block(&c, 8) > (uint64_t)(end - p - HEADER) || !c.type || c.leap)
		return NULL;
	p += HEADER;
	struct zone *z = xnew(struct zone);
	size_t cap = 0;
	char text[128];
	struct zone_rule rule;
	footer(p + block(&c, 8), end, text);
	if (own_changes(z, &cap, p, &c) || (*text && zone_rule_parse(text, &rule))) {
		zone_free(z);
		return NULL;
	}
	if (*text)
		changes_by_rule(z, &cap, &rule, c.time ? (int64_t)big_endian(p + (c.time - 1) * 8, 8) : INT64_MIN);
	z->name = xstrdup(name);
	return z;
}
