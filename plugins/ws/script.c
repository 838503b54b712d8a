/* SPDX-License-Identifier: Apache-2.0 */
/* script.c - the send and receive options. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sticky-error cursor over one value. */
struct text {
	const char *at, *end;
	const char *wrong; /* what was expected; NULL: fine so far */
};

static int more(const struct text *t)
{
	return !t->wrong && t->at < t->end;
}

static void skip_space(struct text *t)
{
	while (more(t) && (*t->at == ' ' || *t->at == '\t'))
		t->at++;
}

/* Takes a word that is followed by a blank or the end. */
static int take_word(struct text *t, const char *word)
{
	size_t len = strlen(word);
	if (t->wrong || (size_t)(t->end - t->at) < len || memcmp(t->at, word, len))
		return 0;
	const char *after = t->at + len;
	if (after < t->end && *after != ' ' && *after != '\t')
		return 0;
	t->at = after;
	skip_space(t);
	return 1;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two hexadecimal digits. */
static uint8_t take_hex(struct text *t)
{
	int high = t->end - t->at >= 2 ? hex_digit(t->at[0]) : -1;
	int low = high >= 0 ? hex_digit(t->at[1]) : -1;
	if (low < 0) {
		t->wrong = "hexadecimal digits, two a byte";
		return 0;
	}
	t->at += 2;
	return (uint8_t)(high << 4 | low);
}

static uint8_t take_escape(struct text *t)
{
	char c = t->at < t->end ? *t->at++ : 0;
	switch (c) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'x':
		return take_hex(t);
	case '"':
	case '\\':
		return (uint8_t)c;
	default:
		t->wrong = "\\n, \\r, \\t, \\\", \\\\ or \\xHH after the backslash";
		return 0;
	}
}

/* Quoted with escapes, or all of the rest as it stands. `out` has room for as many bytes as are left. */
static size_t take_string(struct text *t, uint8_t *out)
{
	size_t len = (size_t)(t->end - t->at);
	if (!len || *t->at != '"') {
		memcpy(out, t->at, len);
		t->at = t->end;
		return len;
	}
	t->at++;
	for (len = 0; more(t) && *t->at != '"'; len++) {
		uint8_t c = (uint8_t)*t->at++;
		out[len] = c == '\\' ? take_escape(t) : c;
	}
	if (t->wrong)
		return 0;
	if (t->at == t->end) {
		t->wrong = "a closing quote";
		return 0;
	}
	t->at++;
	skip_space(t);
	if (t->at < t->end)
		t->wrong = "nothing after the closing quote";
	return len;
}

static size_t take_bytes(struct text *t, uint8_t *out)
{
	size_t len = 0;
	while (more(t)) {
		out[len++] = take_hex(t);
		skip_space(t);
	}
	return t->wrong ? 0 : len;
}

static uint32_t take_flags(struct text *t)
{
	uint32_t flags = 0;
	for (; more(t); t->at++) {
		switch (*t->at) {
		case 'i':
			flags |= PCRE2_CASELESS;
			break;
		case 'm':
			flags |= PCRE2_MULTILINE;
			break;
		case 's':
			flags |= PCRE2_DOTALL;
			break;
		default:
			t->wrong = "only the flags i, m and s after the pattern";
		}
	}
	return flags;
}

static void fail(char *error, size_t size, const char *option, const struct probed_item *item, const char *wrong)
{
	snprintf(error, size, "%s.%s: \"%.80s\": expected %s", option, item->key, item->s, wrong);
}

/* --- send --------------------------------------------------------------------------------------- */

static int read_message(struct script_message *m, const struct probed_item *item, char *error, size_t size)
{
	struct text t = { item->s, item->s + item->len, NULL };
	m->data = malloc(item->len + 1);
	if (!m->data) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	if (take_word(&t, "binary")) {
		m->binary = 1;
		m->len = take_bytes(&t, m->data);
	} else if (take_word(&t, "text")) {
		m->len = take_string(&t, m->data);
	} else {
		m->len = item->len;
		memcpy(m->data, item->s, item->len);
	}
	if (!t.wrong)
		return 0;
	fail(error, size, "send", item, t.wrong);
	return -1;
}

int script_read_send(struct script *s, const struct probed_value *list, char *error, size_t size)
{
	s->send = calloc(list->n_items ? list->n_items : 1, sizeof *s->send);
	if (!s->send) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	for (uint32_t i = 0; i < list->n_items; i++) {
		struct script_message *m = &s->send[s->n_send++];
		if (read_message(m, PROBED_AT(struct probed_item, list->items, list->item_stride, i), error, size))
			return -1;
		if (m->len > s->longest)
			s->longest = m->len;
	}
	return 0;
}

/* --- receive ------------------------------------------------------------------------------------ */

static int compile(struct script_expect *e, uint32_t flags, const struct probed_item *item, char *error, size_t size)
{
	int code;
	PCRE2_SIZE at;
	char why[128];
	e->code = pcre2_compile(e->data, e->len, flags, &code, &at, NULL);
	if (e->code) {
		pcre2_jit_compile(e->code, PCRE2_JIT_COMPLETE);
		return 0;
	}
	pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
	snprintf(error, size, "receive.%s: /%s/: %s at character %zu", item->key, (const char *)e->data, why, (size_t)at + 1);
	return -1;
}

static int read_pattern(struct script_expect *e, struct text *t, const struct probed_item *item, char *error, size_t size)
{
	const char *last = t->end;
	while (last > t->at && *--last != '/')
		;
	if (t->at == t->end || *t->at != '/' || last == t->at) {
		fail(error, size, "receive", item, "matches /pattern/");
		return -1;
	}
	e->len = (size_t)(last - t->at - 1);
	memcpy(e->data, t->at + 1, e->len);
	e->data[e->len] = '\0';
	t->at = last + 1;
	uint32_t flags = take_flags(t);
	if (!t->wrong)
		return compile(e, flags, item, error, size);
	fail(error, size, "receive", item, t->wrong);
	return -1;
}

static int read_expect(struct script_expect *e, const struct probed_item *item, char *error, size_t size)
{
	struct text t = { item->s, item->s + item->len, NULL };
	e->data = malloc(item->len + 1);
	if (!e->data) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	if (take_word(&t, "matches")) {
		e->kind = EXPECT_MATCHES;
		return read_pattern(e, &t, item, error, size);
	}
	if (take_word(&t, "equals")) {
		e->kind = EXPECT_EQUALS;
		e->len = take_string(&t, e->data);
	} else if (take_word(&t, "binary")) {
		e->kind = EXPECT_BINARY;
		e->len = take_bytes(&t, e->data);
	} else if (!take_word(&t, "any") || t.at < t.end) {
		t.wrong = "equals \"text\", matches /pattern/, binary HEX or any";
	}
	if (!t.wrong)
		return 0;
	fail(error, size, "receive", item, t.wrong);
	return -1;
}

int script_read_receive(struct script *s, const struct probed_value *list, char *error, size_t size)
{
	s->receive = calloc(list->n_items ? list->n_items : 1, sizeof *s->receive);
	if (!s->receive) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	for (uint32_t i = 0; i < list->n_items; i++)
		if (read_expect(&s->receive[s->n_receive++],
		                PROBED_AT(struct probed_item, list->items, list->item_stride, i), error, size))
			return -1;
	return 0;
}

void script_free(struct script *s)
{
	for (uint32_t i = 0; i < s->n_send; i++)
		free(s->send[i].data);
	for (uint32_t i = 0; i < s->n_receive; i++) {
		free(s->receive[i].data);
		pcre2_code_free(s->receive[i].code);
	}
	free(s->send);
	free(s->receive);
	memset(s, 0, sizeof *s);
}

/* --- messages ----------------------------------------------------------------------------------- */

int script_meets(const struct script_expect *e, int binary, const uint8_t *data, size_t len, pcre2_match_data *match,
                 pcre2_match_context *context)
{
	switch (e->kind) {
	case EXPECT_EQUALS:
		return len == e->len && !memcmp(data, e->data, len);
	case EXPECT_BINARY:
		return binary && len == e->len && !memcmp(data, e->data, len);
	case EXPECT_MATCHES:
		return pcre2_match(e->code, data, len, 0, 0, match, context) >= 0;
	default:
		return 1;
	}
}

/* Length of the sequence at s (RFC 3629), 0: none. */
static size_t utf8_sequence(const uint8_t *s, size_t left)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t least;
	} forms[] = { { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };
	size_t n = 0;
	while (n < 4 && (s[0] & forms[n].mask) != forms[n].lead)
		n++;
	if (n == 4 || n + 1 > left)
		return 0;
	uint32_t c = s[0] & (uint8_t)~forms[n].mask;
	for (size_t i = 1; i <= n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	return c < forms[n].least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n + 1;
}

int script_is_utf8(const uint8_t *data, size_t len)
{
	for (size_t n; len; data += n, len -= n)
		if (!(n = utf8_sequence(data, len)))
			return 0;
	return 1;
}

void script_hex(const uint8_t *data, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		sprintf(out + 2 * i, "%02x", data[i]);
	out[2 * len] = '\0';
}

void script_show(int binary, const uint8_t *data, size_t len, char *out, size_t size)
{
	enum { SHOWN = 40 };
	char text[4 * SHOWN + 1];
	size_t n = 0, shown = len < SHOWN ? len : SHOWN;
	text[0] = '\0';
	for (size_t i = 0; i < shown; i++) {
		if (binary)
			n += (size_t)sprintf(text + n, "%02x", data[i]);
		else if (data[i] < 0x20 || data[i] == 0x7f)
			n += (size_t)sprintf(text + n, "\\x%02x", data[i]);
		else
			n += (size_t)sprintf(text + n, "%c", data[i]);
	}
	const char *quote = binary ? "" : "\"", *rest = shown < len ? "..." : "";
	snprintf(out, size, "%s%s%s%s%s", binary ? "binary " : "", quote, text, rest, quote);
}

void script_show_expect(const struct script_expect *e, char *out, size_t size)
{
	if (e->kind == EXPECT_MATCHES)
		snprintf(out, size, "/%.80s/", (const char *)e->data);
	else if (e->kind == EXPECT_ANY)
		snprintf(out, size, "a message");
	else
		script_show(e->kind == EXPECT_BINARY, e->data, e->len, out, size);
}
