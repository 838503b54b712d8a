/* SPDX-License-Identifier: Apache-2.0 */
/* loader.c - see loader.h */
#include "plugin/loader.h"

#include <dlfcn.h>
#include <link.h>
#include <ltdl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plugin/flatten.h"
#include "plugin/scan.h"

#define LOADED_MAGIC 0x6c6f6164u
#define ENTRY_SIZE_MAX (1u << 16)

static struct loaded_plugin *first;
static bool ltdl_ready;

/* --- the object --- */

/* The dynamic linker's own words, without the path that it puts first. */
static void say_dlerror(const char *path, char *error, size_t size)
{
	const char *said = dlerror();
	size_t len = strlen(path);
	if (said && !strncmp(said, path, len) && !strncmp(said + len, ": ", 2))
		said += len + 2;
	snprintf(error, size, "%s", said ? said : "the dynamic linker refused it and did not say why");
}

static lt_dlhandle ltdl_open(const char *path)
{
	lt_dladvise advise;
	lt_dlhandle handle = NULL;
	if (!ltdl_ready && lt_dlinit())
		return NULL;
	ltdl_ready = true;
	if (lt_dladvise_init(&advise))
		return NULL;
	/* resident: libraries like OpenSSL must not be unmapped under a running process */
	if (!lt_dladvise_local(&advise) && !lt_dladvise_resident(&advise))
		handle = lt_dlopenadvise(path, advise);
	lt_dladvise_destroy(&advise);
	return handle;
}

/* libltdl binds lazily, so that a missing symbol would show at the first call only, and it hides the reasons of
 * failures: so the object is bound at once and asked for by dlopen() first, and then handed to libltdl. */
static const struct probed_plugin *map_object(const char *path, char *error, size_t size)
{
	void *bound = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!bound) {
		say_dlerror(path, error, size);
		return NULL;
	}
	const struct probed_plugin *entry = NULL;
	lt_dlhandle handle = ltdl_open(path);
	if (!handle)
		snprintf(error, size, "libltdl refused it: %s", lt_dlerror());
	else if (!(entry = lt_dlsym(handle, "probed_plugin")))
		snprintf(error, size, "exports no \"probed_plugin\": not a plugin of probed's");
	dlclose(bound);
	return entry;
}

/* Bytes that the symbol has in the object, 0 where it is no data. */
static size_t symbol_size(const void *symbol)
{
	Dl_info info;
	const ElfW(Sym) *sym = NULL;
	if (!dladdr1(symbol, &info, (void **)(uintptr_t)&sym, RTLD_DL_SYMENT) || !sym || info.dli_saddr != symbol)
		return 0;
	return ELF64_ST_TYPE(sym->st_info) == STT_OBJECT ? sym->st_size : 0;
}

/* --- acceptance --- */

static int check_versions(const struct probed_plugin *p, struct plugin_table *t, char *error, size_t size)
{
	if (symbol_size(p) < PLUGIN_SIZE_FLOOR) {
		snprintf(
		    error, size,
		    "its \"probed_plugin\" is no struct probed_plugin (%zu bytes of data, at least %zu are needed)",
		    symbol_size(p), PLUGIN_SIZE_FLOOR);
		return -1;
	}
	if (p->magic != PROBED_MAGIC) {
		snprintf(error, size, "wrong magic number in its \"probed_plugin\": not a plugin of probed's");
		return -1;
	}
	t->abi_major = p->abi_major;
	t->abi_minor = p->abi_minor;
	t->need_minor = p->need_minor;
	if (p->abi_major != PROBED_ABI_MAJOR)
		snprintf(error, size, "built for ABI %u.%u, this probed has %d.%d: it must be built again",
			 p->abi_major, p->abi_minor, PROBED_ABI_MAJOR, PROBED_ABI_MINOR);
	else if (p->need_minor > PROBED_ABI_MINOR)
		snprintf(error, size, "needs ABI %u.%u, this probed has %d.%d: a newer probed is needed", p->abi_major,
			 p->need_minor, PROBED_ABI_MAJOR, PROBED_ABI_MINOR);
	else if (p->size < PLUGIN_SIZE_FLOOR)
		snprintf(error, size, "its struct probed_plugin is %u bytes: at least %zu are needed", p->size,
			 PLUGIN_SIZE_FLOOR);
	else if (p->size > ENTRY_SIZE_MAX || p->size > symbol_size(p))
		snprintf(error, size, "its struct probed_plugin is said to be %u bytes: that can't be", p->size);
	else
		return 0;
	return -1;
}

static void copy_struct(void *to, size_t own, const void *from, size_t theirs)
{
	memset(to, 0, own);
	memcpy(to, from, theirs < own ? theirs : own);
}

/* An array of `n` structs of our own size, each with what both sides know. */
static void *copy_array(const void *from, uint32_t n, uint32_t stride, size_t own)
{
	char *to = xcalloc((size_t)n + 1, own);
	for (uint32_t i = 0; i < n; i++)
		copy_struct(to + i * own, own, PROBED_AT(char, from, stride, i), stride);
	return to;
}

static int copy_parts(struct loaded_plugin *l, char *error, size_t size)
{
	struct probed_plugin *e = &l->entry;
	if (array_check(&rule_drivers, e->drivers, e->n_drivers, e->driver_stride, error, size) ||
	    array_check(&rule_sinks, e->sinks, e->n_sinks, e->sink_stride, error, size) ||
	    array_check(&rule_services, e->services, e->n_services, e->service_stride, error, size) ||
	    array_check(&rule_hooks, e->hooks, e->n_hooks, e->hook_stride, error, size))
		return -1;
	e->drivers = l->drivers = copy_array(e->drivers, e->n_drivers, e->driver_stride, sizeof *l->drivers);
	e->sinks = l->sinks = copy_array(e->sinks, e->n_sinks, e->sink_stride, sizeof *l->sinks);
	e->services = l->services = copy_array(e->services, e->n_services, e->service_stride, sizeof *l->services);
	e->hooks = l->hooks = copy_array(e->hooks, e->n_hooks, e->hook_stride, sizeof *l->hooks);
	e->driver_stride = sizeof *l->drivers;
	e->sink_stride = sizeof *l->sinks;
	e->service_stride = sizeof *l->services;
	e->hook_stride = sizeof *l->hooks;
	return 0;
}

static int copy_names(const struct probed_plugin *e, struct plugin_table *t, char *error, size_t size)
{
	if (name_check(e->name, "_-", error, size) || (e->version && text_check(e->version, error, size)) ||
	    (e->summary && text_check(e->summary, error, size)))
		return -1;
	t->name = xstrdup(e->name);
	t->version = xstrdup(e->version ? e->version : "");
	t->summary = xstrdup(e->summary ? e->summary : "");
	return 0;
}

static int accept_object(struct loaded_plugin *l, char *error, size_t size)
{
	if (l->path[0] != '/') {
		snprintf(error, size, "expected an absolute path");
		return -1;
	}
	if (scan_check_file(l->path, NULL, error, size))
		return -1;
	const struct probed_plugin *theirs = map_object(l->path, error, size);
	if (!theirs || check_versions(theirs, l->table, error, size))
		return -1;
	copy_struct(&l->entry, sizeof l->entry, theirs, theirs->size);
	if (copy_names(&l->entry, l->table, error, size) || copy_parts(l, error, size))
		return -1;
	return flatten(&l->entry, l->table, error, size);
}

static void loaded_free(struct loaded_plugin *l)
{
	plugin_table_free(l->table);
	free(l->drivers);
	free(l->sinks);
	free(l->services);
	free(l->hooks);
	free(l->path);
	l->magic = 0;
	free(l);
}

/* A refused plugin keeps its name and versions; its tables may be half read. */
static struct plugin_table *refused_table(struct plugin_table *t, const char *why)
{
	struct plugin_table *r = xnew(struct plugin_table);
	*r = (struct plugin_table){
		.path = t->path,
		.name = t->name,
		.version = t->version,
		.summary = t->summary,
		.why = xstrdup(why),
		.state = PLUGIN_REFUSED,
		.abi_major = t->abi_major,
		.abi_minor = t->abi_minor,
		.need_minor = t->need_minor,
	};
	t->path = t->name = t->version = t->summary = NULL;
	plugin_table_free(t);
	return r;
}

/* A refused one has table->why. */
static struct loaded_plugin *loaded_new(const char *path)
{
	char error[512] = "";
	struct loaded_plugin *l = xnew(struct loaded_plugin);
	l->magic = LOADED_MAGIC;
	l->path = xstrdup(path);
	l->table = xnew(struct plugin_table);
	l->table->path = xstrdup(path);
	if (accept_object(l, error, sizeof error))
		l->table = refused_table(l->table, error);
	return l;
}

/* --- what callers see --- */

static int call_load(struct loaded_plugin *l, const struct probed_host *host, char *error, size_t size)
{
	if (!host || l->in_use)
		return 0;
	if (l->entry.load && l->entry.load(host)) {
		snprintf(error, size, "its load() refused to work here");
		return -1;
	}
	l->in_use = true;
	return 0;
}

static struct loaded_plugin *find(const char *path)
{
	for (struct loaded_plugin *l = first; l; l = l->next)
		if (!strcmp(l->path, path))
			return l;
	return NULL;
}

struct loaded_plugin *loader_open(const char *path, const struct probed_host *host, char *error, size_t size)
{
	struct loaded_plugin *l = find(path);
	if (l)
		return call_load(l, host, error, size) ? NULL : l;
	l = loaded_new(path);
	if (l->table->state == PLUGIN_REFUSED) {
		snprintf(error, size, "%s", l->table->why);
		loaded_free(l);
		return NULL;
	}
	if (call_load(l, host, error, size)) {
		loaded_free(l);
		return NULL;
	}
	struct loaded_plugin **end = &first;
	while (*end)
		end = &(*end)->next;
	*end = l;
	return l;
}

struct plugin_table *loader_inspect(const char *path)
{
	struct loaded_plugin *l = loaded_new(path);
	struct plugin_table *t = l->table;
	l->table = NULL;
	loaded_free(l);
	return t;
}

struct loaded_plugin *loader_first(void)
{
	return first;
}

const struct probed_driver *loader_driver(const char *name, const struct driver_table **table)
{
	for (struct loaded_plugin *l = first; l; l = l->next)
		for (uint32_t i = 0; i < l->entry.n_drivers; i++) {
			if (strcmp(l->table->drivers[i].name, name))
				continue;
			if (table)
				*table = &l->table->drivers[i];
			return &l->drivers[i];
		}
	return NULL;
}

const struct probed_sink *loader_sink(const char *name, const struct part_table **table)
{
	for (struct loaded_plugin *l = first; l; l = l->next)
		for (uint32_t i = 0; i < l->entry.n_sinks; i++) {
			if (strcmp(l->table->sinks[i].name, name))
				continue;
			if (table)
				*table = &l->table->sinks[i];
			return &l->sinks[i];
		}
	return NULL;
}

const struct probed_service *loader_service(const char *name, const struct part_table **table)
{
	for (struct loaded_plugin *l = first; l; l = l->next)
		for (uint32_t i = 0; i < l->entry.n_services; i++) {
			if (strcmp(l->table->services[i].name, name))
				continue;
			if (table)
				*table = &l->table->services[i];
			return &l->services[i];
		}
	return NULL;
}

void loader_close_all(void)
{
	while (first) {
		struct loaded_plugin **last = &first;
		while ((*last)->next)
			last = &(*last)->next;
		struct loaded_plugin *l = *last;
		*last = NULL;
		CHECK_MAGIC(l, LOADED_MAGIC);
		if (l->in_use && l->entry.unload)
			l->entry.unload();
		loaded_free(l);
	}
	/* no lt_dlexit(): it forgets resident modules without freeing what it knows of them */
}
