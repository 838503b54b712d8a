/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - foreign text as values of a configuration: what would begin a substitution or a template is escaped, and
 * what is secret becomes a variable of the environment.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "generate/draft.h"

#define VARIABLE_MAX 40

/* {{ would begin a template: it is written as one that yields it. */
void text_put(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool last = i + 1 == n;
		if (s[i] == '{' && !last && s[i + 1] == '{') {
			buf_puts(out, "{{pick \"{{\"}}");
			i++;
			continue;
		}
		/* at the end too: a variable may follow */
		if (s[i] == '$' && (last || s[i + 1] == '$' || s[i + 1] == '{'))
			buf_putc(out, '$');
		buf_putc(out, s[i]);
	}
	buf_cstr(out);
}

void text_tame(char *s)
{
	for (size_t n = strlen(s), k; n; s += k, n -= k) {
		k = str_utf8(s, n);
		if (!k || (unsigned char)*s < ' ' || *s == 0x7f)
			*s = k ? ' ' : '?';
		if (!k)
			k = 1;
	}
}

static char *variable_name(const char *kind)
{
	struct buf out = { 0 };
	for (const char *p = kind; *p && out.len < VARIABLE_MAX; p++) {
		if (isalnum((unsigned char)*p))
			buf_putc(&out, (char)toupper((unsigned char)*p));
		else if (out.len && out.data[out.len - 1] != '_')
			buf_putc(&out, '_');
	}
	if (!out.len || isdigit((unsigned char)out.data[0])) {
		CLEANUP_FREE char *rest = xstrdup(buf_cstr(&out));
		buf_clear(&out);
		buf_printf(&out, "SECRET_%s", rest);
	}
	return buf_cstr(&out);
}

static struct secret *find_variable(const struct draft *d, const char *variable, size_t n)
{
	struct secret *s;
	HASH_FIND(hh, d->secrets, variable, n, s);
	return s;
}

/* The variable of this value: the same one again for the same value, another one for another. */
static const char *variable_for(struct draft *d, const char *kind, const char *value, const char *what)
{
	CLEANUP_FREE char *base = variable_name(kind);
	char *name = xstrdup(base);
	struct secret *s;
	for (unsigned i = 2; (s = find_variable(d, name, strlen(name))) && strcmp(s->value, value) != 0; i++) {
		free(name);
		name = xasprintf("%s_%u", base, i);
	}
	if (s) {
		free(name);
		return s->variable;
	}
	s = xnew(struct secret);
	*s = (struct secret){ .variable = name, .value = xstrdup(value), .what = xstrdup(what) };
	HASH_ADD_KEYPTR(hh, d->secrets, s->variable, strlen(s->variable), s);
	return s->variable;
}

static void mark_text(const struct draft *d, const char *text)
{
	for (const char *p = text ? strchr(text, '$') : NULL; p; p = strchr(p, '$')) {
		size_t n = p[1] == '{' ? strcspn(p + 2, "}") : 0;
		struct secret *s = n ? find_variable(d, p + 2, n) : NULL;
		if (s)
			s->used = true;
		p += p[1] == '$' ? 2 : 1;
	}
}

void secrets_mark(struct draft *d)
{
	for (size_t i = 0; i < d->n; i++) {
		mark_text(d, d->list[i]->url);
		for (size_t k = 0; k < d->list[i]->n; k++)
			mark_text(d, d->list[i]->pairs[k].value);
	}
}

void text_secret(struct draft *d, struct buf *out, const char *kind, const char *value, size_t n, const char *what)
{
	if (d->keep_secrets) {
		text_put(out, value, n);
		return;
	}
	CLEANUP_FREE char *own = xstrndup(value, n);
	buf_printf(out, "${%s}", variable_for(d, kind, own, what));
	buf_cstr(out);
}

void text_variable(struct draft *d, struct buf *out, const char *kind, const char *what)
{
	buf_printf(out, "${%s}", variable_for(d, kind, "", what));
	buf_cstr(out);
}

/* Is `word` in the name, with no letter before and after it? */
static bool has_word(const char *name, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = strcasestr(name, word); p; p = strcasestr(p + 1, word))
		if ((p == name || !isalpha((unsigned char)p[-1])) && !isalpha((unsigned char)p[n]))
			return true;
	return false;
}

bool secret_name(const char *name, size_t n)
{
	static const char *const anywhere[] = { "password",      "passwd",     "passphrase", "passwort",    "secret",
						"token",         "apikey",     "api_key",    "api-key",     "accesskey",
						"access_key",    "access-key", "credential", "private_key", "signature",
						"authorization", "session",    "csrf",       "xsrf" };
	static const char *const words[] = { "pwd", "pass", "sig", "jwt",       "sid",       "auth",
					     "otp", "pin",  "key", "phpsessid", "jsessionid" };
	CLEANUP_FREE char *text = xstrndup(name, n);
	for (size_t i = 0; i < ARRAY_LEN(anywhere); i++)
		if (strcasestr(text, anywhere[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (has_word(text, words[i]))
			return true;
	return false;
}

void text_form(struct draft *d, struct buf *out, const char *form, size_t n, const char *what)
{
	const char *p = form, *end = form + n;
	while (p < end) {
		const char *next = memchr(p, '&', (size_t)(end - p));
		const char *stop = next ? next : end, *equals = memchr(p, '=', (size_t)(stop - p));
		if (equals && equals + 1 < stop && secret_name(p, (size_t)(equals - p))) {
			CLEANUP_FREE char *key = xstrndup(p, (size_t)(equals - p));
			CLEANUP_FREE char *say = xasprintf("%.60s in %s, as it stands in the request", key, what);
			text_put(out, p, (size_t)(equals + 1 - p));
			text_secret(d, out, key, equals + 1, (size_t)(stop - equals - 1), say);
		} else {
			text_put(out, p, (size_t)(stop - p));
		}
		if (next)
			buf_putc(out, '&');
		p = next ? next + 1 : end;
	}
	buf_cstr(out);
}

/* The closing quote of the JSON string whose opening quote is before s; end where there is none. */
static const char *string_end(const char *s, const char *end)
{
	while (s < end && *s != '"')
		s += *s == '\\' && s + 1 < end ? 2 : 1;
	return s < end ? s : end;
}

static const char *skip_space(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r'))
		s++;
	return s;
}

/* The text stays as it was written, but for the values of secret names that are strings. */
void text_json(struct draft *d, struct buf *out, const char *json, size_t n)
{
	const char *p = json, *kept = json, *end = json + n;
	while (p < end) {
		if (*p != '"') {
			p++;
			continue;
		}
		const char *key = p + 1, *close = string_end(key, end);
		const char *q = skip_space(close < end ? close + 1 : end, end);
		p = q;
		if (q >= end || *q != ':')
			continue;
		q = skip_space(q + 1, end);
		p = q;
		if (q >= end || *q != '"' || !secret_name(key, (size_t)(close - key)))
			continue;
		const char *value = q + 1, *stop = string_end(value, end);
		if (stop > value) {
			CLEANUP_FREE char *name = xstrndup(key, (size_t)(close - key));
			CLEANUP_FREE char *say = xasprintf("\"%.60s\" in a JSON body, without its quotes", name);
			text_put(out, kept, (size_t)(value - kept));
			text_secret(d, out, name, value, (size_t)(stop - value), say);
			kept = stop;
		}
		p = stop < end ? stop + 1 : end;
	}
	text_put(out, kept, (size_t)(end - kept));
}
