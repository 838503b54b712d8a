/* SPDX-License-Identifier: Apache-2.0 */
/* certs_peer.c - peers of certs.h: what a handshake says is kept here. A peer is found by an index of ex_data. */
#include "certs.h"
#include "certs_inner.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <string.h>

bool certs_is_address(const char *host)
{
	unsigned char bytes[16];
	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

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

int certs_peers_init(void)
{
	return peer_index() < 0 || ctx_index() < 0 ? -1 : 0;
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

void certs_callbacks_set(SSL_CTX *ssl)
{
	SSL_CTX_set_cert_verify_callback(ssl, verify_cb, NULL);
	SSL_CTX_set_info_callback(ssl, info_cb);
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
