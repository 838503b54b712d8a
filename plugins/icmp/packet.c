/* SPDX-License-Identifier: Apache-2.0 */
/* packet.c - see packet.h */
#include "packet.h"

#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#define IP6_HEADER 40

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void packet_build(uint32_t family, uint16_t id, uint16_t seq, uint64_t token, uint8_t out[PACKET_HEAD])
{
	memset(out, 0, PACKET_HEAD);
	out[0] = family == 4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	put16(out + 4, id);
	put16(out + 6, seq);
	memcpy(out + PACKET_HEADER, &token, sizeof token);
	if (family == 6)
		return; /* the kernel sums, since the addresses are part of it */
	uint32_t sum = 0;
	for (size_t i = 0; i < PACKET_HEAD; i += 2)
		sum += get16(out + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(out + 2, (uint16_t)~sum);
}

static void read_echo(const uint8_t *data, size_t len, struct packet *out)
{
	out->id = get16(data + 4);
	out->seq = get16(data + 6);
	out->has_token = len >= PACKET_HEADER + sizeof out->token;
	if (out->has_token)
		memcpy(&out->token, data + PACKET_HEADER, sizeof out->token);
}

bool packet_parse_request(uint32_t family, const uint8_t *data, size_t len, struct packet *out)
{
	if (len < PACKET_HEADER || data[0] != (family == 4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST))
		return false;
	read_echo(data, len, out);
	return true;
}

/* The length of an IPv4 header that carries ICMP, 0: it is none. */
static size_t ip4_header(const uint8_t *data, size_t len)
{
	if (len < 20 || data[0] >> 4 != 4 || data[9] != IPPROTO_ICMP)
		return 0;
	size_t header = (size_t)(data[0] & 15) * 4;
	return header >= 20 && header <= len ? header : 0;
}

static bool read_quoted(uint32_t family, const uint8_t *data, size_t len, struct packet *out)
{
	if (family == 4) {
		size_t header = ip4_header(data, len);
		if (!header)
			return false;
		memcpy(out->to, data + 16, 4);
		return packet_parse_request(4, data + header, len - header, out);
	}
	if (len < IP6_HEADER || data[0] >> 4 != 6 || data[6] != IPPROTO_ICMPV6)
		return false;
	memcpy(out->to, data + 24, 16);
	return packet_parse_request(6, data + IP6_HEADER, len - IP6_HEADER, out);
}

static bool is_error(uint32_t family, uint8_t type)
{
	if (family == 4)
		return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
	return type == ICMP6_DST_UNREACH || type == ICMP6_PACKET_TOO_BIG || type == ICMP6_TIME_EXCEEDED ||
	       type == ICMP6_PARAM_PROB;
}

void packet_parse(uint32_t family, bool ip_header, const uint8_t *data, size_t len, struct packet *out)
{
	*out = (struct packet){ .kind = PACKET_OTHER };
	if (ip_header) {
		size_t header = ip4_header(data, len);
		if (!header)
			return;
		data += header;
		len -= header;
	}
	if (len < PACKET_HEADER)
		return;
	out->type = data[0];
	out->code = data[1];
	if (data[0] == (family == 4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY)) {
		read_echo(data, len, out);
		if (out->has_token)
			out->kind = PACKET_REPLY;
	} else if (is_error(family, data[0]) && read_quoted(family, data + PACKET_HEADER, len - PACKET_HEADER, out)) {
		out->kind = PACKET_ERROR;
	}
}

static const char *unreachable_text(uint8_t code)
{
	switch (code) {
	case ICMP_NET_UNREACH:
	case ICMP_NET_UNKNOWN:
		return "network unreachable";
	case ICMP_HOST_UNREACH:
	case ICMP_HOST_UNKNOWN:
		return "host unreachable";
	case ICMP_PROT_UNREACH:
		return "protocol unreachable";
	case ICMP_PORT_UNREACH:
		return "port unreachable";
	case ICMP_FRAG_NEEDED:
		return "packet too big: choose a smaller size";
	case ICMP_NET_ANO:
	case ICMP_HOST_ANO:
	case ICMP_PKT_FILTERED:
		return "administratively prohibited";
	default:
		return "destination unreachable";
	}
}

static const char *unreachable6_text(uint8_t code)
{
	switch (code) {
	case ICMP6_DST_UNREACH_NOROUTE:
		return "no route";
	case ICMP6_DST_UNREACH_ADMIN:
		return "administratively prohibited";
	case ICMP6_DST_UNREACH_ADDR:
		return "address unreachable";
	case ICMP6_DST_UNREACH_NOPORT:
		return "port unreachable";
	default:
		return "destination unreachable";
	}
}

const char *packet_error_text(uint32_t family, uint8_t type, uint8_t code)
{
	if (type == (family == 4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH))
		return family == 4 ? unreachable_text(code) : unreachable6_text(code);
	if (type == (family == 4 ? ICMP_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED))
		return "time to live exceeded";
	if (family == 6 && type == ICMP6_PACKET_TOO_BIG)
		return "packet too big: choose a smaller size";
	return "bad header";
}
