/* SPDX-License-Identifier: Apache-2.0 */
/* port.c - see port.h */
#include "port.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (4 << 20)
#define READ_BYTES 256 /* two IP headers with options, two ICMP headers and the token fit */
#define LARGEST_PAYLOAD 65535

static const uint8_t filler[LARGEST_PAYLOAD];

static void set(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof value);
}

static void set_options(const struct port *p)
{
	int bytes = BUFFER_BYTES;
	if (setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes))
		set(p->fd, SOL_SOCKET, SO_RCVBUF, bytes);
	if (setsockopt(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes))
		set(p->fd, SOL_SOCKET, SO_SNDBUF, bytes);
	set(p->fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	set(p->fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	if (p->family == 4) {
		set(p->fd, IPPROTO_IP, IP_RECVTTL, 1);
		if (!p->raw)
			set(p->fd, IPPROTO_IP, IP_RECVERR, 1);
	} else {
		set(p->fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
		if (!p->raw)
			set(p->fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	}
}

/* A raw socket sees all ICMP of the machine, its own requests on loopback too: only answers are let in. */
static void filter(const struct port *p)
{
	if (p->family == 4) {
		struct icmp_filter f = { .data = ~(1u << ICMP_ECHOREPLY | 1u << ICMP_DEST_UNREACH | 1u << ICMP_TIME_EXCEEDED |
			                           1u << ICMP_PARAMETERPROB) };
		setsockopt(p->fd, SOL_RAW, ICMP_FILTER, &f, sizeof f);
		return;
	}
	struct icmp6_filter f;
	ICMP6_FILTER_SETBLOCKALL(&f);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &f);
	ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &f);
	ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &f);
	ICMP6_FILTER_SETPASS(ICMP6_TIME_EXCEEDED, &f);
	ICMP6_FILTER_SETPASS(ICMP6_PARAM_PROB, &f);
	setsockopt(p->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &f, sizeof f);
}

void port_open(struct port *p, uint32_t family)
{
	int domain = family == 4 ? AF_INET : AF_INET6;
	int protocol = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	*p = (struct port){ .family = family };
	p->fd = socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (p->fd < 0) {
		p->raw = true;
		p->fd = socket(domain, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	}
	if (p->fd < 0) {
		p->error = errno;
		return;
	}
	set_options(p);
	if (p->raw)
		filter(p);
}

void port_close(struct port *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

void port_explain(const struct port *p, char *out, size_t size)
{
	if (p->error == EPERM || p->error == EACCES)
		snprintf(out, size,
		         "not permitted to open an ICMP socket: either allow unprivileged ones (sysctl -w "
		         "net.ipv4.ping_group_range=\"0 2147483647\"), or give probed CAP_NET_RAW (its unit's "
		         "AmbientCapabilities=, or setcap cap_net_raw+ep)");
	else if (p->error == EAFNOSUPPORT || p->error == EPROTONOSUPPORT)
		snprintf(out, size, "this machine has no IPv%u", p->family);
	else
		snprintf(out, size, "no ICMP socket for IPv%u: %s", p->family, strerror(p->error));
}

/* --- sending ---------------------------------------------------------------------------------- */

union ttl_control {
	char space[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void set_ttl(const struct port *p, struct msghdr *m, union ttl_control *control, int ttl)
{
	memset(control, 0, sizeof *control);
	m->msg_control = control;
	m->msg_controllen = sizeof control->space;
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	c->cmsg_level = p->family == 4 ? IPPROTO_IP : IPPROTO_IPV6;
	c->cmsg_type = p->family == 4 ? IP_TTL : IPV6_HOPLIMIT;
	c->cmsg_len = CMSG_LEN(sizeof ttl);
	memcpy(CMSG_DATA(c), &ttl, sizeof ttl);
}

int port_send(const struct port *p, struct departure *list, unsigned n, int64_t (*now)(void))
{
	struct mmsghdr m[PORT_BATCH];
	struct iovec iov[PORT_BATCH][2];
	union ttl_control control[PORT_BATCH];
	if (n > PORT_BATCH)
		n = PORT_BATCH;
	memset(m, 0, sizeof m[0] * n);
	for (unsigned i = 0; i < n; i++) {
		struct departure *d = &list[i];
		iov[i][0] = (struct iovec){ d->head, sizeof d->head };
		iov[i][1] = (struct iovec){ (void *)(uintptr_t)filler, d->payload - PACKET_STAMP };
		m[i].msg_hdr.msg_iov = iov[i];
		m[i].msg_hdr.msg_iovlen = 2;
		m[i].msg_hdr.msg_name = &d->to;
		m[i].msg_hdr.msg_namelen = net_addr_len(&d->to);
		if (d->ttl)
			set_ttl(p, &m[i].msg_hdr, &control[i], d->ttl);
	}
	int64_t began = now();
	int sent = sendmmsg(p->fd, m, n, 0);
	if (sent < 0)
		return -errno;
	/* one call sends them all: each one's time lies at its share of it */
	int64_t each = sent > 1 ? (now() - began) / sent : 0;
	for (int i = 0; i < sent; i++)
		list[i].sent_ns = began + i * each;
	return sent;
}

/* --- receiving -------------------------------------------------------------------------------- */

struct inbox {
	struct mmsghdr m[PORT_BATCH];
	struct iovec iov[PORT_BATCH];
	uint8_t data[PORT_BATCH][READ_BYTES];
	union {
		char space[512];
		struct cmsghdr align;
	} control[PORT_BATCH];
};

static int read_batch(int fd, int flags, struct inbox *in, struct arrival *out)
{
	memset(in->m, 0, sizeof in->m);
	for (unsigned i = 0; i < PORT_BATCH; i++) {
		in->iov[i] = (struct iovec){ in->data[i], READ_BYTES };
		struct msghdr *h = &in->m[i].msg_hdr;
		h->msg_iov = &in->iov[i];
		h->msg_iovlen = 1;
		h->msg_name = &out[i].from;
		h->msg_namelen = sizeof out[i].from;
		h->msg_control = &in->control[i];
		h->msg_controllen = sizeof in->control[i];
		memset(&out[i].from, 0, sizeof out[i].from);
	}
	return recvmmsg(fd, in->m, PORT_BATCH, flags, NULL);
}

/* The kernel stamps by the wall clock: how long ago that was, taken off the monotonic one. */
static int64_t monotonic(const struct timespec *stamp, int64_t now_ns)
{
	struct timespec wall;
	clock_gettime(CLOCK_REALTIME, &wall);
	int64_t ago = (int64_t)(wall.tv_sec - stamp->tv_sec) * 1000000000 + (wall.tv_nsec - stamp->tv_nsec);
	return ago < 0 || ago > 1000000000 ? now_ns : now_ns - ago;
}

static void read_control(struct port *p, struct msghdr *h, struct arrival *a, int64_t now_ns, struct sock_extended_err *err)
{
	a->ttl = -1;
	a->at_ns = now_ns;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec stamp;
			memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
			a->at_ns = monotonic(&stamp, now_ns);
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			memcpy(&p->dropped, CMSG_DATA(c), sizeof p->dropped);
		} else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
		           (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) {
			memcpy(&a->ttl, CMSG_DATA(c), sizeof a->ttl);
		} else if (err && ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		                   (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))) {
			memcpy(err, CMSG_DATA(c), sizeof *err);
			struct sockaddr *who = SO_EE_OFFENDER((struct sock_extended_err *)(void *)CMSG_DATA(c));
			size_t len = p->family == 4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
			if (c->cmsg_len >= CMSG_LEN(sizeof *err + len))
				memcpy(&a->from, who, len);
		}
	}
}

unsigned port_receive(struct port *p, struct arrival *out, int64_t (*now)(void))
{
	struct inbox in;
	int n = read_batch(p->fd, 0, &in, out);
	if (n < 0 && errno != EAGAIN) /* the error of an earlier request stands in the way, once */
		n = read_batch(p->fd, 0, &in, out);
	int64_t now_ns = now();
	for (int i = 0; i < n; i++) {
		read_control(p, &in.m[i].msg_hdr, &out[i], now_ns, NULL);
		packet_parse(p->family, p->raw && p->family == 4, in.data[i], in.m[i].msg_len, &out[i].packet);
	}
	return n < 0 ? 0 : (unsigned)n;
}

unsigned port_receive_errors(struct port *p, struct arrival *out, int64_t (*now)(void))
{
	struct inbox in;
	int n = p->raw ? 0 : read_batch(p->fd, MSG_ERRQUEUE, &in, out);
	int64_t now_ns = now();
	for (int i = 0; i < n; i++) {
		struct sock_extended_err err = { 0 };
		struct packet *packet = &out[i].packet;
		union net_addr to = out[i].from;
		*packet = (struct packet){ .kind = PACKET_OTHER };
		read_control(p, &in.m[i].msg_hdr, &out[i], now_ns, &err);
		bool icmp = err.ee_origin == SO_EE_ORIGIN_ICMP || err.ee_origin == SO_EE_ORIGIN_ICMP6;
		if (!icmp || !packet_parse_request(p->family, in.data[i], in.m[i].msg_len, packet))
			continue;
		packet->kind = PACKET_ERROR;
		packet->type = err.ee_type;
		packet->code = err.ee_code;
		if (p->family == 4)
			memcpy(packet->to, &to.v4.sin_addr, 4);
		else
			memcpy(packet->to, &to.v6.sin6_addr, 16);
	}
	return n < 0 ? 0 : (unsigned)n;
}
