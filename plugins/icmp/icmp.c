/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icmp.c - the icmp driver: echo requests, their round trips, loss, and the errors of routers on the way.
 *
 * A worker has one socket a family for all its targets. A probe (struct ping) is found by the token in the
 * reply's payload; by the address it was sent to where a router quotes too little of it.
 */
#include <probed/plugin.h>

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "port.h"

#define NS_PER_MS INT64_C(1000000)
#define MAX_COUNT 100
#define BY_TOKEN 4096
#define BY_ADDRESS 1024

static const struct probed_host *host;

enum { OPT_HOST, OPT_COUNT, OPT_SPACING, OPT_SIZE, OPT_TTL };
static const struct probed_option options[] = {
	{ .name = "host", .help = "Host name or address to send echo requests to.", .type = PROBED_TYPE_ADDRESS,
	  .flags = PROBED_OPTION_REQUIRED | PROBED_OPTION_TEMPLATE },
	{ .name = "count", .def = "1", .help = "Packets in one probe.", .type = PROBED_TYPE_INTEGER, .min = 1,
	  .max = MAX_COUNT },
	{ .name = "spacing", .def = "200ms", .help = "Time from one packet to the next.", .type = PROBED_TYPE_DURATION,
	  .min = NS_PER_MS, .max = 60000 * NS_PER_MS },
	{ .name = "size", .def = "56B", .help = "Payload of a packet, without the IP and ICMP headers.",
	  .type = PROBED_TYPE_SIZE, .min = PACKET_STAMP, .max = 65507 },
	{ .name = "ttl", .def = "0", .help = "Time to live (hop limit) of the packets; 0: the system's.",
	  .type = PROBED_TYPE_INTEGER, .min = 0, .max = 255 },
};

enum {
	FACT_SENT,
	FACT_RECEIVED,
	FACT_LOSS,
	FACT_DUPLICATES,
	FACT_RTT,
	FACT_RTT_MIN,
	FACT_RTT_AVG,
	FACT_RTT_MAX,
	FACT_RTT_STDDEV,
	FACT_JITTER,
	FACT_TTL,
	FACT_IP,
	FACT_FAMILY
};
static const struct probed_fact facts[] = {
	[FACT_SENT] = { .name = "sent", .unit = "", .help = "Packets sent.", .type = PROBED_TYPE_INTEGER },
	[FACT_RECEIVED] = { .name = "received", .unit = "", .help = "Packets that were replied to.", .type = PROBED_TYPE_INTEGER },
	[FACT_LOSS] = { .name = "loss", .unit = "ratio", .help = "Share of the packets that had no reply.",
	                .type = PROBED_TYPE_FLOAT, .flags = PROBED_FACT_METRIC },
	[FACT_DUPLICATES] = { .name = "duplicates", .unit = "", .help = "Replies beyond the first to a packet, while the probe ran.",
	                      .type = PROBED_TYPE_INTEGER },
	[FACT_RTT] = { .name = "rtt", .unit = "s", .help = "Round trip of the last reply.", .type = PROBED_TYPE_DURATION,
	               .flags = PROBED_FACT_METRIC },
	[FACT_RTT_MIN] = { .name = "rtt.min", .unit = "s", .help = "Shortest round trip.", .type = PROBED_TYPE_DURATION },
	[FACT_RTT_AVG] = { .name = "rtt.avg", .unit = "s", .help = "Mean round trip.", .type = PROBED_TYPE_DURATION },
	[FACT_RTT_MAX] = { .name = "rtt.max", .unit = "s", .help = "Longest round trip.", .type = PROBED_TYPE_DURATION },
	[FACT_RTT_STDDEV] = { .name = "rtt.stddev", .unit = "s", .help = "Standard deviation of two or more round trips.",
	                      .type = PROBED_TYPE_DURATION },
	[FACT_JITTER] = { .name = "jitter", .unit = "s", .help = "Mean difference of one round trip to the next, of two or more.",
	                  .type = PROBED_TYPE_DURATION, .flags = PROBED_FACT_METRIC },
	[FACT_TTL] = { .name = "ttl", .unit = "", .help = "Time to live (hop limit) left in the last reply.",
	               .type = PROBED_TYPE_INTEGER },
	[FACT_IP] = { .name = "ip", .unit = "", .help = "Address that the packets were sent to.", .type = PROBED_TYPE_STRING,
	              .role = PROBED_ROLE_PEER_IP },
	[FACT_FAMILY] = { .name = "family", .unit = "", .help = "4 or 6.", .type = PROBED_TYPE_INTEGER },
};

static const struct probed_scheme schemes[] = {
	{ .scheme = "icmp", .host = "host", .query_opts = 1 },
};

struct worker;
struct ping;
LIST_HEAD(ping_list, ping);

/* A port, and the pings that wait to send through it. */
struct outlet {
	struct port port;
	struct worker *worker;
	struct probed_watch *watch;
	TAILQ_HEAD(ping_queue, ping) queue;
	unsigned queued;
	bool blocked; /* the socket's buffer is full */
	uint32_t dropped_told;
};

struct worker {
	struct outlet outlets[2];
	struct probed_timer *flush;
	bool flush_set;
	uint16_t next_seq; /* unprivileged sockets share one id */
	struct ping_list by_token[BY_TOKEN], by_address[BY_ADDRESS];
};

struct target {
	const struct probed_target_args *args;
	uint32_t count;
	int64_t spacing_ns;
	size_t size;
	int ttl;
	uint16_t id;
	struct probed_addr literal; /* family 0: a name, or a template */
};

struct ping {
	LIST_ENTRY(ping) token_link, address_link;
	TAILQ_ENTRY(ping) queue_link;
	bool listed, queued;
	struct probed_probe *probe;
	struct worker *worker;
	const struct target *target;
	struct outlet *outlet;
	struct probed_lookup *lookup;
	struct probed_timer *timer;
	struct probed_addr addr;
	uint64_t token;
	uint16_t id, first_seq;
	int64_t give_up_ns, next_ns;
	uint32_t sent, received, failed, duplicates;
	int64_t rtt_ns, min_ns, max_ns;
	double mean, squares, differences;
	int ttl;
	struct packet error; /* the last one */
	char router[INET6_ADDRSTRLEN];
	uint64_t answered[(MAX_COUNT + 63) / 64];
	int64_t sent_ns[MAX_COUNT];
};

static const char *address_text(const struct probed_addr *a, char out[INET6_ADDRSTRLEN])
{
	return inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, out, INET6_ADDRSTRLEN);
}

/* --- the tables ------------------------------------------------------------------------------- */

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

static void let_go(struct ping *p)
{
	dequeue(p);
	if (p->listed) {
		LIST_REMOVE(p, token_link);
		LIST_REMOVE(p, address_link);
	}
	if (p->lookup)
		host->resolve_cancel(p->lookup);
	if (p->timer)
		host->timer_free(p->timer);
}

/* --- the end of a probe ----------------------------------------------------------------------- */

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
	char ip[INET6_ADDRSTRLEN];
	address_text(&p->addr, ip);
	host->fact_integer(p->probe, FACT_SENT, NULL, p->sent);
	host->fact_integer(p->probe, FACT_RECEIVED, NULL, p->received);
	if (p->sent)
		host->fact_float(p->probe, FACT_LOSS, NULL, 1.0 - (double)p->received / p->sent);
	host->fact_integer(p->probe, FACT_DUPLICATES, NULL, p->duplicates);
	host->fact_string(p->probe, FACT_IP, NULL, ip, strlen(ip));
	host->fact_integer(p->probe, FACT_FAMILY, NULL, p->addr.family);
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
		snprintf(message, sizeof message, "%s: %s, says %s", address_text(&p->addr, ip), text, p->router);
		end(p, PROBED_ERROR, PROBED_REASON_UNREACHABLE, message);
	} else if (p->sent) {
		snprintf(message, sizeof message, "no reply to %u packet%s", p->sent, p->sent == 1 ? "" : "s");
		end(p, PROBED_ERROR, PROBED_REASON_TIMEOUT, message);
	} else {
		end(p, PROBED_UNKNOWN, PROBED_REASON_OVERLOADED, "nothing could be sent: the socket's buffer stayed full");
	}
}

/* --- sending ---------------------------------------------------------------------------------- */

static void flush_outlet(struct outlet *o);

static void flush_at(struct worker *w, int64_t at_ns)
{
	if (w->flush_set)
		return;
	host->timer_set(w->flush, at_ns);
	w->flush_set = true;
}

/* May end the probe: nothing of it is to be touched afterwards. */
static void enqueue(struct ping *p)
{
	struct outlet *o = p->outlet;
	TAILQ_INSERT_TAIL(&o->queue, p, queue_link);
	p->queued = true;
	host->timer_set(p->timer, p->give_up_ns);
	if (++o->queued >= PORT_BATCH && !o->blocked)
		flush_outlet(o);
	else
		flush_at(p->worker, host->now());
}

static void depart(const struct ping *p, struct departure *d)
{
	packet_build(p->addr.family, p->id, (uint16_t)(p->first_seq + p->sent), p->token, d->head);
	memset(&d->to, 0, sizeof d->to);
	if (p->addr.family == 4) {
		d->to.in.sin_family = AF_INET;
		memcpy(&d->to.in.sin_addr, p->addr.bytes, 4);
	} else {
		d->to.in6.sin6_family = AF_INET6;
		d->to.in6.sin6_scope_id = p->addr.scope_id;
		memcpy(&d->to.in6.sin6_addr, p->addr.bytes, 16);
	}
	d->payload = p->target->size;
	d->ttl = p->target->ttl;
}

static void departed(struct ping *p, int64_t sent_ns)
{
	dequeue(p);
	p->sent_ns[p->sent++] = sent_ns;
	p->next_ns = p->sent < p->target->count ? sent_ns + p->target->spacing_ns : INT64_MAX;
	host->timer_set(p->timer, p->next_ns < p->give_up_ns ? p->next_ns : p->give_up_ns);
	host->phase(p->probe, PROBED_PHASE_WAIT);
}

static void not_sent(struct ping *p, int error)
{
	char message[200], ip[INET6_ADDRSTRLEN];
	uint32_t reason = PROBED_REASON_OTHER;
	if (error == ENETUNREACH || error == EHOSTUNREACH || error == ENETDOWN || error == EADDRNOTAVAIL || error == EINVAL)
		reason = PROBED_REASON_UNREACHABLE;
	else if (error == EACCES || error == EPERM)
		reason = PROBED_REASON_PERMISSION;
	snprintf(message, sizeof message, "can't send to %s: %s%s", address_text(&p->addr, ip), strerror(error),
	         error == EMSGSIZE ? " (choose a smaller size)" : "");
	give_facts(p);
	end(p, PROBED_ERROR, reason, message);
}

static void read_errors(struct outlet *o);

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
	not_sent(TAILQ_FIRST(&o->queue), error);
	return true;
}

static void flush_outlet(struct outlet *o)
{
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
		for (int i = 0; i < sent; i++)
			departed(pings[i], list[i].sent_ns);
	}
}

static void on_flush(void *arg)
{
	struct worker *w = arg;
	w->flush_set = false;
	for (unsigned i = 0; i < 2; i++)
		if (!w->outlets[i].blocked)
			flush_outlet(&w->outlets[i]);
}

/* --- receiving -------------------------------------------------------------------------------- */

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

static void replied(struct ping *p, const struct arrival *a)
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

static void refused(struct ping *p, const struct arrival *a)
{
	uint32_t index;
	if (!packet_index(p, &a->packet, &index) || !answer(p, index))
		return;
	p->failed++;
	p->error = a->packet;
	if (a->from.any.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->from.in.sin_addr, p->router, sizeof p->router);
	else if (a->from.any.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &a->from.in6.sin6_addr, p->router, sizeof p->router);
	else
		snprintf(p->router, sizeof p->router, "this host");
	if (p->received + p->failed == p->target->count)
		finish(p);
}

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
		refused(p, a);
	else
		replied(p, a);
}

static void read_errors(struct outlet *o)
{
	struct arrival list[PORT_BATCH];
	for (unsigned n; (n = port_receive_errors(&o->port, list, host->now));)
		for (unsigned i = 0; i < n; i++)
			deliver(o, &list[i]);
}

static void on_socket(void *arg, int32_t fd, uint32_t events)
{
	(void)fd;
	struct outlet *o = arg;
	struct arrival list[PORT_BATCH];
	if (events & PROBED_WRITE && o->blocked) {
		o->blocked = false;
		host->watch_set(o->watch, PROBED_READ);
		flush_outlet(o);
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

/* --- a probe ---------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
	struct ping *p = arg;
	int64_t now = host->now();
	if (now >= p->give_up_ns)
		finish(p);
	else if (now >= p->next_ns && !p->queued)
		enqueue(p);
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
	p->listed = true;
	LIST_INSERT_HEAD(token_slot(w, p->token), p, token_link);
	LIST_INSERT_HEAD(address_slot(w, addr->family, addr->bytes), p, address_link);
	host->phase(p->probe, PROBED_PHASE_SEND);
	enqueue(p);
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

static void ping_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
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

static void ping_cancel(void *worker, struct probed_probe *probe, void *mem)
{
	(void)worker, (void)probe;
	let_go(mem);
}

/* --- targets and workers ---------------------------------------------------------------------- */

static int32_t target_new(void *worker, const struct probed_target_args *args, void **target, char *error, uint64_t size)
{
	(void)worker;
	struct target t = { .args = args };
	const struct probed_value *name = probed_target_option(args, OPT_HOST);
	t.count = (uint32_t)probed_target_option(args, OPT_COUNT)->i;
	t.spacing_ns = probed_target_option(args, OPT_SPACING)->i;
	t.size = (size_t)probed_target_option(args, OPT_SIZE)->i;
	t.ttl = (int)probed_target_option(args, OPT_TTL)->i;
	t.id = (uint16_t)host->random();
	int64_t takes_ns = (t.count - 1) * t.spacing_ns;
	if (takes_ns >= args->timeout_ns) {
		snprintf(error, size,
		         "count: %u packets at a spacing of %lld ms take %lld ms, but the timeout is %lld ms: expected fewer, "
		         "closer, or a longer timeout",
		         t.count, (long long)(t.spacing_ns / NS_PER_MS), (long long)(takes_ns / NS_PER_MS),
		         (long long)(args->timeout_ns / NS_PER_MS));
		return -1;
	}
	if (!(name->flags & PROBED_VALUE_TEMPLATE)) {
		if (inet_pton(AF_INET, name->s, t.literal.bytes) == 1)
			t.literal.family = 4;
		else if (inet_pton(AF_INET6, name->s, t.literal.bytes) == 1)
			t.literal.family = 6;
	}
	if (args->family && t.literal.family && args->family != t.literal.family) {
		snprintf(error, size, "host: %s is an IPv%u address, but family = %u", name->s, t.literal.family, args->family);
		return -1;
	}
	struct target *out = malloc(sizeof *out);
	if (!out) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	*out = t;
	*target = out;
	return 0;
}

static void target_free(void *worker, void *target)
{
	(void)worker;
	free(target);
}

static void worker_free(void *worker)
{
	struct worker *w = worker;
	for (unsigned i = 0; i < 2; i++) {
		if (w->outlets[i].watch)
			host->watch_free(w->outlets[i].watch);
		port_close(&w->outlets[i].port);
	}
	if (w->flush)
		host->timer_free(w->flush);
	free(w);
}

/* The sockets are opened here, long before the first packet: the kernel stamps only what comes a while after it
 * was asked to. One that can't be opened is reported by the probes that need it. */
static int32_t worker_new(void **worker, char *error, uint64_t size)
{
	struct worker *w = calloc(1, sizeof *w);
	if (!w) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	for (unsigned i = 0; i < BY_TOKEN; i++)
		LIST_INIT(&w->by_token[i]);
	for (unsigned i = 0; i < BY_ADDRESS; i++)
		LIST_INIT(&w->by_address[i]);
	w->next_seq = (uint16_t)host->random();
	w->flush = host->timer_new(on_flush, w);
	bool complete = w->flush;
	for (unsigned i = 0; i < 2; i++) {
		struct outlet *o = &w->outlets[i];
		o->worker = w;
		TAILQ_INIT(&o->queue);
		port_open(&o->port, i ? 6 : 4);
		if (o->port.fd >= 0)
			o->watch = host->watch_new(o->port.fd, PROBED_READ, on_socket, o);
		complete = complete && (o->port.fd < 0 || o->watch);
	}
	if (!complete) {
		snprintf(error, size, "out of memory");
		worker_free(w);
		return -1;
	}
	*worker = w;
	return 0;
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return 0;
}

static const struct probed_driver drivers[] = { {
	.name = "icmp",
	.summary = "Sends ICMP echo requests, and measures round trips, loss and jitter.",
	.needs = "raw",
	.gate_option = "host",
	PROBED_TABLE(options, option, options),
	PROBED_TABLE(facts, fact, facts),
	PROBED_TABLE(schemes, scheme, schemes),
	.probe_size = sizeof(struct ping),
	.worker_new = worker_new,
	.worker_free = worker_free,
	.target_new = target_new,
	.target_free = target_free,
	.start = ping_start,
	.cancel = ping_cancel,
} };

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "icmp",
	.version = "0.1.0",
	.summary = "ICMP echo (ping)",
	PROBED_TABLE(drivers, driver, drivers),
	.load = load,
};
