/* SPDX-License-Identifier: Apache-2.0 */
/* address.h - is a text a host with or without its port, is it a URL? By their looks only. Pure. */
#ifndef CONFIG_ADDRESS_H
#define CONFIG_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/* A name, an IPv4 or IPv6 address, or one of them with :port; IPv6 with a port stands in brackets. */
bool address_valid(const char *s, size_t n);
/* scheme://[user[:password]@]host[:port] and what follows, without blanks or control characters. */
bool url_valid(const char *s);

#endif
