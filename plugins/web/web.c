/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web.c - the service `web`: probed's own HTTP server, for /metrics, /healthz and /readyz. It knows nothing by
 * itself: each request becomes a question to the core, and its answer is passed on piece by piece.
 */
#include "web.h"

#include <probed/service.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEALTH_TIMEOUT_NS (INT64_C(5) * 1000000000)
#define METRICS_TIMEOUT_NS (INT64_C(10) * 1000000000)

#define TEXT_PLAIN "text/plain; charset=utf-8"

enum { OPT_LISTEN, OPT_MAX_CONNECTIONS };

static const struct probed_option options[] = {
	[OPT_LISTEN] = { .name = "listen", .type = PROBED_TYPE_STRING, .def = "127.0.0.1:9570",
	                 .help = "Where to listen: ADDRESS:PORT, [IPV6]:PORT, :PORT (everywhere) or unix:/path; port 0 takes a free one." },
	[OPT_MAX_CONNECTIONS] = { .name = "max_connections", .type = PROBED_TYPE_INTEGER, .def = "100", .min = 1, .max = 10000,
	                          .help = "Connections at a time; further ones wait to be accepted." },
};

const struct probed_host *host;

/* --- answers ----------------------------------------------------------------------------------- */

/* 0, or -1 where there is no room. */
static int append(struct request *r, const void *data, size_t n)
{
	struct web *w = r->web;
	if (w->buffered + n > BUFFERED_MAX)
		return -1;
	if (r->sent && r->sent == r->len)
		r->sent = r->len = 0;
	if (r->cap - r->len < n) {
		size_t cap = r->cap ? r->cap : 4096;
		while (cap - r->len < n)
			cap *= 2;
		char *bigger = realloc(r->data, cap);
		if (!bigger)
			return -1;
		r->data = bigger;
		r->cap = cap;
	}
	if (n)
		memcpy(r->data + r->len, data, n);
	r->len += n;
	w->buffered += n;
	return 0;
}

void request_set(struct request *r, int code, const char *text)
{
	r->code = code;
	r->sized = r->complete = 1;
	if (append(r, text, strlen(text)))
		r->broken = 1;
	http_ready(r);
}

void request_free(struct request *r)
{
	struct web *w = r->web;
	for (struct request **p = &w->requests; *p; p = &(*p)->next)
		if (*p == r) {
			*p = r->next;
			break;
		}
	if (r->asked)
		w->queries--;
	if (r->deadline)
		host->timer_free(r->deadline);
	w->buffered -= r->len - r->sent;
	free(r->data);
	free(r);
}

/* --- questions --------------------------------------------------------------------------------- */

static void on_deadline(void *arg)
{
	struct request *r = arg;
	if (r->wsi)
		r->overdue(r);
	else
		request_free(r);
}

/* Asks the core, unless too much is under way. */
static void ask(struct request *r, const char *topic, const char *args, int64_t timeout_ns)
{
	struct web *w = r->web;
	if (w->queries >= QUERIES_MAX) {
		request_set(r, 503, "too many requests under way: try again later\n");
		return;
	}
	r->asked = 1;
	w->queries++;
	r->deadline = host->timer_new(on_deadline, r);
	if (r->deadline)
		host->timer_set(r->deadline, host->now() + timeout_ns);
	w->core->query(r->tag, topic, args);
}

/* The core has answered: what it has still to say is not waited for. */
static void answered(struct request *r)
{
	if (r->asked)
		r->web->queries--;
	r->asked = 0;
	if (r->deadline)
		host->timer_set(r->deadline, 0);
}

static void core_is_silent(struct request *r)
{
	answered(r);
	if (r->code) {
		host->log(PROBED_LOG_WARNING, "the core stopped in the middle of an answer: the connection is closed");
		r->broken = 1;
		http_ready(r);
		return;
	}
	request_set(r, 503, "the core does not answer\n");
}

static void hold(struct request *r, int paused)
{
	/* cppcheck-suppress arithOperationsOnVoidPointer ; it takes the sizeof in there for a sum */
	if (!r->asked || r->paused == paused || !PROBED_HOST_HAS(r->web->core, pause))
		return;
	r->paused = paused;
	r->web->core->pause(r->tag, paused);
	/* while it is held up, the client is waited for, not the core */
	if (r->deadline)
		host->timer_set(r->deadline, paused ? 0 : host->now() + METRICS_TIMEOUT_NS);
}

void web_drained(struct request *r)
{
	if (r->len - r->sent < RESUME_AT)
		hold(r, 0);
}

void web_abandon(struct request *r)
{
	r->web->buffered -= r->len - r->sent;
	r->len = r->sent = 0;
	hold(r, 0); /* it is thrown away as it comes */
}

static void metrics_reply(struct request *r, uint32_t status, const void *data, size_t len, int last)
{
	if (status != PROBED_REPLY_OK && !r->code) {
		answered(r);
		request_set(r, 503, status == PROBED_REPLY_BUSY ? "the core is busy: try again later\n" :
		                                                  "the core has no metrics\n");
		return;
	}
	r->code = 200;
	if (status != PROBED_REPLY_OK) {
		host->log(PROBED_LOG_INFO, "the core broke an answer off (%.*s): the connection is closed", (int)len,
		          (const char *)data);
		r->broken = 1;
	} else if (append(r, data, len)) {
		host->log(PROBED_LOG_WARNING, "a client reads too slowly: its answer is cut off, and the connection closed");
		r->broken = 1;
	}
	r->complete = last != 0;
	if (last || r->broken)
		answered(r);
	else if (r->len - r->sent >= PAUSE_AT)
		hold(r, 1);
	else if (r->deadline && !r->paused)
		host->timer_set(r->deadline, host->now() + METRICS_TIMEOUT_NS);
	http_ready(r);
}

static void health_reply(struct request *r, uint32_t status, const void *data, size_t len, int last)
{
	(void)status, (void)data, (void)len, (void)last;
	answered(r);
	request_set(r, 200, "ok\n");
}

static void ready_reply(struct request *r, uint32_t status, const void *data, size_t len, int last)
{
	char line[512];
	int n = len < sizeof line - 2 ? (int)len : (int)sizeof line - 2;
	(void)last;
	answered(r);
	snprintf(line, sizeof line, "%.*s%s", n, (const char *)data, n && ((const char *)data)[n - 1] == '\n' ? "" : "\n");
	request_set(r, status == PROBED_REPLY_OK ? 200 : 503, line);
}

void web_route(struct request *r, const char *path, int openmetrics)
{
	r->type = TEXT_PLAIN;
	r->overdue = core_is_silent;
	if (!strcmp(path, "/metrics")) {
		r->type = openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
				      : "text/plain; version=0.0.4; charset=utf-8";
		r->reply = metrics_reply;
		if (r->head) {
			r->code = 200;
			r->complete = 1;
			http_ready(r);
			return;
		}
		ask(r, "metrics", openmetrics ? "openmetrics" : "prometheus", METRICS_TIMEOUT_NS);
	} else if (!strcmp(path, "/healthz")) {
		r->reply = health_reply;
		ask(r, "ready", NULL, HEALTH_TIMEOUT_NS);
	} else if (!strcmp(path, "/readyz")) {
		r->reply = ready_reply;
		ask(r, "ready", NULL, HEALTH_TIMEOUT_NS);
	} else if (!strcmp(path, "/")) {
		request_set(r, 200,
		            "probed\n\n"
		            "/metrics   results and probed itself, for Prometheus (text or OpenMetrics)\n"
		            "/healthz   200 while probed lives\n"
		            "/readyz    200 once it probes\n");
	} else {
		request_set(r, 404, "nothing here: see /\n");
	}
}

/* --- slots ------------------------------------------------------------------------------------- */

static void reply(void *service, uint64_t tag, uint32_t status, const void *data, uint64_t len, int32_t last)
{
	struct web *w = service;
	for (struct request *r = w->requests; r; r = r->next)
		if (r->tag == tag && r->asked) {
			if (r->wsi)
				r->reply(r, status, data, (size_t)len, last);
			else if (last)
				request_free(r);
			return;
		}
}

static void accepted(void *arg, int fd)
{
	http_accept(arg, fd);
}

static void stop(void *service)
{
	struct web *w = service;
	listener_close(&w->listener);
	http_stop(w);
	while (w->requests)
		request_free(w->requests);
	free(w);
}

static int32_t start(const struct probed_service_args *args, int32_t check, void **service, char *error,
                     uint64_t error_size)
{
	const char *where = probed_service_option(args, OPT_LISTEN)->s;
	if (check)
		return listener_check(where, error, error_size);
	struct web *w = calloc(1, sizeof *w);
	if (!w) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	w->listener.fd = -1;
	w->max_connections = (int)probed_service_option(args, OPT_MAX_CONNECTIONS)->i;
	w->core = host->extension("probed.core/1");
	/* the extension's contract is this type */
	struct ev_loop *loop = (struct ev_loop *)(uintptr_t)host->extension("probed.ev-loop/1");
	if (!w->core || !loop)
		snprintf(error, error_size, "this probed offers no event loop or no core to services");
	if (!w->core || !loop || listener_open(&w->listener, where, accepted, w, error, error_size) ||
	    http_start(w, loop, error, error_size)) {
		stop(w);
		return -1;
	}
	if (*w->listener.unlink_path)
		host->log(PROBED_LOG_INFO, "listening on %s", w->listener.name);
	else
		host->log(PROBED_LOG_INFO, "listening on http://%s/", w->listener.name);
	*service = w;
	return 0;
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return 0;
}

static const struct probed_service services[] = {
	{
		.name = "web",
		.summary = "Serves /metrics, /healthz and /readyz over HTTP.",
		PROBED_TABLE(options, option, options),
		.start = start,
		.reply = reply,
		.stop = stop,
	},
};

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "web",
	.version = "0.1.0",
	.summary = "probed's own HTTP server.",
	PROBED_TABLE(services, service, services),
	.load = load,
};
