/* SPDX-License-Identifier: Apache-2.0 */
/* commands.c - --list-plugins and --plugin-info: tables for people. See commands.h */
#include "plugin/commands.h"

#include <inttypes.h>
#include <jansson.h>
#include <probed/driver.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "plugin/describe.h"
#include "plugin/inspector.h"
#include "plugin/quarantine.h"

#define COLUMNS_MAX 6

/* Rows of text in aligned columns, the last one ragged. */
struct grid {
	char *(*rows)[COLUMNS_MAX];
	size_t n, cap, columns;
};

static void grid_add(struct grid *g, const char *const *cells)
{
	xgrow(g->rows, g->n, g->cap);
	for (size_t k = 0; k < g->columns; k++)
		g->rows[g->n][k] = xstrdup(cells[k] ? cells[k] : "");
	g->n++;
}

static void grid_print(const struct grid *g, const char *indent, FILE *to)
{
	size_t width[COLUMNS_MAX] = { 0 };
	for (size_t i = 0; i < g->n; i++)
		for (size_t k = 0; k < g->columns; k++)
			if (strlen(g->rows[i][k]) > width[k])
				width[k] = strlen(g->rows[i][k]);
	for (size_t i = 0; i < g->n; i++) {
		fputs(indent, to);
		for (size_t k = 0; k + 1 < g->columns; k++)
			fprintf(to, "%-*s  ", (int)width[k], g->rows[i][k]);
		fprintf(to, "%s\n", g->rows[i][g->columns - 1]);
	}
}

static void grid_free(struct grid *g)
{
	for (size_t i = 0; i < g->n; i++)
		for (size_t k = 0; k < g->columns; k++)
			free(g->rows[i][k]);
	free(g->rows);
}

/* --- --list-plugins --- */

static char *kinds_of(const struct plugin_table *t)
{
	struct buf b = { 0 };
	const struct {
		const char *kind;
		uint32_t n;
	} counts[] = { { "driver", t->n_drivers }, { "sink", t->n_sinks }, { "service", t->n_services },
		     { "hook", t->n_hooks } };
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		if (counts[i].n)
			buf_printf(&b, "%s%s%s", b.len ? "," : "", counts[i].kind, counts[i].n > 1 ? "s" : "");
	if (!b.len)
		buf_putc(&b, '-');
	return buf_cstr(&b);
}

/* Where its name could not be read: the file's, without .so. */
static char *name_of(const struct plugin_table *t)
{
	if (t->name)
		return xstrdup(t->name);
	const char *slash = strrchr(t->path, '/');
	const char *base = slash ? slash + 1 : t->path;
	size_t len = strlen(base);
	return xstrndup(base, len > 3 && !strcmp(base + len - 3, ".so") ? len - 3 : len);
}

/* Why the first driver of it that a running daemon holds back is held back; NULL: none is. To be freed. */
static char *held_back(const json_t *quarantine, const struct plugin_table *t)
{
	char *why = NULL;
	for (uint32_t i = 0; t->state == PLUGIN_LOADED && i < t->n_drivers && !why; i++)
		why = quarantine_why(quarantine, t->drivers[i].name);
	return why;
}

static void list_row(struct grid *g, const struct plugin_table *t, const json_t *quarantine)
{
	CLEANUP_FREE char *held = held_back(quarantine, t);
	const char *why = held ? held : t->why;
	CLEANUP_FREE char *name = name_of(t);
	bool read = t->name != NULL;
	CLEANUP_FREE char *kinds = t->state == PLUGIN_REFUSED ? xstrdup("-") : kinds_of(t);
	CLEANUP_FREE char *abi = read ? xasprintf("%u.%u", t->abi_major, t->abi_minor) : xstrdup("-");
	CLEANUP_FREE char *from = why ? xasprintf("%s: %s", t->path, why) : xstrdup(t->path);
	grid_add(g, (const char *const[]){ name, kinds, read && *t->version ? t->version : "-", abi,
					   held ? "quarantined" : state_name(t->state), from });
}

static json_t *list_json(const struct plugin_table *t, const json_t *quarantine)
{
	CLEANUP_FREE char *held = held_back(quarantine, t);
	json_t *one = plugin_json(t, false);
	if (held) {
		json_object_set_new(one, "state", json_string("quarantined"));
		json_object_set_new(one, "why", json_string(held));
	}
	return one;
}

int cmd_list_plugins(const char *const *folders, size_t n, const char *state_dir, bool json, FILE *to)
{
	struct registry *r = inspect(folders, n, NULL);
	json_t *quarantine = quarantine_load(state_dir);
	if (json) {
		json_t *all = json_array();
		for (uint32_t i = 0; i < r->n_plugins; i++)
			json_array_append_new(all, list_json(r->plugins[i], quarantine));
		json_dumpf(all, to, JSON_INDENT(2));
		fputc('\n', to);
		json_decref(all);
	} else {
		struct grid g = { .columns = 6 };
		grid_add(&g, (const char *const[]){ "NAME", "KIND", "VERSION", "ABI", "STATE", "FROM" });
		for (uint32_t i = 0; i < r->n_plugins; i++)
			list_row(&g, r->plugins[i], quarantine);
		grid_print(&g, "", to);
		grid_free(&g);
	}
	json_decref(quarantine);
	registry_unref(r);
	return fflush(to) ? 1 : 0;
}

/* --- --plugin-info --- */

static void print_options(const struct option_set *set, FILE *to)
{
	struct grid g = { .columns = 4 };
	if (!set->n)
		return;
	fputs("\n  Options\n", to);
	for (uint32_t i = 0; i < set->n; i++) {
		const struct option_decl *o = &set->list[i];
		CLEANUP_FREE char *key = option_key(o);
		CLEANUP_FREE char *range = option_range(o);
		CLEANUP_FREE char *value = o->flags & PROBED_OPTION_REQUIRED ? xstrdup("required")
					   : o->def ? xasprintf("default %s", *o->def ? o->def : "\"\"")
						    : xstrdup("-");
		CLEANUP_FREE char *help =
		    xasprintf("%s%s%s%s", o->help, range ? " (" : "", range ? range : "", range ? ")" : "");
		CLEANUP_FREE char *type =
		    xasprintf("%s%s", type_name(o->type), o->flags & PROBED_OPTION_TEMPLATE ? " {{}}" : "");
		grid_add(&g, (const char *const[]){ key, type, value, help });
	}
	grid_print(&g, "    ", to);
	grid_free(&g);
}

static void print_facts(const struct driver_table *d, FILE *to)
{
	struct grid g = { .columns = 4 };
	if (!d->n_facts)
		return;
	fputs("\n  Facts\n", to);
	for (uint32_t i = 0; i < d->n_facts; i++) {
		const struct fact_decl *f = &d->facts[i];
		CLEANUP_FREE char *name = xasprintf("%s%s", f->name, f->flags & PROBED_FACT_FAMILY ? ".NAME" : "");
		CLEANUP_FREE char *type =
		    xasprintf("%s%s", type_name(f->type), f->flags & PROBED_FACT_LIST ? " list" : "");
		CLEANUP_FREE char *help =
		    xasprintf("%s%s%s%s%s", f->help, f->columns ? " (" : "", f->columns ? f->columns : "",
			      f->columns ? ")" : "", f->flags & PROBED_FACT_METRIC ? " (a metric)" : "");
		grid_add(&g, (const char *const[]){ name, type, *f->unit ? f->unit : "-", help });
	}
	grid_print(&g, "    ", to);
	grid_free(&g);
}

static void print_driver(const struct driver_table *d, FILE *to)
{
	fprintf(to, "\nDriver %s: %s\n", d->name, d->summary);
	fprintf(to, "  worker pool \"%s\"%s", d->needs,
		d->flags & PROBED_DRIVER_BLOCKING ? ", blocking, on a pool of threads" : "");
	if (d->max_inflight)
		fprintf(to, ", at most %" PRIu32 " probes at a time in each worker", d->max_inflight);
	fputc('\n', to);
	if (d->default_expect)
		fprintf(to, "  expects \"%s\" where the target says nothing about it\n", d->default_expect);
	if (d->gate_option)
		fprintf(to, "  rate limits and backoff go by the host in \"%s\"\n", d->gate_option);
	for (uint32_t i = 0; i < d->n_schemes; i++) {
		CLEANUP_FREE char *url = scheme_url(&d->schemes[i]);
		fprintf(to, "%s%s\n", i ? "       " : "  URL  ", url);
	}
	print_options(&d->options, to);
	print_facts(d, to);
}

static void print_parts(const char *kind, const struct part_table *parts, uint32_t n, FILE *to)
{
	for (uint32_t i = 0; i < n; i++) {
		fprintf(to, "\n%s %s: %s\n", kind, parts[i].name, parts[i].summary);
		print_options(&parts[i].options, to);
	}
}

static void print_plugin(const struct plugin_table *t, FILE *to)
{
	fprintf(to, "%s %s: %s\n", t->name, t->version, t->summary);
	fprintf(to, "  %s, built for ABI %u.%u, needs %u.%u\n", t->path, t->abi_major, t->abi_minor, t->abi_major,
		t->need_minor);
	if (t->state == PLUGIN_SHADOWED)
		fprintf(to, "  shadowed, not in use: %s\n", t->why);
	for (uint32_t i = 0; i < t->n_drivers; i++)
		print_driver(&t->drivers[i], to);
	print_parts("Sink", t->sinks, t->n_sinks, to);
	print_parts("Service", t->services, t->n_services, to);
	print_parts("Hook", t->hooks, t->n_hooks, to);
}

static bool provides(const struct plugin_table *t, const char *name)
{
	for (uint32_t i = 0; i < t->n_drivers; i++)
		if (!strcmp(t->drivers[i].name, name))
			return true;
	for (uint32_t i = 0; i < t->n_sinks; i++)
		if (!strcmp(t->sinks[i].name, name))
			return true;
	for (uint32_t i = 0; i < t->n_services; i++)
		if (!strcmp(t->services[i].name, name))
			return true;
	for (uint32_t i = 0; i < t->n_hooks; i++)
		if (!strcmp(t->hooks[i].name, name))
			return true;
	return false;
}

/* By the plugin's own name first, then by what it provides; one in use before one that is not. */
static const struct plugin_table *find(const struct registry *r, const char *name)
{
	const struct plugin_table *found = NULL;
	for (int round = 0; round < 4 && !found; round++)
		for (uint32_t i = 0; i < r->n_plugins && !found; i++) {
			const struct plugin_table *t = r->plugins[i];
			CLEANUP_FREE char *own = name_of(t);
			if ((t->state == PLUGIN_LOADED) == (round < 2) &&
			    (round % 2 ? provides(t, name) : !strcmp(own, name)))
				found = t;
		}
	return found;
}

static void say_unknown(const struct registry *r, const char *name)
{
	const char **known = xcalloc(r->n_plugins + 1, sizeof *known);
	CLEANUP_BUF struct buf list = { 0 };
	size_t n = 0;
	for (uint32_t i = 0; i < r->n_plugins; i++) {
		if (r->plugins[i]->state != PLUGIN_LOADED)
			continue;
		known[n++] = r->plugins[i]->name;
		buf_printf(&list, "%s%s", list.len ? ", " : "", r->plugins[i]->name);
	}
	const char *near = str_nearest(name, known, n);
	fprintf(stderr, "probed: no plugin \"%s\"", name);
	if (near)
		fprintf(stderr, " (did you mean \"%s\"?)", near);
	fprintf(stderr, "; there are: %s\n", n ? buf_cstr(&list) : "none");
	free(known);
}

int cmd_plugin_info(const char *const *folders, size_t n, const char *name, bool json, FILE *to)
{
	struct registry *r = inspect(folders, n, NULL);
	const struct plugin_table *t = find(r, name);
	int rc = 1;
	if (!t) {
		say_unknown(r, name);
	} else if (t->state == PLUGIN_REFUSED) {
		fprintf(stderr, "probed: plugin \"%s\" is refused: %s: %s\n", name, t->path, t->why);
	} else {
		if (json) {
			json_t *one = plugin_json(t, true);
			json_dumpf(one, to, JSON_INDENT(2));
			fputc('\n', to);
			json_decref(one);
		} else {
			print_plugin(t, to);
		}
		rc = fflush(to) ? 1 : 0;
	}
	registry_unref(r);
	return rc;
}
