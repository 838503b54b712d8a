/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_pace.c - schedules. The input is one; what it prints compiles to the same, and its due times never go back. */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "plan/pace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct pace *p)
{
	struct pace_cursor c;
	int64_t last = 0, offset;
	pace_begin(&c, p, 3);
	for (int i = 0; i < 300 && pace_next(&c, &offset); i++) {
		if (offset < last || (offset >= pace_length_ns(p) && !pace_users(p)))
			panic("goes back or beyond its end");
		if (!(pace_rate_at(p, offset) >= 0))
			panic("a rate below 0");
		last = offset;
	}
	if (!(pace_rate_max(p) >= 0) || (pace_length_ns(p) != INT64_MAX && !pace_users(p) && pace_count(p) == UINT64_MAX))
		panic("a rate below 0, or an end but no count");
}

static struct pace *same(const struct pace *p)
{
	CLEANUP_BUF struct buf text = { 0 }, again = { 0 };
	char error[100];
	pace_print(p, &text);
	struct pace *back = pace_compile(buf_cstr(&text), error, sizeof error);
	if (!back)
		panic("%s: %s", text.data, error);
	pace_print(back, &again);
	if (strcmp(buf_cstr(&again), text.data) != 0)
		panic("%s reads back as %s", text.data, again.data);
	return back;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t recorded[] = { 0, 5, 5, 1000, INT64_MAX };
	char error[100];
	CLEANUP_FREE char *text = xstrndup((const char *)data, size);
	struct pace *p = pace_compile(text, error, sizeof error);
	if (!p) {
		if (strncmp(error, "column ", 7) != 0)
			panic("no column: %s", error);
		return 0;
	}
	if (pace_recorded_file(p))
		pace_recorded_set(p, recorded, ARRAY_LEN(recorded));
	walk(p);
	pace_free(same(p));
	struct pace *faster = pace_rescale(p, 1.7), *limited = pace_limit(p, 12345678);
	if (faster)
		walk(faster);
	walk(limited);
	pace_free(p);
	pace_free(faster);
	pace_free(limited);
	return 0;
}
