/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.c - see resolver.h
 *
 * A session is one c-ares channel. When resolv.conf changes a new session takes over, and the old one ends with its
 * last lookup. c-ares can't cancel one query: a cancelled lookup is forgotten here and stays until c-ares is done.
 */
#include "plugin/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define RESOLVER_MAGIC 0x7265736fu
#define LOOKUP_MAGIC 0x6c6b7570u
#define TRY_MS 1000 /* c-ares doubles it with each try */
#define TRIES 4
#define ADDRS_MAX 64
#define LOOK_EVERY NS_PER_S

struct resolver_lookup {
	unsigned magic;
	struct resolver *resolver;
	struct session *session; /* NULL: a literal, or the session has answered */
	char *name;
	uint32_t family;
	resolver_fn fn; /* NULL: cancelled */
	void *arg;
	int32_t status;
	char *error;
	uint32_t n;
	struct probed_addr *addrs;
	struct loop_later answer;
	LIST_ENTRY(resolver_lookup) entry;
};

struct sock {
	struct session *session;
	ev_io io;
	LIST_ENTRY(sock) entry;
};

struct session {
	struct resolver *resolver;
	ares_channel channel;
	unsigned lookups;
	bool retired;
	char *servers; /* for messages */
	unsigned n_servers;
	LIST_HEAD(, sock) socks;
	struct wheel_timer timer;
	struct loop_later end;
	LIST_ENTRY(session) entry;
};

struct resolver {
	unsigned magic;
	struct loop *loop;
	const char *conf;
	int port, try_ms;
	struct session *now;
	LIST_HEAD(, session) sessions;
	LIST_HEAD(, resolver_lookup) lookups;
	struct stat seen;
	int64_t looked_ns;
};

/* --- a session: c-ares on our loop ----------------------------------------------------------------- */

static void arm(struct session *s);

static void on_io(struct ev_loop *ev, ev_io *io, int revents)
{
	(void)ev;
	struct sock *k = io->data;
	struct session *s = k->session;
	ares_process_fd(s->channel, revents & (EV_READ | EV_ERROR) ? io->fd : ARES_SOCKET_BAD,
	                revents & (EV_WRITE | EV_ERROR) ? io->fd : ARES_SOCKET_BAD); /* may free k */
	arm(s);
}

static void on_time(struct wheel_timer *t)
{
	struct session *s = (struct session *)((char *)t - offsetof(struct session, timer));
	ares_process_fd(s->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(s);
}

/* c-ares walks all its queries to find the next time; so it is asked only when nothing is armed. A query that is
 * newer than the armed time has at least a whole try to go. */
static void arm(struct session *s)
{
	struct loop *loop = s->resolver->loop;
	int64_t now = clock_now_ns(), soonest = now + s->resolver->try_ms * NS_PER_MS;
	if (!s->lookups) {
		loop_timer_stop(loop, &s->timer);
		return;
	}
	if (wheel_running(&s->timer) && s->timer.at_ns <= soonest)
		return;
	struct timeval tv;
	if (ares_timeout(s->channel, NULL, &tv))
		soonest = now + (int64_t)tv.tv_sec * NS_PER_S + (int64_t)tv.tv_usec * NS_PER_US;
	loop_timer_set(loop, &s->timer, soonest > now + NS_PER_MS ? soonest : now + NS_PER_MS);
}

static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
	struct session *s = data;
	struct ev_loop *ev = s->resolver->loop->ev;
	int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
	struct sock *k;
	LIST_FOREACH(k, &s->socks, entry)
		if (k->io.fd == fd)
			break;
	if (k)
		ev_io_stop(ev, &k->io);
	if (!events) {
		if (k) {
			LIST_REMOVE(k, entry);
			free(k);
		}
		return;
	}
	if (!k) {
		k = xnew(struct sock);
		k->session = s;
		LIST_INSERT_HEAD(&s->socks, k, entry);
		ev_io_init(&k->io, on_io, fd, events);
		k->io.data = k;
	} else {
		ev_io_modify(&k->io, events);
	}
	ev_io_start(ev, &k->io);
}

/* "192.0.2.53, 192.0.2.54", for messages. */
static void name_servers(struct session *s)
{
	struct ares_addr_port_node *list = NULL;
	struct buf text = { 0 };
	if (ares_get_servers_ports(s->channel, &list) == ARES_SUCCESS)
		for (const struct ares_addr_port_node *n = list; n; n = n->next) {
			char ip[INET6_ADDRSTRLEN] = "";
			inet_ntop(n->family, &n->addr, ip, sizeof ip);
			buf_printf(&text, "%s%s", s->n_servers++ ? ", " : "", ip);
			if (s->resolver->port)
				buf_printf(&text, " port %d", s->resolver->port);
		}
	ares_free_data(list);
	s->servers = xstrdup(buf_cstr(&text));
	buf_free(&text);
}

static void session_end(struct loop_later *later)
{
	struct session *s = (struct session *)((char *)later - offsetof(struct session, end));
	struct loop *loop = s->resolver->loop;
	ares_destroy(s->channel); /* closes its sockets by on_socket() */
	loop_timer_stop(loop, &s->timer);
	loop_later_cancel(loop, &s->end);
	LIST_REMOVE(s, entry);
	free(s->servers);
	free(s);
}

static struct session *session_new(struct resolver *r)
{
	struct session *s = xnew(struct session);
	s->resolver = r;
	s->timer.fn = on_time;
	s->end.fn = session_end;
	struct ares_options o = {
		.timeout = r->try_ms, .tries = TRIES, .udp_port = (unsigned short)r->port, .tcp_port = (unsigned short)r->port,
		.sock_state_cb = on_socket, .sock_state_cb_data = s,
	};
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
	if (r->port)
		mask |= ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
	CLEANUP_FREE char *conf = xstrdup(r->conf);
	o.resolvconf_path = conf;
	int rc = ares_init_options(&s->channel, &o, mask);
	if (rc != ARES_SUCCESS) {
		log_warn("resolver: resolv.conf is not usable, the defaults are taken", "file", r->conf, "why", ares_strerror(rc), NULL);
		rc = ares_init_options(&s->channel, &o, mask & ~ARES_OPT_RESOLVCONF);
		if (rc != ARES_SUCCESS)
			panic("c-ares: %s", ares_strerror(rc));
	}
	LIST_INSERT_HEAD(&r->sessions, s, entry);
	name_servers(s);
	return s;
}

static void retire(struct session *s)
{
	s->retired = true;
	if (!s->lookups)
		loop_later(s->resolver->loop, &s->end);
}

/* --- which resolv.conf ------------------------------------------------------------------------------ */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A stat at most once a second, when somebody asks. */
static struct session *session_now(struct resolver *r)
{
	int64_t now = r->loop->now_ns;
	if (r->now && now - r->looked_ns < LOOK_EVERY)
		return r->now;
	r->looked_ns = now;
	struct stat st = { 0 };
	if (stat(r->conf, &st))
		memset(&st, 0, sizeof st);
	if (r->now && same_file(&st, &r->seen))
		return r->now;
	if (r->now) {
		log_info("resolver: resolv.conf has changed", "file", r->conf, NULL);
		retire(r->now);
	}
	r->seen = st;
	return r->now = session_new(r);
}

/* --- lookups -------------------------------------------------------------------------------------- */

static void lookup_free(struct resolver_lookup *l)
{
	loop_later_cancel(l->resolver->loop, &l->answer);
	LIST_REMOVE(l, entry);
	l->magic = 0;
	free(l->name);
	free(l->error);
	free(l->addrs);
	free(l);
}

static void on_answer(struct loop_later *later)
{
	struct resolver_lookup *l = (struct resolver_lookup *)((char *)later - offsetof(struct resolver_lookup, answer));
	CHECK_MAGIC(l, LOOKUP_MAGIC);
	if (l->fn)
		l->fn(l->arg, l->status, l->error, l->n, l->addrs);
	lookup_free(l);
}

static void explain(struct resolver_lookup *l, int status)
{
	const char *of = l->family == 4 ? "IPv4 " : l->family == 6 ? "IPv6 " : "";
	const struct session *s = l->session;
	const char *plural = s->n_servers == 1 ? "" : "s";
	l->status = -1;
	switch (status) {
	case ARES_ENOTFOUND:
		l->error = xasprintf("no such name: %s", l->name);
		break;
	case ARES_ENODATA:
		l->error = xasprintf("%s has no %saddress", l->name, of);
		break;
	case ARES_EBADNAME:
		l->error = xasprintf("not a name or an address: %s", l->name);
		break;
	case ARES_ETIMEOUT:
		l->error = xasprintf("the name server%s %s %s not answer (asked for %s)", plural, s->servers, *plural ? "do" : "does", l->name);
		break;
	case ARES_ECONNREFUSED: /* c-ares says so for an answer of SERVFAIL or REFUSED, too */
	case ARES_ESERVFAIL:
	case ARES_EREFUSED:
	case ARES_ENOTIMP:
		l->error = xasprintf("the name server%s %s can't be reached, or will not answer for %s", plural, s->servers, l->name);
		break;
	default:
		l->error = xasprintf("%s: %s", l->name, ares_strerror(status));
		break;
	}
}

static void take(struct resolver_lookup *l, const struct ares_addrinfo *ai)
{
	for (const struct ares_addrinfo_node *n = ai->nodes; n && l->n < ADDRS_MAX; n = n->ai_next) {
		struct probed_addr a = { 0 };
		if (n->ai_family == AF_INET) {
			const struct sockaddr_in *in = (const void *)n->ai_addr;
			a.family = 4;
			memcpy(a.bytes, &in->sin_addr, 4);
		} else if (n->ai_family == AF_INET6) {
			const struct sockaddr_in6 *in6 = (const void *)n->ai_addr;
			a.family = 6;
			a.scope_id = in6->sin6_scope_id;
			memcpy(a.bytes, &in6->sin6_addr, 16);
		} else {
			continue;
		}
		if (!(l->n & (l->n - 1)))
			l->addrs = xreallocarray(l->addrs, l->n ? 2 * l->n : 1, sizeof *l->addrs);
		l->addrs[l->n++] = a;
	}
}

/* From c-ares, perhaps from inside ares_getaddrinfo(). */
static void on_addrinfo(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	(void)timeouts;
	struct resolver_lookup *l = arg;
	CHECK_MAGIC(l, LOOKUP_MAGIC);
	struct session *s = l->session;
	if (status == ARES_SUCCESS && ai)
		take(l, ai);
	if (!l->n)
		explain(l, status == ARES_SUCCESS ? ARES_ENODATA : status);
	if (ai)
		ares_freeaddrinfo(ai);
	l->session = NULL;
	if (--s->lookups == 0 && s->retired)
		loop_later(l->resolver->loop, &s->end);
	loop_later(l->resolver->loop, &l->answer);
}

/* "192.0.2.1", "2001:db8::1", "fe80::1%eth0". True where it was a literal; the lookup then has its answer. */
static bool literal(struct resolver_lookup *l)
{
	struct probed_addr a = { 0 };
	char ip[INET6_ADDRSTRLEN];
	const char *scope = strchr(l->name, '%');
	size_t len = scope ? (size_t)(scope - l->name) : strlen(l->name);
	if (len >= sizeof ip)
		return false;
	memcpy(ip, l->name, len);
	ip[len] = '\0';
	if (!scope && inet_pton(AF_INET, ip, a.bytes) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, ip, a.bytes) == 1)
		a.family = 6;
	else
		return false;
	if (l->family && l->family != a.family) {
		l->error = xasprintf("%s is not an IPv%u address", l->name, l->family);
	} else if (scope && !(a.scope_id = if_nametoindex(scope + 1)) &&
	           !(a.scope_id = (uint32_t)strtoul(scope + 1, NULL, 10))) {
		l->error = xasprintf("%s: there is no interface %s", l->name, scope + 1);
	} else {
		l->n = 1;
		l->addrs = xnew(struct probed_addr);
		*l->addrs = a;
		return true;
	}
	l->status = -1;
	return true;
}

struct resolver_lookup *resolver_ask(struct resolver *r, const char *name, uint32_t family, resolver_fn fn, void *arg)
{
	CHECK_MAGIC(r, RESOLVER_MAGIC);
	struct resolver_lookup *l = xnew(struct resolver_lookup);
	*l = (struct resolver_lookup){ .magic = LOOKUP_MAGIC, .resolver = r, .name = xstrdup(name), .family = family, .fn = fn, .arg = arg };
	l->answer.fn = on_answer;
	LIST_INSERT_HEAD(&r->lookups, l, entry);
	if (literal(l)) {
		loop_later(r->loop, &l->answer);
		return l;
	}
	struct session *s = l->session = session_now(r);
	s->lookups++;
	struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_ENVHOSTS,
		.ai_family = family == 4 ? AF_INET : family == 6 ? AF_INET6 : AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};
	ares_getaddrinfo(s->channel, name, NULL, &hints, on_addrinfo, l); /* may have answered already */
	arm(s);
	return l;
}

void resolver_cancel(struct resolver_lookup *l)
{
	CHECK_MAGIC(l, LOOKUP_MAGIC);
	if (l->session)
		l->fn = NULL;
	else
		lookup_free(l);
}

struct resolver *resolver_new(struct loop *loop)
{
	struct resolver *r = xnew(struct resolver);
	r->magic = RESOLVER_MAGIC;
	r->loop = loop;
	const char *conf = getenv("PROBED_RESOLV_CONF"), *port = getenv("PROBED_RESOLV_PORT"), *try = getenv("PROBED_RESOLV_TRY_MS");
	r->conf = conf ? conf : "/etc/resolv.conf";
	r->port = port ? atoi(port) : 0;
	r->try_ms = try && atoi(try) > 0 ? atoi(try) : TRY_MS;
	int rc = ares_library_init(ARES_LIB_INIT_ALL);
	if (rc != ARES_SUCCESS)
		panic("c-ares: %s", ares_strerror(rc));
	return r;
}

void resolver_free(struct resolver *r)
{
	CHECK_MAGIC(r, RESOLVER_MAGIC);
	while (!LIST_EMPTY(&r->sessions))
		session_end(&LIST_FIRST(&r->sessions)->end);
	while (!LIST_EMPTY(&r->lookups))
		lookup_free(LIST_FIRST(&r->lookups));
	ares_library_cleanup();
	r->magic = 0;
	free(r);
}
