/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_fixture.c - capabilities of the driver ABI that no bundled driver needs yet, used by the fixture: sessions of virtual
 * users, the gate, options rendered for each probe, and a body that is enough. What the real worker does of them, test_worker
 * holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../fakehost/fakehost.h"

#define FIXTURE "../tests/fixtures/.libs/fixture"
#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define MS INT64_C(1000000)

static void a_session_is_one_virtual_users(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_new(FIXTURE, 0);
	struct fakehost_target *t = fakehost_target(fh, "fx", PAIRS("do", "session"), 0);
	struct fakehost_session *ann = fakehost_session(fh, "fx"), *bob = fakehost_session(fh, "fx");
	struct fakehost_session *order[] = { ann, ann, bob, ann, NULL, bob };
	static const int64_t counts[] = { 1, 2, 1, 3, 0, 2 };
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		struct fakehost_probe *p = fakehost_start(t, order[i]);
		assert_true(fakehost_run_until_done(p, 5));
		assert_int_equal(fakehost_fact_int(p, "count"), counts[i]);
	}
	fakehost_session_free(ann);
	struct fakehost_session *new = fakehost_session(fh, "fx");
	assert_int_equal(fakehost_fact_int(fakehost_start(t, new), "count"), 1);
	fakehost_free(fh);
}

static void the_gate_holds_a_probe_up(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_new(FIXTURE, FAKEHOST_FAKE_CLOCK);
	struct fakehost_target *t = fakehost_target(fh, "fx", PAIRS("do", "gate", "host", "a.example"), 0);
	fakehost_gate(fh, 70 * MS);
	struct fakehost_probe *p = fakehost_start(t, NULL);
	assert_string_equal(fakehost_gate_key(fh), "a.example");
	fakehost_advance(fh, 70 * MS - 1);
	assert_false(fakehost_done(p));
	fakehost_gate(fh, 0); /* it asks again */
	fakehost_advance(fh, 1);
	assert_true(fakehost_done(p));
	assert_int_equal(fakehost_outcome(p), PROBED_OK);
	fakehost_free(fh);
}

static void options_are_rendered_for_each_probe(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_new(FIXTURE, 0);
	struct fakehost_target *t = fakehost_target(fh, "fx", PAIRS("do", "echo", "text", "{{user}}", "count", "{{n}}"), 0);
	static const char *const users[] = { "ann", "bob" }, *const numbers[] = { "7", "8" };
	for (size_t i = 0; i < 2; i++) {
		fakehost_render(fh, "{{user}}", users[i]);
		fakehost_render(fh, "{{n}}", numbers[i]);
		struct fakehost_probe *p = fakehost_start(t, NULL);
		assert_true(fakehost_run_until_done(p, 5));
		assert_string_equal(fakehost_fact_str(p, "text"), users[i]);
		assert_int_equal(fakehost_fact_int(p, "count"), 7 + (int64_t)i);
	}
	fakehost_free(fh);
}

static void a_body_ends_once_it_is_enough(void **state)
{
	(void)state;
	struct fakehost *fh = fakehost_new(FIXTURE, 0);
	fakehost_body_want(fh, 2500);
	struct fakehost_probe *p = fakehost_probe(fh, "fx", PAIRS("do", "body", "size", "1MiB"), 0);
	assert_true(fakehost_run_until_done(p, 5));
	assert_int_equal(fakehost_fact_int(p, "count"), 2500);
	assert_int_equal(fakehost_fact_int(p, "bytes"), 3000); /* pieces of 1000 */
	fakehost_free(fh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_one_virtual_users),
		cmocka_unit_test(the_gate_holds_a_probe_up),
		cmocka_unit_test(options_are_rendered_for_each_probe),
		cmocka_unit_test(a_body_ends_once_it_is_enough),
	};
	return cmocka_run_group_tests_name("fixture", tests, NULL, NULL);
}
