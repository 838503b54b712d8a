/* SPDX-License-Identifier: Apache-2.0 */
/* vars.c - see vars.h */
#include "judge/vars.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#define VARS_MAGIC 0x76617273u

struct var {
	uint64_t hash;
	char *name;
	size_t name_len;
	struct buf value;
	uint64_t set_in; /* the generation that set it; of another one it has no value */
};

struct template_vars {
	unsigned magic;
	uint64_t generation;
	struct var *list;
	size_t n, cap;
	uint16_t *slots; /* open addressing: 1 + index into the list, 0: free */
	size_t n_slots;  /* a power of two, at least twice n */
	size_t n_set;
	uint64_t refused;
};

struct template_vars *vars_new(void)
{
	struct template_vars *v = xnew(struct template_vars);
	v->magic = VARS_MAGIC;
	v->generation = 1;
	return v;
}

static void forget(struct var *one)
{
	free(one->name);
	buf_free(&one->value);
}

void vars_free(struct template_vars *v)
{
	if (!v)
		return;
	CHECK_MAGIC(v, VARS_MAGIC);
	v->magic = 0;
	for (size_t i = 0; i < v->n; i++)
		forget(&v->list[i]);
	free(v->list);
	free(v->slots);
	free(v);
}

/* The slot that holds the name, or the free one where it belongs. */
static uint16_t *slot_of(const struct template_vars *v, uint64_t hash, const char *name, size_t len)
{
	size_t i = hash & (v->n_slots - 1);
	for (; v->slots[i]; i = (i + 1) & (v->n_slots - 1)) {
		const struct var *one = &v->list[v->slots[i] - 1];
		if (one->hash == hash && one->name_len == len && !memcmp(one->name, name, len))
			break;
	}
	return &v->slots[i];
}

static void index_all(struct template_vars *v, size_t n_slots)
{
	if (n_slots != v->n_slots) {
		free(v->slots);
		v->slots = xcalloc(n_slots, sizeof *v->slots);
		v->n_slots = n_slots;
	} else {
		memset(v->slots, 0, n_slots * sizeof *v->slots);
	}
	for (size_t i = 0; i < v->n; i++)
		*slot_of(v, v->list[i].hash, v->list[i].name, v->list[i].name_len) = (uint16_t)(i + 1);
}

/* Names without a value make room. */
static void compact(struct template_vars *v)
{
	size_t kept = 0;
	for (size_t i = 0; i < v->n; i++)
		if (v->list[i].set_in == v->generation)
			v->list[kept++] = v->list[i];
		else
			forget(&v->list[i]);
	v->n = kept;
	index_all(v, v->n_slots);
}

static struct var *find(const struct template_vars *v, uint64_t hash, const char *name, size_t len)
{
	uint16_t at = v->n_slots ? *slot_of(v, hash, name, len) : 0;
	return at ? &v->list[at - 1] : NULL;
}

static struct var *find_or_add(struct template_vars *v, uint64_t hash, const char *name, size_t len)
{
	struct var *one = find(v, hash, name, len);
	if (one)
		return one;
	if (v->n == VARS_MAX && v->n_set < VARS_MAX)
		compact(v);
	if (v->n == VARS_MAX)
		return NULL;
	xgrow(v->list, v->n, v->cap);
	v->list[v->n++] = (struct var){ .hash = hash, .name = xstrndup(name, len), .name_len = len };
	if (v->n * 2 > v->n_slots)
		index_all(v, v->n_slots ? v->n_slots * 2 : 16);
	else
		*slot_of(v, hash, name, len) = (uint16_t)v->n;
	return &v->list[v->n - 1];
}

int vars_set(struct template_vars *v, const char *name, const char *value, size_t len)
{
	CHECK_MAGIC(v, VARS_MAGIC);
	size_t name_len = strlen(name);
	if (len > VARS_VALUE_MAX || name_len > VARS_NAME_MAX) {
		vars_unset(v, name);
		v->refused++;
		return -1;
	}
	struct var *one = find_or_add(v, str_hash(name, name_len), name, name_len);
	if (!one) {
		v->refused++;
		return -1;
	}
	v->n_set += one->set_in != v->generation;
	one->set_in = v->generation;
	buf_clear(&one->value);
	buf_put(&one->value, value, len);
	buf_cstr(&one->value);
	return 0;
}

const char *vars_get_hashed(const struct template_vars *v, uint64_t hash, const char *name, size_t name_len,
			    size_t *len)
{
	const struct var *one = v ? find(v, hash, name, name_len) : NULL;
	if (!one || one->set_in != v->generation)
		return NULL;
	if (len)
		*len = one->value.len;
	return one->value.data;
}

const char *vars_get(const struct template_vars *v, const char *name, size_t *len)
{
	size_t name_len = strlen(name);
	return vars_get_hashed(v, str_hash(name, name_len), name, name_len, len);
}

void vars_unset(struct template_vars *v, const char *name)
{
	size_t len = strlen(name);
	struct var *one = find(v, str_hash(name, len), name, len);
	if (!one || one->set_in != v->generation)
		return;
	one->set_in = 0;
	v->n_set--;
}

void vars_clear(struct template_vars *v)
{
	CHECK_MAGIC(v, VARS_MAGIC);
	v->generation++;
	v->n_set = 0;
}

size_t vars_count(const struct template_vars *v)
{
	return v->n_set;
}

uint64_t vars_refused(const struct template_vars *v)
{
	return v->refused;
}

const char *vars_next(const struct template_vars *v, size_t *at, const char **value, size_t *len)
{
	for (; *at < v->n; ++*at) {
		const struct var *one = &v->list[*at];
		if (one->set_in != v->generation)
			continue;
		*value = one->value.data;
		*len = one->value.len;
		++*at;
		return one->name;
	}
	return NULL;
}
