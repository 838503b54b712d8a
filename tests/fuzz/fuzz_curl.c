/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_curl.c - command lines of curl. */
#include <stdint.h>

#include "generate/source.h"
#include "generated.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct draft d = { .limit = 50, .in_order = true, .flow = size % 2 };
	char *text = xstrndup((const char *)data, size);
	size = strlen(text);
	if (!curl_read(&d, text, size)) {
		generated_check(&d, false);
		generated_check(&d, true);
	} else if (!*d.error) {
		abort();
	}
	draft_free(&d);
	free(text);
	return 0;
}
