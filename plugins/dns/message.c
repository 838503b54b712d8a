/* SPDX-License-Identifier: Apache-2.0 */
/* message.c - DNS messages by ldns; the matching of answers is done on the wire, before anything is parsed. */
#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_query(ldns_pkt *pkt, const struct question *q, uint8_t **wire, size_t *len, char *error, size_t size)
{
	/* AD in a query asks for the AD flag in the answer (RFC 6840). */
	ldns_pkt_set_ad(pkt, true);
	if (q->udp_size)
		ldns_pkt_set_edns_udp_size(pkt, q->udp_size);
	uint8_t *made = NULL;
	size_t made_len = 0;
	ldns_status status = ldns_pkt2wire(&made, pkt, &made_len);
	if (status != LDNS_STATUS_OK || made_len < DNS_HEADER_BYTES || made_len > DNS_QUERY_MAX) {
		free(made);
		snprintf(error, size, "cannot build the query: %s", ldns_get_errorstr_by_id(status));
		return -1;
	}
	made[0] = made[1] = 0;
	*wire = made;
	*len = made_len;
	return 0;
}

int question_build(const struct question *q, const char *name, uint8_t **wire, size_t *len, char *error, size_t size)
{
	ldns_rdf *dname = NULL;
	ldns_status status = *name ? ldns_str2rdf_dname(&dname, name) : LDNS_STATUS_EMPTY_LABEL;
	if (status != LDNS_STATUS_OK) {
		snprintf(error, size, "name: \"%s\" is not a domain name: %s", name, ldns_get_errorstr_by_id(status));
		return -1;
	}
	ldns_pkt *pkt = ldns_pkt_query_new(dname, q->type, q->class, q->recurse ? LDNS_RD : 0);
	if (!pkt) {
		ldns_rdf_deep_free(dname);
		snprintf(error, size, "cannot build the query for \"%s\"", name);
		return -1;
	}
	int rc = write_query(pkt, q, wire, len, error, size);
	ldns_pkt_free(pkt);
	return rc;
}

/* Length of an uncompressed name with type and class at `at`; 0: it does not fit or is compressed. */
static size_t question_len(const uint8_t *wire, size_t len, size_t at)
{
	size_t pos = at;
	while (pos < len && wire[pos]) {
		if (wire[pos] > 63)
			return 0;
		pos += wire[pos] + 1u;
	}
	return pos + 5 <= len ? pos + 5 - at : 0;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* The count octets of labels are below 'A', so that all of the name may be compared without regard to case. */
static int same_question(const uint8_t *a, const uint8_t *b, size_t len)
{
	size_t name_len = len - 4;
	for (size_t i = 0; i < name_len; i++)
		if (lower(a[i]) != lower(b[i]))
			return 0;
	return !memcmp(a + name_len, b + name_len, 4);
}

static unsigned count_at(const uint8_t *wire, size_t at)
{
	return (unsigned)wire[at] << 8 | wire[at + 1];
}

/* Some servers leave the question out when they refuse it. */
static int may_lack_question(unsigned rcode)
{
	return rcode == LDNS_RCODE_FORMERR || rcode == LDNS_RCODE_SERVFAIL || rcode == LDNS_RCODE_NOTIMPL ||
	       rcode == LDNS_RCODE_REFUSED;
}

enum answer_match answer_match(const uint8_t *query, size_t query_len, const uint8_t *wire, size_t len)
{
	if (len < DNS_HEADER_BYTES || !LDNS_QR_WIRE(wire) || LDNS_OPCODE_WIRE(wire) != LDNS_PACKET_QUERY)
		return ANSWER_NOT_AN_ANSWER;
	unsigned questions = count_at(wire, 4);
	if (!questions)
		return may_lack_question(LDNS_RCODE_WIRE(wire)) ? ANSWER_OURS : ANSWER_OTHER_QUESTION;
	size_t want = question_len(query, query_len, DNS_HEADER_BYTES);
	if (len < DNS_HEADER_BYTES + want)
		return ANSWER_CUT_SHORT;
	if (questions != 1 || !want || !same_question(query + DNS_HEADER_BYTES, wire + DNS_HEADER_BYTES, want))
		return ANSWER_OTHER_QUESTION;
	return ANSWER_OURS;
}

ldns_pkt *answer_parse(const uint8_t *wire, size_t len, const char **why)
{
	ldns_pkt *pkt = NULL;
	ldns_status status = ldns_wire2pkt(&pkt, wire, len);
	if (status == LDNS_STATUS_OK)
		return pkt;
	*why = ldns_get_errorstr_by_id(status);
	return NULL;
}

unsigned answer_rcode(const ldns_pkt *pkt)
{
	return (unsigned)ldns_pkt_edns_extended_rcode(pkt) << 4 | (unsigned)ldns_pkt_get_rcode(pkt);
}

const char *rcode_text(unsigned rcode, char buf[16])
{
	/* IANA's names: ldns has a spelling of its own for NOTIMP. */
	static const char *const names[] = {
		[0] = "NOERROR",  [1] = "FORMERR", [2] = "SERVFAIL", [3] = "NXDOMAIN",  [4] = "NOTIMP",
		[5] = "REFUSED",  [6] = "YXDOMAIN", [7] = "YXRRSET", [8] = "NXRRSET",   [9] = "NOTAUTH",
		[10] = "NOTZONE", [16] = "BADVERS", [23] = "BADCOOKIE",
	};
	if (rcode < sizeof names / sizeof names[0] && names[rcode])
		return names[rcode];
	snprintf(buf, 16, "RCODE%u", rcode);
	return buf;
}

size_t flags_text(const ldns_pkt *pkt, char *buf, size_t size)
{
	const struct {
		const char *name;
		bool set;
	} flags[] = {
		{ "qr", ldns_pkt_qr(pkt) }, { "aa", ldns_pkt_aa(pkt) }, { "tc", ldns_pkt_tc(pkt) },
		{ "rd", ldns_pkt_rd(pkt) }, { "ra", ldns_pkt_ra(pkt) }, { "ad", ldns_pkt_ad(pkt) },
		{ "cd", ldns_pkt_cd(pkt) },
	};
	size_t len = 0;
	buf[0] = '\0';
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (flags[i].set && len + 4 < size)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? " " : "", flags[i].name);
	return len;
}

static const char *text_of(ldns_buffer *buf, size_t *len)
{
	*len = ldns_buffer_position(buf);
	return (const char *)ldns_buffer_begin(buf);
}

const char *rdata_text(ldns_buffer *buf, const ldns_rr *rr, size_t *len)
{
	ldns_buffer_clear(buf);
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		if (i && ldns_buffer_printf(buf, " ") < 0)
			return NULL;
		if (ldns_rdf2buffer_str(buf, ldns_rr_rdf(rr, i)) != LDNS_STATUS_OK)
			return NULL;
	}
	return text_of(buf, len);
}

const char *record_text(ldns_buffer *buf, const ldns_rr *rr, size_t *len)
{
	ldns_buffer_clear(buf);
	if (ldns_rr2buffer_str_fmt(buf, ldns_output_format_nocomments, rr) != LDNS_STATUS_OK)
		return NULL;
	return text_of(buf, len);
}

int soa_serial(const ldns_rr_list *list, uint32_t *serial)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_SOA || ldns_rr_rd_count(rr) < 3)
			continue;
		*serial = ldns_rdf2native_int32(ldns_rr_rdf(rr, 2));
		return 0;
	}
	return -1;
}
