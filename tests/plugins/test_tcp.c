/* SPDX-License-Identifier: Apache-2.0 */
/* test_tcp.c - the tcp driver against servers of every temper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka.h wants the three above */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fakehost/fakehost.h"
#include "plugins/probes.h"
#include "plugins/servers.h"

#define SECOND INT64_C(1000000000)

static struct fakehost *fh;

static int setup(void **state)
{
	(void)state;
	servers_dir();
	fh = fakehost_new("tcp", 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fakehost_free(fh);
	return 0;
}

#define RUN(...) probe_run(fh, "tcp", PAIRS(__VA_ARGS__))

/* --- servers ------------------------------------------------------------------------------------- */

static void serve_hang(struct wire *w, const char *arg)
{
	(void)arg;
	wire_hang(w);
}

/* Leaves a file that tells how the connection ended. */
static void serve_note_end(struct wire *w, const char *arg)
{
	char data[64];
	ssize_t n = wire_read(w, data, sizeof(data));
	servers_write(arg, "%s", n < 0 && errno == ECONNRESET ? "reset" : n == 0 ? "end" : "data");
}

static void serve_text(struct wire *w, const char *arg)
{
	wire_say(w, arg);
	wire_hang(w);
}

static void serve_text_and_close(struct wire *w, const char *arg)
{
	wire_say(w, arg);
	shutdown(wire_fd(w), SHUT_WR);
	wire_hang(w);
}

static void serve_close(struct wire *w, const char *arg)
{
	(void)w, (void)arg;
}

static void serve_reset(struct wire *w, const char *arg)
{
	wire_say(w, arg);
	wire_line(w);
	wire_reset(w);
}

static void serve_reset_at_once(struct wire *w, const char *arg)
{
	(void)arg;
	wire_reset(w);
}

static void serve_bytewise(struct wire *w, const char *arg)
{
	for (; *arg; arg++) {
		wire_write(w, arg, 1);
		usleep(500);
	}
	wire_hang(w);
}

static void serve_flood(struct wire *w, const char *arg)
{
	char block[65536];
	(void)arg;
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 16384; i++)
		wire_write(w, block, sizeof(block));
}

static void smtp(struct wire *w, const char *cert)
{
	const char *line;
	wire_say(w, "220 mail.test ESMTP ready\r\n");
	while ((line = wire_line(w))) {
		char answer[8400];
		if (!strncmp(line, "EHLO ", 5)) {
			snprintf(answer, sizeof(answer), "250-mail.test greets %s\r\n250-STARTTLS\r\n250 ticket=42-%s\r\n",
			         line + 5, line + 5);
			wire_say(w, answer);
		} else if (!strncmp(line, "TICKET ", 7)) {
			snprintf(answer, sizeof(answer), "251 <%s>\r\n", line + 7);
			wire_say(w, answer);
		} else if (!strcmp(line, "STARTTLS")) {
			wire_say(w, "220 go ahead\r\n");
			if (!wire_tls(w, cert, false))
				return;
		} else if (!strcmp(line, "STARTTLS early")) {
			wire_say(w, "220 go ahead\r\n250 injected\r\n");
			wire_hang(w);
		} else if (!strcmp(line, "QUIT")) {
			wire_say(w, "221 bye\r\n");
			return;
		} else {
			wire_say(w, "500 what?\r\n");
		}
	}
}

static void serve_tls(struct wire *w, const char *cert)
{
	if (wire_tls(w, cert, false)) {
		wire_say(w, "220 secret\r\n");
		char c;
		wire_read(w, &c, 1);
	}
}

static void serve_tls_client(struct wire *w, const char *cert)
{
	if (wire_tls(w, cert, true))
		wire_say(w, "220 known\r\n");
}

/* Answers with more than one TLS record holds, at once. */
static void serve_tls_long(struct wire *w, const char *cert)
{
	if (!wire_tls(w, cert, false))
		return;
	char *block = malloc(60001);
	memset(block, 'y', 60000);
	memcpy(block + 59996, "END\n", 4);
	wire_write(w, block, 60000);
	wire_hang(w);
}

/* --- connecting ---------------------------------------------------------------------------------- */

static void connects(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_hang, NULL);
	struct fakehost_probe *p = RUN("host", "127.0.0.1", "port", s.port_text);
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
	assert_int_equal(fakehost_fact_int(p, "family"), 4);
	assert_int_equal(fakehost_fact_int(p, "port"), s.port);
	assert_int_equal(fakehost_fact_int(p, "bytes.in"), 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_RESOLVE) >= 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_CONNECT) > 0);
	assert_int_equal(fakehost_phase(p, PROBED_PHASE_TLS), -1);
	assert_int_equal(fakehost_phase(p, PROBED_PHASE_WAIT), -1);
	assert_false(fakehost_has_fact(p, "cert.valid"));
	server_stop(&s);
}

static void connects_over_ipv6(void **state)
{
	(void)state;
	if (!have_ipv6())
		skip();
	struct server s = server_start(6, serve_text, "hello\r\n");
	fakehost_name(fh, "both.test", "127.0.0.1");
	fakehost_name(fh, "both.test", "::1");
	struct fakehost_probe *p = RUN("host", "::1", "port", s.port_text, "banner", "yes");
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "ip"), "::1");
	assert_int_equal(fakehost_fact_int(p, "family"), 6);
	assert_string_equal(fakehost_fact_str(p, "banner"), "hello");
	expect_ok(RUN("host", "[::1]", "port", s.port_text));
	p = RUN("host", "both.test", "port", s.port_text, "family", "6");
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "ip"), "::1");
	p = RUN("host", "both.test", "port", s.port_text, "family", "4");
	expect_error(p, PROBED_REASON_REFUSED, "127.0.0.1");
	server_stop(&s);
}

static bool file_is_there(const char *name)
{
	struct stat st;
	return stat(servers_file(name), &st) == 0 && st.st_size > 0;
}

static void plain_connects_end_with_a_reset(void **state)
{
	(void)state;
	char text[16] = "";
	struct server s = server_start(4, serve_note_end, "ended");
	expect_ok(RUN("host", "127.0.0.1", "port", s.port_text));
	for (int i = 0; i < 5000 && !file_is_there("ended"); i++)
		usleep(1000);
	FILE *f = fopen(servers_file("ended"), "re");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, "reset");
	server_stop(&s);
}

static void a_refused_connection_says_where(void **state)
{
	(void)state;
	char port[8];
	snprintf(port, sizeof(port), "%u", port_free());
	struct fakehost_probe *p = RUN("host", "127.0.0.1", "port", port);
	expect_error(p, PROBED_REASON_REFUSED, "connect to 127.0.0.1:");
	assert_non_null(strstr(fakehost_message(p), port));
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
}

static void an_unknown_name_is_a_resolve_error(void **state)
{
	(void)state;
	expect_error(RUN("host", "nowhere.test", "port", "25"), PROBED_REASON_RESOLVE, "nowhere.test");
}

static void addresses_are_tried_in_turn(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_hang, NULL);
	fakehost_name(fh, "several.test", "127.0.0.2");
	fakehost_name(fh, "several.test", "127.0.0.3");
	fakehost_name(fh, "several.test", "127.0.0.1");
	struct fakehost_probe *p = RUN("host", "several.test", "port", s.port_text);
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
	server_stop(&s);
}

static void a_silent_address_leaves_time_for_the_next(void **state)
{
	(void)state;
	struct silence silent;
	struct server s = server_start(4, serve_hang, NULL);
	if (!silence_begin(&silent, "127.0.0.2", s.port)) {
		server_stop(&s);
		skip();
	}
	fakehost_name(fh, "half.test", "127.0.0.2");
	fakehost_name(fh, "half.test", "127.0.0.1");
	struct fakehost_probe *p = fakehost_probe(fh, "tcp", PAIRS("host", "half.test", "port", s.port_text), SECOND);
	assert_true(fakehost_run_until_done(p, 5));
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
	assert_true(fakehost_phase(p, PROBED_PHASE_CONNECT) > SECOND * 4 / 10);
	p = fakehost_probe(fh, "tcp", PAIRS("host", "127.0.0.2", "port", s.port_text), SECOND / 4);
	assert_true(fakehost_run_until_done(p, 5));
	assert_int_equal(fakehost_reason(p), PROBED_REASON_TIMEOUT);
	assert_true(fakehost_phase(p, PROBED_PHASE_CONNECT) > SECOND / 8);
	silence_end(&silent);
	server_stop(&s);
}

static void no_route_is_unreachable(void **state)
{
	(void)state;
	if (!have_ipv6())
		skip();
	/* link-local without an interface: the kernel has no way there, and sends nothing */
	expect_error(RUN("host", "fe80::1", "port", "9"), PROBED_REASON_UNREACHABLE, "[fe80::1]:9");
}

/* --- banner -------------------------------------------------------------------------------------- */

static void a_banner_is_its_first_line(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_bytewise, "SSH-2.0-probe test\r\nmore");
	struct fakehost_probe *p = RUN("host", "127.0.0.1", "port", s.port_text, "banner", "yes");
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "banner"), "SSH-2.0-probe test");
	assert_int_equal(fakehost_fact_int(p, "bytes.in"), 20);
	assert_true(fakehost_phase(p, PROBED_PHASE_WAIT) >= 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_RECEIVE) >= 0);
	server_stop(&s);
}

static void a_banner_without_an_end_is_taken_once_it_is_quiet(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_text, "login: ");
	struct fakehost_probe *p = RUN("host", "127.0.0.1", "port", s.port_text, "banner", "yes");
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "banner"), "login: ");
	server_stop(&s);
}

static void a_banner_may_end_with_the_connection(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_text_and_close, "12:30");
	struct fakehost_probe *p = RUN("host", "127.0.0.1", "port", s.port_text, "banner", "yes");
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "banner"), "12:30");
	server_stop(&s);
}

/* --- dialogue ------------------------------------------------------------------------------------ */

static void a_dialogue_captures_and_says_again(void **state)
{
	(void)state;
	static const char all[] = "220 mail.test ESMTP ready\r\n250-mail.test greets me\r\n250-STARTTLS\r\n"
				  "250 ticket=42-me\r\n251 <42-me>\r\n221 ";
	size_t len;
	struct server s = server_start(4, smtp, NULL);
	struct fakehost_probe *p =
		RUN("host", "127.0.0.1", "port", s.port_text, "dialogue.1", "expect /^220 (?<name>\\S+) .*ready/",
	            "dialogue.2", "send \"EHLO me\\r\\n\"", "dialogue.3", "expect /^250 ticket=(?<ticket>.*)/",
	            "dialogue.4", "send TICKET %{ticket}\\x0d\\n", "dialogue.5", "expect \"251 <42-me>\\r\\n\"",
	            "dialogue.6", "send QUIT\\r\\n", "dialogue.7", "expect /^221 /");
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "capture.name"), "mail.test");
	assert_string_equal(fakehost_fact_str(p, "capture.ticket"), "42-me");
	assert_string_equal(fakehost_fact_str(p, "banner"), "220 mail.test ESMTP ready");
	assert_int_equal(fakehost_fact_int(p, "bytes.out"), 9 + 14 + 6);
	assert_memory_equal(fakehost_body(p, &len), all, sizeof(all) - 1);
	assert_int_equal(fakehost_fact_int(p, "bytes.in"), (int64_t)len);
	assert_true(fakehost_phase(p, PROBED_PHASE_SEND) >= 0);
	server_stop(&s);
}

static void segments_do_not_change_what_is_captured(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_bytewise, "+OK pop3 <1896.697@test>\r\n");
	struct fakehost_probe *p = RUN("host", "127.0.0.1", "port", s.port_text, "dialogue.1",
	                               "expect /^\\+OK (?<word>\\w+) <(?<stamp>.*)>/");
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "capture.word"), "pop3");
	assert_string_equal(fakehost_fact_str(p, "capture.stamp"), "1896.697@test");
	server_stop(&s);
	s = server_start(4, serve_bytewise, "a b c ready\r\n");
	p = RUN("host", "127.0.0.1", "port", s.port_text, "dialogue.1", "expect /(?<all>.*)/");
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "capture.all"), "a b c ready");
	server_stop(&s);
}

static void a_prompt_matches_though_more_could_come(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_text, "Welcome\r\nuser> ");
	expect_ok(RUN("host", "127.0.0.1", "port", s.port_text, "dialogue.1", "expect /(?s).*> $/"));
	server_stop(&s);
}

static void redis_answers(void **state)
{
	(void)state;
	if (access("/usr/bin/redis-server", X_OK) < 0)
		skip();
	uint16_t number = port_free();
	char port[8];
	snprintf(port, sizeof(port), "%u", number);
	struct server s = server_exec(
		number, PAIRS("/usr/bin/redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly",
	                      "no", "--logfile", servers_file("redis.log"), "--dir", servers_dir()));
	struct fakehost_probe *p =
		RUN("host", "127.0.0.1", "port", port, "dialogue.1", "send PING\\r\\n", "dialogue.2", "expect /^\\+PONG\\r$/",
	            "dialogue.3", "send INFO server\\r\\n", "dialogue.4", "expect /^redis_version:(?<version>[0-9.]+)/",
	            "dialogue.5", "send NONSENSE\\r\\n", "dialogue.6", "expect /^-err/i");
	expect_ok(p);
	assert_int_equal(fakehost_fact_str(p, "capture.version")[0], '7');
	server_freeze(&s, true);
	p = fakehost_probe(fh, "tcp", PAIRS("host", "127.0.0.1", "port", port, "dialogue.1", "send PING\\r\\n", "dialogue.2",
	                                    "expect /PONG/"),
	                   SECOND / 4);
	assert_true(fakehost_run_until_done(p, 5));
	assert_int_equal(fakehost_reason(p), PROBED_REASON_TIMEOUT);
	assert_true(fakehost_phase(p, PROBED_PHASE_WAIT) > SECOND / 8);
	server_freeze(&s, false);
	server_stop(&s);
	expect_error(RUN("host", "127.0.0.1", "port", port), PROBED_REASON_REFUSED, port);
}

static void silence_is_a_timeout_while_waiting(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_hang, NULL);
	struct fakehost_probe *p = fakehost_probe(
		fh, "tcp", PAIRS("host", "127.0.0.1", "port", s.port_text, "dialogue.1", "expect /x/"), SECOND / 5);
	int64_t from = fakehost_now(fh);
	assert_true(fakehost_run_until_done(p, 5));
	assert_true(fakehost_now(fh) - from < SECOND);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_TIMEOUT);
	assert_true(fakehost_phase(p, PROBED_PHASE_WAIT) > SECOND / 10);
	server_stop(&s);
}

static void a_peer_that_stops_early_is_told_by_its_step(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_close, NULL);
	expect_error(RUN("host", "127.0.0.1", "port", s.port_text, "banner", "yes"), PROBED_REASON_RESET, "banner");
	expect_error(RUN("host", "127.0.0.1", "port", s.port_text, "dialogue.1", "expect /x/"), PROBED_REASON_RESET,
	             "step 1 (expect /x/)");
	server_stop(&s);
	s = server_start(4, serve_text_and_close, "554 no\r\ngo away\r\n");
	expect_error(RUN("host", "127.0.0.1", "port", s.port_text, "dialogue.1", "expect /^220/"), PROBED_REASON_PROTOCOL,
	             "last heard \"go away\"");
	server_stop(&s);
	s = server_start(4, serve_reset, "220 hi\r\n");
	expect_error(RUN("host", "127.0.0.1", "port", s.port_text, "dialogue.1", "expect /^220 /", "dialogue.2",
	                 "send x\\n", "dialogue.3", "expect /^250/"),
	             PROBED_REASON_RESET, "step 3");
	server_stop(&s);
	s = server_start(4, serve_reset_at_once, NULL);
	expect_error(RUN("host", "127.0.0.1", "port", s.port_text, "dialogue.1", "expect /x/"), PROBED_REASON_RESET,
	             "step 1");
	server_stop(&s);
}

static void a_flood_is_cut_at_the_limit(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_flood, NULL);
	struct fakehost_probe *p = RUN("host", "127.0.0.1", "port", s.port_text, "dialogue.1", "expect /never/");
	expect_error(p, PROBED_REASON_PROTOCOL, "no match in the first 65536 bytes");
	assert_true(fakehost_fact_int(p, "bytes.in") < 200000);
	p = RUN("host", "127.0.0.1", "port", s.port_text, "banner", "yes");
	expect_ok(p);
	assert_int_equal(strlen(fakehost_fact_str(p, "banner")), 1024);
	server_stop(&s);
}

static void an_evil_pattern_stops(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n");
	expect_error(RUN("host", "127.0.0.1", "port", s.port_text, "dialogue.1", "expect /^(a+)+$/"), PROBED_REASON_PROTOCOL,
	             "simpler");
	server_stop(&s);
}

static void mistakes_in_a_dialogue_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *step, *text;
	} bad[] = {
		{ "say hello", "dialogue.1: expected send" },
		{ "send \"open", "closing \"" },
		{ "send \"a\\\"", "closing \"" },
		{ "send \"a\"b\"", "written \\\"" },
		{ "send", "nothing to send" },
		{ "send \\q", "unknown escape \\q" },
		{ "send \\x4", "unknown escape" },
		{ "send tail\\", "unknown escape" },
		{ "send %{who}", "no earlier expect captures" },
		{ "send %{who", "without }" },
		{ "expect 250", "expected /pattern/" },
		{ "expect /250", "expected /pattern/" },
		{ "expect /(/", "at character" },
		{ "expect /a/z", "flags are i, s and x" },
		{ "expect \"\"", "nothing to expect" },
		{ "sendx", "dialogue.1: expected send" },
		{ "starttls now", "expected send" },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *error =
			fakehost_target_error(fh, "tcp", PAIRS("host", "h", "port", "1", "dialogue.1", bad[i].step));
		if (!error || !strstr(error, bad[i].text))
			fail_msg("%s: expected \"%s\", got \"%s\"", bad[i].step, bad[i].text, error ? error : "nothing");
	}
	const char *error = fakehost_target_error(fh, "tcp", PAIRS("host", "h", "port", "1", "tls", "yes", "dialogue.1", "starttls"));
	assert_non_null(error);
	assert_non_null(strstr(error, "dialogue.1: starttls"));
	assert_null(fakehost_target_error(fh, "tcp", PAIRS("host", "h", "port", "1", "dialogue.1", "starttls")));
	assert_non_null(fakehost_target_error(fh, "tcp", PAIRS("host", "h", "port", "1", "tls.key", "/x")));
	assert_non_null(fakehost_target_error(fh, "tcp", PAIRS("host", "h")));
}

/* --- TLS ----------------------------------------------------------------------------------------- */

static void a_good_certificate_has_all_its_facts(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_tls, "good");
	struct fakehost_probe *p = RUN("host", "127.0.0.1", "port", s.port_text, "tls", "yes", "tls.ca",
	                               servers_file("ca.pem"), "dialogue.1", "expect /^220 secret/");
	expect_ok(p);
	assert_int_equal(fakehost_fact_int(p, "cert.valid"), 1);
	assert_false(fakehost_has_fact(p, "cert.reason"));
	int64_t left = fakehost_fact_int(p, "cert.expires"), day = 86400 * SECOND;
	assert_true(left > 90 * day - 3600 * SECOND && left <= 90 * day);
	assert_string_equal(fakehost_fact_str(p, "cert.subject"), "CN=localhost,O=Probe Tests");
	assert_string_equal(fakehost_fact_str(p, "cert.issuer"), "CN=Probe Test CA,O=Probe Tests");
	assert_int_equal(fakehost_fact_count(p, "cert.sans"), 4);
	assert_string_equal(fakehost_fact_str_nth(p, "cert.sans", 1), "probe.test");
	assert_string_equal(fakehost_fact_str_nth(p, "cert.sans", 3), "::1");
	assert_string_equal(fakehost_fact_str(p, "cert.serial"), "1002");
	assert_int_equal(strlen(fakehost_fact_str(p, "cert.sha256")), 64);
	assert_string_equal(fakehost_fact_str(p, "tls.version"), "TLSv1.3");
	assert_non_null(strstr(fakehost_fact_str(p, "tls.cipher"), "TLS_"));
	int64_t after = fakehost_fact_int(p, "cert.not_after"), before = fakehost_fact_int(p, "cert.not_before");
	assert_int_equal((after - before) / day, 91);
	assert_true(fakehost_phase(p, PROBED_PHASE_TLS) > 0);
	server_stop(&s);
}

static void a_bad_certificate_is_an_error_with_its_facts(void **state)
{
	(void)state;
	static const struct {
		const char *cert, *why;
	} bad[] = {
		{ "expired", "expired" },
		{ "self", "self-signed" },
		{ "wrong", "it is for elsewhere.test, not for localhost" },
	};
	fakehost_name(fh, "localhost", "127.0.0.1");
	for (size_t i = 0; i < 3; i++) {
		struct server s = server_start(4, serve_tls, bad[i].cert);
		struct fakehost_probe *p = RUN("host", "localhost", "port", s.port_text, "tls", "yes", "tls.ca",
		                               servers_file("ca.pem"), "banner", "yes");
		expect_error(p, PROBED_REASON_TLS, bad[i].why);
		assert_int_equal(fakehost_fact_int(p, "cert.valid"), 0);
		assert_non_null(strstr(fakehost_fact_str(p, "cert.reason"), bad[i].why));
		assert_true((fakehost_fact_int(p, "cert.expires") < 0) == (i == 0));
		assert_true(fakehost_has_fact(p, "cert.sans"));

		p = RUN("host", "localhost", "port", s.port_text, "tls", "yes", "tls.ca", servers_file("ca.pem"), "banner",
		        "yes", "tls.verify", "no");
		expect_ok(p);
		assert_string_equal(fakehost_fact_str(p, "banner"), "220 secret");
		assert_int_equal(fakehost_fact_int(p, "cert.valid"), 0);
		assert_non_null(strstr(fakehost_fact_str(p, "cert.reason"), bad[i].why));
		server_stop(&s);
	}
}

static void the_server_name_can_be_another(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_tls, "wrong");
	expect_ok(RUN("host", "127.0.0.1", "port", s.port_text, "tls", "yes", "tls.ca", servers_file("ca.pem"),
	              "tls.servername", "elsewhere.test"));
	expect_error(RUN("host", "127.0.0.1", "port", s.port_text, "tls", "yes", "tls.ca", servers_file("ca.pem")),
	             PROBED_REASON_TLS, "IP address mismatch: it is for elsewhere.test, not for 127.0.0.1");
	server_stop(&s);
}

static void a_client_certificate_is_shown(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_tls_client, "good");
	struct fakehost_probe *p = RUN("host", "127.0.0.1", "port", s.port_text, "tls", "yes", "tls.ca",
	                               servers_file("ca.pem"), "tls.cert", servers_file("client.pem"), "tls.key",
	                               servers_file("client.key"), "banner", "yes");
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "banner"), "220 known");
	p = RUN("host", "127.0.0.1", "port", s.port_text, "tls", "yes", "tls.ca", servers_file("ca.pem"), "banner", "yes");
	assert_int_equal(fakehost_outcome(p), PROBED_ERROR);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_TLS);
	assert_non_null(strstr(fakehost_message(p), "certificate required"));
	server_stop(&s);
}

static void starttls_begins_inside_the_dialogue(void **state)
{
	(void)state;
	struct server s = server_start(4, smtp, "expired");
	struct fakehost_probe *p =
		RUN("host", "127.0.0.1", "port", s.port_text, "tls.ca", servers_file("ca.pem"), "tls.verify", "no",
	            "dialogue.1", "expect /^220 /", "dialogue.2", "send STARTTLS\\r\\n", "dialogue.3",
	            "expect /^220 /", "dialogue.4", "starttls", "dialogue.5", "send EHLO me\\r\\n", "dialogue.6",
	            "expect /^250 ticket/");
	expect_ok(p);
	assert_int_equal(fakehost_fact_int(p, "cert.valid"), 0);
	assert_string_equal(fakehost_fact_str(p, "tls.version"), "TLSv1.3");
	p = RUN("host", "127.0.0.1", "port", s.port_text, "tls.ca", servers_file("ca.pem"), "dialogue.1",
	        "expect /^220 /", "dialogue.2", "send STARTTLS early\\r\\n", "dialogue.3", "expect /^220 /",
	        "dialogue.4", "starttls");
	expect_error(p, PROBED_REASON_PROTOCOL, "in the clear");
	server_stop(&s);
}

static void what_tls_has_decrypted_is_not_forgotten(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_tls_long, "good");
	struct fakehost_probe *p = RUN("host", "127.0.0.1", "port", s.port_text, "tls", "yes", "tls.ca",
	                               servers_file("ca.pem"), "dialogue.1", "expect \"END\\n\"");
	expect_ok(p);
	assert_int_equal(fakehost_fact_int(p, "bytes.in"), 60000);
	server_stop(&s);
}

static void tls_with_a_peer_that_does_not_speak_it(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_text, "220 plain text here\r\n");
	expect_error(RUN("host", "127.0.0.1", "port", s.port_text, "tls", "yes"), PROBED_REASON_TLS, "speak TLS");
	server_stop(&s);
	s = server_start(4, serve_close, NULL);
	expect_error(RUN("host", "127.0.0.1", "port", s.port_text, "tls", "yes"), PROBED_REASON_RESET, "TLS handshake");
	server_stop(&s);
	s = server_start(4, serve_reset_at_once, NULL);
	expect_error(RUN("host", "127.0.0.1", "port", s.port_text, "tls", "yes"), PROBED_REASON_RESET, "TLS handshake");
	server_stop(&s);
	s = server_start(4, serve_hang, NULL);
	struct fakehost_probe *p =
		fakehost_probe(fh, "tcp", PAIRS("host", "127.0.0.1", "port", s.port_text, "tls", "yes"), SECOND / 5);
	assert_true(fakehost_run_until_done(p, 5));
	assert_int_equal(fakehost_reason(p), PROBED_REASON_TIMEOUT);
	assert_true(fakehost_phase(p, PROBED_PHASE_TLS) > SECOND / 10);
	server_stop(&s);
}

static void a_private_ca_is_not_trusted_unasked(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_tls, "good");
	struct fakehost_probe *p = RUN("host", "127.0.0.1", "port", s.port_text, "tls", "yes");
	expect_error(p, PROBED_REASON_TLS, "certificate not accepted: unable to get local issuer certificate");
	assert_int_equal(fakehost_fact_int(p, "cert.valid"), 0);
	server_stop(&s);
}

/* --- nothing is left ------------------------------------------------------------------------------ */

static void a_cancel_at_any_moment_leaves_nothing(void **state)
{
	(void)state;
	struct server s = server_start(4, smtp, "good");
	struct fakehost_target *t = fakehost_target(
		fh, "tcp",
		PAIRS("host", "127.0.0.1", "port", s.port_text, "tls.ca", servers_file("ca.pem"), "banner", "yes", "dialogue.1",
	              "expect /^220 /", "dialogue.2", "send STARTTLS\\r\\n", "dialogue.3", "expect /^220 /",
	              "dialogue.4", "starttls", "dialogue.5", "send EHLO me\\r\\n", "dialogue.6", "expect /^250 ticket/",
	              "dialogue.7", "expect /never/"),
		5 * SECOND);
	struct fakehost_probe *p = fakehost_start(t, NULL);
	for (int i = 0; i < 200; i++) {
		fakehost_turn(fh);
		usleep(20);
	}
	fakehost_cancel(p);
	struct fakehost_ledger before = fakehost_ledger(fh);
	for (int k = 0; k <= 200; k++) {
		p = fakehost_start(t, NULL);
		for (int i = 0; i < k && !fakehost_done(p); i++) {
			fakehost_turn(fh);
			usleep(20);
		}
		fakehost_cancel(p);
		struct fakehost_ledger now = fakehost_ledger(fh);
		assert_int_equal(now.watches, before.watches);
		assert_int_equal(now.timers, before.timers);
		assert_int_equal(now.lookups, before.lookups);
		assert_int_equal(now.descriptors, before.descriptors);
	}
	fakehost_check_same(fh, &before, 4096);
	server_stop(&s);
}

static void many_probes_leave_nothing(void **state)
{
	(void)state;
	struct server s = server_start(4, smtp, "good");
	struct fakehost_target *t =
		fakehost_target(fh, "tcp",
	                        PAIRS("host", "127.0.0.1", "port", s.port_text, "dialogue.1", "expect /^220 (?<n>.*)\\R/",
	                              "dialogue.2", "send QUIT\\r\\n", "dialogue.3", "expect /^221/"),
	                        5 * SECOND);
	struct fakehost_ledger before = { 0 };
	for (int i = 0; i < 300; i++) {
		struct fakehost_probe *p = fakehost_start(t, NULL);
		assert_true(fakehost_run_until_done(p, 5));
		expect_ok(p);
		if (i == 20)
			before = fakehost_ledger(fh);
	}
	fakehost_check_same(fh, &before, 1024);
	server_stop(&s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(connects),
		TEST(connects_over_ipv6),
		TEST(plain_connects_end_with_a_reset),
		TEST(a_refused_connection_says_where),
		TEST(an_unknown_name_is_a_resolve_error),
		TEST(addresses_are_tried_in_turn),
		TEST(a_silent_address_leaves_time_for_the_next),
		TEST(no_route_is_unreachable),
		TEST(a_banner_is_its_first_line),
		TEST(a_banner_without_an_end_is_taken_once_it_is_quiet),
		TEST(a_banner_may_end_with_the_connection),
		TEST(a_dialogue_captures_and_says_again),
		TEST(segments_do_not_change_what_is_captured),
		TEST(a_prompt_matches_though_more_could_come),
		TEST(redis_answers),
		TEST(silence_is_a_timeout_while_waiting),
		TEST(a_peer_that_stops_early_is_told_by_its_step),
		TEST(a_flood_is_cut_at_the_limit),
		TEST(an_evil_pattern_stops),
		TEST(mistakes_in_a_dialogue_are_named),
		TEST(a_good_certificate_has_all_its_facts),
		TEST(a_bad_certificate_is_an_error_with_its_facts),
		TEST(the_server_name_can_be_another),
		TEST(a_client_certificate_is_shown),
		TEST(starttls_begins_inside_the_dialogue),
		TEST(what_tls_has_decrypted_is_not_forgotten),
		TEST(tls_with_a_peer_that_does_not_speak_it),
		TEST(a_private_ca_is_not_trusted_unasked),
		TEST(a_cancel_at_any_moment_leaves_nothing),
		TEST(many_probes_leave_nothing),
	};
	return cmocka_run_group_tests_name("tcp", tests, NULL, NULL);
}
