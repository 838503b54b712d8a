/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_run.c - run files. The input is taken as a file, and as the JSON inside of one; what is accepted must be told in
 * every format, merged with itself, compared, and read back the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"
#include "measure/hist_pack.h"
#include "report/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *packed(const struct run *r, size_t *n)
{
	char *out = NULL, error[200];
	FILE *f = open_memstream(&out, n);
	if (run_write(r, f, error, sizeof error) < 0)
		abort();
	fclose(f);
	return out;
}

static void tell(const struct run *r, const struct run *base)
{
	for (const char *const *format = report_formats; *format; format++) {
		char *text = NULL;
		size_t n = 0;
		FILE *f = open_memstream(&text, &n);
		if (report_write(r, base, *format, f) < 0)
			abort();
		fclose(f);
		free(text);
	}
}

static void take(const void *data, size_t size)
{
	char error[300];
	struct run *r = run_parse(data, size, error, sizeof error);
	if (!r)
		return;
	size_t n, again;
	char *once = packed(r, &n);
	struct run *other = run_parse(once, n, error, sizeof error);
	if (!other)
		abort();
	char *twice = packed(other, &again);
	if (n != again || memcmp(once, twice, n) != 0)
		abort();
	tell(r, other);
	run_merge(r, other);
	tell(r, NULL);
	run_free(other);
	run_free(r);
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hist *h = xnew(struct hist);
	if (hist_unpack(data, size, h) == 0 && size && !hist_sound(h))
		abort();
	free(h);
	take(data, size);
	size_t room = ZSTD_compressBound(size);
	void *file = xmalloc(room);
	take(file, ZSTD_compress(file, room, data, size, 1));
	free(file);
	return 0;
}
