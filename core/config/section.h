/* SPDX-License-Identifier: Apache-2.0 */
/*
 * section.h - sections as scanned: kind, name, keys and values with their places. For core/config only.
 */
#ifndef CONFIG_SECTION_H
#define CONFIG_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

#include "base/errs.h"
#include "config/model.h"

#define NAME_MAX_BYTES 250 /* of a section's name, of a key */
#define SECTION_KEYS_MAX 4096
#define CONFIG_FILE_MAX (256u << 20)
#define LINE_MAX_BYTES 65536

/* In a value, what ${row.COLUMN} became until the row is known. Neither byte can be in a file. */
#define ROW_BEGIN '\x01'
#define ROW_END '\x02'

struct entry {
	char *key, *value;
	struct place at;
};

struct section {
	char *kind, *name; /* name "": none */
	char *title;       /* "target home" */
	struct place at;
	struct entry *entries;
	size_t n, cap;
	bool hurt; /* lines of it were refused: what seems to be missing may be in them */
	UT_hash_handle hh; /* by title */
};

struct config {
	unsigned magic;
	struct section **list; /* in the order of the files */
	size_t n, cap;
	struct section *by_title;
	char **files; /* names for places */
	size_t n_files, cap_files;
};
#define CONFIG_MAGIC 0x636f6e66u

struct section *section_new(const char *kind, const char *name, struct place at);
void section_add(struct section *s, const char *key, const char *value, struct place at);
void section_free(struct section *s);
/* Without regard to case: iniparser knows none. */
struct entry *section_find(const struct section *s, const char *key);
const struct section *config_section(const struct config *c, const char *title);

/* [A-Za-z0-9_.-]+ */
bool name_valid(const char *s);
/* As name_valid(), and what rows of target sets and URLs need besides: / : @ % + ~ ? = & , */
bool target_name_valid(const char *s);

/* As name_valid(), and what addresses and patterns of hosts need besides: : * ? */
bool host_pattern_valid(const char *s);

/* Is it a key that a target set's section has, and its rows can't: driver, targets_from, key_column? */
bool key_of_section(const char *key);

/* lines.c: the sections of one text, not yet merged. `file` must outlive them. */
struct section **scan_text(const char *file, const char *text, size_t len, size_t *n, struct errs *errs);

/* ini.c: has iniparser read the section; its values are what iniparser read. */
void ini_read(struct section *s, struct errs *errs);

/* substitute.c: ${ENV}, ${ENV:-default}, ${file:...} and $$ in all values of a section. */
void section_substitute(struct section *s, struct errs *errs);
/* A malloc'ed copy with a row's columns put in; `column` answers NULL for one that isn't there: then NULL, and its
 * name is in `missing`. */
char *row_substitute(const char *value, const char *(*column)(void *ctx, const char *name), void *ctx, char *missing,
		     size_t size);
bool row_present(const char *value);

/* read.c: a whole file, NUL-terminated; NULL with errno set. */
char *file_read(const char *path, size_t max, size_t *len);
/* `path` as seen from the folder of the file `from`; malloc'ed. */
char *path_beside(const char *from, const char *path);

#endif
