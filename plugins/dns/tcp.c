/* SPDX-License-Identifier: Apache-2.0 */
/* tcp.c - a query over TCP. */
#include "tcp.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tcp_close(struct tcp_query *q)
{
	if (!q->watch)
		return;
	q->host->watch_free(q->watch);
	q->watch = NULL;
	close(q->fd);
	free(q->in);
	q->in = NULL;
}

static void fail(struct tcp_query *q, int error)
{
	tcp_close(q);
	q->events->failed(q, error);
}

static int would_block(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static void send_query(struct tcp_query *q)
{
	if (!q->connected) {
		int error = 0;
		socklen_t size = sizeof error;
		getsockopt(q->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error) {
			fail(q, error);
			return;
		}
		q->connected = 1;
		q->events->connected(q);
	}
	ssize_t n = send(q->fd, q->out + q->sent, q->out_len - q->sent, MSG_NOSIGNAL);
	if (n < 0) {
		if (!would_block(errno))
			fail(q, errno);
		return;
	}
	q->sent += (size_t)n;
	if (q->sent < q->out_len)
		return;
	q->host->watch_set(q->watch, PROBED_READ);
	q->events->sent(q, q->host->now());
}

/* Where the next bytes of the answer go; 0: none are missing. */
static size_t want(struct tcp_query *q, uint8_t **at)
{
	if (q->got < 2) {
		*at = q->head + q->got;
		return 2 - q->got;
	}
	*at = q->in + (q->got - 2);
	return q->in_len - (q->got - 2);
}

/* 1: goes on, 0: over, and said so. */
static int took(struct tcp_query *q, size_t n)
{
	if (!q->got)
		q->events->first_byte(q);
	q->got += n;
	if (q->got < 2)
		return 1;
	if (!q->in) {
		q->in_len = (size_t)q->head[0] << 8 | q->head[1];
		q->in = malloc(q->in_len ? q->in_len : 1);
		if (!q->in) {
			fail(q, ENOMEM);
			return 0;
		}
	}
	if (q->got - 2 < q->in_len)
		return 1;
	q->events->answered(q, q->in, q->in_len, q->host->now());
	return 0;
}

static void receive_answer(struct tcp_query *q)
{
	for (;;) {
		uint8_t *at;
		size_t room = want(q, &at);
		ssize_t n = recv(q->fd, at, room, 0);
		if (n < 0 && would_block(errno))
			return;
		if (n <= 0) {
			fail(q, n < 0 ? errno : 0);
			return;
		}
		if (!took(q, (size_t)n))
			return;
	}
}

static void on_socket(void *arg, int32_t fd, uint32_t events)
{
	struct tcp_query *q = arg;
	(void)fd;
	if (q->sent < q->out_len) {
		send_query(q);
		return;
	}
	if (events & PROBED_READ)
		receive_answer(q);
}

static int connect_socket(struct tcp_query *q, const union net_addr *to)
{
	const int one = 1;
	/* Closed by reset: the whole answer is there, or nobody wants it, and no TIME_WAIT is left behind. */
	const struct linger reset = { .l_onoff = 1 };
	setsockopt(q->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	setsockopt(q->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(q->fd, &to->any, net_addr_len(to)) && errno != EINPROGRESS)
		return errno;
	q->watch = q->host->watch_new(q->fd, PROBED_WRITE, on_socket, q);
	return q->watch ? 0 : ENOMEM;
}

int tcp_query_start(struct tcp_query *q, const struct probed_host *host, const struct tcp_events *events,
                    const union net_addr *to, const uint8_t *wire, size_t len, const uint8_t id[2])
{
	memset(q, 0, sizeof *q);
	q->host = host;
	q->events = events;
	q->out[0] = (uint8_t)(len >> 8);
	q->out[1] = (uint8_t)len;
	memcpy(q->out + 2, wire, len);
	memcpy(q->out + 2, id, 2);
	q->out_len = len + 2;
	q->fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (q->fd < 0)
		return errno;
	int error = connect_socket(q, to);
	if (error)
		close(q->fd);
	return error;
}
