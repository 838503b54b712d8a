/* SPDX-License-Identifier: Apache-2.0 */
/* worker_target.c - targets as this worker holds them: from the core's texts to what a driver's target_new() gets. */
#include "run/worker_state.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define RETRY_NS NS_PER_S /* a driver whose worker_new() failed is asked again after */

/* The state that a driver's targets share is made with its first target. */
static int make_state(struct drv *d, char *error, size_t size)
{
	if (d->made)
		return 0;
	int64_t now = clock_now_ns();
	if (d->failed_ns && now - d->failed_ns < RETRY_NS) {
		snprintf(error, size, "%s", d->error);
		return -1;
	}
	int32_t rc = 0;
	d->error[0] = '\0';
	if (d->impl->worker_new) {
		struct host_call before = host_enter((struct host_call){ d->number, HOST_NO_SLOT, 0 });
		rc = d->impl->worker_new(&d->state, d->error, sizeof d->error);
		host_leave(before);
	}
	d->error[sizeof d->error - 1] = '\0';
	d->failed_ns = rc ? now : 0;
	d->made = !rc;
	if (rc && !d->error[0])
		snprintf(d->error, sizeof d->error, "driver %s can't start, and does not say why", d->table->name);
	if (rc)
		snprintf(error, size, "%s", d->error);
	return rc ? -1 : 0;
}

/* --- expectations ------------------------------------------------------------------------------------ */

/* "header server" reads header.server. */
static void find_fact(const struct driver_table *table, struct judged *j)
{
	char name[256];
	const char *late = NULL;
	uint32_t index;
	snprintf(name, sizeof name, "%s", expectation_query(j->expectation));
	j->fact = -1;
	if (!driver_fact(table, name, &index, &late)) {
		char *blank = strchr(name, ' ');
		if (!blank)
			return;
		*blank = '.';
		if (!driver_fact(table, name, &index, &late))
			return;
	}
	j->fact = (int32_t)index;
	j->late = late ? xstrdup(late) : NULL;
}

static struct judged *judged_ref(struct drv *d, const char *label, const char *text, char *error, size_t size)
{
	char why[240];
	struct worker *w = d->worker;
	CLEANUP_FREE char *key = xasprintf("%u %s=%s", d->number, label, text);
	struct judged *j;
	HASH_FIND_STR(w->judged, key, j);
	if (j) {
		j->refs++;
		return j;
	}
	struct expectation *e = expectation_compile(text, d->table, why, sizeof why);
	if (!e) {
		snprintf(error, size, "expect.%s: %s", label, why);
		return NULL;
	}
	j = xnew(struct judged);
	*j = (struct judged){ .key = xstrdup(key), .refs = 1, .label = xstrdup(label), .expectation = e };
	find_fact(d->table, j);
	HASH_ADD_KEYPTR(hh, w->judged, j->key, strlen(j->key), j);
	return j;
}

static void judged_unref(struct worker *w, struct judged *j)
{
	if (--j->refs)
		return;
	HASH_DEL(w->judged, j);
	expectation_free(j->expectation);
	free(j->label);
	free(j->late);
	free(j->key);
	free(j);
}

/* A driver's default yields to an expectation of the target's own on the same query. */
static int judged_add_default(struct instance *inst, char *error, size_t size)
{
	struct drv *d = inst->drv;
	if (!d->table->default_expect)
		return 0;
	struct judged *own = judged_ref(d, "default", d->table->default_expect, error, size);
	if (!own)
		return -1;
	const char *query = expectation_query(own->expectation);
	for (uint32_t i = 0; i < inst->n_judged; i++)
		if (!strcmp(expectation_query(inst->judged[i]->expectation), query)) {
			judged_unref(d->worker, own);
			return 0;
		}
	inst->judged[inst->n_judged++] = own;
	return 0;
}

static void want_body(struct instance *inst, int64_t want)
{
	if (want == PROBED_BODY_HASH)
		inst->want_hash = true;
	else if (want > inst->want_bytes)
		inst->want_bytes = want > BODY_MAX ? BODY_MAX : want;
}

static int add_captures(struct instance *inst, const struct wire_target *m, char *error, size_t size)
{
	char why[240];
	if (!m->n_captures)
		return 0;
	inst->captures = xcalloc(m->n_captures, sizeof *inst->captures);
	for (uint32_t i = 0; i < m->n_captures; i++) {
		struct capture *c = capture_compile(m->captures[i].value, inst->drv->table, why, sizeof why);
		if (!c) {
			snprintf(error, size, "capture.%s: %s", m->captures[i].key, why);
			return -1;
		}
		inst->captures[inst->n_captures++] = (struct captured){ .name = xstrdup(m->captures[i].key), .capture = c };
		want_body(inst, capture_body_want(c));
	}
	return 0;
}

static int add_expectations(struct instance *inst, const struct wire_target *m, char *error, size_t size)
{
	inst->judged = xcalloc(m->n_expects + 1, sizeof *inst->judged);
	for (uint32_t i = 0; i < m->n_expects; i++) {
		struct judged *j = judged_ref(inst->drv, m->expects[i].key, m->expects[i].value, error, size);
		if (!j)
			return -1;
		inst->judged[inst->n_judged++] = j;
	}
	if (judged_add_default(inst, error, size))
		return -1;
	for (uint32_t i = 0; i < inst->n_judged; i++)
		want_body(inst, expectation_body_want(inst->judged[i]->expectation));
	return 0;
}

static void want_fact(struct instance *inst, uint32_t fact, const char *late)
{
	inst->wanted[inst->n_wanted++] = (struct wanted){ fact, late };
}

/* The facts that are read here, whoever else does. */
static void list_wanted(struct instance *inst)
{
	uint32_t fact;
	const char *late;
	inst->wanted = xcalloc(inst->n_judged + inst->n_captures, sizeof *inst->wanted);
	for (uint32_t i = 0; i < inst->n_judged; i++)
		if (expectation_fact(inst->judged[i]->expectation, &fact, &late))
			want_fact(inst, fact, late);
	for (uint32_t i = 0; i < inst->n_captures; i++)
		if (capture_fact(inst->captures[i].capture, &fact, &late))
			want_fact(inst, fact, late);
}

/* --- templates --------------------------------------------------------------------------------------- */

static const char *env_get(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

/* Which variables there are, the core has checked. */
static const struct template_names any_names = { .any_column = true, .any_var = true, .env = env_get };

static int rendering_add(struct instance *inst, uint32_t option, char *error, size_t size)
{
	const struct probed_value *v = &inst->options.values[option];
	const struct option_decl *decl = &inst->drv->table->options.list[option];
	struct rendering *r = &inst->renderings[inst->n_renderings++];
	char why[240];
	r->option = option;
	r->n = v->items ? v->n_items : 1;
	r->templates = xcalloc(r->n, sizeof *r->templates);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct probed_item *item = v->items ? PROBED_AT(struct probed_item, v->items, v->item_stride, i) : NULL;
		r->templates[i] = template_compile_names(item ? item->s : v->s, &any_names, why, sizeof why);
		if (!r->templates[i]) {
			snprintf(error, size, "%s%s%s: %s", decl->name, item ? "." : "", item ? item->key : "", why);
			return -1;
		}
	}
	return 0;
}

static int compile_templates(struct instance *inst, char *error, size_t size)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < inst->options.n; i++)
		n += (inst->options.values[i].flags & PROBED_VALUE_TEMPLATE) != 0;
	if (!n)
		return 0;
	inst->renderings = xcalloc(n, sizeof *inst->renderings);
	for (uint32_t i = 0; i < inst->options.n; i++)
		if ((inst->options.values[i].flags & PROBED_VALUE_TEMPLATE) && rendering_add(inst, i, error, size))
			return -1;
	return 0;
}

/* --- life -------------------------------------------------------------------------------------------- */

static void instance_destroy(struct instance *inst, bool check)
{
	scripts_free(inst, check);
	for (uint32_t i = 0; i < inst->n_judged; i++)
		judged_unref(inst->drv->worker, inst->judged[i]);
	for (uint32_t i = 0; i < inst->n_renderings; i++) {
		for (uint32_t k = 0; k < inst->renderings[i].n; k++)
			if (inst->renderings[i].templates[k])
				template_free(inst->renderings[i].templates[k]);
		free(inst->renderings[i].templates);
	}
	for (uint32_t i = 0; i < inst->n_captures; i++) {
		capture_free(inst->captures[i].capture);
		free(inst->captures[i].name);
	}
	free(inst->captures);
	free(inst->judged);
	free(inst->wanted);
	free(inst->renderings);
	options_free(&inst->options);
	free(inst->name);
	inst->magic = 0;
	free(inst);
}

static void target_free(struct instance *inst, bool check)
{
	struct drv *d = inst->drv;
	if (!d->impl->target_free)
		return;
	struct host_call before = host_enter((struct host_call){ d->number, HOST_NO_SLOT, 0 });
	d->impl->target_free(check ? NULL : d->state, inst->target);
	host_leave(before);
}

void instance_unref(struct worker *w, struct instance *inst)
{
	(void)w;
	CHECK_MAGIC(inst, INSTANCE_MAGIC);
	if (--inst->refs)
		return;
	target_free(inst, false);
	instance_destroy(inst, false);
}

/* All but the driver's own part. */
static int prepare(struct instance *inst, const struct wire_target *m, bool check, char *error, size_t size)
{
	const struct driver_table *table = inst->drv->table;
	if (options_bind(&table->options, m->options, m->n_options, &inst->options, error, size))
		return -1;
	if (add_expectations(inst, m, error, size) || add_captures(inst, m, error, size) || compile_templates(inst, error, size) ||
	    scripts_compile(inst, m, check, error, size))
		return -1;
	list_wanted(inst);
	inst->args = (struct probed_target_args){
		.size = sizeof inst->args, .family = m->family, .name = inst->name,
		.options = inst->options.values, .n_options = inst->options.n, .option_stride = sizeof *inst->options.values,
		.timeout_ns = m->timeout_ns, .interval_ns = m->interval_ns,
	};
	return 0;
}

static int target_new(struct instance *inst, bool check, char *error, size_t size)
{
	struct drv *d = inst->drv;
	char why[400] = "";
	if (!d->impl->target_new)
		return 0;
	struct host_call before = host_enter((struct host_call){ d->number, HOST_NO_SLOT, 0 });
	int32_t rc = d->impl->target_new(check ? NULL : d->state, &inst->args, &inst->target, why, sizeof why);
	host_leave(before);
	why[sizeof why - 1] = '\0';
	if (rc)
		snprintf(error, size, "%s", why[0] ? why : "the driver refuses the target, and does not say why");
	return rc ? -1 : 0;
}

struct instance *instance_find(struct worker *w, uint32_t id)
{
	struct instance *inst;
	HASH_FIND(hh, w->instances, &id, sizeof id, inst);
	return inst;
}

void instance_remove(struct worker *w, uint32_t id)
{
	struct instance *inst = instance_find(w, id);
	if (!inst)
		return;
	HASH_DEL(w->instances, inst);
	w->n_instances--;
	instance_unref(w, inst);
}

int instance_add(struct worker *w, const struct wire_target *m, bool check, char *error, size_t size)
{
	if (!check)
		instance_remove(w, m->id); /* a configuration that was replaced must not run on */
	struct drv *d = worker_driver(w, m->driver);
	if (!d) {
		snprintf(error, size, "no driver %s in this worker", m->driver);
		return -1;
	}
	if (!check && make_state(d, error, size))
		return -1;
	struct instance *inst = xnew(struct instance);
	inst->magic = INSTANCE_MAGIC;
	inst->id = m->id;
	inst->refs = 1;
	inst->drv = d;
	inst->name = xstrdup(m->name);
	inst->retry = m->retry;
	inst->gated = (m->flags & TARGET_GATED) != 0;
	inst->go_on = m->go_on != 0;
	inst->think_min_ns = m->think_min_ns;
	inst->think_max_ns = m->think_max_ns;
	if (prepare(inst, m, check, error, size) || target_new(inst, check, error, size)) {
		instance_destroy(inst, check);
		return -1;
	}
	if (check) {
		target_free(inst, true);
		instance_destroy(inst, true);
		return 0;
	}
	HASH_ADD(hh, w->instances, id, sizeof inst->id, inst);
	w->n_instances++;
	return 0;
}
