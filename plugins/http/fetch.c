/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.c - an http probe from its start to its end: resolve, one address after the other, a hop for each redirect.
 * Redirects are followed here and not by libcurl, so that each hop passes the gate, is resolved by the host, and has a
 * time of its own.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/net.h"
#include "http/http.h"
#include "http/url.h"

#define ADDRS_KEPT_NS INT64_C(1000000000)

static void hop_begin(struct fetch *f);
static void hop_go(struct fetch *f, bool new_host);
static void attempt(struct fetch *f);

static struct fetch *awake(void *arg)
{
	struct fetch *f = arg;
	if (f->magic != FETCH_MAGIC)
		abort();
	host->attribute(f->probe);
	return f;
}

struct fetch *fetch_of(void *handle)
{
	return awake(((struct handle *)handle)->f);
}

void fetch_stage(struct fetch *f, enum stage stage)
{
	static const uint32_t phases[] = {
		[STAGE_RESOLVE] = PROBED_PHASE_RESOLVE, [STAGE_CONNECT] = PROBED_PHASE_CONNECT,
		[STAGE_TLS] = PROBED_PHASE_TLS,         [STAGE_SEND] = PROBED_PHASE_SEND,
		[STAGE_WAIT] = PROBED_PHASE_WAIT,       [STAGE_RECEIVE] = PROBED_PHASE_RECEIVE,
		[STAGE_GATE] = PROBED_PHASE_WAIT,
	};
	if (f->stage == stage)
		return;
	f->stage = stage;
	host->phase(f->probe, phases[stage]);
}

/* --- the end ------------------------------------------------------------------------------------- */

static void release(struct fetch *f, bool good)
{
	mux_remove(f);
	certs_peer_clear(&f->peer);
	if (f->handle)
		handle_give(f->worker, f->target, f->handle, good);
	if (f->lookup)
		host->resolve_cancel(f->lookup);
	if (f->timer)
		host->timer_free(f->timer);
	request_free(f);
	f->handle = NULL;
	f->easy = NULL;
	f->lookup = NULL;
	f->timer = NULL;
}

static void finish(struct fetch *f, uint32_t outcome, uint32_t reason, const char *message)
{
	struct probed_probe *probe = f->probe;
	release(f, outcome == PROBED_OK);
	f->magic = 0;
	host->complete(probe, outcome, reason, message);
}

__attribute__((format(printf, 3, 4))) static void fail(struct fetch *f, uint32_t reason, const char *format, ...)
{
	char message[400];
	va_list ap;
	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	finish(f, net_outcome(reason), reason, message);
}

/* --- libcurl's verdicts -------------------------------------------------------------------------- */

static uint32_t reason_of(const struct fetch *f, CURLcode code, long error)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
		if (f->os_error)
			error = f->os_error;
		return error ? net_reason((int)error) : PROBED_REASON_UNREACHABLE;
	case CURLE_SSL_CONNECT_ERROR:
		/* an end of the connection during the handshake comes as an error of TLS, but not from OpenSSL */
		return strstr(f->handle->error, "SSL routines") && !strstr(f->handle->error, "unexpected eof") ? PROBED_REASON_TLS :
		                                                                                  PROBED_REASON_RESET;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CLIENTCERT:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_USE_SSL_FAILED:
		return PROBED_REASON_TLS;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		/* with TLS 1.3 a server's refusal of our certificate comes after the handshake */
		return strstr(f->handle->error, "alert") ? PROBED_REASON_TLS : PROBED_REASON_RESET;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_SEND_FAIL_REWIND:
		return PROBED_REASON_RESET;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_WRITE_ERROR:
	case CURLE_HTTP_POST_ERROR:
	case CURLE_HTTP_RETURNED_ERROR:
		return PROBED_REASON_PROTOCOL;
	case CURLE_OUT_OF_MEMORY:
		return PROBED_REASON_OVERLOADED;
	case CURLE_COULDNT_RESOLVE_HOST:
		return PROBED_REASON_RESOLVE;
	default:
		return PROBED_REASON_OTHER;
	}
}

static void fail_with(struct fetch *f, CURLcode code)
{
	char why[320], ip[INET6_ADDRSTRLEN];
	const char *text;
	long error = 0;

	curl_easy_getinfo(f->easy, CURLINFO_OS_ERRNO, &error);
	uint32_t reason = reason_of(f, code, error);
	if (code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT) {
		const struct probed_addr *a = &f->addrs[f->next_addr - 1];
		long os = f->os_error ? f->os_error : error;
		/* libcurl gives up on a handshake by this code too, when it has no errno to tell */
		fail(f, reason, "connect to %s (%s): %s", f->host, net_ip_text(a, ip, sizeof(ip)),
		     os ? strerror((int)os) : *f->handle->error ? f->handle->error : curl_easy_strerror(code));
	} else if (reason == PROBED_REASON_TLS && f->peer.judged && f->peer.verify && f->peer.verdict != X509_V_OK) {
		fail(f, reason, "%s: %s", f->host, certs_error(&f->peer, why, sizeof(why)));
	} else if (reason == PROBED_REASON_TLS && (text = strstr(f->handle->error, "routines:"))) {
		/* "OpenSSL/3.0.22: error:0A00010B:SSL routines::wrong version number" is for nobody */
		text = strrchr(text, ':') + 1;
		fail(f, reason, "%s: TLS failed: %s%s", f->host, text,
		     strstr(text, "wrong version") ? " (does the server speak TLS on this port?)" : "");
	} else if (f->too_long) {
		fail(f, PROBED_REASON_PROTOCOL, "%s: more than 256 KiB, or 1000, headers", f->host);
	} else if (code == CURLE_GOT_NOTHING) {
		fail(f, reason, "%s: the server closed the connection without an answer", f->host);
	} else {
		fail(f, reason, "%s: %s", f->host, *f->handle->error ? f->handle->error : curl_easy_strerror(code));
	}
}

/* --- hops ---------------------------------------------------------------------------------------- */

/* To the next URL. False: the probe is over. */
static bool redirect(struct fetch *f, const char *location, long status)
{
	bool keep_body;

	if (++f->redirects > f->target->max_redirects) {
		f->redirects--;
		facts_answer(f);
		fail(f, PROBED_REASON_PROTOCOL, "%s: more than %lld redirects", f->host,
		     (long long)f->target->max_redirects);
		return false;
	}
	char *url = strdup(location);
	if (!url) {
		fail(f, PROBED_REASON_OVERLOADED, "out of memory");
		return false;
	}
	if (!f->origin)
		f->origin = origin_of(f->url);
	free(f->own_url);
	f->url = f->own_url = url;
	f->method = url_redirect_method(status, f->method, &keep_body);
	if (!keep_body) {
		f->body = NULL;
		f->body_len = 0;
	}
	hop_begin(f);
	return true;
}

static void answered(struct fetch *f)
{
	long status = 0;
	char *location = NULL;

	facts_hop(f);
	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(f->easy, CURLINFO_REDIRECT_URL, &location);
	if (f->target->follow && location && url_redirects(status)) {
		redirect(f, location, status);
		return;
	}
	facts_answer(f);
	finish(f, PROBED_OK, PROBED_REASON_NONE, NULL);
}

/* A failure that another address may not have. */
static bool other_address_may_do(const struct fetch *f, CURLcode code)
{
	return f->next_addr < f->n_addrs && f->stage <= STAGE_TLS &&
	       code == CURLE_COULDNT_CONNECT;
}

void fetch_done(struct fetch *f, CURLcode code)
{
	host->attribute(f->probe);
	if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && f->truncated)) {
		answered(f);
		return;
	}
	if (other_address_may_do(f, code)) {
		attempt(f);
		return;
	}
	facts_hop(f);
	facts_answer(f);
	fail_with(f, code);
}

static void on_timer(void *arg)
{
	struct fetch *f = awake(arg);

	if (f->stage == STAGE_GATE) {
		int64_t wait = host->gate(f->probe, f->host);
		if (wait > 0)
			host->timer_set(f->timer, host->now() + wait);
		else
			hop_go(f, f->gate_new_host);
	} else if (f->mux && f->stage <= STAGE_TLS && f->next_addr < f->n_addrs) {
		mux_remove(f);
		attempt(f);
	}
}

/* False: the probe is over. */
static bool timer_at(struct fetch *f, int64_t at_ns)
{
	if (!f->timer)
		f->timer = host->timer_new(on_timer, f);
	if (!f->timer) {
		fail(f, PROBED_REASON_OVERLOADED, "out of memory");
		return false;
	}
	host->timer_set(f->timer, at_ns);
	return true;
}

/* One request to the next address. */
static void attempt(struct fetch *f)
{
	const struct probed_addr *a = &f->addrs[f->next_addr++];

	f->os_error = 0;
	f->fd = -1;
	f->body_bytes = f->hop_header = 0;
	f->n_headers = 0;
	f->body_begun = f->discard = f->truncated = false;
	fetch_stage(f, STAGE_CONNECT);
	if (!PROBED_HOST_HAS(host, fact_wanted) || host->fact_wanted(f->probe, FACT_IP, NULL))
		net_addr_facts(host, f->probe, FACT_IP, FACT_FAMILY, a);
	request_set(f, a);
	unsigned left = f->n_addrs - f->next_addr;
	if (left && !timer_at(f, net_share_ends(host, f->probe, left)))
		return;
	struct mux *m = mux_for(f->worker, f->target, f->session);
	if (!m || mux_add(m, f) < 0)
		fail(f, PROBED_REASON_OVERLOADED, "out of memory");
}

/* Whoever keeps connections asks for a name once a second. */
static void addrs_remember(const struct fetch *f)
{
	struct target *t = f->target;
	if (!t->url || !t->reuse || f->redirects)
		return;
	if (!t->addrs && !(t->addrs = calloc(HTTP_ADDRS, sizeof(t->addrs[0]))))
		return;
	t->n_addrs = f->n_addrs;
	memcpy(t->addrs, f->addrs, f->n_addrs * sizeof(f->addrs[0]));
	t->addrs_until_ns = host->now() + ADDRS_KEPT_NS;
}

static bool addrs_recall(struct fetch *f)
{
	const struct target *t = f->target;
	if (f->redirects || !t->addrs || host->now() >= t->addrs_until_ns)
		return false;
	f->next_addr = 0;
	f->n_addrs = t->n_addrs;
	memcpy(f->addrs, t->addrs, t->n_addrs * sizeof(f->addrs[0]));
	return true;
}

static void on_resolved(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs,
                        uint32_t stride)
{
	struct fetch *f = awake(arg);
	f->lookup = NULL;
	if (status || !n) {
		fail(f, PROBED_REASON_RESOLVE, "%s: %s", f->host, error ? error : "no address");
		return;
	}
	f->next_addr = 0;
	f->n_addrs = net_addrs_keep(f->addrs, HTTP_ADDRS, addrs, n, stride);
	addrs_remember(f);
	attempt(f);
}

/* Scheme, host and port of a URL; freed by parts_free(). False: not of ours. */
struct parts {
	char *scheme, *host, *port;
};

static void parts_free(struct parts *p)
{
	curl_free(p->scheme);
	curl_free(p->host);
	curl_free(p->port);
}

static bool parts_take(const char *url, struct parts *p)
{
	CURLU *u = curl_url();
	*p = (struct parts){ 0 };
	bool good = u && !curl_url_set(u, CURLUPART_URL, url, 0) && !curl_url_get(u, CURLUPART_SCHEME, &p->scheme, 0) &&
		    !curl_url_get(u, CURLUPART_HOST, &p->host, CURLU_PUNYCODE) &&
		    !curl_url_get(u, CURLUPART_PORT, &p->port, CURLU_DEFAULT_PORT) &&
		    (!strcmp(p->scheme, "http") || !strcmp(p->scheme, "https"));
	curl_url_cleanup(u);
	if (good && *p->host == '[') { /* the address alone */
		size_t len = strlen(p->host);
		memmove(p->host, p->host + 1, len);
		p->host[len - 2] = '\0';
	}
	return good;
}

/* Not the origin of the first URL. */
static bool is_foreign(const struct fetch *f, const struct parts *p)
{
	struct parts o = { 0 };
	bool foreign = !f->origin || !parts_take(f->origin, &o) || strcmp(p->scheme, o.scheme) || strcasecmp(p->host, o.host) ||
		       strcmp(p->port, o.port);
	if (f->origin)
		parts_free(&o);
	return foreign;
}

/* Host, scheme and whether the URL is the first one's origin. NULL, or what is wrong. */
static const char *url_take(struct fetch *f, bool *new_host)
{
	const struct target *t = f->target;
	const char *wrong = NULL;
	struct parts p;

	if (!f->redirects && t->host) {
		strcpy(f->host, t->host);
		f->is_https = t->is_https;
		return NULL;
	}
	if (!parts_take(f->url, &p)) {
		wrong = "expected http://HOST/... or https://HOST/...";
	} else if (strlen(p.host) >= sizeof(f->host)) {
		wrong = "the host's name is too long";
	} else {
		*new_host = strcasecmp(f->host, p.host) != 0;
		strcpy(f->host, p.host);
		f->is_https = !strcmp(p.scheme, "https");
		f->foreign = f->redirects && is_foreign(f, &p);
	}
	parts_free(&p);
	return wrong;
}

void fetch_prepare(struct target *t)
{
	const struct probed_value *url = probed_target_option(t->args, OPT_URL), *path = probed_target_option(t->args, OPT_PATH);
	struct probed_addr addr;
	struct parts p = { 0 };

	t->url = url_join(url->s ? url->s : "", path->s ? path->s : "");
	if (!t->url || !parts_take(t->url, &p) || strlen(p.host) >= sizeof(((struct fetch *)0)->host)) {
		free(t->url); /* each probe says what is wrong */
		t->url = NULL;
	} else {
		t->host = strdup(p.host);
		t->is_https = !strcmp(p.scheme, "https");
		/* an address needs no resolver */
		if (net_literal(p.host, t->args->family, &addr) && (t->addrs = malloc(sizeof(addr)))) {
			t->addrs[0] = addr;
			t->n_addrs = 1;
			t->addrs_until_ns = INT64_MAX;
		}
	}
	parts_free(&p);
}

static void hop_go(struct fetch *f, bool new_host)
{
	if (!new_host) {
		f->next_addr = 0;
		attempt(f);
		return;
	}
	fetch_stage(f, STAGE_RESOLVE);
	if (addrs_recall(f)) {
		attempt(f);
		return;
	}
	f->lookup = host->resolve(f->host, f->target->args->family, on_resolved, f);
	if (!f->lookup)
		fail(f, PROBED_REASON_OVERLOADED, "out of memory");
}

static void hop_begin(struct fetch *f)
{
	bool new_host = true;
	const char *wrong = url_take(f, &new_host);

	f->hop_began_ns = host->now();
	if (wrong) {
		fail(f, f->redirects ? PROBED_REASON_PROTOCOL : PROBED_REASON_INTERNAL, "%s %s: %s",
		     f->redirects ? "redirected to" : "url", f->url, wrong);
		return;
	}
	int64_t wait = f->redirects ? host->gate(f->probe, f->host) : 0;
	if (wait <= 0) {
		hop_go(f, new_host);
		return;
	}
	fetch_stage(f, STAGE_GATE);
	f->gate_new_host = new_host;
	timer_at(f, host->now() + wait);
}

/* --- the driver's slots --------------------------------------------------------------------------- */

void fetch_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
{
	struct worker *w = worker;
	struct fetch *f = mem;

	f->magic = FETCH_MAGIC;
	f->worker = w;
	f->target = target;
	f->session = session;
	f->probe = probe;
	f->fd = -1;
	f->handle = handle_take(w, f->target, f);
	f->easy = f->handle ? f->handle->easy : NULL;
	f->stage = STAGE_RESOLVE;
	host->phase(probe, PROBED_PHASE_RESOLVE);
	if (!f->easy) {
		fail(f, PROBED_REASON_OVERLOADED, "out of memory");
		return;
	}
	const char *wrong = request_render(f);
	if (wrong)
		fail(f, PROBED_REASON_INTERNAL, "%s", wrong);
	else
		hop_begin(f);
}

void fetch_cancel(void *worker, struct probed_probe *probe, void *mem)
{
	struct fetch *f = mem;
	(void)worker, (void)probe;
	release(f, false);
	f->magic = 0;
}
