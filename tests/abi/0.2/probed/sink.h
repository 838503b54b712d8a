/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.h - a sink takes results and events, and puts them somewhere.
 *
 * Sinks run in the recorder process, each on a thread of its own behind a bounded queue. Every slot is called
 * from that thread and may block; the queue fills meanwhile, and what does not fit is dropped and counted.
 */
#ifndef PROBED_SINK_H
#define PROBED_SINK_H

#include <probed/host.h>
#include <probed/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One fact of a record. `name` is whole ("header.server"). A LIST is several entries of one name in a row. */
struct probed_record_fact {
	const char *name;
	const char *unit;
	uint32_t type;
	uint32_t flags; /* PROBED_FACT_LIST, PROBED_FACT_METRIC */
	int64_t i;
	double f;
	const char *s; /* STRING; TABLE: one row as a JSON object */
	uint64_t len;
};

/* An expectation that did not hold. */
struct probed_record_failed {
	const char *label;   /* "fast" */
	const char *message; /* "latency 412 ms, expected < 300 ms" */
};

enum { PROBED_RECORD_RESULT = 0, PROBED_RECORD_EVENT = 1 };

/* A result (or an event). Lives until write() returns. */
struct probed_record {
	uint32_t kind;
	uint32_t outcome;
	uint32_t reason;
	uint32_t reserved;
	uint64_t id_epoch;  /* when the daemon started, wall nanoseconds: with id_seq it is unique */
	uint64_t id_seq;
	int64_t time_ns;    /* wall time of the probe's start */
	const char *target;
	const char *sub;    /* name of a sub-result, NULL: the probe itself */
	const char *plan;
	const char *driver;
	const char *message; /* NULL: none */
	int64_t latency_ns;  /* from the due time to the end */
	int64_t service_ns;  /* from the start to the end */
	int64_t lag_ns;      /* from the due time to the start */
	int64_t phase_ns[PROBED_PHASES]; /* -1: did not happen */
	const struct probed_record_fact *facts;
	const struct probed_record_failed *failed;
	uint32_t n_facts, fact_stride;
	uint32_t n_failed, failed_stride;
};

struct probed_sink_args {
	uint32_t size;
	uint32_t reserved;
	const char *name; /* of the section */
	const struct probed_value *options;
	uint32_t n_options;
	uint32_t option_stride;
};

static inline const struct probed_value *probed_sink_option(const struct probed_sink_args *args, uint32_t i)
{
	return PROBED_AT(struct probed_value, args->options, args->option_stride, i);
}

struct probed_sink {
	const char *name;
	const char *summary;
	const struct probed_option *options;
	uint32_t n_options, option_stride;
	uint32_t flags;
	uint32_t reserved;

	/* 0, or -1 with a line in `error`. `check` non-zero: validate only, open nothing. */
	int32_t (*open)(const struct probed_sink_args *args, int32_t check, void **sink, char *error,
	                uint64_t error_size);
	/* 0, or -1 with a line in `error`: the batch is counted as failed. */
	int32_t (*write)(void *sink, uint32_t n, const struct probed_record *const *records, char *error,
	                 uint64_t error_size);
	/* Called each second and before close. 0, -1 with a line in `error` (what is still held is tried again), or,
	 * with a line too, how many records that write() took are lost for good: they are counted as failed. */
	int32_t (*flush)(void *sink, char *error, uint64_t error_size);
	/* On reload: files are opened again, for rotation. */
	int32_t (*reopen)(void *sink, char *error, uint64_t error_size);
	void (*close)(void *sink);
};

#ifdef __cplusplus
}
#endif
#endif
