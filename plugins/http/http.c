/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.c - the http driver: its tables, the worker's shared state, targets and sessions. fetch.c has a probe's life,
 * request.c what libcurl is told, mux.c libcurl on the host's loop, facts.c what an answer tells.
 */
#include "http/http.h"

#include <errno.h>
#include <fcntl.h>
#include <probed/plugin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/url.h"

#define MAX_BODY_FILE (64 * 1024 * 1024)

const struct probed_host *host;

#define OPTION(nm, ty, df, fl, hp) { .name = nm, .def = df, .help = hp, .type = PROBED_TYPE_##ty, .flags = fl }

static const struct probed_option options[] = {
	[OPT_URL] = OPTION("url", URL, NULL, PROBED_OPTION_REQUIRED | PROBED_OPTION_TEMPLATE,
	                   "What to ask for, http://... or https://..."),
	[OPT_METHOD] = OPTION("method", STRING, "GET", PROBED_OPTION_TEMPLATE, "Method; POST where there is a body."),
	[OPT_PATH] = OPTION("path", STRING, NULL, PROBED_OPTION_TEMPLATE,
	                    "Joins the URL as a link would: /a from its root, a beside its last part, ?a its query."),
	[OPT_HEADER] = OPTION("header", MAP, NULL, PROBED_OPTION_TEMPLATE | PROBED_OPTION_SECRET,
	                      "Headers to send, header.NAME = value."),
	[OPT_BODY] = OPTION("body", STRING, NULL, PROBED_OPTION_TEMPLATE,
	                    "Body to send, or @FILE for a file's content (@@ for a body that begins with @)."),
	[OPT_AUTH] = { .name = "auth",
	               .def = "none",
	               .choices = "none|basic|digest|bearer",
	               .help = "How to log in; basic where only user is given, bearer where only token is.",
	               .type = PROBED_TYPE_CHOICE },
	[OPT_USER] = OPTION("user", STRING, NULL, PROBED_OPTION_TEMPLATE, "User of auth = basic or digest."),
	[OPT_PASSWORD] = OPTION("password", SECRET, NULL, PROBED_OPTION_TEMPLATE, "Password of auth = basic or digest."),
	[OPT_TOKEN] = OPTION("token", SECRET, NULL, PROBED_OPTION_TEMPLATE, "Token of auth = bearer."),
	[OPT_FOLLOW] = OPTION("follow", BOOLEAN, "yes", 0, "Whether redirects are followed."),
	[OPT_MAX_REDIRECTS] = { .name = "max_redirects",
	                        .def = "10",
	                        .help = "Most redirects to follow; more is an error.",
	                        .type = PROBED_TYPE_INTEGER,
	                        .min = 0,
	                        .max = 100 },
	[OPT_HTTP_VERSION] = { .name = "http_version",
	                       .def = "auto",
	                       .choices = "auto|1.0|1.1|2|2-prior",
	                       .help = "HTTP version; auto is 2 over TLS where the server agrees, else 1.1. 2-prior speaks "
	                               "HTTP/2 without asking.",
	                       .type = PROBED_TYPE_CHOICE },
	[OPT_REUSE] = OPTION("reuse", BOOLEAN, "no", 0,
	                     "Whether connections are kept for the next probe; without, each probe sees connecting."),
	[OPT_BODY_LIMIT] = { .name = "body_limit",
	                     .def = "10MiB",
	                     .help = "Most bytes to read of a body; the rest is left, and body.truncated says so.",
	                     .type = PROBED_TYPE_SIZE,
	                     .min = 0,
	                     .max = INT64_C(1) << 40 },
	[OPT_USER_AGENT] = OPTION("user_agent", STRING, "probed", 0, "The User-Agent header."),
	CERTS_OPTION_ENTRIES
};

#define FACT(nm, un, ty, fl, ro, hp) \
	{ .name = nm, .unit = un, .help = hp, .type = PROBED_TYPE_##ty, .flags = fl, .role = ro }

static const struct probed_fact facts[] = {
	[FACT_STATUS] = FACT("status", "", INTEGER, PROBED_FACT_METRIC, PROBED_ROLE_STATUS, "Status of the last answer."),
	[FACT_VERSION] = FACT("version", "", STRING, 0, 0, "HTTP version of the answer: 1.0, 1.1 or 2."),
	[FACT_HEADER] = FACT("header", "", STRING, PROBED_FACT_FAMILY, 0,
	                     "Headers of the last answer, names in lower case; repeated ones are joined by commas."),
	[FACT_REDIRECTS] = FACT("redirects", "", INTEGER, PROBED_FACT_METRIC, 0, "Redirects that were followed."),
	[FACT_URL] = FACT("url", "", STRING, 0, 0, "URL of the last answer, without credentials."),
	[FACT_IP] = FACT("ip", "", STRING, 0, PROBED_ROLE_PEER_IP, "Address that answered last."),
	[FACT_FAMILY] = FACT("family", "", INTEGER, 0, 0, "4 or 6."),
	[FACT_BYTES_IN] = FACT("bytes.in", "bytes", SIZE, PROBED_FACT_METRIC, PROBED_ROLE_BYTES_IN,
	                       "Headers and bodies received, of all hops."),
	[FACT_BYTES_HEADER] = FACT("bytes.header", "bytes", SIZE, 0, 0, "Headers received, of all hops."),
	[FACT_BYTES_OUT] = FACT("bytes.out", "bytes", SIZE, PROBED_FACT_METRIC, PROBED_ROLE_BYTES_OUT,
	                        "Requests sent, of all hops."),
	[FACT_BODY_BYTES] = FACT("body.bytes", "bytes", SIZE, PROBED_FACT_METRIC, 0, "Body of the last answer, as far as read."),
	[FACT_BODY_TRUNCATED] = FACT("body.truncated", "", BOOLEAN, 0, 0, "Whether the body was longer than body_limit."),
	[FACT_CONTENT_TYPE] = FACT("content_type", "", STRING, 0, 0, "Content-Type of the last answer."),
	[FACT_RETRY_AFTER] = FACT("retry_after", "s", DURATION, 0, PROBED_ROLE_RETRY_AFTER,
	                          "When the server wants to be asked again."),
	[FACT_OVERLOAD] = FACT("overload", "", BOOLEAN, 0, PROBED_ROLE_OVERLOAD, "Whether the status is 429 or 503."),
	[FACT_QUOTA_LEFT] = FACT("quota.left", "", INTEGER, 0, PROBED_ROLE_QUOTA_LEFT,
	                         "Requests that RateLimit headers still allow."),
	[FACT_QUOTA_RESET] = FACT("quota.reset", "s", DURATION, 0, PROBED_ROLE_QUOTA_RESET, "When they allow more again."),
	[FACT_HOPS] = { .name = "hops",
	                .unit = "",
	                .help = "Each request of the probe in turn.",
	                .columns = "url:string|status:integer|time:duration|ip:string",
	                .type = PROBED_TYPE_TABLE },
	CERTS_FACT_ENTRIES
};

static const struct probed_scheme schemes[] = {
	{ .scheme = "http", .whole = "url" },
	{ .scheme = "https", .whole = "url" },
};

/* --- worker -------------------------------------------------------------------------------------- */

static void worker_free(void *worker)
{
	struct worker *w = worker;
	handles_free(&w->spare);
	while (w->fresh) {
		struct mux *m = w->fresh;
		w->fresh = m->next;
		mux_free(m);
	}
	for (size_t i = 0; i < sizeof(w->keep) / sizeof(w->keep[0]); i++)
		mux_free(w->keep[i]);
	certs_pool_free(w->certs);
	free(w->sockets);
	free(w);
}

static int32_t worker_new(void **worker, char *error, uint64_t error_size)
{
	struct worker *w = calloc(1, sizeof(*w));
	if (!w || !(w->certs = certs_pool_new())) {
		free(w);
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	w->magic = WORKER_MAGIC;
	*worker = w;
	return 0;
}

/* --- sessions ------------------------------------------------------------------------------------ */

static int32_t session_new(void *worker, void **session)
{
	struct session *s = calloc(1, sizeof(*s));
	(void)worker;
	if (!s || !(s->cookies = curl_share_init())) {
		free(s);
		return -1;
	}
	s->magic = SESSION_MAGIC;
	curl_share_setopt(s->cookies, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
	*session = s;
	return 0;
}

static void session_free(void *worker, void *session)
{
	struct session *s = session;
	(void)worker;
	mux_free(s->mux);
	curl_share_cleanup(s->cookies);
	free(s);
}

/* --- targets ------------------------------------------------------------------------------------- */

static void target_free(void *worker, void *target)
{
	struct target *t = target;
	struct worker *w = worker;
	if (w)
		w->n_ready -= handles_free(&t->ready);
	free(t->url);
	free(t->host);
	free(t->addrs);
	certs_ctx_unref(t->certs);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->foreign_headers);
	free(t->body_file);
	free(t);
}

static bool is_template(const struct probed_value *v)
{
	return v->flags & PROBED_VALUE_TEMPLATE;
}

static bool is_given(const struct probed_value *v)
{
	return v->s && *v->s;
}

static int auth_check(struct target *t, char *error, uint64_t error_size)
{
	const struct probed_value *auth = probed_target_option(t->args, OPT_AUTH);
	bool user = is_given(probed_target_option(t->args, OPT_USER)),
	     token = is_given(probed_target_option(t->args, OPT_TOKEN));

	t->auth = (int)auth->i;
	if (!(auth->flags & PROBED_VALUE_SET))
		t->auth = user ? AUTH_BASIC : token ? AUTH_BEARER : AUTH_NONE;
	if ((t->auth == AUTH_BASIC || t->auth == AUTH_DIGEST) && !user) {
		snprintf(error, error_size, "auth = %s needs user (and password)", auth->s);
		return -1;
	}
	if (t->auth == AUTH_BEARER && !token) {
		snprintf(error, error_size, "auth = bearer needs token");
		return -1;
	}
	return 0;
}

static int body_file_read(struct target *t, const char *path, char *error, uint64_t error_size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got = -1;

	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(error, error_size, "body: %s: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > MAX_BODY_FILE) {
		snprintf(error, error_size, "body: %s: expected a regular file of at most 64 MiB", path);
	} else if (!(t->body_file = malloc((size_t)st.st_size + 1))) {
		snprintf(error, error_size, "out of memory");
	} else {
		got = pread(fd, t->body_file, (size_t)st.st_size, 0);
		if (got < 0)
			snprintf(error, error_size, "body: %s: %s", path, strerror(errno));
		else
			t->body_file_len = (size_t)got;
	}
	if (fd >= 0)
		close(fd);
	return got < 0 ? -1 : 0;
}

static int body_check(struct target *t, bool may_open, char *error, uint64_t error_size)
{
	const struct probed_value *body = probed_target_option(t->args, OPT_BODY);

	if (!body->s || body->s[0] != '@' || body->s[1] == '@')
		return 0;
	if (strstr(body->s, "{{")) {
		snprintf(error, error_size, "body: a file's name cannot hold a template");
		return -1;
	}
	return may_open ? body_file_read(t, body->s + 1, error, error_size) : 0;
}

static int url_check(const struct target *t, char *error, uint64_t error_size)
{
	const struct probed_value *url = probed_target_option(t->args, OPT_URL);
	CURLU *u;
	char *joined;

	if (is_template(url))
		return 0;
	u = curl_url();
	joined = url_join(url->s, "");
	bool ok = u && joined && (!strncasecmp(url->s, "http://", 7) || !strncasecmp(url->s, "https://", 8)) &&
	          curl_url_set(u, CURLUPART_URL, url->s, CURLU_URLENCODE) == CURLUE_OK;
	curl_url_cleanup(u);
	free(joined);
	if (!ok)
		snprintf(error, error_size, "url: %s: expected http://HOST/... or https://HOST/...", url->s);
	return ok ? 0 : -1;
}

static int headers_check(struct target *t, char *error, uint64_t error_size)
{
	const struct probed_value *map = probed_target_option(t->args, OPT_HEADER);
	return is_template(map) ? 0 : headers_make(map, &t->headers, &t->foreign_headers, error, error_size);
}

static int32_t target_new(void *worker, const struct probed_target_args *args, void **target, char *error,
                          uint64_t error_size)
{
	struct worker *w = worker;
	struct certs_options tls;
	struct target *t = calloc(1, sizeof(*t));

	if (!t) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	t->magic = TARGET_MAGIC;
	t->args = args;
	t->follow = probed_target_option(args, OPT_FOLLOW)->i != 0;
	t->reuse = probed_target_option(args, OPT_REUSE)->i != 0;
	t->max_redirects = probed_target_option(args, OPT_MAX_REDIRECTS)->i;
	t->body_limit = probed_target_option(args, OPT_BODY_LIMIT)->i;
	certs_options_read(args, OPT_TLS_BASE, &tls);
	t->verify = tls.verify;
	t->servername = tls.servername;
	if (url_check(t, error, error_size) < 0 || auth_check(t, error, error_size) < 0 ||
	    headers_check(t, error, error_size) < 0 || body_check(t, w != NULL, error, error_size) < 0 ||
	    certs_options_check(&tls, error, error_size) < 0)
		goto failed;
	if (w) {
		t->keep = w->next_keep++ % (sizeof(w->keep) / sizeof(w->keep[0]));
		t->certs = certs_ctx_get(w->certs, &tls, error, error_size);
		if (!t->certs)
			goto failed;
		if (!request_varies(t))
			fetch_prepare(t);
	}
	*target = t;
	return 0;

failed:
	target_free(worker, t);
	return -1;
}

/* --- plugin -------------------------------------------------------------------------------------- */

static int32_t load(const struct probed_host *h)
{
	host = h;
	/* a peer that is gone must be an error of the probe, not a signal */
	signal(SIGPIPE, SIG_IGN);
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -1;
}

static void unload(void)
{
	curl_global_cleanup();
}

static const struct probed_driver drivers[] = {
	{
		.name = "http",
		.summary = "Asks a server over HTTP/1.1 or HTTP/2, with or without TLS.",
		.needs = "net",
		.default_expect = "status < 400",
		.gate_option = "url",
		PROBED_TABLE(options, option, options),
		PROBED_TABLE(facts, fact, facts),
		PROBED_TABLE(schemes, scheme, schemes),
		.probe_size = sizeof(struct fetch),
		.max_inflight = 4096,
		.worker_new = worker_new,
		.worker_free = worker_free,
		.target_new = target_new,
		.target_free = target_free,
		.session_new = session_new,
		.session_free = session_free,
		.start = fetch_start,
		.cancel = fetch_cancel,
	},
};

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "http",
	.version = "0.1.0",
	.summary = "HTTP and HTTPS.",
	PROBED_TABLE(drivers, driver, drivers),
	.load = load,
	.unload = unload,
};
