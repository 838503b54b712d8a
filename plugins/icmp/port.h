/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.h - the one ICMP socket of a family in a worker: opened unprivileged or raw, sent to and read in batches.
 * Knows nothing of probes. The loop's thread only.
 */
#ifndef ICMP_PORT_H
#define ICMP_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/net.h"
#include "packet.h"

#define PORT_BATCH 16

struct port {
	uint32_t family;
	int fd;        /* -1: could not be opened, and why: */
	int error;     /* errno */
	bool raw;
	uint32_t dropped; /* by the kernel, since the receive buffer was full */
};

/* What came in. Times are of CLOCK_MONOTONIC, as the kernel saw it. */
struct arrival {
	struct packet packet;
	union net_addr from; /* who replied, or the router that sent the error */
	int64_t at_ns;
	int ttl;              /* -1: not known */
};

/* A request to be sent. */
struct departure {
	uint8_t head[PACKET_HEAD];
	union net_addr to;
	size_t payload; /* bytes, PACKET_STAMP or more */
	int ttl;        /* 0: the system's */
	int64_t sent_ns; /* out */
};

void port_open(struct port *port, uint32_t family);
void port_close(struct port *port);
/* Why there is no socket, for people. */
void port_explain(const struct port *port, char *out, size_t size);

/* Sends up to PORT_BATCH. How many were sent, or a negative errno for the first one. `now` is the clock. */
int port_send(const struct port *port, struct departure *list, unsigned n, int64_t (*now)(void));
/* Reads up to PORT_BATCH replies or errors; 0 once there are none. `now` is the clock. */
unsigned port_receive(struct port *port, struct arrival *out, int64_t (*now)(void));
/* The same of the errors that the kernel keeps apart for unprivileged sockets. */
unsigned port_receive_errors(struct port *port, struct arrival *out, int64_t (*now)(void));

#endif
