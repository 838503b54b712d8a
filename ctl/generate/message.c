/* SPDX-License-Identifier: Apache-2.0 */
/* message.c - headers, cookies and bodies of a request, with what is secret in them taken out. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "generate/draft.h"

/* "Bearer abc": the scheme stays, what follows it is secret. */
static void put_authorization(struct draft *d, struct request *r, const char *key, const char *value)
{
	size_t scheme = strcspn(value, " ");
	const char *rest = value + scheme + strspn(value + scheme, " ");
	CLEANUP_BUF struct buf text = { 0 };
	if (request_get(r, "user")) {
		request_warn(d, r, "not taken over: user and password, since there is an Authorization header too");
		request_unset(r, "user");
		request_unset(r, "password");
	}
	if (!*rest) {
		text_secret(d, &text, "AUTHORIZATION", value, strlen(value), "the Authorization header");
		request_set(d, r, key, text.data);
		return;
	}
	bool bearer = scheme == 6 && !strncasecmp(value, "bearer", 6),
	     basic = scheme == 5 && !strncasecmp(value, "basic", 5);
	if (bearer && !strcasecmp(key, "header.Authorization")) {
		text_secret(d, &text, "API_TOKEN", rest, strlen(rest), "the bearer token");
		request_set(d, r, "token", text.data);
		return;
	}
	text_put(&text, value, (size_t)(rest - value));
	text_secret(d, &text, basic ? "BASIC_CREDENTIALS" : "AUTHORIZATION", rest, strlen(rest),
		    basic ? "user:password in base64" : "what follows the scheme in the Authorization header");
	request_set(d, r, key, text.data);
}

static bool is_authorization(const char *name)
{
	return !strcasecmp(name, "authorization") || !strcasecmp(name, "proxy-authorization");
}

void request_cookies(struct draft *d, struct request *r, const char *cookies)
{
	CLEANUP_BUF struct buf text = { 0 };
	for (const char *p = cookies; *p;) {
		p += strspn(p, "; ");
		size_t n = strcspn(p, ";");
		const char *equals = memchr(p, '=', n);
		if (n && text.len)
			buf_puts(&text, "; ");
		if (equals && equals + 1 < p + n) {
			CLEANUP_FREE char *name = xstrndup(p, (size_t)(equals - p));
			CLEANUP_FREE char *kind = xasprintf("COOKIE_%s", name);
			CLEANUP_FREE char *what = xasprintf("the cookie %.60s", name);
			text_put(&text, p, (size_t)(equals + 1 - p));
			text_secret(d, &text, kind, equals + 1, (size_t)(p + n - equals - 1), what);
		} else {
			text_put(&text, p, n);
		}
		p += n;
	}
	const char *old = request_get(r, "header.Cookie");
	CLEANUP_FREE char *both = xasprintf("%s%s%s", old ? old : "", old && text.len ? "; " : "", buf_cstr(&text));
	if (*both)
		request_set(d, r, "header.Cookie", both);
}

void request_header(struct draft *d, struct request *r, const char *name, const char *value)
{
	CLEANUP_FREE char *key = xasprintf("header.%s", name);
	CLEANUP_BUF struct buf text = { 0 };
	if (strpbrk(value, "\r\n")) {
		request_warn(d, r, "not taken over: header %.80s: its value holds a line end", name);
		return;
	}
	if (!strcasecmp(name, "cookie")) {
		request_cookies(d, r, value);
		return;
	}
	if (is_authorization(name)) {
		put_authorization(d, r, key, value);
		return;
	}
	const char *old = request_get(r, key);
	if (old)
		buf_printf(&text, "%s, ", old);
	if (*value && secret_name(name, strlen(name))) {
		CLEANUP_FREE char *what = xasprintf("the header %.60s", name);
		text_secret(d, &text, name, value, strlen(value), what);
	} else {
		text_put(&text, value, strlen(value));
	}
	request_set(d, r, key, buf_cstr(&text));
}

static bool looks_like_form(const char *body, size_t n)
{
	const char *equals = memchr(body, '=', n);
	for (const char *p = body; equals && p < equals; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-._~%+*[]", *p))
			return false;
	return equals != NULL;
}

static bool is_text(const char *body, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t k = str_utf8(body + i, n - i);
		if (!k || !body[i])
			return false;
		i += k;
	}
	return true;
}

void request_body(struct draft *d, struct request *r, const char *body, size_t n)
{
	CLEANUP_BUF struct buf text = { 0 };
	if (!is_text(body, n)) {
		request_warn(
		    d, r,
		    "not taken over: the body of %zu bytes: it is no UTF-8 text (put it into a file: body = @FILE)", n);
		return;
	}
	/* the driver would take @FILE for a file */
	if (n && *body == '@')
		buf_putc(&text, '@');
	if (looks_like_form(body, n))
		text_form(d, &text, body, n, "the body");
	else
		text_json(d, &text, body, n);
	request_set(d, r, "body", buf_cstr(&text));
}
