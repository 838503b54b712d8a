/* SPDX-License-Identifier: Apache-2.0 */
/* columns.c - see columns.h. A row is written as it is read out of the record; quotes are put around a value once it is
 * seen to need them (RFC 4180). */
#include "columns.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/record.h"

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

enum kind {
	KIND_ID,
	KIND_TIME,
	KIND_TARGET,
	KIND_SUB,
	KIND_PLAN,
	KIND_DRIVER,
	KIND_OUTCOME,
	KIND_REASON,
	KIND_MESSAGE,
	KIND_EVENT,
	KIND_LATENCY,
	KIND_SERVICE,
	KIND_LAG,
	KIND_FAILED,
	KIND_PLAIN, /* those above have no name after a dot */
	KIND_PHASE = KIND_PLAIN,
	KIND_FACT
};

static const char *const names[KIND_PLAIN] = {
	"id",     "time",    "target", "sub",     "plan",    "driver", "outcome",
	"reason", "message", "event",  "latency", "service", "lag",    "failed",
};

struct field {
	enum kind kind;
	int phase;
	const char *fact; /* into the columns' spec */
};

struct column {
	const char *heading;
	struct field *fields;
	size_t n;
};

struct columns {
	char *spec;
	struct column *list;
	size_t n;
	struct field *fields; /* of all columns */
	enum columns_time time;
	int events, subs; /* are there columns about them? */
	struct text header;
};

/* --- the specification ------------------------------------------------------------------------- */

static char *trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	char *end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return s;
}

/* `header.x` is the fact header.x; other facts are written fact.x, since their names could be ours. */
static int parse_field(const char *text, struct field *f)
{
	*f = (struct field){ 0 };
	for (size_t i = 0; i < KIND_PLAIN; i++)
		if (!strcmp(text, names[i])) {
			f->kind = (enum kind)i;
			return 0;
		}
	if (!strncmp(text, "phase.", 6)) {
		f->kind = KIND_PHASE;
		f->phase = record_phase_by_name(text + 6);
		return f->phase < 0 ? -1 : 0;
	}
	f->kind = KIND_FACT;
	if (!strncmp(text, "fact.", 5) && text[5])
		f->fact = text + 5;
	else if (!strncmp(text, "header.", 7) && text[7])
		f->fact = text;
	return f->fact ? 0 : -1;
}

static int parse_column(struct columns *c, char *text, size_t *n_fields, char *error, uint64_t error_size)
{
	struct column *col = &c->list[c->n++];
	char *heading = trim(text), *equals = strchr(heading, '='), *next = equals ? equals + 1 : heading;
	if (equals) {
		*equals = '\0';
		heading = trim(heading);
	}
	*col = (struct column){ .heading = heading, .fields = c->fields + *n_fields };
	if (!*heading) {
		snprintf(error, error_size, "column %zu has no name", c->n);
		return -1;
	}
	for (char *bar; next; next = bar) {
		bar = strchr(next, '|');
		if (bar)
			*bar++ = '\0';
		struct field *f = &col->fields[col->n++];
		if (parse_field(trim(next), f)) {
			snprintf(error, error_size,
				 "unknown field \"%s\": expected one of id, time, target, sub, plan, driver, outcome, "
				 "reason, message, "
				 "event, latency, service, lag, failed, phase.NAME, fact.NAME or header.NAME",
				 trim(next));
			return -1;
		}
		c->events |= f->kind == KIND_EVENT;
		c->subs |= f->kind == KIND_SUB;
	}
	*n_fields += col->n;
	return 0;
}

static size_t count(const char *s, const char *of)
{
	size_t n = 1;
	for (; (s = strpbrk(s, of)); s++)
		n++;
	return n;
}

static int parse(struct columns *c, char *error, uint64_t error_size)
{
	size_t n_fields = 0;
	for (char *next = c->spec, *comma; next; next = comma) {
		comma = strchr(next, ',');
		if (comma)
			*comma++ = '\0';
		if (parse_column(c, next, &n_fields, error, error_size))
			return -1;
	}
	return 0;
}

struct columns *columns_new(const char *spec, enum columns_time time, char *error, uint64_t error_size)
{
	struct columns *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->time = time;
	c->spec = strdup(spec);
	c->list = calloc(count(spec, ","), sizeof *c->list);
	c->fields = calloc(count(spec, ",|"), sizeof *c->fields);
	int rc = -1;
	if (c->spec && c->list && c->fields)
		rc = parse(c, error, error_size);
	else
		snprintf(error, error_size, "out of memory");
	if (!rc)
		return c;
	columns_free(c);
	return NULL;
}

void columns_free(struct columns *c)
{
	if (!c)
		return;
	text_free(&c->header);
	free(c->fields);
	free(c->list);
	free(c->spec);
	free(c);
}

/* --- rows -------------------------------------------------------------------------------------- */

/* Puts quotes around what was added since `at`, where it needs them. */
static void quote(struct text *t, size_t at)
{
	size_t n = t->len - at, quotes = 0;
	int needed = 0;
	for (size_t i = at; !t->failed && i < t->len; i++) {
		char ch = t->data[i];
		quotes += ch == '"';
		needed |= ch == '"' || ch == ',' || ch == '\n' || ch == '\r';
	}
	/* what readers would trim, too */
	if (n && !t->failed)
		needed |= t->data[at] == ' ' || t->data[t->len - 1] == ' ';
	if (!needed)
		return;
	for (size_t i = 0; i < quotes + 2; i++)
		text_putc(t, '"');
	if (t->failed)
		return;
	char *to = t->data + t->len - 1; /* keeps the closing quote, and fills from the end */
	for (size_t i = at + n; i-- > at;) {
		*--to = t->data[i];
		if (t->data[i] == '"')
			*--to = '"';
	}
	*--to = '"';
}

static void put_time(const struct columns *c, struct text *t, int64_t wall_ns)
{
	if (c->time == COLUMNS_RFC3339)
		text_time(t, wall_ns, 1);
	else if (c->time == COLUMNS_UNIX)
		text_seconds(t, wall_ns / NS_PER_MS * NS_PER_MS);
	else
		text_int(t, wall_ns / NS_PER_MS);
}

/* A list is joined by semicolons; a table is a JSON array. */
static void put_fact(struct text *t, const struct probed_record *r, const char *name)
{
	for (uint32_t i = 0; i < r->n_facts; i++) {
		const struct probed_record_fact *f = record_fact(r, i);
		if (strcmp(f->name, name) != 0)
			continue;
		int table = f->type == PROBED_TYPE_TABLE;
		for (uint32_t k = 0, n = record_fact_run(r, i); k < n; k++) {
			text_puts(t, k ? table ? "," : ";" : table ? "[" : "");
			if (table)
				record_fact_json(t, record_fact(r, i + k));
			else
				record_fact_plain(t, record_fact(r, i + k));
		}
		if (table)
			text_putc(t, ']');
		return;
	}
}

static void put_failed(struct text *t, const struct probed_record *r)
{
	for (uint32_t i = 0; i < r->n_failed; i++) {
		if (i)
			text_putc(t, ';');
		text_puts(t, record_failed(r, i)->label);
	}
}

static void put_text(struct text *t, const char *s)
{
	if (s)
		text_clean(t, s, strlen(s));
}

/* Of a result only. */
static void put_verdict(struct text *t, const struct field *f, const struct probed_record *r)
{
	switch (f->kind) {
	case KIND_OUTCOME:
		text_puts(t, record_outcome(r->outcome));
		break;
	case KIND_REASON:
		put_text(t, record_reason(r->reason));
		break;
	case KIND_LATENCY:
		text_ms(t, r->latency_ns);
		break;
	case KIND_SERVICE:
		text_ms(t, r->service_ns);
		break;
	case KIND_LAG:
		text_ms(t, r->lag_ns);
		break;
	case KIND_PHASE:
		if (r->phase_ns[f->phase] >= 0)
			text_ms(t, r->phase_ns[f->phase]);
		break;
	case KIND_FAILED:
		put_failed(t, r);
		break;
	default:
		put_fact(t, r, f->fact);
	}
}

static void put_field(const struct columns *c, struct text *t, const struct field *f, const struct probed_record *r)
{
	int event = r->kind == PROBED_RECORD_EVENT;
	switch (f->kind) {
	case KIND_ID:
		record_id(t, r);
		break;
	case KIND_TIME:
		put_time(c, t, r->time_ns);
		break;
	case KIND_TARGET:
		put_text(t, r->target);
		break;
	case KIND_SUB:
		put_text(t, r->sub);
		break;
	case KIND_PLAN:
		put_text(t, r->plan);
		break;
	case KIND_DRIVER:
		put_text(t, r->driver);
		break;
	case KIND_MESSAGE:
		put_text(t, event ? NULL : r->message);
		break;
	case KIND_EVENT:
		put_text(t, event ? r->message : NULL);
		break;
	default:
		if (!event)
			put_verdict(t, f, r);
	}
}

const char *columns_header(struct columns *c)
{
	if (c->header.len)
		return c->header.data;
	for (size_t i = 0; i < c->n; i++) {
		if (i)
			text_putc(&c->header, ',');
		size_t at = c->header.len;
		text_puts(&c->header, c->list[i].heading);
		quote(&c->header, at);
	}
	text_put(&c->header, "\n", 2);
	return c->header.failed ? NULL : c->header.data;
}

void columns_row(const struct columns *c, struct text *t, const struct probed_record *r)
{
	if ((r->kind == PROBED_RECORD_EVENT && !c->events) || (r->sub && !c->subs))
		return;
	for (size_t i = 0; i < c->n; i++) {
		if (i)
			text_putc(t, ',');
		size_t at = t->len;
		for (size_t k = 0; k < c->list[i].n && t->len == at; k++)
			put_field(c, t, &c->list[i].fields[k], r);
		quote(t, at);
	}
	text_putc(t, '\n');
}
