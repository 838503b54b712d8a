/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quarantine.h - the file "quarantine" in the state folder: which drivers a running daemon holds back, and why. The
 * core writes it, --list-plugins reads it. It is gone where nothing is in quarantine.
 */
#ifndef PLUGIN_QUARANTINE_H
#define PLUGIN_QUARANTINE_H

#include <jansson.h>
#include <stdint.h>

/* An empty object to add to. The caller decrefs it. */
json_t *quarantine_new(void);
void quarantine_add(json_t *all, const char *driver, int64_t since_wall_ns, const char *why);
/* Writes it in one step, or removes the file where `all` is empty. 0 or -errno. */
int quarantine_save(const char *state_dir, const json_t *all);
/* What the file says; an empty object where there is none, or it can't be read. The caller decrefs it. */
json_t *quarantine_load(const char *state_dir);
/* Since when and why, for people; to be freed. NULL: this driver is in use. */
char *quarantine_why(const json_t *all, const char *driver);

#endif
