/* SPDX-License-Identifier: Apache-2.0 */
/* filter.c - see filter.h */
#include "judge/filter.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "judge/regex.h"

#define REPLACED_MAX ((size_t)16 << 20)

enum { COUNT, FIRST, LAST, NTH, LOWER, UPPER, TRIM, REGEX, REPLACE, BASE64, URLENCODE, JSON, MD5, SHA256, HMAC_SHA256,
       BYTES, NUMBER, DAYS, FILTERS };

static const char *const names[FILTERS] = {
	"count", "first", "last", "nth", "lower", "upper", "trim", "regex", "replace", "base64", "urlencode", "json", "md5",
	"sha256", "hmac_sha256", "bytes", "number", "days_from_now",
};

const struct filter filter_sha256 = { .kind = SHA256 };

const char *const *filter_names(size_t *n)
{
	*n = FILTERS;
	return names;
}

static int check(struct lexer *l, struct word w, int kind, const char *subject, const struct shape *shape)
{
	if (kind <= NTH) {
		if (!shape->many)
			return lex_fail(l, w.at, "%s is a single value: %s works on lists", subject, names[kind]);
	} else if (kind == DAYS) {
		if (shape->type != PROBED_TYPE_TIME && shape->type != PROBED_TYPE_DURATION && shape->type != PROBED_TYPE_STRING &&
		    shape->type != VALUE_ANY)
			return lex_fail(l, w.at, "%s is %s: days_from_now works on times, durations, and text that is a date",
			                subject, value_type_name(shape->type));
	} else if (shape->type != PROBED_TYPE_STRING && shape->type != VALUE_ANY) {
		return lex_fail(l, w.at, "%s is %s: %s works on text", subject, value_type_name(shape->type), names[kind]);
	}
	return 0;
}

static int parse_pattern(struct lexer *l, struct filter *f)
{
	struct word pattern;
	struct literal quoted;
	uint32_t flags;
	char error[160];
	size_t at = 0;
	if (lex_pattern(l, &pattern, &quoted, &flags))
		return -1;
	f->re = regex_compile(pattern.at, pattern.len, flags, error, sizeof error, &at);
	int rc = f->re ? 0 : lex_fail(l, quoted.text.data ? quoted.at : pattern.at + at, "%s", error);
	buf_free(&quoted.text);
	return rc;
}

/* A key in quotes, or the name of the variable that holds it. */
static int parse_key(struct lexer *l, struct filter *f)
{
	lex_blank(l);
	if (*l->p == '"' || *l->p == '\'')
		return lex_literal(l, NULL, &f->with);
	f->key_at = l->p;
	struct word w = lex_word(l);
	if (!w.len)
		return lex_fail(l, w.at, "expected the key after hmac_sha256, in quotes or the name of a variable");
	f->key_name = xstrndup(w.at, w.len);
	return 0;
}

static int parse_arguments(struct lexer *l, struct filter *f)
{
	char error[160];
	if (f->kind == REGEX || f->kind == REPLACE) {
		if (parse_pattern(l, f))
			return -1;
	}
	if (f->kind == REPLACE) {
		lex_blank(l);
		if (*l->p != '"' && *l->p != '\'')
			return lex_fail(l, l->p, "expected what to replace it with, in quotes: replace /.../ \"...\"");
		if (lex_literal(l, NULL, &f->with))
			return -1;
		if (regex_check_replacement(f->with.text.data, f->with.text.len, error, sizeof error))
			return lex_fail(l, f->with.at, "%s", error);
	}
	if (f->kind == HMAC_SHA256)
		return parse_key(l, f);
	if (f->kind == NTH) {
		lex_blank(l);
		struct word w = lex_word(l);
		char text[64];
		if (unit_parse_integer(word_text(w, text), &f->nth) || f->nth < 1 || f->nth > 1000000)
			return lex_fail(l, w.at, "expected which one after nth: 1 is the first");
	}
	return 0;
}

int filter_parse(struct lexer *l, struct filter *f, const char *subject, struct shape *shape)
{
	const char *back = l->p;
	struct word w = lex_word(l);
	*f = (struct filter){ 0 };
	while (f->kind < FILTERS && !word_is(w, names[f->kind]))
		f->kind++;
	if (f->kind == FILTERS) {
		l->p = back;
		return 0;
	}
	if (check(l, w, f->kind, subject, shape) || parse_arguments(l, f)) {
		filter_free(f);
		return -1;
	}
	if (f->kind <= NTH)
		shape->many = false;
	if (f->kind == COUNT)
		shape->type = PROBED_TYPE_INTEGER;
	else if (f->kind == BYTES)
		shape->type = PROBED_TYPE_SIZE;
	else if (f->kind == DAYS || f->kind == NUMBER)
		shape->type = PROBED_TYPE_FLOAT;
	else if (f->kind > NTH)
		shape->type = PROBED_TYPE_STRING;
	return 1;
}

int filter_unknown(struct lexer *l, const char *where)
{
	char text[64];
	lex_blank(l);
	struct word w = lex_word(l);
	if (!w.len)
		return lex_fail(l, w.at, "expected a filter%s", where);
	const char *near = str_nearest(word_text(w, text), names, FILTERS);
	return lex_fail(l, w.at, "unknown filter%s \"%s\"%s%s%s", where, text, near ? " (did you mean \"" : "", near ? near : "",
	                near ? "\"?)" : "");
}

void filter_free(struct filter *f)
{
	regex_free(f->re);
	buf_free(&f->with.text);
	free(f->key_name);
	*f = (struct filter){ 0 };
}

void scratch_reset(struct scratch *s)
{
	s->now = 0;
	s->values[0].n = 0;
	s->failed = false;
	json_decref(s->document);
	s->document = NULL;
}

void scratch_free(struct scratch *s)
{
	scratch_reset(s);
	for (int i = 0; i < 2; i++) {
		free(s->values[i].list);
		buf_free(&s->text[i]);
	}
}

static void change_case(const struct value *in, struct buf *to, int (*change)(int))
{
	for (size_t i = 0; i < in->len; i++)
		buf_putc(to, (unsigned char)in->s[i] < 0x80 ? (char)change((unsigned char)in->s[i]) : in->s[i]);
}

static void put_url(struct buf *to, const char *s, size_t n)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
		    c == '~') {
			buf_putc(to, (char)c);
		} else {
			buf_putc(to, '%');
			buf_putc(to, digits[c >> 4]);
			buf_putc(to, digits[c & 15]);
		}
	}
}

static void put_hex(struct buf *to, const unsigned char *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		buf_putc(to, "0123456789abcdef"[p[i] >> 4]);
		buf_putc(to, "0123456789abcdef"[p[i] & 15]);
	}
}

static void put_digest(const struct filter *f, const struct scratch *s, const char *text, size_t len, struct buf *to)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	const char *key = f->key_name ? s->key : f->with.text.data;
	size_t key_len = f->key_name ? s->key_len : f->with.text.len;
	if (f->kind == HMAC_SHA256)
		HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, len, md, &n);
	else
		EVP_Digest(text, len, md, &n, f->kind == MD5 ? EVP_md5() : EVP_sha256(), NULL);
	put_hex(to, md, n);
}

static bool apply_days(const struct value *in, int64_t wall_ns, struct value *out, struct line *why)
{
	int64_t at = in->i;
	if (in->type == PROBED_TYPE_STRING && value_parse_time(in->s, in->len, &at)) {
		line_excerpt(why, in->s, in->len);
		line_printf(why, " is not a date");
		return false;
	}
	out->type = PROBED_TYPE_FLOAT;
	out->f = ((double)at - (in->type == PROBED_TYPE_DURATION ? 0 : (double)wall_ns)) / (86400.0 * NS_PER_S);
	return true;
}

static bool apply_number(const struct value *in, struct value *out, struct line *why)
{
	char text[32];
	if (in->len < sizeof text) {
		memcpy(text, in->s, in->len);
		text[in->len] = '\0';
		out->type = PROBED_TYPE_FLOAT;
		if (strlen(text) == in->len && !unit_parse_float(text, &out->f))
			return true;
	}
	line_excerpt(why, in->s, in->len);
	line_printf(why, " is not a number");
	return false;
}

/* What becomes of one text; a text that it makes is appended to `to`. */
static bool apply_text(const struct filter *f, const struct scratch *s, const struct value *in, struct value *out, struct buf *to,
                       struct line *why)
{
	size_t from = 0, end = 0;
	int rc;
	switch (f->kind) {
	case LOWER:
		change_case(in, to, tolower);
		return true;
	case UPPER:
		change_case(in, to, toupper);
		return true;
	case TRIM:
		for (end = in->len; end && isspace((unsigned char)in->s[end - 1]);)
			end--;
		while (from < end && isspace((unsigned char)in->s[from]))
			from++;
		buf_put(to, in->s + from, end - from);
		return true;
	case REGEX:
		rc = regex_match(f->re, in->s, in->len);
		if (rc > 0 && (regex_group(f->re, 1, &from, &end) || regex_group(f->re, 0, &from, &end))) {
			buf_put(to, in->s + from, end - from);
			return true;
		}
		line_printf(why, rc < 0 ? "the pattern takes too much work on " : "the pattern does not match ");
		line_excerpt(why, in->s, in->len);
		return false;
	case REPLACE:
		if (!regex_replace(f->re, in->s, in->len, f->with.text.data, f->with.text.len, REPLACED_MAX, to))
			return true;
		line_printf(why, "the replacement takes too much work or memory");
		return false;
	case BASE64:
		to->len += (size_t)EVP_EncodeBlock(buf_reserve(to, in->len / 3 * 4 + 5), (const unsigned char *)in->s, (int)in->len);
		return true;
	case URLENCODE:
		put_url(to, in->s, in->len);
		return true;
	case JSON:
		str_put_json(to, in->s, in->len);
		return true;
	case MD5:
	case SHA256:
	case HMAC_SHA256:
		put_digest(f, s, in->len ? in->s : "", in->len, to);
		return true;
	default:
		out->type = PROBED_TYPE_SIZE;
		out->i = (int64_t)in->len;
		return true;
	}
}

static bool apply_one(const struct filter *f, const struct scratch *s, const struct value *in, struct value *out, struct buf *to,
                      int64_t wall_ns, struct line *why)
{
	if (f->kind == NUMBER && (in->type == PROBED_TYPE_INTEGER || in->type == PROBED_TYPE_FLOAT)) {
		*out = *in;
		return true;
	}
	bool dated = f->kind == DAYS && (in->type == PROBED_TYPE_TIME || in->type == PROBED_TYPE_DURATION);
	if (in->type != PROBED_TYPE_STRING && !dated) {
		line_printf(why, "%s works on text, and this is %s", names[f->kind], value_type_name(in->type));
		return false;
	}
	*out = (struct value){ .type = PROBED_TYPE_STRING };
	if (f->kind == DAYS)
		return apply_days(in, wall_ns, out, why);
	if (f->kind == NUMBER)
		return apply_number(in, out, why);
	size_t start = to->len;
	if (!apply_text(f, s, in, out, to, why))
		return false;
	if (out->type == PROBED_TYPE_STRING)
		out->len = to->len - start;
	return true;
}

/* The buffer may move while it grows: pointers into it are set once all texts are there. */
static void settle(struct values *v, struct buf *text)
{
	const char *p = buf_cstr(text);
	for (size_t i = 0; i < v->n; i++)
		if (v->list[i].type == PROBED_TYPE_STRING) {
			v->list[i].s = p;
			p += v->list[i].len;
		}
}

void filter_apply(const struct filter *f, struct scratch *s, int64_t wall_ns, struct line *why)
{
	struct values *in = &s->values[s->now], *out = &s->values[!s->now];
	if (f->kind == COUNT) {
		int64_t n = (int64_t)in->n;
		in->n = 0;
		*values_add(in) = (struct value){ .type = PROBED_TYPE_INTEGER, .i = n };
		return;
	}
	if (f->kind <= NTH) {
		size_t which = f->kind == FIRST ? 0 : f->kind == LAST ? in->n - 1 : (size_t)f->nth - 1;
		if (in->n && which >= in->n)
			line_printf(why, "there are only %zu", in->n);
		if (which < in->n)
			in->list[0] = in->list[which];
		in->n = which < in->n;
		return;
	}
	struct buf *to = &s->text[!s->now];
	out->n = 0;
	buf_clear(to);
	for (size_t i = 0; i < in->n; i++) {
		struct value made;
		struct line quiet = { 0 }; /* only the first reason is told */
		if (apply_one(f, s, &in->list[i], &made, to, wall_ns, why->len ? &quiet : why))
			*values_add(out) = made;
	}
	settle(out, to);
	s->now = !s->now;
}
