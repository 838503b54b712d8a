/* SPDX-License-Identifier: Apache-2.0 */
/* transport.c - reading and writing on a tcp probe's connection, plain or TLS, and the handshake between the two. */
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#include "tcp/conn.h"

void transport_watch(struct conn *c, uint32_t events)
{
	host->watch_set(c->watch, events);
}

static ssize_t tls_result(struct conn *c, int ret, int *error)
{
	int code = SSL_get_error(c->ssl, ret), saved = errno;

	*error = 0;
	switch (code) {
	case SSL_ERROR_NONE:
		return ret;
	case SSL_ERROR_WANT_READ:
		transport_watch(c, PROBED_READ);
		return 0;
	case SSL_ERROR_WANT_WRITE:
		transport_watch(c, PROBED_WRITE);
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		break;
	case SSL_ERROR_SYSCALL:
		*error = saved;
		break;
	default:
		/* many a server ends without TLS's own goodbye */
		if (ERR_GET_REASON(ERR_peek_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
			*error = EPROTO;
	}
	return -1;
}

ssize_t transport_read(struct conn *c, void *data, size_t n, int *error)
{
	if (c->ssl) {
		ERR_clear_error();
		return tls_result(c, SSL_read(c->ssl, data, (int)n), error);
	}
	ssize_t got = recv(c->fd, data, n, 0);
	if (got > 0)
		return got;
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		transport_watch(c, PROBED_READ);
		return 0;
	}
	*error = got < 0 ? errno : 0;
	return -1;
}

ssize_t transport_write(struct conn *c, const void *data, size_t n, int *error)
{
	if (c->ssl) {
		ERR_clear_error();
		return tls_result(c, SSL_write(c->ssl, data, (int)n), error);
	}
	ssize_t sent = send(c->fd, data, n, MSG_NOSIGNAL);
	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == EINTR) {
		transport_watch(c, PROBED_WRITE);
		return 0;
	}
	*error = errno;
	return -1;
}

void transport_handshake(struct conn *c)
{
	char why[300];
	ERR_clear_error();
	int ret = SSL_do_handshake(c->ssl), saved = errno;

	if (ret == 1) {
		certs_peer_facts(&c->peer, host, c->probe, FACT_TLS_BASE);
		talk_secured(c);
		return;
	}
	switch (SSL_get_error(c->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		transport_watch(c, PROBED_READ);
		return;
	case SSL_ERROR_WANT_WRITE:
		transport_watch(c, PROBED_WRITE);
		return;
	default:
		break;
	}
	unsigned long code = ERR_peek_error();
	certs_peer_facts(&c->peer, host, c->probe, FACT_TLS_BASE);
	if (!code && saved)
		conn_fail(c, net_reason(saved), "%s: %s during the TLS handshake", c->where, strerror(saved));
	else if (!code || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		conn_fail(c, PROBED_REASON_RESET, "%s: the peer closed the connection during the TLS handshake", c->where);
	else
		conn_fail(c, PROBED_REASON_TLS, "%s: %s", c->where, certs_error(&c->peer, why, sizeof(why)));
}

void transport_secure(struct conn *c)
{
	const struct target *t = c->target;

	c->state = HANDSHAKE;
	host->phase(c->probe, PROBED_PHASE_TLS);
	c->peer.host = t->servername;
	c->peer.verify = t->verify;
	c->ssl = SSL_new(certs_ctx_ssl(t->certs));
	if (!c->ssl || !SSL_set_fd(c->ssl, c->fd) || !certs_servername(c->ssl, t->servername)) {
		ERR_clear_error();
		conn_fail(c, PROBED_REASON_OVERLOADED, "out of memory");
		return;
	}
	certs_attach(c->ssl, &c->peer);
	SSL_set_connect_state(c->ssl);
	transport_handshake(c);
}
