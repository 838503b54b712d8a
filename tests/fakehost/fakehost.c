/* SPDX-License-Identifier: Apache-2.0 */
/* fakehost.c - see fakehost.h: loading, the world, targets, and the start of probes. */
#include "fakehost.h"

#include "internal.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"

#define FAKE_START INT64_C(1000000000000)
#define MAX_PLUGINS 32

struct fakehost *fakehost_current;

static const struct probed_plugin *loaded[MAX_PLUGINS];
static size_t n_loaded;

void fakehost_breach(struct fakehost *fh, const char *format, ...)
{
	char line[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	buf_printf(&fh->breaches, "%s%s", line, line[strlen(line) - 1] == '\n' ? "" : "\n");
}

const char *fakehost_take_breaches(struct fakehost *fh)
{
	if (!fh->breaches.len)
		return NULL;
	buf_free(&fh->taken);
	fh->taken = fh->breaches;
	fh->breaches = (struct buf){ 0 };
	return buf_cstr(&fh->taken);
}

void slot_enter(struct fakehost *fh)
{
	if (fh->in_host)
		fakehost_breach(fh, "a slot was entered from inside a host call");
	if (!fh->in_slot++)
		fh->slot_bytes = memory_live_bytes();
	else
		fakehost_breach(fh, "a slot was entered from inside another: did the driver turn the loop?");
}

void slot_leave(struct fakehost *fh)
{
	if (!--fh->in_slot)
		fh->bytes += memory_live_bytes() - fh->slot_bytes;
}

/* --- life ------------------------------------------------------------------------------------- */

static void unload_all(void)
{
	for (size_t i = 0; i < n_loaded; i++)
		if (loaded[i]->unload)
			loaded[i]->unload();
}

static void load_once(const struct probed_plugin *plugin)
{
	for (size_t i = 0; i < n_loaded; i++)
		if (loaded[i] == plugin)
			return;
	if (n_loaded == MAX_PLUGINS)
		fail_msg("the fake host takes %d plugins in one program", MAX_PLUGINS);
	if (plugin->magic != PROBED_MAGIC || plugin->abi_major != PROBED_ABI_MAJOR || plugin->need_minor > PROBED_ABI_MINOR)
		fail_msg("%s: not a plugin of this ABI", plugin->name);
	if (plugin->load && plugin->load(&fakehost_host))
		fail_msg("%s: load() refused", plugin->name);
	if (!n_loaded)
		atexit(unload_all);
	loaded[n_loaded++] = plugin;
}

static void thread_done(struct ev_loop *ev, ev_async *w, int revents)
{
	(void)ev, (void)w, (void)revents;
}

struct fakehost *fakehost_over(const struct probed_plugin *plugin, uint32_t flags)
{
	/* one that stands here still is of a test that failed half-way: what it held is lost, this test is not */
	struct fakehost *fh = xnew(struct fakehost);
	fh->plugin = plugin;
	fh->flags = flags;
	fh->fake_now_ns = FAKE_START;
	fh->body_want = 1 << 20;
	fh->ev = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
	if (!fh->ev)
		panic("no event loop");
	ev_init(&fh->wake, NULL);
	ev_async_init(&fh->thread_done, thread_done);
	ev_async_start(fh->ev, &fh->thread_done);
	fakehost_current = fh;
	load_once(plugin);
	fh->fds_before = open_descriptors(&fh->n_fds_before);
	return fh;
}

struct fakehost *fakehost_new(const char *name, uint32_t flags)
{
	const char *top = getenv("top_builddir");
	char path[512];
	snprintf(path, sizeof path, "%s/.libs/%s.so", top && *top ? top : ".", name);
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!so)
		fail_msg("%s", dlerror());
	const struct probed_plugin *plugin = dlsym(so, "probed_plugin");
	if (!plugin)
		fail_msg("%s: no symbol probed_plugin", path);
	return fakehost_over(plugin, flags);
}

static void free_pairs(struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(pairs[i].key);
		free(pairs[i].value);
	}
	free(pairs);
}

static void destroy(struct fakehost *fh)
{
	free_graveyard(fh);
	while (fh->probes) {
		struct fakehost_probe *p = fh->probes;
		fh->probes = p->next;
		probe_free(p);
	}
	ev_async_stop(fh->ev, &fh->thread_done);
	ev_loop_destroy(fh->ev);
	free_pairs(fh->names, fh->n_names);
	free_pairs(fh->renders, fh->n_renders);
	free(fh->gate_key);
	free(fh->log_line);
	free(fh->fds_before);
	buf_free(&fh->breaches);
	buf_free(&fh->taken);
	free(fh);
	fakehost_current = NULL;
}

void fakehost_free(struct fakehost *fh)
{
	for (struct fakehost_probe *p = fh->probes; p; p = p->next)
		fakehost_cancel(p);
	fakehost_check_clean(fh);
	destroy(fh);
}

/* --- the world -------------------------------------------------------------------------------- */

static void add_pair(struct pair **list, size_t *n, size_t *cap, const char *key, const char *value)
{
	xgrow(*list, *n, *cap);
	(*list)[(*n)++] = (struct pair){ xstrdup(key), xstrdup(value) };
}

void fakehost_name(struct fakehost *fh, const char *name, const char *address)
{
	struct probed_addr ignored;
	if (parse_address(address, &ignored))
		fail_msg("fakehost_name: \"%s\" is no address", address);
	add_pair(&fh->names, &fh->n_names, &fh->cap_names, name, address);
}

void fakehost_hold_lookups(struct fakehost *fh, bool hold)
{
	fh->hold_lookups = hold;
}

void fakehost_render(struct fakehost *fh, const char *text, const char *value)
{
	for (size_t i = 0; i < fh->n_renders; i++)
		if (!strcmp(fh->renders[i].key, text)) {
			free(fh->renders[i].value);
			fh->renders[i].value = xstrdup(value);
			return;
		}
	add_pair(&fh->renders, &fh->n_renders, &fh->cap_renders, text, value);
}

void fakehost_gate(struct fakehost *fh, int64_t ns)
{
	fakehost_gate_next(fh, ns, UINT_MAX);
}

void fakehost_gate_next(struct fakehost *fh, int64_t ns, unsigned n)
{
	fh->gate_ns = ns;
	fh->gate_left = n;
}

unsigned fakehost_gate_count(const struct fakehost *fh)
{
	return fh->gate_count;
}

const char *fakehost_gate_key(const struct fakehost *fh)
{
	return fh->gate_key;
}

void fakehost_body_want(struct fakehost *fh, int64_t want)
{
	fh->body_want = want;
}

void fakehost_offer_ev_loop(struct fakehost *fh, bool offer)
{
	fh->no_ev_loop = !offer;
}

const char *fakehost_logged(const struct fakehost *fh)
{
	return fh->log_line;
}

/* --- targets ---------------------------------------------------------------------------------- */

static const struct probed_driver *find_driver(const struct fakehost *fh, const char *name)
{
	for (uint32_t i = 0; i < fh->plugin->n_drivers; i++) {
		const struct probed_driver *d = PROBED_AT(struct probed_driver, fh->plugin->drivers, fh->plugin->driver_stride, i);
		if (!strcmp(d->name, name))
			return d;
	}
	fail_msg("%s has no driver \"%s\"", fh->plugin->name, name);
	return NULL;
}

/* The driver's worker, made where it is not there yet; NULL with fh->error where that fails. */
static struct worker *find_worker(struct fakehost *fh, const struct probed_driver *driver)
{
	for (struct worker *w = fh->workers; w; w = w->next)
		if (w->driver == driver)
			return w;
	struct worker *w = xnew(struct worker);
	w->driver = driver;
	int32_t rc = 0;
	snprintf(fh->error, sizeof fh->error, "worker_new() failed");
	if (driver->worker_new)
		SLOT(fh, rc = driver->worker_new(&w->state, fh->error, sizeof fh->error));
	if (rc) {
		free(w);
		return NULL;
	}
	w->made = true;
	w->next = fh->workers;
	fh->workers = w;
	return w;
}

const char *fakehost_worker_error(struct fakehost *fh, const char *driver)
{
	return find_worker(fh, find_driver(fh, driver)) ? NULL : fh->error;
}

static bool declares(const struct probed_driver *d, const char *name)
{
	for (uint32_t i = 0; i < d->n_options; i++)
		if (!strcmp(PROBED_AT(struct probed_option, d->options, d->option_stride, i)->name, name))
			return true;
	return false;
}

static void target_destroy(struct fakehost_target *t)
{
	free_pairs(t->pairs, t->n_pairs);
	options_free(&t->options);
	free(t);
}

/* Bound, but not yet handed to the driver. NULL with fh->error. */
static struct fakehost_target *target_make(struct fakehost *fh, const char *driver, const char *const *pairs, int64_t timeout_ns)
{
	struct fakehost_target *t = xnew(struct fakehost_target);
	size_t cap = 0;
	t->fh = fh;
	t->driver = find_driver(fh, driver);
	for (; pairs && pairs[0]; pairs += 2) {
		if (!strcmp(pairs[0], "family") && !declares(t->driver, "family"))
			t->args.family = !strcmp(pairs[1], "any") ? 0 : (uint32_t)atoi(pairs[1]);
		else
			add_pair(&t->pairs, &t->n_pairs, &cap, pairs[0], pairs[1]);
	}
	if (bind_options(fh, t->driver, t->pairs, t->n_pairs, false, &t->options)) {
		target_destroy(t);
		return NULL;
	}
	t->args.size = sizeof t->args;
	t->args.name = "test";
	t->args.options = t->options.values;
	t->args.n_options = t->options.n;
	t->args.option_stride = sizeof t->options.values[0];
	t->args.timeout_ns = timeout_ns ? timeout_ns : INT64_C(5000000000);
	t->args.interval_ns = INT64_C(30000000000);
	return t;
}

static int target_open(struct fakehost_target *t, void *worker)
{
	struct fakehost *fh = t->fh;
	int32_t rc = 0;
	snprintf(fh->error, sizeof fh->error, "target_new() failed");
	if (t->driver->target_new)
		SLOT(fh, rc = t->driver->target_new(worker, &t->args, &t->state, fh->error, sizeof fh->error));
	return rc;
}

struct fakehost_target *fakehost_target(struct fakehost *fh, const char *driver, const char *const *pairs, int64_t timeout_ns)
{
	struct fakehost_target *t = target_make(fh, driver, pairs, timeout_ns);
	if (!t)
		fail_msg("the options were refused: %s", fh->error);
	t->worker = find_worker(fh, t->driver);
	if (!t->worker || target_open(t, t->worker->state)) {
		target_destroy(t);
		fail_msg("the target was refused: %s", fh->error);
	}
	fh->settled = false;
	t->next = fh->targets;
	fh->targets = t;
	return t;
}

void fakehost_target_free(struct fakehost_target *t)
{
	struct fakehost *fh = t->fh;
	for (struct fakehost_probe *p = fh->probes; p; p = p->next)
		if (p->target == t) {
			while (p->threaded)
				turn(fh, INT64_C(100000000));
			if (!p->completed)
				fail_msg("fakehost_target_free: a probe of it has not ended");
			p->target = NULL;
		}
	if (t->driver->target_free)
		SLOT(fh, t->driver->target_free(t->worker->state, t->state));
	for (struct fakehost_target **at = &fh->targets; *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			break;
		}
	target_destroy(t);
}

const char *fakehost_target_error(struct fakehost *fh, const char *driver, const char *const *pairs)
{
	struct fakehost_target *t = target_make(fh, driver, pairs, 0);
	if (!t)
		return fh->error;
	int rc = target_open(t, NULL);
	if (!rc && t->driver->target_free)
		SLOT(fh, t->driver->target_free(NULL, t->state));
	target_destroy(t);
	return rc ? fh->error : NULL;
}

struct fakehost_session *fakehost_session(struct fakehost *fh, const char *driver)
{
	struct fakehost_session *s = xnew(struct fakehost_session);
	s->fh = fh;
	s->driver = find_driver(fh, driver);
	s->worker = find_worker(fh, s->driver);
	int32_t rc = s->worker ? 0 : -1;
	if (!rc && s->driver->session_new)
		SLOT(fh, rc = s->driver->session_new(s->worker->state, &s->state));
	if (rc) {
		free(s);
		fail_msg("no session: %s", fh->error);
	}
	fh->settled = false;
	s->next = fh->sessions;
	fh->sessions = s;
	return s;
}

void fakehost_session_free(struct fakehost_session *s)
{
	struct fakehost *fh = s->fh;
	if (s->driver->session_free)
		SLOT(fh, s->driver->session_free(s->worker->state, s->state));
	for (struct fakehost_session **at = &fh->sessions; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	free(s);
}

/* --- probes ----------------------------------------------------------------------------------- */

static void *run_blocking(void *arg)
{
	struct fakehost_probe *p = arg;
	p->driver->run(p->target->worker->state, p->target->state, p->session ? p->session->state : NULL,
	               (struct probed_probe *)p, p->mem, &p->verdict);
	__atomic_store_n(&p->returned, true, __ATOMIC_RELEASE);
	ev_async_send(p->fh->ev, &p->fh->thread_done);
	return NULL;
}

struct fakehost_probe *fakehost_start(struct fakehost_target *t, struct fakehost_session *s)
{
	struct fakehost *fh = t->fh;
	struct fakehost_probe *p = xnew(struct fakehost_probe);
	p->fh = fh;
	p->target = t;
	p->driver = t->driver;
	p->session = s;
	p->mem = xcalloc(1, p->driver->probe_size + 1u);
	p->phase = PROBED_PHASES;
	result_reset(&p->result);
	p->result.wall_ns = fakehost_host.wall();
	p->result.start_ns = p->result.due_ns = p->phase_began_ns = fakehost_now(fh);
	p->deadline_ns = p->result.start_ns + t->args.timeout_ns;
	handle_add(fh, &p->handle, HANDLE_PROBE);
	p->next = fh->probes;
	fh->probes = p;
	if (p->driver->flags & PROBED_DRIVER_BLOCKING) {
		p->threaded = true;
		if (pthread_create(&p->thread, NULL, run_blocking, p))
			fail_msg("no thread");
		return p;
	}
	SLOT(fh, p->driver->start(t->worker->state, t->state, s ? s->state : NULL, (struct probed_probe *)p, p->mem));
	probe_reap(p);
	return p;
}

struct fakehost_probe *fakehost_probe(struct fakehost *fh, const char *driver, const char *const *pairs, int64_t timeout_ns)
{
	return fakehost_start(fakehost_target(fh, driver, pairs, timeout_ns), NULL);
}

void fakehost_cancel(struct fakehost_probe *p)
{
	if (p->completed)
		return;
	probe_give_up(p, PROBED_UNKNOWN, PROBED_REASON_CANCELLED, "cancelled");
	probe_reap(p);
}
