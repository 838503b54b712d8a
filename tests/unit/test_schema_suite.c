/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_schema_suite.c - JSON Schema held against the required cases of its official test suite, $CONFORMANCE_DIR/json-schema.
 * Speaks TAP; skipped where the variable is unset. Below 99 % it fails, and each case that fails is named.
 */
#include <dirent.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "judge/schema.h"

#define REMOTE "http://localhost:1234/"
#define OTHERS_MAX 200

static struct schema_document others[OTHERS_MAX];
static size_t n_others, n_cases, n_passed;

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The documents that the suite's schemas lead to: `dir` is served as `uri`. */
static void read_others(const char *dir, const char *uri)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, by_name);
	for (int i = 0; i < n; i++) {
		CLEANUP_FREE struct dirent *one = list[i];
		CLEANUP_FREE char *path = xasprintf("%s/%s", dir, one->d_name), *inner = xasprintf("%s%s/", uri, one->d_name);
		if (*one->d_name == '.')
			continue;
		if (!strstr(one->d_name, ".json")) {
			read_others(path, inner);
			continue;
		}
		json_t *doc = json_load_file(path, JSON_DECODE_ANY, NULL);
		char *text = doc ? json_dumps(doc, JSON_ENCODE_ANY) : NULL;
		if (text && n_others < OTHERS_MAX)
			others[n_others++] = (struct schema_document){ xasprintf("%s%s", uri, one->d_name), text, strlen(text) };
		json_decref(doc);
	}
	if (n >= 0)
		free(list);
}

static void run_group(const char *file, const json_t *group)
{
	char error[300], why[300];
	const json_t *tests = json_object_get(group, "tests");
	CLEANUP_FREE char *text = json_dumps(json_object_get(group, "schema"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
	struct schema *s = schema_compile_with(text, strlen(text), others, n_others, error, sizeof error);
	for (size_t i = 0; i < json_array_size(tests); i++) {
		const json_t *test = json_array_get(tests, i);
		why[0] = '\0';
		n_cases++;
		bool valid = s && schema_valid(s, json_object_get(test, "data"), why, sizeof why);
		if (s && valid == json_is_true(json_object_get(test, "valid")) && valid == !why[0])
			n_passed++;
		else
			printf("# fails: %s: %s: %s (%s)\n", file, json_string_value(json_object_get(group, "description")),
			       json_string_value(json_object_get(test, "description")), s ? why : error);
	}
	schema_free(s);
}

static void run_file(const char *dir, const char *name)
{
	CLEANUP_FREE char *path = xasprintf("%s/%s", dir, name);
	json_t *groups = json_load_file(path, JSON_ALLOW_NUL, NULL);
	for (size_t i = 0; i < json_array_size(groups); i++)
		run_group(name, json_array_get(groups, i));
	json_decref(groups);
}

static int run(const char *dir)
{
	CLEANUP_FREE char *tests = xasprintf("%s/json-schema/tests/draft2020-12", dir);
	CLEANUP_FREE char *remotes = xasprintf("%s/json-schema/remotes", dir);
	struct dirent **list;
	read_others(remotes, REMOTE);
	int n = scandir(tests, &list, NULL, by_name);
	for (int i = 0; i < n; i++) {
		if (strstr(list[i]->d_name, ".json"))
			run_file(tests, list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	for (size_t i = 0; i < n_others; i++) {
		free((void *)(uintptr_t)others[i].uri);
		free((void *)(uintptr_t)others[i].json);
	}
	bool good = n_cases > 1000 && n_passed * 100 >= n_cases * 99;
	printf("1..1\n%s 1 - JSON Schema 2020-12, required cases: %zu of %zu\n", good ? "ok" : "not ok", n_passed, n_cases);
	return good ? 0 : 1;
}

int main(void)
{
	const char *dir = getenv("CONFORMANCE_DIR");
	if (dir && *dir)
		return run(dir);
	printf("1..1\nok 1 - JSON Schema 2020-12 # SKIP CONFORMANCE_DIR is not set\n");
	return 0;
}
