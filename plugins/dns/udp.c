/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp.c - the shared UDP sockets. They are not connected, so that one serves every server; who answered is
 * compared with who was asked, and IP_RECVERR tells whose query an ICMP error is about, by the datagram in it.
 */
#include "udp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BATCH = 64,
	QUERIES_PER_SOCKET = 512,
	IDS_PER_SOCKET = 32768, /* so that a free random id is found at the second try */
	SOCKETS_MAX = 32,       /* a family, those that still wait for answers among them */
	RECEIVE_BUFFER = 1 << 20,
};
#define SOCKET_LIFE_NS INT64_C(10000000000)

#define UDP_SOCKET_MAGIC 0x75647073u

struct udp_socket {
	uint32_t magic;
	int fd, family;
	struct udp *udp;
	struct probed_watch *watch;
	struct udp_query *pending; /* by id */
	TAILQ_HEAD(, udp_query) queue;
	unsigned used;
	int64_t born_ns;
	int retired; /* takes no new queries, and is closed with its last one */
	int writing; /* the watch asks for PROBED_WRITE */
	LIST_ENTRY(udp_socket) link;
};

struct udp {
	const struct probed_host *host;
	LIST_HEAD(, udp_socket) sockets;
	struct udp_socket *current[2]; /* IPv4, IPv6 */
	unsigned count[2];
	struct probed_timer *flush;
	int flush_set;
	int busy; /* a handler runs: no socket is closed under it */
	uint8_t (*buffers)[UDP_DATAGRAM_MAX];
};

static int addr_same(const union net_addr *a, const union net_addr *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return 0;
	if (a->any.sa_family == AF_INET6)
		return a->v6.sin6_port == b->v6.sin6_port &&
		       !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr);
	return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

static int family_index(int family)
{
	return family == AF_INET6;
}

/* --- sockets ------------------------------------------------------------------------------------ */

static void socket_free(struct udp_socket *s)
{
	struct udp *udp = s->udp;
	int f = family_index(s->family);
	if (udp->current[f] == s)
		udp->current[f] = NULL;
	udp->count[f]--;
	LIST_REMOVE(s, link);
	if (s->watch)
		udp->host->watch_free(s->watch);
	if (s->fd >= 0)
		close(s->fd);
	s->magic = 0;
	free(s);
}

static void socket_settle(struct udp_socket *s)
{
	if (s->retired && !s->pending && !s->udp->busy)
		socket_free(s);
}

static void handler_end(struct udp *udp)
{
	struct udp_socket *next;
	udp->busy = 0;
	for (struct udp_socket *s = LIST_FIRST(&udp->sockets); s; s = next) {
		next = LIST_NEXT(s, link);
		socket_settle(s);
	}
}

static void on_socket(void *arg, int32_t fd, uint32_t events);

static int socket_open(struct udp_socket *s)
{
	const int one = 1, size = RECEIVE_BUFFER;
	int v6 = s->family == AF_INET6;
	s->fd = socket(s->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return errno;
	if (v6 && setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one))
		return errno;
	if (setsockopt(s->fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &one, sizeof one))
		return errno;
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	s->watch = s->udp->host->watch_new(s->fd, PROBED_READ, on_socket, s);
	return s->watch ? 0 : ENOMEM;
}

static struct udp_socket *socket_make(struct udp *udp, int family, int *error)
{
	struct udp_socket *s = calloc(1, sizeof *s);
	if (!s) {
		*error = ENOMEM;
		return NULL;
	}
	s->magic = UDP_SOCKET_MAGIC;
	s->udp = udp;
	s->family = family;
	s->born_ns = udp->host->now();
	TAILQ_INIT(&s->queue);
	LIST_INSERT_HEAD(&udp->sockets, s, link);
	udp->count[family_index(family)]++;
	*error = socket_open(s);
	if (!*error)
		return s;
	socket_free(s);
	return NULL;
}

static int socket_worn(const struct udp_socket *s)
{
	return s->used >= QUERIES_PER_SOCKET || s->udp->host->now() - s->born_ns > SOCKET_LIFE_NS;
}

/* The socket for a new query; a fresh one where the current is worn and there may be more. */
static struct udp_socket *socket_for(struct udp *udp, int family, int *error)
{
	int f = family_index(family);
	struct udp_socket *old = udp->current[f];
	if (old && (!socket_worn(old) || udp->count[f] >= SOCKETS_MAX)) {
		*error = HASH_COUNT(old->pending) < IDS_PER_SOCKET ? 0 : ENOBUFS;
		return *error ? NULL : old;
	}
	struct udp_socket *s = socket_make(udp, family, error);
	if (!s)
		return NULL;
	udp->current[f] = s;
	if (old) {
		old->retired = 1;
		socket_settle(old);
	}
	return s;
}

/* --- queries ------------------------------------------------------------------------------------ */

static void dequeue(struct udp_query *q)
{
	if (!q->queued)
		return;
	TAILQ_REMOVE(&q->socket->queue, q, link);
	q->queued = 0;
}

void udp_forget(struct udp *udp, struct udp_query *q)
{
	(void)udp;
	struct udp_socket *s = q->socket;
	if (!s)
		return;
	dequeue(q);
	HASH_DEL(s->pending, q);
	q->socket = NULL;
	socket_settle(s);
}

static void fail(struct udp_query *q, int error)
{
	udp_forget(q->socket->udp, q);
	q->events->failed(q, error);
}

/* One entry of the error queue: whose query was it, and what became of it? 0: the queue is empty. */
static int take_error(struct udp_socket *s)
{
	uint8_t data[64], control[512];
	union net_addr to = { 0 };
	struct iovec iov = { data, sizeof data };
	struct msghdr msg = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control, .msg_controllen = sizeof control };
	ssize_t n = recvmsg(s->fd, &msg, MSG_ERRQUEUE);
	if (n < 0)
		return 0;
	struct sock_extended_err why = { 0 };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			memcpy(&why, CMSG_DATA(c), sizeof why);
	if (n < 2 || !why.ee_errno || why.ee_errno == EMSGSIZE)
		return 1;
	struct udp_query *q = NULL;
	HASH_FIND(hh, s->pending, data, 2, q);
	if (q && addr_same(&q->to, &to))
		fail(q, (int)why.ee_errno);
	return 1;
}

static void take_errors(struct udp_socket *s)
{
	for (int i = 0; i < BATCH && take_error(s); i++)
		;
}

static void take_datagram(struct udp_socket *s, const struct msghdr *msg, const uint8_t *data, size_t len, int64_t now)
{
	struct udp_query *q = NULL;
	if (len < 2)
		return;
	HASH_FIND(hh, s->pending, data, 2, q);
	if (q && addr_same(&q->to, msg->msg_name))
		q->events->datagram(q, data, len, !!(msg->msg_flags & MSG_TRUNC), now);
}

static void receive(struct udp_socket *s)
{
	struct mmsghdr msgs[BATCH];
	struct iovec iovs[BATCH];
	union net_addr from[BATCH];
	uint8_t(*buffers)[UDP_DATAGRAM_MAX] = s->udp->buffers;
	memset(msgs, 0, sizeof msgs);
	for (int i = 0; i < BATCH; i++) {
		iovs[i] = (struct iovec){ buffers[i], UDP_DATAGRAM_MAX };
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof from[i],
						   .msg_iov = &iovs[i], .msg_iovlen = 1 };
	}
	int n = recvmmsg(s->fd, msgs, BATCH, 0, NULL);
	if (n <= 0) {
		/* Readable without a datagram: the error queue is what woke us. */
		take_errors(s);
		return;
	}
	int64_t now = s->udp->host->now();
	for (int i = 0; i < n; i++)
		take_datagram(s, &msgs[i].msg_hdr, buffers[i], msgs[i].msg_len, now);
}

/* --- sending ------------------------------------------------------------------------------------ */

static int send_batch(struct udp_socket *s)
{
	struct mmsghdr msgs[BATCH];
	struct iovec iovs[BATCH][2];
	int n = 0;
	struct udp_query *q;
	memset(msgs, 0, sizeof msgs);
	TAILQ_FOREACH (q, &s->queue, link) {
		if (n == BATCH)
			break;
		iovs[n][0] = (struct iovec){ q->id, 2 };
		iovs[n][1] = (struct iovec){ (void *)(uintptr_t)(q->wire + 2), q->len - 2 };
		msgs[n].msg_hdr = (struct msghdr){ .msg_name = &q->to, .msg_namelen = net_addr_len(&q->to),
						   .msg_iov = iovs[n], .msg_iovlen = 2 };
		n++;
	}
	return sendmmsg(s->fd, msgs, (unsigned)n, 0);
}

static void mark_sent(struct udp_socket *s, int n)
{
	int64_t now = s->udp->host->now();
	while (n-- > 0) {
		struct udp_query *q = TAILQ_FIRST(&s->queue);
		dequeue(q);
		q->events->sent(q, now);
	}
}

/* An ICMP error about an earlier query is also reported by the next send, which then did not happen: such errors
 * are taken from the queue, and only one that stays is about the query itself. */
static void flush_socket(struct udp_socket *s)
{
	int tries = 0;
	while (!TAILQ_EMPTY(&s->queue)) {
		int n = send_batch(s);
		if (n > 0) {
			mark_sent(s, n);
			tries = 0;
			continue;
		}
		int error = errno;
		if (error == EINTR)
			continue;
		if (error == EAGAIN)
			break;
		if (tries++ < 8) {
			take_errors(s);
			continue;
		}
		tries = 0;
		fail(TAILQ_FIRST(&s->queue), error);
	}
	int writing = !TAILQ_EMPTY(&s->queue);
	if (writing != s->writing)
		s->udp->host->watch_set(s->watch, writing ? PROBED_READ | PROBED_WRITE : PROBED_READ);
	s->writing = writing;
}

static void on_socket(void *arg, int32_t fd, uint32_t events)
{
	struct udp_socket *s = arg;
	(void)fd;
	if (s->magic != UDP_SOCKET_MAGIC)
		abort();
	struct udp *udp = s->udp;
	udp->busy = 1;
	if (events & PROBED_READ)
		receive(s);
	if (events & PROBED_WRITE)
		flush_socket(s);
	handler_end(udp);
}

static void on_flush(void *arg)
{
	struct udp *udp = arg;
	struct udp_socket *s;
	udp->flush_set = 0;
	udp->busy = 1;
	LIST_FOREACH (s, &udp->sockets, link)
		if (!TAILQ_EMPTY(&s->queue) && !s->writing)
			flush_socket(s);
	handler_end(udp);
}

static void enqueue(struct udp_socket *s, struct udp_query *q)
{
	struct udp *udp = s->udp;
	TAILQ_INSERT_TAIL(&s->queue, q, link);
	q->queued = 1;
	if (!udp->flush_set) {
		udp->flush_set = 1;
		udp->host->timer_set(udp->flush, udp->host->now());
	}
}

int udp_send(struct udp *udp, struct udp_query *q)
{
	int error;
	struct udp_socket *s = socket_for(udp, q->to.any.sa_family, &error);
	if (!s)
		return error;
	struct udp_query *taken;
	do {
		uint64_t r = udp->host->random();
		memcpy(q->id, &r, 2);
		HASH_FIND(hh, s->pending, q->id, 2, taken);
	} while (taken);
	q->socket = s;
	s->used++;
	HASH_ADD(hh, s->pending, id, 2, q);
	enqueue(s, q);
	return 0;
}

void udp_resend(struct udp *udp, struct udp_query *q)
{
	(void)udp;
	if (q->socket && !q->queued)
		enqueue(q->socket, q);
}

struct udp *udp_new(const struct probed_host *host)
{
	struct udp *udp = calloc(1, sizeof *udp);
	if (!udp)
		return NULL;
	udp->host = host;
	LIST_INIT(&udp->sockets);
	udp->buffers = calloc(BATCH, sizeof *udp->buffers);
	udp->flush = host->timer_new(on_flush, udp);
	if (udp->buffers && udp->flush)
		return udp;
	udp_free(udp);
	return NULL;
}

void udp_free(struct udp *udp)
{
	if (!udp)
		return;
	struct udp_socket *s;
	while ((s = LIST_FIRST(&udp->sockets)))
		socket_free(s);
	if (udp->flush)
		udp->host->timer_free(udp->flush);
	free(udp->buffers);
	free(udp);
}
