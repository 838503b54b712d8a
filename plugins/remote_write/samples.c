/* SPDX-License-Identifier: Apache-2.0 */
/* samples.c - see samples.h */
#include "samples.h"

#include <remote_write.pb-c.h>
#include <stdlib.h>
#include <string.h>

#define OWN_MAX 8

/* Names that are ours, so that no label of the user's may take them. */
static const char *const own[] = { "driver", "fact", "le", "outcome", "phase", "sub", "target", "unit" };

int samples_name_ok(const char *name)
{
	if (!*name || (*name >= '0' && *name <= '9') || !strncmp(name, "__", 2))
		return 0;
	for (const char *p = name; *p; p++)
		if (!(*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')))
			return 0;
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (!strcmp(name, own[i]))
			return 0;
	return 1;
}

/* --- requests ---------------------------------------------------------------------------------- */

static int hand_over(struct samples *s)
{
	Remote__WriteRequest request = REMOTE__WRITE_REQUEST__INIT;
	int rc = -1;
	request.timeseries = (Remote__TimeSeries **)s->series;
	request.n_timeseries = s->n;
	size_t size = s->n ? remote__write_request__get_packed_size(&request) : 0;
	uint8_t *data = size ? malloc(size) : NULL;
	if (data) {
		remote__write_request__pack(&request, data);
		s->request(s->ctx, data, size);
		rc = 0;
	}
	free(data);
	rc = s->n ? rc : 0;
	s->n = 0;
	pool_reset(&s->pool);
	return rc;
}

static Remote__Label *label(struct samples *s, const char *name, const char *value)
{
	Remote__Label *l = pool_get(&s->pool, sizeof *l);
	remote__label__init(l);
	l->name = (char *)(uintptr_t)name; /* lives longer than the request */
	l->value = pool_string(&s->pool, value, strlen(value));
	return l;
}

/* Both lists are sorted by name; __name__ sorts before all small letters, but not before capitals. */
static void put_labels(struct samples *s, Remote__TimeSeries *t, const struct samples_label *list, uint32_t n)
{
	t->labels = pool_get(&s->pool, (n + s->n_external) * sizeof(Remote__Label *));
	for (uint32_t i = 0, e = 0; i < n || e < s->n_external;) {
		int external = i == n || (e < s->n_external && strcmp(s->external[e].name, list[i].name) < 0);
		const struct samples_label *from = external ? &s->external[e++] : &list[i++];
		if (!*from->value)
			continue; /* as good as none */
		t->labels[t->n_labels++] = label(s, from->name, from->value);
	}
}

/* --- samples ----------------------------------------------------------------------------------- */

struct point {
	struct samples *s;
	const struct series *of;
	int64_t wall_ms;
	int rc;
};

static Remote__TimeSeries *make(struct samples *s, const struct samples_label *list, uint32_t n, double value,
				int64_t wall_ms)
{
	Remote__TimeSeries *t = pool_get(&s->pool, sizeof *t);
	Remote__Sample *sample = pool_get(&s->pool, sizeof *sample), **samples = pool_get(&s->pool, sizeof *samples);
	remote__time_series__init(t);
	remote__sample__init(sample);
	sample->value = value;
	sample->timestamp = wall_ms;
	*samples = sample;
	t->samples = samples;
	t->n_samples = 1;
	put_labels(s, t, list, n);
	return t;
}

/* One sample; `more` are labels beside target, driver and sub, sorted, ended by a NULL name. */
static void put(struct point *p, const char *name, const struct samples_label *more, double value)
{
	static const struct samples_label none = { NULL, NULL };
	struct samples *s = p->s;
	const struct series *of = p->of;
	const struct samples_label mine[] = { { "__name__", name },
					      { "driver", of->driver },
					      { "sub", of->sub ? of->sub : "" },
					      { "target", of->target } };
	struct samples_label list[OWN_MAX];
	uint32_t n = 0, k = 0;
	for (more = more ? more : &none; k < 4 || more->name;)
		list[n++] = k == 4 || (more->name && strcmp(more->name, mine[k].name) < 0) ? *more++ : mine[k++];
	s->series[s->n++] = make(s, list, n, value, p->wall_ms);
	if (s->n == s->batch && hand_over(s))
		p->rc = -1;
}

static void put_with(struct point *p, const char *name, const char *key, const char *value, double v)
{
	put(p, name, (struct samples_label[]){ { key, value }, { NULL, NULL } }, v);
}

static void put_latency(struct point *p)
{
	const struct series *of = p->of;
	uint64_t n = 0;
	for (uint32_t i = 0; i < SERIES_BUCKETS; i++) {
		n += of->buckets[i];
		put_with(p, "probed_probe_latency_seconds_bucket", "le", series_labels[i], (double)n);
	}
	put(p, "probed_probe_latency_seconds_sum", NULL, (double)of->sum_ns / 1e9);
	put(p, "probed_probe_latency_seconds_count", NULL, (double)n);
}

static void put_verdict(struct point *p)
{
	const struct series *of = p->of;
	put(p, "probed_probe_success", NULL, of->outcome == PROBED_OK);
	put_latency(p);
	put(p, "probed_probe_duration_seconds", NULL, (double)of->service_ns / 1e9);
	for (uint32_t i = 0; i < PROBED_PHASES; i++)
		if (of->phase_ns[i] >= 0)
			put_with(p, "probed_probe_phase_seconds", "phase", record_phase(i),
				 (double)of->phase_ns[i] / 1e9);
	put(p, "probed_probe_last_timestamp_seconds", NULL, (double)of->wall_ns / 1e9);
	for (uint32_t i = 0; i < of->n_facts; i++) {
		const struct samples_label more[] = { { "fact", of->facts[i].name },
						      { "unit", of->facts[i].unit },
						      { NULL, NULL } };
		put(p, "probed_fact", more, of->facts[i].value);
	}
}

int samples_put(struct samples *s, const struct series_set *set, int64_t wall_ms)
{
	struct point p = { .s = s, .wall_ms = wall_ms };
	if (!s->series && !(s->series = calloc(s->batch, sizeof *s->series)))
		return -1;
	for (const struct series *of = set->all; of; of = series_next(of)) {
		p.of = of;
		for (uint32_t i = 0; i < RECORD_OUTCOMES; i++)
			put_with(&p, "probed_probes_total", "outcome", record_outcome(i), (double)of->n[i]);
		if (of->count)
			put_verdict(&p);
	}
	return hand_over(s) ? -1 : p.rc;
}

void samples_free(struct samples *s)
{
	pool_free(&s->pool);
	free(s->series);
	s->series = NULL;
}
