/* SPDX-License-Identifier: Apache-2.0 */
/* expect.c - see expect.h */
#include "judge/expect.h"

#include <probed/host.h>

#include <string.h>

#include "base/mem.h"
#include "judge/filter.h"
#include "judge/predicate.h"
#include "judge/query.h"

#define EXPECTATION_MAGIC 0x65787063u
#define BODY_MAX (1 << 20)
#define FILTERS_MAX 16

/* What stands for the whole body, without keeping it. */
enum body_use { BODY_TEXT, BODY_SHA256, BODY_BYTES };

struct expectation {
	unsigned magic;
	struct query query;
	struct filter *filters;
	size_t n_filters, cap_filters;
	enum body_use body_use;
	struct predicate predicate;
	char *subject; /* query and filters as written, for people */
	struct scratch *scratch;
};

/* `body sha256` and `body bytes` are had from the evidence: the body itself is not needed. */
static enum body_use body_use(struct lexer *l, const struct query *q)
{
	const char *back = l->p;
	struct word w = lex_word(l);
	if (q->kind == QUERY_BODY && word_is(w, "sha256"))
		return BODY_SHA256;
	if (q->kind == QUERY_BODY && word_is(w, "bytes"))
		return BODY_BYTES;
	l->p = back;
	return BODY_TEXT;
}

static int parse_filters(struct lexer *l, struct expectation *e, struct shape *shape)
{
	struct filter f;
	int rc;
	e->body_use = body_use(l, &e->query);
	if (e->body_use == BODY_BYTES)
		shape->type = PROBED_TYPE_SIZE;
	while ((rc = filter_parse(l, &f, e->query.canonical, shape)) > 0) {
		xgrow(e->filters, e->n_filters, e->cap_filters);
		e->filters[e->n_filters++] = f;
		if (e->n_filters > FILTERS_MAX)
			return lex_fail(l, l->p, "more than %d filters", FILTERS_MAX);
	}
	return rc;
}

static int parse(struct lexer *l, struct expectation *e, const struct driver_table *driver)
{
	struct shape shape;
	if (query_parse(l, &e->query, driver, &shape))
		return -1;
	lex_blank(l);
	const char *filters = l->p;
	if (parse_filters(l, e, &shape))
		return -1;
	const char *end = l->p;
	while (end > filters && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\n' || end[-1] == '\r'))
		end--;
	e->subject = xasprintf("%s%s%.*s", e->query.canonical, end > filters ? " " : "", (int)(end - filters), filters);
	if (predicate_parse(l, &e->predicate, e->subject, &shape))
		return -1;
	if (!lex_end(l))
		return lex_fail(l, l->p, "this does not belong to the expectation: put a value that holds blanks in quotes");
	return 0;
}

struct expectation *expectation_compile(const char *text, const struct driver_table *driver, char *error, size_t size)
{
	struct expectation *e = xnew(struct expectation);
	struct lexer l = { .text = text, .p = text, .error = error, .size = size };
	e->magic = EXPECTATION_MAGIC;
	e->scratch = xnew(struct scratch);
	if (parse(&l, e, driver)) {
		expectation_free(e);
		return NULL;
	}
	return e;
}

void expectation_free(struct expectation *e)
{
	if (!e)
		return;
	CHECK_MAGIC(e, EXPECTATION_MAGIC);
	e->magic = 0;
	query_free(&e->query);
	for (size_t i = 0; i < e->n_filters; i++)
		filter_free(&e->filters[i]);
	free(e->filters);
	predicate_free(&e->predicate);
	free(e->subject);
	scratch_free(e->scratch);
	free(e->scratch);
	free(e);
}

int64_t expectation_body_want(const struct expectation *e)
{
	CHECK_MAGIC(e, EXPECTATION_MAGIC);
	if (e->query.kind != QUERY_BODY && e->query.kind != QUERY_JSONPATH)
		return PROBED_BODY_NONE;
	bool size_will_do = !e->n_filters && (e->predicate.kind == PRED_EXISTS || e->predicate.kind == PRED_EMPTY);
	return e->body_use == BODY_TEXT && !size_will_do ? BODY_MAX : PROBED_BODY_HASH;
}

const char *expectation_query(const struct expectation *e)
{
	CHECK_MAGIC(e, EXPECTATION_MAGIC);
	return e->query.canonical;
}

/* Replaces the body by what stands for it. */
static void reduce_body(const struct expectation *e, const struct evidence *evidence, struct line *why)
{
	struct values *v = &e->scratch->values[0];
	if (e->body_use == BODY_BYTES) {
		v->list[0] = (struct value){ .type = PROBED_TYPE_SIZE, .i = (int64_t)evidence->body_bytes };
	} else if (evidence->body_sha256) {
		v->list[0] = (struct value){ .type = PROBED_TYPE_STRING, .s = evidence->body_sha256,
			                     .len = strlen(evidence->body_sha256) };
	} else if (evidence->body_len == evidence->body_bytes) {
		filter_apply(&filter_sha256, e->scratch, 0, why);
	} else {
		v->n = 0;
		line_printf(why, "the body was not hashed");
	}
}

/* Whether the body as a whole, which may not have been kept, is there. */
static bool body_there(const struct expectation *e, const struct evidence *evidence)
{
	return !e->n_filters && e->body_use == BODY_TEXT && evidence->body_bytes > 0;
}

/* 1 where it holds of any value, `not` aside; 0; or -1: it could not be told. */
static int any_holds(const struct expectation *e, const struct evidence *evidence, struct line *why)
{
	const struct values *v = &e->scratch->values[e->scratch->now];
	const struct predicate *p = &e->predicate;
	int holds = 0;
	if (e->query.kind == QUERY_BODY && p->kind == PRED_EXISTS && !e->n_filters && e->body_use == BODY_TEXT)
		return body_there(e, evidence);
	if (e->query.kind == QUERY_BODY && p->kind == PRED_EMPTY && body_there(e, evidence))
		return 0;
	if (p->kind == PRED_EMPTY && !v->n)
		return 1;
	for (size_t i = 0; i < v->n && holds <= 0; i++) {
		struct line quiet = { 0 };
		int one = predicate_holds(p, &v->list[i], why->len ? &quiet : why);
		holds = one ? one : holds;
	}
	return holds;
}

static void tell_values(const struct expectation *e, struct line *out)
{
	const struct values *v = &e->scratch->values[e->scratch->now];
	bool percent = e->query.ratio && e->predicate.n && e->predicate.values[0].percent;
	for (size_t i = 0; i < v->n && i < 4; i++) {
		line_printf(out, i ? ", " : " ");
		line_value(out, &v->list[i], percent);
	}
	if (v->n > 4)
		line_printf(out, " and %zu more", v->n - 4);
}

/* What was found in text, or not; of a body an excerpt comes last. */
static void tell_text(const struct expectation *e, const struct evidence *evidence, bool body, struct line *out)
{
	static const char *const found[] = { "contains", "starts with", "ends with", "matches" };
	static const char *const missed[] = { "does not contain", "does not start with", "does not end with", "does not match" };
	const struct predicate *p = &e->predicate;
	const struct values *v = &e->scratch->values[e->scratch->now];
	if (!body)
		tell_values(e, out);
	line_printf(out, " %s ", (p->negate ? found : missed)[p->kind - PRED_CONTAINS]);
	if (p->kind == PRED_MATCHES)
		line_printf(out, "%s", p->written);
	else
		line_value(out, &p->values[0], false);
	if (p->negate)
		line_printf(out, ", expected not to");
	if (!body)
		return;
	if (!p->negate && evidence->body_bytes > evidence->body_len)
		line_printf(out, " in the %zu bytes that were kept of %llu", evidence->body_len,
		            (unsigned long long)evidence->body_bytes);
	line_printf(out, ": ");
	line_excerpt(out, v->list[0].s, v->list[0].len);
}

static void tell(const struct expectation *e, const struct evidence *evidence, struct line *out)
{
	const struct values *v = &e->scratch->values[e->scratch->now];
	const struct predicate *p = &e->predicate;
	bool body = e->query.kind == QUERY_BODY && v->n == 1 && v->list[0].type == PROBED_TYPE_STRING;
	line_printf(out, "%s", e->subject);
	if (predicate_textual(p)) {
		tell_text(e, evidence, body, out);
	} else if (body && p->kind == PRED_EXISTS) {
		line_printf(out, p->negate ? " of %llu bytes, expected none" : " has no bytes", (unsigned long long)evidence->body_bytes);
	} else {
		tell_values(e, out);
		line_printf(out, ", expected ");
		if (p->kind == PRED_EXISTS)
			line_printf(out, "none");
		else
			predicate_describe(p, out);
	}
}

/* Is the answer beyond what was kept of the body? What is missing there may be missing only here, and the end is unknown. */
static bool beyond_the_cut(const struct expectation *e, const struct evidence *evidence, int holds)
{
	const struct predicate *p = &e->predicate;
	if (e->query.kind != QUERY_BODY || e->body_use != BODY_TEXT || evidence->body_bytes <= evidence->body_len)
		return false;
	return (predicate_textual(p) || e->n_filters) && (p->negate ? holds == 0 : p->kind == PRED_ENDS);
}

static bool judge(const struct expectation *e, const struct evidence *evidence, struct line *out)
{
	const struct predicate *p = &e->predicate;
	struct scratch *s = e->scratch;
	char text[256] = "";
	struct line reason = { text, sizeof text, 0 };
	query_run(&e->query, evidence, s, &reason);
	if (e->body_use != BODY_TEXT)
		reduce_body(e, evidence, &reason);
	for (size_t i = 0; i < e->n_filters && !s->failed; i++)
		filter_apply(&e->filters[i], s, evidence->result->wall_ns, &reason);
	bool none = !s->values[s->now].n;
	if (none && !(p->kind == PRED_EMPTY && !p->negate && e->query.list && !e->n_filters)) {
		if (p->kind == PRED_EXISTS && p->negate && !s->failed)
			return true;
		line_printf(out, "%s: %s", e->subject, text);
		return false;
	}
	reason.len = 0;
	int holds = any_holds(e, evidence, &reason);
	if (beyond_the_cut(e, evidence, holds)) {
		line_printf(out, "%s: of a body of %llu bytes only %zu were kept", e->subject,
		            (unsigned long long)evidence->body_bytes, evidence->body_len);
		return false;
	}
	if (holds >= 0 && (bool)holds != p->negate)
		return true;
	if (reason.len && (holds < 0 || !p->negate))
		line_printf(out, "%s: %s", e->subject, text);
	else
		tell(e, evidence, out);
	return false;
}

bool expectation_holds(const struct expectation *e, const struct evidence *evidence, char *why, size_t size)
{
	CHECK_MAGIC(e, EXPECTATION_MAGIC);
	struct line out = { why, size, 0 };
	bool holds = judge(e, evidence, &out);
	scratch_reset(e->scratch);
	return holds;
}
