/* SPDX-License-Identifier: Apache-2.0 */
/* errs.c - see errs.h */
#include "base/errs.h"

#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#define KEPT 200

static void add(struct errs *e, bool warning, struct place at, const char *section, const char *key,
                const char *format, va_list ap)
{
	if (warning)
		e->warnings++;
	else
		e->errors++;
	if (e->n >= KEPT)
		return;
	struct buf b = { 0 };
	if (at.file && at.line)
		buf_printf(&b, "%s:%d: ", at.file, at.line);
	else if (at.file)
		buf_printf(&b, "%s: ", at.file);
	if (warning)
		buf_puts(&b, "warning: ");
	if (section)
		buf_printf(&b, "[%s] ", section);
	if (key)
		buf_printf(&b, "%s: ", key);
	char text[1024];
	vsnprintf(text, sizeof text, format, ap);
	buf_puts(&b, text);
	uint64_t file = at.file ? str_hash(at.file, strlen(at.file)) : 0;
	size_t group = e->n;
	for (size_t i = 0; i < e->n && group == e->n; i++)
		if (e->list[i].file == file)
			group = e->list[i].group;
	xgrow(e->list, e->n, e->cap);
	e->list[e->n++] = (struct errs_entry){ .text = buf_cstr(&b),
		                               .warning = warning,
		                               .file = file,
		                               .group = group,
		                               .line = at.line };
}

void errs_add(struct errs *e, struct place at, const char *section, const char *key, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	add(e, false, at, section, key, format, ap);
	va_end(ap);
}

void errs_warn(struct errs *e, struct place at, const char *section, const char *key, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	add(e, true, at, section, key, format, ap);
	va_end(ap);
}

void errs_sort(struct errs *e)
{
	for (size_t i = 1; i < e->n; i++) {
		struct errs_entry moved = e->list[i];
		size_t to = i;
		for (; to && (e->list[to - 1].group > moved.group ||
		              (e->list[to - 1].group == moved.group && e->list[to - 1].line > moved.line));
		     to--)
			e->list[to] = e->list[to - 1];
		e->list[to] = moved;
	}
}

void errs_print(const struct errs *e, FILE *to)
{
	for (size_t i = 0; i < e->n; i++)
		fprintf(to, "%s\n", e->list[i].text);
	if (e->errors + e->warnings > e->n)
		fprintf(to, "... and %zu more\n", e->errors + e->warnings - e->n);
}

void errs_free(struct errs *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->list[i].text);
	free(e->list);
	*e = (struct errs){ 0 };
}
