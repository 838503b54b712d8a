/* SPDX-License-Identifier: Apache-2.0 */
/* dns_faults.h - a DNS server that misbehaves as the first label of the name asked for says. */
#ifndef TEST_DNS_FAULTS_H
#define TEST_DNS_FAULTS_H

#include <stdint.h>

struct dns_faults {
	int udp, other, listener; /* `other` answers in place of `udp`, from another port */
	uint16_t port;
};

/* Opens the sockets on 127.0.0.1. */
void dns_faults_open(struct dns_faults *f);
void dns_faults_close(struct dns_faults *f);
/* Serves for ever: child_fork() it. A true answer is 192.0.2.7, a false one 192.0.2.66. */
int dns_faults_serve(void *faults);

#endif
