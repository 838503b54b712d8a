/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_dns.c - answers as a server may send them: matched against a query, parsed, and put into words. The input
 * is the message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/dns/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *query;
static size_t query_len;

static void describe(const ldns_pkt *pkt, ldns_buffer *text)
{
	char word[64];
	uint32_t serial;
	size_t len;
	const ldns_rr_list *answer = ldns_pkt_answer(pkt);
	rcode_text(answer_rcode(pkt), word);
	flags_text(pkt, word, sizeof word);
	soa_serial(answer, &serial);
	soa_serial(ldns_pkt_authority(pkt), &serial);
	for (size_t i = 0; i < ldns_rr_list_rr_count(answer); i++) {
		rdata_text(text, ldns_rr_list_rr(answer, i), &len);
		record_text(text, ldns_rr_list_rr(answer, i), &len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static ldns_buffer *text;
	const struct question q = { .type = LDNS_RR_TYPE_A, .class = LDNS_RR_CLASS_IN, .recurse = 1, .udp_size = 1232 };
	char error[240];
	const char *why;
	if (!query && question_build(&q, "www.example.test", &query, &query_len, error, sizeof error))
		abort();
	if (!text)
		text = ldns_buffer_new(4096);
	answer_match(query, query_len, data, size);
	ldns_pkt *pkt = answer_parse(data, size, &why);
	if (pkt)
		describe(pkt, text);
	ldns_pkt_free(pkt);
	return 0;
}
