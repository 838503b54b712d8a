/* SPDX-License-Identifier: Apache-2.0 */
/* ws.h - what the files of the ws driver share: options and facts by index, the worker, targets and probes. */
#ifndef WS_H
#define WS_H

#include <ev.h>
#include <libwebsockets.h>
#include <probed/plugin.h>
#include <sys/queue.h>

#include "../common/certs.h"
#include "../common/net.h"
#include "script.h"
#include "url.h"

extern const struct probed_host *ws_host;

enum ws_option {
	OPT_URL,
	OPT_SUBPROTOCOL,
	OPT_HEADER,
	OPT_SEND,
	OPT_RECEIVE,
	OPT_PING,
	OPT_CLOSE,
	OPT_MAX_MESSAGE,
	OPT_TLS, /* and on: certs.h */
	WS_OPTIONS = OPT_TLS + CERTS_N_OPTIONS
};

enum ws_fact {
	FACT_STATUS,
	FACT_SUBPROTOCOL,
	FACT_MESSAGES,
	FACT_MESSAGE,
	FACT_RTT,
	FACT_CLOSE_CODE,
	FACT_CLOSE_REASON,
	FACT_BYTES_IN,
	FACT_BYTES_OUT,
	FACT_IP,
	FACT_FAMILY,
	FACT_HEADER,
	FACT_TLS, /* and on: certs.h */
	WS_FACTS = FACT_TLS + CERTS_N_FACTS
};

/* Targets with the same TLS options share a vhost, since that is what libwebsockets ties an SSL_CTX to. */
struct ws_vhost {
	struct ws_worker *worker;
	struct certs_ctx *tls; /* NULL: plain */
	struct lws_vhost *lws;
	unsigned refs;
	LIST_ENTRY(ws_vhost) link;
};

struct ws_worker {
	uint32_t magic;
	struct ev_loop *loop;
	struct lws_context *lws;
	struct certs_pool *tls;
	LIST_HEAD(, ws_vhost) vhosts;
	LIST_HEAD(, ws_probe) probes; /* whose TLS handshake has not begun yet */
	pcre2_match_data *match;
	pcre2_match_context *match_context;
	uint8_t *out; /* LWS_PRE bytes, then a message being sent: libwebsockets masks it in place */
	size_t out_size;
	void (*tls_info)(const SSL *ssl, int where, int ret); /* certs.c's */
};

struct ws_target {
	uint32_t magic;
	uint32_t family;
	struct ws_url url;
	char *host_header; /* NULL: the URL's */
	const char *subprotocol;
	const struct probed_value *headers; /* of the configuration, which outlives the target */
	struct script script;
	int ping;
	uint16_t close_code;
	uint64_t max_message;
	struct certs_options tls;
	struct ws_vhost *vhost; /* NULL while a configuration is being checked */
};

enum ws_stage {
	STAGE_IDLE,
	STAGE_CONNECT,
	STAGE_TLS,
	STAGE_HANDSHAKE, /* the request is sent */
	STAGE_OPEN,
	STAGE_CLOSE /* our close frame is on its way */
};

enum { WS_ADDRESSES = 8 };

struct ws_probe {
	uint32_t magic;
	enum ws_stage stage;
	struct ws_worker *worker;
	const struct ws_target *target;
	struct probed_probe *probe;
	struct probed_lookup *lookup;
	struct lws *wsi;
	ev_io first; /* looks at the socket before libwebsockets does */
	int waiting; /* `probes` has it */
	LIST_ENTRY(ws_probe) link;
	struct certs_peer peer;
	char tls_error[120];
	struct probed_addr addrs[WS_ADDRESSES];
	uint32_t n_addrs, addr; /* addr: the one in use */
	int status;
	uint32_t sent, met;
	int64_t messages;
	uint8_t *in; /* a message that comes in pieces */
	size_t in_len, in_size;
	int pinged, ponged;
	int64_t ping_ns;
	uint8_t ping[8];
	int64_t bytes_in, bytes_out;
	int close_code; /* 0: none came */
	char close_reason[124];
};

/* context.c */
int32_t ws_worker_new(void **worker, char *error, uint64_t error_size);
void ws_worker_free(void *worker);
/* NULL with a line in `error`. */
struct ws_vhost *ws_vhost_get(struct ws_worker *w, const struct certs_options *tls, char *error, size_t size);
void ws_vhost_unref(struct ws_vhost *v);
/* Room for a message of this length in worker->out; 0, or -1. */
int ws_worker_room(struct ws_worker *w, size_t len);

/* target.c */
int32_t ws_target_new(void *worker, const struct probed_target_args *args, void **target, char *error,
                      uint64_t error_size);
void ws_target_free(void *worker, void *target);

/* probe.c */
void ws_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem);
void ws_cancel(void *worker, struct probed_probe *probe, void *mem);
/* Ends the probe. Within a callback of libwebsockets, which must then return -1. */
void ws_end(struct ws_probe *p, uint32_t outcome, uint32_t reason, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The probe's handshake begins on this connection, or went wrong (tls.c). */
void ws_tls_info(const SSL *ssl, int where, int ret);

/* talk.c: what happens on a connection. */
int ws_callback(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len);

/* report.c */
void ws_report_handshake(struct ws_probe *p, struct lws *wsi);
void ws_report_message(struct ws_probe *p, int binary, const uint8_t *data, size_t len);
void ws_report_end(struct ws_probe *p);

#define WS_WORKER_MAGIC 0x77737777u
#define WS_TARGET_MAGIC 0x77737474u
#define WS_PROBE_MAGIC 0x77737070u

#endif
