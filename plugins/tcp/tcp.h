/* SPDX-License-Identifier: Apache-2.0 */
/* tcp.h - what the parts of the tcp driver share: tables' indices, worker and target. One worker's loop thread. */
#ifndef TCP_TCP_H
#define TCP_TCP_H

#include <probed/driver.h>

#include "common/certs.h"
#include "tcp/dialogue.h"

enum { OPT_HOST, OPT_PORT, OPT_TLS, OPT_DIALOGUE, OPT_BANNER, OPT_READ_LIMIT, OPT_TLS_BASE };

enum {
	FACT_IP,
	FACT_FAMILY,
	FACT_PORT,
	FACT_BANNER,
	FACT_BYTES_IN,
	FACT_BYTES_OUT,
	FACT_CAPTURE,
	FACT_TLS_BASE
};

/* The buffers of a conversation; kept by the worker for the next one. */
struct talk {
	struct talk *next;
	struct stream in;
	struct bytes out;
	struct said said;
};

struct worker {
	unsigned magic;
	struct certs_pool *certs;
	struct matcher *matcher;
	struct talk *spare;
	unsigned n_spare;
};

struct target {
	unsigned magic;
	char *host; /* without the brackets of an IPv6 literal */
	uint16_t port;
	uint32_t family;
	bool tls, banner, verify;
	size_t read_limit;
	const char *servername;
	struct dialogue *dialogue;
	struct certs_ctx *certs; /* NULL: this target never speaks TLS, or is only checked */
};

#define WORKER_MAGIC 0x7c900001u
#define TARGET_MAGIC 0x7c900002u

extern const struct probed_host *host;

struct talk *talk_take(struct worker *w);
void talk_give(struct worker *w, struct talk *talk);

/* conn.c: a probe */
#define CONN_SIZE 640
void conn_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem);
void conn_cancel(void *worker, struct probed_probe *probe, void *mem);

#endif
