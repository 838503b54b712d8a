/* SPDX-License-Identifier: Apache-2.0 */
/* test_errs.c - configuration errors: all with their places, at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/errs.h"
#include "base/mem.h"

static void an_error_names_its_place(void **state)
{
	(void)state;
	struct errs e = { 0 };
	errs_add(&e, (struct place){ "probed.ini", 14 }, "target home", "intervall", "unknown option (did you mean \"%s\"?)", "interval");
	errs_add(&e, (struct place){ "probed.ini", 0 }, NULL, NULL, "no such file");
	errs_warn(&e, (struct place){ 0 }, "probed", NULL, "old");
	assert_string_equal(e.list[0].text, "probed.ini:14: [target home] intervall: unknown option (did you mean \"interval\"?)");
	assert_string_equal(e.list[1].text, "probed.ini: no such file");
	assert_string_equal(e.list[2].text, "warning: [probed] old");
	assert_int_equal(e.errors, 2);
	assert_int_equal(e.warnings, 1);
	assert_true(e.list[2].warning && !e.list[0].warning);
	errs_free(&e);
	assert_int_equal(e.errors, 0);
}

static void so_many_are_kept_and_all_are_counted(void **state)
{
	(void)state;
	struct errs e = { 0 };
	for (int i = 1; i <= 250; i++)
		errs_add(&e, (struct place){ "f", i }, NULL, NULL, "bad");
	assert_int_equal(e.n, 200);
	assert_int_equal(e.errors, 250);
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	errs_print(&e, to);
	fclose(to);
	static const char last[] = "f:200: bad\n... and 50 more\n";
	assert_true(len > sizeof last && !strcmp(text + len - (sizeof last - 1), last));
	free(text);
	errs_free(&e);
}

static void a_long_message_is_cut_and_not_overrun(void **state)
{
	(void)state;
	struct errs e = { 0 };
	char text[5000];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	errs_add(&e, (struct place){ "f", 1 }, NULL, NULL, "%s", text);
	assert_int_equal(strlen(e.list[0].text), 5 + 1023);
	errs_free(&e);
}

static void sorted_they_stand_file_by_file_and_line_by_line(void **state)
{
	(void)state;
	struct errs e = { 0 };
	errs_add(&e, (struct place){ "b", 9 }, NULL, NULL, "one");
	errs_add(&e, (struct place){ "a", 5 }, NULL, NULL, "two");
	errs_add(&e, (struct place){ "b", 3 }, NULL, NULL, "three");
	errs_add(&e, (struct place){ "a", 5 }, NULL, NULL, "four");
	errs_add(&e, (struct place){ "b", 10 }, NULL, NULL, "five");
	errs_sort(&e);
	static const char *const expected[] = { "b:3: three", "b:9: one", "b:10: five", "a:5: two", "a:5: four" };
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(e.list[i].text, expected[i]);
	errs_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_names_its_place),
		cmocka_unit_test(so_many_are_kept_and_all_are_counted),
		cmocka_unit_test(sorted_they_stand_file_by_file_and_line_by_line),
		cmocka_unit_test(a_long_message_is_cut_and_not_overrun),
	};
	return cmocka_run_group_tests_name("errs", tests, NULL, NULL);
}
