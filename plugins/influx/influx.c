/* SPDX-License-Identifier: Apache-2.0 */
/* influx.c - the sink `influx`: line protocol to InfluxDB (HTTP, of version 1 or 2), by UDP, or to a file. */
#include <probed/plugin.h>

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/gzip.h"
#include "../common/outfile.h"
#include "../common/push.h"
#include "../common/udp.h"
#include "point.h"

#define BATCH_BYTES ((size_t)512 << 10)
#define FLUSH_NS INT64_C(1000000000)
#define UDP_PAYLOAD 1432

enum {
	BASE_FILE,
	BASE_PUSH = BASE_FILE + OUTFILE_OPTIONS,
	OPT_URL = BASE_PUSH + PUSH_OPTIONS,
	OPT_DATABASE,
	OPT_RETENTION,
	OPT_ORG,
	OPT_BUCKET,
	OPT_TOKEN,
	OPT_MEASUREMENT,
	OPT_STRINGS,
	OPT_GZIP
};

static const struct probed_option options[] = {
	OUTFILE_OPTION_TABLE(BASE_FILE, 0),
	PUSH_OPTION_TABLE(BASE_PUSH),
	[OPT_URL] = { .name = "url",
		      .type = PROBED_TYPE_STRING,
		      .help = "The server, http://host:8086 or udp://host:8089; either this or path." },
	[OPT_DATABASE] = { .name = "database",
			   .type = PROBED_TYPE_STRING,
			   .def = "probed",
			   .help = "Database, of version 1." },
	[OPT_RETENTION] = { .name = "retention",
			    .type = PROBED_TYPE_STRING,
			    .help = "Retention policy, of version 1." },
	[OPT_ORG] = { .name = "org", .type = PROBED_TYPE_STRING, .help = "Organisation, of version 2." },
	[OPT_BUCKET] = { .name = "bucket",
			 .type = PROBED_TYPE_STRING,
			 .help = "Bucket; makes the server one of version 2." },
	[OPT_TOKEN] = { .name = "token", .type = PROBED_TYPE_SECRET, .help = "API token, of version 2." },
	[OPT_MEASUREMENT] = { .name = "measurement",
			      .type = PROBED_TYPE_STRING,
			      .def = "probed",
			      .help = "Name of the measurement." },
	[OPT_STRINGS] = { .name = "strings",
			  .type = PROBED_TYPE_BOOLEAN,
			  .def = "no",
			  .help = "Whether facts that are texts become fields too, named FACT_text." },
	[OPT_GZIP] = { .name = "gzip",
		       .type = PROBED_TYPE_BOOLEAN,
		       .def = "yes",
		       .help = "Whether requests are compressed." },
};

struct influx {
	struct point_format format;
	char *measurement;
	struct outfile *file;
	struct push *push;
	struct udp *udp;
	struct text text, packed;
	uint32_t records; /* in the text */
	int gzip;
};

static const struct probed_host *host;

static const char *text_of(const struct probed_sink_args *args, uint32_t i)
{
	const char *s = probed_sink_option(args, i)->s;
	return s && *s ? s : NULL;
}

static int is_udp(const char *url)
{
	return !strncmp(url, "udp://", 6);
}

static int check_options(const struct probed_sink_args *args, char *error, uint64_t error_size)
{
	const char *url = text_of(args, OPT_URL), *path = text_of(args, BASE_FILE + OUTFILE_PATH);
	char why[200];
	if (!url == !path) {
		snprintf(error, error_size, "expected either url (http://HOST:8086, udp://HOST:8089) or path");
		return -1;
	}
	if (path)
		return outfile_check(args, BASE_FILE, error, error_size);
	if (is_udp(url) ? udp_check(url + 6, why, sizeof why) : push_check(url, why, sizeof why)) {
		snprintf(error, error_size, "url: %s", why);
		return -1;
	}
	if (text_of(args, OPT_BUCKET) && !text_of(args, OPT_ORG)) {
		snprintf(error, error_size, "org: is required where a bucket is named");
		return -1;
	}
	return 0;
}

/* Adds &key=value, with what a URL can't hold escaped. */
static void put_query(struct text *t, const char *key, const char *value)
{
	char *escaped = value ? curl_easy_escape(NULL, value, 0) : NULL;
	if (!escaped)
		return;
	text_putc(t, '&');
	text_puts(t, key);
	text_putc(t, '=');
	text_puts(t, escaped);
	curl_free(escaped);
}

static void put_url(struct text *t, const struct probed_sink_args *args)
{
	const char *url = text_of(args, OPT_URL);
	size_t n = strlen(url);
	while (url[n - 1] == '/')
		n--;
	text_put(t, url, n);
	if (text_of(args, OPT_BUCKET)) {
		text_puts(t, "/api/v2/write?precision=ns");
		put_query(t, "org", text_of(args, OPT_ORG));
		put_query(t, "bucket", text_of(args, OPT_BUCKET));
	} else {
		text_puts(t, "/write?precision=ns");
		put_query(t, "db", text_of(args, OPT_DATABASE));
		put_query(t, "rp", text_of(args, OPT_RETENTION));
	}
	text_put(t, "", 1);
}

static struct push *open_push(const struct influx *s, const struct probed_sink_args *args, char *error,
			      uint64_t error_size)
{
	struct text url = { 0 }, token = { 0 };
	const char *headers[4] = { "Content-Type: text/plain; charset=utf-8" };
	size_t n = 1;
	put_url(&url, args);
	if (text_of(args, OPT_TOKEN)) {
		text_puts(&token, "Authorization: Token ");
		text_puts(&token, text_of(args, OPT_TOKEN));
		text_put(&token, "", 1);
		headers[n++] = token.data;
	}
	if (s->gzip)
		headers[n++] = "Content-Encoding: gzip";
	struct push_config config = {
		.host = host, .args = args, .base = BASE_PUSH, .url = url.data, .headers = headers
	};
	struct push *p = NULL;
	if (url.failed || token.failed)
		snprintf(error, error_size, "out of memory");
	else
		p = push_new(&config, error, error_size);
	text_free(&url);
	text_free(&token);
	return p;
}

static void hand_over(struct influx *s)
{
	if (!s->text.len)
		return;
	if (!s->gzip)
		push_add(s->push, s->text.data, s->text.len, s->records);
	else if (gzip(&s->packed, s->text.data, s->text.len))
		push_lose(s->push, s->records, "out of memory");
	else
		push_add(s->push, s->packed.data, s->packed.len, s->records);
	s->text.len = 0;
	s->records = 0;
}

static void sink_close(void *sink)
{
	struct influx *s = sink;
	if (s->file)
		outfile_close(s->file);
	if (s->udp)
		udp_close(s->udp);
	if (s->push) {
		hand_over(s);
		push_free(s->push);
	}
	text_free(&s->text);
	text_free(&s->packed);
	free(s->measurement);
	free(s);
}

static int32_t sink_open(const struct probed_sink_args *args, int32_t check, void **sink, char *error,
			 uint64_t error_size)
{
	static const struct outfile_format format = { 0 };
	const char *url = text_of(args, OPT_URL), *measurement = text_of(args, OPT_MEASUREMENT);
	if (check_options(args, error, error_size))
		return -1;
	if (check)
		return 0;
	struct influx *s = calloc(1, sizeof *s);
	if (!s || !(s->measurement = strdup(measurement ? measurement : "probed"))) {
		free(s);
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	s->format = (struct point_format){ s->measurement, probed_sink_option(args, OPT_STRINGS)->i != 0 };
	s->gzip = probed_sink_option(args, OPT_GZIP)->i != 0;
	if (!url)
		s->file = outfile_open(host, args, BASE_FILE, &format, error, error_size);
	else if (is_udp(url))
		s->udp = udp_open(url + 6, UDP_PAYLOAD, error, error_size);
	else
		s->push = open_push(s, args, error, error_size);
	if (!s->file && !s->udp && !s->push) {
		sink_close(s);
		return -1;
	}
	*sink = s;
	return 0;
}

static void add(void *ctx, struct text *t, const struct probed_record *r)
{
	struct influx *s = ctx;
	point_add(&s->format, t, r);
}

static int32_t sink_write(void *sink, uint32_t n, const struct probed_record *const *records, char *error,
			  uint64_t error_size)
{
	struct influx *s = sink;
	if (s->file)
		return outfile_write(s->file, n, records, add, s, error, error_size);
	for (uint32_t i = 0; i < n; i++) {
		size_t before = s->text.len;
		point_add(&s->format, &s->text, records[i]);
		if (s->text.failed) {
			s->text.failed = 0;
			s->text.len = before;
			snprintf(error, error_size, "out of memory");
			return -1;
		}
		s->records++;
		if (s->udp) {
			udp_line(s->udp, s->text.data, s->text.len - 1);
			s->text.len = 0;
		} else if (s->text.len >= BATCH_BYTES) {
			hand_over(s);
			push_try(s->push, FLUSH_NS);
		}
	}
	return 0;
}

static int32_t sink_flush(void *sink, char *error, uint64_t error_size)
{
	struct influx *s = sink;
	if (s->file)
		return outfile_flush(s->file, error, error_size);
	if (s->udp)
		return udp_flush(s->udp, error, error_size);
	hand_over(s);
	return push_send(s->push, FLUSH_NS, error, error_size);
}

static int32_t sink_reopen(void *sink, char *error, uint64_t error_size)
{
	struct influx *s = sink;
	return s->file ? outfile_reopen(s->file, error, error_size) : 0;
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return push_load();
}

static const struct probed_sink sinks[] = {
	{
	    .name = "influx",
	    .summary = "Writes points of InfluxDB's line protocol to a server or a file.",
	    PROBED_TABLE(options, option, options),
	    .open = sink_open,
	    .write = sink_write,
	    .flush = sink_flush,
	    .reopen = sink_reopen,
	    .close = sink_close,
	},
};

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "influx",
	.version = "0.1.0",
	.summary = "Results for InfluxDB.",
	PROBED_TABLE(sinks, sink, sinks),
	.load = load,
	.unload = push_unload,
};
