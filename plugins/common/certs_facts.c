/* SPDX-License-Identifier: Apache-2.0 */
/* certs_facts.c - what people and expectations read of a peer of certs.h. */
#include "certs.h"
#include "certs_inner.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define MAX_SANS 256

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

const char *certs_openssl_reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = NULL;
	if (code)
		text = ERR_SYSTEM_ERROR(code) ? strerror((int)ERR_GET_REASON(code)) : ERR_reason_error_string(code);
	ERR_clear_error();
	return text ? text : "unknown error";
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
	const char *text = certs_openssl_reason();
	snprintf(out, size, "TLS failed: %s%s", text,
	         plain ? " (does the server speak TLS on this port?)" : "");
	return out;
}
