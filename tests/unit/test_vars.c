/* SPDX-License-Identifier: Apache-2.0 */
/* test_vars.c - the variables of a virtual user: set, got, bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "judge/vars.h"

static void a_value_replaces_the_one_before(void **state)
{
	(void)state;
	size_t len;
	struct template_vars *v = vars_new();
	assert_null(vars_get(NULL, "a", NULL));
	assert_null(vars_get(v, "a", NULL));
	assert_int_equal(vars_set(v, "a", "one", 3), 0);
	assert_string_equal(vars_get(v, "a", &len), "one");
	assert_int_equal(vars_set(v, "a", "x\0y", 3), 0);
	assert_memory_equal(vars_get(v, "a", &len), "x\0y", 4);
	assert_int_equal(len, 3);
	assert_int_equal(vars_set(v, "b", "", 0), 0);
	assert_string_equal(vars_get(v, "b", &len), "");
	assert_int_equal(len, 0);
	assert_int_equal(vars_count(v), 2);
	vars_unset(v, "a");
	vars_unset(v, "a");
	assert_null(vars_get(v, "a", NULL));
	assert_int_equal(vars_count(v), 1);
	vars_clear(v);
	assert_null(vars_get(v, "b", NULL));
	assert_int_equal(vars_count(v), 0);
	vars_free(v);
}

static void all_names_up_to_the_bound_are_found(void **state)
{
	(void)state;
	char name[32];
	struct template_vars *v = vars_new();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < VARS_MAX; i++) {
			snprintf(name, sizeof name, "n%d.%d", round, i);
			assert_int_equal(vars_set(v, name, name, strlen(name)), 0);
		}
		for (int i = 0; i < VARS_MAX; i++) {
			snprintf(name, sizeof name, "n%d.%d", round, i);
			assert_string_equal(vars_get(v, name, NULL), name);
		}
		assert_int_equal(vars_set(v, "one more", "", 0), -1);
		assert_int_equal(vars_refused(v), (uint64_t)round + 1);
		const char *value;
		size_t at = 0, len, seen = 0;
		for (const char *n; (n = vars_next(v, &at, &value, &len)); seen++)
			assert_string_equal(n, value);
		assert_int_equal(seen, VARS_MAX);
		vars_clear(v); /* names of another round take the room of these */
	}
	vars_free(v);
}

static void a_value_over_the_bound_leaves_none(void **state)
{
	(void)state;
	CLEANUP_FREE char *big = xcalloc(1, VARS_VALUE_MAX + 1);
	struct template_vars *v = vars_new();
	assert_int_equal(vars_set(v, "a", big, VARS_VALUE_MAX), 0);
	assert_int_equal(vars_set(v, "a", big, VARS_VALUE_MAX + 1), -1);
	assert_null(vars_get(v, "a", NULL));
	assert_int_equal(vars_refused(v), 1);
	vars_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_replaces_the_one_before),
		cmocka_unit_test(all_names_up_to_the_bound_are_found),
		cmocka_unit_test(a_value_over_the_bound_leaves_none),
	};
	return cmocka_run_group_tests_name("vars", tests, NULL, NULL);
}
