/* SPDX-License-Identifier: Apache-2.0 */
/* template.h - options rendered for each probe: {{seq}}, {{now}}, {{uuid}} ... Compiled once. Pure. */
#ifndef JUDGE_TEMPLATE_H
#define JUDGE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct template;

/* What the names in a template stand for, in one probe. */
struct template_scope {
	const char *target;
	uint64_t seq;
	int64_t wall_ns;
	uint64_t (*random)(void);
};

/* Does the text hold {{...}}? */
bool template_present(const char *text);
/* NULL with a line in `error` where it is malformed or has an unknown name. */
struct template *template_compile(const char *text, char *error, size_t size);
void template_free(struct template *t);
void template_render(const struct template *t, const struct template_scope *scope, struct buf *out);

#endif
