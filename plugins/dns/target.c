/* SPDX-License-Identifier: Apache-2.0 */
/* target.c - the constants of one target: its question, and the query that is built once. */
#include "dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_question(const struct probed_target_args *args, struct question *q, char *error, size_t size)
{
	const char *type = probed_target_option(args, OPT_TYPE)->s;
	const char *class = probed_target_option(args, OPT_CLASS)->s;
	q->type = ldns_get_rr_type_by_name(type);
	if (!q->type) {
		snprintf(error, size, "type: \"%s\" is not a record type (A, AAAA, MX, ... or TYPE65)", type);
		return -1;
	}
	if (q->type == LDNS_RR_TYPE_AXFR || q->type == LDNS_RR_TYPE_IXFR) {
		snprintf(error, size, "type: %s transfers a zone, which is not a single answer; ask for SOA", type);
		return -1;
	}
	q->class = ldns_get_rr_class_by_name(class);
	if (!q->class) {
		snprintf(error, size, "class: \"%s\" is not a class (IN, CH, HS, ANY or CLASS4)", class);
		return -1;
	}
	q->recurse = (int)probed_target_option(args, OPT_RECURSE)->i;
	q->udp_size = (uint16_t)probed_target_option(args, OPT_UDP_SIZE)->i;
	return 0;
}

static int read_server(struct dns_worker *w, const struct probed_target_args *args, struct dns_target *t, char *error,
                       size_t size)
{
	const struct probed_value *v = probed_target_option(args, OPT_SERVER);
	struct dns_server s;
	if (!v->s) {
		if (!w)
			return 0;
		s = w->resolver;
	} else if (server_parse(v->s, &s, error, size)) {
		return -1;
	}
	if (s.literal && args->family && args->family != s.addr.family) {
		snprintf(error, size, "server: %s is an IPv%u address, but family = %u", s.host, s.addr.family, args->family);
		return -1;
	}
	t->port = s.port;
	t->literal = s.literal;
	t->addr = s.addr;
	if (s.literal)
		return 0;
	t->host = strdup(s.host);
	if (!t->host)
		snprintf(error, size, "out of memory");
	return t->host ? 0 : -1;
}

static int read_target(struct dns_worker *w, const struct probed_target_args *args, struct dns_target *t, char *error,
                       size_t size)
{
	const struct probed_value *name = probed_target_option(args, OPT_NAME);
	t->family = args->family;
	t->transport = (enum dns_transport)probed_target_option(args, OPT_TRANSPORT)->i;
	t->retries = (int32_t)probed_target_option(args, OPT_RETRIES)->i;
	if (read_question(args, &t->question, error, size) || read_server(w, args, t, error, size))
		return -1;
	if (name->flags & PROBED_VALUE_TEMPLATE)
		return 0;
	return question_build(&t->question, name->s, &t->query, &t->query_len, error, size);
}

int32_t dns_target_new(void *worker, const struct probed_target_args *args, void **target, char *error,
                       uint64_t error_size)
{
	struct dns_target *t = calloc(1, sizeof *t);
	if (!t) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	t->magic = DNS_TARGET_MAGIC;
	if (read_target(worker, args, t, error, error_size)) {
		dns_target_free(worker, t);
		return -1;
	}
	*target = t;
	return 0;
}

void dns_target_free(void *worker, void *target)
{
	struct dns_target *t = target;
	(void)worker;
	free(t->host);
	free(t->query);
	t->magic = 0;
	free(t);
}
