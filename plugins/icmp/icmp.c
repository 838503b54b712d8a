/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icmp.c - the icmp driver: echo requests, their round trips, loss, and the errors of routers on the way. Here is what
 * it declares, its targets and its workers; a worker has one socket a family for all its targets.
 */
#include "icmp.h"

#include <stdio.h>
#include <stdlib.h>

const struct probed_host *host;

static const struct probed_option options[] = {
	{ .name = "host", .help = "Host name or address to send echo requests to.", .type = PROBED_TYPE_ADDRESS,
	  .flags = PROBED_OPTION_REQUIRED | PROBED_OPTION_TEMPLATE },
	{ .name = "count", .def = "1", .help = "Packets in one probe.", .type = PROBED_TYPE_INTEGER, .min = 1,
	  .max = MAX_COUNT },
	{ .name = "spacing", .def = "200ms", .help = "Time from one packet to the next.", .type = PROBED_TYPE_DURATION,
	  .min = NS_PER_MS, .max = 60000 * NS_PER_MS },
	{ .name = "size", .def = "56B", .help = "Payload of a packet, without the IP and ICMP headers.",
	  .type = PROBED_TYPE_SIZE, .min = PACKET_STAMP, .max = 65507 },
	{ .name = "ttl", .def = "0", .help = "Time to live (hop limit) of the packets; 0: the system's.",
	  .type = PROBED_TYPE_INTEGER, .min = 0, .max = 255 },
};

static const struct probed_fact facts[] = {
	[FACT_SENT] = { .name = "sent", .unit = "", .help = "Packets sent.", .type = PROBED_TYPE_INTEGER },
	[FACT_RECEIVED] = { .name = "received", .unit = "", .help = "Packets that were replied to.", .type = PROBED_TYPE_INTEGER },
	[FACT_LOSS] = { .name = "loss", .unit = "ratio", .help = "Share of the packets that had no reply.",
	                .type = PROBED_TYPE_FLOAT, .flags = PROBED_FACT_METRIC },
	[FACT_DUPLICATES] = { .name = "duplicates", .unit = "", .help = "Replies beyond the first to a packet, while the probe ran.",
	                      .type = PROBED_TYPE_INTEGER },
	[FACT_RTT] = { .name = "rtt", .unit = "s", .help = "Round trip of the last reply.", .type = PROBED_TYPE_DURATION,
	               .flags = PROBED_FACT_METRIC },
	[FACT_RTT_MIN] = { .name = "rtt.min", .unit = "s", .help = "Shortest round trip.", .type = PROBED_TYPE_DURATION },
	[FACT_RTT_AVG] = { .name = "rtt.avg", .unit = "s", .help = "Mean round trip.", .type = PROBED_TYPE_DURATION },
	[FACT_RTT_MAX] = { .name = "rtt.max", .unit = "s", .help = "Longest round trip.", .type = PROBED_TYPE_DURATION },
	[FACT_RTT_STDDEV] = { .name = "rtt.stddev", .unit = "s", .help = "Standard deviation of two or more round trips.",
	                      .type = PROBED_TYPE_DURATION },
	[FACT_JITTER] = { .name = "jitter", .unit = "s", .help = "Mean difference of one round trip to the next, of two or more.",
	                  .type = PROBED_TYPE_DURATION, .flags = PROBED_FACT_METRIC },
	[FACT_TTL] = { .name = "ttl", .unit = "", .help = "Time to live (hop limit) left in the last reply.",
	               .type = PROBED_TYPE_INTEGER },
	[FACT_IP] = { .name = "ip", .unit = "", .help = "Address that the packets were sent to.", .type = PROBED_TYPE_STRING,
	              .role = PROBED_ROLE_PEER_IP },
	[FACT_FAMILY] = { .name = "family", .unit = "", .help = "4 or 6.", .type = PROBED_TYPE_INTEGER },
};

static const struct probed_scheme schemes[] = {
	{ .scheme = "icmp", .host = "host", .query_opts = 1 },
};

static int32_t target_new(void *worker, const struct probed_target_args *args, void **target, char *error, uint64_t size)
{
	(void)worker;
	struct target t = { .args = args };
	const struct probed_value *name = probed_target_option(args, OPT_HOST);
	t.count = (uint32_t)probed_target_option(args, OPT_COUNT)->i;
	t.spacing_ns = probed_target_option(args, OPT_SPACING)->i;
	t.size = (size_t)probed_target_option(args, OPT_SIZE)->i;
	t.ttl = (int)probed_target_option(args, OPT_TTL)->i;
	t.id = (uint16_t)host->random();
	int64_t takes_ns = (t.count - 1) * t.spacing_ns;
	if (takes_ns >= args->timeout_ns) {
		snprintf(error, size,
		         "count: %u packets at a spacing of %lld ms take %lld ms, but the timeout is %lld ms: expected fewer, "
		         "closer, or a longer timeout",
		         t.count, (long long)(t.spacing_ns / NS_PER_MS), (long long)(takes_ns / NS_PER_MS),
		         (long long)(args->timeout_ns / NS_PER_MS));
		return -1;
	}
	if (!(name->flags & PROBED_VALUE_TEMPLATE)) {
		if (inet_pton(AF_INET, name->s, t.literal.bytes) == 1)
			t.literal.family = 4;
		else if (inet_pton(AF_INET6, name->s, t.literal.bytes) == 1)
			t.literal.family = 6;
	}
	if (args->family && t.literal.family && args->family != t.literal.family) {
		snprintf(error, size, "host: %s is an IPv%u address, but family = %u", name->s, t.literal.family, args->family);
		return -1;
	}
	struct target *out = malloc(sizeof *out);
	if (!out) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	*out = t;
	*target = out;
	return 0;
}

static void target_free(void *worker, void *target)
{
	(void)worker;
	free(target);
}

static void worker_free(void *worker)
{
	struct worker *w = worker;
	for (unsigned i = 0; i < 2; i++) {
		if (w->outlets[i].watch)
			host->watch_free(w->outlets[i].watch);
		port_close(&w->outlets[i].port);
	}
	if (w->flush)
		host->timer_free(w->flush);
	free(w);
}

/* The sockets are opened here, long before the first packet: the kernel stamps only what comes a while after it
 * was asked to. One that can't be opened is reported by the probes that need it. */
static int32_t worker_new(void **worker, char *error, uint64_t size)
{
	struct worker *w = calloc(1, sizeof *w);
	if (!w) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	for (unsigned i = 0; i < BY_TOKEN; i++)
		LIST_INIT(&w->by_token[i]);
	for (unsigned i = 0; i < BY_ADDRESS; i++)
		LIST_INIT(&w->by_address[i]);
	w->next_seq = (uint16_t)host->random();
	w->flush = host->timer_new(outlet_on_flush, w);
	bool complete = w->flush;
	for (unsigned i = 0; i < 2; i++) {
		struct outlet *o = &w->outlets[i];
		o->worker = w;
		TAILQ_INIT(&o->queue);
		port_open(&o->port, i ? 6 : 4);
		if (o->port.fd >= 0)
			o->watch = host->watch_new(o->port.fd, PROBED_READ, outlet_on_socket, o);
		complete = complete && (o->port.fd < 0 || o->watch);
	}
	if (!complete) {
		snprintf(error, size, "out of memory");
		worker_free(w);
		return -1;
	}
	*worker = w;
	return 0;
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return 0;
}

static const struct probed_driver drivers[] = { {
	.name = "icmp",
	.summary = "Sends ICMP echo requests, and measures round trips, loss and jitter.",
	.needs = "raw",
	.gate_option = "host",
	PROBED_TABLE(options, option, options),
	PROBED_TABLE(facts, fact, facts),
	PROBED_TABLE(schemes, scheme, schemes),
	.probe_size = sizeof(struct ping),
	.worker_new = worker_new,
	.worker_free = worker_free,
	.target_new = target_new,
	.target_free = target_free,
	.start = ping_start,
	.cancel = ping_cancel,
} };

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "icmp",
	.version = "0.1.0",
	.summary = "ICMP echo (ping)",
	PROBED_TABLE(drivers, driver, drivers),
	.load = load,
};
