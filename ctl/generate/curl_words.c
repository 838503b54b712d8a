/* SPDX-License-Identifier: Apache-2.0 */
/* curl_words.c - see curl_words.h: the quoting of POSIX shells, and bash's $'...', which browsers copy. */
#include "curl_words.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

struct scan {
	const char *p, *end;
	struct buf word;
	bool in_word;
	struct words *w;
};

static void put_utf8(struct buf *b, unsigned long c)
{
	if (c < 0x80) {
		buf_putc(b, (char)c);
	} else if (c < 0x800) {
		buf_putc(b, (char)(0xc0 | c >> 6));
		buf_putc(b, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_putc(b, (char)(0xe0 | c >> 12));
		buf_putc(b, (char)(0x80 | (c >> 6 & 63)));
		buf_putc(b, (char)(0x80 | (c & 63)));
	} else {
		buf_putc(b, (char)(0xf0 | (c >> 18 & 7)));
		buf_putc(b, (char)(0x80 | (c >> 12 & 63)));
		buf_putc(b, (char)(0x80 | (c >> 6 & 63)));
		buf_putc(b, (char)(0x80 | (c & 63)));
	}
}

/* Up to `most` digits of the base. */
static unsigned long number(struct scan *s, int base, int most)
{
	char digits[12] = "";
	int n = 0;
	while (s->p < s->end && n < most &&
	       (base == 16 ? isxdigit((unsigned char)*s->p) : *s->p >= '0' && *s->p <= '7'))
		digits[n++] = *s->p++;
	return strtoul(digits, NULL, base);
}

/* What follows a backslash inside $'...'. */
static void escape(struct scan *s)
{
	static const char from[] = "abefnrtv\\'\"?", to[] = "\a\b\033\f\n\r\t\v\\'\"?";
	char c = *s->p;
	const char *known = c ? strchr(from, c) : NULL;
	if (known) {
		s->p++;
		buf_putc(&s->word, to[known - from]);
	} else if (c == 'x' || c == 'u' || c == 'U') {
		s->p++;
		unsigned long v = number(s, 16, c == 'x' ? 2 : c == 'u' ? 4 : 8);
		if (c == 'x')
			buf_putc(&s->word, (char)v);
		else
			put_utf8(&s->word, v);
	} else if (c >= '0' && c <= '7') {
		buf_putc(&s->word, (char)number(s, 8, 3));
	} else {
		buf_putc(&s->word, '\\');
	}
}

static int dollar_quoted(struct scan *s)
{
	while (s->p < s->end && *s->p != '\'') {
		if (*s->p == '\\' && s->p + 1 < s->end) {
			s->p++;
			escape(s);
		} else {
			buf_putc(&s->word, *s->p++);
		}
	}
	return s->p++ < s->end ? 0 : -1;
}

static int single_quoted(struct scan *s)
{
	const char *close = memchr(s->p, '\'', (size_t)(s->end - s->p));
	if (!close)
		return -1;
	buf_put(&s->word, s->p, (size_t)(close - s->p));
	s->p = close + 1;
	return 0;
}

static int double_quoted(struct scan *s)
{
	while (s->p < s->end && *s->p != '"') {
		if (*s->p == '\\' && s->p + 1 < s->end && strchr("\"\\$`\n", s->p[1]) && s->p[1]) {
			if (s->p[1] != '\n')
				buf_putc(&s->word, s->p[1]);
			s->p += 2;
			continue;
		}
		if (*s->p == '`' ||
		    (*s->p == '$' && s->p + 1 < s->end && (isalpha((unsigned char)s->p[1]) || strchr("_{(", s->p[1]))))
			s->w->expands = true;
		buf_putc(&s->word, *s->p++);
	}
	return s->p++ < s->end ? 0 : -1;
}

static void end_word(struct scan *s)
{
	if (!s->in_word)
		return;
	xgrow(s->w->list, s->w->n, s->w->cap);
	s->w->list[s->w->n++] = xstrdup(buf_cstr(&s->word));
	buf_clear(&s->word);
	s->in_word = false;
}

/* A character that stands for itself, or begins a quote. -1: the quote is open. */
static int take(struct scan *s)
{
	char c = *s->p++;
	s->in_word = true;
	if (c == '\'')
		return single_quoted(s);
	if (c == '"')
		return double_quoted(s);
	if (c == '$' && s->p < s->end && *s->p == '\'') {
		s->p++;
		return dollar_quoted(s);
	}
	if (c == '\\' && s->p < s->end) {
		buf_putc(&s->word, *s->p++);
		return 0;
	}
	if (c == '`' || (c == '$' && s->p < s->end && *s->p && (isalpha((unsigned char)*s->p) || strchr("_{(", *s->p))))
		s->w->expands = true;
	buf_putc(&s->word, c);
	return 0;
}

static void skip_line(struct scan *s)
{
	while (s->p < s->end && *s->p != '\n')
		s->p++;
}

/* Ends a command; a pipe or a redirection takes the rest of the line with it. */
static bool ends(struct scan *s)
{
	switch (*s->p) {
	case '\n':
	case ';':
		s->p++;
		return true;
	case '&':
		s->p += s->p + 1 < s->end && s->p[1] == '&' ? 2 : 1;
		return true;
	case '|':
	case '>':
	case '<':
		s->w->left = *s->p == '|' ? "|" : *s->p == '>' ? ">" : "<";
		skip_line(s);
		return true;
	default:
		return false;
	}
}

static int scan(struct scan *s)
{
	while (s->p < s->end) {
		if (*s->p == '\\' && s->p + 1 < s->end &&
		    (s->p[1] == '\n' || (s->p[1] == '\r' && s->p + 2 < s->end && s->p[2] == '\n'))) {
			s->p += s->p[1] == '\r' ? 3 : 2;
		} else if (*s->p == ' ' || *s->p == '\t' || *s->p == '\r') {
			end_word(s);
			s->p++;
		} else if (*s->p == '#' && !s->in_word) {
			skip_line(s);
		} else if (strchr("\n;&|<>", *s->p) && *s->p) {
			end_word(s);
			if (ends(s) && s->w->n)
				return 1;
		} else if (take(s)) {
			return -1;
		}
	}
	end_word(s);
	return s->w->n ? 1 : 0;
}

int shell_words_next(struct words *w, const char **text, const char *end)
{
	struct scan s = { .p = *text, .end = end, .w = w };
	*w = (struct words){ 0 };
	int rc = scan(&s);
	buf_free(&s.word);
	*text = s.p < end ? s.p : end;
	if (rc <= 0)
		words_free(w);
	return rc;
}

void words_free(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->list[i]);
	free(w->list);
	w->list = NULL;
	w->n = w->cap = 0;
}
