/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.c - see page.h. The page is a list of families, each walked over all rows before the next, since the
 * samples of a family have to stand together.
 */
#include "measure/page.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define PAGE_MAGIC 0x70616765u

struct family {
	const char *name, *type, *unit, *help;
	void (*row)(struct metrics_page *page, const struct metrics_row *row);
	void (*driver)(struct metrics_page *page, const struct metrics_driver *driver);
};

/* A family of self-metrics: its samples are kept aside until it is its turn. */
struct self_family {
	char *name;
	struct buf text;
};

struct metrics_page {
	unsigned magic;
	struct metrics_source source;
	bool om;
	struct buf *out;    /* of the step under way */
	struct buf labels;  /* of the row under way: `target="x",driver="http"` */
	const struct family *family; /* under way */
	size_t at;          /* next row (or driver, or self family) of it */
	bool begun;         /* its metadata is out */
	bool selves, ended;
	struct self_family *self;
	size_t n_self, cap_self;
};

/* --- values ------------------------------------------------------------------------------------ */

/* A page has some 30 samples a target: printf() would be most of what it costs. */
static void put_count(struct buf *b, uint64_t n)
{
	char text[20], *p = text + sizeof text;
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	buf_put(b, p, (size_t)(text + sizeof text - p));
}

/* Nanoseconds as seconds, exact and without trailing zeros. */
static void put_seconds(struct buf *b, int64_t ns)
{
	uint64_t abs = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, left = abs % NS_PER_S;
	char text[10] = ".";
	size_t n = 1;
	if (ns < 0)
		buf_putc(b, '-');
	put_count(b, abs / NS_PER_S);
	for (uint64_t unit = NS_PER_S / 10; left; left %= unit, unit /= 10)
		text[n++] = (char)('0' + left / unit);
	if (n > 1)
		buf_put(b, text, n);
}

/* The shortest text that reads back as the same number. */
static void put_number(struct buf *b, double v)
{
	if (isnan(v)) {
		buf_puts(b, "NaN");
	} else if (isinf(v)) {
		buf_puts(b, v > 0 ? "+Inf" : "-Inf");
	} else if (fabs(v) < 1e15 && v == (double)(int64_t)v) {
		if (v < 0)
			buf_putc(b, '-');
		put_count(b, (uint64_t)fabs(v));
	} else {
		char text[40];
		for (int digits = 15; digits <= 17; digits++) {
			snprintf(text, sizeof text, "%.*g", digits, v);
			if (strtod(text, NULL) == v)
				break;
		}
		buf_puts(b, text);
	}
}

/* Length of the ASCII at s that needs no escape. */
static size_t plain_len(const char *s, size_t len)
{
	size_t n = 0;
	while (n < len && !((unsigned char)s[n] & 0x80) && s[n] != '\\' && s[n] != '\n' && s[n] != '"')
		n++;
	return n;
}

/* The formats have three escapes only, and refuse the whole page for a byte that is not UTF-8. */
static void put_escaped(struct buf *b, const char *s, bool quotes)
{
	for (size_t left = strlen(s), n; left; s += n, left -= n) {
		n = plain_len(s, left);
		if (n) {
			buf_put(b, s, n);
			continue;
		}
		n = str_utf8(s, left);
		if (!n) {
			buf_puts(b, "\xef\xbf\xbd");
			n = 1;
		} else if (*s == '\\') {
			buf_puts(b, "\\\\");
		} else if (*s == '\n') {
			buf_puts(b, "\\n");
		} else if (*s == '"' && quotes) {
			buf_puts(b, "\\\"");
		} else {
			buf_put(b, s, n);
		}
	}
}

static void put_label(struct buf *b, const char *name, const char *value)
{
	if (b->len)
		buf_putc(b, ',');
	buf_puts(b, name);
	buf_puts(b, "=\"");
	put_escaped(b, value, true);
	buf_putc(b, '"');
}

/* --- a row's own labels ------------------------------------------------------------------------ */

static const char *const reserved[] = { "target", "driver", "sub", "outcome", "le", "quantile", "phase", "fact", "unit" };

/* What may be a label's name: other characters become underscores, and our own names are not to be taken. */
static void sanitize(const char *key, char out[96])
{
	char plain[80];
	size_t n = 0;
	for (; *key && n < sizeof plain - 1; key++) {
		char c = *key;
		bool digit = c >= '0' && c <= '9';
		bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (digit && n);
		plain[n++] = fine ? c : '_';
	}
	plain[n] = '\0';
	bool taken = !n || !strncmp(plain, "__", 2);
	for (size_t i = 0; i < ARRAY_LEN(reserved) && !taken; i++)
		taken = !strcmp(plain, reserved[i]);
	snprintf(out, 96, "%s%s", taken ? "label_" : "", plain);
}

static bool has_label(const struct buf *b, const char *name)
{
	char start[100];
	size_t n = (size_t)snprintf(start, sizeof start, "%s=\"", name);
	/* a value can't look like this: its quotes are escaped */
	for (size_t at = 0; at + n <= b->len; at++)
		if ((at == 0 || b->data[at - 1] == ',') && !memcmp(b->data + at, start, n))
			return true;
	return false;
}

static void row_labels(struct metrics_page *page, const struct metrics_row *row)
{
	struct buf *b = &page->labels;
	buf_clear(b);
	put_label(b, "target", row->target);
	put_label(b, "driver", row->driver->name);
	if (row->sub)
		put_label(b, "sub", row->sub);
	for (uint32_t i = 0; i < row->n_labels; i++) {
		char name[96];
		sanitize(row->labels[i].key, name);
		if (!has_label(b, name))
			put_label(b, name, row->labels[i].value);
	}
}

/* --- samples ----------------------------------------------------------------------------------- */

static bool is_counter(const char *type)
{
	return !strcmp(type, "counter");
}

/* Length of the family's name as the format has it: OpenMetrics names a counter without its _total. */
static size_t family_len(const char *name, const char *type, bool om)
{
	size_t n = strlen(name);
	if (om && is_counter(type) && n > 6 && !strcmp(name + n - 6, "_total"))
		n -= 6;
	if (om && !strcmp(type, "info") && n > 5 && !strcmp(name + n - 5, "_info"))
		n -= 5;
	return n;
}

static void put_metadata(struct buf *b, bool om, const char *name, const char *type, const char *unit, const char *help)
{
	int n = (int)family_len(name, type, om);
	buf_printf(b, "# HELP %.*s ", n, name);
	put_escaped(b, help, om);
	buf_printf(b, "\n# TYPE %.*s %s\n", n, name, !om && !strcmp(type, "info") ? "gauge" : type);
	if (om && unit)
		buf_printf(b, "# UNIT %.*s %s\n", n, name, unit);
}

/* Begins a sample of the present family, up to its value: `name{labels,k="v"} `. */
static void begin(struct metrics_page *page, const char *suffix, const char *key, const char *value)
{
	struct buf *b = page->out;
	const struct family *f = page->family;
	if (!page->begun) {
		put_metadata(b, page->om, f->name, f->type, f->unit, f->help);
		page->begun = true;
	}
	buf_puts(b, f->name);
	buf_puts(b, suffix);
	buf_putc(b, '{');
	buf_put(b, page->labels.data, page->labels.len);
	if (key) {
		buf_putc(b, ',');
		buf_puts(b, key);
		buf_puts(b, "=\"");
		put_escaped(b, value, true);
		buf_putc(b, '"');
	}
	buf_puts(b, "} ");
}

static void sample_seconds(struct metrics_page *page, const char *key, const char *value, int64_t ns)
{
	begin(page, "", key, value);
	put_seconds(page->out, ns);
	buf_putc(page->out, '\n');
}

static void sample_count(struct metrics_page *page, const char *suffix, const char *key, const char *value, uint64_t n)
{
	begin(page, suffix, key, value);
	put_count(page->out, n);
	buf_putc(page->out, '\n');
}

static void row_success(struct metrics_page *page, const struct metrics_row *row)
{
	if (row->stat->verdict)
		sample_count(page, "", NULL, NULL, row->stat->outcome == PROBED_OK);
}

static void row_probes(struct metrics_page *page, const struct metrics_row *row)
{
	for (uint32_t i = 0; i < PROBED_OUTCOMES; i++)
		sample_count(page, "", "outcome", outcome_name(i), row->stat->n[i]);
}

static void row_latency(struct metrics_page *page, const struct metrics_row *row)
{
	/* le as each format's own floats: OpenMetrics wants 1.0 where Prometheus text has 1 */
	static const char *const bounds[2][STAT_BUCKETS] = {
		{ "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf" },
		{ "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf" },
	};
	const struct probe_stat *s = row->stat;
	if (!s->verdict)
		return;
	uint64_t n = 0;
	for (uint32_t i = 0; i < STAT_BUCKETS; i++) {
		n += s->buckets[i];
		sample_count(page, "_bucket", "le", bounds[page->om][i], n);
	}
	begin(page, "_sum", NULL, NULL);
	put_seconds(page->out, s->latency_sum_ns);
	buf_putc(page->out, '\n');
	sample_count(page, "_count", NULL, NULL, n);
}

static void row_duration(struct metrics_page *page, const struct metrics_row *row)
{
	if (row->stat->verdict)
		sample_seconds(page, NULL, NULL, row->stat->service_ns);
}

static void row_phases(struct metrics_page *page, const struct metrics_row *row)
{
	for (uint32_t i = 0; row->stat->verdict && i < PROBED_PHASES; i++)
		if (row->stat->phase_ns[i] >= 0)
			sample_seconds(page, "phase", phase_name(i), row->stat->phase_ns[i]);
}

static void row_timestamp(struct metrics_page *page, const struct metrics_row *row)
{
	if (row->stat->verdict)
		sample_seconds(page, NULL, NULL, row->stat->wall_ns);
}

static void sample_fact(struct metrics_page *page, const struct fact_decl *f, const char *late, double value)
{
	const char *unit = f->unit && *f->unit ? f->unit : NULL;
	char name[256];
	snprintf(name, sizeof name, "%s%s%s", f->name, late ? "." : "", late ? late : "");
	size_t keep = page->labels.len;
	put_label(&page->labels, "fact", name);
	begin(page, "", unit ? "unit" : NULL, unit);
	page->labels.len = keep;
	put_number(page->out, value);
	buf_putc(page->out, '\n');
}

static void row_facts(struct metrics_page *page, const struct metrics_row *row)
{
	const struct probe_stat *s = row->stat;
	const struct driver_table *d = row->driver;
	for (uint32_t i = 0, k = 0; s->facts && i < d->n_facts; i++) {
		if (!stat_fact_plain(&d->facts[i]))
			continue;
		double v = s->facts[k++];
		if (!isnan(v))
			sample_fact(page, &d->facts[i], NULL, v);
	}
	for (uint32_t i = 0; i < s->n_late; i++)
		if (s->late[i].present && s->late[i].fact < d->n_facts)
			sample_fact(page, &d->facts[s->late[i].fact], s->late[i].name, s->late[i].value);
}

static void put_summary(struct metrics_page *page, const struct hist *h)
{
	static const struct {
		const char *text;
		double q;
	} quantiles[] = { { "0.5", 0.5 }, { "0.9", 0.9 }, { "0.95", 0.95 }, { "0.99", 0.99 }, { "0.999", 0.999 } };
	if (!h)
		return;
	for (size_t i = 0; h->count && i < ARRAY_LEN(quantiles); i++)
		sample_seconds(page, "quantile", quantiles[i].text, hist_quantile(h, quantiles[i].q));
	begin(page, "_sum", NULL, NULL);
	put_seconds(page->out, h->sum_ns);
	buf_putc(page->out, '\n');
	sample_count(page, "_count", NULL, NULL, h->count);
}

static void driver_latency(struct metrics_page *page, const struct metrics_driver *d)
{
	put_summary(page, d->latency);
}

static void driver_lag(struct metrics_page *page, const struct metrics_driver *d)
{
	put_summary(page, d->lag);
}

static const struct family families[] = {
	{ "probed_probe_success", "gauge", NULL, "1 where the target's last probe with a verdict was ok, 0 where it was not.",
	  .row = row_success },
	{ "probed_probes_total", "counter", NULL, "Probes that ended, by outcome.", .row = row_probes },
	{ "probed_probe_latency_seconds", "histogram", "seconds", "Time from a probe's due time to its end.",
	  .row = row_latency },
	{ "probed_probe_duration_seconds", "gauge", "seconds", "Time from the last probe's start to its end.",
	  .row = row_duration },
	{ "probed_probe_phase_seconds", "gauge", "seconds", "Time that the last probe spent in each phase.",
	  .row = row_phases },
	{ "probed_probe_last_timestamp_seconds", "gauge", "seconds",
	  "When the last probe with a verdict started, in seconds since 1970.", .row = row_timestamp },
	{ "probed_fact", "gauge", NULL, "Numbers that the last probe learned, in base units.", .row = row_facts },
	{ "probed_driver_latency_seconds", "summary", "seconds",
	  "Time from due time to end of all probes of a driver since the start.", .driver = driver_latency },
	{ "probed_driver_lag_seconds", "summary", "seconds",
	  "Time from due time to start of all probes of a driver since the start.", .driver = driver_lag },
};

/* --- probed's own ------------------------------------------------------------------------------ */

void metrics_self(struct metrics_page *page, const char *name, enum metrics_type type, const char *unit,
                  const char *help, double value, ...)
{
	static const char *const types[] = { "gauge", "counter", "info" };
	CHECK_MAGIC(page, PAGE_MAGIC);
	struct self_family *f = NULL;
	for (size_t i = 0; i < page->n_self && !f; i++)
		if (!strcmp(page->self[i].name, name))
			f = &page->self[i];
	if (!f) {
		xgrow(page->self, page->n_self, page->cap_self);
		f = &page->self[page->n_self++];
		*f = (struct self_family){ .name = xstrdup(name) };
		put_metadata(&f->text, page->om, name, types[type], unit, help);
	}
	struct buf *labels = &page->labels;
	buf_clear(labels);
	va_list ap;
	va_start(ap, value);
	for (const char *k; (k = va_arg(ap, const char *));) {
		const char *v = va_arg(ap, const char *);
		if (v)
			put_label(labels, k, v);
	}
	va_end(ap);
	buf_puts(&f->text, name);
	if (labels->len) {
		buf_putc(&f->text, '{');
		buf_put(&f->text, labels->data, labels->len);
		buf_putc(&f->text, '}');
	}
	buf_putc(&f->text, ' ');
	put_number(&f->text, value);
	buf_putc(&f->text, '\n');
}

/* True once all self-metrics are out. */
static bool step_self(struct metrics_page *page, size_t limit)
{
	if (!page->selves && page->source.self) {
		page->source.self(page->source.ctx, page);
		page->selves = true;
	}
	while (page->at < page->n_self && page->out->len < limit) {
		const struct buf *text = &page->self[page->at++].text;
		buf_put(page->out, text->data, text->len);
	}
	return page->at >= page->n_self;
}

/* --- the walk ---------------------------------------------------------------------------------- */

/* The next row or driver of the present family; false where there is none. */
static bool step_family(struct metrics_page *page)
{
	const struct metrics_source *source = &page->source;
	if (page->family->row) {
		struct metrics_row row = { 0 };
		if (!source->row || !source->row(source->ctx, page->at, &row))
			return false;
		if (row.stat) {
			row_labels(page, &row);
			page->family->row(page, &row);
		}
	} else {
		struct metrics_driver d = { 0 };
		if (!source->driver || !source->driver(source->ctx, page->at, &d))
			return false;
		buf_clear(&page->labels);
		put_label(&page->labels, "driver", d.name);
		page->family->driver(page, &d);
	}
	page->at++;
	return true;
}

int metrics_page_step(struct metrics_page *page, struct buf *out, size_t max_bytes)
{
	CHECK_MAGIC(page, PAGE_MAGIC);
	size_t limit = max_bytes > SIZE_MAX - out->len ? SIZE_MAX : out->len + max_bytes;
	page->out = out;
	while (page->family < families + ARRAY_LEN(families)) {
		if (out->len >= limit)
			return 1;
		if (!step_family(page)) {
			page->family++;
			page->at = 0;
			page->begun = false;
		}
	}
	if (!step_self(page, limit))
		return 1;
	if (page->om && !page->ended)
		buf_puts(out, "# EOF\n");
	page->ended = true;
	return 0;
}

struct metrics_page *metrics_page_new(const struct metrics_source *source, bool openmetrics)
{
	struct metrics_page *page = xnew(struct metrics_page);
	page->magic = PAGE_MAGIC;
	page->source = *source;
	page->om = openmetrics;
	page->family = families;
	return page;
}

void metrics_page_free(struct metrics_page *page)
{
	if (!page)
		return;
	CHECK_MAGIC(page, PAGE_MAGIC);
	for (size_t i = 0; i < page->n_self; i++) {
		free(page->self[i].name);
		buf_free(&page->self[i].text);
	}
	free(page->self);
	buf_free(&page->labels);
	page->magic = 0;
	free(page);
}
