/* SPDX-License-Identifier: Apache-2.0 */
/* source.c - see source.h */
#include "judge/source.h"

#include <probed/host.h>

#include <string.h>

#include "base/mem.h"

#define BODY_MAX (1 << 20)
#define FILTERS_MAX 16

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

static int parse_filters(struct lexer *l, struct source *s, struct shape *shape)
{
	struct filter f;
	int rc;
	s->body_use = body_use(l, &s->query);
	if (s->body_use == BODY_BYTES)
		shape->type = PROBED_TYPE_SIZE;
	while ((rc = filter_parse(l, &f, s->query.canonical, shape)) > 0) {
		xgrow(s->filters, s->n_filters, s->cap_filters);
		s->filters[s->n_filters++] = f;
		if (f.key_name)
			return lex_fail(l, f.key_at, "expected the key of hmac_sha256 in quotes");
		if (s->n_filters > FILTERS_MAX)
			return lex_fail(l, l->p, "more than %d filters", FILTERS_MAX);
	}
	return rc;
}

int source_parse(struct lexer *l, struct source *s, const struct driver_table *driver, struct shape *shape)
{
	*s = (struct source){ .scratch = xnew(struct scratch) };
	if (query_parse(l, &s->query, driver, shape))
		return -1;
	lex_blank(l);
	const char *filters = l->p;
	if (parse_filters(l, s, shape))
		return -1;
	const char *end = l->p;
	while (end > filters && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\n' || end[-1] == '\r'))
		end--;
	s->subject = xasprintf("%s%s%.*s", s->query.canonical, end > filters ? " " : "", (int)(end - filters), filters);
	return 0;
}

void source_free(struct source *s)
{
	query_free(&s->query);
	for (size_t i = 0; i < s->n_filters; i++)
		filter_free(&s->filters[i]);
	free(s->filters);
	free(s->subject);
	if (s->scratch)
		scratch_free(s->scratch);
	free(s->scratch);
	*s = (struct source){ 0 };
}

int64_t source_body_want(const struct source *s)
{
	if (s->query.kind != QUERY_BODY && s->query.kind != QUERY_JSONPATH)
		return PROBED_BODY_NONE;
	return s->body_use == BODY_TEXT ? BODY_MAX : PROBED_BODY_HASH;
}

/* Replaces the body by what stands for it. */
static void reduce_body(const struct source *s, const struct evidence *evidence, struct line *why)
{
	struct values *v = &s->scratch->values[0];
	if (s->body_use == BODY_BYTES) {
		v->list[0] = (struct value){ .type = PROBED_TYPE_SIZE, .i = (int64_t)evidence->body_bytes };
	} else if (evidence->body_sha256) {
		v->list[0] = (struct value){ .type = PROBED_TYPE_STRING,
					     .s = evidence->body_sha256,
					     .len = strlen(evidence->body_sha256) };
	} else if (evidence->body_len == evidence->body_bytes) {
		filter_apply(&filter_sha256, s->scratch, 0, why);
	} else {
		v->n = 0;
		line_printf(why, "the body was not hashed");
	}
}

void source_run(const struct source *s, const struct evidence *evidence, struct line *why)
{
	query_run(&s->query, evidence, s->scratch, why);
	if (s->body_use != BODY_TEXT)
		reduce_body(s, evidence, why);
	for (size_t i = 0; i < s->n_filters && !s->scratch->failed; i++)
		filter_apply(&s->filters[i], s->scratch, evidence->result->wall_ns, why);
}

bool source_fact(const struct source *s, uint32_t *index, const char **late)
{
	*index = s->query.index;
	*late = s->query.late;
	return s->query.kind == QUERY_FACT;
}
