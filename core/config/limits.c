/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.c - [host GLOB], [driver NAME], [resources], and `limit` and `inflight` of [probed]: how much plans may do.
 */
#include "config/build.h"

#include <string.h>

#include "base/mem.h"
#include "config/url.h"
#include "plan/backoff.h"
#include "plan/breaker.h"
#include "plan/gate.h"
#include "plan/resource.h"

const struct gcra_limit *limit_read(struct builder *b, const char *title, const struct kv *kv)
{
	struct gcra_limit limit;
	char error[300];
	if (gate_limit_parse(kv->value, &limit, error, sizeof error)) {
		errs_add(b->errs, kv->at, title, kv->key, "%s", error);
		return NULL;
	}
	return memcpy(arena_alloc(b->model->arena, sizeof limit), &limit, sizeof limit);
}

static const struct backoff_spec *backoff_read(struct builder *b, const char *title, const struct kv *kv)
{
	struct backoff_spec spec;
	char error[300];
	if (backoff_parse(kv->value, &spec, error, sizeof error)) {
		errs_add(b->errs, kv->at, title, kv->key, "%s", error);
		return NULL;
	}
	return memcpy(arena_alloc(b->model->arena, sizeof spec), &spec, sizeof spec);
}

static const struct breaker_spec *breaker_read(struct builder *b, const char *title, const struct kv *kv)
{
	struct breaker_spec spec;
	char error[300];
	if (breaker_parse(kv->value, &spec, error, sizeof error)) {
		errs_add(b->errs, kv->at, title, kv->key, "%s", error);
		return NULL;
	}
	return memcpy(arena_alloc(b->model->arena, sizeof spec), &spec, sizeof spec);
}

/* Drivers have the first two only. */
enum { RULE_LIMIT, RULE_INFLIGHT, RULE_BACKOFF, RULE_BREAKER, RULE_KEYS };
static struct option_decl rule_decls[RULE_KEYS] = {
	[RULE_LIMIT] = { .name = "limit", .type = PROBED_TYPE_STRING },
	[RULE_INFLIGHT] = { .name = "inflight", .type = PROBED_TYPE_INTEGER, .min = 1, .max = INFLIGHT_MAX },
	[RULE_BACKOFF] = { .name = "backoff", .type = PROBED_TYPE_STRING },
	[RULE_BREAKER] = { .name = "breaker", .type = PROBED_TYPE_STRING },
};

static void take_rule(struct builder *b, const char *title, const struct kv *kv, uint32_t index, struct gate_rule *rule)
{
	struct probed_value v = { 0 };
	char error[300];
	switch (index) {
	case RULE_LIMIT:
		rule->limit = limit_read(b, title, kv);
		break;
	case RULE_INFLIGHT:
		if (!option_parse(&rule_decls[index], kv->value, &v, error, sizeof error))
			rule->inflight = (uint32_t)v.i;
		break;
	case RULE_BACKOFF:
		rule->backoff = backoff_read(b, title, kv);
		break;
	default:
		rule->breaker = breaker_read(b, title, kv);
		break;
	}
}

static void read_rule(struct builder *b, const struct section *s, bool host, struct gate_rule *out, uint32_t *n)
{
	const struct option_set set = { .list = rule_decls, .n = host ? RULE_KEYS : RULE_BACKOFF };
	struct kvs all = { 0 };
	struct gate_rule rule = { .match = arena_str(b->model->arena, s->name), .at = place_keep(b, s->at) };
	size_t before = b->errs->errors;
	const char *item;
	uint32_t index;
	if (!*s->name)
		errs_add(b->errs, s->at, s->title, NULL,
			 host ? "whose limits? Write [host NAME], or a pattern such as [host *.example.org]"
			      : "whose limits? Write [driver NAME]");
	else if (!host && !registry_driver(b->registry, s->name))
		driver_unknown(b, s->at, s->title, s->name);
	kvs_of_section(b, s, &all);
	options_check(&set, all.list, all.n, s->at, s->title, NULL, 0, b->errs);
	for (size_t i = 0; i < all.n; i++)
		if (option_for_key(&set, all.list[i].key, &index, &item))
			take_rule(b, s->title, &all.list[i], index, &rule);
	rule.keys = kvs_keep(b, &all);
	rule.n_keys = (uint32_t)all.n;
	if (b->errs->errors == before && !s->hurt)
		out[(*n)++] = rule;
	free(all.list);
}

static void read_resources(struct builder *b, const struct section *s)
{
	struct option_decl decls[RESOURCES];
	const struct option_set set = { .list = decls, .n = RESOURCES };
	struct model_arena *arena = b->model->arena;
	struct resource_limits *limits = arena_alloc(arena, sizeof *limits);
	struct kvs all = { 0 };
	char error[300];
	const char *item;
	uint32_t index;
	for (uint32_t i = 0; i < RESOURCES; i++)
		decls[i] = (struct option_decl){ .name = (char *)(uintptr_t)resource_name((enum resource)i),
						 .type = PROBED_TYPE_STRING };
	if (*s->name)
		errs_add(b->errs, s->at, s->title, NULL, "[resources] takes no name");
	kvs_of_section(b, s, &all);
	options_check(&set, all.list, all.n, s->at, s->title, NULL, 0, b->errs);
	for (size_t i = 0; i < all.n; i++)
		if (option_for_key(&set, all.list[i].key, &index, &item) &&
		    resource_band_parse((enum resource)index, all.list[i].value, &limits->band[index], error, sizeof error))
			errs_add(b->errs, all.list[i].at, s->title, all.list[i].key, "%s", error);
	b->model->limits.resources = limits;
	b->model->limits.resource_keys = kvs_keep(b, &all);
	b->model->limits.n_resource_keys = (uint32_t)all.n;
	free(all.list);
}

static void read_global(struct builder *b)
{
	const struct section *s = config_section(b->config, "probed");
	const struct entry *limit = s ? section_find(s, "limit") : NULL, *inflight = s ? section_find(s, "inflight") : NULL;
	struct probed_value v = { 0 };
	char error[300];
	if (limit)
		b->model->limits.limit = limit_read(
		    b, s->title, &(struct kv){ .key = "limit", .value = limit->value, .at = place_keep(b, limit->at) });
	/* what is wrong with it was told with the other settings */
	if (inflight && !option_parse(&rule_decls[RULE_INFLIGHT], inflight->value, &v, error, sizeof error))
		b->model->limits.inflight = (uint32_t)v.i;
}

void limits_read(struct builder *b)
{
	struct limits *l = &b->model->limits;
	struct gate_rule *hosts = arena_alloc(b->model->arena, b->config->n * sizeof *hosts);
	struct gate_rule *drivers = arena_alloc(b->model->arena, b->config->n * sizeof *drivers);
	read_global(b);
	for (size_t i = 0; i < b->config->n; i++) {
		const struct section *s = b->config->list[i];
		if (!strcmp(s->kind, "host"))
			read_rule(b, s, true, hosts, &l->n_hosts);
		else if (!strcmp(s->kind, "driver"))
			read_rule(b, s, false, drivers, &l->n_drivers);
		else if (!strcmp(s->kind, "resources"))
			read_resources(b, s);
	}
	l->hosts = hosts;
	l->drivers = drivers;
}

int target_host(const struct target *t, char *out, size_t size)
{
	const char *gate = t->driver->gate_option, *value = NULL;
	const struct option_decl *d = gate ? option_set_find(&t->driver->options, gate, NULL) : NULL;
	if (!d)
		return -1;
	value = d->def;
	for (uint32_t i = 0; i < t->n_options; i++)
		if (!strcmp(t->options[i].key, gate))
			value = t->options[i].value;
	return value ? url_host(value, out, size) : -1;
}
