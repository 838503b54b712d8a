/* SPDX-License-Identifier: Apache-2.0 */
/* test_ws.c - the ws driver against a real WebSocket server, nginx, and servers of every temper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka.h wants the three above */
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fakehost/fakehost.h"
#include "fakehost/internal.h"
#include "plugins/probes.h"
#include "plugins/servers.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

enum { PLAIN, GOOD, EXPIRED, SELF, WRONG, PORTS };

static struct fakehost *fh;
static struct server echo, web;
static uint16_t ports[PORTS];

static int start_servers(void **state)
{
	static const char *const certs[] = { [GOOD] = "good", [EXPIRED] = "expired", [SELF] = "self", [WRONG] = "wrong" };
	char script[512], where[PORTS][300];
	(void)state;
	servers_dir();
	snprintf(script, sizeof script, "%s/tests/plugins/ws_echo.py", getenv("top_srcdir") ? getenv("top_srcdir") : "..");
	for (int i = 0; i < PORTS; i++) {
		ports[i] = port_free();
		snprintf(where[i], sizeof where[i], i ? "%u:%s/%s" : "%u", ports[i], servers_dir(), certs[i]);
	}
	echo = server_exec(ports[PLAIN], PAIRS("/usr/bin/python3", script, where[0], where[1], where[2], where[3], where[4]));
	uint16_t port = port_free();
	const char *conf = servers_write("nginx.conf",
	                                 "daemon off;\npid %s/nginx.pid;\nerror_log /dev/null;\nevents {}\n"
	                                 "http { access_log off; server { listen 127.0.0.1:%u;\n"
	                                 "location / { return 404; } location /no { return 403; }\n"
	                                 "location /auth { return 401; } location /moved { return 301 /; } } }\n",
	                                 servers_dir(), port);
	web = server_exec(port, PAIRS("/usr/sbin/nginx", "-c", conf));
	return 0;
}

static int stop_servers(void **state)
{
	(void)state;
	server_stop(&echo);
	server_stop(&web);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	fh = fakehost_new("ws", 0);
	fakehost_name(fh, "probe.test", "127.0.0.1");
	fakehost_name(fh, "localhost", "127.0.0.1");
	return 0;
}

static int end(void **state)
{
	(void)state;
	fakehost_free(fh);
	return 0;
}

static const char *url(const char *scheme, const char *host, uint16_t port, const char *path)
{
	static char text[4][256];
	static unsigned next;
	char *out = text[next++ % 4];
	snprintf(out, sizeof text[0], "%s://%s:%u%s", scheme, host, port, path);
	return out;
}

#define ECHO(path) url("ws", "127.0.0.1", ports[PLAIN], path)
#define SECURE(which) url("wss", "localhost", ports[which], "/")

#define RUN(...) probe_run(fh, "ws", PAIRS(__VA_ARGS__))

/* --- against a real server ---------------------------------------------------------------------- */

static void opens_and_closes(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", ECHO("/"));
	expect_ok(p);
	assert_int_equal(fakehost_fact_int(p, "status"), 101);
	assert_int_equal(fakehost_fact_int(p, "messages"), 0);
	assert_int_equal(fakehost_fact_int(p, "close.code"), 1000);
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
	assert_int_equal(fakehost_fact_int(p, "family"), 4);
	assert_string_equal(fakehost_fact_str(p, "header.upgrade"), "websocket");
	assert_non_null(strstr(fakehost_fact_str(p, "header.server"), "websockets/10.4"));
	assert_false(fakehost_has_fact(p, "subprotocol"));
	assert_false(fakehost_has_fact(p, "rtt"));
	assert_false(fakehost_has_fact(p, "tls.version"));
	assert_true(fakehost_phase(p, PROBED_PHASE_RESOLVE) >= 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_CONNECT) > 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_TLS) < 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_WAIT) > 0);
}

static void messages_to_and_fro(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", ECHO("/"), "send.1", "text \"a \\\"b\\\"\\n\"", "send.2", "binary 00 ff 7f", "send.3",
	                               "plain words", "receive.1", "equals \"a \\\"b\\\"\\n\"", "receive.2", "binary 00FF7F",
	                               "receive.3", "matches /^PLAIN \\w+$/i");
	expect_ok(p);
	assert_int_equal(fakehost_fact_int(p, "messages"), 3);
	assert_int_equal(fakehost_fact_count(p, "message"), 3);
	assert_string_equal(fakehost_fact_str_nth(p, "message", 0), "a \"b\"\n");
	assert_string_equal(fakehost_fact_str_nth(p, "message", 1), "00ff7f");
	assert_string_equal(fakehost_fact_str_nth(p, "message", 2), "plain words");
	assert_int_equal(fakehost_fact_int(p, "bytes.out"), 6 + 3 + 11);
	assert_int_equal(fakehost_fact_int(p, "bytes.in"), 6 + 3 + 11);
	assert_true(fakehost_phase(p, PROBED_PHASE_SEND) >= 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_RECEIVE) >= 0);
	size_t len;
	const char *body = fakehost_body(p, &len);
	assert_int_equal(len, 6 + 1 + 3 + 1 + 11);
	assert_memory_equal(body, "a \"b\"\n\n\0\xff\x7f\nplain words", len);
}

static void greeting_of_the_server(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", ECHO("/greet"), "receive.1", "equals welcome", "receive.2", "any");
	expect_ok(p);
	assert_int_equal(fakehost_fact_int(p, "messages"), 2);
	assert_string_equal(fakehost_fact_str_nth(p, "message", 1), "00ff7f");
}

static void unmet_expectation_says_what_came(void **state)
{
	(void)state;
	expect_error(RUN("url", ECHO("/"), "send.1", "nope", "receive.1", "equals \"pong\""), PROBED_REASON_PROTOCOL,
	             "message 1: expected \"pong\", got \"nope\"");
	expect_error(RUN("url", ECHO("/"), "send.1", "a", "send.2", "binary 00", "receive.1", "any", "receive.2", "matches /x/"),
	             PROBED_REASON_PROTOCOL, "message 2: expected /x/, got binary 00");
	expect_error(RUN("url", ECHO("/"), "send.1", "ab", "receive.1", "binary 6162"), PROBED_REASON_PROTOCOL,
	             "message 1: expected binary 6162, got \"ab\"");
}

static void ping_has_a_round_trip(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", ECHO("/"), "send.1", "x", "receive.1", "any", "ping", "yes");
	expect_ok(p);
	assert_in_range(fakehost_fact_int(p, "rtt"), 1, 5 * SECOND);
	expect_ok(RUN("url", ECHO("/pings"), "ping", "yes"));
}

static void subprotocol_is_negotiated(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", ECHO("/"), "subprotocol", "chat.v1, chat.v2");
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "subprotocol"), "chat.v2");
	p = RUN("url", ECHO("/"), "subprotocol", "unknown");
	expect_ok(p);
	assert_false(fakehost_has_fact(p, "subprotocol"));
}

static void headers_are_sent(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", ECHO("/header?name=authorization"), "header.Authorization", "Bearer abc",
	                               "header.X-Other", "1", "receive.1", "equals \"Bearer abc\"");
	expect_ok(p);
	expect_ok(RUN("url", ECHO("/header?name=host"), "header.Host", "other.test", "receive.1", "equals other.test"));
	char host[64];
	snprintf(host, sizeof host, "equals 127.0.0.1:%u", ports[PLAIN]);
	expect_ok(RUN("url", ECHO("/header?name=host"), "receive.1", host));
}

static void fragmented_message_is_one(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", ECHO("/fragments"), "receive.1", "equals \"one two three\"");
	expect_ok(p);
	assert_int_equal(fakehost_fact_int(p, "messages"), 1);
}

static void long_messages_up_to_the_bound(void **state)
{
	(void)state;
	expect_error(RUN("url", ECHO("/big?size=1048577"), "receive.1", "any"), PROBED_REASON_PROTOCOL,
	             "message 1 is longer than max_message (1048576 bytes)");
	expect_error(RUN("url", ECHO("/big?size=11"), "receive.1", "any", "max_message", "10B"), PROBED_REASON_PROTOCOL,
	             "longer than max_message (10 bytes)");
	struct fakehost_probe *p = RUN("url", ECHO("/big?size=1048576"), "receive.1", "matches /^x+$/");
	expect_ok(p);
	assert_int_equal(fakehost_fact_int(p, "bytes.in"), 1 << 20);
	assert_int_equal(strlen(fakehost_fact_str(p, "message")), 4096);
}

static void server_closes_early(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", ECHO("/close?code=4001&reason=enough"), "receive.1", "any");
	expect_error(p, PROBED_REASON_RESET, "the server closed with code 4001 (enough), before message 1 came");
	assert_int_equal(fakehost_fact_int(p, "close.code"), 4001);
	assert_string_equal(fakehost_fact_str(p, "close.reason"), "enough");
	p = RUN("url", ECHO("/close?code=1008"), "receive.1", "any");
	expect_error(p, PROBED_REASON_PROTOCOL, "the server closed with code 1008, before");
}

static void close_code_is_the_option(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", ECHO("/"), "close", "4242");
	expect_ok(p);
	assert_int_equal(fakehost_fact_int(p, "close.code"), 4242);
}

static void over_ipv6_and_by_name(void **state)
{
	(void)state;
	if (!have_ipv6())
		skip();
	struct fakehost_probe *p = RUN("url", url("ws", "[::1]", ports[PLAIN], "/"));
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "ip"), "::1");
	assert_int_equal(fakehost_fact_int(p, "family"), 6);
	fakehost_name(fh, "both.test", "::1");
	fakehost_name(fh, "both.test", "127.0.0.1");
	p = RUN("url", url("ws", "both.test", ports[PLAIN], "/"), "family", "4");
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
	expect_error(RUN("url", "ws://nobody.test/"), PROBED_REASON_RESOLVE, "nobody.test: ");
}

static void nobody_there_is_refused(void **state)
{
	(void)state;
	expect_error(RUN("url", url("ws", "127.0.0.1", port_free(), "/")), PROBED_REASON_REFUSED, "Connection refused");
	struct fakehost_probe *p = RUN("url", url("wss", "127.0.0.1", port_free(), "/"));
	expect_error(p, PROBED_REASON_REFUSED, "127.0.0.1:");
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
}

static void unreachable_address_gives_way_to_the_next(void **state)
{
	(void)state;
	fakehost_name(fh, "two.test", "127.0.0.2");
	fakehost_name(fh, "two.test", "127.0.0.1");
	struct fakehost_probe *p = RUN("url", url("ws", "two.test", ports[PLAIN], "/"));
	expect_ok(p);
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
}

static void many_at_once(void **state)
{
	(void)state;
	enum { N = 100 };
	struct fakehost_probe *p[N];
	struct fakehost_target *t[2] = {
		fakehost_target(fh, "ws", PAIRS("url", ECHO("/"), "send.1", "x", "receive.1", "equals x"), 20 * SECOND),
		fakehost_target(fh, "ws", PAIRS("url", SECURE(GOOD), "tls.ca", servers_file("ca.pem"), "ping", "yes"), 20 * SECOND),
	};
	for (int i = 0; i < N; i++)
		p[i] = fakehost_start(t[i % 2], NULL);
	for (int i = 0; i < N; i++) {
		assert_true(fakehost_run_until_done(p[i], 20));
		expect_ok(p[i]);
	}
}

/* --- TLS ---------------------------------------------------------------------------------------- */

static void tls_good(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", SECURE(GOOD), "tls.ca", servers_file("ca.pem"), "send.1", "x", "receive.1", "any");
	expect_ok(p);
	assert_int_equal(fakehost_fact_int(p, "cert.valid"), 1);
	assert_string_equal(fakehost_fact_str(p, "tls.version"), "TLSv1.3");
	assert_true(fakehost_fact_int(p, "cert.expires") > 80 * 86400 * SECOND);
	assert_true(fakehost_phase(p, PROBED_PHASE_TLS) > 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_CONNECT) >= 0);
	p = RUN("url", url("wss", "127.0.0.1", ports[GOOD], "/"), "tls.ca", servers_file("ca.pem"));
	expect_ok(p);
	p = RUN("url", url("wss", "127.0.0.1", ports[GOOD], "/"), "tls.ca", servers_file("ca.pem"), "tls.servername", "probe.test");
	expect_ok(p);
}

static void tls_bad_certificates(void **state)
{
	(void)state;
	const char *ca = servers_file("ca.pem");
	struct fakehost_probe *p = RUN("url", SECURE(EXPIRED), "tls.ca", ca);
	expect_error(p, PROBED_REASON_TLS, "certificate has expired");
	assert_true(fakehost_fact_int(p, "cert.expires") < 0);
	assert_int_equal(fakehost_fact_int(p, "cert.valid"), 0);
	expect_error(RUN("url", SECURE(SELF), "tls.ca", ca), PROBED_REASON_TLS, "self-signed");
	expect_error(RUN("url", SECURE(WRONG), "tls.ca", ca), PROBED_REASON_TLS, "it is for elsewhere.test, not for localhost");
	expect_error(RUN("url", SECURE(GOOD)), PROBED_REASON_TLS, "certificate: ");
	expect_error(RUN("url", SECURE(GOOD), "tls.ca", ca, "tls.servername", "other.test"), PROBED_REASON_TLS,
	             "not for other.test");
}

static void tls_without_verification_reports_the_verdict(void **state)
{
	(void)state;
	static const int bad[] = { EXPIRED, SELF, WRONG };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct fakehost_probe *p = RUN("url", SECURE(bad[i]), "tls.ca", servers_file("ca.pem"), "tls.verify", "no");
		expect_ok(p);
		assert_int_equal(fakehost_fact_int(p, "cert.valid"), 0);
		assert_true(*fakehost_fact_str(p, "cert.reason"));
	}
}

static void tls_to_a_server_without(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", url("wss", "127.0.0.1", web.port, "/"));
	expect_error(p, PROBED_REASON_TLS, "TLS: ");
	assert_false(fakehost_has_fact(p, "status"));
}

/* --- refusals and faults ------------------------------------------------------------------------ */

static void refused_handshake_has_its_status(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		int status;
	} refusals[] = { { "/", 404 }, { "/no", 403 }, { "/auth", 401 }, { "/moved", 301 } };
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		char text[32];
		struct fakehost_probe *p = RUN("url", url("ws", "127.0.0.1", web.port, refusals[i].path));
		snprintf(text, sizeof text, "HTTP %d", refusals[i].status);
		expect_error(p, PROBED_REASON_PROTOCOL, text);
		assert_int_equal(fakehost_fact_int(p, "status"), refusals[i].status);
		assert_non_null(strstr(fakehost_fact_str(p, "header.server"), "nginx"));
	}
}

/* Reads the request; true where it was one, with the answer to its key. */
static bool read_request(struct wire *w, char accept[32])
{
	static const char name[] = "Sec-WebSocket-Key: ";
	char key[128] = "";
	unsigned char hash[SHA_DIGEST_LENGTH];
	for (const char *line; (line = wire_line(w)) && *line;)
		if (!strncasecmp(line, name, strlen(name)))
			snprintf(key, sizeof key, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", line + strlen(name));
	SHA1((unsigned char *)key, strlen(key), hash);
	EVP_EncodeBlock((unsigned char *)accept, hash, sizeof hash);
	return *key;
}

static void accept_with(struct wire *w, const char *more)
{
	char accept[32], answer[512];
	if (!read_request(w, accept))
		return;
	snprintf(answer, sizeof answer,
	         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	         "Sec-WebSocket-Accept: %s\r\n%s\r\n",
	         accept, more);
	wire_say(w, answer);
}

/* Answers the request with `arg`, and stays. */
static void serve_instead(struct wire *w, const char *arg)
{
	char accept[32];
	read_request(w, accept);
	wire_say(w, arg);
	wire_hang(w);
}

static void serve_drop(struct wire *w, const char *arg)
{
	char accept[32];
	(void)arg;
	read_request(w, accept);
}

static void serve_protocol(struct wire *w, const char *arg)
{
	accept_with(w, arg);
	wire_hang(w);
}

static void serve_end(struct wire *w, const char *arg)
{
	(void)arg;
	accept_with(w, "");
}

static void serve_reset(struct wire *w, const char *arg)
{
	(void)arg;
	accept_with(w, "");
	wire_reset(w);
}

/* Frames in hexadecimal, a byte at a time. */
static void serve_frames(struct wire *w, const char *arg)
{
	accept_with(w, "");
	for (unsigned byte; sscanf(arg, "%2x", &byte) == 1; arg += 2) {
		unsigned char c = (unsigned char)byte;
		wire_write(w, &c, 1);
	}
	wire_hang(w);
}

static void serve_hang(struct wire *w, const char *arg)
{
	(void)arg;
	wire_hang(w);
}

/* A message of 1 GiB, or one that never ends, in fragments of 64 KiB. */
static void serve_flood(struct wire *w, const char *arg)
{
	static const unsigned char whole[] = { 0x82, 0x7f, 0, 0, 0, 0, 0x40, 0, 0, 0 };
	static const unsigned char part[] = { 0, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0 }, first[] = { 0x02, 0x00 };
	static char block[65536];
	bool one = !strcmp(arg, "one");
	accept_with(w, "");
	wire_write(w, one ? whole : first, one ? sizeof whole : sizeof first);
	for (int i = 0; i < 16384; i++) {
		if (!one)
			wire_write(w, part, sizeof part);
		wire_write(w, block, sizeof block);
	}
}

static struct fakehost_probe *against(server_fn fn, const char *arg)
{
	struct server s = server_start(4, fn, arg);
	struct fakehost_probe *p = RUN("url", url("ws", "127.0.0.1", s.port, "/"), "receive.1", "equals hello");
	server_stop(&s);
	return p;
}

static void answers_that_are_no_handshake(void **state)
{
	(void)state;
	expect_error(against(serve_instead, "220 mail.test ESMTP\r\n"), PROBED_REASON_PROTOCOL, "not HTTP");
	expect_error(against(serve_instead, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), PROBED_REASON_PROTOCOL, "HTTP 200");
	expect_error(against(serve_instead, "HTTP/1.1 101 Switching Protocols\r\n\r\n"), PROBED_REASON_PROTOCOL,
	             "answer is wrong: ");
	expect_error(against(serve_instead, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	                                    "Connection: Upgrade\r\nSec-WebSocket-Accept: bm90IHRydWU=\r\n\r\n"),
	             PROBED_REASON_PROTOCOL, "answer is wrong: Accept hash wrong");
	expect_error(against(serve_protocol, "Sec-WebSocket-Protocol: surprise\r\n"), PROBED_REASON_PROTOCOL,
	             "answer is wrong: PROTOCOL");
	expect_error(against(serve_drop, ""), PROBED_REASON_RESET, "closed the connection during the handshake");
}

static void connections_that_break(void **state)
{
	(void)state;
	expect_error(against(serve_end, ""), PROBED_REASON_RESET, "dropped the connection without a close, before message 1 came");
	expect_error(against(serve_reset, ""), PROBED_REASON_RESET, "before message 1 came");
}

static void frames_that_are_not_websocket(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"8300",             /* an opcode that does not exist */
		"c10568656c6c6f",   /* a reserved bit */
		"897e0080",         /* a ping with a long length */
		"0900",             /* a ping in fragments */
		"01026865810468656c6c", /* a new message inside of one */
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		expect_error(against(serve_frames, bad[i]), PROBED_REASON_PROTOCOL, "what is not WebSocket, before message 1 came");
	static const char *const not_text[] = { "8102fffe", "8102c080", "8103eda080", "8101c3", "8104f4908080" };
	for (size_t i = 0; i < sizeof not_text / sizeof not_text[0]; i++)
		expect_error(against(serve_frames, not_text[i]), PROBED_REASON_PROTOCOL, "message 1 is text, but not UTF-8");
}

static void a_gibibyte_is_cut_at_the_limit(void **state)
{
	(void)state;
	expect_error(against(serve_flood, "one"), PROBED_REASON_PROTOCOL, "longer than max_message (1048576 bytes)");
	expect_error(against(serve_flood, "endless"), PROBED_REASON_PROTOCOL, "longer than max_message (1048576 bytes)");
}

static void text_is_utf8(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN("url", ECHO("/"), "send.1", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "receive.1",
	                               "equals gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
	expect_ok(p);
}

static void a_byte_at_a_time(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_frames, "8900010268658003" "6c6c6f" "8802" "03e8");
	struct fakehost_probe *p = RUN("url", url("ws", "127.0.0.1", s.port, "/"), "receive.1", "equals hello");
	expect_ok(p);
	server_stop(&s);
}

static void silence_times_out(void **state)
{
	(void)state;
	static const struct {
		server_fn fn;
		const char *arg;
	} silent[] = { { serve_hang, "" }, { serve_frames, "" }, { serve_frames, "810568656c6c6f" } };
	for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
		struct server s = server_start(4, silent[i].fn, silent[i].arg);
		struct fakehost_probe *p = fakehost_probe(
			fh, "ws", PAIRS("url", url("ws", "127.0.0.1", s.port, "/"), "receive.1", "equals hello"), 200 * MS);
		assert_true(fakehost_run_until_done(p, 5));
		assert_int_equal(fakehost_reason(p), PROBED_REASON_TIMEOUT);
		server_stop(&s);
	}
}

/* --- letting go --------------------------------------------------------------------------------- */

static bool turned(void *ctx)
{
	int *left = ctx;
	return --*left < 0;
}

static void cancel_after_turns(const char *const *pairs)
{
	struct fakehost_target *t = fakehost_target(fh, "ws", pairs, 0);
	struct fakehost_probe *first = fakehost_start(t, NULL);
	int once = 20;
	fakehost_run_until(fh, turned, &once, 0.2);
	fakehost_cancel(first);
	struct fakehost_ledger before = fakehost_ledger(fh);
	for (int turns = 0; turns < 25; turns++) {
		struct fakehost_probe *p = fakehost_start(t, NULL);
		int left = turns;
		fakehost_run_until(fh, turned, &left, 0.02);
		fakehost_cancel(p);
		assert_true(fakehost_done(p));
		struct fakehost_ledger after = fakehost_ledger(fh);
		assert_int_equal(after.descriptors, before.descriptors);
		assert_int_equal(after.lookups, 0);
	}
	fakehost_target_free(t);
}

static void cancel_at_each_moment(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_hang, "");
	cancel_after_turns(PAIRS("url", ECHO("/"), "send.1", "x", "receive.1", "any", "receive.2", "any"));
	cancel_after_turns(PAIRS("url", ECHO("/"), "ping", "yes"));
	cancel_after_turns(PAIRS("url", SECURE(GOOD), "tls.ca", servers_file("ca.pem"), "ping", "yes"));
	cancel_after_turns(PAIRS("url", url("ws", "127.0.0.1", s.port, "/")));
	cancel_after_turns(PAIRS("url", url("wss", "127.0.0.1", s.port, "/")));
	server_stop(&s);
	fakehost_hold_lookups(fh, true);
	cancel_after_turns(PAIRS("url", "ws://localhost/"));
}

/* libwebsockets frees in callbacks of its own, which the ledger of the fake host does not see: so all memory is
 * counted, of which the fake host keeps some for each probe. */
static void assert_flat(const char *const *pairs)
{
	enum { WARM = 20, N = 200, KEPT = 3000 };
	struct fakehost_target *t = fakehost_target(fh, "ws", pairs, 0);
	struct fakehost_ledger before = { 0 };
	int64_t bytes = 0;
	for (int i = 0; i < WARM + N; i++) {
		if (i == WARM) {
			before = fakehost_ledger(fh);
			bytes = memory_live_bytes();
		}
		assert_true(fakehost_run_until_done(fakehost_start(t, NULL), 5));
	}
	for (int i = 0; i < 3; i++)
		fakehost_turn(fh);
	fakehost_check_same(fh, &before, INT64_C(1) << 40);
	int64_t each = (memory_live_bytes() - bytes) / N;
	if (each > KEPT)
		fail_msg("%s: %lld bytes a probe stay behind", pairs[1], (long long)each);
}

static void nothing_piles_up(void **state)
{
	(void)state;
	const char *ca = servers_file("ca.pem");
	assert_flat(PAIRS("url", ECHO("/"), "send.1", "x", "receive.1", "any"));
	assert_flat(PAIRS("url", ECHO("/greet"), "receive.1", "equals x"));
	assert_flat(PAIRS("url", SECURE(GOOD), "tls.ca", ca));
	assert_flat(PAIRS("url", SECURE(EXPIRED), "tls.ca", ca));
	assert_flat(PAIRS("url", url("ws", "127.0.0.1", web.port, "/")));
}

/* --- options ------------------------------------------------------------------------------------ */

static void assert_refused(const char *key, const char *value, const char *message)
{
	const char *error = fakehost_target_error(fh, "ws", PAIRS("url", "ws://a/", key, value));
	if (!error || !strstr(error, message))
		fail_msg("%s = %s: \"%s\", expected \"%s\"", key, value, error ? error : "(accepted)", message);
}

static void bad_options_are_refused(void **state)
{
	(void)state;
	assert_refused("send.1", "text \"open", "a closing quote");
	assert_refused("send.1", "text \"a\" b", "nothing after the closing quote");
	assert_refused("send.1", "text \"\\q\"", "after the backslash");
	assert_refused("send.1", "binary 0", "hexadecimal digits");
	assert_refused("send.1", "binary xx", "hexadecimal digits");
	assert_refused("receive.1", "pong", "receive.1: \"pong\": expected equals \"text\", matches /pattern/, binary HEX or any");
	assert_refused("receive.1", "matches abc", "matches /pattern/");
	assert_refused("receive.1", "matches /(/", "missing closing parenthesis");
	assert_refused("receive.1", "matches /a/x", "only the flags i, m and s");
	assert_refused("receive.1", "any thing", "expected equals");
	assert_refused("close", "1005", "1000, 1001 or 3000 to 4999");
	assert_refused("header.Upgrade", "x", "the driver sets this one by itself");
	assert_refused("subprotocol", "a\"b", "expected names");
	static const char *const urls[] = { "http://a/", "ws://", "ws://a:0/", "ws://a:x/", "ws://u@a/", "ws://a/#f", "ws://[::1" };
	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
		assert_non_null(fakehost_target_error(fh, "ws", PAIRS("url", urls[i])));
	assert_null(fakehost_target_error(fh, "ws", PAIRS("url", "wss://[::1]:8443?x=1", "receive.1", "any")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(opens_and_closes),
		TEST(messages_to_and_fro),
		TEST(greeting_of_the_server),
		TEST(unmet_expectation_says_what_came),
		TEST(ping_has_a_round_trip),
		TEST(subprotocol_is_negotiated),
		TEST(headers_are_sent),
		TEST(fragmented_message_is_one),
		TEST(long_messages_up_to_the_bound),
		TEST(server_closes_early),
		TEST(close_code_is_the_option),
		TEST(over_ipv6_and_by_name),
		TEST(nobody_there_is_refused),
		TEST(unreachable_address_gives_way_to_the_next),
		TEST(many_at_once),
		TEST(tls_good),
		TEST(tls_bad_certificates),
		TEST(tls_without_verification_reports_the_verdict),
		TEST(tls_to_a_server_without),
		TEST(refused_handshake_has_its_status),
		TEST(answers_that_are_no_handshake),
		TEST(connections_that_break),
		TEST(frames_that_are_not_websocket),
		TEST(a_gibibyte_is_cut_at_the_limit),
		TEST(text_is_utf8),
		TEST(a_byte_at_a_time),
		TEST(silence_times_out),
		TEST(cancel_at_each_moment),
		TEST(nothing_piles_up),
		TEST(bad_options_are_refused),
	};
	return cmocka_run_group_tests_name("ws", tests, start_servers, stop_servers);
}
