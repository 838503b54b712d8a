/* SPDX-License-Identifier: Apache-2.0 */
/* context.c - the worker: one libwebsockets context on the host's loop, a vhost for each set of TLS options. */
#include "ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Live connections; it keeps libwebsockets from making tables as long as the limit of descriptors. */
	CONNECTIONS_MAX = 4096,
	/* Of a handshake's answer. */
	HEADER_BYTES_MAX = 16384,
	/* The host keeps the deadlines. */
	NEVER_S = 7 * 24 * 3600,
};

static const struct lws_protocols protocols[] = {
	{ .name = "probed", .callback = ws_callback, .rx_buffer_size = 4096 },
	{ 0 },
};

static void log_line(int level, const char *line)
{
	(void)level;
	ws_host->log(PROBED_LOG_DEBUG, "libwebsockets: %.*s", (int)strcspn(line, "\n"), line);
}

static struct lws_vhost *vhost_make(struct ws_worker *w, SSL_CTX *ssl)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.vhost_name = ssl ? "tls" : "plain",
		.options = ssl ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0,
		.provided_client_ssl_ctx = ssl,
		.connect_timeout_secs = NEVER_S,
		/* or it would take a proxy from the environment */
		.http_proxy_address = "",
	};
	return lws_create_vhost(w->lws, &info);
}

struct ws_vhost *ws_vhost_get(struct ws_worker *w, const struct certs_options *tls, char *error, size_t size)
{
	struct certs_ctx *ctx = NULL;
	struct ws_vhost *v;
	if (tls && !(ctx = certs_ctx_get(w->tls, tls, error, size)))
		return NULL;
	LIST_FOREACH (v, &w->vhosts, link) {
		if (v->tls != ctx)
			continue;
		certs_ctx_unref(ctx);
		v->refs++;
		return v;
	}
	v = calloc(1, sizeof *v);
	SSL_CTX *ssl = ctx ? certs_ctx_ssl(ctx) : NULL;
	struct lws_vhost *lws = v ? vhost_make(w, ssl) : NULL;
	if (!lws) {
		snprintf(error, size, "libwebsockets cannot set up another vhost: out of memory");
		certs_ctx_unref(ctx);
		free(v);
		return NULL;
	}
	*v = (struct ws_vhost){ .worker = w, .tls = ctx, .lws = lws, .refs = 1 };
	LIST_INSERT_HEAD(&w->vhosts, v, link);
	if (ssl) {
		SSL_CTX_set_app_data(ssl, v);
		w->tls_info = SSL_CTX_get_info_callback(ssl);
		SSL_CTX_set_info_callback(ssl, ws_tls_info);
	}
	return v;
}

static void vhost_free(struct ws_vhost *v, int destroy)
{
	LIST_REMOVE(v, link);
	if (v->tls) {
		SSL_CTX_set_info_callback(certs_ctx_ssl(v->tls), v->worker->tls_info);
		SSL_CTX_set_app_data(certs_ctx_ssl(v->tls), NULL);
	}
	if (destroy)
		lws_vhost_destroy(v->lws);
	certs_ctx_unref(v->tls);
	free(v);
}

void ws_vhost_unref(struct ws_vhost *v)
{
	if (v && !--v->refs)
		vhost_free(v, 1);
}

int ws_worker_room(struct ws_worker *w, size_t len)
{
	if (LWS_PRE + len <= w->out_size)
		return 0;
	uint8_t *out = realloc(w->out, LWS_PRE + len);
	if (!out)
		return -1;
	w->out = out;
	w->out_size = LWS_PRE + len;
	return 0;
}

static int make_context(struct ws_worker *w)
{
	void *loops[] = { w->loop };
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBEV |
			   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.foreign_loops = loops,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
		.fd_limit_per_thread = CONNECTIONS_MAX,
		.max_http_header_data2 = HEADER_BYTES_MAX,
		.pt_serv_buf_size = HEADER_BYTES_MAX,
		.timeout_secs = NEVER_S,
	};
	w->lws = lws_create_context(&info);
	return w->lws ? 0 : -1;
}

static int make_worker(struct ws_worker *w, char *error, size_t size)
{
	w->loop = (struct ev_loop *)(uintptr_t)ws_host->extension("probed.ev-loop/1");
	if (!w->loop) {
		snprintf(error, size, "the ws driver needs probed.ev-loop/1, which this host does not offer");
		return -1;
	}
	w->tls = certs_pool_new();
	w->match = pcre2_match_data_create(1, NULL);
	w->match_context = pcre2_match_context_create(NULL);
	/* control frames are sent from there too */
	if (!w->tls || !w->match || !w->match_context || ws_worker_room(w, 125)) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	pcre2_set_match_limit(w->match_context, 100000);
	lws_set_log_level(LLL_ERR | LLL_WARN, log_line);
	if (!make_context(w))
		return 0;
	snprintf(error, size, "libwebsockets cannot run on libev: is libwebsockets-evlib-ev installed?");
	return -1;
}

int32_t ws_worker_new(void **worker, char *error, uint64_t error_size)
{
	struct ws_worker *w = calloc(1, sizeof *w);
	if (!w) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	w->magic = WS_WORKER_MAGIC;
	LIST_INIT(&w->vhosts);
	LIST_INIT(&w->probes);
	if (make_worker(w, error, error_size)) {
		ws_worker_free(w);
		return -1;
	}
	*worker = w;
	return 0;
}

void ws_worker_free(void *worker)
{
	struct ws_worker *w = worker;
	struct ws_vhost *v;
	if (w->lws)
		lws_context_destroy(w->lws);
	while ((v = LIST_FIRST(&w->vhosts)))
		vhost_free(v, 0);
	certs_pool_free(w->tls);
	pcre2_match_data_free(w->match);
	pcre2_match_context_free(w->match_context);
	free(w->out);
	w->magic = 0;
	free(w);
}
