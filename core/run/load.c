/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - see load.h */
#include "run/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "plugin/inspector.h"
#include "run/task.h"
#include "run/verify.h"

struct load {
	struct loop *loop;
	struct load_ask ask;
	struct loaded result;
	void (*done)(void *ctx, struct loaded *result);
	void *ctx;
	struct config *config;
	struct settings settings;
	struct registry *registry;
	struct task *task;
	struct inspection *inspection;
	struct verify *verify;
};

void loaded_clear(struct loaded *r)
{
	model_unref(r->model);
	errs_free(&r->errs);
	scan_free(&r->plugins);
	free(r->changed_plugins);
	memset(r, 0, sizeof *r);
}

static void load_free(struct load *l)
{
	verify_free(l->verify);
	if (l->registry)
		registry_unref(l->registry);
	settings_free(&l->settings);
	config_free(l->config);
	loaded_clear(&l->result);
	free(l);
}

static void finish(struct load *l)
{
	struct loaded result = l->result;
	void (*done)(void *, struct loaded *) = l->done;
	void *ctx = l->ctx;
	if (result.errs.errors) {
		model_unref(result.model);
		result.model = NULL;
	}
	l->result = (struct loaded){ 0 };
	load_free(l);
	errs_sort(&result.errs);
	done(ctx, &result);
}

/* --- 4: ask the drivers ----------------------------------------------------------------------- */

static void on_verified(void *ctx)
{
	finish(ctx);
}

/* --- 3: build, on a thread -------------------------------------------------------------------- */

static void build(void *ctx)
{
	struct load *l = ctx;
	l->result.model = model_build_well(l->config, l->registry, &l->result.errs);
}

static void on_built(void *ctx)
{
	struct load *l = ctx;
	l->task = NULL;
	/* also where there are errors already: all of them are told at once */
	l->verify = verify_start(l->loop, l->result.model, l->ask.before, &l->result.errs, on_verified, l);
}

static void start_build(struct load *l)
{
	l->task = task_start(l->loop, build, on_built, l);
}

/* --- 2: plugins ------------------------------------------------------------------------------- */

static bool same_file(const struct candidate *a, const struct candidate *b)
{
	return !strcmp(a->path, b->path) && a->st.st_size == b->st.st_size && a->st.st_ino == b->st.st_ino &&
	       a->st.st_mtim.tv_sec == b->st.st_mtim.tv_sec && a->st.st_mtim.tv_nsec == b->st.st_mtim.tv_nsec &&
	       !a->why == !b->why;
}

/* Fills changed_plugins. True where the folders hold just what they held before. */
static bool unchanged(struct load *l)
{
	const struct scan *now = &l->result.plugins, *before = l->ask.plugins;
	l->result.changed_plugins = xcalloc(now->n, sizeof(char *));
	for (size_t i = 0; i < now->n; i++) {
		size_t k = 0;
		while (before && k < before->n && !same_file(&now->list[i], &before->list[k]))
			k++;
		if (!before || k == before->n)
			l->result.changed_plugins[l->result.n_changed_plugins++] = now->list[i].path;
	}
	return before && before->n == now->n && !l->result.n_changed_plugins;
}

static void on_inspected(void *ctx, struct registry *registry)
{
	struct load *l = ctx;
	l->inspection = NULL;
	l->registry = registry;
	for (uint32_t i = 0; i < registry->n_plugins; i++) {
		const struct plugin_table *t = registry->plugins[i];
		if (t->state != PLUGIN_LOADED)
			log_warn("plugin not used", "path", t->path, "why", t->why, NULL);
	}
	start_build(l);
}

static void find_plugins(struct load *l)
{
	char **defaults = NULL;
	size_t n = l->settings.n_plugin_path;
	if (!n)
		defaults = scan_default_folders(&n);
	const char *const *folders = (const char *const *)(defaults ? defaults : l->settings.plugin_path);
	scan_folders(&l->result.plugins, folders, n);
	if (unchanged(l) && l->ask.before) {
		l->registry = registry_ref(l->ask.before->registry);
		start_build(l);
	} else {
		l->inspection = inspection_start(l->loop, folders, n, l->settings.state_dir, on_inspected, l);
	}
	if (defaults)
		scan_default_free(defaults, n);
}

/* --- 1: read, on a thread --------------------------------------------------------------------- */

static void read_files(void *ctx)
{
	struct load *l = ctx;
	l->config = l->ask.path ? config_read(l->ask.path, &l->result.errs)
	                        : config_parse(l->ask.name, l->ask.text, &l->result.errs);
	if (l->config)
		config_settings(l->config, &l->settings, &l->result.errs);
}

static void on_read(void *ctx)
{
	struct load *l = ctx;
	l->task = NULL;
	if (l->config)
		find_plugins(l);
	else
		finish(l);
}

struct load *load_start(struct loop *loop, const struct load_ask *ask, void (*done)(void *ctx, struct loaded *result), void *ctx)
{
	struct load *l = xnew(struct load);
	*l = (struct load){ .loop = loop, .ask = *ask, .done = done, .ctx = ctx };
	l->task = task_start(loop, read_files, on_read, l);
	return l;
}

void load_abandon(struct load *l)
{
	if (!l)
		return;
	task_abandon(l->task);
	if (l->inspection)
		inspection_cancel(l->inspection);
	load_free(l);
}

struct now {
	struct loop *loop;
	struct loaded *result;
};

static void on_now(void *ctx, struct loaded *result)
{
	struct now *now = ctx;
	*now->result = *result;
	loop_stop(now->loop);
}

void load_now(const struct load_ask *ask, struct loaded *result)
{
	struct now now = { .loop = loop_new(), .result = result };
	load_start(now.loop, ask, on_now, &now);
	loop_run(now.loop);
	loop_free(now.loop);
}
