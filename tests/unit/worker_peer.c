/* SPDX-License-Identifier: Apache-2.0 */
/* worker_peer.c - see worker_peer.h */
#include "worker_peer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "run/channel.h"
#include "run/worker.h"

static const char *fixture(const char *name)
{
	static char path[4096];
	const char *build = getenv("top_builddir");
	char *absolute = realpath(build ? build : ".", NULL);
	snprintf(path, sizeof path, "%s/tests/fixtures/.libs/%s.so", absolute, name);
	free(absolute);
	if (access(path, R_OK))
		fail_msg("%s is not there: run this in the build folder, after make check_LTLIBRARIES", path);
	return path;
}

const char *peer_fixture(void)
{
	return fixture("fixture");
}

void peer_load_hook(struct peer *p)
{
	struct buf b = { 0 };
	buf_str(&b, fixture("hook"));
	peer_send(p, WIRE_PLUGIN, &b);
	buf_free(&b);
}

static void say_hello(struct peer *p, struct peer_setup setup)
{
	const char *plugins[] = { peer_fixture() };
	struct wire_hello hello = {
		.epoch = 1, .who = "worker test.0", .log_level = getenv("WORKER_LOG") ? 0 : 3, .check_only = setup.check_only,
		.threads = setup.threads, .n_plugins = !setup.bare, .plugins = plugins,
	};
	struct buf b = { 0 };
	wire_put_hello(&b, &hello);
	peer_send(p, WIRE_HELLO, &b);
	buf_free(&b);
	struct peer_frame f;
	peer_expect(p, WIRE_READY, &f);
	peer_forget(&f);
}

struct peer *peer_start(struct peer_setup setup)
{
	int fds[2];
	struct peer *p = xnew(struct peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	int page = memfd_create("page", MFD_CLOEXEC);
	assert_int_equal(ftruncate(page, sizeof(struct worker_page)), 0);
	p->page = mmap(NULL, sizeof(struct worker_page), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
	assert_ptr_not_equal(p->page, MAP_FAILED);
	fflush(NULL);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (!p->pid) {
		close(fds[0]);
		struct rlimit limit = { setup.nofile, setup.nofile };
		if (setup.nofile)
			setrlimit(RLIMIT_NOFILE, &limit);
		limit = (struct rlimit){ 0, 0 };
		setrlimit(RLIMIT_CORE, &limit);
		munmap(p->page, sizeof *p->page);
		free(p);
		for (int sig = 1; sig < 32; sig++)
			signal(sig, SIG_DFL); /* cmocka's would take a crash for the end of a test, here */
		exit(worker_main(fds[1], page));
	}
	close(fds[1]);
	close(page);
	p->fd = fds[0];
	say_hello(p, setup);
	return p;
}

static void peer_free(struct peer *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->frames[i].data);
	free(p->frames);
	buf_free(&p->in);
	munmap(p->page, sizeof *p->page);
	free(p);
}

void peer_finish(struct peer *p)
{
	int status;
	struct peer_frame f;
	peer_send(p, WIRE_DRAIN, NULL);
	peer_expect(p, WIRE_DRAINED, &f);
	peer_forget(&f);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_int_equal(status, 0);
	close(p->fd);
	peer_free(p);
}

int peer_hang_up(struct peer *p)
{
	int status;
	close(p->fd);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	peer_free(p);
	return status;
}

void peer_forget_dead(struct peer *p)
{
	close(p->fd);
	peer_free(p);
}

void peer_send(struct peer *p, uint16_t type, const struct buf *payload)
{
	struct buf b = { 0 };
	buf_u32(&b, payload ? (uint32_t)payload->len : 0);
	buf_u16(&b, type);
	buf_u8(&b, FRAME_VERSION);
	buf_u8(&b, 0);
	if (payload)
		buf_put(&b, payload->data, payload->len);
	for (size_t at = 0; at < b.len;) {
		ssize_t n = send(p->fd, b.data + at, b.len - at, MSG_NOSIGNAL);
		if (n < 0)
			break; /* the worker has died: whoever waits for its answer finds out */
		at += (size_t)n;
	}
	buf_free(&b);
}

static int keep_frame(void *ctx, uint16_t type, struct cursor *c)
{
	struct peer *p = ctx;
	xgrow(p->frames, p->n, p->cap);
	struct peer_frame *f = &p->frames[p->n++];
	f->type = type;
	f->len = cursor_left(c);
	f->data = xmalloc(f->len + 1);
	memcpy(f->data, c->p, f->len);
	return 0;
}

/* False at the end of the stream. */
static bool read_more(struct peer *p)
{
	struct pollfd poll_fd = { .fd = p->fd, .events = POLLIN };
	if (poll(&poll_fd, 1, PATIENCE_MS) <= 0)
		fail_msg("the worker says nothing for %d s", PATIENCE_MS / 1000);
	ssize_t n = recv(p->fd, buf_reserve(&p->in, 65536), 65536, 0);
	if (n <= 0) {
		p->eof = true;
		return false;
	}
	p->in.len += (size_t)n;
	const char *why = NULL;
	if (frame_parse(&p->in, keep_frame, p, &why))
		fail_msg("bad frame from the worker: %s", why);
	return true;
}

static bool take_frame(struct peer *p, uint16_t type, struct peer_frame *frame)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->frames[i].type != type)
			continue;
		*frame = p->frames[i];
		memmove(&p->frames[i], &p->frames[i + 1], (p->n - i - 1) * sizeof p->frames[0]);
		p->n--;
		return true;
	}
	return false;
}

struct cursor peer_expect(struct peer *p, uint16_t type, struct peer_frame *frame)
{
	int64_t until = clock_now_ns() + PATIENCE_MS * NS_PER_MS;
	while (!take_frame(p, type, frame)) {
		if (!read_more(p))
			fail_msg("the worker is gone; a frame of type %d was expected", type);
		if (clock_now_ns() > until)
			fail_msg("no frame of type %d in %d s", type, PATIENCE_MS / 1000);
	}
	return cursor_over(frame->data, frame->len);
}

void peer_forget(struct peer_frame *frame)
{
	free(frame->data);
	frame->data = NULL;
}

size_t peer_count(const struct peer *p, uint16_t type)
{
	size_t n = 0;
	for (size_t i = 0; i < p->n; i++)
		n += p->frames[i].type == type;
	return n;
}

void peer_sync(struct peer *p)
{
	static uint64_t token;
	struct buf b = { 0 };
	buf_u64(&b, ++token);
	peer_send(p, WIRE_SYNC, &b);
	buf_free(&b);
	struct peer_frame f;
	struct cursor c = peer_expect(p, WIRE_SYNCED, &f);
	assert_int_equal(cursor_u64(&c), token);
	peer_forget(&f);
}

void peer_target(struct peer *p, uint32_t id, const char *driver, ...)
{
	struct kv options[32], expects[32], captures[32], hooks[2];
	char *copies[64];
	size_t n_copies = 0;
	struct wire_target t = { .id = id, .name = "target", .driver = driver, .timeout_ns = 5 * NS_PER_S, .interval_ns = 30 * NS_PER_S };
	va_list ap;
	va_start(ap, driver);
	for (const char *s; (s = va_arg(ap, const char *));) {
		char *copy = copies[n_copies++] = xstrdup(s);
		char *value = strchr(copy, '=');
		*value++ = '\0';
		if (!strcmp(copy, "family"))
			t.family = (uint32_t)atoi(value);
		else if (!strncmp(copy, "expect.", 7))
			expects[t.n_expects++] = (struct kv){ .key = copy + 7, .value = value };
		else if (!strncmp(copy, "capture.", 8))
			captures[t.n_captures++] = (struct kv){ .key = copy + 8, .value = value };
		else if (!strcmp(copy, "before") || !strcmp(copy, "after"))
			hooks[t.n_hooks++] = (struct kv){ .key = copy, .value = value };
		else if (!strcmp(copy, "retry"))
			t.retry = (uint32_t)atoi(value);
		else if (!strcmp(copy, "timeout"))
			t.timeout_ns = atoi(value) * NS_PER_MS;
		else if (!strcmp(copy, "on_fail"))
			t.go_on = !strcmp(value, "continue");
		else if (!strcmp(copy, "think"))
			t.think_min_ns = t.think_max_ns = atoi(value) * NS_PER_MS;
		else if (!strcmp(copy, "gated"))
			t.flags = TARGET_GATED;
		else
			options[t.n_options++] = (struct kv){ .key = copy, .value = value };
	}
	va_end(ap);
	t.options = options;
	t.expects = expects;
	t.captures = captures;
	t.hooks = hooks;
	t.hook = t.n_hooks ? "fxhook" : NULL;
	struct buf b = { 0 };
	wire_put_target(&b, &t);
	peer_send(p, WIRE_TARGET_ADD, &b);
	buf_free(&b);
	while (n_copies)
		free(copies[--n_copies]);
}

char *peer_refused(struct peer *p, uint32_t id)
{
	struct peer_frame f;
	struct cursor c = peer_expect(p, WIRE_TARGET_REFUSED, &f);
	assert_int_equal(cursor_u32(&c), id);
	char *why = xstrdup(cursor_str(&c));
	peer_forget(&f);
	return why;
}

uint32_t peer_dispatch(struct peer *p, uint32_t target, int64_t due_ns, int64_t timeout_ns)
{
	uint32_t slot = p->next_slot++;
	struct wire_dispatch d = { .slot = slot, .target = target, .seq = 1000 + slot, .due_ns = due_ns ? due_ns : clock_now_ns(), .timeout_ns = timeout_ns };
	struct buf b = { 0 };
	buf_u32(&b, 1);
	wire_put_dispatch(&b, &d);
	peer_send(p, WIRE_DISPATCH, &b);
	buf_free(&b);
	return slot;
}

void peer_flow(struct peer *p, uint32_t id, int64_t think_ms, uint32_t n, ...)
{
	uint32_t *steps = xcalloc(n, sizeof *steps);
	struct wire_flow m = { .id = id, .name = "flow", .think_min_ns = think_ms * NS_PER_MS, .think_max_ns = think_ms * NS_PER_MS, .n_steps = n, .steps = steps };
	struct buf b = { 0 };
	va_list ap;
	va_start(ap, n);
	for (uint32_t i = 0; i < n; i++)
		steps[i] = va_arg(ap, uint32_t);
	va_end(ap);
	wire_put_flow(&b, &m);
	peer_send(p, WIRE_FLOW_ADD, &b);
	buf_free(&b);
	free(steps);
}

uint32_t peer_run(struct peer *p, uint32_t flow, uint32_t flags, int64_t due_ns, const struct kv *vars, uint32_t n)
{
	uint32_t slot = p->next_slot++;
	struct wire_start m = {
		.slot = slot, .flow = flow, .plan = 1, .flags = flags, .seq = 1000 + slot, .user = slot, .due_ns = due_ns ? due_ns : clock_now_ns(),
		.n_vars = n, .vars = vars,
	};
	struct buf b = { 0 };
	wire_put_start(&b, &m);
	peer_send(p, WIRE_FLOW_START, &b);
	buf_free(&b);
	return slot;
}

struct peer_end peer_flow_end(struct peer *p)
{
	struct peer_end end;
	struct cursor c = peer_expect(p, WIRE_FLOW_END, &end.frame);
	assert_int_equal(wire_get_flow_end(&c, &end.m), 0);
	assert_int_equal(cursor_left(&c), 0);
	return end;
}

void peer_end_free(struct peer_end *end)
{
	wire_flow_end_free(&end->m);
	peer_forget(&end->frame);
}

const char *peer_end_var(const struct peer_end *end, const char *name)
{
	for (uint32_t i = 0; i < end->m.n_vars; i++)
		if (!strcmp(end->m.vars[i].key, name))
			return end->m.vars[i].value;
	return NULL;
}

static struct answer take_answer(struct peer *p)
{
	struct peer_frame f;
	struct cursor c = peer_expect(p, WIRE_RESULT, &f);
	struct answer a = { 0 };
	result_reset(&a.result);
	a.slot = cursor_u32(&c);
	a.target = cursor_u32(&c);
	a.seq = cursor_u64(&c);
	a.kind = cursor_u8(&c);
	a.last = a.kind == RESULT_LAST;
	assert_int_equal(result_decode(&c, &a.result), 0);
	assert_int_equal(cursor_left(&c), 0);
	peer_forget(&f);
	return a;
}

struct answer peer_answer(struct peer *p)
{
	struct answer a = take_answer(p);
	assert_int_equal(a.seq, 1000 + a.slot);
	return a;
}

struct answer peer_step(struct peer *p, uint32_t slot, uint32_t n)
{
	struct answer a = take_answer(p);
	assert_int_equal(a.slot, slot);
	assert_int_equal(a.kind, RESULT_STEP);
	assert_int_equal(a.seq, 1000 + slot + n);
	return a;
}

void answer_free(struct answer *a)
{
	result_free(&a->result);
}

struct answer peer_probe(struct peer *p, uint32_t target)
{
	uint32_t slot = peer_dispatch(p, target, 0, 5 * NS_PER_S);
	struct answer a = peer_answer(p);
	assert_int_equal(a.slot, slot);
	assert_int_equal(a.target, target);
	return a;
}

char *peer_misbehaved(struct peer *p, const char *driver)
{
	struct peer_frame f;
	struct cursor c = peer_expect(p, WIRE_MISBEHAVED, &f);
	assert_string_equal(cursor_str(&c), driver);
	char *what = xstrdup(cursor_str(&c));
	peer_forget(&f);
	return what;
}

const char *answer_message(const struct answer *a)
{
	const char *s = result_string(&a->result, a->result.message);
	return s ? s : "";
}

const char *answer_failed(const struct answer *a, uint32_t i)
{
	assert_true(i < a->result.n_failed);
	return result_string(&a->result, a->result.failed[i].label);
}

const struct result_fact *answer_fact(const struct answer *a, uint32_t fact, const char *late)
{
	return result_fact_find(&a->result, fact, late, NULL);
}

const char *answer_text(const struct answer *a, uint32_t fact, const char *late)
{
	const struct result_fact *f = answer_fact(a, fact, late);
	assert_non_null(f);
	return result_string(&a->result, f->s);
}
