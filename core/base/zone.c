/* SPDX-License-Identifier: Apache-2.0 */
/* zone.c - see zone.h */
#include "base/zone.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/zone_parts.h"

#define ROOT "/usr/share/zoneinfo"
/* no zone is further from UTC than this */
#define FAR INT64_C(93600)

void zone_free(struct zone *z)
{
	if (!z)
		return;
	free(z->name);
	free(z->at);
	free(z->offset);
	free(z);
}

/* The entry that holds at utc_s. */
static size_t find(const struct zone *z, int64_t utc_s)
{
	size_t low = 0, high = z->n;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (z->at[middle] <= utc_s)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int32_t zone_offset(const struct zone *z, int64_t utc_s)
{
	return z->offset[find(z, utc_s)];
}

static int64_t end_of(const struct zone *z, size_t i)
{
	return i + 1 < z->n ? z->at[i + 1] : INT64_MAX;
}

/* The entry in which clocks first show local_s, or that which skips it. */
static size_t first_with(const struct zone *z, int64_t local_s)
{
	size_t i = find(z, local_s - FAR);
	while (local_s - z->offset[i] >= end_of(z, i))
		i++;
	return i;
}

int64_t zone_first(const struct zone *z, int64_t local_s)
{
	size_t i = first_with(z, local_s);
	int64_t utc = local_s - z->offset[i];
	return utc < z->at[i] ? z->at[i] : utc;
}

int64_t zone_last(const struct zone *z, int64_t local_s)
{
	size_t i = first_with(z, local_s);
	int64_t utc = local_s - z->offset[i];
	if (utc < z->at[i])
		return z->at[i];
	for (; end_of(z, i) <= local_s + FAR; i++) {
		int64_t again = local_s - z->offset[i + 1];
		if (again >= z->at[i + 1] && again < end_of(z, i + 1))
			utc = again;
	}
	return utc;
}

/* --- the calendar -------------------------------------------------------------------------------- */

/* Both count years from March, so that the leap day is the last of them. */
int64_t zone_days(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400, y = year - era * 400;
	int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + y * 365 + y / 4 - y / 100 + in_year - 719468;
}

void zone_date(int64_t days, int64_t *year, int *month, int *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097, d = days - era * 146097;
	int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	int64_t in_year = d - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;
	*day = (int)(in_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = y + era * 400 + (*month <= 2);
}

/* --- by name ------------------------------------------------------------------------------------- */

static int read_file(const char *path, struct buf *out)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	size_t n = 1;
	while (f && n && out->len < (1 << 20)) {
		n = fread(buf_reserve(out, 1 << 16), 1, 1 << 16, f);
		out->len += n;
	}
	return f && !ferror(f) && out->len ? 0 : -1;
}

/* Names of zones are words of letters, digits and a few signs, with slashes between them; no path leads out. */
static bool is_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
	return *name && strlen(name) < 64 && strspn(name, letters) == strlen(name) && *name != '/' && !strstr(name, "//");
}

/* All names, from the list that tzdata brings along ("Z NAME ..." and "L TARGET NAME"); they point into `list`. */
static size_t names_of(struct buf *list, const char ***names)
{
	size_t n = 0, cap = 0;
	char *lines = NULL, *words;
	for (char *line = strtok_r(buf_cstr(list), "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
		char *kind = strtok_r(line, " ", &words), *first = strtok_r(NULL, " ", &words), *second = strtok_r(NULL, " ", &words);
		bool link = kind && !strcmp(kind, "L");
		if (!second || (!link && strcmp(kind, "Z") != 0))
			continue;
		xgrow(*names, n, cap);
		(*names)[n++] = link ? second : first;
	}
	return n;
}

/* The name in another case, or the city alone. */
static const char *meant(const char *name, const char *const *names, size_t n)
{
	const char *city = NULL;
	for (size_t i = 0; i < n; i++) {
		const char *last = strrchr(names[i], '/');
		if (!strcasecmp(names[i], name))
			return names[i];
		if (!city && last && !strcasecmp(last + 1, name))
			city = names[i];
	}
	return city ? city : str_nearest(name, names, n);
}

static void no_zone(const char *name, char *error, size_t size)
{
	CLEANUP_BUF struct buf list = { 0 };
	CLEANUP_FREE const char **names = NULL;
	if (read_file(ROOT "/tzdata.zi", &list)) {
		snprintf(error, size, "no time zone \"%s\" in " ROOT " (is tzdata installed?)", name);
		return;
	}
	size_t n = names_of(&list, &names);
	const char *near = meant(name, names, n);
	if (near)
		snprintf(error, size, "no time zone \"%s\" (did you mean \"%s\"?)", name, near);
	else
		snprintf(error, size, "no time zone \"%s\": expected a name such as Europe/Berlin or UTC", name);
}

struct zone *zone_load(const char *name, char *error, size_t size)
{
	CLEANUP_BUF struct buf file = { 0 };
	char path[128];
	snprintf(path, sizeof path, ROOT "/%s", name);
	if (!is_name(name) || read_file(path, &file)) {
		no_zone(name, error, size);
		return NULL;
	}
	struct zone *z = zone_read(name, file.data, file.len);
	if (!z)
		snprintf(error, size, "%s is not a file of a time zone", path);
	return z;
}

char *zone_machine(char *out, size_t size)
{
	char target[PATH_MAX];
	const char *name = getenv("TZ");
	if (name && *name == ':')
		name++;
	if (!name) {
		ssize_t n = readlink("/etc/localtime", target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		name = target;
	}
	const char *in_root = strstr(name, "/zoneinfo/");
	if (in_root)
		name = in_root + strlen("/zoneinfo/");
	snprintf(out, size, "%s", is_name(name) ? name : "UTC");
	return out;
}
