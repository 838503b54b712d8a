/* SPDX-License-Identifier: Apache-2.0 */
/* otlp.c - the sink `otlp`: OpenTelemetry's traces and metrics, by HTTP and protobuf. */
#include <probed/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/gzip.h"
#include "../common/push.h"
#include "metrics.h"
#include "spans.h"

#define BATCH_SPANS 2000
#define FLUSH_NS INT64_C(500000000) /* of each of the two in a flush */
#define VERSION "0.1.0"

enum {
	BASE_PUSH,
	OPT_ENDPOINT = BASE_PUSH + PUSH_OPTIONS,
	OPT_TRACES,
	OPT_METRICS,
	OPT_PHASES,
	OPT_FACTS,
	OPT_INTERVAL,
	OPT_EXPIRE,
	OPT_TARGETS,
	OPT_HISTOGRAM,
	OPT_RESOURCE,
	OPT_GZIP
};

static const struct probed_option options[] = {
	PUSH_OPTION_TABLE(BASE_PUSH),
	[OPT_ENDPOINT] = { .name = "endpoint",
			   .type = PROBED_TYPE_URL,
			   .def = "http://127.0.0.1:4318",
			   .help = "The collector; /v1/traces and /v1/metrics are added." },
	[OPT_TRACES] = { .name = "traces",
			 .type = PROBED_TYPE_BOOLEAN,
			 .def = "yes",
			 .help = "Whether each probe is sent as a trace." },
	[OPT_METRICS] = { .name = "metrics",
			  .type = PROBED_TYPE_BOOLEAN,
			  .def = "yes",
			  .help = "Whether metrics are sent." },
	[OPT_PHASES] = { .name = "phases",
			 .type = PROBED_TYPE_BOOLEAN,
			 .def = "yes",
			 .help = "Whether each phase of a probe has a span of its own." },
	[OPT_FACTS] = { .name = "facts",
			.type = PROBED_TYPE_BOOLEAN,
			.def = "yes",
			.help = "Whether facts are attributes of spans." },
	[OPT_INTERVAL] = { .name = "interval",
			   .type = PROBED_TYPE_DURATION,
			   .def = "10s",
			   .min = 1000000000,
			   .max = INT64_C(3600000000000),
			   .help = "From one sending of the metrics to the next." },
	[OPT_EXPIRE] = { .name = "expire",
			 .type = PROBED_TYPE_DURATION,
			 .def = "1h",
			 .min = INT64_C(10000000000),
			 .max = INT64_C(31536000000000000),
			 .help = "Targets without a result for so long are no longer sent; more than their interval." },
	[OPT_TARGETS] = { .name = "targets",
			  .type = PROBED_TYPE_INTEGER,
			  .def = "100000",
			  .min = 1,
			  .max = 10000000,
			  .help = "Targets and sub-results whose metrics are remembered; further ones have none." },
	[OPT_HISTOGRAM] = { .name = "histogram",
			    .type = PROBED_TYPE_CHOICE,
			    .def = "explicit",
			    .choices = "explicit|exponential",
			    .help = "Kind of the latency's histogram." },
	[OPT_RESOURCE] = { .name = "resource",
			   .type = PROBED_TYPE_MAP,
			   .help = "Attributes of the resource; service.name is probed and service.instance.id the "
				   "host's name "
				   "unless said here." },
	[OPT_GZIP] = { .name = "gzip",
		       .type = PROBED_TYPE_BOOLEAN,
		       .def = "yes",
		       .help = "Whether requests are compressed." },
};

struct otlp {
	struct push *traces, *metrics; /* NULL: not wanted */
	struct spans spans;
	struct series_set set;
	struct metrics m;
	struct pool pool; /* of the resource */
	Otlp__Resource resource;
	Otlp__Scope scope;
	struct text packed;
	int gzip;
	int64_t interval_ns, expire_ns, next_ns;
	int unsent;          /* results since the last metrics */
	uint32_t records[2]; /* in the spans; in the metrics */
};

enum { TRACES, METRICS };

static const struct probed_host *host;

static int is_on(const struct probed_sink_args *args, uint32_t i)
{
	return probed_sink_option(args, i)->i != 0;
}

/* --- the resource ------------------------------------------------------------------------------ */

static int has_key(const struct probed_value *map, const char *key)
{
	for (uint32_t i = 0; i < map->n_items; i++)
		if (!strcmp(PROBED_AT(struct probed_item, map->items, map->item_stride, i)->key, key))
			return 1;
	return 0;
}

static void make_resource(struct otlp *o, const struct probed_value *map)
{
	struct attrs a = { .pool = &o->pool };
	char name[256] = "unknown";
	gethostname(name, sizeof name - 1);
	if (!has_key(map, "service.name"))
		attrs_text(&a, "service.name", "probed");
	if (!has_key(map, "service.instance.id"))
		attrs_text(&a, "service.instance.id", name);
	for (uint32_t i = 0; i < map->n_items; i++) {
		const struct probed_item *item = PROBED_AT(struct probed_item, map->items, map->item_stride, i);
		attrs_text(&a, pool_string(&o->pool, item->key, strlen(item->key)), item->s);
	}
	otlp__resource__init(&o->resource);
	o->resource.attributes = a.list;
	o->resource.n_attributes = a.n;
	otlp__scope__init(&o->scope);
	o->scope.name = (char *)(uintptr_t) "probed";
	o->scope.version = (char *)(uintptr_t)VERSION;
}

/* --- sending ----------------------------------------------------------------------------------- */

static void queue(struct otlp *o, int which, const uint8_t *data, size_t len)
{
	struct push *p = which == TRACES ? o->traces : o->metrics;
	if (!data || (o->gzip && gzip(&o->packed, data, len)))
		push_lose(p, o->records[which], "out of memory");
	else if (o->gzip)
		push_add(p, o->packed.data, o->packed.len, o->records[which]);
	else
		push_add(p, data, len, o->records[which]);
	o->records[which] = 0;
}

static void queue_traces(struct otlp *o)
{
	size_t len;
	if (!o->spans.n)
		return;
	uint8_t *data = spans_take(&o->spans, &o->resource, &o->scope, &len);
	queue(o, TRACES, data, len);
	free(data);
}

static void on_request(void *ctx, const uint8_t *data, size_t len)
{
	queue(ctx, METRICS, data, len);
}

static void queue_metrics(struct otlp *o)
{
	int64_t now = host->now();
	o->next_ns = now + o->interval_ns;
	o->unsent = 0;
	series_expire(&o->set, now - o->expire_ns);
	if (o->set.all && metrics_put(&o->m, &o->set, host->wall()))
		push_lose(o->metrics, o->records[METRICS], "out of memory");
}

/* --- slots ------------------------------------------------------------------------------------- */

static void sink_close(void *sink)
{
	struct otlp *o = sink;
	if (o->traces) {
		queue_traces(o);
		push_free(o->traces);
	}
	if (o->metrics) {
		if (o->unsent)
			queue_metrics(o);
		push_free(o->metrics);
	}
	spans_free(&o->spans);
	series_free(&o->set);
	metrics_free(&o->m);
	pool_free(&o->pool);
	text_free(&o->packed);
	free(o);
}

static struct push *open_push(const struct otlp *o, const struct probed_sink_args *args, const char *path, char *error,
			      uint64_t error_size)
{
	const char *const headers[] = { "Content-Type: application/x-protobuf",
					o->gzip ? "Content-Encoding: gzip" : NULL, NULL };
	const char *endpoint = probed_sink_option(args, OPT_ENDPOINT)->s;
	size_t n = strlen(endpoint), size = n + strlen(path) + 1;
	char *url = malloc(size);
	if (!url) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	while (n && endpoint[n - 1] == '/')
		n--;
	snprintf(url, size, "%.*s%s", (int)n, endpoint, path);
	struct push_config config = { .host = host, .args = args, .base = BASE_PUSH, .url = url, .headers = headers };
	struct push *p = push_new(&config, error, error_size);
	free(url);
	return p;
}

static void configure(struct otlp *o, const struct probed_sink_args *args)
{
	o->gzip = is_on(args, OPT_GZIP);
	o->spans.phases = is_on(args, OPT_PHASES);
	o->spans.facts = is_on(args, OPT_FACTS);
	o->set.limit = (uint32_t)probed_sink_option(args, OPT_TARGETS)->i;
	o->set.exponential = !strcmp(probed_sink_option(args, OPT_HISTOGRAM)->s, "exponential");
	o->m = (struct metrics){ .resource = &o->resource, .scope = &o->scope, .request = on_request, .ctx = o };
	o->interval_ns = probed_sink_option(args, OPT_INTERVAL)->i;
	o->expire_ns = probed_sink_option(args, OPT_EXPIRE)->i;
	o->next_ns = host->now() + o->interval_ns;
	make_resource(o, probed_sink_option(args, OPT_RESOURCE));
}

static int check_options(const struct probed_sink_args *args, char *error, uint64_t error_size)
{
	char why[200];
	if (push_check(probed_sink_option(args, OPT_ENDPOINT)->s, why, sizeof why)) {
		snprintf(error, error_size, "endpoint: %s", why);
		return -1;
	}
	if (!is_on(args, OPT_TRACES) && !is_on(args, OPT_METRICS)) {
		snprintf(error, error_size, "neither traces nor metrics are wanted: say yes to one of them");
		return -1;
	}
	return 0;
}

static int32_t sink_open(const struct probed_sink_args *args, int32_t check, void **sink, char *error,
			 uint64_t error_size)
{
	if (check_options(args, error, error_size))
		return -1;
	if (check)
		return 0;
	struct otlp *o = calloc(1, sizeof *o);
	if (!o) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	configure(o, args);
	if ((is_on(args, OPT_TRACES) && !(o->traces = open_push(o, args, "/v1/traces", error, error_size))) ||
	    (is_on(args, OPT_METRICS) && !(o->metrics = open_push(o, args, "/v1/metrics", error, error_size)))) {
		sink_close(o);
		return -1;
	}
	*sink = o;
	return 0;
}

static int32_t sink_write(void *sink, uint32_t n, const struct probed_record *const *records, char *error,
			  uint64_t error_size)
{
	struct otlp *o = sink;
	int64_t now = host->now();
	for (uint32_t i = 0; i < n; i++) {
		if (o->metrics && series_add(&o->set, records[i], now)) {
			snprintf(error, error_size, "out of memory");
			return -1;
		}
		if (o->traces)
			spans_add(&o->spans, records[i]);
	}
	o->unsent = 1;
	/* a result that is lost is counted once: as a trace, where there are traces */
	o->records[o->traces ? TRACES : METRICS] += n;
	if (o->spans.n >= BATCH_SPANS) {
		queue_traces(o);
		push_try(o->traces, FLUSH_NS);
	}
	return 0;
}

static int32_t sink_flush(void *sink, char *error, uint64_t error_size)
{
	struct otlp *o = sink;
	char other[500]; /* one line is told: that of the traces first */
	int32_t traces = 0, metrics = 0;
	int64_t began = host->now();
	if (o->traces) {
		queue_traces(o);
		traces = push_send(o->traces, FLUSH_NS, error, error_size);
	}
	if (o->metrics) {
		if (host->now() >= o->next_ns)
			queue_metrics(o);
		/* a collector that hangs is waited for once in a flush */
		int64_t left = began + FLUSH_NS - host->now();
		metrics = push_send(o->metrics, left > 0 ? FLUSH_NS : 0, traces ? other : error,
				    traces ? sizeof other : error_size);
	}
	if (traces > 0 || metrics > 0)
		return (traces > 0 ? traces : 0) + (metrics > 0 ? metrics : 0);
	return traces ? traces : metrics;
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return push_load();
}

static const struct probed_sink sinks[] = {
	{
	    .name = "otlp",
	    .summary = "Sends traces and metrics to an OpenTelemetry collector.",
	    PROBED_TABLE(options, option, options),
	    .open = sink_open,
	    .write = sink_write,
	    .flush = sink_flush,
	    .close = sink_close,
	},
};

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "otlp",
	.version = VERSION,
	.summary = "Results for OpenTelemetry.",
	PROBED_TABLE(sinks, sink, sinks),
	.load = load,
	.unload = push_unload,
};
