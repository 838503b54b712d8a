/* SPDX-License-Identifier: Apache-2.0 */
/* recorder_sink.c - see recorder_sink.h */
#include "run/recorder_sink.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define SINK_MAGIC 0x73696e6bu
#define BATCH 64
#define KICK_AT 512 /* records; then the thread begins at once */
#define FLUSH_EVERY_NS NS_PER_S
#define RETRY_MIN_NS NS_PER_S
#define RETRY_MAX_NS (30 * NS_PER_S)
#define ERROR_SIZE 512
#define SAY_EVERY_NS (10 * NS_PER_S)

enum state { SINK_OPENING, SINK_OPEN, SINK_RETRYING, SINK_ENDED };

struct recorder_sink {
	unsigned magic;
	char *name;
	const struct probed_sink *plugin; /* NULL: can't work */
	struct options options;
	struct recorder_limits limits;
	bool wait; /* when full */
	void (*wake)(void *ctx);
	void *ctx;
	pthread_t thread;

	/* Shared by the loop and the thread. */
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct record_block **ring;
	uint32_t ring_size, ring_at, queued;
	size_t queued_bytes;
	uint64_t pushed, done, flushed, sync_want; /* records since the start */
	uint64_t written, dropped, failed;
	enum state state;
	bool closing, reopen;
	bool holding; /* was full, and is not yet half empty */
	char error[ERROR_SIZE], taken[ERROR_SIZE], handed[ERROR_SIZE];
	int64_t full_said_ns;

	/* The thread's. */
	void *sink;
	struct record_slot slots[BATCH];
	struct record_block *batch[BATCH];
	uint64_t unflushed;
	bool write_failed; /* the last one: a flush that works does not make it well */
	int64_t flush_at_ns, retry_ns, said_ns;
	char said[ERROR_SIZE];
};

/* --- the thread -------------------------------------------------------------------------------- */

/* Waits, with the lock held, for news or until at_ns. */
static void wait_until(struct recorder_sink *s, int64_t at_ns)
{
	struct timespec ts = { .tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S };
	pthread_cond_timedwait(&s->news, &s->lock, &ts);
}

/* Keeps the error (NULL: all is well again), and says it in the log where it is new or was long not said. */
static void set_error(struct recorder_sink *s, const char *what, const char *error)
{
	char text[ERROR_SIZE] = "";
	if (error)
		snprintf(text, sizeof text, "%s: %s", what, *error ? error : "failed without a message");
	pthread_mutex_lock(&s->lock);
	bool news = strcmp(text, s->error) != 0;
	memcpy(s->error, text, sizeof text);
	uint64_t failed = s->failed, dropped = s->dropped;
	pthread_mutex_unlock(&s->lock);
	if (news)
		s->wake(s->ctx);

	int64_t now = clock_now_ns();
	bool other = strcmp(text, s->said) != 0;
	if (!other && (!error || now - s->said_ns < SAY_EVERY_NS))
		return;
	memcpy(s->said, text, sizeof text);
	s->said_ns = now;
	if (error)
		log_error("sink does not work", "sink", s->name, "why", text, "failed", log_int((int64_t)failed), "dropped",
		          log_int((int64_t)dropped), NULL);
	else
		log_info("sink works again", "sink", s->name, "failed", log_int((int64_t)failed), "dropped",
		         log_int((int64_t)dropped), NULL);
}

static int call_open(struct recorder_sink *s)
{
	char error[ERROR_SIZE] = "";
	struct probed_sink_args args = {
		.size = sizeof args,
		.name = s->name,
		.options = s->options.values,
		.n_options = s->options.n,
		.option_stride = sizeof *s->options.values,
	};
	int rc = s->plugin->open ? s->plugin->open(&args, 0, &s->sink, error, sizeof error) : 0;
	set_error(s, "open", rc ? error : NULL);
	return rc;
}

/* True once the sink is open; false where it was closed before that. */
static bool open_sink(struct recorder_sink *s)
{
	for (;;) {
		bool open = call_open(s) == 0;
		pthread_mutex_lock(&s->lock);
		if (open) {
			s->state = SINK_OPEN;
			s->flush_at_ns = clock_now_ns() + FLUSH_EVERY_NS;
			pthread_mutex_unlock(&s->lock);
			return true;
		}
		s->state = SINK_RETRYING;
		s->wake(s->ctx); /* who waits for a sync waits no longer */
		s->retry_ns = !s->retry_ns ? RETRY_MIN_NS : s->retry_ns * 2 > RETRY_MAX_NS ? RETRY_MAX_NS : s->retry_ns * 2;
		bool last = s->closing; /* then that was the last attempt */
		for (int64_t at = clock_now_ns() + s->retry_ns; !s->closing && clock_now_ns() < at;)
			wait_until(s, at);
		pthread_mutex_unlock(&s->lock);
		if (last)
			return false;
	}
}

static void flush_sink(struct recorder_sink *s)
{
	char error[ERROR_SIZE] = "";
	int rc = s->plugin->flush ? s->plugin->flush(s->sink, error, sizeof error) : 0;
	uint64_t lost = rc > 0 ? (uint64_t)rc : 0;
	s->unflushed = !rc || s->unflushed < lost ? 0 : s->unflushed - lost;
	s->flush_at_ns = clock_now_ns() + FLUSH_EVERY_NS;
	if (rc || !s->write_failed)
		set_error(s, "flush", rc ? error : NULL);
	pthread_mutex_lock(&s->lock);
	s->flushed = s->done;
	s->failed += lost;
	pthread_mutex_unlock(&s->lock);
	s->wake(s->ctx);
}

static void reopen_sink(struct recorder_sink *s)
{
	char error[ERROR_SIZE] = "";
	int rc = s->plugin->reopen ? s->plugin->reopen(s->sink, error, sizeof error) : 0;
	if (rc || !s->write_failed)
		set_error(s, "reopen", rc ? error : NULL);
	pthread_mutex_lock(&s->lock);
	s->reopen = false;
	pthread_mutex_unlock(&s->lock);
	s->wake(s->ctx);
}

static void write_batch(struct recorder_sink *s, uint32_t n)
{
	const struct probed_record *records[BATCH];
	uint32_t good = 0, bad = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (record_unpack(s->batch[i], &s->slots[i]))
			bad++;
		else
			records[good++] = &s->slots[i].record;
	}
	char error[ERROR_SIZE] = "";
	int rc = good ? s->plugin->write(s->sink, good, records, error, sizeof error) : 0;
	for (uint32_t i = 0; i < n; i++)
		record_block_unref(s->batch[i]);

	pthread_mutex_lock(&s->lock);
	s->failed += bad + (rc ? good : 0);
	s->written += rc ? 0 : good;
	s->done += n;
	pthread_mutex_unlock(&s->lock);
	s->write_failed = rc != 0;
	if (!rc)
		s->unflushed += good;
	else
		set_error(s, "write", error);
}

/* With the lock held. */
static uint32_t take_batch(struct recorder_sink *s)
{
	uint32_t n = 0;
	while (n < BATCH && s->queued) {
		struct record_block *b = s->ring[s->ring_at];
		s->ring_at = (s->ring_at + 1) % s->ring_size;
		s->queued--;
		s->queued_bytes -= b->len;
		s->batch[n++] = b;
	}
	if (s->holding && s->queued <= s->limits.records / 2 && s->queued_bytes <= s->limits.bytes / 2) {
		s->holding = false;
		s->wake(s->ctx);
	}
	return n;
}

static void work(struct recorder_sink *s)
{
	for (;;) {
		pthread_mutex_lock(&s->lock);
		bool flush = false;
		while (!s->queued && !s->closing && !s->reopen && !flush) {
			flush = clock_now_ns() >= s->flush_at_ns || s->sync_want > s->flushed;
			if (!flush)
				wait_until(s, s->flush_at_ns);
		}
		uint32_t n = take_batch(s);
		bool reopen = s->reopen, end = s->closing && !n;
		flush = flush || clock_now_ns() >= s->flush_at_ns ||
		        (s->sync_want > s->flushed && s->sync_want <= s->done + n);
		pthread_mutex_unlock(&s->lock);
		if (reopen)
			reopen_sink(s);
		if (n)
			write_batch(s, n);
		if (flush || end)
			flush_sink(s);
		if (end)
			return;
	}
}

/* What a sink that never opened, or failed its last flush, takes with it. */
static void count_losses(struct recorder_sink *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t lost = s->queued + s->unflushed;
	s->dropped += s->queued;
	s->failed += s->unflushed;
	s->written -= s->unflushed;
	for (uint32_t n; (n = take_batch(s));)
		for (uint32_t i = 0; i < n; i++)
			record_block_unref(s->batch[i]);
	s->done = s->flushed = s->pushed;
	s->holding = false;
	s->state = SINK_ENDED;
	pthread_mutex_unlock(&s->lock);
	if (lost)
		log_error("sink closed with records that could not be written", "sink", s->name, "lost",
		          log_int((int64_t)lost), "why", s->said, NULL);
}

static void *run(void *arg)
{
	struct recorder_sink *s = arg;
	CHECK_MAGIC(s, SINK_MAGIC);
	if (open_sink(s)) {
		work(s);
		if (s->plugin->close)
			s->plugin->close(s->sink);
	}
	count_losses(s);
	s->wake(s->ctx);
	return NULL;
}

/* --- the loop's side --------------------------------------------------------------------------- */

static void start_thread(struct recorder_sink *s)
{
	/* signals are the loop's business */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		s->plugin = NULL;
		s->state = SINK_ENDED;
		snprintf(s->error, sizeof s->error, "no thread: %s", strerror(rc));
		log_error("sink does not work", "sink", s->name, "why", s->error, NULL);
	}
}

struct recorder_sink *recorder_sink_new(const char *name, const struct probed_sink *plugin, struct options *options,
                                        const char *error, const struct recorder_limits *limits, bool wait,
                                        void (*wake)(void *ctx), void *ctx)
{
	struct recorder_sink *s = xnew(struct recorder_sink);
	s->magic = SINK_MAGIC;
	s->name = xstrdup(name);
	s->plugin = plugin;
	s->options = *options;
	*options = (struct options){ 0 };
	s->limits = *limits;
	s->wait = wait;
	s->wake = wake;
	s->ctx = ctx;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->news, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&s->lock, NULL);
	if (plugin) {
		start_thread(s);
	} else {
		s->state = SINK_ENDED;
		snprintf(s->error, sizeof s->error, "%s", error);
		log_error("sink does not work", "sink", s->name, "why", s->error, NULL);
	}
	return s;
}

static void grow_ring(struct recorder_sink *s)
{
	uint32_t size = s->ring_size ? s->ring_size * 2 : 64;
	struct record_block **ring = xcalloc(size, sizeof(struct record_block *));
	for (uint32_t i = 0; i < s->queued; i++)
		ring[i] = s->ring[(s->ring_at + i) % s->ring_size];
	free(s->ring);
	s->ring = ring;
	s->ring_size = size;
	s->ring_at = 0;
}

static void say_full(struct recorder_sink *s, uint32_t queued, uint64_t dropped)
{
	if (s->wait)
		log_warn("sink is too slow: its queue is full, and all sinks wait for it", "sink", s->name, "queued",
		         log_int(queued), NULL);
	else
		log_warn("sink is too slow: its queue is full, records are dropped", "sink", s->name, "queued", log_int(queued),
		         "dropped", log_int((int64_t)dropped), NULL);
}

/* With the lock held. */
static void enqueue(struct recorder_sink *s, struct record_block *b)
{
	if (s->queued == s->ring_size)
		grow_ring(s);
	s->ring[(s->ring_at + s->queued) % s->ring_size] = record_block_ref(b);
	s->queued++;
	s->queued_bytes += b->len;
	s->pushed++;
	if (s->queued == KICK_AT)
		pthread_cond_signal(&s->news);
}

bool recorder_sink_push(struct recorder_sink *s, struct record_block *b)
{
	CHECK_MAGIC(s, SINK_MAGIC);
	pthread_mutex_lock(&s->lock);
	bool full = s->queued >= s->limits.records || s->queued_bytes + b->len > s->limits.bytes;
	bool works = s->plugin && s->state != SINK_ENDED;
	int64_t now = full && works ? clock_now_ns() : 0;
	bool say = now && (!s->full_said_ns || now - s->full_said_ns >= SAY_EVERY_NS);
	if (say)
		s->full_said_ns = now;
	if (!works || (full && !s->wait))
		s->dropped++;
	else
		enqueue(s, b);
	s->holding = s->holding || (works && full && s->wait);
	bool holds = s->holding;
	uint32_t queued = s->queued;
	uint64_t dropped = s->dropped;
	pthread_mutex_unlock(&s->lock);
	if (say)
		say_full(s, queued, dropped);
	return holds;
}

bool recorder_sink_holds(struct recorder_sink *s)
{
	CHECK_MAGIC(s, SINK_MAGIC);
	pthread_mutex_lock(&s->lock);
	bool holds = s->holding;
	pthread_mutex_unlock(&s->lock);
	return holds;
}

void recorder_sink_kick(struct recorder_sink *s)
{
	CHECK_MAGIC(s, SINK_MAGIC);
	pthread_mutex_lock(&s->lock);
	if (s->queued)
		pthread_cond_signal(&s->news);
	pthread_mutex_unlock(&s->lock);
}

void recorder_sink_reopen(struct recorder_sink *s)
{
	pthread_mutex_lock(&s->lock);
	s->reopen = s->state == SINK_OPEN;
	pthread_cond_signal(&s->news);
	pthread_mutex_unlock(&s->lock);
}

uint64_t recorder_sink_sync(struct recorder_sink *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t point = s->sync_want = s->pushed;
	pthread_cond_signal(&s->news);
	pthread_mutex_unlock(&s->lock);
	return point;
}

bool recorder_sink_synced(struct recorder_sink *s, uint64_t point)
{
	pthread_mutex_lock(&s->lock);
	bool synced = (s->flushed >= point && !s->reopen) || s->state == SINK_RETRYING || s->state == SINK_ENDED;
	pthread_mutex_unlock(&s->lock);
	return synced;
}

void recorder_sink_close(struct recorder_sink *s)
{
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_signal(&s->news);
	pthread_mutex_unlock(&s->lock);
}

bool recorder_sink_ended(struct recorder_sink *s)
{
	pthread_mutex_lock(&s->lock);
	bool ended = s->state == SINK_ENDED;
	pthread_mutex_unlock(&s->lock);
	return ended;
}

void recorder_sink_free(struct recorder_sink *s)
{
	CHECK_MAGIC(s, SINK_MAGIC);
	if (s->plugin)
		pthread_join(s->thread, NULL);
	for (uint32_t i = 0; i < BATCH; i++)
		record_slot_free(&s->slots[i]);
	pthread_cond_destroy(&s->news);
	pthread_mutex_destroy(&s->lock);
	options_free(&s->options);
	free(s->ring);
	free(s->name);
	s->magic = 0;
	free(s);
}

const char *recorder_sink_name(const struct recorder_sink *s)
{
	return s->name;
}

bool recorder_sink_status(struct recorder_sink *s, struct wire_sink_status *out, bool taken)
{
	pthread_mutex_lock(&s->lock);
	*out = (struct wire_sink_status){
		.name = s->name,
		.queued = s->queued,
		.queue_max = s->limits.records,
		.written = s->written,
		.dropped = s->dropped,
		.failed = s->failed,
		.holding = s->holding,
	};
	memcpy(s->handed, s->error, sizeof s->handed);
	bool news = strcmp(s->error, s->taken) != 0;
	if (taken)
		memcpy(s->taken, s->error, sizeof s->taken);
	pthread_mutex_unlock(&s->lock);
	out->error = *s->handed ? s->handed : NULL;
	return news;
}
