/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curl_alone.c - libcurl as its manual says, and nothing else: curl_multi_socket_action() on libev, N handles that ask
 * for one URL again and again over kept connections. What bench/load measures a driver by. Ends by a signal.
 *
 *   curl_alone URL [HANDLES]
 */
#include <curl/curl.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FDS 65536

static struct ev_loop *loop;
static CURLM *multi;
static ev_timer timer;
static struct watch {
	ev_io io;
	int wanted;
} watches[FDS];

static void messages_take(void)
{
	CURLMsg *msg;
	int left;
	while ((msg = curl_multi_info_read(multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		CURL *easy = msg->easy_handle;
		if (msg->data.result != CURLE_OK) {
			fprintf(stderr, "curl_alone: %s\n", curl_easy_strerror(msg->data.result));
			exit(1);
		}
		curl_multi_remove_handle(multi, easy);
		curl_multi_add_handle(multi, easy);
	}
}

static void on_io(struct ev_loop *l, ev_io *io, int revents)
{
	int running, wanted = ((struct watch *)io)->wanted, events = revents & wanted;
	(void)l;
	if (!events) { /* interest that has become too wide */
		ev_io_stop(loop, io);
		ev_io_set(io, io->fd, wanted);
		if (wanted)
			ev_io_start(loop, io);
		return;
	}
	curl_multi_socket_action(multi, io->fd,
	                         (events & EV_READ ? CURL_CSELECT_IN : 0) | (events & EV_WRITE ? CURL_CSELECT_OUT : 0), &running);
	messages_take();
}

static void on_timer(struct ev_loop *l, ev_timer *t, int revents)
{
	int running;
	(void)l, (void)t, (void)revents;
	curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	messages_take();
}

/* A watch lives as long as its descriptor: "remove" after each transfer and "add" before the next would cost system calls
 * for nothing. */
static int socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	struct watch *w = &watches[fd];
	(void)easy, (void)arg, (void)assigned;
	w->wanted = what == CURL_POLL_IN ? EV_READ : what == CURL_POLL_OUT ? EV_WRITE : what == CURL_POLL_INOUT ? EV_READ | EV_WRITE : 0;
	if (!(w->wanted & ~(ev_is_active(&w->io) ? w->io.events : 0)))
		return 0;
	ev_io_stop(loop, &w->io);
	ev_io_init(&w->io, on_io, fd, w->wanted);
	ev_io_start(loop, &w->io);
	return 0;
}

static int close_cb(void *arg, curl_socket_t fd)
{
	(void)arg;
	ev_io_stop(loop, &watches[fd].io);
	return close(fd);
}

static int timer_cb(CURLM *m, long ms, void *arg)
{
	(void)m, (void)arg;
	ev_timer_stop(loop, &timer);
	if (ms >= 0) {
		ev_timer_set(&timer, (double)ms / 1000, 0);
		ev_timer_start(loop, &timer);
	}
	return 0;
}

static size_t write_cb(char *data, size_t size, size_t n, void *arg)
{
	(void)data, (void)arg;
	return size * n;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("usage: curl_alone URL [HANDLES]\n", stderr);
		return 2;
	}
	int n = argc > 2 ? atoi(argv[2]) : 100;
	loop = ev_default_loop(0);
	ev_init(&timer, on_timer);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer_cb);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1024L);
	for (int i = 0; i < n; i++) {
		CURL *easy = curl_easy_init();
		curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
		curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_cb);
		curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_cb);
		curl_multi_add_handle(multi, easy);
	}
	ev_run(loop, 0);
	return 0;
}
