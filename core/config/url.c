/* SPDX-License-Identifier: Apache-2.0 */
/* url.c - see url.h */
#include "config/url.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "config/print.h"
#include "config/section.h"

struct piece {
	const char *s;
	size_t n; /* NULL s: not in the URL */
};

struct url {
	struct piece scheme, user, password, authority, host, port, path, query, fragment;
};

static size_t scheme_length(const char *s)
{
	size_t n = 0;
	if (!isalpha((unsigned char)*s))
		return 0;
	while (isalnum((unsigned char)s[n]) || (s[n] && strchr("+-.", s[n])))
		n++;
	return strncmp(s + n, "://", 3) ? 0 : n;
}

static struct piece piece_of(const char *from, const char *to)
{
	return (struct piece){ .s = from, .n = (size_t)(to - from) };
}

static void split_authority(struct url *u, const char *p, const char *end)
{
	const char *at = memrchr(p, '@', (size_t)(end - p));
	if (at) {
		const char *colon = memchr(p, ':', (size_t)(at - p));
		u->user = piece_of(p, colon ? colon : at);
		if (colon)
			u->password = piece_of(colon + 1, at);
		p = at + 1;
	}
	if (p == end)
		return;
	u->authority = piece_of(p, end);
	const char *close = *p == '[' ? memchr(p, ']', (size_t)(end - p)) : NULL;
	const char *colon = memrchr(close ? close : p, ':', (size_t)(end - (close ? close : p)));
	u->host = close ? piece_of(p + 1, close) : piece_of(p, colon ? colon : end);
	if (colon)
		u->port = piece_of(colon + 1, end);
}

static int split(const char *s, struct url *u)
{
	size_t n = scheme_length(s);
	*u = (struct url){ 0 };
	if (!n)
		return -1;
	u->scheme = piece_of(s, s + n);
	const char *p = s + n + 3, *end = p + strcspn(p, "/?#");
	split_authority(u, p, end);
	p = end;
	if (*p == '/') {
		end = p + strcspn(p, "?#");
		if (end > p + 1)
			u->path = piece_of(p + 1, end);
		p = end;
	}
	if (*p == '?') {
		end = p + strcspn(p, "#");
		u->query = piece_of(p + 1, end);
		p = end;
	}
	if (*p == '#')
		u->fragment = piece_of(p + 1, p + strlen(p));
	return 0;
}

/* Options being gathered in one piece of memory, large enough for all that a URL can fill. */
struct filling {
	struct kv *kvs;
	size_t n;
	char *strings;
};

static char *put_string(struct filling *f, struct piece p, bool decode)
{
	char *start = f->strings, *to = start;
	for (size_t i = 0; i < p.n; i++) {
		unsigned v;
		if (decode && p.s[i] == '%' && i + 2 < p.n && isxdigit((unsigned char)p.s[i + 1]) &&
		    isxdigit((unsigned char)p.s[i + 2]) && sscanf(p.s + i + 1, "%2x", &v) == 1 && v >= ' ') {
			*to++ = (char)v;
			i += 2;
		} else {
			*to++ = p.s[i];
		}
	}
	*to++ = '\0';
	f->strings = to;
	return start;
}

/* The first one to fill an option stands. */
static void fill(struct filling *f, const char *key, const char *value)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->kvs[i].key, key))
			return;
	f->kvs[f->n++] = (struct kv){ .key = key, .value = value };
}

static int fill_piece(struct filling *f, struct piece p, const char *option, const struct scheme_decl *d, bool decode,
		      const char *what, char *error, size_t size)
{
	if (!p.s || (!option && d->whole))
		return 0;
	if (!option) {
		snprintf(error, size, "a URL of %s:// takes no %s", d->scheme, what);
		return -1;
	}
	fill(f, put_string(f, piece_of(option, option + strlen(option)), false), put_string(f, p, decode));
	return 0;
}

/* key=value pairs between `separator`s; a key alone is "yes". */
static void fill_pairs(struct filling *f, struct piece p, char separator, bool decode)
{
	const char *s = p.s, *end = p.s + p.n;
	while (s < end) {
		const char *next = memchr(s, separator, (size_t)(end - s));
		struct piece pair = piece_of(s, next ? next : end);
		const char *equals = memchr(pair.s, '=', pair.n);
		struct piece key = piece_of(pair.s, equals ? equals : pair.s + pair.n);
		struct piece value =
		    equals ? piece_of(equals + 1, pair.s + pair.n) : (struct piece){ .s = "yes", .n = 3 };
		if (key.n)
			fill(f, put_string(f, key, decode), put_string(f, value, decode));
		s = next ? next + 1 : end;
	}
}

static size_t count_char(const char *s, char c)
{
	size_t n = 0;
	for (; s && *s; s++)
		n += *s == c;
	return n;
}

static int fill_all(struct filling *f, const struct scheme_decl *d, const char *text, const struct url *u, char *error,
		    size_t size)
{
	if (d->whole)
		fill(f, put_string(f, piece_of(d->whole, d->whole + strlen(d->whole)), false),
		     put_string(f, piece_of(text, text + strlen(text)), false));
	bool joined = d->authority; /* takes host and port together */
	if (joined && fill_piece(f, u->authority, d->authority, d, false, "host", error, size))
		return -1;
	if ((!joined || d->host) && fill_piece(f, u->host, d->host, d, false, "host", error, size))
		return -1;
	if ((!joined || d->port) && fill_piece(f, u->port, d->port, d, false, "port", error, size))
		return -1;
	if (fill_piece(f, u->path, d->path, d, true, "path", error, size) ||
	    fill_piece(f, u->user, d->user, d, true, "user", error, size) ||
	    fill_piece(f, u->password, d->password, d, true, "password", error, size))
		return -1;
	if (u->query.s && d->query_opts)
		fill_pairs(f, u->query, '&', true);
	else if (fill_piece(f, u->query, NULL, d, false, "query", error, size))
		return -1;
	if (fill_piece(f, u->fragment, NULL, d, false, "fragment", error, size))
		return -1;
	if (d->preset)
		fill_pairs(f, piece_of(d->preset, d->preset + strlen(d->preset)), ';', false);
	return 0;
}

static size_t length(const char *s)
{
	return s ? strlen(s) : 0;
}

int url_to_options(const struct scheme_decl *d, const char *text, struct kv **out, size_t *n, char *error, size_t size)
{
	struct url u;
	if (split(text, &u)) {
		snprintf(error, size, "expected a URL, such as %s://host", d->scheme);
		return -1;
	}
	size_t most = 16 + count_char(text, '&') + count_char(d->preset, ';');
	size_t bytes = 4 * strlen(text) + 2 * length(d->preset) + 6 * most + length(d->whole) + length(d->authority) +
		       length(d->host) + length(d->port) + length(d->path) + length(d->user) + length(d->password);
	struct filling f = { .kvs = xcalloc(1, most * sizeof *f.kvs + bytes) };
	f.strings = (char *)(f.kvs + most);
	if (fill_all(&f, d, text, &u, error, size)) {
		free(f.kvs);
		return -1;
	}
	*out = f.kvs;
	*n = f.n;
	return 0;
}

/* Length up to the first of `stop`; what stands in {{...}} is passed over. */
static size_t span(const char *s, const char *stop)
{
	const char *p = s;
	while (*p && !strchr(stop, *p)) {
		const char *end = p[0] == '{' && p[1] == '{' ? strstr(p + 2, "}}") : NULL;
		p = end ? end + 2 : p + 1;
	}
	return (size_t)(p - s);
}

char *url_join(const char *base, const char *path)
{
	size_t scheme = scheme_length(base);
	if (!scheme)
		return NULL;
	size_t root = scheme + 3 + span(base + scheme + 3, "/?#");
	size_t path_end = root + span(base + root, "?#");
	size_t keep, len = span(path, "#");
	if (!len) {
		keep = path_end + span(base + path_end, "#");
	} else if (*path == '/') {
		keep = root;
	} else if (*path == '?') {
		keep = path_end;
	} else {
		for (keep = root; keep < path_end;) {
			size_t n = span(base + keep, "/?#");
			if (base[keep + n] != '/')
				break;
			keep += n + 1;
		}
	}
	bool bare = keep == root && len && *path != '/';
	return xasprintf("%.*s%s%.*s", (int)keep, base, bare ? "/" : "", (int)len, path);
}

int url_host(const char *text, char *out, size_t size)
{
	struct url u;
	if (split(text, &u)) {
		const char *end = text + strcspn(text, "/?#");
		u = (struct url){ 0 };
		split_authority(&u, text, end);
		/* an IPv6 address by itself has no port */
		if (*text != '[' && memchr(text, ':', (size_t)(end - text)) != memrchr(text, ':', (size_t)(end - text)))
			u.host = piece_of(text, end);
	}
	if (!u.host.s || !u.host.n || u.host.n >= size || memmem(u.host.s, u.host.n, "{{", 2))
		return -1;
	for (size_t i = 0; i < u.host.n; i++)
		out[i] = (char)tolower((unsigned char)u.host.s[i]);
	out[u.host.n] = '\0';
	return 0;
}

int url_scheme(const char *url, char *out, size_t size)
{
	size_t n = scheme_length(url);
	if (!n || n >= size)
		return -1;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)tolower((unsigned char)url[i]);
	out[n] = '\0';
	return 0;
}

void url_to_name(const char *url, char *out, size_t size)
{
	struct url u;
	size_t n = 0, limit = size - 1 < NAME_MAX_BYTES - 8 ? size - 1 : NAME_MAX_BYTES - 8;
	const char *rest = url;
	if (!split(url, &u)) {
		for (size_t i = 0; i < u.scheme.n + 3 && n < limit; i++)
			out[n++] = url[i];
		rest = u.authority.s ? u.authority.s : url + u.scheme.n + 3;
		if (!u.authority.s && u.user.s)
			rest += strcspn(rest, "/?#");
	}
	for (const char *p = rest; *p && *p != '#' && n < limit; p++) {
		char one[2] = { *p, 0 };
		if (*p == '[' || *p == ']')
			continue;
		out[n++] = target_name_valid(one) ? *p : '_';
	}
	while (n > 1 && out[n - 1] == '/' && out[n - 2] != '/')
		n--;
	if (!n)
		out[n++] = '_';
	out[n] = '\0';
}

void urls_to_text(struct buf *out, const char *const *urls, size_t n, const char *interval, const char *more)
{
	char(*names)[NAME_MAX_BYTES + 1] = xcalloc(n, sizeof *names);
	for (size_t i = 0; i < n; i++) {
		url_to_name(urls[i], names[i], sizeof names[i]);
		size_t len = strlen(names[i]);
		int again = 1;
		for (size_t j = 0; j < i; j++)
			if (!strcmp(names[i], names[j])) {
				snprintf(names[i] + len, sizeof names[i] - len, "-%d", ++again);
				j = (size_t)-1;
			}
		buf_printf(out, "[target %s]\n", names[i]);
		print_entry(out, "url", urls[i]);
		if (interval)
			print_entry(out, "interval", interval);
		buf_puts(out, more ? more : "");
		buf_putc(out, '\n');
	}
	free(names);
}

struct model *model_from_urls(struct registry *registry, const char *const *urls, size_t n, const char *interval,
			      struct errs *errs)
{
	CLEANUP_BUF struct buf text = { 0 };
	size_t before = errs->errors;
	urls_to_text(&text, urls, n, interval, NULL);
	struct config *c = config_parse("command line", buf_cstr(&text), errs);
	struct model *m = errs->errors == before ? model_build(c, registry, errs) : NULL;
	config_free(c);
	return m;
}
