/* SPDX-License-Identifier: Apache-2.0 */
/* flatten.c - see flatten.h */
#include "plugin/flatten.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/option.h"

#define TEXT_MAX 4096
#define NAME_MAX_BYTES 47 /* what the page that a worker shares with the core has room for */
#define PROBE_SIZE_MAX (1u << 20)
#define STRIDE_MAX (1u << 16)

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/* The last member of each struct in the ABI minor that brought it. These never change: what comes later is optional. */
const struct array_rule rule_drivers = { "drivers", END_OF(struct probed_driver, run), 64 };
const struct array_rule rule_sinks = { "sinks", END_OF(struct probed_sink, close), 64 };
const struct array_rule rule_services = { "services", END_OF(struct probed_service, stop), 64 };
const struct array_rule rule_hooks = { "hooks", END_OF(struct probed_hook, run), 16 };
static const struct array_rule rule_options = { "options", END_OF(struct probed_option, flags), 256 };
static const struct array_rule rule_facts = { "facts", END_OF(struct probed_fact, reserved), 512 };
static const struct array_rule rule_schemes = { "schemes", END_OF(struct probed_scheme, reserved), 32 };

/* Keys of a target or a step that are probed's own. */
static const char *const core_keys[] = { "driver", "interval", "timeout", "jitter", "family", "labels", "expect",
                                         "weight", "monitor", "retry", "inflight", "limit", "target", "capture",
                                         "before", "after", "hook", "on_fail", "think" };
static const char *const sink_keys[] = { "driver", "queue", "on_full" };

/* The first complaint stays; what follows it is skipped. */
struct flat {
	char *error;
	size_t size;
	bool failed;
	const char *kind, *part; /* "driver", "http" */
};

static void complain(struct flat *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void complain(struct flat *f, const char *format, ...)
{
	if (f->failed)
		return;
	f->failed = true;
	int n = f->part ? snprintf(f->error, f->size, "%s \"%s\": ", f->kind, f->part) : 0;
	va_list ap;
	va_start(ap, format);
	if (n >= 0 && (size_t)n < f->size)
		vsnprintf(f->error + n, f->size - (size_t)n, format, ap);
	va_end(ap);
}

int text_check(const char *s, char *error, size_t size)
{
	size_t len = strnlen(s, TEXT_MAX + 1);
	if (len > TEXT_MAX) {
		snprintf(error, size, "a text of more than %d bytes", TEXT_MAX);
		return -1;
	}
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) {
			snprintf(error, size, "a text with a control character (byte %zu)", i + 1);
			return -1;
		}
	return 0;
}

int name_check(const char *name, const char *more, char *error, size_t size)
{
	if (!name || !*name) {
		snprintf(error, size, "has no name");
		return -1;
	}
	if (text_check(name, error, size))
		return -1;
	if (strlen(name) > NAME_MAX_BYTES) {
		snprintf(error, size, "name \"%s\": expected at most %d characters", name, NAME_MAX_BYTES);
		return -1;
	}
	for (const char *p = name; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9');
		bool last = !p[1];
		if (plain || (p != name && !(last && *p == '.') && strchr(more, *p)))
			continue;
		snprintf(error, size, "name \"%s\": expected a-z, 0-9 and %s, beginning with a letter or digit", name,
			 more);
		return -1;
	}
	return 0;
}

int array_check(const struct array_rule *rule, const void *base, uint32_t n, uint32_t stride, char *error, size_t size)
{
	if (!n)
		return 0;
	if (!base)
		snprintf(error, size, "says that it has %u %s, but points to none", n, rule->what);
	else if (n > rule->most)
		snprintf(error, size, "says that it has %u %s: at most %u make sense", n, rule->what, rule->most);
	else if (stride < rule->floor)
		snprintf(error, size, "its %s are %u bytes each: at least %u are needed", rule->what, stride,
			 rule->floor);
	else if (stride > STRIDE_MAX || stride % sizeof(void *))
		snprintf(error, size, "its %s are said to be %u bytes each: that can't be", rule->what, stride);
	else
		return 0;
	return -1;
}

static bool usable(struct flat *f, const struct array_rule *rule, const void *base, uint32_t n, uint32_t stride)
{
	char error[160];
	if (f->failed)
		return false;
	if (array_check(rule, base, n, stride, error, sizeof error))
		complain(f, "%s", error);
	return !f->failed;
}

/* A copy of a plugin's text; NULL stays NULL. */
static char *copy(struct flat *f, const char *s)
{
	char error[160];
	if (!s || f->failed)
		return NULL;
	if (text_check(s, error, sizeof error)) {
		complain(f, "%s", error);
		return NULL;
	}
	return xstrdup(s);
}

static char *copy_or(struct flat *f, const char *s, const char *otherwise)
{
	char *c = copy(f, s);
	return c ? c : xstrdup(otherwise);
}

/* --- options --- */

static bool word_in(const char *word, size_t len, const char *list)
{
	for (const char *p = list; p; p = strchr(p, '|')) {
		p += *p == '|';
		if (strcspn(p, "|") == len && !strncmp(p, word, len))
			return true;
	}
	return false;
}

static void check_choices(struct flat *f, const struct option_decl *o)
{
	if (o->type != PROBED_TYPE_CHOICE) {
		if (o->choices)
			complain(f, "option \"%s\": has choices, but is of type %s", o->name, type_name(o->type));
		return;
	}
	if (!o->choices || !*o->choices) {
		complain(f, "option \"%s\": a choice without choices", o->name);
		return;
	}
	for (const char *p = o->choices;; p++) {
		size_t len = strcspn(p, "|");
		if (!len)
			complain(f, "option \"%s\": an empty choice in \"%s\"", o->name, o->choices);
		else if (p[len] && word_in(p, len, p + len + 1))
			complain(f, "option \"%s\": choice \"%.*s\" stands twice", o->name, (int)len, p);
		p += len;
		if (!*p || f->failed)
			return;
	}
}

static void check_option(struct flat *f, const struct option_set *set, uint32_t i)
{
	const struct option_decl *o = &set->list[i];
	char error[256];
	uint32_t first;
	if (name_check(o->name, "_.", error, sizeof error))
		complain(f, "option %u: %s", i, error);
	if (f->failed)
		return;
	option_set_find(set, o->name, &first);
	if (first != i)
		complain(f, "option \"%s\" is declared twice", o->name);
	bool sink = !strcmp(f->kind, "sink");
	const char *const *keys = sink ? sink_keys : core_keys;
	size_t own = !strcmp(f->kind, "driver") ? ARRAY_LEN(core_keys) : sink ? ARRAY_LEN(sink_keys) : 1;
	for (size_t k = 0; k < own; k++) {
		size_t len = strlen(keys[k]);
		if (!strncmp(o->name, keys[k], len) && (!o->name[len] || o->name[len] == '.'))
			complain(f, "option \"%s\": that name is probed's own", o->name);
	}
	if (o->type < PROBED_TYPE_STRING || o->type > PROBED_TYPE_MAP)
		complain(f, "option \"%s\": type %u is unknown", o->name, o->type);
	check_choices(f, o);
	if (o->min > o->max)
		complain(f, "option \"%s\": its least value is above its greatest", o->name);
	if (o->def && (o->flags & PROBED_OPTION_REQUIRED))
		complain(f, "option \"%s\": required, but it has a default", o->name);
	if (!f->failed && o->def && option_parse(o, o->def, NULL, error, sizeof error))
		complain(f, "option \"%s\": bad default \"%s\": %s", o->name,
			 o->type == PROBED_TYPE_SECRET ? "" : o->def, error);
}

static void flatten_options(struct flat *f, const struct probed_option *from, uint32_t n, uint32_t stride,
			    struct option_set *set)
{
	if (!usable(f, &rule_options, from, n, stride) || !n)
		return;
	set->list = xcalloc(n, sizeof *set->list);
	for (uint32_t i = 0; i < n && !f->failed; i++) {
		const struct probed_option *o = PROBED_AT(struct probed_option, from, stride, i);
		set->list[i] = (struct option_decl){
			.name = copy(f, o->name),
			.def = copy(f, o->def),
			.help = copy_or(f, o->help, ""),
			.choices = copy(f, o->choices),
			.min = o->min,
			.max = o->max,
			.type = o->type,
			.flags = o->flags,
		};
		set->n = i + 1;
		check_option(f, set, i);
	}
}

/* --- facts --- */

static bool is_value_type(uint32_t type)
{
	switch (type) {
	case PROBED_TYPE_STRING:
	case PROBED_TYPE_INTEGER:
	case PROBED_TYPE_FLOAT:
	case PROBED_TYPE_BOOLEAN:
	case PROBED_TYPE_DURATION:
	case PROBED_TYPE_SIZE:
	case PROBED_TYPE_TIME:
		return true;
	default:
		return false;
	}
}

static bool is_value_type_name(const char *name, size_t len)
{
	for (uint32_t type = PROBED_TYPE_STRING; type <= PROBED_TYPE_TIME; type++)
		if (is_value_type(type) && strlen(type_name(type)) == len && !strncmp(type_name(type), name, len))
			return true;
	return false;
}

/* "ttl:integer|ip:string" */
static void check_columns(struct flat *f, const struct fact_decl *fact)
{
	for (const char *p = fact->columns;; p++) {
		size_t len = strcspn(p, "|");
		const char *colon = memchr(p, ':', len);
		if (!colon || colon == p || !is_value_type_name(colon + 1, len - (size_t)(colon + 1 - p))) {
			complain(f, "fact \"%s\": column \"%.*s\": expected NAME:TYPE", fact->name, (int)len, p);
			return;
		}
		p += len;
		if (!*p)
			return;
	}
}

static void check_role(struct flat *f, const struct fact_decl *fact)
{
	static const uint32_t types[] = {
		[PROBED_ROLE_OVERLOAD] = PROBED_TYPE_BOOLEAN,     [PROBED_ROLE_RETRY_AFTER] = PROBED_TYPE_DURATION,
		[PROBED_ROLE_CERT_EXPIRY] = PROBED_TYPE_DURATION, [PROBED_ROLE_PEER_IP] = PROBED_TYPE_STRING,
		[PROBED_ROLE_BYTES_IN] = PROBED_TYPE_SIZE,        [PROBED_ROLE_BYTES_OUT] = PROBED_TYPE_SIZE,
		[PROBED_ROLE_QUOTA_LEFT] = PROBED_TYPE_INTEGER,   [PROBED_ROLE_QUOTA_RESET] = PROBED_TYPE_DURATION,
	};
	if (fact->role < ARRAY_LEN(types) && types[fact->role] && fact->type != types[fact->role])
		complain(f, "fact \"%s\": with this role it must be of type %s, not %s", fact->name,
			 type_name(types[fact->role]), type_name(fact->type));
}

static void check_fact(struct flat *f, const struct driver_table *d, uint32_t i)
{
	const struct fact_decl *fact = &d->facts[i];
	char error[256];
	if (name_check(fact->name, "_.", error, sizeof error))
		complain(f, "fact %u: %s", i, error);
	for (uint32_t k = 0; k < i && !f->failed; k++)
		if (!strcmp(d->facts[k].name, fact->name))
			complain(f, "fact \"%s\" is declared twice", fact->name);
	if (f->failed)
		return;
	bool table = fact->type == PROBED_TYPE_TABLE;
	if (!table && !is_value_type(fact->type))
		complain(f, "fact \"%s\": type %u (%s) is none that a fact can have", fact->name, fact->type,
			 type_name(fact->type));
	else if (table != (fact->columns != NULL))
		complain(f, "fact \"%s\": %s", fact->name,
			 table ? "a table without columns" : "has columns, but is no table");
	else if (table)
		check_columns(f, fact);
	if ((fact->flags & PROBED_FACT_METRIC) && (table || fact->type == PROBED_TYPE_STRING))
		complain(f, "fact \"%s\": marked as a metric, but it is no number", fact->name);
	check_role(f, fact);
}

static void flatten_facts(struct flat *f, const struct probed_driver *from, struct driver_table *d)
{
	if (!usable(f, &rule_facts, from->facts, from->n_facts, from->fact_stride) || !from->n_facts)
		return;
	d->facts = xcalloc(from->n_facts, sizeof *d->facts);
	for (uint32_t i = 0; i < from->n_facts && !f->failed; i++) {
		const struct probed_fact *p = PROBED_AT(struct probed_fact, from->facts, from->fact_stride, i);
		d->facts[i] = (struct fact_decl){
			.name = copy(f, p->name),
			.unit = copy_or(f, p->unit, ""),
			.help = copy_or(f, p->help, ""),
			.columns = copy(f, p->columns),
			.type = p->type,
			.flags = p->flags,
			.role = p->role,
		};
		d->n_facts = i + 1;
		check_fact(f, d, i);
	}
}

/* --- schemes --- */

/* "tls=yes;port=443" */
static void check_preset(struct flat *f, const struct driver_table *d, const struct scheme_decl *s)
{
	CLEANUP_FREE char *preset = xstrdup(s->preset);
	char *rest = preset, *pair, error[200];
	while (!f->failed && (pair = strsep(&rest, ";"))) {
		char *eq = strchr(pair, '=');
		if (eq)
			*eq = '\0';
		const struct option_decl *o = option_set_find(&d->options, pair, NULL);
		if (!eq || !o)
			complain(f, "scheme \"%s\": preset \"%s\": expected OPTION=VALUE of an option that it has",
				 s->scheme, pair);
		else if (option_parse(o, eq + 1, NULL, error, sizeof error))
			complain(f, "scheme \"%s\": preset \"%s=%s\": %s", s->scheme, pair, eq + 1, error);
	}
}

static void check_scheme(struct flat *f, const struct driver_table *d, uint32_t i)
{
	const struct scheme_decl *s = &d->schemes[i];
	const char *const fills[][2] = {
		{ "whole", s->whole }, { "authority", s->authority }, { "host", s->host },         { "port", s->port },
		{ "path", s->path },   { "user", s->user },           { "password", s->password },
	};
	char error[256];
	if (name_check(s->scheme, "+.-", error, sizeof error))
		complain(f, "scheme %u: %s", i, error);
	for (uint32_t k = 0; k < i && !f->failed; k++)
		if (!strcmp(d->schemes[k].scheme, s->scheme))
			complain(f, "scheme \"%s\" is declared twice", s->scheme);
	for (size_t k = 0; k < ARRAY_LEN(fills) && !f->failed; k++)
		if (fills[k][1] && !option_set_find(&d->options, fills[k][1], NULL))
			complain(f, "scheme \"%s\": its %s fills option \"%s\", which it does not have", s->scheme,
				 fills[k][0], fills[k][1]);
	if (!f->failed && s->preset)
		check_preset(f, d, s);
}

static void flatten_schemes(struct flat *f, const struct probed_driver *from, struct driver_table *d)
{
	if (!usable(f, &rule_schemes, from->schemes, from->n_schemes, from->scheme_stride) || !from->n_schemes)
		return;
	d->schemes = xcalloc(from->n_schemes, sizeof *d->schemes);
	for (uint32_t i = 0; i < from->n_schemes && !f->failed; i++) {
		const struct probed_scheme *p = PROBED_AT(struct probed_scheme, from->schemes, from->scheme_stride, i);
		d->schemes[i] = (struct scheme_decl){
			.scheme = copy(f, p->scheme),
			.whole = copy(f, p->whole),
			.authority = copy(f, p->authority),
			.host = copy(f, p->host),
			.port = copy(f, p->port),
			.path = copy(f, p->path),
			.user = copy(f, p->user),
			.password = copy(f, p->password),
			.preset = copy(f, p->preset),
			.query_opts = p->query_opts,
		};
		d->n_schemes = i + 1;
		check_scheme(f, d, i);
	}
}

/* --- drivers, sinks, services, hooks --- */

static void check_driver(struct flat *f, const struct probed_driver *from, const struct driver_table *d)
{
	static const char *const pools[] = { "net", "raw", "exec", "heavy" };
	bool blocking = from->flags & PROBED_DRIVER_BLOCKING, known = false;
	for (size_t i = 0; i < ARRAY_LEN(pools); i++)
		known |= !strcmp(d->needs, pools[i]);
	if (!known)
		complain(f, "needs the worker pool \"%s\": expected net, raw, exec or heavy", d->needs);
	if (blocking && !from->run)
		complain(f, "a blocking driver without run()");
	if (!blocking && !from->start)
		complain(f, "a driver without start()");
	if (from->probe_size > PROBE_SIZE_MAX)
		complain(f, "wants %u bytes for each probe: at most %u are given", from->probe_size, PROBE_SIZE_MAX);
	if (d->default_expect && !d->default_expect[strspn(d->default_expect, " \t")])
		complain(f, "its default expectation is empty");
	if (d->gate_option && !option_set_find(&d->options, d->gate_option, NULL))
		complain(f, "its gate key is option \"%s\", which it does not have", d->gate_option);
}

/* The name of a driver, sink, service or hook; `f` speaks of it from here on. */
static char *begin_part(struct flat *f, const char *kind, uint32_t i, const char *name)
{
	char error[256];
	f->kind = kind;
	f->part = NULL;
	if (!f->failed && name_check(name, "_-", error, sizeof error))
		complain(f, "%s %u: %s", kind, i, error);
	char *own = copy(f, name);
	f->part = own;
	return own;
}

static void flatten_drivers(struct flat *f, const struct probed_plugin *entry, struct plugin_table *t)
{
	t->drivers = entry->n_drivers ? xcalloc(entry->n_drivers, sizeof *t->drivers) : NULL;
	for (uint32_t i = 0; i < entry->n_drivers && !f->failed; i++) {
		const struct probed_driver *from = &entry->drivers[i];
		struct driver_table *d = &t->drivers[i];
		t->n_drivers = i + 1;
		d->plugin = t;
		d->name = begin_part(f, "driver", i, from->name);
		d->summary = copy_or(f, from->summary, "");
		d->needs = copy_or(f, from->needs, "net");
		d->default_expect = copy(f, from->default_expect);
		d->gate_option = copy(f, from->gate_option);
		d->flags = from->flags;
		d->probe_size = from->probe_size;
		d->max_inflight = from->max_inflight;
		flatten_options(f, from->options, from->n_options, from->option_stride, &d->options);
		flatten_facts(f, from, d);
		flatten_schemes(f, from, d);
		check_driver(f, from, d);
		for (uint32_t k = 0; k < i && !f->failed; k++)
			if (!strcmp(t->drivers[k].name, d->name))
				complain(f, "is declared twice");
	}
}

static void check_part(struct flat *f, const struct part_table *parts, uint32_t i, bool works, const char *slot)
{
	if (!works)
		complain(f, "a %s without %s()", f->kind, slot);
	for (uint32_t k = 0; k < i && !f->failed; k++)
		if (!strcmp(parts[k].name, parts[i].name))
			complain(f, "is declared twice");
}

static void flatten_sinks(struct flat *f, const struct probed_plugin *entry, struct plugin_table *t)
{
	t->sinks = entry->n_sinks ? xcalloc(entry->n_sinks, sizeof *t->sinks) : NULL;
	for (uint32_t i = 0; i < entry->n_sinks && !f->failed; i++) {
		const struct probed_sink *from = &entry->sinks[i];
		struct part_table *p = &t->sinks[i];
		t->n_sinks = i + 1;
		p->plugin = t;
		p->name = begin_part(f, "sink", i, from->name);
		p->summary = copy_or(f, from->summary, "");
		flatten_options(f, from->options, from->n_options, from->option_stride, &p->options);
		check_part(f, t->sinks, i, from->write, "write");
	}
}

static void flatten_services(struct flat *f, const struct probed_plugin *entry, struct plugin_table *t)
{
	t->services = entry->n_services ? xcalloc(entry->n_services, sizeof *t->services) : NULL;
	for (uint32_t i = 0; i < entry->n_services && !f->failed; i++) {
		const struct probed_service *from = &entry->services[i];
		struct part_table *p = &t->services[i];
		t->n_services = i + 1;
		p->plugin = t;
		p->name = begin_part(f, "service", i, from->name);
		p->summary = copy_or(f, from->summary, "");
		flatten_options(f, from->options, from->n_options, from->option_stride, &p->options);
		check_part(f, t->services, i, from->start, "start");
	}
}

/* Hooks and drivers share the names by which the worker tells who is being called. */
static void flatten_hooks(struct flat *f, const struct probed_plugin *entry, struct plugin_table *t)
{
	t->hooks = entry->n_hooks ? xcalloc(entry->n_hooks, sizeof *t->hooks) : NULL;
	for (uint32_t i = 0; i < entry->n_hooks && !f->failed; i++) {
		const struct probed_hook *from = &entry->hooks[i];
		struct part_table *p = &t->hooks[i];
		t->n_hooks = i + 1;
		p->plugin = t;
		p->name = begin_part(f, "hook", i, from->name);
		p->summary = copy_or(f, from->summary, "");
		check_part(f, t->hooks, i, from->compile && from->run, "compile() and run");
		for (uint32_t k = 0; k < t->n_drivers && !f->failed; k++)
			if (!strcmp(t->drivers[k].name, p->name))
				complain(f, "has the name of one of its drivers");
	}
}

int flatten(const struct probed_plugin *entry, struct plugin_table *t, char *error, size_t size)
{
	struct flat f = { .error = error, .size = size };
	if (!entry->n_drivers && !entry->n_sinks && !entry->n_services && !entry->n_hooks)
		complain(&f, "provides no driver, sink, service or hook");
	flatten_drivers(&f, entry, t);
	flatten_sinks(&f, entry, t);
	flatten_services(&f, entry, t);
	flatten_hooks(&f, entry, t);
	return f.failed ? -1 : 0;
}
