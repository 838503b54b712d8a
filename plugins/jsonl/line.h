/* SPDX-License-Identifier: Apache-2.0 */
/* line.h - a record as one line of JSON. One thread. */
#ifndef JSONL_LINE_H
#define JSONL_LINE_H

#include <probed/sink.h>

#include "../common/text.h"

/* Adds the record's line with its newline. */
void line_add(struct text *t, const struct probed_record *record);

#endif
