/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dialogue.h - what to say on a connection and what to hear: parsed once for a target, matched against the stream
 * that arrives, however it is cut into segments. Does no I/O. The tcp driver's own.
 *
 *   send "EHLO probe\r\n"        escapes \r \n \t \0 \\ \" \xHH; %{name} is an earlier capture
 *   expect /^250 (?<who>\S+)/i   PCRE2, multi-line; flags i, s, x; named groups are captures
 *   expect "literal"
 *   starttls                     the TLS handshake, here
 */
#ifndef TCP_DIALOGUE_H
#define TCP_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIALOGUE_STEPS 64
#define DIALOGUE_CAPTURES 32

enum { DIALOGUE_SEND, DIALOGUE_EXPECT, DIALOGUE_STARTTLS };

struct dialogue_step;

struct dialogue {
	unsigned n_steps, n_captures;
	struct dialogue_step *steps[DIALOGUE_STEPS];
	char *captures[DIALOGUE_CAPTURES]; /* names, in the order of their first appearance */
};

/* A growing run of bytes; data is NULL while cap is 0. */
struct bytes {
	char *data;
	size_t len, cap;
};

/* What arrived and is not used up. */
struct stream {
	struct bytes b;
	size_t from; /* where the next match may begin; what stands before is context */
};

/* The value of a capture: a part of struct said.values. */
struct said {
	struct bytes values;
	struct {
		size_t at, len;
	} capture[DIALOGUE_CAPTURES];
};

/* A worker's scratch for matching. */
struct matcher;

enum {
	DIALOGUE_MATCHED, /* and what matched is used up */
	DIALOGUE_MORE,    /* not yet */
	DIALOGUE_MAYBE,   /* matches if nothing more arrives, but what arrives could change it */
	DIALOGUE_LIMIT    /* the pattern needs too many steps on this input */
};

struct dialogue *dialogue_new(void);
void dialogue_free(struct dialogue *d);
/* Adds a step. 0, or -1 with a line in `error`. */
int dialogue_add(struct dialogue *d, const char *text, char *error, size_t size);
int dialogue_kind(const struct dialogue_step *step);
/* As it was written. */
const char *dialogue_text(const struct dialogue_step *step);

/* Appends what a SEND says. 0, or -1 out of memory. */
int dialogue_render(const struct dialogue_step *step, const struct said *said, struct bytes *out);

struct matcher *matcher_new(void);
void matcher_free(struct matcher *m);
/* Matches an EXPECT; `end`: nothing more will arrive. MATCHED puts the captures in `said`, and a bit for each in
 * *captured. */
int dialogue_match(struct matcher *m, const struct dialogue_step *step, struct stream *in, bool end, struct said *said,
                   uint32_t *captured);

/* 0, or -1 out of memory. */
int bytes_reserve(struct bytes *b, size_t n);
int bytes_put(struct bytes *b, const void *data, size_t n);
void bytes_free(struct bytes *b);
/* Appends what arrived; drops used-up bytes where they are many. 0, or -1 out of memory. */
int stream_put(struct stream *s, const void *data, size_t n);

#endif
