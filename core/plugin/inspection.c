/* SPDX-License-Identifier: Apache-2.0 */
/* inspection.c - the core's side of the inspector: see inspector.h */
#include "plugin/inspector.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "plugin/cache.h"
#include "plugin/scan.h"
#include "run/channel.h"
#include "run/spawn.h"
#include "run/wire.h"

#define INSPECTION_MAGIC 0x696e7370u
#define OUT_MAX (1u << 20)

struct inspection {
	unsigned magic;
	struct loop *loop;
	struct scan scan;
	struct plugin_table **tables; /* one for each candidate */
	size_t *todo;                 /* candidates that a child has to load, in order */
	size_t n_todo, at;            /* todo[at] is being loaded now */
	size_t child_began;           /* what `at` was when the child was started */
	struct plugin_cache *cache;   /* NULL: none */

	struct channel *channel; /* NULL: no child */
	pid_t pid;
	int pidfd;
	bool ready;          /* the child itself works */
	bool closed, exited; /* both are awaited: what it wrote last is still to be read when it is dead */
	const char *bad;     /* it spoke badly, and was killed for that */
	siginfo_t status;
	ev_io exit_io;
	struct wheel_timer timer;
	int64_t timeout_ns;

	struct loop_later next;
	void (*done)(void *ctx, struct registry *r);
	void *ctx;
};

static struct plugin_table *refused(const char *path, const char *why)
{
	struct plugin_table *t = xnew(struct plugin_table);
	t->path = xstrdup(path);
	t->why = xstrdup(why);
	t->state = PLUGIN_REFUSED;
	return t;
}

static void arm(struct inspection *in)
{
	loop_timer_set(in->loop, &in->timer, in->loop->now_ns + in->timeout_ns);
}

/* --- the child --- */

static void end_child(struct inspection *in)
{
	if (!in->channel)
		return;
	loop_timer_stop(in->loop, &in->timer);
	channel_free(in->channel);
	in->channel = NULL;
	if (in->pidfd >= 0) {
		ev_io_stop(in->loop->ev, &in->exit_io);
		close(in->pidfd);
	}
	if (!in->exited) {
		kill(in->pid, SIGKILL);
		waitpid(in->pid, NULL, 0);
	}
}

static void refuse_current(struct inspection *in, const char *why)
{
	size_t i = in->todo[in->at++];
	in->tables[i] = refused(in->scan.list[i].path, why);
}

static void describe_death(const siginfo_t *s, char *why, size_t size)
{
	if (s->si_code == CLD_EXITED)
		snprintf(why, size, "ended the process with exit status %d while it was being loaded", s->si_status);
	else if (s->si_code == CLD_KILLED || s->si_code == CLD_DUMPED)
		snprintf(why, size, "killed by signal %d (%s) while it was being loaded", s->si_status,
			 strsignal(s->si_status));
	else
		snprintf(why, size, "ended the process while it was being loaded");
}

/* The child is gone, and all it said was read. */
static void on_gone(struct inspection *in)
{
	char why[160];
	if (in->bad)
		snprintf(why, sizeof why, "upset the inspector while it was being loaded: %s", in->bad);
	else
		describe_death(&in->status, why, sizeof why);
	bool first = in->at == in->child_began;
	end_child(in);
	if (in->at < in->n_todo) {
		if (!in->ready)
			while (in->at < in->n_todo)
				refuse_current(in, "not looked at: the inspector could not be started");
		else if (first)
			refuse_current(in, why);
		/* else one loaded before it in the same process may be to blame: it gets a process of its own */
	}
	loop_later(in->loop, &in->next);
}

static void on_timeout(struct wheel_timer *timer)
{
	struct inspection *in = (struct inspection *)((char *)timer - offsetof(struct inspection, timer));
	CHECK_MAGIC(in, INSPECTION_MAGIC);
	char why[96];
	if (in->exited) {
		/* someone else holds the channel open, a process that the plugin started */
		on_gone(in);
		return;
	}
	snprintf(why, sizeof why, "does not return from being loaded within %.3g s", (double)in->timeout_ns / 1e9);
	bool ready = in->ready;
	end_child(in);
	if (ready)
		refuse_current(in, why);
	else
		while (in->at < in->n_todo)
			refuse_current(in, "not looked at: the inspector does not answer");
	loop_later(in->loop, &in->next);
}

static void on_exit_seen(struct ev_loop *ev, ev_io *w, int revents)
{
	(void)ev, (void)revents;
	struct inspection *in = w->data;
	CHECK_MAGIC(in, INSPECTION_MAGIC);
	in->status = (siginfo_t){ 0 };
	waitid(P_PIDFD, (id_t)in->pidfd, &in->status, WEXITED);
	in->exited = true;
	ev_io_stop(in->loop->ev, &in->exit_io);
	if (in->closed)
		on_gone(in);
}

static void on_closed(void *ctx, const char *why)
{
	struct inspection *in = ctx;
	CHECK_MAGIC(in, INSPECTION_MAGIC);
	in->closed = true;
	in->bad = why;
	if (in->exited)
		on_gone(in);
	else if (why)
		kill(in->pid, SIGKILL);
}

static int on_frame(void *ctx, uint16_t type, struct cursor *c)
{
	struct inspection *in = ctx;
	CHECK_MAGIC(in, INSPECTION_MAGIC);
	arm(in);
	if (type == WIRE_READY) {
		in->ready = true;
		return 0;
	}
	if (type != WIRE_INSPECTED || !in->ready || in->at >= in->n_todo)
		return -1;
	struct plugin_table *t = plugin_table_decode(c);
	size_t i = in->todo[in->at];
	if (!t || cursor_left(c) || t->state == PLUGIN_SHADOWED || strcmp(t->path, in->scan.list[i].path)) {
		plugin_table_free(t);
		return -1;
	}
	in->tables[i] = t;
	in->at++;
	if (in->cache && t->state == PLUGIN_LOADED)
		plugin_cache_add(in->cache, t, &in->scan.list[i].st);
	if (in->at == in->n_todo)
		loop_later(in->loop, &in->next);
	return 0;
}

static void say_hello(struct inspection *in)
{
	size_t n = in->n_todo - in->at;
	const char **paths = xcalloc(n, sizeof *paths);
	for (size_t i = 0; i < n; i++)
		paths[i] = in->scan.list[in->todo[in->at + i]].path;
	struct wire_hello hello = {
		.who = "inspector",
		.log_level = (uint8_t)log_level_now(),
		.log_json = log_is_json(),
		.n_plugins = (uint32_t)n,
		.plugins = paths,
	};
	wire_put_hello(channel_begin(in->channel, WIRE_HELLO), &hello);
	channel_end(in->channel);
	free(paths);
}

static int begin_child(struct inspection *in)
{
	static const struct channel_events events = { on_frame, on_closed };
	int fds[2];
	if (spawn_socketpair(fds))
		return -1;
	in->pid = spawn_child("inspector", fds[1], -1);
	close(fds[1]);
	if (in->pid < 0) {
		close(fds[0]);
		return -1;
	}
	in->ready = in->closed = in->exited = false;
	in->bad = NULL;
	in->child_began = in->at;
	in->channel = channel_new(in->loop, fds[0], OUT_MAX, &events, in);
	in->pidfd = pidfd_open(in->pid, 0);
	if (in->pidfd < 0) {
		end_child(in);
		return -1;
	}
	ev_io_init(&in->exit_io, on_exit_seen, in->pidfd, EV_READ);
	in->exit_io.data = in;
	ev_io_start(in->loop->ev, &in->exit_io);
	say_hello(in);
	in->loop->now_ns = clock_now_ns(); /* before the first turn it is when the loop was made */
	arm(in);
	return 0;
}

/* --- the whole --- */

static void inspection_free(struct inspection *in)
{
	end_child(in);
	loop_later_cancel(in->loop, &in->next);
	for (size_t i = 0; i < in->scan.n; i++)
		plugin_table_free(in->tables[i]);
	free(in->tables);
	free(in->todo);
	scan_free(&in->scan);
	if (in->cache)
		plugin_cache_free(in->cache);
	in->magic = 0;
	free(in);
}

void inspection_cancel(struct inspection *in)
{
	CHECK_MAGIC(in, INSPECTION_MAGIC);
	inspection_free(in);
}

static void finish(struct inspection *in)
{
	struct registry *r = registry_new();
	for (size_t i = 0; i < in->scan.n; i++) {
		registry_add(r, in->tables[i]);
		in->tables[i] = NULL;
	}
	if (in->cache && plugin_cache_save(in->cache))
		log_debug("plugin cache not written", "why", strerror(errno), NULL);
	void (*done)(void *, struct registry *) = in->done;
	void *ctx = in->ctx;
	inspection_free(in);
	done(ctx, r);
}

/* What comes next: another child, or the end. */
static void on_next(struct loop_later *later)
{
	struct inspection *in = (struct inspection *)((char *)later - offsetof(struct inspection, next));
	CHECK_MAGIC(in, INSPECTION_MAGIC);
	if (in->at < in->n_todo && !begin_child(in))
		return;
	char why[128];
	snprintf(why, sizeof why, "not looked at: the inspector could not be started: %s", strerror(errno));
	while (in->at < in->n_todo)
		refuse_current(in, why);
	finish(in);
}

static void sort_candidates(struct inspection *in)
{
	in->tables = xcalloc(in->scan.n + 1, sizeof *in->tables);
	in->todo = xcalloc(in->scan.n + 1, sizeof *in->todo);
	for (size_t i = 0; i < in->scan.n; i++) {
		const struct candidate *c = &in->scan.list[i];
		if (c->why)
			in->tables[i] = refused(c->path, c->why);
		else if (!in->cache || !(in->tables[i] = plugin_cache_find(in->cache, c->path, &c->st)))
			in->todo[in->n_todo++] = i;
	}
}

struct inspection *inspection_start(struct loop *loop, const char *const *folders, size_t n, const char *cache_dir,
				    void (*done)(void *ctx, struct registry *r), void *ctx)
{
	struct inspection *in = xnew(struct inspection);
	*in = (struct inspection){
		.magic = INSPECTION_MAGIC,
		.loop = loop,
		.timeout_ns = INSPECTION_TIMEOUT_NS,
		.pidfd = -1,
		.done = done,
		.ctx = ctx,
	};
	in->timer.fn = on_timeout;
	in->next.fn = on_next;
	if (n) {
		scan_folders(&in->scan, folders, n);
	} else {
		char **own = scan_default_folders(&n);
		scan_folders(&in->scan, (const char *const *)own, n);
		scan_default_free(own, n);
	}
	in->cache = cache_dir ? plugin_cache_open(cache_dir) : NULL;
	sort_candidates(in);
	loop_later(loop, &in->next);
	return in;
}

void inspection_set_timeout(struct inspection *in, int64_t ns)
{
	CHECK_MAGIC(in, INSPECTION_MAGIC);
	in->timeout_ns = ns;
}

struct waiting {
	struct loop *loop;
	struct registry *registry;
};

static void stop_waiting(void *ctx, struct registry *r)
{
	struct waiting *w = ctx;
	w->registry = r;
	loop_stop(w->loop);
}

struct registry *inspect(const char *const *folders, size_t n, const char *cache_dir)
{
	struct waiting w = { .loop = loop_new() };
	inspection_start(w.loop, folders, n, cache_dir, stop_waiting, &w);
	loop_run(w.loop);
	loop_free(w.loop);
	return w.registry;
}
