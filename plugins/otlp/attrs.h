/* SPDX-License-Identifier: Apache-2.0 */
/* attrs.h - lists of OTLP's attributes, in a pool. One thread. */
#ifndef OTLP_ATTRS_H
#define OTLP_ATTRS_H

#include <otlp.pb-c.h>

#include "../common/pool.h"
#include "../common/record.h"

/* A list that grows: pointers, and how many of how many there is room for. */
struct attrs {
	struct pool *pool;
	Otlp__KeyValue **list;
	size_t n, cap;
};

/* Keys are not copied, and live as long as the pool. A NULL text adds nothing. */
void attrs_text(struct attrs *a, const char *key, const char *value);
void attrs_int(struct attrs *a, const char *key, int64_t value);
void attrs_double(struct attrs *a, const char *key, double value);
/* A fact with all of its entries: probed.fact.NAME. */
void attrs_fact(struct attrs *a, const struct probed_record *r, uint32_t i, uint32_t n);

#endif
