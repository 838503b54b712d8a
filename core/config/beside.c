/* SPDX-License-Identifier: Apache-2.0 */
/*
 * beside.c - files that a configuration names and whose content becomes a part of it: schemas, and scripts of hooks.
 * They are watched as target files are: a change is a reload.
 */
#include "config/build.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define BESIDE_MAX (256u << 10)

static void watch(struct builder *b, const char *path)
{
	struct model *m = b->model;
	for (size_t i = 0; i < m->n_target_files; i++)
		if (!strcmp(m->target_files[i], path))
			return;
	xgrow(m->target_files, m->n_target_files, b->cap_files);
	m->target_files[m->n_target_files++] = xstrdup(path);
}

char *beside_read(struct builder *b, const char *title, const char *shown, const struct kv *kv, const char *file,
		  char **path, size_t *len)
{
	*path = path_beside(kv->at.file ? kv->at.file : "", file);
	char *text = file_read(*path, BESIDE_MAX, len);
	watch(b, *path);
	if (!text)
		errs_add(b->errs, kv->at, title, shown, "can't read %s: %s", *path,
			 errno == EFBIG ? "larger than 256 KiB" : strerror(errno));
	return text;
}
