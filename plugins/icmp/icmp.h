/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icmp.h - what the files of the icmp driver share: icmp.c is the plugin, its targets and workers; ping.c is one
 * probe; outlet.c finds a probe for each packet, and sends and reads for all of them. The loop's thread only.
 */
#ifndef ICMP_H
#define ICMP_H

#include <probed/plugin.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "port.h"

#define NS_PER_MS INT64_C(1000000)
#define MAX_COUNT 100
#define BY_TOKEN 4096
#define BY_ADDRESS 1024
#define BATCHING_NS INT64_C(100000) /* packets that follow one another faster than this leave in batches */

extern const struct probed_host *host;

enum { OPT_HOST, OPT_COUNT, OPT_SPACING, OPT_SIZE, OPT_TTL };

enum {
	FACT_SENT,
	FACT_RECEIVED,
	FACT_LOSS,
	FACT_DUPLICATES,
	FACT_RTT,
	FACT_RTT_MIN,
	FACT_RTT_AVG,
	FACT_RTT_MAX,
	FACT_RTT_STDDEV,
	FACT_JITTER,
	FACT_TTL,
	FACT_IP,
	FACT_FAMILY
};

struct worker;
struct ping;
LIST_HEAD(ping_list, ping);

/* A port, and the pings that wait to send through it. */
struct outlet {
	struct port port;
	struct worker *worker;
	struct probed_watch *watch;
	TAILQ_HEAD(ping_queue, ping) queue;
	unsigned queued;
	bool blocked; /* the socket's buffer is full */
	int64_t flushed_ns;
	uint32_t dropped_told;
};

struct worker {
	struct outlet outlets[2];
	struct probed_timer *flush;
	bool flush_set;
	uint16_t next_seq; /* unprivileged sockets share one id */
	struct ping_list by_token[BY_TOKEN], by_address[BY_ADDRESS];
};

struct target {
	const struct probed_target_args *args;
	uint32_t count;
	int64_t spacing_ns;
	size_t size;
	int ttl;
	uint16_t id;
	struct probed_addr literal; /* family 0: a name, or a template */
};

struct ping {
	LIST_ENTRY(ping) token_link, address_link;
	TAILQ_ENTRY(ping) queue_link;
	bool listed, queued;
	struct probed_probe *probe;
	struct worker *worker;
	const struct target *target;
	struct outlet *outlet;
	struct probed_lookup *lookup;
	struct probed_timer *timer;
	struct probed_addr addr;
	uint64_t token;
	uint16_t id, first_seq;
	int64_t give_up_ns, next_ns;
	uint32_t sent, received, failed, duplicates;
	int64_t rtt_ns, min_ns, max_ns;
	double mean, squares, differences;
	int ttl;
	struct packet error; /* the last one */
	char router[INET6_ADDRSTRLEN];
	uint64_t answered[(MAX_COUNT + 63) / 64];
	int64_t sent_ns[MAX_COUNT];
};

/* --- ping.c --- */

void ping_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem);
void ping_cancel(void *worker, struct probed_probe *probe, void *mem);
/* Its next packet has left. */
void ping_departed(struct ping *p, int64_t sent_ns);
/* These may end the probe: nothing of it is to be touched afterwards. */
void ping_not_sent(struct ping *p, int error);
void ping_replied(struct ping *p, const struct arrival *a);
void ping_refused(struct ping *p, const struct arrival *a);

/* --- outlet.c --- */

/* Lets the ping be found by its token and its address. */
void outlet_add(struct ping *p);
/* Takes it from the tables and the queue; nothing where it is in none. */
void outlet_remove(struct ping *p);
/* Its next packet goes with the next batch. May end the probe. */
void outlet_enqueue(struct ping *p);
/* The worker's timer, and its sockets' watches. */
void outlet_on_flush(void *worker);
void outlet_on_socket(void *outlet, int32_t fd, uint32_t events);

#endif
