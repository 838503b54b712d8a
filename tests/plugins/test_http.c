/* SPDX-License-Identifier: Apache-2.0 */
/* test_http.c - the http driver against nginx, and against servers that misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka.h wants the three above */
#include <cmocka.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fakehost/fakehost.h"
#include "plugins/probes.h"
#include "plugins/servers.h"

#define SECOND INT64_C(1000000000)
#define NGINX "/usr/sbin/nginx"

static struct fakehost *fh;
static struct server nginx;
static uint16_t plain, plain6, tls_good, tls_expired, tls_self, tls_wrong, h2c, other;

static int setup(void **state)
{
	(void)state;
	fh = fakehost_new("http", 0);
	fakehost_name(fh, "localhost", "127.0.0.1");
	fakehost_name(fh, "probe.test", "127.0.0.1");
	fakehost_name(fh, "other.test", "127.0.0.1");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fakehost_free(fh);
	return 0;
}

static const char *nginx_config(void)
{
	const char *dir = servers_dir();
	char listen6[64] = "", soon[64];
	time_t at = time(NULL) + 3600;
	struct tm tm;
	strftime(soon, sizeof(soon), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &tm));
	plain = port_free(), plain6 = port_free(), tls_good = port_free(), tls_expired = port_free();
	tls_self = port_free(), tls_wrong = port_free(), h2c = port_free(), other = port_free();
	if (have_ipv6())
		snprintf(listen6, sizeof(listen6), "listen [::1]:%u;", plain6);
	servers_write("users", "anna:{PLAIN}open sesame\n");
	servers_write("page.html", "<h1>Welcome</h1>\n");
	return servers_write(
		"nginx.conf",
		"load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;\n"
		"pid %s/nginx.pid;\nerror_log %s/error.log;\nworker_processes 1;\ndaemon off;\nmaster_process off;\n"
		"events { worker_connections 512; }\n"
		"http {\n"
		" log_format sizes '$request_uri $bytes_sent $request_length $connection';\n"
		" access_log %s/access.log sizes;\n"
		" client_body_temp_path %s/b; proxy_temp_path %s/p; fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;\n"
		" server_tokens off; default_type text/plain; types { text/html html; }\n"
		" ssl_session_cache off; ssl_protocols TLSv1.2 TLSv1.3;\n"
		" client_max_body_size 20m;\n"
		" server {\n"
		"  listen 127.0.0.1:%u; listen 127.0.0.1:%u; listen 127.0.0.1:%u http2; %s\n"
		"  listen 127.0.0.1:%u ssl http2;\n"
		"  server_name localhost;\n"
		"  ssl_certificate %s/good.pem; ssl_certificate_key %s/good.key;\n"
		"  ssl_client_certificate %s/ca.pem; ssl_verify_client optional;\n"
		"  root %s;\n"
		"  location = /page.html { }\n"
		"  location = /show { return 200 \"$request_method|$args|$http_x_one|$http_authorization|$http_cookie|$http_host|"
		"$http_user_agent|$ssl_client_verify|$server_protocol|$http_content_type\"; }\n"
		"  location = /echo { echo_read_request_body; echo -n \"$request_method:\"; echo_request_body; }\n"
		"  location = /twice { add_header X-Multi one; add_header X-Multi two; add_header X-Case Kept; return 200 ok; }\n"
		"  location = /to/page { return 302 /page.html; }\n"
		"  location = /to/show301 { return 301 /show; }\n"
		"  location = /to/show303 { return 303 /show; }\n"
		"  location = /to/show307 { return 307 /show; }\n"
		"  location = /to/echo308 { return 308 /echo; }\n"
		"  location = /to/two { return 302 /to/page; }\n"
		"  location = /to/other { return 302 http://other.test:%u/show; }\n"
		"  location = /to/unknown { return 302 http://nowhere.test/; }\n"
		"  location = /to/ftp { return 302 ftp://other.test/; }\n"
		"  location = /loop { return 302 /loop; }\n"
		"  location = /login { add_header Set-Cookie \"sid=42; Path=/\"; return 302 /show; }\n"
		"  location = /basic { auth_basic \"test\"; auth_basic_user_file %s/users; try_files /page.html =404; }\n"
		"  location = /busy { add_header Retry-After 120 always; return 503; }\n"
		"  location = /busy-until { add_header Retry-After \"%s\" always; return 503; }\n"
		"  location = /quota { add_header RateLimit-Remaining 0 always; add_header X-RateLimit-Reset 30 always; return 429; }\n"
		"  location = /slow { echo_flush; echo_sleep 0.3; echo late; }\n"
		"  location = /later { echo_sleep 30; echo late; }\n"
		"  location = /nothing { return 204; }\n"
		"  location = /teapot { return 418; }\n"
		" }\n"
		" server { listen 127.0.0.1:%u ssl; ssl_certificate %s/expired.pem; ssl_certificate_key %s/expired.key; location / { return 200 ok; } }\n"
		" server { listen 127.0.0.1:%u ssl; ssl_certificate %s/self.pem; ssl_certificate_key %s/self.key; location / { return 200 ok; } }\n"
		" server { listen 127.0.0.1:%u ssl; ssl_certificate %s/wrong.pem; ssl_certificate_key %s/wrong.key; location / { return 200 $ssl_server_name; } }\n"
		"}\n",
		dir, dir, dir, dir, dir, dir, dir, dir, plain, other, h2c,
		listen6, tls_good, dir, dir, dir, dir, other, dir, soon,
		tls_expired, dir, dir, tls_self, dir, dir, tls_wrong, dir, dir);
}

static int group_setup(void **state)
{
	(void)state;
	servers_dir();
	if (access(NGINX, X_OK) < 0) {
		fprintf(stderr, "# %s is missing: ./quickstart build installs what the tests need\n", NGINX);
		return -1;
	}
	nginx = server_exec(plain, PAIRS(NGINX, "-c", nginx_config(), "-p", servers_dir(), "-e", servers_file("error.log")));
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	server_stop(&nginx);
	return 0;
}

/* One of 8 rotating texts. */
static const char *url_of(const char *scheme, const char *name, uint16_t port, const char *path)
{
	static char urls[8][256];
	static unsigned next;
	char *url = urls[next++ % 8];
	snprintf(url, sizeof(urls[0]), "%s://%s:%u%s", scheme, name, port, path);
	return url;
}

#define AT(path) url_of("http", "localhost", plain, path)

#define RUN(...) probe_run(fh, "http", PAIRS("url", __VA_ARGS__))

static void expect_body(const struct fakehost_probe *p, int status, const char *body)
{
	if (fakehost_outcome(p) != PROBED_OK || fakehost_fact_int(p, "status") != status ||
	    (body && strcmp(fakehost_body(p, NULL), body) != 0)) {
		fakehost_print(p);
		fail_msg("expected status %d and \"%s\", body is \"%s\"", status, body ? body : "anything",
		         fakehost_body(p, NULL));
	}
}

/* --- servers of our own -------------------------------------------------------------------------- */

/* Reads a request's head. */
static void request_take(struct wire *w)
{
	const char *line;
	while ((line = wire_line(w)) && *line)
		;
}

static void serve_after_request(struct wire *w, const char *arg)
{
	request_take(w);
	wire_say(w, arg);
}

static void serve_at_once(struct wire *w, const char *arg)
{
	wire_say(w, arg);
	wire_hang(w);
}

static void serve_hang(struct wire *w, const char *arg)
{
	(void)arg;
	wire_hang(w);
}

static void serve_close(struct wire *w, const char *arg)
{
	(void)w, (void)arg;
}

static void serve_reset(struct wire *w, const char *arg)
{
	(void)arg;
	request_take(w);
	wire_reset(w);
}

static void serve_bytewise(struct wire *w, const char *arg)
{
	request_take(w);
	for (; *arg; arg++) {
		wire_write(w, arg, 1);
		usleep(300);
	}
}

static void serve_flood(struct wire *w, const char *arg)
{
	static char block[65536];
	(void)arg;
	request_take(w);
	wire_say(w, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 16384; i++)
		wire_write(w, block, sizeof(block));
}

static void serve_endless_headers(struct wire *w, const char *arg)
{
	(void)arg;
	request_take(w);
	wire_say(w, "HTTP/1.1 200 OK\r\n");
	for (;;)
		wire_say(w, "X-Filler: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
}

/* Speaks TLS, then keeps quiet. */
static void serve_tls_hang(struct wire *w, const char *cert)
{
	wire_tls(w, cert, false);
	wire_hang(w);
}

static void md5(const char *text, char *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n;
	EVP_Digest(text, strlen(text), digest, &n, EVP_md5(), NULL);
	for (unsigned i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", digest[i]);
}

static void field(const char *from, const char *name, char *out)
{
	const char *at = strstr(from, name);
	*out = '\0';
	if (at)
		sscanf(at + strlen(name) + 1, at[strlen(name) + 1] == '"' ? "\"%63[^\"]" : "%63[^, ]", out);
}

static void serve_digest(struct wire *w, const char *arg)
{
	const char *line;
	char given[1024], nc[64], cnonce[64], response[64], ha1[33], ha2[33], expected[33], text[512];
	(void)arg;
	for (;;) {
		*given = '\0';
		while ((line = wire_line(w)) && *line)
			if (!strncmp(line, "Authorization: Digest ", 22))
				snprintf(given, sizeof(given), "%s", line + 21);
		if (!line)
			return;
		field(given, " nc", nc);
		field(given, " cnonce", cnonce);
		field(given, " response", response);
		md5("anna:here:sesame", ha1);
		md5("GET:/", ha2);
		snprintf(text, sizeof(text), "%s:abc:%s:%s:auth:%s", ha1, nc, cnonce, ha2);
		md5(text, expected);
		if (!strcmp(expected, response))
			wire_say(w, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin");
		else
			wire_say(w, "HTTP/1.1 401 no\r\nWWW-Authenticate: Digest realm=\"here\", nonce=\"abc\", qop=\"auth\"\r\n"
			            "X-First: yes\r\nContent-Length: 3\r\n\r\nout");
	}
}

/* --- answers ------------------------------------------------------------------------------------- */

/* Of the one request that was made for this path: its line may be written after its answer. */
static void logged_sizes(const char *path, long *sent, long *received)
{
	char line[512], uri[256];
	*sent = *received = -1;
	for (int i = 0; i < 500 && *sent < 0; i++) {
		FILE *f = fopen(servers_file("access.log"), "re");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f)) {
			long a, b;
			if (sscanf(line, "%255s %ld %ld", uri, &a, &b) == 3 && !strcmp(uri, path))
				*sent = a, *received = b;
		}
		fclose(f);
		if (*sent < 0)
			poll(NULL, 0, 10);
	}
}

static void an_answer_has_its_facts(void **state)
{
	(void)state;
	long sent, received;
	struct fakehost_probe *p = RUN(AT("/page.html"));
	expect_body(p, 200, "<h1>Welcome</h1>\n");
	assert_string_equal(fakehost_fact_str(p, "version"), "1.1");
	assert_string_equal(fakehost_fact_str(p, "header.server"), "nginx");
	assert_string_equal(fakehost_fact_str(p, "header.content-length"), "17");
	assert_string_equal(fakehost_fact_str(p, "content_type"), "text/html");
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
	assert_int_equal(fakehost_fact_int(p, "family"), 4);
	assert_int_equal(fakehost_fact_int(p, "redirects"), 0);
	assert_string_equal(fakehost_fact_str(p, "url"), AT("/page.html"));
	assert_int_equal(fakehost_fact_int(p, "body.bytes"), 17);
	assert_int_equal(fakehost_fact_int(p, "body.truncated"), 0);
	assert_int_equal(fakehost_fact_int(p, "overload"), 0);
	assert_false(fakehost_has_fact(p, "retry_after"));
	assert_false(fakehost_has_fact(p, "tls.version"));
	assert_int_equal(fakehost_fact_count(p, "hops"), 1);
	assert_non_null(strstr(fakehost_fact_str(p, "hops"), "\"status\":200"));
	logged_sizes("/page.html", &sent, &received);
	assert_int_equal(fakehost_fact_int(p, "bytes.in"), sent);
	assert_int_equal(fakehost_fact_int(p, "bytes.header"), sent - 17);
	assert_int_equal(fakehost_fact_int(p, "bytes.out"), received);
	for (uint32_t phase = 0; phase < PROBED_PHASES; phase++)
		assert_true((fakehost_phase(p, phase) >= 0) == (phase != PROBED_PHASE_TLS));
	assert_true(fakehost_phase(p, PROBED_PHASE_CONNECT) > 0);
}

static void bodies_and_methods(void **state)
{
	(void)state;
	long sent, received;
	struct fakehost_probe *p = RUN(AT("/echo?small"), "body", "{\"a\": 1}");
	expect_body(p, 200, "POST:{\"a\": 1}");
	logged_sizes("/echo?small", &sent, &received);
	assert_int_equal(fakehost_fact_int(p, "bytes.out"), received);
	expect_body(RUN(AT("/echo"), "method", "PUT", "body", "@@home"), 200, "PUT:@home");
	expect_body(RUN(AT("/echo"), "method", "DELETE"), 200, "DELETE:");
	servers_write("body.txt", "from a file");
	char file[200];
	snprintf(file, sizeof(file), "@%s", servers_file("body.txt"));
	expect_body(RUN(AT("/echo"), "method", "PATCH", "body", file), 200, "PATCH:from a file");
	p = RUN(AT("/page.html"), "method", "HEAD");
	expect_body(p, 200, "");
	assert_string_equal(fakehost_fact_str(p, "header.content-length"), "17");
	expect_body(RUN(AT("/nothing")), 204, "");

	char *big = malloc(3000001);
	memset(big, 'b', 3000000);
	big[3000000] = '\0';
	servers_write("big.txt", "%s", big);
	free(big);
	snprintf(file, sizeof(file), "@%s", servers_file("big.txt"));
	p = RUN(AT("/echo?big"), "body", file);
	expect_body(p, 200, NULL);
	assert_int_equal(fakehost_fact_int(p, "body.bytes"), 3000005);
	logged_sizes("/echo?big", &sent, &received);
	assert_int_equal(fakehost_fact_int(p, "bytes.out"), received);
}

static void the_request_says_what_was_configured(void **state)
{
	(void)state;
	char expected[512];
	struct fakehost_probe *p = RUN(AT("/base/x"), "path", "/show?q=a b", "header.X-One", "1st", "auth", "bearer", "token",
	                               "t0ken", "user_agent", "tester/1");
	snprintf(expected, sizeof(expected), "GET|q=a%%20b|1st|Bearer t0ken||localhost:%u|tester/1||HTTP/1.1|", plain);
	expect_body(p, 200, expected);
	fakehost_render(fh, "{{user}}", "ann");
	p = RUN(AT("/show?u={{user}}"), "header.X-One", "{{user}}", "header.Host", "{{user}}.test", "http_version", "1.0");
	expect_body(p, 200, "GET|u=ann|ann|||ann.test|probed||HTTP/1.0|");
	fakehost_render(fh, "{{evil}}", "a\r\nX-Two: b");
	p = RUN(AT("/show"), "header.X-One", "{{evil}}");
	assert_int_equal(fakehost_outcome(p), PROBED_UNKNOWN);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_INTERNAL);
	assert_non_null(strstr(fakehost_message(p), "line break"));
	p = RUN(AT("/show"), "path", "{{nowhere}}");
	assert_int_equal(fakehost_reason(p), PROBED_REASON_INTERNAL);
}

static void repeated_headers_are_joined(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN(AT("/twice"));
	expect_body(p, 200, "ok");
	assert_string_equal(fakehost_fact_str(p, "header.x-multi"), "one, two");
	assert_string_equal(fakehost_fact_str(p, "header.x-case"), "Kept");
}

static void an_overload_is_told(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN(AT("/busy"));
	expect_body(p, 503, NULL);
	assert_int_equal(fakehost_fact_int(p, "overload"), 1);
	assert_int_equal(fakehost_fact_int(p, "retry_after"), 120 * SECOND);
	assert_false(fakehost_has_fact(p, "quota.left"));
	assert_false(fakehost_has_fact(p, "quota.reset"));
	p = RUN(AT("/busy-until"));
	assert_in_range(fakehost_fact_int(p, "retry_after"), 3000 * SECOND, 3601 * SECOND);
	p = RUN(AT("/quota"));
	expect_body(p, 429, NULL);
	assert_int_equal(fakehost_fact_int(p, "overload"), 1);
	assert_int_equal(fakehost_fact_int(p, "quota.left"), 0);
	assert_int_equal(fakehost_fact_int(p, "quota.reset"), 30 * SECOND);
	expect_body(RUN(AT("/teapot")), 418, NULL);
}

static void auth_basic_and_digest(void **state)
{
	(void)state;
	expect_body(RUN(AT("/basic")), 401, NULL);
	expect_body(RUN(AT("/basic"), "auth", "basic", "user", "anna", "password", "wrong"), 401, NULL);
	expect_body(RUN(AT("/basic"), "user", "anna", "password", "open sesame"), 200, "<h1>Welcome</h1>\n");
	struct server s = server_start(4, serve_digest, NULL);
	struct fakehost_probe *p = RUN(url_of("http", "localhost", s.port, "/"), "auth", "digest", "user", "anna", "password", "sesame");
	expect_body(p, 200, "in");
	assert_false(fakehost_has_fact(p, "header.x-first"));
	expect_body(RUN(url_of("http", "localhost", s.port, "/"), "auth", "digest", "user", "anna", "password", "x"), 401, "out");
	server_stop(&s);
}

/* --- redirects ----------------------------------------------------------------------------------- */

static void redirects_are_followed_hop_by_hop(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN(AT("/to/two"));
	expect_body(p, 200, "<h1>Welcome</h1>\n");
	assert_int_equal(fakehost_fact_int(p, "redirects"), 2);
	assert_string_equal(fakehost_fact_str(p, "url"), AT("/page.html"));
	assert_int_equal(fakehost_fact_count(p, "hops"), 3);
	assert_non_null(strstr(fakehost_fact_str_nth(p, "hops", 0), "/to/two"));
	assert_non_null(strstr(fakehost_fact_str_nth(p, "hops", 1), "\"status\":302"));
	assert_non_null(strstr(fakehost_fact_str_nth(p, "hops", 2), "\"status\":200"));
	assert_string_equal(fakehost_gate_key(fh), "localhost");
	p = RUN(AT("/to/two"), "follow", "no");
	expect_body(p, 302, NULL);
	assert_int_equal(fakehost_fact_int(p, "redirects"), 0);
	assert_true(fakehost_fact_int(p, "body.bytes") > 0);
}

static void methods_change_as_the_rfc_says(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN(AT("/to/show301"), "body", "x");
	expect_body(p, 200, NULL);
	assert_memory_equal(fakehost_body(p, NULL), "GET|", 4);
	p = RUN(AT("/to/show303"), "method", "PUT", "body", "x");
	assert_memory_equal(fakehost_body(p, NULL), "GET|", 4);
	p = RUN(AT("/to/show307"), "body", "x");
	assert_memory_equal(fakehost_body(p, NULL), "POST|", 5);
	expect_body(RUN(AT("/to/echo308"), "body", "kept"), 200, "POST:kept");
	p = RUN(AT("/to/show301"), "method", "HEAD");
	expect_body(p, 200, "");
}

static void another_host_sees_no_credentials(void **state)
{
	(void)state;
	char expected[256];
	struct fakehost_probe *p = RUN(AT("/to/other"), "auth", "bearer", "token", "secret", "header.X-One", "1", "header.Cookie",
	                               "a=b", "header.Host", "localhost");
	snprintf(expected, sizeof(expected), "GET||1|||other.test:%u|probed||HTTP/1.1|", other);
	expect_body(p, 200, expected);
	assert_string_equal(fakehost_gate_key(fh), "other.test");
	p = RUN(AT("/to/show301"), "auth", "bearer", "token", "secret");
	assert_non_null(strstr(fakehost_body(p, NULL), "Bearer secret"));
}

static void redirects_that_lead_nowhere(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN(AT("/loop"), "max_redirects", "3");
	expect_error(p, PROBED_REASON_PROTOCOL, "more than 3 redirects");
	assert_int_equal(fakehost_fact_count(p, "hops"), 4);
	assert_int_equal(fakehost_fact_int(p, "redirects"), 3);
	expect_error(RUN(AT("/to/unknown")), PROBED_REASON_RESOLVE, "nowhere.test");
	expect_error(RUN(AT("/to/ftp")), PROBED_REASON_PROTOCOL, "ftp://other.test/");
}

static void the_gate_can_hold_a_hop_up(void **state)
{
	(void)state;
	fakehost_gate(fh, SECOND / 10);
	struct fakehost_probe *p =
		fakehost_probe(fh, "http", PAIRS("url", AT("/to/page")), SECOND / 2);
	assert_true(fakehost_run_until_done(p, 5));
	assert_int_equal(fakehost_reason(p), PROBED_REASON_TIMEOUT);
	fakehost_gate(fh, 0);
}

static void each_hop_waits_at_its_gate(void **state)
{
	(void)state;
	unsigned before = fakehost_gate_count(fh);
	expect_body(RUN(AT("/page.html")), 200, "<h1>Welcome</h1>\n");
	assert_int_equal(fakehost_gate_count(fh) - before, 0); /* the core has asked for the first request */
	expect_body(RUN(AT("/to/two")), 200, "<h1>Welcome</h1>\n");
	assert_int_equal(fakehost_gate_count(fh) - before, 2);
	fakehost_gate_next(fh, SECOND / 20, 2);
	struct fakehost_probe *p = RUN(AT("/to/other"));
	expect_body(p, 200, NULL);
	assert_true(fakehost_phase(p, PROBED_PHASE_WAIT) >= SECOND / 10);
	assert_int_equal(fakehost_gate_count(fh) - before, 5); /* refused twice, and let go */
	assert_string_equal(fakehost_gate_key(fh), "other.test");
}

static void cookies_last_for_a_probe_or_a_session(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN(AT("/login"));
	assert_non_null(strstr(fakehost_body(p, NULL), "|sid=42|"));
	p = RUN(AT("/show"));
	assert_null(strstr(fakehost_body(p, NULL), "sid"));

	struct fakehost_session *one = fakehost_session(fh, "http"), *two = fakehost_session(fh, "http");
	struct fakehost_target *login = fakehost_target(fh, "http", PAIRS("url", AT("/login"), "reuse", "yes"), 0);
	struct fakehost_target *show = fakehost_target(fh, "http", PAIRS("url", AT("/show"), "reuse", "yes"), 0);
	p = fakehost_start(login, one);
	assert_true(fakehost_run_until_done(p, 5));
	p = fakehost_start(show, one);
	assert_true(fakehost_run_until_done(p, 5));
	assert_non_null(strstr(fakehost_body(p, NULL), "|sid=42|"));
	assert_int_equal(fakehost_phase(p, PROBED_PHASE_TLS), -1);
	p = fakehost_start(show, two);
	assert_true(fakehost_run_until_done(p, 5));
	assert_null(strstr(fakehost_body(p, NULL), "sid"));
	fakehost_session_free(one);
	fakehost_session_free(two);
}

/* --- versions and TLS ---------------------------------------------------------------------------- */

static void http2_with_and_without_tls(void **state)
{
	(void)state;
	struct fakehost_probe *p = RUN(url_of("https", "localhost", tls_good, "/show"), "tls.ca", servers_file("ca.pem"));
	expect_body(p, 200, NULL);
	assert_string_equal(fakehost_fact_str(p, "version"), "2");
	assert_string_equal(fakehost_fact_str(p, "tls.alpn"), "h2");
	assert_non_null(strstr(fakehost_body(p, NULL), "HTTP/2.0"));
	p = RUN(url_of("https", "localhost", tls_good, "/show"), "tls.ca", servers_file("ca.pem"), "http_version", "1.1");
	assert_string_equal(fakehost_fact_str(p, "version"), "1.1");
	p = RUN(url_of("http", "localhost", h2c, "/page.html"), "http_version", "2-prior");
	expect_body(p, 200, "<h1>Welcome</h1>\n");
	assert_string_equal(fakehost_fact_str(p, "version"), "2");
	p = RUN(url_of("http", "localhost", h2c, "/page.html"));
	assert_int_equal(fakehost_outcome(p), PROBED_ERROR);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_PROTOCOL);
}

static void a_good_certificate_has_all_its_facts(void **state)
{
	(void)state;
	const char *url = url_of("https", "localhost", tls_good, "/page.html");
	struct fakehost_probe *p = RUN(url, "tls.ca", servers_file("ca.pem"));
	expect_body(p, 200, "<h1>Welcome</h1>\n");
	assert_int_equal(fakehost_fact_int(p, "cert.valid"), 1);
	int64_t left = fakehost_fact_int(p, "cert.expires"), day = 86400 * SECOND;
	assert_true(left > 90 * day - 3600 * SECOND && left <= 90 * day);
	assert_string_equal(fakehost_fact_str(p, "cert.subject"), "CN=localhost,O=Probe Tests");
	assert_string_equal(fakehost_fact_str(p, "tls.version"), "TLSv1.3");
	assert_int_equal(fakehost_fact_count(p, "cert.sans"), 4);
	assert_true(fakehost_phase(p, PROBED_PHASE_TLS) > 0);
	/* not by the system's CAs */
	p = RUN(url);
	expect_error(p, PROBED_REASON_TLS, "certificate");
	assert_int_equal(fakehost_fact_int(p, "cert.valid"), 0);
}

static void a_bad_certificate_is_an_error_with_its_facts(void **state)
{
	(void)state;
	const struct {
		uint16_t port;
		const char *why;
	} bad[] = {
		{ tls_expired, "expired" },
		{ tls_self, "self-signed" },
		{ tls_wrong, "it is for elsewhere.test, not for localhost" },
	};
	for (size_t i = 0; i < 3; i++) {
		const char *url = url_of("https", "localhost", bad[i].port, "/");
		struct fakehost_probe *p = RUN(url, "tls.ca", servers_file("ca.pem"));
		expect_error(p, PROBED_REASON_TLS, bad[i].why);
		assert_int_equal(fakehost_fact_int(p, "cert.valid"), 0);
		assert_non_null(strstr(fakehost_fact_str(p, "cert.reason"), bad[i].why));
		assert_true((fakehost_fact_int(p, "cert.expires") < 0) == (i == 0));
		assert_false(fakehost_has_fact(p, "status"));

		p = RUN(url, "tls.ca", servers_file("ca.pem"), "tls.verify", "no");
		expect_body(p, 200, NULL);
		assert_int_equal(fakehost_fact_int(p, "cert.valid"), 0);
		assert_non_null(strstr(fakehost_fact_str(p, "cert.reason"), bad[i].why));
	}
	/* the name asked for can be another, and is what the server sees */
	expect_body(RUN(url_of("https", "localhost", tls_wrong, "/"), "tls.ca", servers_file("ca.pem"), "tls.servername",
	                "elsewhere.test"),
	            200, "elsewhere.test");
}

static void a_client_certificate_is_shown(void **state)
{
	(void)state;
	const char *url = url_of("https", "127.0.0.1", tls_good, "/show");
	struct fakehost_probe *p = RUN(url, "tls.ca", servers_file("ca.pem"), "tls.cert", servers_file("client.pem"),
	                               "tls.key", servers_file("client.key"));
	assert_non_null(strstr(fakehost_body(p, NULL), "|SUCCESS|"));
	p = RUN(url, "tls.ca", servers_file("ca.pem"));
	assert_non_null(strstr(fakehost_body(p, NULL), "|NONE|"));
}

static void kept_connections_are_used_again(void **state)
{
	(void)state;
	struct fakehost_target *t = fakehost_target(
		fh, "http",
		PAIRS("url", url_of("https", "localhost", tls_good, "/page.html"), "tls.ca", servers_file("ca.pem"), "reuse", "yes"),
		0);
	struct fakehost_probe *p = fakehost_start(t, NULL);
	assert_true(fakehost_run_until_done(p, 5));
	assert_true(fakehost_phase(p, PROBED_PHASE_TLS) > 0);
	for (int i = 0; i < 3; i++) {
		p = fakehost_start(t, NULL);
		assert_true(fakehost_run_until_done(p, 5));
		expect_body(p, 200, "<h1>Welcome</h1>\n");
		assert_int_equal(fakehost_phase(p, PROBED_PHASE_TLS), -1);
		assert_int_equal(fakehost_fact_int(p, "cert.valid"), 1);
		assert_string_equal(fakehost_fact_str(p, "tls.alpn"), "h2");
	}
}

static void over_ipv6(void **state)
{
	(void)state;
	if (!have_ipv6())
		skip();
	struct fakehost_probe *p = RUN(url_of("http", "[::1]", plain6, "/page.html"));
	expect_body(p, 200, "<h1>Welcome</h1>\n");
	assert_string_equal(fakehost_fact_str(p, "ip"), "::1");
	assert_int_equal(fakehost_fact_int(p, "family"), 6);
	fakehost_name(fh, "both.test", "127.0.0.1");
	fakehost_name(fh, "both.test", "::1");
	/* refused on the first address, answered on the second */
	p = RUN(url_of("http", "both.test", plain6, "/page.html"));
	expect_body(p, 200, NULL);
	assert_string_equal(fakehost_fact_str(p, "ip"), "::1");
	expect_error(RUN(url_of("http", "both.test", plain6, "/"), "family", "4"), PROBED_REASON_REFUSED, "127.0.0.1");
}

static void a_silent_address_leaves_time_for_the_next(void **state)
{
	(void)state;
	struct silence silent;
	if (!silence_begin(&silent, "127.0.0.2", plain))
		skip();
	fakehost_name(fh, "half.test", "127.0.0.2");
	fakehost_name(fh, "half.test", "127.0.0.1");
	struct fakehost_probe *p =
		fakehost_probe(fh, "http", PAIRS("url", url_of("http", "half.test", plain, "/page.html")), SECOND);
	assert_true(fakehost_run_until_done(p, 5));
	expect_body(p, 200, "<h1>Welcome</h1>\n");
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
	assert_true(fakehost_phase(p, PROBED_PHASE_CONNECT) > SECOND * 4 / 10);
	silence_end(&silent);
}

/* --- what goes wrong ----------------------------------------------------------------------------- */

static void errors_have_their_reasons(void **state)
{
	(void)state;
	static const struct {
		server_fn fn;
		const char *arg, *scheme;
		uint32_t reason;
		const char *text;
	} bad[] = {
		{ serve_close, NULL, "http", PROBED_REASON_RESET, "" },
		{ serve_reset, NULL, "http", PROBED_REASON_RESET, "" },
		{ serve_after_request, "", "http", PROBED_REASON_RESET, "without an answer" },
		{ serve_after_request, "SSH-2.0-OpenSSH\r\n\r\n", "http", PROBED_REASON_PROTOCOL, "HTTP/0.9" },
		{ serve_at_once, "\001\002\003garbage\r\n\r\n", "http", PROBED_REASON_PROTOCOL, "" },
		{ serve_after_request, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "http", PROBED_REASON_RESET, "5 bytes" },
		{ serve_after_request, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "http", PROBED_REASON_RESET, "" },
		{ serve_endless_headers, NULL, "http", PROBED_REASON_PROTOCOL, "headers" },
		{ serve_at_once, "HTTP/1.1 400 no\r\n\r\n", "https", PROBED_REASON_TLS, "speak TLS" },
		{ serve_close, NULL, "https", PROBED_REASON_RESET, "" },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct server s = server_start(4, bad[i].fn, bad[i].arg);
		expect_error(RUN(url_of(bad[i].scheme, "127.0.0.1", s.port, "/")), bad[i].reason, bad[i].text);
		server_stop(&s);
	}
	expect_error(RUN(url_of("http", "127.0.0.1", port_free(), "/")), PROBED_REASON_REFUSED, "127.0.0.1");
	expect_error(RUN("http://nowhere.test/"), PROBED_REASON_RESOLVE, "nowhere.test");
	if (have_ipv6())
		expect_error(RUN("http://[fe80::1]:9/"), PROBED_REASON_UNREACHABLE, "fe80::1");
}

static void a_stall_is_a_timeout_in_its_phase(void **state)
{
	(void)state;
	const struct {
		server_fn fn;
		const char *arg, *scheme;
		uint32_t phase;
	} stalls[] = {
		{ serve_hang, NULL, "http", PROBED_PHASE_WAIT },
		{ serve_hang, NULL, "https", PROBED_PHASE_TLS },
		{ serve_tls_hang, "good", "https", PROBED_PHASE_WAIT },
		{ serve_at_once, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive.", "http", PROBED_PHASE_RECEIVE },
	};
	for (size_t i = 0; i < sizeof(stalls) / sizeof(stalls[0]); i++) {
		struct server s = server_start(4, stalls[i].fn, stalls[i].arg);
		struct fakehost_probe *p = fakehost_probe(
			fh, "http", PAIRS("url", url_of(stalls[i].scheme, "127.0.0.1", s.port, "/"), "tls.verify", "no"), SECOND);
		int64_t from = fakehost_now(fh);
		assert_true(fakehost_run_until_done(p, 5));
		assert_true(fakehost_now(fh) - from < 2 * SECOND);
		assert_int_equal(fakehost_reason(p), PROBED_REASON_TIMEOUT);
		if (fakehost_phase(p, stalls[i].phase) < SECOND / 8) {
			fakehost_print(p);
			fail_msg("stall %zu: expected to be in phase %u", i, stalls[i].phase);
		}
		server_stop(&s);
	}
}

static void slow_bytes_are_one_answer(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_bytewise, "HTTP/1.1 200 Fine\r\nX-A: b\r\nContent-Length: 5\r\n\r\nslow!");
	struct fakehost_probe *p = RUN(url_of("http", "127.0.0.1", s.port, "/"));
	expect_body(p, 200, "slow!");
	assert_string_equal(fakehost_fact_str(p, "header.x-a"), "b");
	server_stop(&s);
}

static void a_gibibyte_is_cut_at_the_limit(void **state)
{
	(void)state;
	struct server s = server_start(4, serve_flood, NULL);
	struct fakehost_probe *p = RUN(url_of("http", "127.0.0.1", s.port, "/"));
	expect_body(p, 200, NULL);
	assert_int_equal(fakehost_fact_int(p, "body.truncated"), 1);
	assert_int_equal(fakehost_fact_int(p, "body.bytes"), 10 * 1024 * 1024);
	p = RUN(url_of("http", "127.0.0.1", s.port, "/"), "body_limit", "1000B");
	assert_int_equal(fakehost_fact_int(p, "body.bytes"), 1000);
	size_t len;
	fakehost_body(p, &len);
	assert_int_equal(len, 1000);
	server_stop(&s);
}

static void bad_options_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *key, *value, *text;
	} bad[] = {
		{ "url", "ftp://x/", "url" },
		{ "url", "http://", "url" },
		{ "url", "http:///h", "url" },
		{ "auth", "basic", "needs user" },
		{ "auth", "bearer", "needs token" },
		{ "header.Bad Name", "x", "header" },
		{ "tls.key", "/k", "tls.cert" },
		{ "http_version", "3", "http_version" },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *error = fakehost_target_error(
			fh, "http", i < 3 ? PAIRS("url", bad[i].value) : PAIRS("url", "http://h/", bad[i].key, bad[i].value));
		if (!error || !strstr(error, bad[i].text))
			fail_msg("%s = %s: expected \"%s\", got \"%s\"", bad[i].key, bad[i].value, bad[i].text,
			         error ? error : "nothing");
	}
	assert_null(fakehost_target_error(fh, "http", PAIRS("url", "https://user:pw@h:8443/a?b#c", "body", "@/not/there")));
}

/* --- nothing is left ------------------------------------------------------------------------------ */

static void a_cancel_at_any_moment_leaves_nothing(void **state)
{
	(void)state;
	struct fakehost_target *targets[] = {
		fakehost_target(fh, "http", PAIRS("url", url_of("https", "localhost", tls_good, "/to/two"), "tls.ca",
	                                          servers_file("ca.pem")), 0),
		fakehost_target(fh, "http", PAIRS("url", AT("/later")), 0),
	};
	struct fakehost_probe *p;
	for (int i = 0; i < 40; i++) {
		p = fakehost_start(targets[i % 2], NULL);
		for (int turns = 0; turns < 5 * i && !fakehost_done(p); turns++) {
			fakehost_turn(fh);
			usleep(20);
		}
		fakehost_cancel(p);
	}
	struct fakehost_ledger before = fakehost_ledger(fh);
	for (int k = 0; k <= 200; k++) {
		p = fakehost_start(targets[k % 5 == 4], NULL);
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
	fakehost_check_same(fh, &before, 65536);
}

static void many_at_once(void **state)
{
	(void)state;
	enum { N = 300 };
	struct fakehost_probe *probes[N];
	struct fakehost_target *t = fakehost_target(fh, "http", PAIRS("url", AT("/slow")), 20 * SECOND);
	for (int i = 0; i < N; i++)
		probes[i] = fakehost_start(t, NULL);
	for (int i = 0; i < N; i++) {
		assert_true(fakehost_run_until_done(probes[i], 20));
		expect_body(probes[i], 200, "late\n");
	}
}

static void many_probes_leave_nothing(void **state)
{
	(void)state;
	struct fakehost_target *t = fakehost_target(fh, "http", PAIRS("url", AT("/to/page")), 0);
	struct fakehost_ledger before = { 0 };
	for (int i = 0; i < 300; i++) {
		struct fakehost_probe *p = fakehost_start(t, NULL);
		assert_true(fakehost_run_until_done(p, 5));
		expect_body(p, 200, NULL);
		if (i == 50)
			before = fakehost_ledger(fh);
	}
	fakehost_check_same(fh, &before, 2048);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_has_its_facts),
		TEST(bodies_and_methods),
		TEST(the_request_says_what_was_configured),
		TEST(repeated_headers_are_joined),
		TEST(an_overload_is_told),
		TEST(auth_basic_and_digest),
		TEST(redirects_are_followed_hop_by_hop),
		TEST(methods_change_as_the_rfc_says),
		TEST(another_host_sees_no_credentials),
		TEST(redirects_that_lead_nowhere),
		TEST(the_gate_can_hold_a_hop_up),
		TEST(each_hop_waits_at_its_gate),
		TEST(cookies_last_for_a_probe_or_a_session),
		TEST(http2_with_and_without_tls),
		TEST(a_good_certificate_has_all_its_facts),
		TEST(a_bad_certificate_is_an_error_with_its_facts),
		TEST(a_client_certificate_is_shown),
		TEST(kept_connections_are_used_again),
		TEST(over_ipv6),
		TEST(a_silent_address_leaves_time_for_the_next),
		TEST(errors_have_their_reasons),
		TEST(a_stall_is_a_timeout_in_its_phase),
		TEST(slow_bytes_are_one_answer),
		TEST(a_gibibyte_is_cut_at_the_limit),
		TEST(bad_options_are_refused),
		TEST(a_cancel_at_any_moment_leaves_nothing),
		TEST(many_at_once),
		TEST(many_probes_leave_nothing),
	};
	return cmocka_run_group_tests_name("http", tests, group_setup, group_teardown);
}
