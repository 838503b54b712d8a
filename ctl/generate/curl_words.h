/* SPDX-License-Identifier: Apache-2.0 */
/* curl_words.h - a shell's command line as words. Nothing is expanded, nothing is run. Pure. */
#ifndef GENERATE_CURL_WORDS_H
#define GENERATE_CURL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct words {
	char **list;
	size_t n, cap;
	const char *left; /* out: why the rest of the line was left, such as "|"; NULL: it wasn't */
	bool expands;     /* out: the shell would have put something in: $X, `...` */
};

/* The words of the first command of *text, which is moved behind it. 1: there is one, 0: the end, -1: an open quote. */
int shell_words_next(struct words *w, const char **text, const char *end);
void words_free(struct words *w);

#endif
