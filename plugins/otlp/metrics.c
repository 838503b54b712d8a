/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - see metrics.h. A request holds the points of so many series, gathered by metric. */
#include "metrics.h"

#include <stdlib.h>
#include <string.h>

#define SERIES_IN_REQUEST 500
#define CUMULATIVE 2

enum { PROBES, SUCCESS, LATENCY, DURATION, PHASE, FACT, METRICS };

static const struct {
	const char *name, *description, *unit;
} about[METRICS] = {
	[PROBES] = { "probed.probes", "Probes that ended, by outcome.", "{probe}" },
	[SUCCESS] = { "probed.probe.success", "1 where the last probe with a verdict was ok, 0 where it was not.", "" },
	[LATENCY] = { "probed.probe.latency", "Time from a probe's due time to its end.", "s" },
	[DURATION] = { "probed.probe.duration", "Time from the last probe's start to its end.", "s" },
	[PHASE] = { "probed.probe.phase", "Time that the last probe spent in each phase.", "s" },
	[FACT] = { "probed.fact", "Numbers that the last probe learned, in base units.", "" },
};

/* The points of one metric: of whichever kind it is. */
struct points {
	void **list;
	size_t n, cap;
};

struct builder {
	struct metrics *m;
	struct pool *pool;
	uint64_t now;
	struct points of[METRICS];
	int exponential;
};

static void keep(struct builder *b, int metric, void *point)
{
	struct points *p = &b->of[metric];
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;
		void **list = pool_get(b->pool, cap * sizeof *list);
		if (p->n)
			memcpy(list, p->list, p->n * sizeof *list);
		p->list = list;
		p->cap = cap;
	}
	p->list[p->n++] = point;
}

static struct attrs attributes(struct builder *b, const struct series *s)
{
	struct attrs a = { .pool = b->pool };
	attrs_text(&a, "target", s->target);
	attrs_text(&a, "driver", s->driver);
	attrs_text(&a, "sub", s->sub);
	return a;
}

static Otlp__NumberPoint *number(struct builder *b, int metric, const struct series *s, const char *key,
				 const char *value)
{
	Otlp__NumberPoint *p = pool_get(b->pool, sizeof *p);
	struct attrs a = attributes(b, s);
	otlp__number_point__init(p);
	if (key)
		attrs_text(&a, key, value);
	p->has_start_time_unix_nano = p->has_time_unix_nano = 1;
	p->start_time_unix_nano = (uint64_t)s->began_ns;
	p->time_unix_nano = b->now;
	p->attributes = a.list;
	p->n_attributes = a.n;
	keep(b, metric, p);
	return p;
}

static void put_int(struct builder *b, int metric, const struct series *s, const char *key, const char *value,
		    int64_t v)
{
	Otlp__NumberPoint *p = number(b, metric, s, key, value);
	p->has_as_int = 1;
	p->as_int = v;
}

static void put_seconds(struct builder *b, int metric, const struct series *s, const char *key, const char *value,
			int64_t ns)
{
	Otlp__NumberPoint *p = number(b, metric, s, key, value);
	p->has_as_double = 1;
	p->as_double = (double)ns / 1e9;
}

static void put_fact(struct builder *b, const struct series *s, const struct series_fact *f)
{
	struct attrs a;
	Otlp__NumberPoint *p = number(b, FACT, s, "fact", f->name);
	p->has_as_double = 1;
	p->as_double = f->value;
	if (!*f->unit)
		return;
	a = (struct attrs){ .pool = b->pool, .list = p->attributes, .n = p->n_attributes, .cap = p->n_attributes };
	attrs_text(&a, "unit", f->unit);
	p->attributes = a.list;
	p->n_attributes = a.n;
}

static void put_histogram(struct builder *b, const struct series *s)
{
	Otlp__HistogramPoint *p = pool_get(b->pool, sizeof *p);
	struct attrs a = attributes(b, s);
	otlp__histogram_point__init(p);
	p->has_start_time_unix_nano = p->has_time_unix_nano = p->has_count = p->has_sum = 1;
	p->start_time_unix_nano = (uint64_t)s->began_ns;
	p->time_unix_nano = b->now;
	p->count = s->count;
	p->sum = (double)s->sum_ns / 1e9;
	p->n_bucket_counts = SERIES_BUCKETS;
	p->bucket_counts = pool_get(b->pool, sizeof s->buckets);
	memcpy(p->bucket_counts, s->buckets, sizeof s->buckets);
	p->n_explicit_bounds = SERIES_BUCKETS - 1;
	p->explicit_bounds = pool_get(b->pool, sizeof series_bounds);
	memcpy(p->explicit_bounds, series_bounds, sizeof series_bounds);
	p->attributes = a.list;
	p->n_attributes = a.n;
	keep(b, LATENCY, p);
}

/* From the first bucket that has something to the last. */
static Otlp__Buckets *buckets(struct builder *b, const struct series *s)
{
	Otlp__Buckets *to = pool_get(b->pool, sizeof *to);
	uint32_t first = 0, end = SERIES_EXP_BUCKETS;
	otlp__buckets__init(to);
	while (first < end && !s->exponential[first])
		first++;
	while (end > first && !s->exponential[end - 1])
		end--;
	to->has_offset = 1;
	to->offset = first < end ? SERIES_EXP_FIRST + (int32_t)first : 0;
	to->n_bucket_counts = end - first;
	to->bucket_counts = pool_get(b->pool, (end - first + 1) * sizeof *to->bucket_counts);
	for (uint32_t i = first; i < end; i++)
		to->bucket_counts[i - first] = s->exponential[i];
	return to;
}

static void put_exponential(struct builder *b, const struct series *s)
{
	Otlp__ExponentialPoint *p = pool_get(b->pool, sizeof *p);
	struct attrs a = attributes(b, s);
	otlp__exponential_point__init(p);
	p->has_start_time_unix_nano = p->has_time_unix_nano = p->has_count = p->has_sum = 1;
	p->has_scale = p->has_zero_count = 1;
	p->start_time_unix_nano = (uint64_t)s->began_ns;
	p->time_unix_nano = b->now;
	p->count = s->count;
	p->sum = (double)s->sum_ns / 1e9;
	p->scale = SERIES_SCALE;
	p->zero_count = s->zero;
	p->positive = buckets(b, s);
	p->attributes = a.list;
	p->n_attributes = a.n;
	keep(b, LATENCY, p);
}

static void put_series(struct builder *b, const struct series *s)
{
	for (uint32_t i = 0; i < RECORD_OUTCOMES; i++)
		put_int(b, PROBES, s, "outcome", record_outcome(i), (int64_t)s->n[i]);
	if (!s->count)
		return;
	put_int(b, SUCCESS, s, NULL, NULL, s->outcome == PROBED_OK);
	if (b->exponential)
		put_exponential(b, s);
	else
		put_histogram(b, s);
	put_seconds(b, DURATION, s, NULL, NULL, s->service_ns);
	for (uint32_t i = 0; i < PROBED_PHASES; i++)
		if (s->phase_ns[i] >= 0)
			put_seconds(b, PHASE, s, "phase", record_phase(i), s->phase_ns[i]);
	for (uint32_t i = 0; i < s->n_facts; i++)
		put_fact(b, s, &s->facts[i]);
}

/* --- requests ---------------------------------------------------------------------------------- */

static void set_sum(struct builder *b, Otlp__Metric *to, const struct points *p)
{
	to->sum = pool_get(b->pool, sizeof *to->sum);
	otlp__sum__init(to->sum);
	to->sum->data_points = (Otlp__NumberPoint **)p->list;
	to->sum->n_data_points = p->n;
	to->sum->has_aggregation_temporality = to->sum->has_is_monotonic = 1;
	to->sum->aggregation_temporality = CUMULATIVE;
	to->sum->is_monotonic = 1;
}

static void set_latency(struct builder *b, Otlp__Metric *to, const struct points *p)
{
	if (b->exponential) {
		Otlp__ExponentialHistogram *h = to->exponential_histogram = pool_get(b->pool, sizeof *h);
		otlp__exponential_histogram__init(h);
		h->data_points = (Otlp__ExponentialPoint **)p->list;
		h->n_data_points = p->n;
		h->has_aggregation_temporality = 1;
		h->aggregation_temporality = CUMULATIVE;
	} else {
		Otlp__Histogram *h = to->histogram = pool_get(b->pool, sizeof *h);
		otlp__histogram__init(h);
		h->data_points = (Otlp__HistogramPoint **)p->list;
		h->n_data_points = p->n;
		h->has_aggregation_temporality = 1;
		h->aggregation_temporality = CUMULATIVE;
	}
}

static Otlp__Metric *metric(struct builder *b, int i)
{
	const struct points *p = &b->of[i];
	Otlp__Metric *to = pool_get(b->pool, sizeof *to);
	otlp__metric__init(to);
	to->name = (char *)(uintptr_t)about[i].name;
	to->description = (char *)(uintptr_t)about[i].description;
	to->unit = *about[i].unit ? (char *)(uintptr_t)about[i].unit : NULL;
	if (i == PROBES) {
		set_sum(b, to, p);
	} else if (i == LATENCY) {
		set_latency(b, to, p);
	} else {
		to->gauge = pool_get(b->pool, sizeof *to->gauge);
		otlp__gauge__init(to->gauge);
		to->gauge->data_points = (Otlp__NumberPoint **)p->list;
		to->gauge->n_data_points = p->n;
	}
	return to;
}

static int hand_over(struct builder *b)
{
	Otlp__Metric *list[METRICS];
	Otlp__ScopeMetrics of_scope = OTLP__SCOPE_METRICS__INIT, *scopes = &of_scope;
	Otlp__ResourceMetrics of_resource = OTLP__RESOURCE_METRICS__INIT, *resources = &of_resource;
	Otlp__MetricsRequest request = OTLP__METRICS_REQUEST__INIT;
	of_scope.scope = b->m->scope;
	of_scope.metrics = list;
	for (int i = 0; i < METRICS; i++)
		if (b->of[i].n)
			list[of_scope.n_metrics++] = metric(b, i);
	of_resource.resource = b->m->resource;
	of_resource.scope_metrics = &scopes;
	of_resource.n_scope_metrics = 1;
	request.resource_metrics = &resources;
	request.n_resource_metrics = 1;
	size_t len = otlp__metrics_request__get_packed_size(&request);
	uint8_t *data = malloc(len);
	if (data) {
		otlp__metrics_request__pack(&request, data);
		b->m->request(b->m->ctx, data, len);
	}
	free(data);
	pool_reset(b->pool);
	memset(b->of, 0, sizeof b->of);
	return data ? 0 : -1;
}

int metrics_put(struct metrics *m, const struct series_set *set, int64_t wall_ns)
{
	struct builder b = { .m = m, .pool = &m->pool, .now = (uint64_t)wall_ns, .exponential = set->exponential };
	uint32_t n = 0;
	int rc = 0;
	for (const struct series *s = set->all; s; s = series_next(s)) {
		put_series(&b, s);
		if (++n % SERIES_IN_REQUEST == 0)
			rc |= hand_over(&b);
	}
	return n % SERIES_IN_REQUEST ? rc | hand_over(&b) : rc;
}

void metrics_free(struct metrics *m)
{
	pool_free(&m->pool);
}
