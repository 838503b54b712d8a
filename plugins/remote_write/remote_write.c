/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write.c - the sink `remote_write`: what /metrics says of targets, pushed to a Prometheus (remote write 1.0).
 */
#include <probed/plugin.h>

#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/push.h"
#include "samples.h"

#define NS_PER_MS INT64_C(1000000)
#define FLUSH_NS INT64_C(1000000000)
#define LABELS_MAX 64

enum { BASE_PUSH, OPT_URL = BASE_PUSH + PUSH_OPTIONS, OPT_INTERVAL, OPT_EXPIRE, OPT_LABEL, OPT_BATCH, OPT_TARGETS };

static const struct probed_option options[] = {
	PUSH_OPTION_TABLE(BASE_PUSH),
	[OPT_URL] = { .name = "url",
		      .type = PROBED_TYPE_URL,
		      .flags = PROBED_OPTION_REQUIRED,
		      .help = "The receiver, such as http://prometheus:9090/api/v1/write." },
	[OPT_INTERVAL] = { .name = "interval",
			   .type = PROBED_TYPE_DURATION,
			   .def = "15s",
			   .min = 1000000000,
			   .max = INT64_C(3600000000000),
			   .help = "From one push of all series to the next." },
	[OPT_EXPIRE] = { .name = "expire",
			 .type = PROBED_TYPE_DURATION,
			 .def = "1h",
			 .min = INT64_C(10000000000),
			 .max = INT64_C(31536000000000000),
			 .help = "Targets without a result for so long are no longer sent; more than their interval." },
	[OPT_LABEL] = { .name = "label",
			.type = PROBED_TYPE_MAP,
			.max = LABELS_MAX,
			.help = "Labels of all series; job is probed and instance the host's name unless said here." },
	[OPT_BATCH] = { .name = "batch",
			.type = PROBED_TYPE_INTEGER,
			.def = "2000",
			.min = 1,
			.max = 100000,
			.help = "Samples in a request." },
	[OPT_TARGETS] = { .name = "targets",
			  .type = PROBED_TYPE_INTEGER,
			  .def = "100000",
			  .min = 1,
			  .max = 10000000,
			  .help =
			      "Targets and sub-results that are remembered; results of further ones are left out." },
};

struct remote_write {
	struct series_set set;
	struct samples samples;
	struct samples_label labels[LABELS_MAX + 2];
	char host_name[256];
	struct push *push;
	char *packed;
	size_t packed_size;
	int64_t interval_ns, expire_ns, next_ns, last_ms;
	uint32_t records; /* since the last push */
	uint64_t refused; /* that were told */
};

static const struct probed_host *host;

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct samples_label *)a)->name, ((const struct samples_label *)b)->name);
}

static int check_options(const struct probed_sink_args *args, char *error, uint64_t error_size)
{
	const struct probed_value *labels = probed_sink_option(args, OPT_LABEL);
	char why[200];
	if (push_check(probed_sink_option(args, OPT_URL)->s, why, sizeof why)) {
		snprintf(error, error_size, "url: %s", why);
		return -1;
	}
	for (uint32_t i = 0; i < labels->n_items; i++) {
		const struct probed_item *item = PROBED_AT(struct probed_item, labels->items, labels->item_stride, i);
		if (!samples_name_ok(item->key)) {
			snprintf(error, error_size,
				 "label.%s: expected a name of letters, digits and _ that is none of "
				 "driver, fact, le, outcome, phase, sub, target, unit",
				 item->key);
			return -1;
		}
	}
	return 0;
}

static int has_label(const struct remote_write *s, const char *name)
{
	for (uint32_t i = 0; i < s->samples.n_external; i++)
		if (!strcmp(s->labels[i].name, name))
			return 1;
	return 0;
}

static int set_labels(struct remote_write *s, const struct probed_value *map)
{
	for (uint32_t i = 0; i < map->n_items && i < LABELS_MAX; i++) {
		const struct probed_item *item = PROBED_AT(struct probed_item, map->items, map->item_stride, i);
		struct samples_label *l = &s->labels[s->samples.n_external++];
		*l = (struct samples_label){ strdup(item->key), strdup(item->s) };
		if (!l->name || !l->value)
			return -1;
	}
	if (!has_label(s, "job"))
		s->labels[s->samples.n_external++] = (struct samples_label){ strdup("job"), strdup("probed") };
	if (!has_label(s, "instance"))
		s->labels[s->samples.n_external++] = (struct samples_label){ strdup("instance"), strdup(s->host_name) };
	for (uint32_t i = 0; i < s->samples.n_external; i++)
		if (!s->labels[i].name || !s->labels[i].value)
			return -1;
	qsort(s->labels, s->samples.n_external, sizeof s->labels[0], by_name);
	s->samples.external = s->labels;
	return 0;
}

/* Compressed as one block of snappy. */
static void request(void *ctx, const uint8_t *data, size_t len)
{
	struct remote_write *s = ctx;
	size_t need = snappy_max_compressed_length(len);
	if (s->packed_size < need) {
		char *packed = realloc(s->packed, need);
		if (!packed) {
			push_lose(s->push, s->records, "out of memory");
			return;
		}
		s->packed = packed;
		s->packed_size = need;
	}
	size_t packed_len = s->packed_size;
	snappy_compress((const char *)data, len, s->packed, &packed_len);
	/* results are counted with the first request of their push */
	push_add(s->push, s->packed, packed_len, s->records);
	s->records = 0;
}

static void tell_refused(struct remote_write *s)
{
	if (s->set.refused > s->refused)
		host->log(PROBED_LOG_WARNING,
			  "remote_write: more targets than \"targets\" allows: %llu results were left out",
			  (unsigned long long)s->set.refused);
	s->refused = s->set.refused;
}

static void push_all(struct remote_write *s)
{
	int64_t now = host->now(), ms = host->wall() / NS_PER_MS;
	s->next_ns = now + s->interval_ns;
	series_expire(&s->set, now - s->expire_ns);
	s->last_ms = ms > s->last_ms ? ms : s->last_ms + 1;
	if (samples_put(&s->samples, &s->set, s->last_ms))
		push_lose(s->push, s->records, "out of memory");
	tell_refused(s);
}

static void sink_close(void *sink)
{
	struct remote_write *s = sink;
	if (s->push) {
		if (s->records)
			push_all(s);
		push_free(s->push);
	}
	samples_free(&s->samples);
	series_free(&s->set);
	for (uint32_t i = 0; i < s->samples.n_external; i++) {
		free((void *)(uintptr_t)s->labels[i].name);
		free((void *)(uintptr_t)s->labels[i].value);
	}
	free(s->packed);
	free(s);
}

static void configure(struct remote_write *s, const struct probed_sink_args *args)
{
	s->set.limit = (uint32_t)probed_sink_option(args, OPT_TARGETS)->i;
	s->samples.batch = (uint32_t)probed_sink_option(args, OPT_BATCH)->i;
	s->samples.request = request;
	s->samples.ctx = s;
	s->interval_ns = probed_sink_option(args, OPT_INTERVAL)->i;
	s->expire_ns = probed_sink_option(args, OPT_EXPIRE)->i;
	s->next_ns = host->now() + s->interval_ns;
	if (gethostname(s->host_name, sizeof s->host_name - 1))
		snprintf(s->host_name, sizeof s->host_name, "unknown");
}

static int32_t sink_open(const struct probed_sink_args *args, int32_t check, void **sink, char *error,
			 uint64_t error_size)
{
	static const char *const headers[] = { "Content-Type: application/x-protobuf", "Content-Encoding: snappy",
					       "X-Prometheus-Remote-Write-Version: 0.1.0", NULL };
	if (check_options(args, error, error_size))
		return -1;
	if (check)
		return 0;
	struct remote_write *s = calloc(1, sizeof *s);
	if (!s) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	configure(s, args);
	struct push_config config = { .host = host,
				      .args = args,
				      .base = BASE_PUSH,
				      .url = probed_sink_option(args, OPT_URL)->s,
				      .headers = headers };
	if (set_labels(s, probed_sink_option(args, OPT_LABEL)))
		snprintf(error, error_size, "out of memory");
	else
		s->push = push_new(&config, error, error_size);
	if (!s->push) {
		sink_close(s);
		return -1;
	}
	*sink = s;
	return 0;
}

static int32_t sink_write(void *sink, uint32_t n, const struct probed_record *const *records, char *error,
			  uint64_t error_size)
{
	struct remote_write *s = sink;
	int64_t now = host->now();
	for (uint32_t i = 0; i < n; i++)
		if (series_add(&s->set, records[i], now)) {
			snprintf(error, error_size, "out of memory");
			return -1;
		}
	s->records += n;
	return 0;
}

static int32_t sink_flush(void *sink, char *error, uint64_t error_size)
{
	struct remote_write *s = sink;
	if (host->now() >= s->next_ns && s->set.all)
		push_all(s);
	return push_send(s->push, FLUSH_NS, error, error_size);
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return push_load();
}

static const struct probed_sink sinks[] = {
	{
	    .name = "remote_write",
	    .summary = "Pushes metrics of the targets to Prometheus by remote write.",
	    PROBED_TABLE(options, option, options),
	    .open = sink_open,
	    .write = sink_write,
	    .flush = sink_flush,
	    .close = sink_close,
	},
};

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "remote_write",
	.version = "0.1.0",
	.summary = "Metrics for Prometheus, pushed.",
	PROBED_TABLE(sinks, sink, sinks),
	.load = load,
	.unload = push_unload,
};
