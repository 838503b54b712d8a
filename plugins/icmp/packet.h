/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet.h - echo requests and what comes back, as bytes. Pure; trusts nobody.
 *
 * A request's payload begins with a random token of 8 bytes, which names its probe: the kernel sets the id of
 * unprivileged sockets, and 16 bits of id are too few for a machine's worth of targets.
 */
#ifndef ICMP_PACKET_H
#define ICMP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_HEADER 8
#define PACKET_STAMP 16                           /* token and padding: the least payload */
#define PACKET_HEAD (PACKET_HEADER + PACKET_STAMP) /* what differs from probe to probe */

enum packet_kind { PACKET_OTHER, PACKET_REPLY, PACKET_ERROR };

struct packet {
	enum packet_kind kind;
	uint16_t id, seq;
	uint64_t token;
	bool has_token;   /* routers may quote as little as 8 bytes of the request */
	uint8_t type, code; /* of an error */
	uint8_t to[16];   /* of an error: where the request was sent */
};

/* family 4 or 6. Writes PACKET_HEAD bytes; what follows in the payload must be zero, for the checksum. */
void packet_build(uint32_t family, uint16_t id, uint16_t seq, uint64_t token, uint8_t out[PACKET_HEAD]);
/* What a socket received; ip_header: with the IP header before it (raw IPv4). */
void packet_parse(uint32_t family, bool ip_header, const uint8_t *data, size_t len, struct packet *out);
/* The request as quoted in a socket's error queue: fills id, seq, token, has_token. False where it is no request. */
bool packet_parse_request(uint32_t family, const uint8_t *data, size_t len, struct packet *out);
/* What an error says, for people: "host unreachable". */
const char *packet_error_text(uint32_t family, uint8_t type, uint8_t code);

#endif
