/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.c - a tcp probe from its start to its end: resolve, connect to one address after the other, TLS, banner,
 * dialogue. Each step runs as far as it can and then leaves a watch.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net.h"
#include "tcp/tcp.h"

#define MAX_ADDRS 8
#define READ_BYTES 16384
#define BANNER_BYTES 1024
/* After so long without a byte, what could still grow (a prompt without a line's end) is taken as it is. */
#define QUIET_NS INT64_C(200000000)
#define CONN_MAGIC 0x7c900003u

enum state { RESOLVING, CONNECTING, HANDSHAKE, READY, BANNER, SENDING, EXPECTING };

struct conn {
	unsigned magic;
	enum state state;
	struct worker *worker;
	const struct target *target;
	struct probed_probe *probe;
	struct probed_lookup *lookup;
	struct probed_watch *watch;
	struct probed_timer *timer;
	struct talk *talk;
	SSL *ssl;
	struct certs_peer peer;
	int fd;
	unsigned step;
	unsigned n_addrs, next_addr;
	struct probed_addr addrs[MAX_ADDRS];
	char where[NET_TEXT]; /* "[::1]:25" */
	uint64_t in, out;
	size_t step_in; /* bytes that came during this step */
	size_t sent;    /* of talk->out */
	bool banner_done, eof, quiet;
};

_Static_assert(sizeof(struct conn) <= CONN_SIZE, "CONN_SIZE is what a probe gets");

static void steps_run(struct conn *c);
static void on_io(void *arg, int32_t fd, uint32_t events);
static void address_next(struct conn *c, uint32_t reason, const char *why);

static struct conn *conn_of(void *arg)
{
	struct conn *c = arg;
	if (c->magic != CONN_MAGIC)
		abort();
	host->attribute(c->probe);
	return c;
}

/* --- the end ------------------------------------------------------------------------------------- */

static void socket_drop(struct conn *c)
{
	if (c->watch)
		host->watch_free(c->watch);
	c->watch = NULL;
	if (c->fd < 0)
		return;
	/* nothing was said on it, so nothing is lost by a reset, and no TIME_WAIT is left */
	if (!c->in && !c->out && !c->ssl) {
		struct linger linger = { .l_onoff = 1 };
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	}
	if (c->ssl) {
		if (SSL_is_init_finished(c->ssl))
			SSL_shutdown(c->ssl);
		ERR_clear_error();
		certs_peer_detach(&c->peer);
		SSL_free(c->ssl);
		c->ssl = NULL;
	}
	close(c->fd);
	c->fd = -1;
}

static void release(struct conn *c)
{
	socket_drop(c);
	if (c->lookup)
		host->resolve_cancel(c->lookup);
	if (c->timer)
		host->timer_free(c->timer);
	if (c->talk)
		talk_give(c->worker, c->talk);
	certs_peer_clear(&c->peer);
	c->lookup = NULL;
	c->timer = NULL;
	c->talk = NULL;
}

static void finish(struct conn *c, uint32_t outcome, uint32_t reason, const char *message)
{
	struct probed_probe *probe = c->probe;
	if (c->state > CONNECTING) {
		host->fact_integer(probe, FACT_BYTES_IN, NULL, (int64_t)c->in);
		host->fact_integer(probe, FACT_BYTES_OUT, NULL, (int64_t)c->out);
	}
	release(c);
	c->magic = 0;
	host->complete(probe, outcome, reason, message);
}

__attribute__((format(printf, 3, 4))) static void fail(struct conn *c, uint32_t reason, const char *format, ...)
{
	char message[400];
	va_list ap;
	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	finish(c, net_outcome(reason), reason, message);
}

static const char *step_name(const struct conn *c, char *out, size_t size)
{
	if (c->state == BANNER)
		snprintf(out, size, "waiting for the banner");
	else
		snprintf(out, size, "step %u (%.80s)", c->step + 1, dialogue_text(c->target->dialogue->steps[c->step]));
	return out;
}

/* The last line that was heard, as people can read it. */
static const char *heard(const struct conn *c, char *out, size_t size)
{
	const struct bytes *b = &c->talk->in.b;
	size_t end = b->len, at, len = 0;

	while (end && (b->data[end - 1] == '\n' || b->data[end - 1] == '\r'))
		end--;
	for (at = end; at && end - at + 1 < size && b->data[at - 1] != '\n'; at--)
		;
	for (; at < end && len + 1 < size; at++)
		out[len++] = b->data[at] < 0x20 || b->data[at] > 0x7e ? '.' : b->data[at];
	out[len] = '\0';
	return out;
}

/* The peer stopped (error 0: closed in order) before the step was done. */
static void stopped_early(struct conn *c, int error)
{
	char name[128], text[64];
	step_name(c, name, sizeof(name));
	if (error == EPROTO && c->ssl) {
		char why[300];
		fail(c, PROBED_REASON_TLS, "%s: %s at %s", c->where, certs_error(&c->peer, why, sizeof(why)), name);
	} else if (error)
		fail(c, net_reason(error), "%s: %s at %s", c->where, strerror(error), name);
	else if (!c->in)
		fail(c, PROBED_REASON_RESET, "%s: the peer closed the connection without a word at %s", c->where, name);
	else
		fail(c, PROBED_REASON_PROTOCOL, "%s: the peer closed the connection at %s; last heard \"%s\"", c->where,
		     name, heard(c, text, sizeof(text)));
}

/* --- reading and writing, plain or TLS ------------------------------------------------------------ */

static void watch(struct conn *c, uint32_t events)
{
	host->watch_set(c->watch, events);
}

/* > 0 bytes, 0: not now (and the watch waits for what is needed), -1: over, with *error 0 for an orderly end. */
static ssize_t tls_result(struct conn *c, int ret, int *error)
{
	int code = SSL_get_error(c->ssl, ret), saved = errno;

	*error = 0;
	switch (code) {
	case SSL_ERROR_NONE:
		return ret;
	case SSL_ERROR_WANT_READ:
		watch(c, PROBED_READ);
		return 0;
	case SSL_ERROR_WANT_WRITE:
		watch(c, PROBED_WRITE);
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		break;
	case SSL_ERROR_SYSCALL:
		*error = saved;
		break;
	default:
		/* many a server ends without TLS's own goodbye */
		if (ERR_GET_REASON(ERR_peek_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
			*error = EPROTO;
	}
	return -1;
}

static ssize_t conn_read(struct conn *c, void *data, size_t n, int *error)
{
	if (c->ssl) {
		ERR_clear_error();
		return tls_result(c, SSL_read(c->ssl, data, (int)n), error);
	}
	ssize_t got = recv(c->fd, data, n, 0);
	if (got > 0)
		return got;
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		watch(c, PROBED_READ);
		return 0;
	}
	*error = got < 0 ? errno : 0;
	return -1;
}

static ssize_t conn_write(struct conn *c, const void *data, size_t n, int *error)
{
	if (c->ssl) {
		ERR_clear_error();
		return tls_result(c, SSL_write(c->ssl, data, (int)n), error);
	}
	ssize_t sent = send(c->fd, data, n, MSG_NOSIGNAL);
	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == EINTR) {
		watch(c, PROBED_WRITE);
		return 0;
	}
	*error = errno;
	return -1;
}

/* --- banner and dialogue -------------------------------------------------------------------------- */

static void on_quiet(void *arg)
{
	struct conn *c = conn_of(arg);
	if (c->state == CONNECTING) {
		address_next(c, PROBED_REASON_UNREACHABLE, "no answer");
		return;
	}
	c->quiet = true;
	steps_run(c);
}

static bool timer_at(struct conn *c, int64_t at_ns)
{
	if (!c->timer)
		c->timer = host->timer_new(on_quiet, c);
	if (!c->timer) {
		fail(c, PROBED_REASON_OVERLOADED, "out of memory");
		return false;
	}
	host->timer_set(c->timer, at_ns);
	return true;
}

/* Keeps the server's first line as a fact, once it is whole (or will not become so). True: known. */
static bool banner_take(struct conn *c)
{
	const struct bytes *b = &c->talk->in.b;
	const char *line = b->len ? memchr(b->data, '\n', b->len) : NULL;
	size_t len = line ? (size_t)(line - b->data) : b->len;

	if (c->banner_done)
		return true;
	if (!b->len || (!line && len < BANNER_BYTES && !c->eof && !c->quiet))
		return false;
	while (len && b->data[len - 1] == '\r')
		len--;
	host->fact_string(c->probe, FACT_BANNER, NULL, b->data, len < BANNER_BYTES ? len : BANNER_BYTES);
	c->banner_done = true;
	return true;
}

/* 1: done, 0: waits, -1: the probe is over. */
static int send_run(struct conn *c)
{
	struct talk *talk = c->talk;
	int error;

	if (c->state != SENDING) {
		/* a first line without an end, as far as it came */
		if (!c->out && c->in) {
			c->quiet = true;
			banner_take(c);
		}
		c->banner_done = true;
		c->state = SENDING;
		c->sent = talk->out.len = 0;
		host->phase(c->probe, PROBED_PHASE_SEND);
		if (dialogue_render(c->target->dialogue->steps[c->step], &talk->said, &talk->out) < 0) {
			fail(c, PROBED_REASON_OVERLOADED, "out of memory");
			return -1;
		}
	}
	while (c->sent < talk->out.len) {
		ssize_t n = conn_write(c, talk->out.data + c->sent, talk->out.len - c->sent, &error);
		if (!n)
			return 0;
		if (n < 0) {
			stopped_early(c, error ? error : EPIPE);
			return -1;
		}
		c->sent += (size_t)n;
		c->out += (uint64_t)n;
	}
	return 1;
}

static void captures_give(struct conn *c, uint32_t captured)
{
	const struct dialogue *d = c->target->dialogue;
	const struct said *said = &c->talk->said;
	for (unsigned i = 0; i < d->n_captures; i++) {
		const char *value = said->values.data ? said->values.data + said->capture[i].at : "";
		if (captured & UINT32_C(1) << i)
			host->fact_string(c->probe, FACT_CAPTURE, d->captures[i], value, said->capture[i].len);
	}
}

static void waiting(struct conn *c, enum state state)
{
	if (c->state != state) {
		c->state = state;
		c->step_in = 0;
		host->phase(c->probe, PROBED_PHASE_WAIT);
	}
	watch(c, PROBED_READ);
}

static int expect_run(struct conn *c)
{
	const struct dialogue_step *step = c->target->dialogue->steps[c->step];
	uint32_t captured;
	char name[128];

	waiting(c, EXPECTING);
	switch (dialogue_match(c->worker->matcher, step, &c->talk->in, c->eof || c->quiet, &c->talk->said, &captured)) {
	case DIALOGUE_MATCHED:
		captures_give(c, captured);
		return 1;
	case DIALOGUE_MAYBE:
		return timer_at(c, host->now() + QUIET_NS) ? 0 : -1;
	case DIALOGUE_LIMIT:
		fail(c, PROBED_REASON_PROTOCOL, "%s: %s needs too many tries on this answer: make the pattern simpler",
		     c->where, step_name(c, name, sizeof(name)));
		return -1;
	default:
		if (c->eof) {
			stopped_early(c, 0);
			return -1;
		}
		if (c->step_in > c->target->read_limit) {
			fail(c, PROBED_REASON_PROTOCOL, "%s: %s: no match in the first %zu bytes", c->where,
			     step_name(c, name, sizeof(name)), c->target->read_limit);
			return -1;
		}
		return 0;
	}
}

static int banner_run(struct conn *c)
{
	if (!c->target->banner || c->banner_done)
		return 1;
	waiting(c, BANNER);
	if (banner_take(c))
		return 1;
	if (c->eof) {
		stopped_early(c, 0);
		return -1;
	}
	if (c->in)
		return timer_at(c, host->now() + QUIET_NS) ? 0 : -1;
	return 0;
}

static void handshake_begin(struct conn *c);

/* The line that the last match began is let pass; what follows it would be in the clear after TLS was agreed on. */
static int starttls_run(struct conn *c)
{
	struct stream *in = &c->talk->in;
	const char *end;
	char text[64];

	waiting(c, EXPECTING);
	if (in->from && in->b.data[in->from - 1] != '\n') {
		end = memchr(in->b.data + in->from, '\n', in->b.len - in->from);
		if (!end && c->eof)
			stopped_early(c, 0);
		if (!end)
			return c->eof ? -1 : 0;
		in->from = (size_t)(end + 1 - in->b.data);
	}
	if (in->from < in->b.len) {
		fail(c, PROBED_REASON_PROTOCOL, "%s: the peer said \"%s\" in the clear after it agreed to TLS", c->where,
		     heard(c, text, sizeof(text)));
		return -1;
	}
	handshake_begin(c);
	return -1;
}

/* Goes on with the dialogue as far as what has arrived allows. */
static void steps_run(struct conn *c)
{
	const struct dialogue *d = c->target->dialogue;
	int done = banner_run(c);

	if (done > 0 && c->state == BANNER)
		c->quiet = false;
	while (done > 0) {
		if (c->timer)
			host->timer_set(c->timer, 0);
		if (c->step == d->n_steps) {
			finish(c, PROBED_OK, PROBED_REASON_NONE, NULL);
			return;
		}
		switch (dialogue_kind(d->steps[c->step])) {
		case DIALOGUE_SEND:
			done = send_run(c);
			break;
		case DIALOGUE_EXPECT:
			done = expect_run(c);
			break;
		default:
			done = starttls_run(c);
		}
		if (done > 0) {
			c->step++;
			c->step_in = 0;
			c->state = READY;
			c->quiet = false;
		}
	}
	if (done == 0)
		c->quiet = false;
}

static void on_readable(struct conn *c)
{
	char data[READ_BYTES];
	int error = 0;

	for (;;) {
		ssize_t n = conn_read(c, data, sizeof(data), &error);
		if (n == 0)
			return;
		if (n > 0) {
			if (!c->step_in)
				host->phase(c->probe, PROBED_PHASE_RECEIVE);
			c->in += (uint64_t)n;
			c->step_in += (size_t)n;
			host->body_write(c->probe, data, (uint64_t)n);
			if (stream_put(&c->talk->in, data, (size_t)n) < 0) {
				fail(c, PROBED_REASON_OVERLOADED, "out of memory");
				return;
			}
			if (!c->out)
				banner_take(c);
		} else if (error) {
			stopped_early(c, error);
			return;
		} else {
			c->eof = true;
		}
		steps_run(c);
		/* what TLS holds decrypted wakes no watch; plain data does */
		if (c->magic != CONN_MAGIC || c->eof || !c->ssl || (c->state != EXPECTING && c->state != BANNER))
			return;
	}
}

/* --- TLS ----------------------------------------------------------------------------------------- */

static void handshake_run(struct conn *c)
{
	char why[300];
	ERR_clear_error();
	int ret = SSL_do_handshake(c->ssl), saved = errno;

	if (ret == 1) {
		certs_peer_facts(&c->peer, host, c->probe, FACT_TLS_BASE);
		c->state = READY;
		if (c->step < c->target->dialogue->n_steps &&
		    dialogue_kind(c->target->dialogue->steps[c->step]) == DIALOGUE_STARTTLS)
			c->step++;
		c->step_in = 0;
		steps_run(c);
		return;
	}
	switch (SSL_get_error(c->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		watch(c, PROBED_READ);
		return;
	case SSL_ERROR_WANT_WRITE:
		watch(c, PROBED_WRITE);
		return;
	default:
		break;
	}
	unsigned long code = ERR_peek_error();
	certs_peer_facts(&c->peer, host, c->probe, FACT_TLS_BASE);
	if (!code && saved)
		fail(c, net_reason(saved), "%s: %s during the TLS handshake", c->where, strerror(saved));
	else if (!code || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		fail(c, PROBED_REASON_RESET, "%s: the peer closed the connection during the TLS handshake", c->where);
	else
		fail(c, PROBED_REASON_TLS, "%s: %s", c->where, certs_error(&c->peer, why, sizeof(why)));
}

static void handshake_begin(struct conn *c)
{
	const struct target *t = c->target;

	c->state = HANDSHAKE;
	host->phase(c->probe, PROBED_PHASE_TLS);
	c->peer.host = t->servername;
	c->peer.verify = t->verify;
	c->ssl = SSL_new(certs_ctx_ssl(t->certs));
	if (!c->ssl || !SSL_set_fd(c->ssl, c->fd) || !certs_servername(c->ssl, t->servername)) {
		ERR_clear_error();
		fail(c, PROBED_REASON_OVERLOADED, "out of memory");
		return;
	}
	certs_attach(c->ssl, &c->peer);
	SSL_set_connect_state(c->ssl);
	handshake_run(c);
}

/* --- connecting ---------------------------------------------------------------------------------- */

static void connected(struct conn *c)
{
	const struct target *t = c->target;
	int on = 1;

	if (c->timer)
		host->timer_set(c->timer, 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (t->banner || t->dialogue->n_steps) {
		c->talk = talk_take(c->worker);
		if (!c->talk) {
			fail(c, PROBED_REASON_OVERLOADED, "out of memory");
			return;
		}
	}
	c->state = READY;
	if (t->tls)
		handshake_begin(c);
	else
		steps_run(c);
}

static void where_facts(struct conn *c, const struct probed_addr *a)
{
	net_where_text(a, c->target->port, c->where, sizeof(c->where));
	net_addr_facts(host, c->probe, FACT_IP, FACT_FAMILY, a);
	host->fact_integer(c->probe, FACT_PORT, NULL, c->target->port);
}

/* Begins to connect to one address: 0, 1 where it is connected already, or -errno. */
static int address_try(struct conn *c, const struct probed_addr *a)
{
	union net_addr to;

	net_addr_set(&to, a, c->target->port);
	c->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	int ret = connect(c->fd, &to.any, net_addr_len(&to));
	if (ret < 0 && errno != EINPROGRESS && errno != EINTR)
		return -errno;
	c->watch = host->watch_new(c->fd, PROBED_WRITE, on_io, c);
	if (!c->watch)
		return -ENOMEM;
	return ret == 0;
}

/* The address before did not do, because of `why`: the next one, or the end. */
static void address_next(struct conn *c, uint32_t reason, const char *why)
{
	socket_drop(c);
	while (c->next_addr < c->n_addrs) {
		const struct probed_addr *a = &c->addrs[c->next_addr++];
		where_facts(c, a);
		int ret = address_try(c, a);
		if (ret < 0) {
			socket_drop(c);
			reason = net_reason(-ret);
			why = strerror(-ret);
			continue;
		}
		if (ret > 0) {
			connected(c);
			return;
		}
		unsigned left = c->n_addrs - c->next_addr;
		if (left)
			timer_at(c, net_share_ends(host, c->probe, left));
		else if (c->timer)
			host->timer_set(c->timer, 0);
		return;
	}
	fail(c, reason, "connect to %s: %s", c->where, why);
}

static void on_io(void *arg, int32_t fd, uint32_t events)
{
	struct conn *c = conn_of(arg);
	int error = 0;
	socklen_t len = sizeof(error);
	(void)events;

	switch (c->state) {
	case CONNECTING:
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			error = errno;
		if (error)
			address_next(c, net_reason(error), strerror(error));
		else
			connected(c);
		return;
	case HANDSHAKE:
		handshake_run(c);
		return;
	case SENDING:
		steps_run(c);
		return;
	default:
		on_readable(c);
	}
}

static void on_resolved(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs,
                        uint32_t stride)
{
	struct conn *c = conn_of(arg);
	c->lookup = NULL;
	if (status || !n) {
		fail(c, PROBED_REASON_RESOLVE, "%s: %s", c->target->host, error ? error : "no address");
		return;
	}
	c->n_addrs = net_addrs_keep(c->addrs, MAX_ADDRS, addrs, n, stride);
	c->state = CONNECTING;
	host->phase(c->probe, PROBED_PHASE_CONNECT);
	address_next(c, PROBED_REASON_OTHER, "");
}

void conn_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
{
	struct conn *c = mem;
	(void)session;
	c->magic = CONN_MAGIC;
	c->worker = worker;
	c->target = target;
	c->probe = probe;
	c->fd = -1;
	c->state = RESOLVING;
	host->phase(probe, PROBED_PHASE_RESOLVE);
	c->lookup = host->resolve(c->target->host, c->target->family, on_resolved, c);
	if (!c->lookup)
		fail(c, PROBED_REASON_OVERLOADED, "out of memory");
}

void conn_cancel(void *worker, struct probed_probe *probe, void *mem)
{
	struct conn *c = mem;
	(void)worker, (void)probe;
	release(c);
	c->magic = 0;
}
