/* SPDX-License-Identifier: Apache-2.0 */
/* listen.c - the listening socket: parsing its address, opening it with errors that help, accepting. */
#include "web.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 64
#define ACCEPTS 16 /* in one turn of the loop */

struct address {
	char unix_path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* empty: TCP */
	char host[128];                                              /* empty: every address */
	char port[8];
};

static int expected(const char *text, char *error, size_t size)
{
	snprintf(error, size, "listen: \"%s\": expected ADDRESS:PORT, [IPV6]:PORT, :PORT or unix:/path", text);
	return -1;
}

static int parse(const char *text, struct address *a, char *error, size_t size)
{
	*a = (struct address){ 0 };
	if (!strncmp(text, "unix:", 5)) {
		if (text[5] != '/' || strlen(text + 5) >= sizeof a->unix_path)
			return expected(text, error, size);
		memcpy(a->unix_path, text + 5, strlen(text + 5) + 1);
		return 0;
	}
	const char *colon = strrchr(text, ':');
	if (!colon || !colon[1] || strlen(colon + 1) > 5 || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    atoi(colon + 1) > 65535)
		return expected(text, error, size);
	size_t n = (size_t)(colon - text);
	const char *from = text;
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		from++;
		n -= 2;
	} else if (memchr(text, ':', n)) {
		return expected(text, error, size);
	}
	if (n >= sizeof a->host)
		return expected(text, error, size);
	memcpy(a->host, from, n);
	memcpy(a->port, colon + 1, strlen(colon + 1) + 1);
	return 0;
}

int listener_check(const char *text, char *error, size_t size)
{
	struct address a;
	return parse(text, &a, error, size);
}

static int fail(const char *text, int err, char *error, size_t size)
{
	const char *hint = err == EADDRINUSE      ? "address already in use (is another probed running?)"
			   : err == EADDRNOTAVAIL ? "this machine has no such address"
			   : err == EACCES        ? "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)"
						  : strerror(err);
	snprintf(error, size, "%s: %s", text, hint);
	return -1;
}

/* A socket that a dead process left behind is in the way of nobody. */
static void remove_stale(const struct sockaddr_un *sun)
{
	struct stat st;
	if (lstat(sun->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)sun, sizeof *sun) && errno == ECONNREFUSED)
		unlink(sun->sun_path);
	if (fd >= 0)
		close(fd);
}

static int open_unix(struct listener *l, const struct address *a)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	memcpy(sun.sun_path, a->unix_path, sizeof sun.sun_path);
	remove_stale(&sun);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || bind(l->fd, (const struct sockaddr *)&sun, sizeof sun))
		return -1;
	memcpy(l->unlink_path, a->unix_path, sizeof l->unlink_path);
	snprintf(l->name, sizeof l->name, "unix:%s", a->unix_path);
	return chmod(a->unix_path, 0660) || listen(l->fd, BACKLOG) ? -1 : 0;
}

static void name_tcp(struct listener *l)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	char numeric[64] = "", port[8] = "";
	if (!getsockname(l->fd, (struct sockaddr *)&ss, &len))
		getnameinfo((struct sockaddr *)&ss, len, numeric, sizeof numeric, port, sizeof port,
		            NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(l->name, sizeof l->name, ss.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", numeric, port);
}

static int open_tcp(struct listener *l, const struct addrinfo *ai)
{
	int one = 1;
	l->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -1;
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(l->fd, ai->ai_addr, ai->ai_addrlen) || listen(l->fd, BACKLOG))
		return -1;
	name_tcp(l);
	return 0;
}

static void on_readable(void *arg, int32_t fd, uint32_t events)
{
	struct listener *l = arg;
	(void)events;
	for (int i = 0; i < ACCEPTS && l->watch; i++) {
		int one = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (one < 0)
			return;
		/* header lines and body leave in writes of their own: Nagle would hold the second one back */
		setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		l->accepted(l->arg, one);
	}
}

static int open_any(struct listener *l, const char *text, const struct address *a, char *error, size_t size)
{
	if (*a->unix_path)
		return open_unix(l, a) ? fail(text, errno, error, size) : 0;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list;
	int rc = getaddrinfo(*a->host ? a->host : NULL, a->port, &hints, &list);
	if (rc) {
		snprintf(error, size, "%s: %s", text, gai_strerror(rc));
		return -1;
	}
	/* for ":PORT" the IPv6 wildcard takes IPv4 too */
	const struct addrinfo *ai = list;
	while (!*a->host && ai->ai_family != AF_INET6 && ai->ai_next)
		ai = ai->ai_next;
	if (open_tcp(l, ai))
		rc = fail(text, errno, error, size);
	freeaddrinfo(list);
	return rc;
}

int listener_open(struct listener *l, const char *text, void (*accepted)(void *arg, int fd), void *arg, char *error,
                  size_t size)
{
	struct address a;
	if (parse(text, &a, error, size))
		return -1;
	*l = (struct listener){ .fd = -1, .accepted = accepted, .arg = arg };
	if (open_any(l, text, &a, error, size)) {
		listener_close(l);
		return -1;
	}
	l->watch = host->watch_new(l->fd, PROBED_READ, on_readable, l);
	return 0;
}

void listener_pause(struct listener *l, int paused)
{
	if (l->watch)
		host->watch_set(l->watch, paused ? 0 : PROBED_READ);
}

void listener_close(struct listener *l)
{
	if (l->watch)
		host->watch_free(l->watch);
	if (l->fd >= 0)
		close(l->fd);
	if (*l->unlink_path)
		unlink(l->unlink_path);
	*l = (struct listener){ .fd = -1 };
}
