/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ws.c - the ws driver's tables.
 *
 *   url, script  options taken apart (pure)         probe   resolve, connect, TLS
 *   context      libwebsockets on the host's loop   talk    handshake, messages, ping, close
 *   target       a target's constants               report  facts and body
 */
#include "ws.h"

const struct probed_host *ws_host;

#define METRIC PROBED_FACT_METRIC

static const struct probed_option options[] = {
	[OPT_URL] = { .name = "url", .type = PROBED_TYPE_URL, .flags = PROBED_OPTION_REQUIRED,
		      .help = "Where to connect: ws://host[:port]/path or wss://..." },
	[OPT_SUBPROTOCOL] = { .name = "subprotocol", .type = PROBED_TYPE_STRING,
			      .help = "Subprotocols to offer, with commas between them." },
	[OPT_HEADER] = { .name = "header", .type = PROBED_TYPE_MAP, .flags = PROBED_OPTION_SECRET,
			 .help = "Headers of the handshake: header.NAME = value." },
	[OPT_SEND] = { .name = "send", .type = PROBED_TYPE_LIST,
		       .help = "Messages to send: text \"...\" or binary HEX; anything else is text as it stands." },
	[OPT_RECEIVE] = { .name = "receive", .type = PROBED_TYPE_LIST,
			  .help = "What must come back, in order: equals \"...\", matches /.../, binary HEX or any." },
	[OPT_PING] = { .name = "ping", .type = PROBED_TYPE_BOOLEAN, .def = "no",
		       .help = "Measure a ping's round trip after the messages." },
	[OPT_CLOSE] = { .name = "close", .type = PROBED_TYPE_INTEGER, .def = "1000", .min = 1000, .max = 4999,
			.help = "The code to close with: 1000, 1001 or 3000 to 4999." },
	[OPT_MAX_MESSAGE] = { .name = "max_message", .type = PROBED_TYPE_SIZE, .def = "1MiB", .min = 1,
			      .max = INT64_C(1) << 30, .help = "The longest message to accept." },
	CERTS_OPTION_ENTRIES
};

static const struct probed_fact facts[] = {
	[FACT_STATUS] = { .name = "status", .unit = "", .type = PROBED_TYPE_INTEGER, .flags = METRIC,
			  .role = PROBED_ROLE_STATUS, .help = "HTTP status of the handshake: 101, or why it was refused." },
	[FACT_SUBPROTOCOL] = { .name = "subprotocol", .unit = "", .type = PROBED_TYPE_STRING,
			       .help = "The subprotocol that the server chose." },
	[FACT_MESSAGES] = { .name = "messages", .unit = "", .type = PROBED_TYPE_INTEGER, .flags = METRIC,
			    .help = "Messages received." },
	[FACT_MESSAGE] = { .name = "message", .unit = "", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_LIST,
			   .help = "Each message received, binary ones in hexadecimal; the first 100, 4096 bytes of each." },
	[FACT_RTT] = { .name = "rtt", .unit = "s", .type = PROBED_TYPE_DURATION, .flags = METRIC,
		       .help = "Time from the ping to its pong." },
	[FACT_CLOSE_CODE] = { .name = "close.code", .unit = "", .type = PROBED_TYPE_INTEGER, .flags = METRIC,
			      .help = "The server's close code where it closed, else ours once the close was done." },
	[FACT_CLOSE_REASON] = { .name = "close.reason", .unit = "", .type = PROBED_TYPE_STRING,
				.help = "The server's reason for closing." },
	[FACT_BYTES_IN] = { .name = "bytes.in", .unit = "bytes", .type = PROBED_TYPE_SIZE, .flags = METRIC,
			    .role = PROBED_ROLE_BYTES_IN, .help = "Bytes of messages received." },
	[FACT_BYTES_OUT] = { .name = "bytes.out", .unit = "bytes", .type = PROBED_TYPE_SIZE, .flags = METRIC,
			     .role = PROBED_ROLE_BYTES_OUT, .help = "Bytes of messages sent." },
	[FACT_IP] = { .name = "ip", .unit = "", .type = PROBED_TYPE_STRING, .role = PROBED_ROLE_PEER_IP,
		      .help = "Address of the server." },
	[FACT_FAMILY] = { .name = "family", .unit = "", .type = PROBED_TYPE_INTEGER, .help = "4 or 6." },
	[FACT_HEADER] = { .name = "header", .unit = "", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_FAMILY,
			  .help = "Headers of the handshake's answer, in lower case; only standard ones." },
	CERTS_FACT_ENTRIES
};

_Static_assert(sizeof options / sizeof options[0] == WS_OPTIONS, "an option without an index");
_Static_assert(sizeof facts / sizeof facts[0] == WS_FACTS, "a fact without an index");

static const struct probed_scheme schemes[] = {
	{ .scheme = "ws", .whole = "url" },
	{ .scheme = "wss", .whole = "url" },
};

static const struct probed_driver drivers[] = { {
	.name = "ws",
	.summary = "Opens a WebSocket, exchanges messages, closes it.",
	.gate_option = "url",
	PROBED_TABLE(options, option, options),
	PROBED_TABLE(facts, fact, facts),
	PROBED_TABLE(schemes, scheme, schemes),
	.probe_size = sizeof(struct ws_probe),
	.max_inflight = 4000,
	.worker_new = ws_worker_new,
	.worker_free = ws_worker_free,
	.target_new = ws_target_new,
	.target_free = ws_target_free,
	.start = ws_start,
	.cancel = ws_cancel,
} };

static int32_t load(const struct probed_host *host)
{
	ws_host = host;
	return 0;
}

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "ws",
	.version = "0.1.0",
	.summary = "WebSocket",
	PROBED_TABLE(drivers, driver, drivers),
	.load = load,
};
