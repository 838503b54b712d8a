/* SPDX-License-Identifier: Apache-2.0 */
/* unit.c - see unit.h */
#include "base/unit.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

struct unit {
	const char *name;
	double factor;
};

static const struct unit durations[] = {
	{ "ns", 1 },    { "us", 1e3 },     { "ms", 1e6 },        { "s", 1e9 },           { "min", 60e9 },
	{ "m", 60e9 },  { "h", 3600e9 },   { "d", 86400e9 },     { "w", 7 * 86400e9 },
};
static const struct unit sizes[] = {
	{ "B", 1 },       { "KB", 1e3 },       { "kB", 1e3 },          { "MB", 1e6 },              { "GB", 1e9 },
	{ "TB", 1e12 },   { "KiB", 1024 },     { "MiB", 1048576 },     { "GiB", 1073741824.0 },    { "TiB", 1099511627776.0 },
};

/* Digits with at most one point, no exponent: strtod alone would take "1e3", "inf" and "0x1". */
static const char *number(const char *s, double *out)
{
	const char *p = s;
	while (isdigit((unsigned char)*p))
		p++;
	if (*p == '.' && p > s && isdigit((unsigned char)p[1])) {
		p++;
		while (isdigit((unsigned char)*p))
			p++;
	}
	if (p == s || p - s > 30)
		return NULL;
	*out = strtod(s, NULL);
	return p;
}

static const struct unit *find(const struct unit *units, size_t n, const char *s, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(units[i].name) == len && !strncmp(units[i].name, s, len))
			return &units[i];
	return NULL;
}

/* A sum of numbers with units ("1h30m"); `many` allows more than one. */
static int parse_units(const char *text, const struct unit *units, size_t n, int many, int64_t *out)
{
	int negative = *text == '-';
	const char *p = text + negative;
	if (!strcmp(p, "0")) {
		*out = 0;
		return 0;
	}
	double sum = 0, last = HUGE_VAL;
	int parts = 0;
	do {
		double v;
		p = number(p, &v);
		if (!p)
			return -1;
		if (*p == ' ')
			p++;
		size_t len = 0;
		while (isalpha((unsigned char)p[len]))
			len++;
		const struct unit *u = find(units, n, p, len);
		if (!u || u->factor >= last)
			return -1;
		last = u->factor;
		sum += v * u->factor;
		p += len;
		parts++;
	} while (*p && many);
	if (*p || !parts || sum > 9.2e18)
		return -1;
	*out = (int64_t)(negative ? -sum - 0.5 : sum + 0.5);
	return 0;
}

int unit_parse_duration(const char *text, int64_t *out)
{
	return parse_units(text, durations, sizeof durations / sizeof durations[0], 1, out);
}

int unit_parse_size(const char *text, int64_t *out)
{
	if (*text == '-')
		return -1;
	return parse_units(text, sizes, sizeof sizes / sizeof sizes[0], 0, out);
}

int unit_parse_integer(const char *text, int64_t *out)
{
	char *end;
	if (!isdigit((unsigned char)*text) && !(*text == '-' && isdigit((unsigned char)text[1])))
		return -1;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (errno || *end)
		return -1;
	*out = v;
	return 0;
}

int unit_parse_float(const char *text, double *out)
{
	int negative = *text == '-';
	double v;
	const char *p = number(text + negative, &v);
	if (!p || *p)
		return -1;
	*out = negative ? -v : v;
	return 0;
}

int unit_parse_ratio(const char *text, double *out)
{
	double v;
	const char *p = number(text, &v);
	if (!p || (*p && strcmp(p, "%") != 0))
		return -1;
	*out = *p ? v / 100 : v;
	return 0;
}

int unit_parse_boolean(const char *text, int64_t *out)
{
	static const char *const words[2][4] = { { "no", "false", "off", "0" }, { "yes", "true", "on", "1" } };
	for (int v = 0; v < 2; v++)
		for (int i = 0; i < 4; i++)
			if (!strcasecmp(text, words[v][i])) {
				*out = v;
				return 0;
			}
	return -1;
}

char *unit_format_duration(int64_t ns, char *out, size_t size)
{
	double v = fabs((double)ns);
	static const struct unit shown[] = { { "d", 86400e9 }, { "h", 3600e9 }, { "min", 60e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "ns", 1 } };
	size_t i = 0;
	while (i + 1 < sizeof shown / sizeof shown[0] && v < shown[i].factor * (i < 3 ? 2 : 1))
		i++;
	double x = v / shown[i].factor;
	int digits = x >= 100 || x == floor(x) ? 0 : x >= 10 ? 1 : 2;
	snprintf(out, size, "%s%.*f %s", ns < 0 ? "-" : "", digits, x, shown[i].name);
	return out;
}

char *unit_format_size(int64_t bytes, char *out, size_t size)
{
	static const struct unit shown[] = { { "TiB", 1099511627776.0 }, { "GiB", 1073741824.0 }, { "MiB", 1048576 }, { "KiB", 1024 }, { "B", 1 } };
	double v = (double)bytes;
	size_t i = 0;
	while (i + 1 < sizeof shown / sizeof shown[0] && fabs(v) < shown[i].factor)
		i++;
	double x = v / shown[i].factor;
	snprintf(out, size, "%.*f %s", x == floor(x) || x >= 100 ? 0 : 1, x, shown[i].name);
	return out;
}
