/* SPDX-License-Identifier: Apache-2.0 */
/* ping.c - one probe: from the name to the last reply, and what is told of it. */
#include "icmp.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void let_go(struct ping *p)
{
	outlet_remove(p);
	if (p->lookup)
		host->resolve_cancel(p->lookup);
	if (p->timer)
		host->timer_free(p->timer);
}

/* --- its end ---------------------------------------------------------------------------------- */

static void give_times(const struct ping *p)
{
	host->fact_integer(p->probe, FACT_RTT, NULL, p->rtt_ns);
	host->fact_integer(p->probe, FACT_RTT_MIN, NULL, p->min_ns);
	host->fact_integer(p->probe, FACT_RTT_AVG, NULL, llround(p->mean));
	host->fact_integer(p->probe, FACT_RTT_MAX, NULL, p->max_ns);
	if (p->received > 1) {
		host->fact_integer(p->probe, FACT_RTT_STDDEV, NULL, llround(sqrt(p->squares / p->received)));
		host->fact_integer(p->probe, FACT_JITTER, NULL, llround(p->differences / (p->received - 1)));
	}
	if (p->ttl >= 0)
		host->fact_integer(p->probe, FACT_TTL, NULL, p->ttl);
}

static void give_facts(const struct ping *p)
{
	host->fact_integer(p->probe, FACT_SENT, NULL, p->sent);
	host->fact_integer(p->probe, FACT_RECEIVED, NULL, p->received);
	if (p->sent)
		host->fact_float(p->probe, FACT_LOSS, NULL, 1.0 - (double)p->received / p->sent);
	host->fact_integer(p->probe, FACT_DUPLICATES, NULL, p->duplicates);
	net_addr_facts(host, p->probe, FACT_IP, FACT_FAMILY, &p->addr);
	if (p->received)
		give_times(p);
}

static void end(struct ping *p, uint32_t outcome, uint32_t reason, const char *message)
{
	struct probed_probe *probe = p->probe;
	let_go(p);
	host->complete(probe, outcome, reason, message);
}

/* All packets are answered, or time is up: what came back decides. */
static void finish(struct ping *p)
{
	char message[200], ip[INET6_ADDRSTRLEN];
	give_facts(p);
	if (p->received) {
		end(p, PROBED_OK, PROBED_REASON_NONE, NULL);
	} else if (p->failed) {
		const char *text = packet_error_text(p->addr.family, p->error.type, p->error.code);
		snprintf(message, sizeof message, "%s: %s, says %s", net_ip_text(&p->addr, ip, sizeof ip), text, p->router);
		end(p, PROBED_ERROR, PROBED_REASON_UNREACHABLE, message);
	} else if (p->sent) {
		snprintf(message, sizeof message, "no reply to %u packet%s", p->sent, p->sent == 1 ? "" : "s");
		end(p, PROBED_ERROR, PROBED_REASON_TIMEOUT, message);
	} else {
		end(p, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED, "nothing could be sent: the socket's buffer stayed full");
	}
}

/* --- its packets ------------------------------------------------------------------------------ */

/* May end the probe. The next timer after this packet is set once it has left. */
static void send_next(struct ping *p)
{
	host->timer_set(p->timer, p->give_up_ns);
	outlet_enqueue(p);
}

void ping_departed(struct ping *p, int64_t sent_ns)
{
	p->sent_ns[p->sent++] = sent_ns;
	p->next_ns = p->sent < p->target->count ? sent_ns + p->target->spacing_ns : INT64_MAX;
	host->timer_set(p->timer, p->next_ns < p->give_up_ns ? p->next_ns : p->give_up_ns);
	host->phase(p->probe, PROBED_PHASE_WAIT);
}

void ping_not_sent(struct ping *p, int error)
{
	char message[200], ip[INET6_ADDRSTRLEN];
	uint32_t reason = net_reason(error);
	snprintf(message, sizeof message, "can't send to %s: %s%s", net_ip_text(&p->addr, ip, sizeof ip), strerror(error),
	         error == EMSGSIZE ? " (choose a smaller size)" : "");
	give_facts(p);
	end(p, net_outcome(reason), reason, message);
}

/* The packet's place in the probe, where it is one that was sent. */
static bool packet_index(const struct ping *p, const struct packet *packet, uint32_t *index)
{
	*index = (uint16_t)(packet->seq - p->first_seq);
	return *index < p->sent;
}

static bool answer(struct ping *p, uint32_t index)
{
	uint64_t bit = UINT64_C(1) << index % 64;
	if (p->answered[index / 64] & bit)
		return false;
	p->answered[index / 64] |= bit;
	return true;
}

void ping_replied(struct ping *p, const struct arrival *a)
{
	uint32_t index;
	if (!packet_index(p, &a->packet, &index))
		return;
	if (!answer(p, index)) {
		p->duplicates++;
		return;
	}
	int64_t rtt = a->at_ns > p->sent_ns[index] ? a->at_ns - p->sent_ns[index] : 0;
	if (p->received++)
		p->differences += fabs((double)(rtt - p->rtt_ns));
	else
		p->min_ns = p->max_ns = rtt;
	p->rtt_ns = rtt;
	p->min_ns = rtt < p->min_ns ? rtt : p->min_ns;
	p->max_ns = rtt > p->max_ns ? rtt : p->max_ns;
	double off = (double)rtt - p->mean;
	p->mean += off / p->received;
	p->squares += off * ((double)rtt - p->mean);
	p->ttl = a->ttl;
	if (p->received + p->failed == p->target->count)
		finish(p);
}

void ping_refused(struct ping *p, const struct arrival *a)
{
	uint32_t index;
	if (!packet_index(p, &a->packet, &index) || !answer(p, index))
		return;
	p->failed++;
	p->error = a->packet;
	if (a->from.any.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->from.v4.sin_addr, p->router, sizeof p->router);
	else if (a->from.any.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &a->from.v6.sin6_addr, p->router, sizeof p->router);
	else
		snprintf(p->router, sizeof p->router, "this host");
	if (p->received + p->failed == p->target->count)
		finish(p);
}

/* --- its beginning ---------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
	struct ping *p = arg;
	int64_t now = host->now();
	if (now >= p->give_up_ns)
		finish(p);
	else if (now >= p->next_ns && !p->queued)
		send_next(p);
}

static void begin(struct ping *p, const struct probed_addr *addr)
{
	struct worker *w = p->worker;
	p->addr = *addr;
	p->outlet = &w->outlets[addr->family == 6];
	const struct port *port = &p->outlet->port;
	if (port->fd < 0) {
		char message[400];
		port_explain(port, message, sizeof message);
		bool denied = port->error == EPERM || port->error == EACCES;
		end(p, PROBED_ERROR, denied ? PROBED_REASON_PERMISSION : PROBED_REASON_UNREACHABLE, message);
		return;
	}
	p->timer = host->timer_new(on_timer, p);
	if (!p->timer) {
		end(p, PROBED_UNKNOWN, PROBED_REASON_INTERNAL, "out of memory");
		return;
	}
	p->token = host->random();
	p->id = p->target->id;
	if (!port->raw) {
		p->first_seq = w->next_seq;
		w->next_seq = (uint16_t)(w->next_seq + p->target->count);
	}
	outlet_add(p);
	host->phase(p->probe, PROBED_PHASE_SEND);
	send_next(p);
}

static void on_resolved(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs,
                        uint32_t stride)
{
	struct ping *p = arg;
	(void)n, (void)stride;
	p->lookup = NULL;
	if (status)
		end(p, PROBED_ERROR, PROBED_REASON_RESOLVE, error);
	else
		begin(p, addrs);
}

void ping_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
{
	(void)session;
	const struct target *t = target;
	struct ping *p = mem;
	p->probe = probe;
	p->worker = worker;
	p->target = t;
	p->ttl = -1;
	int64_t margin = t->args->timeout_ns / 8 < 5 * NS_PER_MS ? t->args->timeout_ns / 8 : 5 * NS_PER_MS;
	p->give_up_ns = host->deadline(probe) - margin;
	if (t->literal.family) {
		begin(p, &t->literal);
		return;
	}
	const struct probed_value *name = host->option(probe, OPT_HOST);
	if (!name) {
		end(p, PROBED_UNKNOWN, PROBED_REASON_INTERNAL, "host: its template could not be rendered");
		return;
	}
	host->phase(probe, PROBED_PHASE_RESOLVE);
	p->lookup = host->resolve(name->s, t->args->family, on_resolved, p);
	if (!p->lookup)
		end(p, PROBED_UNKNOWN, PROBED_REASON_INTERNAL, "out of memory");
}

void ping_cancel(void *worker, struct probed_probe *probe, void *mem)
{
	(void)worker, (void)probe;
	let_go(mem);
}
