/* SPDX-License-Identifier: Apache-2.0 */
/* require.c - see require.h: what is written. What was measured is held against it in require_verdict.c. */
#include "measure/require.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "measure/require_parts.h"
#include "measure/tally.h"

#define WORD_MAX 128
#define NAMES_MAX 256
#define BLANKS " \t"

const struct metric require_metrics[METRICS] = {
	[METRIC_LATENCY] = { "latency", SPREAD, AGG_NONE },
	[METRIC_SERVICE] = { "service", SPREAD, AGG_NONE },
	[METRIC_LAG] = { "lag", SPREAD, AGG_NONE },
	[METRIC_PHASE] = { "phase", SPREAD, AGG_NONE },
	[METRIC_ERRORS] = { "errors", SHARE, AGG_NONE },
	[METRIC_UNKNOWN] = { "unknown", SHARE, AGG_NONE },
	[METRIC_DROPPED] = { "dropped", SHARE, AGG_NONE },
	[METRIC_CHECKS] = { "checks", SHARE, AGG_NONE },
	[METRIC_RATE] = { "rate", BIT(AGG_AVG) | BIT(AGG_MIN) | BIT(AGG_MAX) | BIT(AGG_COUNT), AGG_AVG },
	[METRIC_BYTES] = { "bytes", BIT(AGG_RATE) | BIT(AGG_COUNT) | BIT(AGG_AVG), AGG_NONE },
	[METRIC_FACT] = { NULL, SPREAD | BIT(AGG_RATE), AGG_NONE },
};

const char *const require_aggregations[AGGREGATIONS] = {
	[AGG_NONE] = "", [AGG_PERCENTILE] = "p95", [AGG_AVG] = "avg",   [AGG_MIN] = "min",
	[AGG_MAX] = "max", [AGG_RATE] = "rate",    [AGG_COUNT] = "count",
};

const char *const require_ops[OPS] = {
	[OP_LT] = "<", [OP_LE] = "<=", [OP_GT] = ">", [OP_GE] = ">=", [OP_EQ] = "==", [OP_NE] = "!=",
};

/* What a requirement is compiled against: a plan's steps, or a run that was measured. */
struct known {
	const struct tally_step *steps;
	uint32_t n_steps;
	const struct tally *tally;
};

struct parser {
	const char *text, *p;
	const struct known *known;
	char *error;
	size_t size;
};

static int wrong(struct parser *ps, const char *at, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int wrong(struct parser *ps, const char *at, const char *format, ...)
{
	int n = snprintf(ps->error, ps->size, "column %d: ", (int)(at - ps->text) + 1);
	va_list args;
	va_start(args, format);
	if (n > 0 && (size_t)n < ps->size)
		vsnprintf(ps->error + n, ps->size - (size_t)n, format, args);
	va_end(args);
	return -1;
}

static void skip_blanks(struct parser *ps)
{
	ps->p += strspn(ps->p, BLANKS);
}

/* The next word, where it begins; "" at the end and before an operator. */
static const char *word(struct parser *ps, char *out)
{
	skip_blanks(ps);
	const char *at = ps->p;
	size_t n = strcspn(at, BLANKS "<>=!");
	snprintf(out, WORD_MAX, "%.*s", (int)(n < WORD_MAX ? n : WORD_MAX - 1), at);
	ps->p += n;
	return at;
}

/* Takes the word if it is this one. */
static bool take(struct parser *ps, const char *expected)
{
	char w[WORD_MAX];
	const char *back = ps->p;
	word(ps, w);
	if (!strcmp(w, expected))
		return true;
	ps->p = back;
	return false;
}

static int wrong_word(struct parser *ps, const char *at, const char *what, const char *w, const char *const *names, size_t n)
{
	const char *near = str_nearest(w, names, n);
	if (near)
		return wrong(ps, at, "unknown %s \"%s\" (did you mean \"%s\"?)", what, w, near);
	char list[400] = "";
	for (size_t i = 0; i < n && i < 12; i++) {
		size_t len = strlen(list);
		snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", names[i]);
	}
	return wrong(ps, at, "unknown %s \"%s\"%s%s%s", what, w, n ? " (known: " : "", list, n ? n > 12 ? ", ...)" : ")" : "");
}

/* --- what it is about --------------------------------------------------------------------------- */

static bool is_number(uint32_t type)
{
	return type == PROBED_TYPE_INTEGER || type == PROBED_TYPE_FLOAT || type == PROBED_TYPE_BOOLEAN ||
	       type == PROBED_TYPE_DURATION || type == PROBED_TYPE_SIZE;
}

/* Looks for a fact: its type if it is a number, PROBED_TYPE_STRING if there are only others, PROBED_TYPE_NONE: unknown. */
static uint32_t fact_type(const struct known *k, const char *name, const char *step)
{
	uint32_t found = PROBED_TYPE_NONE;
	for (uint32_t i = 0; k->tally && i < k->tally->n_facts; i++)
		if (!strcmp(k->tally->facts[i].name, name))
			return k->tally->facts[i].type;
	const struct driver_table *last = NULL;
	for (uint32_t i = 0; i < k->n_steps; i++) {
		const struct driver_table *d = k->steps[i].driver;
		if (!d || d == last || (step && strcmp(step, k->steps[i].name) != 0))
			continue;
		last = d;
		uint32_t index;
		const char *late = NULL;
		const struct fact_decl *f = driver_fact(d, name, &index, &late);
		if (!f || ((f->flags & PROBED_FACT_FAMILY) && !late))
			continue;
		if (is_number(f->type))
			return f->type;
		found = PROBED_TYPE_STRING;
	}
	return found;
}

static int unknown_metric(struct parser *ps, const char *at, const char *w)
{
	const char *names[NAMES_MAX];
	size_t n = 0;
	for (uint32_t i = 0; i < METRICS; i++)
		if (require_metrics[i].name)
			names[n++] = require_metrics[i].name;
	for (uint32_t i = 0; ps->known->tally && i < ps->known->tally->n_facts && n < NAMES_MAX; i++)
		names[n++] = ps->known->tally->facts[i].name;
	const struct driver_table *last = NULL;
	for (uint32_t i = 0; i < ps->known->n_steps; i++) {
		const struct driver_table *d = ps->known->steps[i].driver;
		for (uint32_t k = 0; d && d != last && k < d->n_facts && n < NAMES_MAX; k++)
			if (is_number(d->facts[k].type))
				names[n++] = d->facts[k].name;
		last = d;
	}
	return wrong_word(ps, at, "metric", w, names, n);
}

static int parse_phase(struct parser *ps, struct requirement *r)
{
	char w[WORD_MAX];
	const char *names[PROBED_PHASES], *at = word(ps, w);
	for (r->phase = 0; r->phase < PROBED_PHASES; r->phase++) {
		names[r->phase] = phase_name(r->phase);
		if (!strcmp(w, names[r->phase]))
			return 0;
	}
	return wrong_word(ps, at, "phase", w, names, PROBED_PHASES);
}

static int parse_metric(struct parser *ps, struct requirement *r)
{
	char w[WORD_MAX];
	r->metric_at = word(ps, w);
	if (!*w)
		return wrong(ps, r->metric_at, "expected what is measured: latency, errors, rate, a fact, ...");
	for (r->metric = 0; r->metric < METRICS; r->metric++)
		if (require_metrics[r->metric].name && !strcmp(w, require_metrics[r->metric].name))
			return r->metric == METRIC_PHASE ? parse_phase(ps, r) : 0;
	r->metric = METRIC_FACT;
	r->fact = xstrdup(w);
	return 0;
}

static int unknown_step(struct parser *ps, const char *at, const char *w)
{
	const struct known *k = ps->known;
	uint32_t all = k->tally ? k->tally->n_measures : k->n_steps;
	const char *names[NAMES_MAX];
	uint32_t n = 0;
	for (; n < all && n < NAMES_MAX; n++)
		names[n] = k->tally ? k->tally->measures[n].name : k->steps[n].name;
	return wrong_word(ps, at, "step", w, names, n);
}

static bool is_step(const struct known *k, const char *name)
{
	for (uint32_t i = 0; k->tally && i < k->tally->n_measures; i++)
		if (!strcmp(k->tally->measures[i].name, name))
			return true;
	for (uint32_t i = 0; i < k->n_steps; i++)
		if (!strcmp(k->steps[i].name, name))
			return true;
	return false;
}

static int parse_step(struct parser *ps, struct requirement *r)
{
	char w[WORD_MAX];
	if (!take(ps, "by"))
		return 0;
	const char *at = word(ps, w);
	if (!*w)
		return wrong(ps, at, "expected \"step\" or the name of a step after \"by\"");
	r->each = !strcmp(w, "step");
	if (r->each)
		return 0;
	if (!is_step(ps->known, w))
		return unknown_step(ps, at, w);
	r->step = xstrdup(w);
	return 0;
}

static int resolve_fact(struct parser *ps, struct requirement *r)
{
	if (r->metric != METRIC_FACT)
		return 0;
	r->fact_type = fact_type(ps->known, r->fact, r->step);
	if (r->fact_type == PROBED_TYPE_STRING)
		return wrong(ps, r->metric_at, "the fact %s is no number: only numbers can be required", r->fact);
	if (r->fact_type != PROBED_TYPE_NONE)
		return 0;
	if (r->step && fact_type(ps->known, r->fact, NULL) != PROBED_TYPE_NONE)
		return wrong(ps, r->metric_at, "the step %s has no fact %s", r->step, r->fact);
	return unknown_metric(ps, r->metric_at, r->fact);
}

/* --- how it is judged --------------------------------------------------------------------------- */

static int parse_percentile(const char *w, double *q)
{
	if (*w != 'p' || unit_parse_float(w + 1, q) < 0 || *q <= 0 || *q >= 100)
		return -1;
	*q /= 100;
	return 0;
}

static int bad_aggregation(struct parser *ps, const char *at, const struct requirement *r, const char *w)
{
	char list[100] = "";
	for (uint32_t i = AGG_PERCENTILE; i < AGGREGATIONS; i++)
		if (require_metrics[r->metric].allowed & BIT(i)) {
			size_t len = strlen(list);
			snprintf(list + len, sizeof list - len, "%s%s", *list ? ", " : "", require_aggregations[i]);
		}
	return wrong(ps, at, "%s%s%s: expected one of %s%s", *w ? "\"" : "no aggregation", w, *w ? "\"" : "", list,
	             require_metrics[r->metric].allowed & BIT(AGG_PERCENTILE) ? " (any pN)" : "");
}

static int parse_aggregation(struct parser *ps, struct requirement *r)
{
	char w[WORD_MAX];
	const char *at = word(ps, w);
	const struct metric *m = &require_metrics[r->metric];
	r->agg = AGG_NONE;
	if (!*w)
		r->agg = m->implied;
	else if (parse_percentile(w, &r->q) == 0)
		r->agg = AGG_PERCENTILE;
	for (uint32_t i = AGG_AVG; *w && i < AGGREGATIONS; i++)
		if (!strcmp(w, require_aggregations[i]))
			r->agg = i;
	snprintf(r->agg_name, sizeof r->agg_name, "%.15s", *w ? w : require_aggregations[r->agg]);
	if (r->agg == AGG_NONE || !(m->allowed & BIT(r->agg)))
		return bad_aggregation(ps, at, r, w);
	if (r->metric == METRIC_RATE && (r->agg == AGG_MIN || r->agg == AGG_MAX) && (r->each || r->step))
		return wrong(ps, at, "\"%s\" of the rate is of all steps together: leave out \"by\"", w);
	if (r->metric == METRIC_FACT && r->agg == AGG_RATE && r->fact_type != PROBED_TYPE_BOOLEAN)
		return wrong(ps, at, "\"rate\" is of facts that are true or false, and %s is not", r->fact);
	return 0;
}

static int parse_op(struct parser *ps, struct requirement *r)
{
	skip_blanks(ps);
	const char *at = ps->p;
	for (uint32_t i = 0; i < OPS; i++) {
		size_t n = strlen(require_ops[i]);
		/* < is not the beginning of <= */
		if (!strncmp(at, require_ops[i], n) && (n > 1 || at[1] != '=')) {
			r->op = i;
			ps->p += n;
			return 0;
		}
	}
	return wrong(ps, at, "expected one of < <= > >= == !=%s", *at == '=' ? " (\"==\" is: equal to)" : "");
}

enum value_kind require_value_kind(const struct requirement *r)
{
	static const enum value_kind of_type[] = {
		[PROBED_TYPE_INTEGER] = VALUE_NUMBER, [PROBED_TYPE_FLOAT] = VALUE_NUMBER, [PROBED_TYPE_BOOLEAN] = VALUE_NUMBER,
		[PROBED_TYPE_DURATION] = VALUE_DURATION, [PROBED_TYPE_SIZE] = VALUE_SIZE,
	};
	switch (r->metric) {
	case METRIC_RATE:
		return r->agg == AGG_COUNT ? VALUE_COUNT : VALUE_PER_SECOND;
	case METRIC_BYTES:
		return r->agg == AGG_RATE ? VALUE_SIZE_PER_SECOND : VALUE_SIZE;
	case METRIC_FACT:
		return r->agg == AGG_COUNT ? VALUE_COUNT : r->agg == AGG_RATE ? VALUE_RATIO : of_type[r->fact_type];
	case METRIC_ERRORS:
	case METRIC_UNKNOWN:
	case METRIC_DROPPED:
	case METRIC_CHECKS:
		return r->agg == AGG_COUNT ? VALUE_COUNT : VALUE_RATIO;
	default:
		return r->agg == AGG_COUNT ? VALUE_COUNT : VALUE_DURATION;
	}
}

/* "990/s", "1MiB/min": what stands before the stroke, and seconds behind it. */
static int per_second(const char *text, char *amount, double *seconds)
{
	const char *stroke = strchr(text, '/');
	if (!stroke)
		return -1;
	snprintf(amount, WORD_MAX, "%.*s", (int)(stroke - text), text);
	*seconds = !strcmp(stroke, "/s") ? 1 : !strcmp(stroke, "/min") || !strcmp(stroke, "/m") ? 60 : !strcmp(stroke, "/h") ? 3600 : 0;
	return *seconds > 0 ? 0 : -1;
}

static int value_of(enum value_kind kind, const char *text, double *out)
{
	int64_t i = 0;
	double seconds = 1;
	char amount[WORD_MAX];
	int rc = -1;
	switch (kind) {
	case VALUE_DURATION:
		rc = unit_parse_duration(text, &i);
		break;
	case VALUE_SIZE:
		rc = unit_parse_size(text, &i);
		break;
	case VALUE_COUNT:
		rc = unit_parse_integer(text, &i);
		break;
	case VALUE_RATIO:
		return unit_parse_ratio(text, out);
	case VALUE_NUMBER:
		return unit_parse_float(text, out);
	case VALUE_PER_SECOND:
		if (per_second(text, amount, &seconds) < 0 || unit_parse_float(amount, out) < 0)
			return -1;
		*out /= seconds;
		return 0;
	case VALUE_SIZE_PER_SECOND:
		if (per_second(text, amount, &seconds) == 0)
			rc = unit_parse_size(amount, &i);
		break;
	}
	*out = (double)i / seconds;
	return rc;
}

static const char *example_of(enum value_kind kind)
{
	static const char *const examples[] = {
		[VALUE_DURATION] = "a duration such as 300ms", [VALUE_RATIO] = "a share such as 1%",
		[VALUE_COUNT] = "a whole number such as 0",    [VALUE_PER_SECOND] = "a rate such as 990/s",
		[VALUE_SIZE] = "a size such as 64KiB",         [VALUE_SIZE_PER_SECOND] = "a size for a time such as 1MiB/s",
		[VALUE_NUMBER] = "a number such as 200",
	};
	return examples[kind];
}

static int parse_value(struct parser *ps, struct requirement *r)
{
	skip_blanks(ps);
	const char *at = ps->p, *end = strstr(at, " abort");
	size_t n = end ? (size_t)(end - at) : strlen(at);
	char text[WORD_MAX];
	ps->p += n;
	while (n && strchr(BLANKS, at[n - 1]))
		n--;
	snprintf(text, sizeof text, "%.*s", (int)(n < WORD_MAX ? n : WORD_MAX - 1), at);
	if (value_of(require_value_kind(r), text, &r->value) < 0)
		return wrong(ps, at, "%s%s%s: expected %s", *text ? "\"" : "nothing here", text, *text ? "\"" : "",
		             example_of(require_value_kind(r)));
	return 0;
}

static int parse_abort(struct parser *ps, struct requirement *r)
{
	char w[WORD_MAX];
	r->after_ns = -1;
	skip_blanks(ps);
	const char *at = ps->p;
	if (!*at)
		return 0;
	if (!take(ps, "abort") || !take(ps, "after"))
		return wrong(ps, at, "expected \"abort after\" and a duration, or nothing");
	at = word(ps, w);
	if (unit_parse_duration(w, &r->after_ns) < 0 || r->after_ns < 0) {
		r->after_ns = -1;
		return wrong(ps, at, "\"%s\": expected a duration such as 30s", w);
	}
	skip_blanks(ps);
	return *ps->p ? wrong(ps, ps->p, "expected nothing more") : 0;
}

static struct requirement *compile(const char *text, const struct known *known, char *error, size_t size)
{
	struct requirement *r = xnew(struct requirement);
	r->magic = REQUIREMENT_MAGIC;
	r->text = xstrdup(text);
	struct parser ps = { .text = r->text, .p = r->text, .known = known, .error = error, .size = size };
	if (parse_metric(&ps, r) < 0 || parse_step(&ps, r) < 0 || resolve_fact(&ps, r) < 0 || parse_aggregation(&ps, r) < 0 ||
	    parse_op(&ps, r) < 0 || parse_value(&ps, r) < 0 || parse_abort(&ps, r) < 0) {
		requirement_free(r);
		return NULL;
	}
	return r;
}

struct requirement *requirement_compile(const char *text, const struct tally_step *steps, uint32_t n_steps, char *error,
                                        size_t size)
{
	struct known known = { .steps = steps, .n_steps = n_steps };
	return compile(text, &known, error, size);
}

struct requirement *requirement_compile_for(const char *text, const struct tally *t, char *error, size_t size)
{
	struct known known = { .tally = t };
	return compile(text, &known, error, size);
}

void requirement_free(struct requirement *r)
{
	if (!r)
		return;
	CHECK_MAGIC(r, REQUIREMENT_MAGIC);
	r->magic = 0;
	free(r->text);
	free(r->fact);
	free(r->step);
	free(r);
}

const char *requirement_text(const struct requirement *r)
{
	return r->text;
}

const char *requirement_fact(const struct requirement *r, uint32_t *type)
{
	*type = r->fact_type;
	return r->fact;
}

const char *requirement_step(const struct requirement *r)
{
	return r->step;
}

int64_t requirement_abort_after(const struct requirement *r)
{
	return r->after_ns;
}
