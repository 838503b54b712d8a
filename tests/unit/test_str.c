/* SPDX-License-Identifier: Apache-2.0 */
/* test_str.c - text: the nearest word, JSON strings, UTF-8, hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

static void a_slip_of_the_hand_finds_its_word(void **state)
{
	(void)state;
	static const char *const known[] = { "interval", "timeout", "url", "method", "follow", "max_redirects", "tls.verify", "x" };
	static const struct {
		const char *word, *near;
	} table[] = {
		{ "intervall", "interval" }, { "intreval", "interval" }, { "timeuot", "timeout" }, { "ulr", "url" }, { "metod", "method" },
		{ "max_redirect", "max_redirects" }, { "tls_verify", "tls.verify" }, { "interval", "interval" },
		{ "password", NULL }, { "abc", NULL }, { "y", NULL }, { "", NULL },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *near = str_nearest(table[i].word, known, ARRAY_LEN(known));
		if (table[i].near ? !near || strcmp(near, table[i].near) != 0 : near != NULL)
			fail_msg("%s: %s", table[i].word, near ? near : "(none)");
	}
	assert_null(str_nearest("word", NULL, 0));
}

static void assert_json(const char *s, size_t n, const char *expected)
{
	struct buf b = { 0 };
	str_put_json(&b, s, n);
	assert_string_equal(buf_cstr(&b), expected);
	buf_free(&b);
}

static void json_strings_are_escaped_and_always_utf8(void **state)
{
	(void)state;
	assert_json("plain", 5, "\"plain\"");
	assert_json("", 0, "\"\"");
	assert_json("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
	assert_json("\n\r\t\x01\x1f\x7f", 6, "\"\\n\\r\\t\\u0001\\u001f\\u007f\"");
	assert_json("a\0b", 3, "\"a\\u0000b\"");
	assert_json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82\"");
	assert_json("\xc3", 1, "\"\xef\xbf\xbd\"");
	assert_json("\xff\xfe", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_json("\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void utf8_is_that_of_rfc_3629(void **state)
{
	(void)state;
	static const struct {
		const char *s;
		size_t len;
	} table[] = {
		{ "a", 1 }, { "\xc2\x80", 2 }, { "\xdf\xbf", 2 }, { "\xe0\xa0\x80", 3 }, { "\xed\x9f\xbf", 3 }, { "\xf0\x90\x80\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 }, { "\x80", 0 }, { "\xc0\x80", 0 }, { "\xc1\xbf", 0 }, { "\xe0\x9f\xbf", 0 },
		{ "\xed\xa0\x80", 0 }, { "\xf0\x8f\xbf\xbf", 0 }, { "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 }, { "\xe2\x82", 0 },
		{ "\xe2\x28\xa1", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_int_equal(str_utf8(table[i].s, strlen(table[i].s)), table[i].len);
}

static void hashes_are_the_same_everywhere_and_spread(void **state)
{
	(void)state;
	assert_true(str_hash("a", 1) != str_hash("b", 1));
	assert_true(str_hash("", 0) == str_hash(NULL, 0));
	assert_true(str_hash("a\0", 2) != str_hash("a", 1));
	unsigned buckets[16] = { 0 };
	for (unsigned i = 0; i < 16000; i++) {
		char name[32];
		snprintf(name, sizeof name, "target-%u", i);
		buckets[str_hash(name, strlen(name)) % 16]++;
	}
	for (int i = 0; i < 16; i++)
		assert_in_range(buckets[i], 850, 1150);
	assert_true(str_mix(1, 2) != str_mix(2, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slip_of_the_hand_finds_its_word),
		cmocka_unit_test(json_strings_are_escaped_and_always_utf8),
		cmocka_unit_test(utf8_is_that_of_rfc_3629),
		cmocka_unit_test(hashes_are_the_same_everywhere_and_spread),
	};
	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
