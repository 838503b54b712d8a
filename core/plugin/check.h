/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - the steps of --check-plugin, inside of the child that runs them. A crash ends the child: the parent knows
 * which step had begun.
 */
#ifndef PLUGIN_CHECK_H
#define PLUGIN_CHECK_H

#include <stdio.h>

/* Runs all steps for the plugin at `path` (absolute) and writes a line for each beginning and end: a letter and the
 * step's name, then a tab and a remark. b begins; p passed, f failed, s skipped. */
void check_run(const char *path, FILE *report);

#endif
