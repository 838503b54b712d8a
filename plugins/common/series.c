/* SPDX-License-Identifier: Apache-2.0 */
/* series.c - see series.h */
#include "series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FACTS_MAX 256

const double series_bounds[SERIES_BUCKETS - 1] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
						   0.25,  0.5,    1,     2.5,  5,     10 };
const char *const series_labels[SERIES_BUCKETS] = { "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1",
						    "0.25",  "0.5",    "1.0",   "2.5",  "5.0",   "10.0", "+Inf" };

static void clear_facts(struct series *s)
{
	for (uint32_t i = 0; i < s->n_facts; i++) {
		free(s->facts[i].name);
		free(s->facts[i].unit);
	}
	s->n_facts = 0;
}

static void series_destroy(struct series *s)
{
	clear_facts(s);
	free(s->facts);
	free(s->exponential);
	free(s);
}

static void forget(struct series_set *set, struct series *s)
{
	HASH_DEL(set->all, s);
	series_destroy(s);
}

/* "target\0driver\0sub\0"; without a sub-result the last part is missing. */
static int put_key(struct text *key, const struct probed_record *r)
{
	const char *driver = r->driver ? r->driver : "";
	key->len = 0;
	text_put(key, r->target, strlen(r->target) + 1);
	text_put(key, driver, strlen(driver) + 1);
	if (r->sub)
		text_put(key, r->sub, strlen(r->sub) + 1);
	int rc = key->failed ? -1 : 0;
	key->failed = 0;
	return rc;
}

static struct series *make(const struct series_set *set, const struct probed_record *r)
{
	struct series *s = calloc(1, sizeof *s + set->key.len);
	if (!s)
		return NULL;
	memcpy(s->key, set->key.data, set->key.len);
	s->key_len = set->key.len;
	s->target = s->key;
	s->driver = s->target + strlen(s->target) + 1;
	if (r->sub)
		s->sub = s->driver + strlen(s->driver) + 1;
	s->began_ns = r->time_ns;
	if (set->exponential && !(s->exponential = calloc(SERIES_EXP_BUCKETS, sizeof *s->exponential))) {
		free(s);
		return NULL;
	}
	return s;
}

/* The series of the record; NULL where there are too many (*refused), or out of memory. */
static struct series *find(struct series_set *set, const struct probed_record *r, int *refused)
{
	struct series *s;
	*refused = 0;
	if (put_key(&set->key, r))
		return NULL;
	HASH_FIND(hh, set->all, set->key.data, set->key.len, s);
	if (s)
		return s;
	if (HASH_COUNT(set->all) >= set->limit) {
		*refused = 1;
		return NULL;
	}
	s = make(set, r);
	if (s)
		HASH_ADD(hh, set->all, key, s->key_len, s);
	return s;
}

static void add_latency(struct series *s, int64_t ns)
{
	double seconds = (double)ns / 1e9;
	uint32_t i = 0;
	while (i < SERIES_BUCKETS - 1 && seconds > series_bounds[i])
		i++;
	s->buckets[i]++;
	s->count++;
	s->sum_ns += ns;
	if (ns <= 0) {
		s->zero++;
		return;
	}
	if (!s->exponential)
		return;
	/* bucket k holds what is above 2^(k/8) and at most 2^((k+1)/8) */
	long k = (long)ceil(log2(seconds) * (1 << SERIES_SCALE)) - 1 - SERIES_EXP_FIRST;
	s->exponential[k < 0 ? 0 : k >= SERIES_EXP_BUCKETS ? SERIES_EXP_BUCKETS - 1 : k]++;
}

static int add_fact(struct series *s, const struct probed_record_fact *f, double value)
{
	if (s->n_facts == s->cap_facts) {
		uint32_t cap = s->cap_facts ? s->cap_facts * 2 : 8;
		struct series_fact *facts = realloc(s->facts, cap * sizeof *facts);
		if (!facts)
			return -1;
		s->facts = facts;
		s->cap_facts = cap;
	}
	struct series_fact fact = { .name = strdup(f->name), .unit = strdup(f->unit ? f->unit : ""), .value = value };
	if (!fact.name || !fact.unit) {
		free(fact.name);
		free(fact.unit);
		return -1;
	}
	s->facts[s->n_facts++] = fact;
	return 0;
}

/* Most often the facts are those of the last time, and only their values change. */
static int set_facts(struct series *s, const struct probed_record *r)
{
	uint32_t n = 0, same = 1;
	double v;
	for (int pass = 0; pass < 2; pass++) {
		n = 0;
		for (uint32_t i = 0; i < r->n_facts && n < FACTS_MAX; i++) {
			const struct probed_record_fact *f = record_fact(r, i);
			if (!(f->flags & PROBED_FACT_METRIC) || record_fact_many(f) || record_fact_number(f, &v))
				continue;
			if (pass && add_fact(s, f, v))
				return -1;
			if (!pass && (n >= s->n_facts || strcmp(s->facts[n].name, f->name) != 0)) {
				same = 0;
				break;
			}
			if (!pass)
				s->facts[n].value = v;
			n++;
		}
		if (!pass && same && n == s->n_facts)
			return 0;
		if (!pass)
			clear_facts(s);
	}
	return 0;
}

int series_add(struct series_set *set, const struct probed_record *r, int64_t now_ns)
{
	int refused;
	if (r->kind != PROBED_RECORD_RESULT)
		return 0;
	struct series *s = find(set, r, &refused);
	if (!s) {
		set->refused += (uint64_t)refused;
		return refused ? 0 : -1;
	}
	s->seen_ns = now_ns;
	s->n[r->outcome < RECORD_OUTCOMES ? r->outcome : PROBED_UNKNOWN]++;
	if (r->outcome >= PROBED_UNKNOWN) /* says nothing of the target: the last verdict stays */
		return 0;
	s->outcome = r->outcome;
	s->wall_ns = r->time_ns;
	s->service_ns = r->service_ns;
	memcpy(s->phase_ns, r->phase_ns, sizeof s->phase_ns);
	add_latency(s, r->latency_ns);
	return set_facts(s, r);
}

void series_expire(struct series_set *set, int64_t before_ns)
{
	struct series *s, *next;
	HASH_ITER(hh, set->all, s, next)
	{
		if (s->seen_ns < before_ns)
			forget(set, s);
	}
}

void series_free(struct series_set *set)
{
	struct series *s, *next;
	HASH_ITER(hh, set->all, s, next)
	{
		forget(set, s);
	}
	text_free(&set->key);
}
