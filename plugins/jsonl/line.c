/* SPDX-License-Identifier: Apache-2.0 */
/* line.c - see line.h */
#include "line.h"

#include "../common/record.h"

static void put_time(struct text *t, int64_t wall_ns)
{
	size_t before = t->len;
	text_putc(t, '"');
	if (text_time(t, wall_ns, 1)) {
		t->len = before;
		text_puts(t, "null");
		return;
	}
	text_putc(t, '"');
}

static void put_facts(struct text *t, const struct probed_record *r)
{
	text_puts(t, ",\"facts\":{");
	for (uint32_t i = 0, n; i < r->n_facts; i += n) {
		const struct probed_record_fact *f = record_fact(r, i);
		n = record_fact_run(r, i);
		if (i)
			text_putc(t, ',');
		text_json_or_null(t, f->name);
		text_puts(t, record_fact_many(f) ? ":[" : ":");
		for (uint32_t k = 0; k < n; k++) {
			if (k)
				text_putc(t, ',');
			record_fact_json(t, record_fact(r, i + k));
		}
		if (record_fact_many(f))
			text_putc(t, ']');
	}
	text_putc(t, '}');
}

static void put_failed(struct text *t, const struct probed_record *r)
{
	text_puts(t, ",\"failed\":{");
	for (uint32_t i = 0; i < r->n_failed; i++) {
		const struct probed_record_failed *f = record_failed(r, i);
		if (i)
			text_putc(t, ',');
		text_json_or_null(t, f->label ? f->label : "");
		text_putc(t, ':');
		text_json_or_null(t, f->message);
	}
	text_putc(t, '}');
}

static void put_times(struct text *t, const struct probed_record *r)
{
	text_puts(t, ",\"latency_ms\":");
	text_ms(t, r->latency_ns);
	text_puts(t, ",\"service_ms\":");
	text_ms(t, r->service_ns);
	text_puts(t, ",\"lag_ms\":");
	text_ms(t, r->lag_ns);
	text_puts(t, ",\"phases_ms\":{");
	for (uint32_t i = 0, n = 0; i < PROBED_PHASES; i++) {
		if (r->phase_ns[i] < 0)
			continue;
		text_puts(t, n++ ? ",\"" : "\"");
		text_puts(t, record_phase(i));
		text_puts(t, "\":");
		text_ms(t, r->phase_ns[i]);
	}
	text_putc(t, '}');
}

static void put_result(struct text *t, const struct probed_record *r)
{
	text_puts(t, ",\"target\":");
	text_json_or_null(t, r->target);
	if (r->sub) {
		text_puts(t, ",\"sub\":");
		text_json_or_null(t, r->sub);
	}
	text_puts(t, ",\"plan\":");
	text_json_or_null(t, r->plan);
	text_puts(t, ",\"driver\":");
	text_json_or_null(t, r->driver);
	text_puts(t, ",\"outcome\":");
	text_json_or_null(t, record_outcome(r->outcome));
	text_puts(t, ",\"reason\":");
	text_json_or_null(t, record_reason(r->reason));
	text_puts(t, ",\"message\":");
	text_json_or_null(t, r->message);
	put_times(t, r);
	put_facts(t, r);
	put_failed(t, r);
}

static void put_event(struct text *t, const struct probed_record *r)
{
	text_puts(t, ",\"event\":");
	text_json_or_null(t, r->message);
	if (r->target) {
		text_puts(t, ",\"target\":");
		text_json_or_null(t, r->target);
	}
}

void line_add(struct text *t, const struct probed_record *r)
{
	text_puts(t, "{\"id\":\"");
	record_id(t, r);
	text_puts(t, "\",\"time\":");
	put_time(t, r->time_ns);
	if (r->kind == PROBED_RECORD_EVENT)
		put_event(t, r);
	else
		put_result(t, r);
	text_puts(t, "}\n");
}
