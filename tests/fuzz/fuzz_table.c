/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_table.c - tables as an inspector (or whoever has taken its place) may send them to the core. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "plugin/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted must come out again as it went in. */
static void check_round_trip(const struct plugin_table *t)
{
	CLEANUP_BUF struct buf first = { 0 }, second = { 0 };
	plugin_table_encode(&first, t);
	struct cursor c = cursor_over(first.data, first.len);
	struct plugin_table *copy = plugin_table_decode(&c);
	if (!copy || cursor_left(&c))
		abort();
	plugin_table_encode(&second, copy);
	if (first.len != second.len || memcmp(first.data, second.data, first.len))
		abort();
	plugin_table_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(data, size);
	struct plugin_table *t = plugin_table_decode(&c);
	if (!t)
		return 0;
	check_round_trip(t);
	struct registry *r = registry_new();
	registry_add(r, t);
	for (uint32_t i = 0; i < r->n_drivers; i++) {
		const struct driver_table *d = r->drivers[i];
		if (!registry_driver(r, d->name))
			abort();
		for (uint32_t k = 0; k < d->n_facts; k++)
			driver_fact(d, d->facts[k].name, NULL, NULL);
	}
	registry_unref(r);
	return 0;
}
