/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - one probe: resolve the server, ask it over UDP or TCP (or the one after the other), report.
 * A server with several addresses is asked at the next one when the last could not be reached.
 */
#include "dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_OF(q, member) ((struct dns_probe *)(void *)((char *)(q) - offsetof(struct dns_probe, member)))

static const struct udp_events udp_events;
static const struct tcp_events tcp_events;
static void ask(struct dns_probe *p);

static void let_go(struct dns_probe *p)
{
	if (p->lookup)
		dns_host->resolve_cancel(p->lookup);
	if (p->retry)
		dns_host->timer_free(p->retry);
	udp_forget(p->worker->udp, &p->udp);
	tcp_close(&p->tcp);
	free(p->built);
	p->lookup = NULL;
	p->retry = NULL;
	p->built = NULL;
	p->magic = 0;
}

static void end(struct dns_probe *p, uint32_t outcome, uint32_t reason, const char *message)
{
	struct probed_probe *probe = p->probe;
	let_go(p);
	dns_host->complete(probe, outcome, reason, message);
}

static void end_badly(struct dns_probe *p, const char *what, const char *why)
{
	char message[240];
	snprintf(message, sizeof message, "%s%s%s", what, why ? ": " : "", why ? why : "");
	end(p, PROBED_ERROR, PROBED_REASON_PROTOCOL, message);
}

/* This address failed: the next one, or the end. */
static void unreachable(struct dns_probe *p, int error)
{
	uint32_t reason = error ? net_reason(error) : PROBED_REASON_RESET, outcome = net_outcome(reason);
	char server[NET_TEXT], message[240];
	if (outcome == PROBED_ERROR && p->addr + 1 < p->n_addrs) {
		p->addr++;
		ask(p);
		return;
	}
	net_where_text(&p->addrs[p->addr], p->port, server, sizeof server);
	report_peer(p);
	snprintf(message, sizeof message, "%s over %s: %s", server, p->over_tcp ? "TCP" : "UDP",
	         error ? strerror(error) : "the server closed the connection before its answer was whole");
	end(p, outcome, reason, message);
}

static void answer(struct dns_probe *p, const uint8_t *data, size_t len, int64_t now)
{
	const char *why = NULL;
	dns_host->phase(p->probe, PROBED_PHASE_RECEIVE);
	ldns_pkt *pkt = answer_parse(data, len, &why);
	if (!pkt) {
		report_peer(p);
		end_badly(p, "malformed answer", why);
		return;
	}
	if (ldns_pkt_tc(pkt) && !p->over_tcp && p->target->transport == TRANSPORT_AUTO) {
		ldns_pkt_free(pkt);
		p->bytes_in += (int64_t)len;
		udp_forget(p->worker->udp, &p->udp);
		p->over_tcp = 1;
		ask(p);
		return;
	}
	report_answer(p, pkt, len, now);
	ldns_pkt_free(pkt);
	end(p, PROBED_OK, PROBED_REASON_NONE, NULL);
}

/* --- UDP ---------------------------------------------------------------------------------------- */

static void on_udp_sent(struct udp_query *q, int64_t now)
{
	struct dns_probe *p = PROBE_OF(q, udp);
	p->bytes_out += (int64_t)p->query_len;
	if (p->sent_ns)
		return;
	p->sent_ns = now;
	dns_host->phase(p->probe, PROBED_PHASE_WAIT);
	if (p->retry)
		dns_host->timer_set(p->retry, now + p->retry_every_ns);
}

static void on_udp_datagram(struct udp_query *q, const uint8_t *data, size_t len, int cut, int64_t now)
{
	struct dns_probe *p = PROBE_OF(q, udp);
	dns_host->attribute(p->probe);
	/* What does not answer our question may be late, or forged: the true answer may still come. */
	enum answer_match match = answer_match(p->query, p->query_len, data, len);
	if (match == ANSWER_NOT_AN_ANSWER || match == ANSWER_OTHER_QUESTION)
		return;
	if (cut) {
		report_peer(p);
		end_badly(p, "the answer is longer than 4096 bytes, over UDP", NULL);
	} else if (match == ANSWER_CUT_SHORT) {
		report_peer(p);
		end_badly(p, "malformed answer", "it ends within the question");
	} else {
		answer(p, data, len, now);
	}
}

static void on_udp_failed(struct udp_query *q, int error)
{
	struct dns_probe *p = PROBE_OF(q, udp);
	dns_host->attribute(p->probe);
	unreachable(p, error);
}

static const struct udp_events udp_events = {
	.sent = on_udp_sent, .datagram = on_udp_datagram, .failed = on_udp_failed
};

static void on_retry(void *arg)
{
	struct dns_probe *p = arg;
	if (p->over_tcp || p->retries_left-- <= 0)
		return;
	udp_resend(p->worker->udp, &p->udp);
	dns_host->timer_set(p->retry, dns_host->now() + p->retry_every_ns);
}

/* --- TCP ---------------------------------------------------------------------------------------- */

static void on_tcp_connected(struct tcp_query *q)
{
	dns_host->phase(PROBE_OF(q, tcp)->probe, PROBED_PHASE_SEND);
}

static void on_tcp_sent(struct tcp_query *q, int64_t now)
{
	struct dns_probe *p = PROBE_OF(q, tcp);
	p->bytes_out += (int64_t)q->out_len;
	p->sent_ns = now;
	dns_host->phase(p->probe, PROBED_PHASE_WAIT);
}

static void on_tcp_first_byte(struct tcp_query *q)
{
	dns_host->phase(PROBE_OF(q, tcp)->probe, PROBED_PHASE_RECEIVE);
}

static void on_tcp_answered(struct tcp_query *q, const uint8_t *data, size_t len, int64_t now)
{
	struct dns_probe *p = PROBE_OF(q, tcp);
	enum answer_match match = answer_match(p->query, p->query_len, data, len);
	if (match == ANSWER_OURS && !memcmp(data, q->out + 2, 2)) {
		p->bytes_in += 2;
		answer(p, data, len, now);
		return;
	}
	report_peer(p);
	end_badly(p, "malformed answer",
	          match == ANSWER_NOT_AN_ANSWER  ? "not a DNS answer" :
	          match == ANSWER_CUT_SHORT      ? "it ends within the question" :
	          match == ANSWER_OTHER_QUESTION ? "it answers another question" :
	                                           "its id is not the query's");
}

static void on_tcp_failed(struct tcp_query *q, int error)
{
	unreachable(PROBE_OF(q, tcp), error);
}

static const struct tcp_events tcp_events = {
	.connected = on_tcp_connected,
	.sent = on_tcp_sent,
	.first_byte = on_tcp_first_byte,
	.answered = on_tcp_answered,
	.failed = on_tcp_failed,
};

/* --- the way of a probe ------------------------------------------------------------------------- */

static int ask_udp(struct dns_probe *p)
{
	dns_host->phase(p->probe, PROBED_PHASE_SEND);
	p->udp.events = &udp_events;
	p->udp.wire = p->query;
	p->udp.len = p->query_len;
	p->udp.to = p->to;
	return udp_send(p->worker->udp, &p->udp);
}

static int ask_tcp(struct dns_probe *p)
{
	uint8_t id[2];
	uint64_t r = dns_host->random();
	memcpy(id, &r, sizeof id);
	dns_host->phase(p->probe, PROBED_PHASE_CONNECT);
	return tcp_query_start(&p->tcp, dns_host, &tcp_events, &p->to, p->query, p->query_len, id);
}

static void ask(struct dns_probe *p)
{
	p->sent_ns = 0;
	net_addr_set(&p->to, &p->addrs[p->addr], p->port);
	int error = p->over_tcp ? ask_tcp(p) : ask_udp(p);
	if (error)
		unreachable(p, error);
}

static void on_resolved(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs,
                        uint32_t stride)
{
	struct dns_probe *p = arg;
	char message[240];
	if (p->magic != DNS_PROBE_MAGIC)
		abort();
	p->lookup = NULL;
	if (status || !n) {
		snprintf(message, sizeof message, "%s: %s", p->target->host, error ? error : "no address");
		end(p, PROBED_ERROR, PROBED_REASON_RESOLVE, message);
		return;
	}
	p->n_addrs = (uint8_t)net_addrs_keep(p->addrs, DNS_ADDRESSES, addrs, n, stride);
	ask(p);
}

/* The query: the target's, or built of a name that was rendered for this probe. 0, or the probe is over. */
static int take_query(struct dns_probe *p)
{
	char error[240];
	const struct dns_target *t = p->target;
	if (t->query) {
		p->query = t->query;
		p->query_len = t->query_len;
		return 0;
	}
	const struct probed_value *name = dns_host->option(p->probe, OPT_NAME);
	if (!name || !name->s) {
		end(p, PROBED_ERROR, PROBED_REASON_INTERNAL, "name: the template could not be rendered");
		return -1;
	}
	if (question_build(&t->question, name->s, &p->built, &p->query_len, error, sizeof error)) {
		end(p, PROBED_ERROR, PROBED_REASON_INTERNAL, error);
		return -1;
	}
	p->query = p->built;
	return 0;
}

static int prepare_retries(struct dns_probe *p)
{
	p->retries_left = p->target->retries;
	if (!p->retries_left || p->over_tcp)
		return 0;
	p->retry_every_ns = (dns_host->deadline(p->probe) - dns_host->now()) / (p->retries_left + 1);
	p->retry = dns_host->timer_new(on_retry, p);
	return p->retry ? 0 : -1;
}

void dns_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
{
	struct dns_probe *p = mem;
	const struct dns_target *t = target;
	(void)session;
	p->magic = DNS_PROBE_MAGIC;
	p->worker = worker;
	p->target = t;
	p->probe = probe;
	p->port = t->port;
	p->over_tcp = t->transport == TRANSPORT_TCP;
	if (take_query(p))
		return;
	if (prepare_retries(p)) {
		end(p, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED, "out of memory");
		return;
	}
	if (t->literal) {
		p->addrs[p->n_addrs++] = t->addr;
		ask(p);
		return;
	}
	dns_host->phase(probe, PROBED_PHASE_RESOLVE);
	p->lookup = dns_host->resolve(t->host, t->family, on_resolved, p);
	if (!p->lookup)
		end(p, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED, "out of memory");
}

void dns_cancel(void *worker, struct probed_probe *probe, void *mem)
{
	struct dns_probe *p = mem;
	(void)worker;
	(void)probe;
	if (p->magic == DNS_PROBE_MAGIC)
		let_go(p);
}
