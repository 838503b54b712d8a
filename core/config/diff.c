/* SPDX-License-Identifier: Apache-2.0 */
/* diff.c - what changes between two models: a merge of their targets, steps or plans, all sorted by name. */
#include "config/model.h"

#include <string.h>

typedef void (*target_fn)(void *ctx, enum change what, const struct target *before, const struct target *after);

static void diff(struct target *const *old, size_t n_old, struct target *const *now, size_t n_now, target_fn fn, void *ctx)
{
	for (size_t i = 0, k = 0; i < n_old || k < n_now;) {
		const struct target *before = i < n_old ? old[i] : NULL, *after = k < n_now ? now[k] : NULL;
		int order = !before ? 1 : !after ? -1 : strcmp(before->name, after->name);
		if (order < 0)
			fn(ctx, CHANGE_REMOVED, before, NULL);
		else if (order > 0)
			fn(ctx, CHANGE_ADDED, NULL, after);
		else if (before->digest != after->digest)
			fn(ctx, CHANGE_CHANGED, before, after);
		i += order <= 0;
		k += order >= 0;
	}
}

void model_diff(const struct model *old, const struct model *new_model, target_fn fn, void *ctx)
{
	diff(old ? old->targets : NULL, old ? old->n_targets : 0, new_model->targets, new_model->n_targets, fn, ctx);
}

void model_diff_steps(const struct model *old, const struct model *new_model, target_fn fn, void *ctx)
{
	diff(old ? old->steps : NULL, old ? old->n_steps : 0, new_model->steps, new_model->n_steps, fn, ctx);
}

void model_diff_plans(const struct model *old, const struct model *new_model,
		      void (*fn)(void *ctx, enum change what, const struct plan *before, const struct plan *after),
		      void *ctx)
{
	size_t n_old = old ? old->n_plans : 0, n_now = new_model->n_plans;
	for (size_t i = 0, k = 0; i < n_old || k < n_now;) {
		const struct plan *before = i < n_old ? old->plans[i] : NULL;
		const struct plan *after = k < n_now ? new_model->plans[k] : NULL;
		int order = !before ? 1 : !after ? -1 : strcmp(before->name, after->name);
		if (order < 0)
			fn(ctx, CHANGE_REMOVED, before, NULL);
		else if (order > 0)
			fn(ctx, CHANGE_ADDED, NULL, after);
		else if (before->digest != after->digest)
			fn(ctx, CHANGE_CHANGED, before, after);
		i += order <= 0;
		k += order >= 0;
	}
}
