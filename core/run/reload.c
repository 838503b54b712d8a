/* SPDX-License-Identifier: Apache-2.0 */
/* reload.c - taking over a configuration while running: what did not change is not touched. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/core.h"
#include "run/crew.h"
#include "run/load.h"
#include "run/plan_run.h"

#define FILES_EVERY_NS NS_PER_S
#define NAMES_SHOWN 5

struct file_seen {
	int64_t size, mtime_ns;
	uint64_t inode;
};

struct reload {
	struct load *load; /* under way */
	bool by_signal;    /* it is for a signal, not a target file */
	bool again, again_by_signal;
	int64_t asked_ns;
	struct scan plugins; /* of the model in force */
	struct file_seen *files; /* model->target_files as last seen */
	struct wheel_timer look;
	struct core *core;
};

static struct file_seen see(const char *path)
{
	struct stat st;
	if (stat(path, &st))
		return (struct file_seen){ .size = -1 };
	return (struct file_seen){ .size = st.st_size,
		                   .mtime_ns = st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec,
		                   .inode = st.st_ino };
}

/* --- what changed, for the log ---------------------------------------------------------------- */

struct summary {
	size_t n[3];
	struct buf names[3];
};

static void note(struct summary *s, enum change what, const char *name)
{
	if (s->n[what]++ < NAMES_SHOWN)
		buf_printf(&s->names[what], "%s%s", s->n[what] > 1 ? " " : "", name);
	else if (s->n[what] == NAMES_SHOWN + 1)
		buf_puts(&s->names[what], " ...");
}

static void tell(struct summary *s, size_t targets)
{
	const char *names[3];
	for (int i = 0; i < 3; i++)
		names[i] = s->n[i] ? buf_cstr(&s->names[i]) : NULL;
	log_info("configuration in force", "targets", log_int((int64_t)targets), "added", log_int((int64_t)s->n[CHANGE_ADDED]),
	         "removed", log_int((int64_t)s->n[CHANGE_REMOVED]), "changed", log_int((int64_t)s->n[CHANGE_CHANGED]), "new",
	         names[CHANGE_ADDED], "gone", names[CHANGE_REMOVED], "other", names[CHANGE_CHANGED], NULL);
	for (int i = 0; i < 3; i++)
		buf_free(&s->names[i]);
}

/* --- taking over ------------------------------------------------------------------------------ */

static void apply_target(struct core *core, const struct target *t, struct summary *sum)
{
	struct subject *s;
	HASH_FIND_STR(core->by_name, t->name, s);
	bool is_new = !s, changed = s && s->target->digest != t->digest;
	if (is_new)
		s = subject_new(core, t);
	else
		subject_retarget(core, s, t);
	s->generation = core->generation;
	bool gated = gates_limited(core->gates, t, NULL);
	bool newly_gated = gated && !s->gated;
	s->gated |= gated;
	struct seat *home = crew_seat(core->crew, t), *old = s->home;
	s->home = home;
	if (old && old != home && !(s->spread && crew_same_pool(s, old)))
		crew_target_remove(core->crew, old, s);
	if (changed || newly_gated || old != home)
		crew_target_add(core->crew, s);
	if (is_new && core->scheduling)
		subject_schedule(core, s);
	if (is_new || changed)
		note(sum, is_new ? CHANGE_ADDED : CHANGE_CHANGED, t->name);
}

static void remove_absent(struct core *core, struct summary *sum)
{
	struct subject *s, *next;
	HASH_ITER(hh, core->by_name, s, next)
	{
		if (s->generation == core->generation)
			continue;
		note(sum, CHANGE_REMOVED, s->name);
		crew_target_remove(core->crew, s->home, s);
		subject_remove(core, s);
	}
}

static void remember_files(struct reload *r, const struct model *old, const struct model *m);

static void set_log(struct core *core, const struct settings *set)
{
	enum log_level level = core->mode != CORE_DAEMON ? LOG_ERROR : (enum log_level)set->log_level;
	bool same = level == log_level_now() && set->log_json == log_is_json();
	log_set(level, set->log_json);
	if (same)
		return;
	crew_log_level(core->crew);
	recorder_link_log_level(core->recorder);
	services_log_level(core);
}

/* Those that stay. */
static void mark(struct core *core, struct target *const *targets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct subject *s;
		HASH_FIND_STR(core->by_name, targets[i]->name, s);
		if (s)
			s->generation = core->generation;
	}
}

static void apply(struct core *core, struct model *model, const char *const *changed_plugins, size_t n_changed, bool by_signal)
{
	struct model *old = core->model;
	struct summary sum = { 0 };
	services_finish_pages(core);
	if (by_signal && old)
		health_pardon_all(core);
	core->generation++;
	plans_leave(core, model);
	/* those that go keep the model they are of: core->model is still the old one here */
	if (old) {
		mark(core, model->targets, model->n_targets);
		mark(core, model->steps, model->n_steps);
		remove_absent(core, &sum);
	}
	core->model = model;
	gates_apply(core->gates, model);
	set_log(core, &model->settings);
	crew_apply(core->crew, model, changed_plugins, n_changed);
	for (size_t i = 0; i < model->n_targets; i++)
		apply_target(core, model->targets[i], &sum);
	for (size_t i = 0; i < model->n_steps; i++)
		apply_target(core, model->steps[i], &sum);
	crew_settle(core->crew);
	plans_apply(core);
	core_rows_rebuild(core);
	health_save(core, false);
	recorder_link_plugins(core->recorder, changed_plugins, n_changed);
	if (core->once_sinks || core->mode == CORE_ONCE) {
		recorder_link_apply(core->recorder, core->once_sinks, core->n_once_sinks, false);
	} else {
		recorder_link_apply(core->recorder, model->sinks, model->n_sinks, by_signal && old);
	}
	if (core->mode == CORE_DAEMON) {
		services_apply(core, model->services, model->n_services, changed_plugins, n_changed);
	}
	remember_files(core->reload, old, model);
	model_unref(old);
	tell(&sum, model->n_targets);
}

/* --- reloads ---------------------------------------------------------------------------------- */

static void notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_now_ns() / NS_PER_US));
}

static void on_loaded(void *ctx, struct loaded *result)
{
	struct core *core = ctx;
	struct reload *r = core->reload;
	bool by_signal = r->by_signal;
	r->load = NULL;
	for (size_t i = 0; i < result->errs.n; i++)
		log_event(result->errs.list[i].warning ? LOG_WARNING : LOG_ERROR, "configuration", "problem",
		          result->errs.list[i].text, NULL);
	if (!result->model) {
		core->count.reloads_failed++;
		log_error("configuration refused, the one before stays in force", "errors",
		          log_int((int64_t)result->errs.errors), NULL);
	} else if (!core->draining) {
		core->count.reloads_ok++;
		struct model *model = result->model;
		result->model = NULL;
		apply(core, model, result->changed_plugins, result->n_changed_plugins, by_signal);
		scan_free(&r->plugins);
		r->plugins = result->plugins;
		result->plugins = (struct scan){ 0 };
	}
	loaded_clear(result);
	if (!core->draining)
		sd_notify(0, "READY=1");
	if (r->again) {
		r->again = false;
		core_reload(core, r->again_by_signal);
	}
}

void core_reload(struct core *core, bool by_signal)
{
	struct reload *r = core->reload;
	if (core->draining || core->mode != CORE_DAEMON)
		return;
	if (!core->config_path) {
		log_warn("nothing to reload", "why", "the configuration came from the command line", NULL);
		return;
	}
	if (r->load) {
		r->again_by_signal = by_signal || (r->again && r->again_by_signal);
		r->again = true;
		return;
	}
	r->by_signal = by_signal;
	for (size_t i = 0; i < core->model->n_target_files; i++)
		r->files[i] = see(core->model->target_files[i]);
	notify_reloading();
	struct load_ask ask = { .path = core->config_path, .before = core->model, .plugins = &r->plugins };
	r->load = load_start(core->loop, &ask, on_loaded, core);
}

/* --- files of targets ------------------------------------------------------------------------- */

static bool same_files(const struct model *a, const struct model *b)
{
	if (!a || a->n_target_files != b->n_target_files)
		return false;
	for (size_t i = 0; i < a->n_target_files; i++)
		if (strcmp(a->target_files[i], b->target_files[i]) != 0)
			return false;
	return true;
}

/* What was seen before the load began stays: a file that changed meanwhile is read again. */
static void remember_files(struct reload *r, const struct model *old, const struct model *m)
{
	if (!same_files(old, m)) {
		free(r->files);
		r->files = xcalloc(m->n_target_files, sizeof *r->files);
		for (size_t i = 0; i < m->n_target_files; i++)
			r->files[i] = see(m->target_files[i]);
	}
	if (m->n_target_files && r->core->mode == CORE_DAEMON)
		loop_timer_set(r->core->loop, &r->look, clock_now_ns() + FILES_EVERY_NS);
	else
		loop_timer_stop(r->core->loop, &r->look);
}

static void on_look(struct wheel_timer *t)
{
	struct reload *r = (struct reload *)((char *)t - offsetof(struct reload, look));
	const struct model *m = r->core->model;
	bool changed = false;
	for (size_t i = 0; i < m->n_target_files; i++) {
		struct file_seen now = see(m->target_files[i]);
		if (now.size == r->files[i].size && now.mtime_ns == r->files[i].mtime_ns && now.inode == r->files[i].inode)
			continue;
		r->files[i] = now; /* a bad file is reported once, not each second */
		changed = true;
	}
	if (changed)
		core_reload(r->core, false);
	loop_timer_set(r->core->loop, &r->look, clock_now_ns() + FILES_EVERY_NS);
}

void reload_begin(struct core *core, struct loaded *first)
{
	struct reload *r = core->reload = xnew(struct reload);
	r->core = core;
	r->look.fn = on_look;
	r->plugins = first->plugins;
	first->plugins = (struct scan){ 0 };
	struct model *model = first->model;
	first->model = NULL;
	apply(core, model, NULL, 0, false);
}

void reload_free(struct core *core)
{
	struct reload *r = core->reload;
	if (!r)
		return;
	load_abandon(r->load);
	loop_timer_stop(core->loop, &r->look);
	scan_free(&r->plugins);
	free(r->files);
	free(r);
	core->reload = NULL;
}
