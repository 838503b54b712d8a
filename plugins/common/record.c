/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - see record.h */
#include "record.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const outcomes[RECORD_OUTCOMES] = { "ok", "fail", "error", "unknown" };
static const char *const reasons[PROBED_REASONS] = {
	NULL,       "other",       "resolve", "refused",   "unreachable", "timeout",    "reset",    "tls",
	"protocol", "expectation", "crashed", "cancelled", "overloaded",  "permission", "internal",
};
static const char *const phases[PROBED_PHASES] = { "resolve", "connect", "tls", "send", "wait", "receive" };

const char *record_outcome(uint32_t outcome)
{
	return outcome < COUNT(outcomes) ? outcomes[outcome] : "unknown";
}

const char *record_reason(uint32_t reason)
{
	return reason < COUNT(reasons) ? reasons[reason] : "other";
}

const char *record_phase(uint32_t phase)
{
	return phases[phase];
}

int record_phase_by_name(const char *name)
{
	for (size_t i = 0; i < COUNT(phases); i++)
		if (!strcmp(phases[i], name))
			return (int)i;
	return -1;
}

void record_id(struct text *t, const struct probed_record *r)
{
	char epoch[24];
	snprintf(epoch, sizeof epoch, "%" PRIx64 "-", r->id_epoch);
	text_puts(t, epoch);
	text_uint(t, r->id_seq);
}

const struct probed_record_fact *record_fact_named(const struct probed_record *r, const char *name)
{
	for (uint32_t i = 0; i < r->n_facts; i++)
		if (!strcmp(record_fact(r, i)->name, name))
			return record_fact(r, i);
	return NULL;
}

int record_fact_many(const struct probed_record_fact *f)
{
	return (f->flags & PROBED_FACT_LIST) || f->type == PROBED_TYPE_TABLE;
}

uint32_t record_fact_run(const struct probed_record *r, uint32_t i)
{
	const struct probed_record_fact *f = record_fact(r, i);
	uint32_t n = 1;
	while (record_fact_many(f) && i + n < r->n_facts && !strcmp(record_fact(r, i + n)->name, f->name))
		n++;
	return n;
}

int record_fact_number(const struct probed_record_fact *f, double *out)
{
	switch (f->type) {
	case PROBED_TYPE_INTEGER:
	case PROBED_TYPE_SIZE:
		*out = (double)f->i;
		return 0;
	case PROBED_TYPE_BOOLEAN:
		*out = f->i != 0;
		return 0;
	case PROBED_TYPE_DURATION:
	case PROBED_TYPE_TIME:
		*out = (double)f->i / 1e9;
		return 0;
	case PROBED_TYPE_FLOAT:
		if (!isfinite(f->f))
			return -1;
		*out = f->f;
		return 0;
	default:
		return -1;
	}
}

/* A row is a JSON object already; a line break inside it would end a line of ours. */
static void put_row(struct text *t, const char *s, size_t n)
{
	size_t at = t->len;
	text_put(t, s, n);
	for (; !t->failed && at < t->len; at++)
		if (t->data[at] == '\n' || t->data[at] == '\r')
			t->data[at] = ' ';
}

/* True where it was a number or boolean. */
static int put_number(struct text *t, const struct probed_record_fact *f)
{
	switch (f->type) {
	case PROBED_TYPE_INTEGER:
	case PROBED_TYPE_SIZE:
		text_int(t, f->i);
		return 1;
	case PROBED_TYPE_BOOLEAN:
		text_puts(t, f->i ? "true" : "false");
		return 1;
	case PROBED_TYPE_DURATION:
		text_seconds(t, f->i);
		return 1;
	case PROBED_TYPE_FLOAT:
		if (!isfinite(f->f))
			return 0;
		text_float(t, f->f);
		return 1;
	default:
		return 0;
	}
}

static void put_time_json(struct text *t, int64_t wall_ns)
{
	size_t before = t->len;
	text_putc(t, '"');
	if (text_time(t, wall_ns, 0)) {
		t->len = t->failed ? t->len : before;
		text_puts(t, "null");
		return;
	}
	text_putc(t, '"');
}

void record_fact_json(struct text *t, const struct probed_record_fact *f)
{
	if (put_number(t, f))
		return;
	if (f->type == PROBED_TYPE_TIME)
		put_time_json(t, f->i);
	else if (!f->s || f->type == PROBED_TYPE_FLOAT || (f->type == PROBED_TYPE_TABLE && !f->len))
		text_puts(t, "null");
	else if (f->type == PROBED_TYPE_TABLE)
		put_row(t, f->s, f->len);
	else
		text_json(t, f->s, f->len);
}

void record_fact_plain(struct text *t, const struct probed_record_fact *f)
{
	if (put_number(t, f))
		return;
	if (f->type == PROBED_TYPE_TIME)
		text_time(t, f->i, 0);
	else if (f->s && f->type != PROBED_TYPE_FLOAT)
		text_clean(t, f->s, f->len);
}
