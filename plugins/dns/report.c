/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - what an answer says, as facts and as a body of text. */
#include "dns.h"

#include <string.h>

/* More records than this are counted, but not given one by one. */
enum { ANSWERS_MAX = 256 };

static void integer(struct dns_probe *p, enum dns_fact fact, int64_t value)
{
	dns_host->fact_integer(p->probe, fact, NULL, value);
}

static void string(struct dns_probe *p, enum dns_fact fact, const char *s)
{
	dns_host->fact_string(p->probe, fact, NULL, s, strlen(s));
}

void report_peer(struct dns_probe *p)
{
	net_addr_facts(dns_host, p->probe, FACT_IP, FACT_FAMILY, &p->addrs[p->addr]);
	string(p, FACT_TRANSPORT, p->over_tcp ? "tcp" : "udp");
}

static void report_header(struct dns_probe *p, const ldns_pkt *pkt)
{
	char text[64];
	unsigned rcode = answer_rcode(pkt);
	string(p, FACT_RCODE, rcode_text(rcode, text));
	integer(p, FACT_RCODE_VALUE, rcode);
	flags_text(pkt, text, sizeof text);
	string(p, FACT_FLAGS, text);
	integer(p, FACT_AA, ldns_pkt_aa(pkt));
	integer(p, FACT_TC, ldns_pkt_tc(pkt));
	integer(p, FACT_RD, ldns_pkt_rd(pkt));
	integer(p, FACT_RA, ldns_pkt_ra(pkt));
	integer(p, FACT_AD, ldns_pkt_ad(pkt));
	integer(p, FACT_ANSWER_COUNT, (int64_t)ldns_rr_list_rr_count(ldns_pkt_answer(pkt)));
	integer(p, FACT_AUTHORITY_COUNT, (int64_t)ldns_rr_list_rr_count(ldns_pkt_authority(pkt)));
	integer(p, FACT_ADDITIONAL_COUNT, (int64_t)ldns_rr_list_rr_count(ldns_pkt_additional(pkt)));
}

static void report_records(struct dns_probe *p, const ldns_rr_list *answer)
{
	size_t n = ldns_rr_list_rr_count(answer);
	uint32_t ttl = UINT32_MAX;
	for (size_t i = 0; i < n; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(answer, i);
		size_t len;
		if (ldns_rr_ttl(rr) < ttl)
			ttl = ldns_rr_ttl(rr);
		const char *text = i < ANSWERS_MAX ? rdata_text(p->worker->text, rr, &len) : NULL;
		if (text)
			dns_host->fact_string(p->probe, FACT_ANSWER, NULL, text, len);
	}
	if (n)
		integer(p, FACT_ANSWER_TTL, (int64_t)ttl * INT64_C(1000000000));
}

static void report_body(struct dns_probe *p, const ldns_rr_list *answer)
{
	if (dns_host->body_want(p->probe) == PROBED_BODY_NONE)
		return;
	for (size_t i = 0; i < ldns_rr_list_rr_count(answer); i++) {
		size_t len;
		const char *text = record_text(p->worker->text, ldns_rr_list_rr(answer, i), &len);
		if (text && dns_host->body_write(p->probe, text, len))
			return;
	}
}

void report_answer(struct dns_probe *p, const ldns_pkt *pkt, size_t len, int64_t now_ns)
{
	uint32_t serial;
	p->bytes_in += (int64_t)len;
	report_peer(p);
	report_header(p, pkt);
	report_records(p, ldns_pkt_answer(pkt));
	if (!soa_serial(ldns_pkt_answer(pkt), &serial) || !soa_serial(ldns_pkt_authority(pkt), &serial))
		integer(p, FACT_SERIAL, serial);
	integer(p, FACT_BYTES_IN, p->bytes_in);
	integer(p, FACT_BYTES_OUT, p->bytes_out);
	integer(p, FACT_RTT, now_ns - p->sent_ns);
	report_body(p, ldns_pkt_answer(pkt));
}
