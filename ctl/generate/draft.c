/* SPDX-License-Identifier: Apache-2.0 */
/* draft.c - see draft.h */
#include "draft.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "config/section.h"

static void lines_add(struct lines *l, const char *format, va_list ap)
{
	char *text;
	if (vasprintf(&text, format, ap) < 0)
		panic("out of memory");
	text_tame(text);
	xgrow(l->list, l->n, l->cap);
	l->list[l->n++] = text;
}

static void lines_free(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->list[i]);
	free(l->list);
}

static void words_free(struct word *set)
{
	struct word *w, *next;
	HASH_ITER(hh, set, w, next) {
		HASH_DEL(set, w);
		free(w->text);
		free(w);
	}
}

static void secrets_free(struct secret *set)
{
	struct secret *s, *next;
	HASH_ITER(hh, set, s, next) {
		HASH_DEL(set, s);
		free(s->variable);
		free(s->value);
		free(s->what);
		free(s);
	}
}

static void request_free(struct request *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->pairs[i].key);
		free(r->pairs[i].value);
	}
	free(r->pairs);
	lines_free(&r->notes);
	free(r->name);
	free(r->origin);
	free(r->path);
	free(r->url);
	free(r);
}

void draft_free(struct draft *d)
{
	for (size_t i = 0; i < d->n; i++)
		request_free(d->list[i]);
	free(d->list);
	secrets_free(d->secrets);
	lines_free(&d->notes);
	lines_free(&d->warnings);
	words_free(d->names);
	words_free(d->urls);
	*d = (struct draft){ 0 };
}

int draft_fail(struct draft *d, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	if (!*d->error)
		vsnprintf(d->error, sizeof d->error, format, ap);
	va_end(ap);
	return -1;
}

void draft_warn(struct draft *d, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	lines_add(&d->warnings, format, ap);
	va_end(ap);
	va_start(ap, format);
	lines_add(&d->notes, format, ap);
	va_end(ap);
}

void draft_note(struct draft *d, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	lines_add(&d->notes, format, ap);
	va_end(ap);
}

void request_note(struct request *r, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	lines_add(&r->notes, format, ap);
	va_end(ap);
}

static void warn_line(struct draft *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn_line(struct draft *d, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	lines_add(&d->warnings, format, ap);
	va_end(ap);
}

void request_warn(struct draft *d, struct request *r, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	lines_add(&r->notes, format, ap);
	va_end(ap);
	warn_line(d, "[%s] %s", r->name, r->notes.list[r->notes.n - 1]);
}

static struct request *add(struct draft *d, const char *name)
{
	struct request *r = xnew(struct request);
	r->name = name_unique(d, name);
	xgrow(d->list, d->n, d->cap);
	d->list[d->n++] = r;
	return r;
}

/* Room for one more? */
static bool room(struct draft *d)
{
	if (d->n < d->limit && d->n < REQUESTS_MAX)
		return true;
	d->beyond++;
	return false;
}

static void put_user(struct draft *d, struct request *r, const struct link *url)
{
	CLEANUP_BUF struct buf text = { 0 };
	if (url->user && *url->user)
		request_put(d, r, "user", url->user);
	if (url->password && *url->password) {
		text_secret(d, &text, "PASSWORD", url->password, strlen(url->password), "the password in the URL");
		request_set(d, r, "password", text.data);
	}
}

struct request *draft_add(struct draft *d, const struct link *url, const char *name)
{
	if (d->host && strcasecmp(d->host, url->host) != 0) {
		d->elsewhere++;
		return NULL;
	}
	if (!room(d))
		return NULL;
	CLEANUP_BUF struct buf path = { 0 };
	CLEANUP_FREE char *from_url = xasprintf("%s%s", d->in_order ? "" : url->host, url->path);
	struct request *r = add(d, name ? name : from_url);
	r->origin = link_origin(url);
	text_put(&path, url->path, strlen(url->path));
	if (url->query) {
		buf_putc(&path, '?');
		text_form(d, &path, url->query, strlen(url->query), "the URL");
	}
	r->path = xstrdup(buf_cstr(&path));
	r->url = xasprintf("%s%s", r->origin, r->path);
	put_user(d, r, url);
	return r;
}

struct request *draft_add_other(struct draft *d, const char *url)
{
	if (d->host) {
		d->elsewhere++;
		return NULL;
	}
	if (d->flow) {
		draft_warn(d, "%.100s is left out: steps of a flow are HTTP requests", url);
		return NULL;
	}
	if (!room(d))
		return NULL;
	CLEANUP_BUF struct buf text = { 0 };
	struct request *r = add(d, url);
	text_put(&text, url, strlen(url));
	r->url = xstrdup(text.data);
	return r;
}

static struct pair *find(const struct request *r, const char *key)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcasecmp(r->pairs[i].key, key))
			return &r->pairs[i];
	return NULL;
}

const char *request_get(const struct request *r, const char *key)
{
	const struct pair *p = find(r, key);
	return p ? p->value : NULL;
}

/* Why a file can't hold it; NULL: it can. */
static const char *unfit(const char *key, const char *text)
{
	size_t line = 0;
	if (!name_valid(key))
		return "its name is made of more than letters, digits and _ . -";
	for (const char *p = text; *p; p++) {
		line = *p == '\n' ? 0 : line + 1;
		if (*p == ROW_BEGIN || *p == ROW_END)
			return "its value holds control characters";
		if (line + strlen(key) + 64 > LINE_MAX_BYTES)
			return "its value is longer than a line may be (64 KiB)";
	}
	return NULL;
}

void request_set(struct draft *d, struct request *r, const char *key, const char *text)
{
	const char *why = unfit(key, text);
	struct pair *p = find(r, key);
	if (why) {
		request_warn(d, r, "not taken over: %.80s: %s", key, why);
		return;
	}
	if (p) {
		free(p->value);
		p->value = xstrdup(text);
		return;
	}
	xgrow(r->pairs, r->n, r->cap);
	r->pairs[r->n++] = (struct pair){ .key = xstrdup(key), .value = xstrdup(text) };
}

void request_unset(struct request *r, const char *key)
{
	struct pair *p = find(r, key);
	if (!p)
		return;
	free(p->key);
	free(p->value);
	memmove(p, p + 1, (size_t)(r->pairs + --r->n - p) * sizeof *p);
}

void request_put(struct draft *d, struct request *r, const char *key, const char *value)
{
	CLEANUP_BUF struct buf text = { 0 };
	text_put(&text, value, strlen(value));
	request_set(d, r, key, text.data);
}

void request_method(struct draft *d, struct request *r, const char *method)
{
	r->changes = strcasecmp(method, "GET") != 0 && strcasecmp(method, "HEAD") != 0 &&
		     strcasecmp(method, "OPTIONS") != 0 && strcasecmp(method, "TRACE") != 0;
	if (strcmp(method, "GET") != 0)
		request_put(d, r, "method", method);
}
