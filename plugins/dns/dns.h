/* SPDX-License-Identifier: Apache-2.0 */
/* dns.h - what the files of the dns driver share: options and facts by index, the worker, targets and probes. */
#ifndef DNS_H
#define DNS_H

#include <probed/plugin.h>

#include "message.h"
#include "tcp.h"
#include "udp.h"

extern const struct probed_host *dns_host;

enum dns_option {
	OPT_SERVER,
	OPT_NAME,
	OPT_TYPE,
	OPT_CLASS,
	OPT_RECURSE,
	OPT_TRANSPORT,
	OPT_RETRIES,
	OPT_UDP_SIZE,
	DNS_OPTIONS
};

enum dns_transport { TRANSPORT_AUTO, TRANSPORT_UDP, TRANSPORT_TCP };

enum dns_fact {
	FACT_RCODE,
	FACT_RCODE_VALUE,
	FACT_FLAGS,
	FACT_AA,
	FACT_TC,
	FACT_RD,
	FACT_RA,
	FACT_AD,
	FACT_ANSWER_COUNT,
	FACT_AUTHORITY_COUNT,
	FACT_ADDITIONAL_COUNT,
	FACT_ANSWER,
	FACT_ANSWER_TTL,
	FACT_SERIAL,
	FACT_TRANSPORT,
	FACT_IP,
	FACT_FAMILY,
	FACT_BYTES_IN,
	FACT_BYTES_OUT,
	FACT_RTT,
	DNS_FACTS
};

/* host[:port] or [v6]:port, taken apart. */
struct dns_server {
	char host[256];
	uint16_t port;
	int literal; /* `addr` holds it: nothing to resolve */
	struct probed_addr addr;
};

struct dns_worker {
	uint32_t magic;
	struct udp *udp;
	ldns_buffer *text;
	struct dns_server resolver; /* the machine's, for targets without a server */
};

struct dns_target {
	uint32_t magic;
	uint32_t family;
	struct question question;
	enum dns_transport transport;
	int32_t retries;
	uint16_t port;
	int literal;
	struct probed_addr addr;
	char *host;     /* NULL where literal */
	uint8_t *query; /* NULL where the name holds a template */
	size_t query_len;
};

enum { DNS_ADDRESSES = 8 };

struct dns_probe {
	uint32_t magic;
	uint16_t port;
	uint8_t n_addrs, addr; /* addr: the one being asked */
	struct probed_addr addrs[DNS_ADDRESSES];
	struct dns_worker *worker;
	const struct dns_target *target;
	struct probed_probe *probe;
	struct probed_lookup *lookup;
	struct probed_timer *retry;
	int64_t retry_every_ns;
	int32_t retries_left;
	int over_tcp;
	uint8_t *built; /* the query of a templated name */
	const uint8_t *query;
	size_t query_len;
	int64_t sent_ns;
	int64_t bytes_in, bytes_out;
	union net_addr to;
	struct udp_query udp;
	struct tcp_query tcp;
};

/* server.c: 0, or -1 with a line in `error`. */
int server_parse(const char *text, struct dns_server *s, char *error, size_t size);
/* The first nameserver of a resolv.conf; 127.0.0.1 where there is none. */
void server_of_machine(const char *path, struct dns_server *s);

/* target.c */
int32_t dns_target_new(void *worker, const struct probed_target_args *args, void **target, char *error,
                       uint64_t error_size);
void dns_target_free(void *worker, void *target);

/* probe.c */
void dns_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem);
void dns_cancel(void *worker, struct probed_probe *probe, void *mem);

/* report.c: the facts and the body of an answer. */
void report_answer(struct dns_probe *p, const ldns_pkt *pkt, size_t len, int64_t now_ns);
/* What is known of the peer before any answer. */
void report_peer(struct dns_probe *p);

#define DNS_WORKER_MAGIC 0x646e7377u
#define DNS_TARGET_MAGIC 0x646e7374u
#define DNS_PROBE_MAGIC 0x646e7370u

#endif
