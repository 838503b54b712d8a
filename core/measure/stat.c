/* SPDX-License-Identifier: Apache-2.0 */
/* stat.c - see stat.h */
#include "measure/stat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define MS NS_PER_MS
const int64_t stat_bounds_ns[STAT_BUCKETS - 1] = {
	1 * MS,   5 * MS / 2, 5 * MS,   10 * MS,   25 * MS,   50 * MS,    100 * MS,
	250 * MS, 500 * MS,   1000 * MS, 2500 * MS, 5000 * MS, 10000 * MS,
};

#define FACTS_SEEN 256 /* declared facts beyond this place have no series */
#define NO_PLACE 255

/* place[i]: where the declared fact i stands in `facts`, NO_PLACE where it is no plain number. Returns how many. */
static uint32_t place_facts(const struct driver_table *driver, uint8_t place[FACTS_SEEN])
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < driver->n_facts && i < FACTS_SEEN; i++)
		place[i] = stat_fact_plain(&driver->facts[i]) && n < NO_PLACE ? (uint8_t)n++ : NO_PLACE;
	return n;
}

/* The value in base units; NaN where it is no number. */
static double number(const struct result_fact *f)
{
	switch (f->type) {
	case PROBED_TYPE_DURATION:
	case PROBED_TYPE_TIME:
		return (double)f->i / 1e9;
	case PROBED_TYPE_INTEGER:
	case PROBED_TYPE_BOOLEAN:
	case PROBED_TYPE_SIZE:
		return (double)f->i;
	case PROBED_TYPE_FLOAT:
		return f->f;
	default:
		return NAN;
	}
}

static void set_late(struct probe_stat *s, uint32_t fact, const char *name, double value)
{
	for (uint32_t i = 0; i < s->n_late; i++)
		if (s->late[i].fact == fact && !strcmp(s->late[i].name, name)) {
			s->late[i].value = value;
			s->late[i].present = true;
			return;
		}
	if (s->n_late >= STAT_FAMILY_NAMES)
		return;
	s->late = xreallocarray(s->late, s->n_late + 1u, sizeof *s->late);
	s->late[s->n_late++] = (struct stat_late){ .name = xstrdup(name), .value = value, .fact = fact, .present = true };
}

static void take_facts(struct probe_stat *s, const struct result *r, const struct driver_table *driver)
{
	uint8_t place[FACTS_SEEN];
	uint32_t n = place_facts(driver, place);
	if (n && !s->facts)
		s->facts = xcalloc(n, sizeof *s->facts);
	for (uint32_t i = 0; i < n; i++)
		s->facts[i] = NAN;
	for (uint32_t i = 0; i < s->n_late; i++)
		s->late[i].present = false;
	for (uint32_t i = 0; i < r->n_facts; i++) {
		const struct result_fact *f = &r->facts[i];
		double value = number(f);
		if (f->fact >= driver->n_facts || f->fact >= FACTS_SEEN || isnan(value))
			continue;
		if (place[f->fact] != NO_PLACE)
			s->facts[place[f->fact]] = value;
		else if (f->name && stat_fact_family(&driver->facts[f->fact]))
			set_late(s, f->fact, result_string(r, f->name), value);
	}
}

bool stat_same_facts(const struct driver_table *a, const struct driver_table *b)
{
	if (a == b)
		return true;
	if (strcmp(a->name, b->name) != 0 || a->n_facts != b->n_facts)
		return false;
	for (uint32_t i = 0; i < a->n_facts; i++)
		if (strcmp(a->facts[i].name, b->facts[i].name) != 0 || a->facts[i].flags != b->facts[i].flags ||
		    a->facts[i].type != b->facts[i].type)
			return false;
	return true;
}

void probe_stat_add(struct probe_stat *s, const struct result *r, const struct driver_table *driver)
{
	s->n[r->outcome < PROBED_OUTCOMES ? r->outcome : PROBED_UNKNOWN]++;
	if (r->outcome >= PROBED_UNKNOWN)
		return;
	s->outcome = r->outcome;
	s->reason = r->reason;
	s->verdict = 1;
	s->wall_ns = r->wall_ns;
	s->latency_ns = result_latency_ns(r);
	s->service_ns = result_service_ns(r);
	s->lag_ns = result_lag_ns(r);
	memcpy(s->phase_ns, r->phase_ns, sizeof s->phase_ns);
	unsigned b = 0;
	while (b < STAT_BUCKETS - 1 && s->latency_ns > stat_bounds_ns[b])
		b++;
	s->buckets[b]++;
	s->latency_sum_ns += s->latency_ns;
	take_facts(s, r, driver);
}

void probe_stat_free(struct probe_stat *s)
{
	for (uint32_t i = 0; i < s->n_late; i++)
		free(s->late[i].name);
	free(s->late);
	free(s->facts);
	*s = (struct probe_stat){ 0 };
}
