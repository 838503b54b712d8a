/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_schema.c - JSON Schema: the schema stands before a line "=====", the document behind it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "judge/jsonpath.h"
#include "judge/schema.h"

#define SEPARATOR "\n=====\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[100] = "", why[100] = "";
	const char *text = (const char *)data, *cut = size ? memmem(text, size, SEPARATOR, strlen(SEPARATOR)) : NULL;
	size_t len = cut ? (size_t)(cut - text) : size, from = cut ? len + strlen(SEPARATOR) : size;
	struct schema *s = schema_compile(text, len, error, sizeof error);
	if (!s != (error[0] != '\0'))
		panic("refused without a reason, or taken with one: %s", error);
	json_t *doc = s ? jsonpath_parse_document(text + from, size - from, error, sizeof error) : NULL;
	for (int i = 0; doc && i < 2; i++) {
		why[0] = '\0';
		bool valid = schema_valid(s, doc, why, sizeof why);
		if (valid == (why[0] != '\0'))
			panic("invalid without a reason, or valid with one: %s", why);
	}
	json_decref(doc);
	schema_free(s);
	return 0;
}
