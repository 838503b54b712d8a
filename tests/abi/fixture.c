/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture.c - a plugin that uses each array, table and slot whose layout crosses the ABI, and tells as facts what it
 * saw. Built against headers of any minor; NAME is its own and its drivers' name, NEED its need_minor.
 */
#include <probed/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef NEED
#define NEED 1
#endif

static const struct probed_host *host;

enum { OPT_TEXT, OPT_WAIT, OPT_MODE, OPT_HEADER, OPT_STEP };
static const struct probed_option options[] = {
	{ .name = "text", .def = "plain", .help = "A text.", .type = PROBED_TYPE_STRING, .flags = PROBED_OPTION_TEMPLATE },
	{ .name = "wait", .def = "1ms", .help = "How long.", .type = PROBED_TYPE_DURATION, .min = 1, .max = 1000000000 },
	{ .name = "mode", .def = "two", .help = "Which.", .type = PROBED_TYPE_CHOICE, .choices = "one|two|three" },
	{ .name = "header", .help = "A map.", .type = PROBED_TYPE_MAP },
	{ .name = "step", .help = "A list.", .type = PROBED_TYPE_LIST },
};

enum { FACT_TEXT, FACT_WAIT, FACT_MODE, FACT_HEADER, FACT_STEPS, FACT_ADDRESS, FACT_ROWS, FACT_SHARE };
static const struct probed_fact facts[] = {
	[FACT_TEXT] = { .name = "text", .unit = "", .help = "The text.", .type = PROBED_TYPE_STRING },
	[FACT_WAIT] = { .name = "wait", .unit = "s", .help = "The duration.", .type = PROBED_TYPE_DURATION },
	[FACT_MODE] = { .name = "mode", .unit = "", .help = "The choice.", .type = PROBED_TYPE_INTEGER },
	[FACT_HEADER] = { .name = "header", .unit = "", .help = "The map.", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_FAMILY },
	[FACT_STEPS] = { .name = "steps", .unit = "", .help = "The list.", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_LIST },
	[FACT_ADDRESS] = { .name = "address", .unit = "", .help = "Its last byte.", .type = PROBED_TYPE_INTEGER, .flags = PROBED_FACT_METRIC },
	[FACT_ROWS] = { .name = "rows", .unit = "", .help = "A table.", .type = PROBED_TYPE_TABLE, .columns = "n:integer|s:string|f:float" },
	[FACT_SHARE] = { .name = "share", .unit = "ratio", .help = "A share.", .type = PROBED_TYPE_FLOAT },
};

static const struct probed_scheme schemes[] = {
	{ .scheme = NAME "a", .path = "text" },
	{ .scheme = NAME "b", .path = "text", .query_opts = 1 },
};

struct mem {
	struct probed_probe *probe;
	struct probed_timer *timer;
	struct probed_lookup *lookup;
	uint64_t guard;
};
#define GUARD 0x5ca1ab1e0ddba11aULL

static const char *text_of(struct probed_probe *probe)
{
	const struct probed_value *v = host->option(probe, OPT_TEXT);
	return v && v->s ? v->s : "(null)";
}

static void give_options(const struct probed_target_args *args, struct probed_probe *probe)
{
	host->fact_string(probe, FACT_TEXT, NULL, text_of(probe), strlen(text_of(probe)));
	host->fact_integer(probe, FACT_WAIT, NULL, probed_target_option(args, OPT_WAIT)->i);
	host->fact_integer(probe, FACT_MODE, NULL, probed_target_option(args, OPT_MODE)->i);
	const struct probed_value *v = probed_target_option(args, OPT_HEADER);
	for (uint32_t i = 0; i < v->n_items; i++) {
		const struct probed_item *item = PROBED_AT(struct probed_item, v->items, v->item_stride, i);
		host->fact_string(probe, FACT_HEADER, item->key, item->s, item->len);
	}
	v = probed_target_option(args, OPT_STEP);
	for (uint32_t i = 0; i < v->n_items; i++) {
		const struct probed_item *item = PROBED_AT(struct probed_item, v->items, v->item_stride, i);
		host->fact_string(probe, FACT_STEPS, NULL, item->s, item->len);
	}
	struct probed_cell cells[] = { { .type = PROBED_TYPE_INTEGER, .i = 7 },
		                       { .type = PROBED_TYPE_STRING, .s = "seven", .len = 5 },
		                       { .type = PROBED_TYPE_FLOAT, .f = 7.5 } };
	host->fact_row(probe, FACT_ROWS, 3, cells, sizeof cells[0]);
	host->fact_float(probe, FACT_SHARE, NULL, 0.25);
}

static void on_timer(void *arg)
{
	struct mem *m = arg;
	struct probed_probe *probe = m->probe;
	int whole = m->guard == GUARD;
	host->timer_free(m->timer);
	host->complete(probe, whole ? PROBED_OK : PROBED_UNKNOWN, whole ? PROBED_REASON_NONE : PROBED_REASON_INTERNAL,
	               whole ? NULL : "the probe's memory is too small");
}

static void on_resolved(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs, uint32_t stride)
{
	struct mem *m = arg;
	m->lookup = NULL;
	if (status) {
		host->timer_free(m->timer);
		host->complete(m->probe, PROBED_ERROR, PROBED_REASON_RESOLVE, error);
		return;
	}
	const struct probed_addr *last = PROBED_AT(struct probed_addr, addrs, stride, n - 1);
	host->fact_integer(m->probe, FACT_ADDRESS, NULL, last->bytes[last->family == 4 ? 3 : 15]);
	host->phase(m->probe, PROBED_PHASE_WAIT);
	host->timer_set(m->timer, host->now() + 1000000);
}

static void start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
{
	(void)worker, (void)session;
	struct mem *m = mem;
	m->probe = probe;
	m->guard = GUARD;
	m->timer = host->timer_new(on_timer, m);
	host->phase(probe, PROBED_PHASE_RESOLVE);
	give_options(target, probe);
	m->lookup = host->resolve("127.0.0.42", 4, on_resolved, m);
}

static void cancel(void *worker, struct probed_probe *probe, void *mem)
{
	(void)worker, (void)probe;
	struct mem *m = mem;
	if (m->lookup)
		host->resolve_cancel(m->lookup);
	host->timer_free(m->timer);
}

static int32_t target_new(void *worker, const struct probed_target_args *args, void **target, char *error, uint64_t size)
{
	(void)worker;
	if (!strcmp(probed_target_option(args, OPT_TEXT)->s, "no")) {
		snprintf(error, size, "text: \"no\" is refused");
		return -1;
	}
	*target = (void *)(uintptr_t)args;
	return 0;
}

static void run(void *worker, void *target, void *session, struct probed_probe *probe, void *mem, struct probed_verdict *verdict)
{
	(void)worker, (void)session, (void)mem;
	give_options(target, probe);
	verdict->outcome = PROBED_OK;
	snprintf(verdict->message, sizeof verdict->message, "ran");
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return PROBED_HOST_HAS(h, extension) ? 0 : -1;
}

static const struct probed_driver drivers[] = {
	{ .name = NAME,
	  .summary = "asynchronous",
	  PROBED_TABLE(options, option, options),
	  PROBED_TABLE(facts, fact, facts),
	  PROBED_TABLE(schemes, scheme, schemes),
	  .probe_size = sizeof(struct mem),
	  .target_new = target_new,
	  .start = start,
	  .cancel = cancel },
	{ .name = NAME "-run",
	  .summary = "blocking",
	  PROBED_TABLE(options, option, options),
	  PROBED_TABLE(facts, fact, facts),
	  .flags = PROBED_DRIVER_BLOCKING,
	  .target_new = target_new,
	  .run = run },
};

struct file {
	FILE *to;
};

static int32_t sink_open(const struct probed_sink_args *args, int32_t check, void **sink, char *error, uint64_t size)
{
	const char *path = probed_sink_option(args, OPT_TEXT)->s;
	struct file *f = calloc(1, sizeof *f);
	if (f && !check)
		f->to = fopen(path, "ae");
	if (!f || (!check && !f->to)) {
		snprintf(error, size, "can't open %s", path);
		free(f);
		return -1;
	}
	*sink = f;
	return 0;
}

static int32_t sink_write(void *sink, uint32_t n, const struct probed_record *const *records, char *error, uint64_t size)
{
	(void)error, (void)size;
	struct file *f = sink;
	for (uint32_t i = 0; i < n; i++) {
		const struct probed_record *r = records[i];
		fprintf(f->to, "%s", r->target ? r->target : "-");
		for (uint32_t k = 0; k < r->n_facts; k++) {
			const struct probed_record_fact *fact = PROBED_AT(struct probed_record_fact, r->facts, r->fact_stride, k);
			fprintf(f->to, " %s=%s", fact->name, fact->s ? fact->s : "");
		}
		for (uint32_t k = 0; k < r->n_failed; k++)
			fprintf(f->to, " !%s", PROBED_AT(struct probed_record_failed, r->failed, r->failed_stride, k)->label);
		fprintf(f->to, "\n");
	}
	return fflush(f->to) ? -1 : 0;
}

static void sink_close(void *sink)
{
	struct file *f = sink;
	if (f->to)
		fclose(f->to);
	free(f);
}

static const struct probed_sink sinks[] = {
	{ .name = NAME "-sink", .summary = "a sink", PROBED_TABLE(options, option, options), .open = sink_open, .write = sink_write, .close = sink_close },
	{ .name = NAME "-sink2", .summary = "another", PROBED_TABLE(options, option, options), .open = sink_open, .write = sink_write, .close = sink_close },
};

#if PROBED_ABI_MINOR >= 2
static int32_t hook_compile(void *worker, const struct probed_hook_source *source, void **script, uint64_t *want_body, char *error,
			    uint64_t size)
{
	(void)worker;
	if (!strcmp(source->text, "no") || strlen(source->text) != source->len) {
		snprintf(error, size, "%s:1: refused in step %s", source->name, source->step);
		return -1;
	}
	*script = (void *)(uintptr_t)"script";
	*want_body = 10;
	return 0;
}

static int32_t hook_before(struct probed_hook_call *call, char *error, uint64_t size)
{
	const struct probed_hook_api *api = call->api;
	uint64_t len;
	const char *mode = api->option_get(call, "mode", &len, error, size);
	if (!mode || len != 5 || strcmp(mode, "three") || api->option_type(call, "header") != PROBED_TYPE_MAP ||
	    strcmp(api->option_key(call, 0), "text")) {
		snprintf(error, size, "the options are others");
		return -1;
	}
	return api->option_set(call, "text", "hooked by " NAME, strlen("hooked by " NAME), error, size) || api->var_set(call, "v", "1", 1);
}

static void hook_after(struct probed_hook_call *call)
{
	const struct probed_record_fact *f;
	const char *text = "none";
	char said[100];
	uint64_t len;
	for (uint32_t i = 0; (f = call->api->fact(call, i)); i++)
		if (!strcmp(f->name, "text"))
			text = f->s;
	snprintf(said, sizeof said, "%s", text);
	const char *v = call->api->var_get(call, "v", &len);
	if (!strcmp(said, "hooked by " NAME) && v && len == 1 && call->outcome == PROBED_OK && !strcmp(call->outcome_name, "ok") &&
	    call->latency_ns >= call->service_ns && call->body && !call->message)
		call->api->fail(call, "seen", "all of it");
}

static int32_t hook_run(void *worker, void *script, struct probed_hook_call *call, char *error, uint64_t size)
{
	(void)worker;
	if (strcmp(script, "script"))
		return -1;
	if (call->when == PROBED_HOOK_BEFORE)
		return hook_before(call, error, size);
	hook_after(call);
	return 0;
}

static const struct probed_hook hooks[] = {
	{ .name = NAME "-hook", .summary = "a language", .compile = hook_compile, .run = hook_run },
	{ .name = NAME "-hook2", .summary = "another", .compile = hook_compile, .run = hook_run },
};
#endif

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	.magic = PROBED_MAGIC,
	.size = sizeof(struct probed_plugin),
	.abi_major = PROBED_ABI_MAJOR,
	.abi_minor = PROBED_ABI_MINOR,
	.need_minor = NEED,
	.name = NAME,
	.version = "1.0",
	.summary = "a fixture",
	PROBED_TABLE(drivers, driver, drivers),
	PROBED_TABLE(sinks, sink, sinks),
	.load = load,
#if PROBED_ABI_MINOR >= 2
	PROBED_TABLE(hooks, hook, hooks),
#endif
};
