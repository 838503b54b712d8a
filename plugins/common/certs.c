/* SPDX-License-Identifier: Apache-2.0 */
/* certs.c - options and contexts of certs.h. */
#include "certs.h"
#include "certs_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

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
		         ca ? ca : "the system's CAs", certs_openssl_reason());
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

static int client_certificate_load(struct certs_ctx *c, char *error, size_t size)
{
	const char *key = c->key ? c->key : c->cert;
	if (SSL_CTX_use_certificate_chain_file(c->ssl, c->cert) != 1) {
		snprintf(error, size, "tls.cert: %s: %s (expected a PEM file)", c->cert, certs_openssl_reason());
		return -1;
	}
	if (SSL_CTX_use_PrivateKey_file(c->ssl, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(c->ssl) != 1) {
		snprintf(error, size, "tls.key: %s: %s (expected the PEM key of %s)", key, certs_openssl_reason(), c->cert);
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
	certs_callbacks_set(c->ssl);
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
	return certs_peers_init() < 0 ? NULL : calloc(1, sizeof(struct certs_pool));
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
	certs_callbacks_set(to);
	X509 *cert = SSL_CTX_get0_certificate(ctx->ssl);
	if (cert) {
		STACK_OF(X509) *chain = NULL;
		SSL_CTX_get0_chain_certs(ctx->ssl, &chain);
		if (SSL_CTX_use_cert_and_key(to, cert, SSL_CTX_get0_privatekey(ctx->ssl), chain, 1) != 1)
			return -1;
	}
	return 0;
}
