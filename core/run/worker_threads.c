/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_threads.c - the bounded pool of threads on which blocking drivers run.
 *
 * A thread gets a probe by `jobs` and gives it back by `done`; all else about probes is the loop's. A probe whose
 * deadline has passed is abandoned: reported, while its thread keeps it until it returns.
 */
#include "run/worker_flow.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

static void run_one(struct probed_probe *p)
{
	struct drv *d = p->drv;
	probe_lock(p);
	bool late = p->state != PROBE_RUNNING; /* given up while it waited for this thread */
	probe_unlock(p);
	if (late)
		return;
	host_thread_call((struct host_call){ d->number, p->slot, p->seq });
	d->impl->run(d->state, p->inst->target, p->session ? p->session->state : NULL, p, p->mem, &p->work->verdict);
	host_thread_call((struct host_call){ 0 });
}

static void *thread_main(void *arg)
{
	struct worker *w = arg;
	struct threads *t = &w->threads;
	pthread_mutex_lock(&t->lock);
	for (;;) {
		struct probed_probe *p = TAILQ_FIRST(&t->jobs);
		if (!p && t->stop)
			break;
		if (!p) {
			t->idle++;
			pthread_cond_wait(&t->wake, &t->lock);
			t->idle--;
			continue;
		}
		TAILQ_REMOVE(&t->jobs, p, entry);
		pthread_mutex_unlock(&t->lock);
		run_one(p);
		int64_t now = clock_now_ns();
		pthread_mutex_lock(&t->lock);
		p->returned_ns = now;
		TAILQ_INSERT_TAIL(&t->done, p, entry);
		ev_async_send(w->loop->ev, &t->collected);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

bool threads_free_one(const struct worker *w)
{
	return w->threads.busy < w->threads.max;
}

static int thread_start(struct worker *w)
{
	struct threads *t = &w->threads;
	sigset_t all, before;
	sigfillset(&all);
	for (int i = 0; i < 5; i++)
		sigdelset(&all, (int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT }[i]);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&t->ids[t->n], NULL, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!rc)
		t->n++;
	errno = rc;
	return rc ? -1 : 0;
}

int threads_give(struct worker *w, struct probed_probe *p)
{
	struct threads *t = &w->threads;
	if (t->n <= t->busy && t->n < t->max && thread_start(w) && !t->n)
		return -1;
	t->busy++;
	pthread_mutex_lock(&t->lock);
	TAILQ_INSERT_TAIL(&t->jobs, p, entry);
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

void threads_collect(struct worker *w)
{
	struct threads *t = &w->threads;
	struct probed_probe *p;
	worker_tell_threads(w);
	for (;;) {
		pthread_mutex_lock(&t->lock);
		p = TAILQ_FIRST(&t->done);
		if (p)
			TAILQ_REMOVE(&t->done, p, entry);
		pthread_mutex_unlock(&t->lock);
		if (!p)
			return;
		t->busy--;
		if (p->state == PROBE_ABANDONED) {
			t->stuck--;
			p->drv->stuck--;
			probe_release(p);
			continue;
		}
		struct probed_verdict *v = &p->work->verdict;
		v->message[sizeof v->message - 1] = '\0';
		probe_end(p, v->outcome, v->reason, v->message[0] ? v->message : NULL, p->returned_ns);
	}
}

static void on_collected(struct ev_loop *ev, ev_async *a, int revents)
{
	(void)ev, (void)revents;
	threads_collect(a->data);
}

void threads_abandon(struct worker *w, struct probed_probe *p)
{
	struct threads *t = &w->threads;
	t->stuck++;
	p->drv->stuck++;
	if (t->recycle_asked || 2 * t->stuck < t->max)
		return;
	struct drv *worst = p->drv;
	for (uint32_t i = 0; i < w->n_drivers; i++)
		if (w->drivers[i].stuck > worst->stuck)
			worst = &w->drivers[i];
	t->recycle_asked = true;
	worker_misbehaved(worst, "blocking pool stuck");
}

void threads_init(struct worker *w, uint32_t max)
{
	struct threads *t = &w->threads;
	t->max = max;
	t->ids = xcalloc(max, sizeof *t->ids);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, NULL);
	TAILQ_INIT(&t->jobs);
	TAILQ_INIT(&t->done);
	ev_async_init(&t->collected, on_collected);
	t->collected.data = w;
	ev_async_start(w->loop->ev, &t->collected);
}

bool threads_end(struct worker *w)
{
	struct threads *t = &w->threads;
	if (!t->ids)
		return true;
	threads_collect(w);
	if (t->busy)
		return false;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->wake);
	pthread_mutex_unlock(&t->lock);
	for (uint32_t i = 0; i < t->n; i++)
		pthread_join(t->ids[i], NULL);
	ev_async_stop(w->loop->ev, &t->collected);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t->ids);
	return true;
}
