/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorded.c - the times of `pace = recorded FILE`: lines of JSON, each the record of a result (its `time` counts) or a number
 * of seconds.
 */
#include "config/build.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/value.h"
#include "plan/pace.h"

#define TIMES_MAX 20000000
#define SECONDS_MAX (10 * 366 * 86400.0)

struct times {
	int64_t *list;
	size_t n, cap;
};

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* 0, or -1 where the line says no time. */
static int time_of(const char *line, size_t len, int64_t *ns)
{
	json_t *root = json_loadb(line, len, JSON_DECODE_ANY, NULL);
	const json_t *time = json_is_object(root) ? json_object_get(root, "time") : NULL;
	int rc = -1;
	if (json_is_number(root) && fabs(json_number_value(root)) < SECONDS_MAX) {
		*ns = llround(json_number_value(root) * (double)NS_PER_S);
		rc = 0;
	} else if (json_is_string(time)) {
		rc = value_parse_time(json_string_value(time), json_string_length(time), ns);
	}
	json_decref(root);
	return rc;
}

/* 0, or -1 with a line in `error`. */
static int read_times(FILE *f, const char *path, struct times *t, char *error, size_t size)
{
	CLEANUP_FREE char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	for (long number = 1; (len = getline(&line, &cap, f)) >= 0; number++) {
		if (strspn(line, " \t\r\n") == (size_t)len)
			continue;
		xgrow(t->list, t->n, t->cap);
		if (t->n >= TIMES_MAX) {
			snprintf(error, size, "%s:%ld: more than %d times", path, number, TIMES_MAX);
			return -1;
		}
		if (time_of(line, (size_t)len, &t->list[t->n])) {
			snprintf(error, size,
				 "%s:%ld: expected a JSON object with a \"time\" such as \"2026-01-31T09:05:07.123Z\", or a "
				 "number of seconds",
				 path, number);
			return -1;
		}
		t->n++;
	}
	if (ferror(f) || !t->n) {
		snprintf(error, size, "%s: %s", path, ferror(f) ? strerror(errno) : "there is no time in it");
		return -1;
	}
	return 0;
}

/* A plain file: reading never waits. NULL with errno. */
static FILE *open_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fdopen(fd, "r");
	close(fd);
	errno = EINVAL;
	return NULL;
}

/* Results are written as they end: their times come nearly in order. */
static int set_times(struct pace *pace, struct times *t)
{
	qsort(t->list, t->n, sizeof *t->list, ascending);
	int64_t first = t->list[0];
	for (size_t i = 0; i < t->n; i++)
		t->list[i] -= first;
	return pace_recorded_set(pace, t->list, t->n);
}

/* The file's name in the text becomes `path`. */
static void write_path(struct builder *b, struct kv *kv, const char *file, const char *path)
{
	const char *at = strstr(kv->value, file);
	if (!at)
		return;
	CLEANUP_FREE char *text =
	    xasprintf("%.*s%s%s", (int)(at - kv->value), kv->value, path, at + strlen(file));
	kv->value = arena_str(b->model->arena, text);
}

bool recorded_read(struct builder *b, const char *title, struct kv *kv, struct pace *pace)
{
	const char *file = pace_recorded_file(pace);
	char error[600], whole[PATH_MAX];
	struct times t = { 0 };
	if (!file)
		return true;
	CLEANUP_FREE char *path = path_beside(kv->at.file ? kv->at.file : "", file);
	CLEANUP_FCLOSE FILE *f = open_file(path);
	int rc = f ? read_times(f, path, &t, error, sizeof error) : -1;
	if (!f)
		snprintf(error, sizeof error, "can't read %s: %s", path, strerror(errno));
	if (!rc && (rc = set_times(pace, &t)))
		snprintf(error, sizeof error, "%s: its times are farther apart than can be paced", path);
	free(t.list);
	if (rc)
		errs_add(b->errs, kv->at, title, kv->key, "%s", error);
	else
		write_path(b, kv, file, realpath(path, whole) && !strchr(whole, ' ') ? whole : path);
	return !rc;
}
