/* SPDX-License-Identifier: Apache-2.0 */
/* dialogue.c - parser and matcher of dialogue.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "dialogue.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT_BYTES 256 /* kept before `from`, for ^ and look-behind */
#define MATCH_LIMIT 200000
#define LITERAL UINT32_MAX

/* A run of literal bytes, or a capture's value. */
struct piece {
	uint32_t capture; /* LITERAL: at, len of the step's bytes */
	size_t at, len;
};

struct group {
	uint32_t number, capture;
};

struct dialogue_step {
	int kind;
	char *text;
	struct bytes literal; /* SEND */
	struct piece *pieces;
	size_t n_pieces;
	pcre2_code *re; /* EXPECT */
	struct group groups[DIALOGUE_CAPTURES];
	unsigned n_groups;
};

struct matcher {
	pcre2_match_data *data;
	pcre2_match_context *context;
};

/* --- bytes --------------------------------------------------------------------------------------- */

int bytes_reserve(struct bytes *b, size_t n)
{
	if (b->cap - b->len >= n)
		return 0;
	size_t cap = b->cap ? b->cap : 512;
	while (cap - b->len < n)
		cap *= 2;
	char *data = realloc(b->data, cap);
	if (!data)
		return -1;
	b->data = data;
	b->cap = cap;
	return 0;
}

int bytes_put(struct bytes *b, const void *data, size_t n)
{
	if (bytes_reserve(b, n) < 0)
		return -1;
	if (n)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	return 0;
}

void bytes_free(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){ 0 };
}

int stream_put(struct stream *s, const void *data, size_t n)
{
	if (s->from > 2 * CONTEXT_BYTES + 4096) {
		size_t drop = s->from - CONTEXT_BYTES;
		memmove(s->b.data, s->b.data + drop, s->b.len - drop);
		s->b.len -= drop;
		s->from -= drop;
	}
	return bytes_put(&s->b, data, n);
}

/* --- parser -------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One escape after its backslash. Bytes used, or -1. */
static int escape_read(const char *s, const char *end, char *out)
{
	static const char from[] = "rnt0\\\"abefv", to[] = "\r\n\t\0\\\"\a\b\033\f\v";
	if (s == end)
		return -1;
	const char *at = memchr(from, *s, sizeof(from) - 1);
	if (at) {
		*out = to[at - from];
		return 1;
	}
	if (*s != 'x' || end - s < 3 || hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0)
		return -1;
	*out = (char)(hex_digit(s[1]) * 16 + hex_digit(s[2]));
	return 3;
}

static int piece_add(struct dialogue_step *step, uint32_t capture)
{
	struct piece *last = step->n_pieces ? &step->pieces[step->n_pieces - 1] : NULL;
	if (last && last->capture == LITERAL && capture == LITERAL)
		return 0;
	struct piece *grown = reallocarray(step->pieces, step->n_pieces + 1, sizeof(*grown));
	if (!grown)
		return -1;
	step->pieces = grown;
	step->pieces[step->n_pieces++] = (struct piece){ .capture = capture, .at = step->literal.len };
	return 0;
}

static int literal_put(struct dialogue_step *step, char c)
{
	if (piece_add(step, LITERAL) < 0 || bytes_put(&step->literal, &c, 1) < 0)
		return -1;
	step->pieces[step->n_pieces - 1].len++;
	return 0;
}

static int memory_error(char *error, size_t size)
{
	snprintf(error, size, "out of memory");
	return -1;
}

static int capture_find(const struct dialogue *d, const char *name, size_t len)
{
	for (unsigned i = 0; i < d->n_captures; i++)
		if (strlen(d->captures[i]) == len && !memcmp(d->captures[i], name, len))
			return (int)i;
	return -1;
}

/* The two ends of what stands between quotes (or of all, without them). */
static int quoted(const char **from, const char **to, const char *verb, char *error, size_t size)
{
	if (**from != '"')
		return 0;
	if (*to - *from < 2 || (*to)[-1] != '"') {
		snprintf(error, size, "%s: the closing \" is missing", verb);
		return -1;
	}
	++*from;
	--*to;
	for (const char *s = *from; s < *to; s++) {
		if (*s == '"') {
			snprintf(error, size, "%s: a \" inside the text is written \\\"", verb);
			return -1;
		}
		if (*s == '\\' && ++s >= *to) {
			snprintf(error, size, "%s: the closing \" is missing (\\\" is a quote in the text)", verb);
			return -1;
		}
	}
	return 0;
}

static int send_parse(struct dialogue *d, struct dialogue_step *step, const char *s, char *error, size_t size)
{
	const char *end = s + strlen(s);
	if (quoted(&s, &end, "send", error, size) < 0)
		return -1;
	if (s == end) {
		snprintf(error, size, "send: nothing to send; expected send \"text\\r\\n\"");
		return -1;
	}
	while (s < end) {
		if (*s == '\\') {
			char c;
			int used = escape_read(s + 1, end, &c);
			if (used < 0) {
				snprintf(error, size, "send: unknown escape \\%.*s (known: \\r \\n \\t \\0 \\\\ \\\" \\xHH)",
				         s + 1 < end, s + 1);
				return -1;
			}
			if (literal_put(step, c) < 0)
				return memory_error(error, size);
			s += 1 + used;
		} else if (*s == '%' && end - s > 1 && s[1] == '{') {
			const char *close = memchr(s, '}', (size_t)(end - s));
			size_t len = close ? (size_t)(close - s - 2) : 0;
			int capture = close ? capture_find(d, s + 2, len) : -1;
			if (!close) {
				snprintf(error, size, "send: %%{ without }; a plain %%{ is written \\x25{");
				return -1;
			}
			if (capture < 0) {
				snprintf(error, size, "send: %%{%.*s}: no earlier expect captures it with (?<%.*s>...)",
				         (int)len, s + 2, (int)len, s + 2);
				return -1;
			}
			if (piece_add(step, (uint32_t)capture) < 0)
				return memory_error(error, size);
			s = close + 1;
		} else if (literal_put(step, *s++) < 0) {
			return memory_error(error, size);
		}
	}
	return 0;
}

static int groups_read(struct dialogue *d, struct dialogue_step *step, char *error, size_t size)
{
	uint32_t n, entry;
	PCRE2_SPTR table;

	pcre2_pattern_info(step->re, PCRE2_INFO_NAMECOUNT, &n);
	pcre2_pattern_info(step->re, PCRE2_INFO_NAMEENTRYSIZE, &entry);
	pcre2_pattern_info(step->re, PCRE2_INFO_NAMETABLE, &table);
	for (uint32_t i = 0; i < n; i++, table += entry) {
		const char *name = (const char *)table + 2;
		int capture = capture_find(d, name, strlen(name));
		if (capture < 0 && d->n_captures < DIALOGUE_CAPTURES) {
			char *copy = strdup(name);
			if (!copy)
				return memory_error(error, size);
			capture = (int)d->n_captures;
			d->captures[d->n_captures++] = copy;
		}
		if (capture < 0 || step->n_groups == DIALOGUE_CAPTURES) {
			snprintf(error, size, "expect: more than %d captures in one dialogue", DIALOGUE_CAPTURES);
			return -1;
		}
		step->groups[step->n_groups++] =
			(struct group){ .number = (uint32_t)table[0] << 8 | table[1], .capture = (uint32_t)capture };
	}
	return 0;
}

static int pattern_compile(struct dialogue_step *step, const char *s, size_t len, uint32_t flags, char *error,
                           size_t size)
{
	int code;
	PCRE2_SIZE at;
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);

	if (!context)
		return memory_error(error, size);
	pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
	step->re = pcre2_compile((PCRE2_SPTR)s, len, flags, &code, &at, context);
	pcre2_compile_context_free(context);
	if (!step->re) {
		char why[128];
		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
		snprintf(error, size, "expect: at character %zu of the pattern: %s", (size_t)at + 1, why);
		return -1;
	}
	return 0;
}

static int expect_literal(struct dialogue *d, struct dialogue_step *step, const char *s, char *error, size_t size)
{
	(void)d;
	const char *end = s + strlen(s);
	if (quoted(&s, &end, "expect", error, size) < 0)
		return -1;
	struct bytes text = { 0 };
	int ret = s == end ? -1 : 0;
	if (ret < 0)
		snprintf(error, size, "expect: nothing to expect; expected /pattern/ or \"text\"");
	while (!ret && s < end) {
		char c = *s;
		int used = *s == '\\' ? escape_read(s + 1, end, &c) : 0;
		if (used < 0) {
			snprintf(error, size, "expect: unknown escape (known: \\r \\n \\t \\0 \\\\ \\\" \\xHH)");
			ret = -1;
		} else if (bytes_put(&text, &c, 1) < 0) {
			ret = memory_error(error, size);
		}
		s += 1 + used;
	}
	if (!ret)
		ret = pattern_compile(step, text.data, text.len, PCRE2_LITERAL, error, size);
	bytes_free(&text);
	return ret;
}

static int expect_parse(struct dialogue *d, struct dialogue_step *step, const char *s, char *error, size_t size)
{
	uint32_t flags = PCRE2_MULTILINE | PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C;

	if (*s == '"')
		return expect_literal(d, step, s, error, size);
	const char *end = *s == '/' ? strrchr(s + 1, '/') : NULL;
	if (!end) {
		snprintf(error, size, "expect: expected /pattern/ or \"text\", as in expect /^250 /");
		return -1;
	}
	for (const char *f = end + 1; *f; f++) {
		if (*f == 'i')
			flags |= PCRE2_CASELESS;
		else if (*f == 's')
			flags |= PCRE2_DOTALL;
		else if (*f == 'x')
			flags |= PCRE2_EXTENDED;
		else {
			snprintf(error, size, "expect: \"%c\" after the pattern: the flags are i, s and x", *f);
			return -1;
		}
	}
	if (pattern_compile(step, s + 1, (size_t)(end - s - 1), flags, error, size) < 0)
		return -1;
	return groups_read(d, step, error, size);
}

static void step_free(struct dialogue_step *step)
{
	free(step->text);
	bytes_free(&step->literal);
	free(step->pieces);
	pcre2_code_free(step->re);
	free(step);
}

/* What follows the verb and blanks, NULL where it is another verb. */
static const char *after_verb(const char *text, const char *verb)
{
	size_t len = strlen(verb);
	if (strncmp(text, verb, len) || (text[len] && text[len] != ' ' && text[len] != '\t'))
		return NULL;
	return text + len + strspn(text + len, " \t");
}

int dialogue_add(struct dialogue *d, const char *text, char *error, size_t size)
{
	const char *rest;
	int ret = -1;

	if (d->n_steps == DIALOGUE_STEPS) {
		snprintf(error, size, "more than %d steps", DIALOGUE_STEPS);
		return -1;
	}
	struct dialogue_step *step = calloc(1, sizeof(*step));
	if (!step || !(step->text = strdup(text))) {
		free(step);
		return memory_error(error, size);
	}
	if ((rest = after_verb(text, "send"))) {
		step->kind = DIALOGUE_SEND;
		ret = send_parse(d, step, rest, error, size);
	} else if ((rest = after_verb(text, "expect"))) {
		step->kind = DIALOGUE_EXPECT;
		ret = expect_parse(d, step, rest, error, size);
	} else if ((rest = after_verb(text, "starttls")) && !*rest) {
		step->kind = DIALOGUE_STARTTLS;
		ret = 0;
	} else {
		snprintf(error, size, "expected send \"text\", expect /pattern/ or starttls, not \"%.40s\"", text);
	}
	if (ret < 0)
		step_free(step);
	else
		d->steps[d->n_steps++] = step;
	return ret;
}

struct dialogue *dialogue_new(void)
{
	return calloc(1, sizeof(struct dialogue));
}

void dialogue_free(struct dialogue *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < d->n_steps; i++)
		step_free(d->steps[i]);
	for (unsigned i = 0; i < d->n_captures; i++)
		free(d->captures[i]);
	free(d);
}

int dialogue_kind(const struct dialogue_step *step)
{
	return step->kind;
}

const char *dialogue_text(const struct dialogue_step *step)
{
	return step->text;
}

int dialogue_render(const struct dialogue_step *step, const struct said *said, struct bytes *out)
{
	for (size_t i = 0; i < step->n_pieces; i++) {
		const struct piece *p = &step->pieces[i];
		const char *data = p->capture == LITERAL ? step->literal.data + p->at : said->values.data;
		size_t len = p->len;
		if (p->capture != LITERAL) {
			len = said->capture[p->capture].len;
			if (!len)
				continue;
			data += said->capture[p->capture].at;
		}
		if (bytes_put(out, data, len) < 0)
			return -1;
	}
	return 0;
}

/* --- matcher ------------------------------------------------------------------------------------- */

struct matcher *matcher_new(void)
{
	struct matcher *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->data = pcre2_match_data_create(128, NULL);
	m->context = pcre2_match_context_create(NULL);
	if (!m->data || !m->context) {
		matcher_free(m);
		return NULL;
	}
	pcre2_set_match_limit(m->context, MATCH_LIMIT);
	pcre2_set_heap_limit(m->context, 4096);
	return m;
}

void matcher_free(struct matcher *m)
{
	if (!m)
		return;
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->context);
	free(m);
}

static int captures_keep(struct matcher *m, const struct dialogue_step *step, const struct stream *in,
                         struct said *said, uint32_t *captured)
{
	PCRE2_SIZE *span = pcre2_get_ovector_pointer(m->data);
	uint32_t pairs = pcre2_get_ovector_count(m->data);

	for (unsigned i = 0; i < step->n_groups; i++) {
		uint32_t number = step->groups[i].number, capture = step->groups[i].capture;
		if (number >= pairs || span[2 * number] == PCRE2_UNSET || span[2 * number] > span[2 * number + 1])
			continue;
		size_t at = said->values.len, len = span[2 * number + 1] - span[2 * number];
		if (len && bytes_put(&said->values, in->b.data + span[2 * number], len) < 0)
			return -1;
		said->capture[capture].at = at;
		said->capture[capture].len = len;
		*captured |= UINT32_C(1) << capture;
	}
	return 0;
}

static int stream_match(struct matcher *m, const struct dialogue_step *step, const struct stream *in, uint32_t flags)
{
	const char *data = in->b.data ? in->b.data : "";
	return pcre2_match(step->re, (PCRE2_SPTR)data, in->b.len, in->from, flags, m->data, m->context);
}

static bool line_ends_after(const struct stream *in, size_t at)
{
	return at < in->b.len && memchr(in->b.data + at, '\n', in->b.len - at);
}

int dialogue_match(struct matcher *m, const struct dialogue_step *step, struct stream *in, bool end, struct said *said,
                   uint32_t *captured)
{
	const PCRE2_SIZE *span = pcre2_get_ovector_pointer(m->data);
	/* "hard": says so wherever more input could change the match, so that segments do not matter */
	int ret = stream_match(m, step, in, end ? 0 : PCRE2_PARTIAL_HARD);
	bool maybe = false;

	if (ret == PCRE2_ERROR_PARTIAL) {
		size_t begin = span[0];
		ret = stream_match(m, step, in, 0);
		if (ret == PCRE2_ERROR_NOMATCH) {
			in->from = begin < in->from ? in->from : begin;
			return DIALOGUE_MORE;
		}
		/* (a greedy .* reaches for the end of the input) a match that lies in whole lines is good enough */
		maybe = ret >= 0 && !line_ends_after(in, span[1]) &&
		        !(span[1] > in->from && in->b.data[span[1] - 1] == '\n');
	}
	if (maybe)
		return DIALOGUE_MAYBE;
	if (ret == PCRE2_ERROR_NOMATCH) {
		if (!end)
			in->from = in->b.len;
		return DIALOGUE_MORE;
	}
	if (ret < 0)
		return DIALOGUE_LIMIT;
	*captured = 0;
	if (captures_keep(m, step, in, said, captured) < 0)
		return DIALOGUE_LIMIT;
	/* \K in a look-ahead could end the match before it began */
	in->from = span[1] > in->from ? span[1] : in->from;
	return DIALOGUE_MATCHED;
}
