/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - what the parts of the http driver share. One worker's loop thread. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <curl/curl.h>
#include <probed/driver.h>
#include <stdbool.h>

#include "common/certs.h"

enum {
	OPT_URL,
	OPT_METHOD,
	OPT_PATH,
	OPT_HEADER,
	OPT_BODY,
	OPT_AUTH,
	OPT_USER,
	OPT_PASSWORD,
	OPT_TOKEN,
	OPT_FOLLOW,
	OPT_MAX_REDIRECTS,
	OPT_HTTP_VERSION,
	OPT_REUSE,
	OPT_BODY_LIMIT,
	OPT_USER_AGENT,
	OPT_TLS_BASE
};

enum { AUTH_NONE, AUTH_BASIC, AUTH_DIGEST, AUTH_BEARER };

enum {
	FACT_STATUS,
	FACT_VERSION,
	FACT_HEADER,
	FACT_REDIRECTS,
	FACT_URL,
	FACT_IP,
	FACT_FAMILY,
	FACT_BYTES_IN,
	FACT_BYTES_HEADER,
	FACT_BYTES_OUT,
	FACT_BODY_BYTES,
	FACT_BODY_TRUNCATED,
	FACT_CONTENT_TYPE,
	FACT_RETRY_AFTER,
	FACT_OVERLOAD,
	FACT_QUOTA_LEFT,
	FACT_QUOTA_RESET,
	FACT_HOPS,
	FACT_TLS_BASE
};

#define HTTP_ADDRS 8
#define WORKER_MAGIC 0x77b00001u
#define TARGET_MAGIC 0x77b00002u
#define FETCH_MAGIC 0x77b00003u
#define SESSION_MAGIC 0x77b00004u

extern const struct probed_host *host;

struct fetch;
struct target;
struct worker;

/* An easy handle of libcurl's, and what it points to. Used again and again: with the options of a target whose requests
 * are all alike as they are, else set anew for each request. */
struct handle {
	struct handle *next; /* idle ones */
	CURL *easy;
	struct fetch *f;            /* whose it is */
	const struct target *ready; /* its options are those of this target's first hop; NULL: of no other request */
	bool jar;                   /* has cookies of its own, not a session's */
	bool first;                 /* of its session */
	struct probed_addr to;      /* the address in connect_to */
	struct curl_slist connect_to;
	char connect_to_text[80];
	char error[CURL_ERROR_SIZE];
};

/* One libcurl multi on the host's loop. */
struct mux {
	struct mux *next;
	struct worker *worker;
	CURLM *multi;
	struct probed_timer *timer;
	struct fetch *sent; /* requests that went out during this call into libcurl */
	unsigned handles, kicks;
	bool acting, kicked; /* inside of libcurl; which wants to be called again at once */
};

/* What is known of a descriptor that libcurl opened; by its number. */
struct socket_slot {
	struct probed_watch *watch; /* NULL: not one of ours, or not watched yet */
	struct mux *mux;
	uint32_t wanted, watched;
	bool connected; /* and its request sent: libcurl closes it by close_cb */
	bool reset;     /* close with RST */
};

struct worker {
	unsigned magic;
	struct certs_pool *certs;
	struct mux *fresh;   /* for connections that are used once */
	struct mux *keep[4]; /* for kept ones; a target stays with its own */
	unsigned next_keep;
	struct socket_slot *sockets;
	size_t n_sockets;
	struct handle *spare; /* without options */
	unsigned n_spare, n_ready;
};

struct target {
	unsigned magic;
	const struct probed_target_args *args;
	struct certs_ctx *certs; /* NULL: this target is only checked */
	bool verify;
	const char *servername; /* NULL: the URL's host */
	struct curl_slist *headers, *foreign_headers; /* NULL where they hold templates */
	char *body_file; /* the content of body = @file */
	size_t body_file_len;
	/* Where nothing of the request is a template: */
	char *url, *host; /* of the first hop; NULL: rendered for each probe */
	struct handle *ready;
	bool is_https;
	struct probed_addr *addrs; /* of host, as long as they may be used again */
	uint32_t n_addrs;
	int64_t addrs_until_ns;

	unsigned keep;
	int64_t body_limit, max_redirects;
	bool follow, reuse;
	int auth;
};

/* What a virtual user carries. */
struct session {
	unsigned magic;
	CURLSH *cookies;
	bool used; /* its jar keeps session cookies */
	struct mux *mux; /* its own connections; NULL until the first reuse */
};

enum stage { STAGE_RESOLVE, STAGE_CONNECT, STAGE_TLS, STAGE_SEND, STAGE_WAIT, STAGE_RECEIVE, STAGE_GATE };

/* A probe: one request, and those that redirects lead to. */
struct fetch {
	unsigned magic;
	enum stage stage;
	struct worker *worker;
	struct target *target;
	struct session *session;
	struct probed_probe *probe;
	struct mux *mux; /* NULL: not in a multi now */
	struct handle *handle;
	CURL *easy; /* the handle's */
	int fd; /* being connected; -1: none, or done */
	struct fetch *next_sent;
	struct probed_lookup *lookup;
	struct probed_timer *timer;
	struct curl_slist *headers, *foreign_headers; /* rendered for this probe, NULL: the target's */
	const char *url; /* now */
	char *own_url; /* where it is not the target's */
	char *origin; /* scheme://host:port of the first, to which credentials belong; NULL: there was no redirect */
	char host[256];     /* of url, without brackets */
	const char *method, *body;
	size_t body_len;
	unsigned n_addrs, next_addr;
	struct probed_addr addrs[HTTP_ADDRS];
	struct certs_peer peer;
	int64_t hop_began_ns;
	int64_t redirects;
	uint64_t in, in_header, hop_header, out, body_bytes;
	unsigned n_headers;
	int os_error;
	bool is_https, foreign, gate_new_host, body_begun, discard, enough, truncated, too_long, big_body, quota;
};

/* handle.c */
/* For a probe of this target; NULL out of memory. */
struct handle *handle_take(struct worker *w, struct target *t, struct fetch *f);
/* `good`: it may keep its options. */
void handle_give(struct worker *w, struct target *t, struct handle *h, bool good);
/* The session's cookies, or a jar that lasts for one probe. */
void handle_cookies(struct handle *h, struct session *s);
/* Without options. */
void handle_reset(struct handle *h);
/* All handles of a list; how many there were. */
unsigned handles_free(struct handle **list);

/* mux.c */
struct mux *mux_new(struct worker *w);
void mux_free(struct mux *m);
/* The multi for a new transfer; NULL out of memory. */
struct mux *mux_for(struct worker *w, const struct target *t, struct session *s);
/* Begins the transfer, which may be over on return, and f gone. -1: not begun. */
int mux_add(struct mux *m, struct fetch *f);
void mux_remove(struct fetch *f);
/* The connection is there, and the request goes out during this call into libcurl. */
void mux_connected(struct fetch *f);
/* Sockets of this transfer come and go through the host's watches. */
void mux_prepare(struct fetch *f);

/* request.c */
/* Is any part of the target's requests a template? */
bool request_varies(const struct target *t);
/* What this probe asks for: URL, method, body, headers; renders templates. NULL, or why it can't be. */
const char *request_render(struct fetch *f);
/* Sets the options of f->easy for the present hop, to this address. */
void request_set(struct fetch *f, const struct probed_addr *a);
void request_free(struct fetch *f);
/* scheme://authority of an absolute URL; NULL: it is none. */
char *origin_of(const char *url);
/* The headers of a MAP as libcurl's list, twice: as they are, and without those that only the origin may see. 0, or
 * -1 with a line in `error`. */
int headers_make(const struct probed_value *map, struct curl_slist **own, struct curl_slist **foreign, char *error,
                 size_t size);

/* facts.c */
void facts_hop(struct fetch *f);
void facts_answer(struct fetch *f);

/* fetch.c */
void fetch_start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem);
void fetch_cancel(void *worker, struct probed_probe *probe, void *mem);
void fetch_done(struct fetch *f, CURLcode code);
void fetch_stage(struct fetch *f, enum stage stage);
/* The probe of a handle in libcurl's callbacks. */
struct fetch *fetch_of(void *handle);
/* What is the same in all requests of a target, once. */
void fetch_prepare(struct target *t);

#endif
