/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.c - target sets: one section is the template of all rows of a CSV file or of Prometheus' file_sd JSON. A row
 * has its own values only, all else is shared with its section.
 */
#include "config/build.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/url.h"
#include "data/csv.h"

#define ROWS_FILE_MAX (256u << 20)
#define ROWS_BAD_MAX 50 /* rows with errors, then the rest is not looked at */

struct column {
	const char *name;  /* as ${row.NAME} has it */
	const char *value; /* of the present row; NULL: none */
	const char *fills; /* the key of the target that it sets, the arena's; NULL: none */
};

struct rows {
	struct builder *b;
	const struct section *section;
	const struct driver_table *driver;
	const struct kvs *all; /* the section's effective keys */
	const char *path;      /* the file, the arena's */
	struct column *columns;
	size_t n, cap;
	struct kvs now; /* the present row's keys; its memory is used again */
	size_t bad;
};

static const char *value_of(void *ctx, const char *name)
{
	const struct rows *r = ctx;
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->columns[i].name, name))
			return r->columns[i].value ? r->columns[i].value : "";
	return NULL;
}

static struct column *add_column(struct rows *r, const char *name, const char *value, const char *fills)
{
	xgrow(r->columns, r->n, r->cap);
	r->columns[r->n] = (struct column){ .name = name, .value = value, .fills = fills };
	return &r->columns[r->n++];
}

/* The template's keys with the row's values in them, and the row's own over them. False, with an error. */
static bool fill_row(struct rows *r, const char *title, struct place at)
{
	struct model_arena *arena = r->b->model->arena;
	char missing[NAME_MAX_BYTES + 1];
	r->now.n = 0;
	for (size_t i = 0; i < r->all->n; i++) {
		struct kv kv = r->all->list[i];
		if (key_of_section(kv.key))
			continue;
		if (row_present(kv.value)) {
			CLEANUP_FREE char *text = row_substitute(kv.value, value_of, r, missing, sizeof missing);
			if (!text) {
				errs_add(r->b->errs, kv.at, title, kv.key,
					 "${row.%s}: %s:%d has no such column or label", missing, r->path, at.line);
				return false;
			}
			kv.value = arena_str(arena, text);
			kv.at = at;
		}
		kvs_add(&r->now, kv.key, kv.value, kv.at);
	}
	size_t earlier = r->now.n;
	for (size_t i = 0; i < r->n; i++) {
		const struct column *c = &r->columns[i];
		if (!c->fills || !c->value || !*c->value)
			continue;
		struct kv kv = { .key = c->fills, .value = arena_str(arena, c->value), .at = at };
		kvs_override(&r->now, &earlier, &r->driver->options, &kv);
	}
	return true;
}

/* False where there were so many errors that the rest is not worth a look. */
static bool add_row(struct rows *r, const char *key, struct place at)
{
	char name[2 * NAME_MAX_BYTES], title[2 * NAME_MAX_BYTES + 16];
	size_t before = r->b->errs->errors;
	snprintf(name, sizeof name, "%s/%.*s", r->section->name, NAME_MAX_BYTES, key);
	snprintf(title, sizeof title, "target %s", name);
	if (!*key)
		errs_add(r->b->errs, at, r->section->title, NULL, "the row has no name: its key column is empty");
	else if (!target_name_valid(name))
		errs_add(r->b->errs, at, r->section->title, NULL,
			 "\"%.80s\" can't name a target: expected letters, digits and "
			 "_ . - / : @ %% + ~ ? = & , and, with the section's name, no more than %d bytes",
			 key, NAME_MAX_BYTES);
	else if (fill_row(r, title, at))
		target_build(r->b, arena_str(r->b->model->arena, name), at, r->driver, &r->now);
	if (r->b->errs->errors == before || ++r->bad < ROWS_BAD_MAX)
		return true;
	errs_add(r->b->errs, at, r->section->title, NULL, "%d rows with errors: the rest of %s was not looked at",
		 ROWS_BAD_MAX, r->path);
	return false;
}

/* Does a value of the section ask for ${row.NAME}? */
static bool is_asked_for(const struct rows *r, const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < r->all->n; i++)
		for (const char *p = strchr(r->all->list[i].value, ROW_BEGIN); p; p = strchr(p + 1, ROW_BEGIN))
			if (!strncmp(p + 1, name, n) && p[1 + n] == ROW_END)
				return true;
	return false;
}

/* The target's key that a column of this name sets: NULL where there is none. */
static const char *key_for_column(const struct rows *r, const char *name)
{
	const char *item;
	const struct option_decl *core = option_for_key(&core_keys, name, NULL, &item);
	if (key_of_section(name))
		return NULL;
	if (core ? core->type != PROBED_TYPE_MAP || item
		 : option_for_key(&r->driver->options, name, NULL, &item) != NULL)
		return arena_str(r->b->model->arena, name);
	return !strcmp(name, "url") && r->driver->n_schemes ? "url" : NULL;
}

static void column_unknown(struct rows *r, const char *name, struct place at)
{
	const struct option_set *set = &r->driver->options;
	CLEANUP_FREE const char **names = xcalloc(set->n + CORE_KEYS, sizeof *names);
	for (uint32_t i = 0; i < set->n; i++)
		names[i] = set->list[i].name;
	for (uint32_t i = 0; i < CORE_KEYS; i++)
		names[set->n + i] = core_key_names[i];
	const char *near = str_nearest(name, names, set->n + CORE_KEYS);
	errs_add(r->b->errs, at, r->section->title, NULL,
		 "unknown column \"%.80s\"%s%s%s: expected an option of %s, or a name "
		 "that the section asks for with ${row.NAME}",
		 name, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "", r->driver->name);
}

/* Takes the header; the index of the key's column, or -1 with errors. */
static long read_header(struct rows *r, const struct csv *csv)
{
	const struct entry *wanted = section_find(r->section, "key_column");
	const char *key_name = wanted ? wanted->value : "name";
	struct place at = place_keep(r->b, (struct place){ .file = r->path, .line = csv->line });
	size_t before = r->b->errs->errors;
	long key = -1;
	for (size_t i = 0; i < csv->n; i++)
		if (!strcmp(csv->fields[i], key_name))
			key = (long)i;
	if (key < 0 && wanted) {
		errs_add(r->b->errs, wanted->at, r->section->title, wanted->key, "%s has no column \"%s\"", r->path,
			 key_name);
		return -1;
	}
	if (key < 0)
		key = 0;
	for (size_t i = 0; i < csv->n; i++) {
		const char *name = csv->fields[i];
		for (size_t k = 0; k < i; k++)
			if (!strcmp(r->columns[k].name, name))
				errs_add(r->b->errs, at, r->section->title, NULL, "two columns are named \"%.80s\"",
					 name);
		const char *fills = key_for_column(r, name);
		if (key_of_section(name))
			errs_add(r->b->errs, at, r->section->title, NULL,
				 "column \"%s\": belongs to the section, not to its rows", name);
		else if (!fills && (long)i != key && !is_asked_for(r, name))
			column_unknown(r, name, at);
		add_column(r, arena_str(r->b->model->arena, name), NULL, fills);
	}
	return r->b->errs->errors == before ? key : -1;
}

static void read_csv(struct rows *r, char *text, size_t len)
{
	struct csv csv;
	char error[200];
	csv_begin(&csv, text, len);
	int rc = csv_next(&csv, error, sizeof error);
	long key = rc == 1 ? read_header(r, &csv) : -1;
	if (!rc)
		errs_add(r->b->errs, (struct place){ .file = r->path }, r->section->title, NULL,
			 "the file is empty: expected a "
			 "first row that names the columns");
	while (key >= 0 && (rc = csv_next(&csv, error, sizeof error)) == 1) {
		struct place at = place_keep(r->b, (struct place){ .file = r->path, .line = csv.line });
		if (csv.n != r->n) {
			errs_add(r->b->errs, at, r->section->title, NULL,
				 "%zu columns: expected %zu, as in the first row", csv.n, r->n);
			continue;
		}
		for (size_t i = 0; i < r->n; i++)
			r->columns[i].value = csv.fields[i];
		if (!add_row(r, r->columns[key].value, at))
			break;
	}
	if (rc < 0)
		errs_add(r->b->errs, (struct place){ .file = r->path, .line = csv.line }, r->section->title, NULL, "%s",
			 error);
	csv_end(&csv);
}

/* file_sd: where strings stand, since jansson does not tell. */
struct position {
	const char *p;
	int line;
};

static void move_to(struct position *at, const char *s)
{
	CLEANUP_FREE char *quoted = xasprintf("\"%s\"", s);
	const char *found = strstr(at->p, quoted);
	for (; found && at->p < found; at->p++)
		at->line += *at->p == '\n';
}

static void read_labels(struct rows *r, json_t *labels, struct place at)
{
	const char *name;
	json_t *value;
	char key[NAME_MAX_BYTES + 16];
	json_object_foreach(labels, name, value)
	{
		bool good = json_is_string(value) && strlen(name) < NAME_MAX_BYTES - 8 && name_valid(name);
		if (!good)
			errs_add(r->b->errs, at, r->section->title, NULL,
				 "label \"%.80s\": expected a name of letters, digits and _, "
				 "and a text",
				 name);
		/* names that begin with __ are for those who read the file, they are no labels of the target */
		snprintf(key, sizeof key, "labels.%s", name);
		if (good)
			add_column(r, arena_str(r->b->model->arena, name), json_string_value(value),
				   strncmp(name, "__", 2) ? arena_str(r->b->model->arena, key) : NULL);
	}
}

/* Is an option that the URL would fill set already? */
static bool is_addressed(const struct rows *r, const struct kv *filled, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (kvs_find(r->all, filled[i].key))
			return true;
	return kvs_find(r->all, "url") != NULL;
}

/* A section that says nothing of where to: the target's text fills what a URL of the driver's first scheme would. */
static void address_by_target(struct rows *r, const char *target)
{
	struct kv *filled = NULL;
	size_t n = 0;
	char error[200];
	if (!r->driver->n_schemes)
		return;
	const struct scheme_decl *scheme = &r->driver->schemes[0];
	CLEANUP_FREE char *url = strstr(target, "://") ? xstrdup(target) : xasprintf("%s://%s", scheme->scheme, target);
	if (!url_to_options(scheme, url, &filled, &n, error, sizeof error) && !is_addressed(r, filled, n))
		for (size_t i = 0; i < n; i++)
			add_column(r, "", arena_str(r->b->model->arena, filled[i].value),
				   arena_str(r->b->model->arena, filled[i].key));
	free(filled);
}

/* One "host:port" of a group. */
static bool read_target(struct rows *r, size_t n_labels, const char *target, struct place at)
{
	const struct entry *wanted = section_find(r->section, "key_column");
	const char *start = strstr(target, "://") ? strstr(target, "://") + 3 : target;
	size_t n = strcspn(start, "/?#");
	const char *close = *start == '[' ? memchr(start, ']', n) : NULL;
	const char *colon = memrchr(close ? close : start, ':', n - (size_t)((close ? close : start) - start));
	CLEANUP_FREE char *host = close ? xstrndup(start + 1, (size_t)(close - start - 1))
					: xstrndup(start, colon ? (size_t)(colon - start) : n);
	CLEANUP_FREE char *port = colon ? xstrndup(colon + 1, n - (size_t)(colon + 1 - start)) : xstrdup("");
	char name[NAME_MAX_BYTES];
	r->n = n_labels;
	add_column(r, "target", target, NULL);
	add_column(r, "host", host, NULL);
	add_column(r, "port", port, NULL);
	address_by_target(r, target);
	const char *key = value_of(r, wanted ? wanted->value : "target");
	if (!key) {
		errs_add(r->b->errs, wanted->at, r->section->title, wanted->key, "%s:%d has no label \"%s\"", r->path,
			 at.line, wanted->value);
		return false;
	}
	url_to_name(key, name, sizeof name);
	return add_row(r, name, at);
}

static void read_json(struct rows *r, const char *text, size_t len)
{
	json_error_t error;
	struct position position = { .p = text, .line = 1 };
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error), *group, *target;
	size_t i, k;
	bool go_on = true;
	if (!root) {
		errs_add(r->b->errs, (struct place){ .file = r->path, .line = error.line }, r->section->title, NULL,
			 "column %d: %s", error.column, error.text);
		return;
	}
	if (!json_is_array(root))
		errs_add(r->b->errs, (struct place){ .file = r->path }, r->section->title, NULL,
			 "expected an array of "
			 "{\"targets\": [...], \"labels\": {...}}");
	json_array_foreach(root, i, group)
	{
		json_t *targets = json_object_get(group, "targets"), *labels = json_object_get(group, "labels");
		struct place at = place_keep(r->b, (struct place){ .file = r->path, .line = position.line });
		if (!json_is_array(targets) || (labels && !json_is_object(labels))) {
			errs_add(r->b->errs, at, r->section->title, NULL,
				 "group %zu: expected {\"targets\": [...], \"labels\": "
				 "{...}}",
				 i + 1);
			continue;
		}
		r->n = 0;
		read_labels(r, labels, at);
		size_t n_labels = r->n;
		json_array_foreach(targets, k, target)
		{
			if (!go_on)
				break;
			if (json_is_string(target))
				move_to(&position, json_string_value(target));
			at = place_keep(r->b, (struct place){ .file = r->path, .line = position.line });
			if (json_is_string(target))
				go_on = read_target(r, n_labels, json_string_value(target), at);
			else
				errs_add(r->b->errs, at, r->section->title, NULL,
					 "group %zu: expected texts, such as \"host:port\"", i + 1);
		}
	}
	json_decref(root);
}

/* What the section says for all rows is checked once, so that it isn't said for each. */
static bool check_template(struct builder *b, const struct section *s, const struct driver_table *driver,
			   const struct kvs *all)
{
	bool good = true;
	for (size_t i = 0; i < all->n; i++) {
		const struct kv *kv = &all->list[i];
		bool url = !strcmp(kv->key, "url") && driver->n_schemes;
		if (!row_present(kv->value) && !url && !key_check(b, s->title, kv, driver))
			good = false;
	}
	return good;
}

void rows_read(struct builder *b, const struct section *s, const struct driver_table *driver, const struct kvs *all)
{
	const struct entry *from = section_find(s, "targets_from");
	CLEANUP_FREE char *path = path_beside(from->at.file, from->value);
	struct model *m = b->model;
	size_t len;
	xgrow(m->target_files, m->n_target_files, b->cap_files);
	m->target_files[m->n_target_files++] = xstrdup(path);
	if (!check_template(b, s, driver, all))
		return;
	CLEANUP_FREE char *text = file_read(path, ROWS_FILE_MAX, &len);
	if (!text) {
		errs_add(b->errs, from->at, s->title, from->key, "can't read %s: %s", path, strerror(errno));
		return;
	}
	struct rows r = { .b = b, .section = s, .driver = driver, .all = all, .path = arena_str(m->arena, path) };
	const char *first = text + strspn(text, " \t\r\n");
	size_t n = strlen(path);
	bool json = n > 5 && !strcmp(path + n - 5, ".json");
	bool csv = n > 4 && !strcmp(path + n - 4, ".csv");
	if (json || (!csv && *first == '['))
		read_json(&r, text, len);
	else
		read_csv(&r, text, len);
	free(r.columns);
	free(r.now.list);
}
