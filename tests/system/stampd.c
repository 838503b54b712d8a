/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stampd - an HTTP/1.1 server that stamps arrivals: when each request came, on the monotonic clock, and which path it had.
 *
 *   stampd [--stall AFTER_MS:FOR_MS[:PREFIX]] [--status N] [--header 'Name: value'] FILE
 *
 * Prints its port on loopback. Within the stall, counted from the first request, nothing (of that prefix) is answered; it is
 * answered afterwards. At SIGTERM it writes a line for each request to FILE: "ns path".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 65536
#define REQUEST_MAX 4096
#define PATH_KEPT 48

struct connection {
	char in[REQUEST_MAX];
	size_t len;
	unsigned owed; /* answers held back by the stall */
};

struct stamp {
	long long ns;
	char path[PATH_KEPT];
};

static struct connection *connections[CONNECTIONS];
static struct stamp *stamps;
static size_t n_stamps, cap_stamps;
static long long stall_after_ns = -1, stall_for_ns;
static const char *stall_prefix = "";
static char answer[512];
static size_t answer_len;

static long long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void stamp(long long ns, const char *path, size_t len)
{
	if (n_stamps == cap_stamps) {
		cap_stamps = cap_stamps ? cap_stamps * 2 : 65536;
		stamps = realloc(stamps, cap_stamps * sizeof *stamps);
		if (!stamps)
			abort();
	}
	struct stamp *s = &stamps[n_stamps++];
	s->ns = ns;
	len = len < PATH_KEPT - 1 ? len : PATH_KEPT - 1;
	memcpy(s->path, path, len);
	s->path[len] = '\0';
}

static int stalls(long long ns, const char *path, size_t len)
{
	long long at = n_stamps ? ns - stamps[0].ns : 0;
	size_t prefix = strlen(stall_prefix);
	return stall_after_ns >= 0 && at >= stall_after_ns && at < stall_after_ns + stall_for_ns && len >= prefix &&
	       !memcmp(path, stall_prefix, prefix);
}

static void drop(int fd)
{
	free(connections[fd]);
	connections[fd] = NULL;
	close(fd);
}

static void reply(int fd)
{
	if (write(fd, answer, answer_len) != (ssize_t)answer_len)
		drop(fd);
}

/* Whole requests in what has been read: heads only, as GET has. */
static void serve(int fd)
{
	struct connection *c = connections[fd];
	char *end;
	while (connections[fd] == c && c && (end = memmem(c->in, c->len, "\r\n\r\n", 4))) {
		long long ns = now_ns();
		char *path = memchr(c->in, ' ', c->len);
		path = path ? path + 1 : c->in;
		size_t path_len = strcspn(path, " \r"), used = (size_t)(end + 4 - c->in);
		int held = stalls(ns, path, path_len);
		stamp(ns, path, path_len);
		memmove(c->in, c->in + used, c->len - used);
		c->len -= used;
		if (held)
			c->owed++;
		else
			reply(fd);
	}
}

static void read_from(int fd)
{
	struct connection *c = connections[fd];
	ssize_t n = read(fd, c->in + c->len, REQUEST_MAX - c->len);
	if (n <= 0 && (!n || errno != EAGAIN)) {
		drop(fd);
		return;
	}
	c->len += n > 0 ? (size_t)n : 0;
	serve(fd);
}

static void pay(void)
{
	for (int fd = 0; fd < CONNECTIONS; fd++)
		while (connections[fd] && connections[fd]->owed) {
			connections[fd]->owed--;
			reply(fd);
		}
}

static void take_all(int listener, int epoll)
{
	int fd;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (fd >= CONNECTIONS || !(connections[fd] = calloc(1, sizeof **connections))) {
			close(fd);
			continue;
		}
		struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
	}
}

static int listen_on_loopback(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 4096) || getsockname(fd, (struct sockaddr *)&a, &len)) {
		perror("stampd");
		exit(1);
	}
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

static void options(int argc, char **argv, const char **file)
{
	const char *status = "200", *header = "";
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--stall") && i + 1 < argc) {
			char *end;
			stall_after_ns = strtoll(argv[++i], &end, 10) * 1000000;
			stall_for_ns = strtoll(end + 1, &end, 10) * 1000000;
			stall_prefix = *end == ':' ? end + 1 : "";
		} else if (!strcmp(argv[i], "--status") && i + 1 < argc) {
			status = argv[++i];
		} else if (!strcmp(argv[i], "--header") && i + 1 < argc) {
			header = argv[++i];
		} else {
			*file = argv[i];
		}
	}
	answer_len = (size_t)snprintf(answer, sizeof answer, "HTTP/1.1 %s Stamped\r\nContent-Length: 3\r\n%s%s\r\nok\n", status, header, *header ? "\r\n" : "");
}

int main(int argc, char **argv)
{
	const char *file = "/dev/null";
	sigset_t set;
	options(argc, argv, &file);
	struct rlimit files = { CONNECTIONS, CONNECTIONS };
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int listener = listen_on_loopback(), epoll = epoll_create1(EPOLL_CLOEXEC), ends = signalfd(-1, &set, SFD_CLOEXEC), stalled = 0;
	struct epoll_event e = { .events = EPOLLIN, .data.fd = listener }, got[256];
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
	e.data.fd = ends;
	epoll_ctl(epoll, EPOLL_CTL_ADD, ends, &e);
	for (int run = 1; run;) {
		int in_stall = n_stamps && stalls(now_ns(), stall_prefix, strlen(stall_prefix));
		if (stalled && !in_stall)
			pay();
		stalled = in_stall;
		int n = epoll_wait(epoll, got, 256, stall_after_ns >= 0 ? 1 : -1);
		for (int i = 0; i < n; i++) {
			int fd = got[i].data.fd;
			if (fd == ends)
				run = 0;
			else if (fd == listener)
				take_all(listener, epoll);
			else if (connections[fd])
				read_from(fd);
		}
	}
	FILE *f = fopen(file, "w");
	for (size_t i = 0; f && i < n_stamps; i++)
		fprintf(f, "%lld %s\n", stamps[i].ns, stamps[i].path);
	return f && !fclose(f) ? 0 : 1;
}
