/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - DNS messages: the question as it goes out, whether an answer belongs to it, and what the answer
 * says. Pure: no sockets, no host.
 */
#ifndef DNS_MESSAGE_H
#define DNS_MESSAGE_H

#include <ldns/ldns.h>

#include <stddef.h>
#include <stdint.h>

enum { DNS_HEADER_BYTES = 12, DNS_QUERY_MAX = 512 };

struct question {
	ldns_rr_type type;
	ldns_rr_class class;
	int recurse;
	uint16_t udp_size; /* announced by EDNS; 0: no EDNS */
};

/* The wire form of the query for `name`, with id 0; free() it. 0, or -1 with a line in `error`. */
int question_build(const struct question *q, const char *name, uint8_t **wire, size_t *len, char *error, size_t size);

enum answer_match {
	ANSWER_OURS,
	ANSWER_NOT_AN_ANSWER,  /* too short, or a query */
	ANSWER_OTHER_QUESTION, /* to another name, type or class */
	ANSWER_CUT_SHORT       /* ends within the question */
};

/* Whether a message answers the query. The id is the caller's affair: in the cached query it is 0. */
enum answer_match answer_match(const uint8_t *query, size_t query_len, const uint8_t *wire, size_t len);

/* Parses; free with ldns_pkt_free(). NULL: malformed, and *why says how (static text). */
ldns_pkt *answer_parse(const uint8_t *wire, size_t len, const char **why);

/* The response code, with the extended part that EDNS carries. */
unsigned answer_rcode(const ldns_pkt *pkt);
/* "NXDOMAIN"; "RCODE12" is printed into buf. */
const char *rcode_text(unsigned rcode, char buf[16]);
/* "qr aa rd". */
size_t flags_text(const ldns_pkt *pkt, char *buf, size_t size);
/* The rdata of a record as text, or the whole record as a line. Text lives until the buffer's next use; NULL where
 * it cannot be written. */
const char *rdata_text(ldns_buffer *buf, const ldns_rr *rr, size_t *len);
const char *record_text(ldns_buffer *buf, const ldns_rr *rr, size_t *len);
/* The serial of the first SOA record of the list; 0, or -1 where there is none. */
int soa_serial(const ldns_rr_list *list, uint32_t *serial);

#endif
