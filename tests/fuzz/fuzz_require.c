/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_require.c - requirements as written. What is taken is judged; what is not has a reason. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/require.h"
#include "measure/tally.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char status[] = "status", server[] = "server", perf[] = "perf", fresh[] = "fresh";
static struct fact_decl facts[] = {
	{ .name = status, .type = PROBED_TYPE_INTEGER },
	{ .name = server, .type = PROBED_TYPE_STRING },
	{ .name = perf, .type = PROBED_TYPE_FLOAT, .flags = PROBED_FACT_FAMILY },
	{ .name = fresh, .type = PROBED_TYPE_BOOLEAN },
};
static const struct driver_table driver = { .facts = facts, .n_facts = 4 };
static const struct tally_step steps[] = { { .name = "login", .driver = &driver }, { .name = "orders" } };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size), error[200] = "", why[200] = "";
	struct requirement *r = requirement_compile(text, steps, 2, error, sizeof error);
	if (!r && !*error)
		abort();
	if (r) {
		const struct requirement *const all[] = { r };
		struct tally *t = tally_new("p", steps, 2, all, 1, 0);
		if (requirement_verdict(r, t, why, sizeof why) != REQUIREMENT_NOT_MEASURED || !*why)
			abort();
		tally_free(t);
	}
	requirement_free(r);
	free(text);
	return 0;
}
