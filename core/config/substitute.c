/* SPDX-License-Identifier: Apache-2.0 */
/*
 * substitute.c - what stands in values for something else: ${ENV}, ${ENV:-default}, ${file:/path}, $$, and, later and
 * for each row of a target set, ${row.COLUMN}. What is put in is not looked at again.
 */
#include "config/section.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define SECRET_FILE_MAX (1u << 20)

static bool is_variable(const char *s, size_t n)
{
	if (!n || isdigit((unsigned char)*s))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '_')
			return false;
	return true;
}

static int put_text(const char *s, struct buf *out, char *error, size_t size)
{
	if (strchr(s, ROW_BEGIN) || strchr(s, ROW_END)) {
		snprintf(error, size, "holds control characters: expected text");
		return -1;
	}
	buf_puts(out, s);
	return 0;
}

static int put_file(const char *name, const char *from, struct buf *out, char *error, size_t size)
{
	CLEANUP_FREE char *path = path_beside(from, name);
	size_t len;
	CLEANUP_FREE char *text = file_read(path, SECRET_FILE_MAX, &len);
	char why[200];
	if (!text) {
		snprintf(error, size, "can't read %s: %s", path,
			 errno == EFBIG ? "larger than 1 MiB" : strerror(errno));
		return -1;
	}
	if (strlen(text) != len) {
		snprintf(error, size, "%s holds a NUL byte: expected text", path);
		return -1;
	}
	if (len && text[len - 1] == '\n')
		text[--len] = '\0';
	if (len && text[len - 1] == '\r')
		text[--len] = '\0';
	if (put_text(text, out, why, sizeof why)) {
		snprintf(error, size, "%s %s", path, why);
		return -1;
	}
	return 0;
}

/* What stands between ${ and }. */
static int put_named(char *name, const char *from, struct buf *out, char *error, size_t size)
{
	if (!strncmp(name, "file:", 5))
		return put_file(name + 5, from, out, error, size);
	if (!strncmp(name, "row.", 4) && name_valid(name + 4)) {
		buf_printf(out, "%c%s%c", ROW_BEGIN, name + 4, ROW_END);
		return 0;
	}
	char *or_else = strstr(name, ":-");
	if (or_else) {
		*or_else = '\0';
		or_else += 2;
	}
	if (!is_variable(name, strlen(name))) {
		snprintf(error, size,
			 "${%.60s} is neither ${VARIABLE}, ${VARIABLE:-default}, ${file:/path} nor ${row.COLUMN}: "
			 "write $${ for the characters themselves",
			 name);
		return -1;
	}
	const char *value = getenv(name);
	if (!value)
		value = or_else;
	if (!value) {
		snprintf(error, size, "the environment variable %s is not set: set it, or give a default, ${%s:-...}",
			 name, name);
		return -1;
	}
	char why[200];
	if (put_text(value, out, why, sizeof why)) {
		snprintf(error, size, "the environment variable %s %s", name, why);
		return -1;
	}
	return 0;
}

static int substitute(const char *text, const char *from, struct buf *out, char *error, size_t size)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "$");
		buf_put(out, p, n);
		p += n;
		if (p[0] == '$' && p[1] == '$') {
			buf_putc(out, '$');
			p += 2;
		} else if (p[0] == '$' && p[1] == '{') {
			const char *end = strchr(p, '}');
			if (!end) {
				snprintf(error, size, "${ without its }: write $${ for the characters themselves");
				return -1;
			}
			CLEANUP_FREE char *name = xstrndup(p + 2, (size_t)(end - p - 2));
			if (put_named(name, from, out, error, size))
				return -1;
			p = end + 1;
		} else if (*p) {
			buf_putc(out, *p++);
		}
	}
	buf_cstr(out);
	return 0;
}

void section_substitute(struct section *s, struct errs *errs)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[i];
		char error[600];
		struct buf out = { 0 };
		if (!strchr(e->value, '$')) {
			s->entries[kept++] = *e;
		} else if (substitute(e->value, e->at.file, &out, error, sizeof error)) {
			errs_add(errs, e->at, s->title, e->key, "%s", error);
			buf_free(&out);
			free(e->key);
			free(e->value);
		} else {
			free(e->value);
			e->value = out.data;
			s->entries[kept++] = *e;
		}
	}
	s->n = kept;
}

bool row_present(const char *value)
{
	return strchr(value, ROW_BEGIN) != NULL;
}

char *row_substitute(const char *value, const char *(*column)(void *ctx, const char *name), void *ctx, char *missing,
		     size_t size)
{
	struct buf out = { 0 };
	for (const char *p = value; *p;) {
		size_t n = strcspn(p, "\x01");
		buf_put(&out, p, n);
		p += n;
		if (!*p)
			break;
		const char *end = strchr(p, ROW_END);
		CLEANUP_FREE char *name = xstrndup(p + 1, (size_t)(end - p - 1));
		const char *text = column(ctx, name);
		if (!text) {
			snprintf(missing, size, "%s", name);
			buf_free(&out);
			return NULL;
		}
		buf_puts(&out, text);
		p = end + 1;
	}
	return buf_cstr(&out);
}
