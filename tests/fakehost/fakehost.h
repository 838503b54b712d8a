/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fakehost.h - a host that drives any plugin in a unit test, without the daemon.
 *
 * It offers all of <probed/host.h>, keeps a ledger of what the plugin holds (watches, timers, lookups,
 * descriptors, memory), records what it says of each probe, and enforces the ABI's rules: what a plugin breaks
 * is noted as a breach, and fails the test in fakehost_check_clean() and fakehost_free().
 *
 * One fake host at a time, one thread. Plugins stay loaded from test to test, as in a real process; unload()
 * runs at exit. A typical test:
 *
 *     struct fakehost *fh = fakehost_new("tcp", 0);
 *     struct fakehost_probe *p = fakehost_probe(fh, "tcp", (const char *[]){ "host", "127.0.0.1", "port", port, NULL }, 0);
 *     assert_true(fakehost_run_until_done(p, 5));
 *     assert_int_equal(fakehost_outcome(p), PROBED_OK);
 *     assert_string_equal(fakehost_fact_str(p, "ip"), "127.0.0.1");
 *     fakehost_free(fh);
 */
#ifndef FAKEHOST_H
#define FAKEHOST_H

#include <probed/plugin.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/result.h"

struct fakehost;
struct fakehost_target;
struct fakehost_session;
struct fakehost_probe;

enum {
	/* Time stands still but for fakehost_advance(). Descriptors are real all the same. */
	FAKEHOST_FAKE_CLOCK = 1u << 0
};

/* Loads $top_builddir/.libs/NAME.so (the working folder's where that is unset), or takes a plugin that is part of
 * the test. Fails the test where it can't. */
struct fakehost *fakehost_new(const char *name, uint32_t flags);
struct fakehost *fakehost_over(const struct probed_plugin *plugin, uint32_t flags);
/* Cancels what still runs, then as fakehost_check_clean(). */
void fakehost_free(struct fakehost *fh);

/* --- the world -------------------------------------------------------------------------------- */

/* Adds an address (a literal) to a name. A name without any has "no such name"; literals are always known. */
void fakehost_name(struct fakehost *fh, const char *name, const char *address);
/* Lookups that come from now on are never answered (true), or are again (false). */
void fakehost_hold_lookups(struct fakehost *fh, bool hold);
/* What a template's text, braces and all ("{{user}}"), becomes. A text that stays unknown makes option() NULL. */
void fakehost_render(struct fakehost *fh, const char *text, const char *value);
/* What gate() answers; for the next n calls, and "go" after them; how often it was asked; and the key it was last asked for
 * (NULL: not yet). */
void fakehost_gate(struct fakehost *fh, int64_t ns);
void fakehost_gate_next(struct fakehost *fh, int64_t ns, unsigned n);
unsigned fakehost_gate_count(const struct fakehost *fh);
const char *fakehost_gate_key(const struct fakehost *fh);
/* What body_want() answers (default: 1 MiB); body_write() says "enough" once that much was written. */
void fakehost_body_want(struct fakehost *fh, int64_t want);
/* Whether extension("probed.ev-loop/1") is there (default: yes). */
void fakehost_offer_ev_loop(struct fakehost *fh, bool offer);
/* The last line that the plugin logged, NULL: none. */
const char *fakehost_logged(const struct fakehost *fh);

/* --- time ------------------------------------------------------------------------------------- */

int64_t fakehost_now(const struct fakehost *fh);
/* One turn of the loop that does not block: what is readable, due or to be answered. */
void fakehost_turn(struct fakehost *fh);
/* FAKEHOST_FAKE_CLOCK: moves time on, stopping at each timer and deadline on the way. */
void fakehost_advance(struct fakehost *fh, int64_t ns);
/* Turns until the condition holds; false where real_seconds went by before. With a fake clock time stands still. */
bool fakehost_run_until(struct fakehost *fh, bool (*condition)(void *ctx), void *ctx, double real_seconds);
bool fakehost_run_until_done(struct fakehost_probe *p, double real_seconds);

/* --- probing ---------------------------------------------------------------------------------- */

/* pairs: "key", "value", ..., NULL. timeout 0: 5 s. `family` is the key "family" ("any", "4", "6"), as in a
 * configuration. A target that is refused fails the test; lives until fakehost_target_free() or the end. */
struct fakehost_target *fakehost_target(struct fakehost *fh, const char *driver, const char *const *pairs,
                                        int64_t timeout_ns);
/* Frees it at once; probes of it must have ended. */
void fakehost_target_free(struct fakehost_target *t);
/* What is wrong with these options, by the option table and by target_new() with a NULL worker; NULL: nothing.
 * The text lives until the next call. */
const char *fakehost_target_error(struct fakehost *fh, const char *driver, const char *const *pairs);
/* worker_new() is called with the first target. Its error where it fails, NULL where it works. */
const char *fakehost_worker_error(struct fakehost *fh, const char *driver);

struct fakehost_session *fakehost_session(struct fakehost *fh, const char *driver);
void fakehost_session_free(struct fakehost_session *s);

/* Starts a probe; it may be over on return. Lives until the end. session may be NULL. */
struct fakehost_probe *fakehost_start(struct fakehost_target *t, struct fakehost_session *s);
/* fakehost_target() and fakehost_start() in one. */
struct fakehost_probe *fakehost_probe(struct fakehost *fh, const char *driver, const char *const *pairs,
                                      int64_t timeout_ns);
/* As the host gives up; ends as unknown: cancelled. Nothing where it is over. */
void fakehost_cancel(struct fakehost_probe *p);

/* --- what came of it -------------------------------------------------------------------------- */

bool fakehost_done(const struct fakehost_probe *p);
uint32_t fakehost_outcome(const struct fakehost_probe *p);
uint32_t fakehost_reason(const struct fakehost_probe *p);
const char *fakehost_message(const struct fakehost_probe *p); /* "" where none */
const struct result *fakehost_result(const struct fakehost_probe *p);
/* The sub-result of this name, NULL: none (the last one, where there are several). */
const struct result *fakehost_sub(const struct fakehost_probe *p, const char *name);
size_t fakehost_subs(const struct fakehost_probe *p);
/* -1 where the phase did not happen. */
int64_t fakehost_phase(const struct fakehost_probe *p, uint32_t phase);
/* What was written by body_write(); NUL-terminated. */
const char *fakehost_body(const struct fakehost_probe *p, size_t *len);

/* Facts by their names ("status", "header.server"). The getters fail the test where there is none; _str of a
 * TABLE is a row as a JSON object. In the _nth forms i counts the values of a LIST or the rows of a TABLE. */
bool fakehost_has_fact(const struct fakehost_probe *p, const char *name);
size_t fakehost_fact_count(const struct fakehost_probe *p, const char *name);
int64_t fakehost_fact_int(const struct fakehost_probe *p, const char *name);
double fakehost_fact_float(const struct fakehost_probe *p, const char *name);
const char *fakehost_fact_str(const struct fakehost_probe *p, const char *name);
int64_t fakehost_fact_int_nth(const struct fakehost_probe *p, const char *name, size_t i);
const char *fakehost_fact_str_nth(const struct fakehost_probe *p, const char *name, size_t i);
/* The same of a sub-result; NULL where there is none. */
const struct result_fact *fakehost_result_fact(const struct fakehost_probe *p, const struct result *r, const char *name);
/* All of it on stderr, for a test that is being written. */
void fakehost_print(const struct fakehost_probe *p);

/* --- the ledger ------------------------------------------------------------------------------- */

/* What the plugin holds now. `bytes` is what its callbacks allocated less what they freed, libraries' caches included: to
 * see a leak, run a probe to warm up, take the ledger, run many, and compare. */
struct fakehost_ledger {
	size_t watches, timers, lookups, descriptors;
	int64_t bytes;
};
struct fakehost_ledger fakehost_ledger(const struct fakehost *fh);
/* Fails the test where the plugin holds more than `before` (bytes: by more than `slack`). */
void fakehost_check_same(struct fakehost *fh, const struct fakehost_ledger *before, int64_t slack);

/* Frees sessions, targets and workers, and answers all breaches with everything that is left: watches, timers, lookups,
 * descriptors, probes that never ended. NULL: all is well. As fakehost_take_breaches(). */
const char *fakehost_settle(struct fakehost *fh);
/* The same, but fails the test where there is anything. */
void fakehost_check_clean(struct fakehost *fh);

/* The breaches so far, one a line, NULL where there are none; they are then forgotten. For tests of bad drivers. The
 * text lives until the next call. */
const char *fakehost_take_breaches(struct fakehost *fh);

#endif
