/* SPDX-License-Identifier: Apache-2.0 */
/* udp.c - see udp.h */
#include "udp.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESS_MAX 300
#define DATAGRAM_MAX 65000

struct udp {
	int fd;
	char address[ADDRESS_MAX];
	size_t payload, len;
	int err; /* of the last datagram that was lost; 0: none was */
	char data[DATAGRAM_MAX];
};

/* "[::1]:8125" becomes "::1" and "8125". */
static int split(const char *address, char host[ADDRESS_MAX], const char **port)
{
	const char *colon = address ? strrchr(address, ':') : NULL;
	if (!colon || colon == address || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    atol(colon + 1) < 1 || atol(colon + 1) > 65535 || strlen(address) >= ADDRESS_MAX)
		return -1;
	size_t n = (size_t)(colon - address);
	if (*address == '[' && address[n - 1] == ']') {
		address++;
		n -= 2;
	} else if (memchr(address, ':', n)) {
		return -1;
	}
	snprintf(host, ADDRESS_MAX, "%.*s", (int)n, address);
	*port = colon + 1;
	return n ? 0 : -1;
}

int udp_check(const char *address, char *error, uint64_t error_size)
{
	char host[ADDRESS_MAX];
	const char *port;
	if (!split(address, host, &port))
		return 0;
	snprintf(error, error_size, "expected HOST:PORT, such as 127.0.0.1:8125 or [::1]:8125");
	return -1;
}

static int connect_to(const char *host, const char *port, char *error, uint64_t error_size)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *list;
	int rc = getaddrinfo(host, port, &hints, &list), fd = -1;
	if (rc) {
		snprintf(error, error_size, "%s: %s", host, rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		return -1;
	}
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen)) {
			snprintf(error, error_size, "%s:%s: %s", host, port, strerror(errno));
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

struct udp *udp_open(const char *address, size_t payload, char *error, uint64_t error_size)
{
	char host[ADDRESS_MAX];
	const char *port;
	if (udp_check(address, error, error_size) || split(address, host, &port))
		return NULL;
	int fd = connect_to(host, port, error, error_size);
	if (fd < 0)
		return NULL;
	struct udp *u = malloc(sizeof *u);
	if (!u) {
		snprintf(error, error_size, "out of memory");
		close(fd);
		return NULL;
	}
	u->fd = fd;
	u->payload = payload;
	u->len = 0;
	u->err = 0;
	snprintf(u->address, sizeof u->address, "%s", address);
	return u;
}

void udp_close(struct udp *u)
{
	close(u->fd);
	free(u);
}

static void send_now(struct udp *u)
{
	if (!u->len)
		return;
	/* a first refusal is that of an earlier datagram: this one is tried again */
	if (send(u->fd, u->data, u->len, MSG_NOSIGNAL) < 0) {
		u->err = errno;
		if (errno == ECONNREFUSED && send(u->fd, u->data, u->len, MSG_NOSIGNAL) < 0)
			u->err = errno;
	}
	u->len = 0;
}

void udp_line(struct udp *u, const char *line, size_t len)
{
	if (u->len && u->len + 1 + len > u->payload)
		send_now(u);
	if (len > sizeof u->data) {
		u->err = EMSGSIZE;
		return;
	}
	if (u->len)
		u->data[u->len++] = '\n';
	memcpy(u->data + u->len, line, len);
	u->len += len;
}

int udp_flush(struct udp *u, char *error, uint64_t error_size)
{
	send_now(u);
	if (!u->err)
		return 0;
	snprintf(error, error_size, "%s: cannot send: %s", u->address, strerror(u->err));
	u->err = 0;
	return -1;
}
