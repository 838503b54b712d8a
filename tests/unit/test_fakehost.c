/* SPDX-License-Identifier: Apache-2.0 */
/* test_fakehost.c - the fake host itself, over a small driver that keeps the rules or breaks one of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>
#include <sys/socket.h>
#include <fcntl.h>

#include "../fakehost/fakehost.h"

#define MS INT64_C(1000000)

/* The driver: looks `host` up, waits for `wait` on a timer, and echoes `say` through a socketpair on the way. `break`
 * names the rule to break. */
static const struct probed_host *host;

enum { OPT_HOST, OPT_WAIT, OPT_SAY, OPT_BREAK, OPT_HEADER };
static const struct probed_option options[] = {
	{ .name = "host", .help = "a name", .type = PROBED_TYPE_ADDRESS, .flags = PROBED_OPTION_REQUIRED },
	{ .name = "wait", .help = "how long", .def = "10ms", .type = PROBED_TYPE_DURATION },
	{ .name = "say", .help = "a text", .def = "hello", .type = PROBED_TYPE_STRING, .flags = PROBED_OPTION_TEMPLATE },
	{ .name = "break", .help = "a rule", .def = "", .type = PROBED_TYPE_STRING },
	{ .name = "header", .help = "a map", .type = PROBED_TYPE_MAP },
};

enum { FACT_IP, FACT_SAID, FACT_N, FACT_RATIO, FACT_HEADER, FACT_HOPS };
static const struct probed_fact facts[] = {
	{ .name = "ip", .help = "h", .type = PROBED_TYPE_STRING },
	{ .name = "said", .help = "h", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_LIST },
	{ .name = "n", .help = "h", .type = PROBED_TYPE_INTEGER },
	{ .name = "ratio", .help = "h", .type = PROBED_TYPE_FLOAT },
	{ .name = "header", .help = "h", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_FAMILY },
	{ .name = "hops", .help = "h", .columns = "ttl:integer|ip:string", .type = PROBED_TYPE_TABLE },
};

struct mem {
	struct probed_probe *probe;
	struct probed_lookup *lookup;
	struct probed_timer *timer;
	struct probed_watch *watch;
	const char *breaks;
	int fds[2];
};

static void *leaked;
static int leaked_fds[4];
static size_t n_leaked_fds;

static int breaks(const struct mem *m, const char *rule)
{
	return !strcmp(m->breaks, rule);
}

static void let_go(struct mem *m)
{
	if (m->lookup)
		host->resolve_cancel(m->lookup);
	if (m->timer && !breaks(m, "leak timer"))
		host->timer_free(m->timer);
	if (breaks(m, "close before watch_free"))
		close(m->fds[0]);
	if (m->watch && !breaks(m, "leak watch"))
		host->watch_free(m->watch);
	if (breaks(m, "leak descriptor") || breaks(m, "leak watch")) {
		leaked_fds[n_leaked_fds++] = m->fds[0];
		leaked_fds[n_leaked_fds++] = m->fds[1];
	} else if (m->fds[1]) {
		if (!breaks(m, "close before watch_free"))
			close(m->fds[0]);
		close(m->fds[1]);
	}
}

static void on_timer(void *arg)
{
	struct mem *m = arg;
	struct probed_probe *probe = m->probe;
	if (breaks(m, "timer after free")) {
		host->timer_free(m->timer);
		host->timer_set(m->timer, host->now() + MS);
		m->timer = NULL;
	}
	if (breaks(m, "undeclared fact"))
		host->fact_integer(probe, 99, NULL, 1);
	if (breaks(m, "wrong type"))
		host->fact_integer(probe, FACT_IP, NULL, 1);
	if (breaks(m, "no late name"))
		host->fact_string(probe, FACT_HEADER, NULL, "x", 1);
	if (breaks(m, "foreign pointer"))
		host->phase((struct probed_probe *)(void *)m, PROBED_PHASE_WAIT);
	int twice = breaks(m, "complete twice"), late = breaks(m, "fact after complete");
	let_go(m);
	host->complete(probe, PROBED_OK, PROBED_REASON_NONE, "well");
	if (twice)
		host->complete(probe, PROBED_OK, PROBED_REASON_NONE, NULL);
	if (late)
		host->fact_integer(probe, FACT_N, NULL, 1);
}

static void on_readable(void *arg, int32_t fd, uint32_t events)
{
	struct mem *m = arg;
	char text[64];
	assert_true(events & PROBED_READ);
	ssize_t n = read(fd, text, sizeof text);
	assert_true(n > 0);
	host->fact_string(m->probe, FACT_SAID, NULL, text, (uint64_t)n);
	host->fact_string(m->probe, FACT_SAID, NULL, "over", 4);
	host->body_write(m->probe, text, (uint64_t)n);
	host->watch_set(m->watch, 0);
	host->timer_set(m->timer, host->now() + host->option(m->probe, OPT_WAIT)->i);
	host->phase(m->probe, PROBED_PHASE_WAIT);
}

static void on_address(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs,
                       uint32_t stride)
{
	struct mem *m = arg;
	m->lookup = NULL;
	if (status) {
		let_go(m);
		host->complete(m->probe, PROBED_ERROR, PROBED_REASON_RESOLVE, error);
		return;
	}
	char ip[16];
	const struct probed_addr *last = PROBED_AT(struct probed_addr, addrs, stride, n - 1);
	snprintf(ip, sizeof ip, "%d", last->bytes[last->family == 4 ? 3 : 15]);
	host->fact_string(m->probe, FACT_IP, NULL, ip, strlen(ip));
	struct probed_cell row[] = { { .type = PROBED_TYPE_INTEGER, .i = 7 }, { .type = PROBED_TYPE_STRING, .s = "r\"1", .len = 3 } };
	host->fact_row(m->probe, FACT_HOPS, 2, row, sizeof row[0]);
	host->emit(m->probe, "first", PROBED_FAIL, PROBED_REASON_OTHER, "part");
	host->fact_float(m->probe, FACT_RATIO, NULL, 0.5);
	host->fact_string(m->probe, FACT_HEADER, "server", "x", 1);
	const struct probed_value *say = host->option(m->probe, OPT_SAY);
	if (!say) {
		let_go(m);
		host->complete(m->probe, PROBED_UNKNOWN, PROBED_REASON_INTERNAL, "rendering failed");
		return;
	}
	assert_int_equal(write(m->fds[1], say->s, say->len), (ssize_t)say->len);
}

static void start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
{
	(void)worker, (void)session;
	struct mem *m = mem;
	const struct probed_target_args *args = target;
	m->probe = probe;
	m->breaks = probed_target_option(args, OPT_BREAK)->s;
	if (breaks(m, "leak memory"))
		leaked = malloc(1000);
	if (breaks(m, "complete in start")) {
		host->complete(probe, PROBED_OK, PROBED_REASON_NONE, NULL);
		return;
	}
	int flags = SOCK_STREAM | SOCK_CLOEXEC | (breaks(m, "blocking descriptor") ? 0 : SOCK_NONBLOCK);
	assert_int_equal(socketpair(AF_UNIX, flags, 0, m->fds), 0);
	host->phase(probe, PROBED_PHASE_RESOLVE);
	m->timer = host->timer_new(on_timer, m);
	m->watch = host->watch_new(m->fds[0], PROBED_READ, on_readable, m);
	m->lookup = host->resolve(probed_target_option(args, OPT_HOST)->s, args->family, on_address, m);
}

static void cancel(void *worker, struct probed_probe *probe, void *mem)
{
	(void)worker;
	struct mem *m = mem;
	if (breaks(m, "complete in cancel"))
		host->complete(probe, PROBED_OK, PROBED_REASON_NONE, NULL);
	let_go(m);
}

static int32_t target_new(void *worker, const struct probed_target_args *args, void **target, char *error, uint64_t size)
{
	(void)worker;
	if (!strcmp(probed_target_option(args, OPT_HOST)->s, "bad.example")) {
		snprintf(error, size, "not that host");
		return -1;
	}
	*target = (void *)(uintptr_t)args;
	return 0;
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return 0;
}

static void run(void *worker, void *target, void *session, struct probed_probe *probe, void *mem, struct probed_verdict *v)
{
	(void)worker, (void)target, (void)session, (void)mem;
	host->phase(probe, PROBED_PHASE_WAIT);
	v->outcome = PROBED_OK;
	snprintf(v->message, sizeof v->message, "ran");
}

static const struct probed_driver drivers[] = {
	{ .name = "small", .summary = "s", PROBED_TABLE(options, option, options), PROBED_TABLE(facts, fact, facts),
	  .probe_size = sizeof(struct mem), .target_new = target_new, .start = start, .cancel = cancel },
	{ .name = "blocking", .summary = "s", .flags = PROBED_DRIVER_BLOCKING, .run = run },
};
static const struct probed_plugin plugin = { PROBED_PLUGIN_HEADER, .name = "small", .version = "1",
	                                     PROBED_TABLE(drivers, driver, drivers), .load = load };

#define PAIRS(...) ((const char *[]){ __VA_ARGS__, NULL })

static void a_probe_runs_to_its_end(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, 0);
	fakehost_name(fh, "a.example", "192.0.2.1");
	fakehost_name(fh, "a.example", "2001:db8::6");
	struct fakehost_probe *p = fakehost_probe(fh, "small", PAIRS("host", "a.example", "family", "6"), 0);
	assert_false(fakehost_done(p));
	assert_true(fakehost_run_until_done(p, 5));
	assert_int_equal(fakehost_outcome(p), PROBED_OK);
	assert_string_equal(fakehost_message(p), "well");
	assert_string_equal(fakehost_fact_str_nth(p, "said", 0), "hello");
	assert_string_equal(fakehost_fact_str_nth(p, "said", 1), "over");
	assert_int_equal(fakehost_fact_count(p, "said"), 2);
	assert_true(fakehost_fact_float(p, "ratio") == 0.5);
	assert_string_equal(fakehost_fact_str(p, "header.server"), "x");
	assert_false(fakehost_has_fact(p, "header.date"));
	assert_string_equal(fakehost_body(p, NULL), "hello");
	assert_true(fakehost_phase(p, PROBED_PHASE_WAIT) >= 10 * MS);
	assert_int_equal(fakehost_phase(p, PROBED_PHASE_TLS), -1);
	const struct result *sub = fakehost_sub(p, "first");
	assert_non_null(sub);
	assert_int_equal(sub->outcome, PROBED_FAIL);
	assert_string_equal(result_string(sub, fakehost_result_fact(p, sub, "ip")->s), "6");
	assert_string_equal(result_string(sub, fakehost_result_fact(p, sub, "hops")->s), "{\"ttl\":7,\"ip\":\"r\\\"1\"}");
	fakehost_free(fh);
}

static void the_fake_clock_moves_only_when_told(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, FAKEHOST_FAKE_CLOCK);
	struct fakehost_probe *p = fakehost_probe(fh, "small", PAIRS("host", "192.0.2.9", "wait", "1h"), 2 * 3600 * 1000 * MS);
	for (int i = 0; i < 10; i++)
		fakehost_turn(fh);
	assert_false(fakehost_done(p));
	fakehost_advance(fh, 3600 * 1000 * MS - 1);
	assert_false(fakehost_done(p));
	fakehost_advance(fh, 1);
	assert_true(fakehost_done(p));
	assert_int_equal(fakehost_phase(p, PROBED_PHASE_WAIT), 3600 * 1000 * MS);
	fakehost_free(fh);
}

static void the_deadline_cancels(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, FAKEHOST_FAKE_CLOCK);
	fakehost_hold_lookups(fh, true);
	struct fakehost_probe *p = fakehost_probe(fh, "small", PAIRS("host", "a.example"), 100 * MS);
	fakehost_advance(fh, 100 * MS);
	assert_int_equal(fakehost_outcome(p), PROBED_ERROR);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_TIMEOUT);
	assert_string_equal(fakehost_message(p), "timed out in phase resolve");
	fakehost_free(fh);
}

static void an_unknown_name_fails_to_resolve(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, 0);
	struct fakehost_probe *p = fakehost_probe(fh, "small", PAIRS("host", "b.example"), 0);
	assert_true(fakehost_run_until_done(p, 5));
	assert_int_equal(fakehost_reason(p), PROBED_REASON_RESOLVE);
	assert_string_equal(fakehost_message(p), "b.example: no such name");
	fakehost_free(fh);
}

static void templates_are_rendered(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, 0);
	fakehost_render(fh, "{{user}}", "ann");
	struct fakehost_probe *p = fakehost_probe(fh, "small", PAIRS("host", "::1", "say", "I am {{user}}."), 0);
	struct fakehost_probe *q = fakehost_probe(fh, "small", PAIRS("host", "::1", "say", "{{else}}"), 0);
	assert_true(fakehost_run_until_done(p, 5));
	assert_true(fakehost_run_until_done(q, 5));
	assert_string_equal(fakehost_fact_str(p, "said"), "I am ann.");
	assert_int_equal(fakehost_reason(q), PROBED_REASON_INTERNAL);
	fakehost_free(fh);
}

static void bad_targets_are_refused(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, 0);
	assert_non_null(fakehost_target_error(fh, "small", PAIRS("wait", "1s")));
	assert_non_null(fakehost_target_error(fh, "small", PAIRS("host", "::1", "wait", "soon")));
	assert_non_null(fakehost_target_error(fh, "small", PAIRS("host", "::1", "hosst", "x")));
	assert_string_equal(fakehost_target_error(fh, "small", PAIRS("host", "bad.example")), "not that host");
	assert_null(fakehost_target_error(fh, "small", PAIRS("host", "::1", "header.A", "b")));
	fakehost_free(fh);
}

static void cancel_leaves_nothing(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, FAKEHOST_FAKE_CLOCK);
	struct fakehost_target *t = fakehost_target(fh, "small", PAIRS("host", "::1"), 0);
	struct fakehost_ledger before = fakehost_ledger(fh);
	struct fakehost_probe *p = fakehost_start(t, NULL);
	struct fakehost_ledger during = fakehost_ledger(fh);
	assert_int_equal(during.watches, 1);
	assert_int_equal(during.timers, 1);
	assert_int_equal(during.lookups, 1);
	assert_int_equal(during.descriptors, 2);
	fakehost_cancel(p);
	fakehost_check_same(fh, &before, 0);
	assert_int_equal(fakehost_reason(p), PROBED_REASON_CANCELLED);
	fakehost_free(fh);
}

static void memory_is_counted(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, FAKEHOST_FAKE_CLOCK);
	int64_t before = fakehost_ledger(fh).bytes;
	struct fakehost_target *t = fakehost_target(fh, "small", PAIRS("host", "::1", "break", "leak memory"), 0);
	fakehost_cancel(fakehost_start(t, NULL));
	int64_t grown = fakehost_ledger(fh).bytes - before;
	assert_true(grown >= 1000 && grown < 1100);
	free(leaked);
	fakehost_free(fh);
}

static void a_blocking_driver_runs_on_a_thread(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, 0);
	struct fakehost_probe *p = fakehost_probe(fh, "blocking", NULL, 0);
	assert_true(fakehost_run_until_done(p, 5));
	assert_string_equal(fakehost_message(p), "ran");
	assert_int_equal(fakehost_outcome(p), PROBED_OK);
	fakehost_free(fh);
}

static void completion_inside_start_is_legal(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, 0);
	struct fakehost_probe *p = fakehost_probe(fh, "small", PAIRS("host", "::1", "break", "complete in start"), 0);
	assert_true(fakehost_done(p));
	fakehost_free(fh);
}

/* What a driver that breaks the rule makes the fake host say; the probe is cancelled where `cancels`. */
static void breach(const char *rule, bool cancels, const char *expected)
{
	struct fakehost *fh = fakehost_over(&plugin, 0);
	struct fakehost_probe *p = fakehost_probe(fh, "small", PAIRS("host", "::1", "wait", "1ms", "break", rule), 0);
	if (cancels)
		fakehost_cancel(p);
	assert_true(fakehost_run_until_done(p, 5));
	assert_string_equal(fakehost_take_breaches(fh), expected);
	fakehost_free(fh);
}

static void broken_rules_are_seen(void **state)
{
	(void)state;
	breach("complete twice", false, "complete: a second time\n");
	breach("fact after complete", false, "fact_integer: after the probe had been completed\n");
	breach("complete in cancel", true, "complete: called from cancel()\n");
	breach("undeclared fact", false, "fact_integer: index 99, but 6 facts are declared\n");
	breach("wrong type", false, "fact_integer: ip is declared as another type\n");
	breach("no late name", false, "fact_string: header is a family, but was given no name\n");
	breach("foreign pointer", false, "phase: a pointer that is no probe\n");
	breach("timer after free", false, "timer_set: a timer that is gone\n");
}

static void a_bad_descriptor_is_seen(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, 0);
	fakehost_cancel(fakehost_probe(fh, "small", PAIRS("host", "::1", "break", "blocking descriptor"), 0));
	assert_non_null(strstr(fakehost_take_breaches(fh), "is not non-blocking"));
	fakehost_cancel(fakehost_probe(fh, "small", PAIRS("host", "::1", "break", "close before watch_free"), 0));
	assert_non_null(strstr(fakehost_take_breaches(fh), "was closed before its watch was freed"));
	fakehost_free(fh);
}

static void leaks_are_seen(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_over(&plugin, 0);
	struct fakehost_ledger none = fakehost_ledger(fh);
	fakehost_cancel(fakehost_probe(fh, "small", PAIRS("host", "::1", "break", "leak timer"), 0));
	fakehost_cancel(fakehost_probe(fh, "small", PAIRS("host", "::1", "break", "leak descriptor"), 0));
	fakehost_cancel(fakehost_probe(fh, "small", PAIRS("host", "::1", "break", "leak watch"), 0));
	struct fakehost_ledger now = fakehost_ledger(fh);
	assert_int_equal(now.timers - none.timers, 1);
	assert_int_equal(now.descriptors - none.descriptors, 4);
	assert_int_equal(now.watches - none.watches, 1);
	const char *left = fakehost_settle(fh);
	assert_non_null(strstr(left, "left over: a timer\n"));
	assert_non_null(strstr(left, "left over: a watch of descriptor "));
	assert_non_null(strstr(left, "left open: descriptor "));
	while (n_leaked_fds)
		close(leaked_fds[--n_leaked_fds]);
	fakehost_free(fh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_probe_runs_to_its_end),
		cmocka_unit_test(the_fake_clock_moves_only_when_told),
		cmocka_unit_test(the_deadline_cancels),
		cmocka_unit_test(an_unknown_name_fails_to_resolve),
		cmocka_unit_test(templates_are_rendered),
		cmocka_unit_test(bad_targets_are_refused),
		cmocka_unit_test(cancel_leaves_nothing),
		cmocka_unit_test(memory_is_counted),
		cmocka_unit_test(a_blocking_driver_runs_on_a_thread),
		cmocka_unit_test(completion_inside_start_is_legal),
		cmocka_unit_test(broken_rules_are_seen),
		cmocka_unit_test(a_bad_descriptor_is_seen),
		cmocka_unit_test(leaks_are_seen),
	};
	return cmocka_run_group_tests_name("fakehost", tests, NULL, NULL);
}
