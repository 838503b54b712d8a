/* SPDX-License-Identifier: Apache-2.0 */
/* option.c - see option.h */
#include "config/option.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/unit.h"
#include "config/address.h"
#include "judge/template.h"

#define SHOWN 60 /* bytes of a bad text that an error repeats */

static bool is_many(const struct option_decl *d)
{
	return d->type == PROBED_TYPE_LIST || d->type == PROBED_TYPE_MAP;
}

static bool is_secret(const struct option_decl *d)
{
	return d->type == PROBED_TYPE_SECRET || (d->flags & PROBED_OPTION_SECRET);
}

static bool holds_template(const struct option_decl *d, const char *text)
{
	return (d->flags & PROBED_OPTION_TEMPLATE) && template_present(text);
}

/* "expected WHAT, not "TEXT"", without the text where it is a secret or may hold one. */
static int expected(const struct option_decl *d, const char *text, const char *what, char *error, size_t size)
{
	if (is_secret(d) || (d->type == PROBED_TYPE_URL && strchr(text, '@')))
		snprintf(error, size, "expected %s", what);
	else
		snprintf(error, size, "expected %s, not \"%.*s\"%s", what, SHOWN, text,
			 strlen(text) > SHOWN ? "..." : "");
	return -1;
}

/* A bound of a range as one would write it in the file. */
static void bound(uint32_t type, int64_t v, char *out, size_t size)
{
	if (type == PROBED_TYPE_DURATION)
		unit_format_duration(v, out, size);
	else if (type == PROBED_TYPE_SIZE)
		unit_format_size(v, out, size);
	else
		snprintf(out, size, "%" PRId64, v);
}

/* A maximum below the minimum, 0 for instance, is none. */
static bool in_range(const struct option_decl *d, double v)
{
	if (!d->min && !d->max)
		return true;
	return v >= (double)d->min && (d->max < d->min || v <= (double)d->max);
}

static int out_of_range(const struct option_decl *d, const char *text, char *error, size_t size)
{
	char lo[40], hi[40], what[120];
	bound(d->type, d->min, lo, sizeof lo);
	bound(d->type, d->max, hi, sizeof hi);
	if (d->max < d->min || d->max == INT64_MAX)
		snprintf(what, sizeof what, "at least %s", lo);
	else if (d->min == INT64_MIN)
		snprintf(what, sizeof what, "at most %s", hi);
	else
		snprintf(what, sizeof what, "%s to %s", lo, hi);
	return expected(d, text, what, error, size);
}

static int parse_number(const struct option_decl *d, const char *text, struct probed_value *v, char *error, size_t size)
{
	switch (d->type) {
	case PROBED_TYPE_INTEGER:
		if (unit_parse_integer(text, &v->i))
			return expected(d, text, "a whole number", error, size);
		break;
	case PROBED_TYPE_FLOAT:
		if (unit_parse_float(text, &v->f))
			return expected(d, text, "a number, such as 0.5", error, size);
		return in_range(d, v->f) ? 0 : out_of_range(d, text, error, size);
	case PROBED_TYPE_DURATION:
		if (unit_parse_duration(text, &v->i))
			return expected(d, text, "a duration with its unit, such as 500ms or 5s", error, size);
		break;
	default:
		if (unit_parse_size(text, &v->i))
			return expected(d, text, "a size with its unit, such as 64KiB or 1MB", error, size);
		break;
	}
	return in_range(d, (double)v->i) ? 0 : out_of_range(d, text, error, size);
}

static int parse_choice(const struct option_decl *d, const char *text, struct probed_value *v, char *error, size_t size)
{
	char list[400] = "", *p = list;
	size_t len = strlen(text);
	int64_t i = 0;
	for (const char *c = d->choices ? d->choices : ""; *c; i++) {
		size_t n = strcspn(c, "|");
		if (n == len && !strncmp(c, text, n)) {
			v->i = i;
			return 0;
		}
		p += snprintf(p, sizeof list - (size_t)(p - list), "%s%.*s", i ? ", " : "one of ", (int)n, c);
		if (p >= list + sizeof list)
			p = list + sizeof list - 1;
		c += n + (c[n] == '|');
	}
	return expected(d, text, list, error, size);
}

int option_parse(const struct option_decl *d, const char *text, struct probed_value *value, char *error, size_t size)
{
	struct probed_value v = { .type = d->type, .s = text, .len = strlen(text) };
	int rc = 0;
	if (is_many(d)) {
		v.s = NULL;
		v.len = 0;
	} else if (holds_template(d, text)) {
		v.flags |= PROBED_VALUE_TEMPLATE;
	} else {
		switch (d->type) {
		case PROBED_TYPE_STRING:
		case PROBED_TYPE_SECRET:
			break;
		case PROBED_TYPE_INTEGER:
		case PROBED_TYPE_FLOAT:
		case PROBED_TYPE_DURATION:
		case PROBED_TYPE_SIZE:
			rc = parse_number(d, text, &v, error, size);
			break;
		case PROBED_TYPE_BOOLEAN:
			if (unit_parse_boolean(text, &v.i))
				rc = expected(d, text, "yes or no", error, size);
			break;
		case PROBED_TYPE_CHOICE:
			rc = parse_choice(d, text, &v, error, size);
			break;
		case PROBED_TYPE_ADDRESS:
			if (!address_valid(text, v.len))
				rc = expected(d, text, "a host name or an address, with or without :port", error, size);
			break;
		case PROBED_TYPE_URL:
			if (!url_valid(text))
				rc = expected(d, text, "a URL with its scheme and host, such as https://example.org/",
					      error, size);
			break;
		default:
			snprintf(error, size, "has a type that no option can have (%" PRIu32 "): a fault of the plugin",
				 d->type);
			rc = -1;
		}
	}
	if (!rc && value)
		*value = v;
	return rc;
}

const struct option_decl *option_for_key(const struct option_set *set, const char *key, uint32_t *index,
					 const char **item)
{
	const struct option_decl *best = NULL;
	size_t best_len = 0;
	*item = NULL;
	for (uint32_t i = 0; i < set->n; i++) {
		const struct option_decl *d = &set->list[i];
		size_t n = strlen(d->name);
		if (strncmp(key, d->name, n) != 0 || n < best_len)
			continue;
		if (key[n] && !(is_many(d) && key[n] == '.' && key[n + 1]))
			continue;
		best = d;
		best_len = n;
		if (index)
			*index = i;
		*item = key[n] ? key + n + 1 : NULL;
	}
	return best;
}

/* What a LIST's items are numbered with: 1, 2, ... without leading zeros. 0 where it is no such number. */
static uint32_t item_number(const char *s)
{
	uint64_t v = 0;
	if (*s < '1' || *s > '9')
		return 0;
	for (; isdigit((unsigned char)*s); s++) {
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > 1000000)
			return 0;
	}
	return *s ? 0 : (uint32_t)v;
}

static void unknown(const struct option_set *set, const struct kv *kv, const char *section, const char *const *known,
		    size_t n_known, struct errs *errs)
{
	CLEANUP_FREE const char **names = xcalloc(set->n + n_known, sizeof *names);
	CLEANUP_FREE char *word = xstrdup(kv->key);
	for (char *p = word; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	for (uint32_t i = 0; i < set->n; i++)
		names[i] = set->list[i].name;
	for (size_t i = 0; i < n_known; i++)
		names[set->n + i] = known[i];
	const char *near = str_nearest(word, names, set->n + n_known), *tail = "";
	char *dot = strchr(word, '.');
	if (dot && (!near || !strchr(near, '.'))) {
		/* "headr.Accept": its first word may be that of a list or map */
		*dot = '\0';
		near = str_nearest(word, names, set->n + n_known);
		tail = kv->key + (dot - word);
	}
	if (near)
		errs_add(errs, kv->at, section, kv->key, "unknown option (did you mean \"%s%s\"?)", near, tail);
	else
		errs_add(errs, kv->at, section, kv->key, "unknown option");
}

#define NO_DECL UINT32_MAX

/* A LIST's or MAP's item: false, with an error, where its key is not as it should be. */
static bool check_item(const struct option_decl *d, const struct kv *kv, const char *item, const char *section,
		       struct errs *errs)
{
	if (item && (d->type == PROBED_TYPE_MAP || item_number(item)))
		return true;
	if (d->type == PROBED_TYPE_MAP)
		errs_add(errs, kv->at, section, kv->key, "holds named values: write %s.NAME", d->name);
	else if (item)
		errs_add(errs, kv->at, section, kv->key, "expected a number after \"%s.\", counted from 1", d->name);
	else
		errs_add(errs, kv->at, section, kv->key, "is an ordered list: write %s.1, %s.2, ...", d->name, d->name);
	return false;
}

/* One declaration against the keys that it owns: numbering, how many, and whether a required one is there. */
static void check_decl(const struct option_set *set, uint32_t index, const struct kv *kvs, const uint32_t *owner,
		       size_t n, struct place section_at, const char *section, struct errs *errs)
{
	const struct option_decl *d = &set->list[index];
	size_t skip = strlen(d->name) + 1, items = 0;
	uint32_t highest = 0;
	const struct kv *last = NULL;
	for (size_t i = 0; i < n; i++) {
		if (owner[i] != index)
			continue;
		items++;
		uint32_t number = d->type == PROBED_TYPE_LIST ? item_number(kvs[i].key + skip) : 0;
		if (!last || number > highest) {
			highest = number;
			last = &kvs[i];
		}
	}
	if (highest > items && section_at.line)
		errs_add(errs, last->at, section, last->key,
			 "the list has a gap: of %s.1 to %s.%" PRIu32 " only %zu %s there", d->name, d->name, highest,
			 items, items == 1 ? "is" : "are");
	if (!items && (d->flags & PROBED_OPTION_REQUIRED)) {
		if (!section_at.line)
			return;
		bool help = d->help && *d->help;
		errs_add(errs, section_at, section, d->name, "is required, and missing%s%s%s", help ? " (" : "",
			 help ? d->help : "", help ? ")" : "");
	} else if (items && is_many(d) && !in_range(d, (double)items)) {
		bool few = (int64_t)items < d->min;
		errs_add(errs, last->at, section, d->name, "has %zu entries: expected at %s %" PRId64, items,
			 few ? "least" : "most", few ? d->min : d->max);
	}
}

/* option_check(), and which declaration owns the key: NO_DECL where none rightly does. */
static uint32_t check_key(const struct option_set *set, const struct kv *kv, const char *section,
			  const char *const *known, size_t n_known, struct errs *errs)
{
	char error[600];
	const char *item;
	uint32_t index;
	const struct option_decl *d = option_for_key(set, kv->key, &index, &item);
	if (!d) {
		unknown(set, kv, section, known, n_known, errs);
		return NO_DECL;
	}
	if (option_parse(d, kv->value, NULL, error, sizeof error))
		errs_add(errs, kv->at, section, kv->key, "%s", error);
	return !is_many(d) || check_item(d, kv, item, section, errs) ? index : NO_DECL;
}

size_t option_check(const struct option_set *set, const struct kv *kv, const char *section, const char *const *known,
		    size_t n_known, struct errs *errs)
{
	size_t before = errs->errors;
	check_key(set, kv, section, known, n_known, errs);
	return errs->errors - before;
}

size_t options_check(const struct option_set *set, const struct kv *kvs, size_t n, struct place section_at,
		     const char *section, const char *const *known, size_t n_known, struct errs *errs)
{
	size_t before = errs->errors;
	uint32_t few[64];
	CLEANUP_FREE uint32_t *many = n > ARRAY_LEN(few) ? xcalloc(n, sizeof *many) : NULL;
	uint32_t *owner = many ? many : few;
	for (size_t i = 0; i < n; i++)
		owner[i] = check_key(set, &kvs[i], section, known, n_known, errs);
	for (uint32_t i = 0; i < set->n; i++)
		if (is_many(&set->list[i]) || (set->list[i].flags & PROBED_OPTION_REQUIRED))
			check_decl(set, i, kvs, owner, n, section_at, section, errs);
	return errs->errors - before;
}

/* Strings behind the items in one piece of memory. */
struct space {
	struct probed_item *items;
	char *strings;
};

static const char *keep(struct space *space, const char *s)
{
	size_t n = strlen(s) + 1;
	char *at = space->strings;
	memcpy(at, s, n);
	space->strings += n;
	return at;
}

static int bind_many(const struct option_set *set, uint32_t index, const struct kv *kvs, size_t n, struct space *space,
		     struct probed_value *v, char *error, size_t size)
{
	const struct option_decl *d = &set->list[index];
	struct probed_item *items = space->items;
	const char *item;
	uint32_t count = 0;
	*v = (struct probed_value){ .type = d->type, .item_stride = sizeof *items };
	for (size_t i = 0; i < n; i++)
		count += option_for_key(set, kvs[i].key, NULL, &item) == d && item;
	if (!count)
		return 0;
	for (size_t i = 0, place = 0; i < n; i++) {
		if (option_for_key(set, kvs[i].key, NULL, &item) != d || !item)
			continue;
		uint32_t number = d->type == PROBED_TYPE_LIST ? item_number(item) : (uint32_t)++place;
		if (!number || number > count || items[number - 1].key) {
			snprintf(error, size, "%s: not a list numbered from 1 without gaps", kvs[i].key);
			return -1;
		}
		items[number - 1] = (struct probed_item){ .key = keep(space, item),
							  .s = keep(space, kvs[i].value),
							  .len = strlen(kvs[i].value) };
		if (holds_template(d, kvs[i].value))
			v->flags |= PROBED_VALUE_TEMPLATE;
	}
	v->flags |= PROBED_VALUE_SET;
	v->items = items;
	v->n_items = count;
	space->items += count;
	return 0;
}

static int bind_one(const struct option_set *set, uint32_t index, const struct kv *kvs, size_t n, struct space *space,
		    struct probed_value *v, char *error, size_t size)
{
	const struct option_decl *d = &set->list[index];
	const char *text = d->def, *item;
	char why[600];
	uint32_t set_flag = 0;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(kvs[i].key, d->name) && option_for_key(set, kvs[i].key, NULL, &item) == d) {
			text = kvs[i].value;
			set_flag = PROBED_VALUE_SET;
		}
	*v = (struct probed_value){ .type = d->type };
	if (!text) {
		if (!(d->flags & PROBED_OPTION_REQUIRED))
			return 0;
		snprintf(error, size, "%s: is required, and missing", d->name);
		return -1;
	}
	if (option_parse(d, keep(space, text), v, why, sizeof why)) {
		snprintf(error, size, "%s: %s", d->name, why);
		return -1;
	}
	v->s = space->strings - strlen(text) - 1;
	v->flags |= set_flag;
	return 0;
}

int options_bind(const struct option_set *set, const struct kv *kvs, size_t n, struct options *out, char *error,
		 size_t size)
{
	const char *item;
	size_t bytes = n * sizeof(struct probed_item);
	for (size_t i = 0; i < n; i++) {
		if (!option_for_key(set, kvs[i].key, NULL, &item)) {
			snprintf(error, size, "%s: unknown option", kvs[i].key);
			return -1;
		}
		bytes += strlen(kvs[i].key) + strlen(kvs[i].value) + 2;
	}
	for (uint32_t i = 0; i < set->n; i++)
		bytes += set->list[i].def ? strlen(set->list[i].def) + 1 : 0;

	struct options o = { .values = xcalloc(set->n, sizeof *o.values), .n = set->n, .arena = xcalloc(1, bytes) };
	struct space space = { .items = (struct probed_item *)(void *)o.arena,
			       .strings = o.arena + n * sizeof(struct probed_item) };
	for (uint32_t i = 0; i < set->n; i++) {
		int rc = is_many(&set->list[i]) ? bind_many(set, i, kvs, n, &space, &o.values[i], error, size)
						: bind_one(set, i, kvs, n, &space, &o.values[i], error, size);
		if (rc) {
			options_free(&o);
			return -1;
		}
	}
	*out = o;
	return 0;
}

void options_free(struct options *o)
{
	free(o->values);
	free(o->arena);
	*o = (struct options){ 0 };
}
