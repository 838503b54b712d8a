/* SPDX-License-Identifier: Apache-2.0 */
/* turn.c - the fake host's loop: descriptors by libev, timers and answers of lookups by its own lists. */
#include "internal.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

int64_t fakehost_now(const struct fakehost *fh)
{
	return fh->flags & FAKEHOST_FAKE_CLOCK ? fh->fake_now_ns : clock_now_ns();
}

void io_ready(struct ev_loop *ev, ev_io *w, int revents)
{
	(void)ev;
	struct watch *watch = w->data;
	uint32_t events = (revents & EV_READ ? PROBED_READ : 0) | (revents & EV_WRITE ? PROBED_WRITE : 0);
	SLOT(fakehost_current, watch->fn(watch->arg, watch->fd, events));
}

/* The next timer or deadline; INT64_MAX: none. */
int64_t next_event(struct fakehost *fh)
{
	int64_t at = INT64_MAX;
	for (struct handle *h = fh->handles; h; h = h->hh.next) {
		const struct timer *t = (const struct timer *)h;
		if (h->live && h->kind == HANDLE_TIMER && t->at_ns && t->at_ns < at)
			at = t->at_ns;
	}
	for (struct fakehost_probe *p = fh->probes; p; p = p->next)
		if (!p->completed && p->deadline_ns < at)
			at = p->deadline_ns;
	return at;
}

static struct handle *due_timer(struct fakehost *fh)
{
	int64_t now = fakehost_now(fh);
	struct timer *first = NULL;
	for (struct handle *h = fh->handles; h; h = h->hh.next) {
		struct timer *t = (struct timer *)h;
		if (h->live && h->kind == HANDLE_TIMER && t->at_ns && t->at_ns <= now && t->set_in_turn < fh->turn &&
		    (!first || t->at_ns < first->at_ns))
			first = t;
	}
	return first ? &first->handle : NULL;
}

static void fire_timers(struct fakehost *fh)
{
	for (struct handle *h; (h = due_timer(fh));) {
		struct timer *t = (struct timer *)h;
		t->at_ns = 0;
		SLOT(fh, t->fn(t->arg));
	}
}

int parse_address(const char *text, struct probed_addr *out)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *ai;
	if (getaddrinfo(text, NULL, &hints, &ai))
		return -1;
	*out = (struct probed_addr){ .family = ai->ai_family == AF_INET ? 4 : 6 };
	if (ai->ai_family == AF_INET) {
		memcpy(out->bytes, &((struct sockaddr_in *)(void *)ai->ai_addr)->sin_addr, 4);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ai->ai_addr;
		memcpy(out->bytes, &in6->sin6_addr, 16);
		out->scope_id = in6->sin6_scope_id;
	}
	freeaddrinfo(ai);
	return 0;
}

static void answer(struct fakehost *fh, struct lookup *l)
{
	struct probed_addr addrs[16];
	uint32_t n = 0;
	bool known = false;
	struct probed_addr one;
	if (!parse_address(l->name, &one)) {
		known = true;
		if (!l->family || one.family == l->family)
			addrs[n++] = one;
	}
	for (size_t i = 0; i < fh->n_names && n < ARRAY_LEN(addrs); i++) {
		if (strcmp(fh->names[i].key, l->name))
			continue;
		known = true;
		if (!parse_address(fh->names[i].value, &one) && (!l->family || one.family == l->family))
			addrs[n++] = one;
	}
	char error[300];
	if (known)
		snprintf(error, sizeof error, "%s has no IPv%u address", l->name, l->family);
	else
		snprintf(error, sizeof error, "%s: no such name", l->name);
	handle_end(fh, &l->handle);
	SLOT(fh, l->fn(l->arg, n ? 0 : -1, n ? NULL : error, n, n ? addrs : NULL, sizeof addrs[0]));
	memset(addrs, 0xdd, sizeof addrs);
}

static struct lookup *ready_lookup(struct fakehost *fh)
{
	for (struct handle *h = fh->handles; h; h = h->hh.next) {
		struct lookup *l = (struct lookup *)h;
		if (h->live && h->kind == HANDLE_LOOKUP && !l->held && l->asked_in_turn < fh->turn)
			return l;
	}
	return NULL;
}

static void end_probes(struct fakehost *fh)
{
	int64_t now = fakehost_now(fh);
	for (struct fakehost_probe *p = fh->probes; p; p = p->next) {
		if (p->threaded && p->returned && !p->completed)
			probe_finish(p, p->verdict.outcome, p->verdict.reason, p->verdict.message);
		if (!p->completed && now >= p->deadline_ns) {
			char message[80];
			snprintf(message, sizeof message, "timed out%s%s", p->phase < PROBED_PHASES ? " in phase " : "",
			         p->phase < PROBED_PHASES ? phase_name(p->phase) : "");
			probe_give_up(p, PROBED_ERROR, PROBED_REASON_TIMEOUT, message);
		}
		probe_reap(p);
	}
}

static void woke(struct ev_loop *ev, ev_timer *w, int revents)
{
	(void)ev, (void)w, (void)revents;
}

void turn(struct fakehost *fh, int64_t block_ns)
{
	if (fh->in_slot)
		fakehost_breach(fh, "the loop was turned from inside a slot");
	fh->turn++;
	int64_t next = next_event(fh);
	if (!(fh->flags & FAKEHOST_FAKE_CLOCK) && next != INT64_MAX && next - fakehost_now(fh) < block_ns)
		block_ns = next - fakehost_now(fh);
	if (ready_lookup(fh) || due_timer(fh))
		block_ns = 0;
	if (block_ns > 0) {
		ev_timer_init(&fh->wake, woke, (double)block_ns / 1e9, 0);
		ev_now_update(fh->ev);
		ev_timer_start(fh->ev, &fh->wake);
	}
	ev_run(fh->ev, block_ns > 0 ? EVRUN_ONCE : EVRUN_NOWAIT);
	ev_timer_stop(fh->ev, &fh->wake);
	fire_timers(fh);
	for (struct lookup *l; (l = ready_lookup(fh));)
		answer(fh, l);
	end_probes(fh);
}

void fakehost_turn(struct fakehost *fh)
{
	turn(fh, 0);
}

void fakehost_advance(struct fakehost *fh, int64_t ns)
{
	if (!(fh->flags & FAKEHOST_FAKE_CLOCK))
		fail_msg("fakehost_advance() needs FAKEHOST_FAKE_CLOCK");
	int64_t until = fh->fake_now_ns + ns;
	turn(fh, 0);
	turn(fh, 0);
	for (int64_t at; (at = next_event(fh)) <= until;) {
		if (at > fh->fake_now_ns)
			fh->fake_now_ns = at;
		turn(fh, 0);
		turn(fh, 0);
	}
	fh->fake_now_ns = until;
}

bool fakehost_run_until(struct fakehost *fh, bool (*condition)(void *ctx), void *ctx, double real_seconds)
{
	int64_t end = clock_now_ns() + (int64_t)(real_seconds * 1e9);
	while (!condition(ctx)) {
		int64_t left = end - clock_now_ns();
		if (left <= 0)
			return false;
		turn(fh, left);
	}
	return true;
}

static bool is_done(void *ctx)
{
	return fakehost_done(ctx);
}

bool fakehost_run_until_done(struct fakehost_probe *p, double real_seconds)
{
	return fakehost_run_until(p->fh, is_done, p, real_seconds);
}
