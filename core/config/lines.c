/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines.c - the surface of a configuration file: lines, comments, quotes, continued values and blocks become
 * sections of keys and values, each with its place. What it refuses has a place too, and the scan goes on.
 */
#include "config/section.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"

struct scanner {
	const char *p, *end;
	struct place at; /* the line being read */
	bool crlf;       /* lines end so in this file: a block's too */
	struct errs *errs;
	struct section **list;
	size_t n, cap;
	struct section *now; /* NULL: what follows belongs to nothing */
	bool lost;           /* ... and that was said already */
	bool open, quoted;   /* the last key may go on in the next line */
	bool bad;            /* the last line was refused: so is what continues it */
	struct buf key, value;
	struct place key_at;
};

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static char *skip_blanks(char *s)
{
	while (blank(*s))
		s++;
	return s;
}

static void cut_blanks(char *s)
{
	size_t n = strlen(s);
	while (n && blank(s[n - 1]))
		n--;
	s[n] = '\0';
}

/* Nothing more, or a comment. */
static bool at_rest(const char *s)
{
	const char *p = s;
	while (blank(*p))
		p++;
	return !*p || (p > s && (*p == ';' || *p == '#'));
}

static void cut_comment(char *s)
{
	for (char *p = s; *p; p++)
		if ((*p == ';' || *p == '#') && (p == s || blank(p[-1]))) {
			*p = '\0';
			break;
		}
	cut_blanks(s);
}

/* The next line without its end, NUL-terminated in `line`. False at the end of the text. */
static bool next_line(struct scanner *s, struct buf *line)
{
	if (s->p >= s->end)
		return false;
	const char *eol = memchr(s->p, '\n', (size_t)(s->end - s->p));
	size_t n = (size_t)((eol ? eol : s->end) - s->p);
	buf_clear(line);
	buf_put(line, s->p, n);
	buf_cstr(line);
	s->p = eol ? eol + 1 : s->end;
	s->at.line++;
	return true;
}

/* Says what no line may hold; false then. `inside` a block control characters are text. */
static bool sound(struct scanner *s, struct buf *line, bool inside)
{
	if (line->len > LINE_MAX_BYTES) {
		errs_add(s->errs, s->at, NULL, NULL, "the line is %zu bytes long: expected at most %d", line->len,
			 LINE_MAX_BYTES);
		return false;
	}
	for (size_t i = 0; i < line->len; i++) {
		unsigned char c = (unsigned char)line->data[i];
		if (!c || c == ROW_BEGIN || c == ROW_END || (!inside && c != '\t' && (c < ' ' || c == 0x7f))) {
			errs_add(s->errs, s->at, NULL, NULL, "column %zu: a control character (0x%02x): expected text",
				 i + 1, c);
			return false;
		}
	}
	return true;
}

static void end_entry(struct scanner *s)
{
	if (s->open && s->now)
		section_add(s->now, buf_cstr(&s->key), buf_cstr(&s->value), s->key_at);
	s->open = s->quoted = s->bad = false;
}

static void read_header(struct scanner *s, char *text)
{
	s->now = NULL;
	s->lost = true;
	char *close = strchr(text, ']');
	if (!close || !at_rest(close + 1)) {
		errs_add(s->errs, s->at, NULL, NULL,
			 close ? "text after the section's \"]\""
			       : "the section's \"]\" is missing: expected [kind name]");
		return;
	}
	*close = '\0';
	char *kind = skip_blanks(text + 1);
	char *name = kind + strcspn(kind, " \t");
	if (*name)
		*name++ = '\0';
	name = skip_blanks(name);
	cut_blanks(name);
	bool good = name_valid(kind) && (!*name || (!strcmp(kind, "target") ? target_name_valid(name)
						    : !strcmp(kind, "host") ? host_pattern_valid(name)
									    : name_valid(name)));
	if (!good) {
		errs_add(s->errs, s->at, NULL, NULL,
			 "[%.80s%s%.80s]: expected [kind name], where a name is made of letters, "
			 "digits and _ . -, and no longer than %d",
			 kind, *name ? " " : "", name, NAME_MAX_BYTES);
		return;
	}
	s->now = section_new(kind, name, s->at);
	s->lost = false;
	xgrow(s->list, s->n, s->cap);
	s->list[s->n++] = s->now;
}

/* `text` begins with a quote: the closing one is the first with nothing behind it. */
static bool read_quoted(struct scanner *s, const char *text)
{
	for (const char *p = strchr(text + 1, *text); p; p = strchr(p + 1, *text))
		if (at_rest(p + 1)) {
			buf_put(&s->value, text + 1, (size_t)(p - text - 1));
			s->quoted = true;
			return true;
		}
	errs_add(s->errs, s->at, s->now->title, buf_cstr(&s->key),
		 "unclosed quote: a value that begins with %c ends with "
		 "it in the same line",
		 *text);
	return false;
}

/* The lines up to the one that is `word`. */
static void read_block(struct scanner *s, const char *word)
{
	CLEANUP_BUF struct buf line = { 0 };
	bool first = true, bad = false;
	while (next_line(s, &line)) {
		if (s->crlf && line.len && line.data[line.len - 1] == '\r') {
			line.len--;
			buf_cstr(&line);
		}
		if (!strncmp(line.data, word, strlen(word)) &&
		    !line.data[strlen(word) + strspn(line.data + strlen(word), " \t\r")]) {
			s->open = !bad;
			s->quoted = true;
			return;
		}
		if (!sound(s, &line, true))
			bad = true;
		if (!first)
			buf_putc(&s->value, '\n');
		buf_put(&s->value, line.data, line.len);
		first = false;
	}
	errs_add(s->errs, s->key_at, s->now->title, buf_cstr(&s->key), "the block has no end: expected a line \"%s\"",
		 word);
}

/* Of a cron entry only the five fields are in quotes: "0 9 * * 1-5" for 30m. */
static bool quotes_inside(struct scanner *s)
{
	const char *key = buf_cstr(&s->key);
	return !strcasecmp(key, "cron") || !strncasecmp(key, "cron.", 5);
}

static void read_value(struct scanner *s, char *text)
{
	text = skip_blanks(text);
	if (*text == '"' && quotes_inside(s) && strchr(text + 1, '"') && !at_rest(strchr(text + 1, '"') + 1)) {
		cut_comment(text);
		buf_puts(&s->value, text);
		s->open = true;
		return;
	}
	if (*text == '"' || *text == '\'') {
		s->open = read_quoted(s, text);
		return;
	}
	cut_comment(text);
	size_t word = text[0] == '<' && text[1] == '<'
			  ? strspn(text + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					     "0123456789_")
			  : 0;
	if (word && !text[2 + word]) {
		CLEANUP_FREE char *end = xstrdup(text + 2);
		read_block(s, end);
		return;
	}
	buf_puts(&s->value, text);
	s->open = true;
}

static void read_key(struct scanner *s, char *text)
{
	if (!s->now) {
		if (!s->lost)
			errs_add(s->errs, s->at, NULL, NULL, "a key before any section: expected [kind name] first");
		s->lost = true;
		return;
	}
	char *equals = strchr(text, '=');
	if (!equals) {
		cut_comment(text);
		errs_add(s->errs, s->at, s->now->title, NULL, "\"%.60s\": expected key = value, or [kind name]", text);
		return;
	}
	*equals = '\0';
	cut_blanks(text);
	if (!name_valid(text)) {
		errs_add(s->errs, s->at, s->now->title, NULL,
			 "\"%.60s\" is no key: expected letters, digits and _ . -, at most "
			 "%d",
			 text, NAME_MAX_BYTES);
		return;
	}
	if (s->now->n >= SECTION_KEYS_MAX) {
		if (s->now->n == SECTION_KEYS_MAX)
			errs_add(s->errs, s->at, s->now->title, NULL, "more than %d keys in one section",
				 SECTION_KEYS_MAX);
		s->now = NULL;
		s->lost = true;
		return;
	}
	buf_clear(&s->key);
	buf_clear(&s->value);
	buf_puts(&s->key, text);
	s->key_at = s->at;
	read_value(s, equals + 1);
}

static void read_more(struct scanner *s, char *text)
{
	if (!s->open) {
		if (s->now && !s->bad)
			errs_add(s->errs, s->at, s->now->title, NULL,
				 "an indented line continues the value above, and there is "
				 "none: take the blanks before it away");
		return;
	}
	if (s->quoted) {
		errs_add(s->errs, s->at, s->now->title, buf_cstr(&s->key),
			 "a quoted value or a block can't be continued by an "
			 "indented line");
		return;
	}
	cut_comment(text);
	if (s->value.len)
		buf_putc(&s->value, ' ');
	buf_puts(&s->value, text);
}

static void read_line(struct scanner *s, struct buf *line)
{
	if (line->len && line->data[line->len - 1] == '\r') {
		line->len--;
		buf_cstr(line);
	}
	if (!sound(s, line, false)) {
		end_entry(s);
		s->bad = true;
		return;
	}
	char *text = skip_blanks(line->data);
	if (*text == ';' || *text == '#')
		return;
	if (*text && text > line->data) {
		read_more(s, text);
		return;
	}
	end_entry(s);
	char first = *text;
	if (first == '[')
		read_header(s, text);
	else if (first)
		read_key(s, text);
	s->bad = first && first != '[' && !s->open;
}

struct section **scan_text(const char *file, const char *text, size_t len, size_t *n, struct errs *errs)
{
	struct scanner s = { .p = text, .end = text + len, .at = { .file = file }, .errs = errs };
	CLEANUP_BUF struct buf line = { 0 };
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		s.p += 3;
	const char *eol = memchr(s.p, '\n', (size_t)(s.end - s.p));
	s.crlf = eol && eol > s.p && eol[-1] == '\r';
	while (next_line(&s, &line)) {
		size_t before = errs->errors;
		read_line(&s, &line);
		if (s.now && errs->errors != before)
			s.now->hurt = true;
	}
	end_entry(&s);
	buf_free(&s.key);
	buf_free(&s.value);
	*n = s.n;
	return s.list;
}
