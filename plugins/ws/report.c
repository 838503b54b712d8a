/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - facts and body of a probe. */
#include "ws.h"

#include <stdlib.h>
#include <string.h>

enum {
	/* Messages given one by one, and how much of each. */
	MESSAGES_MAX = 100,
	MESSAGE_MAX = 4096,
};

static void string(struct ws_probe *p, uint32_t fact, const char *s)
{
	ws_host->fact_string(p->probe, fact, NULL, s, strlen(s));
}

static void integer(struct ws_probe *p, uint32_t fact, int64_t value)
{
	ws_host->fact_integer(p->probe, fact, NULL, value);
}

/* Names that stand for the request line and the like are no headers. */
static int is_header(const char *name, size_t len)
{
	return len > 1 && name[len - 1] == ':' && name[0] != ':' && !memchr(name, ' ', len);
}

static void report_headers(struct ws_probe *p, struct lws *wsi)
{
	char name[64], value[4096];
	for (int token = 0; token < WSI_TOKEN_COUNT; token++) {
		const char *text = (const char *)lws_token_to_string((enum lws_token_indexes)token);
		size_t len = text ? strlen(text) : 0;
		if (len >= sizeof name || !len || !is_header(text, len))
			continue;
		int n = lws_hdr_copy(wsi, value, sizeof value, (enum lws_token_indexes)token);
		if (n <= 0)
			continue;
		memcpy(name, text, len - 1);
		name[len - 1] = '\0';
		ws_host->fact_string(p->probe, FACT_HEADER, name, value, (uint64_t)n);
	}
}

void ws_report_handshake(struct ws_probe *p, struct lws *wsi)
{
	char protocol[512];
	p->status = (int)lws_http_client_http_response(wsi);
	if (p->status)
		integer(p, FACT_STATUS, p->status);
	report_headers(p, wsi);
	if (lws_hdr_copy(wsi, protocol, sizeof protocol, WSI_TOKEN_PROTOCOL) > 0)
		string(p, FACT_SUBPROTOCOL, protocol);
}

static void fact_message(struct ws_probe *p, int binary, const uint8_t *data, size_t len)
{
	char hex[2 * MESSAGE_MAX + 1];
	if (len > MESSAGE_MAX)
		len = MESSAGE_MAX;
	if (!binary) {
		ws_host->fact_string(p->probe, FACT_MESSAGE, NULL, (const char *)data, len);
		return;
	}
	script_hex(data, len, hex);
	ws_host->fact_string(p->probe, FACT_MESSAGE, NULL, hex, 2 * len);
}

void ws_report_message(struct ws_probe *p, int binary, const uint8_t *data, size_t len)
{
	p->messages++;
	p->bytes_in += (int64_t)len;
	if (p->messages <= MESSAGES_MAX)
		fact_message(p, binary, data, len);
	if (ws_host->body_want(p->probe) == PROBED_BODY_NONE)
		return;
	if (p->messages > 1 && ws_host->body_write(p->probe, "\n", 1))
		return;
	ws_host->body_write(p->probe, data, len);
}

void ws_report_end(struct ws_probe *p)
{
	if (p->n_addrs)
		net_addr_facts(ws_host, p->probe, FACT_IP, FACT_FAMILY, &p->addrs[p->addr]);
	if (p->target->url.tls)
		certs_peer_facts(&p->peer, ws_host, p->probe, FACT_TLS);
	if (p->close_code)
		integer(p, FACT_CLOSE_CODE, p->close_code);
	if (p->close_reason[0])
		string(p, FACT_CLOSE_REASON, p->close_reason);
	integer(p, FACT_MESSAGES, p->messages);
	integer(p, FACT_BYTES_IN, p->bytes_in);
	integer(p, FACT_BYTES_OUT, p->bytes_out);
}
