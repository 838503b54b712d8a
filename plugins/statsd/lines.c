/* SPDX-License-Identifier: Apache-2.0 */
/* lines.c - see lines.h */
#include "lines.h"

#include <string.h>

#include "../common/record.h"

struct writer {
	const struct lines_format *f;
	const struct probed_record *r;
	struct text *t;
	void (*line)(void *ctx, const char *text, size_t len);
	void *ctx;
};

/* A part of a name: dots would make levels, and what statsd's syntax needs can't be escaped. */
static void put_part(struct text *t, const char *s)
{
	for (; *s; s++) {
		char c = *s;
		int fine =
		    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
		text_putc(t, fine ? c : '_');
	}
}

static void put_tag(struct text *t, const char *key, const char *value)
{
	if (t->len && t->data[t->len - 1] != '#')
		text_putc(t, ',');
	text_puts(t, key);
	text_putc(t, ':');
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;
		text_putc(t, c < 0x20 || c == 0x7f || c == '|' || c == ',' || c == '#' ? '_' : *value);
	}
}

/* prefix and name; without tags the target and what would be a tag are levels of it. */
static void put_name(const struct writer *w, const char *name, const char *value)
{
	const struct probed_record *r = w->r;
	struct text *t = w->t;
	t->len = 0;
	text_puts(t, w->f->prefix);
	if (!w->f->tags) {
		put_part(t, r->target);
		text_putc(t, '.');
		if (r->sub) {
			put_part(t, r->sub);
			text_putc(t, '.');
		}
	}
	text_puts(t, name);
	if (!w->f->tags && value) {
		text_putc(t, '.');
		put_part(t, value);
	}
	text_putc(t, ':');
}

/* The line's end: its type and tags. */
static void put_end(const struct writer *w, const char *type, const char *key, const char *value)
{
	const struct probed_record *r = w->r;
	struct text *t = w->t;
	text_putc(t, '|');
	text_puts(t, type);
	if (w->f->tags) {
		text_puts(t, "|#");
		put_tag(t, "target", r->target);
		put_tag(t, "driver", r->driver ? r->driver : "");
		if (r->plan)
			put_tag(t, "plan", r->plan);
		if (r->sub)
			put_tag(t, "sub", r->sub);
		if (key && value)
			put_tag(t, key, value);
	}
}

static void out(const struct writer *w)
{
	if (!w->t->failed)
		w->line(w->ctx, w->t->data, w->t->len);
	w->t->failed = 0;
}

static void count_outcome(const struct writer *w)
{
	const struct probed_record *r = w->r;
	put_name(w, "probes", record_outcome(r->outcome));
	text_putc(w->t, '1');
	put_end(w, "c", "outcome", record_outcome(r->outcome));
	if (w->f->tags && record_reason(r->reason))
		put_tag(w->t, "reason", record_reason(r->reason));
	out(w);
}

static void timing(const struct writer *w, const char *name, const char *value, int64_t ns)
{
	put_name(w, name, value);
	text_ms(w->t, ns);
	put_end(w, "ms", value ? name : NULL, value);
	out(w);
}

static void gauge(const struct writer *w, const char *fact, double v)
{
	if (v < 0 && !w->f->tags) { /* a sign would make it a difference: from nothing, then */
		put_name(w, "fact", fact);
		text_putc(w->t, '0');
		put_end(w, "g", NULL, NULL);
		out(w);
	}
	put_name(w, "fact", fact);
	text_float(w->t, v);
	put_end(w, "g", "fact", fact);
	out(w);
}

void lines_of(const struct lines_format *f, const struct probed_record *r, struct text *t,
	      void (*line)(void *ctx, const char *text, size_t len), void *ctx)
{
	struct writer w = { .f = f, .r = r, .t = t, .line = line, .ctx = ctx };
	double v;
	if (r->kind != PROBED_RECORD_RESULT)
		return;
	count_outcome(&w);
	if (r->outcome == PROBED_UNKNOWN) /* says nothing of the target */
		return;
	timing(&w, "latency", NULL, r->latency_ns);
	timing(&w, "service", NULL, r->service_ns);
	for (uint32_t i = 0; i < PROBED_PHASES; i++)
		if (r->phase_ns[i] >= 0)
			timing(&w, "phase", record_phase(i), r->phase_ns[i]);
	for (uint32_t i = 0; f->facts && i < r->n_facts; i++) {
		const struct probed_record_fact *fact = record_fact(r, i);
		if ((fact->flags & PROBED_FACT_METRIC) && !record_fact_many(fact) && !record_fact_number(fact, &v))
			gauge(&w, fact->name, v);
	}
}
