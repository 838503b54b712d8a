/* SPDX-License-Identifier: Apache-2.0 */
/* line.c - see line.h */
#include "line.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_US 1000

/* --- bytes ------------------------------------------------------------------------------------- */

static char *reserve(struct lines *l, size_t n)
{
	if (l->failed)
		return NULL;
	if (l->cap - l->len < n) {
		size_t cap = l->cap ? l->cap : 4096;
		while (cap - l->len < n)
			cap *= 2;
		char *data = realloc(l->data, cap);
		if (!data) {
			l->failed = 1;
			return NULL;
		}
		l->data = data;
		l->cap = cap;
	}
	return l->data + l->len;
}

static void put(struct lines *l, const char *s, size_t n)
{
	char *to = reserve(l, n);
	if (to && n) {
		memcpy(to, s, n);
		l->len += n;
	}
}

static void puts_(struct lines *l, const char *s)
{
	put(l, s, strlen(s));
}

static void putc_(struct lines *l, char c)
{
	put(l, &c, 1);
}

/* Length of the valid UTF-8 sequence at s (RFC 3629), 0 if there is none. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
	size_t len = s[0] < 0x80                    ? 1
		     : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
		     : (s[0] & 0xf0) == 0xe0        ? 3
		     : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
		                                    : 0;
	if (!len || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

static size_t plain_run(const unsigned char *s, size_t n)
{
	size_t i = 0;
	while (i < n && s[i] >= 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\')
		i++;
	return i;
}

/* One character that a JSON string can't hold as it is; returns the bytes of it that were used. */
static size_t put_special(struct lines *l, const unsigned char *s, size_t n)
{
	static const char letters[] = "btn\0fr"; /* 0x08 ... 0x0d */
	if (s[0] == '"' || s[0] == '\\') {
		putc_(l, '\\');
		putc_(l, (char)s[0]);
	} else if (s[0] >= 0x08 && s[0] <= 0x0d && s[0] != 0x0b) {
		putc_(l, '\\');
		putc_(l, letters[s[0] - 0x08]);
	} else if (s[0] < 0x20 || s[0] == 0x7f) {
		char code[8];
		snprintf(code, sizeof code, "\\u%04x", s[0]);
		puts_(l, code);
	} else {
		size_t len = utf8_len(s, n);
		put(l, len ? (const char *)s : "\xef\xbf\xbd", len ? len : 3);
		return len ? len : 1;
	}
	return 1;
}

static void put_string(struct lines *l, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	putc_(l, '"');
	for (size_t i = 0; i < n;) {
		size_t run = plain_run(s + i, n - i);
		put(l, text + i, run);
		i += run;
		if (i < n)
			i += put_special(l, s + i, n - i);
	}
	putc_(l, '"');
}

static void put_text(struct lines *l, const char *s)
{
	if (s)
		put_string(l, s, strlen(s));
	else
		puts_(l, "null");
}

/* --- numbers ----------------------------------------------------------------------------------- */

/* Decimal digits of v before `end`, at least `width` of them; returns the first. */
static char *digits(char *end, uint64_t v, int width)
{
	do {
		*--end = (char)('0' + v % 10);
		v /= 10;
		width--;
	} while (v || width > 0);
	return end;
}

static void put_int(struct lines *l, int64_t v)
{
	char text[24], *end = text + sizeof text, *at = digits(end, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 1);
	if (v < 0)
		*--at = '-';
	put(l, at, (size_t)(end - at));
}

/* whole.fraction, the fraction being `width` wide, without trailing zeros. */
static void put_decimal(struct lines *l, int negative, uint64_t whole, uint64_t fraction, int width)
{
	char text[48], *end = text + sizeof text, *at = end;
	if (fraction) {
		for (; fraction % 10 == 0; width--)
			fraction /= 10;
		at = digits(at, fraction, width);
		*--at = '.';
	}
	at = digits(at, whole, 1);
	if (negative)
		*--at = '-';
	put(l, at, (size_t)(end - at));
}

static void put_seconds(struct lines *l, int64_t ns)
{
	uint64_t abs = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	put_decimal(l, ns < 0, abs / NS_PER_S, abs % NS_PER_S, 9);
}

/* Milliseconds, to the microsecond. */
static void put_ms(struct lines *l, int64_t ns)
{
	uint64_t us = ((ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns) + NS_PER_US / 2) / NS_PER_US;
	put_decimal(l, ns < 0 && us, us / 1000, us % 1000, 3);
}

/* The shortest text that reads back as the same number; JSON has no word for NaN and infinities. */
static void put_float(struct lines *l, double v)
{
	char text[40];
	if (!isfinite(v)) {
		puts_(l, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	puts_(l, text);
}

/* RFC 3339 in UTC; with milliseconds always, or only where there are some. */
static void put_time(struct lines *l, int64_t ns, int always_ms)
{
	int64_t second = ns / NS_PER_S, rest = ns % NS_PER_S;
	if (rest < 0) {
		rest += NS_PER_S;
		second--;
	}
	if (second != l->second || !*l->second_text) {
		time_t t = (time_t)second;
		struct tm tm;
		if (!gmtime_r(&t, &tm) || !strftime(l->second_text, sizeof l->second_text, "%Y-%m-%dT%H:%M:%S", &tm)) {
			*l->second_text = '\0';
			puts_(l, "null");
			return;
		}
		l->second = second;
	}
	putc_(l, '"');
	puts_(l, l->second_text);
	if (always_ms || rest) {
		char text[8], *end = text + sizeof text, *at = digits(end, (uint64_t)rest / 1000000, 3);
		*--at = '.';
		put(l, at, (size_t)(end - at));
	}
	puts_(l, "Z\"");
}

/* --- a record ---------------------------------------------------------------------------------- */

static const char *const outcomes[] = { "ok", "fail", "error", "unknown" };
static const char *const reasons[] = {
	NULL,    "other", "resolve",  "refused",     "unreachable", "timeout",   "reset",
	"tls",   "protocol", "expectation", "crashed",     "cancelled",   "overloaded", "permission", "internal",
};
static const char *const phases[PROBED_PHASES] = { "resolve", "connect", "tls", "send", "wait", "receive" };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A row is a JSON object already; a line break inside it would end our line. */
static void put_row(struct lines *l, const char *s, size_t n)
{
	if (!s || !n) {
		puts_(l, "null");
		return;
	}
	size_t at = l->len;
	put(l, s, n);
	for (; !l->failed && at < l->len; at++)
		if (l->data[at] == '\n' || l->data[at] == '\r')
			l->data[at] = ' ';
}

static void put_value(struct lines *l, const struct probed_record_fact *f)
{
	switch (f->type) {
	case PROBED_TYPE_INTEGER:
	case PROBED_TYPE_SIZE:
		put_int(l, f->i);
		break;
	case PROBED_TYPE_BOOLEAN:
		puts_(l, f->i ? "true" : "false");
		break;
	case PROBED_TYPE_DURATION:
		put_seconds(l, f->i);
		break;
	case PROBED_TYPE_TIME:
		put_time(l, f->i, 0);
		break;
	case PROBED_TYPE_FLOAT:
		put_float(l, f->f);
		break;
	case PROBED_TYPE_TABLE:
		put_row(l, f->s, f->len);
		break;
	default:
		if (f->s)
			put_string(l, f->s, f->len);
		else
			puts_(l, "null");
	}
}

static const struct probed_record_fact *fact_at(const struct probed_record *r, uint32_t i)
{
	return PROBED_AT(struct probed_record_fact, r->facts, r->fact_stride, i);
}

static void put_facts(struct lines *l, const struct probed_record *r)
{
	puts_(l, ",\"facts\":{");
	for (uint32_t i = 0; i < r->n_facts;) {
		const struct probed_record_fact *f = fact_at(r, i);
		int many = (f->flags & PROBED_FACT_LIST) || f->type == PROBED_TYPE_TABLE;
		if (i)
			putc_(l, ',');
		put_text(l, f->name);
		puts_(l, many ? ":[" : ":");
		put_value(l, f);
		for (i++; many && i < r->n_facts && !strcmp(fact_at(r, i)->name, f->name); i++) {
			putc_(l, ',');
			put_value(l, fact_at(r, i));
		}
		if (many)
			putc_(l, ']');
	}
	putc_(l, '}');
}

static void put_failed(struct lines *l, const struct probed_record *r)
{
	puts_(l, ",\"failed\":{");
	for (uint32_t i = 0; i < r->n_failed; i++) {
		const struct probed_record_failed *f =
			PROBED_AT(struct probed_record_failed, r->failed, r->failed_stride, i);
		if (i)
			putc_(l, ',');
		put_text(l, f->label ? f->label : "");
		putc_(l, ':');
		put_text(l, f->message);
	}
	putc_(l, '}');
}

static void put_times(struct lines *l, const struct probed_record *r)
{
	puts_(l, ",\"latency_ms\":");
	put_ms(l, r->latency_ns);
	puts_(l, ",\"service_ms\":");
	put_ms(l, r->service_ns);
	puts_(l, ",\"lag_ms\":");
	put_ms(l, r->lag_ns);
	puts_(l, ",\"phases_ms\":{");
	for (int i = 0, n = 0; i < PROBED_PHASES; i++) {
		if (r->phase_ns[i] < 0)
			continue;
		puts_(l, n++ ? ",\"" : "\"");
		puts_(l, phases[i]);
		puts_(l, "\":");
		put_ms(l, r->phase_ns[i]);
	}
	putc_(l, '}');
}

static void put_result(struct lines *l, const struct probed_record *r)
{
	puts_(l, ",\"target\":");
	put_text(l, r->target);
	if (r->sub) {
		puts_(l, ",\"sub\":");
		put_text(l, r->sub);
	}
	puts_(l, ",\"plan\":");
	put_text(l, r->plan);
	puts_(l, ",\"driver\":");
	put_text(l, r->driver);
	puts_(l, ",\"outcome\":");
	put_text(l, r->outcome < COUNT(outcomes) ? outcomes[r->outcome] : "unknown");
	puts_(l, ",\"reason\":");
	put_text(l, r->reason < COUNT(reasons) ? reasons[r->reason] : "other");
	puts_(l, ",\"message\":");
	put_text(l, r->message);
	put_times(l, r);
	put_facts(l, r);
	put_failed(l, r);
}

static void put_event(struct lines *l, const struct probed_record *r)
{
	puts_(l, ",\"event\":");
	put_text(l, r->message);
	if (r->target) {
		puts_(l, ",\"target\":");
		put_text(l, r->target);
	}
}

int lines_add(struct lines *l, const struct probed_record *r)
{
	size_t before = l->len;
	char epoch[32];
	snprintf(epoch, sizeof epoch, "{\"id\":\"%" PRIx64 "-", r->id_epoch);
	puts_(l, epoch);
	put_decimal(l, 0, r->id_seq, 0, 0);
	puts_(l, "\",\"time\":");
	put_time(l, r->time_ns, 1);
	if (r->kind == PROBED_RECORD_EVENT)
		put_event(l, r);
	else
		put_result(l, r);
	puts_(l, "}\n");
	if (!l->failed)
		return 0;
	l->failed = 0;
	l->len = before;
	return -1;
}

void lines_consume(struct lines *l, size_t n)
{
	l->len -= n;
	if (l->len)
		memmove(l->data, l->data + n, l->len);
}

void lines_free(struct lines *l)
{
	free(l->data);
	*l = (struct lines){ 0 };
}
