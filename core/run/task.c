/* SPDX-License-Identifier: Apache-2.0 */
/* task.c - see task.h */
#include "run/task.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"

struct task {
	struct loop *loop;
	pthread_t thread;
	ev_async finished;
	void (*work)(void *ctx);
	void (*done)(void *ctx);
	void *ctx;
};

static void *run(void *arg)
{
	struct task *t = arg;
	t->work(t->ctx);
	ev_async_send(t->loop->ev, &t->finished);
	return NULL;
}

static void end(struct task *t)
{
	pthread_join(t->thread, NULL);
	ev_async_stop(t->loop->ev, &t->finished);
	free(t);
}

static void on_finished(struct ev_loop *ev, ev_async *w, int revents)
{
	(void)ev, (void)revents;
	struct task *t = w->data;
	void (*done)(void *) = t->done;
	void *ctx = t->ctx;
	end(t);
	done(ctx);
}

struct task *task_start(struct loop *loop, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx)
{
	struct task *t = xnew(struct task);
	*t = (struct task){ .loop = loop, .work = work, .done = done, .ctx = ctx };
	ev_async_init(&t->finished, on_finished);
	t->finished.data = t;
	ev_async_start(loop->ev, &t->finished);
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the loop's */
	if (pthread_create(&t->thread, NULL, run, t))
		panic("no thread");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return t;
}

void task_abandon(struct task *t)
{
	if (t)
		end(t);
}
