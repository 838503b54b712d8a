/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp.h - queries over UDP, for all targets of a worker: one socket a family at a time, replaced often so that
 * the source port stays random; ids that are random and unique on their socket; sent and received in batches.
 *
 * All on the loop's thread. A callback may forget() and send() queries as it likes, its own as well.
 */
#ifndef DNS_UDP_H
#define DNS_UDP_H

#include <probed/plugin.h>

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "../common/net.h"

enum { UDP_DATAGRAM_MAX = 4096 };

struct udp_query;
struct udp_events {
	void (*sent)(struct udp_query *q, int64_t now_ns);
	/* A datagram from the right server with the right id; `cut`: it was longer than UDP_DATAGRAM_MAX. The query
	 * waits on until it is forgotten. */
	void (*datagram)(struct udp_query *q, const uint8_t *data, size_t len, int cut, int64_t now_ns);
	/* It could not be sent, or ICMP said no (errno). The query is forgotten already. */
	void (*failed)(struct udp_query *q, int error);
};

/* Part of a probe. `to`, `wire`, `len` and `events` are the caller's to fill; the wire's first two bytes (the id)
 * are not sent: `id` is. */
struct udp_query {
	const struct udp_events *events;
	const uint8_t *wire;
	size_t len;
	union net_addr to;
	uint8_t id[2];
	int queued;
	struct udp_socket *socket; /* NULL: not under way */
	UT_hash_handle hh;
	TAILQ_ENTRY(udp_query) link;
};

struct udp;

struct udp *udp_new(const struct probed_host *host);
void udp_free(struct udp *udp);
/* Queues the query; it is sent in the loop's next turn, or when a batch is full. 0, or an errno. */
int udp_send(struct udp *udp, struct udp_query *q);
/* The same datagram once more, where the query is still waiting. */
void udp_resend(struct udp *udp, struct udp_query *q);
/* No callback comes after this. Does nothing for a query that is not under way. */
void udp_forget(struct udp *udp, struct udp_query *q);

#endif
