/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_jsonpath.c - JSONPath: the first line of the input is the path, the rest is the document. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "judge/jsonpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[64];
	size_t at = 0;
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	size_t len = newline ? (size_t)(newline - data) : size;
	CLEANUP_FREE char *text = xmalloc(len); /* its own allocation, so that reading beyond is seen */
	if (len)
		memcpy(text, data, len);
	struct jsonpath *path = jsonpath_compile(text, len, error, sizeof error, &at);
	if (!path && at > len)
		panic("a fault outside of the text");
	json_t *doc = NULL;
	if (path && newline)
		doc = jsonpath_parse_document((const char *)newline + 1, size - len - 1, error, sizeof error);
	struct jsonpath_nodes nodes = { 0 };
	if (doc && !jsonpath_select(path, doc, &nodes))
		for (size_t i = 0; i < nodes.n; i++)
			if (!nodes.list[i])
				panic("a node that is none");
	jsonpath_nodes_free(&nodes);
	json_decref(doc);
	jsonpath_free(path);
	return 0;
}
