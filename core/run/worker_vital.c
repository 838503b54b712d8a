/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_vital.c - the worker's signs of life: heartbeat, statistics, and who leaks descriptors.
 *
 * The lowest free descriptor before and after a call tells what the call kept. Every so often a call is measured;
 * once half of the limit is in use, each one. What drivers open and close again evens out; a leak does not.
 */
#include "run/worker_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define BEAT_NS (100 * NS_PER_MS)
#define FDS_WANTED 65536

static struct worker *self;

static uint32_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t n = 0;
	if (!dir)
		return self->fds_max; /* there is not one left to look with */
	while (readdir(dir))
		n++;
	closedir(dir);
	return n > 3 ? n - 3 : 0; /* ".", "..", and the folder's own */
}

static int lowest_free_fd(void)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0)
		close(fd);
	return fd;
}

static void tell_leak(struct worker *w)
{
	struct drv *worst = NULL;
	char what[80];
	for (uint32_t i = 0; i < w->n_drivers; i++)
		if (w->drivers[i].made && (!worst || w->drivers[i].fd_growth > worst->fd_growth))
			worst = &w->drivers[i];
	if (!worst || w->leak_told)
		return;
	w->leak_told = true;
	snprintf(what, sizeof what, "leaks descriptors: %u open", w->fds);
	worker_misbehaved(worst, what);
}

static void look_at_fds(struct worker *w)
{
	w->fds = count_fds();
	host_measure(w->fds > w->fds_max / 2);
	if (w->fds > w->fds_max / 5 * 4)
		tell_leak(w);
}

void vital_before(const struct host_call *call)
{
	(void)call;
	self->lowest_fd = lowest_free_fd();
}

void vital_after(const struct host_call *call)
{
	int before = self->lowest_fd;
	if (before < 0)
		return;
	self->lowest_fd = -1;
	int now = lowest_free_fd();
	if (now < 0)
		now = (int)self->fds_max;
	if (call->driver && call->driver <= self->n_drivers)
		self->drivers[call->driver - 1].fd_growth += now - before;
	if ((uint32_t)now > self->fds_max / 2)
		host_measure(true);
	if ((uint32_t)now > self->fds_max / 5 * 4 && !self->leak_told)
		look_at_fds(self);
}

static void on_tick(struct wheel_timer *t)
{
	struct worker *w = (struct worker *)((char *)t - offsetof(struct worker, tick));
	look_at_fds(w);
	struct wire_stats s = {
		.fds = w->fds, .fds_max = w->fds_max, .targets = w->n_instances, .inflight = w->inflight,
		.threads_busy = w->threads.busy, .threads_stuck = w->threads.stuck,
		.loop_longest_ns = (uint64_t)w->loop->longest_turn_ns, .log_suppressed = log_suppressed(),
	};
	w->loop->longest_turn_ns = 0;
	wire_put_stats(channel_begin(w->channel, WIRE_WORKER_STATS), &s);
	channel_end(w->channel);
	loop_timer_set(w->loop, t, w->loop->now_ns + NS_PER_S);
}

/* Keeps the turns coming where nothing else does. */
static void on_beat(struct wheel_timer *t)
{
	struct worker *w = (struct worker *)((char *)t - offsetof(struct worker, beat));
	loop_timer_set(w->loop, t, w->loop->now_ns + BEAT_NS);
}

static void on_turn(struct ev_loop *ev, ev_prepare *p, int revents)
{
	(void)ev, (void)revents;
	const struct worker *w = p->data;
	atomic_fetch_add_explicit(&w->page->beat, 1, memory_order_relaxed);
}

void vital_start(struct worker *w)
{
	struct rlimit limit;
	self = w;
	w->lowest_fd = -1;
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		rlim_t wanted = limit.rlim_max < FDS_WANTED ? limit.rlim_max : FDS_WANTED;
		if (limit.rlim_cur < wanted) {
			limit.rlim_cur = wanted;
			setrlimit(RLIMIT_NOFILE, &limit);
		}
		w->fds_max = (uint32_t)(limit.rlim_cur < UINT32_MAX ? limit.rlim_cur : UINT32_MAX);
	}
	w->tick.fn = on_tick;
	w->beat.fn = on_beat;
	loop_timer_set(w->loop, &w->tick, w->loop->now_ns + NS_PER_S);
	loop_timer_set(w->loop, &w->beat, w->loop->now_ns + BEAT_NS);
	ev_prepare_init(&w->beating, on_turn);
	w->beating.data = w;
	ev_prepare_start(w->loop->ev, &w->beating);
}

void vital_stop(struct worker *w)
{
	loop_timer_stop(w->loop, &w->tick);
	loop_timer_stop(w->loop, &w->beat);
	ev_prepare_stop(w->loop->ev, &w->beating);
}
