/* SPDX-License-Identifier: Apache-2.0 */
/* ecma.c - see ecma.h */
#include "judge/ecma.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "judge/regex.h"

/* What PCRE2 knows by its short name only. */
static const char *const categories[][2] = {
	{ "Letter", "L" },
	{ "Cased_Letter", "L&" },
	{ "Uppercase_Letter", "Lu" },
	{ "Lowercase_Letter", "Ll" },
	{ "Titlecase_Letter", "Lt" },
	{ "Modifier_Letter", "Lm" },
	{ "Other_Letter", "Lo" },
	{ "Mark", "M" },
	{ "Combining_Mark", "M" },
	{ "Nonspacing_Mark", "Mn" },
	{ "Spacing_Mark", "Mc" },
	{ "Enclosing_Mark", "Me" },
	{ "Number", "N" },
	{ "Decimal_Number", "Nd" },
	{ "digit", "Nd" },
	{ "Letter_Number", "Nl" },
	{ "Other_Number", "No" },
	{ "Punctuation", "P" },
	{ "punct", "P" },
	{ "Connector_Punctuation", "Pc" },
	{ "Dash_Punctuation", "Pd" },
	{ "Open_Punctuation", "Ps" },
	{ "Close_Punctuation", "Pe" },
	{ "Initial_Punctuation", "Pi" },
	{ "Final_Punctuation", "Pf" },
	{ "Other_Punctuation", "Po" },
	{ "Symbol", "S" },
	{ "Math_Symbol", "Sm" },
	{ "Currency_Symbol", "Sc" },
	{ "Modifier_Symbol", "Sk" },
	{ "Other_Symbol", "So" },
	{ "Separator", "Z" },
	{ "Space_Separator", "Zs" },
	{ "Line_Separator", "Zl" },
	{ "Paragraph_Separator", "Zp" },
	{ "Other", "C" },
	{ "Control", "Cc" },
	{ "cntrl", "Cc" },
	{ "Format", "Cf" },
	{ "Surrogate", "Cs" },
	{ "Private_Use", "Co" },
	{ "Unassigned", "Cn" },
};

struct reader {
	const char *p, *end; /* NUL-terminated */
	struct buf *out;
	char *error;
	size_t size;
};

/* \p{...}, from its p on */
static bool put_property(struct reader *r)
{
	const char *open = r->p + 1, *close = *open == '{' ? strchr(open, '}') : NULL;
	if (!close) {
		snprintf(r->error, r->size, "expected \\%c{...}", *r->p);
		return false;
	}
	const char *name = open + 1, *equals = memchr(name, '=', (size_t)(close - name));
	if (equals && (!strncmp(name, "General_Category=", 17) || !strncmp(name, "gc=", 3)))
		name = equals + 1;
	int len = (int)(close - name);
	const char *known = NULL;
	for (size_t i = 0; i < ARRAY_LEN(categories) && !known; i++)
		if (strlen(categories[i][0]) == (size_t)len && !memcmp(name, categories[i][0], (size_t)len))
			known = categories[i][1];
	if (known)
		buf_printf(r->out, "\\%c{%s}", *r->p, known);
	else
		buf_printf(r->out, "\\%c{%.*s}", *r->p, len, name);
	r->p = close + 1;
	return true;
}

/* \uXXXX, a pair of surrogates, \u{X...}; from the u on */
static bool put_unicode(struct reader *r)
{
	unsigned a = 0, b = 0;
	int n = 0;
	if (r->p[1] == '{' && sscanf(r->p, "u{%6x}%n", &a, &n) == 1 && n) {
		r->p += n;
	} else if (sscanf(r->p, "u%4x%n", &a, &n) == 1 && n == 5) {
		r->p += n;
		if (a >= 0xd800 && a < 0xdc00 && sscanf(r->p, "\\u%4x%n", &b, &n) == 1 && n == 6 && b >= 0xdc00 &&
		    b < 0xe000) {
			a = 0x10000 + ((a - 0xd800) << 10) + (b - 0xdc00);
			r->p += n;
		}
	} else {
		snprintf(r->error, r->size, "expected four hexadecimal digits after \\u");
		return false;
	}
	buf_printf(r->out, "\\x{%x}", a);
	return true;
}

/* From behind the backslash. */
static bool put_escape(struct reader *r, bool in_class)
{
	static const char spaces[] = "\\s\\x{a0}\\x{feff}\\p{Z}";
	char c = *r->p;
	if (c == 'p' || c == 'P')
		return put_property(r);
	if (c == 'u')
		return put_unicode(r);
	if (!c || ((unsigned char)c < 0x80 && isalpha((unsigned char)c) && !strchr("dDwWsSbBtnvfrcxk", c))) {
		snprintf(r->error, r->size, c ? "unknown escape \\%c" : "\\ at its end", c);
		return false;
	}
	if (c == 's')
		buf_printf(r->out, in_class ? "%s" : "[%s]", spaces);
	else if (c == 'S' && !in_class)
		buf_printf(r->out, "[^%s]", spaces);
	else if (c == 'v')
		buf_puts(r->out, "\\x0b");
	else
		buf_printf(r->out, "\\%c", c);
	r->p++;
	return true;
}

static bool translate(struct reader *r)
{
	bool in_class = false;
	while (r->p < r->end) {
		char c = *r->p++;
		if (c == '\\') {
			if (!put_escape(r, in_class))
				return false;
			continue;
		}
		if (in_class && c == '[')
			buf_putc(r->out, '\\'); /* [[:alpha:]] is PCRE's */
		in_class = c == '[' || (in_class && c != ']');
		buf_putc(r->out, c);
	}
	return true;
}

struct regex *ecma_compile(const char *pattern, size_t len, char *error, size_t size)
{
	CLEANUP_BUF struct buf out = { 0 };
	CLEANUP_FREE char *text = xstrndup(pattern, len);
	struct reader r = { .p = text, .end = text + strlen(text), .out = &out, .error = error, .size = size };
	if (!translate(&r))
		return NULL;
	buf_cstr(&out);
	return regex_compile(out.data, out.len, REGEX_END_ONLY, error, size, NULL);
}
