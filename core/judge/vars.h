/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vars.h - the variables of one virtual user: names to values, set by captures ("token") and rows of data ("row.user").
 * Pure; one thread at a time. Setting a name again, or after vars_clear(), reuses its memory.
 */
#ifndef JUDGE_VARS_H
#define JUDGE_VARS_H

#include <stddef.h>
#include <stdint.h>

#define VARS_MAX 256
#define VARS_NAME_MAX 255
#define VARS_VALUE_MAX 65536

struct template_vars;

struct template_vars *vars_new(void);
void vars_free(struct template_vars *v);

/* 0; -1 where the value, the name or the number of variables is over its bound: then the name has no value, and the
 * refusal is counted. The value may hold any bytes, and is copied; it must not be one of this v. */
int vars_set(struct template_vars *v, const char *name, const char *value, size_t len);
/* NUL-terminated, with its length in *len (may be NULL); NULL where it has none. Good until the next change. v may be
 * NULL. */
const char *vars_get(const struct template_vars *v, const char *name, size_t *len);
/* As vars_get(), for a name whose str_hash() is known. */
const char *vars_get_hashed(const struct template_vars *v, uint64_t hash, const char *name, size_t name_len,
			    size_t *len);
void vars_unset(struct template_vars *v, const char *name);
/* No name has a value any more; the memory stays. */
void vars_clear(struct template_vars *v);

size_t vars_count(const struct template_vars *v);
/* How many were refused since vars_new(). */
uint64_t vars_refused(const struct template_vars *v);
/* The variables one after another, in no order that matters: begin with *at = 0; the name, or NULL behind the last. */
const char *vars_next(const struct template_vars *v, size_t *at, const char **value, size_t *len);

#endif
