/* SPDX-License-Identifier: Apache-2.0 */
/* capture.c - see capture.h */
#include "judge/capture.h"

#include <stdio.h>

#include "base/mem.h"
#include "judge/source.h"

#define CAPTURE_MAGIC 0x63617074u

struct capture {
	unsigned magic;
	struct source source;
};

struct capture *capture_compile(const char *text, const struct driver_table *driver, char *error, size_t size)
{
	struct capture *c = xnew(struct capture);
	struct lexer l = { .text = text, .p = text, .error = error, .size = size };
	struct shape shape;
	c->magic = CAPTURE_MAGIC;
	if (source_parse(&l, &c->source, driver, &shape) == 0) {
		if (lex_end(&l))
			return c;
		filter_unknown(&l, " of a capture");
	}
	capture_free(c);
	return NULL;
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	CHECK_MAGIC(c, CAPTURE_MAGIC);
	c->magic = 0;
	source_free(&c->source);
	free(c);
}

int64_t capture_body_want(const struct capture *c)
{
	CHECK_MAGIC(c, CAPTURE_MAGIC);
	return source_body_want(&c->source);
}

bool capture_fact(const struct capture *c, uint32_t *index, const char **late)
{
	CHECK_MAGIC(c, CAPTURE_MAGIC);
	return source_fact(&c->source, index, late);
}

int capture_run(const struct capture *c, const struct evidence *evidence, struct buf *out, char *why, size_t size)
{
	CHECK_MAGIC(c, CAPTURE_MAGIC);
	char text[256] = "";
	struct line reason = { text, sizeof text, 0 };
	struct scratch *s = c->source.scratch;
	source_run(&c->source, evidence, &reason);
	const struct values *v = &s->values[s->now];
	int rc = v->n && !s->failed ? 0 : -1;
	buf_clear(out);
	if (rc)
		snprintf(why, size, "%s: %s", c->source.subject, text[0] ? text : "nothing there");
	else
		value_put(out, &v->list[0]);
	scratch_reset(s);
	return rc;
}
