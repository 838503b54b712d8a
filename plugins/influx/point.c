/* SPDX-License-Identifier: Apache-2.0 */
/*
 * point.c - see point.h. A field has one type for ever in InfluxDB, and drivers may give one name to different things:
 * so all numbers are floats, and texts are fields of names that end in _text.
 */
#include "point.h"

#include <string.h>

#include "../common/record.h"

/* Escapes as the place asks: measurements know no escape of =, and no place knows one of a line break. */
static void put_key(struct text *t, const char *s, const char *special)
{
	size_t n = strlen(s), last = n ? n - 1 : 0;
	if (!n)
		text_putc(t, '_');
	for (size_t i = 0; i < n; i++) {
		char c = s[i];
		if (c == '\n' || c == '\r' || c == '\t')
			c = '_';
		if (strchr(special, c))
			text_putc(t, '\\');
		/* a backslash at the end would escape what follows it */
		text_putc(t, c == '\\' && i == last ? '/' : c);
	}
}

static void put_tag(struct text *t, const char *key, const char *value)
{
	if (!value || !*value)
		return; /* an empty tag is an error */
	text_putc(t, ',');
	text_puts(t, key);
	text_putc(t, '=');
	put_key(t, value, ",= ");
}

/* Begins a field: the first of a line without a comma. */
static void begin_field(struct text *t, int *n, const char *prefix, const char *key, const char *suffix)
{
	if ((*n)++)
		text_putc(t, ',');
	text_puts(t, prefix);
	put_key(t, key, ",= ");
	text_puts(t, suffix);
	text_putc(t, '=');
}

static void put_string(struct text *t, const char *s, size_t n)
{
	text_putc(t, '"');
	size_t done = 0;
	for (size_t i = 0; i < n; i++)
		if (s[i] == '"' || s[i] == '\\') {
			text_clean(t, s + done, i - done);
			text_putc(t, '\\');
			done = i;
		}
	text_clean(t, s + done, n - done);
	text_putc(t, '"');
}

static void put_seconds(struct text *t, int *n, const char *key, int64_t ns)
{
	begin_field(t, n, "", key, "");
	text_seconds(t, ns);
}

/* A fact must not take a name that is ours. */
static const char *own(const char *name)
{
	static const char *const ours[] = { "latency", "service", "lag", "message" };
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		if (!strcmp(name, ours[i]))
			return "fact_";
	return "";
}

static void put_facts(const struct point_format *f, struct text *t, const struct probed_record *r, int *n)
{
	double v;
	for (uint32_t i = 0, run; i < r->n_facts; i += run) {
		const struct probed_record_fact *fact = record_fact(r, i);
		run = record_fact_run(r, i);
		if (record_fact_many(fact))
			continue;
		if (!record_fact_number(fact, &v)) {
			begin_field(t, n, own(fact->name), fact->name, "");
			text_float(t, v);
		} else if (f->strings && fact->type == PROBED_TYPE_STRING && fact->s) {
			begin_field(t, n, own(fact->name), fact->name, "_text");
			put_string(t, fact->s, fact->len);
		}
	}
}

static void put_fields(const struct point_format *f, struct text *t, const struct probed_record *r)
{
	static const char *const names[PROBED_PHASES] = { "phase_resolve", "phase_connect", "phase_tls",
							  "phase_send",    "phase_wait",    "phase_receive" };
	int n = 0;
	put_seconds(t, &n, "latency", r->latency_ns);
	put_seconds(t, &n, "service", r->service_ns);
	put_seconds(t, &n, "lag", r->lag_ns);
	for (uint32_t i = 0; i < PROBED_PHASES; i++)
		if (r->phase_ns[i] >= 0)
			put_seconds(t, &n, names[i], r->phase_ns[i]);
	put_facts(f, t, r, &n);
	if (r->message) {
		begin_field(t, &n, "", "message", "");
		put_string(t, r->message, strlen(r->message));
	}
}

void point_add(const struct point_format *f, struct text *t, const struct probed_record *r)
{
	int event = r->kind == PROBED_RECORD_EVENT;
	put_key(t, f->measurement, ", ");
	if (event)
		text_puts(t, "_event");
	if (!event) { /* tags in the order of their names, as the server likes them best */
		put_tag(t, "driver", r->driver);
		put_tag(t, "outcome", record_outcome(r->outcome));
		put_tag(t, "plan", r->plan);
		put_tag(t, "reason", record_reason(r->reason));
		put_tag(t, "sub", r->sub);
	}
	put_tag(t, "target", r->target);
	text_putc(t, ' ');
	if (event) {
		int n = 0;
		begin_field(t, &n, "", "message", "");
		put_string(t, r->message ? r->message : "", r->message ? strlen(r->message) : 0);
	} else {
		put_fields(f, t, r);
	}
	text_putc(t, ' ');
	text_int(t, r->time_ns);
	text_putc(t, '\n');
}
