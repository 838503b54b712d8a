/* SPDX-License-Identifier: Apache-2.0 */
/* template_parts.h - what a template is made of, between template_parse.c, which makes it, and template.c, which
 * renders it. */
#ifndef JUDGE_TEMPLATE_PARTS_H
#define JUDGE_TEMPLATE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/filter.h"

#define TEMPLATE_MAGIC 0x746d706cu
#define COMPLAINT_MAX 256

enum part_kind {
	PART_TEXT,
	PART_VAR,
	PART_TARGET,
	PART_SEQ,
	PART_USER,
	PART_ITERATION,
	PART_NOW,
	PART_UUID,
	PART_RANDOM,
	PART_RANDOM_STRING,
	PART_PICK,
	PART_TRACEPARENT,
	PART_KINDS
};

struct part {
	enum part_kind kind;
	char *text; /* TEXT; the name of VAR; the format of NOW, NULL: RFC 3339 */
	size_t len;
	uint64_t hash;     /* of VAR's name */
	int64_t unit_ns;   /* NOW as a number: of seconds or milliseconds; 0: as text */
	int64_t low, high; /* RANDOM; low: length of RANDOM_STRING */
	char **choices;    /* PICK */
	size_t n_choices, cap_choices;
	struct filter *filters;
	size_t n_filters, cap_filters;
	char *source; /* as written between the braces, for people */
};

struct template
{
	unsigned magic;
	struct part *parts;
	size_t n, cap;
	struct scratch *scratch; /* of the filters */
	char *complaint;         /* of the last rendering */
};

#endif
