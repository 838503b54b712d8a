/* SPDX-License-Identifier: Apache-2.0 */
/* errs.c - see errs.h */
#include "base/errs.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/mem.h"

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
	xgrow(e->list, e->n, e->cap);
	e->list[e->n++] = (struct errs_entry){ .text = buf_cstr(&b), .warning = warning };
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
