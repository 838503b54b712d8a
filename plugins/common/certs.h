/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certs.h - TLS for drivers: the options and facts that all of them share, one SSL_CTX for each distinct set of
 * options, and what is learned of a peer: its certificate, taken *before* it is verified so that an expired one
 * is reported too, and the verdict apart.
 *
 * Compiled into each plugin that wants it; knows OpenSSL and <probed/...>, nothing else. The loop's thread only.
 */
#ifndef COMMON_CERTS_H
#define COMMON_CERTS_H

#include <openssl/ssl.h>
#include <probed/driver.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- facts: put CERTS_FACT_ENTRIES last in the driver's table, at an index that is then the `base` --- */

/*        id           name            unit  type      flags               role                       help */
#define CERTS_FACTS(X)                                                                                           \
	X(EXPIRES, "cert.expires", "s", DURATION, PROBED_FACT_METRIC, PROBED_ROLE_CERT_EXPIRY,                   \
	  "Time until the peer's certificate expires; negative once it has.")                                    \
	X(NOT_AFTER, "cert.not_after", "s", TIME, PROBED_FACT_METRIC, PROBED_ROLE_NONE,                          \
	  "When the peer's certificate expires.")                                                                \
	X(NOT_BEFORE, "cert.not_before", "s", TIME, 0, PROBED_ROLE_NONE, "When the peer's certificate begins.")  \
	X(SUBJECT, "cert.subject", "", STRING, 0, PROBED_ROLE_NONE, "Whom the certificate names (RFC 2253).")    \
	X(ISSUER, "cert.issuer", "", STRING, 0, PROBED_ROLE_NONE, "Who signed the certificate (RFC 2253).")      \
	X(SANS, "cert.sans", "", STRING, PROBED_FACT_LIST, PROBED_ROLE_NONE,                                     \
	  "Names and addresses that the certificate is for.")                                                    \
	X(SERIAL, "cert.serial", "", STRING, 0, PROBED_ROLE_NONE, "Serial number, hexadecimal.")                 \
	X(SHA256, "cert.sha256", "", STRING, 0, PROBED_ROLE_NONE, "SHA-256 of the certificate, hexadecimal.")    \
	X(VALID, "cert.valid", "", BOOLEAN, PROBED_FACT_METRIC, PROBED_ROLE_NONE,                                \
	  "Whether the certificate is trusted, in date and for the right name, also with tls.verify = no.")      \
	X(REASON, "cert.reason", "", STRING, 0, PROBED_ROLE_NONE, "Why the certificate is not valid.")           \
	X(VERSION, "tls.version", "", STRING, 0, PROBED_ROLE_NONE, "TLS version, such as TLSv1.3.")              \
	X(CIPHER, "tls.cipher", "", STRING, 0, PROBED_ROLE_NONE, "Cipher suite.")                                \
	X(ALPN, "tls.alpn", "", STRING, 0, PROBED_ROLE_NONE, "Protocol agreed on inside TLS, such as h2.")

#define CERTS_FACT_ENUM(id, nm, un, ty, fl, ro, hp) CERTS_FACT_##id,
enum { CERTS_FACTS(CERTS_FACT_ENUM) CERTS_N_FACTS };
#define CERTS_FACT_ENTRY(id, nm, un, ty, fl, ro, hp) \
	{ .name = nm, .unit = un, .help = hp, .type = PROBED_TYPE_##ty, .flags = fl, .role = ro },
#define CERTS_FACT_ENTRIES CERTS_FACTS(CERTS_FACT_ENTRY)

/* --- options: put CERTS_OPTION_ENTRIES last in the driver's table, likewise --- */

#define CERTS_OPTIONS(X)                                                                                         \
	X(CA, "tls.ca", NULL, NULL, STRING, "PEM file or folder of trusted CAs (default: the system's).")        \
	X(CERT, "tls.cert", NULL, NULL, STRING, "PEM file of the client certificate and its chain.")             \
	X(KEY, "tls.key", NULL, NULL, STRING, "PEM file of the client's key (default: in tls.cert).")            \
	X(VERIFY, "tls.verify", "yes", NULL, BOOLEAN, "Whether an invalid certificate is an error.")             \
	X(SERVERNAME, "tls.servername", NULL, NULL, STRING, "Name to ask for and to verify (default: the host).") \
	X(MIN_VERSION, "tls.min_version", "1.2", "1.0|1.1|1.2|1.3", CHOICE, "Least TLS version to accept.")

#define CERTS_OPTION_ENUM(id, nm, df, ch, ty, hp) CERTS_OPTION_##id,
enum { CERTS_OPTIONS(CERTS_OPTION_ENUM) CERTS_N_OPTIONS };
#define CERTS_OPTION_ENTRY(id, nm, df, ch, ty, hp) \
	{ .name = nm, .def = df, .help = hp, .choices = ch, .type = PROBED_TYPE_##ty },
#define CERTS_OPTION_ENTRIES CERTS_OPTIONS(CERTS_OPTION_ENTRY)

/* --- contexts --- */

struct certs_pool; /* a worker's */
struct certs_ctx;  /* one distinct set of tls.* options; counted */

struct certs_options {
	const char *ca, *cert, *key, *servername; /* the target's strings; NULL: unset */
	bool verify;
	int min_version; /* TLS1_2_VERSION ... */
};

void certs_options_read(const struct probed_target_args *args, uint32_t base, struct certs_options *out);
/* What can be said without opening a file. 0, or -1 with a line in `error`. */
int certs_options_check(const struct certs_options *o, char *error, size_t size);

struct certs_pool *certs_pool_new(void);
void certs_pool_free(struct certs_pool *pool);

/* The context for these options, made where there is none yet (files are read now, and again only where they
 * changed). NULL with a line in `error`. Let go of it with certs_ctx_unref(). */
struct certs_ctx *certs_ctx_get(struct certs_pool *pool, const struct certs_options *o, char *error, size_t size);
void certs_ctx_unref(struct certs_ctx *ctx);
/* Client side, shared; not the caller's to free. Needs certs_attach() on each SSL made from it. */
SSL_CTX *certs_ctx_ssl(struct certs_ctx *ctx);
/* Makes another library's SSL_CTX behave likewise: trust, client certificate, least version, callbacks. */
int certs_ctx_apply(struct certs_ctx *ctx, SSL_CTX *to);

/* --- peers --- */

/* What one handshake learned. Zeroed is empty; certs_peer_clear() at the end. Set `host` and `verify` first. */
struct certs_peer {
	const char *host;       /* name or address that the certificate must be for; NULL: any. Not owned */
	const char *servername; /* overrides what a library would ask for (certs_attach_ctx only); NULL: leave */
	bool verify;            /* an invalid certificate ends the handshake */
	bool judged;            /* `verdict` is set */
	int verdict;            /* X509_V_* */
	X509 *leaf;
	const char *version, *cipher; /* OpenSSL's constants, NULL before the handshake is done */
	char alpn[32];
	SSL_CTX *ctx; /* attached to */
	SSL *ssl;
};

/* The handshake of `ssl` reports to `peer`, until certs_peer_detach() or certs_peer_clear(). Sets no server name:
 * see certs_servername(). */
void certs_attach(SSL *ssl, struct certs_peer *peer);
/* As above for the next handshake under a context that another library made; detaches when that is done. */
void certs_attach_ctx(SSL_CTX *ctx, struct certs_peer *peer);
void certs_peer_detach(struct certs_peer *peer);
/* SNI for `host`, unless that is an address literal. 1, or 0 out of memory. */
int certs_servername(SSL *ssl, const char *host);
/* Takes certificate and session from a connection that is established (a reused one). */
void certs_peer_take(struct certs_peer *peer, SSL *ssl);
void certs_peer_clear(struct certs_peer *peer);

/* Why the certificate is not valid, for people, in `out`; "" where it is, or where there is none. Returns out. */
const char *certs_peer_reason(const struct certs_peer *peer, char *out, size_t size);
/* All that is known, as the facts from `base` on. */
void certs_peer_facts(const struct certs_peer *peer, const struct probed_host *host, struct probed_probe *probe,
                      uint32_t base);

/* Why a handshake failed, for people: the verdict on the certificate, or OpenSSL's reason (and empties OpenSSL's queue
 * of errors). Returns out. */
const char *certs_error(const struct certs_peer *peer, char *out, size_t size);

/* Whether this is an IPv4 or IPv6 literal (without brackets or scope). */
bool certs_is_address(const char *host);

#endif
