/* SPDX-License-Identifier: Apache-2.0 */
/* template.c - the rendering of templates: see template.h */
#include "judge/template.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "judge/template_parts.h"
#include "judge/trace.h"

/* 0 .. n-1, each as likely: what would favour the low ones is drawn again. n 0 stands for 2^64. */
static uint64_t below(const struct template_scope *scope, uint64_t n)
{
	uint64_t x = scope->random();
	if (!n)
		return x;
	uint64_t excess = (UINT64_MAX - n + 1) % n; /* 2^64 mod n */
	while (excess && x > UINT64_MAX - excess)
		x = scope->random();
	return x % n;
}

static void put_unsigned(struct buf *out, uint64_t v)
{
	char text[20], *p = text + sizeof text;
	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	buf_put(out, p, (size_t)(text + sizeof text - p));
}

static void put_integer(struct buf *out, int64_t v)
{
	if (v < 0)
		buf_putc(out, '-');
	put_unsigned(out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static void put_now(const struct part *p, int64_t wall_ns, struct buf *out)
{
	char text[256];
	if (p->unit_ns) {
		put_integer(out, wall_ns / p->unit_ns);
	} else if (!p->text) {
		clock_format_wall(wall_ns, text);
		buf_puts(out, text);
	} else {
		struct tm tm;
		time_t seconds = (time_t)(wall_ns / NS_PER_S);
		gmtime_r(&seconds, &tm);
		size_t n = strftime(text, sizeof text, p->text, &tm);
		buf_put(out, text, n);
	}
}

/* Version 4 of RFC 9562. */
static void put_uuid(const struct template_scope *scope, struct buf *out)
{
	/* cppcheck-suppress duplicateAssignExpression ; each call gives another number */
	uint64_t a = scope->random();
	uint64_t b = scope->random();
	a = (a & ~UINT64_C(0xf000)) | 0x4000;
	b = (b & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
	char *to = buf_reserve(out, 36);
	for (int i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*to++ = '-';
		*to++ = "0123456789abcdef"[(i < 16 ? a : b) >> (60 - 4 * (i & 15)) & 15];
	}
	out->len += 36;
}

static void put_random_string(const struct part *p, const struct template_scope *scope, struct buf *out)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	for (int64_t i = 0; i < p->low; i++)
		buf_putc(out, letters[below(scope, sizeof letters - 1)]);
}

static void put_traceparent(const struct template_scope *scope, struct buf *out)
{
	char text[TRACE_PARENT_LEN + 1];
	trace_parent(scope->epoch, scope->seq, text);
	buf_put(out, text, TRACE_PARENT_LEN);
}

/* False where the variable has no value. */
static bool put_var(const struct part *p, const struct template_scope *scope, struct buf *out)
{
	size_t len;
	const char *value = vars_get_hashed(scope->vars, p->hash, p->text, p->len, &len);
	if (value)
		buf_put(out, value, len);
	return value != NULL;
}

static bool put_part(const struct part *p, const struct template_scope *scope, struct buf *out)
{
	switch (p->kind) {
	case PART_TEXT:
		buf_put(out, p->text, p->len);
		break;
	case PART_VAR:
		return put_var(p, scope, out);
	case PART_TARGET:
		buf_puts(out, scope->target ? scope->target : "");
		break;
	case PART_SEQ:
		put_unsigned(out, scope->seq);
		break;
	case PART_USER:
		put_unsigned(out, scope->user);
		break;
	case PART_ITERATION:
		put_unsigned(out, scope->iteration);
		break;
	case PART_NOW:
		put_now(p, scope->wall_ns, out);
		break;
	case PART_UUID:
		put_uuid(scope, out);
		break;
	case PART_RANDOM:
		put_integer(out, (int64_t)((uint64_t)p->low + below(scope, (uint64_t)p->high - (uint64_t)p->low + 1)));
		break;
	case PART_RANDOM_STRING:
		put_random_string(p, scope, out);
		break;
	case PART_PICK:
		buf_puts(out, p->choices[below(scope, p->n_choices)]);
		break;
	default:
		put_traceparent(scope, out);
	}
	return true;
}

static const char *complain(const struct template *t, struct line *said, const char *name, const char *source)
{
	if (!said->len) {
		line_printf(said, "{{%.80s}} has no value (%s)", name,
			    !strncmp(name, "row.", 4) ? "the row of data has none" : "no step captured it");
		if (source)
			line_printf(said, ", needed by {{%.80s}}", source);
	}
	return t->complaint;
}

/* The key of a filter whose key is a variable. */
static bool find_key(const struct filter *f, const struct template_scope *scope, struct scratch *s)
{
	s->key = f->key_name ? vars_get(scope->vars, f->key_name, &s->key_len) : NULL;
	return s->key || !f->key_name;
}

/* Replaces what `out` holds from `start` on. NULL, or what was wrong. */
static const char *filter_part(const struct template *t, const struct part *p, const struct template_scope *scope,
			       struct buf *out, size_t start, struct line *said)
{
	struct scratch *s = t->scratch;
	char text[160] = "";
	struct line why = { text, sizeof text, 0 };
	scratch_reset(s);
	*values_add(&s->values[0]) = (struct value){ .type = PROBED_TYPE_STRING,
						     .s = out->len > start ? out->data + start : "",
						     .len = out->len - start };
	const char *wrong = NULL;
	for (size_t i = 0; i < p->n_filters && !wrong; i++) {
		if (!find_key(&p->filters[i], scope, s))
			wrong = complain(t, said, p->filters[i].key_name, p->source);
		else
			filter_apply(&p->filters[i], s, scope->wall_ns, &why);
	}
	const struct values *made = &s->values[s->now];
	if (!wrong && !made->n) {
		if (!said->len)
			line_printf(said, "{{%.80s}} has no value: %s", p->source, text);
		wrong = t->complaint;
	}
	out->len = start;
	if (!wrong)
		value_put(out, &made->list[0]);
	return wrong;
}

const char *template_render(const struct template *t, const struct template_scope *scope, struct buf *out)
{
	CHECK_MAGIC(t, TEMPLATE_MAGIC);
	const char *wrong = NULL;
	struct line said = { t->complaint, COMPLAINT_MAX, 0 };
	for (size_t i = 0; i < t->n; i++) {
		const struct part *p = &t->parts[i];
		size_t start = out->len;
		if (!put_part(p, scope, out))
			wrong = complain(t, &said, p->text, NULL);
		else if (p->n_filters && filter_part(t, p, scope, out, start, &said))
			wrong = t->complaint;
	}
	return wrong;
}
