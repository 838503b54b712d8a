/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ini.c - hands each section to iniparser, and takes the values that it read.
 *
 * iniparser loads from a path, in time quadratic in the number of sections, lower-cases names, cuts values at ; and #,
 * and forgets lines. So it gets one section at a time, an entry a line, through a memory file: the line of its error
 * is the entry. A value that it would damage goes as a token, and is put back.
 */
#include "config/section.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <iniparser/iniparser.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/mem.h"

#define PLAIN_MAX 512 /* iniparser's line ends at about 1020 bytes */

static char complaint[256]; /* what iniparser said last: its callback takes no argument, so configurations are read one
			       at a time */

static int __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	if (!*complaint)
		vsnprintf(complaint, sizeof complaint, format, ap);
	va_end(ap);
	complaint[strcspn(complaint, "\n")] = '\0';
	return 0;
}

/* Does iniparser keep it as it is? */
static bool is_plain(const char *value)
{
	size_t n = strlen(value);
	if (!n || n > PLAIN_MAX || isspace((unsigned char)value[0]) || isspace((unsigned char)value[n - 1]))
		return false;
	for (const char *p = value; *p; p++)
		if (*p < ' ' || *p > '~' || strchr("\"';#\\", *p))
			return false;
	return true;
}

static void write_section(const struct section *s, struct buf *out)
{
	buf_printf(out, "[%s%s%s]\n", s->kind, *s->name ? " " : "", name_valid(s->name) || !*s->name ? s->name : "~");
	for (size_t i = 0; i < s->n; i++) {
		if (is_plain(s->entries[i].value))
			buf_printf(out, "%s = %s\n", s->entries[i].key, s->entries[i].value);
		else
			buf_printf(out, "%s = ~%zu\n", s->entries[i].key, i);
	}
}

static dictionary *load(const struct buf *text)
{
	CLEANUP_CLOSE int fd = memfd_create("section", MFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	for (size_t done = 0; done < text->len;) {
		ssize_t n = write(fd, text->data + done, text->len - done);
		if (n < 0)
			return NULL;
		done += (size_t)n;
	}
	char path[48];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return iniparser_load(path);
}

/* Takes entry `drop` for the copy of `first` that it is. */
static void refuse_duplicates(struct section *s, struct errs *errs)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[i], *first = NULL;
		for (size_t j = 0; j < kept && !first; j++)
			if (!strcasecmp(s->entries[j].key, e->key))
				first = &s->entries[j];
		if (!first) {
			s->entries[kept++] = *e;
			continue;
		}
		errs_add(errs, e->at, s->title, e->key, "already set in %s:%d%s", first->at.file, first->at.line,
			 strcmp(first->key, e->key) != 0 ? " (keys that differ in case only are the same)" : "");
		free(e->key);
		free(e->value);
	}
	s->n = kept;
}

void ini_read(struct section *s, struct errs *errs)
{
	CLEANUP_BUF struct buf text = { 0 };
	refuse_duplicates(s, errs);
	write_section(s, &text);
	*complaint = '\0';
	errno = 0;
	iniparser_set_error_callback(complain);
	dictionary *d = load(&text);
	iniparser_set_error_callback(NULL);
	if (!d) {
		int line = 0;
		const char *number = strrchr(complaint, '(');
		if (number)
			sscanf(number, "(%d)", &line);
		struct place at = line >= 2 && (size_t)line - 2 < s->n ? s->entries[line - 2].at : s->at;
		errs_add(errs, at, s->title, NULL, "the section can't be parsed: %s",
			 *complaint ? complaint
			 : errno    ? strerror(errno)
				    : "iniparser refused it");
		return;
	}
	const char *name = iniparser_getsecname(d, 0);
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[i];
		char path[2 * NAME_MAX_BYTES + 64];
		snprintf(path, sizeof path, "%s:%s", name ? name : "", e->key);
		const char *got = iniparser_getstring(d, path, NULL);
		if (!got) {
			errs_add(errs, e->at, s->title, e->key, "iniparser does not find this key");
		} else if (is_plain(e->value) && strcmp(got, e->value) != 0) {
			free(e->value);
			e->value = xstrdup(got);
		}
	}
	iniparser_freedict(d);
}
