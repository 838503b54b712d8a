/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lex.h - a reader of one expression: words, quoted strings, /patterns/. Its errors have their column. For the
 * parsers of core/judge.
 */
#ifndef JUDGE_LEX_H
#define JUDGE_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct lexer {
	const char *text, *p;
	char *error; /* "column 8: ..." */
	size_t size;
	char *file; /* where a parser failed for lack of a file's content behind p: its name, allocated */
};

/* A piece of the text. */
struct word {
	const char *at;
	size_t len;
};

/* A value as written: a bare or a quoted one, unescaped. */
struct literal {
	const char *at;
	bool quoted;
	struct buf text; /* NUL-terminated */
};

/* Writes "column N: message"; always -1, so that a parser returns it. */
int lex_fail(struct lexer *l, const char *at, const char *format, ...) __attribute__((format(printf, 3, 4)));

void lex_blank(struct lexer *l);
bool lex_end(struct lexer *l);
/* The next name or keyword, which blanks, quotes and the characters of operators end; len 0: there is none. */
struct word lex_word(struct lexer *l);
bool word_is(struct word w, const char *s);
/* The word as a NUL-terminated string of at most 63 bytes, for messages and suggestions. */
const char *word_text(struct word w, char out[64]);
/* Takes `s` where it stands next. */
bool lex_take(struct lexer *l, const char *s);
/* A bare value ends at a blank, or before any of `stops` ("," and "}" in a set, ".." in a range). 0 or -1. The caller frees
 * lit->text. */
int lex_literal(struct lexer *l, const char *const *stops, struct literal *lit);
/* /pattern/flags, or a quoted string. 0 or -1. */
int lex_pattern(struct lexer *l, struct word *pattern, struct literal *quoted, uint32_t *flags);

#endif
