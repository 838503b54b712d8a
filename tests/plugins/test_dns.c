/* SPDX-License-Identifier: Apache-2.0 */
/* test_dns.c - the dns driver against a real knotd, and against a server that misbehaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fakehost/fakehost.h"
#include "child.h"
#include "dns_faults.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

static struct child knot, faulty;
static struct dns_faults faults;
static char v4[32], v6[32], fault[32], nobody[32];
static struct fakehost *fh;

static const char zone[] =
	"$ORIGIN example.test.\n"
	"$TTL 300\n"
	"@ SOA ns hostmaster 2026112101 3600 600 86400 120\n"
	"@ NS ns\n"
	"@ 600 MX 10 mail\n"
	"ns A 127.0.0.1\n"
	"www 60 A 192.0.2.1\n"
	"www 60 A 192.0.2.2\n"
	"www AAAA 2001:db8::1\n"
	"mail A 192.0.2.3\n"
	"alias 300 CNAME www\n"
	"txt TXT \"hello world\"\n"
	"odd TYPE65280 \\# 4 0a000001\n";

static const char conf[] =
	"server:\n"
	"    rundir: %1$s\n"
	"    listen: [ 127.0.0.1@%2$u, ::1@%2$u ]\n"
	"    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n"
	"database:\n    storage: %1$s\n"
	"log:\n  - target: stdout\n    any: info\n"
	"zone:\n  - domain: example.test\n    storage: %1$s\n    file: zone\n";

/* A TXT set of some 4 KiB: truncated over UDP. */
static void write_zone(const struct child *c)
{
	char text[16384];
	size_t len = (size_t)snprintf(text, sizeof text, "%s", zone);
	for (int i = 0; i < 20; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "big TXT \"%02d%0200d\"\n", i, 0);
	child_write(c, "zone", "%s", text);
}

static int start_servers(void **state)
{
	(void)state;
	uint16_t port = free_port();
	snprintf(v4, sizeof v4, "127.0.0.1:%u", port);
	snprintf(v6, sizeof v6, "[::1]:%u", port);
	child_init(&knot);
	write_zone(&knot);
	child_write(&knot, "conf", conf, knot.dir, port);
	child_exec(&knot, (const char *[]){ "knotd", "-c", "conf", NULL });
	if (child_wait_for(&knot, "server started"))
		return -1;
	dns_faults_open(&faults);
	snprintf(fault, sizeof fault, "127.0.0.1:%u", faults.port);
	child_init(&faulty);
	child_fork(&faulty, dns_faults_serve, &faults);
	dns_faults_close(&faults);
	snprintf(nobody, sizeof nobody, "127.0.0.1:%u", free_port());
	return 0;
}

static int stop_servers(void **state)
{
	(void)state;
	child_free(&knot);
	child_free(&faulty);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	fh = fakehost_new("dns", 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fakehost_free(fh);
	return 0;
}

static struct fakehost_probe *ask(const char *server, const char *name, const char *type, const char *more,
                                  const char *value)
{
	struct fakehost_probe *p = fakehost_probe(
		fh, "dns", (const char *[]){ "server", server, "name", name, "type", type, more, value, NULL }, 2 * SECOND);
	assert_true(fakehost_run_until_done(p, 10));
	return p;
}

static struct fakehost_probe *ask_ok(const char *server, const char *name, const char *type, const char *more,
                                     const char *value)
{
	struct fakehost_probe *p = ask(server, name, type, more, value);
	assert_string_equal(fakehost_message(p), "");
	assert_int_equal(fakehost_outcome(p), PROBED_OK);
	return p;
}

static void assert_error(struct fakehost_probe *p, uint32_t reason, const char *message)
{
	assert_int_equal(fakehost_outcome(p), PROBED_ERROR);
	if (!strstr(fakehost_message(p), message))
		fail_msg("expected \"%s\", got \"%s\"", message, fakehost_message(p));
	assert_int_equal(fakehost_reason(p), reason);
}

static bool has_answer(const struct fakehost_probe *p, const char *text)
{
	for (size_t i = 0; i < fakehost_fact_count(p, "answer"); i++)
		if (!strcmp(fakehost_fact_str_nth(p, "answer", i), text))
			return true;
	return false;
}

/* --- against knotd ------------------------------------------------------------------------------ */

static void address_records(void **state)
{
	(void)state;
	struct fakehost_probe *p = ask_ok(v4, "www.example.test", "A", NULL, NULL);
	assert_string_equal(fakehost_fact_str(p, "rcode"), "NOERROR");
	assert_int_equal(fakehost_fact_int(p, "rcode.value"), 0);
	assert_string_equal(fakehost_fact_str(p, "flags"), "qr aa rd");
	assert_int_equal(fakehost_fact_int(p, "aa"), 1);
	assert_int_equal(fakehost_fact_int(p, "tc"), 0);
	assert_int_equal(fakehost_fact_int(p, "rd"), 1);
	assert_int_equal(fakehost_fact_int(p, "ra"), 0);
	assert_int_equal(fakehost_fact_int(p, "ad"), 0);
	assert_int_equal(fakehost_fact_int(p, "answer.count"), 2);
	assert_int_equal(fakehost_fact_int(p, "authority.count"), 0);
	assert_int_equal(fakehost_fact_int(p, "additional.count"), 0);
	assert_int_equal(fakehost_fact_count(p, "answer"), 2);
	assert_true(has_answer(p, "192.0.2.1"));
	assert_true(has_answer(p, "192.0.2.2"));
	assert_int_equal(fakehost_fact_int(p, "answer.ttl"), 60 * SECOND);
	assert_string_equal(fakehost_fact_str(p, "transport"), "udp");
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
	assert_int_equal(fakehost_fact_int(p, "family"), 4);
	/* header 12, question 22, EDNS 11; the answer adds two records of 16 */
	assert_int_equal(fakehost_fact_int(p, "bytes.out"), 45);
	assert_int_equal(fakehost_fact_int(p, "bytes.in"), 77);
	assert_in_range(fakehost_fact_int(p, "rtt"), 1, 2 * SECOND);
	assert_false(fakehost_has_fact(p, "serial"));
	assert_true(fakehost_phase(p, PROBED_PHASE_WAIT) > 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_CONNECT) < 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_RESOLVE) < 0);
	size_t len;
	assert_non_null(strstr(fakehost_body(p, &len), "www.example.test.\t60\tIN\tA\t192.0.2.1\n"));
}

static void other_records(void **state)
{
	(void)state;
	assert_string_equal(fakehost_fact_str(ask_ok(v4, "www.example.test", "AAAA", NULL, NULL), "answer"), "2001:db8::1");
	assert_string_equal(fakehost_fact_str(ask_ok(v4, "example.test", "mx", NULL, NULL), "answer"),
	                    "10 mail.example.test.");
	assert_string_equal(fakehost_fact_str(ask_ok(v4, "txt.example.test.", "TXT", NULL, NULL), "answer"),
	                    "\"hello world\"");
	assert_string_equal(fakehost_fact_str(ask_ok(v4, "odd.example.test", "TYPE65280", NULL, NULL), "answer"),
	                    "\\# 4 0a000001");
}

static void serial_of_a_zone(void **state)
{
	(void)state;
	struct fakehost_probe *p = ask_ok(v4, "example.test", "SOA", NULL, NULL);
	assert_int_equal(fakehost_fact_int(p, "serial"), 2026112101);
	assert_int_equal(fakehost_fact_int(p, "answer.ttl"), 300 * SECOND);
	p = ask_ok(v4, "nowhere.example.test", "A", NULL, NULL);
	assert_int_equal(fakehost_fact_int(p, "serial"), 2026112101);
}

static void alias_is_followed_and_has_the_least_ttl(void **state)
{
	(void)state;
	struct fakehost_probe *p = ask_ok(v4, "alias.example.test", "A", NULL, NULL);
	assert_int_equal(fakehost_fact_int(p, "answer.count"), 3);
	assert_string_equal(fakehost_fact_str_nth(p, "answer", 0), "www.example.test.");
	assert_int_equal(fakehost_fact_int(p, "answer.ttl"), 60 * SECOND);
}

static void missing_names_and_foreign_zones_have_their_code(void **state)
{
	(void)state;
	struct fakehost_probe *p = ask_ok(v4, "nowhere.example.test", "A", NULL, NULL);
	assert_string_equal(fakehost_fact_str(p, "rcode"), "NXDOMAIN");
	assert_int_equal(fakehost_fact_int(p, "rcode.value"), 3);
	assert_int_equal(fakehost_fact_int(p, "authority.count"), 1);
	assert_false(fakehost_has_fact(p, "answer"));
	assert_false(fakehost_has_fact(p, "answer.ttl"));
	p = ask_ok(v4, "example.org", "A", NULL, NULL);
	assert_string_equal(fakehost_fact_str(p, "rcode"), "REFUSED");
}

static void recursion_and_class_are_asked_as_told(void **state)
{
	(void)state;
	struct fakehost_probe *p = ask_ok(v4, "www.example.test", "A", "recurse", "no");
	assert_string_equal(fakehost_fact_str(p, "flags"), "qr aa");
	assert_int_equal(fakehost_fact_int(p, "rd"), 0);
	p = ask_ok(v4, "version.bind", "TXT", "class", "CH");
	assert_non_null(strstr(fakehost_fact_str(p, "answer"), "Knot DNS"));
}

static void over_ipv6(void **state)
{
	(void)state;
	struct fakehost_probe *p = ask_ok(v6, "www.example.test", "A", NULL, NULL);
	assert_string_equal(fakehost_fact_str(p, "ip"), "::1");
	assert_int_equal(fakehost_fact_int(p, "family"), 6);
	p = ask_ok(v6, "www.example.test", "A", "transport", "tcp");
	assert_string_equal(fakehost_fact_str(p, "ip"), "::1");
}

static void over_tcp(void **state)
{
	(void)state;
	struct fakehost_probe *p = ask_ok(v4, "www.example.test", "A", "transport", "tcp");
	assert_string_equal(fakehost_fact_str(p, "transport"), "tcp");
	assert_int_equal(fakehost_fact_int(p, "answer.count"), 2);
	assert_int_equal(fakehost_fact_int(p, "bytes.out"), 47);
	assert_int_equal(fakehost_fact_int(p, "bytes.in"), 79);
	assert_true(fakehost_phase(p, PROBED_PHASE_CONNECT) >= 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_SEND) >= 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_WAIT) >= 0);
	assert_true(fakehost_phase(p, PROBED_PHASE_RECEIVE) >= 0);
}

static void truncated_answer_is_had_over_tcp(void **state)
{
	(void)state;
	struct fakehost_probe *p = ask_ok(v4, "big.example.test", "TXT", NULL, NULL);
	assert_string_equal(fakehost_fact_str(p, "transport"), "tcp");
	assert_int_equal(fakehost_fact_int(p, "answer.count"), 20);
	assert_int_equal(fakehost_fact_int(p, "tc"), 0);
	assert_true(fakehost_fact_int(p, "bytes.in") > 4000);
	p = ask_ok(v4, "big.example.test", "TXT", "transport", "udp");
	assert_string_equal(fakehost_fact_str(p, "transport"), "udp");
	assert_int_equal(fakehost_fact_int(p, "tc"), 1);
}

static void edns_size_is_the_option(void **state)
{
	(void)state;
	struct fakehost_probe *p = ask_ok(v4, "www.example.test", "A", "udp_size", "0B");
	assert_int_equal(fakehost_fact_int(p, "bytes.out"), 34);
	assert_int_equal(fakehost_fact_int(p, "bytes.in"), 66);
}

static void server_by_name(void **state)
{
	(void)state;
	char server[64];
	snprintf(server, sizeof server, "dns.test:%s", strchr(v4, ':') + 1);
	fakehost_name(fh, "dns.test", "::1");
	fakehost_name(fh, "dns.test", "127.0.0.1");
	struct fakehost_probe *p = ask_ok(server, "www.example.test", "A", "family", "4");
	assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
	assert_true(fakehost_phase(p, PROBED_PHASE_RESOLVE) >= 0);
	p = ask_ok(server, "www.example.test", "A", "family", "6");
	assert_string_equal(fakehost_fact_str(p, "ip"), "::1");
	assert_error(ask("nobody.test", "www.example.test", "A", NULL, NULL), PROBED_REASON_RESOLVE, "nobody.test: ");
}

static void unreachable_address_gives_way_to_the_next(void **state)
{
	(void)state;
	char server[64];
	/* the faulty server has no IPv6 */
	snprintf(server, sizeof server, "dns.test:%s", strchr(fault, ':') + 1);
	fakehost_name(fh, "dns.test", "::1");
	fakehost_name(fh, "dns.test", "127.0.0.1");
	assert_string_equal(fakehost_fact_str(ask_ok(server, "fine.test", "A", NULL, NULL), "ip"), "127.0.0.1");
	assert_string_equal(fakehost_fact_str(ask_ok(server, "fine.test", "A", "transport", "tcp"), "ip"), "127.0.0.1");
}

static void templated_name(void **state)
{
	(void)state;
	fakehost_render(fh, "{{host}}.example.test", "mail.example.test");
	struct fakehost_probe *p = ask_ok(v4, "{{host}}.example.test", "A", NULL, NULL);
	assert_string_equal(fakehost_fact_str(p, "answer"), "192.0.2.3");
	fakehost_render(fh, "{{bad}}", "a..b");
	assert_error(ask(v4, "{{bad}}", "A", NULL, NULL), PROBED_REASON_INTERNAL, "\"a..b\" is not a domain name");
	assert_error(ask(v4, "{{unknown}}", "A", NULL, NULL), PROBED_REASON_INTERNAL, "template");
}

static void thousand_at_once(void **state)
{
	(void)state;
	enum { N = 1000 };
	static struct fakehost_probe *p[N];
	struct fakehost_target *t = fakehost_target(
		fh, "dns", (const char *[]){ "server", v4, "name", "www.example.test", NULL }, 10 * SECOND);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < N / 10; i++)
			p[round * (N / 10) + i] = fakehost_start(t, NULL);
		for (int i = 0; i < N / 10; i++)
			assert_true(fakehost_run_until_done(p[round * (N / 10) + i], 10));
	}
	for (int i = 0; i < N; i++)
		assert_int_equal(fakehost_fact_int(p[i], "answer.count"), 2);
	/* the sockets of old ports are gone */
	assert_int_equal(fakehost_ledger(fh).watches, 1);
}

/* --- against the faulty server ------------------------------------------------------------------ */

static void false_answers_are_ignored(void **state)
{
	(void)state;
	static const char *const names[] = { "wrongid.test", "wrongname.test", "wrongtype.test", "notanswer.test", "tiny.test",
					     "twice.test",   "fine.test" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_string_equal(fakehost_fact_str(ask_ok(fault, names[i], "A", NULL, NULL), "answer"), "192.0.2.7");
}

static void malformed_answers_are_errors(void **state)
{
	(void)state;
	static const char *const names[] = { "loop.test", "cutrecord.test", "cutquestion.test", "manycounts.test" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_error(ask(fault, names[i], "A", NULL, NULL), PROBED_REASON_PROTOCOL, "malformed answer: ");
		assert_error(ask(fault, names[i], "A", "transport", "tcp"), PROBED_REASON_PROTOCOL, "malformed answer: ");
	}
}

static void case_of_the_question_does_not_matter(void **state)
{
	(void)state;
	assert_string_equal(fakehost_fact_str(ask_ok(fault, "upper.test", "A", NULL, NULL), "answer"), "192.0.2.7");
}

static void refusal_without_a_question_is_an_answer(void **state)
{
	(void)state;
	assert_string_equal(fakehost_fact_str(ask_ok(fault, "noquestion.test", "A", NULL, NULL), "rcode"), "REFUSED");
}

static struct fakehost_probe *ask_briefly(const char *server, const char *name, const char *transport)
{
	struct fakehost_probe *p = fakehost_probe(
		fh, "dns", (const char *[]){ "server", server, "name", name, "transport", transport, NULL }, 200 * MS);
	assert_true(fakehost_run_until_done(p, 5));
	return p;
}

static void silence_and_answers_from_elsewhere_time_out(void **state)
{
	(void)state;
	assert_int_equal(fakehost_reason(ask_briefly(fault, "never.test", "auto")), PROBED_REASON_TIMEOUT);
	assert_int_equal(fakehost_reason(ask_briefly(fault, "never.test", "tcp")), PROBED_REASON_TIMEOUT);
	assert_int_equal(fakehost_reason(ask_briefly(fault, "otherport.test", "auto")), PROBED_REASON_TIMEOUT);
	assert_int_equal(fakehost_reason(ask_briefly(fault, "empty.test", "auto")), PROBED_REASON_TIMEOUT);
}

static void lost_query_is_sent_again_where_asked(void **state)
{
	(void)state;
	struct fakehost_probe *p = fakehost_probe(
		fh, "dns", (const char *[]){ "server", fault, "name", "third.test", "retries", "4", NULL }, SECOND);
	assert_true(fakehost_run_until_done(p, 5));
	assert_int_equal(fakehost_outcome(p), PROBED_OK);
	assert_int_equal(fakehost_fact_int(p, "bytes.out"), 3 * 39);
}

static void answer_a_byte_at_a_time(void **state)
{
	(void)state;
	struct fakehost_probe *p = ask_ok(fault, "slow.test", "A", "transport", "tcp");
	assert_string_equal(fakehost_fact_str(p, "answer"), "192.0.2.7");
}

static void truncation_falls_back_on_tcp(void **state)
{
	(void)state;
	struct fakehost_probe *p = ask_ok(fault, "truncated.test", "A", NULL, NULL);
	assert_string_equal(fakehost_fact_str(p, "transport"), "tcp");
	assert_string_equal(fakehost_fact_str(p, "answer"), "192.0.2.7");
}

static void tcp_that_breaks_off(void **state)
{
	(void)state;
	assert_error(ask(fault, "short.test", "A", "transport", "tcp"), PROBED_REASON_RESET, "before its answer was whole");
	assert_error(ask(fault, "drop.test", "A", "transport", "tcp"), PROBED_REASON_RESET, "before its answer was whole");
	assert_error(ask(fault, "reset.test", "A", "transport", "tcp"), PROBED_REASON_RESET, "Connection reset by peer");
	assert_error(ask(fault, "empty.test", "A", "transport", "tcp"), PROBED_REASON_PROTOCOL, "not a DNS answer");
	assert_error(ask(fault, "half.test", "A", "transport", "tcp"), PROBED_REASON_PROTOCOL, "not a DNS answer");
	assert_error(ask(fault, "wrongid.test", "A", "transport", "tcp"), PROBED_REASON_PROTOCOL, "id is not the query's");
	assert_error(ask(fault, "wrongname.test", "A", "transport", "tcp"), PROBED_REASON_PROTOCOL, "another question");
}

static void a_gibibyte_does_no_harm(void **state)
{
	(void)state;
	assert_error(ask(fault, "flood.test", "A", "transport", "tcp"), PROBED_REASON_PROTOCOL, "not a DNS answer");
	struct fakehost_probe *p = ask_ok(fault, "floodafter.test", "A", "transport", "tcp");
	assert_string_equal(fakehost_fact_str(p, "answer"), "192.0.2.7");
	assert_true(fakehost_fact_int(p, "bytes.in") < 1000);
}

static void nobody_there_is_refused_over_udp_and_tcp(void **state)
{
	(void)state;
	assert_error(ask(nobody, "www.example.test", "A", NULL, NULL), PROBED_REASON_REFUSED, "over UDP: Connection refused");
	assert_error(ask(nobody, "www.example.test", "A", "transport", "tcp"), PROBED_REASON_REFUSED,
	             "over TCP: Connection refused");
	char server[32];
	snprintf(server, sizeof server, "[::1]:%s", strchr(nobody, ':') + 1);
	assert_error(ask(server, "www.example.test", "A", NULL, NULL), PROBED_REASON_REFUSED, "[::1]:");
}

/* Refusals of one server come in on the socket that others are asked through. */
static void refusal_hits_only_its_own_query(void **state)
{
	(void)state;
	enum { N = 200 };
	struct fakehost_probe *p[N];
	struct fakehost_target *t[2] = {
		fakehost_target(fh, "dns", (const char *[]){ "server", nobody, "name", "a.test", NULL }, 0),
		fakehost_target(fh, "dns", (const char *[]){ "server", v4, "name", "www.example.test", NULL }, 0),
	};
	for (int i = 0; i < N; i++)
		p[i] = fakehost_start(t[i % 2], NULL);
	for (int i = 0; i < N; i++) {
		assert_true(fakehost_run_until_done(p[i], 10));
		assert_int_equal(fakehost_outcome(p[i]), i % 2 ? PROBED_OK : PROBED_ERROR);
		assert_int_equal(fakehost_reason(p[i]), i % 2 ? PROBED_REASON_NONE : PROBED_REASON_REFUSED);
	}
}

/* --- letting go --------------------------------------------------------------------------------- */

static bool turned(void *ctx)
{
	int *left = ctx;
	return --*left < 0;
}

/* Cancels after each number of the loop's turns, so that every moment is met. */
static void cancel_after_turns(const char *server, const char *name, const char *transport)
{
	struct fakehost_target *t = fakehost_target(
		fh, "dns", (const char *[]){ "server", server, "name", name, "transport", transport, NULL }, 0);
	for (int turns = 0; turns < 12; turns++) {
		struct fakehost_probe *p = fakehost_start(t, NULL);
		int left = turns;
		fakehost_run_until(fh, turned, &left, 0.02);
		fakehost_cancel(p);
		assert_true(fakehost_done(p));
		struct fakehost_ledger l = fakehost_ledger(fh);
		assert_int_equal(l.lookups, 0);
		assert_in_range(l.watches, 0, 1); /* the shared UDP socket */
	}
	fakehost_target_free(t);
}

static void cancel_at_each_moment(void **state)
{
	(void)state;
	char named[64];
	snprintf(named, sizeof named, "dns.test:%s", strchr(fault, ':') + 1);
	fakehost_name(fh, "dns.test", "127.0.0.1");
	cancel_after_turns(fault, "never.test", "udp");
	cancel_after_turns(fault, "never.test", "tcp");
	cancel_after_turns(fault, "slow.test", "tcp");
	cancel_after_turns(fault, "truncated.test", "auto");
	cancel_after_turns(named, "never.test", "udp");
	fakehost_hold_lookups(fh, true);
	cancel_after_turns(named, "never.test", "udp");
}

static void nothing_piles_up(void **state)
{
	(void)state;
	static const char *const names[] = { "fine.test", "loop.test", "truncated.test", "twice.test" };
	struct fakehost_target *t[4];
	struct fakehost_ledger before = { 0 };
	for (int i = 0; i < 4; i++)
		t[i] = fakehost_target(fh, "dns", (const char *[]){ "server", fault, "name", names[i], NULL }, 0);
	for (int i = 0; i < 400; i++) {
		if (i == 40)
			before = fakehost_ledger(fh);
		assert_true(fakehost_run_until_done(fakehost_start(t[i % 4], NULL), 5));
	}
	fakehost_check_same(fh, &before, 4096);
}

/* --- options ------------------------------------------------------------------------------------ */

static void assert_refused(const char *key, const char *value, const char *message)
{
	const char *error = fakehost_target_error(
		fh, "dns", (const char *[]){ "server", "192.0.2.1", "name", "a.test", key, value, NULL });
	assert_non_null(error);
	if (!strstr(error, message))
		fail_msg("%s = %s: \"%s\", expected \"%s\"", key, value, error, message);
}

static void bad_options_are_refused(void **state)
{
	(void)state;
	assert_refused("type", "BOGUS", "type: \"BOGUS\" is not a record type");
	assert_refused("type", "AXFR", "transfers a zone");
	assert_refused("class", "XX", "class: \"XX\" is not a class");
	assert_refused("family", "6", "192.0.2.1 is an IPv4 address, but family = 6");
	assert_refused("retries", "99", "");
	assert_refused("transport", "dot", "");
	static const char *const servers[] = { "a:0", "a:x", "a:70000", "[::1", "[::1]x", ":53" };
	for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++)
		assert_non_null(fakehost_target_error(
			fh, "dns", (const char *[]){ "server", servers[i], "name", "a.test", NULL }));
	assert_non_null(fakehost_target_error(fh, "dns", (const char *[]){ "server", "a", "name", "a..b", NULL }));
	static const char *const good[] = { "a", "a:53", "192.0.2.1:53", "::1", "[::1]", "[2001:db8::1]:5353" };
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_null(fakehost_target_error(fh, "dns", (const char *[]){ "server", good[i], "name", "a.test", NULL }));
	assert_null(fakehost_target_error(fh, "dns", (const char *[]){ "name", "a.test", NULL }));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(address_records),
		TEST(other_records),
		TEST(serial_of_a_zone),
		TEST(alias_is_followed_and_has_the_least_ttl),
		TEST(missing_names_and_foreign_zones_have_their_code),
		TEST(recursion_and_class_are_asked_as_told),
		TEST(over_ipv6),
		TEST(over_tcp),
		TEST(truncated_answer_is_had_over_tcp),
		TEST(edns_size_is_the_option),
		TEST(server_by_name),
		TEST(unreachable_address_gives_way_to_the_next),
		TEST(templated_name),
		TEST(thousand_at_once),
		TEST(false_answers_are_ignored),
		TEST(malformed_answers_are_errors),
		TEST(case_of_the_question_does_not_matter),
		TEST(refusal_without_a_question_is_an_answer),
		TEST(silence_and_answers_from_elsewhere_time_out),
		TEST(lost_query_is_sent_again_where_asked),
		TEST(answer_a_byte_at_a_time),
		TEST(truncation_falls_back_on_tcp),
		TEST(tcp_that_breaks_off),
		TEST(a_gibibyte_does_no_harm),
		TEST(nobody_there_is_refused_over_udp_and_tcp),
		TEST(refusal_hits_only_its_own_query),
		TEST(cancel_at_each_moment),
		TEST(nothing_piles_up),
		TEST(bad_options_are_refused),
	};
	return cmocka_run_group_tests_name("dns", tests, start_servers, stop_servers);
}
