/* SPDX-License-Identifier: Apache-2.0 */
/* generated.h - for the fuzz targets of probectl's generators: what they write must be a configuration that can be
 * scanned. */
#ifndef FUZZ_GENERATED_H
#define FUZZ_GENERATED_H

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/section.h"
#include "generate/draft.h"

/* Every request is one section of its own, whatever its texts are. */
static inline void generated_check(struct draft *d, bool flow)
{
	CLEANUP_BUF struct buf out = { 0 };
	struct errs errs = { 0 };
	size_t n, found = 0;
	d->flow = flow;
	secrets_mark(d);
	draft_write(d, &(struct layout){ .from = "fuzz" }, &out);
	struct section **list = scan_text("generated", out.data, out.len, &n, &errs);
	for (size_t i = 0; i < n; i++) {
		found += !strcmp(list[i]->kind, flow ? "step" : "target");
		ini_read(list[i], &errs);
		section_free(list[i]);
	}
	free(list);
	if (errs.errors || found != d->n) {
		errs_print(&errs, stderr);
		fprintf(stderr, "%zu requests, %zu sections:\n%s\n", d->n, found, out.data);
		abort();
	}
	errs_free(&errs);
}

#endif
