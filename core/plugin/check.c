/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - see check.h */
#include "plugin/check.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/result.h"
#include "plugin/check_host.h"
#include "plugin/loader.h"
#include "plugin/sample.h"

#define PROBE_TIMEOUT_NS (500 * NS_PER_MS)
#define CYCLES 300
#define RELOADS 300
#define LEAK_BYTES 16 /* a target, on an average: less is a table of someone's that grows now and then */
#define BURIED 0xa5   /* what the memory of a probe holds after its end */

static FILE *report;
static char step[160];
static bool open_step;

/* One driver, sink or service under examination. */
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

/* --- steps --- */

static void begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void begin(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(step, sizeof step, format, ap);
	va_end(ap);
	check_host_complaint();
	open_step = true;
	fprintf(report, "b%s\t\n", step);
	fflush(report);
}

static void end(char how, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void end(char how, const char *format, ...)
{
	char remark[400];
	va_list ap;
	va_start(ap, format);
	vsnprintf(remark, sizeof remark, format, ap);
	va_end(ap);
	for (char *p = remark; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	if (open_step)
		fprintf(report, "%c%s\t%s\n", how, step, remark);
	fflush(report);
	open_step = false;
}

static void fail_on_complaint(void)
{
	const char *complaint = check_host_complaint();
	if (complaint)
		end('f', "%s", complaint);
}

/* The step passed, unless it failed already. */
static void pass(const char *remark)
{
	fail_on_complaint();
	end('p', "%s", remark);
}

/* More held than before? Then the step failed. */
static void compare(struct check_counts before, int spare)
{
	struct check_counts now = check_host_counts();
	fail_on_complaint(); /* says more than what it led to */
	const struct {
		const char *what;
		int before, now;
	} pairs[] = { { "watches", before.watches, now.watches },
		      { "timers", before.timers, now.timers },
		      { "lookups", before.lookups, now.lookups },
		      { "descriptors", before.descriptors, now.descriptors } };
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (pairs[i].now > pairs[i].before + spare)
			end('f', "leaves %s behind: %d before, %d after", pairs[i].what, pairs[i].before, pairs[i].now);
}

/* --- targets and probes --- */

static bool target_new(const struct subject *s, void *worker, void **target)
{
	char error[240] = "";
	*target = NULL;
	if (s->driver->target_new && s->driver->target_new(worker, &s->args, target, error, sizeof error)) {
		end('s', "does not take the options that were made up for it: %s", error);
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
			end('f', "writes to the memory of a probe that has ended (byte %u)", i);
			break;
		}
	check_host_forget(&t->probe);
	free(t->mem);
}

static void settle(void)
{
	check_host_run(NULL, clock_now_ns() + 20 * NS_PER_MS);
}

/* --- the steps of a driver --- */

static bool check_configuration(struct subject *s)
{
	void *target;
	begin("driver %s: checks a target without a worker", s->name);
	struct check_counts before = check_host_counts();
	if (!target_new(s, NULL, &target))
		return false;
	compare(before, 0);
	target_free(s, NULL, target);
	compare(before, 0);
	pass("");
	return true;
}

static bool worker_new(struct subject *s)
{
	char error[240] = "";
	s->worker = NULL;
	if (!s->driver->worker_new || !s->driver->worker_new(&s->worker, error, sizeof error))
		return true;
	end('s', "can't work here: %s", error);
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
	begin("driver %s: a worker begins and ends", s->name);
	for (int round = 0; round < 3; round++) {
		if (round == 1) /* what a library opens once and keeps is not the driver's */
			before = check_host_counts();
		if (!worker_new(s))
			return false;
		worker_free(s);
	}
	settle();
	compare(before, 0);
	pass("");
	return true;
}

static void check_probe(struct subject *s)
{
	struct trial t;
	char remark[300];
	begin("driver %s: a probe ends once", s->name);
	trial_start(s, &t, s->target, NULL);
	check_host_run(&t.probe, t.probe.deadline_ns);
	bool timely = t.probe.ended;
	trial_cancel(s, &t);
	settle();
	snprintf(remark, sizeof remark, "%s%s%s%s", timely ? outcome_name(t.probe.outcome) : "cancelled at its deadline",
	         timely && *t.probe.message ? ": " : "", t.probe.message, t.probe.completed_in_start ? ", inside of start()" : "");
	trial_end(s, &t);
	pass(remark);
}

static void check_cancel(struct subject *s)
{
	struct trial t[3];
	begin("driver %s: cancel at once", s->name);
	struct check_counts before = check_host_counts();
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		trial_start(s, &t[i], s->target, NULL);
		trial_cancel(s, &t[i]);
	}
	settle();
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		trial_end(s, &t[i]);
	compare(before, (int)ARRAY_LEN(t) - 1);
	pass("");
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
	begin("driver %s: %d starts and cancels leave nothing behind", s->name, CYCLES);
	for (int i = 0; i < CYCLES / 10; i++)
		cycle(s, i);
	settle();
	struct check_counts before = check_host_counts();
	for (int i = 0; i < CYCLES; i++)
		cycle(s, i);
	settle();
	compare(before, CYCLES / 30);
	pass("");
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
	begin("driver %s: %d reloads of a target leave nothing behind", s->name, RELOADS);
	for (int i = 0; i < RELOADS / 10; i++)
		reload(s);
	struct check_counts before = check_host_counts();
	size_t bytes = mallinfo2().uordblks;
	for (int i = 0; i < RELOADS; i++)
		reload(s);
	size_t now = mallinfo2().uordblks;
	if (now > bytes + (size_t)RELOADS * LEAK_BYTES)
		end('f', "loses %zu bytes with each target", (now - bytes) / RELOADS);
	compare(before, 0);
	pass("");
}

/* A target is replaced while a probe of the old one is under way: that one ends first. */
static void check_replace(struct subject *s)
{
	struct trial old_one, new_one;
	void *target;
	begin("driver %s: a target is replaced under a running probe", s->name);
	trial_start(s, &old_one, s->target, NULL);
	if (target_new(s, s->worker, &target)) {
		trial_start(s, &new_one, target, NULL);
		check_host_run(NULL, clock_now_ns() + NS_PER_MS);
		trial_cancel(s, &old_one);
		target_free(s, s->worker, s->target);
		s->target = target;
		check_host_run(&new_one.probe, new_one.probe.deadline_ns);
		trial_cancel(s, &new_one);
		settle();
		trial_end(s, &new_one);
	} else {
		trial_cancel(s, &old_one);
	}
	trial_end(s, &old_one);
	pass("");
}

static void check_session(struct subject *s)
{
	struct trial t;
	void *session = NULL;
	if (!s->driver->session_new)
		return;
	begin("driver %s: a session of a virtual user", s->name);
	struct check_counts before = check_host_counts();
	if (s->driver->session_new(s->worker, &session)) {
		end('f', "session_new() failed");
		return;
	}
	trial_start(s, &t, s->target, session);
	check_host_run(&t.probe, t.probe.deadline_ns);
	trial_cancel(s, &t);
	if (s->driver->session_free)
		s->driver->session_free(s->worker, session);
	settle();
	trial_end(s, &t);
	compare(before, 2);
	pass("");
}

static void check_blocking(struct subject *s)
{
	begin("driver %s: run() returns", s->name);
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
			end('f', "outcome %u", v.outcome);
		else if (!memchr(v.message, 0, sizeof v.message))
			end('f', "its message does not end");
		else
			snprintf(remark, sizeof remark, "%s%s%s", outcome_name(v.outcome), *v.message ? ": " : "", v.message);
	}
	compare(before, 1);
	pass(remark);
}

static void check_at_work(struct subject *s)
{
	begin("driver %s: a target with what was made up for it", s->name);
	if (!worker_new(s))
		return;
	if (target_new(s, s->worker, &s->target)) {
		pass("");
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
	begin("driver %s: the worker ends", s->name);
	worker_free(s);
	settle();
	pass("");
}

static void check_driver(const struct probed_driver *d, const struct driver_table *table)
{
	struct subject s = { .driver = d, .table = table, .name = table->name };
	char error[240];
	begin("driver %s: options can be made up for it", s.name);
	if (sample_options(&table->options, table, &s.options, error, sizeof error)) {
		end('s', "%s", error);
		return;
	}
	pass("");
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
		begin("driver %s: nothing is left when all has ended", s.name);
		compare(before, 0);
		pass("");
	}
	options_free(&s.options);
}

/* --- sinks and services: checked only, since what they open is the user's --- */

static void check_sink(const struct probed_sink *k, const struct part_table *table)
{
	struct options options;
	char error[240] = "";
	void *sink = NULL;
	begin("sink %s: checks a configuration", table->name);
	if (!k->open) {
		end('p', "takes anything");
		return;
	}
	if (sample_options(&table->options, NULL, &options, error, sizeof error)) {
		end('s', "%s", error);
		return;
	}
	struct probed_sink_args args = { .size = sizeof args, .name = "check", .options = options.values, .n_options = options.n,
		                         .option_stride = sizeof *options.values };
	struct check_counts before = check_host_counts();
	if (k->open(&args, 1, &sink, error, sizeof error))
		end('s', "does not take the options that were made up for it: %s", error);
	compare(before, 0);
	pass("");
	options_free(&options);
}

static void check_service(const struct probed_service *k, const struct part_table *table)
{
	struct options options;
	char error[240] = "";
	void *service = NULL;
	begin("service %s: checks a configuration", table->name);
	if (sample_options(&table->options, NULL, &options, error, sizeof error)) {
		end('s', "%s", error);
		return;
	}
	struct probed_service_args args = { .size = sizeof args, .name = "check", .options = options.values, .n_options = options.n,
		                            .option_stride = sizeof *options.values };
	struct check_counts before = check_host_counts();
	if (k->start(&args, 1, &service, error, sizeof error))
		end('s', "does not take the options that were made up for it: %s", error);
	compare(before, 0);
	pass("");
	options_free(&options);
}

void check_run(const char *path, FILE *to)
{
	char error[512];
	report = to;
	const struct probed_host *host = check_host_begin();
	begin("loads, and its tables are in order");
	struct loaded_plugin *l = loader_open(path, host, error, sizeof error);
	if (!l) {
		end('f', "%s", error);
		check_host_end();
		return;
	}
	snprintf(error, sizeof error, "%s %s, built for ABI %u.%u", l->table->name, l->table->version, l->table->abi_major,
	         l->table->abi_minor);
	pass(error);
	for (uint32_t i = 0; i < l->entry.n_drivers; i++)
		check_driver(&l->drivers[i], &l->table->drivers[i]);
	for (uint32_t i = 0; i < l->entry.n_sinks; i++)
		check_sink(&l->sinks[i], &l->table->sinks[i]);
	for (uint32_t i = 0; i < l->entry.n_services; i++)
		check_service(&l->services[i], &l->table->services[i]);
	begin("unloads");
	struct check_counts before = check_host_counts();
	loader_close_all();
	compare(before, 0);
	pass("");
	check_host_end();
	begin("the process ends");
}
