/* SPDX-License-Identifier: Apache-2.0 */
/* report.h - a run told, in one of several formats (docs/reports.md). Any thread. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "report/run.h"

/* "terminal", "json", "csv", "junit", "markdown", "html"; NULL at the end. */
extern const char *const report_formats[];
bool report_format_known(const char *format);
/* The known format nearest to a name that is not known, NULL: none. */
const char *report_format_nearest(const char *format);

/* Writes the run; with `base` (NULL: none) compared with that earlier one. 0, or -1: unknown format, or errno. */
int report_write(const struct run *r, const struct run *base, const char *format, FILE *to);
/* The same as "terminal", in colour. */
int report_terminal(const struct run *r, const struct run *base, bool colour, FILE *to);

#endif
