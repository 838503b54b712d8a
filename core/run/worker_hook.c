/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_hook.c - scripts of steps: compiled with their step, run before its request and after its result.
 *
 * A script runs on the loop, when no driver is on the stack. Whoever runs it is written down in the shared page as drivers
 * are: a crash is its strike, not the driver's.
 */
#include "run/worker_hook.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

static const struct probed_driver no_slots;

void hook_init(struct drv *d, const struct probed_hook *hook, const struct part_table *table)
{
	struct driver_table *name = xnew(struct driver_table);
	name->name = table->name;
	name->plugin = table->plugin;
	d->impl = &no_slots;
	d->hook = hook;
	d->table = name;
}

void hook_free(struct drv *d)
{
	if (d->made && d->hook->worker_free) {
		struct host_call before = host_enter((struct host_call){ d->number, HOST_NO_SLOT, 0 });
		d->hook->worker_free(d->state);
		host_leave(before);
	}
	d->made = false;
	free((void *)(uintptr_t)d->table);
	d->table = NULL;
}

/* --- scripts ------------------------------------------------------------------------------------------ */

static int make_state(struct drv *d, char *error, size_t size)
{
	char why[400] = "";
	if (d->made)
		return 0;
	int32_t rc = 0;
	if (d->hook->worker_new) {
		struct host_call before = host_enter((struct host_call){ d->number, HOST_NO_SLOT, 0 });
		rc = d->hook->worker_new(&d->state, why, sizeof why);
		host_leave(before);
	}
	why[sizeof why - 1] = '\0';
	d->made = !rc;
	if (rc)
		snprintf(error, size, "%s can't start%s%s", d->table->name, why[0] ? ": " : ", and does not say why", why);
	return rc ? -1 : 0;
}

static struct drv *language(struct worker *w, const char *name)
{
	for (uint32_t i = 0; name && i < w->n_drivers; i++)
		if (w->drivers[i].hook && !strcmp(w->drivers[i].table->name, name))
			return &w->drivers[i];
	return NULL;
}

/* What comes of a file has its name in a line before it. */
static int compile(struct instance *inst, struct script *script, const struct kv *kv, bool check, char *error, size_t size)
{
	char why[500] = "";
	struct drv *d = script->drv;
	const char *text = kv->value;
	CLEANUP_FREE char *file = NULL;
	if (*text == '@') {
		size_t n = strcspn(text, "\n");
		const char *slash = memrchr(text, '/', n);
		const char *base = slash ? slash + 1 : text + 1;
		file = xstrndup(base, (size_t)(text + n - base));
		text += n + (text[n] != '\0');
	}
	struct probed_hook_source source = {
		.size = sizeof source, .when = script == &inst->before ? PROBED_HOOK_BEFORE : PROBED_HOOK_AFTER, .step = inst->name,
		.name = file ? file : kv->key, .text = text, .len = strlen(text),
	};
	uint64_t want = 0;
	struct host_call before = host_enter((struct host_call){ d->number, HOST_NO_SLOT, 0 });
	int32_t rc = d->hook->compile(check ? NULL : d->state, &source, &script->state, &want, why, sizeof why);
	host_leave(before);
	why[sizeof why - 1] = '\0';
	if (rc) {
		script->drv = NULL;
		snprintf(error, size, "%s: %s", kv->key, why[0] ? why : "the script is refused, without a reason");
		return -1;
	}
	if (want > (uint64_t)inst->want_bytes)
		inst->want_bytes = want < BODY_MAX ? (int64_t)want : BODY_MAX;
	return 0;
}

/* The driver asks for each probe what the script may set. */
static void make_settable(struct instance *inst)
{
	for (uint32_t i = 0; i < inst->options.n; i++)
		if (inst->drv->table->options.list[i].flags & PROBED_OPTION_TEMPLATE)
			inst->options.values[i].flags |= PROBED_VALUE_TEMPLATE;
}

int scripts_compile(struct instance *inst, const struct wire_target *m, bool check, char *error, size_t size)
{
	for (uint32_t i = 0; i < m->n_hooks; i++) {
		const struct kv *kv = &m->hooks[i];
		bool is_before = !strcmp(kv->key, "before");
		struct script *script = is_before ? &inst->before : &inst->after;
		script->drv = language(inst->drv->worker, m->hook);
		if (!script->drv) {
			snprintf(error, size, "%s: nothing in this worker runs scripts in \"%s\"", kv->key, m->hook ? m->hook : "");
			return -1;
		}
		if ((!check && make_state(script->drv, error, size)) || compile(inst, script, kv, check, error, size)) {
			script->drv = NULL;
			return -1;
		}
		if (is_before)
			make_settable(inst);
	}
	return 0;
}

static void script_free(struct script *s, bool check)
{
	struct drv *d = s->drv;
	if (!d || !d->hook->script_free)
		return;
	struct host_call before = host_enter((struct host_call){ d->number, HOST_NO_SLOT, 0 });
	d->hook->script_free(check ? NULL : d->state, s->state);
	host_leave(before);
}

void scripts_free(struct instance *inst, bool check)
{
	script_free(&inst->before, check);
	script_free(&inst->after, check);
}

/* --- runs --------------------------------------------------------------------------------------------- */

static int script_run(const struct script *s, struct call *c, char *error, size_t size)
{
	struct probed_probe *p = c->probe;
	struct drv *d = s->drv;
	error[0] = '\0';
	c->magic = CALL_MAGIC;
	struct host_call before = host_enter((struct host_call){ d->number, p->slot, p->seq });
	int32_t rc = d->hook->run(d->state, s->state, &c->public, error, size);
	host_leave(before);
	c->magic = 0;
	error[size - 1] = '\0';
	if (rc && !error[0])
		snprintf(error, size, "its script failed, without a reason");
	buf_free(&c->fact_name);
	buf_free(&c->key);
	return rc ? -1 : 0;
}

static struct call call_of(struct probed_probe *p, uint32_t when)
{
	struct call c = { .probe = p };
	c.public = (struct probed_hook_call){
		.size = sizeof c.public, .when = when, .api = &call_api, .step = p->inst->name, .driver = p->drv->table->name,
		.user = p->user ? p->user->number : 0, .iteration = p->user ? p->user->iteration : 0, .tries = p->tried,
	};
	return c;
}

int script_before(struct probed_probe *p, char *error, size_t size)
{
	struct call c = call_of(p, PROBED_HOOK_BEFORE);
	return script_run(&p->inst->before, &c, error, size);
}

static void script_broke(const struct probed_probe *p, struct result *r, const char *why)
{
	if (r->outcome != PROBED_OK && r->outcome != PROBED_FAIL) {
		log_warn("a script failed after a probe that had an error of its own", "step", p->inst->name, "why", why, NULL);
		return;
	}
	r->outcome = PROBED_ERROR;
	r->reason = PROBED_REASON_INTERNAL;
	r->message = result_put_string(r, why, strlen(why));
}

void script_after(struct probed_probe *p, struct result *r)
{
	char why[500];
	struct call c = call_of(p, PROBED_HOOK_AFTER);
	if (!p->inst->after.drv || r->outcome == PROBED_UNKNOWN)
		return;
	const struct buf *body = &p->work->body;
	c.result = r;
	c.public.outcome = r->outcome;
	c.public.reason = r->reason;
	c.public.outcome_name = outcome_name(r->outcome);
	c.public.reason_name = reason_name(r->reason);
	c.public.latency_ns = result_latency_ns(r);
	c.public.service_ns = result_service_ns(r);
	c.public.body = p->inst->want_bytes ? (body->len ? body->data : "") : NULL;
	c.public.body_len = body->len;
	c.public.body_cut = p->work->body_bytes > body->len || body->len >= (uint64_t)p->inst->want_bytes;
	/* the arena that holds it may move while the script runs */
	CLEANUP_FREE char *message = r->message ? xstrdup(result_string(r, r->message)) : NULL;
	c.public.message = message;
	int rc = script_run(&p->inst->after, &c, why, sizeof why);
	result_settle(r);
	if (rc)
		script_broke(p, r, why);
}
