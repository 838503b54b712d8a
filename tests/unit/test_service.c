/* SPDX-License-Identifier: Apache-2.0 */
/* The service process with the real web plugin: a fork of service_main() behind a socketpair, where the test plays
 * the core, and real HTTP over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <probed/service.h>
#include <sys/un.h>

#include "kid.h"
#include "run/service.h"

struct fixture {
	struct kid kid;
	int port;
};

static void begin_with(struct fixture *f, const char *listen, const char *connections)
{
	kid_start(&f->kid, service_main);
	assert_true(kid_hello(&f->kid, "service web", ".libs/web.so", NULL));
	kid_part(&f->kid, WIRE_SERVICE_START, "web", "web", "listen", listen, "max_connections", connections, NULL);
}

static int port_in_log(struct fixture *f, const char *before)
{
	const char *at = strstr(kid_log(&f->kid), before);
	return at ? atoi(at + strlen(before)) : 0;
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	begin_with(f, "127.0.0.1:0", "20");
	assert_true(kid_sync(&f->kid, 1));
	f->port = port_in_log(f, "listening on http://127.0.0.1:");
	assert_true(f->port > 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int clean = kid_drain(&f->kid) && kid_end(&f->kid) == 0;
	free(f);
	return clean ? 0 : -1;
}

/* --- a client ---------------------------------------------------------------------------------- */

static int dial(int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads on until `end` was seen at the end, or (NULL) the peer closes. The text so far. */
static char *hear(int fd, const char *end)
{
	struct buf b = { 0 };
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, KID_PATIENCE_MS) <= 0)
			fail_msg("no answer; so far: %s", buf_cstr(&b));
		ssize_t n = recv(fd, buf_reserve(&b, 4096), 4096, 0);
		if (n <= 0) {
			if (end)
				fail_msg("closed too early; so far: %s", buf_cstr(&b));
			return buf_cstr(&b);
		}
		b.len += (size_t)n;
		const char *text = buf_cstr(&b);
		if (end && b.len >= strlen(end) && !strcmp(text + b.len - strlen(end), end))
			return b.data;
	}
}

static void starts(const char *text, const char *with)
{
	if (strncmp(text, with, strlen(with)) != 0)
		fail_msg("expected %s, got: %s", with, text);
}

static void holds(const char *text, const char *part)
{
	if (!strcasestr(text, part))
		fail_msg("expected %s in: %s", part, text);
}

/* --- the core ---------------------------------------------------------------------------------- */

static uint64_t asked(struct fixture *f, const char *topic, const char *args)
{
	struct cursor c;
	assert_true(kid_expect(&f->kid, WIRE_QUERY, &c));
	uint64_t tag = cursor_u64(&c);
	assert_string_equal(cursor_str(&c), topic);
	const char *got = cursor_str(&c);
	assert_string_equal(got ? got : "", args);
	return tag;
}

static void answer(struct fixture *f, uint64_t tag, uint32_t status, const void *data, size_t len, bool last)
{
	CLEANUP_BUF struct buf b = { 0 };
	buf_u64(&b, tag);
	buf_u32(&b, status);
	buf_u8(&b, last);
	buf_bytes(&b, data, len);
	kid_send(&f->kid, WIRE_REPLY, &b);
}

static void answer_text(struct fixture *f, uint64_t tag, uint32_t status, const char *text, bool last)
{
	answer(f, tag, status, text, strlen(text), last);
}

/* --- tests ------------------------------------------------------------------------------------- */

static void metrics_come_in_pieces_over_one_kept_connection(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	for (int round = 0; round < 3; round++) {
		say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
		uint64_t tag = asked(f, "metrics", "prometheus");
		answer_text(f, tag, PROBED_REPLY_OK, "one 1\n", false);
		answer_text(f, tag, PROBED_REPLY_OK, "two 2\n", false);
		answer_text(f, tag, PROBED_REPLY_OK, "", true);
		char *text = hear(fd, "\r\n0\r\n\r\n");
		starts(text, "HTTP/1.1 200");
		holds(text, "content-type: text/plain; version=0.0.4; charset=utf-8\r\n");
		holds(text, "transfer-encoding: chunked\r\n");
		holds(text, "one 1\n");
		holds(text, "two 2\n");
		free(text);
	}
	close(fd);
}

static void openmetrics_is_given_to_those_who_prefer_it(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *accept, *form;
	} cases[] = {
		{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "openmetrics" },
		{ "text/plain;version=0.0.4", "prometheus" },
		{ "*/*", "prometheus" },
		{ "text/plain,application/openmetrics-text;q=0.2", "prometheus" },
		{ "application/openmetrics-text;q=0", "prometheus" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int fd = dial(f->port);
		CLEANUP_FREE char *request = xasprintf("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: %s\r\n\r\n", cases[i].accept);
		say(fd, request);
		uint64_t tag = asked(f, "metrics", cases[i].form);
		answer_text(f, tag, PROBED_REPLY_OK, "# EOF\n", true);
		char *text = hear(fd, "\r\n0\r\n\r\n");
		holds(text, *cases[i].form == 'o' ? "application/openmetrics-text; version=1.0.0" : "text/plain; version=0.0.4");
		free(text);
		close(fd);
	}
}

static void a_large_page_arrives_whole(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	say(fd, "GET /metrics HTTP/1.0\r\n\r\n");
	uint64_t tag = asked(f, "metrics", "prometheus");
	struct buf all = { 0 };
	for (int i = 0; i < 200; i++) {
		CLEANUP_BUF struct buf piece = { 0 };
		for (int k = 0; k < 3000; k++)
			buf_printf(&piece, "%08d\n", i * 3000 + k);
		buf_put(&all, piece.data, piece.len);
		answer(f, tag, PROBED_REPLY_OK, piece.data, piece.len, i == 199);
	}
	char *text = hear(fd, NULL); /* HTTP/1.0 ends by closing */
	starts(text, "HTTP/1.");
	assert_null(strcasestr(text, "chunked"));
	char *body = strstr(text, "\r\n\r\n");
	assert_non_null(body);
	assert_int_equal(strlen(body + 4), all.len);
	assert_memory_equal(body + 4, all.data, all.len);
	free(text);
	buf_free(&all);
	close(fd);
}

static char *get(struct fixture *f, const char *path, uint32_t status, const char *line)
{
	int fd = dial(f->port);
	CLEANUP_FREE char *request = xasprintf("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	say(fd, request);
	if (line)
		answer_text(f, asked(f, "ready", ""), status, line, true);
	char *text = hear(fd, NULL);
	close(fd);
	return text;
}

static void health_and_readiness_tell_what_the_core_says(void **state)
{
	struct fixture *f = *state;
	char *text = get(f, "/healthz", PROBED_REPLY_OTHER, "waiting for worker net.0");
	starts(text, "HTTP/1.1 200");
	holds(text, "\r\n\r\nok\n");
	free(text);
	text = get(f, "/readyz", PROBED_REPLY_OTHER, "waiting for worker net.0");
	starts(text, "HTTP/1.1 503");
	holds(text, "\r\n\r\nwaiting for worker net.0\n");
	free(text);
	text = get(f, "/readyz", PROBED_REPLY_OK, "ready\n");
	starts(text, "HTTP/1.1 200");
	holds(text, "\r\n\r\nready\n");
	free(text);
}

static void a_silent_core_is_not_healthy(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	asked(f, "ready", "");
	char *text = hear(fd, "the core does not answer\n");
	starts(text, "HTTP/1.1 503");
	free(text);
	close(fd);
}

static void other_paths_and_methods_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "PATCH" };
	char *text = get(f, "/nothing", 0, NULL);
	starts(text, "HTTP/1.1 404");
	free(text);
	text = get(f, "/", 0, NULL);
	starts(text, "HTTP/1.1 200");
	holds(text, "/metrics");
	free(text);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		int fd = dial(f->port);
		CLEANUP_FREE char *request = xasprintf("%s /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", methods[i]);
		say(fd, request);
		text = hear(fd, NULL);
		starts(text, "HTTP/1.1 405");
		holds(text, "allow: GET, HEAD\r\n");
		free(text);
		close(fd);
	}
}

static void head_has_no_body(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	say(fd, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	char *text = hear(fd, "\r\n\r\n");
	starts(text, "HTTP/1.1 200");
	free(text);
	say(fd, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	text = hear(fd, NULL);
	starts(text, "HTTP/1.1 200");
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	free(text);
	close(fd);
}

static void a_client_that_leaves_harms_nothing(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	uint64_t tag = asked(f, "metrics", "prometheus");
	close(fd);
	for (int i = 0; i < 10; i++)
		answer_text(f, tag, PROBED_REPLY_OK, "late 1\n", i == 9);
	answer_text(f, tag + 99, PROBED_REPLY_OK, "never asked\n", true);
	assert_true(kid_sync(&f->kid, 2));
	char *text = get(f, "/readyz", PROBED_REPLY_OK, "ready");
	starts(text, "HTTP/1.1 200");
	free(text);
}

static void an_answer_that_breaks_off_does_not_look_whole(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	uint64_t tag = asked(f, "metrics", "prometheus");
	answer_text(f, tag, PROBED_REPLY_OK, "one 1\n", false);
	free(hear(fd, "one 1\n\r\n"));
	answer_text(f, tag, PROBED_REPLY_OTHER, "reloaded", true);
	char *text = hear(fd, NULL);
	assert_string_equal(text, "");
	free(text);
	close(fd);
}

static bool paused(struct fixture *f, uint64_t tag)
{
	struct cursor c;
	assert_true(kid_expect(&f->kid, WIRE_PAUSE, &c));
	assert_int_equal(cursor_u64(&c), tag);
	return cursor_u8(&c);
}

static void a_slow_reader_holds_the_core_up_and_no_memory(void **state)
{
	struct fixture *f = *state;
	static char piece[65536];
	memset(piece, 'x', sizeof piece);
	int fd = dial(f->port), leaves = dial(f->port);
	say(fd, "GET /metrics HTTP/1.0\r\n\r\n");
	uint64_t tag = asked(f, "metrics", "prometheus");
	size_t sent = 0;
	struct pollfd p = { .fd = f->kid.fd, .events = POLLIN };
	for (; poll(&p, 1, 0) == 0; sent += sizeof piece)
		answer(f, tag, PROBED_REPLY_OK, piece, sizeof piece, false);
	assert_true(paused(f, tag));
	char *got = malloc(sent), c;
	assert_non_null(got);
	size_t headers = 0;
	while (headers < 4) {
		assert_int_equal(recv(fd, &c, 1, 0), 1);
		headers = c == "\r\n\r\n"[headers] ? headers + 1 : c == '\r';
	}
	assert_int_equal(recv(fd, got, sent, MSG_WAITALL), sent);
	free(got);
	assert_false(paused(f, tag));
	answer_text(f, tag, PROBED_REPLY_OK, "end\n", true);
	char *text = hear(fd, NULL);
	assert_string_equal(text, "end\n");
	free(text);
	close(fd);

	/* one that leaves while it is held up lets the core go on */
	say(leaves, "GET /metrics HTTP/1.0\r\n\r\n");
	tag = asked(f, "metrics", "prometheus");
	while (poll(&p, 1, 0) == 0)
		answer(f, tag, PROBED_REPLY_OK, piece, sizeof piece, false);
	assert_true(paused(f, tag));
	close(leaves);
	assert_false(paused(f, tag));
	answer_text(f, tag, PROBED_REPLY_OK, "", true);
}

static void what_is_no_http_is_closed(void **state)
{
	struct fixture *f = *state;
	static const char *const junk[] = {
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
		"GET\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(junk); i++) {
		int fd = dial(f->port);
		say(fd, junk[i]);
		free(hear(fd, NULL));
		close(fd);
	}
	char *text = get(f, "/readyz", PROBED_REPLY_OK, "ready");
	starts(text, "HTTP/1.1 200");
	free(text);
}

static void too_long_headers_are_refused(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->port);
	say(fd, "GET / HTTP/1.1\r\nHost: x\r\n");
	char line[1024];
	memset(line, 'a', sizeof line);
	memcpy(line, "cookie: ", 8);
	memcpy(line + sizeof line - 3, "\r\n", 3);
	for (int i = 0; i < 64; i++)
		if (send(fd, line, sizeof line - 1, MSG_NOSIGNAL) < 0)
			break;
	free(hear(fd, NULL));
	close(fd);
}

static void connections_are_bounded_and_the_next_one_waits(void **state)
{
	struct fixture *f = *state;
	int fds[30];
	for (int i = 0; i < 30; i++)
		fds[i] = dial(f->port);
	int next = dial(f->port);
	say(next, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(kid_sync(&f->kid, 3));
	struct pollfd p = { .fd = next, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 100), 0);
	for (int i = 0; i < 30; i++)
		close(fds[i]);
	char *text = hear(next, "once it probes\n");
	starts(text, "HTTP/1.1 200");
	free(text);
	close(next);
}

static char *failure(const char *listen)
{
	struct fixture f = { 0 };
	struct cursor c;
	begin_with(&f, listen, "5");
	assert_true(kid_expect(&f.kid, WIRE_SERVICE_FAILED, &c));
	char *why = xstrdup(cursor_str(&c));
	assert_int_equal(kid_end(&f.kid), EXIT_SETUP);
	return why;
}

static void a_port_in_use_is_named(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *where = xasprintf("127.0.0.1:%d", f->port);
	CLEANUP_FREE char *expected = xasprintf("%s: address already in use (is another probed running?)", where);
	char *why = failure(where);
	assert_string_equal(why, expected);
	free(why);
	why = failure("192.0.2.1:80");
	assert_string_equal(why, "192.0.2.1:80: this machine has no such address");
	free(why);
	static const char *const bad[] = { "9570", "127.0.0.1", "::1:80", "x:70000", "unix:relative", ":" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		why = failure(bad[i]);
		holds(why, "expected ADDRESS:PORT, [IPV6]:PORT, :PORT or unix:/path");
		free(why);
	}
}

static void ipv6_and_unix_sockets_are_listened_on(void **state)
{
	(void)state;
	struct fixture f = { 0 };
	begin_with(&f, "[::1]:0", "5");
	assert_true(kid_sync(&f.kid, 1));
	if (!strstr(kid_log(&f.kid), "no such address")) {
		assert_true(port_in_log(&f, "listening on http://[::1]:") > 0);
		assert_true(kid_drain(&f.kid));
	}
	kid_end(&f.kid);

	char dir[] = "/tmp/probed-web-XXXXXX";
	assert_non_null(mkdtemp(dir));
	CLEANUP_FREE char *path = xasprintf("%s/web", dir), *where = xasprintf("unix:%s", path);
	for (int round = 0; round < 2; round++) {
		begin_with(&f, where, "5");
		assert_true(kid_sync(&f.kid, 1));
		struct sockaddr_un sun = { .sun_family = AF_UNIX };
		snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
		say(fd, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
		char *text = hear(fd, NULL);
		starts(text, "HTTP/1.1 200");
		free(text);
		close(fd);
		if (round == 0) {
			kill(f.kid.pid, SIGKILL); /* leaves its socket behind, which must not be in the way */
			kid_end(&f.kid);
			assert_int_equal(access(path, F_OK), 0);
		}
	}
	assert_true(kid_drain(&f.kid));
	assert_int_equal(kid_end(&f.kid), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void unknown_services_are_told(void **state)
{
	(void)state;
	struct kid k;
	struct cursor c;
	kid_start(&k, service_main);
	assert_true(kid_hello(&k, "service x", NULL));
	kid_part(&k, WIRE_SERVICE_START, "x", "nothing", NULL);
	assert_true(kid_expect(&k, WIRE_SERVICE_FAILED, &c));
	assert_string_equal(cursor_str(&c), "no plugin provides a service \"nothing\"");
	assert_int_equal(kid_end(&k), EXIT_SETUP);
}

static void it_ends_when_the_core_is_gone(void **state)
{
	(void)state;
	struct fixture f = { 0 };
	begin_with(&f, "127.0.0.1:0", "5");
	assert_true(kid_sync(&f.kid, 1));
	assert_int_equal(kid_end(&f.kid), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(metrics_come_in_pieces_over_one_kept_connection),
		TEST(openmetrics_is_given_to_those_who_prefer_it),
		TEST(a_large_page_arrives_whole),
		TEST(health_and_readiness_tell_what_the_core_says),
		TEST(a_silent_core_is_not_healthy),
		TEST(other_paths_and_methods_are_refused),
		TEST(head_has_no_body),
		TEST(a_client_that_leaves_harms_nothing),
		TEST(an_answer_that_breaks_off_does_not_look_whole),
		TEST(a_slow_reader_holds_the_core_up_and_no_memory),
		TEST(what_is_no_http_is_closed),
		TEST(too_long_headers_are_refused),
		TEST(connections_are_bounded_and_the_next_one_waits),
		TEST(a_port_in_use_is_named),
		cmocka_unit_test(ipv6_and_unix_sockets_are_listened_on),
		cmocka_unit_test(unknown_services_are_told),
		cmocka_unit_test(it_ends_when_the_core_is_gone),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
