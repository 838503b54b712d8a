/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push.h - batches of records sent by HTTP POST, for sinks: a bounded backlog, retries with backoff.
 *
 * A batch that can't be delivered stays and is tried again, after 1 s, 2 s ... 30 s or as long as the server says
 * (Retry-After); the order is kept. When the backlog is full the oldest go. What a server refuses for good (4xx but 429
 * and 408) goes at once. One thread, which blocks for as long as a request takes, at most its timeout.
 */
#ifndef COMMON_PUSH_H
#define COMMON_PUSH_H

#include <probed/plugin.h>

#include <stddef.h>
#include <stdint.h>

/* Options of a sink that uses this: so many from `base` on. */
enum { PUSH_HEADER, PUSH_USER, PUSH_PASSWORD, PUSH_TIMEOUT, PUSH_BACKLOG, PUSH_TLS_CA, PUSH_TLS_VERIFY, PUSH_OPTIONS };

#define PUSH_OPTION_TABLE(base) \
	[(base) + PUSH_HEADER] = { \
		.name = "header", .type = PROBED_TYPE_MAP, .flags = PROBED_OPTION_SECRET, \
		.help = "More request headers." \
	}, \
	[(base) + PUSH_USER] = { \
		.name = "user", .type = PROBED_TYPE_STRING, .help = "User name, for basic authentication." \
	}, \
	[(base) + PUSH_PASSWORD] = { \
		.name = "password", .type = PROBED_TYPE_SECRET, .help = "The password that belongs to it." \
	}, \
	[(base) + PUSH_TIMEOUT] = { \
		.name = "timeout", .type = PROBED_TYPE_DURATION, .def = "3s", .min = 100000000, \
		.max = INT64_C(60000000000), .help = "How long a request may take." \
	}, \
	[(base) + PUSH_BACKLOG] = { \
		.name = "backlog", .type = PROBED_TYPE_SIZE, .def = "8MiB", .min = 64 << 10, .max = 1 << 30, \
		.help = "Bytes that wait while the server does not take them; beyond, the oldest go." \
	}, \
	[(base) + PUSH_TLS_CA] = { \
		.name = "tls.ca", .type = PROBED_TYPE_STRING, \
		.help = "File of certificates to trust, instead of the system's." \
	}, \
	[(base) + PUSH_TLS_VERIFY] = { \
		.name = "tls.verify", .type = PROBED_TYPE_BOOLEAN, .def = "yes", \
		.help = "Whether the server's certificate is checked." \
	}

struct push;

struct push_config {
	const struct probed_host *host;
	const struct probed_sink_args *args;
	uint32_t base;
	const char *url;
	const char *const *headers; /* lines, ended by NULL: content type and so on */
};

/* 0, or -1 with a line: is the URL http or https? */
int push_check(const char *url, char *error, uint64_t error_size);
/* NULL with a line. Strings are copied. */
struct push *push_new(const struct push_config *config, char *error, uint64_t error_size);
/* Tries once more to deliver what waits, for a bounded time; what is left then is told in the log. */
void push_free(struct push *p);

/* Puts a batch of so many records at the end of the backlog; the data is copied. */
void push_add(struct push *p, const void *data, size_t len, uint32_t records);
/* Counts records as lost that never made it into a batch. */
void push_lose(struct push *p, uint32_t records, const char *why);
/* Delivers what it can in about this time; what comes of it push_send() tells. */
void push_try(struct push *p, int64_t budget_ns);
/* Delivers what it can in about this time. 0; -1 with a line: some still wait; or, with a line, how many records have
 * been lost since the last call (at most INT32_MAX). */
int32_t push_send(struct push *p, int64_t budget_ns, char *error, uint64_t error_size);

/* For the plugin's load() and unload(). */
int push_load(void);
void push_unload(void);

#endif
