/* SPDX-License-Identifier: Apache-2.0 */
/* describe.c - see describe.h */
#include "plugin/describe.h"

#include <ctype.h>
#include <inttypes.h>
#include <probed/driver.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/unit.h"

const char *state_name(uint32_t state)
{
	return state == PLUGIN_LOADED ? "loaded" : state == PLUGIN_SHADOWED ? "shadowed" : "refused";
}

char *option_key(const struct option_decl *o)
{
	return xasprintf("%s%s", o->name,
			 o->type == PROBED_TYPE_MAP    ? ".KEY"
			 : o->type == PROBED_TYPE_LIST ? ".N"
						       : "");
}

static char *bound(uint32_t type, int64_t v, char *out, size_t size)
{
	if (type == PROBED_TYPE_DURATION)
		return unit_format_duration(v, out, size);
	if (type == PROBED_TYPE_SIZE)
		return unit_format_size(v, out, size);
	snprintf(out, size, "%" PRId64, v);
	return out;
}

char *option_range(const struct option_decl *o)
{
	char low[48], high[48];
	if (o->type == PROBED_TYPE_CHOICE) {
		struct buf b = { 0 };
		buf_puts(&b, "one of ");
		for (const char *p = o->choices; *p; p++)
			*p == '|' ? buf_puts(&b, ", ") : buf_putc(&b, *p);
		return buf_cstr(&b);
	}
	if (!o->min && !o->max)
		return NULL;
	bound(o->type, o->min, low, sizeof low);
	bound(o->type, o->max, high, sizeof high);
	const char *items = o->type == PROBED_TYPE_LIST || o->type == PROBED_TYPE_MAP ? " of them" : "";
	if (o->max == INT64_MAX)
		return xasprintf("at least %s%s", low, items);
	if (o->min == INT64_MIN)
		return xasprintf("at most %s%s", high, items);
	return xasprintf("%s .. %s%s", low, high, items);
}

static void put_capitals(struct buf *b, const char *before, const char *word)
{
	if (!word)
		return;
	buf_puts(b, before);
	for (; *word; word++)
		buf_putc(b, (char)toupper((unsigned char)*word));
}

char *scheme_url(const struct scheme_decl *s)
{
	struct buf b = { 0 };
	buf_printf(&b, "%s://", s->scheme);
	if (s->whole) {
		buf_puts(&b, "...");
		put_capitals(&b, " fills ", s->whole);
	} else {
		put_capitals(&b, "", s->user);
		put_capitals(&b, ":", s->password);
		if (s->user || s->password)
			buf_putc(&b, '@');
		put_capitals(&b, "", s->authority ? s->authority : s->host);
		put_capitals(&b, ":", s->port);
		put_capitals(&b, "/", s->path);
	}
	if (s->query_opts)
		buf_puts(&b, "?option=value");
	if (s->preset)
		buf_printf(&b, "  (sets %s)", s->preset);
	return buf_cstr(&b);
}

static json_t *text(const char *s)
{
	json_t *j = s ? json_string(s) : json_null();
	return j ? j : json_string("(not UTF-8)");
}

static json_t *options_json(const struct option_set *set)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < set->n; i++) {
		const struct option_decl *o = &set->list[i];
		json_t *one = json_pack("{s:o, s:s, s:o, s:o, s:b, s:b, s:b}", "name", text(o->name), "type",
					type_name(o->type), "default", text(o->def), "help", text(o->help), "required",
					(o->flags & PROBED_OPTION_REQUIRED) != 0, "template",
					(o->flags & PROBED_OPTION_TEMPLATE) != 0, "secret",
					o->type == PROBED_TYPE_SECRET || (o->flags & PROBED_OPTION_SECRET));
		if (o->min || o->max) {
			json_object_set_new(one, "min", json_integer(o->min));
			json_object_set_new(one, "max", json_integer(o->max));
		}
		if (o->choices)
			json_object_set_new(one, "choices", text(o->choices));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *facts_json(const struct driver_table *d)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < d->n_facts; i++) {
		const struct fact_decl *f = &d->facts[i];
		json_t *one = json_pack(
		    "{s:o, s:s, s:o, s:o, s:b, s:b, s:b}", "name", text(f->name), "type", type_name(f->type), "unit",
		    text(f->unit), "help", text(f->help), "family", (f->flags & PROBED_FACT_FAMILY) != 0, "list",
		    (f->flags & PROBED_FACT_LIST) != 0, "metric", (f->flags & PROBED_FACT_METRIC) != 0);
		if (f->columns)
			json_object_set_new(one, "columns", text(f->columns));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *driver_json(const struct driver_table *d)
{
	json_t *schemes = json_array();
	for (uint32_t i = 0; i < d->n_schemes; i++) {
		CLEANUP_FREE char *url = scheme_url(&d->schemes[i]);
		json_array_append_new(schemes,
				      json_pack("{s:o, s:o}", "scheme", text(d->schemes[i].scheme), "url", text(url)));
	}
	return json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:I, s:o, s:o, s:o}", "name", text(d->name), "summary",
			 text(d->summary), "needs", text(d->needs), "blocking",
			 (d->flags & PROBED_DRIVER_BLOCKING) != 0, "default_expect", text(d->default_expect),
			 "gate_option", text(d->gate_option), "max_inflight", (json_int_t)d->max_inflight, "options",
			 options_json(&d->options), "facts", facts_json(d), "schemes", schemes);
}

static json_t *parts_json(const struct part_table *parts, uint32_t n, bool full)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, full ? json_pack("{s:o, s:o, s:o}", "name", text(parts[i].name), "summary",
							     text(parts[i].summary), "options",
							     options_json(&parts[i].options))
						 : text(parts[i].name));
	return list;
}

json_t *plugin_json(const struct plugin_table *t, bool full)
{
	CLEANUP_FREE char *abi = xasprintf("%u.%u", t->abi_major, t->abi_minor);
	json_t *drivers = json_array();
	for (uint32_t i = 0; i < t->n_drivers; i++)
		json_array_append_new(drivers, full ? driver_json(&t->drivers[i]) : text(t->drivers[i].name));
	return json_pack("{s:o, s:o, s:o, s:o, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", text(t->name), "version",
			 text(t->version), "summary", text(t->summary), "abi", t->name ? text(abi) : json_null(),
			 "need_minor", (int)t->need_minor, "state", state_name(t->state), "why", text(t->why), "path",
			 text(t->path), "drivers", drivers, "sinks", parts_json(t->sinks, t->n_sinks, full), "services",
			 parts_json(t->services, t->n_services, full), "hooks", parts_json(t->hooks, t->n_hooks, full));
}
