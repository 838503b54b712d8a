/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_jsonpath_cts.c - JSONPath held against its compliance suite, $CONFORMANCE_DIR/jsonpath/cts.json. Speaks TAP;
 * skipped where the variable is unset. Below 95 % it fails, and each case that fails is named.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "judge/jsonpath.h"

static bool same_list(const struct jsonpath_nodes *nodes, const json_t *expected)
{
	if (nodes->n != json_array_size(expected))
		return false;
	for (size_t i = 0; i < nodes->n; i++)
		if (!json_equal(nodes->list[i], json_array_get(expected, i)))
			return false;
	return true;
}

/* "results" is a list of results that are all right. */
static bool one_of(const struct jsonpath_nodes *nodes, const json_t *test)
{
	const json_t *expected = json_object_get(test, "result"), *any = json_object_get(test, "results");
	if (expected)
		return same_list(nodes, expected);
	for (size_t i = 0; i < json_array_size(any); i++)
		if (same_list(nodes, json_array_get(any, i)))
			return true;
	return false;
}

static bool passes(const json_t *test)
{
	const json_t *selector = json_object_get(test, "selector");
	char error[200];
	size_t at;
	struct jsonpath *path = jsonpath_compile(json_string_value(selector), json_string_length(selector), error, sizeof error, &at);
	if (json_is_true(json_object_get(test, "invalid_selector"))) {
		jsonpath_free(path);
		return !path;
	}
	if (!path)
		return false;
	struct jsonpath_nodes nodes = { 0 };
	bool good = !jsonpath_select(path, json_object_get(test, "document"), &nodes) && one_of(&nodes, test);
	jsonpath_nodes_free(&nodes);
	jsonpath_free(path);
	return good;
}

static int run(const char *dir)
{
	CLEANUP_FREE char *path = xasprintf("%s/jsonpath/cts.json", dir);
	json_error_t error;
	json_t *suite = json_load_file(path, JSON_ALLOW_NUL, &error);
	if (!suite) {
		printf("1..1\nnot ok 1 - %s: %s\n", path, error.text);
		return 1;
	}
	const json_t *tests = json_object_get(suite, "tests");
	size_t n = json_array_size(tests), passed = 0;
	for (size_t i = 0; i < n; i++) {
		const json_t *test = json_array_get(tests, i);
		if (passes(test))
			passed++;
		else
			printf("# fails: %s: %s\n", json_string_value(json_object_get(test, "name")),
			       json_string_value(json_object_get(test, "selector")));
	}
	bool good = n && passed * 100 >= n * 95;
	printf("1..1\n%s 1 - JSONPath compliance: %zu of %zu\n", good ? "ok" : "not ok", passed, n);
	json_decref(suite);
	return good ? 0 : 1;
}

int main(void)
{
	const char *dir = getenv("CONFORMANCE_DIR");
	if (dir && *dir)
		return run(dir);
	printf("1..1\nok 1 - JSONPath compliance # SKIP CONFORMANCE_DIR is not set\n");
	return 0;
}
