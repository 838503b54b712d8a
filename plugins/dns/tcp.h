/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp.h - one query over a TCP connection of its own: two bytes of length before each message, and the answer
 * in as many pieces as the server likes.
 */
#ifndef DNS_TCP_H
#define DNS_TCP_H

#include "message.h"
#include "udp.h"

struct tcp_query;
struct tcp_events {
	void (*connected)(struct tcp_query *q);
	void (*sent)(struct tcp_query *q, int64_t now_ns);
	void (*first_byte)(struct tcp_query *q);
	/* The whole answer; lives until tcp_close(). */
	void (*answered)(struct tcp_query *q, const uint8_t *data, size_t len, int64_t now_ns);
	/* errno; 0: the server closed the connection before the whole answer was there. Closed already. */
	void (*failed)(struct tcp_query *q, int error);
};

/* Part of a probe. */
struct tcp_query {
	const struct probed_host *host;
	const struct tcp_events *events;
	struct probed_watch *watch; /* NULL: not under way */
	int fd;
	int connected;
	size_t sent, out_len;
	size_t got, in_len; /* in_len 0: the length is not known yet */
	uint8_t head[2];
	uint8_t *in;
	uint8_t out[2 + DNS_QUERY_MAX];
};

/* Connects and sends. 0, or an errno: then no callback comes. Never calls back from inside. */
int tcp_query_start(struct tcp_query *q, const struct probed_host *host, const struct tcp_events *events,
                    const union net_addr *to, const uint8_t *wire, size_t len, const uint8_t id[2]);
/* No callback comes after this. Does nothing for a query that is not under way. */
void tcp_close(struct tcp_query *q);

#endif
