/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - from a configuration file to a model that may be taken over: read, inspect plugins, build, verify.
 * What takes long runs on a thread or in a child, so that a running daemon goes on probing meanwhile.
 */
#ifndef RUN_LOAD_H
#define RUN_LOAD_H

#include "base/errs.h"
#include "base/loop.h"
#include "config/model.h"
#include "plugin/scan.h"

/* What a load is asked for. Strings must live until done(). */
struct load_ask {
	const char *path;             /* the file, or: */
	const char *name, *text;      /* a configuration as text, and what messages call it */
	const struct model *before;   /* the one in force; NULL: none */
	const struct scan *plugins;   /* as they were when `before` was loaded; NULL: inspect all */
};

struct loaded {
	struct model *model; /* a reference; NULL: there were errors */
	struct errs errs;
	struct scan plugins;
	const char **changed_plugins; /* paths in `plugins` whose file is new or another than in ask->plugins */
	size_t n_changed_plugins;
};

struct load;

/* done() follows, never from inside the call. It takes what it wants out of `result` and calls loaded_clear(). */
struct load *load_start(struct loop *loop, const struct load_ask *ask, void (*done)(void *ctx, struct loaded *result), void *ctx);
/* Before done() only. */
void load_abandon(struct load *l);
void loaded_clear(struct loaded *r);

/* The same with a loop of its own, for commands. */
void load_now(const struct load_ask *ask, struct loaded *result);

#endif
