/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_data.c - `data = FILE [ORDER] [END]` of a plan.
 */
#include "config/build.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const char *const orders[] = { "sequential", "random", "unique" };
static const char *const ends[] = { "stop", "repeat" };

struct written {
	char *path; /* malloc'ed */
	int order, end; /* -1: not written */
};

static int index_of(const char *word, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(word, words[i]))
			return i;
	return -1;
}

/* Takes the words behind the file's name off, last one first. */
static struct written part(const char *text)
{
	struct written w = { .path = xstrdup(text), .order = -1, .end = -1 };
	for (;;) {
		char *blank = strrchr(w.path, ' ');
		int order = blank ? index_of(blank + 1, orders, ARRAY_LEN(orders)) : -1;
		int end = blank ? index_of(blank + 1, ends, ARRAY_LEN(ends)) : -1;
		if (order >= 0 && w.order < 0)
			w.order = order;
		else if (end >= 0 && w.end < 0 && w.order < 0)
			w.end = end;
		else
			return w;
		while (blank > w.path && blank[-1] == ' ')
			blank--;
		*blank = '\0';
	}
}

/* A word behind the suffix that is none of ours: likelier a slip than a file's name with a blank. */
static const char *strange_word(const char *path)
{
	const char *blank = strrchr(path, ' '), *dot = strrchr(path, '.');
	return blank && dot && dot < blank ? blank + 1 : NULL;
}

static void word_unknown(struct builder *b, const char *title, const struct kv *kv, const char *word)
{
	const char *words[] = { "sequential", "random", "unique", "stop", "repeat" };
	const char *near = str_nearest(word, words, ARRAY_LEN(words));
	errs_add(b->errs, kv->at, title, kv->key,
		 "\"%.60s\": expected FILE, then sequential, random or unique, then stop or repeat%s%s%s", word,
		 near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

struct data *plan_data(struct builder *b, const char *title, struct kv *kv, struct plan *p)
{
	struct written w = part(kv->value);
	char error[600], whole[PATH_MAX];
	CLEANUP_FREE char *written = w.path;
	CLEANUP_FREE char *path = path_beside(kv->at.file ? kv->at.file : "", written);
	const char *strange = strange_word(written);
	if (strange) {
		word_unknown(b, title, kv, strange);
		return NULL;
	}
	if (w.order == DATA_RANDOM && w.end == 0) {
		errs_add(b->errs, kv->at, title, kv->key, "rows taken at random never end: write repeat, or nothing");
		return NULL;
	}
	if (w.order == DATA_UNIQUE && w.end == 1) {
		errs_add(b->errs, kv->at, title, kv->key,
			 "each row once, and again from the start: write sequential repeat, or unique by itself");
		return NULL;
	}
	p->data.order = w.order < 0 ? DATA_SEQUENTIAL : (uint32_t)w.order;
	p->data.repeat = w.end < 0 ? p->data.order != DATA_UNIQUE : w.end;
	/* only the columns are asked for, which needs no order */
	struct data *d = data_open(path, DATA_SEQUENTIAL, false, 0, error, sizeof error);
	if (!d) {
		errs_add(b->errs, kv->at, title, kv->key, "%s", error);
		return NULL;
	}
	p->data.path = arena_str(b->model->arena, realpath(path, whole) ? whole : path);
	CLEANUP_FREE char *canonical =
	    xasprintf("%s %s %s", p->data.path, orders[p->data.order], ends[p->data.repeat]);
	kv->value = arena_str(b->model->arena, canonical);
	return d;
}
