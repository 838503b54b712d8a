/* SPDX-License-Identifier: Apache-2.0 */
/* sinks.h - for tests of sinks' parts: a host with a clock of the test's, option values, and a record with something of
 * everything. Include after cmocka. */
#ifndef TESTS_SINKS_H
#define TESTS_SINKS_H

#include <probed/plugin.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SINKS_WALL INT64_C(1767225600123456789) /* 2026-01-01T00:00:00.123Z */

static int64_t sinks_now = 1000, sinks_wall = SINKS_WALL;
static char sinks_log[8192];

static inline int64_t sinks_host_now(void)
{
	return sinks_now;
}

static inline int64_t sinks_host_wall(void)
{
	return sinks_wall;
}

static inline uint64_t sinks_host_random(void)
{
	return 4; /* by a fair roll */
}

__attribute__((format(printf, 2, 3))) static inline void sinks_host_log(uint32_t level, const char *format, ...)
{
	(void)level;
	size_t at = strlen(sinks_log);
	va_list ap;
	va_start(ap, format);
	vsnprintf(sinks_log + at, sizeof sinks_log - at, format, ap);
	va_end(ap);
}

static const struct probed_host sinks_host = { .size = sizeof sinks_host,
	                                       .now = sinks_host_now,
	                                       .wall = sinks_host_wall,
	                                       .random = sinks_host_random,
	                                       .log = sinks_host_log };

static inline struct probed_value sinks_text(const char *s)
{
	return (struct probed_value){ .type = PROBED_TYPE_STRING, .s = s, .len = s ? strlen(s) : 0 };
}

static inline struct probed_value sinks_number(int64_t i)
{
	return (struct probed_value){ .type = PROBED_TYPE_INTEGER, .i = i };
}

static inline struct probed_value sinks_choice(const char *s, int64_t i)
{
	struct probed_value v = sinks_text(s);
	v.type = PROBED_TYPE_CHOICE;
	v.i = i;
	return v;
}

static inline struct probed_record_fact sinks_fact(const char *name, uint32_t type, int64_t i)
{
	return (struct probed_record_fact){ .name = name, .unit = "", .type = type, .i = i };
}

static inline struct probed_record_fact sinks_fact_text(const char *name, uint32_t type, uint32_t flags, const char *s)
{
	return (struct probed_record_fact){ .name = name, .unit = "", .type = type, .flags = flags, .s = s, .len = strlen(s) };
}

struct sinks_record {
	struct probed_record r;
	struct probed_record_fact facts[16];
	struct probed_record_failed failed[2];
};

/* A fail with 12 facts, two of its phases and two failed expectations. `hard` stands where text of others may. */
static inline const struct probed_record *sinks_fill(struct sinks_record *m, const char *hard)
{
	uint32_t n = 0;
	memset(m, 0, sizeof *m);
	m->facts[n++] = sinks_fact("status", PROBED_TYPE_INTEGER, 503);
	m->facts[n - 1].flags = PROBED_FACT_METRIC;
	m->facts[n++] = sinks_fact("cert.expires", PROBED_TYPE_DURATION, -INT64_C(1500000000));
	m->facts[n - 1].flags = PROBED_FACT_METRIC;
	m->facts[n - 1].unit = "s";
	m->facts[n++] = sinks_fact("cert.not_after", PROBED_TYPE_TIME, INT64_C(1767225600000000000));
	m->facts[n++] = sinks_fact("bytes.in", PROBED_TYPE_SIZE, 65536);
	m->facts[n - 1].flags = PROBED_FACT_METRIC;
	m->facts[n - 1].unit = "bytes";
	m->facts[n++] = (struct probed_record_fact){ .name = "loss", .unit = "ratio", .type = PROBED_TYPE_FLOAT, .f = 0.1 };
	m->facts[n++] = sinks_fact("tls", PROBED_TYPE_BOOLEAN, 1);
	m->facts[n++] = sinks_fact_text("header.server", PROBED_TYPE_STRING, 0, hard);
	m->facts[n++] = sinks_fact_text("answer", PROBED_TYPE_STRING, PROBED_FACT_LIST, "192.0.2.1");
	m->facts[n++] = sinks_fact_text("answer", PROBED_TYPE_STRING, PROBED_FACT_LIST, "192.0.2.2");
	m->facts[n++] = sinks_fact_text("hops", PROBED_TYPE_TABLE, 0, "{\"ttl\":1}");
	m->facts[n++] = sinks_fact_text("hops", PROBED_TYPE_TABLE, 0, "{\"ttl\":2}");
	m->facts[n++] = sinks_fact_text("url", PROBED_TYPE_STRING, 0, "http://a/");
	m->failed[0] = (struct probed_record_failed){ .label = "fast", .message = "latency 412 ms, expected < 300 ms" };
	m->failed[1] = (struct probed_record_failed){ .label = "kind", .message = "no" };
	m->r = (struct probed_record){ .outcome = PROBED_FAIL,
		                       .reason = PROBED_REASON_EXPECTATION,
		                       .id_epoch = 0xabc,
		                       .id_seq = 7,
		                       .time_ns = SINKS_WALL,
		                       .target = "home",
		                       .plan = "monitor",
		                       .driver = "http",
		                       .message = hard,
		                       .latency_ns = 412250000,
		                       .service_ns = 412000000,
		                       .lag_ns = 250000,
		                       .phase_ns = { -1, 1500000, -1, -1, 400000000, -1 },
		                       .facts = m->facts,
		                       .n_facts = n,
		                       .fact_stride = sizeof m->facts[0],
		                       .failed = m->failed,
		                       .n_failed = 2,
		                       .failed_stride = sizeof m->failed[0] };
	return &m->r;
}

#endif
