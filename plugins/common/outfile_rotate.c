/* SPDX-License-Identifier: Apache-2.0 */
/* outfile_rotate.c - when a file is full, and what becomes of it: PATH.20261121T171500.123Z, of which so many are kept.
 */
#include "outfile_inner.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define YEAR_S (366 * INT64_C(86400))

/* --- when -------------------------------------------------------------------------------------- */

int outfile_parse_every(const char *text, int64_t *ns)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = { { "s", 1 }, { "m", 60 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 }, { "w", 604800 } };
	if (!strcmp(text, "hourly") || !strcmp(text, "daily")) {
		*ns = (*text == 'h' ? 3600 : 86400) * NS_PER_S;
		return 0;
	}
	if (!isdigit((unsigned char)*text))
		return -1;
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	for (size_t i = 0; !errno && i < sizeof units / sizeof units[0]; i++)
		if (!strcmp(end, units[i].unit)) {
			if (n < 1 || n > YEAR_S / units[i].seconds)
				return -1;
			*ns = n * units[i].seconds * NS_PER_S;
			return 0;
		}
	return -1;
}

int64_t outfile_period(const struct outfile *o, int64_t wall_ns)
{
	return o->rotate_ns ? wall_ns / o->rotate_ns : 0;
}

int outfile_empty(const struct outfile *o)
{
	return o->size <= (o->header ? strlen(o->header) : 0);
}

int outfile_due(const struct outfile *o, size_t next)
{
	if (!o->regular || outfile_empty(o) || o->host->now() < o->retry_ns)
		return 0;
	return (o->rotate_bytes && o->size + next > o->rotate_bytes) || outfile_period(o, o->host->wall()) != o->period;
}

/* --- old files --------------------------------------------------------------------------------- */

void outfile_old_path(const struct outfile *o, const char *stamp, const char *suffix, char out[OUTFILE_NAME_MAX])
{
	snprintf(out, OUTFILE_NAME_MAX, "%s.%s%s", o->path, stamp, suffix);
}

/* Of `name`, where it is BASE.STAMP or BASE.STAMP.more: the text after the stamp. */
static const char *after_stamp(const char *name, const char *base, char stamp[OUTFILE_STAMP_LEN + 1])
{
	static const char pattern[] = "99999999T999999.999Z";
	size_t n = strlen(base);
	if (strncmp(name, base, n) != 0 || name[n] != '.' || strlen(name + n + 1) < OUTFILE_STAMP_LEN)
		return NULL;
	name += n + 1;
	for (int i = 0; i < OUTFILE_STAMP_LEN; i++)
		if (pattern[i] == '9' ? !isdigit((unsigned char)name[i]) : name[i] != pattern[i])
			return NULL;
	memcpy(stamp, name, OUTFILE_STAMP_LEN);
	stamp[OUTFILE_STAMP_LEN] = '\0';
	return name + OUTFILE_STAMP_LEN;
}

static int by_stamp(const void *a, const void *b)
{
	return strcmp(((const struct outfile_old *)a)->stamp, ((const struct outfile_old *)b)->stamp);
}

/* The forms of one old file become one entry. */
static size_t merge(struct outfile_old *list, size_t n)
{
	size_t kept = 0;
	qsort(list, n, sizeof *list, by_stamp);
	for (size_t i = 0; i < n; i++) {
		if (kept && !strcmp(list[kept - 1].stamp, list[i].stamp)) {
			list[kept - 1].plain |= list[i].plain;
			list[kept - 1].packed |= list[i].packed;
			list[kept - 1].partial |= list[i].partial;
		} else {
			list[kept++] = list[i];
		}
	}
	return kept;
}

static DIR *open_folder(const struct outfile *o, const char **base)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(o->path, '/');
	*base = slash ? slash + 1 : o->path;
	snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - o->path + 1) : 1, slash ? o->path : ".");
	return opendir(folder);
}

int outfile_olds(const struct outfile *o, struct outfile_old **out, size_t *n)
{
	struct outfile_old *list = NULL;
	size_t count = 0, cap = 0;
	const char *base;
	DIR *dir = open_folder(o, &base);
	if (!dir)
		return -1;
	for (struct dirent *e; (e = readdir(dir));) {
		struct outfile_old old = { 0 };
		const char *suffix = after_stamp(e->d_name, base, old.stamp);
		old.plain = suffix && !*suffix;
		old.packed = suffix && !strcmp(suffix, OUTFILE_PACKED);
		old.partial = suffix && !strcmp(suffix, OUTFILE_PARTIAL);
		if (!old.plain && !old.packed && !old.partial)
			continue;
		if (count == cap) {
			cap = cap ? cap * 2 : 32;
			struct outfile_old *more = realloc(list, cap * sizeof *list);
			if (!more)
				break; /* the rest is seen next time */
			list = more;
		}
		list[count++] = old;
	}
	closedir(dir);
	*n = list ? merge(list, count) : 0;
	*out = list;
	return 0;
}

static void prune(struct outfile *o)
{
	struct outfile_old *list;
	size_t n;
	if (!o->keep || outfile_olds(o, &list, &n))
		return;
	for (size_t i = 0; n > o->keep && i < n - o->keep; i++) {
		static const char *const suffixes[] = { "", OUTFILE_PACKED, OUTFILE_PARTIAL };
		for (size_t k = 0; k < 3; k++) {
			char path[OUTFILE_NAME_MAX];
			outfile_old_path(o, list[i].stamp, suffixes[k], path);
			if (unlink(path) && errno != ENOENT)
				o->host->log(PROBED_LOG_WARNING, "%s: cannot be removed: %s", path, strerror(errno));
		}
	}
	free(list);
}

static void stamp_text(int64_t ms, char out[OUTFILE_STAMP_LEN + 1])
{
	time_t second = (time_t)(ms / 1000);
	struct tm tm;
	char date[24] = "";
	gmtime_r(&second, &tm);
	strftime(date, sizeof date, "%Y%m%dT%H%M%S", &tm);
	snprintf(out, OUTFILE_STAMP_LEN + 1, "%.15s.%03uZ", date, (unsigned)(ms % 1000) % 1000u);
}

int outfile_put_aside(struct outfile *o)
{
	char stamp[OUTFILE_STAMP_LEN + 1], to[OUTFILE_NAME_MAX], packed[OUTFILE_NAME_MAX];
	int64_t ms = o->host->wall() / NS_PER_MS;
	if (ms <= o->last_stamp_ms)
		ms = o->last_stamp_ms + 1;
	do {
		stamp_text(ms++, stamp);
		outfile_old_path(o, stamp, "", to);
		outfile_old_path(o, stamp, OUTFILE_PACKED, packed);
	} while (access(to, F_OK) == 0 || access(packed, F_OK) == 0);
	if (rename(o->path, to))
		return -1;
	o->last_stamp_ms = ms;
	o->pack_wanted = o->compress;
	prune(o);
	return 0;
}
