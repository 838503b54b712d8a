/* SPDX-License-Identifier: Apache-2.0 */
/* words.h - a reader of words with blanks between them, one at hand at a time. For the parsers of core/plan. */
#ifndef PLAN_WORDS_H
#define PLAN_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/lex.h"

#define WORDS_TIME_MAX (INT64_C(3650) * 86400 * 1000000000)

struct words {
	struct lexer l;
	const char *const *known; /* for suggestions */
	size_t n_known;
	const char *at; /* the word at hand; at the end of the text it is "" */
	char word[64];  /* cut off where it is longer, which nothing that is expected is */
};

void words_begin(struct words *w, const char *text, const char *const *known, size_t n_known, char *error, size_t size);
void words_next(struct words *w);
bool words_are(const struct words *w, const char *word);
/* Goes on to the next where it is that. */
bool words_take(struct words *w, const char *word);
/* "column 7: expected WHAT, found "30"", with a suggestion if one is in WHAT. Always -1. */
int words_expected(struct words *w, const char *what);
/* Cuts the word at hand at `by`; what follows it, NULL where it is not in it. */
char *words_split(struct words *w, const char *by);
/* A part of the word at hand, which stands in the text at `at`, as a duration from `least` to WORDS_TIME_MAX. 0 or -1. */
int words_time(struct words *w, const char *at, const char *text, int64_t least_ns, int64_t *out);
/* The word at hand as a duration; goes on to the next. 0 or -1. */
int words_duration(struct words *w, int64_t least_ns, int64_t *out);

#endif
