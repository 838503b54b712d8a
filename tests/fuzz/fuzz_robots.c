/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_robots.c - robots.txt. Behind a NUL stands the path that is asked about. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "generate/robots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t n = nul ? (size_t)(nul - data) : size;
	char *text = xstrndup((const char *)data, n);
	char *path = nul ? xstrndup((const char *)nul + 1, size - n - 1) : xstrdup("/a/b?c");
	struct robots r = { 0 };
	robots_parse(&r, text, n, "probed");
	bool before = robots_allow(&r, path);
	if (r.delay_ns < 0 || before != robots_allow(&r, path))
		abort();
	r.deny_all = true;
	if (robots_allow(&r, path) && strcmp(path, "/robots.txt") != 0)
		abort();
	robots_free(&r);
	free(text);
	free(path);
	return 0;
}
