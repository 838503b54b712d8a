/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - the steps of --check-plugin, inside of the child that runs them. A crash ends the child: the parent knows
 * which step had begun.
 */
#ifndef PLUGIN_CHECK_H
#define PLUGIN_CHECK_H

#include <probed/driver.h>

#include <stdio.h>

#include "plugin/check_host.h"
#include "plugin/table.h"

/* Runs all steps for the plugin at `path` (absolute) and writes a line for each beginning and end: a letter and the
 * step's name, then a tab and a remark. b begins; p passed, f failed, s skipped. */
void check_run(const char *path, FILE *report);

/* The part of check_run() that is about a driver. */
void check_driver(const struct probed_driver *d, const struct driver_table *table);

/* A step begins, and ends: as above. What ends a second time, after a failure, is left out. */
void check_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
void check_end(char how, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* It passed, unless the host has a complaint. */
void check_pass(const char *remark);
/* It failed, where the plugin holds more than before, by more than `spare`. */
void check_compare(struct check_counts before, int spare);
/* A few turns of the loop, for what is put off. */
void check_settle(void);

#endif
