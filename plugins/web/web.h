/* SPDX-License-Identifier: Apache-2.0 */
/* web.h - what the files of the web service share: web.c is the plugin and the core's answers, http.c the requests,
 * listen.c the listening socket. One thread. */
#ifndef WEB_H
#define WEB_H

#include <probed/plugin.h>

#include <libwebsockets.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#define BUFFERED_MAX ((size_t)64 << 20) /* bytes of answers that wait for their readers, of all requests together */
#define PAUSE_AT ((size_t)1 << 20)      /* unsent bytes of one answer at which the core is asked to wait */
#define RESUME_AT (PAUSE_AT / 4)
#define QUERIES_MAX 32                  /* questions to the core under way */

struct ev_loop;

struct listener {
	int fd; /* -1: not open */
	struct probed_watch *watch;
	void (*accepted)(void *arg, int fd);
	void *arg;
	char name[160]; /* "127.0.0.1:9570", with the port that was really taken */
	char unlink_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* A request that was routed, until its answer is out. */
struct request {
	uint64_t tag;
	struct web *web;
	struct lws *wsi; /* NULL: the client is gone, its answer is thrown away */
	struct probed_timer *deadline;
	struct request *next;
	void (*reply)(struct request *r, uint32_t status, const void *data, size_t len, int last);
	void (*overdue)(struct request *r);
	const char *type; /* of the content */
	int code;         /* of the answer; 0: not known yet */
	int head, chunked, sized, headers_sent, complete, broken, asked, paused;
	char *data; /* what is to be sent: from `sent` to `len` */
	size_t len, cap, sent;
};

struct web {
	const struct probed_core *core;
	struct lws_context *context;
	struct lws_vhost *vhost;
	struct listener listener;
	struct request *requests;
	uint64_t next_tag;
	size_t buffered;
	int connections, max_connections, queries;
};

extern const struct probed_host *host;

/* listen.c: text is "ADDRESS:PORT", "[IPV6]:PORT", ":PORT" or "unix:/path". 0, or -1 with a line in `error`. */
int listener_check(const char *text, char *error, size_t size);
int listener_open(struct listener *l, const char *text, void (*accepted)(void *arg, int fd), void *arg, char *error,
                  size_t size);
void listener_pause(struct listener *l, int paused);
void listener_close(struct listener *l);

/* http.c */
int http_start(struct web *w, struct ev_loop *loop, char *error, size_t size);
void http_accept(struct web *w, int fd);
/* The answer, or a further piece of it, is there. */
void http_ready(struct request *r);
void http_stop(struct web *w);

/* web.c: begins the answer to GET or HEAD `path`. */
void web_route(struct request *r, const char *path, int openmetrics);
/* After a part of the answer went out: the core may go on. */
void web_drained(struct request *r);
/* Nobody waits for the answer any more, but the core is still to give it. */
void web_abandon(struct request *r);
void request_set(struct request *r, int code, const char *text);
void request_free(struct request *r);

#endif
