/* SPDX-License-Identifier: Apache-2.0 */
/* attrs.c - see attrs.h */
#include "attrs.h"

#include <stdio.h>
#include <string.h>

struct attr {
	Otlp__KeyValue kv;
	Otlp__AnyValue value;
};

static Otlp__AnyValue *add(struct attrs *a, const char *key)
{
	if (a->n == a->cap) {
		size_t cap = a->cap ? a->cap * 2 : 16;
		Otlp__KeyValue **list = pool_get(a->pool, cap * sizeof *list);
		if (a->n)
			memcpy(list, a->list, a->n * sizeof *list);
		a->list = list;
		a->cap = cap;
	}
	struct attr *new = pool_get(a->pool, sizeof *new);
	otlp__key_value__init(&new->kv);
	otlp__any_value__init(&new->value);
	new->kv.key = (char *)(uintptr_t)key;
	new->kv.value = &new->value;
	a->list[a->n++] = &new->kv;
	return &new->value;
}

static void set_text(struct attrs *a, Otlp__AnyValue *v, const char *s, size_t n)
{
	v->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
	v->string_value = pool_string(a->pool, s, n);
}

void attrs_text(struct attrs *a, const char *key, const char *value)
{
	if (value)
		set_text(a, add(a, key), value, strlen(value));
}

void attrs_int(struct attrs *a, const char *key, int64_t value)
{
	Otlp__AnyValue *v = add(a, key);
	v->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
	v->int_value = value;
}

void attrs_double(struct attrs *a, const char *key, double value)
{
	Otlp__AnyValue *v = add(a, key);
	v->value_case = OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE;
	v->double_value = value;
}

/* Times are texts, as elsewhere; other numbers are in base units. */
static void set_fact(struct attrs *a, Otlp__AnyValue *v, const struct probed_record_fact *f)
{
	double number;
	struct text t = { 0 };
	if (f->type == PROBED_TYPE_INTEGER || f->type == PROBED_TYPE_SIZE) {
		v->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
		v->int_value = f->i;
	} else if (f->type == PROBED_TYPE_BOOLEAN) {
		v->value_case = OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
		v->bool_value = f->i != 0;
	} else if (f->type != PROBED_TYPE_TIME && !record_fact_number(f, &number)) {
		v->value_case = OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE;
		v->double_value = number;
	} else {
		record_fact_plain(&t, f);
		set_text(a, v, t.data ? t.data : "", t.len);
		text_free(&t);
	}
}

void attrs_fact(struct attrs *a, const struct probed_record *r, uint32_t i, uint32_t n)
{
	char key[300];
	snprintf(key, sizeof key, "probed.fact.%s", record_fact(r, i)->name);
	Otlp__AnyValue *v = add(a, pool_string(a->pool, key, strlen(key)));
	if (!record_fact_many(record_fact(r, i))) {
		set_fact(a, v, record_fact(r, i));
		return;
	}
	Otlp__ArrayValue *array = pool_get(a->pool, sizeof *array);
	otlp__array_value__init(array);
	array->values = pool_get(a->pool, n * sizeof *array->values);
	for (uint32_t k = 0; k < n; k++) {
		Otlp__AnyValue *one = pool_get(a->pool, sizeof *one);
		otlp__any_value__init(one);
		set_fact(a, one, record_fact(r, i + k));
		array->values[array->n_values++] = one;
	}
	v->value_case = OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
	v->array_value = array;
}
