/* SPDX-License-Identifier: Apache-2.0 */
/* worker_work.c - what a probe in flight needs besides itself: result, body, rendered options. Used again and again. */
#include "run/worker_flow.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define CHUNK 4096u
#define BODY_KEPT (256u << 10) /* a larger buffer goes back to the system */

/* A run of memory that lives as long as the probe and is used again by the next. */
struct chunk {
	struct chunk *next;
	size_t size;
	char data[];
};

void *work_alloc(struct work *k, size_t size)
{
	size = (size + 15) & ~(size_t)15;
	while (!k->chunk || k->chunk->size - k->chunk_used < size) {
		struct chunk **next = k->chunk ? &k->chunk->next : &k->chunks;
		if (!*next || (*next)->size < size) {
			size_t room = size > CHUNK ? size : CHUNK;
			struct chunk *c = xmalloc(sizeof *c + room);
			c->size = room;
			c->next = *next;
			*next = c;
		}
		k->chunk = *next;
		k->chunk_used = 0;
	}
	char *p = k->chunk->data + k->chunk_used;
	k->chunk_used += size;
	return p;
}

struct work *work_get(struct worker *w)
{
	struct work *k = SLIST_FIRST(&w->spare_work);
	if (k)
		SLIST_REMOVE_HEAD(&w->spare_work, entry);
	else
		k = xnew(struct work);
	k->n_subs = k->n_overrides = 0;
	k->judged_in_sub = k->body_bytes = 0;
	buf_clear(&k->body);
	buf_clear(&k->unrendered);
	k->hex[0] = '\0';
	k->renders = false;
	k->chunk = NULL;
	k->chunk_used = 0;
	memset(&k->verdict, 0, sizeof k->verdict);
	return k;
}

static void free_chunks(struct work *k)
{
	for (struct chunk *c; (c = k->chunks);) {
		k->chunks = c->next;
		free(c);
	}
	k->chunk = NULL;
}

void work_put(struct worker *w, struct work *k)
{
	if (k->body.cap > BODY_KEPT)
		buf_free(&k->body);
	if (k->result.arena.cap > BODY_KEPT)
		result_free(&k->result);
	for (uint32_t i = 0; i < k->n_subs; i++)
		result_free(&k->subs[i]);
	k->n_subs = 0;
	SLIST_INSERT_HEAD(&w->spare_work, k, entry);
}

void work_free_all(struct worker *w)
{
	for (struct work *k; (k = SLIST_FIRST(&w->spare_work));) {
		SLIST_REMOVE_HEAD(&w->spare_work, entry);
		result_free(&k->result);
		free(k->subs);
		buf_free(&k->body);
		buf_free(&k->unrendered);
		EVP_MD_CTX_free(k->hash);
		free(k->rendered);
		free(k->overrides);
		free_chunks(k);
		free(k);
	}
}

void work_begin_result(const struct probed_probe *p, struct result *r, int64_t start_ns, int64_t wall_ns)
{
	result_reset(r);
	r->due_ns = p->due_ns;
	r->start_ns = start_ns;
	r->wall_ns = wall_ns;
}

/* --- options rendered for a probe ------------------------------------------------------------------- */

static char *render_text(struct probed_probe *p, const struct template *t, size_t *len)
{
	struct template_scope scope = {
		.target = p->inst->name, .seq = p->seq, .wall_ns = p->work->result.wall_ns, .random = p->drv->worker->vtable.random,
		.epoch = p->drv->worker->epoch,
	};
	struct buf text = { 0 };
	if (p->user) {
		scope.user = p->user->number;
		scope.iteration = p->user->iteration;
		scope.vars = p->user->vars;
	}
	const char *why = template_render(t, &scope, &text);
	if (why && !p->work->unrendered.len)
		buf_puts(&p->work->unrendered, why);
	char *copy = work_alloc(p->work, text.len + 1);
	memcpy(copy, buf_cstr(&text), text.len + 1);
	*len = text.len;
	buf_free(&text);
	return copy;
}

static void render_items(struct probed_probe *p, const struct rendering *r, const struct probed_value *from, struct probed_value *to)
{
	struct probed_item *items = work_alloc(p->work, r->n * sizeof *items);
	for (uint32_t i = 0; i < r->n; i++) {
		size_t len;
		items[i] = *PROBED_AT(struct probed_item, from->items, from->item_stride, i);
		items[i].s = render_text(p, r->templates[i], &len);
		items[i].len = len;
	}
	to->items = items;
	to->item_stride = sizeof *items;
}

static const struct probed_value *render(struct probed_probe *p, uint32_t option)
{
	const struct instance *inst = p->inst;
	struct work *k = p->work;
	uint32_t at = 0;
	while (at < inst->n_renderings && inst->renderings[at].option != option)
		at++;
	if (at == inst->n_renderings)
		return &inst->options.values[option];
	if (!k->renders) {
		if (k->cap_rendered < inst->n_renderings)
			k->rendered = xreallocarray(k->rendered, k->cap_rendered = inst->n_renderings, sizeof *k->rendered);
		memset(k->rendered, 0, k->cap_rendered * sizeof *k->rendered);
		k->renders = true;
	}
	struct probed_value *to = &k->rendered[at];
	if (to->type != PROBED_TYPE_NONE)
		return to;
	const struct probed_value *from = &inst->options.values[option];
	struct option_decl decl = p->drv->table->options.list[option];
	decl.flags &= ~(uint32_t)PROBED_OPTION_TEMPLATE; /* what comes out is plain text, braces or not */
	struct probed_value value = *from;
	if (from->items) {
		render_items(p, &inst->renderings[at], from, &value);
	} else {
		size_t len;
		char error[240];
		char *text = render_text(p, inst->renderings[at].templates[0], &len);
		if (!k->unrendered.len && option_parse(&decl, text, &value, error, sizeof error)) {
			log_warn("an option does not fit once it is rendered", "target", inst->name, "option", decl.name, "why", error, NULL);
			buf_clear(&k->unrendered);
			buf_printf(&k->unrendered, "%s does not fit once it is rendered: %s", decl.name, error);
			return NULL;
		}
		value.s = text;
		value.len = len;
	}
	if (k->unrendered.len)
		return NULL;
	value.type = from->type;
	value.flags = PROBED_VALUE_SET;
	*to = value;
	return to;
}

const struct probed_value *work_option(struct probed_probe *p, uint32_t option)
{
	const struct work *k = p->work;
	for (uint32_t i = 0; i < k->n_overrides; i++)
		if (k->overrides[i].option == option)
			return &k->overrides[i].value;
	const struct probed_value *v = &p->inst->options.values[option];
	return v->flags & PROBED_VALUE_TEMPLATE ? render(p, option) : v;
}

void work_override(struct probed_probe *p, uint32_t option, const struct probed_value *value)
{
	struct work *k = p->work;
	uint32_t i = 0;
	while (i < k->n_overrides && k->overrides[i].option != option)
		i++;
	if (i == k->n_overrides) {
		xgrow(k->overrides, k->n_overrides, k->cap_overrides);
		k->n_overrides++;
	}
	k->overrides[i] = (struct override){ .option = option, .value = *value };
}
