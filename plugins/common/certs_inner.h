/* SPDX-License-Identifier: Apache-2.0 */
/* certs_inner.h - what certs.c, certs_peer.c and certs_facts.c have for one another, and for nobody else. */
#ifndef COMMON_CERTS_INNER_H
#define COMMON_CERTS_INNER_H

#include <openssl/ssl.h>

/* Makes handshakes under this context report to their peers. */
void certs_callbacks_set(SSL_CTX *ssl);
/* Once before the first peer. 0, or -1 out of memory. */
int certs_peers_init(void);
/* OpenSSL's last reason, for people; empties its queue of errors. */
const char *certs_openssl_reason(void);

#endif
