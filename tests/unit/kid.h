/* SPDX-License-Identifier: Apache-2.0 */
/* kid.h - for tests that play the core: a child process's main function, run in a fork behind a socketpair. */
#ifndef TESTS_KID_H
#define TESTS_KID_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "run/channel.h"
#include "run/wire.h"

#define KID_PATIENCE_MS 20000

struct kid {
	pid_t pid;
	int fd;
	int log_fd; /* its stderr */
	struct buf in, payload, log;
	uint16_t type;
};

static inline void kid_start(struct kid *k, int (*run)(int fd))
{
	int fds[2], logs[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) || pipe2(logs, O_CLOEXEC))
		abort();
	*k = (struct kid){ .fd = fds[0], .log_fd = logs[0] };
	fcntl(k->log_fd, F_SETFL, O_NONBLOCK);
	fflush(NULL);
	k->pid = fork();
	if (k->pid == 0) {
		close(fds[0]);
		close(logs[0]);
		dup2(logs[1], STDERR_FILENO);
		close(logs[1]);
		exit(run(fds[1]));
	}
	close(fds[1]);
	close(logs[1]);
}

static inline void kid_send(struct kid *k, uint16_t type, const struct buf *payload)
{
	CLEANUP_BUF struct buf b = { 0 };
	buf_u32(&b, payload ? (uint32_t)payload->len : 0);
	buf_u16(&b, type);
	buf_u8(&b, FRAME_VERSION);
	buf_u8(&b, 0);
	if (payload)
		buf_put(&b, payload->data, payload->len);
	for (size_t at = 0; at < b.len;) {
		ssize_t n = send(k->fd, b.data + at, b.len - at, MSG_NOSIGNAL);
		if (n <= 0)
			abort();
		at += (size_t)n;
	}
}

/* What it wrote to its log so far, as a string. */
static inline const char *kid_log(struct kid *k)
{
	for (;;) {
		ssize_t n = read(k->log_fd, buf_reserve(&k->log, 4096), 4096);
		if (n <= 0)
			return buf_cstr(&k->log);
		k->log.len += (size_t)n;
	}
}

/* The next frame, into k->type and a cursor over its payload, which lives until the next call. False at the end. */
static inline bool kid_next(struct kid *k, struct cursor *c)
{
	for (;;) {
		if (k->in.len >= FRAME_HEADER) {
			struct cursor head = cursor_over(k->in.data, k->in.len);
			uint32_t len = cursor_u32(&head);
			if (k->in.len >= FRAME_HEADER + len) {
				k->type = cursor_u16(&head);
				buf_clear(&k->payload);
				buf_put(&k->payload, k->in.data + FRAME_HEADER, len);
				buf_consume(&k->in, FRAME_HEADER + len);
				*c = cursor_over(k->payload.data, k->payload.len);
				return true;
			}
		}
		struct pollfd p = { .fd = k->fd, .events = POLLIN };
		if (poll(&p, 1, KID_PATIENCE_MS) <= 0) {
			fprintf(stderr, "# nothing came from the child; its log:\n%s\n", kid_log(k));
			return false;
		}
		ssize_t n = recv(k->fd, buf_reserve(&k->in, 65536), 65536, 0);
		if (n <= 0)
			return false;
		k->in.len += (size_t)n;
	}
}

/* Skips to the next frame of this type. */
static inline bool kid_expect(struct kid *k, uint16_t type, struct cursor *c)
{
	while (kid_next(k, c))
		if (k->type == type)
			return true;
	return false;
}

/* Exit status, or 256 + signal; closes our end. */
static inline int kid_end(struct kid *k)
{
	int status;
	close(k->fd);
	if (waitpid(k->pid, &status, 0) != k->pid)
		abort();
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 1 || WEXITSTATUS(status) == 23)
		fprintf(stderr, "# the child's log:\n%s\n", kid_log(k));
	close(k->log_fd);
	buf_free(&k->in);
	buf_free(&k->payload);
	buf_free(&k->log);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* Absolute path of something in the build tree. */
static inline char *kid_built(const char *name)
{
	const char *top = getenv("top_builddir");
	char *relative = xasprintf("%s/%s", top ? top : ".", name);
	char *path = realpath(relative, NULL);
	if (!path) {
		fprintf(stderr, "# %s: not built\n", relative);
		abort();
	}
	free(relative);
	return path;
}

/* HELLO with these plugins (paths in the build tree, ended by NULL); waits for READY. */
static inline bool kid_hello(struct kid *k, const char *who, ...)
{
	const char *plugins[8];
	struct wire_hello hello = { .epoch = 1, .who = who, .log_level = 1, .plugins = plugins };
	va_list ap;
	va_start(ap, who);
	for (const char *name; (name = va_arg(ap, const char *));)
		plugins[hello.n_plugins++] = kid_built(name);
	va_end(ap);
	CLEANUP_BUF struct buf b = { 0 };
	wire_put_hello(&b, &hello);
	kid_send(k, WIRE_HELLO, &b);
	for (uint32_t i = 0; i < hello.n_plugins; i++)
		free((void *)(uintptr_t)plugins[i]);
	struct cursor c;
	return kid_expect(k, WIRE_READY, &c);
}

/* SINK_OPEN or SERVICE_START with options as key, value, ..., NULL. */
static inline void kid_part(struct kid *k, uint16_t type, const char *name, const char *driver, ...)
{
	struct kv kvs[8];
	struct wire_part part = { .name = name, .driver = driver, .options = kvs };
	va_list ap;
	va_start(ap, driver);
	for (const char *key; (key = va_arg(ap, const char *));)
		kvs[part.n_options++] = (struct kv){ .key = key, .value = va_arg(ap, const char *) };
	va_end(ap);
	CLEANUP_BUF struct buf b = { 0 };
	wire_put_part(&b, &part);
	kid_send(k, type, &b);
}

static inline bool kid_sync(struct kid *k, uint64_t token)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct cursor c;
	buf_u64(&b, token);
	kid_send(k, WIRE_SYNC, &b);
	return kid_expect(k, WIRE_SYNCED, &c) && cursor_u64(&c) == token && !c.bad;
}

static inline bool kid_drain(struct kid *k)
{
	struct cursor c;
	kid_send(k, WIRE_DRAIN, NULL);
	return kid_expect(k, WIRE_DRAINED, &c);
}

#endif
