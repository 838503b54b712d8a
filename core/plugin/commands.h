/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands.h - what the command line asks about plugins. Each waits until it is done and returns an exit status.
 */
#ifndef PLUGIN_COMMANDS_H
#define PLUGIN_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Folders: n 0 means the default ones. */
/* --list-plugins: all that were found, also those refused or shadowed, and why. */
/* What a daemon with this state_dir (NULL: none) has in quarantine is told. */
int cmd_list_plugins(const char *const *folders, size_t n, const char *state_dir, bool json, FILE *to);
/* --plugin-info NAME, of a plugin or of a driver, sink or service in it: every option and fact that it declares. */
int cmd_plugin_info(const char *const *folders, size_t n, const char *name, bool json, FILE *to);
/* --check-plugin PATH: loads it in a child and puts it through its paces, a line a step. 0: it behaves; 1: not. */
int cmd_check_plugin(const char *path, FILE *to);

#endif
