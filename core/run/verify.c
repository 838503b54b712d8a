/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c - see verify.h */
#include "run/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/child.h"
#include "run/wire.h"

#define OUT_MAX (64u << 20)
#define LIMIT_NS (30 * NS_PER_S)

struct asked_part {
	const struct part *part;
	bool sink;
};

struct verify {
	struct loop *loop;
	const struct registry *registry;
	const struct target **asked;
	size_t n_asked, cap_asked;
	struct asked_part *parts;
	size_t n_parts, cap_parts;
	struct errs *errs;
	struct child *child;
	struct worker_page *page;
	bool synced;
	void (*done)(void *ctx);
	void *ctx;
	struct wheel_timer limit;
	struct loop_later tell;
};

static void collect(void *ctx, enum change what, const struct target *before, const struct target *after)
{
	struct verify *v = ctx;
	(void)before;
	if (what == CHANGE_REMOVED)
		return;
	xgrow(v->asked, v->n_asked, v->cap_asked);
	v->asked[v->n_asked++] = after;
}

static void collect_parts(struct verify *v, const struct part *now, size_t n, const struct part *before, size_t n_before,
			  bool sink)
{
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		while (k < n_before && before[k].digest != now[i].digest)
			k++;
		if (k < n_before)
			continue;
		xgrow(v->parts, v->n_parts, v->cap_parts);
		v->parts[v->n_parts++] = (struct asked_part){ &now[i], sink };
	}
}

static void on_tell(struct loop_later *later)
{
	struct verify *v = (struct verify *)((char *)later - offsetof(struct verify, tell));
	v->done(v->ctx);
}

static void finish(struct verify *v)
{
	loop_timer_stop(v->loop, &v->limit);
	loop_later(v->loop, &v->tell);
}

/* "KEY: why" is where the key was written; anything else where its section is. */
static void refuse(struct verify *v, const char *kind, const char *name, struct place at, const struct kv *options,
		   uint32_t n_options, const char *why)
{
	CLEANUP_FREE char *section = xasprintf("%s %s", kind, name);
	for (uint32_t i = 0; i < n_options; i++) {
		size_t n = strlen(options[i].key);
		if (!strncmp(why, options[i].key, n) && why[n] == ':')
			at = options[i].at;
	}
	errs_add(v->errs, at, section, NULL, "%s", why);
}

/* Those of a step's scripts are where the script was named. */
static struct place hook_place(const struct target *t, const char *why)
{
	for (uint32_t i = 0; t->step && i < t->step->n_hooks; i++) {
		size_t n = strlen(t->step->hooks[i].key);
		if (!strncmp(why, t->step->hooks[i].key, n) && why[n] == ':')
			return t->step->hooks[i].at;
	}
	return t->at;
}

static int on_target_refused(struct verify *v, struct cursor *c)
{
	uint32_t id = cursor_u32(c);
	const char *why = cursor_str(c);
	if (id >= v->n_asked || !why)
		return -1;
	const struct target *t = v->asked[id];
	refuse(v, t->step ? "step" : "target", t->name, hook_place(t, why), t->options, t->n_options, why);
	return 0;
}

static int on_part_refused(struct verify *v, struct cursor *c)
{
	bool sink = cursor_u8(c);
	const char *name = cursor_str(c), *why = cursor_str(c);
	if (!name || !why)
		return -1;
	for (size_t i = 0; i < v->n_parts; i++) {
		const struct part *p = v->parts[i].part;
		if (v->parts[i].sink != sink || strcmp(p->name, name) != 0)
			continue;
		refuse(v, sink ? "sink" : "service", name, p->at, p->options, p->n_options, why);
		return 0;
	}
	return -1;
}

static int on_frame(void *owner, uint16_t type, struct cursor *c)
{
	struct verify *v = owner;
	const char *why;
	switch (type) {
	case WIRE_READY:
	case WIRE_WORKER_STATS:
	case WIRE_MISBEHAVED:
		return 0;
	case WIRE_FATAL:
		why = cursor_str(c);
		errs_add(v->errs, (struct place){ 0 }, NULL, NULL, "targets can't be checked: %s", why ? why : "no reason given");
		return 0;
	case WIRE_TARGET_REFUSED:
		return on_target_refused(v, c);
	case WIRE_PART_REFUSED:
		return on_part_refused(v, c);
	case WIRE_SYNCED:
		v->synced = true;
		finish(v);
		return 0;
	default:
		return -1;
	}
}

static void on_gone(void *owner, int status, const char *why)
{
	struct verify *v = owner;
	(void)status;
	if (v->synced)
		return;
	uint32_t call = atomic_load(&v->page->in_call);
	const char *driver = call && call <= ARRAY_LEN(v->page->drivers) ? v->page->drivers[call - 1] : "unknown";
	errs_add(v->errs, (struct place){ 0 }, NULL, NULL, "%.40s brought its process down while targets were checked: %s",
	         driver, why);
	v->synced = true;
	finish(v);
}

static const struct child_events events = { .frame = on_frame, .gone = on_gone };

static void on_limit(struct wheel_timer *t)
{
	struct verify *v = (struct verify *)((char *)t - offsetof(struct verify, limit));
	child_kill(v->child, "killed after 30 s without an answer");
}

struct paths {
	const char **list;
	uint32_t n, cap;
};

static void add_path(struct paths *p, const struct plugin_table *plugin)
{
	for (uint32_t k = 0; k < p->n; k++)
		if (!strcmp(p->list[k], plugin->path))
			return;
	xgrow(p->list, p->n, p->cap);
	p->list[p->n++] = plugin->path;
}

static const char **plugin_paths(const struct verify *v, uint32_t *n)
{
	struct paths p = { 0 };
	for (size_t i = 0; i < v->n_asked; i++) {
		const struct target *t = v->asked[i];
		const char *hook = t->step ? t->step->hook : NULL;
		add_path(&p, t->driver->plugin);
		if (hook)
			add_path(&p, registry_hook(v->registry, hook)->plugin);
	}
	for (size_t i = 0; i < v->n_parts; i++)
		add_path(&p, v->parts[i].part->table->plugin);
	*n = p.n;
	return p.list;
}

static void send_all(struct verify *v)
{
	struct channel *ch = child_channel(v->child);
	struct wire_hello hello = { .epoch = 1, .who = "check", .log_level = LOG_ERROR, .log_json = log_is_json(), .check_only = 1 };
	hello.plugins = plugin_paths(v, &hello.n_plugins);
	wire_put_hello(channel_begin(ch, WIRE_HELLO), &hello);
	channel_end(ch);
	free(hello.plugins);
	for (size_t i = 0; i < v->n_asked; i++) {
		struct wire_target m = wire_target_of(v->asked[i], (uint32_t)i);
		wire_put_target(channel_begin(ch, WIRE_TARGET_ADD), &m);
		channel_end(ch);
		/* nothing runs in the child, so what was checked needs not stay */
		buf_u32(channel_begin(ch, WIRE_TARGET_REMOVE), (uint32_t)i);
		channel_end(ch);
	}
	for (size_t i = 0; i < v->n_parts; i++) {
		const struct part *p = v->parts[i].part;
		struct wire_part m = { .name = p->name, .driver = p->table->name, .n_options = p->n_options, .options = p->options };
		wire_put_part(channel_begin(ch, v->parts[i].sink ? WIRE_SINK_OPEN : WIRE_SERVICE_START), &m);
		channel_end(ch);
	}
	buf_u64(channel_begin(ch, WIRE_SYNC), 1);
	channel_end(ch);
}

struct verify *verify_start(struct loop *loop, const struct model *model, const struct model *before, struct errs *errs,
                            void (*done)(void *ctx), void *ctx)
{
	struct verify *v = xnew(struct verify);
	*v = (struct verify){ .loop = loop, .registry = model->registry, .errs = errs, .done = done, .ctx = ctx, .limit.fn = on_limit, .tell.fn = on_tell };
	model_diff(before, model, collect, v);
	model_diff_steps(before, model, collect, v);
	collect_parts(v, model->sinks, model->n_sinks, before ? before->sinks : NULL, before ? before->n_sinks : 0, true);
	collect_parts(v, model->services, model->n_services, before ? before->services : NULL, before ? before->n_services : 0,
		      false);
	if (!v->n_asked && !v->n_parts) {
		loop_later(loop, &v->tell);
		return v;
	}
	CLEANUP_CLOSE int fd = memfd_create("probed-page", MFD_CLOEXEC);
	if (fd >= 0 && !ftruncate(fd, sizeof *v->page)) {
		void *p = mmap(NULL, sizeof *v->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		v->page = p == MAP_FAILED ? NULL : p;
	}
	if (v->page)
		v->child = child_start(loop, "worker", fd, OUT_MAX, &events, v);
	if (!v->child) {
		errs_add(errs, (struct place){ 0 }, NULL, NULL, "targets can't be checked: no child process: %s", strerror(errno));
		loop_later(loop, &v->tell);
		return v;
	}
	send_all(v);
	loop_timer_set(loop, &v->limit, clock_now_ns() + LIMIT_NS);
	return v;
}

void verify_free(struct verify *v)
{
	if (!v)
		return;
	loop_timer_stop(v->loop, &v->limit);
	loop_later_cancel(v->loop, &v->tell);
	child_free(v->child);
	if (v->page)
		munmap(v->page, sizeof *v->page);
	free(v->asked);
	free(v->parts);
	free(v);
}
