/* SPDX-License-Identifier: Apache-2.0 */
/* template.c - see template.h */
#include "judge/template.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "judge/lex.h"

#define TEMPLATE_MAGIC 0x746d706cu
#define STRING_MAX 4096

enum { TEXT, TARGET, SEQ, NOW, UUID, RANDOM, RANDOM_STRING, PICK, NAMES };
static const char *const names[NAMES] = { NULL, "target", "seq", "now", "uuid", "random", "random_string", "pick" };

enum { LOWER, UPPER, BASE64, URLENCODE, JSON, SHA256, FILTERS };
static const char *const filters[FILTERS] = { "lower", "upper", "base64", "urlencode", "json", "sha256" };

#define FILTERS_MAX 8

struct part {
	int kind;
	char *text; /* TEXT; the format of NOW, NULL: RFC 3339 */
	size_t len;
	bool unix_time;
	int64_t low, high;  /* RANDOM; low: length of RANDOM_STRING */
	char **choices;     /* PICK */
	size_t n_choices, cap_choices;
	uint8_t filters[FILTERS_MAX];
	size_t n_filters;
};

struct template {
	unsigned magic;
	struct part *parts;
	size_t n, cap;
};

bool template_present(const char *text)
{
	const char *open = text ? strstr(text, "{{") : NULL;
	return open && strstr(open + 2, "}}");
}

static bool at_end(struct lexer *l)
{
	lex_blank(l);
	return !strncmp(l->p, "}}", 2) || *l->p == '|';
}

/* One argument, quoted or bare. */
static int argument(struct lexer *l, struct literal *lit, const char *name, const char *expected)
{
	static const char *const stops[] = { "}}", "|", NULL };
	if (at_end(l))
		return lex_fail(l, l->p, "%s expects %s", name, expected);
	return lex_literal(l, stops, lit);
}

static int integer(struct lexer *l, int64_t *out, const char *name, const char *expected)
{
	struct literal lit;
	if (argument(l, &lit, name, expected))
		return -1;
	int rc = unit_parse_integer(lit.text.data, out);
	if (rc)
		lex_fail(l, lit.at, "%s expects %s", name, expected);
	buf_free(&lit.text);
	return rc;
}

static int parse_now(struct lexer *l, struct part *p)
{
	struct literal lit;
	if (at_end(l))
		return 0;
	if (argument(l, &lit, "now", "a format"))
		return -1;
	if (!lit.quoted && !strcmp(lit.text.data, "unix")) {
		p->unix_time = true;
		buf_free(&lit.text);
		return 0;
	}
	p->text = lit.text.data;
	char out[256];
	struct tm tm = { .tm_mday = 1 };
	if (lit.quoted && lit.text.len && strftime(out, sizeof out, p->text, &tm))
		return 0;
	return lex_fail(l, lit.at, "now expects nothing, unix, or a format in quotes such as \"%%Y-%%m-%%d\"");
}

static int parse_pick(struct lexer *l, struct part *p)
{
	struct literal lit;
	do {
		if (argument(l, &lit, "pick", "the words to pick from"))
			return -1;
		xgrow(p->choices, p->n_choices, p->cap_choices);
		p->choices[p->n_choices++] = lit.text.data;
	} while (!at_end(l) && *l->p);
	return 0;
}

static int parse_arguments(struct lexer *l, struct part *p)
{
	switch (p->kind) {
	case NOW:
		return parse_now(l, p);
	case RANDOM:
		lex_blank(l);
		if (integer(l, &p->low, "random", "two integers: random 1 100") ||
		    integer(l, &p->high, "random", "two integers: random 1 100"))
			return -1;
		return p->low <= p->high ? 0 : lex_fail(l, l->p, "random: the first number is above the second");
	case RANDOM_STRING:
		if (integer(l, &p->low, "random_string", "its length: random_string 16"))
			return -1;
		return p->low >= 1 && p->low <= STRING_MAX ? 0 : lex_fail(l, l->p, "random_string: a length from 1 to %d", STRING_MAX);
	case PICK:
		return parse_pick(l, p);
	default:
		return 0;
	}
}

/* A word of [a-z0-9_]; its index among the known ones, or -1. */
static int known(struct lexer *l, const char *const *list, int first, int n, const char *what)
{
	char text[64];
	lex_blank(l);
	struct word w = { .at = l->p };
	while (isalnum((unsigned char)*l->p) || *l->p == '_' || *l->p == '.' || *l->p == '-')
		l->p++;
	w.len = (size_t)(l->p - w.at);
	for (int i = first; i < n; i++)
		if (word_is(w, list[i]))
			return i;
	if (!w.len)
		return lex_fail(l, w.at, "expected a %s", what);
	const char *near = str_nearest(word_text(w, text), list + first, (size_t)(n - first));
	return lex_fail(l, w.at, "unknown %s \"%s\"%s%s%s", what, text, near ? " (did you mean \"" : "", near ? near : "",
	                near ? "\"?)" : "");
}

/* What stands between {{ and }}. */
static int parse_name(struct lexer *l, struct part *p)
{
	if (!strstr(l->p, "}}"))
		return lex_fail(l, l->p - 2, "{{ is not closed by }}");
	p->kind = known(l, names, TARGET, NAMES, "name inside {{ }}");
	if (p->kind < 0 || parse_arguments(l, p))
		return -1;
	while (lex_take(l, "|")) {
		int f = known(l, filters, 0, FILTERS, "filter inside {{ }}");
		if (f < 0)
			return -1;
		if (p->n_filters == FILTERS_MAX)
			return lex_fail(l, l->p, "more than %d filters", FILTERS_MAX);
		p->filters[p->n_filters++] = (uint8_t)f;
	}
	if (lex_take(l, "}}"))
		return 0;
	return lex_fail(l, l->p, "expected | and a filter, or }}");
}

static struct part *add_part(struct template *t)
{
	xgrow(t->parts, t->n, t->cap);
	t->parts[t->n] = (struct part){ 0 };
	return &t->parts[t->n++];
}

struct template *template_compile(const char *text, char *error, size_t size)
{
	struct template *t = xnew(struct template);
	struct lexer l = { .text = text, .p = text, .error = error, .size = size };
	t->magic = TEMPLATE_MAGIC;
	while (*l.p) {
		const char *open = strstr(l.p, "{{");
		size_t len = open ? (size_t)(open - l.p) : strlen(l.p);
		if (len) {
			struct part *p = add_part(t);
			p->text = xstrndup(l.p, len);
			p->len = len;
		}
		l.p += len;
		if (!open)
			break;
		l.p += 2;
		if (parse_name(&l, add_part(t))) {
			template_free(t);
			return NULL;
		}
	}
	return t;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	CHECK_MAGIC(t, TEMPLATE_MAGIC);
	t->magic = 0;
	for (size_t i = 0; i < t->n; i++) {
		for (size_t k = 0; k < t->parts[i].n_choices; k++)
			free(t->parts[i].choices[k]);
		free(t->parts[i].choices);
		free(t->parts[i].text);
	}
	free(t->parts);
	free(t);
}

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

static void put_now(const struct part *p, int64_t wall_ns, struct buf *out)
{
	char text[256];
	if (p->unix_time) {
		buf_printf(out, "%lld", (long long)(wall_ns / NS_PER_S));
	} else if (!p->text) {
		clock_format_wall(wall_ns, text);
		buf_puts(out, text);
	} else {
		struct tm tm;
		time_t seconds = (time_t)(wall_ns / NS_PER_S);
		gmtime_r(&seconds, &tm);
		buf_put(out, text, strftime(text, sizeof text, p->text, &tm));
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
	buf_printf(out, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xffff),
	           (unsigned)(b >> 48), (unsigned long long)(b & UINT64_C(0xffffffffffff)));
}

static void put_part(const struct part *p, const struct template_scope *scope, struct buf *out)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	switch (p->kind) {
	case TEXT:
		buf_put(out, p->text, p->len);
		break;
	case TARGET:
		buf_puts(out, scope->target ? scope->target : "");
		break;
	case SEQ:
		buf_printf(out, "%llu", (unsigned long long)scope->seq);
		break;
	case NOW:
		put_now(p, scope->wall_ns, out);
		break;
	case UUID:
		put_uuid(scope, out);
		break;
	case RANDOM:
		buf_printf(out, "%lld", (long long)((uint64_t)p->low + below(scope, (uint64_t)p->high - (uint64_t)p->low + 1)));
		break;
	case RANDOM_STRING:
		for (int64_t i = 0; i < p->low; i++)
			buf_putc(out, letters[below(scope, sizeof letters - 1)]);
		break;
	case PICK:
		buf_puts(out, p->choices[below(scope, p->n_choices)]);
		break;
	}
}

static void put_url(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c < 0x80 && (isalnum(c) || strchr("-._~", c)) && c)
			buf_putc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

/* Replaces what `out` holds from `start` on: the new text is made behind the old one and then moved down. With room
 * for the longest that there can be (\u0000 for each byte, or a hash), `out` does not move meanwhile. */
static void apply(int filter, struct buf *out, size_t start)
{
	size_t n = out->len - start;
	buf_reserve(out, 6 * n + 128);
	const char *s = out->data + start;
	unsigned char hash[32];
	switch (filter) {
	case LOWER:
	case UPPER:
		for (size_t i = 0; i < n; i++)
			buf_putc(out, (char)(filter == LOWER ? tolower((unsigned char)s[i]) : toupper((unsigned char)s[i])));
		break;
	case BASE64:
		out->len += (size_t)EVP_EncodeBlock((unsigned char *)out->data + out->len, (const unsigned char *)s, (int)n);
		break;
	case URLENCODE:
		put_url(out, s, n);
		break;
	case JSON:
		str_put_json(out, s, n);
		break;
	default:
		EVP_Digest(s, n, hash, NULL, EVP_sha256(), NULL);
		for (int i = 0; i < 32; i++)
			buf_printf(out, "%02x", hash[i]);
	}
	out->len -= n;
	memmove(out->data + start, out->data + start + n, out->len - start);
}

void template_render(const struct template *t, const struct template_scope *scope, struct buf *out)
{
	CHECK_MAGIC(t, TEMPLATE_MAGIC);
	for (size_t i = 0; i < t->n; i++) {
		const struct part *p = &t->parts[i];
		size_t start = out->len;
		put_part(p, scope, out);
		for (size_t k = 0; k < p->n_filters; k++)
			apply(p->filters[k], out, start);
	}
}
