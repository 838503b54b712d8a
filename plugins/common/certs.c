/* SPDX-License-Identifier: Apache-2.0 */
/* certs.c - contexts and peers of certs.h. */
#include "certs.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define MAX_SANS 256

/* Tells whether a file is still the one that was read. */
struct stamp {
	struct timespec mtime;
	uint64_t dev, ino, size;
};

struct store {
	struct store *next;
	char *ca; /* NULL: the system's */
	struct stamp stamp;
	X509_STORE *x509;
	unsigned refs;
};

struct certs_ctx {
	struct certs_ctx *next;
	struct certs_pool *pool;
	struct store *store;
	char *cert, *key;
	struct stamp cert_stamp, key_stamp;
	int min_version;
	SSL_CTX *ssl;
	unsigned refs;
};

struct certs_pool {
	struct certs_ctx *contexts;
	struct store *stores;
};

static int peer_index(void);
static int ctx_index(void);

/* --- options ------------------------------------------------------------------------------------- */

static const char *text_or_null(const struct probed_value *v)
{
	return v->s && *v->s ? v->s : NULL;
}

void certs_options_read(const struct probed_target_args *args, uint32_t base, struct certs_options *out)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION };
	int64_t version = probed_target_option(args, base + CERTS_OPTION_MIN_VERSION)->i;

	*out = (struct certs_options){
		.ca = text_or_null(probed_target_option(args, base + CERTS_OPTION_CA)),
		.cert = text_or_null(probed_target_option(args, base + CERTS_OPTION_CERT)),
		.key = text_or_null(probed_target_option(args, base + CERTS_OPTION_KEY)),
		.servername = text_or_null(probed_target_option(args, base + CERTS_OPTION_SERVERNAME)),
		.verify = probed_target_option(args, base + CERTS_OPTION_VERIFY)->i != 0,
		.min_version = versions[version >= 0 && version < 4 ? version : 2],
	};
}

int certs_options_check(const struct certs_options *o, char *error, size_t size)
{
	if (o->key && !o->cert) {
		snprintf(error, size, "tls.key without tls.cert: name the client certificate that the key belongs to");
		return -1;
	}
	if (o->servername && strlen(o->servername) > 255) {
		snprintf(error, size, "tls.servername: a host name has at most 255 characters");
		return -1;
	}
	return 0;
}

bool certs_is_address(const char *host)
{
	unsigned char bytes[16];
	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* --- contexts ------------------------------------------------------------------------------------ */

static struct stamp stamp_of(const char *path)
{
	struct stat st;
	if (!path || stat(path, &st) < 0)
		return (struct stamp){ 0 };
	return (struct stamp){ .mtime = st.st_mtim, .dev = st.st_dev, .ino = st.st_ino, .size = (uint64_t)st.st_size };
}

static bool stamp_same(const struct stamp *a, const struct stamp *b)
{
	return a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec && a->dev == b->dev &&
	       a->ino == b->ino && a->size == b->size;
}

static bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* OpenSSL's last reason, and an empty queue. */
static const char *openssl_reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = NULL;
	if (code)
		text = ERR_SYSTEM_ERROR(code) ? strerror((int)ERR_GET_REASON(code)) : ERR_reason_error_string(code);
	ERR_clear_error();
	return text ? text : "unknown error";
}

static void store_unref(struct certs_pool *pool, struct store *store)
{
	if (--store->refs)
		return;
	for (struct store **p = &pool->stores; *p; p = &(*p)->next) {
		if (*p == store) {
			*p = store->next;
			break;
		}
	}
	X509_STORE_free(store->x509);
	free(store->ca);
	free(store);
}

static int store_load(X509_STORE *x509, const char *ca)
{
	struct stat st;
	if (!ca)
		return X509_STORE_set_default_paths(x509);
	if (stat(ca, &st) == 0 && S_ISDIR(st.st_mode))
		return X509_STORE_load_path(x509, ca);
	return X509_STORE_load_file(x509, ca);
}

static struct store *store_get(struct certs_pool *pool, const char *ca, char *error, size_t size)
{
	struct stamp stamp = stamp_of(ca);
	for (struct store *s = pool->stores; s; s = s->next) {
		if (text_same(s->ca, ca) && stamp_same(&s->stamp, &stamp)) {
			s->refs++;
			return s;
		}
	}

	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		goto memory;
	s->refs = 1;
	s->stamp = stamp;
	s->ca = ca ? strdup(ca) : NULL;
	s->x509 = X509_STORE_new();
	if ((ca && !s->ca) || !s->x509)
		goto memory;
	if (!store_load(s->x509, ca)) {
		snprintf(error, size, "tls.ca: %s: %s (expected a PEM file or a folder made by openssl rehash)",
		         ca ? ca : "the system's CAs", openssl_reason());
		goto failed;
	}
	s->next = pool->stores;
	pool->stores = s;
	return s;

memory:
	snprintf(error, size, "out of memory");
failed:
	if (s) {
		X509_STORE_free(s->x509);
		free(s->ca);
		free(s);
	}
	return NULL;
}

static void ctx_free(struct certs_ctx *c)
{
	SSL_CTX_free(c->ssl);
	if (c->store)
		store_unref(c->pool, c->store);
	free(c->cert);
	free(c->key);
	free(c);
}

static int verify_cb(X509_STORE_CTX *store, void *arg);
static void info_cb(const SSL *ssl, int where, int ret);

static void callbacks_set(SSL_CTX *ssl)
{
	SSL_CTX_set_cert_verify_callback(ssl, verify_cb, NULL);
	SSL_CTX_set_info_callback(ssl, info_cb);
}

static int client_certificate_load(struct certs_ctx *c, char *error, size_t size)
{
	const char *key = c->key ? c->key : c->cert;
	if (SSL_CTX_use_certificate_chain_file(c->ssl, c->cert) != 1) {
		snprintf(error, size, "tls.cert: %s: %s (expected a PEM file)", c->cert, openssl_reason());
		return -1;
	}
	if (SSL_CTX_use_PrivateKey_file(c->ssl, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(c->ssl) != 1) {
		snprintf(error, size, "tls.key: %s: %s (expected the PEM key of %s)", key, openssl_reason(), c->cert);
		return -1;
	}
	return 0;
}

/* A key under a passphrase must fail, not ask the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

static struct certs_ctx *ctx_make(struct certs_pool *pool, const struct certs_options *o, char *error, size_t size)
{
	struct certs_ctx *c = calloc(1, sizeof(*c));
	if (!c)
		goto memory;
	c->pool = pool;
	c->refs = 1;
	c->min_version = o->min_version;
	c->cert_stamp = stamp_of(o->cert);
	c->key_stamp = stamp_of(o->key);
	c->cert = o->cert ? strdup(o->cert) : NULL;
	c->key = o->key ? strdup(o->key) : NULL;
	c->ssl = SSL_CTX_new(TLS_client_method());
	if (!c->ssl || (o->cert && !c->cert) || (o->key && !c->key))
		goto memory;
	c->store = store_get(pool, o->ca, error, size);
	if (!c->store)
		goto failed;

	SSL_CTX_set1_cert_store(c->ssl, c->store->x509);
	SSL_CTX_set_min_proto_version(c->ssl, o->min_version);
	/* below 1.2 everything is SHA-1, which OpenSSL 3 refuses at its default level */
	if (o->min_version < TLS1_2_VERSION)
		SSL_CTX_set_security_level(c->ssl, 0);
	SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(c->ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_default_passwd_cb(c->ssl, no_passphrase);
	SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
	callbacks_set(c->ssl);
	if (c->cert && client_certificate_load(c, error, size) < 0)
		goto failed;
	return c;

memory:
	snprintf(error, size, "out of memory");
failed:
	if (c)
		ctx_free(c);
	return NULL;
}

struct certs_pool *certs_pool_new(void)
{
	return peer_index() < 0 || ctx_index() < 0 ? NULL : calloc(1, sizeof(struct certs_pool));
}

void certs_pool_free(struct certs_pool *pool)
{
	if (!pool)
		return;
	while (pool->contexts) {
		struct certs_ctx *c = pool->contexts;
		pool->contexts = c->next;
		ctx_free(c);
	}
	free(pool);
}

struct certs_ctx *certs_ctx_get(struct certs_pool *pool, const struct certs_options *o, char *error, size_t size)
{
	struct stamp ca = stamp_of(o->ca), cert = stamp_of(o->cert), key = stamp_of(o->key);

	if (certs_options_check(o, error, size) < 0)
		return NULL;
	for (struct certs_ctx *c = pool->contexts; c; c = c->next) {
		if (c->min_version == o->min_version && text_same(c->store->ca, o->ca) &&
		    text_same(c->cert, o->cert) && text_same(c->key, o->key) && stamp_same(&c->store->stamp, &ca) &&
		    stamp_same(&c->cert_stamp, &cert) && stamp_same(&c->key_stamp, &key)) {
			c->refs++;
			return c;
		}
	}
	struct certs_ctx *c = ctx_make(pool, o, error, size);
	if (c) {
		c->next = pool->contexts;
		pool->contexts = c;
	}
	return c;
}

void certs_ctx_unref(struct certs_ctx *ctx)
{
	if (!ctx || --ctx->refs)
		return;
	for (struct certs_ctx **p = &ctx->pool->contexts; *p; p = &(*p)->next) {
		if (*p == ctx) {
			*p = ctx->next;
			break;
		}
	}
	ctx_free(ctx);
}

SSL_CTX *certs_ctx_ssl(struct certs_ctx *ctx)
{
	return ctx->ssl;
}

int certs_ctx_apply(struct certs_ctx *ctx, SSL_CTX *to)
{
	SSL_CTX_set1_cert_store(to, ctx->store->x509);
	SSL_CTX_set_min_proto_version(to, ctx->min_version);
	if (ctx->min_version < TLS1_2_VERSION)
		SSL_CTX_set_security_level(to, 0);
	callbacks_set(to);
	X509 *cert = SSL_CTX_get0_certificate(ctx->ssl);
	if (cert) {
		STACK_OF(X509) *chain = NULL;
		SSL_CTX_get0_chain_certs(ctx->ssl, &chain);
		if (SSL_CTX_use_cert_and_key(to, cert, SSL_CTX_get0_privatekey(ctx->ssl), chain, 1) != 1)
			return -1;
	}
	return 0;
}

/* --- peers: attached by an index of ex_data ------------------------------------------------------- */

static int peer_index(void)
{
	static int index = -1;
	if (index < 0)
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return index;
}

static int ctx_index(void)
{
	static int index = -1;
	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return index;
}

static struct certs_peer *peer_of(const SSL *ssl)
{
	struct certs_peer *peer = SSL_get_ex_data(ssl, peer_index());
	return peer ? peer : SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_index());
}

void certs_attach(SSL *ssl, struct certs_peer *peer)
{
	SSL_set_ex_data(ssl, peer_index(), peer);
	SSL_up_ref(ssl);
	peer->ssl = ssl;
}

void certs_attach_ctx(SSL_CTX *ctx, struct certs_peer *peer)
{
	certs_peer_detach(peer);
	SSL_CTX_set_ex_data(ctx, ctx_index(), peer);
	SSL_CTX_up_ref(ctx);
	peer->ctx = ctx;
}

void certs_peer_detach(struct certs_peer *peer)
{
	if (peer->ssl) {
		SSL_set_ex_data(peer->ssl, peer_index(), NULL);
		SSL_free(peer->ssl);
		peer->ssl = NULL;
	}
	if (peer->ctx) {
		SSL_CTX_set_ex_data(peer->ctx, ctx_index(), NULL);
		SSL_CTX_free(peer->ctx);
		peer->ctx = NULL;
	}
}

int certs_servername(SSL *ssl, const char *host)
{
	return certs_is_address(host) || !*host ? 1 : (int)SSL_set_tlsext_host_name(ssl, host);
}

static void leaf_set(struct certs_peer *peer, X509 *leaf)
{
	X509_free(peer->leaf);
	peer->leaf = leaf;
	if (leaf)
		X509_up_ref(leaf);
}

static int host_expect(X509_STORE_CTX *store, const char *host)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
	if (certs_is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(param, host);
	/* the dot of a fully qualified name is never in a certificate */
	size_t len = strlen(host);
	if (len > 1 && host[len - 1] == '.')
		len--;
	return X509_VERIFY_PARAM_set1_host(param, host, len);
}

/* In place of OpenSSL's own verification: keeps the certificate first, then judges it, then decides. */
static int verify_cb(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct certs_peer *peer = ssl ? peer_of(ssl) : NULL;
	if (!peer)
		return X509_verify_cert(store) == 1;

	leaf_set(peer, X509_STORE_CTX_get0_cert(store));
	int ok = (!peer->host || host_expect(store, peer->host)) && X509_verify_cert(store) == 1;
	peer->judged = true;
	peer->verdict = X509_STORE_CTX_get_error(store);
	if (!ok && peer->verdict == X509_V_OK) {
		peer->verdict = X509_V_ERR_UNSPECIFIED;
		X509_STORE_CTX_set_error(store, peer->verdict);
	}
	return ok || !peer->verify;
}

static void session_take(struct certs_peer *peer, const SSL *ssl)
{
	const unsigned char *alpn;
	unsigned len;

	peer->version = SSL_get_version(ssl);
	peer->cipher = SSL_get_cipher_name(ssl);
	SSL_get0_alpn_selected(ssl, &alpn, &len);
	if (len >= sizeof(peer->alpn))
		len = sizeof(peer->alpn) - 1;
	if (len)
		memcpy(peer->alpn, alpn, len);
	peer->alpn[len] = '\0';
}

static void info_cb(const SSL *ssl, int where, int ret)
{
	(void)ret;
	if (!(where & (SSL_CB_HANDSHAKE_START | SSL_CB_HANDSHAKE_DONE)))
		return;
	struct certs_peer *peer = peer_of(ssl);
	if (!peer)
		return;
	if (where & SSL_CB_HANDSHAKE_START) {
		/* a const pointer by its prototype, but this is the connection itself, before its first flight */
		if (peer->ctx && peer->servername && SSL_in_before(ssl))
			certs_servername((SSL *)(uintptr_t)ssl, peer->servername);
		return;
	}
	session_take(peer, ssl);
	/* the context belongs to a library that may keep it longer than we keep the peer */
	if (peer->ctx)
		certs_peer_detach(peer);
}

void certs_peer_take(struct certs_peer *peer, SSL *ssl)
{
	leaf_set(peer, SSL_get0_peer_certificate(ssl));
	peer->judged = peer->leaf != NULL;
	peer->verdict = (int)SSL_get_verify_result(ssl);
	session_take(peer, ssl);
}

void certs_peer_clear(struct certs_peer *peer)
{
	certs_peer_detach(peer);
	X509_free(peer->leaf);
	*peer = (struct certs_peer){ 0 };
}

/* --- what people and expectations read ------------------------------------------------------------ */

/* Text from a stranger's certificate: bounded, without control characters. Returns its length. */
static size_t text_clean(const unsigned char *s, size_t len, char *out, size_t size)
{
	if (len >= size)
		len = size - 1;
	for (size_t i = 0; i < len; i++)
		out[i] = s[i] < 0x20 || s[i] == 0x7f ? '?' : (char)s[i];
	out[len] = '\0';
	return len;
}

static size_t name_text(const X509_NAME *name, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	size_t len = 0;

	*out = '\0';
	if (!bio)
		return 0;
	if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
		long n = BIO_get_mem_data(bio, &data);
		len = text_clean((const unsigned char *)data, n > 0 ? (size_t)n : 0, out, size);
	}
	BIO_free(bio);
	return len;
}

/* One name as text; 0 where it is of a kind that a host is not known by. */
static size_t san_text(const GENERAL_NAME *name, char *out, size_t size)
{
	const ASN1_STRING *s;
	switch (name->type) {
	case GEN_DNS:
	case GEN_EMAIL:
	case GEN_URI:
		s = name->d.ia5;
		return text_clean(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s), out, size);
	case GEN_IPADD:
		s = name->d.ip;
		if (ASN1_STRING_length(s) != 4 && ASN1_STRING_length(s) != 16)
			return 0;
		if (!inet_ntop(ASN1_STRING_length(s) == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(s), out,
		               (socklen_t)size))
			return 0;
		return strlen(out);
	default:
		return 0;
	}
}

static int64_t time_ns(const ASN1_TIME *t)
{
	struct tm tm;
	if (!ASN1_TIME_to_tm(t, &tm))
		return 0;
	int64_t s = timegm(&tm);
	/* 9999-12-31, "no expiry", is beyond what nanoseconds can say */
	return s > INT64_MAX / NS_PER_S ? INT64_MAX : s * NS_PER_S;
}

static void name_first(X509 *leaf, char *out, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	size_t len = 0;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !len; i++)
		len = san_text(sk_GENERAL_NAME_value(names, i), out, size);
	if (!len)
		name_text(X509_get_subject_name(leaf), out, size);
	GENERAL_NAMES_free(names);
}

const char *certs_peer_reason(const struct certs_peer *peer, char *out, size_t size)
{
	char name[128];

	*out = '\0';
	if (!peer->judged || peer->verdict == X509_V_OK)
		return out;
	const char *text = X509_verify_cert_error_string(peer->verdict);
	if (peer->leaf && (peer->verdict == X509_V_ERR_HOSTNAME_MISMATCH ||
	                   peer->verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)) {
		name_first(peer->leaf, name, sizeof(name));
		snprintf(out, size, "%s: it is for %s, not for %s", text, name, peer->host ? peer->host : "this host");
	} else {
		snprintf(out, size, "%s", text);
	}
	return out;
}

static void sans_give(X509 *leaf, const struct probed_host *host, struct probed_probe *probe, uint32_t fact)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	char text[512];

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < MAX_SANS; i++) {
		size_t len = san_text(sk_GENERAL_NAME_value(names, i), text, sizeof(text));
		if (len)
			host->fact_string(probe, fact, NULL, text, len);
	}
	GENERAL_NAMES_free(names);
}

static void hex(const unsigned char *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

static void leaf_facts(X509 *leaf, const struct probed_host *host, struct probed_probe *probe, uint32_t base)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[1024];
	unsigned n;
	int64_t not_after = time_ns(X509_get0_notAfter(leaf));

	host->fact_integer(probe, base + CERTS_FACT_EXPIRES, NULL,
	                   not_after == INT64_MAX ? INT64_MAX : not_after - host->wall());
	host->fact_integer(probe, base + CERTS_FACT_NOT_AFTER, NULL, not_after);
	host->fact_integer(probe, base + CERTS_FACT_NOT_BEFORE, NULL, time_ns(X509_get0_notBefore(leaf)));
	size_t len = name_text(X509_get_subject_name(leaf), text, sizeof(text));
	host->fact_string(probe, base + CERTS_FACT_SUBJECT, NULL, text, len);
	len = name_text(X509_get_issuer_name(leaf), text, sizeof(text));
	host->fact_string(probe, base + CERTS_FACT_ISSUER, NULL, text, len);
	sans_give(leaf, host, probe, base + CERTS_FACT_SANS);

	const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
	int length = ASN1_STRING_length(serial);
	if (length > 0 && length <= 64) {
		hex(ASN1_STRING_get0_data(serial), (size_t)length, text);
		host->fact_string(probe, base + CERTS_FACT_SERIAL, NULL, text, strlen(text));
	}
	if (X509_digest(leaf, EVP_sha256(), digest, &n)) {
		hex(digest, n, text);
		host->fact_string(probe, base + CERTS_FACT_SHA256, NULL, text, strlen(text));
	}
}

void certs_peer_facts(const struct certs_peer *peer, const struct probed_host *host, struct probed_probe *probe,
                      uint32_t base)
{
	char reason[320];

	if (peer->leaf)
		leaf_facts(peer->leaf, host, probe, base);
	if (peer->judged) {
		host->fact_integer(probe, base + CERTS_FACT_VALID, NULL, peer->verdict == X509_V_OK);
		certs_peer_reason(peer, reason, sizeof(reason));
		if (*reason)
			host->fact_string(probe, base + CERTS_FACT_REASON, NULL, reason, strlen(reason));
	}
	if (peer->version) {
		host->fact_string(probe, base + CERTS_FACT_VERSION, NULL, peer->version, strlen(peer->version));
		host->fact_string(probe, base + CERTS_FACT_CIPHER, NULL, peer->cipher, strlen(peer->cipher));
	}
	if (*peer->alpn)
		host->fact_string(probe, base + CERTS_FACT_ALPN, NULL, peer->alpn, strlen(peer->alpn));
}

const char *certs_error(const struct certs_peer *peer, char *out, size_t size)
{
	if (peer->judged && peer->verify && peer->verdict != X509_V_OK) {
		char reason[320];
		certs_peer_reason(peer, reason, sizeof(reason));
		snprintf(out, size, "certificate not accepted: %s", reason);
		ERR_clear_error();
		return out;
	}
	int code = ERR_GET_REASON(ERR_peek_last_error());
	bool plain = ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_SSL && code == SSL_R_WRONG_VERSION_NUMBER;
	const char *text = openssl_reason();
	snprintf(out, size, "TLS failed: %s%s", text,
	         plain ? " (does the server speak TLS on this port?)" : "");
	return out;
}
