/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.h - a tcp probe, as its three files share it: conn.c is its way from the name to a connection, and its end;
 * transport.c reads and writes on the connection, plain or TLS; talk.c is the banner and the dialogue.
 *
 * What ends the probe says so: nothing of `c` but its magic is to be touched afterwards. One worker's loop thread.
 */
#ifndef TCP_CONN_H
#define TCP_CONN_H

#include <sys/types.h>

#include "common/net.h"
#include "tcp/tcp.h"

#define MAX_ADDRS 8
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

/* --- conn.c --- */

/* These two end the probe. */
void conn_finish(struct conn *c, uint32_t outcome, uint32_t reason, const char *message);
void conn_fail(struct conn *c, uint32_t reason, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The one timer of a probe: while connecting, for the next address; then for talk_quiet(). False: the probe is over. */
bool conn_timer_at(struct conn *c, int64_t at_ns);

/* --- transport.c --- */

void transport_watch(struct conn *c, uint32_t events);
/* > 0 bytes, 0: not now (and the watch waits for what is needed), -1: over, with *error 0 for an orderly end. */
ssize_t transport_read(struct conn *c, void *data, size_t n, int *error);
ssize_t transport_write(struct conn *c, const void *data, size_t n, int *error);
/* TLS from here on; then talk_secured(). May end the probe, as may its going on. */
void transport_secure(struct conn *c);
void transport_handshake(struct conn *c);

/* --- talk.c: each may end the probe --- */

/* Goes on with the dialogue as far as what has arrived allows. */
void talk_run(struct conn *c);
/* The TLS handshake is done. */
void talk_secured(struct conn *c);
void talk_readable(struct conn *c);
/* Nothing came for a while. */
void talk_quiet(struct conn *c);

#endif
