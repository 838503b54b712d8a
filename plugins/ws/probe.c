/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - one probe until its connection stands: resolve, connect (at each address in turn), TLS. What follows
 * on the connection is talk.c's. libwebsockets tells neither when a connection is made nor why it is not, so a
 * watcher of a higher priority looks at the socket first.
 */
#include "ws.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void stop_watching(struct ws_probe *p)
{
	if (ev_is_active(&p->first))
		ev_io_stop(p->worker->loop, &p->first);
	if (p->waiting)
		LIST_REMOVE(p, link);
	p->waiting = 0;
}

/* libwebsockets may keep a connection for a while to flush or to close it: on a socket that is shut down it ends at
 * once. Nothing is called back for it any more. */
static struct lws *let_go_of_wsi(struct ws_probe *p)
{
	struct lws *wsi = p->wsi;
	stop_watching(p);
	if (!wsi)
		return NULL;
	p->wsi = NULL;
	lws_set_opaque_user_data(wsi, NULL);
	int fd = lws_get_socket_fd(wsi);
	if (fd >= 0 && p->stage > STAGE_CONNECT)
		shutdown(fd, SHUT_RDWR);
	return wsi;
}

static void let_go(struct ws_probe *p)
{
	if (p->lookup)
		ws_host->resolve_cancel(p->lookup);
	p->lookup = NULL;
	if (p->peer.ssl)
		SSL_set_app_data(p->peer.ssl, NULL);
	certs_peer_clear(&p->peer);
	free(p->in);
	p->in = NULL;
	p->magic = 0;
}

void ws_end(struct ws_probe *p, uint32_t outcome, uint32_t reason, const char *format, ...)
{
	char message[240];
	va_list args;
	struct probed_probe *probe = p->probe;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	ws_report_end(p);
	let_go_of_wsi(p);
	let_go(p);
	ws_host->complete(probe, outcome, reason, message[0] ? message : NULL);
}

/* --- connecting --------------------------------------------------------------------------------- */

/* As libwebsockets wants it: with its scope, without brackets. */
static void address_text(const struct ws_probe *p, char *out, size_t size)
{
	const struct probed_addr *a = &p->addrs[p->addr];
	net_ip_text(a, out, size);
	if (a->family == 6 && a->scope_id) {
		size_t n = strlen(out);
		snprintf(out + n, size - n, "%%%u", a->scope_id);
	}
}

static void unreachable(struct ws_probe *p, int error)
{
	char where[NET_TEXT];
	uint32_t reason = net_reason(error);
	net_where_text(&p->addrs[p->addr], p->target->url.port, where, sizeof where);
	ws_end(p, net_outcome(reason), reason, "%s: %s", where, strerror(error));
}

static int connect_once(struct ws_probe *p);

/* Tries from the current address on. */
static void connect_any(struct ws_probe *p)
{
	for (;; p->addr++) {
		int error = connect_once(p);
		if (!error)
			return;
		if (net_outcome(net_reason(error)) == PROBED_ERROR && p->addr + 1 < p->n_addrs)
			continue;
		unreachable(p, error);
		return;
	}
}

static void kill_wsi(struct ws_probe *p)
{
	lws_set_timeout(let_go_of_wsi(p), PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

static void watch(struct ws_probe *p, int fd, int events, void (*fn)(struct ev_loop *loop, ev_io *w, int events))
{
	ev_io_init(&p->first, fn, fd, events);
	ev_set_priority(&p->first, EV_MAXPRI);
	p->first.data = p;
	ev_io_start(p->worker->loop, &p->first);
}

static struct ws_probe *watched(struct ev_loop *loop, ev_io *w)
{
	struct ws_probe *p = w->data;
	if (p->magic != WS_PROBE_MAGIC)
		abort();
	ev_io_stop(loop, w);
	ws_host->attribute(p->probe);
	return p;
}

/* libwebsockets would wait for a header's end for ever. */
static void on_answer(struct ev_loop *loop, ev_io *w, int events)
{
	static const char http[] = "HTTP/1.";
	char start[sizeof http - 1];
	struct ws_probe *p = watched(loop, w);
	(void)events;
	ssize_t n = recv(w->fd, start, sizeof start, MSG_PEEK | MSG_DONTWAIT);
	if (p->stage != STAGE_HANDSHAKE || n <= 0 || !memcmp(start, http, (size_t)n))
		return;
	kill_wsi(p);
	ws_end(p, PROBED_ERROR, PROBED_REASON_PROTOCOL, "the answer to the handshake is not HTTP");
}

static void connected(struct ws_probe *p, int fd)
{
	if (!p->target->url.tls)
		watch(p, fd, EV_READ, on_answer);
}

static void on_connected(struct ev_loop *loop, ev_io *w, int events)
{
	int error = 0;
	socklen_t size = sizeof error;
	struct ws_probe *p = watched(loop, w);
	(void)events;
	getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (!error) {
		connected(p, w->fd);
		return;
	}
	kill_wsi(p);
	if (p->addr + 1 < p->n_addrs) {
		p->addr++;
		connect_any(p);
		return;
	}
	unreachable(p, error);
}

static void watch_connecting(struct ws_probe *p)
{
	int fd = lws_get_socket_fd(p->wsi);
	if (p->stage == STAGE_CONNECT && fd >= 0)
		watch(p, fd, EV_WRITE, on_connected);
	else if (p->stage == STAGE_HANDSHAKE && fd >= 0)
		connected(p, fd);
}

/* 0: under way (or the probe is over), else an errno. */
static int connect_once(struct ws_probe *p)
{
	const struct ws_target *t = p->target;
	char ip[64];
	struct lws_client_connect_info info = {
		.context = p->worker->lws,
		.vhost = t->vhost->lws,
		.address = ip,
		.port = t->url.port,
		.path = t->url.path,
		.host = t->host_header ? t->host_header : t->url.authority,
		.protocol = t->subprotocol,
		.local_protocol_name = "probed",
		.alpn = "http/1.1",
		/* certs.c verifies; what it accepts must not be refused here */
		.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT |
				  (t->url.tls ? LCCSCF_USE_SSL | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK : 0),
		.opaque_user_data = p,
		.pwsi = &p->wsi,
	};
	address_text(p, ip, sizeof ip);
	p->stage = STAGE_CONNECT;
	ws_host->phase(p->probe, PROBED_PHASE_CONNECT);
	LIST_INSERT_HEAD(&p->worker->probes, p, link);
	p->waiting = 1;
	errno = 0;
	struct lws *wsi = lws_client_connect_via_info(&info);
	if (p->magic != WS_PROBE_MAGIC)
		return 0;
	if (wsi) {
		watch_connecting(p);
		return 0;
	}
	int error = errno ? errno : ENOBUFS;
	p->wsi = NULL;
	stop_watching(p);
	if (p->stage == STAGE_CONNECT)
		return error;
	/* it was made at once, and went wrong in the same call */
	ws_end(p, PROBED_ERROR, p->stage == STAGE_TLS ? PROBED_REASON_TLS : PROBED_REASON_RESET, "%s",
	       p->tls_error[0] ? p->tls_error : "the connection broke off during the handshake");
	return 0;
}

/* --- TLS ---------------------------------------------------------------------------------------- */

static struct ws_probe *probe_of(const SSL *ssl)
{
	struct ws_vhost *v = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ws_probe *p;
	int fd = SSL_get_fd(ssl);
	if (!v)
		return NULL;
	LIST_FOREACH (p, &v->worker->probes, link)
		if (p->wsi && lws_get_socket_fd(p->wsi) == fd)
			return p;
	return NULL;
}

static void tls_begin(struct ws_probe *p, SSL *ssl)
{
	const struct ws_target *t = p->target;
	const char *name = t->tls.servername ? t->tls.servername : t->url.host;
	stop_watching(p);
	p->stage = STAGE_TLS;
	ws_host->phase(p->probe, PROBED_PHASE_TLS);
	p->peer.host = name;
	p->peer.verify = t->tls.verify;
	certs_attach(ssl, &p->peer);
	SSL_set_app_data(ssl, p);
	/* libwebsockets took both from the Host header, and would overrule the verdict on the certificate */
	SSL_set_tlsext_host_name(ssl, NULL);
	certs_servername(ssl, name);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
}

static void tls_failed(struct ws_probe *p)
{
	unsigned long code = ERR_peek_last_error();
	const char *why = code ? ERR_reason_error_string(code) : NULL;
	if (!p->tls_error[0])
		snprintf(p->tls_error, sizeof p->tls_error, "TLS: %s",
		         why ? why : "the server broke off the handshake");
}

void ws_tls_info(const SSL *ssl, int where, int ret)
{
	struct ws_vhost *v = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ws_probe *p = SSL_get_app_data(ssl);
	/* const by the callback's type only: it is our connection */
	SSL *own = (SSL *)(uintptr_t)ssl;
	if (!p && (where & SSL_CB_HANDSHAKE_START)) {
		p = probe_of(ssl);
		if (p)
			tls_begin(p, own);
	}
	if (v && v->worker->tls_info)
		v->worker->tls_info(ssl, where, ret);
	if (!p)
		return;
	if ((where & SSL_CB_HANDSHAKE_DONE) && !p->peer.verify)
		SSL_set_verify_result(own, X509_V_OK);
	if ((where & SSL_CB_EXIT) && (ret == 0 || (ret < 0 && !SSL_want_read(ssl) && !SSL_want_write(ssl))))
		tls_failed(p);
}

/* --- start and cancel --------------------------------------------------------------------------- */

static void on_resolved(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs,
                        uint32_t stride)
{
	struct ws_probe *p = arg;
	if (p->magic != WS_PROBE_MAGIC)
		abort();
	p->lookup = NULL;
	if (status || !n) {
		ws_end(p, PROBED_ERROR, PROBED_REASON_RESOLVE, "%s: %s", p->target->url.host, error ? error : "no address");
		return;
	}
	p->n_addrs = net_addrs_keep(p->addrs, WS_ADDRESSES, addrs, n, stride);
	connect_any(p);
}

void ws_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
{
	struct ws_probe *p = mem;
	(void)session;
	p->magic = WS_PROBE_MAGIC;
	p->worker = worker;
	p->target = target;
	p->probe = probe;
	ws_host->phase(probe, PROBED_PHASE_RESOLVE);
	p->lookup = ws_host->resolve(p->target->url.host, p->target->family, on_resolved, p);
	if (!p->lookup)
		ws_end(p, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED, "out of memory");
}

void ws_cancel(void *worker, struct probed_probe *probe, void *mem)
{
	struct ws_probe *p = mem;
	(void)worker;
	(void)probe;
	if (p->magic != WS_PROBE_MAGIC)
		return;
	struct lws *wsi = let_go_of_wsi(p);
	if (wsi)
		lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
	let_go(p);
}
