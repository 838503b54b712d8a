/* SPDX-License-Identifier: Apache-2.0 */
/* The files of sinks: rotation, old files, compression, and what earlier lives have left. The clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "../../plugins/common/outfile_inner.h"
#include "sinks.h"

#define DAY_NS (INT64_C(86400) * 1000000000)

static char dir[64], path[128], error[400];
static struct probed_value values[OUTFILE_OPTIONS];
static struct probed_sink_args args;
static struct outfile_format format;
static unsigned written; /* records so far */

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/probed-outfile-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/r.txt", dir);
	values[OUTFILE_PATH] = sinks_text(path);
	values[OUTFILE_BUFFER] = sinks_number(4096);
	values[OUTFILE_MODE] = sinks_choice("append", 0);
	values[OUTFILE_ROTATE_SIZE] = sinks_number(0);
	values[OUTFILE_ROTATE_EVERY] = sinks_text(NULL);
	values[OUTFILE_KEEP] = sinks_number(10);
	values[OUTFILE_COMPRESS] = sinks_choice("zstd", 0);
	args = (struct probed_sink_args){ .size = sizeof args,
		                          .name = "test",
		                          .options = values,
		                          .n_options = OUTFILE_OPTIONS,
		                          .option_stride = sizeof values[0] };
	format = (struct outfile_format){ 0 };
	written = 0;
	sinks_wall = SINKS_WALL;
	*sinks_log = *error = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static struct outfile *open_it(void)
{
	struct outfile *o = outfile_check(&args, 0, error, sizeof error) ? NULL
	                                                              : outfile_open(&sinks_host, &args, 0, &format, error, sizeof error);
	if (!o)
		fail_msg("%s", error);
	return o;
}

/* Record n: 100 bytes. */
static void add(void *ctx, struct text *t, const struct probed_record *r)
{
	char line[101];
	(void)ctx;
	snprintf(line, sizeof line, "%06llu%93s", (unsigned long long)r->id_seq, "");
	text_puts(t, line);
	text_putc(t, '\n');
}

static void put(struct outfile *o, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct probed_record r = { .id_seq = written++ };
		const struct probed_record *one = &r;
		if (outfile_write(o, 1, &one, add, NULL, error, sizeof error))
			fail_msg("%s", error);
	}
}

static void flush(struct outfile *o)
{
	if (outfile_flush(o, error, sizeof error))
		fail_msg("%s", error);
}

static void close_it(struct outfile *o)
{
	flush(o);
	outfile_close(o);
}

static char *read_file(const char *name, size_t *len)
{
	FILE *f = fopen(name, "r");
	assert_non_null(f);
	char *text = calloc(1, 1 << 20);
	*len = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	size_t n = strlen(name);
	if (n > 4 && !strcmp(name + n - 4, ".zst")) {
		char *plain = calloc(1, 1 << 20);
		/* a stream: its length is not in its header */
		ZSTD_DCtx *z = ZSTD_createDCtx();
		ZSTD_inBuffer in = { .src = text, .size = *len };
		ZSTD_outBuffer out = { .dst = plain, .size = (1 << 20) - 1 };
		assert_int_equal(ZSTD_decompressStream(z, &out, &in), 0);
		ZSTD_freeDCtx(z);
		free(text);
		*len = out.pos;
		return plain;
	}
	return text;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *e)
{
	return *e->d_name != '.';
}

/* Looks at all files, the old ones in their order and the current one last: each but the current one whole and at most
 * `most` bytes; together the records from `first` to the last. Returns how many old ones there are. */
static unsigned check_files(unsigned first, size_t most, int packed)
{
	struct dirent **list;
	unsigned next = first, olds = 0;
	int n = scandir(dir, &list, no_dots, by_name);
	assert_true(n > 0);
	for (int i = 1; i <= n; i++) { /* r.txt sorts first, and is the last */
		char name[400];
		size_t len;
		struct dirent *e = list[i % n];
		snprintf(name, sizeof name, "%s/%s", dir, e->d_name);
		assert_null(strstr(name, ".part"));
		if (i < n) {
			olds++;
			assert_int_equal(strstr(name, ".zst") != NULL, packed);
		}
		char *text = read_file(name, &len);
		assert_true(len <= most);
		for (size_t at = format.header ? strlen(format.header) : 0; at < len; at += 100)
			assert_int_equal(strtoul(text + at, NULL, 10), next++);
		free(text);
	}
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	assert_int_equal(next, written);
	return olds;
}

static void by_size_no_record_is_lost_or_split(void **state)
{
	(void)state;
	values[OUTFILE_ROTATE_SIZE] = sinks_number(2050); /* 20 records, and a half */
	values[OUTFILE_KEEP] = sinks_number(0);
	struct outfile *o = open_it();
	for (int i = 0; i < 50; i++) {
		put(o, 7);
		flush(o);
	}
	close_it(o);
	assert_int_equal(check_files(0, 2050, 1), 17);
	assert_string_equal(sinks_log, "");
}

static void old_files_beyond_keep_are_removed(void **state)
{
	(void)state;
	values[OUTFILE_ROTATE_SIZE] = sinks_number(1000);
	values[OUTFILE_KEEP] = sinks_number(3);
	struct outfile *o = open_it();
	put(o, 95);
	flush(o);
	put(o, 3);
	close_it(o);
	assert_int_equal(check_files(60, 1000, 1), 3);
}

static void without_compression_they_stay_plain(void **state)
{
	(void)state;
	values[OUTFILE_ROTATE_SIZE] = sinks_number(1000);
	values[OUTFILE_COMPRESS] = sinks_choice("no", 1);
	struct outfile *o = open_it();
	put(o, 45);
	close_it(o);
	assert_int_equal(check_files(0, 1000, 0), 4);
}

static void by_time_at_full_multiples_of_utc(void **state)
{
	(void)state;
	values[OUTFILE_ROTATE_EVERY] = sinks_text("daily");
	struct outfile *o = open_it();
	put(o, 3);
	flush(o);
	sinks_wall = SINKS_WALL / DAY_NS * DAY_NS + DAY_NS - 1;
	put(o, 2);
	flush(o);
	assert_int_equal(check_files(0, 1 << 20, 1), 0);
	sinks_wall += 1;
	put(o, 2);
	flush(o);
	assert_int_equal(check_files(0, 1 << 20, 1), 1);
	sinks_wall += 5 * DAY_NS; /* days without a record have no file */
	put(o, 2);
	close_it(o);
	assert_int_equal(check_files(0, 1 << 20, 1), 2);
}

static void a_file_of_an_earlier_day_is_put_aside_after_a_start(void **state)
{
	(void)state;
	struct outfile *o = open_it();
	put(o, 3);
	close_it(o);
	struct timespec then[2] = { { .tv_sec = SINKS_WALL / 1000000000 }, { .tv_sec = SINKS_WALL / 1000000000 } };
	assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
	values[OUTFILE_ROTATE_EVERY] = sinks_text("1d");
	sinks_wall += DAY_NS;
	o = open_it();
	put(o, 2);
	close_it(o);
	assert_int_equal(check_files(0, 300, 1), 1);
}

static void a_header_stands_once_in_each_file(void **state)
{
	(void)state;
	format.header = "heading\n";
	values[OUTFILE_ROTATE_SIZE] = sinks_number(1050);
	for (int life = 0; life < 3; life++) {
		struct outfile *o = open_it();
		put(o, 5);
		close_it(o);
	}
	assert_int_equal(check_files(0, 1050, 1), 1);
}

static void a_file_with_another_header_is_put_aside(void **state)
{
	(void)state;
	format.header = "one\n";
	struct outfile *o = open_it();
	put(o, 2);
	close_it(o);
	format.header = "two\n";
	o = open_it();
	put(o, 2);
	close_it(o);
	assert_int_equal(check_files(0, 300, 1), 1);
	assert_non_null(strstr(sinks_log, "had other columns"));
}

static void truncate_begins_anew_and_reopening_does_not(void **state)
{
	(void)state;
	struct outfile *o = open_it();
	put(o, 5);
	close_it(o);
	values[OUTFILE_MODE] = sinks_choice("truncate", 1);
	o = open_it();
	put(o, 2);
	assert_int_equal(outfile_reopen(o, error, sizeof error), 0);
	put(o, 2);
	close_it(o);
	assert_int_equal(check_files(5, 400, 0), 0);
}

static void spill(const char *name, const char *text)
{
	char at[200];
	snprintf(at, sizeof at, "%s/%s", dir, name);
	FILE *f = fopen(at, "w");
	fputs(text, f);
	fclose(f);
}

static void expect_content(const char *expected)
{
	size_t len;
	char *text = read_file(path, &len);
	assert_string_equal(text, expected);
	free(text);
}

static void torn_ends_are_mended(void **state)
{
	static const struct {
		const char *before, *after;
		int quoted;
	} table[] = {
		{ "whole\n", "whole\n", 0 },
		{ "torn", "torn\n", 0 },
		{ "a \"torn", "a \"torn\n", 0 },
		{ "a,\"whole\none\"\n", "a,\"whole\none\"\n", 1 },
		{ "a,\"tor", "a,\"tor\"\n", 1 },
		{ "a,\"say \"\"x\"\" tor", "a,\"say \"\"x\"\" tor\"\n", 1 },
		{ "a,\"torn at a line break\n", "a,\"torn at a line break\n\"\n", 1 },
		{ "a,torn", "a,torn\n", 1 },
		{ "", "", 1 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		spill("r.txt", table[i].before);
		format.quoted = table[i].quoted;
		close_it(open_it());
		expect_content(table[i].after);
	}
}

static void what_a_crash_left_is_compressed_later(void **state)
{
	(void)state;
	values[OUTFILE_ROTATE_SIZE] = sinks_number(1 << 20);
	spill("r.txt.20250101T000000.000Z", "never compressed\n");
	spill("r.txt.20250102T000000.000Z", "begun\n");
	spill("r.txt.20250102T000000.000Z.zst.part", "half");
	spill("r.txt.20250103T000000.000Z", "done, but for its removal\n");
	spill("r.txt.20250103T000000.000Z.zst", "stands for a whole one");
	spill("r.txt.20250104T000000.000Z.bak", "a stranger's");
	struct outfile *o = open_it();
	for (int i = 0; i < 4; i++)
		flush(o);
	close_it(o);
	static const char *const there[] = { "r.txt", "r.txt.20250101T000000.000Z.zst", "r.txt.20250102T000000.000Z.zst",
		                             "r.txt.20250103T000000.000Z.zst", "r.txt.20250104T000000.000Z.bak" };
	struct dirent **list;
	int n = scandir(dir, &list, no_dots, by_name);
	assert_int_equal(n, 5);
	for (int i = 0; i < n; i++) {
		assert_string_equal(list[i]->d_name, there[i]);
		free(list[i]);
	}
	free(list);
}

static void durations_of_rotation(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* 0: refused */
	} table[] = {
		{ "hourly", 3600 }, { "daily", 86400 }, { "1s", 1 },    { "15m", 900 }, { "15min", 900 }, { "6h", 21600 },
		{ "1d", 86400 },    { "1w", 604800 },   { "0s", 0 },    { "", 0 },      { "d", 0 },       { "1", 0 },
		{ "-1d", 0 },       { "1x", 0 },        { "500ms", 0 }, { "400d", 0 },  { "weekly", 0 },  { "99999999999999999999d", 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		int64_t ns = 0;
		int rc = outfile_parse_every(table[i].text, &ns);
		if ((rc == 0) != (table[i].seconds != 0) || ns != table[i].seconds * 1000000000)
			fail_msg("%s: %d, %lld ns", table[i].text, rc, (long long)ns);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(by_size_no_record_is_lost_or_split),
		TEST(old_files_beyond_keep_are_removed),
		TEST(without_compression_they_stay_plain),
		TEST(by_time_at_full_multiples_of_utc),
		TEST(a_file_of_an_earlier_day_is_put_aside_after_a_start),
		TEST(a_header_stands_once_in_each_file),
		TEST(a_file_with_another_header_is_put_aside),
		TEST(truncate_begins_anew_and_reopening_does_not),
		TEST(torn_ends_are_mended),
		TEST(what_a_crash_left_is_compressed_later),
		cmocka_unit_test(durations_of_rotation),
	};
	umask(022);
	return cmocka_run_group_tests_name("outfile", tests, NULL, NULL);
}
