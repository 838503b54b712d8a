/* SPDX-License-Identifier: Apache-2.0 */
/* options.h - the command line of `probectl generate`. */
#ifndef GENERATE_OPTIONS_H
#define GENERATE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "generate/draft.h"
#include "generate/source.h"

struct command {
	const char *name;
	int (*run)(struct draft *d, const struct source_settings *set, const char *from);
	const char *argument, *help;
	size_t limit;  /* unless --limit says otherwise */
	bool flow;     /* steps of a flow, unless --targets */
	bool in_order; /* names without the host */
};

struct options {
	const struct command *command;
	const char *from;   /* what the command works on */
	char *const *words; /* curl: the command line as words; NULL: it is one text */
	size_t n_words;
	const char *output; /* NULL: standard output */
	bool force, help;
	int64_t limit; /* of --limit or --top; 0: the command's */
	struct layout layout;
	struct draft draft; /* its settings only */
	struct source_settings settings;
};

/* 0, or -1 with a line in `error`. */
int options_parse(struct options *o, int argc, char **argv, char *error, size_t size);
void options_help(void);

#endif
