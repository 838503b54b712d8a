/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.c - a configuration file and what it includes, merged into one set of sections.
 */
#include "config/section.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"

#define DEPTH_MAX 8
#define FILES_MAX 10000

/* The files being read, the including ones first. */
struct inclusion {
	const struct inclusion *outer;
	const char *file; /* as shown */
	const char *path; /* resolved; NULL: a text */
	int depth;
};

struct reader {
	struct config *config;
	char **paths; /* resolved, of all files read; beside config->files */
	struct errs *errs;
};

char *file_read(const char *path, size_t max, size_t *len)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	struct stat st;
	if (fstat(fd, &st))
		return NULL;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return NULL;
	}
	struct buf b = { 0 };
	for (;;) {
		ssize_t n = read(fd, buf_reserve(&b, 65536), 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0)
			b.len += (size_t)n;
		if (n < 0 || b.len > max) {
			int why = n < 0 ? errno : EFBIG;
			buf_free(&b);
			errno = why;
			return NULL;
		}
		if (!n)
			break;
	}
	*len = b.len;
	return buf_cstr(&b);
}

char *path_beside(const char *from, const char *path)
{
	const char *slash = strrchr(from, '/');
	if (*path == '/' || !slash)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - from), from, path);
}

/* [probed] may stand in several files, since each may include others: its keys are put together. */
static void merge_probed(struct section *into, struct section *s, struct errs *errs)
{
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[i], *first = section_find(into, e->key);
		if (!strcasecmp(e->key, "include"))
			continue;
		if (first)
			errs_add(errs, e->at, s->title, e->key, "already set in %s:%d", first->at.file, first->at.line);
		else
			section_add(into, e->key, e->value, e->at);
	}
	section_free(s);
}

static void add_section(struct reader *r, struct section *s)
{
	struct config *c = r->config;
	struct section *first;
	HASH_FIND_STR(c->by_title, s->title, first);
	if (first && !strcmp(s->title, "probed") && first->at.file != s->at.file) {
		merge_probed(first, s, r->errs);
		return;
	}
	if (first) {
		errs_add(r->errs, s->at, s->title, NULL, "the section is already in %s:%d", first->at.file,
			 first->at.line);
		section_free(s);
		return;
	}
	xgrow(c->list, c->n, c->cap);
	c->list[c->n++] = s;
	HASH_ADD_KEYPTR(hh, c->by_title, s->title, strlen(s->title), s);
}

static void include(struct reader *r, const struct inclusion *from, const char *what, struct place at);

static const char *add_file(struct reader *r, const char *file, const char *path)
{
	struct config *c = r->config;
	if (c->n_files == c->cap_files) {
		c->cap_files = c->cap_files ? 2 * c->cap_files : 8;
		c->files = xreallocarray(c->files, c->cap_files, sizeof *c->files);
		r->paths = xreallocarray(r->paths, c->cap_files, sizeof *r->paths);
	}
	c->files[c->n_files] = xstrdup(file);
	r->paths[c->n_files] = path ? xstrdup(path) : NULL;
	return c->files[c->n_files++];
}

/* ${row.COLUMN} is for values of a target set, but for those that make it one. */
static void refuse_rows(struct section *s, struct errs *errs)
{
	bool set = !strcmp(s->kind, "target") && section_find(s, "targets_from");
	size_t kept = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[i];
		if (!row_present(e->value) || (set && !key_of_section(e->key))) {
			s->entries[kept++] = *e;
			continue;
		}
		errs_add(errs, e->at, s->title, e->key,
			 set ? "is the same for all rows: ${row...} can't be in it"
			     : "${row...} needs rows: it belongs to a target with targets_from = FILE");
		free(e->key);
		free(e->value);
	}
	s->n = kept;
}

static void read_text(struct reader *r, struct inclusion *me, const char *text, size_t len)
{
	size_t n;
	struct section **list = scan_text(me->file, text, len, &n, r->errs);
	for (size_t i = 0; i < n; i++) {
		size_t before = r->errs->errors;
		ini_read(list[i], r->errs);
		section_substitute(list[i], r->errs);
		refuse_rows(list[i], r->errs);
		if (r->errs->errors != before)
			list[i]->hurt = true;
	}
	CLEANUP_FREE char *what = NULL;
	struct place at = { 0 };
	for (size_t i = 0; i < n; i++) {
		struct entry *e = strcmp(list[i]->title, "probed") || what ? NULL : section_find(list[i], "include");
		if (e) {
			what = xstrdup(e->value);
			at = e->at;
		}
	}
	for (size_t i = 0; i < n; i++)
		add_section(r, list[i]);
	if (what)
		include(r, me, what, at);
	free(list);
}

/* 0, or -1 where the file itself can't be read; `at` is where it was asked for. */
static int read_file(struct reader *r, const struct inclusion *outer, const char *file, struct place at)
{
	CLEANUP_FREE char *path = realpath(file, NULL);
	struct inclusion me = { .outer = outer, .path = path, .depth = outer ? outer->depth + 1 : 0 };
	size_t len;
	CLEANUP_FREE char *text = path ? file_read(path, CONFIG_FILE_MAX, &len) : NULL;
	if (!text) {
		errs_add(r->errs, at, NULL, NULL, "can't read %s: %s", file, strerror(errno));
		return -1;
	}
	for (const struct inclusion *i = outer; i; i = i->outer)
		if (i->path && !strcmp(i->path, path)) {
			errs_add(r->errs, at, "probed", "include", "%s includes itself", file);
			return 0;
		}
	for (size_t i = 0; i < r->config->n_files; i++)
		if (r->paths[i] && !strcmp(r->paths[i], path)) {
			errs_add(r->errs, at, "probed", "include", "%s was included already", file);
			return 0;
		}
	if (me.depth > DEPTH_MAX || r->config->n_files >= FILES_MAX) {
		errs_add(r->errs, at, "probed", "include",
			 me.depth > DEPTH_MAX ? "files include files more than %d deep" : "more than %d files",
			 me.depth > DEPTH_MAX ? DEPTH_MAX : FILES_MAX);
		return 0;
	}
	me.file = add_file(r, file, path);
	read_text(r, &me, text, len);
	return 0;
}

static void include(struct reader *r, const struct inclusion *from, const char *what, struct place at)
{
	CLEANUP_FREE char *pattern = path_beside(from->file, what);
	glob_t found = { 0 };
	int rc = glob(pattern, GLOB_BRACE, NULL, &found);
	if (rc == GLOB_NOMATCH && !strpbrk(pattern, "*?[{"))
		errs_add(r->errs, at, "probed", "include", "there is no file %s", pattern);
	else if (rc && rc != GLOB_NOMATCH)
		errs_add(r->errs, at, "probed", "include", "can't list %s: %s", pattern, strerror(errno));
	for (size_t i = 0; !rc && i < found.gl_pathc; i++)
		read_file(r, from, found.gl_pathv[i], at);
	globfree(&found);
}

static void reader_end(struct reader *r)
{
	for (size_t i = 0; i < r->config->n_files; i++)
		free(r->paths[i]);
	free(r->paths);
}

struct config *config_read(const char *path, struct errs *errs)
{
	struct reader r = { .config = xnew(struct config), .errs = errs };
	r.config->magic = CONFIG_MAGIC;
	int rc = read_file(&r, NULL, path, (struct place){ 0 });
	reader_end(&r);
	if (!rc)
		return r.config;
	config_free(r.config);
	return NULL;
}

struct config *config_parse(const char *name, const char *text, struct errs *errs)
{
	struct reader r = { .config = xnew(struct config), .errs = errs };
	struct inclusion me = { .file = NULL };
	r.config->magic = CONFIG_MAGIC;
	me.file = add_file(&r, name, NULL);
	read_text(&r, &me, text, strlen(text));
	reader_end(&r);
	return r.config;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	CHECK_MAGIC(c, CONFIG_MAGIC);
	HASH_CLEAR(hh, c->by_title);
	for (size_t i = 0; i < c->n; i++)
		section_free(c->list[i]);
	for (size_t i = 0; i < c->n_files; i++)
		free(c->files[i]);
	free(c->list);
	free(c->files);
	free(c);
}
