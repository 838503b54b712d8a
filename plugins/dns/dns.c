/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns.c - the dns driver's tables and its life in a worker.
 *
 *   message  the query and the answer on the wire (ldns)      server  where queries go
 *   udp      the sockets that all targets share               target  a target's constants
 *   tcp      a connection a query                             probe   the way of one probe
 *                                                             report  its facts and body
 */
#include "dns.h"

#include <stdio.h>
#include <stdlib.h>

const struct probed_host *dns_host;

#define REQUIRED PROBED_OPTION_REQUIRED
#define TEMPLATE PROBED_OPTION_TEMPLATE
#define METRIC PROBED_FACT_METRIC

static const struct probed_option options[DNS_OPTIONS] = {
	[OPT_SERVER] = { .name = "server", .type = PROBED_TYPE_ADDRESS,
			 .help = "The server to ask: host, host:port or [v6]:port; without it, the machine's resolver." },
	[OPT_NAME] = { .name = "name", .type = PROBED_TYPE_STRING, .flags = REQUIRED | TEMPLATE,
		       .help = "The domain name to ask for." },
	[OPT_TYPE] = { .name = "type", .type = PROBED_TYPE_STRING, .def = "A",
		       .help = "The record type: A, AAAA, MX, SOA, TXT, ... or TYPEnnn." },
	[OPT_CLASS] = { .name = "class", .type = PROBED_TYPE_STRING, .def = "IN",
			.help = "The class: IN, CH, HS, ANY or CLASSnnn." },
	[OPT_RECURSE] = { .name = "recurse", .type = PROBED_TYPE_BOOLEAN, .def = "yes",
			  .help = "Ask the server to recurse (the RD flag)." },
	[OPT_TRANSPORT] = { .name = "transport", .type = PROBED_TYPE_CHOICE, .def = "auto", .choices = "auto|udp|tcp",
			    .help = "auto asks over UDP, and again over TCP where the answer is truncated." },
	[OPT_RETRIES] = { .name = "retries", .type = PROBED_TYPE_INTEGER, .def = "0", .max = 20,
			  .help = "How often an unanswered UDP query is sent again within the timeout; 0 shows loss." },
	[OPT_UDP_SIZE] = { .name = "udp_size", .type = PROBED_TYPE_SIZE, .def = "1232B", .max = UDP_DATAGRAM_MAX,
			   .help = "The longest UDP answer, announced to the server by EDNS; 0B sends no EDNS." },
};

static const struct probed_fact facts[DNS_FACTS] = {
	[FACT_RCODE] = { .name = "rcode", .unit = "", .type = PROBED_TYPE_STRING, .role = PROBED_ROLE_STATUS,
			 .help = "Response code by name: NOERROR, NXDOMAIN, SERVFAIL, ..." },
	[FACT_RCODE_VALUE] = { .name = "rcode.value", .unit = "", .type = PROBED_TYPE_INTEGER, .flags = METRIC,
			       .help = "Response code as a number." },
	[FACT_FLAGS] = { .name = "flags", .unit = "", .type = PROBED_TYPE_STRING,
			 .help = "Flags that are set, as in \"qr rd ra\"." },
	[FACT_AA] = { .name = "aa", .unit = "", .type = PROBED_TYPE_BOOLEAN, .help = "The answer is authoritative." },
	[FACT_TC] = { .name = "tc", .unit = "", .type = PROBED_TYPE_BOOLEAN, .help = "The answer is truncated." },
	[FACT_RD] = { .name = "rd", .unit = "", .type = PROBED_TYPE_BOOLEAN, .help = "Recursion was desired." },
	[FACT_RA] = { .name = "ra", .unit = "", .type = PROBED_TYPE_BOOLEAN, .help = "Recursion is available." },
	[FACT_AD] = { .name = "ad", .unit = "", .type = PROBED_TYPE_BOOLEAN,
		      .help = "The server calls the data authentic (DNSSEC)." },
	[FACT_ANSWER_COUNT] = { .name = "answer.count", .unit = "", .type = PROBED_TYPE_INTEGER, .flags = METRIC,
				.help = "Records in the answer section." },
	[FACT_AUTHORITY_COUNT] = { .name = "authority.count", .unit = "", .type = PROBED_TYPE_INTEGER, .flags = METRIC,
				   .help = "Records in the authority section." },
	[FACT_ADDITIONAL_COUNT] = { .name = "additional.count", .unit = "", .type = PROBED_TYPE_INTEGER, .flags = METRIC,
				    .help = "Records in the additional section, without EDNS." },
	[FACT_ANSWER] = { .name = "answer", .unit = "", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_LIST,
			  .help = "The data of each record of the answer section, as in a zone file." },
	[FACT_ANSWER_TTL] = { .name = "answer.ttl", .unit = "s", .type = PROBED_TYPE_DURATION, .flags = METRIC,
			      .help = "The least time to live in the answer section." },
	[FACT_SERIAL] = { .name = "serial", .unit = "", .type = PROBED_TYPE_INTEGER, .flags = METRIC,
			  .help = "Serial of the SOA record in the answer or authority section." },
	[FACT_TRANSPORT] = { .name = "transport", .unit = "", .type = PROBED_TYPE_STRING,
			     .help = "What carried the answer: udp or tcp." },
	[FACT_IP] = { .name = "ip", .unit = "", .type = PROBED_TYPE_STRING, .role = PROBED_ROLE_PEER_IP,
		      .help = "Address of the server." },
	[FACT_FAMILY] = { .name = "family", .unit = "", .type = PROBED_TYPE_INTEGER, .help = "4 or 6." },
	[FACT_BYTES_IN] = { .name = "bytes.in", .unit = "bytes", .type = PROBED_TYPE_SIZE, .flags = METRIC,
			    .role = PROBED_ROLE_BYTES_IN, .help = "Bytes of messages received." },
	[FACT_BYTES_OUT] = { .name = "bytes.out", .unit = "bytes", .type = PROBED_TYPE_SIZE, .flags = METRIC,
			     .role = PROBED_ROLE_BYTES_OUT, .help = "Bytes of messages sent." },
	[FACT_RTT] = { .name = "rtt", .unit = "s", .type = PROBED_TYPE_DURATION, .flags = METRIC,
		       .help = "Time from the query to its answer." },
};

static const struct probed_scheme schemes[] = {
	{ .scheme = "dns", .authority = "server", .path = "name", .query_opts = 1 },
};

static void worker_free(void *worker)
{
	struct dns_worker *w = worker;
	udp_free(w->udp);
	ldns_buffer_free(w->text);
	w->magic = 0;
	free(w);
}

static int32_t worker_new(void **worker, char *error, uint64_t error_size)
{
	struct dns_worker *w = calloc(1, sizeof *w);
	if (w) {
		w->magic = DNS_WORKER_MAGIC;
		w->udp = udp_new(dns_host);
		w->text = ldns_buffer_new(4096);
		server_of_machine("/etc/resolv.conf", &w->resolver);
		if (w->udp && w->text) {
			*worker = w;
			return 0;
		}
		worker_free(w);
	}
	snprintf(error, error_size, "out of memory");
	return -1;
}

static const struct probed_driver drivers[] = { {
	.name = "dns",
	.summary = "Asks a DNS server over UDP or TCP.",
	.default_expect = "rcode == NOERROR",
	.gate_option = "server",
	PROBED_TABLE(options, option, options),
	PROBED_TABLE(facts, fact, facts),
	PROBED_TABLE(schemes, scheme, schemes),
	.probe_size = sizeof(struct dns_probe),
	.worker_new = worker_new,
	.worker_free = worker_free,
	.target_new = dns_target_new,
	.target_free = dns_target_free,
	.start = dns_start,
	.cancel = dns_cancel,
} };

static int32_t load(const struct probed_host *host)
{
	dns_host = host;
	return 0;
}

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "dns",
	.version = "0.1.0",
	.summary = "DNS queries",
	PROBED_TABLE(drivers, driver, drivers),
	.load = load,
};
