/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_icmp.c - what comes in on an ICMP socket: the first byte chooses the family and whether there is an IP header. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/icmp/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	uint32_t family = data[0] & 1 ? 6 : 4;
	uint8_t *copy = malloc(size); /* a buffer of its own size: one byte beyond is seen */
	memcpy(copy, data + 1, size - 1);
	uint8_t *exact = realloc(copy, size > 1 ? size - 1 : 1);
	struct packet p;
	packet_parse(family, data[0] & 2, exact, size - 1, &p);
	if (p.kind == PACKET_ERROR)
		assert(*packet_error_text(family, p.type, p.code));
	if (p.kind == PACKET_REPLY)
		assert(p.has_token);
	packet_parse_request(family, exact, size - 1, &p);
	free(exact);
	return 0;
}
