/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_zone.c - files of time zones: read, and asked for times to both sides of each change. */
#include <stdint.h>

#include "base/mem.h"
#include "base/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zone *z = zone_read("fuzz", data, size);
	if (!z)
		return 0;
	for (size_t i = 1; i < z->n; i++) {
		if (z->at[i] <= z->at[i - 1] || zone_offset(z, z->at[i]) != z->offset[i] || zone_offset(z, z->at[i] - 1) != z->offset[i - 1])
			panic("not a table");
		/* changes are further apart than the clocks are, or times would come in an order of their own */
		int64_t t = z->at[i];
		if (t > INT64_MAX / 2 || t < INT64_MIN / 2)
			continue;
		if (zone_first(z, t + z->offset[i]) > t || zone_last(z, t + z->offset[i]) < t)
			panic("there and back is another time");
	}
	zone_free(z);
	return 0;
}
