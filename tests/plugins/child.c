/* SPDX-License-Identifier: Apache-2.0 */
/* child.c - a server as a child process of a test. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	abort();
}

void child_init(struct child *c)
{
	memset(c, 0, sizeof *c);
	c->out = -1;
	strcpy(c->dir, "/tmp/probed-test-XXXXXX");
	must(mkdtemp(c->dir) != NULL, c->dir);
}

void child_write(const struct child *c, const char *name, const char *format, ...)
{
	char path[256];
	va_list args;
	snprintf(path, sizeof path, "%s/%s", c->dir, name);
	FILE *f = fopen(path, "we");
	must(f != NULL, path);
	va_start(args, format);
	vfprintf(f, format, args);
	va_end(args);
	must(!fclose(f), path);
}

/* In the child: output into the pipe, death with the parent. */
static void settle(struct child *c, int out, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	dup2(out, 1);
	dup2(out, 2);
	if (chdir(c->dir))
		_exit(127);
}

static int spawn(struct child *c)
{
	int pipes[2];
	pid_t parent = getpid();
	must(!pipe2(pipes, O_CLOEXEC), "pipe");
	fflush(NULL);
	c->pid = fork();
	must(c->pid >= 0, "fork");
	if (!c->pid) {
		settle(c, pipes[1], parent);
		return 0;
	}
	close(pipes[1]);
	c->out = pipes[0];
	return 1;
}

void child_exec(struct child *c, const char *const *argv)
{
	if (spawn(c))
		return;
	char path[1024];
	snprintf(path, sizeof path, "/usr/sbin:/sbin:%s", getenv("PATH"));
	setenv("PATH", path, 1);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

void child_fork(struct child *c, int (*fn)(void *arg), void *arg)
{
	if (!spawn(c))
		_exit(fn(arg));
}

int child_wait_for(struct child *c, const char *text)
{
	char seen[16384];
	size_t len = 0;
	time_t end = time(NULL) + 20;
	while (time(NULL) < end && len + 1 < sizeof seen) {
		struct pollfd p = { .fd = c->out, .events = POLLIN };
		if (poll(&p, 1, 1000) <= 0)
			continue;
		ssize_t n = read(c->out, seen + len, sizeof seen - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
		seen[len] = '\0';
		if (strstr(seen, text))
			return 0;
	}
	seen[len] = '\0';
	fprintf(stderr, "the child did not say \"%s\", but:\n%s\n", text, seen);
	return -1;
}

void child_free(struct child *c)
{
	char command[128];
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	if (c->out >= 0)
		close(c->out);
	snprintf(command, sizeof command, "rm -rf %s", c->dir);
	must(!system(command), command);
	c->pid = 0;
	c->out = -1;
}

static int bindable(int family, int type, uint16_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(family, type | SOCK_CLOEXEC, 0);
	int ok = family == AF_INET ? !bind(fd, (struct sockaddr *)&v4, sizeof v4) : !bind(fd, (struct sockaddr *)&v6, sizeof v6);
	close(fd);
	return ok;
}

uint16_t free_port(void)
{
	for (;;) {
		struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t len = sizeof any;
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		must(!bind(fd, (struct sockaddr *)&any, len) && !getsockname(fd, (struct sockaddr *)&any, &len), "bind");
		uint16_t port = ntohs(any.sin_port);
		close(fd);
		if (bindable(AF_INET, SOCK_DGRAM, port) && bindable(AF_INET, SOCK_STREAM, port) &&
		    bindable(AF_INET6, SOCK_DGRAM, port) && bindable(AF_INET6, SOCK_STREAM, port))
			return port;
	}
}
