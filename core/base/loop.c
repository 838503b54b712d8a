/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c - see loop.h */
#include "base/loop.h"

#include <stddef.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOP_MAGIC 0x6c6f6f70u
#define LATER_ROUNDS 64 /* laters that queue laters; then the loop polls first */

static void run_laters(struct loop *l)
{
	for (int round = 0; l->later && round < LATER_ROUNDS; round++) {
		struct loop_later *list = l->later;
		list->prev = &list;
		l->later = NULL;
		l->later_tail = &l->later;
		while (list) {
			struct loop_later *one = list;
			list = one->next;
			if (list)
				list->prev = &list;
			one->prev = NULL;
			one->fn(one);
		}
	}
}

static void arm(struct loop *l)
{
	int64_t at = wheel_next(&l->wheel);
	if (at != INT64_MAX && l->slack_ns)
		at = (at + l->slack_ns - 1) / l->slack_ns * l->slack_ns;
	bool due = l->later || l->next_turn || at <= clock_now_ns();
	if (due && !ev_is_active(&l->idle))
		ev_idle_start(l->ev, &l->idle);
	else if (!due && ev_is_active(&l->idle))
		ev_idle_stop(l->ev, &l->idle);
	if (due || at == l->armed_ns)
		return;
	struct itimerspec when = { 0 };
	if (at != INT64_MAX) {
		when.it_value.tv_sec = at / NS_PER_S;
		when.it_value.tv_nsec = at % NS_PER_S;
	}
	timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
	l->armed_ns = at;
}

static void on_prepare(struct ev_loop *ev, ev_prepare *w, int revents)
{
	(void)ev, (void)revents;
	struct loop *l = (struct loop *)w->data;
	CHECK_MAGIC(l, LOOP_MAGIC);
	run_laters(l);
	int64_t took = clock_now_ns() - l->now_ns;
	if (took > l->longest_turn_ns)
		l->longest_turn_ns = took;
	arm(l);
}

static void on_check(struct ev_loop *ev, ev_check *w, int revents)
{
	(void)ev, (void)revents;
	struct loop *l = (struct loop *)w->data;
	l->now_ns = clock_now_ns();
	l->turns++;
	for (struct loop_later *later; (later = l->next_turn);) {
		loop_later_cancel(l, later);
		loop_later(l, later);
	}
	wheel_advance(&l->wheel, l->now_ns);
}

static void on_timer(struct ev_loop *ev, ev_io *w, int revents)
{
	(void)ev, (void)revents;
	struct loop *l = (struct loop *)w->data;
	uint64_t count;
	ssize_t ignored = read(l->timer_fd, &count, sizeof count);
	(void)ignored;
	l->armed_ns = 0;
}

static void on_idle(struct ev_loop *ev, ev_idle *w, int revents)
{
	(void)ev, (void)w, (void)revents;
}

struct loop *loop_new(void)
{
	struct loop *l = xnew(struct loop);
	l->magic = LOOP_MAGIC;
	l->ev = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
	if (!l->ev)
		panic("no event loop");
	l->now_ns = clock_now_ns();
	wheel_init(&l->wheel, l->now_ns);
	l->later_tail = &l->later;
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->timer_fd < 0)
		panic("no timerfd");
	ev_io_init(&l->timer_io, on_timer, l->timer_fd, EV_READ);
	ev_prepare_init(&l->prepare, on_prepare);
	ev_check_init(&l->check, on_check);
	ev_idle_init(&l->idle, on_idle);
	l->timer_io.data = l->prepare.data = l->check.data = l->idle.data = l;
	/* on_check must run before the descriptors' callbacks, so that l->now_ns is fresh in them */
	ev_set_priority(&l->check, EV_MAXPRI);
	ev_io_start(l->ev, &l->timer_io);
	ev_prepare_start(l->ev, &l->prepare);
	ev_check_start(l->ev, &l->check);
	return l;
}

void loop_free(struct loop *l)
{
	CHECK_MAGIC(l, LOOP_MAGIC);
	ev_io_stop(l->ev, &l->timer_io);
	ev_prepare_stop(l->ev, &l->prepare);
	ev_check_stop(l->ev, &l->check);
	ev_idle_stop(l->ev, &l->idle);
	ev_loop_destroy(l->ev);
	close(l->timer_fd);
	l->magic = 0;
	free(l);
}

void loop_run(struct loop *l)
{
	CHECK_MAGIC(l, LOOP_MAGIC);
	ev_run(l->ev, 0);
}

void loop_stop(struct loop *l)
{
	ev_break(l->ev, EVBREAK_ALL);
}

void loop_later(struct loop *l, struct loop_later *later)
{
	if (later->prev)
		return;
	later->next = NULL;
	later->prev = l->later_tail;
	*l->later_tail = later;
	l->later_tail = &later->next;
}

void loop_next_turn(struct loop *l, struct loop_later *later)
{
	if (later->prev)
		return;
	later->next = l->next_turn;
	later->prev = &l->next_turn;
	if (later->next)
		later->next->prev = &later->next;
	l->next_turn = later;
}

void loop_later_cancel(struct loop *l, struct loop_later *later)
{
	if (!later->prev)
		return;
	*later->prev = later->next;
	if (later->next)
		later->next->prev = later->prev;
	else if (l->later_tail == &later->next)
		l->later_tail = later->prev;
	later->prev = NULL;
}
