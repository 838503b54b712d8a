/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_expect.c - expectations: the first line of the input is the expression, the rest is the body that it judges. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "judge/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fact_decl facts[] = {
	{ .name = "status", .type = PROBED_TYPE_INTEGER },
	{ .name = "loss", .type = PROBED_TYPE_FLOAT, .unit = "ratio" },
	{ .name = "rtt.avg", .type = PROBED_TYPE_DURATION },
	{ .name = "size", .type = PROBED_TYPE_SIZE },
	{ .name = "resumed", .type = PROBED_TYPE_BOOLEAN },
	{ .name = "not_after", .type = PROBED_TYPE_TIME },
	{ .name = "answer", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_LIST },
	{ .name = "header", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_FAMILY },
};
static const struct driver_table driver = { .name = "fuzz", .facts = facts, .n_facts = ARRAY_LEN(facts) };

static void make_result(struct result *r)
{
	static const char *const texts[] = { "", "Fri, 30 Jan 2026 09:05:07 GMT", "42", "\xc3\xa4 \xff" };
	result_reset(r);
	r->wall_ns = INT64_C(1769850307000000000);
	r->end_ns = 412000000;
	for (uint32_t i = 0; i < ARRAY_LEN(facts); i++)
		for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
			bool many = facts[i].flags != 0;
			struct result_fact *f = result_fact_add(r, i, facts[i].flags & PROBED_FACT_FAMILY ? "a" : NULL, many);
			f->type = (uint8_t)facts[i].type;
			f->i = 1;
			f->f = 0.25;
			if (facts[i].type == PROBED_TYPE_STRING) {
				f->len = (uint32_t)strlen(texts[k]);
				f->s = result_put_string(r, texts[k], f->len);
			}
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct result result;
	char error[64], why[64];
	if (!result.facts)
		make_result(&result);
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	size_t len = newline ? (size_t)(newline - data) : size;
	CLEANUP_FREE char *text = xstrndup((const char *)data, len);
	struct expectation *e = expectation_compile(text, &driver, error, sizeof error);
	if (!e)
		return 0;
	size_t body_len = newline ? size - len - 1 : 0;
	struct evidence evidence = { .driver = &driver, .result = &result, .body = newline ? (const char *)newline + 1 : NULL,
		                     .body_len = body_len, .body_bytes = body_len };
	if (expectation_body_want(e) < -1 || !expectation_query(e)[0])
		panic("a query without a name");
	for (int i = 0; i < 2; i++)
		expectation_holds(e, &evidence, why, sizeof why);
	expectation_free(e);
	return 0;
}
