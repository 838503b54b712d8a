/* SPDX-License-Identifier: Apache-2.0 */
/* udp.h - lines sent by UDP, for sinks: several in a datagram, separated by line feeds. One thread, which blocks while
 * a name is resolved. */
#ifndef COMMON_UDP_H
#define COMMON_UDP_H

#include <stddef.h>
#include <stdint.h>

struct udp;

/* host:port, [v6]:port. 0, or -1 with a line. */
int udp_check(const char *address, char *error, uint64_t error_size);
/* NULL with a line. A datagram holds at most `payload` bytes, unless a single line is longer. */
struct udp *udp_open(const char *address, size_t payload, char *error, uint64_t error_size);
void udp_close(struct udp *u);

/* A line without its end. */
void udp_line(struct udp *u, const char *line, size_t len);
/* Sends what waits. 0, or -1 with a line: datagrams were lost since the last call. */
int udp_flush(struct udp *u, char *error, uint64_t error_size);

#endif
