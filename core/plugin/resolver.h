/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.h - names to addresses on the loop, by c-ares: literals, /etc/hosts, then DNS, in the order of RFC 6724.
 * Notices when resolv.conf changes; lookups under way end on the old servers. One thread, the loop's.
 *
 * For tests the environment names another resolv.conf (PROBED_RESOLV_CONF), port of its servers (PROBED_RESOLV_PORT),
 * length of the first of four tries (PROBED_RESOLV_TRY_MS), and hosts file (CARES_HOSTS).
 */
#ifndef PLUGIN_RESOLVER_H
#define PLUGIN_RESOLVER_H

#include <probed/types.h>

#include <stdint.h>

#include "base/loop.h"

struct resolver;
struct resolver_lookup;

/* As probed_resolve_fn: status 0 and n >= 1, or an error for people. The arrays live until it returns. */
typedef void (*resolver_fn)(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs);

struct resolver *resolver_new(struct loop *loop);
/* Lookups under way are dropped without an answer. */
void resolver_free(struct resolver *r);

/* family 0, 4 or 6. Never NULL; never answers from inside the call. */
struct resolver_lookup *resolver_ask(struct resolver *r, const char *name, uint32_t family, resolver_fn fn, void *arg);
/* Before the answer: it will not come. */
void resolver_cancel(struct resolver_lookup *lookup);

#endif
