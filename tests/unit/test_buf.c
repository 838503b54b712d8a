/* SPDX-License-Identifier: Apache-2.0 */
/* test_buf.c - the buffer, and the cursor that trusts nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

static void a_buffer_grows_and_forgets(void **state)
{
	(void)state;
	struct buf b = { 0 };
	assert_string_equal(buf_cstr(&b), "");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	assert_int_equal(b.len, 3890);
	assert_memory_equal(b.data, "0,1,2,3", 7);
	buf_consume(&b, 2);
	assert_memory_equal(b.data, "1,2,3", 5);
	buf_consume(&b, b.len);
	assert_int_equal(b.len, 0);
	buf_puts(&b, "end");
	buf_putc(&b, '!');
	assert_string_equal(buf_cstr(&b), "end!");
	buf_clear(&b);
	buf_put(&b, NULL, 0);
	assert_int_equal(b.len, 0);
	buf_free(&b);
	assert_null(b.data);
}

static void a_printed_text_may_just_fill_its_room(void **state)
{
	(void)state;
	for (int n = 60; n < 70; n++) {
		struct buf b = { 0 };
		buf_reserve(&b, 1);
		buf_printf(&b, "%0*d", n, 7);
		assert_int_equal(b.len, n);
		assert_int_equal(strlen(buf_cstr(&b)), n);
		assert_int_equal(b.data[n - 1], '7');
		buf_free(&b);
	}
}

static void fill(struct buf *b)
{
	buf_u8(b, 0xfe);
	buf_u16(b, 0xfedc);
	buf_u32(b, 0xfedcba98u);
	buf_u64(b, UINT64_C(0xfedcba9876543210));
	buf_i64(b, INT64_MIN);
	buf_f64(b, -0.1);
	buf_str(b, "text");
	buf_str(b, NULL);
	buf_bytes(b, "a\0b", 3);
	buf_u32(b, 2);
	buf_u16(b, 1);
	buf_u16(b, 2);
}

/* True where all was as fill() wrote it. */
static bool read_all(struct cursor *c)
{
	uint32_t len;
	bool good = cursor_u8(c) == 0xfe && cursor_u16(c) == 0xfedc && cursor_u32(c) == 0xfedcba98u;
	good &= cursor_u64(c) == UINT64_C(0xfedcba9876543210);
	good &= cursor_i64(c) == INT64_MIN;
	good &= cursor_f64(c) == -0.1;
	const char *s = cursor_str(c);
	good &= s && !strcmp(s, "text");
	good &= cursor_str(c) == NULL;
	s = cursor_bytes(c, &len);
	good &= s && len == 3 && !memcmp(s, "a\0b", 4);
	good &= cursor_count(c, 2) == 2;
	good &= cursor_u16(c) == 1;
	good &= cursor_u16(c) == 2;
	return good && !c->bad;
}

static void what_is_written_is_read_in_little_endian(void **state)
{
	(void)state;
	struct buf b = { 0 };
	fill(&b);
	struct cursor c = cursor_over(b.data, b.len);
	assert_true(read_all(&c));
	assert_int_equal(cursor_left(&c), 0);
	assert_memory_equal(b.data, "\xfe\xdc\xfe\x98\xba\xdc\xfe", 7);
	buf_free(&b);
}

static void a_cursor_that_went_bad_stays_bad_and_yields_nothing(void **state)
{
	(void)state;
	struct buf b = { 0 };
	fill(&b);
	for (size_t n = 0; n < b.len; n++) {
		char *cut = xmalloc(n);
		memcpy(cut, b.data, n);
		struct cursor c = cursor_over(cut, n);
		assert_false(read_all(&c));
		assert_true(c.bad);
		assert_int_equal(cursor_u64(&c), 0);
		assert_null(cursor_str(&c));
		assert_int_equal(cursor_count(&c, 1), 0);
		assert_true(c.bad);
		free(cut);
	}
	buf_free(&b);
}

static void a_string_without_its_nul_is_bad(void **state)
{
	(void)state;
	struct cursor c = cursor_over("\x02\0\0\0abc", 7);
	assert_null(cursor_str(&c));
	assert_true(c.bad);
	c = cursor_over("\xfe\xff\xff\xff", 4);
	assert_null(cursor_str(&c));
	assert_true(c.bad);
}

static void a_count_that_cannot_fit_is_bad(void **state)
{
	(void)state;
	struct cursor c = cursor_over("\x02\0\0\0\1\2\3", 7);
	assert_int_equal(cursor_count(&c, 2), 0);
	assert_true(c.bad);
	c = cursor_over("\xff\xff\xff\xff\1\2\3", 7);
	assert_int_equal(cursor_count(&c, 0x7fffffff), 0);
	assert_true(c.bad);
	c = cursor_over("\x03\0\0\0\1\2\3", 7);
	assert_int_equal(cursor_count(&c, 0), 3);
	assert_false(c.bad);
}

static void nothing_at_all_can_be_read(void **state)
{
	(void)state;
	struct cursor c = cursor_over(NULL, 0);
	assert_int_equal(cursor_left(&c), 0);
	assert_int_equal(cursor_u8(&c), 0);
	assert_true(c.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_grows_and_forgets),
		cmocka_unit_test(a_printed_text_may_just_fill_its_room),
		cmocka_unit_test(what_is_written_is_read_in_little_endian),
		cmocka_unit_test(a_cursor_that_went_bad_stays_bad_and_yields_nothing),
		cmocka_unit_test(a_string_without_its_nul_is_bad),
		cmocka_unit_test(a_count_that_cannot_fit_is_bad),
		cmocka_unit_test(nothing_at_all_can_be_read),
	};
	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
