/* SPDX-License-Identifier: Apache-2.0 */
/* diff.c - what changes between two models: a merge of their targets, both sorted by name. */
#include "config/model.h"

#include <string.h>

void model_diff(const struct model *old, const struct model *new_model,
		void (*fn)(void *ctx, enum change what, const struct target *before, const struct target *after),
		void *ctx)
{
	size_t n_old = old ? old->n_targets : 0, i = 0, k = 0;
	while (i < n_old || k < new_model->n_targets) {
		const struct target *before = i < n_old ? old->targets[i] : NULL;
		const struct target *after = k < new_model->n_targets ? new_model->targets[k] : NULL;
		int order = !before ? 1 : !after ? -1 : strcmp(before->name, after->name);
		if (order < 0) {
			fn(ctx, CHANGE_REMOVED, before, NULL);
			i++;
		} else if (order > 0) {
			fn(ctx, CHANGE_ADDED, NULL, after);
			k++;
		} else {
			if (before->digest != after->digest)
				fn(ctx, CHANGE_CHANGED, before, after);
			i++;
			k++;
		}
	}
}
