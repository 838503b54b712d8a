/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_icmp.c - the icmp driver over real sockets: the kernel's own replies, routers in a network namespace, and
 * answers made by hand where the kernel would never send them. What needs a namespace of its own is skipped
 * where that is not allowed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../fakehost/fakehost.h"

#define MS INT64_C(1000000)
#define PAIRS(...) ((const char *[]){ __VA_ARGS__, NULL })

#define NOBODY "1 0"           /* ping_group_range: raw sockets only */
#define EVERYBODY "0 2147483647"

static int home = -1;
static bool away; /* in a network of our own */
static pid_t router = -1;

static void run(const char *format, ...)
{
	char command[600];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	int status = system(command);
	if (status)
		fail_msg("%s: status %d", command, status);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail_msg("%s: %s", path, strerror(errno));
	close(fd);
}

/* An empty network of this test's own. */
static void enter_network(const char *ping_group_range)
{
	if (unshare(CLONE_NEWNET)) {
		print_message("# skipped: no network namespace: %s\n", strerror(errno));
		skip();
	}
	away = true;
	run("ip link set lo up");
	put("/proc/sys/net/ipv4/ping_group_range", ping_group_range);
}

static int leave_network(void **state)
{
	(void)state;
	if (router > 0) {
		kill(router, SIGKILL);
		waitpid(router, NULL, 0);
	}
	router = -1;
	if (!away)
		return 0;
	away = false;
	return setns(home, CLONE_NEWNET);
}

/* A router at 10.9.0.2 behind 10.9.0.1: it has no way to 10.99/16, sends 10.98/16 in a circle, and drops 10.97/16. */
static void add_router(void)
{
	int ready[2];
	char c;
	assert_int_equal(pipe(ready), 0);
	router = fork();
	if (!router) {
		if (unshare(CLONE_NEWNET) || write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	run("ip link add v0 type veth peer name v1 && ip link set v1 netns %d && ip addr add 10.9.0.1/24 dev v0 && "
	    "ip link set v0 up",
	    router);
	run("nsenter -t %d -n sh -c 'ip link set lo up; ip addr add 10.9.0.2/24 dev v1; ip link set v1 up; "
	    "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects; "
	    "echo 0 > /proc/sys/net/ipv4/conf/v1/send_redirects; ip route add 10.98.0.0/16 via 10.9.0.1; "
	    "ip route add blackhole 10.97.0.0/16; echo 0 > /proc/sys/net/ipv4/icmp_ratelimit'",
	    router);
	run("ip route add default via 10.9.0.2");
}

static struct fakehost_probe *ping(struct fakehost *fh, const char *const *pairs, int64_t timeout_ns)
{
	struct fakehost_probe *p = fakehost_probe(fh, "icmp", pairs, timeout_ns);
	assert_true(fakehost_run_until_done(p, 10));
	return p;
}

/* How many unprivileged ICMP sockets of IPv4 there are in this network. */
static int unprivileged_sockets(void)
{
	FILE *f = fopen("/proc/net/icmp", "re");
	int lines = -1;
	for (int c; (c = getc(f)) != EOF;)
		lines += c == '\n';
	fclose(f);
	return lines;
}

static void check_loopback(const char *address, int family)
{
	struct fakehost *fh = fakehost_new("icmp", 0);
	struct fakehost_probe *p = ping(fh, PAIRS("host", address, "count", "3", "spacing", "20ms", "size", "1000B"), 0);
	if (fakehost_reason(p) == PROBED_REASON_PERMISSION) {
		print_message("# skipped: %s\n", fakehost_message(p));
		fakehost_free(fh);
		skip();
	}
	assert_string_equal(fakehost_message(p), "");
	assert_int_equal(fakehost_outcome(p), PROBED_OK);
	assert_int_equal(fakehost_fact_int(p, "sent"), 3);
	assert_int_equal(fakehost_fact_int(p, "received"), 3);
	assert_true(fakehost_fact_float(p, "loss") == 0);
	assert_int_equal(fakehost_fact_int(p, "duplicates"), 0);
	int64_t min = fakehost_fact_int(p, "rtt.min"), avg = fakehost_fact_int(p, "rtt.avg"),
	        max = fakehost_fact_int(p, "rtt.max"), last = fakehost_fact_int(p, "rtt");
	assert_true(0 < min && min <= avg && avg <= max && max < 1000 * MS && min <= last && last <= max);
	assert_true(fakehost_fact_int(p, "jitter") <= max - min && fakehost_fact_int(p, "rtt.stddev") <= max - min);
	assert_int_equal(fakehost_fact_int(p, "ttl"), 64);
	assert_string_equal(fakehost_fact_str(p, "ip"), address);
	assert_int_equal(fakehost_fact_int(p, "family"), family);
	assert_true(fakehost_phase(p, PROBED_PHASE_WAIT) >= 39 * MS); /* it begins just after the first packet left */
	fakehost_free(fh);
}

static void loopback_by_ipv4(void **state)
{
	(void)state;
	check_loopback("127.0.0.1", 4);
}

static void loopback_by_ipv6(void **state)
{
	(void)state;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 one = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int absent = fd < 0 || bind(fd, (struct sockaddr *)&one, sizeof one);
	close(fd);
	if (absent) {
		print_message("# skipped: this machine has no ::1\n");
		skip();
	}
	check_loopback("::1", 6);
}

static void raw_sockets_work(void **state)
{
	(void)state;
	enter_network(NOBODY);
	check_loopback("127.0.0.1", 4);
	check_loopback("::1", 6);
}

static void unprivileged_sockets_work(void **state)
{
	(void)state;
	enter_network(EVERYBODY);
	struct fakehost *fh = fakehost_new("icmp", 0);
	fakehost_target(fh, "icmp", PAIRS("host", "127.0.0.1"), 0);
	assert_int_equal(unprivileged_sockets(), 0); /* listed once bound by a first packet */
	ping(fh, PAIRS("host", "127.0.0.1"), 0);
	assert_int_equal(unprivileged_sockets(), 1);
	fakehost_free(fh);
	check_loopback("127.0.0.1", 4);
	check_loopback("::1", 6);
}

static void names_are_resolved(void **state)
{
	(void)state;
	enter_network(NOBODY);
	struct fakehost *fh = fakehost_new("icmp", 0);
	fakehost_name(fh, "both.example", "127.0.0.2");
	fakehost_name(fh, "both.example", "::1");
	fakehost_render(fh, "{{host}}", "both.example");
	assert_string_equal(fakehost_fact_str(ping(fh, PAIRS("host", "both.example"), 0), "ip"), "127.0.0.2");
	assert_string_equal(fakehost_fact_str(ping(fh, PAIRS("host", "both.example", "family", "6"), 0), "ip"), "::1");
	assert_string_equal(fakehost_fact_str(ping(fh, PAIRS("host", "{{host}}"), 0), "ip"), "127.0.0.2");
	struct fakehost_probe *p = ping(fh, PAIRS("host", "none.example"), 0);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_RESOLVE);
	assert_string_equal(fakehost_message(p), "none.example: no such name");
	fakehost_free(fh);
}

static void check_routers(const char *range)
{
	enter_network(range);
	struct fakehost *fh = fakehost_new("icmp", 0);
	struct fakehost_probe *p = ping(fh, PAIRS("host", "10.99.0.1"), 0);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_UNREACHABLE);
	assert_string_equal(fakehost_message(p), "can't send to 10.99.0.1: Network is unreachable");

	add_router();
	p = ping(fh, PAIRS("host", "10.9.0.2", "count", "2", "spacing", "1ms"), 0);
	assert_int_equal(fakehost_outcome(p), PROBED_OK);
	p = ping(fh, PAIRS("host", "10.99.0.1", "count", "2", "spacing", "1ms"), 0);
	assert_int_equal(fakehost_outcome(p), PROBED_ERROR);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_UNREACHABLE);
	assert_string_equal(fakehost_message(p), "10.99.0.1: network unreachable, says 10.9.0.2");
	assert_int_equal(fakehost_fact_int(p, "sent"), 2);
	assert_true(fakehost_fact_float(p, "loss") == 1);
	p = ping(fh, PAIRS("host", "10.98.0.1", "ttl", "1"), 0);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_UNREACHABLE);
	assert_string_equal(fakehost_message(p), "10.98.0.1: time to live exceeded, says 10.9.0.2");
	p = ping(fh, PAIRS("host", "10.97.0.1", "count", "3", "spacing", "5ms"), 100 * MS);
	assert_int_equal(fakehost_outcome(p), PROBED_ERROR);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_TIMEOUT);
	assert_string_equal(fakehost_message(p), "no reply to 3 packets");
	assert_int_equal(fakehost_fact_int(p, "received"), 0);
	assert_false(fakehost_has_fact(p, "rtt"));
	/* the errors of others are not those of the next one */
	assert_int_equal(fakehost_outcome(ping(fh, PAIRS("host", "10.9.0.2"), 0)), PROBED_OK);
	fakehost_free(fh);
}

static void routers_errors_over_raw(void **state)
{
	(void)state;
	check_routers(NOBODY);
}

static void routers_errors_over_unprivileged(void **state)
{
	(void)state;
	check_routers(EVERYBODY);
}

static void some_loss_is_a_result(void **state)
{
	(void)state;
	enter_network(NOBODY);
	struct fakehost *fh = fakehost_new("icmp", FAKEHOST_FAKE_CLOCK);
	struct fakehost_probe *p = fakehost_probe(fh, "icmp", PAIRS("host", "127.0.0.1", "count", "4"), 1000 * MS);
	fakehost_advance(fh, 0);
	fakehost_advance(fh, 200 * MS);
	put("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1");
	fakehost_advance(fh, 700 * MS);
	assert_false(fakehost_done(p));
	fakehost_advance(fh, 95 * MS);
	assert_true(fakehost_done(p));
	assert_int_equal(fakehost_outcome(p), PROBED_OK);
	assert_int_equal(fakehost_fact_int(p, "sent"), 4);
	assert_int_equal(fakehost_fact_int(p, "received"), 2);
	assert_true(fakehost_fact_float(p, "loss") == 0.5);
	fakehost_free(fh);
}

/* --- answers made by hand --------------------------------------------------------------------- */

static int responder;

static void be_the_responder(void)
{
	enter_network(NOBODY);
	put("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1");
	responder = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	assert_true(responder >= 0);
	struct timeval patience = { .tv_sec = 5 };
	setsockopt(responder, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

/* The next request, without its IP header; *ttl is that header's. */
static size_t next_request(uint8_t *out, size_t size, int *ttl)
{
	uint8_t packet[2048];
	ssize_t n;
	do {
		n = recv(responder, packet, sizeof packet, 0);
		assert_true(n >= 28);
	} while (packet[20] != 8);
	if (ttl)
		*ttl = packet[8];
	assert_true((size_t)n - 20 <= size);
	memcpy(out, packet + 20, (size_t)n - 20);
	return (size_t)n - 20;
}

static void reply(const uint8_t *request, size_t len)
{
	uint8_t packet[2048];
	memcpy(packet, request, len);
	packet[0] = 0;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(sendto(responder, packet, len, 0, (struct sockaddr *)&to, sizeof to), (ssize_t)len);
}

static void packets_are_as_asked(void **state)
{
	(void)state;
	be_the_responder();
	struct fakehost *fh = fakehost_new("icmp", 0);
	struct fakehost_probe *p = fakehost_probe(fh, "icmp", PAIRS("host", "127.0.0.1", "size", "300B", "ttl", "17"), 0);
	uint8_t request[2048];
	int ttl;
	fakehost_turn(fh);
	assert_int_equal(next_request(request, sizeof request, &ttl), 308);
	assert_int_equal(ttl, 17);
	uint32_t sum = 0;
	for (size_t i = 0; i < 308; i += 2)
		sum += (uint32_t)(request[i] << 8 | request[i + 1]);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	reply(request, 308);
	assert_true(fakehost_run_until_done(p, 5));
	assert_int_equal(fakehost_outcome(p), PROBED_OK);
	fakehost_free(fh);
	close(responder);
}

static void only_own_replies_count_and_duplicates_are_told(void **state)
{
	(void)state;
	be_the_responder();
	struct fakehost *fh = fakehost_new("icmp", FAKEHOST_FAKE_CLOCK);
	struct fakehost_probe *p = fakehost_probe(fh, "icmp", PAIRS("host", "127.0.0.1", "count", "2"), 1000 * MS);
	uint8_t request[2048], other[2048];
	fakehost_advance(fh, 0);
	size_t len = next_request(request, sizeof request, NULL);
	memcpy(other, request, len);
	other[8] ^= 1; /* another token */
	reply(other, len);
	memcpy(other, request, len);
	other[7] ^= 1; /* a packet that was not sent yet */
	reply(other, len);
	reply(request, 8);
	reply(request, 12);
	for (int i = 0; i < 3; i++)
		reply(request, len);
	fakehost_advance(fh, 200 * MS);
	assert_false(fakehost_done(p));
	len = next_request(request, sizeof request, NULL);
	reply(request, len);
	fakehost_advance(fh, 0);
	assert_true(fakehost_done(p));
	assert_int_equal(fakehost_fact_int(p, "received"), 2);
	assert_int_equal(fakehost_fact_int(p, "duplicates"), 2);
	reply(request, len); /* a late one finds nobody */
	fakehost_turn(fh);
	fakehost_free(fh);
	close(responder);
}

/* A router that quotes only 8 bytes of the request: no token. */
static void a_short_quote_is_enough(void **state)
{
	(void)state;
	be_the_responder();
	struct fakehost *fh = fakehost_new("icmp", 0);
	struct fakehost_probe *p = fakehost_probe(fh, "icmp", PAIRS("host", "127.0.0.3"), 0);
	uint8_t request[2048], error[8 + 20 + 8] = { 3, 1 };
	fakehost_turn(fh);
	next_request(request, sizeof request, NULL);
	error[8] = 0x45;
	error[8 + 9] = IPPROTO_ICMP;
	memcpy(error + 8 + 16, (uint8_t[]){ 127, 0, 0, 3 }, 4);
	memcpy(error + 8 + 20, request, 8);
	uint32_t sum = 0;
	for (size_t i = 0; i < sizeof error; i += 2)
		sum += (uint32_t)(error[i] << 8 | error[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	error[2] = (uint8_t)(~sum >> 8);
	error[3] = (uint8_t)~sum;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(sendto(responder, error, sizeof error, 0, (struct sockaddr *)&to, sizeof to), sizeof error);
	assert_true(fakehost_run_until_done(p, 5));
	assert_string_equal(fakehost_message(p), "127.0.0.3: host unreachable, says 127.0.0.1");
	fakehost_free(fh);
	close(responder);
}

/* --- many, none, and not allowed -------------------------------------------------------------- */

static void many_at_once(void **state)
{
	(void)state;
	enum { N = 500 };
	enter_network(NOBODY);
	struct fakehost *fh = fakehost_new("icmp", 0);
	struct fakehost_target *t = fakehost_target(fh, "icmp", PAIRS("host", "127.0.0.1", "count", "2", "spacing", "5ms"), 0);
	struct fakehost_probe *p[N];
	struct fakehost_ledger before = fakehost_ledger(fh);
	for (int i = 0; i < N; i++)
		p[i] = fakehost_start(t, NULL);
	for (int i = 0; i < N; i++) {
		assert_true(fakehost_run_until_done(p[i], 10));
		assert_int_equal(fakehost_fact_int(p[i], "received"), 2);
	}
	fakehost_check_same(fh, &before, 0);
	fakehost_free(fh);
}

static void cancel_leaves_nothing(void **state)
{
	(void)state;
	be_the_responder();
	struct fakehost *fh = fakehost_new("icmp", FAKEHOST_FAKE_CLOCK);
	fakehost_hold_lookups(fh, true);
	struct fakehost_target *literal = fakehost_target(fh, "icmp", PAIRS("host", "127.0.0.1", "count", "3"), 0);
	struct fakehost_target *name = fakehost_target(fh, "icmp", PAIRS("host", "held.example"), 0);
	struct fakehost_ledger before = fakehost_ledger(fh);
	struct fakehost_probe *resolving = fakehost_start(name, NULL), *queued = fakehost_start(literal, NULL);
	fakehost_cancel(queued);
	struct fakehost_probe *waiting = fakehost_start(literal, NULL);
	fakehost_advance(fh, 0);
	uint8_t request[2048];
	size_t len = next_request(request, sizeof request, NULL);
	fakehost_cancel(waiting);
	fakehost_cancel(resolving);
	fakehost_check_same(fh, &before, 0);
	reply(request, len);
	fakehost_advance(fh, 1000 * MS);
	fakehost_check_same(fh, &before, 0);
	fakehost_free(fh);
	close(responder);
}

static void set_net_raw(cap_flag_value_t to)
{
	cap_t caps = cap_get_proc();
	cap_value_t raw = CAP_NET_RAW;
	cap_set_flag(caps, CAP_EFFECTIVE, 1, &raw, to);
	assert_int_equal(cap_set_proc(caps), 0);
	cap_free(caps);
}

static void the_message_names_both_ways_to_permit_it(void **state)
{
	(void)state;
	enter_network(NOBODY);
	set_net_raw(CAP_CLEAR);
	struct fakehost *fh = fakehost_new("icmp", 0);
	struct fakehost_probe *p = ping(fh, PAIRS("host", "127.0.0.1"), 0);
	set_net_raw(CAP_SET);
	assert_int_equal(fakehost_outcome(p), PROBED_ERROR);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_PERMISSION);
	assert_non_null(strstr(fakehost_message(p), "net.ipv4.ping_group_range"));
	assert_non_null(strstr(fakehost_message(p), "CAP_NET_RAW"));
	fakehost_free(fh);
}

static void bad_targets_are_refused(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_new("icmp", 0);
	assert_null(fakehost_target_error(fh, "icmp", PAIRS("host", "::1", "family", "6")));
	assert_string_equal(fakehost_target_error(fh, "icmp", PAIRS("host", "::1", "family", "4")),
	                    "host: ::1 is an IPv6 address, but family = 4");
	assert_non_null(strstr(fakehost_target_error(fh, "icmp", PAIRS("host", "::1", "count", "11", "spacing", "500ms")),
	                       "11 packets at a spacing of 500 ms take 5000 ms, but the timeout is 5000 ms"));
	assert_non_null(fakehost_target_error(fh, "icmp", PAIRS("host", "::1", "size", "15B")));
	assert_non_null(fakehost_target_error(fh, "icmp", PAIRS("host", "::1", "count", "0")));
	assert_non_null(fakehost_target_error(fh, "icmp", PAIRS("count", "1")));
	fakehost_free(fh);
}

static int find_home(void **state)
{
	(void)state;
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return home < 0;
}

static int leave_home(void **state)
{
	(void)state;
	return close(home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_by_ipv4),
		cmocka_unit_test(loopback_by_ipv6),
		cmocka_unit_test_teardown(raw_sockets_work, leave_network),
		cmocka_unit_test_teardown(unprivileged_sockets_work, leave_network),
		cmocka_unit_test_teardown(names_are_resolved, leave_network),
		cmocka_unit_test_teardown(routers_errors_over_raw, leave_network),
		cmocka_unit_test_teardown(routers_errors_over_unprivileged, leave_network),
		cmocka_unit_test_teardown(some_loss_is_a_result, leave_network),
		cmocka_unit_test_teardown(packets_are_as_asked, leave_network),
		cmocka_unit_test_teardown(only_own_replies_count_and_duplicates_are_told, leave_network),
		cmocka_unit_test_teardown(a_short_quote_is_enough, leave_network),
		cmocka_unit_test_teardown(many_at_once, leave_network),
		cmocka_unit_test_teardown(cancel_leaves_nothing, leave_network),
		cmocka_unit_test_teardown(the_message_names_both_ways_to_permit_it, leave_network),
		cmocka_unit_test(bad_targets_are_refused),
	};
	return cmocka_run_group_tests_name("icmp", tests, find_home, leave_home);
}
