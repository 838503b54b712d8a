/* SPDX-License-Identifier: Apache-2.0 */
/* child.c - see child.h */
#include "run/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/spawn.h"
#include "run/wire.h"

#define CHILD_MAGIC 0x63686c64u
#define EOF_GRACE_NS (200 * NS_PER_MS)

struct child {
	unsigned magic;
	struct loop *loop;
	pid_t pid;
	int pidfd;
	ev_io ended;
	struct channel *channel;
	const struct child_events *events;
	void *owner;
	bool eof, reaped, killed;
	int status;
	char why[160];
	struct wheel_timer grace;
	struct loop_later tell;
};

void child_describe_status(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}

static void tell_gone(struct loop_later *later)
{
	struct child *c = (struct child *)((char *)later - offsetof(struct child, tell));
	CHECK_MAGIC(c, CHILD_MAGIC);
	if (!c->why[0])
		child_describe_status(c->status, c->why, sizeof c->why);
	c->events->gone(c->owner, c->status, c->why);
}

static void maybe_gone(struct child *c)
{
	if (c->reaped && c->eof) {
		loop_timer_stop(c->loop, &c->grace);
		loop_later(c->loop, &c->tell);
	} else if (c->reaped) {
		loop_timer_set(c->loop, &c->grace, clock_now_ns() + EOF_GRACE_NS);
	}
}

/* The grace after one of the two ends has come: of the process (a grandchild may hold the channel open), or of
 * the channel (the process has a moment to end by itself). */
static void on_grace(struct wheel_timer *t)
{
	struct child *c = (struct child *)((char *)t - offsetof(struct child, grace));
	CHECK_MAGIC(c, CHILD_MAGIC);
	if (!c->reaped) {
		child_kill(c, "closed its channel but did not end");
		return;
	}
	c->eof = true;
	maybe_gone(c);
}

static void on_ended(struct ev_loop *ev, ev_io *w, int revents)
{
	(void)revents;
	struct child *c = w->data;
	CHECK_MAGIC(c, CHILD_MAGIC);
	if (waitpid(c->pid, &c->status, WNOHANG) != c->pid)
		return;
	ev_io_stop(ev, &c->ended);
	c->reaped = true;
	maybe_gone(c);
}

static int on_frame(void *ctx, uint16_t type, struct cursor *cur)
{
	struct child *c = ctx;
	CHECK_MAGIC(c, CHILD_MAGIC);
	return c->events->frame(c->owner, type, cur);
}

static void on_closed(void *ctx, const char *why)
{
	struct child *c = ctx;
	CHECK_MAGIC(c, CHILD_MAGIC);
	c->eof = true;
	if (!c->reaped && why)
		child_kill(c, why);
	else if (!c->reaped)
		loop_timer_set(c->loop, &c->grace, clock_now_ns() + 10 * EOF_GRACE_NS);
	maybe_gone(c);
}

static const struct channel_events channel_callbacks = { .frame = on_frame, .closed = on_closed };

struct child *child_start(struct loop *loop, const char *role, int page_fd, size_t out_max,
                          const struct child_events *events, void *owner)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return NULL;
	int room = 1 << 20; /* one write should take what is due in a turn */
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	pid_t pid = spawn_child(role, pair[1], page_fd);
	int saved = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		errno = saved;
		return NULL;
	}
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) { /* no descriptor left: as if it could not be started */
		saved = errno;
		close(pair[0]);
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		errno = saved;
		return NULL;
	}
	struct child *c = xnew(struct child);
	*c = (struct child){ .magic = CHILD_MAGIC, .loop = loop, .pid = pid, .pidfd = pidfd, .events = events, .owner = owner };
	ev_io_init(&c->ended, on_ended, c->pidfd, EV_READ);
	c->ended.data = c;
	ev_io_start(loop->ev, &c->ended);
	c->grace.fn = on_grace;
	c->tell.fn = tell_gone;
	c->channel = channel_new(loop, pair[0], out_max, &channel_callbacks, c);
	return c;
}

void child_free(struct child *c)
{
	if (!c)
		return;
	CHECK_MAGIC(c, CHILD_MAGIC);
	ev_io_stop(c->loop->ev, &c->ended);
	loop_timer_stop(c->loop, &c->grace);
	loop_later_cancel(c->loop, &c->tell);
	channel_free(c->channel);
	if (!c->reaped) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR)
			;
	}
	close(c->pidfd);
	c->magic = 0;
	free(c);
}

void child_kill(struct child *c, const char *why)
{
	CHECK_MAGIC(c, CHILD_MAGIC);
	if (c->reaped)
		return;
	c->killed = true;
	snprintf(c->why, sizeof c->why, "%s", why);
	kill(c->pid, SIGKILL);
}

void child_pass_on(struct child *c, const struct child_events *events, void *owner)
{
	CHECK_MAGIC(c, CHILD_MAGIC);
	c->events = events;
	c->owner = owner;
}

bool child_killed_by_us(const struct child *c)
{
	return c->killed;
}

void child_send_log_level(struct child *c)
{
	struct buf *b = channel_begin(c->channel, WIRE_LOG_LEVEL);
	buf_u8(b, (uint8_t)log_level_now());
	buf_u8(b, log_is_json());
	channel_end(c->channel);
}

struct channel *child_channel(struct child *c)
{
	return c->channel;
}

pid_t child_pid(const struct child *c)
{
	return c->pid;
}
