/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - the requests: libwebsockets on the host's loop, for HTTP/1 on sockets that listen.c accepted. */
#include "web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 16384
#define HEADERS_MAX 4096 /* bytes of a request's header lines */
#define IDLE_SECS 30     /* between two requests of a connection */
#define HEADER_SECS 10   /* for a request's header lines to come */
#define WRITE_SECS 30    /* for the client to take a piece */

/* Per connection, and zeroed by the library for each of its requests. */
struct session {
	struct request *request;
};

/* --- requests ---------------------------------------------------------------------------------- */

static size_t header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
	int n = lws_hdr_copy(wsi, out, (int)size, token);
	if (n < 0)
		*out = '\0';
	return n < 0 ? 0 : (size_t)n;
}

/* The weight that `accept` gives to a media type, 0 where it does not name it. */
static double quality(const char *accept, const char *type)
{
	double best = 0;
	for (const char *p = accept; (p = strcasestr(p, type));) {
		p += strlen(type);
		size_t n = strcspn(p, ",");
		char params[256];
		snprintf(params, sizeof params, "%.*s", (int)(n < 255 ? n : 255), p);
		const char *q = strcasestr(params, "q=");
		double weight = q ? atof(q + 2) : 1;
		if (weight > best)
			best = weight;
	}
	return best;
}

static int wants_openmetrics(struct lws *wsi)
{
	char accept[1024];
	header(wsi, WSI_TOKEN_HTTP_ACCEPT, accept, sizeof accept);
	double om = quality(accept, "application/openmetrics-text");
	return om > 0 && om >= quality(accept, "text/plain");
}

static void on_request(struct web *w, struct lws *wsi, struct session *session, const char *path)
{
	struct request *r = calloc(1, sizeof *r);
	if (!r)
		return;
	char version[16];
	header(wsi, WSI_TOKEN_HTTP, version, sizeof version);
	r->tag = ++w->next_tag;
	r->web = w;
	r->wsi = wsi;
	r->next = w->requests;
	w->requests = r;
	session->request = r;
	r->head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
	/* HTTP/2 (by upgrade) frames by itself, HTTP/1.0 knows no pieces */
	r->chunked = lws_get_network_wsi(wsi) == wsi && !strstr(version, "1.0");
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	if (r->head || lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0) {
		web_route(r, path, wants_openmetrics(wsi));
		return;
	}
	r->type = "text/plain; charset=utf-8";
	r->chunked = 0;
	request_set(r, 405, "only GET and HEAD\n");
}

/* --- answers ----------------------------------------------------------------------------------- */

void http_ready(struct request *r)
{
	if (r->wsi)
		lws_callback_on_writable(r->wsi);
}

static int add(struct lws *wsi, const char *name, const char *value, unsigned char **p, unsigned char *end)
{
	return lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
	                                   (int)strlen(value), p, end);
}

/* Does the connection end with this answer? */
static int closes(const struct request *r)
{
	return r->code == 405 || (!r->sized && !r->chunked);
}

static int send_headers(struct request *r)
{
	unsigned char buf[LWS_PRE + 1024], *start = buf + LWS_PRE, *p = start, *end = buf + sizeof buf;
	struct lws *wsi = r->wsi;
	int bad = lws_add_http_header_status(wsi, (unsigned)r->code, &p, end) || add(wsi, "content-type:", r->type, &p, end) ||
	          add(wsi, "cache-control:", "no-store", &p, end);
	if (!bad && r->code == 405)
		bad = add(wsi, "allow:", "GET, HEAD", &p, end);
	if (!bad && r->sized)
		bad = lws_add_http_header_content_length(wsi, r->len - r->sent, &p, end);
	else if (!bad && r->chunked)
		bad = add(wsi, "transfer-encoding:", "chunked", &p, end);
	if (!bad && closes(r) && lws_get_network_wsi(wsi) == wsi)
		bad = add(wsi, "connection:", "close", &p, end);
	r->headers_sent = 1;
	return bad || lws_finalize_write_http_header(wsi, start, &p, end) ? -1 : 0;
}

static size_t take(struct request *r, unsigned char *to)
{
	size_t n = r->len - r->sent < PIECE ? r->len - r->sent : PIECE;
	memcpy(to, r->data + r->sent, n);
	r->sent += n;
	r->web->buffered -= n;
	web_drained(r);
	return n;
}

/* One piece; `last` when it is the end of the answer. */
static int send_piece(struct request *r, int last)
{
	unsigned char buf[LWS_PRE + 16 + PIECE + 16], *data = buf + LWS_PRE + 16, *start = data;
	size_t n = take(r, data), len = n;
	if (r->chunked && !r->sized) {
		char size[16];
		int digits = n ? snprintf(size, sizeof size, "%zx\r\n", n) : 0;
		start -= digits;
		memcpy(start, size, (size_t)digits);
		len += (size_t)digits;
		const char *after = !n ? "0\r\n\r\n" : last ? "\r\n0\r\n\r\n" : "\r\n";
		memcpy(data + n, after, strlen(after));
		len += strlen(after);
	}
	enum lws_write_protocol how = last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP;
	lws_set_timeout(r->wsi, PENDING_TIMEOUT_HTTP_CONTENT, WRITE_SECS);
	return lws_write(r->wsi, start, len, how) < 0 ? -1 : 0;
}

static int finish(struct lws *wsi, struct session *session)
{
	int close_it = closes(session->request);
	request_free(session->request);
	session->request = NULL;
	return lws_http_transaction_completed(wsi) || close_it ? -1 : 0;
}

static int on_writable(struct lws *wsi, struct session *session)
{
	struct request *r = session->request;
	if (!r || (!r->code && !r->broken))
		return 0;
	if (r->broken)
		return -1;
	if (!r->headers_sent) {
		if (send_headers(r))
			return -1;
		lws_callback_on_writable(wsi);
		return 0;
	}
	if (r->head)
		return r->complete ? finish(wsi, session) : 0;
	if (r->sent == r->len && !r->complete)
		return 0;
	int last = r->complete && r->len - r->sent <= PIECE;
	if (send_piece(r, last))
		return -1;
	if (last)
		return finish(wsi, session);
	if (r->sent < r->len)
		lws_callback_on_writable(wsi);
	else
		lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0); /* the core is waited for, not the client */
	return 0;
}

/* The client is gone, or the connection ends: an answer that is still to come finds nobody. */
static void on_closed(struct session *session)
{
	struct request *r = session ? session->request : NULL;
	if (!r)
		return;
	session->request = NULL;
	r->wsi = NULL;
	if (r->asked)
		web_abandon(r);
	else
		request_free(r);
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct web *w = lws_context_user(lws_get_context(wsi));
	struct session *session = user;
	(void)len;
	switch (reason) {
	case LWS_CALLBACK_HTTP:
		on_request(w, wsi, session, in);
		return session->request ? 0 : -1;
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return on_writable(wsi, session);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		on_closed(session);
		return 0;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return -1; /* no WebSocket here */
	case LWS_CALLBACK_WSI_DESTROY:
		if (lws_get_opaque_user_data(wsi) == w && w->connections-- == w->max_connections)
			listener_pause(&w->listener, 0);
		return 0;
	default:
		return 0;
	}
}

void http_accept(struct web *w, int fd)
{
	lws_adopt_desc_t how = {
		.vh = w->vhost, .type = LWS_ADOPT_HTTP | LWS_ADOPT_SOCKET, .fd = { .sockfd = fd }, .opaque = w };
	if (++w->connections == w->max_connections)
		listener_pause(&w->listener, 1);
	/* where this fails the library has closed the descriptor, and the destroyed connection was counted */
	lws_adopt_descriptor_vhost_via_info(&how);
}

/* --- life -------------------------------------------------------------------------------------- */

static void to_log(int level, const char *line)
{
	int n = (int)strcspn(line, "\n");
	host->log(level & LLL_ERR ? PROBED_LOG_ERROR : PROBED_LOG_WARNING, "libwebsockets: %.*s", n, line);
}

static const struct lws_protocols protocols[] = {
	{ .name = "http", .callback = callback, .per_session_data_size = sizeof(struct session) },
	{ 0 },
};

int http_start(struct web *w, struct ev_loop *loop, char *error, size_t size)
{
	void *loops[1] = { loop };
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_LIBEV,
		.foreign_loops = loops,
		.user = w,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
		.fd_limit_per_thread = (unsigned)w->max_connections + 16,
		.max_http_header_data = HEADERS_MAX,
		.max_http_header_pool = (unsigned short)w->max_connections,
		.timeout_secs = HEADER_SECS,
		.timeout_secs_ah_idle = HEADER_SECS,
		.keepalive_timeout = IDLE_SECS,
		.server_string = "probed",
	};
	lws_set_log_level(LLL_ERR | LLL_WARN, to_log);
	w->context = lws_create_context(&info);
	w->vhost = w->context ? lws_get_vhost_by_name(w->context, "default") : NULL;
	if (w->vhost)
		return 0;
	snprintf(error, size, "libwebsockets can't start (is libwebsockets-evlib-ev installed?)");
	return -1;
}

void http_stop(struct web *w)
{
	if (w->context)
		lws_context_destroy(w->context);
	w->context = NULL;
}
