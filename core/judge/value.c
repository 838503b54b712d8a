/* SPDX-License-Identifier: Apache-2.0 */
/* value.c - see value.h */
#include "judge/value.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"

#define EXCERPT_MAX 80

struct value *values_add(struct values *v)
{
	xgrow(v->list, v->n, v->cap);
	v->list[v->n] = (struct value){ 0 };
	return &v->list[v->n++];
}

const char *value_type_name(uint32_t type)
{
	switch (type) {
	case PROBED_TYPE_INTEGER: return "an integer";
	case PROBED_TYPE_FLOAT: return "a number";
	case PROBED_TYPE_BOOLEAN: return "a boolean";
	case PROBED_TYPE_DURATION: return "a duration";
	case PROBED_TYPE_SIZE: return "a size";
	case PROBED_TYPE_TIME: return "a time";
	case VALUE_NULL: return "null";
	case VALUE_JSON: return "an object or array";
	case VALUE_ANY: return "known only at run time";
	default: return "a string";
	}
}

bool value_type_ordered(uint32_t type)
{
	return type != PROBED_TYPE_BOOLEAN && type != VALUE_NULL && type != VALUE_JSON;
}

int value_parse_time(const char *s, size_t len, int64_t *ns)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d",
		                             "%a, %d %b %Y %H:%M:%S GMT", "%b %d %H:%M:%S %Y GMT" };
	char text[64];
	if (len >= sizeof text)
		return -1;
	memcpy(text, s, len);
	text[len] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = { 0 };
		const char *p = strptime(text, forms[i], &tm);
		if (!p)
			continue;
		int64_t offset = 0, fraction = 0;
		if (*p == '.' && i < 2) {
			size_t digits = strspn(p + 1, "0123456789");
			for (size_t k = 0; k < 9; k++)
				fraction = fraction * 10 + (k < digits ? p[1 + k] - '0' : 0);
			p += 1 + digits;
		}
		int h, m, n = 0;
		if (*p == 'Z' || *p == 'z')
			p++;
		else if ((*p == '+' || *p == '-') && sscanf(p + 1, "%2d:%2d%n", &h, &m, &n) == 2 && n == 5) {
			offset = (*p == '-' ? -1 : 1) * (h * 3600 + m * 60);
			p += 6;
		}
		int64_t seconds = timegm(&tm) - offset;
		if (*p || seconds >= INT64_MAX / NS_PER_S || seconds < INT64_MIN / NS_PER_S)
			continue;
		*ns = seconds * NS_PER_S + fraction;
		return 0;
	}
	return -1;
}

/* A number as people write it: an integer where it is one. 0 or -1. */
static int parse_number(const char *text, struct value *out)
{
	if (!unit_parse_integer(text, &out->i)) {
		out->type = PROBED_TYPE_INTEGER;
		out->f = (double)out->i;
		return 0;
	}
	if (!unit_parse_float(text, &out->f)) {
		out->type = PROBED_TYPE_FLOAT;
		return 0;
	}
	size_t len = strlen(text);
	if (len && text[len - 1] == '%' && !unit_parse_ratio(text, &out->f)) {
		out->type = PROBED_TYPE_FLOAT;
		out->percent = true;
		return 0;
	}
	return -1;
}

static int mismatch(struct lexer *l, const struct literal *lit, uint32_t type, const char *subject)
{
	int64_t i;
	double f;
	const char *text = lit->text.data;
	if (lit->quoted)
		return lex_fail(l, lit->at, "%s is %s; it can't be compared with the string \"%s\"", subject,
		                value_type_name(type), text);
	bool number = !unit_parse_integer(text, &i) || !unit_parse_float(text, &f);
	if (type == PROBED_TYPE_STRING)
		return lex_fail(l, lit->at, "%s is a string; it can't be compared with the number %s (to compare as text, quote it: \"%s\")",
		                subject, text, text);
	if (number && (type == PROBED_TYPE_DURATION || type == PROBED_TYPE_SIZE))
		return lex_fail(l, lit->at, "%s is %s; %s has no unit (%s)", subject, value_type_name(type), text,
		                type == PROBED_TYPE_SIZE ? "write 512B, 64KiB, 1MB" : "write 50ms, 5s, 14d");
	const char *want = type == PROBED_TYPE_BOOLEAN ? " (write yes or no)" :
	                   type == PROBED_TYPE_TIME    ? " (write 2026-01-31 or 2026-01-31T09:00:00Z)" :
	                   type == PROBED_TYPE_SIZE    ? " (write 512B, 64KiB, 1MB)" :
	                   type == PROBED_TYPE_DURATION ? " (write 50ms, 5s, 14d)" :
	                                                  "";
	return lex_fail(l, lit->at, "%s is %s; it can't be compared with %s \"%s\"%s", subject, value_type_name(type),
	                number ? "the number" : "the string", text, want);
}

/* What JSON is compared with is typed by how it is written. */
static void parse_any(const struct literal *lit, struct value *out)
{
	out->type = PROBED_TYPE_STRING;
	if (lit->quoted)
		return;
	const char *text = lit->text.data;
	if (!strcmp(text, "null"))
		out->type = VALUE_NULL;
	else if (!strcmp(text, "true") || !strcmp(text, "false")) {
		out->type = PROBED_TYPE_BOOLEAN;
		out->i = *text == 't';
	} else {
		parse_number(text, out);
	}
}

int value_parse(struct lexer *l, const struct literal *lit, uint32_t type, const char *subject, struct value *out)
{
	const char *text = lit->text.data;
	*out = (struct value){ .type = type, .s = text, .len = lit->text.len };
	struct value number = { 0 };
	int rc = lit->quoted ? -1 : 0;
	switch (type) {
	case VALUE_ANY:
		parse_any(lit, out);
		return 0;
	case PROBED_TYPE_INTEGER:
	case PROBED_TYPE_FLOAT:
		rc = rc ? rc : parse_number(text, out);
		break;
	case PROBED_TYPE_BOOLEAN:
		rc = rc ? rc : unit_parse_boolean(text, &out->i);
		break;
	case PROBED_TYPE_DURATION:
		rc = rc ? rc : unit_parse_duration(text, &out->i);
		break;
	case PROBED_TYPE_SIZE:
		rc = rc ? rc : unit_parse_size(text, &out->i);
		break;
	case PROBED_TYPE_TIME:
		rc = value_parse_time(text, lit->text.len, &out->i);
		break;
	default:
		out->type = PROBED_TYPE_STRING;
		rc = !lit->quoted && !parse_number(text, &number) ? -1 : 0;
	}
	return rc ? mismatch(l, lit, type, subject) : 0;
}

static bool is_number(uint32_t type)
{
	return type == PROBED_TYPE_INTEGER || type == PROBED_TYPE_FLOAT;
}

bool value_compare(const struct value *a, const struct value *b, int *order)
{
	if (is_number(a->type) && is_number(b->type) && a->type + b->type != 2 * PROBED_TYPE_INTEGER) {
		double x = a->type == PROBED_TYPE_FLOAT ? a->f : (double)a->i;
		double y = b->type == PROBED_TYPE_FLOAT ? b->f : (double)b->i;
		*order = (x > y) - (x < y);
		return !isnan(x) && !isnan(y);
	}
	if (a->type != b->type)
		return false;
	if (a->type == VALUE_NULL) {
		*order = 0;
	} else if (a->type == PROBED_TYPE_STRING) {
		size_t n = a->len < b->len ? a->len : b->len;
		int c = n ? memcmp(a->s, b->s, n) : 0;
		*order = c ? c : (a->len > b->len) - (a->len < b->len);
	} else if (a->type == VALUE_JSON) {
		return false;
	} else {
		*order = (a->i > b->i) - (a->i < b->i);
	}
	return true;
}

/* As short as reads back the same. */
static void put_number(struct buf *b, double f)
{
	char text[32];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, f);
		if (strtod(text, NULL) == f)
			break;
	}
	buf_puts(b, text);
}

static int put_piece(const char *piece, size_t len, void *to)
{
	buf_put(to, piece, len);
	return 0;
}

void value_put(struct buf *b, const struct value *v)
{
	char text[40];
	switch (v->type) {
	case PROBED_TYPE_INTEGER:
	case PROBED_TYPE_SIZE:
		snprintf(text, sizeof text, "%lld", (long long)v->i);
		buf_puts(b, text);
		break;
	case PROBED_TYPE_FLOAT:
		put_number(b, v->f);
		break;
	case PROBED_TYPE_BOOLEAN:
		buf_puts(b, v->i ? "true" : "false");
		break;
	case PROBED_TYPE_DURATION:
		put_number(b, (double)v->i / NS_PER_S);
		break;
	case PROBED_TYPE_TIME:
		clock_format_wall(v->i, text);
		buf_puts(b, text);
		break;
	case VALUE_NULL:
		buf_puts(b, "null");
		break;
	case VALUE_JSON:
		json_dump_callback(v->json, put_piece, b, JSON_COMPACT | JSON_ENCODE_ANY);
		break;
	default:
		buf_put(b, v->s, v->len);
	}
}

void line_printf(struct line *o, const char *format, ...)
{
	if (o->len + 1 >= o->size)
		return;
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(o->at + o->len, o->size - o->len, format, ap);
	va_end(ap);
	if (n > 0)
		o->len += (size_t)n < o->size - o->len ? (size_t)n : o->size - o->len - 1;
}

void line_excerpt(struct line *o, const char *s, size_t len)
{
	line_printf(o, "\"");
	size_t i = 0;
	while (i < len && i < EXCERPT_MAX) {
		size_t n = str_utf8(s + i, len - i);
		unsigned char c = (unsigned char)s[i];
		if (n > 1 && i + n > EXCERPT_MAX)
			break;
		if (c == '\n' || c == '\r' || c == '\t')
			line_printf(o, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (!n || c < 0x20 || c == 0x7f)
			line_printf(o, "\\x%02x", c);
		else if (c == '"' || c == '\\')
			line_printf(o, "\\%c", c);
		else
			line_printf(o, "%.*s", (int)n, s + i);
		i += n ? n : 1;
	}
	line_printf(o, i < len ? "...\"" : "\"");
}

void line_value(struct line *o, const struct value *v, bool percent)
{
	char text[40];
	switch (v->type) {
	case PROBED_TYPE_INTEGER:
		line_printf(o, "%lld", (long long)v->i);
		break;
	case PROBED_TYPE_FLOAT:
		if (percent || v->percent)
			line_printf(o, "%.6g %%", v->f * 100);
		else
			line_printf(o, "%.6g", v->f);
		break;
	case PROBED_TYPE_BOOLEAN:
		line_printf(o, "%s", v->i ? "yes" : "no");
		break;
	case PROBED_TYPE_DURATION:
		line_printf(o, "%s", unit_format_duration(v->i, text, sizeof text));
		break;
	case PROBED_TYPE_SIZE:
		line_printf(o, "%s", unit_format_size(v->i, text, sizeof text));
		break;
	case PROBED_TYPE_TIME:
		clock_format_wall(v->i, text);
		line_printf(o, "%s", text);
		break;
	case VALUE_NULL:
		line_printf(o, "null");
		break;
	case VALUE_JSON:
		line_printf(o, "%s", v->s);
		break;
	default:
		line_excerpt(o, v->s, v->len);
	}
}
