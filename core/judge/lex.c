/* SPDX-License-Identifier: Apache-2.0 */
/* lex.c - see lex.h */
#include "judge/lex.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "judge/regex.h"

int lex_fail(struct lexer *l, const char *at, const char *format, ...)
{
	int n = snprintf(l->error, l->size, "column %zu: ", (size_t)(at - l->text) + 1);
	if (n > 0 && (size_t)n < l->size) {
		va_list ap;
		va_start(ap, format);
		vsnprintf(l->error + n, l->size - (size_t)n, format, ap);
		va_end(ap);
	}
	return -1;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void lex_blank(struct lexer *l)
{
	while (blank(*l->p))
		l->p++;
}

bool lex_end(struct lexer *l)
{
	lex_blank(l);
	return !*l->p;
}

struct word lex_word(struct lexer *l)
{
	lex_blank(l);
	struct word w = { .at = l->p };
	while (*l->p && !blank(*l->p) && !strchr("=!<>{},|\"'", *l->p))
		l->p++;
	w.len = (size_t)(l->p - w.at);
	return w;
}

bool word_is(struct word w, const char *s)
{
	return strlen(s) == w.len && !memcmp(w.at, s, w.len);
}

const char *word_text(struct word w, char out[64])
{
	snprintf(out, 64, "%.*s", w.len < 64 ? (int)w.len : 63, w.at);
	return out;
}

bool lex_take(struct lexer *l, const char *s)
{
	lex_blank(l);
	size_t len = strlen(s);
	if (strncmp(l->p, s, len) != 0)
		return false;
	l->p += len;
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What follows a backslash in a quoted string. */
static int escape(struct lexer *l, struct buf *out)
{
	static const char from[] = "nrt0\\\"'/", to[] = "\n\r\t\0\\\"'/";
	const char *at = l->p++;
	const char *known = *l->p ? strchr(from, *l->p) : NULL;
	if (known) {
		buf_putc(out, to[known - from]);
		l->p++;
		return 0;
	}
	if (*l->p == 'x' && hex(l->p[1]) >= 0 && hex(l->p[2]) >= 0) {
		buf_putc(out, (char)(hex(l->p[1]) * 16 + hex(l->p[2])));
		l->p += 3;
		return 0;
	}
	return lex_fail(l, at, "unknown escape: expected \\n \\r \\t \\0 \\\\ \\\" \\' \\/ or \\xHH (write \\\\ for a backslash)");
}

static int quoted(struct lexer *l, struct literal *lit)
{
	char quote = *l->p++;
	lit->quoted = true;
	while (*l->p != quote) {
		if (!*l->p)
			return lex_fail(l, lit->at, "the string that begins here has no closing %c", quote);
		if (*l->p == '\\') {
			if (escape(l, &lit->text))
				return -1;
		} else {
			buf_putc(&lit->text, *l->p++);
		}
	}
	l->p++;
	return 0;
}

int lex_literal(struct lexer *l, const char *const *stops, struct literal *lit)
{
	lex_blank(l);
	*lit = (struct literal){ .at = l->p };
	int rc = 0;
	if (*l->p == '"' || *l->p == '\'') {
		rc = quoted(l, lit);
	} else {
		for (; *l->p && !blank(*l->p); buf_putc(&lit->text, *l->p++)) {
			size_t i = 0;
			while (stops && stops[i] && strncmp(l->p, stops[i], strlen(stops[i])) != 0)
				i++;
			if (stops && stops[i])
				break;
		}
		if (!lit->text.len)
			rc = lex_fail(l, lit->at, "expected a value");
	}
	buf_cstr(&lit->text);
	if (rc)
		buf_free(&lit->text);
	return rc;
}

int lex_pattern(struct lexer *l, struct word *pattern, struct literal *lit, uint32_t *flags)
{
	lex_blank(l);
	*flags = 0;
	*lit = (struct literal){ .at = l->p };
	if (*l->p == '"' || *l->p == '\'') {
		if (lex_literal(l, NULL, lit))
			return -1;
		*pattern = (struct word){ lit->text.data, lit->text.len };
		return 0;
	}
	if (*l->p != '/')
		return lex_fail(l, l->p, "expected a pattern between slashes: /.../");
	const char *start = l->p++;
	pattern->at = l->p;
	for (; *l->p != '/'; l->p++) {
		if (*l->p == '\\' && l->p[1])
			l->p++;
		if (!*l->p)
			return lex_fail(l, start, "the pattern that begins here has no closing / (a / inside it is written \\/)");
	}
	pattern->len = (size_t)(l->p++ - pattern->at);
	for (; isalpha((unsigned char)*l->p); l->p++) {
		if (!strchr("ims", *l->p))
			return lex_fail(l, l->p, "unknown flag \"%c\": expected i (any case), m (^ and $ at each line) or s (. is a newline too)", *l->p);
		*flags |= *l->p == 'i' ? REGEX_ICASE : *l->p == 'm' ? REGEX_MULTILINE : REGEX_DOTALL;
	}
	return 0;
}
