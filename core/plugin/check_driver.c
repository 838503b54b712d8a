/* SPDX-License-Identifier: Apache-2.0 */
/* check_driver.c - the steps that a driver goes through in --check-plugin. See check.h */
#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/result.h"
#include "plugin/check.h"
#include "plugin/sample.h"

#define PROBE_TIMEOUT_NS (500 * NS_PER_MS)
#define CYCLES 300
#define RELOADS 300
#define LEAK_BYTES 16 /* a target, on an average: less is a table of someone's that grows now and then */
#define BURIED 0xa5   /* what the memory of a probe holds after its end */

/* The driver under examination. */
struct subject {
	const struct probed_driver *driver;
	const struct driver_table *table;
	const char *name;
	struct options options;
	struct probed_target_args args;
	void *worker, *target;
};

/* A probe and its memory. */
struct trial {
	struct probed_probe probe;
	unsigned char *mem;
};

/* --- targets and probes --- */

static bool target_new(const struct subject *s, void *worker, void **target)
{
	char error[240] = "";
	*target = NULL;
	if (s->driver->target_new && s->driver->target_new(worker, &s->args, target, error, sizeof error)) {
		check_end('s', "does not take the options that were made up for it: %s", error);
		return false;
	}
	return true;
}

static void target_free(const struct subject *s, void *worker, void *target)
{
	if (s->driver->target_free)
		s->driver->target_free(worker, target);
}

static void trial_start(const struct subject *s, struct trial *t, void *target, void *session)
{
	*t = (struct trial){
		.probe = { .driver = s->table, .options = &s->options },
		.mem = xcalloc(1, s->driver->probe_size + 1),
	};
	t->probe.deadline_ns = clock_now_ns() + PROBE_TIMEOUT_NS;
	check_host_know(&t->probe);
	t->probe.in_start = true;
	s->driver->start(s->worker, target, session, &t->probe, t->mem);
	t->probe.in_start = false;
}

/* Cancels what has not ended, and buries it: whoever still writes to it is found out by trial_end(). */
static void trial_cancel(const struct subject *s, struct trial *t)
{
	if (!t->probe.ended) {
		t->probe.ended = t->probe.cancelled = true;
		if (s->driver->cancel)
			s->driver->cancel(s->worker, &t->probe, t->mem);
	}
	memset(t->mem, BURIED, s->driver->probe_size);
}

static void trial_end(const struct subject *s, struct trial *t)
{
	for (uint32_t i = 0; i < s->driver->probe_size; i++)
		if (t->mem[i] != BURIED) {
			check_end('f', "writes to the memory of a probe that has ended (byte %u)", i);
			break;
		}
	check_host_forget(&t->probe);
	free(t->mem);
}

/* --- the steps --- */

static bool check_configuration(struct subject *s)
{
	void *target;
	check_begin("driver %s: checks a target without a worker", s->name);
	struct check_counts before = check_host_counts();
	if (!target_new(s, NULL, &target))
		return false;
	check_compare(before, 0);
	target_free(s, NULL, target);
	check_compare(before, 0);
	check_pass("");
	return true;
}

static bool worker_new(struct subject *s)
{
	char error[240] = "";
	s->worker = NULL;
	if (!s->driver->worker_new || !s->driver->worker_new(&s->worker, error, sizeof error))
		return true;
	check_end('s', "can't work here: %s", error);
	return false;
}

static void worker_free(struct subject *s)
{
	if (s->driver->worker_free)
		s->driver->worker_free(s->worker);
}

static bool check_worker(struct subject *s)
{
	struct check_counts before = { 0 };
	check_begin("driver %s: a worker begins and ends", s->name);
	for (int round = 0; round < 3; round++) {
		if (round == 1) /* what a library opens once and keeps is not the driver's */
			before = check_host_counts();
		if (!worker_new(s))
			return false;
		worker_free(s);
	}
	check_settle();
	check_compare(before, 0);
	check_pass("");
	return true;
}

static void check_probe(struct subject *s)
{
	struct trial t;
	char remark[300];
	check_begin("driver %s: a probe ends once", s->name);
	trial_start(s, &t, s->target, NULL);
	check_host_run(&t.probe, t.probe.deadline_ns);
	bool timely = t.probe.ended;
	trial_cancel(s, &t);
	check_settle();
	snprintf(remark, sizeof remark, "%s%s%s%s",
		 timely ? outcome_name(t.probe.outcome) : "cancelled at its deadline",
		 timely && *t.probe.message ? ": " : "", t.probe.message,
		 t.probe.completed_in_start ? ", inside of start()" : "");
	trial_end(s, &t);
	check_pass(remark);
}

static void check_cancel(struct subject *s)
{
	struct trial t[3];
	check_begin("driver %s: cancel at once", s->name);
	struct check_counts before = check_host_counts();
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		trial_start(s, &t[i], s->target, NULL);
		trial_cancel(s, &t[i]);
	}
	check_settle();
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		trial_end(s, &t[i]);
	check_compare(before, (int)ARRAY_LEN(t) - 1);
	check_pass("");
}

/* Cancelled at every stage that a few turns of the loop lead to. */
static void cycle(struct subject *s, int i)
{
	struct trial t;
	trial_start(s, &t, s->target, NULL);
	if (i % 3)
		check_host_run(&t.probe, clock_now_ns() + (i % 3) * 200 * NS_PER_US);
	trial_cancel(s, &t);
	trial_end(s, &t);
}

static void check_leaks(struct subject *s)
{
	check_begin("driver %s: %d starts and cancels leave nothing behind", s->name, CYCLES);
	for (int i = 0; i < CYCLES / 10; i++)
		cycle(s, i);
	check_settle();
	struct check_counts before = check_host_counts();
	for (int i = 0; i < CYCLES; i++)
		cycle(s, i);
	check_settle();
	check_compare(before, CYCLES / 30);
	check_pass("");
}

static void reload(struct subject *s)
{
	void *target;
	if (!target_new(s, s->worker, &target))
		return;
	target_free(s, s->worker, target);
}

static void check_reload(struct subject *s)
{
	check_begin("driver %s: %d reloads of a target leave nothing behind", s->name, RELOADS);
	for (int i = 0; i < RELOADS / 10; i++)
		reload(s);
	struct check_counts before = check_host_counts();
	size_t bytes = mallinfo2().uordblks;
	for (int i = 0; i < RELOADS; i++)
		reload(s);
	size_t now = mallinfo2().uordblks;
	if (now > bytes + (size_t)RELOADS * LEAK_BYTES)
		check_end('f', "loses %zu bytes with each target", (now - bytes) / RELOADS);
	check_compare(before, 0);
	check_pass("");
}

/* A target is replaced while a probe of the old one is under way: that one ends first. */
static void check_replace(struct subject *s)
{
	struct trial old_one, new_one;
	void *target;
	check_begin("driver %s: a target is replaced under a running probe", s->name);
	trial_start(s, &old_one, s->target, NULL);
	if (target_new(s, s->worker, &target)) {
		trial_start(s, &new_one, target, NULL);
		check_host_run(NULL, clock_now_ns() + NS_PER_MS);
		trial_cancel(s, &old_one);
		target_free(s, s->worker, s->target);
		s->target = target;
		check_host_run(&new_one.probe, new_one.probe.deadline_ns);
		trial_cancel(s, &new_one);
		check_settle();
		trial_end(s, &new_one);
	} else {
		trial_cancel(s, &old_one);
	}
	trial_end(s, &old_one);
	check_pass("");
}

static void check_session(struct subject *s)
{
	struct trial t;
	void *session = NULL;
	if (!s->driver->session_new)
		return;
	check_begin("driver %s: a session of a virtual user", s->name);
	struct check_counts before = check_host_counts();
	if (s->driver->session_new(s->worker, &session)) {
		check_end('f', "session_new() failed");
		return;
	}
	trial_start(s, &t, s->target, session);
	check_host_run(&t.probe, t.probe.deadline_ns);
	trial_cancel(s, &t);
	if (s->driver->session_free)
		s->driver->session_free(s->worker, session);
	check_settle();
	trial_end(s, &t);
	check_compare(before, 2);
	check_pass("");
}

static void check_blocking(struct subject *s)
{
	check_begin("driver %s: run() returns", s->name);
	struct check_counts before = check_host_counts();
	char remark[300] = "";
	for (int i = 0; i < 3; i++) {
		struct trial t = { .probe = { .driver = s->table, .options = &s->options } };
		struct probed_verdict v = { 0 };
		t.probe.deadline_ns = clock_now_ns() + PROBE_TIMEOUT_NS;
		t.mem = xcalloc(1, s->driver->probe_size + 1);
		check_host_know(&t.probe);
		s->driver->run(s->worker, s->target, NULL, &t.probe, t.mem, &v);
		check_host_forget(&t.probe);
		free(t.mem);
		if (v.outcome >= PROBED_OUTCOMES)
			check_end('f', "outcome %u", v.outcome);
		else if (!memchr(v.message, 0, sizeof v.message))
			check_end('f', "its message does not end");
		else
			snprintf(remark, sizeof remark, "%s%s%s", outcome_name(v.outcome), *v.message ? ": " : "",
				 v.message);
	}
	check_compare(before, 1);
	check_pass(remark);
}

static void check_at_work(struct subject *s)
{
	check_begin("driver %s: a target with what was made up for it", s->name);
	if (!worker_new(s))
		return;
	if (target_new(s, s->worker, &s->target)) {
		check_pass("");
		if (s->driver->flags & PROBED_DRIVER_BLOCKING) {
			check_blocking(s);
		} else {
			check_probe(s);
			check_cancel(s);
			check_leaks(s);
			check_replace(s);
			check_session(s);
		}
		check_reload(s);
		target_free(s, s->worker, s->target);
	}
	check_begin("driver %s: the worker ends", s->name);
	worker_free(s);
	check_settle();
	check_pass("");
}

void check_driver(const struct probed_driver *d, const struct driver_table *table)
{
	struct subject s = { .driver = d, .table = table, .name = table->name };
	char error[240];
	check_begin("driver %s: options can be made up for it", s.name);
	if (sample_options(&table->options, table, &s.options, error, sizeof error)) {
		check_end('s', "%s", error);
		return;
	}
	check_pass("");
	s.args = (struct probed_target_args){
		.size = sizeof s.args,
		.name = "check",
		.options = s.options.values,
		.n_options = s.options.n,
		.option_stride = sizeof *s.options.values,
		.timeout_ns = PROBE_TIMEOUT_NS,
		.interval_ns = NS_PER_S,
	};
	struct check_counts before = check_host_counts();
	if (check_configuration(&s) && check_worker(&s)) {
		before = check_host_counts();
		check_at_work(&s);
		check_begin("driver %s: nothing is left when all has ended", s.name);
		check_compare(before, 0);
		check_pass("");
	}
	options_free(&s.options);
}
