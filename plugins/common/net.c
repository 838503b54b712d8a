/* SPDX-License-Identifier: Apache-2.0 */
/* net.c - see net.h */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void net_addr_set(union net_addr *out, const struct probed_addr *addr, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	if (addr->family == 6) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons(port);
		out->v6.sin6_scope_id = addr->scope_id;
		memcpy(&out->v6.sin6_addr, addr->bytes, 16);
	} else {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(port);
		memcpy(&out->v4.sin_addr, addr->bytes, 4);
	}
}

socklen_t net_addr_len(const union net_addr *a)
{
	return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

uint32_t net_addrs_keep(struct probed_addr *out, uint32_t room, const struct probed_addr *addrs, uint32_t n,
                        uint32_t stride)
{
	uint32_t kept = 0;
	for (; kept < n && kept < room; kept++)
		out[kept] = *PROBED_AT(struct probed_addr, addrs, stride, kept);
	return kept;
}

bool net_literal(const char *text, uint32_t family, struct probed_addr *out)
{
	*out = (struct probed_addr){ 0 };
	if (inet_pton(AF_INET, text, out->bytes) == 1)
		out->family = 4;
	else if (inet_pton(AF_INET6, text, out->bytes) == 1)
		out->family = 6;
	return out->family && (!family || family == out->family);
}

const char *net_ip_text(const struct probed_addr *addr, char *out, size_t size)
{
	*out = '\0';
	inet_ntop(addr->family == 6 ? AF_INET6 : AF_INET, addr->bytes, out, (socklen_t)size);
	return out;
}

const char *net_where_text(const struct probed_addr *addr, uint16_t port, char *out, size_t size)
{
	char ip[INET6_ADDRSTRLEN];
	net_ip_text(addr, ip, sizeof(ip));
	if (addr->family != 6)
		snprintf(out, size, "%s:%u", ip, port);
	else if (addr->scope_id)
		snprintf(out, size, "[%s%%%u]:%u", ip, addr->scope_id, port);
	else
		snprintf(out, size, "[%s]:%u", ip, port);
	return out;
}

void net_addr_facts(const struct probed_host *host, struct probed_probe *probe, uint32_t fact_ip, uint32_t fact_family,
                    const struct probed_addr *addr)
{
	char ip[INET6_ADDRSTRLEN];
	net_ip_text(addr, ip, sizeof(ip));
	host->fact_string(probe, fact_ip, NULL, ip, strlen(ip));
	host->fact_integer(probe, fact_family, NULL, addr->family);
}

uint32_t net_reason(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return PROBED_REASON_REFUSED;
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
		return PROBED_REASON_RESET;
	/* the kernel's own patience, not the probe's deadline, which is what PROBED_REASON_TIMEOUT is for */
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
	case EINVAL:
	/* what else a router may answer, as the kernel tells it */
	case ENONET:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
	case EPROTO:
		return PROBED_REASON_UNREACHABLE;
	case EACCES:
	case EPERM:
		return PROBED_REASON_PERMISSION;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return PROBED_REASON_OVERLOADED;
	default:
		return PROBED_REASON_OTHER;
	}
}

uint32_t net_outcome(uint32_t reason)
{
	return reason == PROBED_REASON_OVERLOADED || reason == PROBED_REASON_INTERNAL ? PROBED_UNKNOWN : PROBED_ERROR;
}

int64_t net_share_ends(const struct probed_host *host, const struct probed_probe *probe, uint32_t left)
{
	int64_t now = host->now();
	return now + (host->deadline(probe) - now) / (left + 1);
}
