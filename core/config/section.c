/* SPDX-License-Identifier: Apache-2.0 */
/* section.c - see section.h */
#include "config/section.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

struct section *section_new(const char *kind, const char *name, struct place at)
{
	struct section *s = xnew(struct section);
	s->kind = xstrdup(kind);
	s->name = xstrdup(name);
	s->title = *name ? xasprintf("%s %s", kind, name) : xstrdup(kind);
	s->at = at;
	return s;
}

void section_add(struct section *s, const char *key, const char *value, struct place at)
{
	xgrow(s->entries, s->n, s->cap);
	s->entries[s->n++] = (struct entry){ .key = xstrdup(key), .value = xstrdup(value), .at = at };
}

void section_free(struct section *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->entries[i].key);
		free(s->entries[i].value);
	}
	free(s->entries);
	free(s->kind);
	free(s->name);
	free(s->title);
	free(s);
}

struct entry *section_find(const struct section *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcasecmp(s->entries[i].key, key))
			return &s->entries[i];
	return NULL;
}

const struct section *config_section(const struct config *c, const char *title)
{
	struct section *s;
	HASH_FIND_STR(c->by_title, title, s);
	return s;
}

static bool all_of(const char *s, const char *more)
{
	const char *p = s;
	while (isalnum((unsigned char)*p) || (*p && strchr(more, *p)))
		p++;
	return p > s && !*p && p - s <= NAME_MAX_BYTES;
}

bool name_valid(const char *s)
{
	return all_of(s, "_.-");
}

bool target_name_valid(const char *s)
{
	return all_of(s, "_.-/:@%+~?=&,");
}

bool host_pattern_valid(const char *s)
{
	return all_of(s, "_.-:*?");
}

bool key_of_section(const char *key)
{
	return !strcasecmp(key, "driver") || !strcasecmp(key, "targets_from") || !strcasecmp(key, "key_column");
}
