/* SPDX-License-Identifier: Apache-2.0 */
/* chart.c - see chart.h */
#include "report/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/unit.h"
#include "report/report_parts.h"

#define SIDE 1000.0 /* of the drawing, in its own units */
#define TICKS 12

/* --- scales ------------------------------------------------------------------------------------- */

struct scale {
	double min, max;
	bool log;
	double ticks[TICKS];
	uint32_t n_ticks;
};

static double place(const struct scale *s, double v)
{
	double at = s->log ? log(v / s->min) / log(s->max / s->min) : (v - s->min) / (s->max - s->min);
	return fmin(fmax(at, 0), 1);
}

/* The nearest of 1, 2, 5 (times a power of ten) at or below v. */
static double round_down(double v)
{
	double power = pow(10, floor(log10(v) + 1e-9)), m = v / power;
	return power * (m >= 5 - 1e-9 ? 5 : m >= 2 - 1e-9 ? 2 : 1);
}

static double next_step(double v)
{
	double m = v / pow(10, floor(log10(v) + 1e-9));
	return m < 1.5 ? v * 2 : m < 3 ? v * 2.5 : v * 2;
}

static void add_tick(struct scale *s, double v)
{
	if (s->n_ticks < TICKS)
		s->ticks[s->n_ticks++] = v;
}

/* 1, 2, 5, 10 ...; over more than so many decades 1, 10 ... */
static void log_ticks(struct scale *s, double decades)
{
	bool wide = log10(s->max / s->min) > decades;
	for (double v = round_down(s->min); v <= s->max * 1.000001; v = next_step(v)) {
		double m = v / pow(10, floor(log10(v) + 1e-9));
		if (v >= s->min * 0.999999 && (!wide || m < 1.5))
			add_tick(s, v);
	}
}

/* Steps that people count in: of time 15 s, 30 s, 1 min ...; of all else 1, 2, 5. */
static double linear_step(double span, enum chart_unit unit, int most)
{
	static const double seconds[] = { 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400 };
	for (size_t i = 0; unit == CHART_OFFSET && i < sizeof seconds / sizeof seconds[0]; i++)
		if (span / (seconds[i] * 1e9) <= most)
			return seconds[i] * 1e9;
	double step = round_down(span / most);
	while (span / step > most)
		step = next_step(step);
	return step;
}

static void linear_ticks(struct scale *s, enum chart_unit unit, int most)
{
	double step = linear_step(s->max - s->min, unit, most);
	for (double v = ceil(s->min / step - 1e-9) * step; v <= s->max + step * 1e-6; v += step)
		add_tick(s, v + 0.0); /* never -0 */
}

/* --- values as text ----------------------------------------------------------------------------- */

static const char *text_of(enum chart_unit unit, double v, char *out, size_t size)
{
	switch (unit) {
	case CHART_NS:
		return unit_format_duration((int64_t)(v + 0.5), out, size);
	case CHART_OFFSET:
		return text_offset((int64_t)v, out, size);
	case CHART_RATE:
		return text_rate(v, out, size);
	case CHART_SHARE:
		snprintf(out, size, "%.3g %%", v * 100);
		break;
	case CHART_COUNT:
		snprintf(out, size, "%.4g", v);
		break;
	case CHART_PERCENTILE:
		snprintf(out, size, "%.*f %%", v > 1 ? (int)ceil(v - 2 - 1e-9) : 0, 100 * (1 - pow(10, -v)));
		break;
	}
	return out;
}

/* "100 ms", and not "100.0 ms" or "1e+02": what stands beside an axis. */
static const char *tick_text(enum chart_unit unit, double v, char *out, size_t size)
{
	if (unit == CHART_NS && v < 1e9) {
		double f = v >= 1e6 ? 1e6 : v >= 1e3 ? 1e3 : 1;
		snprintf(out, size, "%.4g %s", v / f, v >= 1e6 ? "ms" : v >= 1e3 ? "\xc2\xb5s" : "ns");
		return out;
	}
	if (unit == CHART_RATE && v == 0)
		return "0";
	return text_of(unit, v, out, size);
}

/* --- drawing ------------------------------------------------------------------------------------ */

struct view {
	const struct chart *c;
	struct scale x, y;
};

static uint32_t points_of(const struct chart *c, const struct chart_series *s)
{
	return s->x ? s->n : c->n;
}

static double stack_height(const struct chart *c, uint32_t i)
{
	double sum = 0;
	for (uint32_t k = 0; k < c->n_series; k++)
		sum += isfinite(c->series[k].y[i]) ? c->series[k].y[i] : 0;
	return sum;
}

static void range_of(const struct chart *c, double *min, double *max)
{
	*min = INFINITY;
	*max = 0;
	for (uint32_t k = 0; k < c->n_series; k++)
		for (uint32_t i = 0; i < points_of(c, &c->series[k]); i++) {
			double v = c->stacked ? stack_height(c, i) : c->series[k].y[i];
			if (!isfinite(v) || v <= 0)
				continue;
			*min = fmin(*min, v);
			*max = fmax(*max, v);
		}
}

/* False where there is nothing to draw. */
static bool look(const struct chart *c, struct view *v)
{
	double min, max;
	*v = (struct view){ .c = c, .x = { .min = c->x_min, .max = c->x_max, .log = c->x_log }, .y = { .log = c->y_log } };
	range_of(c, &min, &max);
	if (!(max > 0) || !(c->x_max > c->x_min))
		return false;
	if (c->y_log) {
		v->y.min = round_down(min);
		v->y.max = round_down(max);
		while (v->y.max < max * 0.999999 || v->y.max <= v->y.min)
			v->y.max = next_step(v->y.max);
		log_ticks(&v->y, 3);
	} else {
		v->y.max = max * 1.08;
		linear_ticks(&v->y, c->y_unit, 5);
	}
	if (c->x_log)
		log_ticks(&v->x, 1.4);
	else
		linear_ticks(&v->x, c->x_unit, c->x_unit == CHART_PERCENTILE ? 6 : 5);
	return true;
}

static double x_of(const struct view *v, double x)
{
	return SIDE * place(&v->x, x);
}

static double y_of(const struct view *v, double y)
{
	return SIDE * (1 - (y > 0 || !v->y.log ? place(&v->y, y) : 0));
}

static void put_line(struct buf *b, const struct view *v, const struct chart_series *s)
{
	const double *x = s->x ? s->x : v->c->x;
	bool down = false;
	buf_printf(b, "<path class=\"line c%u%s%s\" d=\"", s->colour, s->dashed ? " dash" : "", s->wide ? " wide" : "");
	for (uint32_t i = 0, n = points_of(v->c, s); i < n; i++) {
		if (!isfinite(s->y[i]) || x[i] < v->x.min || x[i] > v->x.max) {
			down = false;
			continue;
		}
		bool alone = !down && (i + 1 == n || !isfinite(s->y[i + 1]));
		buf_printf(b, "%c%.1f %.1f", down ? 'L' : 'M', x_of(v, x[i]), y_of(v, s->y[i]));
		if (alone)
			buf_puts(b, "h1"); /* a single point has no length: it is given one */
		down = true;
	}
	buf_puts(b, "\"/>");
}

/* A bar reaches half way to its neighbours. */
static void put_bars(struct buf *b, const struct view *v, uint32_t which)
{
	const struct chart *c = v->c;
	const struct chart_series *s = &c->series[which];
	buf_printf(b, "<path class=\"bar c%u\" d=\"", s->colour);
	for (uint32_t i = 0; i < c->n; i++) {
		double under = 0, middle = x_of(v, c->x[i]);
		for (uint32_t k = 0; c->stacked && k < which; k++)
			under += isfinite(c->series[k].y[i]) ? c->series[k].y[i] : 0;
		if (!(s->y[i] > 0))
			continue;
		double left = i ? (middle + x_of(v, c->x[i - 1])) / 2 : middle - (c->n > 1 ? (x_of(v, c->x[1]) - middle) / 2 : 5);
		double right = i + 1 < c->n ? (middle + x_of(v, c->x[i + 1])) / 2 : 2 * middle - left;
		buf_printf(b, "M%.1f %.1fH%.1fV%.1fH%.1fz", fmax(left, 0), y_of(v, under), fmin(right, SIDE), y_of(v, under + s->y[i]),
		           fmax(left, 0));
	}
	buf_puts(b, "\"/>");
}

static void put_grid(struct buf *b, const struct view *v)
{
	buf_puts(b, "<path class=\"grid\" d=\"");
	for (uint32_t i = 0; i < v->y.n_ticks; i++)
		buf_printf(b, "M0 %.1fH%.0f", y_of(v, v->y.ticks[i]), SIDE);
	buf_puts(b, "\"/>");
}

static void put_labels(struct buf *b, const struct view *v)
{
	char text[48];
	for (uint32_t i = 0; i < v->y.n_ticks; i++)
		buf_printf(b, "<span class=\"y\" style=\"top:%.2f%%\">%s</span>", y_of(v, v->y.ticks[i]) / SIDE * 100,
		           tick_text(v->c->y_unit, v->y.ticks[i], text, sizeof text));
	for (uint32_t i = 0; i < v->x.n_ticks; i++)
		buf_printf(b, "<span class=\"x\" style=\"left:%.2f%%\">%s</span>", x_of(v, v->x.ticks[i]) / SIDE * 100,
		           tick_text(v->c->x_unit, v->x.ticks[i], text, sizeof text));
}

static void put_svg(struct buf *b, const struct view *v)
{
	buf_puts(b, "<div class=\"plot\"><svg role=\"img\" viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" aria-label=\"");
	put_xml(b, v->c->about);
	buf_puts(b, "\">");
	put_grid(b, v);
	for (uint32_t k = 0; k < v->c->n_series; k++) {
		if (v->c->series[k].kind == CHART_BARS)
			put_bars(b, v, k);
		else
			put_line(b, v, &v->c->series[k]);
	}
	buf_puts(b, "</svg>");
	put_labels(b, v);
	buf_puts(b, "<i class=\"cross\"></i></div><p class=\"readout\" aria-hidden=\"true\"></p>");
}

static void put_legend(struct buf *b, const struct chart *c)
{
	buf_puts(b, "<p class=\"legend\">");
	for (uint32_t k = 0; k < c->n_series; k++) {
		const struct chart_series *s = &c->series[k];
		buf_printf(b, "<span class=\"c%u%s%s\"><b></b>", s->colour, s->dashed ? " dash" : "", s->wide ? " wide" : "");
		put_xml(b, s->name);
		buf_puts(b, "</span> ");
	}
	buf_puts(b, "</p>");
}

static void put_row(struct buf *b, const struct view *v, uint32_t i)
{
	const struct chart *c = v->c;
	char text[48];
	buf_printf(b, "<tr data-x=\"%.2f\"><th scope=\"row\">%s</th>", x_of(v, c->x[i]) / SIDE * 100,
	           text_of(c->x_unit, c->x[i], text, sizeof text));
	for (uint32_t k = 0; k < c->n_series; k++)
		if (!c->series[k].dashed)
			buf_printf(b, "<td>%s</td>",
			           isfinite(c->series[k].y[i]) ? text_of(c->y_unit, c->series[k].y[i], text, sizeof text) : "");
	buf_puts(b, "</tr>\n");
}

static void put_table(struct buf *b, const struct view *v)
{
	const struct chart *c = v->c;
	buf_printf(b, "<details><summary>The figures as a table</summary><div class=\"scroll\"><table><thead><tr><th scope=\"col\">%s</th>",
	           c->x_name);
	for (uint32_t k = 0; k < c->n_series; k++)
		if (!c->series[k].dashed) {
			buf_puts(b, "<th scope=\"col\">");
			put_xml(b, c->series[k].name);
			buf_puts(b, "</th>");
		}
	buf_puts(b, "</tr></thead><tbody>\n");
	for (uint32_t i = 0; i < c->n; i++)
		put_row(b, v, i);
	buf_puts(b, "</tbody></table></div></details>");
}

void chart_put(struct buf *b, const struct chart *c)
{
	struct view v;
	buf_puts(b, "<figure><figcaption>");
	put_xml(b, c->title);
	buf_puts(b, "</figcaption>");
	if (look(c, &v)) {
		put_legend(b, c);
		put_svg(b, &v);
		put_table(b, &v);
	} else {
		buf_puts(b, "<p class=\"nothing\">Nothing to show.</p>");
	}
	buf_puts(b, "</figure>\n");
}
