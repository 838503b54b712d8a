/* SPDX-License-Identifier: Apache-2.0 */
/*
 * draft.h - what a generator gathers: requests with their options, what could not be taken over, and the secrets that
 * stay out of the file. Values are texts of a configuration: $ and {{ of others are escaped when they are put in. One
 * thread.
 */
#ifndef GENERATE_DRAFT_H
#define GENERATE_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "base/buf.h"
#include "generate/link.h"

#define REQUESTS_MAX 100000

struct pair {
	char *key, *value;
};

struct lines {
	char **list;
	size_t n, cap;
};

struct request {
	char *name;   /* unique */
	char *origin; /* "https://host"; NULL: `url` is no http URL */
	char *path;   /* "/path?query", a text of the configuration */
	char *url;    /* the whole, a text of the configuration */
	struct pair *pairs;
	size_t n, cap;
	struct lines notes; /* comments above its section */
	int64_t weight;     /* 0: none */
	int64_t think_ns;   /* pause after it, in a flow */
	bool changes;       /* it may change something where it goes: not for monitoring */
};

struct secret {
	char *variable, *value, *what;
	bool used; /* stands in the file: see secrets_mark() */
	UT_hash_handle hh;
};

struct word {
	char *text;
	UT_hash_handle hh;
};

struct draft {
	bool keep_secrets;
	const char *host; /* only URLs of this host, NULL: all */
	size_t limit;
	bool flow;     /* steps of one flow rather than targets */
	bool in_order; /* names need no host */
	bool asked;    /* each request is asked for by itself: it is monitored whatever it does */
	struct request **list;
	size_t n, cap;
	size_t beyond;          /* left out for the limit's sake */
	size_t elsewhere;       /* left out for the host's */
	struct lines notes;     /* comments at the head */
	struct lines warnings;  /* for stderr */
	struct secret *secrets; /* by variable, in the order of their coming */
	struct word *names, *urls;
	char error[600];
};

void draft_free(struct draft *d);
/* Says why nothing can be made of it; -1. */
int draft_fail(struct draft *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A comment at the head, and a warning. */
void draft_warn(struct draft *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A comment at the head only. */
void draft_note(struct draft *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A new request to an http URL, with user, password and tokens of the URL treated as secrets. NULL where the limit or
 * the wanted host leaves it out (counted). `name` NULL: made from the URL. */
struct request *draft_add(struct draft *d, const struct link *url, const char *name);
/* A new one to any other URL. */
struct request *draft_add_other(struct draft *d, const char *url);
/* Is this URL in the draft already? Remembers it. */
bool draft_seen(struct draft *d, const char *url);

/* Value as a text of the configuration. What a file can't hold is refused with a note. */
void request_set(struct draft *d, struct request *r, const char *key, const char *text);
const char *request_get(const struct request *r, const char *key);
void request_unset(struct request *r, const char *key);
/* Value as it is, escaped here. */
void request_put(struct draft *d, struct request *r, const char *key, const char *value);
/* A comment above it, and a warning with its name. */
void request_warn(struct draft *d, struct request *r, const char *format, ...) __attribute__((format(printf, 3, 4)));
void request_note(struct request *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* header.NAME, joined with an equal one; a secret's value becomes a variable. */
void request_header(struct draft *d, struct request *r, const char *name, const char *value);
/* A body, its passwords and tokens as variables. n bytes. */
void request_body(struct draft *d, struct request *r, const char *body, size_t n);
/* A cookie header's value, each cookie's value a secret. */
void request_cookies(struct draft *d, struct request *r, const char *cookies);
/* Of the HTTP method: method = ..., and whether it may change something. */
void request_method(struct draft *d, struct request *r, const char *method);

/* text.c: texts of a configuration. */
void text_put(struct buf *out, const char *s, size_t n);
/* For comments and terminals, in place: no control characters, no broken UTF-8. */
void text_tame(char *s);
/* A secret: its variable, or itself where secrets are kept. `kind` names the variable, `what` it is for people. */
void text_secret(struct draft *d, struct buf *out, const char *kind, const char *value, size_t n, const char *what);
void text_variable(struct draft *d, struct buf *out, const char *kind, const char *what);
/* A query or form, its secrets hidden. */
void text_form(struct draft *d, struct buf *out, const char *form, size_t n, const char *what);
void text_json(struct draft *d, struct buf *out, const char *json, size_t n);
bool secret_name(const char *name, size_t n);
/* Marks those whose variables stand in a request still. */
void secrets_mark(struct draft *d);

/* name.c */
/* [A-Za-z0-9_.-]+ of any text, malloc'ed. */
char *name_clean(const char *text);
/* The same, with -2, -3 ... where it is taken; malloc'ed. */
char *name_unique(struct draft *d, const char *text);

/* write.c: the configuration. */
enum draft_plan { PLAN_NONE, PLAN_HUMAN, PLAN_RATE };
struct layout {
	const char *from;     /* "generate crawl https://example.org", a comment */
	const char *interval; /* NULL: the default */
	enum draft_plan plan;
};
void draft_write(struct draft *d, const struct layout *how, struct buf *out);

#endif
