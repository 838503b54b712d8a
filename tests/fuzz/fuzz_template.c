/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_template.c - templates: the first line of the input is the value of the variable `a`, the rest is the template. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "judge/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t counting(void)
{
	static uint64_t n;
	return n += UINT64_C(0x9e3779b97f4a7c15);
}

static const char *environment(void *ctx, const char *name)
{
	(void)ctx;
	return *name == 'X' ? "{{x}}" : NULL;
}

static void compile_and_render(const char *text, const struct template_names *names, const struct template_vars *vars)
{
	char error[120];
	struct template *t = template_compile_names(text, names, error, sizeof error);
	struct template_scope scope = { .target = "t", .seq = 7, .wall_ns = INT64_C(1769850307123000000), .random = counting,
		                        .epoch = 9, .vars = vars };
	struct buf out = { 0 };
	for (int i = 0; t && i < 2; i++) {
		const char *wrong = template_render(t, &scope, &out);
		if (wrong && !strstr(wrong, "has no value"))
			panic("%s", wrong);
		buf_clear(&out);
	}
	buf_free(&out);
	template_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const vars_known[] = { "a", "token" }, *const columns[] = { "id" };
	struct template_names open = { .any_column = true, .any_var = true, .env = environment };
	struct template_names closed = { .vars = vars_known, .n_vars = 2, .columns = columns, .n_columns = 1 };
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	size_t len = newline ? (size_t)(newline - data) : 0;
	const char *rest = (const char *)data + (newline ? len + 1 : 0);
	CLEANUP_FREE char *text = xstrndup(rest, size - (newline ? len + 1 : 0));
	struct template_vars *vars = vars_new();
	vars_set(vars, "a", (const char *)data, len);
	vars_set(vars, "row.id", "5", 1);
	compile_and_render(text, &open, vars);
	compile_and_render(text, &closed, vars);
	compile_and_render(text, NULL, NULL);
	vars_free(vars);
	return 0;
}
