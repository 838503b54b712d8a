/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - addresses and errors of the network, for drivers: a resolved address as the kernel and as people want it, and
 * the reason class of an errno, the same for all of them.
 *
 * Compiled into each plugin that wants it; knows libc and <probed/...>, nothing else. Any thread.
 */
#ifndef COMMON_NET_H
#define COMMON_NET_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <probed/driver.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* An address with its %scope and its port as text fits. */
#define NET_TEXT 80

union net_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

void net_addr_set(union net_addr *out, const struct probed_addr *addr, uint16_t port);
socklen_t net_addr_len(const union net_addr *a);

/* What a resolver's callback was given, as far as there is room for it. Returns how many. */
uint32_t net_addrs_keep(struct probed_addr *out, uint32_t room, const struct probed_addr *addrs, uint32_t n,
                        uint32_t stride);

/* Is the text an address of that family (0: of any), without a scope? */
bool net_literal(const char *text, uint32_t family, struct probed_addr *out);
/* "192.0.2.1" or "2001:db8::1", without a scope. Returns out. */
const char *net_ip_text(const struct probed_addr *addr, char *out, size_t size);
/* "192.0.2.1:53" or "[fe80::1%2]:53". Returns out. */
const char *net_where_text(const struct probed_addr *addr, uint16_t port, char *out, size_t size);
/* Facts of the address: its text and its family. */
void net_addr_facts(const struct probed_host *host, struct probed_probe *probe, uint32_t fact_ip, uint32_t fact_family,
                    const struct probed_addr *addr);

/* PROBED_REASON_* of an errno of a socket. */
uint32_t net_reason(int error);
/* PROBED_UNKNOWN where the reason is our own fault, else PROBED_ERROR. */
uint32_t net_outcome(uint32_t reason);

/* When an address that stays silent has had its share of the time, so that the `left` after it have theirs. */
int64_t net_share_ends(const struct probed_host *host, const struct probed_probe *probe, uint32_t left);

#endif
