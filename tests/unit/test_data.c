/* SPDX-License-Identifier: Apache-2.0 */
/* test_data.c - data files: their rows in each format and order, and what is said of malformed ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "data/data.h"

static char dir[] = "/tmp/probed-data-XXXXXX";
static char path[200];

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void put_bytes(const char *name, const char *text, size_t len)
{
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

static struct data *opened(const char *name, const char *text, enum data_order order, bool repeat)
{
	char error[400] = "";
	put_bytes(name, text, strlen(text));
	struct data *d = data_open(path, order, repeat, 1, error, sizeof error);
	if (!d)
		fail_msg("%s", error);
	return d;
}

/* "a=1 b=2" */
static void put_row(struct buf *out, struct data *d, const struct data_row *row)
{
	size_t n;
	const char *const *columns = data_columns(d, &n);
	assert_int_equal(row->n, n);
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%s%s=", i ? " " : "", columns[i]);
		if (row->values[i])
			assert_int_equal(strlen(row->values[i]), row->lens[i]);
		buf_puts(out, row->values[i] ? row->values[i] : "-");
	}
}

/* All rows, each closed by a bar, and how it ended. */
static void assert_rows(struct data *d, int at_most, const char *expected)
{
	struct data_row row;
	struct buf out = { 0 };
	int rc = 1;
	while (at_most-- && (rc = data_next(d, &row)) > 0) {
		put_row(&out, d, &row);
		buf_putc(&out, '|');
	}
	if (rc < 0)
		buf_puts(&out, strrchr(data_error(d), '/'));
	assert_string_equal(buf_cstr(&out), expected);
	buf_free(&out);
	data_close(d);
}

static void each_format_gives_its_rows(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *rows;
	} table[] = {
		{ "a.csv", "user,age\nanna,7\nbob,8", "user=anna age=7|user=bob age=8|" },
		{ "b.CSV", "\xef\xbb\xbf\"user\",note\r\n\r\nanna,\"a, \"\"b\"\"\r\nc\"\r\n,\r\n", "user=anna note=a, \"b\"\r\nc|user= note=|" },
		{ "c.csv", "a\nx\"y\n\"\"\n", "a=x\"y|a=|" },
		{ "d.jsonl", "{\"b\": \"x\", \"a\": 1}\n\n  \n{\"a\": [1, {\"k\": null}], \"c\": 3}\n{\"a\": 0.1, \"b\": true}",
		  "b=x a=1|b=- a=[1,{\"k\":null}]|b=true a=0.1|" },
		{ "e.ndjson", "{\"a\": \"\\u00e9\\\"\"}\r\n", "a=\xc3\xa9\"|" },
		{ "f.json", " [ {\"a\": \"]},{\"}, {\"a\" :\n{\"b\" :[1]}},{\"a\":\"\\\\\"} ]\n", "a=]},{|a={\"b\":[1]}|a=\\|" },
		{ "g.json", "[{\"a\": null}]", "a=null|" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_rows(opened(table[i].name, table[i].text, DATA_SEQUENTIAL, false), -1, table[i].rows);
		unlink(path);
	}
}

static void what_is_no_data_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *error;
	} table[] = {
		{ "a.csv", "", "a.csv: the file is empty: expected a first row with the names of the columns" },
		{ "a.csv", "user\n", "a.csv: there is no row below the names of the columns" },
		{ "a.csv", "a,,b\n1,2,3\n", "a.csv:1: column 2 has no name" },
		{ "a.csv", "\na,b,a\n1,2,3\n", "a.csv:2: two columns are named \"a\"" },
		{ "a.csv", "a,\"b\nc\n", "a.csv:1: a quote is never closed" },
		{ "a.json", "{\"a\": 1}", "a.json:1: expected an array of objects: [ { ... }, ... ]" },
		{ "a.json", "[]", "a.json: there is no row: expected objects" },
		{ "a.json", "\n[ 5 ]", "a.json:2: expected an object: { \"column\": \"value\", ... }" },
		{ "a.json", "[{\"a\": ", "a.json:1: the value that begins here never ends" },
		{ "a.json", "[", "a.json:1: the array is never closed: expected ]" },
		{ "a.jsonl", "{\"a\": tru}\n", "a.jsonl:1: line 1, column 9: invalid token near 'tru'" },
		{ "a.jsonl", "{}\n", "a.jsonl:1: the first object has no keys" },
		{ "a.txt", "a\n1\n", "a.txt: expected a file whose name ends in .csv, .json or .jsonl" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char error[400] = "";
		put_bytes(table[i].name, table[i].text, strlen(table[i].text));
		if (data_open(path, DATA_SEQUENTIAL, true, 1, error, sizeof error))
			fail_msg("%s: %s", table[i].name, table[i].text);
		assert_string_equal(strrchr(error, '/') + 1, table[i].error);
		unlink(path);
	}
	char error[400] = "";
	assert_null(data_open("/nonexistent/a.csv", DATA_UNIQUE, false, 1, error, sizeof error));
	assert_string_equal(error, "/nonexistent/a.csv: can't read it: No such file or directory");
	snprintf(path, sizeof path, "%s/d.csv", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(data_open(path, DATA_UNIQUE, false, 1, error, sizeof error));
	assert_string_equal(strrchr(error, '/'), "/d.csv: it is no regular file");
}

static void malformed_rows_are_skipped_counted_and_told(void **state)
{
	(void)state;
	static const char *const told[] = { "a.csv:3: 1 values: expected 2, as in the first row",
		                            "a.csv:5: text after a closing quote: expected a comma (a quote inside quotes is "
		                            "written \"\")" };
	struct data *d = opened("a.csv", "a,b\n1,2\n3\n4,5\n\"6\"x,7\n", DATA_SEQUENTIAL, true);
	struct data_row row;
	for (int i = 0; i < 6; i++) {
		assert_int_equal(data_next(d, &row), 1);
		assert_string_equal(row.values[0], i % 2 ? "4" : "1");
		assert_int_equal(row.line, i % 2 ? 4 : 2);
		assert_int_equal(row.number, i % 2 ? 2 : 0);
	}
	assert_int_equal(data_skipped(d), 5); /* of three rounds, the last not to its end */
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		assert_string_equal(strrchr(data_problem(d), '/') + 1, told[i]);
	assert_null(data_problem(d));
	data_close(d);
	assert_rows(opened("a.csv", "a,b\n1\n2\n", DATA_SEQUENTIAL, true), 3, "/a.csv: not one of its rows is well formed");
	assert_rows(opened("a.csv", "a,b\n1\n2\n", DATA_UNIQUE, true), 3, "");
}

static void a_broken_array_ends_where_it_breaks(void **state)
{
	(void)state;
	assert_rows(opened("a.json", "[{\"a\":1},\n{\"a\":2}\n{\"a\":3}]", DATA_UNIQUE, false), -1,
	            "a=1|/a.json:3: expected , or ] behind a value");
	unlink(path);
	assert_rows(opened("a.json", "[{\"a\":1},\n,", DATA_UNIQUE, false), -1, "a=1|/a.json:2: expected a value, and not a comma");
}

static void the_end_is_the_end_or_the_beginning(void **state)
{
	(void)state;
	assert_rows(opened("a.csv", "a\n1\n2\n", DATA_SEQUENTIAL, true), 5, "a=1|a=2|a=1|a=2|a=1|");
	assert_rows(opened("a.csv", "a\n1\n2\n", DATA_SEQUENTIAL, false), 5, "a=1|a=2|");
	assert_rows(opened("a.csv", "a\n1\n2\n", DATA_UNIQUE, true), 5, "a=1|a=2|");
}

static void an_index_has_its_row_on_every_machine(void **state)
{
	(void)state;
	struct data_row row;
	uint64_t n;
	struct data *d = opened("a.csv", "a\n0\n1\n2\n", DATA_SEQUENTIAL, true);
	for (uint64_t i = 0; i < 20; i++) {
		assert_int_equal(data_at(d, i * 7, &row), 1);
		assert_int_equal(atoi(row.values[0]), i * 7 % 3);
	}
	assert_int_equal(data_count(d, &n), 0);
	assert_int_equal(n, 3);
	data_close(d);
	d = opened("a.csv", "a\n0\n1\n2\n", DATA_UNIQUE, false);
	assert_int_equal(data_at(d, 2, &row), 1);
	assert_string_equal(row.values[0], "2");
	assert_int_equal(data_at(d, 3, &row), 0);
	data_close(d);
	d = opened("a.csv", "a\n0\n1\n2\n", DATA_RANDOM, false);
	struct data *other = opened("a.csv", "a\n0\n1\n2\n", DATA_RANDOM, false);
	for (uint64_t i = 0; i < 100; i++) {
		struct data_row there;
		assert_int_equal(data_next(d, &row), 1);
		assert_int_equal(data_at(other, i, &there), 1);
		assert_string_equal(row.values[0], there.values[0]);
	}
	data_close(d);
	data_close(other);
}

/* Chi squared over 50 rows of unlike lengths: 49 degrees of freedom, 99.99 % below 98. */
static void random_rows_are_each_as_likely(void **state)
{
	(void)state;
	struct buf text = { 0 };
	buf_puts(&text, "a,b\n");
	for (int i = 0; i < 50; i++) {
		buf_printf(&text, "%d,", i);
		for (int k = 0; k < i * 20; k++)
			buf_putc(&text, 'x');
		buf_putc(&text, '\n');
	}
	struct data *d = opened("a.csv", buf_cstr(&text), DATA_RANDOM, false);
	double seen[50] = { 0 }, chi2 = 0;
	for (int i = 0; i < 50000; i++) {
		struct data_row row;
		assert_int_equal(data_next(d, &row), 1);
		seen[row.number]++;
		assert_int_equal(atoi(row.values[0]), row.number);
	}
	for (int i = 0; i < 50; i++)
		chi2 += (seen[i] - 1000) * (seen[i] - 1000) / 1000;
	assert_true(chi2 > 15 && chi2 < 98);
	data_close(d);
	buf_free(&text);
}

/* More rows than the index has entries, over many windows, with rows across their edges. */
static void a_large_file_is_read_piece_by_piece(void **state)
{
	(void)state;
	enum { ROWS = 1500000 };
	struct buf text = { 0 };
	buf_puts(&text, "n,text\n");
	for (int i = 0; i < ROWS; i++)
		buf_printf(&text, i % 5 ? "%d,x\n" : "%d,\"a\n\"\"b\"\n", i);
	struct data *d = opened("a.csv", buf_cstr(&text), DATA_SEQUENTIAL, false);
	struct data_row row;
	for (uint64_t i = 0; i < ROWS; i++) {
		if (data_next(d, &row) != 1 || row.number != i || (uint64_t)atoi(row.values[0]) != i ||
		    row.line != 2 + i + (i + 4) / 5 || strcmp(row.values[1], i % 5 ? "x" : "a\n\"b") != 0)
			fail_msg("row %llu", (unsigned long long)i);
	}
	assert_int_equal(data_next(d, &row), 0);
	for (uint64_t i = 0; i < ROWS; i += 77777) {
		assert_int_equal(data_at(d, i, &row), 1);
		assert_int_equal(atoi(row.values[0]), i);
		assert_int_equal(row.line, 2 + i + (i + 4) / 5);
	}
	assert_int_equal(data_skipped(d), 0);
	data_close(d);
	buf_free(&text);
}

static void a_row_has_a_bound(void **state)
{
	(void)state;
	struct buf text = { 0 };
	buf_puts(&text, "a\n1\n");
	for (int i = 0; i < 3 << 19; i++)
		buf_putc(&text, 'x');
	buf_puts(&text, "\n2\n\"3\n4\n");
	for (int i = 0; i < 1 << 18; i++)
		buf_puts(&text, "5\n6\n");
	struct data *d = opened("a.csv", buf_cstr(&text), DATA_SEQUENTIAL, false);
	static const char *const expected[] = { "1", "2", "4", "5", "6" };
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		struct data_row row;
		assert_int_equal(data_next(d, &row), 1);
		assert_string_equal(row.values[0], expected[i]);
	}
	assert_int_equal(data_skipped(d), 2);
	assert_string_equal(strrchr(data_problem(d), '/'), "/a.csv:3: a row longer than 1 MiB, or a quote that is never closed");
	assert_string_equal(strrchr(data_problem(d), '/'), "/a.csv:5: a row longer than 1 MiB, or a quote that is never closed");
	data_close(d);
	buf_free(&text);
}

static void a_file_that_shrinks_is_told(void **state)
{
	(void)state;
	struct buf text = { 0 };
	buf_puts(&text, "a\n");
	for (int i = 0; i < 3000000; i++)
		buf_puts(&text, "1\n");
	struct data *d = opened("a.csv", buf_cstr(&text), DATA_SEQUENTIAL, true);
	assert_int_equal(truncate(path, 3000000), 0);
	struct data_row row;
	int rc, n = 0;
	while ((rc = data_next(d, &row)) == 1 && n < 3000000)
		n++;
	assert_int_equal(rc, -1);
	assert_string_equal(strrchr(data_error(d), '/'), "/a.csv: the file became shorter while it was read");
	data_close(d);
	buf_free(&text);
}

#define TEST(name) cmocka_unit_test_teardown(name, remove_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_format_gives_its_rows),
		TEST(what_is_no_data_is_refused),
		TEST(malformed_rows_are_skipped_counted_and_told),
		TEST(a_broken_array_ends_where_it_breaks),
		TEST(the_end_is_the_end_or_the_beginning),
		TEST(an_index_has_its_row_on_every_machine),
		TEST(random_rows_are_each_as_likely),
		TEST(a_large_file_is_read_piece_by_piece),
		TEST(a_row_has_a_bound),
		TEST(a_file_that_shrinks_is_told),
	};
	return cmocka_run_group_tests_name("data", tests, make_dir, remove_dir);
}
