/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mux.c - libcurl's multi interface on the host's watches and timers.
 *
 * A watch lives as long as its descriptor: libcurl says "remove" after each transfer and "add" before the next, which
 * would cost system calls for nothing. Interest that has become too wide is taken back when it first wakes us in vain.
 * Not so while a connection is being made: a socket that never got so far is closed by libcurl without asking close_cb.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http.h"

/* the cost of a transfer grows with the number of handles in its multi */
#define HANDLES_PER_MULTI 128
#define KEPT_CONNECTIONS 1024L

/* What libcurl wants done at once, it gets so many times before others have their turn. */
#define KICKS 8

static void messages_take(struct mux *m)
{
	CURLMsg *msg;
	int left;

	while (m->sent) {
		struct fetch *f = m->sent;
		m->sent = f->next_sent;
		if (f->stage == STAGE_SEND && !f->big_body)
			fetch_stage(f, STAGE_WAIT);
	}
	while ((msg = curl_multi_info_read(m->multi, &left))) {
		struct handle *h = NULL;
		if (msg->msg != CURLMSG_DONE)
			continue;
		CURLcode code = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &h);
		mux_remove(h->f);
		fetch_done(h->f, code);
	}
}

static void mux_act(struct mux *m, curl_socket_t fd, int events)
{
	int running;

	m->acting = true;
	m->kicks = KICKS;
	for (;;) {
		m->kicked = false;
		curl_multi_socket_action(m->multi, fd, events, &running);
		messages_take(m);
		if (!m->kicked)
			break;
		fd = CURL_SOCKET_TIMEOUT;
		events = 0;
	}
	m->acting = false;
}

static struct socket_slot *slot_of(struct worker *w, curl_socket_t fd)
{
	size_t i = (size_t)fd;
	if (i >= w->n_sockets) {
		size_t n = w->n_sockets ? w->n_sockets : 256;
		while (n <= i)
			n *= 2;
		struct socket_slot *grown = realloc(w->sockets, n * sizeof(*grown));
		if (!grown)
			return NULL;
		memset(grown + w->n_sockets, 0, (n - w->n_sockets) * sizeof(*grown));
		w->sockets = grown;
		w->n_sockets = n;
	}
	return &w->sockets[i];
}

static void slot_unwatch(struct socket_slot *slot)
{
	if (slot->watch)
		host->watch_free(slot->watch);
	slot->watch = NULL;
}

static void on_socket(void *arg, int32_t fd, uint32_t events)
{
	struct worker *w = arg;
	struct socket_slot *slot = slot_of(w, fd);
	int mask = 0;

	if (events & ~slot->wanted) {
		slot->watched = slot->wanted;
		host->watch_set(slot->watch, slot->watched);
	}
	if (events & slot->wanted & PROBED_READ)
		mask |= CURL_CSELECT_IN;
	if (events & slot->wanted & PROBED_WRITE)
		mask |= CURL_CSELECT_OUT;
	if (mask)
		mux_act(slot->mux, fd, mask);
}

static int socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	struct mux *m = arg;
	struct socket_slot *slot = slot_of(m->worker, fd);
	(void)easy, (void)assigned;

	if (!slot)
		return -1;
	slot->mux = m;
	slot->wanted = what == CURL_POLL_IN ? PROBED_READ : what == CURL_POLL_OUT ? PROBED_WRITE :
	                                           what == CURL_POLL_INOUT ? PROBED_READ | PROBED_WRITE : 0;
	if (!slot->wanted) {
		if (!slot->connected)
			slot_unwatch(slot);
		return 0;
	}
	if (!slot->watch) {
		slot->watch = host->watch_new(fd, slot->wanted, on_socket, m->worker);
		slot->watched = slot->wanted;
		return slot->watch ? 0 : -1;
	}
	if (slot->wanted & ~slot->watched) {
		slot->watched = slot->wanted;
		host->watch_set(slot->watch, slot->watched);
	}
	return 0;
}

static curl_socket_t open_cb(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct fetch *f = fetch_of(arg);
	(void)purpose;
	int fd = socket(address->family, address->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->protocol);
	struct socket_slot *slot = fd < 0 ? NULL : slot_of(f->worker, fd);
	if (!slot) {
		f->os_error = fd < 0 ? errno : ENOMEM;
		if (fd >= 0)
			close(fd);
		return CURL_SOCKET_BAD;
	}
	*slot = (struct socket_slot){ .reset = !f->target->reuse };
	f->fd = fd;
	return fd;
}

static int close_cb(void *arg, curl_socket_t fd)
{
	struct worker *w = arg;
	struct socket_slot *slot = slot_of(w, fd);

	if (slot)
		slot_unwatch(slot);
	if (slot && slot->reset) {
		/* the answer has been read, or nobody wants it any more: no need to linger in TIME_WAIT */
		struct linger linger = { .l_onoff = 1 };
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	}
	if (slot)
		*slot = (struct socket_slot){ 0 };
	return close(fd);
}

static int timer_cb(CURLM *multi, long timeout_ms, void *arg)
{
	struct mux *m = arg;
	(void)multi;
	/* "now" needs no timer while we are at it */
	m->kicked = timeout_ms == 0 && m->acting && m->kicks && m->kicks--;
	host->timer_set(m->timer, timeout_ms < 0 || m->kicked ? 0 : host->now() + timeout_ms * INT64_C(1000000));
	return 0;
}

static void on_timer(void *arg)
{
	mux_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

struct mux *mux_new(struct worker *w)
{
	struct mux *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->worker = w;
	m->multi = curl_multi_init();
	m->timer = host->timer_new(on_timer, m);
	if (!m->multi || !m->timer) {
		mux_free(m);
		return NULL;
	}
	curl_multi_setopt(m->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
	curl_multi_setopt(m->multi, CURLMOPT_SOCKETDATA, m);
	curl_multi_setopt(m->multi, CURLMOPT_TIMERFUNCTION, timer_cb);
	curl_multi_setopt(m->multi, CURLMOPT_TIMERDATA, m);
	curl_multi_setopt(m->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	curl_multi_setopt(m->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
	return m;
}

void mux_free(struct mux *m)
{
	if (!m)
		return;
	if (m->multi)
		curl_multi_cleanup(m->multi);
	if (m->timer)
		host->timer_free(m->timer);
	free(m);
}

struct mux *mux_for(struct worker *w, const struct target *t, struct session *s)
{
	struct mux *m, **place = s ? &s->mux : &w->keep[t->keep];

	if (t->reuse) {
		if (!*place)
			*place = mux_new(w);
		return *place;
	}
	for (m = w->fresh; m; m = m->next)
		if (m->handles < HANDLES_PER_MULTI)
			return m;
	m = mux_new(w);
	if (m) {
		m->next = w->fresh;
		w->fresh = m;
	}
	return m;
}

int mux_add(struct mux *m, struct fetch *f)
{
	bool nested = m->acting;

	m->acting = true;
	m->kicks = nested ? m->kicks : KICKS;
	CURLMcode code = curl_multi_add_handle(m->multi, f->easy);
	m->acting = nested;
	if (code != CURLM_OK)
		return -1;
	f->mux = m;
	m->handles++;
	if (!nested)
		mux_act(m, CURL_SOCKET_TIMEOUT, 0);
	return 0;
}

void mux_remove(struct fetch *f)
{
	if (!f->mux)
		return;
	struct socket_slot *slot = f->fd < 0 ? NULL : slot_of(f->worker, f->fd);
	if (slot && !slot->connected)
		slot_unwatch(slot);
	f->fd = -1;
	curl_multi_remove_handle(f->mux->multi, f->easy);
	f->mux->handles--;
	f->mux = NULL;
}

void mux_connected(struct fetch *f)
{
	struct socket_slot *slot = f->fd < 0 ? NULL : slot_of(f->worker, f->fd);
	if (slot)
		slot->connected = true;
	f->fd = -1;
	f->next_sent = f->mux->sent;
	f->mux->sent = f;
}

void mux_prepare(struct fetch *f)
{
	curl_easy_setopt(f->easy, CURLOPT_OPENSOCKETFUNCTION, open_cb);
	curl_easy_setopt(f->easy, CURLOPT_OPENSOCKETDATA, f->handle);
	/* outlives the transfer, and so the probe: belongs to the connection */
	curl_easy_setopt(f->easy, CURLOPT_CLOSESOCKETFUNCTION, close_cb);
	curl_easy_setopt(f->easy, CURLOPT_CLOSESOCKETDATA, f->worker);
}
