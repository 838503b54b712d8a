/* SPDX-License-Identifier: Apache-2.0 */
/* csv.c - the sink `csv`: a row of chosen columns for each result, to a file or to the standard output. */
#include <probed/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/outfile.h"
#include "columns.h"

#define DEFAULT_COLUMNS                                                                                                \
	"time,target,sub,driver,outcome,reason,latency,service,lag,phase.resolve,phase.connect,phase.tls,phase.send,"  \
	"phase.wait,phase.receive,message"
#define SENDIT_COLUMNS                                                                                                 \
	"ts=time,url=fact.url|target,type=driver,status=fact.status|fact.rcode,duration_ms=latency,bytes=fact.bytes."  \
	"in,"                                                                                                          \
	"error=message|reason"

enum { OPT_COLUMNS = OUTFILE_OPTIONS, OPT_PRESET, OPT_TIME };

static const struct probed_option options[] = {
	OUTFILE_OPTION_TABLE(0, PROBED_OPTION_REQUIRED),
	[OPT_COLUMNS] = { .name = "columns",
			  .type = PROBED_TYPE_STRING,
			  .help = "Fields of the record, with commas between; heading=field gives a column another "
				  "name, and "
				  "field|field takes the first that has a value." },
	[OPT_PRESET] = { .name = "preset",
			 .type = PROBED_TYPE_CHOICE,
			 .def = "probed",
			 .choices = "probed|sendit",
			 .help = "Columns where none are named; sendit: ts,url,type,status,duration_ms,bytes,error." },
	[OPT_TIME] = { .name = "time_format",
		       .type = PROBED_TYPE_CHOICE,
		       .def = "rfc3339",
		       .choices = "rfc3339|unix|unix_ms",
		       .help = "How times are written: as text in UTC, or seconds or milliseconds since 1970." },
};

struct csv {
	struct outfile *file;
	struct columns *columns;
};

static const struct probed_host *host;

static void sink_close(void *sink)
{
	struct csv *s = sink;
	if (s->file)
		outfile_close(s->file);
	columns_free(s->columns);
	free(s);
}

static struct columns *make_columns(const struct probed_sink_args *args, char *error, uint64_t error_size)
{
	static const enum columns_time times[] = { COLUMNS_RFC3339, COLUMNS_UNIX, COLUMNS_UNIX_MS };
	const char *spec = probed_sink_option(args, OPT_COLUMNS)->s;
	char why[400] = "";
	if (!spec || !*spec)
		spec = probed_sink_option(args, OPT_PRESET)->i ? SENDIT_COLUMNS : DEFAULT_COLUMNS;
	struct columns *c = columns_new(spec, times[probed_sink_option(args, OPT_TIME)->i], why, sizeof why);
	if (!c)
		snprintf(error, error_size, "columns: %s", why);
	return c;
}

static int32_t sink_open(const struct probed_sink_args *args, int32_t check, void **sink, char *error,
			 uint64_t error_size)
{
	if (outfile_check(args, 0, error, error_size))
		return -1;
	struct csv *s = calloc(1, sizeof *s);
	if (!s || !(s->columns = make_columns(args, error, error_size))) {
		free(s);
		return -1;
	}
	struct outfile_format format = { .header = columns_header(s->columns), .quoted = 1 };
	if (!check)
		s->file = outfile_open(host, args, 0, &format, error, error_size);
	if (check || !s->file) {
		sink_close(s);
		return check ? 0 : -1;
	}
	*sink = s;
	return 0;
}

static void add(void *ctx, struct text *t, const struct probed_record *r)
{
	columns_row(ctx, t, r);
}

static int32_t sink_write(void *sink, uint32_t n, const struct probed_record *const *records, char *error,
			  uint64_t error_size)
{
	struct csv *s = sink;
	return outfile_write(s->file, n, records, add, s->columns, error, error_size);
}

static int32_t sink_flush(void *sink, char *error, uint64_t error_size)
{
	struct csv *s = sink;
	return outfile_flush(s->file, error, error_size);
}

static int32_t sink_reopen(void *sink, char *error, uint64_t error_size)
{
	struct csv *s = sink;
	return outfile_reopen(s->file, error, error_size);
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return 0;
}

static const struct probed_sink sinks[] = {
	{
	    .name = "csv",
	    .summary = "Appends a row of chosen columns for each result to a file.",
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
	.name = "csv",
	.version = "0.1.0",
	.summary = "Results as comma-separated values.",
	PROBED_TABLE(sinks, sink, sinks),
	.load = load,
};
