/* SPDX-License-Identifier: Apache-2.0 */
/* test_resolver.c - the resolver against a real name server (knotd) on a free port of the loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "plugin/resolver.h"

#define PATIENCE (20 * NS_PER_S)

static char dir[] = "/tmp/probed-resolver-XXXXXX";
static char conf[64], hosts[64];
static int port, silent;
static pid_t knotd;

static struct loop *loop;
static struct resolver *resolver;

struct answer {
	bool inside; /* resolver_ask() has not returned yet */
	unsigned calls;
	int32_t status;
	char error[300];
	char text[600]; /* "192.0.2.1 2001:db8::2" */
};

/* --- the name server ------------------------------------------------------------------------------------- */

static void put_file(const char *path, const char *text)
{
	char fresh[80];
	snprintf(fresh, sizeof fresh, "%s.new", path);
	FILE *f = fopen(fresh, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(fresh, path), 0);
}

static struct sockaddr_in loopback(uint32_t host, int at)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)at) };
	in.sin_addr.s_addr = htonl(host);
	return in;
}

static int bound(int type, uint32_t host, int at)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = loopback(host, at);
	if (bind(fd, (struct sockaddr *)&in, sizeof in)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int port_of(int fd)
{
	struct sockaddr_in in;
	socklen_t len = sizeof in;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	return ntohs(in.sin_port);
}

/* A port that is free for UDP and TCP at 127.0.0.1, and on which 127.0.0.2 takes queries and never answers. */
static void find_port(void)
{
	for (int i = 0; i < 100; i++) {
		silent = bound(SOCK_DGRAM, 0x7f000002, 0);
		port = port_of(silent);
		int udp = bound(SOCK_DGRAM, 0x7f000001, port), tcp = bound(SOCK_STREAM, 0x7f000001, port);
		if (udp >= 0)
			close(udp);
		if (tcp >= 0)
			close(tcp);
		if (udp >= 0 && tcp >= 0)
			return;
		close(silent);
	}
	fail_msg("no free port");
}

static bool answers(void)
{
	struct sockaddr_in in = loopback(0x7f000001, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = connect(fd, (struct sockaddr *)&in, sizeof in);
	close(fd);
	return !rc;
}

static void start_knotd(void)
{
	char path[80], text[1000];
	snprintf(path, sizeof path, "%s/example.zone", dir);
	put_file(path, "$ORIGIN example.\n$TTL 60\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
	               "a A 192.0.2.1\nboth A 192.0.2.2\nboth AAAA 2001:db8::2\nsix AAAA 2001:db8::6\nalias CNAME a\n"
	               "text TXT \"no address\"\nmany A 192.0.2.11\nmany A 192.0.2.12\nmany A 192.0.2.13\n");
	snprintf(text, sizeof text,
	         "server:\n  rundir: %s\n  listen: 127.0.0.1@%d\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
	         "log:\n  - target: stderr\n    any: error\n"
	         "database:\n  storage: %s\n"
	         "zone:\n  - domain: example\n    file: %s\n    zonefile-sync: -1\n    journal-content: none\n",
	         dir, port, dir, path);
	snprintf(path, sizeof path, "%s/knot.conf", dir);
	put_file(path, text);
	knotd = fork();
	assert_true(knotd >= 0);
	if (!knotd) {
		dup2(2, 1);
		execl("/usr/sbin/knotd", "knotd", "-c", path, NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000 && !answers(); i++)
		usleep(10000);
	assert_true(answers());
}

static int set_up(void **state)
{
	(void)state;
	if (access("/usr/sbin/knotd", X_OK))
		return 0;
	assert_non_null(mkdtemp(dir));
	snprintf(conf, sizeof conf, "%s/resolv.conf", dir);
	snprintf(hosts, sizeof hosts, "%s/hosts", dir);
	put_file(hosts, "127.0.0.1 localhost\n192.0.2.77 in-hosts.example\n");
	find_port();
	char text[12];
	snprintf(text, sizeof text, "%d", port);
	setenv("PROBED_RESOLV_CONF", conf, 1);
	setenv("PROBED_RESOLV_PORT", text, 1);
	setenv("PROBED_RESOLV_TRY_MS", "50", 1);
	setenv("CARES_HOSTS", hosts, 1);
	start_knotd();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (!knotd)
		return 0;
	char command[100];
	kill(knotd, SIGKILL);
	waitpid(knotd, NULL, 0);
	close(silent);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* --- asking ------------------------------------------------------------------------------------------------ */

static int begin(void **state)
{
	(void)state;
	if (!knotd)
		return 0;
	put_file(conf, "nameserver 127.0.0.1\n");
	loop = loop_new();
	resolver = resolver_new(loop);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (!knotd)
		return 0;
	resolver_free(resolver);
	loop_free(loop);
	return 0;
}

static void on_answer(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs)
{
	struct answer *a = arg;
	char ip[INET6_ADDRSTRLEN];
	size_t at = 0;
	assert_false(a->inside);
	a->calls++;
	a->status = status;
	snprintf(a->error, sizeof a->error, "%s", error ? error : "");
	for (uint32_t i = 0; i < n; i++) {
		inet_ntop(addrs[i].family == 4 ? AF_INET : AF_INET6, addrs[i].bytes, ip, sizeof ip);
		at += (size_t)snprintf(a->text + at, sizeof a->text - at, "%s%s", i ? " " : "", ip);
		if (addrs[i].scope_id)
			at += (size_t)snprintf(a->text + at, sizeof a->text - at, "%%%u", addrs[i].scope_id);
	}
	loop_stop(loop);
}

static void give_up(struct wheel_timer *t)
{
	(void)t;
	loop_stop(loop);
}

static void run_for(int64_t ns)
{
	struct wheel_timer t = { .fn = give_up };
	loop_timer_set(loop, &t, clock_now_ns() + ns);
	loop_run(loop);
	loop_timer_stop(loop, &t);
}

static struct answer ask(const char *name, uint32_t family)
{
	struct answer a = { .inside = true };
	resolver_ask(resolver, name, family, on_answer, &a);
	a.inside = false;
	run_for(PATIENCE);
	assert_int_equal(a.calls, 1);
	return a;
}

static void expect(const char *name, uint32_t family, const char *addresses)
{
	struct answer a = ask(name, family);
	assert_string_equal(a.error, "");
	assert_string_equal(a.text, addresses);
	assert_int_equal(a.status, 0);
}

static void expect_error(const char *name, uint32_t family, const char *error)
{
	struct answer a = ask(name, family);
	assert_string_equal(a.text, "");
	assert_string_equal(a.error, error);
	assert_int_not_equal(a.status, 0);
}

#define NEEDS_KNOTD()          \
	do {                   \
		(void)state;   \
		if (!knotd)    \
			skip(); \
	} while (0)

/* --- tests ------------------------------------------------------------------------------------------------- */

static void literals_answer_for_their_family(void **state)
{
	NEEDS_KNOTD();
	expect("192.0.2.9", 0, "192.0.2.9");
	expect("2001:db8::9", 6, "2001:db8::9");
	expect("fe80::1%lo", 0, "fe80::1%1");
	expect_error("192.0.2.9", 6, "192.0.2.9 is not an IPv6 address");
	expect_error("::1", 4, "::1 is not an IPv4 address");
	expect_error("fe80::1%nosuch0", 0, "fe80::1%nosuch0: there is no interface nosuch0");
}

static void names_have_their_addresses(void **state)
{
	NEEDS_KNOTD();
	expect("a.example", 0, "192.0.2.1");
	expect("a.example", 4, "192.0.2.1");
	expect("six.example", 6, "2001:db8::6");
	expect("alias.example", 4, "192.0.2.1");
	expect("both.example", 4, "192.0.2.2");
	expect("both.example", 6, "2001:db8::2");
	struct answer both = ask("both.example", 0);
	assert_non_null(strstr(both.text, "192.0.2.2"));
	assert_non_null(strstr(both.text, "2001:db8::2"));
	struct answer many = ask("many.example", 0);
	assert_int_equal(strlen(many.text), 3 * strlen("192.0.2.11") + 2);
}

static void the_hosts_file_comes_first(void **state)
{
	NEEDS_KNOTD();
	expect("in-hosts.example", 4, "192.0.2.77");
	expect("localhost", 4, "127.0.0.1");
}

static void errors_are_for_people(void **state)
{
	NEEDS_KNOTD();
	expect_error("nosuch.example", 0, "no such name: nosuch.example");
	expect_error("a.example", 6, "a.example has no IPv6 address");
	expect_error("text.example", 0, "text.example has no address");
	char want[100];
	snprintf(want, sizeof want, "the name server 127.0.0.1 port %d can't be reached, or will not answer for www.elsewhere", port);
	expect_error("www.elsewhere", 4, want);
}

static void a_silent_server_is_named(void **state)
{
	char want[100];
	NEEDS_KNOTD();
	put_file(conf, "nameserver 127.0.0.2\n");
	snprintf(want, sizeof want, "the name server 127.0.0.2 port %d does not answer (asked for a.example)", port);
	expect_error("a.example", 4, want);
}

static void a_server_that_is_not_there_is_named(void **state)
{
	char want[100];
	NEEDS_KNOTD();
	put_file(conf, "nameserver 127.0.0.3\n");
	snprintf(want, sizeof want, "the name server 127.0.0.3 port %d can't be reached, or will not answer for a.example", port);
	expect_error("a.example", 4, want);
}

static void the_second_server_is_asked_when_the_first_is_silent(void **state)
{
	NEEDS_KNOTD();
	put_file(conf, "nameserver 127.0.0.2\nnameserver 127.0.0.1\n");
	expect("a.example", 4, "192.0.2.1");
}

static void a_changed_resolv_conf_is_noticed(void **state)
{
	NEEDS_KNOTD();
	put_file(conf, "nameserver 127.0.0.2\n");
	struct answer stuck = { 0 };
	resolver_ask(resolver, "a.example", 4, on_answer, &stuck);
	put_file(conf, "nameserver 127.0.0.1\noptions ndots:2\n");
	run_for(1100 * NS_PER_MS);
	if (!stuck.calls) /* the lookup under way ends on the old server */
		run_for(PATIENCE);
	assert_int_not_equal(stuck.status, 0);
	run_for(1100 * NS_PER_MS);
	expect("a.example", 4, "192.0.2.1");
}

static void a_cancelled_lookup_never_answers(void **state)
{
	NEEDS_KNOTD();
	struct answer a = { 0 }, literal = { 0 };
	resolver_cancel(resolver_ask(resolver, "a.example", 0, on_answer, &a));
	resolver_cancel(resolver_ask(resolver, "192.0.2.1", 0, on_answer, &literal));
	expect("both.example", 4, "192.0.2.2");
	run_for(100 * NS_PER_MS);
	assert_int_equal(a.calls + literal.calls, 0);
}

static void an_end_with_lookups_under_way_is_clean(void **state)
{
	NEEDS_KNOTD();
	struct answer a = { 0 };
	for (int i = 0; i < 100; i++)
		resolver_ask(resolver, "a.example", 0, on_answer, &a);
	assert_int_equal(a.calls, 0);
}

static struct answer crowd[500];

static void many_at_once_all_answer(void **state)
{
	NEEDS_KNOTD();
	memset(crowd, 0, sizeof crowd);
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
		resolver_ask(resolver, i % 2 ? "a.example" : "nosuch.example", 4, on_answer, &crowd[i]);
	int64_t until = clock_now_ns() + PATIENCE;
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
		while (!crowd[i].calls && clock_now_ns() < until)
			run_for(NS_PER_S);
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++) {
		assert_int_equal(crowd[i].calls, 1);
		assert_int_equal(!crowd[i].status, i % 2);
	}
}

#define test(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(literals_answer_for_their_family),
		test(names_have_their_addresses),
		test(the_hosts_file_comes_first),
		test(errors_are_for_people),
		test(a_silent_server_is_named),
		test(a_server_that_is_not_there_is_named),
		test(the_second_server_is_asked_when_the_first_is_silent),
		test(a_changed_resolv_conf_is_noticed),
		test(a_cancelled_lookup_never_answers),
		test(an_end_with_lookups_under_way_is_clean),
		test(many_at_once_all_answer),
	};
	return cmocka_run_group_tests_name("resolver", tests, set_up, tear_down);
}
