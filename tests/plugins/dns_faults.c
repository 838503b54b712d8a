/* SPDX-License-Identifier: Apache-2.0 */
/* dns_faults.c - a DNS server that misbehaves on request. */
#include "dns_faults.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER = 12, MESSAGE = 4096 };

struct message {
	uint8_t data[MESSAGE];
	size_t len;
};

struct client {
	const struct dns_faults *f;
	struct sockaddr_in from;
	int tcp; /* -1: over UDP */
};

static void send_bytes(const struct client *c, int fd, const void *data, size_t len)
{
	if (c->tcp < 0) {
		sendto(fd, data, len, 0, (const struct sockaddr *)&c->from, sizeof c->from);
		return;
	}
	uint8_t head[2] = { (uint8_t)(len >> 8), (uint8_t)len };
	if (write(c->tcp, head, 2) != 2 || write(c->tcp, data, len) != (ssize_t)len)
		fprintf(stderr, "short write\n");
}

static void reply(const struct client *c, const struct message *m)
{
	send_bytes(c, c->f->udp, m->data, m->len);
}

static size_t question_end(const struct message *q)
{
	size_t pos = HEADER;
	while (pos < q->len && q->data[pos])
		pos += q->data[pos] + 1u;
	return pos + 5;
}

static void append(struct message *m, const void *data, size_t len)
{
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

/* The question with one A record; its owner points to offset `owner`. */
static struct message answer(const struct message *q, uint8_t last_octet, uint16_t owner)
{
	struct message m = { 0 };
	append(&m, q->data, question_end(q));
	const uint8_t counts[] = { 0x84, 0x00, 0, 1, 0, 1, 0, 0, 0, 0 };
	memcpy(m.data + 2, counts, sizeof counts);
	const uint8_t record[] = { (uint8_t)(0xc0 | owner >> 8), (uint8_t)owner, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4,
				   192, 0, 2, last_octet };
	append(&m, record, sizeof record);
	return m;
}

static void be_wrong(const struct client *c, const struct message *q, const char *how)
{
	struct message m = answer(q, 66, HEADER);
	if (!strcmp(how, "wrongid"))
		m.data[0] ^= 0x55;
	else if (!strcmp(how, "wrongname"))
		m.data[HEADER + 1] ^= 1;
	else if (!strcmp(how, "wrongtype"))
		m.data[question_end(q) - 3] ^= 1;
	else if (!strcmp(how, "notanswer"))
		m.data[2] &= 0x7f;
	else if (!strcmp(how, "tiny"))
		m.len = 1;
	reply(c, &m);
	m = answer(q, 7, HEADER);
	reply(c, &m);
}

static void be_malformed(const struct client *c, const struct message *q, const char *how)
{
	struct message m = answer(q, 66, HEADER);
	if (!strcmp(how, "loop"))
		m = answer(q, 66, (uint16_t)question_end(q));
	else if (!strcmp(how, "cutrecord"))
		m.len -= 3;
	else if (!strcmp(how, "cutquestion"))
		m.len = HEADER + 2;
	else if (!strcmp(how, "manycounts"))
		m.data[6] = 0xff;
	reply(c, &m);
}

static void be_slow(const struct client *c, const struct message *q)
{
	struct message m = answer(q, 7, HEADER);
	uint8_t all[MESSAGE + 2] = { (uint8_t)(m.len >> 8), (uint8_t)m.len };
	memcpy(all + 2, m.data, m.len);
	for (size_t i = 0; i < m.len + 2; i++)
		if (write(c->tcp, all + i, 1) != 1)
			return;
}

/* 1 GiB of messages that are none, or as much of it as the client takes. */
static void flood(const struct client *c)
{
	char block[65536];
	memset(block, 'x', sizeof block);
	for (int i = 0; i < 16384; i++)
		if (send(c->tcp, block, sizeof block, MSG_NOSIGNAL) < 0)
			return;
}

static void reset(const struct client *c)
{
	struct linger at_once = { .l_onoff = 1 };
	setsockopt(c->tcp, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static int is_one_of(const char *how, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(how, *list))
			return 1;
	return 0;
}

static void handle(const struct client *c, const struct message *q)
{
	static const char *const wrong[] = { "wrongid", "wrongname", "wrongtype", "notanswer", "tiny", NULL };
	static const char *const malformed[] = { "loop", "cutrecord", "cutquestion", "manycounts", NULL };
	static unsigned asked;
	char how[64] = "";
	struct message m = answer(q, 7, HEADER);
	if (q->len <= HEADER || q->data[HEADER] > 63)
		return;
	memcpy(how, q->data + HEADER + 1, q->data[HEADER]);
	if (is_one_of(how, wrong))
		be_wrong(c, q, how);
	else if (is_one_of(how, malformed))
		be_malformed(c, q, how);
	else if (!strcmp(how, "twice"))
		reply(c, &m), reply(c, &m);
	else if (!strcmp(how, "otherport"))
		m.data[m.len - 1] = 66, send_bytes(c, c->f->other, m.data, m.len);
	else if (!strcmp(how, "noquestion"))
		m.data[3] = 5, m.data[5] = m.data[7] = 0, m.len = HEADER, reply(c, &m);
	else if (!strcmp(how, "upper"))
		memcpy(m.data + HEADER + 1, "UPPER", 5), reply(c, &m);
	else if (!strcmp(how, "slow"))
		be_slow(c, q);
	else if (!strcmp(how, "flood"))
		flood(c);
	else if (!strcmp(how, "floodafter"))
		reply(c, &m), flood(c);
	else if (!strcmp(how, "reset"))
		reset(c);
	else if (!strcmp(how, "third")) /* loses two of three */
		++asked % 3 ? (void)0 : reply(c, &m);
	else if (!strcmp(how, "truncated"))
		m.data[2] |= c->tcp < 0 ? 2 : 0, reply(c, &m);
	else if (!strcmp(how, "empty"))
		send_bytes(c, c->f->udp, "", 0);
	else if (!strcmp(how, "half"))
		send_bytes(c, c->f->udp, "\377", 1);
	else if (!strcmp(how, "short") && write(c->tcp, "\0\100half", 6) == 6)
		return;
	else if (strcmp(how, "never") && strcmp(how, "drop"))
		reply(c, &m);
}

static void serve_udp(const struct dns_faults *f)
{
	struct client c = { .f = f, .tcp = -1 };
	struct message q = { 0 };
	socklen_t size = sizeof c.from;
	ssize_t n = recvfrom(f->udp, q.data, sizeof q.data, 0, (struct sockaddr *)&c.from, &size);
	q.len = n > 0 ? (size_t)n : 0;
	handle(&c, &q);
}

static void serve_tcp(const struct dns_faults *f)
{
	struct client c = { .f = f, .tcp = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC) };
	struct message q = { 0 };
	uint8_t head[2];
	if (c.tcp < 0)
		return;
	if (recv(c.tcp, head, 2, MSG_WAITALL) == 2) {
		q.len = (size_t)head[0] << 8 | head[1];
		if (recv(c.tcp, q.data, q.len, MSG_WAITALL) == (ssize_t)q.len)
			handle(&c, &q);
	}
	/* "never" holds the connection until the client is gone; what is cut short is then closed. */
	if (q.len > HEADER + 5 && !memcmp(q.data + HEADER + 1, "never", 5))
		while (recv(c.tcp, head, 2, 0) > 0)
			;
	close(c.tcp);
}

int dns_faults_serve(void *faults)
{
	struct dns_faults *f = faults;
	struct pollfd p[2] = { { .fd = f->udp, .events = POLLIN }, { .fd = f->listener, .events = POLLIN } };
	while (poll(p, 2, -1) >= 0) {
		if (p[0].revents)
			serve_udp(f);
		if (p[1].revents)
			serve_tcp(f);
	}
	return 1;
}

static int bound(int type, uint16_t port)
{
	const int one = 1;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (!bind(fd, (struct sockaddr *)&a, sizeof a))
		return fd;
	close(fd);
	return -1;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof a;
	return getsockname(fd, (struct sockaddr *)&a, &len) ? 0 : ntohs(a.sin_port);
}

void dns_faults_open(struct dns_faults *f)
{
	for (;;) {
		f->udp = bound(SOCK_DGRAM, 0);
		f->port = port_of(f->udp);
		f->listener = bound(SOCK_STREAM, f->port);
		if (f->listener >= 0)
			break;
		close(f->udp);
	}
	f->other = bound(SOCK_DGRAM, 0);
	if (listen(f->listener, 64))
		abort();
}

void dns_faults_close(struct dns_faults *f)
{
	close(f->udp);
	close(f->other);
	close(f->listener);
}
