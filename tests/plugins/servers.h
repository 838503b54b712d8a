/* SPDX-License-Identifier: Apache-2.0 */
/*
 * servers.h - servers for drivers' tests, on free loopback ports: small ones written as a C function that runs in a
 * process of its own for each connection, real ones by exec, and certificates of every kind. They die with the test.
 */
#ifndef SERVERS_H
#define SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* --- certificates: PEM files in a folder that is removed at exit --------------------------------- */

/* The folder. On first use it gets ca.pem, and the pairs NAME.pem and NAME.key:
 *   good      signed by ca.pem for localhost, probe.test, 127.0.0.1 and ::1; 90 days
 *   expired   the same, until yesterday
 *   wrong     signed by ca.pem for elsewhere.test only
 *   self      signed by itself, for localhost, 127.0.0.1 and ::1
 *   client    signed by ca.pem, for a client */
const char *servers_dir(void);
/* A file of it; one of 8 rotating buffers. */
const char *servers_file(const char *name);
/* Writes a file there; returns its path as servers_file() does. */
const char *servers_write(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- servers written as a function --------------------------------------------------------------- */

struct wire; /* one accepted connection, in the server's process */

ssize_t wire_read(struct wire *w, void *data, size_t n);
void wire_write(struct wire *w, const void *data, size_t n);
void wire_say(struct wire *w, const char *text);
/* Reads through the next '\n'; the line is without its "\r\n". NULL at the end. Lives until the next call. */
const char *wire_line(struct wire *w);
/* Speaks TLS from here on, with servers_file(CERT.pem). False where the handshake failed. */
bool wire_tls(struct wire *w, const char *cert, bool want_client);
int wire_fd(struct wire *w);
/* Closes with a RST. */
void wire_reset(struct wire *w);
/* Until the client closes (or for ever). */
void wire_hang(struct wire *w);

struct server {
	pid_t pid;
	uint16_t port;
	char port_text[8];
};

typedef void (*server_fn)(struct wire *w, const char *arg);

/* family 4 or 6: listens on 127.0.0.1 or ::1. `arg` is handed to fn. Fails the test where it can't. */
struct server server_start(int family, server_fn fn, const char *arg);
/* Runs a program that will listen on `port` of 127.0.0.1, and waits until it does. argv ends with NULL. */
struct server server_exec(uint16_t port, const char *const *argv);
void server_stop(struct server *s);
/* Stops and continues the process: what was accepted stays, but nothing is said. */
void server_freeze(const struct server *s, bool frozen);
/* An address of 127.0.0.0/8 that never answers a connect to this port, until silence_end(). False: not on this machine. */
#define SILENT_FDS 8
struct silence {
	int fds[SILENT_FDS];
};
bool silence_begin(struct silence *s, const char *ip, uint16_t port);
void silence_end(struct silence *s);
/* A port of 127.0.0.1 (and ::1) that nobody listens on now. */
uint16_t port_free(void);
/* Whether this machine has IPv6 on its loopback. */
bool have_ipv6(void);

#endif
