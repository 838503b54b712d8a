/* SPDX-License-Identifier: Apache-2.0 */
/*
 * talk.c - what happens on a connection: the handshake's answer, messages to and fro, the ping, the close. It
 * runs inside libwebsockets, which wants -1 where a connection is to end.
 */
#include "ws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* --- the handshake ------------------------------------------------------------------------------ */

static int append_headers(struct ws_probe *p, struct lws *wsi, unsigned char **at, size_t room)
{
	const struct probed_value *headers = p->target->headers;
	unsigned char *end = *at + room;
	char name[104];
	p->stage = STAGE_HANDSHAKE;
	ws_host->phase(p->probe, PROBED_PHASE_SEND);
	for (uint32_t i = 0; i < headers->n_items; i++) {
		const struct probed_item *h = PROBED_AT(struct probed_item, headers->items, headers->item_stride, i);
		if (!strcasecmp(h->key, "Host"))
			continue;
		snprintf(name, sizeof name, "%s:", h->key);
		if (lws_add_http_header_by_name(wsi, (unsigned char *)name, (const unsigned char *)h->s, (int)h->len, at, end))
			return -1;
	}
	/* the request leaves when this returns */
	ws_host->phase(p->probe, PROBED_PHASE_WAIT);
	return 0;
}

static int says(const char *in, size_t len, const char *text)
{
	return len >= strlen(text) && !memcmp(in, text, strlen(text));
}

static void tls_broke(struct ws_probe *p)
{
	char why[200];
	if (p->peer.judged && p->peer.verify && p->peer.verdict != X509_V_OK)
		ws_end(p, PROBED_ERROR, PROBED_REASON_TLS, "certificate: %s", certs_peer_reason(&p->peer, why, sizeof why));
	else
		ws_end(p, PROBED_ERROR, PROBED_REASON_TLS, "%s",
		       p->tls_error[0] ? p->tls_error : "TLS: the server broke off the handshake");
}

/* The handshake's own failures read "HS: ..."; else the connection ended. */
static void handshake_broke(struct ws_probe *p, const char *in, size_t len)
{
	if (p->status && p->status != 101)
		ws_end(p, PROBED_ERROR, PROBED_REASON_PROTOCOL, "the server refused the WebSocket handshake: HTTP %d", p->status);
	else if (says(in, len, "HS: "))
		ws_end(p, PROBED_ERROR, PROBED_REASON_PROTOCOL, "the handshake's answer is wrong: %.*s", (int)len - 4, in + 4);
	else if (says(in, len, "problems parsing"))
		ws_end(p, PROBED_ERROR, PROBED_REASON_PROTOCOL, "the answer to the handshake is not HTTP");
	else
		ws_end(p, PROBED_ERROR, PROBED_REASON_RESET, "the server closed the connection during the handshake");
}

static void connection_error(struct ws_probe *p, const char *in, size_t len)
{
	if (p->stage == STAGE_TLS)
		tls_broke(p);
	else if (p->stage == STAGE_HANDSHAKE)
		handshake_broke(p, in ? in : "", in ? len : 0);
	else
		ws_end(p, PROBED_ERROR, PROBED_REASON_UNREACHABLE, "cannot connect: %.*s", in ? (int)len : 0, in ? in : "");
}

/* --- the exchange ------------------------------------------------------------------------------- */

static int lost(struct ws_probe *p)
{
	ws_end(p, PROBED_ERROR, PROBED_REASON_RESET, "the connection broke while sending");
	return -1;
}

static int write_out(struct ws_probe *p, const void *data, size_t len, enum lws_write_protocol how)
{
	uint8_t *out = p->worker->out + LWS_PRE;
	memcpy(out, data, len);
	return lws_write(p->wsi, out, len, how) < (int)len ? -1 : 0;
}

static int send_message(struct ws_probe *p)
{
	const struct script *s = &p->target->script;
	const struct script_message *m = &s->send[p->sent];
	ws_host->phase(p->probe, PROBED_PHASE_SEND);
	if (write_out(p, m->data, m->len, m->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT))
		return lost(p);
	p->bytes_out += (int64_t)m->len;
	if (++p->sent < s->n_send || p->met == s->n_receive)
		lws_callback_on_writable(p->wsi);
	else
		ws_host->phase(p->probe, PROBED_PHASE_WAIT);
	return 0;
}

static int send_ping(struct ws_probe *p)
{
	uint64_t r = ws_host->random();
	memcpy(p->ping, &r, sizeof p->ping);
	p->pinged = 1;
	p->ping_ns = ws_host->now();
	ws_host->phase(p->probe, PROBED_PHASE_WAIT);
	return write_out(p, p->ping, sizeof p->ping, LWS_WRITE_PING) ? lost(p) : 0;
}

static int send_close(struct ws_probe *p)
{
	p->stage = STAGE_CLOSE;
	ws_host->phase(p->probe, PROBED_PHASE_WAIT);
	lws_close_reason(p->wsi, (enum lws_close_status)p->target->close_code, NULL, 0);
	return -1;
}

/* Next in line: the messages to send, those to wait for, the ping, the close. */
static int writable(struct ws_probe *p)
{
	const struct script *s = &p->target->script;
	if (p->stage != STAGE_OPEN)
		return 0;
	if (p->sent < s->n_send)
		return send_message(p);
	if (p->met < s->n_receive)
		return 0;
	if (p->target->ping && !p->pinged)
		return send_ping(p);
	if (p->target->ping && !p->ponged)
		return 0;
	return send_close(p);
}

static int established(struct ws_probe *p)
{
	p->stage = STAGE_OPEN;
	if (p->sent < p->target->script.n_send || !p->target->script.n_receive)
		lws_callback_on_writable(p->wsi);
	return 0;
}

static int message(struct ws_probe *p, int binary, const uint8_t *data, size_t len)
{
	const struct script *s = &p->target->script;
	char expected[128], got[256];
	/* libwebsockets could check it too, but would then wait for the server's consent to the close */
	if (!binary && !script_is_utf8(data, len)) {
		ws_end(p, PROBED_ERROR, PROBED_REASON_PROTOCOL, "message %lld is text, but not UTF-8",
		       (long long)p->messages + 1);
		return -1;
	}
	ws_report_message(p, binary, data, len);
	if (p->met == s->n_receive)
		return 0;
	const struct script_expect *e = &s->receive[p->met];
	if (!script_meets(e, binary, data, len, p->worker->match, p->worker->match_context)) {
		script_show_expect(e, expected, sizeof expected);
		script_show(binary, data, len, got, sizeof got);
		ws_end(p, PROBED_ERROR, PROBED_REASON_PROTOCOL, "message %u: expected %s, got %s", p->met + 1, expected, got);
		return -1;
	}
	if (++p->met == s->n_receive)
		lws_callback_on_writable(p->wsi);
	else
		ws_host->phase(p->probe, PROBED_PHASE_WAIT);
	return 0;
}

/* Adds a piece to the message that is coming in; 0, or the probe is over. */
static int keep(struct ws_probe *p, const void *data, size_t len)
{
	if (p->in_len + len > p->in_size) {
		size_t size = 2 * (p->in_len + len);
		uint8_t *in = realloc(p->in, size);
		if (!in) {
			ws_end(p, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED, "out of memory for a message");
			return -1;
		}
		p->in = in;
		p->in_size = size;
	}
	if (len)
		memcpy(p->in + p->in_len, data, len);
	p->in_len += len;
	return 0;
}

static int receive(struct ws_probe *p, struct lws *wsi, const void *data, size_t len)
{
	int binary = lws_frame_is_binary(wsi);
	size_t left = lws_remaining_packet_payload(wsi);
	ws_host->phase(p->probe, PROBED_PHASE_RECEIVE);
	if (p->in_len + len + left > p->target->max_message) {
		ws_end(p, PROBED_ERROR, PROBED_REASON_PROTOCOL, "message %lld is longer than max_message (%llu bytes)",
		       (long long)p->messages + 1, (unsigned long long)p->target->max_message);
		return -1;
	}
	if (!lws_is_final_fragment(wsi) || left)
		return keep(p, data, len);
	if (!p->in_len)
		return message(p, binary, data, len);
	if (keep(p, data, len))
		return -1;
	size_t whole = p->in_len;
	p->in_len = 0;
	return message(p, binary, p->in, whole);
}

static int pong(struct ws_probe *p, const void *data, size_t len)
{
	if (!p->pinged || p->ponged || len != sizeof p->ping || memcmp(data, p->ping, len))
		return 0;
	p->ponged = 1;
	ws_host->fact_integer(p->probe, FACT_RTT, NULL, ws_host->now() - p->ping_ns);
	lws_callback_on_writable(p->wsi);
	return 0;
}

/* --- the end ------------------------------------------------------------------------------------ */

static void waiting_for(const struct ws_probe *p, char *out, size_t size)
{
	const struct script *s = &p->target->script;
	if (p->sent < s->n_send)
		snprintf(out, size, "before message %u was sent", p->sent + 1);
	else if (p->met < s->n_receive)
		snprintf(out, size, "before message %u came", p->met + 1);
	else
		snprintf(out, size, "before %s", p->target->ping && !p->ponged ? "the pong" : "the close");
}

/* A server that finds fault with what we sent, or with us. */
static int is_complaint(int code)
{
	return code == 1002 || code == 1003 || (code >= 1007 && code <= 1011);
}

static int all_done(const struct ws_probe *p)
{
	const struct script *s = &p->target->script;
	return p->sent == s->n_send && p->met == s->n_receive && (!p->target->ping || p->ponged);
}

static int peer_closes(struct ws_probe *p, const uint8_t *data, size_t len)
{
	char when[64];
	p->close_code = LWS_CLOSE_STATUS_NO_STATUS;
	if (len >= 2) {
		p->close_code = data[0] << 8 | data[1];
		size_t n = len - 2 < sizeof p->close_reason - 1 ? len - 2 : sizeof p->close_reason - 1;
		memcpy(p->close_reason, data + 2, n);
		p->close_reason[n] = '\0';
	}
	if (all_done(p) && !is_complaint(p->close_code)) {
		/* it was first; libwebsockets returns the close, and then the connection ends */
		p->stage = STAGE_CLOSE;
		return 0;
	}
	waiting_for(p, when, sizeof when);
	ws_end(p, PROBED_ERROR, is_complaint(p->close_code) ? PROBED_REASON_PROTOCOL : PROBED_REASON_RESET,
	       "the server closed with code %d%s%s%s, %s", p->close_code, p->close_reason[0] ? " (" : "", p->close_reason,
	       p->close_reason[0] ? ")" : "", when);
	return -1;
}

/* libwebsockets closes by itself on what is not WebSocket; the socket tells that from a server that is gone. */
static int server_is_there(struct lws *wsi)
{
	char byte;
	ssize_t n = recv(lws_get_socket_fd(wsi), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

static void closed(struct ws_probe *p, struct lws *wsi)
{
	char when[64];
	if (p->stage == STAGE_CLOSE) {
		if (!p->close_code)
			p->close_code = p->target->close_code;
		ws_end(p, PROBED_OK, PROBED_REASON_NONE, "%s", "");
		return;
	}
	waiting_for(p, when, sizeof when);
	if (server_is_there(wsi))
		ws_end(p, PROBED_ERROR, PROBED_REASON_PROTOCOL, "the server sent what is not WebSocket, %s", when);
	else
		ws_end(p, PROBED_ERROR, PROBED_REASON_RESET, "the server dropped the connection without a close, %s", when);
}

int ws_callback(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len)
{
	(void)user;
	switch (why) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
	case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
	case LWS_CALLBACK_CLIENT_RECEIVE:
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
	case LWS_CALLBACK_CLIENT_CLOSED:
		break;
	default:
		return 0;
	}
	struct ws_probe *p = lws_get_opaque_user_data(wsi);
	if (!p)
		return why == LWS_CALLBACK_CLIENT_CONNECTION_ERROR || why == LWS_CALLBACK_CLIENT_CLOSED ? 0 : -1;
	if (p->magic != WS_PROBE_MAGIC)
		abort();
	ws_host->attribute(p->probe);
	switch (why) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return append_headers(p, wsi, in, len);
	case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
		/* also where the server refuses, which then comes as a connection error */
		ws_report_handshake(p, wsi);
		return 0;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		connection_error(p, in, len);
		return 0;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		return established(p);
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return writable(p);
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return receive(p, wsi, in, len);
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		return pong(p, in, len);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		return peer_closes(p, in, len);
	default:
		closed(p, wsi);
		return 0;
	}
}
