/* SPDX-License-Identifier: Apache-2.0 */
/* expect.c - see expect.h */
#include "judge/expect.h"

#include <probed/host.h>

#include <string.h>

#include "base/mem.h"
#include "judge/predicate.h"
#include "judge/source.h"

#define EXPECTATION_MAGIC 0x65787063u

struct expectation {
	unsigned magic;
	struct source source;
	struct predicate predicate;
};

static int parse(struct lexer *l, struct expectation *e, const struct driver_table *driver)
{
	struct shape shape;
	if (source_parse(l, &e->source, driver, &shape) || predicate_parse(l, &e->predicate, e->source.subject, &shape))
		return -1;
	if (!lex_end(l))
		return lex_fail(l, l->p, "this does not belong to the expectation: put a value that holds blanks in quotes");
	return 0;
}

static struct expectation *compile(struct lexer *l, const struct driver_table *driver)
{
	struct expectation *e = xnew(struct expectation);
	e->magic = EXPECTATION_MAGIC;
	if (parse(l, e, driver)) {
		expectation_free(e);
		return NULL;
	}
	return e;
}

struct expectation *expectation_compile(const char *text, const struct driver_table *driver, char *error, size_t size)
{
	struct lexer l = { .text = text, .p = text, .error = error, .size = size };
	struct expectation *e = compile(&l, driver);
	free(l.file);
	return e;
}

char *expectation_file(const char *text, const struct driver_table *driver)
{
	char error[8];
	struct lexer l = { .text = text, .p = text, .error = error, .size = sizeof error };
	expectation_free(compile(&l, driver));
	return l.file;
}

void expectation_free(struct expectation *e)
{
	if (!e)
		return;
	CHECK_MAGIC(e, EXPECTATION_MAGIC);
	e->magic = 0;
	source_free(&e->source);
	predicate_free(&e->predicate);
	free(e);
}

int64_t expectation_body_want(const struct expectation *e)
{
	CHECK_MAGIC(e, EXPECTATION_MAGIC);
	bool size_will_do = !e->source.n_filters && (e->predicate.kind == PRED_EXISTS || e->predicate.kind == PRED_EMPTY);
	int64_t want = source_body_want(&e->source);
	return want > 0 && size_will_do ? PROBED_BODY_HASH : want;
}

const char *expectation_query(const struct expectation *e)
{
	CHECK_MAGIC(e, EXPECTATION_MAGIC);
	return e->source.query.canonical;
}

bool expectation_fact(const struct expectation *e, uint32_t *index, const char **late)
{
	CHECK_MAGIC(e, EXPECTATION_MAGIC);
	return source_fact(&e->source, index, late);
}

/* Whether the body as a whole, which may not have been kept, is there. */
static bool body_there(const struct expectation *e, const struct evidence *evidence)
{
	return !e->source.n_filters && e->source.body_use == BODY_TEXT && evidence->body_bytes > 0;
}

/* 1 where it holds of any value, `not` aside; 0; or -1: it could not be told. */
static int any_holds(const struct expectation *e, const struct evidence *evidence, struct line *why)
{
	const struct values *v = &e->source.scratch->values[e->source.scratch->now];
	const struct predicate *p = &e->predicate;
	int holds = 0;
	if (e->source.query.kind == QUERY_BODY && p->kind == PRED_EXISTS && !e->source.n_filters && e->source.body_use == BODY_TEXT)
		return body_there(e, evidence);
	if (e->source.query.kind == QUERY_BODY && p->kind == PRED_EMPTY && body_there(e, evidence))
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
	const struct values *v = &e->source.scratch->values[e->source.scratch->now];
	bool percent = e->source.query.ratio && e->predicate.n && e->predicate.values[0].percent;
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
	const struct values *v = &e->source.scratch->values[e->source.scratch->now];
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
	const struct values *v = &e->source.scratch->values[e->source.scratch->now];
	const struct predicate *p = &e->predicate;
	bool body = e->source.query.kind == QUERY_BODY && v->n == 1 && v->list[0].type == PROBED_TYPE_STRING;
	line_printf(out, "%s", e->source.subject);
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
	if (e->source.query.kind != QUERY_BODY || e->source.body_use != BODY_TEXT || evidence->body_bytes <= evidence->body_len)
		return false;
	if (p->kind == PRED_SCHEMA)
		return true;
	return (predicate_textual(p) || e->source.n_filters) && (p->negate ? holds == 0 : p->kind == PRED_ENDS);
}

static bool judge(const struct expectation *e, const struct evidence *evidence, struct line *out)
{
	const struct predicate *p = &e->predicate;
	struct scratch *s = e->source.scratch;
	char text[256] = "";
	struct line reason = { text, sizeof text, 0 };
	source_run(&e->source, evidence, &reason);
	bool none = !s->values[s->now].n;
	if (none && !(p->kind == PRED_EMPTY && !p->negate && e->source.query.list && !e->source.n_filters)) {
		if (p->kind == PRED_EXISTS && p->negate && !s->failed)
			return true;
		line_printf(out, "%s: %s", e->source.subject, text);
		return false;
	}
	reason.len = 0;
	int holds = any_holds(e, evidence, &reason);
	if (beyond_the_cut(e, evidence, holds)) {
		line_printf(out, "%s: of a body of %llu bytes only %zu were kept", e->source.subject,
		            (unsigned long long)evidence->body_bytes, evidence->body_len);
		return false;
	}
	if (holds >= 0 && (bool)holds != p->negate)
		return true;
	if (reason.len && (holds < 0 || !p->negate))
		line_printf(out, "%s: %s", e->source.subject, text);
	else
		tell(e, evidence, out);
	return false;
}

bool expectation_holds(const struct expectation *e, const struct evidence *evidence, char *why, size_t size)
{
	CHECK_MAGIC(e, EXPECTATION_MAGIC);
	struct line out = { why, size, 0 };
	bool holds = judge(e, evidence, &out);
	scratch_reset(e->source.scratch);
	return holds;
}
