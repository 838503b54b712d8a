/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - the log's two forms, its levels, and the limit of each message by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#include "base/log.h"

static int log_fd, real_stderr;

static int setup(void **state)
{
	(void)state;
	char path[] = "/tmp/probed-log-XXXXXX";
	log_fd = mkostemp(path, O_CLOEXEC | O_APPEND);
	real_stderr = dup(STDERR_FILENO);
	return log_fd < 0 || unlink(path) || dup2(log_fd, STDERR_FILENO) < 0;
}

static int teardown(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	return close(log_fd);
}

/* What was said since the last call. */
static const char *said(void)
{
	static char text[65536];
	ssize_t n = pread(log_fd, text, sizeof text - 1, 0);
	assert_true(n >= 0 && ftruncate(log_fd, 0) == 0);
	text[n] = '\0';
	return text;
}

static size_t lines(const char *text)
{
	size_t n = 0;
	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

static void text_is_for_people(void **state)
{
	(void)state;
	log_init("worker net.0", LOG_INFO, false);
	log_warn("driver died", "driver", "tcp", "why", "it \"broke\"\n", "gone", NULL, "pid", log_int(-7), "empty", "", NULL);
	const char *line = said();
	assert_int_equal(lines(line), 1);
	assert_string_equal(strstr(line, "warning"), "warning worker net.0: driver died driver=tcp why=\"it \\\"broke\\\"\\n\" "
	                                             "pid=-7 empty=\"\"\n");
}

static void json_is_for_machines(void **state)
{
	(void)state;
	log_init("core", LOG_INFO, true);
	log_error("driver went", "why", "it \"broke\"\n", "gone", NULL, "pid", log_int(7), NULL);
	json_error_t error;
	json_t *j = json_loads(said(), 0, &error);
	assert_non_null(j);
	assert_int_equal(json_object_size(j), 6);
	assert_int_equal(strlen(json_string_value(json_object_get(j, "time"))), strlen("2026-01-01T00:00:00.000Z"));
	assert_string_equal(json_string_value(json_object_get(j, "level")), "error");
	assert_string_equal(json_string_value(json_object_get(j, "who")), "core");
	assert_string_equal(json_string_value(json_object_get(j, "message")), "driver went");
	assert_string_equal(json_string_value(json_object_get(j, "why")), "it \"broke\"\n");
	assert_string_equal(json_string_value(json_object_get(j, "pid")), "7");
	json_decref(j);
}

static void what_is_below_the_level_is_not_said(void **state)
{
	(void)state;
	static const char *const names[] = { "debug", "info", "warning", "error" };
	enum log_level level;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(log_level_parse(names[i], &level), 0);
		log_init("core", level, false);
		log_debug("level 0", NULL);
		log_info("level 1", NULL);
		log_warn("level 2", NULL);
		log_error("level 3", NULL);
		assert_int_equal(lines(said()), 4 - i);
	}
	assert_int_equal(log_level_parse("loud", &level), -1);
}

static void one_message_is_limited_and_no_other(void **state)
{
	(void)state;
	uint64_t before = log_suppressed();
	log_init("core", LOG_INFO, false);
	for (int i = 0; i < 50; i++)
		log_warn("again and again", "target", "a", "i", log_int(i), NULL);
	log_warn("just once", NULL);
	const char *text = said();
	assert_int_equal(lines(text), 21);
	assert_non_null(strstr(text, "just once"));
	assert_int_equal(log_suppressed() - before, 30);
}

static void each_target_may_speak_but_not_without_end(void **state)
{
	(void)state;
	uint64_t before = log_suppressed();
	log_init("core", LOG_INFO, false);
	for (int i = 0; i < 100; i++)
		log_warn("down", "target", log_int(i), NULL);
	assert_int_equal(lines(said()), 100);
	for (int i = 0; i < 2000; i++)
		log_warn("down", "target", log_int(1000 + i), NULL);
	assert_in_range(log_suppressed() - before, 1100, 1100);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(text_is_for_people),
		TEST(json_is_for_machines),
		TEST(what_is_below_the_level_is_not_said),
		TEST(one_message_is_limited_and_no_other),
		TEST(each_target_may_speak_but_not_without_end),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
