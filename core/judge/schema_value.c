/* SPDX-License-Identifier: Apache-2.0 */
/* schema_value.c - equality, order and divisibility of JSON values: see schema_tree.h */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "judge/schema_tree.h"

/* 64 bits of mantissa or more where it matters: an integer is exact. */
static long double number_of(const json_t *n)
{
	return json_is_integer(n) ? (long double)json_integer_value(n) : (long double)json_real_value(n);
}

int number_compare(const json_t *a, const json_t *b)
{
	long double x = number_of(a), y = number_of(b);
	return (x > y) - (x < y);
}

bool number_is_integer(const json_t *n)
{
	return json_is_integer(n) || (json_is_real(n) && json_real_value(n) == trunc(json_real_value(n)));
}

bool value_json_equal(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *value;
	if (json_is_number(a) && json_is_number(b))
		return !number_compare(a, b);
	if (json_typeof(a) != json_typeof(b))
		return false;
	switch (json_typeof(a)) {
	case JSON_STRING:
		return json_string_length(a) == json_string_length(b) &&
		       !memcmp(json_string_value(a), json_string_value(b), json_string_length(a));
	case JSON_ARRAY:
		if (json_array_size(a) != json_array_size(b))
			return false;
		for (size_t i = 0; i < json_array_size(a); i++)
			if (!value_json_equal(json_array_get(a, i), json_array_get(b, i)))
				return false;
		return true;
	case JSON_OBJECT:
		if (json_object_size(a) != json_object_size(b))
			return false;
		json_object_foreach((json_t *)(uintptr_t)a, key, value)
		{
			const json_t *other = json_object_get(b, key);
			if (!other || !value_json_equal(value, other))
				return false;
		}
		return true;
	default:
		return true;
	}
}

/* Equal values have equal hashes. */
static uint64_t value_hash(const json_t *v)
{
	const char *key;
	json_t *value;
	uint64_t h = (uint64_t)json_typeof(v);
	double d;
	switch (json_typeof(v)) {
	case JSON_STRING:
		return str_hash(json_string_value(v), json_string_length(v));
	case JSON_INTEGER:
	case JSON_REAL:
		d = json_number_value(v) + 0.0; /* -0 is 0 */
		return str_hash(&d, sizeof d);
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(v); i++)
			h = str_mix(h, value_hash(json_array_get(v, i)));
		return h;
	case JSON_OBJECT:
		json_object_foreach((json_t *)(uintptr_t)v, key, value) h +=
		    str_mix(str_hash(key, strlen(key)), value_hash(value));
		return h;
	default:
		return h;
	}
}

struct hashed {
	uint64_t hash;
	const json_t *value;
};

static int by_hash(const void *a, const void *b)
{
	uint64_t x = ((const struct hashed *)a)->hash, y = ((const struct hashed *)b)->hash;
	return (x > y) - (x < y);
}

bool array_is_unique(const json_t *array)
{
	size_t n = json_array_size(array);
	if (n < 2)
		return true;
	CLEANUP_FREE struct hashed *all = xcalloc(n, sizeof *all);
	for (size_t i = 0; i < n; i++)
		all[i] = (struct hashed){ value_hash(json_array_get(array, i)), json_array_get(array, i) };
	qsort(all, n, sizeof *all, by_hash);
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n && all[k].hash == all[i].hash; k++)
			if (value_json_equal(all[i].value, all[k].value))
				return false;
	return true;
}

/* --- divisibility, in decimals as they were written: 0.07 is a multiple of 0.01 --------------------------- */

struct decimal {
	uint64_t digits;
	int exponent; /* of ten */
};

static struct decimal decimal_of(const json_t *n)
{
	struct decimal d = { 0 };
	char text[40];
	if (json_is_integer(n)) {
		json_int_t i = json_integer_value(n);
		d.digits = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
		return d;
	}
	double f = fabs(json_real_value(n));
	for (int digits = 14; digits <= 16; digits++) {
		snprintf(text, sizeof text, "%.*e", digits, f);
		if (strtod(text, NULL) == f)
			break;
	}
	char *e = strchr(text, 'e');
	for (const char *p = text; p < e; p++)
		if (*p != '.')
			d.digits = d.digits * 10 + (uint64_t)(*p - '0');
	d.exponent = atoi(e + 1) - (int)(e - text - 2);
	while (d.digits && d.digits % 10 == 0) {
		d.digits /= 10;
		d.exponent++;
	}
	return d;
}

bool number_is_multiple(const json_t *n, const json_t *of)
{
	struct decimal a = decimal_of(n), b = decimal_of(of);
	unsigned __int128 r = a.digits;
	if (!a.digits)
		return true;
	for (; a.exponent > b.exponent; a.exponent--) {
		r = r % b.digits * 10;
		if (!r)
			return true;
	}
	unsigned __int128 divisor = b.digits;
	for (; b.exponent > a.exponent; b.exponent--) {
		divisor *= 10;
		if (divisor > a.digits)
			return false;
	}
	return r % divisor == 0;
}
