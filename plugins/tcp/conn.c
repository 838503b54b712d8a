/* SPDX-License-Identifier: Apache-2.0 */
/* conn.c - a tcp probe from its start to its connection: resolve, connect to one address after the other; and its end. */
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tcp/conn.h"

_Static_assert(sizeof(struct conn) <= CONN_SIZE, "CONN_SIZE is what a probe gets");

static void on_io(void *arg, int32_t fd, uint32_t events);
static void address_next(struct conn *c, uint32_t reason, const char *why);

static struct conn *conn_of(void *arg)
{
	struct conn *c = arg;
	if (c->magic != CONN_MAGIC)
		abort();
	host->attribute(c->probe);
	return c;
}

/* --- the end ------------------------------------------------------------------------------------- */

static void socket_drop(struct conn *c)
{
	if (c->watch)
		host->watch_free(c->watch);
	c->watch = NULL;
	if (c->fd < 0)
		return;
	/* nothing was said on it, so nothing is lost by a reset, and no TIME_WAIT is left */
	if (!c->in && !c->out && !c->ssl) {
		struct linger linger = { .l_onoff = 1 };
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	}
	if (c->ssl) {
		if (SSL_is_init_finished(c->ssl))
			SSL_shutdown(c->ssl);
		ERR_clear_error();
		certs_peer_detach(&c->peer);
		SSL_free(c->ssl);
		c->ssl = NULL;
	}
	close(c->fd);
	c->fd = -1;
}

static void release(struct conn *c)
{
	socket_drop(c);
	if (c->lookup)
		host->resolve_cancel(c->lookup);
	if (c->timer)
		host->timer_free(c->timer);
	if (c->talk)
		talk_give(c->worker, c->talk);
	certs_peer_clear(&c->peer);
	c->lookup = NULL;
	c->timer = NULL;
	c->talk = NULL;
}

void conn_finish(struct conn *c, uint32_t outcome, uint32_t reason, const char *message)
{
	struct probed_probe *probe = c->probe;
	if (c->state > CONNECTING) {
		host->fact_integer(probe, FACT_BYTES_IN, NULL, (int64_t)c->in);
		host->fact_integer(probe, FACT_BYTES_OUT, NULL, (int64_t)c->out);
	}
	release(c);
	c->magic = 0;
	host->complete(probe, outcome, reason, message);
}

void conn_fail(struct conn *c, uint32_t reason, const char *format, ...)
{
	char message[400];
	va_list ap;
	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	conn_finish(c, net_outcome(reason), reason, message);
}

/* --- connecting ---------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
	struct conn *c = conn_of(arg);
	if (c->state == CONNECTING) {
		address_next(c, PROBED_REASON_UNREACHABLE, "no answer");
		return;
	}
	talk_quiet(c);
}

bool conn_timer_at(struct conn *c, int64_t at_ns)
{
	if (!c->timer)
		c->timer = host->timer_new(on_timer, c);
	if (!c->timer) {
		conn_fail(c, PROBED_REASON_OVERLOADED, "out of memory");
		return false;
	}
	host->timer_set(c->timer, at_ns);
	return true;
}

static void connected(struct conn *c)
{
	const struct target *t = c->target;
	int on = 1;

	if (c->timer)
		host->timer_set(c->timer, 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (t->banner || t->dialogue->n_steps) {
		c->talk = talk_take(c->worker);
		if (!c->talk) {
			conn_fail(c, PROBED_REASON_OVERLOADED, "out of memory");
			return;
		}
	}
	c->state = READY;
	if (t->tls)
		transport_secure(c);
	else
		talk_run(c);
}

static void where_facts(struct conn *c, const struct probed_addr *a)
{
	net_where_text(a, c->target->port, c->where, sizeof(c->where));
	net_addr_facts(host, c->probe, FACT_IP, FACT_FAMILY, a);
	host->fact_integer(c->probe, FACT_PORT, NULL, c->target->port);
}

/* Begins to connect to one address: 0, 1 where it is connected already, or -errno. */
static int address_try(struct conn *c, const struct probed_addr *a)
{
	union net_addr to;

	net_addr_set(&to, a, c->target->port);
	c->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	int ret = connect(c->fd, &to.any, net_addr_len(&to));
	if (ret < 0 && errno != EINPROGRESS && errno != EINTR)
		return -errno;
	c->watch = host->watch_new(c->fd, PROBED_WRITE, on_io, c);
	if (!c->watch)
		return -ENOMEM;
	return ret == 0;
}

/* The address before did not do, because of `why`: the next one, or the end. */
static void address_next(struct conn *c, uint32_t reason, const char *why)
{
	socket_drop(c);
	while (c->next_addr < c->n_addrs) {
		const struct probed_addr *a = &c->addrs[c->next_addr++];
		where_facts(c, a);
		int ret = address_try(c, a);
		if (ret < 0) {
			socket_drop(c);
			reason = net_reason(-ret);
			why = strerror(-ret);
			continue;
		}
		if (ret > 0) {
			connected(c);
			return;
		}
		unsigned left = c->n_addrs - c->next_addr;
		if (left)
			conn_timer_at(c, net_share_ends(host, c->probe, left));
		else if (c->timer)
			host->timer_set(c->timer, 0);
		return;
	}
	conn_fail(c, reason, "connect to %s: %s", c->where, why);
}

static void on_io(void *arg, int32_t fd, uint32_t events)
{
	struct conn *c = conn_of(arg);
	int error = 0;
	socklen_t len = sizeof(error);
	(void)events;

	switch (c->state) {
	case CONNECTING:
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			error = errno;
		if (error)
			address_next(c, net_reason(error), strerror(error));
		else
			connected(c);
		return;
	case HANDSHAKE:
		transport_handshake(c);
		return;
	case SENDING:
		talk_run(c);
		return;
	default:
		talk_readable(c);
	}
}

static void on_resolved(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs,
                        uint32_t stride)
{
	struct conn *c = conn_of(arg);
	c->lookup = NULL;
	if (status || !n) {
		conn_fail(c, PROBED_REASON_RESOLVE, "%s: %s", c->target->host, error ? error : "no address");
		return;
	}
	c->n_addrs = net_addrs_keep(c->addrs, MAX_ADDRS, addrs, n, stride);
	c->state = CONNECTING;
	host->phase(c->probe, PROBED_PHASE_CONNECT);
	address_next(c, PROBED_REASON_OTHER, "");
}

void conn_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
{
	struct conn *c = mem;
	(void)session;
	c->magic = CONN_MAGIC;
	c->worker = worker;
	c->target = target;
	c->probe = probe;
	c->fd = -1;
	c->state = RESOLVING;
	host->phase(probe, PROBED_PHASE_RESOLVE);
	c->lookup = host->resolve(c->target->host, c->target->family, on_resolved, c);
	if (!c->lookup)
		conn_fail(c, PROBED_REASON_OVERLOADED, "out of memory");
}

void conn_cancel(void *worker, struct probed_probe *probe, void *mem)
{
	struct conn *c = mem;
	(void)worker, (void)probe;
	release(c);
	c->magic = 0;
}
