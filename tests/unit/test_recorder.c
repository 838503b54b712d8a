/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder with the real jsonl plugin: a fork of recorder_run() behind a socketpair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kid.h"
#include "run/recorder.h"

#define QUEUE 1000

enum { STATUS, EXPIRES, NOT_AFTER, SIZE, LOSS, TLS, ANSWER, HEADER, HOPS };

struct fixture {
	struct kid kid;
	char dir[64];
	char path[128], other[128];
	uint64_t seq;
};

static int run(int fd)
{
	struct recorder_limits limits = { .records = QUEUE, .bytes = 16 << 20 };
	return recorder_run(fd, &limits);
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	snprintf(f->dir, sizeof f->dir, "/tmp/probed-recorder-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof f->path, "%s/results.jsonl", f->dir);
	snprintf(f->other, sizeof f->other, "%s/other", f->dir);
	kid_start(&f->kid, run);
	assert_true(kid_hello(&f->kid, "recorder", ".libs/jsonl.so", "tests/unit/.libs/recorder_plugin.so", NULL));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	unlink(f->path);
	unlink(f->other);
	umount2(f->other, MNT_DETACH); /* is mounted still where a test failed */
	rmdir(f->other);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void send_result(struct fixture *f, const char *target, const struct result *r)
{
	CLEANUP_BUF struct buf b = { 0 };
	buf_u64(&b, 0xabc);
	buf_u64(&b, ++f->seq);
	buf_str(&b, target);
	buf_str(&b, NULL);
	buf_str(&b, "facts");
	result_encode(&b, r);
	kid_send(&f->kid, WIRE_RECORD, &b);
}

static void send_plain(struct fixture *f, unsigned n)
{
	struct result r = { 0 };
	for (unsigned i = 0; i < n; i++) {
		result_reset(&r);
		r.outcome = PROBED_OK;
		send_result(f, "plain", &r);
	}
	result_free(&r);
}

static char *slurp(const char *path, size_t *len)
{
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	struct buf b = { 0 };
	for (size_t n; (n = fread(buf_reserve(&b, 65536), 1, 65536, in)) > 0;)
		b.len += n;
	fclose(in);
	if (len)
		*len = b.len;
	return buf_cstr(&b);
}

/* Lines of the file; fails where one is no JSON object, or the last one has no end. */
static unsigned lines(const char *path)
{
	size_t len;
	char *text = slurp(path, &len);
	unsigned n = 0;
	for (char *line = text, *end; *line; line = end + 1, n++) {
		end = strchr(line, '\n');
		assert_non_null(end);
		json_error_t error;
		json_t *json = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, &error);
		if (!json)
			fail_msg("line %u: %s: %.*s", n + 1, error.text, (int)(end - line), line);
		json_decref(json);
	}
	free(text);
	return n;
}

static void open_jsonl(struct fixture *f, const char *name, const char *path)
{
	kid_part(&f->kid, WIRE_SINK_OPEN, name, "jsonl", "path", path, NULL);
}

/* The next status of a sink for which `good` holds. */
static struct wire_sink_status status_where(struct fixture *f, const char *name, bool (*good)(const struct wire_sink_status *s))
{
	struct cursor c;
	int64_t began = clock_now_ns();
	while (clock_now_ns() - began < KID_PATIENCE_MS * NS_PER_MS && kid_expect(&f->kid, WIRE_SINK_STATUS, &c)) {
		struct wire_sink_status s = wire_get_sink_status(&c);
		assert_false(c.bad);
		if (!strcmp(s.name, name) && good(&s))
			return s;
	}
	fail_msg("no such status of %s", name);
	return (struct wire_sink_status){ 0 };
}

static bool has_error(const struct wire_sink_status *s)
{
	return s->error != NULL;
}

static bool is_well(const struct wire_sink_status *s)
{
	return !s->error;
}

static bool is_empty(const struct wire_sink_status *s)
{
	return !s->queued;
}

static bool all_failed(const struct wire_sink_status *s)
{
	return s->failed == 100;
}

static void end(struct fixture *f)
{
	assert_true(kid_drain(&f->kid));
	assert_int_equal(kid_end(&f->kid), 0);
}

/* --- */

static struct result_fact *fact(struct result *r, uint32_t index, const char *name, uint8_t type)
{
	struct result_fact *f = result_fact_add(r, index, name, true);
	f->type = type;
	return f;
}

static void text_fact(struct result *r, uint32_t index, const char *name, uint8_t type, const char *s)
{
	struct result_fact *f = fact(r, index, name, type);
	f->len = (uint32_t)strlen(s);
	uint32_t at = result_put_string(r, s, f->len);
	r->facts[r->n_facts - 1].s = at;
}

static void fill(struct result *r)
{
	result_reset(r);
	r->outcome = PROBED_FAIL;
	r->reason = PROBED_REASON_EXPECTATION;
	r->message = result_put_string(r, "fast: latency 412 ms", 20);
	r->wall_ns = INT64_C(1767225600123000000); /* 2026-01-01T00:00:00.123Z */
	r->due_ns = 1000000000;
	r->start_ns = 1000250000;
	r->end_ns = 1412250400;
	r->phase_ns[PROBED_PHASE_CONNECT] = 1500000;
	r->phase_ns[PROBED_PHASE_WAIT] = 400000000;
	fact(r, STATUS, NULL, PROBED_TYPE_INTEGER)->i = 200;
	fact(r, EXPIRES, NULL, PROBED_TYPE_DURATION)->i = -INT64_C(86400500000000);
	fact(r, NOT_AFTER, NULL, PROBED_TYPE_TIME)->i = INT64_C(1767225600000000000);
	fact(r, SIZE, NULL, PROBED_TYPE_SIZE)->i = 65536;
	fact(r, LOSS, NULL, PROBED_TYPE_FLOAT)->f = 0.1;
	fact(r, TLS, NULL, PROBED_TYPE_BOOLEAN)->i = 1;
	text_fact(r, ANSWER, NULL, PROBED_TYPE_STRING, "192.0.2.1");
	text_fact(r, HEADER, "server", PROBED_TYPE_STRING, "nginx");
	text_fact(r, HOPS, NULL, PROBED_TYPE_TABLE, "{\"ttl\":1,\"ip\":\"192.0.2.9\"}");
	text_fact(r, ANSWER, NULL, PROBED_TYPE_STRING, "q\"\\\n\x01\xff\xc3\xa9");
	text_fact(r, HOPS, NULL, PROBED_TYPE_TABLE, "{\"ttl\":2,\"ip\":null}");
	result_fail(r, "fast", "latency 412 ms, expected < 300 ms");
}

static void a_result_becomes_one_line(void **state)
{
	struct fixture *f = *state;
	struct result r = { 0 };
	fill(&r);
	open_jsonl(f, "out", f->path);
	send_result(f, "home", &r);
	result_free(&r);
	assert_true(kid_sync(&f->kid, 7));
	char *text = slurp(f->path, NULL);
	assert_string_equal(
		text,
		"{\"id\":\"abc-1\",\"time\":\"2026-01-01T00:00:00.123Z\",\"target\":\"home\",\"plan\":null,\"driver\":\"facts\","
		"\"outcome\":\"fail\",\"reason\":\"expectation\",\"message\":\"fast: latency 412 ms\","
		"\"latency_ms\":412.25,\"service_ms\":412,\"lag_ms\":0.25,\"phases_ms\":{\"connect\":1.5,\"wait\":400},"
		"\"facts\":{\"status\":200,\"cert.expires\":-86400.5,\"cert.not_after\":\"2026-01-01T00:00:00Z\",\"size\":65536,"
		"\"loss\":0.1,\"tls\":true,\"answer\":[\"192.0.2.1\",\"q\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\"],"
		"\"header.server\":\"nginx\",\"hops\":[{\"ttl\":1,\"ip\":\"192.0.2.9\"},{\"ttl\":2,\"ip\":null}]},"
		"\"failed\":{\"fast\":\"latency 412 ms, expected < 300 ms\"}}\n");
	free(text);
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640 & ~022);
	end(f);
}

static void events_and_sub_results_have_lines_of_their_own(void **state)
{
	struct fixture *f = *state;
	open_jsonl(f, "out", f->path);
	CLEANUP_BUF struct buf b = { 0 };
	buf_u64(&b, 0xabc);
	buf_u64(&b, 9);
	buf_i64(&b, INT64_C(1767225600000000000));
	buf_str(&b, "home");
	buf_str(&b, "is down");
	kid_send(&f->kid, WIRE_RECORD_EVENT, &b);
	struct result r = { 0 };
	result_reset(&r);
	r.outcome = PROBED_ERROR;
	r.reason = PROBED_REASON_TIMEOUT;
	r.sub = result_put_string(&r, "ipv6", 4);
	send_result(f, "home", &r);
	result_free(&r);
	assert_true(kid_sync(&f->kid, 1));
	char *text = slurp(f->path, NULL);
	assert_string_equal(text, "{\"id\":\"abc-9\",\"time\":\"2026-01-01T00:00:00.000Z\",\"event\":\"is down\",\"target\":\"home\"}\n"
	                          "{\"id\":\"abc-1\",\"time\":\"1970-01-01T00:00:00.000Z\",\"target\":\"home\",\"sub\":\"ipv6\","
	                          "\"plan\":null,\"driver\":\"facts\",\"outcome\":\"error\",\"reason\":\"timeout\",\"message\":null,"
	                          "\"latency_ms\":0,\"service_ms\":0,\"lag_ms\":0,\"phases_ms\":{},\"facts\":{},\"failed\":{}}\n");
	free(text);
	end(f);
}

static void reopen_follows_a_rotation(void **state)
{
	struct fixture *f = *state;
	open_jsonl(f, "out", f->path);
	send_plain(f, 3);
	assert_true(kid_sync(&f->kid, 1));
	assert_int_equal(rename(f->path, f->other), 0);
	kid_send(&f->kid, WIRE_SINK_REOPEN, NULL);
	assert_true(kid_sync(&f->kid, 2));
	send_plain(f, 2);
	assert_true(kid_sync(&f->kid, 3));
	assert_int_equal(lines(f->other), 3);
	assert_int_equal(lines(f->path), 2);
	end(f);
}

static void lines_are_written_within_a_second_without_a_sync(void **state)
{
	struct fixture *f = *state;
	open_jsonl(f, "out", f->path);
	assert_true(kid_sync(&f->kid, 1));
	send_plain(f, 1);
	struct stat st = { 0 };
	int64_t began = clock_now_ns();
	while (!st.st_size && clock_now_ns() - began < 10 * NS_PER_S) {
		poll(NULL, 0, 10);
		assert_int_equal(stat(f->path, &st), 0);
	}
	assert_int_equal(lines(f->path), 1);
	end(f);
}

static void draining_writes_all_and_so_does_the_death_of_the_core(void **state)
{
	struct fixture *f = *state;
	open_jsonl(f, "out", f->path);
	send_plain(f, 500);
	end(f);
	assert_int_equal(lines(f->path), 500);

	kid_start(&f->kid, run);
	assert_true(kid_hello(&f->kid, "recorder", ".libs/jsonl.so", "tests/unit/.libs/recorder_plugin.so", NULL));
	open_jsonl(f, "out", f->path);
	send_plain(f, 500);
	assert_int_equal(kid_end(&f->kid), 0);
	assert_int_equal(lines(f->path), 1000);
}

static void the_same_name_again_replaces_a_sink(void **state)
{
	struct fixture *f = *state;
	open_jsonl(f, "out", f->path);
	send_plain(f, 4);
	open_jsonl(f, "out", f->other);
	send_plain(f, 5);
	CLEANUP_BUF struct buf b = { 0 };
	buf_str(&b, "out");
	kid_send(&f->kid, WIRE_SINK_CLOSE, &b);
	send_plain(f, 6);
	end(f);
	assert_int_equal(lines(f->path), 4);
	assert_int_equal(lines(f->other), 5);
}

static void a_full_disk_is_reported_and_counted_and_stops_nothing(void **state)
{
	struct fixture *f = *state;
	open_jsonl(f, "full", "/dev/full");
	open_jsonl(f, "out", f->path);
	send_plain(f, 100);
	assert_true(kid_sync(&f->kid, 1));
	struct wire_sink_status s = status_where(f, "full", has_error);
	assert_non_null(strstr(s.error, "/dev/full: cannot write: No space left on device"));
	kid_send(&f->kid, WIRE_DRAIN, NULL);
	s = status_where(f, "full", all_failed);
	assert_int_equal(s.written, 0);
	assert_non_null(strstr(kid_log(&f->kid), "No space left on device"));
	assert_int_equal(kid_end(&f->kid), 0);
	assert_int_equal(lines(f->path), 100);
}

static void a_disk_that_fills_up_keeps_whole_lines_and_goes_on_later(void **state)
{
	struct fixture *f = *state;
	char filler[160], path[160];
	assert_int_equal(mkdir(f->other, 0700), 0);
	if (mount("tmpfs", f->other, "tmpfs", 0, "size=256k")) {
		print_message("# skipped: no tmpfs here: %s\n", strerror(errno));
		end(f);
		skip();
	}
	snprintf(filler, sizeof filler, "%s/filler", f->other);
	snprintf(path, sizeof path, "%s/results.jsonl", f->other);
	int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char zeros[245760];
	assert_int_equal(write(fd, zeros, sizeof zeros), sizeof zeros);
	close(fd);

	open_jsonl(f, "out", path);
	send_plain(f, 300); /* some 65 kB, into 16 KiB that are left */
	assert_true(kid_sync(&f->kid, 1));
	struct wire_sink_status s = status_where(f, "out", has_error);
	assert_non_null(strstr(s.error, "No space left on device"));
	unsigned before = lines(path);
	assert_in_range(before, 1, 299);

	unlink(filler);
	send_plain(f, 1);
	s = status_where(f, "out", is_well);
	assert_int_equal(s.failed + s.dropped, 0);
	assert_int_equal(lines(path), 301);
	end(f);
	assert_int_equal(umount(f->other), 0);
}

static bool all_written(const struct wire_sink_status *s)
{
	return s->written == 20;
}

static void a_sink_that_does_not_open_is_tried_again(void **state)
{
	struct fixture *f = *state;
	char path[160];
	snprintf(path, sizeof path, "%s/results.jsonl", f->other);
	open_jsonl(f, "out", path);
	send_plain(f, 20);
	assert_true(kid_sync(&f->kid, 1)); /* is not waited for */
	struct wire_sink_status s = status_where(f, "out", has_error);
	assert_non_null(strstr(s.error, path));
	assert_non_null(strstr(s.error, "No such file or directory"));
	assert_int_equal(mkdir(f->other, 0700), 0);
	s = status_where(f, "out", all_written);
	assert_null(s.error);
	end(f);
	assert_int_equal(lines(path), 20);
	unlink(path);
}

static bool first_900(const struct wire_sink_status *s)
{
	return s->written == 900;
}

static bool all_1800(const struct wire_sink_status *s)
{
	return s->written == 1800;
}

static void a_slow_sink_drops_and_holds_up_no_other(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(mkfifo(f->other, 0600), 0);
	kid_part(&f->kid, WIRE_SINK_OPEN, "slow", "gated", "gate", f->other, NULL);
	open_jsonl(f, "out", f->path);
	send_plain(f, 900);
	status_where(f, "out", first_900);
	send_plain(f, 900);
	struct wire_sink_status s = status_where(f, "out", all_1800);
	assert_int_equal(s.dropped, 0);
	assert_non_null(strstr(kid_log(&f->kid), "too slow"));

	/* opens the gate for good: whoever opens the other end finds this one */
	int gate = open(f->other, O_RDWR | O_CLOEXEC);
	assert_true(gate >= 0);
	assert_true(kid_sync(&f->kid, 2));
	kid_send(&f->kid, WIRE_DRAIN, NULL);
	s = status_where(f, "slow", is_empty);
	assert_int_equal(s.queue_max, QUEUE);
	assert_int_equal(s.written + s.dropped, 1800);
	assert_in_range(s.dropped, 1800 - QUEUE - 64, 1800 - QUEUE);
	assert_int_equal(kid_end(&f->kid), 0);
	close(gate);
	assert_int_equal(lines(f->path), 1800);
}

/* Sends plain results until the recorder takes no more; how many it took. */
static unsigned send_until_full(struct fixture *f)
{
	struct result r = { 0 };
	unsigned n = 0;
	struct pollfd p = { .fd = f->kid.fd, .events = POLLOUT };
	result_reset(&r);
	while (poll(&p, 1, 2000) == 1 && n < 100000) {
		send_result(f, "plain", &r);
		n++;
	}
	result_free(&r);
	return n;
}

static bool all_taken(const struct wire_sink_status *s)
{
	return !s->queued && !s->holding;
}

static bool is_holding(const struct wire_sink_status *s)
{
	return s->holding;
}

static void open_waiting(struct fixture *f, uint32_t queue)
{
	struct kv gate = { .key = "gate", .value = f->other };
	struct wire_part part = { .name = "slow", .driver = "gated", .queue = queue, .wait = true, .n_options = 1, .options = &gate };
	CLEANUP_BUF struct buf b = { 0 };
	wire_put_part(&b, &part);
	kid_send(&f->kid, WIRE_SINK_OPEN, &b);
}

static void a_sink_that_waits_drops_nothing_and_nothing_is_read_meanwhile(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(mkfifo(f->other, 0600), 0);
	open_waiting(f, 200);
	open_jsonl(f, "out", f->path);
	unsigned n = send_until_full(f);
	assert_in_range(n, 200, 99999);
	struct wire_sink_status s = status_where(f, "slow", is_holding);
	assert_int_equal(s.queue_max, 200);
	assert_int_equal(s.dropped, 0);
	assert_non_null(strstr(kid_log(&f->kid), "all sinks wait"));

	int gate = open(f->other, O_RDWR | O_CLOEXEC);
	assert_true(gate >= 0);
	send_plain(f, 100);
	assert_true(kid_sync(&f->kid, 1));
	kid_send(&f->kid, WIRE_DRAIN, NULL);
	s = status_where(f, "slow", all_taken);
	assert_int_equal(s.written, n + 100);
	assert_int_equal(s.dropped + s.failed, 0);
	assert_int_equal(kid_end(&f->kid), 0);
	close(gate);
	assert_int_equal(lines(f->path), n + 100);
}

static void the_death_of_the_core_is_seen_while_a_sink_waits(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(mkfifo(f->other, 0600), 0);
	open_waiting(f, 64);
	open_jsonl(f, "out", f->path);
	unsigned n = send_until_full(f);
	shutdown(f->kid.fd, SHUT_RDWR);
	/* closed to the end of what was sent: the other sink has it all, whatever the slow one does */
	int64_t began = clock_now_ns();
	while (lines(f->path) < n && clock_now_ns() - began < 20 * NS_PER_S)
		poll(NULL, 0, 20);
	assert_int_equal(lines(f->path), n);
	int gate = open(f->other, O_RDWR | O_CLOEXEC);
	assert_int_equal(kid_end(&f->kid), 0);
	close(gate);
}

static void a_torn_last_line_is_ended_first(void **state)
{
	struct fixture *f = *state;
	FILE *out = fopen(f->path, "w");
	fputs("{\"half\":", out);
	fclose(out);
	open_jsonl(f, "out", f->path);
	send_plain(f, 1);
	end(f);
	char *text = slurp(f->path, NULL);
	assert_ptr_equal(strstr(text, "{\"half\":\n{\"id\":"), text);
	free(text);
}

static char stdout_path[128];

static int run_with_stdout(int fd)
{
	int out = open(stdout_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (out < 0 || dup2(out, STDOUT_FILENO) < 0)
		return 99;
	return run(fd);
}

static void a_dash_is_the_standard_output(void **state)
{
	struct fixture *f = *state;
	end(f);
	memcpy(stdout_path, f->path, sizeof stdout_path);
	kid_start(&f->kid, run_with_stdout);
	assert_true(kid_hello(&f->kid, "recorder", ".libs/jsonl.so", "tests/unit/.libs/recorder_plugin.so", NULL));
	open_jsonl(f, "out", "-");
	send_plain(f, 2);
	kid_send(&f->kid, WIRE_SINK_REOPEN, NULL);
	send_plain(f, 1);
	end(f);
	assert_int_equal(lines(f->path), 3);
}

static void unknown_sinks_and_bad_options_are_told(void **state)
{
	struct fixture *f = *state;
	kid_part(&f->kid, WIRE_SINK_OPEN, "what", "nothing", NULL);
	struct wire_sink_status s = status_where(f, "what", has_error);
	assert_string_equal(s.error, "no plugin provides a sink \"nothing\"");
	kid_part(&f->kid, WIRE_SINK_OPEN, "folder", "jsonl", "path", "/tmp/", NULL);
	s = status_where(f, "folder", has_error);
	assert_non_null(strstr(s.error, "expected the name of a file"));
	send_plain(f, 1);
	assert_true(kid_sync(&f->kid, 1));
	end(f);
}

static void a_malformed_frame_ends_it_with_what_came_before_written(void **state)
{
	struct fixture *f = *state;
	open_jsonl(f, "out", f->path);
	send_plain(f, 2);
	kid_send(&f->kid, WIRE_RECORD, NULL);
	struct cursor c;
	while (kid_next(&f->kid, &c))
		;
	assert_int_equal(kid_end(&f->kid), EXIT_SETUP);
	assert_int_equal(lines(f->path), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_result_becomes_one_line),
		TEST(events_and_sub_results_have_lines_of_their_own),
		TEST(reopen_follows_a_rotation),
		TEST(lines_are_written_within_a_second_without_a_sync),
		TEST(draining_writes_all_and_so_does_the_death_of_the_core),
		TEST(the_same_name_again_replaces_a_sink),
		TEST(a_full_disk_is_reported_and_counted_and_stops_nothing),
		TEST(a_disk_that_fills_up_keeps_whole_lines_and_goes_on_later),
		TEST(a_sink_that_does_not_open_is_tried_again),
		TEST(a_slow_sink_drops_and_holds_up_no_other),
		TEST(a_sink_that_waits_drops_nothing_and_nothing_is_read_meanwhile),
		TEST(the_death_of_the_core_is_seen_while_a_sink_waits),
		TEST(a_torn_last_line_is_ended_first),
		TEST(a_dash_is_the_standard_output),
		TEST(unknown_sinks_and_bad_options_are_told),
		TEST(a_malformed_frame_ends_it_with_what_came_before_written),
	};
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	/* mounts of our own, where we may: nothing is left behind, however this ends */
	if (unshare(CLONE_NEWNS) == 0)
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
