/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outlet.c - sends and reads in batches for all probes of a worker. A reply finds its probe by the token in its payload;
 * a router's error by the address it was sent to, where too little of the request is quoted.
 */
#include "icmp.h"

#include <errno.h>
#include <string.h>

static struct ping_list *token_slot(struct worker *w, uint64_t token)
{
	return &w->by_token[token % BY_TOKEN];
}

static struct ping_list *address_slot(struct worker *w, uint32_t family, const uint8_t *bytes)
{
	uint64_t h = family;
	for (unsigned i = 0; i < (family == 4 ? 4 : 16); i++)
		h = h * 1099511628211u + bytes[i];
	return &w->by_address[(h ^ h >> 32) % BY_ADDRESS];
}

static struct ping *find_by_token(struct worker *w, uint64_t token)
{
	struct ping *p;
	LIST_FOREACH (p, token_slot(w, token), token_link)
		if (p->token == token)
			return p;
	return NULL;
}

/* Of an error: by the token where it is quoted, else by where, by which id and by which number it was sent. */
static struct ping *find_by_error(struct outlet *o, const struct packet *packet)
{
	struct worker *w = o->worker;
	if (packet->has_token)
		return find_by_token(w, packet->token);
	uint32_t family = o->port.family;
	struct ping *p;
	LIST_FOREACH (p, address_slot(w, family, packet->to), address_link)
		if (p->addr.family == family && !memcmp(p->addr.bytes, packet->to, family == 4 ? 4 : 16) &&
		    (!o->port.raw || p->id == packet->id) && (uint16_t)(packet->seq - p->first_seq) < p->sent)
			return p;
	return NULL;
}

static void dequeue(struct ping *p)
{
	if (!p->queued)
		return;
	TAILQ_REMOVE(&p->outlet->queue, p, queue_link);
	p->outlet->queued--;
	p->queued = false;
}

void outlet_add(struct ping *p)
{
	p->listed = true;
	LIST_INSERT_HEAD(token_slot(p->worker, p->token), p, token_link);
	LIST_INSERT_HEAD(address_slot(p->worker, p->addr.family, p->addr.bytes), p, address_link);
}

void outlet_remove(struct ping *p)
{
	dequeue(p);
	if (!p->listed)
		return;
	LIST_REMOVE(p, token_link);
	LIST_REMOVE(p, address_link);
	p->listed = false;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void flush_outlet(struct outlet *o, int64_t now);
static void read_errors(struct outlet *o);

static void flush_at(struct worker *w, int64_t at_ns)
{
	if (w->flush_set)
		return;
	host->timer_set(w->flush, at_ns);
	w->flush_set = true;
}

void outlet_enqueue(struct ping *p)
{
	struct outlet *o = p->outlet;
	int64_t now = host->now();
	TAILQ_INSERT_TAIL(&o->queue, p, queue_link);
	p->queued = true;
	o->queued++;
	if (o->blocked)
		return;
	if (o->queued >= PORT_BATCH || now - o->flushed_ns > BATCHING_NS)
		flush_outlet(o, now);
	else
		flush_at(p->worker, now);
}

static void depart(const struct ping *p, struct departure *d)
{
	packet_build(p->addr.family, p->id, (uint16_t)(p->first_seq + p->sent), p->token, d->head);
	net_addr_set(&d->to, &p->addr, 0);
	d->payload = p->target->size;
	d->ttl = p->target->ttl;
}

/* What keeps the first in the queue from being sent. True: go on with the queue. */
static bool blocked_by(struct outlet *o, int error, bool *retried)
{
	if (error == EAGAIN) {
		o->blocked = true;
		host->watch_set(o->watch, PROBED_READ | PROBED_WRITE);
		return false;
	}
	if (error == ENOBUFS) {
		flush_at(o->worker, host->now() + NS_PER_MS);
		return false;
	}
	/* an unprivileged socket may report here what became of an earlier packet: only the second time counts */
	if (!o->port.raw && !*retried) {
		*retried = true;
		read_errors(o);
		return true;
	}
	*retried = false;
	ping_not_sent(TAILQ_FIRST(&o->queue), error);
	return true;
}

static void flush_outlet(struct outlet *o, int64_t now)
{
	o->flushed_ns = now;
	bool retried = false;
	while (!TAILQ_EMPTY(&o->queue)) {
		struct departure list[PORT_BATCH];
		struct ping *pings[PORT_BATCH], *p;
		unsigned n = 0;
		TAILQ_FOREACH (p, &o->queue, queue_link) {
			if (n == PORT_BATCH)
				break;
			depart(p, &list[n]);
			pings[n++] = p;
		}
		int sent = port_send(&o->port, list, n, host->now);
		if (sent < 0) {
			if (!blocked_by(o, -sent, &retried))
				return;
			continue;
		}
		retried = false;
		for (int i = 0; i < sent; i++) {
			dequeue(pings[i]);
			ping_departed(pings[i], list[i].sent_ns);
		}
	}
}

void outlet_on_flush(void *arg)
{
	struct worker *w = arg;
	w->flush_set = false;
	for (unsigned i = 0; i < 2; i++)
		if (!w->outlets[i].blocked)
			flush_outlet(&w->outlets[i], host->now());
}

/* --- receiving -------------------------------------------------------------------------------- */

static void deliver(struct outlet *o, const struct arrival *a)
{
	bool is_error = a->packet.kind == PACKET_ERROR;
	if (a->packet.kind == PACKET_OTHER)
		return;
	struct ping *p = is_error ? find_by_error(o, &a->packet) : find_by_token(o->worker, a->packet.token);
	if (!p || p->addr.family != o->port.family)
		return;
	host->attribute(p->probe);
	if (is_error)
		ping_refused(p, a);
	else
		ping_replied(p, a);
}

static void read_errors(struct outlet *o)
{
	struct arrival list[PORT_BATCH];
	for (unsigned n; (n = port_receive_errors(&o->port, list, host->now));)
		for (unsigned i = 0; i < n; i++)
			deliver(o, &list[i]);
}

void outlet_on_socket(void *arg, int32_t fd, uint32_t events)
{
	(void)fd;
	struct outlet *o = arg;
	struct arrival list[PORT_BATCH];
	if (events & PROBED_WRITE && o->blocked) {
		o->blocked = false;
		host->watch_set(o->watch, PROBED_READ);
		flush_outlet(o, host->now());
	}
	read_errors(o);
	for (unsigned n = PORT_BATCH; n == PORT_BATCH;) {
		n = port_receive(&o->port, list, host->now);
		for (unsigned i = 0; i < n; i++)
			deliver(o, &list[i]);
	}
	if (o->port.dropped != o->dropped_told) {
		host->log(PROBED_LOG_WARNING, "icmp: the kernel dropped %u IPv%u replies: this worker read them too slowly",
		          o->port.dropped - o->dropped_told, o->port.family);
		o->dropped_told = o->port.dropped;
	}
}
