/* SPDX-License-Identifier: Apache-2.0 */
/* pace_print.c - a schedule as its canonical text. */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "plan/pace_parts.h"

/* In the largest unit of which it is a whole number. */
static void put_duration(struct buf *out, int64_t ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = { { "d", 86400 * NS_PER_S }, { "h", 3600 * NS_PER_S }, { "m", 60 * NS_PER_S }, { "s", NS_PER_S },
		      { "ms", NS_PER_MS },       { "us", NS_PER_US },      { "ns", 1 } };
	size_t i = 0;
	while (ns % units[i].ns)
		i++;
	buf_printf(out, "%" PRId64 "%s", ns / units[i].ns, ns ? units[i].name : "s");
}

static void put_decimal(struct buf *out, uint64_t millionths)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%" PRIu64 ".%06" PRIu64, millionths / 1000000, millionths % 1000000);
	while (text[n - 1] == '0')
		n--;
	if (text[n - 1] == '.')
		n--;
	buf_put(out, text, (size_t)n);
}

/* In the first unit of which it is a whole number, or else a decimal of six places, which the last one always is. */
static void put_rate(struct buf *out, uint64_t r)
{
	static const struct {
		const char *name;
		uint64_t factor;
	} units[] = { { "/s", PACE_PER_S }, { "/min", PACE_PER_MIN }, { "/h", PACE_PER_H } };
	for (int whole = 1; whole >= 0; whole--)
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (r % (whole ? units[i].factor : units[i].factor / 1000000) == 0) {
				put_decimal(out, r / (units[i].factor / 1000000));
				buf_puts(out, units[i].name);
				return;
			}
}

static void put_gap(struct buf *out, const struct pace_gap *g)
{
	if (g->median_ns) {
		buf_puts(out, "lognormal median ");
		put_duration(out, g->median_ns);
		buf_puts(out, " p99 ");
		put_duration(out, g->p99_ns);
		return;
	}
	put_duration(out, g->min_ns);
	if (g->max_ns != g->min_ns) {
		buf_puts(out, "..");
		put_duration(out, g->max_ns);
	}
}

static void put_segment(struct buf *out, const struct pace_segment *s, bool first)
{
	if (!s->length_ns || s->length_ns == INT64_MAX) {
		buf_puts(out, "rate ");
		put_rate(out, s->to);
		return;
	}
	/* "hold" needs something before it */
	bool ramp = s->from != s->to || first;
	buf_puts(out, ramp ? "ramp " : "hold ");
	put_duration(out, s->length_ns);
	if (ramp) {
		buf_putc(out, ':');
		put_rate(out, s->to);
	}
}

static void put_file(struct buf *out, const char *file)
{
	if (!strpbrk(file, " \t\r\n\\\"'")) {
		buf_puts(out, file);
		return;
	}
	buf_putc(out, '"');
	for (; *file; file++) {
		const char *escaped = strchr("\n\r\t", *file);
		if (escaped || *file == '"' || *file == '\\')
			buf_putc(out, '\\');
		buf_putc(out, escaped ? "nrt"[escaped - "\n\r\t"] : *file);
	}
	buf_putc(out, '"');
}

static void put_users(struct buf *out, const struct pace_users *u)
{
	buf_printf(out, "users %u", u->n);
	if (u->ramp_ns) {
		buf_puts(out, " ramp ");
		put_duration(out, u->ramp_ns);
	}
	if (u->think.max_ns || u->think.median_ns) {
		buf_puts(out, " think ");
		put_gap(out, &u->think);
	}
}

static void put_body(const struct pace *p, struct buf *out)
{
	switch (p->kind) {
	case PACE_EVERY:
		buf_puts(out, "every ");
		put_duration(out, p->interval_ns);
		if (p->jitter_ppm) {
			buf_puts(out, " jitter ");
			put_decimal(out, p->jitter_ppm * UINT64_C(100));
			buf_putc(out, '%');
		}
		break;
	case PACE_HUMAN:
		buf_puts(out, "human ");
		put_gap(out, &p->gap);
		break;
	case PACE_RATE:
		for (size_t i = 0; i < p->n_segments; i++) {
			buf_puts(out, i ? " " : "");
			put_segment(out, &p->segments[i], !i);
		}
		buf_puts(out, p->poisson ? " poisson" : "");
		break;
	case PACE_BURST:
		buf_printf(out, "burst %" PRIu64 " every ", p->burst);
		put_duration(out, p->interval_ns);
		break;
	case PACE_USERS:
		put_users(out, &p->users);
		break;
	case PACE_RECORDED:
		buf_puts(out, "recorded ");
		put_file(out, p->file);
		if (p->speed_ppm != 1000000) {
			buf_puts(out, " x");
			put_decimal(out, p->speed_ppm);
		}
		break;
	}
}

void pace_print(const struct pace *p, struct buf *out)
{
	put_body(p, out);
	if (p->for_ns) {
		buf_puts(out, " for ");
		put_duration(out, p->for_ns);
	}
}
